import { describe, expect, it } from "vitest";
import { KEPT, OUT, PRUNED } from "../../charts/matrix";
import { Speech } from "../../i18n";
import { FIXED, type WeightInspection, type WeightMatrix } from "../../state/schema";
import { ranges } from "./numbers";
import { weightsData } from "./plots";
import { aligned, histograms, type LayerUnits, leaving, unitsOf } from "./units";

/** A weight of three outputs and four inputs; its outputs are the units of group 2. */
const before: WeightMatrix = {
  shape: new Uint32Array([3, 4]),
  values: new Float32Array([3, 4, 0, 0, 1, -1, 1, -1, 6, 0, 0, 8]),
  kept: undefined,
  origin: undefined,
  units: new Uint32Array([2, 0, 2, 1, 2, 2]),
};
/** Without output 1 and input 2, and with one more weight pruned. */
const after: WeightMatrix = {
  shape: new Uint32Array([2, 3]),
  values: new Float32Array([3, 4, 0, 0, 0, 7]),
  kept: new Uint8Array([1, 1, 1, 0, 1, 1]),
  origin: new Uint32Array([0, 1, 3, 8, 9, 11]),
  units: new Uint32Array([2, 0, 2, 1]),
};

describe("what is left of a layer", () => {
  it("stands in the places of the whole one", () => {
    const { values, states } = aligned(before, after);
    expect([...values]).toEqual([3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    expect([...states]).toEqual([KEPT, KEPT, OUT, KEPT, OUT, OUT, OUT, OUT, PRUNED, KEPT, OUT, KEPT]);
    expect(aligned(before, undefined).states.every((state) => state === OUT)).toBe(true);
    expect(aligned(before, before).states.every((state) => state === KEPT)).toBe(true);
  });

  it("is counted by units: norms as trained, and shares of what was not taken out with inputs", () => {
    const found = unitsOf("fc", before, after);
    expect(found.units).toEqual([
      { key: "2/0", of: "2", norm: 5, gone: false, share: 1 },
      { key: "2/1", of: "2", norm: 2, gone: true, share: 0 },
      { key: "2/2", of: "2", norm: 10, gone: false, share: 2 / 3 },
    ]);
    expect(found).toMatchObject({ weights: 12, left: 6, nonzero: 3, taken: 7, groups: [2] });
    expect(unitsOf("fc", before, undefined)).toMatchObject({ left: 0, taken: 12, nonzero: 0 });
    expect(unitsOf("fc", before, undefined).units.every(({ gone }) => gone)).toBe(true);
  });

  it("has one cell for outputs that go at once, and one of its own for an output that stays", () => {
    const heads = { ...before, units: new Uint32Array([0, 0, 0, 0, FIXED, FIXED]) };
    expect(unitsOf("qkv", heads, heads).units.map(({ key, norm }) => [key, norm])).toEqual([
      ["0/0", Math.sqrt(29)],
      ["qkv/2", 10],
    ]);
    // The outputs of an embedding are columns.
    const columns = { ...before, units: new Uint32Array(8).fill(FIXED) };
    expect(unitsOf("embedding", columns, columns).units.map(({ norm }) => norm ** 2)).toEqual(
      [46, 17, 1, 65].map((squares) => expect.closeTo(squares, 4)),
    );
  });
});

describe("the order in which units leave", () => {
  const layer = (name: string, units: readonly [string, number, boolean][]): LayerUnits => ({
    layer: name,
    weights: 1,
    left: 1,
    nonzero: 1,
    taken: 0,
    groups: [],
    units: units.map(([key, norm, gone]) => ({ key, of: key.split("/")[0] ?? "", norm, gone, share: 1 })),
  });

  it("begins in each layer with the least norm, and what goes together leaves at once", () => {
    const order = leaving([
      layer("a", [
        ["0/0", 8, true],
        ["0/1", 10, false],
        ["0/2", 3, true],
      ]),
      layer("b", [
        ["1/0", 50, true],
        ["1/1", 40, true],
        ["1/2", 60, true],
        ["1/3", 1, true],
      ]),
      // By the mean of both layers, 0.5 and 0.35, unit 2 is before unit 0; in this one it is the other way round.
      layer("c", [
        ["0/0", 2, true],
        ["0/2", 4, true],
        ["0/1", 10, false],
      ]),
    ]);
    expect(Object.fromEntries(order)).toEqual({ "0/2": 0.5, "0/0": 1, "1/3": 0.25, "1/1": 0.5, "1/0": 0.75, "1/2": 1 });
    expect(leaving([layer("a", [["0/0", 1, false]])]).size).toBe(0);
  });

  it("is said in ranges", () => {
    expect(ranges([0, 1, 2, 5, 7, 8])).toBe("0–2, 5, 7–8");
    expect(ranges([])).toBe("");
  });
});

describe("histograms of a pruned layer", () => {
  const sum = (counts: readonly number[]) => counts.reduce((all, each) => all + each, 0);

  it("count every weight before, and after it those that are left without pruned zeros", () => {
    const found = histograms(before, after, 1, 3);
    expect([found.low, found.high]).toEqual([-1, 8]);
    expect([sum(found.before), sum(found.after), found.taken]).toEqual([12, 5, 7]);
    // The second granule is output 2, of which two weights are left; they were 0 and 8.
    expect(sum(found.part)).toBe(2);
    expect(found.part.at(-1)).toBe(1);
    const zero = Math.floor((1 / 9) * 96);
    expect([found.before[zero], found.after[zero], found.part[zero]]).toEqual([4, 2, 1]);
    const same = histograms(
      { ...before, values: new Float32Array(12) },
      { ...before, values: new Float32Array(12) },
      0,
      4,
    );
    expect([sum(same.before), sum(same.after), same.taken]).toEqual([12, 12, 0]);
  });

  it("say how many were taken, and leave other layers to the engine's counts", () => {
    const weights = {
      granules: 2,
      each: 3,
      granule: 0,
      low: -5,
      high: 5,
      levels: [],
      latent: [1],
      stored: [2],
      own: [3],
    };
    const looked = { weights: weights as unknown as WeightInspection, layer: "fc", trained: false };
    const speech = new Speech("en");
    const pruned = weightsData({ ...looked, pair: { layer: "fc", before, after } }, speech);
    expect([pruned.low, pruned.words.before, pruned.words.after]).toEqual([-1, "as trained", "left; 7 pruned"]);
    expect(pruned.description).toContain("12 as trained, 5 that are left. 7 were pruned");
    for (const pair of [undefined, { layer: "fc", before, after: before }, { layer: "other", before, after }])
      expect(weightsData({ ...looked, pair }, speech)).toMatchObject({ low: -5, before: [1], after: [2], part: [3] });
  });
});
