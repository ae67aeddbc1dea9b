// Rows that are whole recipes, or the page, rather than calls of a kernel.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { buildPage, dist } from "../tools/setup/page.mjs";
import { serve } from "../tools/setup/serve.mjs";
import { engineBytes } from "../tools/setup/size.mjs";
import { HALF } from "../tools/tables/pruning/rows.mjs";
import { breakEven } from "../www/engine/timing.mjs";
import { RECORDED } from "./rows.mjs";
import { quartiles } from "./table.mjs";

const LENET_MACS = 416_520;
const TRAIN_IMAGES = 10_000;
const TRAIN = {
  version: 1,
  model: "lenet5-fashion",
  seed: 7,
  init: "random",
  data: { set: "fashion", split: "test", count: 8 },
  steps: [{ train: { epochs: 1, batch: 64, optimizer: "adam", lr: 0.001, set: "fashion" } }],
};

const row = (title, unit, ours, rival, rivals, goal, least) => {
  const ratio = Number((unit === "s" ? rivals / ours : ours / rivals).toPrecision(4));
  return { title, unit, ours, rival, rivals, ratio, goal, met: ratio >= least, beyond: null };
};

/** Training LeNet-5: against TensorFlow.js here, and against what was recorded elsewhere. */
export async function training(ask, only) {
  const title = "training LeNet-5, Adam, batch 64";
  if (!title.includes(only)) return [];
  const { samples, losses, epochLoss } = await ask("training", {
    rounds: 15,
    peer_steps: 7,
    slice_images: 640,
    recipe: TRAIN,
    images: TRAIN_IMAGES,
    macs: LENET_MACS,
  });
  // Both must learn: the loss falls from chance, ln 10.
  if (!(epochLoss[0] < 1.5)) throw new Error(`our training ends its first epoch at a loss of ${epochLoss[0]}`);
  if (!(losses.at(-1) < losses[0])) throw new Error(`TensorFlow.js does not learn: ${losses}`);
  const ours = quartiles(samples.ours);
  const tfjs = quartiles(samples["tfjs-cpu"]);
  const recorded = (name) => RECORDED[name].value;
  const speed = ours.median;
  const first = row(title, "images/s", speed, "tfjs-cpu", tfjs.median, "100 × tfjs", 100);
  const candle = "candle 0.11, wasm: training LeNet-5, batch 64";
  const torch = "PyTorch, native, 1 thread: training LeNet-5, batch 64";
  return [
    { ...first, rates: { ours, "tfjs-cpu": tfjs }, deviations: { epoch_loss: epochLoss[0] } },
    row(title, "images/s", speed, "candle (recorded elsewhere)", recorded(candle), "8 × candle", 8),
    row(title, "images/s", speed, "PyTorch, 1 thread (recorded elsewhere)", recorded(torch), "1 × native PyTorch", 1),
  ];
}

const WIDTHS = ["int8", "int7", "int6", "int5", "int4", "int3", "int2", "ternary"];
const sweepRecipe = (format) => ({
  version: 1,
  model: "lenet5-fashion",
  seed: 7,
  data: { set: "fashion", split: "test", count: 10_000 },
  steps: [{ quantize: { weights: { format } } }],
});

const median = (values) => quartiles(values).median;

/**
 * The sweep a notebook user would run, on two workers; and what the second worker brings: twice the work on two workers
 * against once the work on one. `asks` are questions to two loaded workers.
 */
export async function sweep(asks, only, rounds) {
  const titles = ["sweep: LeNet-5, 10,000 images, 8 weight widths, 2 workers", "worker pool, 1 to 2 workers"];
  if (!titles.some((title) => title.includes(only))) return [];
  const recipes = WIDTHS.map(sweepRecipe);
  // In turn: the two baselines they both need are evaluated side by side.
  const halves = [recipes.filter((_, i) => i % 2 === 0), recipes.filter((_, i) => i % 2 === 1)];
  const timed = async (parts) => {
    const from = performance.now();
    const done = await Promise.all(parts.map((part, i) => asks[i]("evaluation", { recipes: part })));
    return {
      ms: performance.now() - from,
      inside_ms: done.map(({ ms }) => ms),
      results: done.flatMap((d) => d.results),
    };
  };
  await timed([[recipes[0]], [recipes[0]]]);
  const [whole, alone, both] = [[], [], []];
  let results = [];
  for (let round = 0; round < rounds; round++) {
    const swept = await timed(halves);
    whole.push(swept.ms / 1000);
    results = swept.results;
    alone.push((await timed([[recipes[0]]])).inside_ms[0]);
    both.push(Math.max(...(await timed([[recipes[0]], [recipes[0]]])).inside_ms));
  }
  // INT8 keeps the trained network's accuracy, on all images: nothing was left out to be quick.
  if (!(results[0].correct > 8500)) throw new Error(`the sweep's INT8 gets ${results[0].correct} of 10,000 right`);
  const torch = "PyTorch notebook, native, 2 threads: LeNet-5, 10,000 images, 8 weight widths";
  const seconds_all = quartiles(whole);
  const notebook = RECORDED[torch].value;
  const share = Number((seconds_all.median / notebook).toPrecision(4));
  const scaling = Number(((2 * median(alone)) / median(both)).toPrecision(4));
  return [
    {
      title: titles[0],
      unit: "s",
      ours: seconds_all.median,
      rival: "PyTorch, 2 threads (recorded elsewhere)",
      rivals: notebook,
      ratio: share,
      goal: "at most 0.6 of its time",
      met: share <= 0.6,
      beyond: share <= 0.3,
      rates: { ours: seconds_all },
    },
    {
      title: titles[1],
      unit: "times",
      ours: scaling,
      rival: "1 worker",
      rivals: 1,
      ratio: scaling,
      goal: "1.8 × with 2 workers",
      met: scaling >= 1.8,
      beyond: null,
      rates: { one_ms: quartiles(alone), two_ms: quartiles(both) },
    },
  ];
}

/** Time of narrowed LeNet-5 against its multiply-adds, from one contest. */
export async function narrowed(ask, only, effort) {
  const title = "channel-narrowed LeNet-5, batch 64, f32";
  if (!title.includes(only)) return [];
  const workloads = ["lenet5-f32", "lenet5-f32-6/8", "lenet5-f32-4/8", "lenet5-f32-2/8"];
  const { about, samples_ms, checks } = await ask("contest", {
    workloads,
    peers: [],
    tolerance: 0,
    seed: 7,
    ...effort,
  });
  const [whole, ...parts] = workloads;
  const ms = Object.fromEntries(workloads.map((id) => [id, quartiles(samples_ms[id])]));
  return parts.map((id, i) => {
    // Round by round, as elsewhere.
    const time = quartiles(samples_ms[id].map((part, round) => part / samples_ms[whole][round])).median;
    const macs = about[id].macs / about[whole].macs;
    const ratio = Number((time / macs).toPrecision(4));
    return {
      title: `${title}, ${id.slice(-3)}`,
      unit: "of the time",
      ours: Number(time.toPrecision(3)),
      rival: "of the multiply-adds",
      rivals: Number(macs.toPrecision(3)),
      ratio,
      goal: "time falls with them, within 20 %",
      met: ratio <= 1.2,
      beyond: null,
      ...(i === 0 ? { rates: ms, deviations: checks } : {}),
    };
  });
}

/** Time of ResNet-8 whose channels a recipe has taken, down to half of the multiply-adds, against itself whole. */
export async function pruned(ask, only, { rounds }) {
  const title = "channel-pruned ResNet-8 (a recipe's), 8 images, f32";
  if (!title.includes(only)) return [];
  const recipe = (steps) => ({
    version: 1,
    model: "resnet8-fashion",
    seed: 1,
    data: { set: "fashion", split: "test", count: 1000 },
    steps,
  });
  const [prune] = HALF.recipe.steps;
  const { samples_ms, macs, correct } = await ask("networks", { recipes: [recipe([]), recipe([prune])], rounds });
  if (!(correct[0] > 900)) throw new Error(`ResNet-8 gets ${correct[0]} of 1,000 right`);
  const [whole, half] = samples_ms.map(quartiles);
  const time = half.median / whole.median;
  const share = macs[1] / macs[0];
  const ratio = Number((time / share).toPrecision(4));
  return [
    {
      title,
      unit: "of the time",
      ours: Number(time.toPrecision(3)),
      rival: "of the multiply-adds",
      rivals: Number(share.toPrecision(3)),
      ratio,
      goal: "time falls with them, within 20 %",
      met: ratio <= 1.2,
      beyond: null,
      rates: { whole_ms: whole, half_ms: half },
    },
  ];
}

const ZEROS = [50, 70, 80, 90, 95];

/** From what share of zeros on the kernels that skip them are faster than the dense ones, by shape; and 2:4. */
export async function sparse(ask, only, effort) {
  const shapes = [
    ["512", "gemm-f32-512", "512×512"],
    ["fc1", "fc1-f32", "LeNet-5's fc1"],
    ["conv2", "conv2-f32", "LeNet-5's conv2"],
  ];
  const rows = [];
  for (const [shape, dense, name] of shapes) {
    const title = `unstructured sparse, ${name}: break-even`;
    if (!title.includes(only)) continue;
    const ids = ZEROS.map((percent) => `sparse-${percent}-${shape}`);
    const asked = { workloads: [dense, ...ids], peers: [], tolerance: 0, seed: 7, ...effort };
    const { samples_ms, checks } = await ask("contest", asked);
    const ms = Object.fromEntries([dense, ...ids].map((id) => [id, quartiles(samples_ms[id])]));
    const points = ZEROS.map((percent, i) => ({ zeros: percent / 100, ms: ms[ids[i]].median }));
    const share = breakEven(points, ms[dense].median);
    const at90 = Number((ms[dense].median / ms[`sparse-90-${shape}`].median).toPrecision(4));
    rows.push({
      title,
      unit: "% zeros",
      ours: share === undefined ? 100 : Number((100 * share).toPrecision(3)),
      rival: "dense f32; times its speed at 90 %",
      rivals: at90,
      ratio: null,
      goal: null,
      met: null,
      beyond: null,
      // Milliseconds of one run, by workload.
      rates: ms,
      deviations: checks,
    });
  }
  return rows;
}

/** The built page: its first real curve after navigation, and what was loaded before it. */
export async function page(browser, only, rounds) {
  const title = "page, first real curve";
  if (!title.includes(only)) return [];
  await buildPage();
  const { server, url } = await serve(dist, { port: 0 });
  const times = [];
  const live = [];
  let files = { before: [], all: [] };
  try {
    for (let round = 0; round < rounds; round++) {
      const context = await browser.newContext();
      const opened = await context.newPage();
      // The first curve holds results computed beforehand; live ones have replaced it when the progress line says so.
      await opened.addInitScript(() => {
        const look = () => {
          if (document.querySelector("fw-chart svg")) window.curveAt ??= performance.now();
          const words = document.querySelector(".progress-words")?.textContent ?? "";
          if (/recipes? in [\d.]+ s/.test(words)) window.liveAt = performance.now();
          else requestAnimationFrame(look);
        };
        look();
      });
      await opened.goto(url);
      await opened.waitForFunction(() => window.liveAt > 0);
      times.push(await opened.evaluate(() => window.curveAt / 1000));
      live.push(await opened.evaluate(() => window.liveAt / 1000));
      files = await opened.evaluate(() => {
        const loaded = performance.getEntriesByType("resource");
        const names = (entries) => [location.href, ...entries.map(({ name }) => name)];
        return { before: names(loaded.filter((each) => each.responseEnd <= window.curveAt)), all: names(loaded) };
      });
      await context.close();
    }
  } finally {
    server.close();
  }
  const first = quartiles(times);
  const limit = (name, unit, ours, least, beyond) => ({
    title: name,
    unit,
    ours,
    rival: null,
    rivals: null,
    ratio: null,
    goal: `at most ${least.toLocaleString("en")} ${unit}`,
    met: ours <= least,
    beyond: beyond !== undefined && ours <= beyond,
  });
  const second = quartiles(live);
  const kilobytes = (urls) => {
    const paths = [...new Set(urls)].filter((each) => each.startsWith(url)).map((each) => new URL(each).pathname);
    const bytes = paths.map((path) => brotliCompressSync(readFileSync(join(dist, path === "/" ? "index.html" : path))));
    return Math.round(bytes.reduce((sum, each) => sum + each.length, 0) / 1000);
  };
  const plain = (name, unit, ours) => ({ ...limit(name, unit, ours, 0), goal: null, met: null, beyond: null });
  const judged = "page, chosen recipe and its baseline judged on all images";
  return [
    { ...limit(title, "s", Number(first.median.toPrecision(3)), 1, 0.5), rates: { seconds: first } },
    limit("page, brotli bytes before it", "KB", kilobytes(files.before), 400, 250),
    limit("page, the engine with every method under brotli", "KB", Math.round(engineBytes().brotli / 1000), 350),
    { ...plain(judged, "s", Number(second.median.toPrecision(3))), rates: { seconds: second } },
    plain("page, brotli bytes before that", "KB", kilobytes(files.all)),
  ];
}
