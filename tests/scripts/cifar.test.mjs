// The one model whose images are not committed: judged where `npm run data` has packed them and the
// weights are there, counted as skipped elsewhere.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const local = "data/local/manifest.json";
const packed = existsSync(local) && read(local).sets.cifar10 !== undefined;
const trained = read("models/manifest.json").models["resnet8-cifar10"] !== undefined;

test.skipIf(!packed || !trained)(
  "resnet8-cifar10 is right on its recorded number of the 10,000 test images, at least 84 %",
  {
    timeout: 300_000,
  },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "featherweight-"));
    try {
      const recipe = join(folder, "recipe.json");
      writeFileSync(recipe, JSON.stringify({ version: 1, model: "resnet8-cifar10", seed: 0, steps: [] }));
      const report = JSON.parse(execFileSync("node", ["bin/featherweight.mjs", "run", recipe], { encoding: "utf8" }));
      const recorded = read("models/manifest.json").models["resnet8-cifar10"];
      expect(report.accuracy).toMatchObject({ correct: recorded.correct, total: recorded.total });
      expect(recorded.total).toBe(10_000);
      expect(recorded.correct).toBeGreaterThanOrEqual(8_400);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
