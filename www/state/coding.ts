/** How links write what differs from the defaults: entries of a table, each with a key of its own. Codes are permanent. */

import { type Choice, DEFAULT_CHOICE, type RecipeChoice } from "./choice";
import type { Catalog } from "./schema";

/** Why a link was refused: which part, and what stood there. */
export class LinkError extends Error {
  readonly part: string;
  readonly found: string;

  constructor(part: string, found: string) {
    super(`${part}: ${found}`);
    this.name = "LinkError";
    this.part = part;
    this.found = found;
  }
}

export interface Coded {
  readonly id: string;
  readonly code: string;
}

export function codeOf(entries: readonly Coded[], id: string, part: string): string {
  const entry = entries.find((candidate) => candidate.id === id);
  if (!entry) throw new LinkError(part, id);
  return entry.code;
}

export function idOf(entries: readonly Coded[], code: string, part: string): string {
  const entry = entries.find((candidate) => candidate.code === code);
  if (!entry) throw new LinkError(part, code);
  return entry.id;
}

/** Codes of what the catalog has no list for: first letters. */
export const byLetter = (ids: readonly string[]): Coded[] => ids.map((id) => ({ id, code: id.slice(0, 1) }));

/** A number in a link: its decimal point would part steps, so it is a comma. */
export const numeral = (value: number) => String(value).replace(".", ",");

/** A number, within the catalog's limits of that name. */
export function number(text: string, limit: string, part: string, catalog: Catalog, whole: boolean): number {
  const shape = whole ? /^(?:0|[1-9]\d{0,15})$/ : /^(?:0|[1-9]\d{0,4})(?:,\d{1,6})?$/;
  const value = shape.test(text) ? Number(text.replace(",", ".")) : Number.NaN;
  const [least = 0, most = Number.MAX_SAFE_INTEGER] = catalog.limits[limit] ?? [];
  if (!(value >= least && value <= most)) throw new LinkError(part, text);
  return value;
}

export interface Entry {
  /** What it begins with; the whole of it where it has no value. */
  readonly key: string;
  readonly bare?: boolean;
  /** What stands behind the key, or `undefined` for the default. */
  readonly write: (choice: Choice, catalog: Catalog) => string | undefined;
  readonly read: (value: string, catalog: Catalog, model: string) => Partial<RecipeChoice>;
}

export type Numbers = { [K in keyof Choice]: Choice[K] extends number ? K : never }[keyof Choice];
export type Strings = { [K in keyof Choice]: Choice[K] extends string ? K : never }[keyof Choice];
export type Booleans = { [K in keyof Choice]: Choice[K] extends boolean ? K : never }[keyof Choice];

/** A choice from a list. */
export const listed = (key: string, field: Strings, entries: (catalog: Catalog) => readonly Coded[]): Entry => ({
  key,
  write: (choice, catalog) =>
    choice[field] === DEFAULT_CHOICE[field] ? undefined : codeOf(entries(catalog), choice[field], field),
  read: (value, catalog) => ({ [field]: idOf(entries(catalog), value, field) }),
});

/** A number of a name among the catalog's limits. */
export const counted = (key: string, field: Numbers, limit: string, whole = true): Entry => ({
  key,
  write: (choice) => (choice[field] === DEFAULT_CHOICE[field] ? undefined : numeral(choice[field])),
  read: (value, catalog) => ({ [field]: number(value, limit, field, catalog, whole) }),
});

/** What is or is not. */
export const flag = (key: string, field: Booleans): Entry => ({
  key,
  bare: true,
  write: (choice) => (choice[field] === DEFAULT_CHOICE[field] ? undefined : ""),
  read: () => ({ [field]: !DEFAULT_CHOICE[field] }),
});

/** What differs from the defaults, each behind its `~`. */
export function encodeOptions(entries: readonly Entry[], choice: Choice, catalog: Catalog): string {
  return entries
    .map((entry) => ({ entry, value: entry.write(choice, catalog) }))
    .flatMap(({ entry, value }) => (value === undefined ? [] : [`~${entry.key}${value}`]))
    .join("");
}

/** Reads one of what `encodeOptions` writes, for a model. Throws a `LinkError` for what is not known. */
export function decodeOption(
  entries: readonly Entry[],
  text: string,
  catalog: Catalog,
  model: string,
): Partial<RecipeChoice> {
  const entry =
    entries.find((candidate) => candidate.bare && candidate.key === text) ??
    entries.find((candidate) => !candidate.bare && text.startsWith(candidate.key) && text !== candidate.key);
  if (!entry) throw new LinkError("option", text);
  return entry.read(text.slice(entry.key.length), catalog, model);
}
