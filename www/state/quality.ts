/** How good a model is: right answers for images, bits per character for text. */

import type { Report } from "./schema";

export type Accuracy = Report["accuracy"];

/** A number that is greater for a better model: the share of right answers, or minus the bits per character. */
export function score(accuracy: Pick<Accuracy, "top1" | "bits_per_character">): number {
  return accuracy.bits_per_character === undefined ? accuracy.top1 : -accuracy.bits_per_character;
}

/** The score that a target stands for: percent of right answers, or bits per character. */
export function scoreOf(target: number, text: boolean): number {
  return text ? -target : target / 100;
}

/** A target that a model just reaches: whole percent, or a twentieth of a bit. */
export function targetOf({ top1, bits_per_character }: Pick<Accuracy, "top1" | "bits_per_character">): number {
  return bits_per_character === undefined ? Math.floor(top1 * 100) : Math.ceil(bits_per_character * 20) / 20;
}

/** Answers that differ between two runs on the same data. */
export function changed(before: Uint8Array, after: Uint8Array): number {
  return after.reduce((sum, value, index) => sum + Number(index < before.length && value !== before[index]), 0);
}
