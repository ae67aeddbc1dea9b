/** Why the engine refuses a training, in one line: its own sentences by their keys, what is left as everywhere. */

import type { Speech } from "../../i18n";
import type { CoreError } from "../../state/schema";
import { reasonWords } from "../recipe/reasons";

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^(?<workers>\d+) workers and batches of (?<batch>\d+)$/, "training.reason.divisor"],
  [/^exchange beside distill$/, "training.reason.alone"],
  [/^every class$/, "training.reason.every"],
  [/^(?:hint|attention) without layers$/, "training.reason.layers"],
];

export function trainingReason(error: CoreError, speech: Speech): string {
  for (const [sentence, key] of SENTENCES) {
    const match = sentence.exec(error.found);
    if (match) return speech.t(key, { ...match.groups });
  }
  return reasonWords(error, speech);
}
