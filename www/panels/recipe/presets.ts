/** Methods by their papers' defaults, as docs/methods.md has them. Each sets every field of the quantize step; model, images and seed stay. */

import {
  type Choice,
  choiceKey,
  DEFAULT_CHOICE,
  FULL_PRECISION,
  GROUPED,
  NO_ACTIVATIONS,
  normalise,
  readsText,
  weightedLayers,
} from "../../state/choice";
import { DEFAULT_PRUNING } from "../../state/pruning";
import type { Catalog, CoreError, Model } from "../../state/schema";
import type { Change, Settled } from "../../state/settle";

/** What a preset may ask of the model it is for. */
interface Place {
  readonly text: boolean;
  /** The layers with weights. */
  readonly layers: Model["layers"];
}

export interface Preset {
  readonly id: string;
  readonly source: string;
  /** What it sets beyond {@link PLAIN}; where there are several, the first that the engine takes. */
  readonly settings: (place: Place) => readonly Change[];
}

/** Nothing but rounding weights: where every preset starts. What is pruned stays. */
const PLAIN: Change = Object.fromEntries(
  Object.entries({ ...DEFAULT_CHOICE, activations: NO_ACTIVATIONS, calibration: "minmax" }).filter(
    ([field]) => !["model", "count", "seed"].includes(field) && !(field in DEFAULT_PRUNING),
  ),
);

/** The layers that blocks do not fit. */
const ROOMY = { misfits: "int8" } as const;

/** Groups of the paper's size, or the next smaller ones that fit layers with most of the weights, or any layer at all. */
function groups(size: number, { layers }: Place): Change {
  const weights = (fitting: Model["layers"]) => fitting.reduce((sum, layer) => sum + layer.parameters, 0);
  const share = (smaller: number) => weights(layers.filter(({ row }) => row % smaller === 0)) / weights(layers);
  const sizes = [128, 64, 32, 16, 8].filter((smaller) => smaller <= size);
  const found = sizes.find((smaller) => share(smaller) > 0.5) ?? sizes.find((smaller) => share(smaller) > 0);
  return { granularity: GROUPED, group: found ?? size, ...ROOMY };
}

const one = (change: Change) => () => [change];

export const PRESETS: readonly Preset[] = [
  {
    id: "nearest",
    source: "Jacob et al. 2018, arXiv 1712.05877",
    settings: one({ weights: "int8", activations: "int8" }),
  },
  {
    id: "dfq",
    source: "Nagel et al. 2019, arXiv 1906.04721",
    settings: () => {
      const rest = {
        weights: "int8",
        granularity: "tensor",
        symmetric: false,
        activations: "int8",
        inputsSymmetric: false,
        correction: "bias",
      };
      return [
        { transforms: ["fold-batchnorm", "equalize"], ...rest },
        { transforms: ["equalize"], ...rest },
      ];
    },
  },
  {
    id: "smoothquant",
    source: "Xiao et al. 2022, arXiv 2211.10438",
    settings: ({ text }) => {
      const rest = {
        weights: "int8",
        granularity: "tensor",
        activations: "int8",
        mode: text ? "token" : "static",
      };
      return [
        { transforms: ["smoothquant"], ...rest },
        { transforms: ["fold-batchnorm", "smoothquant"], ...rest },
      ];
    },
  },
  {
    id: "awq",
    source: "Lin et al. 2023, arXiv 2306.00978",
    settings: (place) => {
      const rest = { weights: "int4", symmetric: false, ...groups(128, place) };
      return [
        { transforms: ["awq"], ...rest },
        { transforms: ["fold-batchnorm", "awq"], ...rest },
      ];
    },
  },
  {
    id: "gptq",
    source: "Frantar et al. 2022, arXiv 2210.17323",
    settings: one({ weights: "int4", symmetric: false, rounding: "gptq" }),
  },
  {
    id: "adaround",
    source: "Nagel et al. 2020, arXiv 2004.10568",
    settings: one({ weights: "int4", granularity: "tensor", range: "mse", rounding: "adaround" }),
  },
  {
    id: "hqq",
    source: "Badri and Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models",
    settings: (place) => [{ weights: "int4", symmetric: false, rounding: "hqq", ...groups(64, place) }],
  },
  {
    id: "quarot",
    source: "Ashkboos et al. 2024, arXiv 2404.00456",
    settings: ({ text }) => [
      {
        transforms: ["hadamard"],
        weights: "int4",
        rounding: "gptq",
        activations: "int4",
        mode: text ? "token" : "dynamic",
      },
    ],
  },
  {
    id: "kmeans",
    source: "Han, Mao and Dally 2016, arXiv 1510.00149",
    settings: one({ weights: "kmeans", codebook: 5, huffman: true }),
  },
  {
    id: "mxfp4",
    source: "OCP Microscaling Formats (MX) Specification v1.0, 2023",
    settings: one({ weights: "mxfp4", ...ROOMY }),
  },
  { id: "nvfp4", source: "NVIDIA 2025, arXiv 2509.25149", settings: one({ weights: "nvfp4", ...ROOMY }) },
  {
    id: "nf4",
    source: "Dettmers et al. 2023, arXiv 2305.14314",
    settings: (place) => [{ weights: "nf4", ...groups(64, place) }],
  },
  {
    id: "gguf",
    source: "ggml-org, GGUF block types; gguf.quants 0.19",
    settings: one({ weights: "q4_0", ...ROOMY }),
  },
  {
    id: "mixed",
    source: "Wang et al. 2019, arXiv 1811.08886",
    settings: one({ weights: "int4", budget: 4 }),
  },
  {
    id: "lsq",
    source: "Esser et al. 2019, arXiv 1902.08153",
    settings: one({
      weights: "int2",
      granularity: "tensor",
      activations: "int2",
      inputsSymmetric: false,
      ends: true,
      epochs: 2,
      estimator: "lsq",
    }),
  },
  {
    id: "pact",
    source: "Choi et al. 2018, arXiv 1805.06085",
    settings: one({
      weights: "int4",
      granularity: "tensor",
      activations: "int4",
      inputsSymmetric: false,
      ends: true,
      epochs: 2,
      estimator: "pact",
    }),
  },
  {
    id: "bitnet",
    source: "Ma et al. 2024, arXiv 2402.17764",
    settings: one({ weights: "ternary", granularity: "tensor", range: "absmean", activations: "int8", epochs: 2 }),
  },
  {
    id: "bwn",
    source: "Rastegari et al. 2016, arXiv 1603.05279",
    settings: one({ weights: "binary", ends: true, epochs: 2 }),
  },
  {
    id: "kivi",
    source: "Liu et al. 2024, arXiv 2402.02750",
    settings: one({ weights: FULL_PRECISION, cache: "int4" }),
  },
];

/** The changes that a preset stands for on a choice's model. */
export function changesOf(preset: Preset, choice: Pick<Choice, "model">, catalog: Catalog): Change[] {
  const settings = preset.settings({ text: readsText(choice, catalog), layers: weightedLayers(choice, catalog) });
  return settings.map((change) => ({ ...PLAIN, ...change }));
}

/** The preset that a choice is, if it is one. */
export function presetOf(choice: Choice, catalog: Catalog): Preset | undefined {
  const key = choiceKey(choice);
  const same = (change: Change) => choiceKey(normalise({ ...choice, ...change }, catalog)) === key;
  return PRESETS.find((preset) => changesOf(preset, choice, catalog).some(same));
}

/** What choosing a preset changes: the first of its changes that the engine takes, or why it takes none. */
export function prospectOf(
  changes: readonly Change[],
  prospect: (change: Change) => Settled | undefined,
): { readonly change: Change; readonly refusal: CoreError | undefined } {
  let refusal: CoreError | undefined;
  for (const change of changes) {
    const settled = prospect(change);
    // Not known yet: taken to be possible.
    if (settled?.refusal === undefined) return { change, refusal: undefined };
    refusal = settled.refusal;
  }
  return { change: changes[0] ?? {}, refusal };
}
