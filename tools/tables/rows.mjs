// The rows of the table of quantization methods: for each a recipe by network and width, or the reason why there is none.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup/lib.mjs";

/** The networks of the table. */
export const MODELS = ["lenet5-fashion", "mobilenet-fashion", "resnet8-fashion", "transformer-shakespeare"];
/** Bits of a weight, without its scales. */
export const BITS = [8, 4, 3, 2];
const SEED = 1;

/** Weights of a row of each layer, by name, from the header of the trained network. */
function readTaps(model) {
  const bytes = readFileSync(join(root, "models", `${model}.safetensors`));
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  const weights = Object.entries(header).filter(([name, { shape }]) => name.endsWith(".weight") && shape?.length > 1);
  return weights.map(([name, { shape }]) => [name.replace(/\.weight$/, ""), shape.slice(1).reduce((a, b) => a * b, 1)]);
}
const TAPS = Object.fromEntries(MODELS.map((model) => [model, readTaps(model)]));

/** What cannot be: shown in place of a number. */
const none = (reason) => ({ none: reason });
const folds = (model) => ["mobilenet-fashion", "resnet8-fashion"].includes(model);
/** Batch norms are folded where there are any, as every deployment does. */
const fold = (model, ...then) => [...(folds(model) ? ["fold-batchnorm"] : []), ...then];

const step = (quantize) => {
  const { transforms = [], ...rest } = quantize;
  return [{ quantize: { ...(transforms.length > 0 ? { transforms } : {}), ...rest } }];
};
const int = (bits, more = {}) => ({ format: `int${bits}`, ...more });

/** One scale for every `size` neighbours in the layers whose rows it divides, as `weights` says; the others as `rest` says. */
function grouped(model, size, weights, rest, more = {}) {
  const fits = TAPS[model].filter(([, taps]) => taps % size === 0);
  if (fits.length === 0) return none(`blocks of ${size} divide no layer's rows`);
  const layers = Object.fromEntries(fits.map(([name]) => [name, { weights }]));
  return step({ weights: rest, layers, ...more });
}

/** A row for the whole table: weights of integers with these settings. */
const integers = (id, label, settings, more = () => ({})) => ({
  id,
  label,
  make: (model, bits) => step({ weights: int(bits, settings), ...more(model, bits) }),
});

const only = (widths, make, reason) => (model, bits) => (widths.includes(bits) ? make(model, bits) : none(reason));
const NO_FORMAT = "no such format of this width";
const NO_NORMS = "nothing to fold: no batch norms";

const a8 = (calibration = "minmax") => ({ format: "int8", calibration });

/** Training through the rounding. */
function train(estimator, weights, activations) {
  return (model, bits) => {
    if (bits === 8) return none("not run: rounding to 8 bits leaves hardly a loss to recover");
    const quantize = { weights: int(bits, weights), ...(activations ? { activations: activations(bits) } : {}) };
    const lr = bits === 2 ? 0.002 : 0.001;
    const epochs = model === "lenet5-fashion" ? 2 : 1;
    return [{ quantize }, { train: { epochs, lr, schedule: "cosine", estimator } }];
  };
}

/** Sections of the table, their rows in the order in which they stand. */
export const SECTIONS = [
  {
    id: "ranges",
    title: "Nearest value",
    rows: [
      integers("nearest-tensor", "per tensor", { granularity: "tensor" }),
      integers("mse-tensor", "per tensor, `mse` range", { granularity: "tensor", range: "mse" }),
      integers("nearest-channel", "per channel", {}),
      integers("asymmetric-channel", "per channel, asymmetric", { symmetric: false }),
      integers("mse-channel", "per channel, `mse` range", { range: "mse" }),
      {
        id: "nearest-group",
        label: "groups of 32 (other layers per channel)",
        make: (model, bits) => grouped(model, 32, int(bits, { granularity: { group: 32 } }), int(bits)),
      },
      {
        id: "bits",
        label: "per channel, bits shared out under this mean width",
        make: only(
          [4, 3],
          (_, bits) => step({ weights: int(bits), bits: { budget: bits } }),
          "no choice: every layer has this width",
        ),
      },
    ],
  },
  {
    id: "transforms",
    title: "Transforms first, then the nearest value",
    rows: [
      {
        id: "fold-tensor",
        label: "`fold-batchnorm`, per tensor",
        make: (model, bits) =>
          folds(model)
            ? step({ transforms: ["fold-batchnorm"], weights: int(bits, { granularity: "tensor" }) })
            : none(NO_NORMS),
      },
      integers("equalize-tensor", "`fold-batchnorm`, `equalize`, per tensor", { granularity: "tensor" }, (model) => ({
        transforms: fold(model, "equalize"),
      })),
      integers(
        "equalize-bias-tensor",
        "`fold-batchnorm`, `equalize`, per tensor, bias correction",
        { granularity: "tensor" },
        (model) => ({ transforms: fold(model, "equalize"), correction: "bias" }),
      ),
      {
        id: "fold-channel",
        label: "`fold-batchnorm`, per channel",
        make: (model, bits) =>
          folds(model) ? step({ transforms: ["fold-batchnorm"], weights: int(bits) }) : none(NO_NORMS),
      },
      integers("bias-channel", "per channel, bias correction", {}, (model) => ({
        transforms: fold(model),
        correction: "bias",
      })),
      integers("awq-channel", "`awq`, per channel", {}, (model) => ({ transforms: fold(model, "awq") })),
      integers("hadamard-channel", "`hadamard`, per channel", {}, (model) => ({ transforms: fold(model, "hadamard") })),
    ],
  },
  {
    id: "roundings",
    title: "Other roundings, per channel unless said",
    rows: [
      integers("gptq", "`gptq`", { rounding: "gptq" }),
      integers("gptq-order", "`gptq`, `act_order`", { rounding: "gptq", act_order: true }),
      integers("gptq-mse", "`gptq`, `mse` range", { rounding: "gptq", range: "mse" }),
      {
        id: "gptq-group",
        label: "`gptq`, groups of 32 (other layers per channel)",
        make: (model, bits) =>
          grouped(
            model,
            32,
            int(bits, { granularity: { group: 32 }, rounding: "gptq" }),
            int(bits, { rounding: "gptq" }),
          ),
      },
      integers("adaround", "`adaround`", { rounding: "adaround" }),
      integers("adaround-mse", "`adaround`, `mse` range", { rounding: "adaround", range: "mse" }),
      integers(
        "equalize-adaround-tensor",
        "`fold-batchnorm`, `equalize`, `adaround`, per tensor",
        { granularity: "tensor", rounding: "adaround" },
        (model) => ({ transforms: fold(model, "equalize") }),
      ),
      integers("hqq", "`hqq`", { rounding: "hqq" }),
      {
        id: "hqq-group",
        label: "`hqq`, groups of 32 (other layers per channel)",
        make: (model, bits) =>
          grouped(
            model,
            32,
            int(bits, { granularity: { group: 32 }, rounding: "hqq" }),
            int(bits, { rounding: "hqq" }),
          ),
      },
      integers("awq-gptq", "`awq`, `gptq`", { rounding: "gptq" }, (model) => ({ transforms: fold(model, "awq") })),
    ],
  },
  {
    id: "formats",
    title: "Other formats, nearest value",
    rows: [
      {
        id: "kmeans",
        label: "`kmeans`, a codebook for each layer",
        make: (_, bits) => step({ weights: { format: "kmeans", bits } }),
      },
      {
        id: "nf4",
        label: "`nf4`, groups of 64 (other layers per channel)",
        make: only(
          [4],
          (model) => {
            const channel = { format: "nf4", granularity: "channel" };
            const found = grouped(model, 64, { format: "nf4", granularity: { group: 64 } }, channel);
            return found.none ? step({ weights: channel }) : found;
          },
          NO_FORMAT,
        ),
      },
      {
        id: "fp",
        label: "small floats per channel: `fp8-e4m3` at 8, `fp4-e2m1` at 4 bits",
        make: only([8, 4], (_, bits) => step({ weights: { format: bits === 8 ? "fp8-e4m3" : "fp4-e2m1" } }), NO_FORMAT),
      },
      {
        id: "mx",
        label: "`mxfp8` and `mxfp4`, blocks of 32 (other layers the row above)",
        make: only(
          [8, 4],
          (model, bits) =>
            grouped(model, 32, { format: `mxfp${bits}` }, { format: bits === 8 ? "fp8-e4m3" : "fp4-e2m1" }),
          NO_FORMAT,
        ),
      },
      {
        id: "nvfp4",
        label: "`nvfp4`, blocks of 16 (other layers `fp4-e2m1`)",
        make: only([4], (model) => grouped(model, 16, { format: "nvfp4" }, { format: "fp4-e2m1" }), NO_FORMAT),
      },
    ],
  },
  {
    id: "training",
    title: "Trained through, per channel",
    rows: [
      { id: "ste", label: "`ste`", make: train("ste", {}) },
      { id: "ste-mse", label: "`ste`, `mse` range", make: train("ste", { range: "mse" }) },
      { id: "lsq", label: "`lsq`", make: train("lsq", {}) },
      {
        id: "lsq-inputs",
        label: "`lsq`, inputs of the same width",
        make: train("lsq", {}, (bits) => ({ format: `int${bits}` })),
      },
    ],
  },
  {
    id: "inputs",
    title: "Inputs rounded as well",
    rows: [
      integers("a8", "per channel, inputs `int8`, `minmax`", {}, () => ({ activations: a8() })),
      integers("a8-percentile", "… `percentile`", {}, () => ({ activations: a8("percentile") })),
      integers("a8-mse", "… `mse`", {}, () => ({ activations: a8("mse") })),
      integers("a8-entropy", "… `entropy`", {}, () => ({ activations: a8("entropy") })),
      integers("a8-dynamic", "… `dynamic`", {}, (model) => ({
        activations: {
          format: "int8",
          mode: "dynamic",
          granularity: model === "transformer-shakespeare" ? "token" : "tensor",
        },
      })),
      integers("smoothquant-a8", "`smoothquant`, per channel, inputs `int8`", {}, (model) => ({
        transforms: fold(model, "smoothquant"),
        activations: a8(),
      })),
      integers("smoothquant-gptq-a8", "`smoothquant`, `gptq`, inputs `int8`", { rounding: "gptq" }, (model) => ({
        transforms: fold(model, "smoothquant"),
        activations: a8(),
      })),
      {
        id: "fold-tensor-a8",
        label: "`fold-batchnorm`, per tensor, inputs `int8`",
        make: (model, bits) =>
          folds(model)
            ? step({
                transforms: ["fold-batchnorm"],
                weights: int(bits, { granularity: "tensor" }),
                activations: a8(),
              })
            : none(NO_NORMS),
      },
      integers(
        "equalize-bias-tensor-a8",
        "`fold-batchnorm`, `equalize`, per tensor, bias correction, inputs `int8`",
        { granularity: "tensor" },
        (model) => ({ transforms: fold(model, "equalize"), correction: "bias", activations: a8() }),
      ),
      integers("a4", "per channel, inputs `int4`, `mse`", {}, () => ({
        activations: { format: "int4", calibration: "mse" },
      })),
      integers("smoothquant-a4", "`smoothquant`, per channel, inputs `int4`, `mse`", {}, (model) => ({
        transforms: fold(model, "smoothquant"),
        activations: { format: "int4", calibration: "mse" },
      })),
    ],
  },
];

/** The most telling rows: computed before the others. */
const FIRST = [
  "nearest-tensor",
  "nearest-channel",
  "mse-channel",
  "fold-tensor",
  "equalize-tensor",
  "equalize-bias-tensor",
  "fold-channel",
  "ste",
  "lsq",
  "gptq",
];

export const ROWS = SECTIONS.flatMap(({ rows }) => rows);

const cellOf = (row, model, bits) => {
  const made = row.make(model, bits);
  const place = { row: row.id, model, bits };
  return made.none
    ? { ...place, none: made.none }
    : { ...place, recipe: { version: 1, model, seed: SEED, steps: made } };
};

/** Every cell, each with a `recipe` or the reason for `none`, as they stand in the table. */
export function cells() {
  return ROWS.flatMap((row) => MODELS.flatMap((model) => BITS.map((bits) => cellOf(row, model, bits))));
}

/** Cells in the order in which they are computed: the most telling ones, then what takes little. */
export function ordered(list) {
  const first = ({ row, model }) => FIRST.includes(row) && model !== "transformer-shakespeare";
  // Roughly what takes long: larger networks, training, learned roundings.
  const cost = ({ row, model, recipe }) =>
    2 * MODELS.indexOf(model) + (recipe?.steps.length > 1 ? 3 : 0) + (row.includes("adaround") ? 5 : 0);
  const rank = (cell) => (first(cell) ? FIRST.indexOf(cell.row) - FIRST.length : cost(cell));
  return [...list].sort((a, b) => rank(a) - rank(b));
}
