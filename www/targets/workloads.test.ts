import { describe, expect, it } from "vitest";
import { findWorkload, WORKLOADS } from "./workloads.mjs";

const layersOf = (id: string, batch = 1, sequence = 1) => findWorkload(id).layers({ batch, sequence });
const macs = (id: string, batch = 1, sequence = 1) =>
  layersOf(id, batch, sequence).reduce((sum, layer) => sum + layer.count * layer.macs, 0);

describe("reference workloads", () => {
  // Parameters to the last one: torchvision's model tables, and the sizes of the published checkpoints.
  it.each([
    ["resnet-50", 25_557_032],
    ["mobilenet-v2", 3_504_872],
    ["llama-2-7b-decode", 6_738_415_616],
    ["llama-2-7b-prefill", 6_738_415_616],
    ["llama-3-8b-decode", 8_030_261_248],
  ])("%s has its published parameters", (id, parameters) => {
    expect(findWorkload(id).parameters).toBe(parameters);
  });

  it("BERT-base has 110 million, its pooler of 590,592 left out", () => {
    expect(findWorkload("bert-base").parameters).toBe(109_482_240 - 590_592);
  });

  // torchvision prints 4.09 and 0.30 GFLOPS (multiply-adds) at 224×224.
  it.each([
    ["resnet-50", 4.09e9],
    ["mobilenet-v2", 0.3e9],
  ])("%s has its published multiply-adds", (id, published) => {
    expect(macs(id) / published).toBeGreaterThan(0.995);
    expect(macs(id) / published).toBeLessThan(1.005);
  });

  it("a transformer's products are its weights for every position, and attention", () => {
    // Each weight once for a token, but the embedding, of which one row is read.
    const read = 6_738_415_616 - 32000 * 4096 - 65 * 4096;
    expect(macs("llama-2-7b-decode", 1, 1)).toBe(read + 2 * 32 * 4096);
    expect(macs("llama-2-7b-decode", 3, 1000)).toBe(3 * (read + 1000 * 2 * 32 * 4096));
    // BERT-base: 12 layers of 4·768² + 2·768·3072 weights, over 128 positions.
    expect(macs("bert-base", 1, 128)).toBe(128 * 12 * (4 * 768 ** 2 + 2 * 768 * 3072) + 12 * 2 * 128 * 128 * 768);
  });

  it("everything but weights grows with the batch", () => {
    for (const { id, sequence } of WORKLOADS) {
      const [one, four] = [layersOf(id, 1, sequence), layersOf(id, 4, sequence)];
      for (const [i, layer] of one.entries()) {
        const other = four[i];
        expect(other?.macs, layer.name).toBe(4 * layer.macs);
        expect(other?.weights, layer.name).toBe(layer.weights);
        expect(other?.outputs, layer.name).toBe(4 * layer.outputs);
        expect(other?.cached, layer.name).toBe(4 * layer.cached);
      }
    }
  });

  it("keeps keys and values: half a megabyte a token for Llama-2-7B in 16 bits, an eighth for Llama-3-8B", () => {
    expect(2 * findWorkload("llama-2-7b-decode").held(1)).toBe(524_288);
    expect(2 * findWorkload("llama-3-8b-decode").held(1)).toBe(131_072);
  });
});
