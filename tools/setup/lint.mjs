// npm run lint: what `npm test` checks without running anything.
import { join } from "node:path";
import { ensureEngine } from "./all.mjs";
import { main, root, seconds } from "./lib.mjs";
import { Suites, summary } from "./suites.mjs";

await main(async () => {
  await ensureEngine();
  const suites = new Suites();
  const script = (path) => join(root, "node_modules", path);
  const wasm = ["--lib", "--test", "web", "--target", "wasm32-unknown-unknown"];
  await suites.check("rustfmt", "cargo", ["fmt", "--check"]);
  await suites.check("clippy", "cargo", ["clippy", "--all-targets", "--", "-D", "warnings"]);
  await suites.check("clippy for wasm", "cargo", ["clippy", ...wasm, "--", "-D", "warnings"]);
  await suites.check("biome", process.execPath, [script("@biomejs/biome/bin/biome"), "check", "--error-on-warnings"]);
  await suites.check("types", process.execPath, [script("typescript/bin/tsc"), "-p", "."]);
  console.log(`\nnpm run lint took ${seconds()}\n${summary(suites.results)}`);
  process.exitCode = suites.results.some(({ failed }) => failed > 0) ? 1 : 0;
});
