// A sweep: the cells of a recipe's axes, spread over threads; a line of JSON as each ends. What the output file already
// holds is not run again, so an interrupted sweep is resumed by the same command.
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { loadEngine } from "./engine.mjs";
import { BadInput, describe, Failed, isCoreError, refusal } from "./words.mjs";

/** How often a cell is tried when its thread dies. */
const ATTEMPTS = 2;

export async function sweep(file, recipe, { out, jobs, shard }) {
  const { core, engine } = await loadEngine();
  let cells;
  try {
    cells = engine.expand(recipe);
  } catch (error) {
    throw isCoreError(error) ? refusal(file, error) : error;
  }
  const mine = cells.filter((_, index) => index % shard.count === shard.index - 1);
  const output = new Output(out, core.identity());
  const left = mine.filter((cell) => !output.holds(cell));
  const say = (line) => process.stderr.write(`${line}\n`);
  if (left.length < mine.length) say(`${mine.length - left.length} of ${mine.length} recipes are in ${out} already`);
  const failed = await runAll(left, jobs, (cell, line, index) => {
    output.add(line);
    const name = Object.entries(cell.axes).map(([axis, value]) => `${axis.split(".").at(-1)}=${JSON.stringify(value)}`);
    say(
      `${index}/${left.length} ${name.join(" ")}: ${line.error ? describe(line.error) : `${judged(line.accuracy)}, ${line.size.bytes} bytes`}`,
    );
  });
  output.close();
  if (failed > 0)
    throw new Failed(
      `${failed} of ${left.length} recipes could not be finished; run the same command again to retry them`,
    );
}

/** One name for a cell: its canonical recipe, or its axes where there is no recipe. */
function nameOf(recipe, axes) {
  return recipe === null ? `axes ${canonicalJson(axes)}` : `recipe ${canonicalJson(recipe)}`;
}

function canonicalJson(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalJson)}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((field) => `${JSON.stringify(field)}:${canonicalJson(value[field])}`)}}`;
}

/** The file of lines, or stdout. A last line that was cut off is dropped. */
class Output {
  held = new Set();
  descriptor = null;

  constructor(path, identity) {
    if (path === undefined) return;
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    const whole = bytes.lastIndexOf(10) + 1;
    const lines = bytes.subarray(0, whole).toString("utf8").split("\n").slice(0, -1);
    for (const [index, line] of lines.entries()) this.remember(`${path} line ${index + 1}`, line, identity);
    try {
      this.descriptor = openSync(path, "a");
    } catch (error) {
      throw new BadInput(`${path} cannot be written: ${error.message}`);
    }
    if (whole < bytes.length) ftruncateSync(this.descriptor, whole);
  }

  remember(where, text, identity) {
    let line;
    try {
      line = JSON.parse(text);
    } catch {
      throw new BadInput(`${where} is not JSON; allowed: a file that an earlier sweep wrote`);
    }
    if (line?.error !== undefined && line.axes !== undefined) {
      this.held.add(nameOf(null, line.axes));
      return;
    }
    if (line?.recipe === undefined || line.numerics === undefined) {
      throw new BadInput(`${where} is not a report; allowed: a file that an earlier sweep wrote`);
    }
    if (line.numerics !== identity.numerics) {
      throw new BadInput(
        `${where} has numerics ${line.numerics}; allowed: ${identity.numerics}, this engine's (choose another --out)`,
      );
    }
    this.held.add(nameOf(line.recipe, null));
  }

  holds(cell) {
    return this.held.has(nameOf(cell.recipe, cell.axes));
  }

  add(line) {
    const text = `${JSON.stringify(line)}\n`;
    if (this.descriptor === null) process.stdout.write(text);
    else writeSync(this.descriptor, text);
  }

  close() {
    if (this.descriptor !== null) closeSync(this.descriptor);
  }
}

/** Runs cells on `jobs` threads. Answers how many failed; those are said, but not written, so that they are retried. */
async function runAll(cells, jobs, ended) {
  const queue = cells.map((cell) => ({ cell, attempts: 0 }));
  let count = 0;
  let failed = 0;
  const end = (cell, line) => ended(cell, line, ++count);
  const fail = (cell, found) => {
    failed++;
    count++;
    process.stderr.write(`${count}/${cells.length} ${JSON.stringify(cell.axes)}: failed: ${found}\n`);
  };
  const serve = async () => {
    let thread = null;
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      const { cell } = task;
      if (cell.recipe === null) {
        end(cell, { axes: cell.axes, error: cell.error });
        continue;
      }
      thread ??= new Thread();
      const answer = await thread.run(cell.recipe);
      if (answer.report !== undefined) end(cell, answer.report);
      else if (answer.error !== undefined) fail(cell, describe(answer.error));
      else {
        // The thread died or its engine trapped: a new one, and the cell once more.
        await thread.end();
        thread = null;
        task.attempts++;
        if (task.attempts < ATTEMPTS) queue.unshift(task);
        else fail(cell, answer.crash);
      }
    }
    await thread?.end();
  };
  await Promise.all(Array.from({ length: Math.min(jobs, Math.max(1, cells.length)) }, serve));
  return failed;
}

class Thread {
  /** Ends the question under way, if there is one. */
  settle = null;

  constructor() {
    this.worker = new Worker(new URL("./worker.mjs", import.meta.url));
    this.worker.on("message", (answer) => this.answer(answer));
    this.worker.on("error", (error) => this.answer({ crash: error.message }));
    this.worker.on("exit", (code) => this.answer({ crash: `the thread ended with code ${code}` }));
  }

  answer(answer) {
    const settle = this.settle;
    this.settle = null;
    settle?.(answer);
  }

  run(recipe) {
    return new Promise((resolve) => {
      this.settle = resolve;
      this.worker.postMessage(recipe);
    });
  }

  end() {
    return this.worker.terminate();
  }
}

/** How good a model is, in the measure of its data. */
function judged({ correct, total, bits_per_character }) {
  return bits_per_character === undefined
    ? `${correct} of ${total} right`
    : `${bits_per_character.toFixed(3)} bits per character of ${total}`;
}
