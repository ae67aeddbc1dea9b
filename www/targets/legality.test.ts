import { describe, expect, it } from "vitest";
import { realCatalog } from "../testing/catalog";
import { readRegistry } from "./facts.mjs";
import { kindOf } from "./formats.mjs";
import { floatOf, judge, judgeSparsity, nativeOnAll, ROWS, RULES, sentence } from "./legality.mjs";
import { edited, FORMATS, findTarget, readEdit, writeEdit } from "./registry.mjs";

const registry = readRegistry();
const at = (id: string) => findTarget(registry, id);
const run = (id: string, weights: string, activations: string, accumulate?: "fp32" | "int32") =>
  judge(at(id), { weights, activations, ...(accumulate && { accumulate }) });

/** Target, weights × activations, what must come out, and the source that says so. */
const CASES: readonly [string, string, string, string, string, string | null, string][] = [
  // Hopper has no INT4 matrix instruction: mma.s4 compiles to integer multiply-adds on CUDA cores, wgmma has no s4.
  ["h100_sxm", "int4", "int4", "fallback", "w8a8", "int8", "luo-ipdps24"],
  ["h100_pcie", "int4", "int4", "fallback", "w8a8", "int8", "luo-ipdps24"],
  ["h200", "int4", "int4", "fallback", "w8a8", "int8", "luo-ipdps24"],
  ["h100_sxm", "int4", "fp16", "weight-only", "w4a16", "fp16", "ptx-wgmma"],
  ["h100_sxm", "int4", "int8", "weight-only", "w4a8", "int8", "ptx-wgmma"],
  ["h100_sxm", "int8", "int8", "native", "w8a8", "int8", "ptx-wgmma"],
  // Turing, Ampere and Ada have it.
  ["t4", "int4", "int4", "native", "w4a4", "int4", "nv-forum-int4"],
  ["a100_sxm_80", "int4", "int4", "native", "w4a4", "int4", "nv-forum-int4"],
  ["rtx3090", "int4", "int4", "native", "w4a4", "int4", "nv-forum-int4"],
  ["rtx4090", "int4", "int4", "native", "w4a4", "int4", "nv-forum-int4"],
  ["a100_sxm_80", "int3", "int3", "fallback", "w4a4", "int4", "nv-forum-int4"],
  // Blackwell has FP4 and FP6, but no INT4.
  ["b200", "int4", "int4", "fallback", "w8a8", "int8", "nv-forum-int4"],
  ["rtx5090", "int4", "int4", "fallback", "w8a8", "int8", "nv-forum-int4"],
  ["b200", "fp4-e2m1", "fp4-e2m1", "native", "w4a4", "fp4", "cutlass-bw"],
  ["b200", "nvfp4", "nvfp4", "native", "w4a4", "fp4", "cutlass-bw"],
  ["b200", "fp6-e3m2", "fp6-e3m2", "native", "w6a6", "fp6", "cutlass-bw"],
  ["rtx5090", "mxfp4", "mxfp4", "native", "w4a4", "fp4", "ptx-mma"],
  ["h100_sxm", "fp4-e2m1", "fp4-e2m1", "fallback", "w8a8", "fp8_e4m3", "ptx-mma"],
  ["h100_sxm", "nvfp4", "nvfp4", "fallback", "w16a16", "fp16", "ptx-mma"],
  ["h100_sxm", "mxfp8", "mxfp8", "fallback", "w16a16", "fp16", "ptx-wgmma"],
  // FP8 from Ada and Hopper on; before, FP16.
  ["rtx4090", "fp8-e4m3", "fp8-e4m3", "native", "w8a8", "fp8_e4m3", "ptx-mma"],
  ["h100_sxm", "fp8-e5m2", "fp8-e5m2", "native", "w8a8", "fp8_e4m3", "ptx-wgmma"],
  ["a100_sxm_80", "fp8-e4m3", "fp8-e4m3", "fallback", "w16a16", "fp16", "ptx-mma"],
  ["t4", "fp8-e4m3", "fp8-e4m3", "fallback", "w16a16", "fp16", "ptx-mma"],
  // BF16 from Ampere on.
  ["a100_sxm_80", "bf16", "bf16", "native", "w16a16", "bf16", "ptx-mma"],
  ["t4", "bf16", "bf16", "fallback", "w32a32", "fp32", "ptx-mma"],
  ["v100", "bf16", "bf16", "fallback", "w32a32", "fp32", "ptx-mma"],
  // V100: tensor cores of FP16 alone; INT8 by dp4a, INT4 as INT8. P100 has not even dp4a: whole numbers go through FP16.
  ["v100", "fp16", "fp16", "native", "w16a16", "fp16", "nv-a100wp"],
  ["v100", "int8", "int8", "native", "w8a8", "int8", "ptx-dp4a"],
  ["v100", "int4", "int4", "fallback", "w8a8", "int8", "ptx-mma"],
  ["p100", "int8", "int8", "emulated", "w16a16", "fp16", "ptx-dp4a"],
  ["p100", "int4", "fp16", "weight-only", "w4a16", "fp16", "nv-a100wp"],
  // One-bit products: Turing and Ampere; B200 has none.
  ["a100_sxm_80", "binary", "binary", "native", "w1a1", "int1", "ptx-mma"],
  ["b200", "binary", "binary", "fallback", "w8a8", "int8", "cutlass-bw"],
  // CDNA: whole numbers of 8 bits; FP8 from CDNA3 on.
  ["mi250x", "int4", "int4", "fallback", "w8a8", "int8", "amd-matrix"],
  ["mi250x", "fp8-e4m3", "fp8-e4m3", "fallback", "w16a16", "fp16", "amd-matrix"],
  ["mi300x", "fp8-e4m3", "fp8-e4m3", "native", "w8a8", "fp8_e4m3", "ao-roofline"],
  // TPU: BF16 and INT8.
  ["tpu_v5e", "bf16", "bf16", "native", "w16a16", "bf16", "scaling-book"],
  ["tpu_v5e", "int8", "int8", "native", "w8a8", "int8", "scaling-book"],
  ["tpu_v5e", "fp16", "fp16", "fallback", "w16a16", "bf16", "scaling-book"],
  // Edge TPU: whole numbers of 8 bits for both; narrower ones are widened, floats do not run.
  ["coral_edgetpu", "int8", "int8", "native", "w8a8", "int8", "coral-models"],
  ["coral_edgetpu", "int4", "int4", "fallback", "w8a8", "int8", "coral-models"],
  ["coral_edgetpu", "fp16", "fp16", "absent", "none", null, "coral-models"],
  ["coral_edgetpu", "int8", "fp16", "absent", "none", null, "coral-models"],
  // CPUs: A72 multiplies bytes by SMLAL into 16 bits, A76 has the dot product and FP16; AMX has BF16 tiles.
  ["cortex_a72_rpi4", "fp16", "fp16", "fallback", "w32a32", "fp32", "cpufp"],
  ["cortex_a72_rpi4", "int8", "int8", "native", "w8a8", "int8", "llvm-a57"],
  ["cortex_a76_rpi5", "int8", "int8", "native", "w8a8", "int8", "a76-techarx"],
  ["cortex_a76_rpi5", "fp16", "fp16", "native", "w16a16", "fp16", "a76-techarx"],
  ["xeon_amx", "bf16", "bf16", "native", "w16a16", "bf16", "amx-blog"],
  ["xeon_vnni", "bf16", "bf16", "fallback", "w32a32", "fp32", "ark-xeon"],
  ["xeon_vnni", "int4", "int8", "weight-only", "w4a8", "int8", "vnni-4x"],
  ["xeon_avx2", "int8", "int8", "native", "w8a8", "int8", "llvm-bdw"],
  // Apple's GPU and Neural Engine multiply floats: whole numbers are stored, not summed.
  ["apple_m1_gpu", "int8", "int8", "emulated", "w16a16", "fp16", "hmc-apple"],
  ["apple_m1_ane", "int8", "int8", "emulated", "w16a16", "fp16", "mr-apple"],
  // Microcontrollers without half floats, and those with (Helium).
  ["cortex_m4", "fp16", "fp16", "fallback", "w32a32", "fp32", "llvm-m4"],
  ["cortex_m4", "int8", "int8", "native", "w8a8", "int8", "llvm-m4"],
  ["cortex_m7", "int4", "int8", "weight-only", "w4a8", "int8", "llvm-m7"],
  ["cortex_m55", "fp16", "fp16", "native", "w16a16", "fp16", "llvm-m55"],
  ["esp32_s3", "int8", "int8", "native", "w8a8", "int8", "esp-vmulas"],
  ["hexagon_xelite", "int8", "int8", "native", "w8a8", "int8", "simm-xelite"],
  ["hexagon_xelite", "fp16", "fp16", "absent", "none", null, "mem"],
];

describe("legality", () => {
  it.each(CASES)("%s: %s × %s is %s, %s", (id, weights, activations, support, executed, compute, source) => {
    const verdict = run(id, weights, activations);
    expect({ support: verdict.support, executed: verdict.executed, compute: verdict.compute }).toEqual({
      support,
      executed,
      compute,
    });
    expect(verdict.sources).toContain(source);
  });

  it("knows every format of the engine on every target, with a reason and a source that exists", () => {
    const catalog = realCatalog();
    const weights = catalog.formats.filter((format) => format.weights).map(({ id }) => id);
    const inputs = [
      "fp32",
      "fp16",
      "bf16",
      ...catalog.formats.filter((format) => format.activations).map(({ id }) => id),
    ];
    for (const target of registry.targets) {
      for (const weight of weights) {
        for (const input of inputs) {
          const verdict = judge(target, { weights: weight, activations: input });
          const label = `${target.id} ${weight} ${input}`;
          expect(RULES, label).toContain(verdict.rule);
          expect(sentence(verdict), label).not.toMatch(/undefined|NULL/);
          for (const key of verdict.sources) expect(Object.keys(registry.sources), label).toContain(key);
          expect(verdict.support === "absent", label).toBe(verdict.compute === null);
          // Never fewer bits than asked for, but where floats of 32 bits are run in the halves that there are.
          if (verdict.compute && kindOf(input).bits <= 16) {
            expect(verdict.weight_bits, label).toBeGreaterThanOrEqual(Math.min(kindOf(weight).bits, 16));
            expect(verdict.activation_bits, label).toBeGreaterThanOrEqual(kindOf(input).bits);
          }
        }
      }
    }
  });

  it("calls native only what has an instruction and a rate, in the formats that were asked for", () => {
    for (const target of registry.targets) {
      for (const row of ROWS) {
        const verdict = judge(target, row);
        if (verdict.support !== "native") continue;
        expect(verdict.compute && target.peaks[verdict.compute], `${target.id} ${row.id}`).toBeGreaterThan(0);
        expect(verdict.instruction?.emulated, `${target.id} ${row.id}`).toBeUndefined();
        expect(verdict.executed).toBe(verdict.requested);
      }
    }
  });

  it("has an instruction for every published peak, and a source for every number", () => {
    for (const target of registry.targets) {
      for (const format of FORMATS) {
        if (target.peaks[format] !== null) expect(target.instructions[format], `${target.id} ${format}`).toBeDefined();
      }
      for (const [field, { src }] of Object.entries(target.facts)) {
        expect(Object.keys(registry.sources), `${target.id} ${field}`).toContain(src);
      }
      for (const { src } of Object.values(target.instructions)) expect(Object.keys(registry.sources)).toContain(src);
    }
  });

  it("widens the product where its sum must be wider", () => {
    expect(run("cortex_a72_rpi4", "int8", "int8", "int32")).toMatchObject({
      compute: "int16",
      support: "fallback",
      rule: "narrow-accumulator",
    });
    expect(run("cortex_a76_rpi5", "fp16", "fp16", "fp32")).toMatchObject({ compute: "fp32", support: "fallback" });
    expect(run("h100_sxm", "fp16", "fp16", "fp32")).toMatchObject({ compute: "fp16", support: "native" });
  });

  it("does not guess a rate that nobody published", () => {
    expect(run("h100_sxm", "binary", "binary")).toMatchObject({
      compute: "int8",
      support: "fallback",
      rule: "unpublished",
    });
    expect(run("hexagon_xelite", "fp16", "fp16")).toMatchObject({ support: "absent", rule: "unpublished" });
  });

  it("decodes codebooks to floats, whatever the inputs are", () => {
    expect(run("h100_sxm", "nf4", "fp16")).toMatchObject({
      support: "weight-only",
      compute: "fp16",
      rule: "table-weights",
    });
    expect(run("h100_sxm", "nf4", "int8")).toMatchObject({
      support: "emulated",
      compute: "fp16",
      rule: "other-numbers",
    });
    expect(run("h100_sxm", "int4", "fp8-e4m3")).toMatchObject({ support: "weight-only", compute: "fp8_e4m3" });
    expect(run("h100_sxm", "int8", "fp8-e4m3")).toMatchObject({ support: "fallback", compute: "fp16" });
  });

  it("skips zeros in hardware for 2:4 alone, and only where there is such hardware", () => {
    expect(judgeSparsity(at("a100_sxm_80"), "int8", "2:4").gain).toBe("speed");
    expect(judgeSparsity(at("a100_sxm_80"), "int8", "unstructured").gain).toBe("bytes");
    expect(judgeSparsity(at("a100_sxm_80"), "fp32", "2:4").gain).toBe("bytes");
    for (const id of ["v100", "t4", "mi250x", "tpu_v4", "xeon_amx", "cortex_m7"]) {
      expect(judgeSparsity(at(id), "int8", "2:4").gain).toBe("bytes");
    }
  });

  it("runs what a recipe leaves alone in the faster float", () => {
    const floats = { a100_sxm_80: "fp16", tpu_v4: "bf16", xeon_amx: "bf16", xeon_vnni: "fp32", cortex_m4: "fp32" };
    for (const [id, float] of Object.entries(floats)) expect(floatOf(at(id)), id).toBe(float);
    expect(floatOf(at("coral_edgetpu"))).toBeNull();
  });

  it("says what several targets have in common", () => {
    const ids = (...targets: string[]) => nativeOnAll(targets.map(at)).map(({ id }) => id);
    expect(ids("a100_sxm_80", "h100_sxm")).toEqual(["fp32", "tf32", "bf16", "fp16", "int8"]);
    expect(ids("a100_sxm_80", "t4")).toContain("int4");
    expect(ids("h100_sxm", "coral_edgetpu")).toEqual(["int8"]);
  });
});

describe("an edited copy", () => {
  it("is judged by its own numbers, and travels as text", () => {
    const edit = { base: "h100_sxm", values: { int4: 3958, bw: 4800, fp8_e4m3: null } };
    const copy = edited(at("h100_sxm"), edit);
    expect(copy).toMatchObject({ id: "h100_sxm*", bandwidth_gb_per_s: 4800 });
    expect(judge(copy, { weights: "int4", activations: "int4" })).toMatchObject({ support: "native", compute: "int4" });
    expect(judge(copy, { weights: "fp8-e4m3", activations: "fp8-e4m3" }).support).toBe("fallback");
    expect(copy.facts.mem_bw_gbs?.src).toBe("user");
    // What it was copied from stays as it was.
    expect(judge(at("h100_sxm"), { weights: "int4", activations: "int4" }).support).toBe("fallback");
    expect(writeEdit(edit)).toBe("h100_sxm;bw:4800;fp8_e4m3:-;int4:3958");
    expect(readEdit(writeEdit(edit))).toEqual(edit);
  });

  it.each(["", "h100_sxm;bw", "h100_sxm;bw:-", "h100_sxm;bw:0", "h100_sxm;bw:1e9", "h100_sxm;x:1", "H;bw:1"])(
    "is not read from %j",
    (text) => {
      expect(readEdit(text)).toBeUndefined();
    },
  );
});
