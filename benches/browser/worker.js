// The worker of the benchmark: us and the peers in one thread of one browser, asked one question at a time.
import * as glue from "/www/engine/wasm/featherweight.js";
import { contest } from "./contest.mjs";
import { evaluation, networks, training } from "./jobs.mjs";
import * as ort from "./ort.mjs";
import * as tfjs from "./tfjs.mjs";

const parts = { glue, ort, tfjs, kernel: "" };

async function load() {
  // As the page does: the build for this browser, and the kernel that is faster in it.
  const { chooseKernel, hasRelaxedSimd } = await import("/target/bench/engine.mjs");
  const build = hasRelaxedSimd((bytes) => WebAssembly.validate(bytes)) ? "featherweight_relaxed_bg" : "featherweight_bg";
  await glue.default({ module_or_path: fetch(`/www/engine/wasm/${build}.wasm`) });
  const kernel = chooseKernel(glue, () => performance.now());
  parts.kernel = kernel;
  await ort.loadOrt();
  await tfjs.loadTfjs();
  return { isolated: crossOriginIsolated, engine: glue.identity().engine, build, kernel };
}

const QUESTIONS = {
  load,
  contest: (data) => contest(parts, data),
  training: (data) => training(parts, data),
  evaluation: (data) => evaluation(parts, data),
  networks: (data) => networks(parts, data),
};

self.onmessage = async ({ data: { id, question, data } }) => {
  try {
    self.postMessage({ id, result: await QUESTIONS[question](data) });
  } catch (error) {
    const found = error instanceof Error ? `${error.message}\n${error.stack}` : JSON.stringify(error);
    self.postMessage({ id, error: `${question} ${JSON.stringify(data)}: ${found}` });
  }
};
