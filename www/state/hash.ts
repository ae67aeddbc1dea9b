/** One table of what the address keeps, and the way from the page's view to the hash and back. */

import { type Choice, DEFAULT_CHOICE, dataOf, normalise, type RecipeChoice, recipeIn } from "./choice";
import { decodeRecipe, encodeRecipe, LinkError } from "./link";
import {
  DEFAULT_MACHINES,
  type MachinesView,
  readAim,
  readChosen,
  readEdits,
  readWorkload,
  writeAim,
  writeChosen,
  writeEdits,
  writeWorkload,
} from "./machines";
import type { Catalog } from "./schema";
import { DEFAULT_TRAINING, type TrainingChoice } from "./training";
import { decodeTraining, encodeTraining } from "./training-link";

export const AXES = ["bytes", "bits", "sparsity", "macs"] as const;
/** Families that a link can ask to be run. */
const FAMILIES = ["widths", "sparsities"] as const;
export const TABS = ["chart", "recipe", "lost", "runs"] as const;

export type AxisName = (typeof AXES)[number];
export type Tab = (typeof TABS)[number];

/** All of the page that a link carries. */
export interface View {
  readonly choice: Choice;
  readonly axis: AxisName;
  readonly tab: Tab;
  /** Whether the whole family of widths is to be run. */
  readonly widths: boolean;
  /** Whether every sparsity of the chosen pruning is to be run, trained and not. */
  readonly sparsities: boolean;
  /** The recipe the chosen one is compared with, on the same images and seed; without one, its baseline. */
  readonly pinned: RecipeChoice | undefined;
  /** What the panel of modelled machines shows. */
  readonly machines: MachinesView;
  /** The training by itself, of the chosen model. */
  readonly training: TrainingChoice;
}

export const DEFAULT_VIEW: View = {
  choice: DEFAULT_CHOICE,
  axis: "bytes",
  tab: "chart",
  widths: false,
  sparsities: false,
  pinned: undefined,
  machines: DEFAULT_MACHINES,
  training: DEFAULT_TRAINING,
};

/** A longer hash is no link of ours. */
export const LONGEST_HASH = 2000;

export type LinkProblem =
  | { readonly kind: "hash"; readonly path: string; readonly found: string }
  | { readonly kind: "long"; readonly found: number; readonly allowed: number }
  | { readonly kind: "version"; readonly found: string };

interface Property {
  readonly key: string;
  /** The value to write, or `undefined` when it is the default. */
  readonly write: (view: View, catalog: Catalog) => string | undefined;
  /** The view with the value read. Throws a `LinkError` for a value that is none. */
  readonly read: (view: View, value: string, catalog: Catalog) => View;
}

function oneOf<T extends string>(names: readonly T[], value: string, key: string): T {
  const name = names.find((candidate) => candidate === value);
  if (name === undefined) throw new LinkError(key, value);
  return name;
}

function whole(value: string, key: string, least: number, most: number): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most)) throw new LinkError(key, value);
  return number;
}

/** The table. A property is added here and nowhere else. */
const PROPERTIES: readonly Property[] = [
  {
    key: "r1",
    write: (view, catalog) => {
      const text = encodeRecipe(view.choice, catalog);
      return text === encodeRecipe(DEFAULT_CHOICE, catalog) ? undefined : text;
    },
    read: (view, value, catalog) => ({ ...view, choice: { ...view.choice, ...decodeRecipe(value, catalog) } }),
  },
  {
    key: "n",
    write: (view) => (view.choice.count === DEFAULT_CHOICE.count ? undefined : String(view.choice.count)),
    read: (view, value) => ({ ...view, choice: { ...view.choice, count: whole(value, "n", 1, 1e6) } }),
  },
  {
    key: "seed",
    write: (view) => (view.choice.seed === DEFAULT_CHOICE.seed ? undefined : String(view.choice.seed)),
    read: (view, value) => ({
      ...view,
      choice: { ...view.choice, seed: whole(value, "seed", 0, Number.MAX_SAFE_INTEGER) },
    }),
  },
  {
    key: "a",
    write: (view, catalog) => view.pinned && encodeRecipe({ ...view.choice, ...view.pinned }, catalog),
    read: (view, value, catalog) => {
      const pinned = normalise({ ...view.choice, ...decodeRecipe(value, catalog) }, catalog);
      if (dataOf(pinned, catalog) !== dataOf(view.choice, catalog)) throw new LinkError("a", value);
      return { ...view, pinned: recipeIn(pinned) };
    },
  },
  {
    key: "x",
    write: (view) => (view.axis === DEFAULT_VIEW.axis ? undefined : view.axis),
    read: (view, value) => ({ ...view, axis: oneOf(AXES, value, "x") }),
  },
  {
    key: "run",
    write: (view) => FAMILIES.filter((family) => view[family]).join("+") || undefined,
    read: (view, value) => {
      const asked = value.split("+").map((name) => oneOf(FAMILIES, name, "run"));
      return { ...view, widths: asked.includes("widths"), sparsities: asked.includes("sparsities") };
    },
  },
  {
    key: "tab",
    write: (view) => (view.tab === DEFAULT_VIEW.tab ? undefined : view.tab),
    read: (view, value) => ({ ...view, tab: oneOf(TABS, value, "tab") }),
  },
  {
    key: "for",
    write: (view) => writeAim(view.machines),
    read: (view, value) => machines(view, "for", value, readAim(value)),
  },
  {
    key: "hw",
    write: (view) => writeChosen(view.machines),
    read: (view, value) => machines(view, "hw", value, { chosen: readChosen(value) }),
  },
  {
    key: "on",
    write: (view) => writeWorkload(view.machines),
    read: (view, value) => machines(view, "on", value, readWorkload(value)),
  },
  {
    key: "own",
    write: (view) => writeEdits(view.machines),
    read: (view, value) => machines(view, "own", value, { edits: readEdits(value) }),
  },
  {
    key: "t1",
    write: (view, catalog) => encodeTraining(view.training, view.choice.model, catalog),
    read: (view, value, catalog) => ({ ...view, training: decodeTraining(value, view.choice.model, catalog) }),
  },
];

/** A view with some of its machines' part read; refuses what could not be. */
function machines(
  view: View,
  key: string,
  found: string,
  part: { [K in keyof MachinesView]?: MachinesView[K] | undefined } | undefined,
): View {
  if (part === undefined || Object.values(part).includes(undefined)) throw new LinkError(key, found);
  return { ...view, machines: { ...view.machines, ...(part as Partial<MachinesView>) } };
}

/** The hash of a view, with its `#`; empty for the default view. */
export function writeHash(view: View, catalog: Catalog): string {
  const parts = PROPERTIES.flatMap((property) => {
    const value = property.write(view, catalog);
    return value === undefined ? [] : [`${property.key}=${value}`];
  });
  return parts.length > 0 ? `#${parts.join("&")}` : "";
}

/** Reads a hash. Unknown keys are dropped; anything else wrong gives the default view and one problem. */
export function readHash(
  hash: string,
  catalog: Catalog,
): { readonly view: View; readonly problem: LinkProblem | undefined } {
  const text = hash.replace(/^#/, "");
  const refuse = (problem: LinkProblem) => ({ view: DEFAULT_VIEW, problem });
  if (text.length > LONGEST_HASH) return refuse({ kind: "long", found: text.length, allowed: LONGEST_HASH });
  const values = new Map<string, string>();
  for (const pair of text.split("&")) {
    const at = pair.indexOf("=");
    if (at > 0) values.set(pair.slice(0, at), decoded(pair.slice(at + 1)));
  }
  const version = [...values.keys()].find((key) => /^r\d+$/.test(key) && key !== "r1");
  if (version !== undefined) return refuse({ kind: "version", found: version });
  try {
    let view = DEFAULT_VIEW;
    for (const property of PROPERTIES) {
      const value = values.get(property.key);
      if (value !== undefined) view = property.read(view, value, catalog);
    }
    return { view: { ...view, choice: normalise(view.choice, catalog) }, problem: undefined };
  } catch (error) {
    if (error instanceof LinkError) return refuse({ kind: "hash", path: error.part, found: error.found.slice(0, 60) });
    throw error;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
