import { describe, expect, it } from "vitest";
import { realCatalog } from "../testing/catalog";
import { DEFAULT_CHOICE } from "./choice";
import type { EnginePort } from "./port";
import type { Recipe, RunResult } from "./schema";
import { DRAWS, Spread, summary } from "./spread";

const catalog = realCatalog();
const drawn = (...counts: number[]) => counts.map((correct, seed) => ({ seed, correct, total: 100 }));

/** An engine whose runs end when told, with as many right answers as `answer` says of the seed. */
function engine(answer: (seed: number) => number) {
  const runs: { recipe: Recipe; end: (error?: unknown) => void }[] = [];
  const port = {
    run: (recipe: Recipe, { signal }: { signal: AbortSignal }) =>
      new Promise<RunResult>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        const step = recipe.steps[0];
        const seed = step && "quantize" in step ? (step.quantize.seed ?? -1) : -1;
        const accuracy = { correct: answer(seed), total: 100 };
        runs.push({
          recipe,
          end: (error) => (error ? reject(error) : resolve({ report: { accuracy } } as unknown as RunResult)),
        });
      }),
  } as unknown as EnginePort;
  return { port, runs };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("a summary", () => {
  it("has the extremes and the middle", () => {
    expect(summary(drawn(7, 3, 5))).toEqual({ least: 3, median: 5, most: 7 });
    expect(summary(drawn(4, 1, 3, 2))).toEqual({ least: 1, median: 2.5, most: 4 });
    expect(summary([])).toBeUndefined();
  });
});

describe("the spread over draws", () => {
  it("runs the recipe with each seed, and knows it again whatever the choice's own draw", async () => {
    const { port, runs } = engine((seed) => 90 + seed);
    let changes = 0;
    const spread = new Spread(port, () => {
      changes += 1;
    });
    const done = spread.run(DEFAULT_CHOICE, catalog);
    expect(spread.of(DEFAULT_CHOICE)?.running).toBe(true);
    expect(runs.map(({ recipe }) => (recipe.steps[0] as { quantize: { seed: number } }).quantize.seed)).toEqual([
      0, 1, 2, 3, 4,
    ]);
    for (const run of runs) run.end();
    await done;
    const known = spread.of({ ...DEFAULT_CHOICE, draw: 7 });
    expect(known?.running).toBe(false);
    expect(known?.results.map((result) => result.correct).sort()).toEqual([90, 91, 92, 93, 94]);
    expect(changes).toBeGreaterThanOrEqual(DRAWS + 2);
    expect(spread.of({ ...DEFAULT_CHOICE, weights: "int3" })).toBeUndefined();
    // All are there: nothing is run again.
    await spread.run(DEFAULT_CHOICE, catalog);
    expect(runs.length).toBe(DRAWS);
  });

  it("can be cancelled: what had ended stays, and only the rest is run later", async () => {
    const { port, runs } = engine(() => 80);
    const spread = new Spread(port, () => {});
    const done = spread.run(DEFAULT_CHOICE, catalog);
    runs[2]?.end();
    await settled();
    spread.cancel();
    await done;
    expect(spread.of(DEFAULT_CHOICE)).toEqual({
      results: [{ seed: 2, correct: 80, total: 100 }],
      running: false,
      error: undefined,
    });
    void spread.run(DEFAULT_CHOICE, catalog);
    expect(runs.length).toBe(DRAWS + DRAWS - 1);
  });

  it("stops at an error and says it", async () => {
    const { port, runs } = engine(() => 80);
    const spread = new Spread(port, () => {});
    const done = spread.run(DEFAULT_CHOICE, catalog);
    runs[0]?.end({ code: "asset", path: "data/x", found: "HTTP 404", allowed: "" });
    await done;
    expect(spread.of(DEFAULT_CHOICE)).toMatchObject({ running: false, results: [], error: { code: "asset" } });
    expect(spread.running).toBe(false);
  });
});
