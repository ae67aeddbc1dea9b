#!/usr/bin/env node
// Makes www/precomputed/default.json: the default view's curve, by the command-line engine. Run it when the engine's numerics,
// the default recipe or the model change: node tools/precompute.mjs. A test checks the file against the engine.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("..", import.meta.url);
const target = new URL("www/precomputed/default.json", root);

/** The default view: the widths of LeNet-5 with INT8 inputs, and the plain baseline. */
const WEIGHTS = [
  "fp16",
  "bf16",
  "fp8-e4m3",
  "fp8-e5m2",
  "int16",
  "int8",
  "int7",
  "int6",
  "int5",
  "int4",
  "int3",
  "int2",
  "ternary",
  "binary",
];
const RECIPE = { version: 1, model: "lenet5-fashion", seed: 7 };
const ACTIVATIONS = { format: "int8", granularity: "tensor", calibration: "percentile" };

/** The report of a recipe. */
function run(recipe) {
  const result = spawnSync(process.execPath, [fileURLToPath(new URL("bin/featherweight.mjs", root)), "run", "-"], {
    input: JSON.stringify(recipe),
    encoding: "utf8",
    stdio: ["pipe", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) throw new Error(`featherweight run ended with ${result.status}`);
  return JSON.parse(result.stdout);
}

const baseline = run({ ...RECIPE, steps: [] });
const quantized = WEIGHTS.map((format) =>
  run({ ...RECIPE, steps: [{ quantize: { weights: { format }, activations: ACTIVATIONS } }] }),
);

const formatOf = (report) => report.recipe.steps[0]?.quantize.weights.format ?? "fp32";

/** The part of a report that the page draws. */
const drawn = (report) => ({
  format: formatOf(report),
  accuracy: report.accuracy,
  size: report.size,
  layers: report.layers,
  digests: report.digests,
});

const runs = [baseline, ...quantized].map(drawn);
const { engine: version, numerics } = baseline;
const lines = runs.map((run) => `  ${JSON.stringify(run)}`).join(",\n");
writeFileSync(target, `{"engine": ${JSON.stringify(version)}, "numerics": ${numerics}, "runs": [\n${lines}\n]}\n`);
console.log(`www/precomputed/default.json: ${runs.length} recipes`);
