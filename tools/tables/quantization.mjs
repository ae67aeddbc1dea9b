// npm run tables: computes the table of quantization methods, docs/tables/quantization.md, and the cells it is made of,
// docs/tables/quantization.json, natively on one thread. Cells that are there already, by this engine's numerics, are not run again, so
// that the same command resumes what was stopped. With `-- --pages` only the page is written, from the cells there are.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { main, root, run, Stop } from "../setup/lib.mjs";
import { checkNode, ensureRust } from "../setup/steps.mjs";
import { nameOf, PAGE, readTable, recipeKey, resultOf, writeTable } from "./cells.mjs";
import { page } from "./page.mjs";
import { cells, MODELS, ordered } from "./rows.mjs";

/** The native engine, which answers a line for each line. */
class Engine {
  constructor() {
    const program = join(root, "target/train/release/featherweight-native");
    // glibc would give every freed activation back to the system and take it again at once.
    const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: "1000000000", MALLOC_TRIM_THRESHOLD_: "4000000000" };
    this.child = spawn(program, ["lines"], { cwd: root, env, stdio: ["pipe", "pipe", "inherit"] });
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(recipe) {
    this.child.stdin.write(`${JSON.stringify(recipe)}\n`);
    const { value, done } = await this.answers.next();
    if (done) throw new Stop("The native engine has ended.");
    return JSON.parse(value);
  }

  end() {
    this.child.stdin.end();
  }
}

async function compute() {
  // For this machine's own vectors: wider ones are faster and give the same bits.
  const build = ["build", "--release", "--bin", "featherweight-native", "--target-dir", "target/train"];
  const built = await run("cargo", build, { show: true, env: { RUSTFLAGS: "-C target-cpu=native" } });
  if (built.code !== 0) throw new Stop("The native engine does not compile.");
  const table = readTable();
  const engine = new Engine();
  const plain = (model) => ({ version: 1, model, seed: 1, data: { test: 8 }, steps: [] });
  const about = await engine.ask(plain("lenet5-fashion"));
  const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));
  const isDone = (cell) => {
    const found = known.get(nameOf(cell));
    return found?.recipe === recipeKey(cell.recipe) && (found.refused ?? found.numerics === about.numerics) !== false;
  };
  const all = cells().filter((cell) => cell.recipe !== undefined);
  const left = ordered(all.filter((cell) => !isDone(cell)));
  console.log(`${all.length - left.length} of ${all.length} cells are there`);
  const save = () => {
    const kept = all.map((cell) => known.get(nameOf(cell))).filter((cell) => cell !== undefined);
    writeTable({ ...table, engine: about.engine, date: new Date().toISOString().slice(0, 10), cells: kept });
  };
  for (const model of MODELS) {
    if (table.baselines[model]?.numerics === about.numerics) continue;
    const { accuracy, size, numerics } = await engine.ask({ version: 1, model, seed: 1, steps: [] });
    const { correct, total, bits_per_character } = accuracy;
    table.baselines[model] = { numerics, correct, total, bits_per_character, bytes: size.bytes };
    save();
  }
  for (const [index, cell] of left.entries()) {
    const from = performance.now();
    const result = resultOf(cell, await engine.ask(cell.recipe));
    known.set(nameOf(cell), result);
    save();
    const found = result.refused
      ? `refused, ${result.refused.path}: ${result.refused.found}`
      : `${result.correct} right`;
    console.log(
      `${index + 1}/${left.length} ${nameOf(cell)}: ${found} (${((performance.now() - from) / 1000).toFixed(1)} s)`,
    );
  }
  engine.end();
}

await main(async () => {
  checkNode();
  if (!process.argv.includes("--pages")) {
    await ensureRust();
    await compute();
  }
  writeFileSync(join(root, PAGE), page(readTable()));
});
