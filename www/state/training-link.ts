/** What a link says of a training by itself: what differs from the defaults, each behind a key of its own. Keys and codes are permanent. */

import { byLetter, type Coded, codeOf, idOf, LinkError, numeral } from "./coding";
import type { Catalog } from "./schema";
import {
  DEFAULT_TRAINING,
  limitsOf,
  MIRRORED,
  type NumberField,
  ROUNDINGS,
  STARTS,
  STEPS,
  settleTraining,
  type TrainingChoice,
} from "./training";

/** How one field stands in a link. */
interface Entry {
  readonly key: string;
  readonly field: keyof TrainingChoice;
  readonly write: (value: string | number, catalog: Catalog) => string;
  readonly read: (text: string, catalog: Catalog) => string | number;
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
  coded("i", "imitation", (catalog) => catalog.imitations),
  numeric("c", "temperature"),
  numeric("a", "alpha"),
  numeric("d", "seeds", true),
];

/** What differs from the defaults, such as `e20~pf16`; `undefined` where nothing does. */
export function encodeTraining(choice: TrainingChoice, model: string, catalog: Catalog): string | undefined {
  const settled = settleTraining(choice, model, catalog);
  const parts = ENTRIES.filter(({ field }) => settled[field] !== DEFAULT_TRAINING[field]).map(
    ({ key, field, write }) => `${key}${write(settled[field], catalog)}`,
  );
  return parts.length > 0 ? parts.join("~") : undefined;
}

/** Reads it again. Throws a `LinkError` for what is unknown, out of bounds, said twice, or no teacher of this model. */
export function decodeTraining(text: string, model: string, catalog: Catalog): TrainingChoice {
  const read = new Map<keyof TrainingChoice, string | number>();
  for (const part of text.split("~")) {
    const entry = ENTRIES.find(({ key }) => part.startsWith(key));
    if (!entry || read.has(entry.field)) throw new LinkError("t1", part);
    read.set(entry.field, entry.read(part.slice(entry.key.length), catalog));
  }
  const choice: TrainingChoice = { ...DEFAULT_TRAINING, ...Object.fromEntries(read) };
  const settled = settleTraining(choice, model, catalog);
  if (settled.teacher !== choice.teacher) throw new LinkError("training.teacher", choice.teacher);
  return settled;
}
