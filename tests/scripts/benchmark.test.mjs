import { expect, it } from "vitest";
import { benchmarkDoc } from "../../benches/doc.mjs";

it("the benchmark's table in the docs is the newest record's", () => {
  const { doc, made } = benchmarkDoc();
  expect(doc).toBe(made);
});
