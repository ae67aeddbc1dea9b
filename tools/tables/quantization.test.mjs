// The table of quantization methods against the engine, its own words and its own cells.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadEngine } from "../../bin/engine.mjs";
import { root } from "../setup/lib.mjs";
import { nameOf, pageOf, readTable, recipeKey, resultOf } from "./cells.mjs";
import { page } from "./page.mjs";
import { cells, MODELS } from "./rows.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = readTable("quantization");
const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));
const all = cells();
const engine = await loadEngine();

it("the page is what the cells look like", () => {
  expect(readFileSync(join(root, pageOf("quantization")), "utf8")).toBe(page(table));
});

it("cells are of the rows there are, and of their recipes", () => {
  const wanted = new Map(all.filter(({ recipe }) => recipe).map((cell) => [nameOf(cell), recipeKey(cell.recipe)]));
  expect(table.cells.length).toBeGreaterThan(100);
  expect(known.size).toBe(table.cells.length);
  for (const cell of table.cells) expect(cell.recipe, nameOf(cell)).toBe(wanted.get(nameOf(cell)));
});

it("says of the cells what they say", () => {
  const get = lookup(table);
  for (const [less, more, by] of CLAIMS) {
    expect(get(...more) - get(...less), `${less.join(" ")} against ${more.join(" ")}`).toBeGreaterThan(by);
  }
});

describe("cells computed again, on the whole test split", () => {
  const again = [
    "nearest-tensor lenet5-fashion 3",
    "mse-channel lenet5-fashion 2",
    "equalize-bias-tensor lenet5-fashion 3",
    "bits lenet5-fashion 3",
    "hadamard-channel lenet5-fashion 3",
    "gptq lenet5-fashion 3",
    "awq-gptq lenet5-fashion 3",
    "hqq lenet5-fashion 2",
    "kmeans lenet5-fashion 4",
    "smoothquant-gptq-a8 lenet5-fashion 4",
    "fold-tensor mobilenet-fashion 4",
    "equalize-tensor transformer-shakespeare 4",
  ];
  it.each(again)(
    "%s",
    async (name) => {
      const cell = all.find((each) => nameOf(each) === name);
      let answer;
      try {
        const { job } = engine.finish(cell.recipe);
        answer = job.report();
        job.free();
      } catch (error) {
        answer = { error: { ...error } };
      }
      // The version of the numerics may have moved on without this result having changed.
      expect({ ...resultOf(cell, answer), numerics: 0 }).toEqual({ ...known.get(name), numerics: 0 });
    },
    120_000,
  );

  it("and what the networks reach in f32", () => {
    const { models } = JSON.parse(readFileSync(join(root, "models/manifest.json"), "utf8"));
    for (const model of MODELS) {
      const { correct, total } = table.baselines[model];
      expect({ correct, total }, model).toEqual({ correct: models[model].correct, total: models[model].total });
    }
  });
});
