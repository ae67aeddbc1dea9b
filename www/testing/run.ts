/** Whole runs of the engine for unit tests, with the repository's own models and data. */

import { readFileSync } from "node:fs";
import * as wasm from "../engine/wasm/featherweight.js";
import type { Recipe, Report } from "../state/schema";
import { realCatalog } from "./catalog";

let engine: wasm.Engine | undefined;

/** Runs a recipe to its end. */
export function realRun(recipe: Recipe): Report {
  realCatalog();
  engine ??= new wasm.Engine();
  for (const { path } of engine.needs(recipe))
    if (!engine.has(path)) engine.provide(path, readFileSync(new URL(`../../${path}`, import.meta.url)));
  const job = engine.start(recipe);
  while (!job.advance(50_000_000).done);
  const report = job.report() as unknown as Report;
  job.free();
  return report;
}
