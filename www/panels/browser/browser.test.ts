import { describe, expect, it } from "vitest";
import { sparsityChart } from "../../charts/sparsity";
import { speedScale, speedsChart } from "../../charts/speeds";
import { toMarkup } from "../../charts/svg";
import { layerTimes, Measurements, readKept } from "../../state/measured";
import type { Measured } from "../../state/schema";
import { kernelRows, kernelsOfLayers, layerRows, sparseRows } from "./data";

const layer = (name: string, reason: string, ms: number) => ({
  name,
  reason,
  ms,
  baseline_ms: 2 * ms,
  requested: "w4a8",
  executed: "i32",
  single: undefined,
  support: "fallback" as const,
});
const measured: Measured = {
  engine: "1",
  kernels: [
    { id: "int8", gops: 40 },
    { id: "f32", gops: 20 },
    { id: "slow", gops: 10 },
  ],
  sparse: {
    dense_ms: 10,
    points: [
      { zeros: 0.5, ms: 12 },
      { zeros: 0.9, ms: 4 },
    ],
    break_even: 0.6,
  },
  target: {
    id: "this-browser",
    measured: true,
    batch: 8,
    latency_ms: 1,
    baseline_latency_ms: 2,
    layers: [layer("conv1", "whole-numbers", 3), layer("relu", "no-weights", 1), layer("pool", "no-weights", 0.5)],
    sparse_layers: [
      { layer: "conv1", rows: 6, inputs: 25, dense_ms: 1, points: [], break_even: 0.75 },
      { layer: "fc1", rows: 120, inputs: 400, dense_ms: 1, points: [], break_even: 0.8 },
      { layer: "fc2", rows: 84, inputs: 120, dense_ms: 1, points: [] },
    ],
  },
};

describe("this browser", () => {
  it("compares kernels with f32, which comes first", () => {
    const rows = kernelRows(measured.kernels, (gops, times) => `${gops} ${times}`);
    expect(rows.map(({ name, label, reference }) => [name, label, reference])).toEqual([
      ["f32", "20 1", true],
      ["slow", "10 0.5", false],
      ["int8", "40 2", false],
    ]);
  });

  it("adds up what has no weights", () => {
    const rows = layerRows(measured.target, "rest", (ms, requested) => `${ms} ${requested ?? ""}`);
    expect(rows.map(({ name, value, against }) => [name, value, against])).toEqual([
      ["conv1", 3, 6],
      ["rest", 1.5, 3],
    ]);
  });

  it("says which kernel each layer runs on, and which one a single image", () => {
    const [conv = layer("", "", 0), ...others] = measured.target.layers;
    const fc = { ...conv, name: "fc1 + relu", executed: "f32", single: "i4" };
    const target = { ...measured.target, layers: [conv, fc, { ...fc, name: "fc2" }, ...others] };
    expect(kernelsOfLayers(target, (blocks, single) => `${blocks} (${single})`)).toBe("i32: conv1; f32 (i4): fc1, fc2");
  });

  it("draws time against zeros, with the dense time and where the two cross", () => {
    const { dense_ms, points, break_even } = measured.sparse;
    const words = { dense: "dense", breakEven: "even", axis: "zeros" };
    const lineAt = (markup: string, kind: string, side: string) =>
      Number(new RegExp(`class="${kind}"[^>]* ${side}="([\\d.]+)"`).exec(markup)?.[1]);
    for (const width of [280, 600]) {
      const data = { points, dense_ms, words, description: "both" };
      const markup = toMarkup(sparsityChart({ ...data, breakEven: break_even ?? 0 }, width));
      const marks = [...markup.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
      const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = marks;
      // On the line through the marks, the dense time lies above the break-even share.
      const share = (lineAt(markup, "break-even", "x1") - x1) / (x2 - x1);
      expect(y1 + share * (y2 - y1)).toBeCloseTo(lineAt(markup, "speed-reference", "y1"), 0);
      expect(x2).toBeLessThan(width);
      expect(toMarkup(sparsityChart(data, width))).not.toContain("break-even");
      expect(markup).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  it("keeps what the same engine measured, and nothing else", () => {
    const kept = { date: "2026-11-24T04:00:00.000Z", key: "k", measured };
    expect(readKept(JSON.stringify(kept), "1")).toEqual(kept);
    expect(readKept(JSON.stringify(kept), "2")).toBeUndefined();
    expect(readKept("{", "1")).toBeUndefined();
    expect(readKept("null", "1")).toBeUndefined();
    expect(readKept(undefined, "1")).toBeUndefined();
    const { sparse: _, ...earlier } = measured;
    expect(readKept(JSON.stringify({ ...kept, measured: earlier }), "1")).toBeUndefined();
    const { sparse_layers: __, ...target } = measured.target;
    expect(readKept(JSON.stringify({ ...kept, measured: { ...measured, target } }), "1")).toBeUndefined();
  });

  it("says of each layer whether its zeros are past the break-even", () => {
    const report = [
      { name: "conv1", parameters: 156, nonzero: 39 },
      { name: "fc1", parameters: 1000, nonzero: 300 },
    ];
    expect(sparseRows(measured.target, report)).toEqual([
      { layer: "conv1", shape: "6×25", breakEven: 0.75, zeros: 0.75, past: true },
      { layer: "fc1", shape: "120×400", breakEven: 0.8, zeros: 0.7, past: false },
      { layer: "fc2", shape: "84×120", breakEven: undefined, zeros: undefined, past: false },
    ]);
  });

  it("tells every panel of a new measurement, and which layers took how long", () => {
    const kept = { date: "2026-11-24T04:00:00.000Z", key: "k", measured };
    const values = new Map<string, string>();
    const store = {
      get: (key: string) => values.get(key),
      set: (key: string, value: string) => !!values.set(key, value),
    };
    const here = new Measurements(store);
    let told = 0;
    here.addEventListener("change", () => told++);
    expect(here.last("1")).toBeUndefined();
    here.keep(kept);
    expect([told, here.last("1"), new Measurements(store).last("1")]).toEqual([1, kept, kept]);
    expect(new Measurements(store).last("2")).toBeUndefined();
    const fused = { ...measured, target: { ...measured.target, layers: [layer("fc1 + relu", "whole-numbers", 3)] } };
    expect(layerTimes({ ...kept, measured: fused }, "k")).toEqual(new Map([["fc1", 3]]));
    expect(layerTimes(kept, "another")).toBeUndefined();
  });

  it("draws bars that leave room for their labels", () => {
    const rows = [
      { name: "a", value: 10, label: "ten", reference: true },
      { name: "b", value: 40, label: "forty", against: 80 },
    ];
    for (const width of [320, 600]) {
      const { left, unit } = speedScale(rows, width);
      expect(left + 80 * unit + 5 * 0.6 * 12).toBeLessThanOrEqual(width);
    }
    const markup = toMarkup(speedsChart({ rows, description: "both" }, 400));
    expect(markup.match(/class="speed-bar/g)).toHaveLength(2);
    expect(markup.match(/class="speed-reference"/g)).toHaveLength(1);
    expect(markup).not.toMatch(/NaN|Infinity/);
  });
});
