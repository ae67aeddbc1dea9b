/**
 * Choice ⇄ the readable part of a link, version 1: `lenet5-fashion.q4a8~gt~asym~rm~cm`.
 *
 * The model's code, then the steps, parted by dots. A quantize step is `q` and the weights' code, `a` and the inputs' code,
 * then what differs from the defaults, each behind a `~` (www/state/codes.ts). A training through it is `t` and its epochs, then
 * `~e` estimator: `lenet5-fashion.q2.t2~el`. Codes come from the catalog.
 */

import {
  type Choice,
  DEFAULT_CHOICE,
  FULL_PRECISION,
  isBaseline,
  NO_ACTIVATIONS,
  normalise,
  type RecipeChoice,
} from "./choice";
import { codeOf, decodeOption, encodeOptions, idOf, LinkError } from "./codes";
import type { Catalog } from "./schema";

export { LinkError } from "./codes";

/** Writes the model and steps of a choice. */
export function encodeRecipe(choice: Choice, catalog: Catalog): string {
  const model = codeOf(catalog.models, choice.model, "model");
  if (isBaseline(choice)) return model;
  const plain = normalise(choice, catalog);
  let step = `q${codeOf(catalog.formats, plain.weights, "weights")}`;
  if (plain.activations !== NO_ACTIVATIONS) step += `a${codeOf(catalog.formats, plain.activations, "activations")}`;
  step += encodeOptions(plain, catalog);
  if (plain.epochs === 0) return `${model}.${step}`;
  let train = `t${plain.epochs}`;
  if (plain.estimator !== DEFAULT_CHOICE.estimator)
    train += `~e${codeOf(catalog.estimators, plain.estimator, "estimator")}`;
  return `${model}.${step}.${train}`;
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
  if (rest === "") return base;
  const [quantize = "", train, ...more] = rest.split(".");
  if (!quantize.startsWith("q") || more.length > 0) throw new LinkError("step", rest);
  const [formats = "", ...options] = quantize.slice(1).split("~");
  const choice = { ...base, ...decodeFormats(formats, catalog) };
  for (const option of options) Object.assign(choice, decodeOption(option, catalog, model.id));
  return train === undefined ? choice : { ...choice, ...decodeTrain(train, catalog) };
}

function decodeTrain(text: string, catalog: Catalog): Pick<Choice, "epochs" | "estimator"> {
  const [, digits, code] = text.match(/^t([1-9]\d{0,3})(?:~e(.+))?$/) ?? [];
  const epochs = Number(digits);
  const [least = 1, most = 1] = catalog.limits["train.epochs"] ?? [];
  if (!(epochs >= least && epochs <= most)) throw new LinkError("step", text);
  return {
    epochs,
    estimator: code === undefined ? DEFAULT_CHOICE.estimator : idOf(catalog.estimators, code, "estimator"),
  };
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
