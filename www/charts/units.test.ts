import { describe, expect, it } from "vitest";
import { byClass } from "../testing/svg";
import type { SvgNode } from "./svg";
import { cellSize, ties, type UnitLayer, unitsChart } from "./units";

const number = (node: SvgNode | undefined, name: string) => Number(node?.attributes[name]);

const layer = (name: string, count: number, groups: number[] = [], change = {}): UnitLayer => ({
  name,
  note: `${count}`,
  groups,
  cells: Array.from({ length: count }, (_, at) => ({
    strength: at / count,
    leaves: at < count / 2 ? (at + 1) / count : undefined,
    share: 1,
    lit: false,
    ...change,
  })),
});
const draw = (layers: UnitLayer[], at: number, width = 900) =>
  unitsChart({ layers, at, together: "together", description: "words" }, width);

describe("which units go", () => {
  const layers = [layer("conv1", 16, [0]), layer("conv2", 16, [1]), layer("conv3", 16, [0]), layer("fc", 10)];

  it.each([320, 900, 1240])("is a cell for each unit, inside a drawing of %i pixels", (width) => {
    const chart = draw(layers, 0, width);
    const units = byClass(chart, "unit");
    expect(units).toHaveLength(58);
    const height = Number(chart.attributes.viewBox?.split(" ")[3]);
    for (const unit of units) {
      expect(number(unit, "x")).toBeGreaterThanOrEqual(0);
      expect(number(unit, "x") + number(unit, "width")).toBeLessThanOrEqual(width);
      expect(number(unit, "y") + number(unit, "height")).toBeLessThanOrEqual(height);
    }
    expect(new Set(units.map((unit) => `${unit.attributes.x},${unit.attributes.y}`)).size).toBe(58);
  });

  it("takes units out in their order, and marks those that are still to go", () => {
    const states = (at: number) => {
      const own = byClass(draw([layer("fc", 8)], at), "unit").map(({ attributes }) => attributes.class);
      return [own.filter((name) => name === "unit gone").length, own.filter((name) => name === "unit going").length];
    };
    expect([0, 0.125, 0.3, 0.5, 1].map(states)).toEqual([
      [0, 4],
      [1, 3],
      [2, 2],
      [4, 0],
      [4, 0],
    ]);
    const chart = draw([layer("fc", 8)], 0.3);
    // Each cell has a place that answers to the pointer, gone or not.
    const hits = byClass(chart, "unit-hit");
    expect(hits.map(({ attributes }) => attributes["data-unit"])).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((at) => `fc:${at}`),
    );
    expect(byClass(chart, "gone").map(({ attributes }) => attributes.x)).toEqual(
      [0, 1].map((at) => hits[at]?.attributes.x),
    );
  });

  it("fills a cell as far as its weights stay, and above that with those still to go", () => {
    const chart = (at: number) => draw([layer("fc", 1, [], { leaves: undefined, share: 0.25 })], at);
    const side = number(byClass(draw([layer("fc", 1)], 0), "unit")[0], "width");
    for (const [at, rest] of [
      [0, 0.75],
      [0.5, 0.375],
      [1, 0],
    ] as const) {
      const [stays, going] = byClass(chart(at), "unit");
      expect(byClass(chart(at), "going")).toHaveLength(1);
      expect(number(stays, "height") / side).toBeCloseTo(0.25, 2);
      expect(number(going, "height") / side).toBeCloseTo(rest, 2);
      // One stands on the other.
      expect(number(going, "y") + number(going, "height")).toBeCloseTo(number(stays, "y"), 1);
    }
  });

  it("marks what is pointed at", () => {
    expect(byClass(draw([layer("a", 4), layer("b", 4, [], { lit: true })], 0), "lit")).toHaveLength(4);
  });

  it("joins layers that go together, each bracket on a level of its own where they meet", () => {
    expect(ties(layers)).toEqual([{ layers: [0, 2], level: 0 }]);
    const three = [layer("a", 4, [0, 1]), layer("b", 4, [1]), layer("c", 4, [0, 2]), layer("d", 4, [2])];
    expect(ties(three).map(({ level }) => level)).toEqual([0, 1, 1]);
    for (const width of [320, 900]) {
      expect(byClass(draw(three, 0, width), "unit-tie")).toHaveLength(3);
      expect(byClass(draw([layer("fc", 4)], 0, width), "unit-tie")).toHaveLength(0);
    }
    // Where layers take several lines, a bracket goes on to the edge and on in the next.
    const many = Array.from({ length: 12 }, (_, at) => layer(`layer${at}`, 4, [at % 11]));
    expect(byClass(draw(many, 0, 700), "unit-tie").length).toBe(2);
  });

  it("makes cells as large as the fullest layer allows", () => {
    expect(cellSize([16], 200, 230)).toBe(16);
    const size = cellSize([10, 400], 100, 230);
    expect(Math.ceil(400 / Math.floor(100 / size)) * size).toBeLessThanOrEqual(230);
    expect(cellSize([100_000], 100, 230)).toBe(4);
  });
});
