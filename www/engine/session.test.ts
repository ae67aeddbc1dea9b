import { describe, expect, it } from "vitest";
import type { Response, Work } from "./protocol";
import { nextBudget, Session } from "./session";
import type { AssetNeed, Bindings, CoreError, Job, Progress, Recipe } from "./types";

const recipe: Recipe = { version: 1, model: "a", seed: 7, steps: [], data: { set: "a" } };
const run = (key = "a"): Work => ({ type: "run", key, recipe });
const drawing = (key: string): Work => ({ type: "probabilities", key, recipe, pixels: new Uint8Array(1) });
const missing = (path: string): CoreError => ({ code: "asset", path, found: "", allowed: "" });

interface Plan {
  /** Slices a job takes. */
  slices?: number;
  /** Files that must be provided before a job starts. */
  needs?: string[];
  trap?: boolean;
  error?: CoreError;
  /** Times a file's checksum is refused. */
  refusals?: number;
  phase?: Progress["phase"];
  /** Slices of a step of training, at whose end there is a checkpoint for whoever asked; without it nothing is trained. */
  step?: number;
  /** What its reports say of accuracy. */
  accuracy?: { bits_per_character?: number };
}

/** An engine whose jobs take as many slices as planned, and a clock that a slice moves by `slice_ms`. */
function bench(plan: Plan = {}, slice_ms = 10) {
  const { slices = 3, needs = [], phase = "evaluate" } = plan;
  let clock = 0;
  let refusals = plan.refusals ?? 0;
  const files = new Set<string>();
  const counts = { started: 0, prepared: 0, freed: 0, slices: 0, manifests: [] as string[], inspected: [] as number[] };
  const budgets: number[] = [];

  const jobOf = (): Job => {
    let done = 0;
    let asked = false;
    return {
      askCheckpoint: () => {
        if (plan.step && !asked) asked = true;
        else if (plan.step && done % plan.step === 0) return false;
        return asked;
      },
      advance: (budget) => {
        budgets.push(budget);
        if (plan.trap) throw new WebAssembly.RuntimeError("unreachable");
        if (plan.error) throw plan.error;
        done++;
        counts.slices++;
        clock += slice_ms;
        return {
          done: done >= slices,
          phase,
          done_macs: done,
          total_macs: slices,
          partial: null,
          bytes: null,
          losses: [],
        };
      },
      report: () => ({ accuracy: plan.accuracy ?? {} }) as unknown as ReturnType<Job["report"]>,
      predictions: () => new Uint8Array([1, 2]),
      probabilities: () => new Float32Array([0.5]),
      exported: () => new Uint8Array([3]),
      layers: () => [{ layer: "fc" }] as unknown as ReturnType<Job["layers"]>,
      layerWork: () => undefined,
      sensitivity: () => [{ layer: "fc", bits: 4 }] as unknown as ReturnType<Job["sensitivity"]>,
      weights: (layer, granule, from) => {
        if (granule > 1) throw { code: "range", path: "granule", found: String(granule), allowed: "1" };
        return { format: layer, first: from } as unknown as ReturnType<Job["weights"]>;
      },
      matrix: (layer) => {
        if (layer !== "fc") throw { code: "unknown-id", path: "layer", found: layer, allowed: "" };
        const none = new Uint32Array();
        return [new Uint32Array([1, 2]), new Float32Array([0.5, 0]), new Uint8Array([1, 0]), none, none];
      },
      checkpoint: () => (plan.step || phase === "train" ? new Uint8Array([9, done]) : undefined),
      timedSteps: () => [],
      runSteps: () => {},
      free: () => {
        counts.freed++;
      },
    };
  };

  const asset = (path: string): AssetNeed => ({ path, bytes: 1, sha256: "" });

  class FakeEngine {
    addManifest = (path: string) => {
      counts.manifests.push(path);
    };
    needs = () => needs.map(asset);
    imageAsset = () => [asset("data/image")];
    has = (path: string) => files.has(path);
    provide = (path: string) => {
      if (refusals-- > 0) throw { code: "checksum", path, found: "x", allowed: "y" };
      files.add(path);
    };
    start = () => {
      for (const path of needs) if (!files.has(path)) throw missing(path);
      counts.started++;
      return jobOf();
    };
    prepare = () => {
      counts.prepared++;
      return jobOf();
    };
    inspect = (_: unknown, asked: Recipe) => {
      counts.inspected.push(asked.data?.count ?? 0);
      return jobOf();
    };
    sensitivityNeeds = () => needs.map(asset);
    sensitivity = () => {
      for (const path of needs) if (!files.has(path)) throw missing(path);
      return jobOf();
    };
    writer = (_: unknown, prompt: string) => ({
      advance: (steps: number) => {
        if (plan.trap) throw new WebAssembly.RuntimeError("unreachable");
        counts.slices++;
        clock += slice_ms;
        return prompt.repeat(steps);
      },
      free: () => {
        counts.freed++;
      },
    });
    image = () => {
      if (!files.has("data/image")) throw missing("data/image");
      return new Uint8Array([5]);
    };
    label = () => 4;
  }

  const posted: Response[] = [];
  const bindings = { Engine: FakeEngine } as unknown as Bindings;
  const session = new Session(bindings, [{ path: "data/local/manifest.json", text: "{}" }], {
    post: (message) => {
      posted.push(message);
      if (message.type === "want" && !message.path.includes("slow")) {
        session.handle({ type: "asset", path: message.path, blob: new Blob(["bytes"]) });
      }
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    now: () => clock,
  });

  const answer = async (id: number): Promise<Response> => {
    for (let turn = 0; turn < 1000; turn++) {
      const found = posted.find(
        (each) =>
          "id" in each && each.id === id && ["done", "error", "cancelled", "paused", "poisoned"].includes(each.type),
      );
      if (found) return found;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`no answer to ${id}: ${JSON.stringify(posted)}`);
  };
  return { session, posted, answer, counts, budgets };
}

describe("the budget", () => {
  it("follows the time a slice took, to 20 ms", () => {
    let budget = 1_000_000;
    const macs_per_ms = 130_000;
    for (let slice = 0; slice < 20; slice++) budget = nextBudget(budget, budget / macs_per_ms);
    expect(budget / macs_per_ms).toBeCloseTo(20, 1);
  });

  it("at most doubles, falls at once, and is never nothing", () => {
    expect(nextBudget(1000_000, 0)).toBe(2_000_000);
    expect(nextBudget(1000_000, 200)).toBe(100_000);
    expect(nextBudget(10_000, 10_000)).toBe(10_000);
  });
});

describe("a run", () => {
  it("fetches what it needs, runs to its end and answers report and predictions", async () => {
    const { session, posted, answer, counts } = bench({ needs: ["data/a", "data/b"] });
    session.handle({ type: "work", id: 1, work: run() });
    expect(await answer(1)).toEqual({
      type: "done",
      id: 1,
      result: { report: { accuracy: {} }, predictions: new Uint8Array([1, 2]), labels: new Uint8Array([4, 4]) },
    });
    expect(posted.filter(({ type }) => type === "want")).toEqual([
      { type: "want", path: "data/a", fresh: false },
      { type: "want", path: "data/b", fresh: false },
    ]);
    expect(counts).toMatchObject({ slices: 3, manifests: ["data/local/manifest.json"] });
  });

  it("stops between two slices when cancelled, and frees its job", async () => {
    const { session, answer, counts } = bench({ slices: 1_000_000 });
    session.handle({ type: "work", id: 1, work: run() });
    while (counts.slices < 5) await new Promise((resolve) => setImmediate(resolve));
    const before = counts.slices;
    session.handle({ type: "cancel", id: 1 });
    expect((await answer(1)).type).toBe("cancelled");
    expect(counts.slices - before).toBeLessThanOrEqual(1);
    expect(counts.freed).toBe(1);
  });

  it("that is paused goes on to the end of its step, and answers with the checkpoint from there", async () => {
    const { session, answer, counts } = bench({ slices: 1_000_000, step: 10, phase: "train" });
    session.handle({ type: "work", id: 1, work: run() });
    while (counts.slices < 23) await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "pause", id: 1 });
    expect(await answer(1)).toEqual({ type: "paused", id: 1, checkpoint: new Uint8Array([9, 30]) });
    expect(counts).toMatchObject({ slices: 30, freed: 1 });
    // Nothing is left of it: given again, it is a run like any other.
    session.handle({ type: "cancel", id: 1 });
    session.handle({ type: "pause", id: 1 });
    session.handle({ type: "work", id: 2, work: run() });
    while (counts.slices < 35) await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "cancel", id: 2 });
    expect((await answer(2)).type).toBe("cancelled");
  });

  it("that trains nothing is paused at once, without a checkpoint, and so is one that waits for a file", async () => {
    const { session, answer, counts } = bench({ slices: 1_000_000 });
    session.handle({ type: "work", id: 1, work: run() });
    while (counts.slices < 5) await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "pause", id: 1 });
    expect(await answer(1)).toEqual({ type: "paused", id: 1 });
    expect(counts).toMatchObject({ slices: 5, freed: 1 });
    const waiting = bench({ needs: ["data/slow"] });
    waiting.session.handle({ type: "work", id: 1, work: run() });
    waiting.session.handle({ type: "pause", id: 1 });
    expect(await waiting.answer(1)).toEqual({ type: "paused", id: 1 });
    expect(waiting.counts.started).toBe(0);
  });

  it("that is cancelled on the way into a pause is cancelled", async () => {
    const { session, answer, counts } = bench({ slices: 1_000_000, step: 1_000_000, phase: "train" });
    session.handle({ type: "work", id: 1, work: run() });
    while (counts.slices < 3) await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "pause", id: 1 });
    while (counts.slices < 6) await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "cancel", id: 1 });
    expect((await answer(1)).type).toBe("cancelled");
    expect(counts.freed).toBe(1);
  });

  it("stops while it waits for a file", async () => {
    const { session, answer, counts } = bench({ needs: ["data/slow"] });
    session.handle({ type: "work", id: 1, work: run() });
    await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "cancel", id: 1 });
    expect((await answer(1)).type).toBe("cancelled");
    expect(counts.started).toBe(0);
  });

  it("says how far it is at most every 50 ms, with a checkpoint every two seconds of training", async () => {
    const { session, posted, answer } = bench({ slices: 500, phase: "train" }, 10);
    session.handle({ type: "work", id: 1, work: run() });
    await answer(1);
    const said = posted.filter((each) => each.type === "progress");
    expect(said.length).toBeGreaterThanOrEqual(99);
    expect(said.length).toBeLessThanOrEqual(100);
    expect(said.filter(({ checkpoint }) => checkpoint !== undefined)).toHaveLength(2);
  });

  it("answers the core's errors, and serves the next run", async () => {
    const error: CoreError = { code: "range", path: "seed", found: "-1", allowed: "0 and up" };
    const { session, answer, counts } = bench({ error });
    session.handle({ type: "work", id: 1, work: run() });
    expect(await answer(1)).toEqual({ type: "error", id: 1, error });
    expect(counts.freed).toBe(1);
    session.handle({ type: "work", id: 2, work: { type: "image", set: "a", split: "test", index: 0 } });
    expect(await answer(2)).toMatchObject({ type: "done", result: { label: 4 } });
  });

  it("after a trap says that the instance is spent, and then nothing more", async () => {
    const { session, posted, answer, counts } = bench({ trap: true });
    session.handle({ type: "work", id: 1, work: run() });
    session.handle({ type: "work", id: 2, work: run("b") });
    expect(await answer(1)).toEqual({ type: "poisoned", id: 1, message: "RuntimeError: unreachable" });
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(posted.filter(({ type }) => type !== "want")).toHaveLength(1);
    expect(counts.freed).toBe(0);
  });
});

describe("files", () => {
  it("whose checksum is wrong are asked for once more, past every cache", async () => {
    const { session, posted, answer } = bench({ needs: ["data/a"], refusals: 1 });
    session.handle({ type: "work", id: 1, work: run() });
    expect((await answer(1)).type).toBe("done");
    expect(posted.filter(({ type }) => type === "want")).toEqual([
      { type: "want", path: "data/a", fresh: false },
      { type: "want", path: "data/a", fresh: true },
    ]);
  });

  it("wrong twice are an error", async () => {
    const { session, answer } = bench({ needs: ["data/a"], refusals: 2 });
    session.handle({ type: "work", id: 1, work: run() });
    expect(await answer(1)).toMatchObject({ type: "error", error: { code: "checksum", path: "data/a" } });
  });

  it("asked for by two runs at once are fetched once", async () => {
    const { session, posted, answer } = bench({ needs: ["data/a"] });
    session.handle({ type: "work", id: 1, work: run() });
    session.handle({ type: "work", id: 2, work: run("b") });
    await Promise.all([answer(1), answer(2)]);
    expect(posted.filter(({ type }) => type === "want")).toHaveLength(1);
  });

  it("that cannot be had end the run with the page's reason", async () => {
    const { session, answer } = bench({ needs: ["data/slow"] });
    session.handle({ type: "work", id: 1, work: run() });
    const error: CoreError = { code: "asset", path: "data/slow", found: "HTTP 404", allowed: "" };
    session.handle({ type: "no-asset", path: "data/slow", error });
    expect(await answer(1)).toEqual({ type: "error", id: 1, error });
  });
});

describe("compressed models", () => {
  it("are prepared once for all drawings, and taken over from a finished run", async () => {
    const { session, answer, counts } = bench();
    for (const id of [1, 2, 3]) session.handle({ type: "work", id, work: drawing("x") });
    await Promise.all([1, 2, 3].map(answer));
    expect(counts.prepared).toBe(1);
    session.handle({ type: "work", id: 4, work: run("y") });
    await answer(4);
    session.handle({ type: "work", id: 5, work: drawing("y") });
    session.handle({ type: "work", id: 6, work: { type: "exported", key: "y", recipe } });
    expect(await answer(5)).toMatchObject({ result: new Float32Array([0.5]) });
    expect(await answer(6)).toMatchObject({ result: new Uint8Array([3]) });
    expect(counts).toMatchObject({ prepared: 1, freed: 0 });
  });

  it("are freed when six newer ones were used", async () => {
    const { session, answer, counts } = bench();
    for (let id = 1; id <= 7; id++) {
      session.handle({ type: "work", id, work: drawing(`model ${id}`) });
      await answer(id);
    }
    expect(counts.freed).toBe(1);
    session.handle({ type: "work", id: 8, work: drawing("model 2") });
    await answer(8);
    expect(counts.prepared).toBe(7);
    session.handle({ type: "work", id: 9, work: drawing("model 1") });
    await answer(9);
    expect(counts).toMatchObject({ prepared: 8, freed: 2 });
  });

  it("that could not be prepared are tried again the next time", async () => {
    const error: CoreError = { code: "internal", path: "", found: "x", allowed: "" };
    const { session, answer, counts } = bench({ error });
    session.handle({ type: "work", id: 1, work: drawing("x") });
    expect((await answer(1)).type).toBe("error");
    session.handle({ type: "work", id: 2, work: drawing("x") });
    await answer(2);
    expect(counts.prepared).toBe(2);
  });

  it("are asked about while a run goes on", async () => {
    const { session, posted, answer } = bench({ slices: 50 });
    session.handle({ type: "work", id: 1, work: run() });
    session.handle({ type: "work", id: 2, work: { type: "image", set: "a", split: "test", index: 0 } });
    await answer(2);
    expect(posted.some((each) => each.type === "done" && each.id === 1)).toBe(false);
    await answer(1);
  });
});

describe("a text", () => {
  const writing = (characters: number): Work => ({
    type: "write",
    key: "a",
    recipe,
    prompt: "x",
    temperature: 1,
    seed: 1,
    characters,
  });

  it("is posted as it is written, in slices that grow to 20 ms, and answered whole", async () => {
    const { session, posted, answer, counts } = bench({}, 5);
    session.handle({ type: "work", id: 1, work: writing(50) });
    expect(await answer(1)).toEqual({ type: "done", id: 1, result: "x".repeat(50) });
    const parts = posted.flatMap((each) => (each.type === "text" ? [each.text] : []));
    expect(parts.slice(0, 3)).toEqual(["x", "xx", "xxxx"]);
    expect(parts.join("")).toBe("x".repeat(50));
    expect(counts.freed).toBe(1);
  });

  it("stops between two slices when cancelled", async () => {
    const { session, answer, counts } = bench({}, 100);
    session.handle({ type: "work", id: 1, work: writing(1_000_000) });
    while (counts.slices < 8) await new Promise((resolve) => setImmediate(resolve));
    session.handle({ type: "cancel", id: 1 });
    expect((await answer(1)).type).toBe("cancelled");
    expect(counts.freed).toBe(1);
  });

  it("has no labels of images when its model is judged", async () => {
    const { session, answer } = bench({ accuracy: { bits_per_character: 2 } });
    session.handle({ type: "work", id: 1, work: run() });
    expect(await answer(1)).toMatchObject({ result: { labels: new Uint8Array() } });
  });
});

describe("a look inside", () => {
  const inspect: Work = { type: "inspect", key: "a", recipe: { ...recipe, data: { set: "a", count: 10_000 } } };
  const place = { layer: "fc", granule: 1, from: 64 };

  it("prepares a model once for its layers and its weights, and looks at few images", async () => {
    const { session, answer, counts } = bench({ needs: ["w"] });
    session.handle({ type: "work", id: 1, work: inspect });
    expect(await answer(1)).toMatchObject({ type: "done", result: [{ layer: "fc" }] });
    session.handle({ type: "work", id: 2, work: { type: "weights", key: "a", recipe, place } });
    expect(await answer(2)).toMatchObject({ type: "done", result: { format: "fc", first: 64 } });
    // The model stays; the job that looked at its layers is freed.
    expect([counts.prepared, counts.freed, counts.inspected]).toEqual([1, 1, [256]]);
  });

  it("hands over a weight whole, without what is not there", async () => {
    const { session, answer, counts } = bench();
    session.handle({ type: "work", id: 1, work: { type: "matrix", key: "a", recipe, layer: "fc" } });
    const result = { values: new Float32Array([0.5, 0]), kept: new Uint8Array([1, 0]), origin: undefined };
    expect(await answer(1)).toMatchObject({ type: "done", result });
    session.handle({ type: "work", id: 2, work: { type: "matrix", key: "a", recipe, layer: "relu" } });
    expect(await answer(2)).toMatchObject({ type: "error", error: { code: "unknown-id", path: "layer" } });
    expect(counts.prepared).toBe(1);
  });

  it("says which granule there is not", async () => {
    const { session, answer } = bench();
    session.handle({
      type: "work",
      id: 1,
      work: { type: "weights", key: "a", recipe, place: { ...place, granule: 2 } },
    });
    expect(await answer(1)).toMatchObject({ type: "error", error: { code: "range", path: "granule" } });
  });

  it("tells how far a sensitivity is, and stops it", async () => {
    const work: Work = { type: "sensitivity", key: "", recipe, asked: { bits: [4, 2] }, images: 100 };
    const { session, posted, answer, counts } = bench({ needs: ["w"], slices: 40 }, 30);
    session.handle({ type: "work", id: 1, work });
    expect(await answer(1)).toMatchObject({ type: "done", result: [{ layer: "fc", bits: 4 }] });
    expect(posted.filter((each) => each.type === "progress").length).toBeGreaterThan(5);
    const other = bench({ slices: 1e9 });
    other.session.handle({ type: "work", id: 2, work });
    await new Promise((resolve) => setTimeout(resolve, 20));
    other.session.handle({ type: "cancel", id: 2 });
    expect((await other.answer(2)).type).toBe("cancelled");
    expect([counts.freed, other.counts.freed]).toEqual([1, 1]);
  });
});
