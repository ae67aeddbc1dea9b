import { describe, expect, it } from "vitest";
import { BOUNDS, boundsChart, boundsScale } from "./bounds";
import { elsewhereChart, elsewhereLayout } from "./elsewhere";
import { ceilingLabels, type RooflineData, rooflineChart, rooflineDomains } from "./roofline";
import { toMarkup } from "./svg";

const WIDTHS = [320, 390, 600];

describe("a recipe elsewhere", () => {
  const row = (name: string, ratio: number | undefined, measured = false) => ({
    name,
    support: "native" as const,
    tag: "native",
    ratio,
    band: ratio === undefined || measured ? undefined : ([ratio / 1.4, ratio * 1.4] as const),
    label: `${ratio} times`,
    measured,
  });
  const data = {
    rows: [row("Here", 2, true), row("A100", 3), row("M4", 0.5), row("Edge TPU", undefined)],
    even: "even",
    description: "all",
  };

  it("draws faster to the right of one and slower to the left, labels within the box", () => {
    for (const width of WIDTHS) {
      const { scale, left, height } = elsewhereLayout(data, width);
      const markup = toMarkup(elsewhereChart(data, width));
      const bars = [...markup.matchAll(/class="(measured|modelled)-bar" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)];
      expect(bars.map(([, kind]) => kind)).toEqual(["measured", "modelled", "modelled"]);
      const [, , start = "", size = ""] = bars[2] ?? [];
      expect(Number(start) + Number(size)).toBeCloseTo(scale(1), 1);
      expect(Number(start)).toBeCloseTo(scale(0.5), 1);
      expect(Number(bars[1]?.[2])).toBeCloseTo(scale(1), 1);
      expect(left).toBeLessThan(width / 2);
      expect(height).toBeGreaterThan(data.rows.length * 20);
      expect(markup).not.toMatch(/NaN|Infinity|undefined "/);
    }
  });

  it("tells modelled bars from measured ones, and gives only them a band", () => {
    const markup = toMarkup(elsewhereChart(data, 600));
    expect(markup.match(/class="band"/g)).toHaveLength(2);
    expect(markup).toContain('id="modelled"');
  });

  it("has no bar where nothing runs", () => {
    const absent = { ...data, rows: [row("Edge TPU", undefined)] };
    const markup = toMarkup(elsewhereChart(absent, 600));
    expect(markup).not.toMatch(/-bar"|NaN/);
    expect(markup).toContain("Edge TPU");
  });
});

describe("a roofline", () => {
  const data: RooflineData = {
    points: [
      { name: "conv", intensity: 200, tops: 90, bound: "compute" },
      { name: "fc", intensity: 2, tops: 3, bound: "memory" },
      { name: "head", intensity: 1, tops: 0.001, bound: "overhead" },
    ],
    ceilings: [
      { name: "INT8", tops: 500, used: true },
      { name: "FP16", tops: 250, used: false },
      { name: "BF16", tops: 250, used: false },
    ],
    bandwidth_gb_per_s: 1500,
    words: { x: "operations for each byte", y: "reached", memory: "memory" },
    rate: (tops) => `${tops} TOP/s`,
    description: "all",
  };

  it("holds every point, ceiling and the ridge", () => {
    const { x, y } = rooflineDomains(data);
    for (const { intensity, tops } of data.points) {
      expect(intensity).toBeGreaterThanOrEqual(x[0]);
      expect(intensity).toBeLessThanOrEqual(x[1]);
      expect(tops).toBeGreaterThanOrEqual(y[0]);
    }
    expect(500 / 1.5).toBeLessThan(x[1]);
    expect(y[1]).toBeGreaterThan(500);
  });

  it("puts memory's slope where each byte takes its time, and marks by what bounds them", () => {
    for (const width of WIDTHS) {
      const markup = toMarkup(rooflineChart(data, width));
      expect(markup.match(/class="layer-mark compute"/g)).toHaveLength(1);
      expect(markup.match(/class="layer-mark memory"/g)).toHaveLength(1);
      expect(markup.match(/class="layer-mark overhead"/g)).toHaveLength(1);
      expect(markup.match(/class="ceiling used"/g)).toHaveLength(1);
      expect(markup).not.toMatch(/NaN|Infinity/);
      // On logarithmic axes of the same bandwidth, the slope ends where the highest ceiling begins.
      const roof = /class="memory-roof" x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)" y2="([\d.]+)"/.exec(markup);
      const ceiling = /class="ceiling used" x1="([\d.]+)" x2="[\d.]+" y1="([\d.]+)"/.exec(markup);
      expect(Number(roof?.[2])).toBeCloseTo(Number(ceiling?.[1]), 1);
      expect(Number(roof?.[4])).toBeCloseTo(Number(ceiling?.[2]), 1);
    }
  });

  it("gives ceilings that lie close one label", () => {
    const y = (tops: number) => 300 - 40 * Math.log10(tops);
    const labels = ceilingLabels(data.ceilings, y);
    expect(labels.map(({ text, used }) => [text, used])).toEqual([["INT8, FP16, BF16", true]]);
    expect(ceilingLabels(data.ceilings, (tops) => -tops).map(({ text }) => text)).toEqual(["INT8", "FP16, BF16"]);
  });
});

describe("bars by what bounds", () => {
  const row = (name: string, compute: number, memory: number, overhead: number) => ({
    name,
    parts: { compute, memory, overhead },
    label: "a label",
  });

  it("add up to the whole, in one scale, and leave room for labels", () => {
    const rows = [row("floats", 4, 4, 2), row("recipe", 1, 2, 2)];
    for (const width of WIDTHS) {
      const { left, unit } = boundsScale(rows, width);
      expect(left + 10 * unit + 7 * 0.6 * 12).toBeLessThanOrEqual(width);
      const markup = toMarkup(boundsChart({ rows, description: "all" }, width));
      const sizes = [...markup.matchAll(/class="bound (\w+)"[^>]* width="([\d.]+)"/g)];
      expect(sizes.map(([, bound]) => bound)).toEqual([...BOUNDS, ...BOUNDS]);
      const first = sizes.slice(0, 3).reduce((sum, [, , size]) => sum + Number(size) + 1, 0);
      expect(first).toBeCloseTo(10 * unit, 0);
    }
  });

  it("draw nothing for what takes nothing", () => {
    const markup = toMarkup(boundsChart({ rows: [row("a", 0, 0, 0), row("b", 0, 3, 0)], description: "all" }, 400));
    expect(markup.match(/class="bound/g)).toHaveLength(1);
    expect(markup).not.toMatch(/NaN|Infinity/);
  });
});
