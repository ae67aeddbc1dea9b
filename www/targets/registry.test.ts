import { describe, expect, it } from "vitest";
import { realCatalog, realRefusal } from "../testing/catalog";
import { readRegistry } from "./facts.mjs";
import { findTarget } from "./registry.mjs";

const registry = readRegistry();

describe("targets", () => {
  it("are those that a recipe may name, in the engine's order", () => {
    const { models } = realCatalog();
    const recipe = { version: 1 as const, model: models[0]?.id ?? "", seed: 1, steps: [] };
    const ids = registry.targets.map(({ id }) => id);
    expect(realRefusal({ ...recipe, targets: ids })).toBeUndefined();
    expect(realRefusal({ ...recipe, targets: ["none"] })?.allowed.split(", ")).toEqual(["this-browser", ...ids]);
  });

  it("have every number a model needs", () => {
    expect(registry.targets).toHaveLength(37);
    expect(new Set(registry.targets.map(({ id }) => id)).size).toBe(37);
    for (const target of registry.targets) {
      expect(target.bandwidth_gb_per_s, target.id).toBeGreaterThan(0);
      expect(target.mem_gb, target.id).toBeGreaterThan(0);
      expect(Math.max(...Object.values(target.peaks).map((peak) => peak ?? 0)), target.id).toBeGreaterThan(0);
    }
    const families = registry.targets.map(({ family }) => family);
    expect(registry.families.map(({ id }) => id).sort()).toEqual([...new Set(families)].sort());
    expect(() => findTarget(registry, "h100")).toThrow("h100_sxm");
  });
});
