/** What the charts of a record are drawn from. */

import type { Bar } from "../../charts/bars";
import type { Curve, CurvesData } from "../../charts/curves";
import { type ExponentRange, type ExponentsData, found, power } from "../../charts/exponents";
import type { LostData } from "../../charts/lost";
import type { Speech } from "../../i18n";
import { type Range, rangeOf } from "../../state/precision";
import type { Report, TrainingRecord } from "../../state/schema";
import type { TrainingChoice } from "../../state/training";
import { short } from "../inside/numbers";

const SCALE_HEIGHT = 170;
const EPOCH_HEIGHT = 190;
/** Shares below this are not told apart. */
const LITTLE = 0.001;

/** Steps that a record tells of. */
export function stepsIn({ loss, every }: TrainingRecord): number {
  return Math.max(1, loss.length * every);
}

/** Whether the loss was multiplied at all. */
export function hasScale({ scale }: TrainingRecord): boolean {
  return scale.some((each) => each !== 1);
}

/** Whether any gradient was lost. */
export function hasLost({ layers }: TrainingRecord): boolean {
  return layers.some(({ underflow, overflow }) => [...underflow, ...overflow].some((share) => share > 0));
}

function curve(name: string, points: Curve["points"], chosen = true, dash = 0): Curve {
  return { name, points, chosen, dash, broken: false };
}

export function scaleData(record: TrainingRecord, speech: Speech): CurvesData {
  const points = record.scale.map((value, at) => ({ step: at * record.every, value }));
  const [first = 1, last = 1] = [record.scale[0], record.scale.at(-1)];
  const skipped = record.skipped.length;
  return {
    curves: [curve(short(last, 8), points)],
    steps: stepsIn(record),
    growth: "doubling",
    marked: record.skipped,
    words: {
      values: speech.t("training.scale.values"),
      steps: speech.t("training.curve.steps"),
      marks: speech.t("training.scale.marks", { skipped }),
    },
    number: (value) => power(Math.round(Math.log2(value))),
    height: SCALE_HEIGHT,
    description: speech.t("training.scale.said", { first: short(first, 8), last: short(last, 8), skipped }),
  };
}

export function lostData(record: TrainingRecord, speech: Speech): LostData {
  const most = (shares: readonly number[]) => Math.max(0, ...shares);
  const noteOf = (underflow: readonly number[], overflow: readonly number[]) => {
    const under = most(underflow);
    const over = most(overflow);
    if (over > 0 && under === 0) return speech.t("training.lost.over", { over: speech.percent(over) });
    if (over > 0) return speech.t("training.lost.both", { under: speech.percent(under), over: speech.percent(over) });
    if (under === 0) return speech.t("training.lost.none");
    return speech.t("training.lost.most", {
      share: under < LITTLE ? `<\u00a0${speech.percent(LITTLE)}` : speech.percent(under),
    });
  };
  const layers = record.layers.map(({ layer, underflow, overflow }) => ({
    name: layer,
    underflow,
    overflow,
    note: noteOf(underflow, overflow),
  }));
  return {
    layers,
    every: record.every,
    steps: stepsIn(record),
    words: { title: speech.t("training.lost.title"), steps: speech.t("training.curve.steps") },
    description: speech.t("training.lost.said", {
      list: layers.map(({ name, note }) => `${name}: ${note}`).join("; "),
    }),
  };
}

/** A range by powers of two. */
export function exponentRange(range: Range): ExponentRange {
  return { most: Math.ceil(Math.log2(range.most)), normal: range.normal, least: range.least, moves: range.scaled };
}

export function exponentData(
  record: TrainingRecord,
  choice: TrainingChoice,
  what: "gradients" | "weights",
  speech: Speech,
): ExponentsData {
  const range = rangeOf(choice.precision, what);
  const pictures = record.snapshots.map((each) => ({ step: each.step, counts: each[what] }));
  const lowest = record.lowest_exponent;
  const scaled = what === "gradients" && hasScale(record);
  const ends = found({ pictures, lowest });
  const name = range?.name ?? "";
  return {
    pictures,
    lowest,
    range: range && exponentRange(range),
    words: {
      title: speech.t(scaled ? "training.exponents.gradients.scaled" : `training.exponents.${what}`),
      steps: speech.t("training.curve.steps"),
      most: range ? speech.t("training.exponents.most", { name, most: short(range.most, 5) }) : "",
      normal: range ? speech.t("training.exponents.normal", { least: power(range.normal) }) : "",
      least: range ? speech.t("training.exponents.least", { least: power(range.least) }) : "",
    },
    description: ends
      ? speech.t(`training.exponents.said.${what}`, { low: power(ends[0]), high: power(ends[1] + 1) })
      : speech.t("training.exponents.nothing"),
  };
}

/** Under the pictures: where the range lies. */
export function rangeWords(choice: TrainingChoice, what: "gradients" | "weights", speech: Speech): string {
  const range = rangeOf(choice.precision, what);
  if (!range) return speech.t("training.exponents.f32");
  const { name } = range;
  if (range.scaled) return speech.t("training.exponents.moves", { name });
  return speech.t("training.exponents.range", { name, least: power(range.least) });
}

/** What a worker sends in a step, and what it would in f32. */
export function messageBars(record: TrainingRecord, choice: TrainingChoice, speech: Speech): Bar[] {
  const bar = (name: string, value: number, strong: boolean): Bar => ({
    name,
    value,
    note: speech.t("training.bytes.note", { bytes: speech.whole(value) }),
    strong,
  });
  return [
    bar(speech.name("message", choice.message), record.bytes_per_step, true),
    bar(speech.name("message", "dense"), record.dense_bytes_per_step, false),
  ];
}

/** By epochs: the validation's loss, and the training's mean; with a teacher the latter is of other things too and left out. */
export function epochData(step: Report["steps"][number], taught: boolean, speech: Speech): CurvesData {
  const by = (losses: readonly number[]) => losses.map((value, at) => ({ step: at + 1, value }));
  const validation = step.validation_loss ?? [];
  const training = step.epoch_loss ?? [];
  return {
    curves: [
      curve(speech.t("training.epochs.validation"), by(validation)),
      ...(taught ? [] : [curve(speech.t("training.epochs.training"), by(training), false)]),
    ],
    steps: training.length,
    growth: "plain",
    marked: [],
    words: { values: speech.t("training.epochs.values"), steps: speech.t("training.epochs.axis"), marks: "" },
    number: (value) => String(Number(value.toPrecision(3))),
    height: EPOCH_HEIGHT,
    description: speech.t(taught ? "training.epochs.said.taught" : "training.epochs.said", {
      epochs: training.length,
      training: short(training.at(-1) ?? 0),
      validation: short(validation.at(-1) ?? 0),
    }),
  };
}

/** The share of the gradient that comes from the teacher, epoch by epoch. */
export function teacherData(shares: readonly number[], speech: Speech): CurvesData {
  const [first = 0, last = 0] = [shares[0], shares.at(-1)];
  return {
    curves: [
      curve(
        speech.percent(last),
        shares.map((share, at) => ({ step: at + 1, value: 100 * share })),
      ),
    ],
    steps: shares.length,
    growth: "plain",
    marked: [],
    words: { values: speech.t("training.teacher.values"), steps: speech.t("training.epochs.axis"), marks: "" },
    number: (value) => String(Math.round(value)),
    height: EPOCH_HEIGHT,
    description: speech.t("training.teacher.said", { first: speech.percent(first), last: speech.percent(last) }),
  };
}
