// WebAssembly memory never shrinks, so a worker's peak is what it holds: evaluating again and again must take no more.
import { expect, it } from "vitest";
import { loadEngine } from "../../bin/engine.mjs";

it("does not grow over a thousand evaluations", async () => {
  const node = await loadEngine();
  const { memory } = node.core.initSync();
  const recipe = { version: 1, model: "mlp-digits", seed: 1, data: { test: 16 } };
  const steps = (format) => [{ quantize: { weights: { format } } }];
  const evaluate = (i) => node.finish({ ...recipe, steps: i % 2 ? steps("int4") : steps("int8") }).job.free();
  for (let i = 0; i < 50; i++) evaluate(i);
  const before = memory.buffer.byteLength;
  for (let i = 0; i < 1000; i++) evaluate(i);
  expect(memory.buffer.byteLength).toBe(before);
}, 180_000);
