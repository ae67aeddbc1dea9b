/** What a training's record says, as findings that a page can put into plain words. */

import { rangeOf } from "./precision";
import type { TrainingRecord } from "./schema";
import { isAdam, isScaled, keepsFewBits, type TrainingChoice } from "./training";

/** One finding: the words `training.finding.<id>` with these values. The first says most. */
export interface Finding {
  readonly id: FindingId;
  /** `bad` explains a failure, `note` something to know, `good` that all is well. */
  readonly tone: "bad" | "note" | "good";
  readonly values: Readonly<Record<string, string | number>>;
}

export type FindingId =
  | "moments"
  | "diverged"
  | "collapse"
  | "worse"
  | "coarse"
  | "underflow"
  | "underflow.scaled"
  | "underflow.tensor"
  | "overflow"
  | "settled"
  | "chance"
  | "flat"
  | "slow"
  | "still"
  | "well";

/** What the findings need to know of the training beside its record. */
export type Setting = Pick<TrainingChoice, "precision" | "optimizer" | "lr" | "epsilon" | "rounding">;

/** Adam's share of a new square in the second moment is 1 − 0.999 (src/train/optimizer.rs). */
const SQUARE_SHARE = 0.001;
/** Momentum of SGD by itself: a gradient moves the weights by this many times itself in the end. */
const MOMENTUM_GAIN = 10;
/** Half of the least FP16 above 0: what is smaller is rounded to 0. */
const LOST_BELOW = 2 ** -25;

/** Shares that make a finding. */
const MUCH_LOST = 0.05;
const MANY_SKIPPED = 0.2;
const MANY_COARSE = 0.3;
const SQUARES_LOST = 0.25;
/** The last loss as a share of the first: above the one it got worse, above the other it did not move. */
const WORSE = 1.2;
const UNMOVED = 0.97;
const UNDONE = 0.7;
const LEARNED = 0.3;

const finite = (loss: number | null | undefined): loss is number => typeof loss === "number" && Number.isFinite(loss);

/** A number with two or three digits, a power of two where it is small. */
export function plainNumber(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 100
    ? String(Math.round(value))
    : size >= 0.001
      ? String(Number(value.toPrecision(3)))
      : value.toExponential(0);
}

const percent = (share: number) => `${Number((100 * share).toPrecision(2))}\u00a0%`;

/** First loss, and the mean of the last tenth of those that are numbers. */
export function ends({
  loss,
}: Pick<TrainingRecord, "loss">): { readonly first: number; readonly last: number } | undefined {
  const known = loss.filter(finite);
  const [first] = known;
  if (first === undefined) return undefined;
  const tail = known.slice(-Math.max(1, Math.round(known.length / 10)));
  return { first, last: tail.reduce((sum, each) => sum + each, 0) / tail.length };
}

/** The share of counted values for whose exponent something holds. */
function shareOf(counts: readonly number[], lowest: number, holds: (exponent: number) => boolean): number {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const some = counts.reduce((sum, count, at) => sum + (holds(lowest + at) ? count : 0), 0);
  return all > 0 ? some / all : 0;
}

/** The exponent that half of the counted values are below. */
function median(counts: readonly number[], lowest: number): number {
  const all = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [at, count] of counts.entries()) {
    seen += count;
    if (2 * seen >= all) return lowest + at;
  }
  return lowest;
}

/** The largest share of gradients whose new squares are 0 as FP16, of all pictures. */
function squaresLost({ snapshots, lowest_exponent }: TrainingRecord): number {
  // The middle of an exponent is 1.5 times its power of two.
  const lost = (exponent: number) => SQUARE_SHARE * (1.5 * 2 ** exponent) ** 2 < LOST_BELOW;
  return Math.max(0, ...snapshots.map(({ gradients }) => shareOf(gradients, lowest_exponent, lost)));
}

/** The share of weights whose neighbours are so far away that a usual step rounds back to where it began. */
export function coarse(record: TrainingRecord, setting: Setting): number {
  const range = rangeOf(setting.precision, "weights");
  const last = record.snapshots.at(-1);
  if (!range || !last || !keepsFewBits(setting.precision)) return 0;
  const scale = record.scale.at(-1) ?? 1;
  const step = isAdam(setting.optimizer)
    ? setting.lr
    : (setting.lr * MOMENTUM_GAIN * 1.5 * 2 ** median(last.gradients, record.lowest_exponent)) / scale;
  return shareOf(last.weights, record.lowest_exponent, (exponent) => 2 ** (exponent - range.mantissa - 1) > step);
}

/** The layer that loses most in the last quarter, and how much. */
function worst(
  record: TrainingRecord,
  kind: "underflow" | "overflow",
): { readonly layer: string; readonly share: number } {
  let found = { layer: "", share: 0 };
  for (const each of record.layers) {
    const shares = each[kind];
    const tail = kind === "underflow" ? shares.slice(Math.floor(shares.length * 0.75)) : shares;
    const share = tail.reduce((sum, value) => sum + value, 0) / Math.max(1, tail.length);
    if (share > found.share) found = { layer: each.layer, share };
  }
  return found;
}

/** What there is to say about a training, what explains most first. Never empty. */
export function diagnose(record: TrainingRecord, setting: Setting): Finding[] {
  const { precision, optimizer, lr, epsilon } = setting;
  const loss = ends(record);
  const steps = record.loss.length * record.every;
  const skipped = record.skipped.length;
  const diverged = record.diverged ?? undefined;
  const from = plainNumber(loss?.first ?? 0);
  const to = plainNumber(loss?.last ?? 0);
  const worse = loss !== undefined && loss.last > WORSE * loss.first;
  const findings: Finding[] = [];
  const say = (id: FindingId, tone: Finding["tone"], values: Finding["values"] = {}) =>
    findings.push({ id, tone, values });

  const squares = precision === "pure-fp16" && isAdam(optimizer) && epsilon < LOST_BELOW ? squaresLost(record) : 0;
  const [start = 1, end = 1] = [record.scale[0], record.scale.at(-1)];
  const collapsed = skipped > MANY_SKIPPED * steps;
  if ((diverged !== undefined || worse) && squares > SQUARES_LOST)
    say("moments", "bad", { step: diverged ?? steps, share: percent(squares), epsilon: epsilon.toExponential(0) });
  else if (collapsed) say("collapse", "bad", { skipped, share: percent(skipped / steps), scale: plainNumber(end), lr });
  else if (diverged !== undefined) say("diverged", "bad", { step: diverged, from, lr });
  else if (worse) say("worse", "bad", { from, to, lr });
  const failed = findings.length > 0;

  const unmoved = coarse(record, setting);
  if (!failed && unmoved > MANY_COARSE && setting.rounding === "nearest")
    say("coarse", "bad", { share: percent(unmoved), number: rangeOf(precision, "weights")?.name ?? "", lr });
  else if (!failed && unmoved > MANY_COARSE) say("chance", "good", { share: percent(unmoved) });

  const under = worst(record, "underflow");
  if (under.share > MUCH_LOST) {
    const range = rangeOf(precision, "gradients");
    const values = {
      layer: under.layer,
      share: percent(under.share),
      scale: plainNumber(end),
      number: range?.name ?? "",
    };
    say(
      range?.scaled ? "underflow.tensor" : end > 1 ? "underflow.scaled" : "underflow",
      failed ? "note" : "bad",
      values,
    );
  }
  const over = worst(record, "overflow");
  // With a scale that moves, some infinities are how it finds its size.
  if (over.share > 0 && skipped === 0) say("overflow", "bad", { layer: over.layer, share: percent(over.share) });
  if (!collapsed && skipped > 0 && isScaled(precision))
    say("settled", "note", { skipped, from: plainNumber(start), to: plainNumber(end) });
  if (loss === undefined) return findings;
  const share = loss.last / loss.first;
  if (findings.every(({ tone }) => tone === "note")) {
    const id = share > UNMOVED ? "flat" : share > UNDONE ? "slow" : "well";
    findings.unshift({ id, tone: id === "well" ? "good" : "note", values: { from, to } });
  } else if (findings[0]?.id === "underflow" && share < LEARNED) say("still", "note", { from, to });
  return findings;
}
