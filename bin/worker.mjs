// One thread of a sweep: recipes in, reports out. Anything but the core's own errors means its engine is spent.
import { parentPort } from "node:worker_threads";
import { loadEngine } from "./engine.mjs";
import { isCoreError } from "./words.mjs";

const engine = await loadEngine();

parentPort.on("message", (recipe) => {
  try {
    const { job } = engine.finish(recipe);
    const report = engine.report(job);
    job.free();
    parentPort.postMessage({ report });
  } catch (error) {
    if (isCoreError(error)) parentPort.postMessage({ error: { ...error } });
    else parentPort.postMessage({ crash: error instanceof Error ? error.message : String(error) });
  }
});
