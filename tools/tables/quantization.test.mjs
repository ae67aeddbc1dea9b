// The table of quantization methods against the engine, its own words and its own cells.
import { expect, it } from "vitest";
import { holdTable } from "./held.mjs";
import { page } from "./page.mjs";
import { cells, MODELS } from "./rows.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = holdTable("quantization", {
  page,
  cells,
  again: [
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
  ],
  models: MODELS,
});

it("says of the cells what they say", () => {
  const get = lookup(table);
  for (const [less, more, by] of CLAIMS) {
    expect(get(...more) - get(...less), `${less.join(" ")} against ${more.join(" ")}`).toBeGreaterThan(by);
  }
});
