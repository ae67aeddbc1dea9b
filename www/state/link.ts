/**
 * Choice ⇄ the readable part of a link, version 1: `lenet5-fashion.q4a8~gt~asym~rm~cm`.
 *
 * The model's code, then the steps, parted by dots. A prune step is `p` and how much goes (www/state/prune-codes.ts), a training
 * behind it `t` and its epochs, then `~d` and its teacher, if it has one. A quantize step is `q` and the weights' code, `a` and the inputs' code,
 * then what differs from the defaults, each behind a `~` (www/state/codes.ts). A training through it is `t` and its epochs, then
 * `~e` estimator and `~d` teacher (www/state/train-codes.ts): `lenet5-fashion.p80.t1.q2.t2~el~do`. Codes come from the catalog.
 */

import {
  type Choice,
  DEFAULT_CHOICE,
  FULL_PRECISION,
  NO_ACTIVATIONS,
  normalise,
  quantizes,
  type RecipeChoice,
} from "./choice";
import { QUANTIZE_ENTRIES } from "./codes";
import { codeOf, decodeOption, type Entry, encodeOptions, idOf, LinkError } from "./coding";
import { decodeAmount, encodeAmount, PRUNE_ENTRIES } from "./prune-codes";
import { prunes } from "./pruning";
import type { Catalog } from "./schema";
import { TRAIN_ENTRIES, TUNE_ENTRIES } from "./train-codes";

export { LinkError } from "./coding";

/** Writes the model and steps of a choice. */
export function encodeRecipe(choice: Choice, catalog: Catalog): string {
  const model = codeOf(catalog.models, choice.model, "model");
  const plain = normalise(choice, catalog);
  const steps = [...encodePruning(plain, catalog), ...encodeQuantizing(plain, catalog)];
  return [model, ...steps].join(".");
}

function encodePruning(choice: Choice, catalog: Catalog): string[] {
  if (!prunes(choice)) return [];
  const step = `p${encodeAmount(choice)}${encodeOptions(PRUNE_ENTRIES, choice, catalog)}`;
  return choice.tuned === 0 ? [step] : [step, `t${choice.tuned}${encodeOptions(TUNE_ENTRIES, choice, catalog)}`];
}

function encodeQuantizing(choice: Choice, catalog: Catalog): string[] {
  if (!quantizes(choice)) return [];
  let step = `q${codeOf(catalog.formats, choice.weights, "weights")}`;
  if (choice.activations !== NO_ACTIVATIONS) step += `a${codeOf(catalog.formats, choice.activations, "activations")}`;
  step += encodeOptions(QUANTIZE_ENTRIES, choice, catalog);
  return choice.epochs === 0 ? [step] : [step, `t${choice.epochs}${encodeOptions(TRAIN_ENTRIES, choice, catalog)}`];
}

/** Reads what `encodeRecipe` writes. Throws a `LinkError` naming the part that is not known. */
export function decodeRecipe(text: string, catalog: Catalog): RecipeChoice {
  const model = [...catalog.models]
    .sort((a, b) => b.code.length - a.code.length)
    .find((entry) => text === entry.code || text.startsWith(`${entry.code}.`));
  if (!model) throw new LinkError("model", text.split(".")[0] ?? text);
  const rest = text.slice(model.code.length + 1);
  const base: RecipeChoice = {
    ...DEFAULT_CHOICE,
    model: model.id,
    weights: FULL_PRECISION,
    activations: NO_ACTIVATIONS,
  };
  const steps = rest === "" ? [] : rest.split(".");
  const take = (kind: string) => (steps[0]?.startsWith(kind) ? steps.shift()?.slice(kind.length) : undefined);
  let choice = base;
  const pruning = take("p");
  if (pruning !== undefined) {
    const [amount = "", ...options] = pruning.split("~");
    choice = decodeAll(PRUNE_ENTRIES, { ...choice, ...decodeAmount(amount, catalog) }, options, catalog);
    const tuned = take("t");
    if (tuned !== undefined) choice = decodeTrain("tuned", TUNE_ENTRIES, choice, tuned, catalog);
  }
  const quantizing = take("q");
  if (quantizing !== undefined) {
    const [formats = "", ...options] = quantizing.split("~");
    choice = decodeAll(QUANTIZE_ENTRIES, { ...choice, ...decodeFormats(formats, catalog) }, options, catalog);
    const train = take("t");
    if (train !== undefined) choice = decodeTrain("epochs", TRAIN_ENTRIES, choice, train, catalog);
  }
  if (steps.length > 0) throw new LinkError("step", rest);
  return choice;
}

function decodeAll(
  entries: readonly Entry[],
  start: RecipeChoice,
  options: readonly string[],
  catalog: Catalog,
): RecipeChoice {
  const choice = { ...start };
  for (const option of options) Object.assign(choice, decodeOption(entries, option, catalog, start.model));
  return choice;
}

/** A training: its epochs, as that field, and its options. */
function decodeTrain(
  field: "tuned" | "epochs",
  entries: readonly Entry[],
  start: RecipeChoice,
  text: string,
  catalog: Catalog,
): RecipeChoice {
  const [digits = "", ...options] = text.split("~");
  const epochs = /^[1-9]\d{0,3}$/.test(digits) ? Number(digits) : Number.NaN;
  const [least = 1, most = 1] = catalog.limits["train.epochs"] ?? [];
  const once = new Set(options.map((option) => option.slice(0, 1))).size === options.length;
  if (!(epochs >= least && epochs <= most) || !once) throw new LinkError("step", `t${text}`);
  return decodeAll(entries, { ...start, [field]: epochs }, options, catalog);
}

function decodeFormats(text: string, catalog: Catalog): Pick<Choice, "weights" | "activations"> {
  const weights = catalog.formats.filter((format) => format.weights);
  const plain = weights.find((format) => format.code === text);
  if (plain) return { weights: plain.id, activations: NO_ACTIVATIONS };
  const format = weights
    .filter((entry) => text.startsWith(`${entry.code}a`))
    .sort((a, b) => b.code.length - a.code.length)[0];
  if (!format) throw new LinkError("weights", text);
  const inputs = catalog.formats.filter((entry) => entry.activations);
  return { weights: format.id, activations: idOf(inputs, text.slice(format.code.length + 1), "activations") };
}
