// The targets: facts of data/targets/targets.json in the form the model reads, and copies of them that a person has edited.
// Pure functions of the facts, which the host reads: a file in Node, a chunk of its own on the page.

/** Number formats as hardware counts them, the widest first. */
export const FORMATS = /** @type {const} */ ([
  "fp32",
  "tf32",
  "bf16",
  "fp16",
  "fp8_e4m3",
  "fp6",
  "fp4",
  "int16",
  "int8",
  "int4",
  "int1",
]);

/**
 * @typedef {(typeof FORMATS)[number]} HardwareFormat
 * @typedef {{v: number | null, src: string, note?: string}} Fact
 * @typedef {{name: string, accumulate: string, src: string, emulated?: boolean}} Instruction
 * @typedef {object} Target
 * @property {string} id
 * @property {string} name
 * @property {"gpu" | "npu" | "cpu" | "mcu"} kind
 * @property {string} family whose instructions it has, a key of data/targets/instructions.json
 * @property {string} arch
 * @property {number} year
 * @property {Readonly<Record<HardwareFormat, number | null>>} peaks TFLOP/s or TOP/s, dense; a multiply-add is two
 * @property {number} bandwidth_gb_per_s
 * @property {number | null} issue instructions a cycle, where that is what bounds
 * @property {boolean} stacked whether its memory is HBM
 * @property {number} mem_gb of microcontrollers: SRAM
 * @property {number | null} onchip_mb last-level cache or SRAM
 * @property {number | null} flash_mb
 * @property {number | null} tdp_w
 * @property {number} cores
 * @property {number | null} clock_mhz
 * @property {{factor: number, formats: readonly string[]}} sparse 2:4: by how much its peak is higher, and in which formats
 * @property {readonly string[]} notes
 * @property {Readonly<Record<string, Fact>>} facts every number with its source, by field, peaks by format
 * @property {Readonly<Record<string, Instruction>>} instructions by format
 * @property {string} [copy_of] the target it is an edited copy of
 *
 * @typedef {object} Registry
 * @property {readonly Target[]} targets
 * @property {Readonly<Record<string, string>>} sources by key
 * @property {readonly {id: string, name: string}[]} families generations, in the order of the support matrix
 */

/** What a source key says of a number that nobody looked up. */
export const FROM_MEMORY = "mem";
const USER = "user";

/**
 * @param {any} facts data/targets/targets.json
 * @param {any} instructions data/targets/instructions.json
 * @returns {Registry}
 */
export function readTargets(facts, instructions) {
  return {
    sources: facts.sources,
    families: Object.entries(facts.families).map(([id, name]) => ({ id, name })),
    targets: facts.targets.map((row) => {
      const numbers = {};
      for (const field of ["mem_bw_gbs", "mem_gb", "onchip_mb", "flash_mb", "tdp_w", "cores", "clock_mhz"]) {
        numbers[field] = row[field] ?? { v: null, src: FROM_MEMORY };
      }
      const peaks = Object.fromEntries(FORMATS.map((format) => [format, row.peak_dense_tops[format].v]));
      return {
        id: row.id,
        name: row.name,
        kind: row.kind,
        family: row.family,
        arch: row.arch,
        year: row.year,
        peaks,
        bandwidth_gb_per_s: numbers.mem_bw_gbs.v,
        issue: row.issue?.v ?? null,
        stacked: row.stacked_memory?.v === 1,
        mem_gb: numbers.mem_gb.v,
        onchip_mb: numbers.onchip_mb.v,
        flash_mb: numbers.flash_mb.v,
        tdp_w: numbers.tdp_w.v,
        cores: numbers.cores.v ?? 1,
        clock_mhz: numbers.clock_mhz.v,
        sparse: { factor: row.sparse_2_4.factor_peak, formats: row.sparse_2_4.formats },
        notes: row.notes,
        facts: {
          ...numbers,
          ...row.peak_dense_tops,
          sparse_2_4: { v: row.sparse_2_4.factor_peak, src: row.sparse_2_4.src },
        },
        instructions: instructions[row.family] ?? {},
      };
    }),
  };
}

/**
 * @param {Registry} registry
 * @param {string} id
 * @returns {Target}
 */
export function findTarget(registry, id) {
  const found = registry.targets.find((target) => target.id === id);
  if (!found)
    throw new Error(`there is no target ${id}; allowed: ${registry.targets.map((each) => each.id).join(", ")}`);
  return found;
}

/**
 * What a person may change in a copy of a target. Codes are permanent: links hold them.
 *
 * @type {readonly {code: string, field: string}[]}
 */
export const EDITABLE = [
  { code: "bw", field: "bandwidth_gb_per_s" },
  { code: "mem", field: "mem_gb" },
  { code: "chip", field: "onchip_mb" },
  { code: "w", field: "tdp_w" },
  ...FORMATS.map((format) => ({ code: format, field: format })),
];

/**
 * An edited copy.
 *
 * @typedef {{base: string, values: Readonly<Record<string, number | null>>}} Edit values by the codes of `EDITABLE`; null takes a format away
 */

/**
 * The copy's id in the page.
 *
 * @param {Edit} edit
 */
export const copyId = (edit) => `${edit.base}*`;

/**
 * A target with a person's numbers in place of the facts'.
 *
 * @param {Target} base
 * @param {Edit} edit
 * @returns {Target}
 */
export function edited(base, edit) {
  const copy = { ...base, id: copyId(edit), copy_of: base.id, peaks: { ...base.peaks }, facts: { ...base.facts } };
  copy.instructions = { ...base.instructions };
  for (const [code, value] of Object.entries(edit.values)) {
    const { field } = EDITABLE.find((each) => each.code === code) ?? {};
    if (field === undefined) throw new Error(`a target has no ${code}`);
    const isFormat = /** @type {readonly string[]} */ (FORMATS).includes(field);
    const fact = field === "bandwidth_gb_per_s" ? "mem_bw_gbs" : field;
    copy.facts[fact] = { v: value, src: USER };
    if (!isFormat) {
      copy[field] = value;
      continue;
    }
    copy.peaks[field] = value;
    const had = base.instructions[field];
    if (value !== null && (!had || had.emulated)) {
      copy.instructions[field] = { name: field, accumulate: field.startsWith("int") ? "int32" : "fp32", src: USER };
    }
  }
  return copy;
}

/**
 * An edit as a link holds it, such as `h100_sxm;int4:1979;bw:4800`. A format taken away has the value `-`.
 *
 * @param {Edit} edit
 */
export function writeEdit(edit) {
  const parts = EDITABLE.filter(({ code }) => Object.hasOwn(edit.values, code));
  return [edit.base, ...parts.map(({ code }) => `${code}:${edit.values[code] ?? "-"}`)].join(";");
}

/**
 * Reads an edit; `undefined` for a text that is none.
 *
 * @param {string} text
 * @returns {Edit | undefined}
 */
export function readEdit(text) {
  const [base = "", ...parts] = text.split(";");
  if (!/^[a-z0-9_]{1,40}$/.test(base) || parts.length > EDITABLE.length) return undefined;
  const values = {};
  for (const part of parts) {
    const [code = "", value = ""] = part.split(":");
    const known = EDITABLE.find((each) => each.code === code);
    const number = value === "-" ? null : /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN;
    const may_be_absent = /** @type {readonly string[]} */ (FORMATS).includes(code);
    if (!known || Number.isNaN(number) || (number === null ? !may_be_absent : !(number > 0))) return undefined;
    values[code] = number;
  }
  return { base, values };
}
