// A training step on a target: time, memory, and the inferences that pay its cost back.

import { classOf, layerCost, reachedBandwidth } from "./cost.mjs";
import { BITS } from "./formats.mjs";
import { judge } from "./legality.mjs";

/**
 * Ways to train, in bytes a parameter: values that are trained, a narrower copy that layers compute with, gradients, and Adam's two
 * moments. Mixed precision as in arXiv 1710.03740: products in 16 bits, a copy and an update in 32. FP8 as in arXiv 2209.05433: products
 * in 8 bits, gradients of weights in 16.
 *
 * @type {readonly {id: string, format: string, master: number, copy: number, gradient: number, moments: number, activation: number, source: string}[]}
 */
export const PRECISIONS = [
  { id: "fp32", format: "fp32", master: 4, copy: 0, gradient: 4, moments: 8, activation: 4, source: "arXiv 1412.6980" },
  { id: "tf32", format: "tf32", master: 4, copy: 0, gradient: 4, moments: 8, activation: 4, source: "nv-a100wp" },
  {
    id: "fp16",
    format: "fp16",
    master: 4,
    copy: 2,
    gradient: 2,
    moments: 8,
    activation: 2,
    source: "arXiv 1710.03740",
  },
  {
    id: "bf16",
    format: "bf16",
    master: 4,
    copy: 2,
    gradient: 2,
    moments: 8,
    activation: 2,
    source: "arXiv 1905.12322",
  },
  {
    id: "fp8",
    format: "fp8-e4m3",
    master: 4,
    copy: 1,
    gradient: 2,
    moments: 8,
    activation: 1,
    source: "arXiv 2209.05433",
  },
];

/**
 * @typedef {object} Training
 * @property {string} precision
 * @property {import("./legality.mjs").Verdict} verdict
 * @property {number} step_ms forward, backward and the optimizer, of one batch
 * @property {number} low_ms
 * @property {number} high_ms
 * @property {number} optimizer_ms its part: it only moves bytes
 * @property {number} energy_mj
 * @property {{weights: number, gradients: number, optimizer: number, activations: number}} bytes
 * @property {number} over_bytes by how much it does not fit
 */

/** Products of a step: forward, gradients of inputs, gradients of weights. */
const PRODUCTS = 3;

/**
 * @param {import("./registry.mjs").Target} target
 * @param {readonly import("./shapes.mjs").Layer[]} layers of a batch
 * @param {(typeof PRECISIONS)[number]} precision
 * @param {import("./cost.mjs").Fitted} fitted
 * @returns {Training}
 */
export function trainingStep(target, layers, precision, fitted) {
  const kind = classOf(target);
  const c = fitted.constants[kind];
  const { format } = precision;
  const verdict = judge(target, { weights: format, activations: format });
  const plan = { weights: format, activations: format };
  let products_ms = 0;
  let energy_mj = 0;
  let parameters = 0;
  let activations = 0;
  // What is not narrowed in mixed precision: attention, norms and a language model's head stay in 16 bits.
  for (const layer of layers) {
    const cost = layerCost(target, layer, plan, c, { streamed: 1 });
    products_ms += PRODUCTS * layer.count * cost.ms;
    energy_mj += PRODUCTS * layer.count * cost.energy_mj;
    parameters += layer.count * layer.parameters;
    // Inputs are kept for the gradients of weights; attention keeps its queries, keys and values.
    activations += layer.count * (layer.inputs + layer.cached) * precision.activation;
  }
  const weights = parameters * (precision.master + precision.copy);
  const gradients = parameters * precision.gradient;
  const optimizer = parameters * precision.moments;
  // Adam reads and writes values and moments, reads gradients, and writes the copy.
  const moved = parameters * (2 * precision.master + 2 * precision.moments + precision.gradient + precision.copy);
  const optimizer_ms = (1e3 * moved) / (reachedBandwidth(target, c) * 1e9);
  const step_ms = products_ms + optimizer_ms;
  const watts = target.tdp_w ?? Number.NaN;
  const bytes = { weights, gradients, optimizer, activations };
  const needed = weights + gradients + optimizer + activations;
  return {
    precision: precision.id,
    verdict,
    step_ms,
    low_ms: step_ms / fitted.band[kind],
    high_ms: step_ms * fitted.band[kind],
    optimizer_ms,
    energy_mj: energy_mj + watts * optimizer_ms,
    bytes,
    over_bytes: Math.max(0, needed - target.mem_gb * 1e9),
  };
}

/**
 * Inferences after which a training has paid for itself: what it cost over what each inference saves. `Infinity` where nothing is saved.
 * Any unit that both are in: milliseconds, or millijoules.
 *
 * @param {number} training
 * @param {number} before of an inference
 * @param {number} after
 */
export const payBack = (training, before, after) => (after < before ? training / (before - after) : Infinity);

/** Bits that a format's products are in, for labels. */
export const trainingBits = (precision) => BITS[precision === "fp8" ? "fp8_e4m3" : precision];
