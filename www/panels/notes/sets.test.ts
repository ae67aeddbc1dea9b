import { describe, expect, it } from "vitest";
import { realCatalog } from "../../testing/catalog";
import { OPTIONAL_SETS, optionalSets, readSets } from "./sets";

describe("data sets spoken of", () => {
  const catalog = realCatalog();
  const first = catalog.data[0];
  if (!first) throw new Error("the catalog has no data");
  const whole = { ...first, id: "whole-training-set", splits: { train: 58_000 } };
  const [optional] = OPTIONAL_SETS;
  const packed = { ...first, id: optional, splits: { train: 10, test: 10_000 } };

  it("are those a model reads, and none without test images", () => {
    const read = readSets({ ...catalog, data: [...catalog.data, whole, packed] }).map((set) => set.id);
    expect(read).toEqual([...new Set(catalog.models.map((model) => model.data))].sort());
    expect(readSets({ models: [{ ...catalog.models[0], data: whole.id }] as never, data: [whole] })).toEqual([]);
  });

  it("name optional sets as present once they are packed, and no longer as absent", () => {
    expect(optionalSets(catalog)).toEqual({ present: [], absent: [...OPTIONAL_SETS] });
    const found = optionalSets({ ...catalog, data: [...catalog.data, packed] });
    expect(found.present).toEqual([optional]);
    expect(found.absent).not.toContain(optional);
  });
});
