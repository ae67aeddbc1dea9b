// The steps of set-up, in the order a fresh machine needs them. Each skips what is up to date.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprint, npm, once, refuse, root, run, Stop, tools, which } from "./lib.mjs";

const TARGET = "wasm32-unknown-unknown";
/** The engine as cargo leaves it, and as the page and the command line load it. */
export const raw = join(root, "target", TARGET, "wasm", "featherweight.wasm");
export const bound = join(root, "www", "engine", "wasm", "featherweight_bg.wasm");
/** The same with relaxed SIMD, for browsers that have it. */
const relaxedTarget = join(root, "target", "relaxed");
const relaxedRaw = join(relaxedTarget, TARGET, "wasm", "featherweight.wasm");
export const relaxedBound = join(root, "www", "engine", "wasm", "featherweight_relaxed_bg.wasm");

/** Node 20.19 or later of the lines Vite supports. */
export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split(".").map(Number);
  if ((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24) return;
  throw new Stop(
    `Node ${version} is not supported: install Node 20.19 or later (20, 22.12 or 24 and up), https://nodejs.org.`,
  );
}

/** Cargo, a rustc that is new enough, and the wasm target. */
export async function ensureRust() {
  const missing = "Rust is missing: install rustup from https://rustup.rs, open a new terminal and run this again.";
  if (which("cargo") === null || which("rustc") === null) throw new Stop(missing);
  const info = await run("rustc", ["--version", "--print", "target-libdir", "--target", TARGET]);
  if (info.code !== 0)
    throw new Stop("rustc does not run: `rustup default stable` installs a working one.", info.output);
  const version = info.output.match(/rustc (\d+)\.(\d+)/);
  const wanted = readFileSync(join(root, "Cargo.toml"), "utf8").match(/rust-version = "(\d+)\.(\d+)/);
  if (version && wanted && (Number(version[1]) - wanted[1] || Number(version[2]) - wanted[2]) < 0) {
    throw new Stop(
      `Rust ${version[1]}.${version[2]} is too old, ${wanted[1]}.${wanted[2]} or later is needed: run \`rustup update stable\`.`,
    );
  }
  const libraries = info.output.split("\n").find((line) => line.includes(TARGET));
  if (libraries !== undefined && existsSync(libraries.trim())) return false;
  if (which("rustup") === null) throw new Stop(`Rust lacks the target ${TARGET}, and rustup is missing: ${missing}`);
  const added = await run("rustup", ["target", "add", TARGET]);
  if (added.code !== 0) refuse(`Rust's target ${TARGET}`, `\`rustup target add ${TARGET}\` failed.`, added.output);
  return true;
}

/** node_modules exactly as package-lock.json says. */
export function ensurePackages() {
  const folder = join(root, "node_modules");
  const mark = fingerprint(["package-lock.json"], process.versions.modules + process.platform + process.arch);
  return once(join(folder, ".featherweight"), mark, [folder], async () => {
    const result = await npm(["ci", "--no-audit", "--no-fund"]);
    if (result.code !== 0) refuse("npm's packages", "`npm ci` failed.", result.output);
  });
}

/** The version of a package in Cargo.lock. */
export function locked(name) {
  const lock = join(root, "Cargo.lock");
  if (!existsSync(lock)) throw new Stop("Cargo.lock is missing: restore it with `git checkout Cargo.lock`.");
  const found = readFileSync(lock, "utf8").match(new RegExp(`name = "${name}"\\r?\\nversion = "([^"]+)"`));
  if (found === null) throw new Stop(`Cargo.lock names no ${name}: restore it with \`git checkout Cargo.lock\`.`);
  return found[1];
}

/** wasm-bindgen's command line and test runner, at the version in Cargo.lock, in target/tools. */
export function ensureBindgen() {
  const version = locked("wasm-bindgen");
  const made = ["wasm-bindgen", "wasm-bindgen-test-runner"].map((name) =>
    join(tools, "bin", process.platform === "win32" ? `${name}.exe` : name),
  );
  return once(join(tools, "wasm-bindgen.version"), version, made, async () => {
    const present = made.every((path) => existsSync(path)) ? await run(made[0], ["--version"]) : { output: "" };
    if (present.output.trim() === `wasm-bindgen ${version}`) return;
    console.log(`  wasm-bindgen ${version}: building its command line, once; this takes a minute or two`);
    const names = ["--bin", "wasm-bindgen", "--bin", "wasm-bindgen-test-runner"];
    const where = ["--root", tools, "--target-dir", join(tools, "build"), "--no-default-features", "--force"];
    // Unoptimised: it is built once and runs for a second at a time, so what counts is how fast it compiles.
    const args = ["install", "wasm-bindgen-cli", "--version", version, "--debug", ...where, ...names];
    const result = await run("cargo", args, { env: { CARGO_PROFILE_DEV_DEBUG: "0" } });
    if (result.code !== 0)
      refuse("wasm-bindgen's source", `\`cargo install wasm-bindgen-cli\` ${version} failed.`, result.output);
  });
}

/** The engine as WebAssembly, with and without relaxed SIMD. Cargo itself knows what is up to date. */
export async function compileEngine() {
  const made = [raw, relaxedRaw];
  const before = made.map((path) => (existsSync(path) ? digest(path) : ""));
  const build = ["build", "--profile", "wasm", "--lib", "--target", TARGET];
  // Joined to the flags of .cargo/config.toml.
  const flags = `target.${TARGET}.rustflags=["-C", "target-feature=+relaxed-simd"]`;
  const results = await Promise.all([
    run("cargo", build),
    run("cargo", [...build, "--target-dir", relaxedTarget, "--config", flags]),
  ]);
  for (const { code, output } of results) if (code !== 0) refuse("a crate", "The engine does not compile.", output);
  return made.some((path, i) => digest(path) !== before[i]);
}

/** The engine's JavaScript and types, in www/engine/wasm. One script serves both builds. */
export function bindEngine() {
  const own = fingerprint(["tools/setup/steps.mjs"]);
  const mark = `${digest(raw)} ${digest(relaxedRaw)} ${locked("wasm-bindgen")} ${own}`;
  const folder = join(root, "www", "engine", "wasm");
  const made = [bound, relaxedBound, join(folder, "featherweight.js"), join(folder, "featherweight.d.ts")];
  return once(join(root, "target", "stamps", "bind"), mark, made, async () => {
    const flags = [
      "--target",
      "web",
      "--omit-default-module-path",
      "--remove-name-section",
      "--remove-producers-section",
      "--out-name",
      "featherweight",
    ];
    const relaxedFolder = join(relaxedTarget, "bound");
    for (const [input, out] of [
      [raw, folder],
      [relaxedRaw, relaxedFolder],
    ]) {
      const result = await run("wasm-bindgen", [input, ...flags, "--out-dir", out]);
      if (result.code !== 0) throw new Stop("wasm-bindgen refused the engine.", result.output);
    }
    const glue = [folder, relaxedFolder].map((each) => readFileSync(join(each, "featherweight.js"), "utf8"));
    if (glue[0] !== glue[1]) throw new Stop("The two builds of the engine want different JavaScript.");
    copyFileSync(join(relaxedFolder, "featherweight_bg.wasm"), relaxedBound);
  });
}

function digest(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
