/** Whole runs of the engine for unit tests, with the repository's own models and data. */

import { readFileSync } from "node:fs";
import * as wasm from "../engine/wasm/featherweight.js";
import { readsText } from "../state/choice";
import type { Recipe, Report, RunResult } from "../state/schema";
import { realCatalog } from "./catalog";

let engine: wasm.Engine | undefined;

/** Runs a recipe to its end; labels are those of its model's test split, none of text. */
export function realResult(recipe: Recipe): RunResult {
  const catalog = realCatalog();
  engine ??= new wasm.Engine();
  const own = engine;
  for (const { path } of own.needs(recipe))
    if (!own.has(path)) own.provide(path, readFileSync(new URL(`../../${path}`, import.meta.url)));
  const job = own.start(recipe);
  while (!job.advance(50_000_000).done);
  const report = job.report() as unknown as Report;
  const predictions = job.predictions();
  job.free();
  const set = catalog.models.find(({ id }) => id === recipe.model)?.data ?? "";
  const labels = readsText(recipe, catalog) ? new Uint8Array() : predictions.map((_, at) => own.label(set, "test", at));
  return { report, predictions, labels };
}

/** What a run came to. */
export function realRun(recipe: Recipe): Report {
  return realResult(recipe).report;
}
