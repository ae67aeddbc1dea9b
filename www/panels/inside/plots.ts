/** What the drawings of the look inside show, from what the engine found. Pure. */

import type { HistogramData } from "../../charts/histogram";
import type { LedgerData } from "../../charts/ledger";
import type { RoundingData } from "../../charts/rounding";
import type { Speech } from "../../i18n";
import type { LayerInspection, WeightInspection } from "../../state/schema";
import { bytesIn, KINDS } from "./layers";
import { short } from "./numbers";
import type { Pair } from "./survey";
import { histograms, isPruned } from "./units";

/** The weight that is looked at. */
export interface Looked {
  readonly weights: WeightInspection;
  readonly layer: string;
  readonly pair: Pair | undefined;
  /** Whether it was trained through a quantizer. */
  readonly trained: boolean;
}

/** Weights before and after. Of a pruned layer: all before the first step, and what is left of them, without the zeros. */
export function weightsData({ weights, layer, pair, trained }: Looked, speech: Speech): HistogramData {
  const whole = (value: number) => speech.whole(value);
  const pruned =
    pair?.layer === layer && isPruned(pair.after)
      ? histograms(pair.before, pair.after, weights.granule, weights.each)
      : undefined;
  const low = pruned?.low ?? weights.low;
  const high = pruned?.high ?? weights.high;
  const levels = whole(weights.levels.length);
  const several = weights.granules > 1;
  const before = pruned ? "inside.weights.unpruned" : trained ? "inside.weights.latent" : "inside.weights.before";
  const said = {
    count: whole(weights.granules * weights.each),
    layer,
    low: short(low),
    high: short(high),
    granule: whole(weights.granule),
    levels: weights.levels.length > 0 ? levels : speech.t("inside.many"),
  };
  return {
    low,
    high,
    before: pruned?.before ?? weights.latent,
    after: pruned?.after ?? weights.stored,
    part: several ? (pruned?.part ?? weights.own) : [],
    growth: "root",
    levels: weights.levels,
    words: {
      before: speech.t(before),
      after: pruned
        ? speech.t("inside.weights.left", { taken: whole(pruned.taken) })
        : speech.t("inside.weights.after"),
      part: [
        ...(several ? [speech.t("inside.weights.part", { granule: whole(weights.granule) })] : []),
        weights.levels.length > 0 ? speech.t("inside.levels", { levels }) : speech.t("inside.levels.many"),
      ].join(": "),
      axis: speech.t("inside.weights.axis"),
      counts: speech.t("inside.weights.counts"),
    },
    number: short,
    whole,
    description: pruned
      ? speech.t("inside.weights.read.pruned", {
          layer,
          low: said.low,
          high: said.high,
          all: whole(pruned.before.reduce((sum, each) => sum + each, 0)),
          left: whole(pruned.after.reduce((sum, each) => sum + each, 0)),
          taken: whole(pruned.taken),
        })
      : speech.t("inside.weights.read", said),
  };
}

/** The values of a granule before and after rounding. */
export function roundingData({ values, original, levels }: WeightInspection, speech: Speech): RoundingData {
  const worst = Math.max(0, ...values.map((value, at) => Math.abs(value - (original[at] ?? value))));
  return {
    original,
    values,
    levels,
    words: {
      before: speech.t("inside.rounding.before"),
      after: speech.t("inside.rounding.after"),
      exact: speech.t("inside.rounding.exact"),
    },
    number: short,
    description: speech.t("inside.rounding.read", { count: speech.whole(values.length), error: short(worst) }),
  };
}

/** Inputs of a layer in floats and as its weights meet them. */
export function inputsData(layer: LayerInspection, speech: Speech): HistogramData {
  const whole = (value: number) => speech.whole(value);
  return {
    low: layer.input_low,
    high: layer.input_high,
    before: layer.inputs,
    after: layer.rounded,
    part: [],
    growth: "log",
    levels: layer.input_levels,
    words: {
      before: speech.t("inside.inputs.before"),
      after: speech.t("inside.inputs.after"),
      part: "",
      axis: speech.t("inside.inputs.axis"),
      counts: speech.t("inside.inputs.counts"),
    },
    number: short,
    whole,
    description: speech.t("inside.inputs.read", {
      count: whole(layer.inputs.reduce((sum, each) => sum + each, 0)),
      layer: layer.layer,
      low: short(layer.input_low),
      high: short(layer.input_high),
      levels: layer.input_levels.length > 0 ? whole(layer.input_levels.length) : speech.t("inside.many"),
    }),
  };
}

/** Bytes of each layer by what they are. */
export function ledgerData(layers: readonly LayerInspection[], speech: Speech): LedgerData {
  const bytes = (count: number) => speech.t("inside.bytes", { bytes: speech.whole(count) });
  const list = layers.map(({ layer, ledger }) => `${layer}: ${bytes(bytesIn(ledger))}`).join("; ");
  return {
    columns: layers.map(({ layer: name, ledger }) => ({
      name,
      parts: KINDS.map((kind) => ({ kind, bytes: ledger[kind] })),
    })),
    kinds: Object.fromEntries(KINDS.map((kind) => [kind, speech.t(`inside.kind.${kind}`)])),
    bytes,
    description: speech.t("inside.ledger.read", { list }),
  };
}
