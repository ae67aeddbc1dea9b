import { describe, expect, it } from "vitest";
import { classOf, type Fitted, layerCost, networkCost, type Plan, reachedBandwidth, sustained } from "./cost.mjs";
import { readConstants, readRegistry } from "./facts.mjs";
import { findTarget } from "./registry.mjs";
import { linear } from "./shapes.mjs";
import { PRECISIONS, payBack, trainingStep } from "./training.mjs";
import { findWorkload } from "./workloads.mjs";

const registry = readRegistry();
const at = (id: string) => findTarget(registry, id);
const fitted = readConstants() as Fitted;
const gpu = fitted.constants.gpu;
const FP16: Plan = { weights: "fp16", activations: "fp16" };
const W4A16: Plan = { weights: "int4", activations: "fp16", stored_bits: 4.125 };
const W4A4: Plan = { weights: "int4", activations: "int4" };

function run(target: string, workload: string, plan: Plan, batch: number, sequence = 128) {
  const { layers, held } = findWorkload(workload);
  const writes = workload.endsWith("decode");
  const bytes = 2 * batch * held(sequence);
  return networkCost(at(target), layers({ batch, sequence }), () => plan, fitted, { batch, writes, held: bytes });
}

describe("a layer's cost", () => {
  const product = (m: number, n = 4096, k = 4096) => linear("product", m, n, k);
  const cost = (target: string, m: number, plan: Plan = FP16) =>
    layerCost(at(target), product(m), plan, gpu, { streamed: 1 });

  it("is never under the roofline", () => {
    for (const target of registry.targets) {
      const c = fitted.constants[classOf(target)];
      for (const [m, format] of [
        [1, "int8"],
        [64, "fp16"],
        [4096, "fp32"],
      ] as const) {
        const plan = { weights: format, activations: format };
        const { ms, tops, bytes, macs, verdict } = layerCost(target, product(m), plan, c, { streamed: 1 });
        if (verdict.compute === null) continue;
        expect(ms * (1 + 1e-9), target.id).toBeGreaterThanOrEqual((2 * macs) / (tops * 1e9));
        expect(ms * (1 + 1e-9), target.id).toBeGreaterThanOrEqual(bytes / (reachedBandwidth(target, c) * 1e6));
        // What is reached is less than what is printed, whatever the format.
        expect(tops, target.id).toBeLessThanOrEqual(target.peaks[verdict.compute] ?? 0);
        expect(reachedBandwidth(target, c), target.id).toBeLessThan(target.bandwidth_gb_per_s);
      }
    }
  });

  it("is bound by memory for one row and by products for many", () => {
    expect(cost("a100_sxm_80", 1).bound).toBe("memory");
    expect(cost("a100_sxm_80", 8192).bound).toBe("compute");
    expect(layerCost(at("a100_sxm_80"), product(1, 8, 8), FP16, gpu, { streamed: 1 }).bound).toBe("overhead");
  });

  it("grows with rows, and falls with bytes", () => {
    for (const target of ["a100_sxm_80", "h100_sxm", "xeon_amx", "cortex_m7"]) {
      const c = fitted.constants[at(target).kind];
      const ms = (m: number, plan: Plan) => layerCost(at(target), product(m), plan, c, { streamed: 1 }).ms;
      const rows = [1, 16, 256, 4096].map((m) => ms(m, { weights: "int8", activations: "int8" }));
      expect([...rows].sort((a, b) => a - b)).toEqual(rows);
    }
    // Of one row, time goes with stored bits until something else bounds.
    const narrower = [16, 8, 6, 4.5].map(
      (stored_bits) => cost("rtx4090", 1, { ...W4A16, weights: "int4", stored_bits }).ms,
    );
    expect([...narrower].sort((a, b) => b - a)).toEqual(narrower);
  });

  it("takes less with more bandwidth, never more", () => {
    const base = at("h100_sxm");
    const faster = { ...base, bandwidth_gb_per_s: 2 * base.bandwidth_gb_per_s };
    for (const m of [1, 256, 8192]) {
      const [slow, fast] = [base, faster].map((target) => layerCost(target, product(m), FP16, gpu, { streamed: 1 }).ms);
      expect(fast).toBeLessThanOrEqual(slow ?? 0);
    }
  });

  it("keeps rates under the power of a card", () => {
    // The same chip at 300 and 400 W.
    expect(sustained(at("a100_pcie_80"), "bf16", gpu)).toBeLessThan(sustained(at("a100_sxm_80"), "bf16", gpu));
  });

  it("gains by 2:4 only where the hardware has it, and by unstructured zeros only bytes", () => {
    const many = (target: string, plan: Plan) => cost(target, 8192, plan);
    const pruned = { ...FP16, pattern: "2:4", density: 0.5 } as const;
    expect(many("a100_sxm_80", pruned).ms).toBeLessThan(0.7 * many("a100_sxm_80", FP16).ms);
    expect(many("v100", pruned).parts.compute).toBe(many("v100", FP16).parts.compute);
    const loose = { ...FP16, pattern: "unstructured", density: 0.5 } as const;
    expect(many("a100_sxm_80", loose).parts.compute).toBe(many("a100_sxm_80", FP16).parts.compute);
    expect(many("a100_sxm_80", loose).bytes).toBeLessThan(many("a100_sxm_80", FP16).bytes);
  });
});

describe("a network's cost", () => {
  it("writing Llama-2-7B with weights of 4 bits is faster than FP16 for one sequence, and no faster for 256", () => {
    for (const target of ["a100_sxm_80", "h100_sxm"]) {
      const gain = (batch: number) =>
        run(target, "llama-2-7b-decode", FP16, batch).latency_ms /
        run(target, "llama-2-7b-decode", W4A16, batch).latency_ms;
      expect(gain(1), target).toBeGreaterThan(1.8);
      expect(gain(256), target).toBeLessThanOrEqual(1.02);
    }
  });

  it("W4A4 runs on A100's own instructions, and as W8A8 on H100", () => {
    const executed = (target: string) =>
      run(target, "bert-base", W4A4, 8).layers.find(({ name }) => name === "up")?.verdict;
    expect(executed("a100_sxm_80")).toMatchObject({ support: "native", executed: "w4a4" });
    expect(executed("h100_sxm")).toMatchObject({ support: "fallback", executed: "w8a8", rule: "slow-instruction" });
  });

  it("adds up to its layers and what a run adds, within its band", () => {
    const { latency_ms, low_ms, high_ms, layers } = run("h100_sxm", "llama-3-8b-decode", FP16, 4);
    const sum = layers.reduce((total, layer) => total + layer.count * layer.ms, 0);
    expect(latency_ms).toBeCloseTo(sum + 1e-3 * (gpu.step_us + 4 * gpu.sequence_us), 9);
    expect(low_ms * high_ms).toBeCloseTo(latency_ms ** 2, 6);
    expect(high_ms / latency_ms).toBeCloseTo(fitted.band.gpu, 9);
  });

  it("never draws more than its limit, and energy grows with time", () => {
    for (const target of registry.targets) {
      if (target.tdp_w === null) continue;
      const cost = run(target.id, "bert-base", { weights: "int8", activations: "int8" }, 1);
      if (!cost.runs) continue;
      expect(cost.energy_mj, target.id).toBeLessThanOrEqual(target.tdp_w * cost.latency_ms * (1 + 1e-9));
      expect(cost.energy_mj, target.id).toBeGreaterThan(0);
    }
  });

  it("says by how much it does not fit", () => {
    // 13.5 GB of weights in a card of 16 GB; with 32 sequences of 512, keys and values add 8.6 GB.
    expect(run("t4", "llama-2-7b-decode", FP16, 1, 512).fit).toMatchObject({ fits: true, over_bytes: 0 });
    const { fit } = run("t4", "llama-2-7b-decode", FP16, 32, 512);
    expect(fit).toMatchObject({ fits: false, short: "memory" });
    expect(fit.over_bytes / 1e9).toBeCloseTo(13.5 + 8.6 - 16, 0);
    expect(run("t4", "llama-2-7b-decode", W4A16, 32, 512).fit.fits).toBe(true);
    // MobileNetV2 has 3.5 MB of weights in 8 bits: more than 2 MB of flash.
    expect(run("cortex_m7", "mobilenet-v2", { weights: "int8", activations: "int8" }, 1).fit.short).toBe("flash");
  });

  it("streams what has no room on an accelerator's chip", () => {
    const INT8 = { weights: "int8", activations: "int8" };
    const [small, large] = ["mobilenet-v2", "resnet-50"].map((id) => run("coral_edgetpu", id, INT8, 1));
    const bytes = (cost: typeof small) =>
      (cost?.layers ?? []).reduce((sum, layer) => sum + layer.count * layer.parts.memory, 0);
    expect(bytes(small)).toBeLessThan(5);
    expect(bytes(large)).toBeGreaterThan(20);
  });

  it("does not run floats on a target without", () => {
    expect(run("coral_edgetpu", "mobilenet-v2", FP16, 1)).toMatchObject({ runs: false, latency_ms: Infinity });
  });
});

describe("a training step", () => {
  const { layers } = findWorkload("resnet-50");
  const steps = (target: string) =>
    Object.fromEntries(
      PRECISIONS.map((each) => [each.id, trainingStep(at(target), layers({ batch: 64, sequence: 0 }), each, fitted)]),
    );

  it("is faster with narrower products where there are such, and takes 16 bytes a parameter in 32 bits", () => {
    const { fp32, tf32, bf16, fp8 } = steps("h100_sxm");
    expect(tf32?.step_ms).toBeLessThan(fp32?.step_ms ?? 0);
    expect(bf16?.step_ms).toBeLessThan(tf32?.step_ms ?? 0);
    expect(fp8?.verdict.support).toBe("native");
    const { weights, gradients, optimizer } = fp32?.bytes ?? { weights: 0, gradients: 0, optimizer: 0 };
    expect(weights + gradients + optimizer).toBe(16 * 25_557_032);
    expect(bf16?.bytes.activations).toBe((fp32?.bytes.activations ?? 0) / 2);
  });

  it("says where a precision is not native", () => {
    const { bf16, fp8, tf32 } = steps("v100");
    expect([bf16, fp8, tf32].map((each) => each?.verdict.support)).toEqual(["fallback", "fallback", "fallback"]);
  });

  it("has three products for each of the forward pass", () => {
    const cost = networkCost(at("a100_sxm_80"), layers({ batch: 64, sequence: 0 }), () => FP16, fitted);
    const forward = cost.latency_ms - 1e-3 * gpu.step_us;
    const { fp16 } = steps("a100_sxm_80");
    expect(((fp16?.step_ms ?? 0) - (fp16?.optimizer_ms ?? 0)) / forward).toBeCloseTo(3, 1);
  });

  it("needs more than a card has for Llama-2-7B", () => {
    const mixed = PRECISIONS.find(({ id }) => id === "bf16") ?? PRECISIONS[0];
    const llama = findWorkload("llama-2-7b-prefill").layers({ batch: 1, sequence: 512 });
    if (!mixed) throw new Error("no precisions");
    const { bytes, over_bytes } = trainingStep(at("a100_sxm_80"), llama, mixed, fitted);
    // 4 + 2 + 2 + 8 bytes of 6.74 billion parameters.
    expect(bytes.weights + bytes.gradients + bytes.optimizer).toBe(16 * 6_738_415_616);
    expect(over_bytes).toBeGreaterThan(27e9);
  });

  it("pays back after as many inferences as its cost holds savings", () => {
    expect(payBack(1000, 3, 1)).toBe(500);
    expect(payBack(1000, 1, 1)).toBe(Infinity);
  });
});
