// npm run bench [-- --quick] [-- --only TEXT]: us and the peers in one headless Chromium, interleaved; prints a table and
// writes benches/record/<date>.json and the table of docs/benchmark.md; parts of it go to target/bench.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { ensureEngine } from "../tools/setup/all.mjs";
import { ensureBrowser, findChromium } from "../tools/setup/browser.mjs";
import { main, root, seconds, step } from "../tools/setup/lib.mjs";
import { serve } from "../tools/setup/serve.mjs";
import { bundlePeers } from "./bundle.mjs";
import { updateDocs } from "./doc.mjs";
import { narrowed, page, pruned, sparse, sweep, training } from "./jobs.mjs";
import { CONTESTS, QUICK, RECORDED } from "./rows.mjs";
import { judge, table } from "./table.mjs";

const FULL = { rounds: 7, sample_ms: 120, warmup_ms: 250 };
const SHORT = { rounds: 7, sample_ms: 60, warmup_ms: 150 };
const SEED = 7;
/** For the finest clock; the page itself needs neither. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

const version = (name) => JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;

/** A page of its own with the benchmark's worker loaded. */
export async function openBench(browser, url) {
  const page = await browser.newPage();
  await page.goto(`${url}benches/browser/page.html`);
  const ask = (question, data = {}) => page.evaluate(([q, d]) => window.ask(q, d), [question, data]);
  return { page, ask };
}

async function measure({ quick, only }) {
  const { server, url } = await serve(root, { port: 0, headers: ISOLATED });
  const browser = await chromium.launch({ executablePath: findChromium(), args: ["--no-sandbox"] });
  try {
    const { ask } = await openBench(browser, url);
    const loaded = await ask("load");
    if (!loaded.isolated) throw new Error("the page is not cross-origin isolated: its clock is coarse");
    const effort = quick ? SHORT : FULL;
    const wanted = ({ title }) => title.includes(only) && (!quick || QUICK.has(title));
    const rows = [];
    for (const each of CONTESTS.filter(wanted)) {
      const { title, workloads, peers, tolerance } = each;
      const result = await ask("contest", { workloads, peers, tolerance, seed: SEED, ...effort, ...each.effort });
      const goals = each.goals.map((goal) => (typeof goal === "function" ? goal(loaded.kernel) : goal));
      rows.push(...judge({ ...each, goals }, result));
      console.error(`  ${title}: ${seconds()}`);
    }
    rows.push(...(await narrowed(ask, only, effort)));
    rows.push(...(await pruned(ask, only, effort)));
    rows.push(...(await sparse(ask, only, effort)));
    if (!quick) {
      rows.push(...(await training(ask, only)));
      const second = await openBench(browser, url);
      await second.ask("load");
      rows.push(...(await sweep([ask, second.ask], only, effort.rounds)));
      await second.page.close();
    }
    rows.push(...(await page(browser, only, effort.rounds)));
    const from = {
      browser: `Chromium ${browser.version()}`,
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      engine: loaded.engine,
      build: loaded.build,
      kernel: loaded.kernel,
      peers: { "onnxruntime-web": version("onnxruntime-web"), tfjs: version("@tensorflow/tfjs-core") },
    };
    return { from, rows };
  } finally {
    await browser.close();
    server.close();
  }
}

await main(async () => {
  const { values } = parseArgs({
    options: { quick: { type: "boolean", default: false }, only: { type: "string", default: "" } },
  });
  await ensureEngine();
  await Promise.all([step("chromium", ensureBrowser), step("peers", bundlePeers)]);
  const { from, rows } = await measure(values);
  const date = new Date().toISOString();
  const whole = !values.quick && values.only === "";
  const record = { date, quick: values.quick, ...from, rows, recorded_elsewhere: RECORDED };
  // The record holds whole runs only.
  const name = `${whole ? "benches/record" : "target/bench"}/${date.slice(0, 16).replace(":", "")}.json`;
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), `${JSON.stringify(record, null, 1)}\n`);
  if (whole) updateDocs();
  console.log(table(record));
  console.log(`\n${name}, ${seconds()}`);
});
