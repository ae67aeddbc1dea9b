/** What a link says of a training by itself: what differs from the defaults, each behind a key of its own. Keys and codes are permanent. */

import { byLetter, type Coded, codeOf, idOf, LinkError, numeral } from "./coding";
import type { Catalog } from "./schema";
import {
  classesOf,
  DEFAULT_TRAINING,
  type ListField,
  layerNames,
  limitsOf,
  MIRRORED,
  type NumberField,
  ROUNDINGS,
  STARTS,
  STEPS,
  settleTraining,
  TRANSFERS,
  type TrainingChoice,
} from "./training";

type Value = TrainingChoice[keyof TrainingChoice];

/** How one field stands in a link. */
interface Entry {
  readonly key: string;
  readonly field: keyof TrainingChoice;
  readonly write: (value: Value, catalog: Catalog, model: string) => string;
  readonly read: (text: string, catalog: Catalog, model: string) => Value;
}

/** A number, its decimal point a comma: a link has dots of its own. */
function numeric(key: string, field: NumberField, whole = false): Entry {
  return {
    key,
    field,
    write: (value) => numeral(Number(value)),
    read: (text, catalog) => {
      const plain = text.replace(",", ".");
      const value = Number(plain);
      const [least, most] = limitsOf(field, catalog);
      // Only as it is written: no second way to say the same.
      const same = /^\d/.test(plain) && String(value) === plain && (!whole || Number.isInteger(value));
      if (!same || !(value >= least && value <= most)) throw new LinkError(`training.${field}`, text);
      return value;
    },
  };
}

function coded(key: string, field: keyof TrainingChoice, entries: (catalog: Catalog) => readonly Coded[]): Entry {
  const part = `training.${field}`;
  return {
    key,
    field,
    write: (value, catalog) => codeOf(entries(catalog), String(value), part),
    read: (text, catalog) => idOf(entries(catalog), text, part),
  };
}

const letters = (ids: readonly string[]) => () => byLetter(ids);

/** Names by their places among all there are, ascending; with `rest` never all of them. */
function placed(
  key: string,
  field: ListField,
  names: (model: string, catalog: Catalog) => readonly string[],
  rest = false,
): Entry {
  return {
    key,
    field,
    write: (value, catalog, model) => {
      const all = names(model, catalog);
      return [value]
        .flat()
        .map((name) => all.indexOf(String(name)))
        .join(",");
    },
    read: (text, catalog, model) => {
      const all = names(model, catalog);
      const places = text.split(",").map(Number);
      const found = places.flatMap((place) => all[place] ?? []);
      // Only as it is written: no second way to say the same.
      const same = places.join(",") === text && places.every((place, at) => at === 0 || place > (places[at - 1] ?? 0));
      if (!same || found.length < places.length || (rest && found.length === all.length))
        throw new LinkError(`training.${field}`, text);
      return found;
    },
  };
}

/** Every field by the key it has in links. Keys are permanent. */
const ENTRIES: readonly Entry[] = [
  coded("z", "start", letters(STARTS)),
  numeric("e", "epochs", true),
  numeric("b", "batch", true),
  coded("o", "optimizer", (catalog) => catalog.optimizers),
  numeric("l", "lr"),
  numeric("x", "epsilon"),
  numeric("u", "momentum"),
  coded("j", "ahead", letters(STEPS)),
  numeric("y", "decay"),
  numeric("v", "shift", true),
  coded("f", "flip", letters(MIRRORED)),
  placed("X", "exclude", classesOf, true),
  placed("F", "freeze", layerNames),
  coded("r", "rate", (catalog) => catalog.rates),
  numeric("n", "count", true),
  numeric("w", "patience", true),
  numeric("s", "smoothing"),
  coded("p", "precision", (catalog) => catalog.precisions),
  numeric("k", "lossScale"),
  numeric("G", "growth", true),
  coded("h", "rounding", letters(ROUNDINGS)),
  numeric("m", "workers", true),
  coded("g", "message", (catalog) => catalog.messages),
  numeric("L", "levels", true),
  numeric("C", "clip"),
  numeric("S", "share"),
  coded("t", "teacher", (catalog) => catalog.models),
  numeric("T", "teacherEpochs", true),
  coded("A", "assistant", (catalog) => catalog.models),
  coded("i", "imitation", (catalog) => catalog.imitations),
  numeric("c", "temperature"),
  numeric("a", "alpha"),
  numeric("B", "beta"),
  coded("N", "transfer", letters(TRANSFERS)),
  numeric("d", "seeds", true),
];

/** What differs from the defaults, such as `e20~pf16`; `undefined` where nothing does. */
export function encodeTraining(choice: TrainingChoice, model: string, catalog: Catalog): string | undefined {
  const settled = settleTraining(choice, model, catalog);
  const parts = ENTRIES.filter(({ field }) => String(settled[field]) !== String(DEFAULT_TRAINING[field])).map(
    ({ key, field, write }) => `${key}${write(settled[field], catalog, model)}`,
  );
  return parts.length > 0 ? parts.join("~") : undefined;
}

/** Reads it again. Throws a `LinkError` for what is unknown, out of bounds, said twice, or no teacher or assistant of this model. */
export function decodeTraining(text: string, model: string, catalog: Catalog): TrainingChoice {
  const read = new Map<keyof TrainingChoice, Value>();
  for (const part of text.split("~")) {
    const entry = ENTRIES.find(({ key }) => part.startsWith(key));
    if (!entry || read.has(entry.field)) throw new LinkError("t1", part);
    read.set(entry.field, entry.read(part.slice(entry.key.length), catalog, model));
  }
  const choice: TrainingChoice = { ...DEFAULT_TRAINING, ...Object.fromEntries(read) };
  const settled = settleTraining(choice, model, catalog);
  for (const field of ["teacher", "assistant"] as const)
    if (settled[field] !== choice[field]) throw new LinkError(`training.${field}`, choice[field]);
  return settled;
}
