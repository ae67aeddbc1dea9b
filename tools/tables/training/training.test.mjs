// The table of training against the engine, its own words and its own cells.
import { expect, it } from "vitest";
import { holdTable } from "../held.mjs";
import { recordOf } from "./more.mjs";
import { page } from "./page.mjs";
import { cells } from "./rows.mjs";
import { CLAIMS, lookup } from "./text.mjs";

const table = holdTable("training", {
  page,
  cells,
  again: [
    "numbers pure-fp16 lenet5-fashion 1",
    "numbers amp-fp16 mlp-digits 2",
    "numbers int8 mlp-digits 1",
    "messages top-1 mlp-digits 3",
    "messages qsgd-4 mlp-digits 1",
  ],
  more: (_, answer) => recordOf(answer),
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
