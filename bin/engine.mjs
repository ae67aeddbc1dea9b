// The page's own WebAssembly engine, in Node: files come from this package's folder.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startOf, thisBrowser } from "../www/engine/timing.mjs";
import { readConstants, readRegistry } from "../www/targets/facts.mjs";
import { findTarget } from "../www/targets/registry.mjs";
import { targetEntry } from "../www/targets/report.mjs";
import { Failed } from "./words.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "www", "engine", "wasm");

/** Multiply-adds between two looks at the clock; only how often progress is said depends on it. */
const BUDGET_MACS = 50_000_000;
const SAY_MS = 200;
const LOCAL = "data/local/manifest.json";
const HERE = "this-browser";

/** Loads the engine; throws one clear line when it is not built. */
export async function loadEngine() {
  const glue = join(folder, "featherweight.js");
  const wasm = join(folder, "featherweight_bg.wasm");
  if (!existsSync(glue) || !existsSync(wasm)) throw new Failed("the engine is not built: run `npm run build` first");
  const core = await import(pathToFileURL(glue));
  core.initSync({ module: readFileSync(wasm) });
  return new NodeEngine(core);
}

class NodeEngine {
  constructor(core) {
    this.core = core;
    this.engine = new core.Engine();
    // Data sets packed on this machine, where there are any.
    if (existsSync(join(root, LOCAL))) this.engine.addManifest(LOCAL, readFileSync(join(root, LOCAL), "utf8"));
  }

  /** Runs a recipe to its end; `say` hears how far it is. With `sensitivity`, judges its layers instead. Answers the finished job, to be freed by the caller. */
  finish(recipe, { say = () => {}, evaluate = true, sensitivity } = {}) {
    const { bits, sparsities, images } = sensitivity ?? {};
    const asked = [recipe, bits, sparsities, images];
    const needs = sensitivity ? this.engine.sensitivityNeeds(...asked) : this.engine.needs(recipe);
    for (const { path } of needs) this.provide(path);
    const start = () => (evaluate ? this.engine.start(recipe) : this.engine.prepare(recipe));
    const job = sensitivity ? this.engine.sensitivity(...asked) : start();
    const times = {};
    let said = 0;
    for (;;) {
      const from = performance.now();
      const progress = job.advance(BUDGET_MACS);
      const now = performance.now();
      times[progress.phase] = (times[progress.phase] ?? 0) + now - from;
      if (now - said >= SAY_MS || progress.done) {
        said = now;
        say(progress);
      }
      if (progress.done) return { job, times };
    }
  }

  /** The report of a finished job, with an entry for each target that the recipe asks for: `this-browser` timed, the others modelled. */
  report(job) {
    const report = job.report();
    const asked = report.recipe.targets ?? [];
    if (asked.length === 0) return report;
    const model = this.engine.catalog().models.find(({ id }) => id === report.recipe.model);
    const modelled = asked.some((id) => id !== HERE);
    if (modelled && !model)
      throw new Failed(`${report.recipe.model} has no trained weights, so its layers are not in the catalog to model`);
    const [registry, fitted] = modelled ? [readRegistry(), readConstants()] : [];
    const targets = asked.map((id) =>
      id === HERE ? this.timed(report, job) : targetEntry(findTarget(registry, id), report, model, fitted),
    );
    return { ...report, targets };
  }

  /** The entry of `this-browser`. */
  timed(report, job) {
    const { job: baseline } = this.finish(startOf(report.recipe), { evaluate: false });
    const timing = thisBrowser(job, baseline, () => performance.now());
    let next = timing.next();
    while (!next.done) next = timing.next();
    baseline.free();
    return next.value;
  }

  provide(path) {
    if (this.engine.has(path)) return;
    const file = join(root, path);
    if (!existsSync(file)) throw { code: "asset", path, found: "", allowed: "" };
    this.engine.provide(path, readFileSync(file));
  }
}
