// Set-up as a whole: what can be done side by side is.
import { step } from "./lib.mjs";
import { bindEngine, checkNode, compileEngine, ensureBindgen, ensurePackages, ensureRust, locked } from "./steps.mjs";

/** Packages, Rust, wasm-bindgen and the engine bound for JavaScript: all but the page. */
export async function ensureEngine() {
  checkNode();
  await step("Rust and its wasm target", ensureRust);
  await Promise.all([
    step("npm packages", ensurePackages),
    step(`wasm-bindgen ${locked("wasm-bindgen")}`, ensureBindgen),
    step("engine", compileEngine),
  ]);
  await step("engine's JavaScript", bindEngine);
}
