import { describe, expect, it } from "vitest";
import { DEFAULT_CHOICE } from "../../state/choice";
import type { SensitivityRow } from "../../state/schema";
import { realCatalog } from "../../testing/catalog";
import { askedOf, darkness, floatRecipe, heatRecipe, heatTable, imagesOf } from "./heat";
import { bytesIn, type LayerRow, largest, rowsOf, sortLayers } from "./layers";
import { codeWords, decibels, exact, hex, short } from "./numbers";

const NO_BYTES = {
  values: 0,
  scales: 0,
  zero_points: 0,
  indices: 0,
  masks: 0,
  codebooks: 0,
  biases: 0,
  padding: 0,
  other: 0,
};

function layer(name: string, change: Partial<LayerRow> = {}): LayerRow {
  return {
    kept: undefined,
    wholeMacs: undefined,
    ms: undefined,
    layer: name,
    op: "linear",
    format: "int4",
    input_format: "int8",
    bits_per_weight: 4,
    ledger: { ...NO_BYTES, values: 100 },
    macs: 10,
    low: -1,
    high: 1,
    weight_sqnr_db: 20,
    output_sqnr_db: 18,
    input_low: 0,
    input_high: 1,
    inputs: [],
    rounded: [],
    input_levels: [],
    input_zeros: 0,
    ...change,
  };
}

describe("the table of layers", () => {
  const layers = [
    layer("conv2", { macs: 7, output_sqnr_db: null }),
    layer("bn", { format: "", ledger: { ...NO_BYTES, other: 64 } }),
    layer("conv10", { ledger: { ...NO_BYTES, values: 900, scales: 8 }, macs: 7, output_sqnr_db: 3 }),
  ];
  const names = (column: Parameters<typeof sortLayers>[1]["column"], descending = false) =>
    sortLayers(layers, { column, descending }).map((each) => each.layer);

  it("sorts numbers as numbers, keeps equals in their order and puts what has none last", () => {
    expect(names(undefined)).toEqual(["conv2", "bn", "conv10"]);
    expect(names("layer")).toEqual(["bn", "conv2", "conv10"]);
    expect(names("bytes", true)).toEqual(["conv10", "conv2", "bn"]);
    expect(names("macs")).toEqual(["conv2", "conv10", "bn"]);
    expect(names("bits", true)).toEqual(["conv2", "conv10", "bn"]);
    expect(names("bits")).toEqual(["conv2", "conv10", "bn"]);
    // What is exact has the least noise of all.
    expect(names("output", true)[0]).toBe("conv2");
  });

  it("says of each layer what it was before, and how long it took", () => {
    const units = [{ layer: "conv2", weights: 8, left: 6, nonzero: 4, taken: 4, groups: [], units: [] }];
    const model = realCatalog().models.find(({ id }) => id === "lenet5-fashion");
    const macs = model?.layers.find(({ name }) => name === "conv2")?.macs ?? 0;
    const rows = rowsOf(layers, units, model, new Map([["conv10", 0.5]]));
    expect(rows[0]).toMatchObject({ kept: { nonzero: 4, whole: 8 }, wholeMacs: macs, ms: undefined });
    expect(rows[2]).toMatchObject({ kept: undefined, wholeMacs: undefined, ms: 0.5 });
    expect(rowsOf([layer("conv2", { macs })], [], model, undefined)[0]?.wholeMacs).toBeUndefined();
    expect(sortLayers(rows, { column: "time", descending: true })[0]?.layer).toBe("conv10");
    expect(sortLayers(rows, { column: "kept", descending: false })[0]?.layer).toBe("conv2");
  });

  it("begins with the layer of most bytes that has a weight", () => {
    expect(largest(layers)?.layer).toBe("conv10");
    expect(largest([layer("bn", { format: "" })])).toBeUndefined();
    // Positions that an embedding keeps in f32 are none of its weight.
    const embedding = layer("embedding", { ledger: { ...NO_BYTES, values: 5, other: 5000 } });
    expect(largest([embedding, ...layers])?.layer).toBe("conv10");
    expect(bytesIn({ ...NO_BYTES, values: 3, zero_points: 2, padding: 1 })).toBe(6);
  });
});

describe("which layer hurts", () => {
  const row = (name: string, bits: number, correct: number): SensitivityRow => ({
    layer: name,
    mode: "only",
    bits,
    correct,
    total: 500,
    top1: correct / 500,
    loss: 1,
    sqnr_db: bits * 6,
  });
  const heat = { float: 450, rows: [row("a", 8, 451), row("a", 2, 400), row("b", 8, 450), row("b", 2, 425)] };

  it("is a row of cells for each layer, the darkest where most is lost", () => {
    const table = heatTable(heat);
    expect(table.map((each) => each.layer)).toEqual(["a", "b"]);
    expect(table[0]?.cells.map((cell) => cell.lost)).toEqual([-1, 50]);
    const dark = table.flatMap(({ cells }) => cells.map((cell) => darkness(cell, 50, "answers")));
    expect(dark).toEqual([0, 1, 0, 0.5]);
    const noise = table.flatMap(({ cells }) => cells.map((cell) => darkness(cell, 50, "sqnr")));
    expect(noise).toEqual([0, 0.7, 0, 0.7]);
  });

  it("asks of pruning by the recipe's own score, and the same at every share, width and training", () => {
    const catalog = realCatalog();
    const plain = { ...DEFAULT_CHOICE, weights: "fp32", activations: "none" };
    expect(heatRecipe(DEFAULT_CHOICE, catalog, "sparsity").steps).toEqual([]);
    const asked = heatRecipe({ ...plain, pattern: "unstructured", score: "wanda" }, catalog, "sparsity");
    expect(asked.steps).toMatchObject([{ prune: { method: "wanda", sparsity: 0.8 } }]);
    const changed = {
      ...DEFAULT_CHOICE,
      pattern: "unstructured",
      score: "wanda",
      sparsity: 95,
      tuned: 2,
      storage: "csr5",
    };
    expect(heatRecipe(changed, catalog, "sparsity").steps).toEqual(asked.steps);
    for (const change of [{ pattern: "channel" }, { pattern: "input" }, { pattern: "nm" }])
      expect(heatRecipe({ ...plain, ...change }, catalog, "sparsity").steps).toEqual([]);
    expect(askedOf("sparsity").sparsities?.at(-1)).toBe(0.95);
    const shares = heatTable({
      float: 10,
      rows: [{ ...row("a", 8, 7), bits: undefined as unknown as number, sparsity: 0.9 }],
    });
    expect(shares[0]?.cells[0]).toMatchObject({ at: 0.9, lost: 3 });
  });

  it("asks the same whatever the width of the weights and of the inputs", () => {
    const catalog = realCatalog();
    const asked = heatRecipe(DEFAULT_CHOICE, catalog);
    for (const change of [
      { weights: "int2" },
      { weights: "nf4" },
      { activations: "int4" },
      { count: 1000 },
      { epochs: 2 },
    ])
      expect(heatRecipe({ ...DEFAULT_CHOICE, ...change }, catalog)).toEqual(asked);
    expect(heatRecipe({ ...DEFAULT_CHOICE, granularity: "tensor" }, catalog)).not.toEqual(asked);
    const images = imagesOf(DEFAULT_CHOICE, catalog);
    expect(floatRecipe(DEFAULT_CHOICE, catalog)).toMatchObject({
      steps: [],
      data: { split: "validation", count: images },
    });
    expect(images).toBe(200);
    expect(imagesOf({ ...DEFAULT_CHOICE, model: "transformer-shakespeare" }, catalog)).toBeLessThan(100);
  });
});

describe("numbers", () => {
  it("are short, with true minus signs", () => {
    expect([0, -0.123456, 1234567, 0.00002, -4.5e-8, 12].map((value) => short(value))).toEqual([
      "0",
      "−0.123",
      "1.23×10⁶",
      "2×10⁻⁵",
      "−4.5×10⁻⁸",
      "12",
    ]);
  });

  it("tell an f32 from its neighbours", () => {
    for (const value of [0.1, 1 / 3, -2.5, 1e-30, 16_777_217, 0]) {
      const single = Math.fround(value);
      expect(Math.fround(Number(exact(single).replaceAll("−", "-")))).toBe(single);
    }
    expect(exact(Math.fround(0.1))).toBe("0.1");
  });

  it("write codes as they are stored", () => {
    expect([decibels(-0.44, 1), decibels(17.6, 0)]).toEqual(["−0.4", "18"]);
    expect([hex(7), hex(255), codeWords(5, 4), codeWords(1, 32)]).toEqual(["07", "ff", "0101", "0x00000001"]);
  });
});
