import { describe, expect, it } from "vitest";
import { all, byClass, texts } from "../testing/svg";
import {
  type AccuracyData,
  accuracyChart,
  accuracyPlot,
  accuracyStart,
  type Mark,
  markPositions,
  nearestMark,
} from "./accuracy";
import { CLASS_ROW_HEIGHT, classChart, signed } from "./classes";
import { crosses, labelBox, placeLabels } from "./labels";
import { lossCurve } from "./losses";
import { paretoFront, paretoPath } from "./pareto";
import { accuracyAxis, bitsAxis, bytesAxis } from "./scales";
import { round, svg, toMarkup } from "./svg";

function mark(key: string, x: number, percent: number, more: Partial<Mark> = {}): Mark {
  return {
    key,
    series: ["s"],
    x,
    percent,
    low: percent - 0.6,
    high: percent + 0.6,
    complete: true,
    linked: ["s"],
    pruned: false,
    label: key,
    description: `run ${key}`,
    ...more,
  };
}

function data(marks: readonly Mark[], more: Partial<AccuracyData> = {}): AccuracyData {
  return {
    axis: "bytes",
    marks,
    series: [{ key: "s", label: "", chosen: true, pruned: false }],
    baseline: 90,
    chance: 10,
    current: undefined,
    active: undefined,
    pinned: undefined,
    measure: "percent",
    words: {
      unit: "KB",
      measure: "%",
      baseline: "32 bits: 90.00 %",
      chance: "guessing 10 %",
      current: "this recipe",
      pinned: "A",
    },
    ...more,
  };
}

const SIZE = { width: 600, height: 400 };

describe("scales", () => {
  it("puts powers of two kilobytes at even distances and holds every value", () => {
    const axis = bytesAxis([9_000, 178_000], [0, 500]);
    expect(axis.ticks).toEqual([8, 16, 32, 64, 128, 256].map((kilobytes) => kilobytes * 1000));
    const steps = axis.ticks.slice(1).map((tick, index) => axis.scale(tick) - axis.scale(axis.ticks[index] ?? 0));
    for (const step of steps) expect(step).toBeCloseTo(100, 6);
    expect(axis.scale(9_000)).toBeGreaterThan(0);
    expect(axis.scale(178_000)).toBeLessThan(500);
  });

  it("thins the ticks where there is no room", () => {
    const narrow = bytesAxis([1_000, 2_000_000], [0, 200]);
    expect(narrow.ticks.length).toBeLessThanOrEqual(5);
  });

  it("widens a domain of a single value and survives none at all", () => {
    const { domain } = bytesAxis([32_000], [0, 100]);
    expect(domain[0]).toBeLessThan(32_000);
    expect(domain[1]).toBeGreaterThan(32_000);
    expect(Number.isFinite(bitsAxis([], [0, 100]).scale(1))).toBe(true);
  });

  it("ends the bits at a round width that holds the scales too", () => {
    expect(bitsAxis([4.2, 8.12], [0, 100]).domain).toEqual([4, 8]);
    expect(bitsAxis([1.12, 32], [0, 100])).toMatchObject({ domain: [1, 32], ticks: [1, 2, 4, 8, 16, 32] });
  });

  it("starts accuracy at zero after a fall, otherwise at the ten below", () => {
    expect(accuracyAxis([90, 12], [100, 0]).domain).toEqual([0, 100]);
    expect(accuracyAxis([90, 12], [100, 0]).truncated).toBe(false);
    expect(accuracyAxis([90.2, 71.3], [100, 0]).domain).toEqual([70, 100]);
    expect(accuracyAxis([90.2, 71.3], [100, 0]).truncated).toBe(true);
  });

  it("grows upwards", () => {
    const { scale } = accuracyAxis([50], [300, 20]);
    expect(scale(100)).toBe(20);
    expect(scale(90)).toBeGreaterThan(scale(95));
  });
});

describe("Pareto front", () => {
  /** The definition, word for word, as a check of the sweep. */
  const byDefinition = (points: readonly { x: number; y: number }[]) =>
    points.filter((a) => !points.some((b) => b !== a && b.x <= a.x && b.y >= a.y && (b.x < a.x || b.y > a.y)));

  it("agrees with the definition on many sets of points", () => {
    let state = 12345;
    const random = () => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state / 2147483648;
    };
    for (let round = 0; round < 200; round += 1) {
      const points = Array.from({ length: 1 + Math.floor(random() * 12) }, () => ({
        x: Math.floor(random() * 9),
        y: Math.floor(random() * 9),
      }));
      const unique = [...new Map(points.map((point) => [`${point.x} ${point.y}`, point])).values()];
      const expected = byDefinition(unique).sort((a, b) => a.x - b.x);
      expect(paretoFront(unique)).toEqual(expected);
    }
  });

  it("keeps one of equal points", () => {
    expect(
      paretoFront([
        { x: 1, y: 2 },
        { x: 1, y: 2 },
      ]),
    ).toHaveLength(1);
  });

  it("draws steps that hold until the next better point", () => {
    expect(
      paretoPath(
        [
          { x: 10, y: 50 },
          { x: 20, y: 40 },
        ],
        30,
      ),
    ).toBe("M10,50L20,50L20,40L30,40L30,40");
    expect(paretoPath([], 30)).toBe("");
  });
});

describe("accuracy chart", () => {
  const marks = [mark("2", 12_000, 60), mark("4", 24_000, 88, { complete: false }), mark("8", 46_000, 90)];
  const chart = accuracyChart(data(marks, { current: "4" }), SIZE, "m");

  it("puts each mark where the scales say, its interval from low to high", () => {
    const plot = accuracyPlot(data(marks), SIZE);
    const groups = byClass(chart, "mark");
    expect(groups).toHaveLength(3);
    groups.forEach((group, index) => {
      const dot = byClass(group, "dot")[0];
      const own = marks[index];
      if (!own) throw new Error("no mark");
      expect(Number(dot?.attributes.cx)).toBeCloseTo(plot.x.scale(own.x), 1);
      expect(Number(dot?.attributes.cy)).toBeCloseTo(plot.y.scale(own.percent), 1);
      const interval = byClass(group, "interval")[0];
      expect(Number(interval?.attributes.y1)).toBeCloseTo(plot.y.scale(own.high), 1);
      expect(Number(interval?.attributes.y2)).toBeCloseTo(plot.y.scale(own.low), 1);
    });
  });

  it("draws the line of a family through its linked marks alone", () => {
    const path = byClass(accuracyChart(data([...marks, mark("t", 9_000, 74, { linked: [] })]), SIZE, "m"), "series")[0];
    expect(path?.attributes.d?.match(/[ML]/g)).toEqual(["M", "L", "L"]);
  });

  it("gives what is pruned corners and a line of its own, and no front on the axis of what is gone", () => {
    const pruned = [80, 50, 20].map((x, index) =>
      mark(`p${x}`, x, 60 + 10 * index, { pruned: true, series: ["s", "p"], linked: ["p"] }),
    );
    const chart = accuracyChart(
      data(pruned, {
        axis: "sparsity",
        series: [
          { key: "s", label: "", chosen: false, pruned: false },
          { key: "p", label: "pruned", chosen: true, pruned: true },
        ],
      }),
      SIZE,
      "m",
    );
    expect(byClass(chart, "front")).toHaveLength(0);
    expect(byClass(chart, "dot").map((dot) => dot.name)).toEqual(["path", "path", "path"]);
    const lines = byClass(chart, "series");
    expect(lines.map((line) => line.attributes.class)).toEqual(["series chosen pruned"]);
    const plot = accuracyPlot(data(pruned, { axis: "sparsity" }), SIZE);
    expect(plot.x.domain).toEqual([0, 100]);
    expect(texts(chart)).toContain("pruned");
  });

  it("counts multiply-adds in millions from none on", () => {
    const some = [mark("a", 12_500_000, 90), mark("b", 6_250_000, 89)];
    const chart = accuracyChart(data(some, { axis: "macs" }), SIZE, "m");
    const plot = accuracyPlot(data(some, { axis: "macs" }), SIZE);
    expect(plot.x.domain[0]).toBe(0);
    expect(plot.x.domain[1]).toBeGreaterThanOrEqual(12_500_000);
    expect(texts(chart)).toContain("10");
  });

  it("is hollow exactly while partial", () => {
    const hollow = byClass(chart, "mark").map((group) => byClass(group, "hollow").length);
    expect(hollow).toEqual([0, 1, 0]);
  });

  it("says baseline and chance beside their lines", () => {
    const wide = accuracyChart(data([mark("1", 9_000, 12), ...marks]), SIZE, "m");
    expect(texts(wide)).toContain("32 bits: 90.00 %");
    expect(texts(wide)).toContain("guessing 10 %");
    const line = byClass(wide, "chance")[0];
    expect(Number(line?.attributes.y1)).toBeCloseTo(
      accuracyPlot(data([mark("1", 9_000, 12), ...marks]), SIZE).y.scale(10),
      1,
    );
  });

  it("leaves out a chance line that is below the axis, and tells where the axis starts", () => {
    expect(byClass(chart, "chance")).toHaveLength(0);
    expect(accuracyStart(data(marks), SIZE)).toBe(50);
  });

  it("gives each mark its words, and selects the chosen recipe alone", () => {
    const options = all(chart, (node) => node.attributes.role === "option");
    expect(options.map((option) => option.attributes["aria-label"])).toEqual(["run 2", "run 4", "run 8"]);
    expect(options.map((option) => option.attributes["aria-selected"])).toEqual(["false", "true", "false"]);
    expect(new Set(options.map((option) => option.attributes.id)).size).toBe(3);
  });

  it("has its unit on the axis and no text over another", () => {
    expect(texts(chart).some((text) => text.endsWith(" KB"))).toBe(true);
    expect(texts(chart)).toContain("%");
    const boxes = all(chart, (node) => node.name === "text" && !/^\d+( KB)?$|^%$/.test(node.children.join(""))).map(
      (node) =>
        labelBox(node.children.join(""), {
          x: Number(node.attributes.x),
          y: Number(node.attributes.y),
          end: node.attributes["text-anchor"] ?? "start",
        }),
    );
    boxes.forEach((a, index) => {
      for (const b of boxes.slice(index + 1))
        expect(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).toBe(false);
    });
  });

  it("keeps every mark inside the drawing at any width", () => {
    for (const width of [260, 330, 620, 900]) {
      const box = { width, height: 320 };
      for (const point of markPositions(data(marks), accuracyPlot(data(marks), box)).values()) {
        expect(point.x).toBeGreaterThan(0);
        expect(point.x).toBeLessThan(width);
        expect(point.y).toBeGreaterThan(0);
        expect(point.y).toBeLessThan(320);
      }
    }
  });

  it("draws axes, baseline and nothing else before there are runs", () => {
    const empty = accuracyChart(data([], { baseline: undefined }), SIZE, "m");
    expect(byClass(empty, "mark")).toHaveLength(0);
    expect(toMarkup(empty)).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("frames the pinned mark and names it", () => {
    const pinned = accuracyChart(data(marks, { current: "4", pinned: "8" }), SIZE, "m");
    const frames = byClass(pinned, "mark").map((group) => byClass(group, "pin").length);
    expect(frames).toEqual([0, 0, 1]);
    expect(texts(pinned)).toContain("A");
    expect(texts(chart)).not.toContain("A");
  });

  it("finds the nearest mark within reach and none beyond", () => {
    const positions = new Map([
      ["a", { x: 0, y: 0 }],
      ["b", { x: 30, y: 0 }],
    ]);
    expect(nearestMark(positions, { x: 18, y: 0 }, 20)).toBe("b");
    expect(nearestMark(positions, { x: 15, y: 40 }, 20)).toBeUndefined();
  });
});

describe("labels", () => {
  const bounds = { left: 0, right: 300, top: 0, bottom: 200 };

  it("takes the next place when the first is covered", () => {
    const label = {
      text: "four",
      class: "axis",
      anchor: { x: 100, y: 100 },
      places: ["right", "left"] as const,
      always: false,
    };
    const free = placeLabels([label], [{ x: 100, y: 100, radius: 5 }], bounds)[0];
    expect(Number(free?.attributes.x)).toBeGreaterThan(100);
    const covered = placeLabels(
      [label],
      [
        { x: 100, y: 100, radius: 5 },
        { x: 118, y: 100, radius: 5 },
      ],
      bounds,
    )[0];
    expect(Number(covered?.attributes.x)).toBeLessThan(100);
  });

  it("keeps clear of lines, even where a mark lies on one", () => {
    const label = {
      text: "16",
      class: "axis",
      anchor: { x: 100, y: 100 },
      places: ["left", "right", "above"] as const,
      always: false,
    };
    const across = [
      { x: 0, y: 100 },
      { x: 300, y: 100 },
    ] as const;
    const placed = placeLabels([label], [], bounds, [across])[0];
    expect(Number(placed?.attributes.y)).toBeLessThan(100);
    expect(placeLabels([{ ...label, places: ["left"] }], [], bounds, [across])).toHaveLength(0);
    expect(placeLabels([{ ...label, places: ["left"], always: true }], [], bounds, [across])).toHaveLength(1);
  });

  it("tell a segment through a box from one beside it, as many points along it do", () => {
    const box = { left: 40, right: 60, top: 40, bottom: 60 };
    let state = 7;
    const random = () => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return (state / 2147483648) * 100;
    };
    for (let round = 0; round < 500; round += 1) {
      const from = { x: random(), y: random() };
      const to = { x: random(), y: random() };
      const inside = Array.from({ length: 2001 }, (_, step) => step / 2000).some((share) => {
        const x = from.x + share * (to.x - from.x);
        const y = from.y + share * (to.y - from.y);
        return x > box.left && x < box.right && y > box.top && y < box.bottom;
      });
      if (inside) expect(crosses([from, to], box), JSON.stringify([from, to])).toBe(true);
      else {
        const smaller = { left: 40.2, right: 59.8, top: 40.2, bottom: 59.8 };
        expect(crosses([from, to], smaller), JSON.stringify([from, to])).toBe(false);
      }
    }
  });

  it("leaves out what fits nowhere, unless it must be there", () => {
    const label = { text: "four", class: "axis", anchor: { x: 100, y: 100 }, places: ["right"] as const };
    const dots = [{ x: 118, y: 100, radius: 5 }];
    expect(placeLabels([{ ...label, always: false }], dots, bounds)).toHaveLength(0);
    expect(placeLabels([{ ...label, always: true }], dots, bounds)).toHaveLength(1);
  });
});

describe("class bars", () => {
  it("draws lengths in proportion and the signed change", () => {
    const chart = classChart(
      [
        { label: "shirt", before: 200, after: 300 },
        { label: "bag", before: 30, after: 15 },
      ],
      280,
      "d",
    );
    const [first, second] = byClass(chart, "bar-after").map((bar) => Number(bar.attributes.width));
    expect((first ?? 0) / (second ?? 1)).toBeCloseTo(20, 0);
    expect(texts(chart)).toEqual(["shirt", "+100", "bag", "−15"]);
    expect(chart.attributes.viewBox).toBe(`0 0 280 ${2 * CLASS_ROW_HEIGHT}`);
  });

  it("signs with a true minus", () => {
    expect([3, 0, -3].map(signed)).toEqual(["+3", "0", "−3"]);
  });
});

describe("markup", () => {
  it("escapes text and attributes", () => {
    const node = svg("text", { "aria-label": `"><script>` }, "<b>&'");
    expect(toMarkup(node)).toBe('<text aria-label="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;&#39;</text>');
  });

  it("rounds to hundredths without a negative zero", () => {
    expect([1.006, -0.001, 12].map(round)).toEqual(["1.01", "0", "12"]);
  });
});

describe("the curve of losses", () => {
  it("runs from the left to the right edge, the greatest loss at the top and 0 at the bottom", () => {
    const [line] = all(lossCurve([2, 1, 0], 96, 16), (node) => node.name === "polyline");
    expect(line?.attributes.points).toBe("0,1 48,8 96,15");
    const [flat] = all(lossCurve([0, 0], 10, 10), (node) => node.name === "polyline");
    expect(flat?.attributes.points).toBe("0,9 10,9");
  });
});
