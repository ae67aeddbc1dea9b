// The table of pruning against the engine, its own words and its own cells.
import { expect, it } from "vitest";
import { holdTable } from "../held.mjs";
import { page } from "./page.mjs";
import { cells, MODELS } from "./rows.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = holdTable("pruning", {
  page,
  cells,
  again: ["magnitude lenet300-fashion 90", "l1 lenet300-fashion 70"],
  models: MODELS,
});

it("says of the cells what they say", () => {
  const get = lookup(table);
  for (const [less, more] of CLAIMS) {
    expect(get(...more), `${less.join(" ")} against ${more.join(" ")}`).toBeGreaterThan(get(...less));
  }
});
