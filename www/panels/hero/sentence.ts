/** Which sentence the page opens with, and its values. Pure, so the static first paint says the same. */

import type { Speech } from "../../i18n";
import type { Part } from "../../i18n/message";
import { type Choice, isBaseline } from "../../state/choice";
import { prunes } from "../../state/pruning";
import type { Run } from "../../state/runs";
import { amountWords } from "../methods";
import { mistakes, widthName } from "../words";

export interface HeroInput {
  readonly choice: Choice;
  readonly current: Run | undefined;
  readonly baseline: Run | undefined;
  /** Id of the data set, for the reader's name. */
  readonly data: string;
}

/** Who reads, and what of it is gone. */
function readerWords(choice: Choice, reader: string, speech: Speech): string {
  if (!prunes(choice)) return reader;
  const what = choice.shareOf === "macs" ? "macs" : choice.pattern;
  return speech.t(`hero.gone.${what}`, { reader, amount: amountWords(choice) });
}

/** The opening sentence in parts; the slot `bits` is where the scrubbable number stands. */
export function heroSentence(input: HeroInput, speech: Speech): Part[] {
  const { choice, current, baseline } = input;
  const values = {
    bits: widthName(choice, speech),
    reader: readerWords(choice, speech.name("reader", input.data), speech),
  };
  const before = baseline?.outcome;
  const after = current?.outcome;
  if (!after || !before) {
    const going = current?.state === "running" || current?.state === "queued";
    return speech.parts(going ? "hero.waiting" : "hero.unknown", values);
  }
  if (after.accuracy.bits_per_character !== undefined) {
    const figure = (outcome: typeof after) => outcome.accuracy.bits_per_character?.toFixed(3) ?? "";
    return speech.parts(isBaseline(choice) ? "hero.text.baseline" : "hero.text", {
      ...values,
      size: speech.kilobytes(after.size.bytes),
      baseline: speech.kilobytes(before.size.bytes),
      before: figure(before),
      after: figure(after),
    });
  }
  const total = speech.whole(after.accuracy.total);
  const weights = {
    ...values,
    size: speech.kilobytes(after.size.bytes),
    baseline: speech.kilobytes(before.size.bytes),
    total,
  };
  if (isBaseline(choice))
    return speech.parts("hero.baseline", { ...weights, mistakes: speech.whole(mistakes(after.accuracy)) });
  const more = mistakes(after.accuracy) - mistakes(before.accuracy);
  if (more === 0) return speech.parts("hero.same", weights);
  return more > 0
    ? speech.parts("hero.more", { ...weights, more: speech.whole(more) })
    : speech.parts("hero.fewer", { ...weights, fewer: speech.whole(-more) });
}
