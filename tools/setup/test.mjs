// npm test: set-up, then every check there is. The last line sums them: `N passed, N failed`.
import { join } from "node:path";
import { ensureBrowser, findChromium, findDriver } from "./browser.mjs";
import { main, root, run, seconds, step } from "./lib.mjs";
import { buildPage } from "./page.mjs";
import { engineBytes, LIMIT_BYTES } from "./size.mjs";
import { bindEngine, checkNode, compileEngine, ensureBindgen, ensurePackages, ensureRust, locked } from "./steps.mjs";
import { Suites, summary } from "./suites.mjs";

const WASM = ["--target", "wasm32-unknown-unknown"];
const suites = new Suites();
const script = (path) => join(root, "node_modules", path);

/** Everything cargo does, one after the other: its builds share both cores and their locks anyway. */
async function rust(bindgen) {
  await step("engine", compileEngine);
  await suites.check("rustfmt", "cargo", ["fmt", "--check"]);
  await suites.check("clippy", "cargo", ["clippy", "--all-targets", "--", "-D", "warnings"]);
  await suites.check("clippy for wasm", "cargo", [
    "clippy",
    "--lib",
    "--test",
    "web",
    "--test",
    "packed",
    ...WASM,
    "--",
    "-D",
    "warnings",
  ]);
  await suites.cargo("engine, native", ["test", "--no-fail-fast"]);
  await step("native command line", async () => {
    const { code } = await run("cargo", ["build", "--release", "--bins"]);
    // The digests' test runs it, and fails by name when it is not there.
    return code === 0;
  });
  await bindgen;
  await step("engine's JavaScript", bindEngine);
  await suites.cargo("engine, in Chromium", ["test", "--test", "web", "--test", "packed", ...WASM], {
    env: { CHROMEDRIVER: findDriver(), WASM_BINDGEN_TEST_ONLY_WEB: "1", WASM_BINDGEN_TEST_TIMEOUT: "300" },
  });
}

/** What needs only Node's packages. */
async function scripts(packages) {
  await packages;
  await suites.check("biome", process.execPath, [script("@biomejs/biome/bin/biome"), "check", "--error-on-warnings"]);
}

/** What needs the engine's JavaScript and types. */
async function page() {
  await suites.check("types", process.execPath, [script("typescript/bin/tsc"), "-p", "."]);
  await suites.suite("engine's size", async () => {
    const { raw, brotli } = engineBytes();
    const small = brotli <= LIMIT_BYTES;
    const output = `${brotli} bytes under Brotli of ${raw}; the limit is ${LIMIT_BYTES}`;
    console.log(`  engine: ${output}`);
    return { code: small ? 0 : 1, output, counts: { passed: small ? 1 : 0, failed: small ? 0 : 1, skipped: 0 } };
  });
  await suites.vitest("page and scripts", []);
  await step("page", buildPage);
  await suites.vitest("in the browser, end to end", ["--config", "tests/browser/vitest.config.ts"], {
    env: { CHROME_PATH: findChromium() ?? "" },
  });
}

await main(async () => {
  checkNode();
  await step("Rust and its wasm target", ensureRust);
  const packages = step("npm packages", ensurePackages);
  const browser = step("Chromium and its driver", ensureBrowser);
  const bindgen = step(`wasm-bindgen ${locked("wasm-bindgen")}`, ensureBindgen);
  await Promise.all([rust(Promise.all([bindgen, browser])), scripts(packages)]);
  await page();
  const failed = suites.results.filter((result) => result.failed > 0);
  if (failed.length > 0)
    console.log(`\nFailed: ${failed.map(({ name }) => name).join("; ")} (logs in target/test-logs)`);
  console.log(`\nnpm test took ${seconds()}`);
  console.log(summary(suites.results));
  process.exitCode = failed.length > 0 ? 1 : 0;
});
