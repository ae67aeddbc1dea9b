// What a network costs on a target: a roofline for every layer, with what every launch, decoded weight and written value adds.
// Constants are those of a kind of hardware and come from a fit on published measurements (`npm run targets -- fit`).

import { fitOf } from "./fits.mjs";
import { BITS, kindOf } from "./formats.mjs";
import { floatOf, judge, judgeSparsity } from "./legality.mjs";

/**
 * @typedef {import("./registry.mjs").Target} Target
 * @typedef {import("./registry.mjs").HardwareFormat} HardwareFormat
 * @typedef {import("./legality.mjs").Verdict} Verdict
 * @typedef {import("./shapes.mjs").Layer} Layer
 *
 * @typedef {object} Constants of one kind of hardware; docs/targets.md says what each is
 * @property {number} peak share of the dense peak that large products reach
 * @property {number} floats factor of that for floats
 * @property {number} network share of that which products in a network reach, with its shapes and cold caches
 * @property {number} network_plain the same of software without tuned kernels
 * @property {number} bandwidth share of the memory's bandwidth
 * @property {number} [bandwidth_stacked] the same of HBM, of which more must be asked for at once
 * @property {number} launch_us of every layer
 * @property {number} step_us of every run of the network
 * @property {number} sequence_us of every sequence of a batch, when writing
 * @property {number} [usable] share of the memory that a server gives to weights, keys and values; of GPUs
 * @property {number} unpack multiply-adds of the vector units to decode a weight
 * @property {number} group the same to scale the sum of one group
 * @property {number} output the same for every value written
 * @property {number} rounding the same beside it, where what is written must be rounded to whole numbers
 * @property {number} sparse by how much 2:4 is faster where products bound
 * @property {number} winograd by how much a library makes 3×3 convolutions of floats cheaper
 * @property {number} threads exponent: so many cores to this power are as fast as one
 * @property {number} pj_per_op at 16 bits in 2020, of parts limited by power
 * @property {number} pj_per_year factor a year
 * @property {number} pj_narrow factor for half the bits
 *
 * @typedef {object} Fitted data/targets/constants.json
 * @property {Readonly<Record<"gpu" | "cpu" | "mcu" | "npu", Constants>>} constants
 * @property {Readonly<Record<"gpu" | "cpu" | "mcu" | "npu", number>>} band factor that four of five errors stay within, targets left out
 * @property {Readonly<Record<"gpu" | "cpu" | "mcu" | "npu", number>>} ratio_band the same of speed-ups
 *
 * @typedef {object} Plan how a layer is to be run
 * @property {string} weights format
 * @property {string} activations format
 * @property {number} [stored_bits] of a weight with its scales; without it, those of its codes
 * @property {number} [group] inputs that share a scale
 * @property {number} [cache_bits] of keys and values; without it, those of floats
 * @property {"2:4" | "unstructured"} [pattern] of zeros
 * @property {number} [density] share of weights that are stored
 * @property {number} [quantize] passes over the inputs that round them, where that is no part of another kernel
 *
 * @typedef {object} LayerCost milliseconds of one of the layers; `count` of them
 * @property {string} name
 * @property {number} count
 * @property {Verdict} verdict
 * @property {"compute" | "memory" | "overhead"} bound
 * @property {number} ms
 * @property {{compute: number, memory: number, vector: number, overhead: number}} parts milliseconds; memory overlaps the other two
 * @property {number} bytes that come from memory outside the chip
 * @property {number} touched bytes read and written, wherever they are
 * @property {number} macs
 * @property {number} tops the ceiling its products have
 * @property {number} energy_mj
 *
 * @typedef {object} Cost
 * @property {number} latency_ms
 * @property {number} low_ms
 * @property {number} high_ms
 * @property {number} energy_mj
 * @property {import("./fits.mjs").Fit} fit
 * @property {readonly LayerCost[]} layers
 * @property {boolean} runs whether the target can run every layer
 */

/** Rows that share one decoding of a weight: the side of a tile. */
const TILE = 128;
/** Part of a cache that stays where it is while a network runs again and again. */
const KEPT = 0.5;
/** Horowitz 2014, 45 nm: 640 pJ for 32 bits of DRAM. Newer memory is scaled like arithmetic. */
const DRAM_PJ_PER_BYTE = 160;
const DRAM_YEAR = 2014;
/** Power of a chip that waits, as a share of its most: TPU v4 draws 90 W idle, 192 W at most (arXiv 2304.01433, table 4). */
const IDLE = 90 / 192;

/**
 * Whose constants a target has. TPUs are matrix machines with fast memory like GPUs; none of the measurements is of a TPU.
 *
 * @param {Target} target
 * @returns {"gpu" | "cpu" | "mcu" | "npu"}
 */
export const classOf = (target) => (target.family === "tpu" ? "gpu" : target.kind);

/** Tera multiply-adds a second of what decodes, scales and rounds: vector units; of a microcontroller one operation a cycle. */
function vectorRate(target) {
  if (target.kind === "mcu") return (target.clock_mhz ?? 0) * 1e-6;
  const float = target.peaks.fp32 ?? (target.peaks.bf16 ?? target.peaks.fp16 ?? 0) / 16;
  return float / 2;
}

/** Picojoules of an operation (half a multiply-add) in a format, on a part of a year. */
export function pjPerOp(target, compute, c) {
  return c.pj_per_op * c.pj_per_year ** (target.year - 2020) * c.pj_narrow ** Math.log2(16 / BITS[compute]);
}

/**
 * TOP/s that large products reach in a format: a share of the peak, or what the power allows, whichever is less.
 *
 * @param {Target} target
 * @param {HardwareFormat} compute
 * @param {Constants} c
 */
export function sustained(target, compute, c) {
  // Where one instruction issues a cycle, widening bytes takes as many slots as multiplying them.
  const slots = target.issue === 1 && target.instructions[compute]?.name.includes("SXTB16") ? 2 : 1;
  const share = c.peak * (kindOfNumbers(compute) === "float" ? c.floats : 1);
  const reached = (((target.peaks[compute] ?? 0) * share) / slots) * target.cores ** (c.threads - 1);
  const power = c.pj_per_op > 0 && target.tdp_w !== null ? target.tdp_w / pjPerOp(target, compute, c) : Infinity;
  return c.network * Math.min(reached, power);
}

/** GB/s that memory reaches. */
export const reachedBandwidth = (target, c) =>
  target.bandwidth_gb_per_s * (target.stacked ? (c.bandwidth_stacked ?? c.bandwidth) : c.bandwidth);

/** @type {WeakMap<Target, Map<string, Verdict>>} */
const VERDICTS = new WeakMap();

/** The verdict on one layer. Only layers with weights are quantized; others run in floats, or in whole numbers where there are none. */
function verdictOf(target, layer, plan) {
  const floats = floatOf(target) ?? "int8";
  const plain = layer.weights === 0 || (layer.head && kindOf(plan.weights).bits < 16);
  const [weights, activations] = plain ? [floats, floats] : [plan.weights, plan.activations];
  const known = VERDICTS.get(target) ?? new Map();
  VERDICTS.set(target, known);
  const key = `${weights} ${activations}`;
  const verdict = known.get(key) ?? judge(target, { weights, activations });
  known.set(key, verdict);
  return verdict;
}

/**
 * @param {Target} target
 * @param {Layer} layer
 * @param {Plan} plan
 * @param {Constants} c
 * @param {{streamed: number}} memory the share of weights that comes from outside the chip
 * @returns {LayerCost}
 */
export function layerCost(target, layer, plan, c, { streamed }) {
  const verdict = verdictOf(target, layer, plan);
  const { compute } = verdict;
  const kind = classOf(target);
  const { count, name, macs } = layer;
  const nothing = { compute: 0, memory: 0, vector: 0, overhead: 0 };
  if (compute === null) {
    return {
      name,
      count,
      verdict,
      bound: "overhead",
      ms: Infinity,
      parts: nothing,
      bytes: 0,
      touched: 0,
      macs,
      tops: 0,
      energy_mj: Infinity,
    };
  }
  const float_bits = BITS[floatOf(target) ?? "int8"];
  const head = layer.head && verdict.weight_bits >= 16;

  // Products.
  const sparse = plan.pattern !== undefined && layer.weights > 0 && !layer.head;
  const skips = sparse && plan.pattern && judgeSparsity(target, compute, plan.pattern).gain === "speed";
  const saved = layer.winograd && kindOfNumbers(compute) === "float" ? c.winograd : 1;
  const vectors = layer.op === "depthwise" && kind === "gpu";
  const dense = vectors ? 2 * vectorRate(target) * c.peak : sustained(target, compute, c);
  const tops = dense * (skips ? c.sparse : 1) * saved;
  const compute_s = (2 * macs) / (tops * 1e12);

  // What vector units do beside them.
  const narrow = verdict.weight_bits < BITS[compute];
  const tiles = Math.max(1, Math.ceil(layer.m / TILE));
  const whole = kindOfNumbers(compute) === "int";
  // Decoded weights have their groups' scales in them; others leave a sum for each group to be scaled.
  const sums = plan.group && whole && !narrow && layer.weights > 0 ? (layer.m * layer.n * layer.k) / plan.group : 0;
  const decoded = narrow ? c.unpack * layer.weights * tiles : 0;
  const vector = decoded + c.group * sums + (c.output + (whole ? c.rounding : 0)) * layer.outputs;
  const vector_s = vectorRate(target) > 0 ? vector / (vectorRate(target) * target.cores ** (c.threads - 1) * 1e12) : 0;

  // Bytes.
  const scales = head || !plan.stored_bits ? 0 : Math.max(0, plan.stored_bits - kindOf(plan.weights).bits);
  const kept = sparse ? (plan.density ?? 1) : 1;
  const code_bits = verdict.weight_bits + scales;
  const weight_bytes = (layer.weights * storedBits(code_bits, kept, sparse ? plan.pattern : undefined)) / 8;
  const rounds = whole && layer.op !== "linear" ? verdict.activation_bits : float_bits;
  const moved = (layer.inputs * Math.min(verdict.activation_bits, float_bits) + layer.outputs * rounds) / 8;
  const cached = (layer.cached * (plan.cache_bits ?? float_bits)) / 8;
  const near = kind === "mcu" || moved <= KEPT * (target.onchip_mb ?? 0) * 1e6;
  const bytes = weight_bytes * streamed + (near ? 0 : moved) + cached;
  const touched = weight_bytes + moved + cached;
  const bandwidth = reachedBandwidth(target, c) * 1e9;
  const passes = layer.weights > 0 ? (plan.quantize ?? 0) : 0;
  const rounding = passes * ((layer.inputs * (float_bits + verdict.activation_bits)) / 8 / bandwidth);
  const memory_s = bytes / bandwidth + rounding;
  const overhead_s = c.launch_us * 1e-6 * (1 + passes);

  const seconds = Math.max(compute_s + vector_s, memory_s) + overhead_s;
  const work = Math.max(compute_s + vector_s, memory_s);
  const bound = overhead_s > work ? "overhead" : compute_s + vector_s >= memory_s ? "compute" : "memory";
  const parts = {
    compute: 1e3 * compute_s,
    memory: 1e3 * memory_s,
    vector: 1e3 * vector_s,
    overhead: 1e3 * overhead_s,
  };
  const energy_mj = 1e3 * joules(target, c, compute, seconds, 2 * macs, bytes);
  return { name, count, verdict, bound, ms: 1e3 * seconds, parts, bytes, touched, macs, tops, energy_mj };
}

/** Bits that a weight takes of a layer where a share is kept: all of them, with a bit for each, with five for each kept, or in 2:4. */
function storedBits(bits, kept, pattern) {
  if (pattern === "2:4") return kept * (bits + 2);
  return pattern === "unstructured" ? Math.min(bits, kept * bits + 1, kept * (bits + 5)) : bits;
}

/**
 * Energy: what the chip draws while it waits, and what operations and bytes take, never above its limit. Of parts whose power was
 * measured while they ran such networks, power × time.
 */
function joules(target, c, compute, seconds, ops, bytes) {
  const watts = target.tdp_w;
  if (watts === null) return Number.NaN;
  const most = watts * seconds;
  if (classOf(target) === "mcu" || !(c.pj_per_op > 0)) return most;
  const dram = DRAM_PJ_PER_BYTE * c.pj_per_year ** (target.year - DRAM_YEAR);
  return Math.min(most, IDLE * most + 1e-12 * (ops * pjPerOp(target, compute, c) + bytes * dram));
}

const kindOfNumbers = (format) => (format.startsWith("int") ? "int" : "float");

/**
 * A network on a target. `planOf` says how each layer is to be run.
 *
 * @param {Target} target
 * @param {readonly Layer[]} layers
 * @param {(layer: Layer) => Plan} planOf
 * @param {Fitted} fitted
 * @param {{batch?: number, writes?: boolean, held?: number, activation_bytes?: number, alone?: boolean, plain?: boolean}} [run] `writes`: one character of
 *   each of `batch` sequences; `held`: bytes of keys and values; `activation_bytes`: the most that stands in memory at once, where it is
 *   known; `alone`: layers timed by themselves, back to back; `plain`: software without tuned kernels (llama.cpp of 2024)
 * @returns {Cost}
 */
export function networkCost(target, layers, planOf, fitted, run = {}) {
  const { batch = 1, writes = false, held = 0, activation_bytes, alone = false, plain = false } = run;
  const kind = classOf(target);
  const own = fitted.constants[kind];
  const network = alone ? 1 : plain ? own.network_plain : own.network;
  const c = { ...own, network, ...(alone && { step_us: 0 }) };
  const verdicts = layers.map((layer) => ({
    layer,
    plan: planOf(layer),
    verdict: verdictOf(target, layer, planOf(layer)),
  }));
  const fit = fitOf(target, verdicts, { held, activation_bytes });
  const chip = (target.onchip_mb ?? 0) * 1e6;
  const streamed = streamedShare(kind, fit.weight_bytes, chip);
  const costs = layers.map((layer) => layerCost(target, layer, planOf(layer), c, { streamed }));
  const sum = (of) => costs.reduce((all, cost) => all + cost.count * of(cost), 0);
  const host_ms = 1e-3 * (c.step_us + (writes ? c.sequence_us * batch : 0));
  const latency_ms = sum((cost) => cost.ms) + host_ms;
  const band = fitted.band[kind];
  const waiting = target.tdp_w === null ? Number.NaN : target.tdp_w * host_ms * (kind === "gpu" ? IDLE : 1);
  return {
    latency_ms,
    low_ms: latency_ms / band,
    high_ms: latency_ms * band,
    energy_mj: sum((cost) => cost.energy_mj) + waiting,
    fit,
    layers: costs,
    runs: costs.every((cost) => cost.verdict.support !== "absent"),
  };
}

/** The share of weights that comes from outside the chip each time: a cache keeps all or nothing, a compiler what has room. */
function streamedShare(kind, weight_bytes, chip) {
  if (kind === "mcu") return 1;
  if (kind === "npu") return weight_bytes > 0 ? Math.max(0, 1 - chip / weight_bytes) : 0;
  return weight_bytes <= KEPT * chip ? 0 : 1;
}
