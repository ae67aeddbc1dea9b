import { describe, expect, it } from "vitest";
import { spreadChart } from "./spread";
import type { SvgNode } from "./svg";

const SIZE = { width: 256, height: 62 };
const words = { label: "results", whole: String };

function draw(results: readonly number[], median: number, first?: number) {
  const drawing = spreadChart(results, median, first, SIZE, words);
  const nodes = drawing.children.filter((child): child is SvgNode => typeof child !== "string");
  const points = nodes
    .filter((node) => node.name === "circle")
    .map(({ attributes }) => ({ x: Number(attributes.cx), y: Number(attributes.cy), shape: attributes.class }));
  return { drawing, nodes, points };
}

describe("the spread over draws", () => {
  it("has a point for each draw, in order, inside its box, and the first images hollow", () => {
    const { points } = draw([9000, 9010, 9040, 9025, 9100], 9025, 8990);
    const dots = points.filter((point) => point.shape === "spread-dot");
    expect(dots.length).toBe(5);
    expect(points.filter((point) => point.shape === "spread-first").length).toBe(1);
    for (const { x, y } of points) {
      expect(x).toBeGreaterThan(4);
      expect(x).toBeLessThan(SIZE.width - 4);
      expect(y).toBeGreaterThan(4);
      expect(y).toBeLessThan(SIZE.height - 20);
    }
    const xs = dots.map((point) => point.x);
    expect([...xs].sort((a, b) => a - b)).toEqual([xs[0], xs[1], xs[3], xs[2], xs[4]]);
  });

  it("hides no point behind another", () => {
    const { points } = draw([80, 80, 80, 81, 81], 80, 80);
    for (const [index, a] of points.entries())
      for (const b of points.slice(index + 1)) expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThanOrEqual(7.9);
    for (const { y } of points) expect(y).toBeGreaterThan(0);
  });

  it("does not make little look like much, and says what its axis counts", () => {
    const { nodes, points, drawing } = draw([9000, 9001], 9000.5);
    const [a, b] = points;
    expect(Math.abs((b?.x ?? 0) - (a?.x ?? 0))).toBeLessThan(SIZE.width / 4);
    const ticks = nodes.filter((node) => node.name === "text").map((node) => Number(node.children[0]));
    expect(ticks.length).toBeGreaterThanOrEqual(2);
    expect(ticks.every(Number.isInteger)).toBe(true);
    expect(drawing.attributes["aria-label"]).toBe("results");
  });
});
