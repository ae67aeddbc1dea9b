/** From runs to the data of the accuracy chart: marks, families and words. Pure, so the static first paint uses it too. */

import type { AccuracyData, Mark, Series } from "../../charts/accuracy";
import type { Speech } from "../../i18n";
import {
  baselineOf,
  type Choice,
  choiceKey,
  DEFAULT_CHOICE,
  familyKey,
  isBaseline,
  NO_ACTIVATIONS,
  normalise,
  quantizes,
  readsText,
  shareKey,
} from "../../state/choice";
import type { AxisName } from "../../state/hash";
import { INPUT, NO_PRUNING, prunes, pruningOf } from "../../state/pruning";
import { bitsOf, bytesOf, goneOf, macsOf, type Outcome, type Run } from "../../state/runs";
import type { Catalog } from "../../state/schema";
import { amountWords, granularityWords, inputWords, methodWords, pruneWords, tunedWords } from "../methods";
import { mistakes, qualityWords, rangeWords, recipeName, trainingWords } from "../words";

export interface ChartInput {
  readonly runs: readonly Run[];
  readonly choice: Choice;
  readonly axis: AxisName;
  readonly catalog: Catalog | undefined;
  readonly active: string | undefined;
  /** Key of the pinned recipe, if there is one. */
  readonly pinned: string | undefined;
  readonly classes: number;
}

/** Runs the chart can show: those on the same data as the choice that have a result, or a partial one. */
export function shownRuns(input: ChartInput): Run[] {
  const { catalog, choice } = input;
  const dataOf = (model: string) => catalog?.models.find((entry) => entry.id === model)?.data ?? model;
  const data = dataOf(choice.model);
  // A share of another model's weights is no less or more than one of this; of what is not pruned the start of the line is enough.
  const unpruned = { ...choice, pattern: NO_PRUNING };
  const start = choiceKey(catalog ? normalise(unpruned, catalog) : unpruned);
  const told = (run: Run) =>
    prunes(run.choice) || isBaseline(run.choice) || [start, choiceKey(choice), input.pinned].includes(run.key);
  const alike = (run: Run) =>
    input.axis === "sparsity" ? run.choice.model === choice.model && told(run) : dataOf(run.choice.model) === data;
  return input.runs.filter((run) => (run.outcome ?? run.progress?.partial) && alike(run));
}

/** Recipes that a line joins: those that differ in the weights' format alone, or in how much is pruned. */
interface Family {
  readonly key: string;
  readonly over: "weights" | "sparsity";
  readonly sample: Choice;
}

const ofWidths = (member: Choice): Family => ({
  key: familyKey(member),
  over: "weights",
  sample: { ...member, weights: "" },
});
const ofShares = (member: Choice): Family => ({ key: shareKey(member), over: "sparsity", sample: member });

/** Families of the runs and of the choice. */
function families(runs: readonly Choice[], choice: Choice, catalog: Catalog | undefined): Family[] {
  const found = new Map<string, Family>();
  const add = (family: Family) => found.set(family.key, found.get(family.key) ?? family);
  const widths = new Map<string, Set<string>>();
  const tell = (member: Choice) => {
    const format = catalog?.formats.find((entry) => entry.id === member.weights);
    const telling = format
      ? format.scaled && format.asymmetric && format.ranged
      : quantizes(member) && /^int/.test(member.weights);
    if (prunes(member)) {
      add(ofShares(member));
      // Of pruned recipes a line over widths says something only where there are several.
      const key = familyKey(member);
      widths.set(key, (widths.get(key) ?? new Set()).add(member.weights));
      if (telling && (widths.get(key)?.size ?? 0) > 1) add(ofWidths(member));
    } else if (telling) add(ofWidths(member));
  };
  tell(choice);
  for (const member of runs) tell(member);
  if (found.size === 0) {
    const activations = isBaseline(choice) ? DEFAULT_CHOICE.activations : choice.activations;
    add(ofWidths({ ...choice, activations }));
  }
  return [...found.values()];
}

/** Whether a choice is a member of a family, once what its format ignores is set aside. */
export function belongs(member: Choice, { over, sample }: Family, catalog: Catalog | undefined): boolean {
  const plain = (choice: Choice) => (catalog ? normalise(choice, catalog) : looselyNormalised(choice));
  if (over === "sparsity") {
    if (prunes(member)) return shareKey(member) === shareKey(sample);
    // Nothing pruned is where the line without training begins.
    return sample.tuned === 0 && choiceKey(plain({ ...sample, pattern: NO_PRUNING })) === choiceKey(member);
  }
  if (!quantizes(member)) return choiceKey({ ...baselineOf(sample), ...pruningOf(sample) }) === choiceKey(member);
  return choiceKey(plain({ ...sample, weights: member.weights })) === choiceKey(member);
}

/** Before the catalog is there, the precomputed curve has one family: floats and sign formats take its defaults. */
function looselyNormalised(choice: Choice): Choice {
  return /^int/.test(choice.weights)
    ? choice
    : { ...choice, granularity: DEFAULT_CHOICE.granularity, symmetric: true, range: DEFAULT_CHOICE.range };
}

type Trait = (choice: Choice, speech: Speech, family: Family) => string;

/** What families can differ in, in the order it is said. */
const TRAITS: readonly Trait[] = [
  (choice, speech) => speech.name("model", choice.model),
  (choice, speech, { over }) => pruneWords(choice, speech, over === "weights").join(", ") || speech.t("trait.unpruned"),
  (choice, speech, { over }) => (over === "sparsity" ? tunedWords(choice, speech) : ""),
  (choice, speech, { over }) => (over === "sparsity" ? speech.name("format", choice.weights) : ""),
  granularityWords,
  (choice, speech) => speech.t(choice.symmetric ? "trait.symmetric" : "trait.asymmetric"),
  rangeWords,
  (choice, speech) => methodWords(choice, speech).join(", "),
  (choice, speech) => inputWords(choice, speech).join(", "),
  (choice, speech) =>
    choice.activations === NO_ACTIVATIONS
      ? speech.t("trait.inputs.none")
      : speech.t("trait.inputs", { format: speech.name("format", choice.activations) }),
  (choice, speech) =>
    choice.activations === NO_ACTIVATIONS
      ? ""
      : speech.t("trait.calibration", { name: speech.name("calibration", choice.calibration) }),
  trainingWords,
  (choice, speech) => (choice.count > 0 ? speech.t("trait.count", { count: speech.whole(choice.count) }) : ""),
];

function familyLabel(family: Family, all: readonly Family[], speech: Speech): string {
  const telling = TRAITS.filter((trait) => new Set(all.map((other) => trait(other.sample, speech, other))).size > 1);
  return telling
    .map((trait) => trait(family.sample, speech, family))
    .filter(Boolean)
    .join(", ");
}

/** One run in words: for the mark's name and the line above the chart. */
export function runWords(run: Run, speech: Speech): string {
  const { outcome } = run;
  if (!outcome) return recipeName(run.choice, speech);
  const { accuracy, size } = outcome;
  const name = recipeName(run.choice, speech);
  const [low, high] = accuracy.wilson95;
  const common = {
    name,
    percent: qualityWords(accuracy, speech),
    bytes: speech.whole(size.bytes),
    total: speech.whole(accuracy.total),
  };
  if (accuracy.bits_per_character !== undefined)
    return speech.t("chart.mark.text", { ...common, bits: size.bits_per_weight.toFixed(2) });
  if (run.choice.count > 0)
    return speech.t("chart.mark.subset", { ...common, low: speech.percent(low), high: speech.percent(high) });
  return speech.t("chart.mark", {
    ...common,
    mistakes: speech.whole(mistakes(accuracy)),
    bits: size.bits_per_weight.toFixed(2),
  });
}

function toMark(run: Run, all: readonly Family[], input: ChartInput, speech: Speech): Mark | undefined {
  const { outcome, progress } = run;
  const baseline = input.runs.find((other) => other.key === choiceKey(baselineOf(run.choice)))?.outcome;
  const bytes = bytesOf(run);
  const x = placeOf(run, baseline, input.axis);
  const text = readsText(run.choice, input.catalog);
  // Of text there is no estimate on the way.
  const partial =
    !text && run.state === "running" && !run.predictions && progress?.partial?.total ? progress.partial : undefined;
  const accuracy = partial ?? outcome?.accuracy;
  if (x === undefined || bytes === undefined || !accuracy) return undefined;
  const bits = outcome?.accuracy.bits_per_character;
  const [low, high] = text ? [bits ?? 0, bits ?? 0] : accuracy.wilson95.map((share) => share * 100);
  const description =
    accuracy === partial
      ? speech.t("chart.mark.partial", {
          name: recipeName(run.choice, speech),
          percent: speech.percent(accuracy.top1),
          low: speech.percent(accuracy.wilson95[0]),
          high: speech.percent(accuracy.wilson95[1]),
          total: speech.whole(accuracy.total),
          bytes: speech.whole(bytes),
        })
      : runWords(run, speech);
  const own = all.filter((family) => belongs(run.choice, family, input.catalog));
  const kin = /^(fp|bf|int)\d+$/.test(run.choice.weights);
  return {
    key: run.key,
    series: own.map(({ key }) => key),
    x,
    percent: text ? (bits ?? 0) : accuracy.top1 * 100,
    low: low ?? 0,
    high: high ?? 0,
    complete: accuracy !== partial && run.choice.count === 0,
    linked: own.filter(({ over }) => over === "sparsity" || kin).map(({ key }) => key),
    pruned: prunes(run.choice),
    label: own[0]?.over === "sparsity" ? amountWords(run.choice) : speech.name("mark", run.choice.weights),
    description:
      run.choice.model === input.choice.model
        ? description
        : `${speech.name("model", run.choice.model)}: ${description}`,
  };
}

/** Where a run stands on an axis; nothing where that is not known yet. */
function placeOf(run: Run, baseline: Outcome | undefined, axis: AxisName): number | undefined {
  if (axis === "bytes") return bytesOf(run);
  if (axis === "bits") return bitsOf(run, baseline);
  if (axis === "macs") return run.outcome && macsOf(run.outcome);
  if (run.choice.pattern === INPUT) return run.choice.sparsity;
  // A folded norm is gone too, and not by pruning.
  return run.outcome && baseline && (prunes(run.choice) ? 100 * goneOf(run.outcome, baseline) : 0);
}

/** Everything the chart draws. */
export function chartData(input: ChartInput, speech: Speech): AccuracyData {
  const shown = shownRuns(input);
  const all = families(
    shown.map((run) => run.choice),
    input.choice,
    input.catalog,
  );
  const marks = shown.flatMap((run) => toMark(run, all, input, speech) ?? []);
  const own = all.filter((family) => belongs(input.choice, family, input.catalog)).map(({ key }) => key);
  const series: Series[] = all
    .map((family) => ({
      key: family.key,
      label: all.length > 1 ? familyLabel(family, all, speech) : "",
      chosen: own[0] === family.key,
      pruned: family.over === "sparsity",
    }))
    .sort((a, b) => Number(b.chosen) - Number(a.chosen));
  const base = shown.find((run) => run.key === choiceKey(baselineOf(input.choice)))?.outcome?.accuracy;
  const text = readsText(input.choice, input.catalog);
  return {
    axis: input.axis,
    measure: text ? "bits" : "percent",
    marks,
    series,
    baseline: base && (base.bits_per_character ?? base.top1 * 100),
    chance: text ? Math.log2(input.classes) : 100 / input.classes,
    current: marks.some((mark) => mark.key === choiceKey(input.choice)) ? choiceKey(input.choice) : undefined,
    active: input.active,
    pinned: input.pinned,
    words: {
      unit: speech.t(`chart.unit.${input.axis}`),
      measure: text ? speech.t("chart.measure.text") : "%",
      baseline: base ? speech.t("chart.baseline", { percent: qualityWords(base, speech) }) : "",
      chance: speech.t("chart.chance", {
        percent: text ? Math.log2(input.classes).toFixed(1) : speech.percent(1 / input.classes, 0),
      }),
      current: speech.t(input.pinned === undefined ? "chart.current" : "chart.current.b"),
      pinned: speech.t("chart.pinned"),
    },
  };
}

/** What must be said about the vertical axis when it does not start at zero. */
export function axisNote(start: number, data: AccuracyData, speech: Speech): string {
  if (data.measure === "bits") return speech.t("chart.note.text");
  if (start === 0) return "";
  const chance =
    data.chance < start ? ` ${speech.t("chart.truncated.chance", { chance: Math.round(data.chance) })}` : "";
  return speech.t("chart.truncated", { from: start }) + chance;
}
