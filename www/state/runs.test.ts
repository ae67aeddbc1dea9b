import { describe, expect, it } from "vitest";
import precomputed from "../precomputed/default.json";
import { DEFAULT_CHOICE, isBaseline } from "./choice";
import { csv, csvCell } from "./csv";
import { type Precomputed, precomputedRuns } from "./precomputed";
import { bitsOf, bytesOf, errorsPerClass, flips, newRun, type Outcome, smallestReaching } from "./runs";
import type { Progress } from "./schema";

describe("runs", () => {
  const before = Uint8Array.of(0, 1, 2, 3, 3);
  const after = Uint8Array.of(0, 2, 1, 3, 2);
  const labels = Uint8Array.of(0, 1, 1, 3, 0);

  it("list flipped answers, newly wrong ones first", () => {
    expect(flips(before, after, labels)).toEqual([
      { index: 1, label: 1, before: 1, after: 2 },
      { index: 2, label: 1, before: 2, after: 1 },
      { index: 4, label: 0, before: 3, after: 2 },
    ]);
  });

  it("count errors per class", () => {
    expect(errorsPerClass(after, labels, 4)).toEqual([1, 1, 0, 0]);
    const wrong = [...after].filter((value, index) => value !== labels[index]).length;
    expect(errorsPerClass(after, labels, 4).reduce((sum, value) => sum + value, 0)).toBe(wrong);
  });

  it("know the size of a run under way, in bytes as the engine says and in bits all but exactly", () => {
    const runs = precomputedRuns(precomputed as unknown as Precomputed);
    const baseline = runs.find(({ choice }) => isBaseline(choice))?.outcome;
    expect(runs.length).toBeGreaterThan(9);
    for (const { choice, outcome } of runs) {
      const { bytes, bits_per_weight } = outcome.size;
      const under = { ...newRun(choice, "running"), progress: { bytes } as unknown as Progress };
      expect(bytesOf(under)).toBe(bytes);
      expect(bitsOf({ ...under, outcome }, baseline)).toBe(bits_per_weight);
      expect(Math.abs((bitsOf(under, baseline) ?? 0) / bits_per_weight - 1)).toBeLessThan(0.005);
      expect(bitsOf(under, undefined)).toBeUndefined();
      expect(bytesOf(newRun(choice, "queued"))).toBeUndefined();
    }
  });

  it("find the smallest that reaches a target on the whole test set", () => {
    const run = (bytes: number, top1: number, count = 0) => ({
      ...newRun({ ...DEFAULT_CHOICE, count, seed: bytes }, "done"),
      outcome: { accuracy: { top1 }, size: { bytes } } as unknown as Outcome,
    });
    const runs = [run(100, 0.95), run(50, 0.91), run(20, 0.89), run(10, 0.99, 1000)];
    expect(smallestReaching(runs, 0.9)?.outcome?.size.bytes).toBe(50);
    expect(smallestReaching(runs, 0.96)).toBeUndefined();
  });
});

describe("CSV", () => {
  it.each([
    ["=1+1", "'=1+1"],
    ["+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"],
    ["-2+3", "'-2+3"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\t=1", "'\t=1"],
    [" =1", "' =1"],
    ["\r=1", `"'\r=1"`],
    ["\u202e=1", "'=1"],
    ["plain", "plain"],
    ['a "b", c', '"a ""b"", c"'],
    ["", ""],
  ])("%j becomes %j", (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });

  it("keeps negative numbers numbers, and nothing where there is nothing", () => {
    expect([csvCell(-0.5), csvCell(Number.NaN), csvCell(undefined)]).toEqual(["-0.5", "", ""]);
  });

  it("ends every line as RFC 4180 has it", () => {
    expect(csv(["a", "b"], [[1, "x,y"]])).toBe('a,b\r\n1,"x,y"\r\n');
  });
});
