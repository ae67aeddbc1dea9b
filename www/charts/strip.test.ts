import { describe, expect, it } from "vitest";
import { all, byClass, texts } from "../testing/svg";
import { labelBox } from "./labels";
import { bitsTone, LEAST_WIDTH, stripBlocks, stripChart, stripGap, stripSpans } from "./strip";

describe("bit strip", () => {
  const layers = [
    { name: "conv1", parameters: 156, kept: 1, bits: 8, baselineBits: 32, detail: "", description: "conv1 in words" },
    {
      name: "fc1",
      parameters: 48_120,
      kept: 1,
      bits: 4,
      baselineBits: 32,
      detail: "48,120 × 4.0 bits",
      description: "",
    },
    { name: "fc2", parameters: 10_164, kept: 1, bits: 2, baselineBits: 32, detail: "", description: "" },
  ];

  it("makes area bytes: width in proportion to parameters, height to bits", () => {
    const [, second, third] = stripBlocks(layers, 1000, 96, 8);
    if (!second || !third) throw new Error("no blocks");
    const perByte = (block: { width: number; height: number }, index: number) =>
      (block.width * block.height) / (((layers[index]?.parameters ?? 0) * (layers[index]?.bits ?? 0)) / 8);
    expect(perByte(second, 1)).toBeCloseTo(perByte(third, 2), 6);
    expect(second.outline).toBe(96);
  });

  it("keeps the smallest layer visible and fills the width", () => {
    for (const width of [288, 358, 1192]) {
      const blocks = stripBlocks(layers, width, 96, 5);
      expect(blocks[0]?.width).toBe(LEAST_WIDTH);
      const last = blocks.at(-1);
      expect((last?.x ?? 0) + (last?.width ?? 0)).toBeCloseTo(width, 6);
    }
  });

  it("draws block and outline per layer, and says itself in words", () => {
    const chart = stripChart(
      { layers, description: "all of it", heightLabel: "32 bits" },
      { width: 1192, height: 122 },
    );
    expect(byClass(chart, "strip-block")).toHaveLength(3);
    expect(byClass(chart, "strip-outline")).toHaveLength(3);
    expect(chart.attributes["aria-label"]).toBe("all of it");
    expect(texts(chart)).toContain("48,120 × 4.0 bits");
  });

  it("shows what was pruned as hatching beside what is left, whose area is still bytes", () => {
    const pruned = layers.map((layer) => ({ ...layer, kept: layer.name === "fc1" ? 0.25 : 1 }));
    const [, block] = stripBlocks(pruned, 1000, 98 - 16, stripGap(pruned.length, 1000));
    if (!block) throw new Error("no block");
    expect(block.kept).toBeCloseTo(block.width / 4, 6);
    const chart = stripChart({ layers: pruned, description: "", heightLabel: "" }, { width: 1000, height: 122 });
    const hatched = byClass(chart, "strip-pruned");
    expect(hatched).toHaveLength(1);
    const points = [...(hatched[0]?.attributes.d ?? "").matchAll(/[ML]([\d.-]+),([\d.-]+)/g)];
    expect(points.length).toBeGreaterThan(100);
    for (const [, x, y] of points) {
      expect(Number(x)).toBeGreaterThanOrEqual(block.x + block.kept - 0.1);
      expect(Number(x)).toBeLessThanOrEqual(block.x + block.width + 0.1);
      expect(Number(y)).toBeGreaterThanOrEqual(122 - 24 - block.outline - 0.1);
      expect(Number(y)).toBeLessThanOrEqual(122 - 24 + 0.1);
    }
    expect(Number(byClass(chart, "strip-block")[1]?.attributes.width)).toBeCloseTo(block.kept, 1);
  });

  /** Layers of a residual network: many, most of them tiny, named by stack. */
  const many = [16, 4, ...[1, 2, 3].flatMap((stack) => [stack * 2300, 32, stack * 4600, 32, 90 * stack]), 650].map(
    (parameters, index) => ({
      name: index < 2 || index > 16 ? `part${index}` : `stack${Math.ceil((index - 1) / 5)}.part${index}`,
      parameters,
      kept: 1,
      bits: 4,
      baselineBits: 32,
      detail: `${parameters} × 4.0 bits`,
      description: "",
    }),
  );

  it.each([288, 358, 712, 1192])("holds many layers in %i pixels, all seen, no name over another", (width) => {
    const chart = stripChart({ layers: many, description: "", heightLabel: "32 bits" }, { width, height: 122 });
    const blocks = byClass(chart, "strip-block");
    expect(blocks).toHaveLength(many.length);
    for (const block of blocks) {
      expect(Number(block.attributes.width)).toBeGreaterThanOrEqual(LEAST_WIDTH - 0.01);
      expect(Number(block.attributes.x) + Number(block.attributes.width)).toBeLessThanOrEqual(width + 0.01);
    }
    const names = all(chart, (node) => node.name === "text" && Number(node.attributes.y) > 100);
    const boxes = names.map((node) =>
      labelBox(node.children.join(""), {
        x: Number(node.attributes.x),
        y: 0,
        end: node.attributes["text-anchor"] ?? "start",
      }),
    );
    boxes.forEach((a, index) => {
      for (const b of boxes.slice(index + 1)) expect(a.left < b.right && b.left < a.right).toBe(false);
    });
  });

  it("names a stack once, under all of its layers", () => {
    const spans = stripSpans(many, stripBlocks(many, 1192, 96, 5));
    expect(spans.map((span) => span.name)).toEqual(["part0", "part1", "stack1", "stack2", "stack3", "part17"]);
    const third = stripBlocks(many, 1192, 96, 5).slice(12, 17);
    const last = third.at(-1);
    expect(spans[4]?.x).toBe(third[0]?.x);
    expect(spans[4]?.width).toBeCloseTo((last?.x ?? 0) + (last?.width ?? 0) - (third[0]?.x ?? 0), 6);
  });

  it("colours by the nearest width", () => {
    expect(["bits-32", "bits-8", "bits-4", "bits-2", "bits-2"]).toEqual([33, 8.2, 4.3, 2.1, 1].map(bitsTone));
  });
});
