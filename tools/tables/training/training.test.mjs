// The table of training against the engine, its own words and its own cells.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadEngine } from "../../../bin/engine.mjs";
import { root } from "../../setup/lib.mjs";
import { nameOf, pageOf, readTable, recipeKey, resultOf } from "../cells.mjs";
import { recordOf } from "./more.mjs";
import { page } from "./page.mjs";
import { cells } from "./rows.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = readTable("training");
const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));
const all = cells();
const engine = await loadEngine();

it("the page is what the cells look like", () => {
  expect(readFileSync(join(root, pageOf("training")), "utf8")).toBe(page(table));
});

it("cells are of the rows there are, and of their recipes", () => {
  const wanted = new Map(all.map((cell) => [nameOf(cell), recipeKey(cell.recipe)]));
  expect(wanted.size).toBe(all.length);
  expect(known.size).toBe(all.length);
  for (const cell of table.cells) expect(cell.recipe, nameOf(cell)).toBe(wanted.get(nameOf(cell)));
});

it("says of the cells what they say, with every seed", () => {
  const get = lookup(table);
  for (const [less, more, model] of CLAIMS) {
    const others = get(more, model);
    for (const [i, correct] of get(less, model).entries()) {
      expect(correct, `${model}: ${less} against ${more}, seed ${i + 1}`).toBeLessThan(others[i]);
    }
  }
});

describe("cells computed again, on the whole test split", () => {
  it.each([
    "numbers pure-fp16 lenet5-fashion 1",
    "numbers amp-fp16 mlp-digits 2",
    "numbers int8 mlp-digits 1",
    "messages top-1 mlp-digits 3",
    "messages qsgd-4 mlp-digits 1",
  ])(
    "%s",
    (name) => {
      const cell = all.find((each) => nameOf(each) === name);
      const { job } = engine.finish(cell.recipe);
      const answer = job.report();
      job.free();
      expect({ ...resultOf(cell, answer), ...recordOf(answer), numerics: 0 }).toEqual({
        ...known.get(name),
        numerics: 0,
      });
    },
    240_000,
  );
});
