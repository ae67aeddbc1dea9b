// The table of distillation against the engine, its own words and its own cells.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadEngine } from "../../../bin/engine.mjs";
import { root } from "../../setup/lib.mjs";
import { nameOf, pageOf, readTable, recipeKey, resultOf } from "../cells.mjs";
import { missingOf } from "./missing.mjs";
import { page } from "./page.mjs";
import { cells, MODELS } from "./rows.mjs";
import { meanOf, pairedOf, signOf } from "./stats.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = readTable("distillation");
const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));
const all = cells();
const engine = await loadEngine();

it("the page is what the cells look like", () => {
  expect(readFileSync(join(root, pageOf("distillation")), "utf8")).toBe(page(table));
});

it("cells are of the rows there are, and of their recipes", () => {
  const wanted = new Map(all.map((cell) => [nameOf(cell), recipeKey(cell.recipe)]));
  expect(wanted.size).toBe(all.length);
  expect(known.size).toBe(all.length);
  for (const cell of table.cells) expect(cell.recipe, nameOf(cell)).toBe(wanted.get(nameOf(cell)));
});

it("says of the cells what they say", () => {
  const get = lookup(table);
  for (const [less, more, model] of CLAIMS) {
    expect(signOf(pairedOf(get(more, model), get(less, model))), `${model}: ${less} against ${more}`).toBe(1);
  }
});

it("softened probabilities are those of divided logits", () => {
  const { job } = engine.finish({ version: 1, model: "mlp-digits", seed: 1, data: { test: 8 }, steps: [] });
  const pixels = engine.engine.image("digits", "test", 3);
  const [plain, soft] = [undefined, 4].map((temperature) => [...job.probabilities(pixels, temperature)]);
  job.free();
  const terms = plain.map((p) => p ** (1 / 4));
  const sum = terms.reduce((a, b) => a + b);
  expect(Math.max(...soft)).toBeLessThan(Math.max(...plain));
  soft.forEach((p, i) => {
    expect(p).toBeCloseTo(terms[i] / sum, 4);
  });
});

it("intervals are Student's", () => {
  // Values 1 to 5: mean 3, standard deviation √2.5, half of the interval 2.776 · √(2.5 / 5).
  const { mean, half } = meanOf([1, 2, 3, 4, 5]);
  expect([mean, half]).toEqual([3, expect.closeTo(1.963, 3)]);
  expect(signOf(meanOf([1, 2, 3, 4, 5]))).toBe(1);
  expect(signOf(pairedOf([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]))).toBe(0);
});

describe("cells computed again, on the whole test split", () => {
  it.each([
    "all t4 mlp16-digits 1",
    "few relational mlp8-digits 2",
    "all noise mlp8-digits 1",
    "few hint mlp16-fashion 1",
    "missing t4 mlp16-digits 1",
    "few by mlp16-digits mlp8-digits 3",
  ])(
    "%s",
    async (name) => {
      const cell = all.find((each) => nameOf(each) === name);
      const { job } = engine.finish(cell.recipe);
      const answer = job.report();
      job.free();
      const found = { ...resultOf(cell, answer), ...(await missingOf(cell)) };
      expect({ ...found, numerics: 0 }).toEqual({ ...known.get(name), numerics: 0 });
    },
    240_000,
  );

  it("and what the teachers reach", () => {
    const { models } = JSON.parse(readFileSync(join(root, "models/manifest.json"), "utf8"));
    for (const model of MODELS) {
      const { correct, total } = table.baselines[model];
      expect({ correct, total }, model).toEqual({ correct: models[model].correct, total: models[model].total });
    }
  });
});
