// The table of distillation against the engine, its own words and its own cells.
import { expect, it } from "vitest";
import { engine, holdTable } from "../held.mjs";
import { missingOf } from "./missing.mjs";
import { page } from "./page.mjs";
import { cells, MODELS } from "./rows.mjs";
import { meanOf, pairedOf, signOf } from "./stats.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = holdTable("distillation", {
  page,
  cells,
  again: [
    "all t4 mlp16-digits 1",
    "few relational mlp8-digits 2",
    "all noise mlp8-digits 1",
    "few hint mlp16-fashion 1",
    "missing t4 mlp16-digits 1",
    "few by mlp16-digits mlp8-digits 3",
  ],
  more: missingOf,
  models: MODELS,
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
