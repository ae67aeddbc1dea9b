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
  | "moments.worse"
  | "jumped"
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
  | "well"
  | "done";

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
/** A loss on the way that is so many times the first is a jump. */
const JUMPED = 2;
/** Nats that are as good as none. */
const SMALL = 0.1;
const LEARNED = 0.3;

const finite = (loss: number | null | undefined): loss is number => typeof loss === "number" && Number.isFinite(loss);

/** A number with two or three digits, a power of two where it is small. */
export function plainNumber(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 100
    ? String(Math.round(value))
    : size >= 1e-5
      ? String(Number(value.toPrecision(3)))
      : value.toExponential(0);
}

const percent = (share: number) => `${Number((100 * share).toPrecision(2))}\u00a0%`;

interface Ends {
  readonly first: number;
  readonly last: number;
}

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

/** What went wrong with the training as a whole, if anything did. */
function failure(record: TrainingRecord, setting: Setting, loss: Ends | undefined): Finding | undefined {
  const { precision, optimizer, lr, epsilon } = setting;
  const steps = record.loss.length * record.every;
  const skipped = record.skipped.length;
  const diverged = record.diverged ?? undefined;
  const [from, to] = [plainNumber(loss?.first ?? 0), plainNumber(loss?.last ?? 0)];
  const bad = (id: FindingId, values: Finding["values"]): Finding => ({ id, tone: "bad", values });
  const high = loss !== undefined && loss.last > SMALL;
  const worse = high && loss.last > WORSE * loss.first;
  const squares = precision === "pure-fp16" && isAdam(optimizer) && epsilon < LOST_BELOW ? squaresLost(record) : 0;
  if (squares > SQUARES_LOST) {
    const values = { share: percent(squares), epsilon: epsilon.toExponential(0) };
    if (diverged !== undefined) return bad("moments", { ...values, step: diverged });
    if (worse) return bad("moments.worse", { ...values, from, to });
  }
  if (skipped > MANY_SKIPPED * steps)
    return bad("collapse", {
      skipped,
      share: percent(skipped / steps),
      scale: plainNumber(record.scale.at(-1) ?? 1),
      lr,
    });
  if (diverged !== undefined) return bad("diverged", { step: diverged, from, lr });
  if (worse) return bad("worse", { from, to, lr });
  const most = Math.max(...record.loss.filter(finite));
  if (high && most > JUMPED * loss.first && loss.last > UNDONE * loss.first)
    return bad("jumped", { from, to, most: plainNumber(most), lr });
  return undefined;
}

/** What there is to say about a training, what explains most first. Never empty but for one without a loss. */
export function diagnose(record: TrainingRecord, setting: Setting): Finding[] {
  const { precision, lr } = setting;
  const loss = ends(record);
  const skipped = record.skipped.length;
  const [start = 1, end = 1] = [record.scale[0], record.scale.at(-1)];
  /** The share of the loss that is left; none of one that is as good as 0. */
  const left = loss && loss.last > SMALL ? loss.last / loss.first : 0;
  const findings: Finding[] = [];
  const say = (id: FindingId, tone: Finding["tone"], values: Finding["values"] = {}) =>
    findings.push({ id, tone, values });
  const failed = failure(record, setting, loss);
  if (failed) findings.push(failed);

  const unmoved = failed ? 0 : coarse(record, setting);
  const number = rangeOf(precision, "weights")?.name ?? "";
  if (unmoved > MANY_COARSE && setting.rounding !== "nearest") say("chance", "good", { share: percent(unmoved) });
  // A training that is done takes small steps, and need not take them.
  else if (unmoved > MANY_COARSE && left > UNDONE) say("coarse", "bad", { share: percent(unmoved), number, lr });

  const under = worst(record, "underflow");
  if (under.share > MUCH_LOST) {
    const range = rangeOf(precision, "gradients");
    const scale = plainNumber(end);
    const values = { layer: under.layer, share: percent(under.share), scale, number: range?.name ?? "" };
    if (range?.scaled) say("underflow.tensor", "note", values);
    else if (end > 1) say("underflow.scaled", "note", values);
    else say("underflow", failed ? "note" : "bad", values);
  }
  const over = worst(record, "overflow");
  // With a scale that moves, some infinities are how it finds its size.
  if (over.share > 0 && skipped === 0) say("overflow", "bad", { layer: over.layer, share: percent(over.share) });
  if (failed?.id !== "collapse" && skipped > 0 && isScaled(precision))
    say("settled", "note", { skipped, from: plainNumber(start), to: plainNumber(end) });
  if (loss === undefined) return findings;
  const values = { from: plainNumber(loss.first), to: plainNumber(loss.last) };
  if (findings.every(({ tone }) => tone === "note")) {
    const fell = loss.last < loss.first ? "well" : "done";
    const id = left > UNMOVED ? "flat" : left > UNDONE ? "slow" : fell;
    findings.unshift({ id, tone: id === fell ? "good" : "note", values });
  } else if (findings[0]?.id === "underflow" && left < LEARNED && loss.last < loss.first) say("still", "note", values);
  return findings;
}
