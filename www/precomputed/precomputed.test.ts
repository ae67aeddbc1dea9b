import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as wasm from "../engine/wasm/featherweight.js";
import { paintLanguage, paintPage } from "../first-paint";
import { LANGUAGES, type Language } from "../i18n";
import { allWidths, choiceKey, DEFAULT_CHOICE, recipeOf } from "../state/choice";
import { type Precomputed, precomputedRuns } from "../state/precomputed";
import type { Report } from "../state/schema";
import { realCatalog } from "../testing/catalog";
import file from "./default.json";

const precomputed = file as unknown as Precomputed;
const catalog = realCatalog();
const root = new URL("../../", import.meta.url);

/** Runs a recipe to its end in this thread. */
function run(recipe: unknown): Report {
  const engine = new wasm.Engine();
  for (const { path } of engine.needs(recipe)) {
    if (!engine.has(path)) engine.provide(path, readFileSync(new URL(path, root)));
  }
  const job = engine.start(recipe);
  while (!job.advance(500_000_000).done);
  return job.report() as unknown as Report;
}

describe("the precomputed curve", () => {
  it("is of this engine and holds exactly what All widths would run", () => {
    expect({ engine: precomputed.engine, numerics: precomputed.numerics }).toEqual({
      engine: catalog.engine,
      numerics: catalog.numerics,
    });
    const keys = precomputedRuns(precomputed).map(({ choice }) => choiceKey(choice));
    expect(keys.sort()).toEqual(allWidths(DEFAULT_CHOICE, catalog).map(choiceKey).sort());
  });

  it.each(["fp32", "int4", "ternary", "binary"])(
    "%s is what the engine computes, bit for bit",
    { timeout: 60_000 },
    (format) => {
      const index = precomputed.runs.findIndex((entry) => entry.format === format);
      const { choice, outcome } = precomputedRuns(precomputed)[index] ?? {};
      if (!choice || !outcome) throw new Error(`${format} is missing`);
      const report = run(recipeOf(choice, catalog));
      const { accuracy, size, layers, digests } = report;
      expect(JSON.parse(JSON.stringify({ accuracy, size, layers, digests }))).toEqual(outcome);
    },
  );
});

describe("the first paint", () => {
  it.each(Object.keys(LANGUAGES) as Language[])("says the real numbers in %s", (language) => {
    const { hero, chart, strip } = paintLanguage(precomputed, language);
    const four = precomputed.runs.find((entry) => entry.format === "int4");
    const full = precomputed.runs.find((entry) => entry.format === "fp32");
    if (!four || !full) throw new Error("the curve lacks its ends");
    expect(hero).toContain(String(full.accuracy.correct - four.accuracy.correct));
    expect(hero).toContain(String(Math.round(four.size.bytes / 1000)));
    expect(chart.match(/data-key=/g)).toHaveLength(precomputed.runs.length);
    expect(strip.match(/strip-block/g)).toHaveLength(full.layers.length);
    expect(hero + chart + strip).not.toMatch(/undefined|NaN/);
  });

  it("fills every mark of index.html", () => {
    const page = paintPage(readFileSync(new URL("index.html", root), "utf8"), precomputed);
    expect(page).not.toContain("first-paint");
    expect(page.match(/<h1/g)).toHaveLength(Object.keys(LANGUAGES).length);
  });
});
