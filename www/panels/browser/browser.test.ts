import { describe, expect, it } from "vitest";
import { speedScale, speedsChart } from "../../charts/speeds";
import { toMarkup } from "../../charts/svg";
import type { Measured } from "../../state/schema";
import { kernelRows, layerRows, readKept } from "./data";

const layer = (name: string, reason: string, ms: number) => ({
  name,
  reason,
  ms,
  baseline_ms: 2 * ms,
  requested: "w4a8",
  executed: "i32",
  support: "fallback" as const,
});
const measured: Measured = {
  engine: "1",
  kernels: [
    { id: "int8", gops: 40 },
    { id: "f32", gops: 20 },
    { id: "slow", gops: 10 },
  ],
  target: {
    id: "this-browser",
    measured: true,
    batch: 8,
    latency_ms: 1,
    baseline_latency_ms: 2,
    layers: [layer("conv1", "whole-numbers", 3), layer("relu", "no-weights", 1), layer("pool", "no-weights", 0.5)],
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

  it("keeps what the same engine measured, and nothing else", () => {
    const kept = { date: "2026-11-24T04:00:00.000Z", key: "k", measured };
    expect(readKept(JSON.stringify(kept), "1")).toEqual(kept);
    expect(readKept(JSON.stringify(kept), "2")).toBeUndefined();
    expect(readKept("{", "1")).toBeUndefined();
    expect(readKept("null", "1")).toBeUndefined();
    expect(readKept(undefined, "1")).toBeUndefined();
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
