import { describe, expect, it } from "vitest";
import { realCatalog } from "../testing/catalog";
import { readConstants, readRegistry } from "./facts.mjs";
import { findTarget } from "./registry.mjs";
import { layersOf, targetEntry } from "./report.mjs";

const registry = readRegistry();
const fitted = readConstants();
const catalog = realCatalog();

function modelOf(id: string) {
  const model = catalog.models.find((each) => each.id === id);
  if (!model) throw new Error(id);
  return model;
}

/** A report of a recipe that rounds every layer, as far as targets read it. */
function reportOf(id: string, weight: string, activation: string, steps: readonly unknown[] = [], kept = 1) {
  const model = modelOf(id);
  const layers = model.layers
    .filter(({ macs }) => macs > 0)
    .map(({ name, op, parameters, macs }) => ({
      name,
      op,
      parameters,
      macs,
      weight_format: weight,
      activation_format: activation,
      bytes: parameters,
      ...(kept < 1 && { kept: kept * parameters }),
    }));
  const cost = { macs: model.macs, peak_activation_bytes: 37632 };
  return { model, report: { recipe: { steps }, layers, cost } };
}

describe("a model's layers", () => {
  it.each(catalog.models.map(({ id }) => id))("%s has its multiply-adds and weights, at any batch", (id) => {
    const model = modelOf(id);
    for (const batch of [1, 8]) {
      const layers = layersOf(model, batch);
      expect(layers.reduce((sum, layer) => sum + layer.macs, 0)).toBeCloseTo(batch * model.macs, 3);
      for (const layer of layers) {
        const info = model.layers.find(({ name }) => name === layer.name);
        if (!info) {
          expect(layer.op).toBe("attention");
          continue;
        }
        // Weights, with or without a bias for each output.
        expect([layer.weights, layer.weights + layer.n]).toContain(info.parameters);
        expect(layer.m * layer.n * layer.k).toBe(batch * info.macs);
      }
    }
  });

  it("follow a report whose channels were pruned", () => {
    const { model, report } = reportOf("lenet5-fashion", "fp32", "fp32");
    const layers = report.layers.map((layer) => (layer.name === "conv2" ? { ...layer, macs: layer.macs / 4 } : layer));
    const conv = layersOf(model, 1, { layers, macs: model.macs }).find(({ name }) => name === "conv2");
    expect(conv).toMatchObject({ m: 100, macs: 60_000, weights: 600 });
    const gone = layersOf(model, 1, { layers: layers.slice(1), macs: model.macs });
    expect(gone.map(({ name }) => name)).not.toContain("conv1");
  });
});

describe("an entry of a report", () => {
  const entry = (target: string, made: ReturnType<typeof reportOf>) =>
    targetEntry(findTarget(registry, target), made.report, made.model, fitted);

  it("says W4A4 is native on A100, and W8A8 on H100, with the reason", () => {
    const made = reportOf("lenet5-fashion", "int4", "int4");
    const [a100, h100] = [entry("a100_sxm_80", made), entry("h100_sxm", made)];
    for (const layer of a100.layers)
      expect(layer).toMatchObject({ requested: "w4a4", executed: "w4a4", support: "native" });
    for (const layer of h100.layers) {
      expect(layer).toMatchObject({ requested: "w4a4", executed: "w8a8", support: "fallback" });
      expect(layer.reason).toMatch(/INT4.*runs as INT8 \(.*luo-ipdps24/);
    }
    expect(a100).toMatchObject({ id: "a100_sxm_80", measured: false, batch: 1, fits: true });
  });

  it("has bands around its latency, and layers that add up to it", () => {
    for (const { id } of registry.targets) {
      const made = entry(id, reportOf("resnet8-fashion", "int8", "int8"));
      if (made.latency_ms === null) continue;
      expect(made.latency_low_ms, id).toBeLessThan(made.latency_ms);
      expect(made.latency_high_ms, id).toBeGreaterThan(made.latency_ms);
      const sum = made.layers.reduce((total, { ms }) => total + (ms ?? 0), 0);
      expect(sum, id).toBeLessThanOrEqual(made.latency_ms * (1 + 1e-9));
    }
  });

  it("has no latency where a layer cannot run, and is still JSON", () => {
    const made = entry("coral_edgetpu", reportOf("lenet5-fashion", "fp32", "fp32"));
    expect(made).toMatchObject({ latency_ms: null, baseline_latency_ms: null, float: null });
    expect(made.layers[0]).toMatchObject({ support: "absent", executed: "none", ms: null });
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });

  it("compares with the network before any step", () => {
    const plain = entry("cortex_m7", reportOf("lenet5-fashion", "fp32", "fp32"));
    expect(plain.latency_ms).toBeCloseTo(plain.baseline_latency_ms ?? 0, 6);
    const int8 = entry("cortex_m7", reportOf("lenet5-fashion", "int8", "int8"));
    expect(int8.latency_ms).toBeLessThan(plain.latency_ms ?? 0);
  });

  it("gives 2:4 its speed where there is such hardware, other zeros bytes alone", () => {
    const bytes = (pattern: unknown) => {
      const made = reportOf("lenet300-fashion", "int8", "int8", [{ prune: { pattern } }], 0.5);
      return entry("cortex_m7", made).latency_ms ?? 0;
    };
    expect(bytes("unstructured")).toBeLessThan(
      entry("cortex_m7", reportOf("lenet300-fashion", "int8", "int8")).latency_ms ?? 0,
    );
    expect(bytes({ nm: [2, 4] })).toBeGreaterThan(0);
  });

  it("does not fit a microcontroller whose flash is smaller, and says by how much", () => {
    const target = { ...findTarget(registry, "cortex_m4"), flash_mb: 0.03 };
    const made = reportOf("lenet5-fashion", "int8", "int8");
    const small = targetEntry(target, made.report, made.model, fitted);
    // 61,470 weights of a byte in 30,000.
    expect(small).toMatchObject({ fits: false, short_of: "flash", over_bytes: 61_470 - 30_000 });
  });
});
