// npm run format: rustfmt, and Biome's formatting and safe fixes.

import { join } from "node:path";
import { main, root, run, Stop, step } from "./lib.mjs";
import { checkNode, ensurePackages, ensureRust } from "./steps.mjs";

await main(async () => {
  checkNode();
  await Promise.all([ensureRust(), ensurePackages()]);
  await step("rustfmt", async () => {
    const result = await run("cargo", ["fmt"]);
    if (result.code !== 0) throw new Stop("rustfmt failed.", result.output);
  });
  await step("biome", async () => {
    const result = await run(process.execPath, [
      join(root, "node_modules/@biomejs/biome/bin/biome"),
      "check",
      "--write",
    ]);
    if (result.code !== 0) throw new Stop("Biome found what it cannot mend.", result.output);
  });
});
