import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { realCatalog, realRefusal } from "../testing/catalog";
import { type Choice, choiceKey, DEFAULT_CHOICE, NO_ACTIVATIONS, normalise, recipeOf } from "./choice";
import type { CoreError } from "./schema";
import { type Change, fieldsOf, Prospects, settle } from "./settle";

const catalog = realCatalog();

/** Where a change to a choice ends, by the real engine. */
function after(start: Partial<Choice>, change: Change) {
  const choice = normalise({ ...DEFAULT_CHOICE, ...start }, catalog);
  return settle({ ...choice, ...change }, fieldsOf(change), catalog, realRefusal);
}

describe("a change that the engine takes", () => {
  it("changes nothing else", () => {
    const { choice, refusal } = after({}, { rounding: "gptq", damping: 0.02 });
    expect(refusal).toBeUndefined();
    expect(choice).toEqual({ ...DEFAULT_CHOICE, rounding: "gptq", damping: 0.02 });
  });
});

describe("what is in the way of a change", () => {
  const MOBILE = { model: "mobilenet-fashion", transforms: ["fold-batchnorm", "equalize"] };
  const cases: readonly [string, Partial<Choice>, Change, Partial<Choice>][] = [
    ["a grid around 0, of HQQ", {}, { rounding: "hqq" }, { symmetric: false }],
    [
      "HQQ's rounding, of a float",
      { rounding: "hqq", symmetric: false },
      { weights: "fp8-e4m3" },
      { rounding: "nearest" },
    ],
    ["powers of two, of a zero-point", { scale: "power-of-two" }, { symmetric: false }, { scale: "float" }],
    [
      "entropy, of shifted inputs",
      { calibration: "entropy" },
      { inputsSymmetric: false },
      { calibration: "percentile" },
    ],
    ["a correction, of AdaRound", { correction: "bias" }, { rounding: "adaround" }, { correction: "none" }],
    ["a budget, of a codebook", { budget: 4 }, { weights: "kmeans" }, { budget: 0 }],
    [
      "SmoothQuant, of plain inputs",
      { transforms: ["smoothquant"] },
      { activations: NO_ACTIVATIONS },
      { transforms: [] },
    ],
    ["a range, of AWQ", { range: "mse", transforms: ["awq"] }, { range: "mse" }, { transforms: [] }],
    [
      "all transforms, of a model they find nothing on",
      MOBILE,
      { model: "transformer-shakespeare" },
      { transforms: [] },
    ],
    ["one of two transforms", MOBILE, { model: "lenet5-fashion" }, { transforms: ["equalize"] }],
    [
      "a cache, of images",
      { model: "transformer-shakespeare", cache: "int4" },
      { model: "mlp-digits" },
      { cache: "none" },
    ],
    [
      "tokens, of images",
      { model: "transformer-shakespeare", mode: "token" },
      { model: "mlp-digits" },
      { mode: "dynamic" },
    ],
    ["one range for a text", { mode: "dynamic" }, { model: "transformer-shakespeare" }, { mode: "token" }],
    ["training, of GPTQ's codes", { epochs: 2 }, { rounding: "gptq" }, { epochs: 0 }],
    ["dynamic ranges, of training", { mode: "dynamic", epochs: 0 }, { epochs: 1, mode: "static" }, { mode: "static" }],
    ["a draw that nothing looks at", { draw: 3 }, { activations: NO_ACTIVATIONS }, { draw: -1 }],
    ["images that nothing looks at", { images: 64, rounding: "gptq" }, { rounding: "nearest" }, { images: 256 }],
    ["ends of few bits, of many", { ends: true, activations: NO_ACTIVATIONS }, { weights: "int16" }, { ends: false }],
    ["layers that blocks do not fit", {}, { weights: "nvfp4" }, { misfits: "int8" }],
    ["layers that groups do not fit", {}, { granularity: "group", group: 16 }, { misfits: "int8" }],
    [
      "blocks that fit no layer of another model",
      { model: "mlp-digits", weights: "mxfp4" },
      { model: "lenet5-fashion" },
      { weights: "int4" },
    ],
    [
      "groups that fit no layer of another model",
      { model: "mlp-digits", granularity: "group", group: 32 },
      { model: "lenet5-fashion" },
      { granularity: "channel" },
    ],
  ];

  it.each(cases)("%s, gives way", (_, start, change, expected) => {
    const { choice, refusal } = after(start, change);
    expect(refusal).toBeUndefined();
    expect(choice).toMatchObject(normalise({ ...choice, ...change, ...expected }, catalog));
    for (const [field, value] of Object.entries(expected)) expect(choice[field as keyof Choice]).toEqual(value);
  });

  it("is what makes the engine refuse the change as it stands", () => {
    const asked = cases.filter(([, start, change]) => {
      const plain = normalise({ ...DEFAULT_CHOICE, ...start, ...change }, catalog);
      return realRefusal(recipeOf(plain, catalog)) !== undefined;
    });
    // What a format has no use for is already gone by the catalog alone; all others are settled here.
    expect(asked.length).toBeGreaterThan(cases.length - 4);
  });
});

describe("a change that the engine refuses for itself", () => {
  it.each([
    ["fold-batchnorm where there is no norm", {}, { transforms: ["fold-batchnorm"] }, /no batch norm/],
    [
      "two scalings of one channel",
      { transforms: ["equalize"] },
      { transforms: ["equalize", "smoothquant"] },
      /both scale/,
    ],
    ["AdaRound with a float", { weights: "fp8-e4m3" }, { rounding: "adaround", weights: "fp8-e4m3" }, undefined],
    ["entropy with shifted inputs", { inputsSymmetric: false }, { calibration: "entropy" }, /entropy/],
    ["a cache of images", {}, { cache: "int8" }, /keeps no keys/],
    ["blocks that fit no layer", {}, { weights: "tq2_0" }, /in blocks of 256/],
    ["a draw that nothing looks at", { activations: NO_ACTIVATIONS }, { draw: 1 }, /nothing looks at/],
  ] as const)("%s stays refused, with the reason", (_, start, change, reason) => {
    const { refusal } = after(start as Partial<Choice>, change as Change);
    // By the catalog a float has no AdaRound: it is not even asked.
    if (reason === undefined) expect(refusal).toBeUndefined();
    else expect(refusal?.found).toMatch(reason);
  });
});

describe("prospects", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Prospects over an engine that takes `cost` ms for an answer and refuses `bad` roundings. */
  function prospects(cost: number) {
    const asked: string[] = [];
    let now = 0;
    const answered = vi.fn();
    const made = new Prospects(
      (recipe) => {
        now += cost;
        asked.push(JSON.stringify(recipe));
        const bad = asked.at(-1)?.includes("hqq");
        return bad
          ? ({ code: "combination", path: "steps.0.quantize.weights.rounding", found: "", allowed: "" } as CoreError)
          : undefined;
      },
      answered,
      () => now,
    );
    return { made, asked, answered };
  }

  it("are not known at first, then told once, and not asked again", () => {
    const { made, asked, answered } = prospects(1);
    expect(made.of(DEFAULT_CHOICE, { rounding: "hqq" }, catalog)).toBeUndefined();
    expect(made.of(DEFAULT_CHOICE, { rounding: "gptq" }, catalog)).toBeUndefined();
    expect(asked.length).toBe(0);
    vi.runAllTimers();
    expect(answered).toHaveBeenCalledTimes(1);
    const count = asked.length;
    expect(made.of(DEFAULT_CHOICE, { rounding: "hqq" }, catalog)?.refusal?.path).toContain("rounding");
    expect(made.of(DEFAULT_CHOICE, { rounding: "gptq" }, catalog)?.refusal).toBeUndefined();
    // The same recipe with another seed, on fewer images, is no other question.
    made.of({ ...DEFAULT_CHOICE, seed: 1, count: 100 }, { rounding: "gptq" }, catalog);
    vi.runAllTimers();
    expect(asked.length).toBe(count);
    expect(new Set(asked).size).toBe(count);
  });

  it("are what they last were until they are known, and busy until then", () => {
    const { made } = prospects(1);
    made.of(DEFAULT_CHOICE, { rounding: "hqq" }, catalog);
    expect(made.asking).toBe(true);
    vi.runAllTimers();
    expect(made.asking).toBe(false);
    const before = made.of(DEFAULT_CHOICE, { rounding: "hqq" }, catalog);
    expect(before?.refusal).toBeDefined();
    const next = { ...DEFAULT_CHOICE, weights: "int3" };
    made.renew();
    expect(made.of(next, { rounding: "hqq" }, catalog)).toBe(before);
    expect(made.of(next, { rounding: "gptq" }, catalog)).toBeUndefined();
    vi.runAllTimers();
    const after = made.of(next, { rounding: "hqq" }, catalog);
    expect(after?.choice.weights).toBe("int3");
    expect(after?.refusal).toBeDefined();
  });

  it("give way to the page after a few milliseconds, and are dropped when the choice changes", () => {
    const { made, asked, answered } = prospects(5);
    for (let group = 2; group < 12; group += 1) made.of(DEFAULT_CHOICE, { granularity: "group", group }, catalog);
    vi.advanceTimersByTime(80);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.length).toBeLessThan(5);
    made.renew();
    vi.runAllTimers();
    expect(asked.length).toBeLessThan(5);
    expect(answered).not.toHaveBeenCalled();
  });

  it("are for a choice as a whole: equal recipes have equal keys", () => {
    expect(choiceKey({ ...DEFAULT_CHOICE })).toBe(choiceKey(DEFAULT_CHOICE));
    expect(choiceKey({ ...DEFAULT_CHOICE, transforms: ["awq"] })).not.toBe(choiceKey(DEFAULT_CHOICE));
  });
});
