/** What a recipe does beyond its formats, in short words: for its name and for what sets families of runs apart. */

import type { Speech } from "../i18n";
import { type Choice, DEFAULT_CHOICE, FIRST_IMAGES, GROUPED, NO_ACTIVATIONS, NONE, SAME } from "../state/choice";

/** How weights share scales, where it is not the usual way. */
export function granularityWords(choice: Choice, speech: Speech): string {
  if (choice.granularity === GROUPED) return speech.t("trait.group", { size: choice.group });
  return speech.t(choice.granularity === "tensor" ? "trait.tensor" : "trait.channel");
}

/** Transforms, rounding and all else that is done to weights; empty where nothing is. */
export function methodWords(choice: Choice, speech: Speech): string[] {
  const words = choice.transforms.map((id) => speech.name("transform", id));
  const add = (used: boolean, key: string, values: Record<string, string | number> = {}) => {
    if (used) words.push(speech.t(key, values));
  };
  const differs = (field: keyof Choice) => choice[field] !== DEFAULT_CHOICE[field];
  if (differs("rounding")) words.push(speech.name("rounding", choice.rounding));
  add(differs("scale"), "trait.power");
  add(differs("codebook"), "trait.codebook", { bits: choice.codebook });
  add(choice.huffman, "trait.huffman");
  add(choice.misfits !== NONE, "trait.misfits", { format: speech.name("format", choice.misfits) });
  for (const { name, weights, activations } of choice.layers) {
    const formats = [weights, activations].map((id) => (id === SAME ? "" : speech.name("format", id)));
    words.push(`${name} ${formats.filter(Boolean).join(" / ")}`);
  }
  add(choice.ends, "trait.ends");
  add(choice.budget > 0, "trait.budget", { bits: choice.budget });
  add(differs("correction"), "trait.correction");
  add(differs("images"), "trait.images", { count: choice.images });
  add(choice.draw !== FIRST_IMAGES, "trait.draw", { seed: choice.draw });
  add(choice.cache !== NONE, "trait.cache", { format: speech.name("format", choice.cache) });
  return words;
}

/** How inputs get their grids, where it is not the usual way. */
export function inputWords(choice: Choice, speech: Speech): string[] {
  if (choice.activations === NO_ACTIVATIONS) return [];
  const words: string[] = [];
  if (choice.mode !== DEFAULT_CHOICE.mode)
    words.push(speech.t("trait.mode", { name: speech.t(`mode.${choice.mode}`) }));
  if (!choice.inputsSymmetric) words.push(speech.t("trait.inputsShifted"));
  return words;
}
