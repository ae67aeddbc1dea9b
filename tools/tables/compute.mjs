// Computes the cells of a table, natively on one thread. Cells that are there already, by this engine's numerics, are not run again, so
// that the same command resumes what was stopped.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root, run, Stop } from "../setup/lib.mjs";
import { nameOf, readTable, recipeKey, resultOf, writeTable } from "./cells.mjs";

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

/** The native engine for tables, built for this machine. */
export async function buildEngine() {
  // For this machine's own vectors: wider ones are faster and give the same bits.
  const build = ["build", "--release", "--bin", "featherweight-native", "--target-dir", "target/train"];
  const built = await run("cargo", build, { show: true, env: { RUSTFLAGS: "-C target-cpu=native" } });
  if (built.code !== 0) throw new Stop("The native engine does not compile.");
}

/** Computes what is not there yet of the table of this name: `models` in f32, and `cells` in the order of `ordered`, each with what `more` says of it. */
export async function compute(name, { models, cells, ordered, more }) {
  const table = readTable(name);
  const engine = new Engine();
  const plain = (model) => ({ version: 1, model, seed: 1, data: { test: 8 }, steps: [] });
  const about = await engine.ask(plain("lenet5-fashion"));
  const known = new Map(table.cells.map((cell) => [nameOf(cell), cell]));
  const isDone = (cell) => {
    const found = known.get(nameOf(cell));
    return found?.recipe === recipeKey(cell.recipe) && (found.refused ?? found.numerics === about.numerics) !== false;
  };
  const all = cells.filter((cell) => cell.recipe !== undefined);
  const left = ordered(all.filter((cell) => !isDone(cell)));
  console.log(`${name}: ${all.length - left.length} of ${all.length} cells are there`);
  const save = () => {
    const kept = all.map((cell) => known.get(nameOf(cell))).filter((cell) => cell !== undefined);
    writeTable(name, { ...table, engine: about.engine, date: new Date().toISOString().slice(0, 10), cells: kept });
  };
  for (const model of models) {
    if (table.baselines[model]?.numerics === about.numerics) continue;
    const { accuracy, size, cost, numerics } = await engine.ask({ version: 1, model, seed: 1, steps: [] });
    const { correct, total, bits_per_character } = accuracy;
    table.baselines[model] = { numerics, correct, total, bits_per_character, bytes: size.bytes, macs: cost.macs };
    save();
  }
  for (const [index, cell] of left.entries()) {
    const from = performance.now();
    const answer = await engine.ask(cell.recipe);
    const result = { ...resultOf(cell, answer), ...(await more?.(cell, answer)) };
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
