/** Sentences that several panels say: names of recipes, results in words, errors. */

import type { Speech } from "../i18n";
import { type Choice, DEFAULT_CHOICE, FULL_PRECISION, isBaseline, NO_ACTIVATIONS, quantizes } from "../state/choice";
import type { Problem } from "../state/lab";
import { encodeRecipe } from "../state/link";
import { prunes } from "../state/pruning";
import type { Outcome } from "../state/runs";
import type { Catalog, CoreError } from "../state/schema";
import { amountWords, granularityWords, inputWords, methodWords, pruneWords, taughtWords } from "./methods";

/** Short name of a recipe's width, for labels: "4 bits". */
export function widthName(choice: Choice, speech: Speech): string {
  return speech.name("width", choice.weights);
}

/** The shortest that tells a recipe from its baseline: what is pruned, and the width. */
export function shortName(choice: Choice, speech: Speech): string {
  if (!prunes(choice)) return widthName(choice, speech);
  const amount = speech.t("trait.pruned.short", { amount: amountWords(choice) });
  return quantizes(choice) ? `${amount}, ${widthName(choice, speech)}` : amount;
}

/** Name of a recipe in words: format, then whatever is not as usual. */
export function recipeName(choice: Choice, speech: Speech): string {
  if (isBaseline(choice)) return speech.name("format", FULL_PRECISION);
  const parts = pruneWords(choice, speech);
  if (!quantizes(choice)) return parts.join(", ");
  parts.push(speech.name("format", choice.weights));
  if (choice.granularity !== DEFAULT_CHOICE.granularity) parts.push(granularityWords(choice, speech));
  if (!choice.symmetric) parts.push(speech.t("trait.asymmetric"));
  if (choice.range !== DEFAULT_CHOICE.range) parts.push(rangeWords(choice, speech));
  parts.push(...methodWords(choice, speech));
  if (choice.activations !== NO_ACTIVATIONS)
    parts.push(speech.t("trait.inputs", { format: speech.name("format", choice.activations) }));
  parts.push(...inputWords(choice, speech));
  if (choice.epochs > 0) parts.push(trainingWords(choice, speech));
  return parts.join(", ");
}

/** How a recipe chooses ranges, as a trait. */
export function rangeWords(choice: Choice, speech: Speech): string {
  if (choice.range === "absmean") return speech.t("trait.absmean");
  return speech.t(choice.range === "mse" ? "trait.mse" : "trait.minmax");
}

/** A training through the quantizer, as a trait. */
export function trainingWords({ epochs, estimator, teacher }: Choice, speech: Speech): string {
  if (epochs === 0) return speech.t("trait.untrained");
  const words = speech.t("trait.trained", { epochs, estimator: speech.name("estimator", estimator) });
  return [words, ...taughtWords(teacher, speech)].join(", ");
}

/** The code of a recipe as a link has it, with the images when not all. */
export function recipeCode(choice: Choice, catalog: Catalog | undefined): string {
  if (!catalog) return choice.model;
  const code = encodeRecipe(choice, catalog);
  return choice.count > 0 ? `${code} n=${choice.count}` : code;
}

/** Half the width of the Wilson interval, in points. */
export function halfWidth(accuracy: Outcome["accuracy"]): string {
  const [low, high] = accuracy.wilson95;
  return (((high - low) / 2) * 100).toFixed(2);
}

/** How good a model is, in the measure of its data: "90.12 %" or "2.013 bits / character". */
export function qualityWords(accuracy: Outcome["accuracy"], speech: Speech): string {
  return accuracy.bits_per_character === undefined
    ? speech.percent(accuracy.top1, 2)
    : speech.t("quality.text", { bits: accuracy.bits_per_character.toFixed(3) });
}

/** The same where there is little room: "2.013 bits". */
export function shortQuality(accuracy: Outcome["accuracy"], speech: Speech): string {
  return accuracy.bits_per_character === undefined
    ? speech.percent(accuracy.top1, 2)
    : speech.t("quality.text.short", { bits: accuracy.bits_per_character.toFixed(3) });
}

/** A change of {@link score} with its sign: points of a percent, or bits per character (more bits are worse). */
export function changeOf(delta: number, text: boolean, speech: Speech): string {
  if (!text) return speech.points(delta);
  const bits = Math.abs(delta).toFixed(3);
  return Number(bits) === 0 ? "0.000" : `${delta > 0 ? "−" : "+"}${bits}`;
}

export function mistakes(accuracy: { readonly correct: number; readonly total: number }): number {
  return accuracy.total - accuracy.correct;
}

export function errorWords(error: CoreError, speech: Speech): string {
  const key = speech.has(`error.${error.code}`) ? `error.${error.code}` : "error.unknown";
  return speech.t(key, { path: error.path, found: error.found, allowed: error.allowed });
}

export function problemWords(problem: Problem, speech: Speech): string {
  switch (problem.kind) {
    case "hash":
      return speech.t("problem.hash", { path: speech.name("part", problem.path), found: problem.found });
    case "long":
      return speech.t("problem.long", { found: speech.whole(problem.found), allowed: speech.whole(problem.allowed) });
    case "version":
      return speech.t("problem.version", { found: problem.found });
    case "engine":
      return speech.t("problem.engine", { reason: errorWords(problem.error, speech) });
    case "storage":
      return speech.t("problem.storage");
    case "run":
      return speech.t("problem.run", {
        name: recipeName(problem.choice, speech),
        reason: errorWords(problem.error, speech),
      });
  }
}
