// What holds every table: its page, its cells, and some of them computed again.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadEngine } from "../../bin/engine.mjs";
import { root } from "../setup/lib.mjs";
import { nameOf, pageOf, readTable, recipeKey, resultOf } from "./cells.mjs";

export const engine = await loadEngine();

/** The engine's report, or why it refuses the recipe. */
function answerTo(recipe) {
  try {
    const { job } = engine.finish(recipe);
    const report = job.report();
    job.free();
    return report;
  } catch (error) {
    return { error: { ...error } };
  }
}

/**
 * Declares the tests of the table of a name, by its `page` and its rows' `cells`: those named in `again` are computed anew, with what
 * `more(cell, answer)` adds to their results; what `models` reach by themselves is what the manifest says. Returns the table.
 */
export function holdTable(name, { page, cells, again, more = () => ({}), models = [] }) {
  const table = readTable(name);
  const all = cells();
  const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));

  it("the page is what the cells look like", () => {
    expect(readFileSync(join(root, pageOf(name)), "utf8")).toBe(page(table));
  });

  it("cells are of the rows there are, and of their recipes", () => {
    const own = all.filter(({ recipe }) => recipe);
    const wanted = new Map(own.map((cell) => [nameOf(cell), recipeKey(cell.recipe)]));
    expect(wanted.size).toBe(own.length);
    expect(table.cells.length).toBe(own.length);
    expect(new Map(table.cells.map((cell) => [nameOf(cell), cell.recipe]))).toEqual(wanted);
  });

  describe("cells computed again, on the whole test split", () => {
    it.each(again)(
      "%s",
      async (each) => {
        const cell = all.find((other) => nameOf(other) === each);
        const answer = answerTo(cell.recipe);
        const found = { ...resultOf(cell, answer), ...(await more(cell, answer)) };
        // The version of the numerics may have moved on without this result having changed.
        expect({ ...found, numerics: 0 }).toEqual({ ...known.get(each), numerics: 0 });
      },
      240_000,
    );

    if (models.length === 0) return;
    it("and what the networks reach whole", () => {
      const { models: manifest } = JSON.parse(readFileSync(join(root, "models/manifest.json"), "utf8"));
      for (const model of models) {
        const { correct, total } = table.baselines[model];
        expect({ correct, total }, model).toEqual({ correct: manifest[model].correct, total: manifest[model].total });
      }
    });
  });
  return table;
}
