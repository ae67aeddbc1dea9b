import { describe, expect, it } from "vitest";
import { alike, breakEven, kernelSpeeds, sparseSpeeds, startOf, thisBrowser } from "./timing.mjs";

type Args<F extends (...args: never[]) => unknown> = Parameters<F>;

function finish<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** A job whose steps take as many milliseconds as said, on a clock of its own. */
function jobOf(clock: { ms: number }, costs: Readonly<Record<string, number>>) {
  const names = Object.keys(costs);
  const all = Object.values(costs).reduce((sum, cost) => sum + cost, 0);
  const made = { works: new Set<string>(), freed: 0 };
  return {
    timedSteps: () =>
      names.map((name) => ({ name, requested: "w8a8", executed: "i32", support: "fallback", reason: "" })),
    // `fc` is served by a kernel that skips zeros: it takes less the more there are; dense 1 ms.
    layerWork: (layer: string, percent: number) =>
      layer.startsWith("fc")
        ? {
            layers: () => [{ op: "linear", window: undefined, parameters: [["weight", [10, 4, 5]]] }],
            describe: () => ({ batch: 8, outputs: 10, input: [4, 5] }),
            input: () => new Float32Array(1),
            run: () => {
              made.works.add(`${layer} ${percent}`);
              clock.ms += percent === 0 ? 1 : (100 - percent) / 25;
            },
            check: () => ({ found: 0, allowed: 0 }),
            free: () => {
              made.freed++;
            },
          }
        : undefined,
    made,
    runSteps: (step: number | undefined, times: number) => {
      clock.ms += times * (step === undefined ? all : (costs[names[step] ?? ""] ?? Number.NaN));
    },
  };
}

describe("this-browser", () => {
  it("times every layer of the recipe, and the same layer before any step", () => {
    const clock = { ms: 0 };
    // A layer that the recipe took out does not shift the others.
    const job = jobOf(clock, { conv: 0.25, fc: 0.5 });
    const baseline = jobOf(clock, { conv: 1, gone: 7, fc: 0.125 });
    const [own, float] = [job, baseline] as unknown as Args<typeof thisBrowser>;
    const target = finish(thisBrowser(own, float, () => clock.ms));
    expect(target.layers.map(({ name, ms, baseline_ms }) => [name, ms, baseline_ms])).toEqual([
      ["conv", 0.25, 1],
      ["fc", 0.5, 0.125],
    ]);
    expect([target.latency_ms, target.baseline_latency_ms]).toEqual([0.75, 8.125]);
    expect(target).toMatchObject({ id: "this-browser", measured: true, batch: 8 });
  });

  it("times each shape of layer that zeros are skipped in once, dense and sparse", () => {
    const clock = { ms: 0 };
    const costs = { conv: 1, "fc1 + relu": 1, fc2: 1 };
    const job = jobOf(clock, costs);
    const [own, float] = [job, jobOf(clock, costs)] as unknown as Args<typeof thisBrowser>;
    const { sparse_layers } = finish(thisBrowser(own, float, () => clock.ms));
    expect(sparse_layers.map(({ layer, rows, inputs, dense_ms }) => [layer, rows, inputs, dense_ms])).toEqual([
      ["fc1", 10, 20, 1],
      ["fc2", 10, 20, 1],
    ]);
    for (const [i, { zeros, ms }] of (sparse_layers[0]?.points ?? []).entries()) {
      expect(zeros).toBe([0.5, 0.7, 0.8, 0.9, 0.95][i]);
      expect(ms).toBeCloseTo(4 * (1 - zeros));
    }
    expect(sparse_layers[0]?.break_even).toBeCloseTo(0.75);
    expect([...job.made.works]).toEqual([0, 50, 70, 80, 90, 95].map((percent) => `fc1 ${percent}`));
    expect(job.made.freed).toBe(2 + 6);
  });

  it("groups steps so that both plans cover the same layers", () => {
    const steps = (...names: string[]) => names.map((name) => ({ name }));
    // A kernel of signs takes nothing into its step; floats take norm and activation.
    const signs = steps("conv", "norm", "relu", "fc");
    expect(alike(signs, steps("conv + norm + relu", "fc"))).toEqual([
      [[0, 1, 2], [0]],
      [[3], [1]],
    ]);
    // Folded norms are gone; a lone step of a gone layer is left out.
    expect(alike(steps("conv + relu", "fc"), steps("conv + norm + relu", "gone", "fc"))).toEqual([
      [[0], [0]],
      [[1], [2]],
    ]);
    // Steps that overlap make one group.
    expect(alike(steps("a + b", "c"), steps("a", "b + c"))).toEqual([
      [
        [0, 1],
        [0, 1],
      ],
    ]);
  });

  it("compares with the recipe's own start", () => {
    const recipe = { version: 1, model: "m", seed: 7, steps: [{ quantize: {} }], data: { set: "s", count: 9 } };
    expect(startOf(recipe)).toEqual({ ...recipe, steps: [], data: { set: "s", count: 1 } });
  });
});

describe("kernels", () => {
  const bindings = (found: number, clock = { ms: 0 }, freed = { count: 0 }) => {
    class Workload {
      static ids = () => [
        "ceiling-f32",
        "gemm-f32-512",
        "gemm-f32-1024",
        "gemm-int8-512",
        "sparse-50-512",
        "sparse-90-512",
        "sparse-90-fc1",
      ];
      constructor(private readonly id: string) {}
      input = () => new Float32Array(1);
      run = () => {
        clock.ms += { "gemm-f32-512": 20, "sparse-50-512": 30 }[this.id] ?? 5;
      };
      check = () => ({ found, allowed: 0.1 });
      describe = () => ({ macs: 1e8 });
      free = () => {
        freed.count++;
      };
    }
    return { given: { Workload } as unknown as Args<typeof kernelSpeeds>[0], clock, freed };
  };

  it("are the products of side 512, in giga-operations a second", () => {
    const { given, clock, freed } = bindings(0);
    expect(finish(kernelSpeeds(given, () => clock.ms))).toEqual([
      { id: "f32", gops: 10 },
      { id: "int8", gops: 40 },
    ]);
    expect(freed.count).toBe(2);
  });

  it("skip zeros at some speed, and meet the dense product in between", () => {
    const { given, clock, freed } = bindings(0);
    const { dense_ms, points, break_even } = finish(sparseSpeeds(given, () => clock.ms));
    expect([dense_ms, points]).toEqual([
      20,
      [
        { zeros: 0.5, ms: 30 },
        { zeros: 0.9, ms: 5 },
      ],
    ]);
    expect(break_even).toBeCloseTo(0.66);
    expect(freed.count).toBe(3);
    // Already faster at the first share, by the line that goes on; never as fast.
    expect(breakEven(points, 35)).toBeCloseTo(0.42);
    expect(breakEven(points, 4)).toBeUndefined();
  });

  it("count only when their results are right", () => {
    const { given, clock, freed } = bindings(Number.NaN);
    expect(() => finish(kernelSpeeds(given, () => clock.ms))).toThrow(/gemm-f32-512 is off by NaN/);
    expect(freed.count).toBe(1);
  });
});
