// Which instruction of a target runs weights × activations, and how well that is what was asked for. Pure functions.
//
// `native`: an instruction takes both as they are. `weight-only`: weights are stored narrower and decoded before an instruction that
// takes the activations. `fallback`: both are widened to what an instruction takes. `emulated`: other arithmetic on the same values.
// `absent`: the target cannot run it at all.

import { BITS, kindOf } from "./formats.mjs";
import { FROM_MEMORY } from "./registry.mjs";

/**
 * @typedef {import("./registry.mjs").Target} Target
 * @typedef {import("./registry.mjs").HardwareFormat} HardwareFormat
 * @typedef {"native" | "weight-only" | "fallback" | "emulated" | "absent"} Support
 *
 * @typedef {object} Request
 * @property {string} weights a format of a recipe
 * @property {string} activations likewise
 * @property {"fp16" | "fp32" | "int16" | "int32"} [accumulate] at least as wide; without it, what the instruction has
 *
 * @typedef {object} Verdict
 * @property {string} requested such as `w4a4`
 * @property {string} executed
 * @property {Support} support
 * @property {HardwareFormat | null} compute whose instruction runs
 * @property {number} weight_bits as they lie in memory, without scales
 * @property {number} activation_bits
 * @property {import("./registry.mjs").Instruction | null} instruction
 * @property {string} rule the reason, as an id of `RULES`
 * @property {string} missing the format that there is no instruction for, where that is the reason
 * @property {readonly string[]} sources keys
 */

/** Every reason there is. Sentences: `sentence` here, and the words `target.rule.<id>` of the page. */
export const RULES = /** @type {const} */ ([
  "as-asked",
  "narrow-weights",
  "table-weights",
  "no-instruction",
  "slow-instruction",
  "no-block-scales",
  "narrow-accumulator",
  "other-numbers",
  "no-floats",
  "unpublished",
]);

const WHOLE = /** @type {const} */ (["int1", "int4", "int8", "int16"]);
/** Where a float goes that has no instruction: the first of these that has one and loses nothing but speed. */
const WIDER = {
  fp4: ["fp6", "fp8_e4m3", "fp16", "bf16", "fp32"],
  fp6: ["fp8_e4m3", "fp16", "bf16", "fp32"],
  fp8_e4m3: ["fp16", "bf16", "fp32"],
  fp16: ["bf16", "fp32"],
  bf16: ["fp32", "fp16"],
  tf32: ["fp32", "bf16", "fp16"],
  fp32: ["bf16", "fp16"],
};
const HALVES = /** @type {const} */ (["fp16", "bf16"]);
const BLOCK_SCALED = ["blackwell", "blackwell-rtx"];
const WIDTH_OF_SUM = { int16: 16, fp16: 16, int32: 32, fp32: 32 };

/**
 * Whether the target has an instruction at full rate for a format.
 *
 * @param {Target} target
 * @param {HardwareFormat} format
 */
export function has(target, format) {
  return target.peaks[format] !== null && target.instructions[format]?.emulated !== true;
}

/**
 * What numbers that a recipe leaves alone are run in: the faster of the 16-bit floats, unless FP32 is faster still. `null` on a target
 * without floats.
 *
 * @param {Target} target
 * @returns {"fp16" | "bf16" | "fp32" | null}
 */
export function floatOf(target) {
  const rate = (format) => (has(target, format) ? target.peaks[format] : 0);
  const half = rate("bf16") > rate("fp16") ? "bf16" : "fp16";
  if (rate(half) === 0 && rate("fp32") === 0) return null;
  return rate(half) >= rate("fp32") ? half : "fp32";
}

/** Sources of what a target can or cannot do with a format: of its instruction, or of the fact that there is none. */
function sourcesOf(target, format) {
  const keys = [target.instructions[format]?.src, target.facts[format]?.src];
  return [...new Set(keys.filter((key) => key !== undefined))];
}

const words = (weights, activations) => `w${weights}a${activations}`;

/** The narrowest whole numbers of at least so many bits that the target multiplies, with a wide enough sum. */
function wholeFor(target, bits, accumulate) {
  return WHOLE.find(
    (format) =>
      BITS[format] >= bits &&
      has(target, format) &&
      (accumulate === undefined || WIDTH_OF_SUM[target.instructions[format]?.accumulate] >= WIDTH_OF_SUM[accumulate]),
  );
}

function floatFor(target, wanted, accumulate, blocks) {
  const sums = (format) =>
    accumulate === undefined || WIDTH_OF_SUM[target.instructions[format]?.accumulate] >= WIDTH_OF_SUM[accumulate];
  // Scales of blocks need an instruction that takes them along; others see decoded values, which 16 bits hold.
  const alone = !blocks || BLOCK_SCALED.includes(target.family);
  const ladder = [wanted, ...WIDER[wanted]].filter((format) => alone || BITS[format] >= 16);
  return ladder.find((format) => has(target, format) && sums(format));
}

/**
 * @param {Target} target
 * @param {Request} request
 * @returns {Verdict}
 */
export function judge(target, { weights, activations, accumulate }) {
  const [w, a] = [kindOf(weights), kindOf(activations)];
  const requested = words(w.bits, a.bits);
  const answer = (support, compute, rule, missing, bits = [w.bits, a.bits]) => ({
    requested,
    executed: support === "absent" ? "none" : words(bits[0], bits[1]),
    support,
    compute: compute ?? null,
    weight_bits: bits[0],
    activation_bits: bits[1],
    instruction: compute ? (target.instructions[compute] ?? null) : null,
    rule,
    missing,
    sources: [...new Set([...sourcesOf(target, missing), ...(compute ? sourcesOf(target, compute) : [])])],
  });
  const absent = (missing) => {
    const noted = /unpublished/.test(target.facts[missing]?.note ?? "");
    const floats = floatOf(target) !== null;
    return answer("absent", undefined, noted ? "unpublished" : floats ? "no-instruction" : "no-floats", missing);
  };
  /** Why a format does not run as it is. */
  const why = (format, blocks) => {
    if (target.instructions[format]?.emulated) return "slow-instruction";
    if (target.peaks[format] === null && target.instructions[format]) return "unpublished";
    if (!has(target, format)) return "no-instruction";
    return blocks && !BLOCK_SCALED.includes(target.family) ? "no-block-scales" : "narrow-accumulator";
  };

  if (w.kind === "int" && a.kind === "int") {
    const wanted = wholeOf(Math.max(w.bits, a.bits));
    const compute = wholeFor(target, Math.max(w.bits, a.bits), accumulate);
    if (!compute) {
      const float = intFloat(target, Math.max(w.bits, a.bits));
      return float ? answer("emulated", float, why(wanted, false), wanted, [BITS[float], BITS[float]]) : absent(wanted);
    }
    const bits = BITS[compute];
    // A block's scale cannot go through a sum of whole numbers: sums of each block are scaled apart, which the cost model counts.
    if (a.bits === bits) {
      return w.bits === bits
        ? answer("native", compute, "as-asked", compute)
        : answer("weight-only", compute, "narrow-weights", wholeOf(w.bits));
    }
    const kept = w.bits < a.bits ? w.bits : bits;
    return answer("fallback", compute, why(wanted, false), wanted, [kept, bits]);
  }

  if (a.kind === "float" && (w.kind !== "float" || w.bits < a.bits)) {
    // Weights alone are narrower: they are decoded to what the activations are.
    const wanted = /** @type {HardwareFormat} */ (a.hardware);
    // Whole numbers of more than four bits, and codebooks, do not fit an FP8.
    const fits = a.bits >= 16 || (w.kind === "int" && w.bits <= 4) || w.kind === "float";
    const compute = floatFor(target, fits ? wanted : "fp16", accumulate, a.blocks);
    if (!compute) return absent(wanted);
    const rule = w.kind === "table" ? "table-weights" : "narrow-weights";
    if (compute === wanted) return answer("weight-only", compute, rule, w.hardware ?? wholeOf(w.bits));
    return answer("fallback", compute, fits ? why(wanted, a.blocks) : "other-numbers", wanted, [w.bits, BITS[compute]]);
  }

  if (w.kind === "float" && a.kind === "float") {
    const wider = w.bits >= a.bits ? w : a;
    const wanted = /** @type {HardwareFormat} */ (wider.hardware);
    const blocks = w.blocks || a.blocks;
    const compute = floatFor(target, wanted, accumulate, blocks);
    if (!compute) return absent(wanted);
    if (compute === wanted && w.bits === a.bits && w.hardware === a.hardware) {
      return answer("native", compute, "as-asked", compute);
    }
    const bits = BITS[compute];
    return answer("fallback", compute, compute === wanted ? "other-numbers" : why(wanted, blocks), wanted, [
      bits,
      bits,
    ]);
  }

  // Whole activations times floats or places in a codebook.
  const float = floatFor(target, HALVES.find((format) => has(target, format)) ?? "fp32", accumulate, false);
  return float ? answer("emulated", float, "other-numbers", float, [w.bits, BITS[float]]) : absent("fp16");
}

/** The whole numbers that hold so many bits. */
function wholeOf(bits) {
  return WHOLE.find((format) => BITS[format] >= bits) ?? "int16";
}

/** A float in which products of whole numbers of so many bits are exact: FP16 holds 11 of them, BF16 eight. */
function intFloat(target, bits) {
  const holds = { fp16: 11, bf16: 8, fp32: 24 };
  return /** @type {("fp16" | "bf16" | "fp32")[]} */ (["fp16", "bf16", "fp32"]).find(
    (format) => has(target, format) && holds[format] >= bits,
  );
}

/**
 * What a pattern of zeros gives on a target, in the format that computes: `speed` where the hardware skips them, else `bytes`.
 *
 * @param {Target} target
 * @param {HardwareFormat} compute
 * @param {"2:4" | "unstructured"} pattern
 * @returns {{gain: "speed" | "bytes", sources: readonly string[]}}
 */
export function judgeSparsity(target, compute, pattern) {
  const skips = pattern === "2:4" && target.sparse.formats.includes(compute) && target.sparse.factor > 1;
  return { gain: skips ? "speed" : "bytes", sources: [target.facts.sparse_2_4.src] };
}

/** Rows of the support matrix: weights × activations. */
export const ROWS = /** @type {const} */ ([
  { id: "fp32", weights: "fp32", activations: "fp32" },
  { id: "tf32", weights: "tf32", activations: "tf32" },
  { id: "bf16", weights: "bf16", activations: "bf16" },
  { id: "fp16", weights: "fp16", activations: "fp16" },
  { id: "fp8", weights: "fp8-e4m3", activations: "fp8-e4m3" },
  { id: "fp6", weights: "fp6-e3m2", activations: "fp6-e3m2" },
  { id: "fp4", weights: "fp4-e2m1", activations: "fp4-e2m1" },
  { id: "w8a16", weights: "int8", activations: "fp16" },
  { id: "w4a16", weights: "int4", activations: "fp16" },
  { id: "w4a8", weights: "int4", activations: "int8" },
  { id: "int8", weights: "int8", activations: "int8" },
  { id: "int4", weights: "int4", activations: "int4" },
  { id: "int1", weights: "binary", activations: "binary" },
]);

/**
 * The rows that every one of the targets runs natively.
 *
 * @param {readonly Target[]} targets
 */
export function nativeOnAll(targets) {
  return ROWS.filter((row) => targets.every((target) => judge(target, row).support === "native"));
}

/**
 * A verdict's reason in one English sentence, for reports and the command line.
 *
 * @param {Verdict} verdict
 */
export function sentence({ rule, missing, compute, instruction, sources }) {
  const name = (format) => String(format).toUpperCase().replace("_", " ");
  const cited = sources.map((key) => (key === FROM_MEMORY ? "from memory" : key)).join(", ");
  const runs = compute ? `, runs as ${name(compute)}` : "";
  const said = {
    "as-asked": `${instruction?.name ?? name(compute)} takes both as they are`,
    "narrow-weights": `weights are decoded to ${name(compute)} before the product; they save bytes, not arithmetic`,
    "table-weights": `weights are places in a table, decoded to ${name(compute)}; they save bytes, not arithmetic`,
    "no-instruction": `no ${name(missing)} instruction${runs}`,
    "slow-instruction": `${name(missing)} products compile to many ordinary instructions here, there is no ${name(missing)} matrix instruction${runs}`,
    "no-block-scales": `no instruction takes scales of blocks${runs}`,
    "narrow-accumulator": `the ${name(missing)} instruction sums in fewer bits than asked${runs}`,
    "other-numbers": `no instruction multiplies these two kinds of number${runs}`,
    "no-floats": `takes whole numbers of 8 bits only`,
    unpublished: `${name(missing)} is supported, but no rate is published${runs}`,
  };
  return `${said[rule]} (${cited})`;
}
