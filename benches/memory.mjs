// npm run memory: the WebAssembly memory, which never shrinks, of a worker that has evaluated or trained each network of the zoo;
// the table of docs/ARCHITECTURE.md. Work is counted in multiply-adds, not in time, so that a run gives the same figures.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { loadEngine } from "../bin/engine.mjs";
import { ensureEngine } from "../tools/setup/all.mjs";
import { main } from "../tools/setup/lib.mjs";

const IMAGES = 300;
const STEPS = 5;
const BATCH = 64;

/** MiB of an instance of its own after `kind` of work. */
const measure = (model, kind) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { model, kind } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });

async function work({ model, kind }) {
  const node = await loadEngine();
  const { engine } = node;
  const { memory } = node.core.initSync();
  const { macs } = engine.catalog().models.find(({ id }) => id === model);
  if (kind === "evaluation") node.finish({ version: 1, model, seed: 1, data: { test: IMAGES }, steps: [] });
  else {
    const train = { epochs: 1, batch: BATCH, optimizer: "adam" };
    const recipe = { version: 1, model, seed: 1, data: { validation: 8 }, steps: [{ train }] };
    for (const { path } of engine.needs(recipe)) node.provide(path);
    const job = engine.start(recipe);
    // The evaluation before it, then so many steps, forward once and backward twice.
    const wanted = (8 + 3 * STEPS * BATCH) * macs;
    for (let progress = job.advance(macs); progress.done_macs < wanted && !progress.done; progress = job.advance(macs));
  }
  parentPort.postMessage(memory.buffer.byteLength / 2 ** 20);
}

if (isMainThread) {
  await main(async () => {
    await ensureEngine();
    const { engine } = await loadEngine();
    console.log("\n| Network | Evaluation | Training |\n|---|---|---|");
    for (const { id, data } of engine.catalog().models) {
      if (data === "cifar10") continue;
      const [evaluation, training] = [await measure(id, "evaluation"), await measure(id, "training")];
      console.log(`| ${id} | ${evaluation.toFixed(1)} | ${training.toFixed(1)} |`);
    }
  });
} else await work(workerData);
