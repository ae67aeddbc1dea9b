// What a recipe's formats are to hardware: the kind of number and the bits.

/**
 * @typedef {object} Kind
 * @property {"float" | "int" | "table"} kind
 * @property {number} bits of a code
 * @property {import("./registry.mjs").HardwareFormat} [hardware] the format of an instruction that takes it as it is
 * @property {boolean} [blocks] whether a scale stands with every few values
 */

/** Whole numbers by width; the ones between take the next wider instruction. */
const INT = { 1: "int1", 4: "int4", 8: "int8", 16: "int16" };

/** @type {Readonly<Record<string, Kind>>} */
const FLOATS = {
  fp32: { kind: "float", bits: 32, hardware: "fp32" },
  tf32: { kind: "float", bits: 32, hardware: "tf32" },
  fp16: { kind: "float", bits: 16, hardware: "fp16" },
  bf16: { kind: "float", bits: 16, hardware: "bf16" },
  "fp8-e4m3": { kind: "float", bits: 8, hardware: "fp8_e4m3" },
  "fp8-e5m2": { kind: "float", bits: 8, hardware: "fp8_e4m3" },
  "fp6-e2m3": { kind: "float", bits: 6, hardware: "fp6" },
  "fp6-e3m2": { kind: "float", bits: 6, hardware: "fp6" },
  "fp4-e2m1": { kind: "float", bits: 4, hardware: "fp4" },
  mxfp8: { kind: "float", bits: 8, hardware: "fp8_e4m3", blocks: true },
  mxfp6: { kind: "float", bits: 6, hardware: "fp6", blocks: true },
  mxfp4: { kind: "float", bits: 4, hardware: "fp4", blocks: true },
  nvfp4: { kind: "float", bits: 4, hardware: "fp4", blocks: true },
  nf4: { kind: "table", bits: 4 },
  kmeans: { kind: "table", bits: 4 },
  ternary: { kind: "int", bits: 2 },
  binary: { kind: "int", bits: 1, hardware: "int1" },
};

/**
 * A format of a recipe, as hardware sees it. Blocks of GGUF (`q4_0`, `tq1_0`) are whole numbers with a scale to every block.
 *
 * @param {string} id
 * @returns {Kind}
 */
export function kindOf(id) {
  const known = FLOATS[id];
  if (known) return known;
  const int = /^int(\d+)$/.exec(id);
  const gguf = /^t?q(\d+)_\w+$/.exec(id);
  const bits = Number(int?.[1] ?? gguf?.[1]);
  if (!(bits >= 1 && bits <= 16)) throw new Error(`hardware knows no format ${id}`);
  const hardware = INT[bits];
  return { kind: "int", bits, ...(hardware && { hardware }), ...(gguf && { blocks: true }) };
}

/** Bits of a number of a hardware format. */
export const BITS = {
  fp32: 32,
  tf32: 32,
  bf16: 16,
  fp16: 16,
  fp8_e4m3: 8,
  fp6: 6,
  fp4: 4,
  int16: 16,
  int8: 8,
  int4: 4,
  int1: 1,
};
