// What every set-up script shares: running programs, one clear line on failure, stamps, times.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, relative, sep } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** Where the programs this project installs for itself live. */
export const tools = join(root, "target", "tools");

/** An expected failure with one clear line for the person at the terminal; `output` is shown above it. */
export class Stop extends Error {
  constructor(line, output = "") {
    super(line);
    this.output = output;
  }
}

// Programs of rustup and of the project's own are found even where the shell's PATH lacks them.
process.env.PATH = [join(tools, "bin"), process.env.PATH ?? "", join(homedir(), ".cargo", "bin")].join(delimiter);

/** Full path of a program in PATH, or null. */
export function which(name) {
  const endings = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const ending of endings) {
      const file = join(folder, name + ending);
      if (folder !== "" && existsSync(file)) return file;
    }
  }
  return null;
}

const running = new Set();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const child of running) child.kill(signal);
    process.exit(130);
  });
}

/** Runs a program to its end. `show` passes its output through; `output` holds both streams as they came. */
export function run(command, args, { env = {}, show = false, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    let output = "";
    const said = { stdout: "", stderr: "" };
    const collect = (name) => {
      child[name].setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
        said[name] += chunk;
        if (show) process[name].write(chunk);
      });
    };
    collect("stdout");
    collect("stderr");
    child.on("error", (error) => {
      running.delete(child);
      reject(error.code === "ENOENT" ? new Stop(`${command} is not installed.`) : error);
    });
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code: code ?? 1, signal, output, ...said });
    });
  });
}

/** Runs npm as the same program that runs this script, whatever the platform. */
export function npm(args) {
  const script = process.env.npm_execpath;
  return script?.endsWith("js") ? run(process.execPath, [script, ...args]) : run("npm", args);
}

const NETWORK =
  /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|could not resolve host|couldn't connect|failed to connect|spurious network error|network failure|download of .* failed|failed to download|could not download|unable to update registry|connection (refused|reset|timed out)|dns error|Temporary failure resolving/i;

/** Fails with one line: the network's absence by name, otherwise `line` under the program's output. */
export function refuse(what, line, output) {
  if (NETWORK.test(output)) {
    const said = output.split("\n").find((text) => NETWORK.test(text)) ?? "";
    throw new Stop(
      `No network: ${what} could not be fetched (${said.trim().slice(0, 160)}). Connect and run this again.`,
    );
  }
  throw new Stop(line, output);
}

/** SHA-256, in hex, of files and folders: names and contents. Missing files count as missing. */
export function fingerprint(paths, extra = "") {
  const hash = createHash("sha256").update(extra);
  for (const path of paths.flatMap((each) => walk(join(root, each))).sort()) {
    hash.update(`${relative(root, path).split(sep).join("/")}\0`);
    hash.update(existsSync(path) ? readFileSync(path) : "\0missing");
  }
  return hash.digest("hex");
}

function walk(path) {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => walk(join(path, name)));
}

/** Does `work` unless `file` holds `mark` and everything in `made` is there. Answers whether it worked. */
export async function once(file, mark, made, work) {
  const fresh = made.every((path) => existsSync(path));
  if (fresh && existsSync(file) && readFileSync(file, "utf8") === mark) return false;
  rmSync(file, { force: true });
  await work();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, mark);
  return true;
}

/** Seconds since the program started, or since `from`, for people. */
export function seconds(from = 0) {
  const taken = (performance.now() - from) / 1000;
  return taken < 90 ? `${taken.toFixed(1)} s` : `${Math.floor(taken / 60)} min ${Math.round(taken % 60)} s`;
}

/** Does one step and says how long it took; a step that answers false had nothing to do. */
export async function step(name, work) {
  const from = performance.now();
  const worked = await work();
  console.log(`  ${name}: ${worked === false ? "up to date" : `done in ${seconds(from)}`}`);
}

/** The end of a program's output: the first lines of a long one are seldom the reason. */
function tail(output) {
  const lines = output.trimEnd().split("\n");
  return lines.length > 60 ? ["…", ...lines.slice(-60)].join("\n") : lines.join("\n");
}

/** Runs a script's body; an expected failure ends in its one line and exit code 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    for (const child of running) child.kill();
    if (error.output !== "") console.error(tail(error.output));
    console.error(`featherweight: ${error.message}`);
    process.exit(1);
  }
}

/** The value after `--name`, or undefined. */
export function option(name, args = process.argv.slice(2)) {
  const at = args.findIndex((each) => each === `--${name}` || each.startsWith(`--${name}=`));
  if (at < 0) return undefined;
  return args[at].includes("=") ? args[at].slice(args[at].indexOf("=") + 1) : args[at + 1];
}
