import { describe, expect, it } from "vitest";
import { all, byClass, texts } from "../testing/svg";
import { barsChart } from "./bars";
import { type Curve, type CurvesData, curvesChart, spread, valueEnds } from "./curves";
import { axisEnds, type ExponentsData, exponentsChart, found, power } from "./exponents";
import { type IntervalRow, intervalEnds, intervalsChart, labelLines } from "./intervals";
import { binned, lostChart } from "./lost";
import { softenedChart } from "./softened";
import { textWidth } from "./svg";

const WIDTH = 600;

const numbers = (path: string | undefined) => (path?.match(/-?[\d.]+/g) ?? []).map(Number);

const curve = (name: string, values: readonly (number | undefined)[], more: Partial<Curve> = {}): Curve => ({
  name,
  points: values.map((value, step) => ({ step, value })),
  chosen: false,
  dash: 0,
  broken: false,
  ...more,
});

const curves = (change: Partial<CurvesData>): CurvesData => ({
  curves: [],
  steps: 10,
  growth: "plain",
  marked: [],
  words: { values: "loss", steps: "step", marks: "skipped" },
  number: String,
  height: 200,
  description: "curves",
  ...change,
});

describe("curves over steps", () => {
  it("stand in their box, fall as values fall, and have their names at their ends", () => {
    const drawing = curvesChart(
      curves({ curves: [curve("A", [3, 2, 1]), curve("B", [3, 2.5], { chosen: true })] }),
      WIDTH,
    );
    const [first, second] = byClass(drawing, "training-curve");
    // The chosen one is drawn last.
    expect(second?.attributes.class).toContain("chosen");
    const points = numbers(first?.attributes.d);
    const ys = points.filter((_, at) => at % 2 === 1);
    expect(ys).toEqual([...ys].sort((a, b) => a - b));
    expect(Math.min(...points)).toBeGreaterThan(0);
    expect(Math.max(...points)).toBeLessThan(WIDTH);
    expect(texts(drawing)).toEqual(expect.arrayContaining(["A", "B", "loss", "step"]));
  });

  it("break where a value is none, and cross where the training died", () => {
    const drawing = curvesChart(
      curves({ curves: [curve("A", [2, undefined, 1, undefined], { broken: true })] }),
      WIDTH,
    );
    expect(byClass(drawing, "training-curve")[0]?.attributes.d?.match(/M/g)).toHaveLength(2);
    expect(byClass(drawing, "training-broken")).toHaveLength(1);
  });

  it("mark every skipped step where it was", () => {
    const drawing = curvesChart(curves({ curves: [curve("A", [1, 2])], marked: [0, 5, 10] }), WIDTH);
    const at = numbers(byClass(drawing, "training-skipped")[0]?.attributes.d?.replaceAll(/V[\d.]+/g, ""));
    const xs = at.filter((_, index) => index % 2 === 0);
    expect(xs).toHaveLength(3);
    expect((xs[1] ?? 0) - (xs[0] ?? 0)).toBeCloseTo((xs[2] ?? 0) - (xs[1] ?? 0), 1);
  });

  it("have even steps for equal factors on an axis by doublings", () => {
    const drawing = curvesChart(curves({ curves: [curve("A", [1, 4, 16])], growth: "doubling" }), WIDTH);
    const ys = numbers(byClass(drawing, "training-curve")[0]?.attributes.d).filter((_, at) => at % 2 === 1);
    expect((ys[0] ?? 0) - (ys[1] ?? 0)).toBeCloseTo((ys[1] ?? 0) - (ys[2] ?? 0), 1);
  });

  it("begin a plain axis at 0 and enclose every value on the others", () => {
    expect(valueEnds([2.3, 1], "plain")).toEqual([0, 2.5]);
    const [low, high] = valueEnds([0.003, 900], "tens");
    expect(low).toBeCloseTo(0.001, 9);
    expect(high).toBe(1000);
    for (const values of [[65536], [1, 1], [0.5, 2 ** 24]]) {
      const [from, to] = valueEnds(values, "doubling");
      expect(from).toBeLessThan(Math.min(...values));
      expect(to).toBeGreaterThan(Math.max(...values));
    }
  });

  it("spread labels that would cover each other, within the box and in their order", () => {
    const placed = spread([50, 52, 51, 199], 20, 200, 14);
    const sorted = [...placed].sort((a, b) => a - b);
    for (const [at, y] of sorted.slice(1).entries()) expect(y - (sorted[at] ?? 0)).toBeGreaterThanOrEqual(14);
    expect((placed[0] ?? 0) < (placed[2] ?? 0) && (placed[2] ?? 0) < (placed[1] ?? 0)).toBe(true);
    expect(Math.max(...spread([200, 200, 200], 20, 200, 14))).toBeLessThanOrEqual(200);
  });
});

describe("what gradients lost", () => {
  const data = {
    layers: [
      { name: "fc1", underflow: [0, 0, 0.25, 1], overflow: [0, 0, 0, 0], note: "up to 100 %" },
      { name: "fc2", underflow: [0, 0, 0, 0], overflow: [0.01, 0, 0, 0], note: "∞" },
    ],
    every: 2,
    steps: 8,
    words: { title: "lost", steps: "step" },
    description: "lost",
  };

  it("is dark by its share, and nothing where nothing was lost", () => {
    const drawing = lostChart(data, WIDTH);
    const under = byClass(drawing, "lost-under");
    expect(under).toHaveLength(2);
    expect(Number(under[0]?.attributes["fill-opacity"])).toBeLessThan(Number(under[1]?.attributes["fill-opacity"]));
    expect(Number(under[1]?.attributes["fill-opacity"])).toBe(1);
    expect(byClass(drawing, "lost-over")).toHaveLength(1);
    expect(texts(drawing)).toEqual(expect.arrayContaining(["fc1", "fc2", "up to 100 %"]));
  });

  it("keeps what is rare when there are more points than room", () => {
    const values = Array.from({ length: 100 }, (_, at) => (at === 57 ? 1 : 0));
    expect(binned(values, 10)).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    expect(binned([1, 2, 3], 10)).toEqual([1, 2, 3]);
    expect(binned([], 10)).toEqual([]);
  });
});

describe("values by exponent", () => {
  const counts = (from: number, list: readonly number[]) => {
    const row = new Array<number>(68).fill(0);
    list.forEach((count, at) => {
      row[from + 49 + at] = count;
    });
    return row;
  };
  const fp16 = { most: 16, normal: -14, least: -24, moves: false };
  const data = (change: Partial<ExponentsData>): ExponentsData => ({
    pictures: [
      { step: 0, counts: counts(-20, [4, 9]) },
      { step: 5, counts: counts(-3, [16]) },
    ],
    lowest: -49,
    range: fp16,
    words: { title: "gradients", steps: "step", most: "65504", normal: "normal", least: "least" },
    description: "exponents",
    ...change,
  });

  it("find what is counted, and open the axis for an end of the range that is near", () => {
    expect(found(data({}))).toEqual([-20, -3]);
    const [low, high] = axisEnds(data({}));
    expect(low).toBeLessThan(-24);
    expect(high).toBeGreaterThan(16);
    const bf16 = { most: 128, normal: -126, least: -133, moves: false };
    expect(axisEnds(data({ range: bf16 }))).toEqual([-22, 0]);
    expect(found(data({ pictures: [] }))).toBeUndefined();
  });

  it("draw a column for each picture and a line for each end of the range, in order", () => {
    const drawing = exponentsChart(data({}), WIDTH);
    expect(byClass(drawing, "exponent-bars")).toHaveLength(2);
    const ys = byClass(drawing, "range-line").map(({ attributes }) => Number(attributes.y1));
    expect(ys).toHaveLength(3);
    expect(ys).toEqual([...ys].sort((a, b) => a - b));
    expect(texts(drawing)).toEqual(expect.arrayContaining(["65504", "normal", "least", "0", "5"]));
    // The root of 4 of 9 is two thirds of the longest bar.
    const path = byClass(drawing, "exponent-bars")[0]?.attributes.d ?? "";
    const long = [...path.matchAll(/h([\d.]+)V/g)].map((match) => Number(match[1]));
    expect((long[0] ?? 0) / (long[1] ?? 1)).toBeCloseTo(2 / 3, 2);
  });

  it("frame each picture below its own largest value where the scale moves", () => {
    const drawing = exponentsChart(data({ range: { most: 9, normal: -6, least: -9, moves: true } }), WIDTH);
    expect(byClass(drawing, "range-own")).toHaveLength(2);
    expect(byClass(drawing, "range-line")).toHaveLength(0);
  });

  it("write powers of two as they are", () => {
    expect([power(-24), power(16), power(0)]).toEqual(["2⁻²⁴", "2¹⁶", "2⁰"]);
  });
});

describe("results by seeds", () => {
  const row = (values: readonly number[], half: number | undefined): IntervalRow => ({
    name: "alone",
    values,
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    half,
    note: "note",
    strong: true,
  });

  it("have a dot for each, the mean between them, and the interval around it", () => {
    const drawing = intervalsChart(
      { rows: [row([40, 50, 60], 8)], axis: "right, %", band: "95 %", description: "seeds" },
      WIDTH,
    );
    const dots = byClass(drawing, "interval-dot").map(({ attributes }) => Number(attributes.cx));
    expect(dots).toHaveLength(3);
    const mean = Number(byClass(drawing, "interval-mean")[0]?.attributes.x1);
    expect(mean).toBeCloseTo(dots[1] ?? 0, 1);
    const band = byClass(drawing, "interval-band")[0]?.attributes;
    expect(Number(band?.x)).toBeLessThan(mean);
    expect(Number(band?.x) + Number(band?.width)).toBeGreaterThan(mean);
  });

  it("break long names between their parts, and keep their notes", () => {
    const name = ["C: Taught by a large network", "Temperature 2", "Its share 0.3"].join(" · ");
    const own = { ...row([40, 50], 8), name, note: "45.0 ± 8.0 %" };
    const long = labelLines(own, 320);
    expect(long.lines.join(" · ")).toBe(name);
    expect(long.lines.length).toBeGreaterThan(1);
    for (const line of long.lines) expect(textWidth(line, 12)).toBeLessThanOrEqual(320);
    expect(labelLines(own, 900)).toEqual({ lines: [name], beside: true });
    const drawn = (width: number) =>
      intervalsChart({ rows: [own, row([50], undefined)], axis: "%", band: "", description: "seeds" }, width);
    for (const width of [344, 900]) {
      expect(texts(drawn(width))).toContain(own.note);
      const lines = all(drawn(width), ({ attributes }) => (attributes.class ?? "").startsWith("label"));
      const tops = lines.map(({ attributes }) => Number(attributes.y));
      const dots = byClass(drawn(width), "interval-dot").map(({ attributes }) => Number(attributes.cy));
      // The words of the second row are below the dots of the first.
      expect(tops.at(-1) ?? 0).toBeGreaterThan((dots[0] ?? 0) + 12);
      expect(tops.at(-2) ?? 0).toBeLessThan(dots[0] ?? 0);
    }
  });

  it("do not make little look like much, and stay within 0 and 100", () => {
    const [low, high] = intervalEnds([row([90, 90.2], 0.1)]);
    expect(high - low).toBeGreaterThanOrEqual(4);
    expect(intervalEnds([row([99, 100], 30)])[1]).toBe(100);
    expect(intervalEnds([row([1, 2], 30)])[0]).toBe(0);
  });
});

describe("amounts and probabilities", () => {
  it("are as long as they are much", () => {
    const bar = (name: string, value: number) => ({ name, value, note: String(value), strong: false });
    const drawing = barsChart([bar("signs", 100), bar("f32", 400)], "bytes", WIDTH);
    const wide = byClass(drawing, "amount").map(({ attributes }) => Number(attributes.width));
    expect((wide[1] ?? 0) / (wide[0] ?? 1)).toBeCloseTo(4, 1);
  });

  it("show every class of every voice, the right one strong, with the first voice's number", () => {
    const drawing = softenedChart(
      {
        classes: ["bag", "boot"],
        voices: [
          { name: "teacher", chances: [0.8, 0.2], kind: "teacher" },
          { name: "student", chances: [0.4, 0.6], kind: "taught" },
        ],
        label: 1,
        percent: (share) => `${100 * share} %`,
        description: "softened",
      },
      WIDTH,
    );
    // A bar for each class, and the key's.
    expect(byClass(drawing, "voice-teacher")).toHaveLength(3);
    const bars = byClass(drawing, "voice-taught").slice(1);
    expect(Number(bars[1]?.attributes.width) / Number(bars[0]?.attributes.width)).toBeCloseTo(1.5, 2);
    expect(byClass(drawing, "strong").map((node) => node.children[0])).toEqual(["boot"]);
    expect(texts(drawing)).toEqual(expect.arrayContaining(["80 %", "20 %", "teacher", "student"]));
  });
});
