/** What the charts of a training are drawn from. */

import type { Curve, CurvesData } from "../../charts/curves";
import type { Speech } from "../../i18n";
import { ends, plainNumber } from "../../state/diagnosis";
import type { Catalog, Progress, TrainingRecord } from "../../state/schema";
import {
  ALONE,
  DEFAULT_TRAINING,
  isNoise,
  makesTeacher,
  messageSetting,
  stepsOf,
  type TrainingChoice,
} from "../../state/training";
import type { Training } from "../../state/trainings";
import { short } from "../inside/numbers";

/** More frozen layers than this are counted. */
const NAMED = 3;
const CURVE_HEIGHT = 260;
/** Below this width curves go by their letter alone. */
const NARROW = 620;
/** Losses that lie farther apart than this are drawn by tens. */
const WIDE = 60;

/** The letter that a training goes by. */
export function letterOf({ number }: Pick<Training, "number">): string {
  return String.fromCharCode(65 + ((number - 1) % 26));
}

export function classNames(ids: readonly string[], speech: Speech): string {
  return ids.map((id) => speech.name("class", id)).join(", ");
}

function frozenWords(layers: readonly string[], speech: Speech): string {
  const n = layers.length;
  return n > NAMED
    ? speech.t("training.words.layers", { n })
    : speech.t("training.words.freeze", { list: layers.join(", ") });
}

/** Who teaches, the first of them first. */
function teachersWords({ teacher, teacherEpochs, assistant }: TrainingChoice, speech: Speech): string {
  const name = speech.name("model", teacher);
  const first = teacherEpochs > 0 ? speech.t("training.words.teacher", { name, epochs: teacherEpochs }) : name;
  return assistant === ALONE ? first : `${first} → ${speech.name("model", assistant)}`;
}

/** What a training is, in a few words: its numbers, and whatever else is not usual. */
export function trainingWords(choice: TrainingChoice, speech: Speech): string {
  const words = [speech.name("precision", choice.precision)];
  if (choice.optimizer !== DEFAULT_TRAINING.optimizer) words.push(speech.name("optimizer", choice.optimizer));
  if (choice.workers > 1) words.push(`${choice.workers} × ${speech.name("message", choice.message)}`);
  const own = messageSetting(choice.message);
  if (own === "levels") words.push(speech.t("training.words.levels", { levels: choice.levels }));
  if (own === "share") words.push(`${Number((100 * choice.share).toPrecision(3))} %`);
  if (choice.clip !== DEFAULT_TRAINING.clip) words.push(speech.t("training.words.clip", { clip: choice.clip }));
  if (choice.teacher !== ALONE)
    words.push(`${teachersWords(choice, speech)}, T ${choice.temperature}, α ${choice.alpha}`);
  if (choice.beta > 0) words.push(`β ${choice.beta}`);
  if (isNoise(choice.transfer)) words.push(speech.t("training.words.noise"));
  if (choice.imitation !== DEFAULT_TRAINING.imitation) words.push(speech.name("imitation", choice.imitation));
  if (choice.rounding !== DEFAULT_TRAINING.rounding) words.push(speech.t(`training.rounding.${choice.rounding}`));
  if (choice.epsilon !== DEFAULT_TRAINING.epsilon) words.push(`ε ${choice.epsilon}`);
  if (choice.momentum !== DEFAULT_TRAINING.momentum)
    words.push(speech.t("training.words.momentum", { momentum: choice.momentum }));
  if (choice.ahead !== DEFAULT_TRAINING.ahead) words.push(speech.t(`training.ahead.${choice.ahead}`));
  if (choice.decay > 0) words.push(speech.t("training.words.decay", { decay: choice.decay }));
  if (choice.shift > 0) words.push(`± ${choice.shift} px`);
  if (choice.flip !== DEFAULT_TRAINING.flip) words.push(speech.t("training.words.flip"));
  if (choice.lossScale !== DEFAULT_TRAINING.lossScale) words.push(`× ${choice.lossScale}`);
  if (choice.exclude.length > 0)
    words.push(speech.t("training.words.exclude", { list: classNames(choice.exclude, speech) }));
  if (choice.freeze.length > 0) words.push(frozenWords(choice.freeze, speech));
  if (choice.growth > 0) words.push(speech.t("training.words.growth", { growth: speech.whole(choice.growth) }));
  if (choice.lr !== DEFAULT_TRAINING.lr) words.push(short(choice.lr));
  return words.join(" · ");
}

export function recordOf(run: Training | undefined): TrainingRecord | undefined {
  return run?.report?.steps[0]?.training;
}

/** How far a training under way is, 0 to 1. */
export function shareOf(progress: Progress | undefined): number {
  return progress ? Math.min(1, progress.done_macs / Math.max(1, progress.total_macs)) : 0;
}

/** The curve of a training: its record, or what is known of it while it runs. */
function curveOf(run: Training, name: string, chosen: boolean, catalog: Catalog, dash: number): Curve {
  const record = recordOf(run);
  if (record) {
    const points = record.loss.map((loss, at) => ({ step: at * record.every, value: loss ?? undefined }));
    return { name, points, chosen, dash, broken: (record.diverged ?? undefined) !== undefined };
  }
  const losses = run.progress?.losses ?? [];
  const steps = stepsOf(run.choice, run.model, catalog) * shareOf(run.progress);
  const points = losses.map((loss, at) => ({
    step: (at / Math.max(1, losses.length)) * steps,
    value: Number.isFinite(loss) ? loss : undefined,
  }));
  return { name, points, chosen, dash, broken: false };
}

/** Losses of all trainings that are remembered, over each other. */
export function lossData(
  runs: readonly Training[],
  { chosen, width }: { readonly chosen: number; readonly width: number },
  catalog: Catalog,
  speech: Speech,
): CurvesData {
  const shown = runs.filter(
    // Losses of a teacher that is made first would be taken for the student's.
    (run) =>
      recordOf(run) || (run.state === "running" && !makesTeacher(run.choice) && (run.progress?.losses.length ?? 0) > 1),
  );
  const nameOf = (run: Training) =>
    width < NARROW ? letterOf(run) : `${letterOf(run)} ${speech.name("precision", run.choice.precision)}`;
  const curves = shown.map((run, at) => curveOf(run, nameOf(run), run.number === chosen, catalog, at));
  const known = curves.flatMap(({ points }) =>
    points.flatMap(({ value }) => (value === undefined || value <= 0 ? [] : [value])),
  );
  const growth = Math.max(...known, 1) / Math.min(...known, 1) > WIDE ? "tens" : "plain";
  const steps = Math.max(...shown.map((run) => stepsOf(run.choice, run.model, catalog)), 1);
  const list = shown.map((run) => {
    const record = recordOf(run);
    const known = ends(record ?? { loss: run.progress?.losses ?? [] });
    const name = letterOf(run);
    const first = plainNumber(known?.first ?? 0);
    return record && (record.diverged ?? undefined) !== undefined
      ? speech.t("training.curve.said.broken", { name, first, step: record.diverged ?? 0 })
      : speech.t("training.curve.said.one", { name, first, last: plainNumber(known?.last ?? 0) });
  });
  return {
    curves,
    steps,
    growth,
    marked: [],
    words: {
      values: speech.t(growth === "tens" ? "training.curve.values.log" : "training.curve.values"),
      steps: speech.t("training.curve.steps"),
      marks: "",
    },
    number: (value) => (value >= 1e-4 ? String(Number(value.toPrecision(3))) : short(value, 2)),
    height: CURVE_HEIGHT,
    description: speech.t("training.curve.said", { steps: speech.whole(steps), list: list.join("; ") }),
  };
}
