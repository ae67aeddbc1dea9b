import { describe, expect, it } from "vitest";
import { all, byClass, texts } from "../testing/svg";
import { countTicks, emptiest, type HistogramData, histogramChart } from "./histogram";
import { LEDGER_HEIGHT, ledgerBlocks, ledgerChart } from "./ledger";
import { roundingChart } from "./rounding";
import type { SvgNode } from "./svg";

const number = (node: SvgNode | undefined, name: string) => Number(node?.attributes[name]);

function histogram(change: Partial<HistogramData> = {}): HistogramData {
  return {
    low: -1,
    high: 1,
    before: [1, 0, 9, 100],
    after: [0, 4, 0, 106],
    part: [],
    growth: "root",
    levels: [-1, 0, 1],
    words: { before: "before", after: "after", part: "", axis: "value", counts: "per bin" },
    number: String,
    whole: String,
    description: "words",
    ...change,
  };
}

/** Tops of the bars of a path, in pixels above or below the line between. */
function heights(path: SvgNode | undefined): number[] {
  const found = [...(path?.attributes.d ?? "").matchAll(/M[\d.]+,([\d.]+)V([\d.]+)/g)];
  return found.map(([, base, tip]) => Number(base) - Number(tip));
}

describe("two histograms", () => {
  it("grow with the square roots of the counts, one up and one down", () => {
    const chart = histogramChart(histogram(), 400);
    const [one = 0, nine = 0, hundred = 0] = heights(byClass(chart, "bin-before")[0]);
    expect(nine / one).toBeCloseTo(3, 1);
    expect(hundred / one).toBeCloseTo(10, 0);
    const [four = 0, most = 0] = heights(byClass(chart, "bin-after")[0]);
    expect(four).toBeLessThan(0);
    expect(most / four).toBeCloseTo(Math.sqrt(106 / 4), 0);
    expect(texts(chart)).toEqual(expect.arrayContaining(["before", "after", "value", "per bin", "10", "100"]));
  });

  it("reach as high on either side, and by logarithms show what is rare beside a great many", () => {
    const chart = histogramChart(histogram({ growth: "log", before: [10, 0, 0, 1_000_000] }), 400);
    const [few = 0, many = 0] = heights(byClass(chart, "bin-before")[0]);
    expect(few / many).toBeCloseTo(Math.log1p(10) / Math.log1p(1_000_000), 2);
    const [, most = 0] = heights(byClass(chart, "bin-after")[0]);
    expect(most).toBeCloseTo(-many, 1);
  });

  it("say what is after where there is room for it, at the right if there is", () => {
    expect(emptiest([5, 5, 5, 5, 5, 0, 0, 0], 0.3)).toBe("right");
    expect(emptiest([0, 0, 0, 5, 5, 5, 5, 5], 0.3)).toBe("left");
    expect(emptiest([5, 5, 5, 0, 0, 5, 5, 5], 0.25)).toBe("middle");
    expect(emptiest([3, 3, 3, 3], 0.5)).toBe("right");
    expect(emptiest([1, 2], 3)).toBe("right");
  });

  it("have a line for each level where there is room, and one band where there is not", () => {
    const near = Array.from({ length: 256 }, (_, i) => -1 + i / 127.5);
    const lines = byClass(histogramChart(histogram(), 400), "grid-line").map((line) => number(line, "x1"));
    expect(lines).toHaveLength(3);
    expect((lines[1] ?? 0) - (lines[0] ?? 0)).toBeCloseTo((lines[2] ?? 0) - (lines[1] ?? 0), 1);
    const chart = histogramChart(histogram({ levels: near }), 400);
    expect(byClass(chart, "grid-line")).toHaveLength(0);
    expect(byClass(chart, "grid-band")).toHaveLength(1);
    const wide = histogramChart(histogram({ levels: [-9, 0, 9] }), 400);
    expect(byClass(wide, "grid-line")).toHaveLength(1);
  });

  it("keep every tick inside, also where all values are one", () => {
    for (const width of [220, 390, 900]) {
      const chart = histogramChart(histogram({ low: 0.5, high: 0.5 }), width);
      for (const path of [...byClass(chart, "bin-before"), ...byClass(chart, "bin-after")])
        expect(path.attributes.d).not.toMatch(/NaN|Infinity/);
      for (const text of all(chart, ({ name }) => name === "text")) {
        expect(number(text, "x")).toBeGreaterThanOrEqual(0);
        expect(number(text, "x")).toBeLessThanOrEqual(width);
      }
    }
    expect(countTicks(7, "root")).toEqual([7]);
    expect(countTicks(25_000, "root")).toEqual([1000, 10_000]);
    expect(countTicks(25_000, "log")).toEqual([100, 10_000]);
  });
});

describe("rounding", () => {
  it("puts what is exact on the line and everything on the levels", () => {
    const data = {
      original: [-0.4, 0.1, 1],
      values: [-0.5, 0, 1],
      levels: [-1, -0.5, 0, 0.5, 1],
      words: { before: "before", after: "after", exact: "no error" },
      number: String,
      description: "words",
    };
    const chart = roundingChart(data, 320);
    const marks = byClass(chart, "rounded-mark");
    const line = byClass(chart, "exact")[0];
    expect(marks).toHaveLength(3);
    expect(number(marks[2], "cx")).toBeCloseTo(number(line, "x2"), 1);
    expect(number(marks[2], "cy")).toBeCloseTo(number(line, "y2"), 1);
    const rows = byClass(chart, "grid-line")
      .filter((each) => each.attributes.y1 === each.attributes.y2)
      .map((each) => number(each, "y1"));
    for (const mark of marks) expect(rows.some((row) => Math.abs(row - number(mark, "cy")) < 0.02)).toBe(true);
    // A granule of zeros.
    const flat = roundingChart({ ...data, original: [0], values: [0], levels: [0] }, 320);
    expect(byClass(flat, "rounded-mark")[0]?.attributes.cx).not.toMatch(/NaN/);
  });
});

describe("the ledger's picture", () => {
  const columns = [
    {
      name: "a",
      parts: [
        { kind: "values", bytes: 600 },
        { kind: "scales", bytes: 200 },
      ],
    },
    {
      name: "b",
      parts: [
        { kind: "values", bytes: 150 },
        { kind: "biases", bytes: 50 },
        { kind: "other", bytes: 0 },
      ],
    },
  ];

  it("has areas that are bytes", () => {
    const blocks = ledgerBlocks(columns, 500, 200);
    expect(blocks).toHaveLength(4);
    for (const block of blocks) expect((block.width * block.height) / block.bytes).toBeCloseTo((500 * 200) / 1000);
    expect(Math.max(...blocks.map((block) => block.x + block.width))).toBeCloseTo(500);
    expect(Math.min(...blocks.map((block) => block.y))).toBeCloseTo(0);
  });

  it("names what has room and leaves out names that would touch", () => {
    const kinds = { values: "codes", scales: "scales", biases: "biases" };
    const many = Array.from({ length: 60 }, (_, i) => ({ name: `layer${i}`, parts: [{ kind: "values", bytes: 10 }] }));
    const chart = ledgerChart({ columns, kinds, bytes: (bytes) => `${bytes} B`, description: "words" }, 500);
    expect(texts(chart)).toEqual(expect.arrayContaining(["codes 600 B", "scales 200 B", "a", "b"]));
    const crowd = ledgerChart({ columns: many, kinds, bytes: String, description: "" }, 500);
    const names = all(crowd, (node) => node.name === "text" && node.attributes.y === String(LEDGER_HEIGHT - 8));
    expect(names.length).toBeGreaterThan(3);
    expect(names.length).toBeLessThan(15);
    expect(ledgerBlocks([], 500, 200)).toEqual([]);
  });
});
