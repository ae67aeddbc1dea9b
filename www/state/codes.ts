/** The table of what a quantize step of a link says behind its formats: `~g64`, `~xf-e`, `~og`. Codes are permanent. */

import {
  CACHE_GRANULARITIES,
  type Choice,
  DEFAULT_CHOICE,
  FIRST_IMAGES,
  GROUPED,
  MODES,
  NONE,
  type RecipeChoice,
  SAME,
  weightedLayers,
} from "./choice";
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
const byLetter = (ids: readonly string[]): Coded[] => ids.map((id) => ({ id, code: id.slice(0, 1) }));

/** A number in a link: its decimal point would part steps, so it is a comma. */
const numeral = (value: number) => String(value).replace(".", ",");

/** A number, within the catalog's limits of that name. */
function number(text: string, limit: string, part: string, catalog: Catalog, whole: boolean): number {
  const shape = whole ? /^(?:0|[1-9]\d{0,15})$/ : /^(?:0|[1-9]\d{0,4})(?:,\d{1,6})?$/;
  const value = shape.test(text) ? Number(text.replace(",", ".")) : Number.NaN;
  const [least = 0, most = Number.MAX_SAFE_INTEGER] = catalog.limits[limit] ?? [];
  if (!(value >= least && value <= most)) throw new LinkError(part, text);
  return value;
}

interface Entry {
  /** What it begins with; the whole of it where it has no value. */
  readonly key: string;
  readonly bare?: boolean;
  /** What stands behind the key, or `undefined` for the default. */
  readonly write: (choice: Choice, catalog: Catalog) => string | undefined;
  readonly read: (value: string, catalog: Catalog, model: string) => Partial<RecipeChoice>;
}

type Numbers = { [K in keyof Choice]: Choice[K] extends number ? K : never }[keyof Choice];
type Strings = { [K in keyof Choice]: Choice[K] extends string ? K : never }[keyof Choice];
type Booleans = { [K in keyof Choice]: Choice[K] extends boolean ? K : never }[keyof Choice];

/** A choice from a list. */
const listed = (key: string, field: Strings, entries: (catalog: Catalog) => readonly Coded[]): Entry => ({
  key,
  write: (choice, catalog) =>
    choice[field] === DEFAULT_CHOICE[field] ? undefined : codeOf(entries(catalog), choice[field], field),
  read: (value, catalog) => ({ [field]: idOf(entries(catalog), value, field) }),
});

/** A number of a name among the catalog's limits. */
const counted = (key: string, field: Numbers, limit: string, whole = true): Entry => ({
  key,
  write: (choice) => (choice[field] === DEFAULT_CHOICE[field] ? undefined : numeral(choice[field])),
  read: (value, catalog) => ({ [field]: number(value, limit, field, catalog, whole) }),
});

/** What is or is not. */
const flag = (key: string, field: Booleans): Entry => ({
  key,
  bare: true,
  write: (choice) => (choice[field] === DEFAULT_CHOICE[field] ? undefined : ""),
  read: () => ({ [field]: !DEFAULT_CHOICE[field] }),
});

/** Formats of the catalog that suit a use. */
const formats = (suits: (format: Catalog["formats"][number]) => boolean) => (catalog: Catalog) =>
  catalog.formats.filter(suits);

/** In the order they are written. An entry is added at the end, with a key that begins like no other. */
const ENTRIES: readonly Entry[] = [
  {
    key: "g",
    write: (choice, catalog) => {
      if (choice.granularity === GROUPED) return String(choice.group);
      const code = () => codeOf(catalog.granularities, choice.granularity, "granularity");
      return choice.granularity === DEFAULT_CHOICE.granularity ? undefined : code();
    },
    read: (value, catalog) =>
      /^\d/.test(value)
        ? { granularity: GROUPED, group: number(value, "weights.group", "granularity", catalog, true) }
        : { granularity: idOf(catalog.granularities, value, "granularity") },
  },
  flag("asym", "symmetric"),
  listed("r", "range", (catalog) => catalog.ranges),
  listed("c", "calibration", (catalog) => catalog.calibrations),
  {
    key: "x",
    write: ({ transforms }, catalog) =>
      transforms.length === 0
        ? undefined
        : transforms.map((id) => codeOf(catalog.transforms, id, "transforms")).join("-"),
    read: (value, catalog) => ({
      transforms: value.split("-").map((code) => idOf(catalog.transforms, code, "transforms")),
    }),
  },
  counted("s", "alpha", "quantize.alpha", false),
  listed("w", "scale", (catalog) => catalog.scales),
  listed("o", "rounding", (catalog) => catalog.roundings),
  counted("d", "damping", "weights.damping", false),
  flag("act", "actOrder"),
  counted("i", "iterations", "weights.iterations"),
  counted("k", "codebook", "weights.bits"),
  flag("huff", "huffman"),
  listed(
    "h",
    "misfits",
    formats((format) => format.block === null),
  ),
  flag("ends", "ends"),
  counted("u", "budget", "bits.budget", false),
  counted("j", "judged", "bits.images"),
  listed("b", "correction", (catalog) => catalog.corrections),
  counted("t", "images", "quantize.images"),
  {
    key: "z",
    write: ({ draw }) => (draw === FIRST_IMAGES ? undefined : String(draw)),
    read: (value, catalog) => ({ draw: number(value, "seed", "draw", catalog, true) }),
  },
  listed("m", "mode", () => byLetter(MODES)),
  flag("iasym", "inputsSymmetric"),
  counted("p", "percentile", "activations.percentile", false),
  counted("n", "watched", "activations.images"),
  {
    key: "v",
    write: ({ cache, cacheGranularity }, catalog) => {
      if (cache === NONE) return undefined;
      const code = codeOf(catalog.formats, cache, "cache");
      const own = codeOf(byLetter(CACHE_GRANULARITIES), cacheGranularity, "cache");
      return cacheGranularity === DEFAULT_CHOICE.cacheGranularity ? code : `${code}-${own}`;
    },
    read: (value, catalog) => {
      const [code = "", own] = value.split("-");
      const suited = formats((format) => format.cache)(catalog);
      const cacheGranularity =
        own === undefined ? DEFAULT_CHOICE.cacheGranularity : idOf(byLetter(CACHE_GRANULARITIES), own, "cache");
      return { cache: idOf(suited, code, "cache"), cacheGranularity };
    },
  },
  {
    // A layer by its place among those with weights, its weights' format, its inputs': `0:8,4:4:4`; nothing for the same as all.
    key: "y",
    write: ({ model, layers }, catalog) => {
      const names = weightedLayers({ model }, catalog).map(({ name }) => name);
      const code = (id: string) => (id === SAME ? "" : codeOf(catalog.formats, id, "layers"));
      const each = layers.map(({ name, weights, activations }) =>
        [names.indexOf(name), code(weights), code(activations)].join(":").replace(/:$/, ""),
      );
      return each.length > 0 ? each.join(",") : undefined;
    },
    read: (value, catalog, model) => {
      const layers = weightedLayers({ model }, catalog);
      const id = (code: string, suits: (format: Catalog["formats"][number]) => boolean) =>
        code === "" ? SAME : idOf(catalog.formats.filter(suits), code, "layers");
      return {
        layers: value.split(",").map((text) => {
          const [place = "", weights = "", activations = ""] = text.split(":");
          const layer = /^\d{1,3}$/.test(place) ? layers[Number(place)] : undefined;
          if (!layer) throw new LinkError("layers", text);
          return {
            name: layer.name,
            weights: id(weights, (format) => format.weights),
            activations: id(activations, (format) => format.activations),
          };
        }),
      };
    },
  },
];

/** What differs from the defaults, each behind its `~`. */
export function encodeOptions(choice: Choice, catalog: Catalog): string {
  return ENTRIES.map((entry) => ({ entry, value: entry.write(choice, catalog) }))
    .flatMap(({ entry, value }) => (value === undefined ? [] : [`~${entry.key}${value}`]))
    .join("");
}

/** Reads one of what `encodeOptions` writes, for a model. Throws a `LinkError` for what is not known. */
export function decodeOption(text: string, catalog: Catalog, model: string): Partial<RecipeChoice> {
  const entry =
    ENTRIES.find((candidate) => candidate.bare && candidate.key === text) ??
    ENTRIES.find((candidate) => !candidate.bare && text.startsWith(candidate.key) && text !== candidate.key);
  if (!entry) throw new LinkError("option", text);
  return entry.read(text.slice(entry.key.length), catalog, model);
}
