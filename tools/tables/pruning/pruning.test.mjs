// The table of pruning against the engine, its own words and its own cells.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadEngine } from "../../../bin/engine.mjs";
import { root } from "../../setup/lib.mjs";
import { nameOf, pageOf, readTable, recipeKey, resultOf } from "../cells.mjs";
import { page } from "./page.mjs";
import { cells, MODELS } from "./rows.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = readTable("pruning");
const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));
const all = cells();
const engine = await loadEngine();

it("the page is what the cells look like", () => {
  expect(readFileSync(join(root, pageOf("pruning")), "utf8")).toBe(page(table));
});

it("cells are of the rows there are, and of their recipes", () => {
  const wanted = new Map(all.filter(({ recipe }) => recipe).map((cell) => [nameOf(cell), recipeKey(cell.recipe)]));
  expect(table.cells.length).toBeGreaterThan(50);
  expect(known.size).toBe(table.cells.length);
  for (const cell of table.cells) expect(cell.recipe, nameOf(cell)).toBe(wanted.get(nameOf(cell)));
});

it("says of the cells what they say", () => {
  const get = lookup(table);
  for (const [less, more] of CLAIMS) {
    expect(get(...more), `${less.join(" ")} against ${more.join(" ")}`).toBeGreaterThan(get(...less));
  }
});

describe("cells computed again, on the whole test split", () => {
  it.each(["magnitude lenet300-fashion 90", "l1 lenet300-fashion 70"])(
    "%s",
    async (name) => {
      const cell = all.find((each) => nameOf(each) === name);
      const { job } = engine.finish(cell.recipe);
      const answer = job.report();
      job.free();
      expect({ ...resultOf(cell, answer), numerics: 0 }).toEqual({ ...known.get(name), numerics: 0 });
    },
    240_000,
  );

  it("and what the networks reach whole", () => {
    const { models } = JSON.parse(readFileSync(join(root, "models/manifest.json"), "utf8"));
    for (const model of MODELS) {
      const { correct, total } = table.baselines[model];
      expect({ correct, total }, model).toEqual({ correct: models[model].correct, total: models[model].total });
    }
  });
});
