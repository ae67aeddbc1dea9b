#!/usr/bin/env node
import { readFileSync, writeFileSync } from "node:fs";
// Featherweight from the command line: the page's own engine, recipe in, report out.
// Exit code 0 done, 2 bad input (one clear line on stderr), 1 failed.
import { cpus } from "node:os";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { loadEngine } from "./engine.mjs";
import { sweep } from "./sweep.mjs";
import { OPTIONS, rows } from "./targets.mjs";
import { BadInput, Failed, isCoreError, refusal } from "./words.mjs";

const USAGE = `Usage:
  featherweight run recipe.json [--out report.json] [--measure]
  featherweight sweep sweep.json [--jobs N] [--shard i/n] [--out reports.jsonl]
  featherweight sensitivity recipe.json [--bits 8,4,2] [--sparsity [0.5,0.9]] [--images N] [--out rows.json]
  featherweight export recipe.json model.safetensors
  featherweight targets [--workload id] [--batch N] [--sequence N] [--weights format] [--activations format] [--group N]
                        [--targets id,id] [--layers] [--training]

sensitivity rounds or prunes every layer of the recipe's network alone, and all but it, and prints a row for each layer and width or
share, judged on validation images. targets prints what reference workloads cost on modelled machines. run prints the report, sweep a line of
JSON for each recipe; what --out already holds is not run again.
- instead of a file reads from stdin.`;

const COMMANDS = {
  run: { files: 1, options: { out: { type: "string" }, measure: { type: "boolean" } }, body: runCommand },
  sweep: {
    files: 1,
    options: { out: { type: "string" }, jobs: { type: "string" }, shard: { type: "string" } },
    body: sweepCommand,
  },
  sensitivity: {
    files: 1,
    options: {
      out: { type: "string" },
      bits: { type: "string" },
      sparsity: { type: "string" },
      images: { type: "string" },
    },
    body: sensitivityCommand,
  },
  export: { files: 2, options: {}, body: exportCommand },
  targets: { files: 0, options: OPTIONS, body: targetsCommand },
};

function read(file) {
  let text;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new BadInput(`${file} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : error.message}`);
  }
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new BadInput(`${file} is not JSON: ${error.message.replaceAll(/\s*[\r\n]+\s*/g, " ")}`);
  }
}

function write(file, bytes) {
  try {
    writeFileSync(file, bytes);
  } catch (error) {
    throw new BadInput(`${file} cannot be written: ${error.message}`);
  }
}

/** Progress, on one line of a terminal; silent where stderr is a file. */
function say(progress) {
  if (!process.stderr.isTTY) return;
  const share = progress.total_macs > 0 ? Math.floor((100 * progress.done_macs) / progress.total_macs) : 0;
  process.stderr.write(progress.done ? "\r\x1b[K" : `\r\x1b[K${progress.phase} ${share} %`);
}

async function runCommand([file], { out, measure }) {
  const recipe = read(file);
  const engine = await loadEngine();
  const from = performance.now();
  const { job, times } = guarded(file, () => engine.finish(recipe, { say }));
  const report = engine.report(job);
  if (measure) {
    const { done, ...phases } = times;
    report.measured = { total_ms: performance.now() - from, phases_ms: phases, cpu: cpus()[0]?.model ?? "unknown" };
  }
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (out === undefined) process.stdout.write(text);
  else write(out, text);
}

async function sensitivityCommand([file], { out, bits, sparsity, images }) {
  const recipe = read(file);
  const asked = { bits: bits?.split(",").map((text) => whole("--bits", text)) ?? [] };
  if (sparsity !== undefined) asked.sparsities = sparsity === "" ? [] : sparsity.split(",").map(share);
  if (images !== undefined) asked.images = whole("--images", images);
  const engine = await loadEngine();
  const { job } = guarded(file, () => engine.finish(recipe, { say, sensitivity: asked }));
  const text = listed(job.sensitivity());
  if (out === undefined) process.stdout.write(text);
  else write(out, text);
}

function targetsCommand(_, options) {
  process.stdout.write(listed(rows(options)));
}

/** A list, a line for each. */
const listed = (list) => `[\n${list.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`;

function whole(option, text) {
  const number = Number(text);
  if (text.trim() !== "" && Number.isInteger(number) && number >= 1 && number < 2 ** 32) return number;
  throw new BadInput(
    `${option} holds ${text === "" ? "nothing" : text}; allowed: whole numbers, such as 8,4,2 for --bits`,
  );
}

function share(text) {
  const number = Number(text);
  if (text.trim() !== "" && number >= 0 && number < 1) return number;
  throw new BadInput(`--sparsity holds ${text === "" ? "nothing" : text}; allowed: numbers below 1, such as 0.5,0.9`);
}

async function exportCommand([file, target]) {
  const recipe = read(file);
  const engine = await loadEngine();
  const { job } = guarded(file, () => engine.finish(recipe, { say, evaluate: false }));
  const bytes = job.exported();
  write(target, bytes);
  process.stderr.write(`${target}: ${bytes.length} bytes\n`);
}

async function sweepCommand([file], { out, jobs, shard }) {
  const recipe = read(file);
  await sweep(file, recipe, { out, jobs: jobsOf(jobs), shard: shardOf(shard) });
}

/** Gives the core's errors the name of the file they were met in. */
function guarded(file, action) {
  try {
    return action();
  } catch (error) {
    throw isCoreError(error) ? refusal(file, error) : error;
  }
}

function jobsOf(text = "1") {
  const jobs = Number(text);
  if (Number.isInteger(jobs) && jobs >= 1 && jobs <= 256) return jobs;
  throw new BadInput(`--jobs is ${text}; allowed: a whole number from 1 to 256`);
}

function shardOf(text = "1/1") {
  const [, index, count] = (text.match(/^(\d+)\/(\d+)$/) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new BadInput(`--shard is ${text}; allowed: i/n with i from 1 to n, such as 2/8`);
}

async function main() {
  const [name, ...rest] = process.argv.slice(2);
  if (name === undefined || name === "--help" || name === "help") {
    console.log(USAGE);
    return;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined)
    throw new BadInput(`there is no command ${name}; allowed: ${Object.keys(COMMANDS).join(", ")}`);
  let parsed;
  try {
    // `--sparsity` alone asks for the usual shares.
    const args = rest.map((each, i) => (each === "--sparsity" && !/^[^-]/.test(rest[i + 1] ?? "") ? `${each}=` : each));
    parsed = parseArgs({ args, options: command.options, allowPositionals: true });
  } catch (error) {
    throw new BadInput(`${name}: ${error.message.split(". ")[0]}`);
  }
  if (parsed.positionals.length !== command.files) {
    throw new BadInput(
      `${name} takes ${command.files} file name${command.files > 1 ? "s" : ""}, found ${parsed.positionals.length}; see --help`,
    );
  }
  await command.body(parsed.positionals, parsed.values);
}

try {
  await main();
} catch (error) {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  if (error instanceof BadInput || error instanceof Failed) console.error(`featherweight: ${error.message}`);
  else
    console.error(
      `featherweight: the engine failed: ${error instanceof WebAssembly.RuntimeError ? error.message : (error?.stack ?? JSON.stringify(error))}`,
    );
  process.exitCode = error instanceof BadInput ? 2 : 1;
}
