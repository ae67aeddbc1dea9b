// Published measurements (data/targets/measured.json) as cases for the cost model: what was run, on what, and the seconds it took.
import { classOf, networkCost } from "../../www/targets/cost.mjs";
import { floatOf } from "../../www/targets/legality.mjs";
import { elementwise, linear, transformer } from "../../www/targets/shapes.mjs";
import { mobilenetV2, resnet50 } from "../../www/targets/workloads.mjs";
import { CONVOLUTIONAL, gpt2, LANGUAGE, TOTALS, uniform } from "./networks.mjs";

/**
 * @typedef {object} Case
 * @property {any} point
 * @property {string} target id in the registry
 * @property {"gpu" | "cpu" | "mcu" | "npu"} kind
 * @property {number | undefined} seconds published; undefined where only a ratio is
 * @property {number | undefined} ratio published speed-up
 * @property {string | undefined} baseline id of the case it is over
 * @property {(fitted: any) => number} predict seconds
 * @property {((fitted: any) => number) | undefined} implied seconds of a baseline that is no point of its own
 */

/** Mean positions in the cache while writing, where the source does not say: short prompts. */
const CONTEXT = 256;
/** Batches of prompts are of this many characters. */
const PROMPT = 1024;

/** Sequences that a server runs at once, at most. */
const MOST = 256;

/** Why a point has no model. */
class None extends Error {}

/** A plan for every layer from what a point says of its numbers. */
function planOf(point, target) {
  const { format } = point;
  const { w_bits: w, a_bits: a } = point;
  const float = floatOf(target);
  const floats = { weights: float, activations: float };
  const narrow = (format) => ({ weights: format, activations: format });
  const ints = (bits) => `int${Math.max(2, Math.floor(bits))}`;
  const extra = {};
  if (/2:4/.test(format)) Object.assign(extra, { pattern: "2:4", density: 0.5 });
  if (/W4A4/.test(format) && /g128|Atom/.test(format)) Object.assign(extra, { group: 128, stored_bits: 4.125 });
  if (/KV4|Atom/.test(format)) extra.cache_bits = 4;
  if (/NVFP4|nvfp4/.test(format)) return { ...narrow("nvfp4"), stored_bits: 4.5, ...extra };
  if (/mxfp8/.test(format)) return { ...narrow("mxfp8"), stored_bits: 8.25, ...extra };
  if (/^FP8/.test(format)) return { ...narrow("fp8-e4m3"), ...extra };
  if (w === 32) return { ...narrow("fp32"), ...extra };
  if (w === 16)
    return { ...(/^BF16/.test(format) ? narrow("bf16") : /^F/.test(format) ? narrow("fp16") : floats), ...extra };
  // llama.cpp decodes blocks to halves for products of many rows; for one row it makes no difference.
  if (/^Q4/.test(format)) return { weights: "int4", activations: float, stored_bits: w };
  if (w < a) {
    const inputs = a >= 16 ? float : ints(a);
    // A scale in 16 bits for every 128 weights; EXL2's widths are means with everything counted.
    const stored_bits = /EXL2/.test(point.workload) ? w : w + 0.125;
    return { weights: ints(w), activations: inputs, stored_bits, ...(a < 16 && { group: 128 }), ...extra };
  }
  return { weights: ints(w), activations: ints(a), ...extra };
}

const numbers = (text, pattern) => text.match(pattern)?.slice(1).map(Number);

/** A product of matrices alone, as its benchmark runs it. */
function product(point) {
  const { workload } = point;
  const square = numbers(workload, /(?:GEMM|shape) (\d+)x(\d+)x(\d+)/);
  if (square) return linear("product", square[0], square[1], square[2]);
  const layer = numbers(workload, /M=(\d+) N=(\d+) K=(\d+)/);
  if (layer) return linear("product", ...layer);
  const side = numbers(workload, /(\d+)\^3/);
  if (side) return linear("product", side[0], side[0], side[0]);
  throw new None("its shape is not stated");
}

function convolution({ workload }) {
  const one = numbers(workload, /conv 1x1 n(\d+) (\d+)x\d+ c(\d+) k(\d+)/);
  const many = numbers(workload, /conv 3x3 1x(\d+)x(\d+) c(\d+) k(\d+)/);
  const esp = numbers(workload, /conv 1x1 (\d+)->(\d+) on (\d+)x\d+/);
  const of = (m, n, k, inputs) => ({ ...linear("conv", m, n, k), op: /** @type {const} */ ("conv2d"), inputs });
  if (one) return of(one[0] * one[1] ** 2, one[3], one[2], one[0] * one[1] ** 2 * one[2]);
  if (many) return of(many[0] * many[1], many[3], 9 * many[2], many[0] * many[1] * many[2]);
  if (esp) return of(esp[2] ** 2, esp[1], esp[0], esp[2] ** 2 * esp[0]);
  throw new None("its shape is not stated");
}

function languageModel(workload) {
  const name = Object.keys(LANGUAGE)
    .sort((a, b) => b.length - a.length)
    .find((key) => workload.toLowerCase().startsWith(key));
  if (!name) throw new None("its layers are not published with it");
  return LANGUAGE[name];
}

function convolutionalNetwork(point) {
  const name = point.workload.toLowerCase();
  if (/resnet-?50/.test(name)) return resnet50({ batch: 1, side: /299/.test(name) ? 299 : 224 });
  if (/mobilenet.?v2/.test(name)) return mobilenetV2({ batch: 1 });
  const total = Object.keys(TOTALS).find((key) => name.startsWith(key));
  if (total && point.macs && point.params) return uniform({ ...point, layers: TOTALS[total] });
  const key = Object.keys(CONVOLUTIONAL)
    .sort((a, b) => b.length - a.length)
    .find((each) => name.startsWith(each));
  if (!key) throw new None("its layers are not published with it");
  return CONVOLUTIONAL[key]();
}

/** A target as the point ran it: at another clock, or on fewer cores. */
function asRun(target, { workload }) {
  const mhz = numbers(workload, /(\d+) MHz/)?.[0];
  const threads = numbers(workload, /(\d+) thread/)?.[0];
  const scale =
    (mhz && target.clock_mhz ? mhz / target.clock_mhz : 1) * (threads ? Math.min(1, threads / target.cores) : 1);
  if (scale === 1) return target;
  const peaks = Object.fromEntries(Object.entries(target.peaks).map(([k, v]) => [k, v === null ? null : v * scale]));
  const bandwidth = target.bandwidth_gb_per_s * (mhz && target.clock_mhz ? mhz / target.clock_mhz : 1);
  return {
    ...target,
    peaks,
    bandwidth_gb_per_s: bandwidth,
    clock_mhz: mhz ?? target.clock_mhz,
    cores: threads ? Math.min(threads, target.cores) : target.cores,
  };
}

/**
 * Characters a second of a server whose batch is what fits: prompts of `input` and answers of `output` characters.
 *
 * @param {any} fitted
 * @param {any} target
 * @param {any} net
 * @param {any} plan
 * @param {{input: number, output: number, batch?: number}} traffic
 */
function serving(fitted, target, net, plan, { input, output, batch }) {
  const held = (positions) => 2 * net.layers * net.kv_heads * net.head_size * positions;
  const cache = (plan.cache_bits ?? (plan.weights === "int8" && plan.activations === "int8" ? 8 : 16)) / 8;
  const decode = (size) =>
    networkCost(
      target,
      transformer(net, { batch: size, rows: 1, context: input + output / 2, decode: true }),
      () => ({
        ...plan,
        cache_bits: 8 * cache,
      }),
      fitted,
      { batch: size, writes: true },
    );
  const { weight_bytes } = decode(1).fit;
  const room = fitted.constants.gpu.usable * target.mem_gb * 1e9 - weight_bytes;
  const size = batch ?? Math.min(MOST, Math.max(1, room / (held(input + output) * cache)));
  const rows = transformer(net, { batch: size, rows: input, context: input, decode: false });
  const prefill = networkCost(target, rows, () => plan, fitted);
  return (1e-3 * (prefill.latency_ms + output * decode(size).latency_ms)) / (size * output);
}

/** What a point ran, as a function from constants to seconds, for a plan. */
function runOf(point, target) {
  const { kind, workload, batch = 1 } = point;
  const alone = (layers) => (plan) => (fitted) =>
    1e-3 * networkCost(target, layers, () => plan, fitted, { alone: true }).latency_ms;
  const whole =
    (layers, run = {}) =>
    (plan) =>
    (fitted) =>
      1e-3 * networkCost(target, layers, () => plan, fitted, { plain: /llama\.cpp/.test(workload), ...run }).latency_ms;
  if (kind.startsWith("gemm")) {
    if (/M=10 denoise/.test(workload)) throw new None("its shape is not stated");
    if (/compute-bound|CUTLASS/.test(workload)) return alone([linear("product", 4096, 4096, 4096)]);
    if (!/ReLU/.test(workload)) return alone([product(point)]);
    const { m, k } = product(point);
    const rounds = /dynamic/.test(point.format) ? 2 : 1;
    // Both sides run the activation; the narrow one rounds, in one pass, or two where the scale is looked for first.
    const layers = [elementwise("relu", m * k, 1), product(point)];
    return (plan) => alone(layers)(plan.weights === "bf16" ? plan : { ...plan, quantize: rounds });
  }
  if (kind === "conv" || /conv 1x1 \d/.test(workload)) return alone([convolution(point)]);
  if (kind === "microbench") throw new None("it is an instruction's rate, without memory: a peak, no prediction");
  if (kind === "cnn_cpu" || kind === "cnn_npu" || kind === "tinyml") {
    if (/reference/.test(workload)) throw new None("it ran plain reference code, not a tuned library");
    if (/scalar/.test(point.format)) throw new None("it ran scalar code, not the target's instructions");
    return whole(convolutionalNetwork(point));
  }
  if (kind === "llm_cpu") return whole(gpt2(128));
  const net = languageModel(workload);
  if (kind === "llm_prefill") {
    const rows = Math.min(point.batch, PROMPT);
    return whole(transformer(net, { batch: point.batch / rows, rows, context: rows, decode: false }));
  }
  if (kind === "llm_decode") {
    const context = /x2048/.test(workload) ? 1024 : CONTEXT;
    return whole(transformer(net, { batch, rows: 1, context, decode: true }), { batch, writes: true });
  }
  if (kind === "llm_serving") {
    const lengths = numbers(workload, /in(\d+)\/out(\d+)/) ?? numbers(workload, /(\d+)\/(\d+) TP1/) ?? [1024, 512];
    if (!/max-throughput|in\d+\/out|TP1/.test(workload)) throw new None("its load is not stated");
    const traffic = { input: lengths[0], output: lengths[1], batch: point.batch };
    return (plan) => (fitted) => serving(fitted, target, net, plan, traffic);
  }
  throw new None("its layers are not published with it");
}

/** Published seconds of what `runOf` predicts. */
function secondsOf(point, target) {
  const { value, unit, kind, batch = 1 } = point;
  if (unit === "ms" || unit === "ms/token") return 1e-3 * value;
  if (unit === "us") return 1e-6 * value;
  if (unit === "cycles") return value / (target.clock_mhz * 1e6);
  if (/TOPS|TFLOPS/.test(unit)) return (2 * (point.macs ?? macsOf(point))) / (value * 1e12);
  if (unit === "tokens/s") return (kind === "llm_serving" ? 1 : batch) / value;
  return undefined;
}

/**
 * Every point as a case, or with the reason why there is no model for it.
 *
 * @param {import("../../www/targets/registry.mjs").Registry} registry
 * @param {any} measured data/targets/measured.json
 * @returns {{cases: Case[], left: {point: any, reason: string}[]}}
 */
export function casesOf(registry, measured) {
  /** @type {Case[]} */
  const cases = [];
  const left = [];
  for (const point of measured.points) {
    try {
      const known = registry.targets.find((target) => target.id === point.target);
      if (!known) throw new None("its machine is none of the targets");
      if (!["table", "csv"].includes(point.quality)) throw new None(`its quality is ${point.quality}`);
      const target = asRun(known, point);
      const run = runOf(point, target);
      const base = measured.points.find(({ id }) => id === point.baseline);
      const same = base?.target === point.target;
      if (/vs baseline kernels/.test(point.format)) throw new None("it compares two libraries, not two formats");
      const plan = planOf(point, target);
      const float = planOf(
        { ...point, w_bits: 16, a_bits: 16, format: point.unit === "x vs bf16" ? "BF16" : "F16" },
        target,
      );
      const floats = known.kind === "cpu" ? { weights: "fp32", activations: "fp32" } : float;
      const seconds = point.unit.startsWith("x") ? undefined : secondsOf(point, known);
      // Atom's rows name no baseline, but print FP16 of the same card beside them.
      const ratio_only = seconds === undefined || (point.baseline === undefined && point.ratio_vs_baseline);
      const ratio = same || ratio_only ? point.ratio_vs_baseline : undefined;
      cases.push({
        point,
        target: known.id,
        kind: classOf(known),
        seconds,
        ratio,
        baseline: same ? base.id : undefined,
        predict: run(plan),
        implied: ratio_only ? run(floats) : undefined,
      });
    } catch (error) {
      if (!(error instanceof None)) throw error;
      left.push({ point, reason: error.message });
    }
  }
  // A ratio needs a model of both rows.
  const ids = new Set(cases.map(({ point }) => point.id));
  for (const each of cases) {
    if (each.baseline && !ids.has(each.baseline)) Object.assign(each, { baseline: undefined, ratio: undefined });
  }
  return { cases, left };
}

function macsOf(point) {
  return point.kind === "conv" ? convolution(point).macs : product(point).macs;
}
