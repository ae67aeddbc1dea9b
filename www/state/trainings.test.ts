import { describe, expect, it } from "vitest";
import { realCatalog, realRefusal } from "../testing/catalog";
import { realRun } from "../testing/run";
import type { EnginePort } from "./port";
import type { Hold, Progress, Recipe, RunResult } from "./schema";
import { DEFAULT_TRAINING, type TrainingChoice } from "./training";
import { ALPHAS, cellKey, TEMPERATURES, Trainings, workedFor } from "./trainings";

const catalog = realCatalog();
const MODEL = "mlp8-digits";

interface Asked {
  readonly hold: Hold | undefined;
  readonly recipe: Recipe;
  readonly onProgress: (progress: Progress) => void;
  readonly finish: () => void;
  readonly fail: (error: unknown) => void;
}

/** An engine whose runs end when the test says so; what they answer is the real engine's. */
function setUp() {
  const asked: Asked[] = [];
  const engine: Pick<EnginePort, "run" | "refusal"> = {
    refusal: realRefusal,
    run: (recipe, { signal, hold, onProgress }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
        const finish = () => resolve({ report: realRun(recipe) } as RunResult);
        asked.push({ recipe, hold, onProgress, finish, fail: reject });
      }),
  };
  const clock = { now: 0 };
  const trainings = new Trainings(engine as EnginePort, () => clock.now);
  return { asked, trainings, clock };
}

const subject = (change: Partial<TrainingChoice> = {}) => ({
  choice: { ...DEFAULT_TRAINING, epochs: 1, count: 64, ...change },
  model: MODEL,
  seed: 3,
});
const trainOf = ({ recipe }: Asked) => {
  const step = recipe.steps[0];
  return step && "train" in step ? step.train : undefined;
};
const progress = (share: number): Progress => ({
  done: false,
  phase: "train",
  done_macs: share,
  total_macs: 1,
  partial: null,
  bytes: null,
  losses: [2, 1],
});

describe("one training", () => {
  it("says how far it is, and keeps its report and its record", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.train(subject(), catalog);
    asked[0]?.onProgress(progress(0.25));
    expect(trainings.work).toMatchObject({ kind: "one", share: 0.25, wanted: 1 });
    expect(trainings.runs[0]).toMatchObject({ state: "running", number: 1 });
    asked[0]?.finish();
    await ended;
    expect(trainings.work).toBeUndefined();
    expect(trainings.runs[0]?.report?.steps[0]?.training?.loss).toHaveLength(1);
  });

  it("is stopped by a cancel and by the next; those that ended stay", async () => {
    const { asked, trainings } = setUp();
    const first = trainings.train(subject(), catalog);
    asked[0]?.finish();
    await first;
    const second = trainings.train(subject(), catalog);
    trainings.cancel();
    await second;
    expect(trainings.runs.map(({ state }) => state)).toEqual(["done", "cancelled"]);
    expect(trainings.work).toBeUndefined();
    const third = trainings.train(subject(), catalog);
    const fourth = trainings.train(subject(), catalog);
    await third;
    asked[3]?.finish();
    await fourth;
    expect(trainings.runs.map(({ number, state }) => `${number} ${state}`)).toEqual(["1 done", "4 done"]);
  });

  it("is held and let go on, and counts no second in between", async () => {
    const { asked, trainings, clock } = setUp();
    const ended = trainings.train(subject(), catalog);
    const events: (boolean | undefined)[] = [];
    asked[0]?.hold?.addEventListener("change", () => events.push(asked[0]?.hold?.held));
    clock.now = 2000;
    asked[0]?.onProgress(progress(0.5));
    trainings.hold(true);
    trainings.hold(true);
    clock.now = 60_000;
    const { work } = trainings;
    expect(work).toMatchObject({ share: 0.5, paused: 2000 });
    expect(work && workedFor(work, clock.now)).toBe(2);
    expect(trainings.runs[0]).toMatchObject({ state: "running", progress: { done_macs: 0.5 } });
    trainings.hold(false);
    // What has no checkpoint is done once more, and moves nothing back.
    asked[0]?.onProgress({ ...progress(0.1), phase: "evaluate", losses: [] });
    expect(trainings.work).toMatchObject({ share: 0.5, paused: undefined, began: 58_000 });
    expect(trainings.runs[0]?.progress?.losses).toEqual([2, 1]);
    clock.now = 61_000;
    asked[0]?.finish();
    await ended;
    expect(events).toEqual([true, false]);
    expect(trainings.runs[0]).toMatchObject({ state: "done", seconds: 3 });
    trainings.hold(true);
    expect(trainings.work).toBeUndefined();
  });

  it("that is stopped while it is held leaves the next one free", async () => {
    const { asked, trainings } = setUp();
    const first = trainings.train(subject(), catalog);
    trainings.hold(true);
    trainings.cancel();
    await first;
    const second = trainings.train(subject(), catalog);
    expect([asked[0]?.hold?.held, asked[1]?.hold?.held]).toEqual([true, false]);
    asked[1]?.finish();
    await second;
    expect(trainings.runs.map(({ state }) => state)).toEqual(["done"]);
  });

  it("remembers six", async () => {
    const { asked, trainings } = setUp();
    for (let at = 0; at < 8; at += 1) {
      const ended = trainings.train(subject(), catalog);
      asked[at]?.finish();
      await ended;
    }
    expect(trainings.runs.map(({ number }) => number)).toEqual([3, 4, 5, 6, 7, 8]);
  });

  it("says why it failed", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.train(subject(), catalog);
    asked[0]?.fail({ code: "asset", path: "data/digits", found: "404", allowed: "" });
    await ended;
    expect(trainings.runs[0]).toMatchObject({ state: "failed", error: { code: "asset" } });
    expect(trainings.work).toBeUndefined();
  });
});

describe("several seeds", () => {
  it("are the same training but for the seed, with the student alone and the teacher beside it", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.several(subject({ teacher: "mlp-digits", seeds: 2 }), catalog);
    expect(asked.map(({ recipe }) => recipe.seed)).toEqual([3, 3, 4, 4, 3]);
    expect(asked.map((each) => trainOf(each)?.distill !== undefined)).toEqual([false, true, false, true, false]);
    expect(asked[4]?.recipe).toMatchObject({ model: "mlp-digits", steps: [] });
    for (const each of [...asked].reverse()) each.finish();
    await ended;
    const seeds = trainings.groups.at(-1);
    expect(seeds?.alone.map(({ seed }) => seed)).toEqual([3, 4]);
    expect(seeds?.taught.map(({ seed }) => seed)).toEqual([3, 4]);
    expect(seeds?.teacher?.total).toBe(500);
    expect((seeds?.teacher?.correct ?? 0) / 500).toBeGreaterThan(0.95);
  });

  it("have no one teacher beside them where each seed makes its own", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.several(subject({ teacher: "mlp-digits", teacherEpochs: 2, seeds: 2 }), catalog);
    expect(asked.map((each) => trainOf(each)?.distill !== undefined)).toEqual([false, true, false, true]);
    for (const each of asked) each.finish();
    await ended;
    expect(trainings.groups[0]).toMatchObject({ teacher: undefined, taught: [{ seed: 3 }, { seed: 4 }] });
    expect(trainings.work).toBeUndefined();
  });

  it("are the training alone where there is no teacher", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.several(subject({ seeds: 3 }), catalog);
    expect(asked).toHaveLength(3);
    for (const each of asked) each.finish();
    await ended;
    expect(trainings.groups).toHaveLength(1);
    expect(trainings.groups[0]).toMatchObject({ taught: [], teacher: undefined });
  });

  it("are held all together", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.several(subject({ teacher: "mlp-digits", seeds: 2 }), catalog);
    trainings.hold(true);
    expect(asked.map(({ hold }) => hold?.held)).toEqual(asked.map(() => true));
    expect(trainings.work).toMatchObject({ kind: "seeds", paused: 0 });
    trainings.hold(false);
    for (const each of asked) each.finish();
    await ended;
    expect(trainings.groups[0]?.taught).toHaveLength(2);
  });

  it("stop all together when one fails, and say why", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.several(subject({ seeds: 3 }), catalog);
    asked[1]?.fail({ code: "internal", path: "", found: "", allowed: "" });
    await ended;
    expect(trainings.error?.code).toBe("internal");
    expect(trainings.work).toBeUndefined();
  });
});

describe("groups of seeds", () => {
  /** Trains one to its end. */
  async function done({ asked, trainings }: ReturnType<typeof setUp>, change: Partial<TrainingChoice>): Promise<void> {
    const before = asked.length;
    const ended = trainings.several(subject({ seeds: 2, ...change }), catalog);
    for (const each of asked.slice(before)) each.finish();
    await ended;
  }
  const rates = (trainings: Trainings) => trainings.groups.map(({ number, choice }) => `${number} ${choice.lr}`);

  it("stay beside each other, the newest last, and count with the trainings", async () => {
    const own = setUp();
    await done(own, { lr: 0.1 });
    const ended = own.trainings.train(subject(), catalog);
    own.asked.at(-1)?.finish();
    await ended;
    await done(own, { lr: 0.2 });
    expect(rates(own.trainings)).toEqual(["1 0.1", "3 0.2"]);
    expect(own.trainings.runs.map(({ number }) => number)).toEqual([2]);
    own.trainings.forget(1);
    expect(rates(own.trainings)).toEqual(["3 0.2"]);
  });

  it("take the place of the same training, also with more seeds, under its number", async () => {
    const own = setUp();
    for (const lr of [0.1, 0.2]) await done(own, { lr });
    await done(own, { lr: 0.1, seeds: 3 });
    expect(rates(own.trainings)).toEqual(["2 0.2", "1 0.1"]);
    expect(own.trainings.groups[1]?.alone).toHaveLength(3);
  });

  it("are there with the first result of a student, and those before stay until then", async () => {
    const own = setUp();
    const taught = { teacher: "mlp-digits" };
    await done(own, taught);
    const { trainings, asked } = own;
    const before = trainings.groups;
    const again = trainings.several(subject({ seeds: 2, ...taught }), catalog);
    const teacher = asked.at(-1);
    expect(teacher?.recipe.steps).toEqual([]);
    teacher?.finish();
    await new Promise((resolve) => setTimeout(resolve));
    expect(trainings.groups).toBe(before);
    asked.at(-2)?.finish();
    await new Promise((resolve) => setTimeout(resolve));
    expect(trainings.groups).toHaveLength(1);
    expect(trainings.groups[0]).toMatchObject({ alone: [], taught: [{ seed: 4 }], teacher: { total: 500 } });
    trainings.cancel();
    await again;
  });

  it("are six at most", async () => {
    const own = setUp();
    for (let at = 1; at <= 7; at += 1) await done(own, { lr: at / 10 });
    expect(rates(own.trainings)).toEqual(["2 0.2", "3 0.3", "4 0.4", "5 0.5", "6 0.6", "7 0.7"]);
  });
});

describe("the map of a teacher", () => {
  it("has a training for each cell, one for all without a part of the teacher, and reads validation alone", async () => {
    const { asked, trainings } = setUp();
    const ended = trainings.chart(subject({ teacher: "mlp-digits" }), catalog);
    expect(asked).toHaveLength(TEMPERATURES.length * (ALPHAS.length - 1) + 1);
    expect(new Set(asked.map(({ recipe }) => recipe.data?.split))).toEqual(new Set(["validation"]));
    const pairs = asked.map((each) => {
      const { temperature = 0, alpha = 0 } = trainOf(each)?.distill ?? {};
      return cellKey(temperature, alpha);
    });
    expect(new Set(pairs).size).toBe(asked.length);
    for (const each of asked) each.finish();
    await ended;
    expect([...(trainings.map?.cells.keys() ?? [])].sort()).toEqual([...pairs].sort());
    for (const { total } of trainings.map?.cells.values() ?? []) expect(total).toBe(200);
  });
});
