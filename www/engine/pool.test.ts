import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Pool, type PoolOptions } from "./pool";
import type { Port, Request, Response, Work } from "./protocol";
import { EngineError, type Progress, type Recipe } from "./types";

/** A worker under the test's hand: it keeps what it is sent and says what it is told to say. */
class Fake implements Port {
  onmessage: Port["onmessage"] = null;
  onerror: Port["onerror"] = null;
  readonly sent: Request[] = [];
  terminated = false;

  postMessage(message: Request): void {
    this.sent.push(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  say(data: Response): void {
    this.onmessage?.({ data });
  }

  /** Ids of the work it was given, in order. */
  get given(): number[] {
    return this.sent.flatMap((each) => (each.type === "work" ? [each.id] : []));
  }

  get work(): Work[] {
    return this.sent.flatMap((each) => (each.type === "work" ? [each.work] : []));
  }

  finish(id: number | undefined, result: unknown = `result ${id}`): void {
    if (id === undefined) throw new Error("the fake worker was given no work");
    this.say({ type: "done", id, result: result as Float32Array });
  }
}

let fakes: Fake[] = [];

function spawn(): Fake {
  const fake = new Fake();
  fakes.push(fake);
  return fake;
}

function poolOf(options: Partial<PoolOptions> = {}): Pool {
  return new Pool({
    spawn: () => {
      const fake = spawn();
      queueMicrotask(() => fake.say({ type: "ready" }));
      return fake;
    },
    size: 2,
    asset: async () => new Blob(["bytes"]),
    ...options,
  });
}

function work(name: string): Work & { type: "run" } {
  return { type: "run", key: name, recipe: { version: 1, model: name, seed: 7, steps: [] } satisfies Recipe };
}

function drawing(key: string): Work & { type: "probabilities" } {
  return { type: "probabilities", key, recipe: work(key).recipe, pixels: new Uint8Array(1) };
}

const progress: Progress = {
  done: false,
  phase: "evaluate",
  done_macs: 1,
  total_macs: 2,
  partial: null,
  bytes: null,
  losses: [],
};

function fake(index: number): Fake {
  const found = fakes[index];
  if (found === undefined) throw new Error(`only ${fakes.length} workers were started`);
  return found;
}

/** How a promise ended so far. */
async function fate(promise: Promise<unknown>): Promise<unknown> {
  const open = Symbol("open");
  const end = await Promise.race([promise.catch((error) => error), Promise.resolve().then(() => open)]);
  return end === open ? "open" : end;
}

beforeEach(() => {
  fakes = [];
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("runs", () => {
  it("spread over workers, which are started as there is work and never more than the size", () => {
    const pool = poolOf({ size: 3 });
    expect(fakes).toHaveLength(1);
    for (const name of ["a", "b", "c", "d", "e"]) void pool.submit(work(name));
    expect(fakes).toHaveLength(3);
    expect(fakes.map(({ given }) => given)).toEqual([[1], [2], [3]]);
    expect(pool.state).toEqual({ workers: 3, running: 3, queued: 2 });
  });

  it("end with what the worker answered", async () => {
    const pool = poolOf();
    const run = pool.submit(work("a"));
    fake(0).finish(1);
    expect(await run).toBe("result 1");
    expect(pool.state.running).toBe(0);
  });

  it("wait their turn by priority, then by age", async () => {
    const pool = poolOf({ size: 1 });
    const runs = [0, 0, 5, 1, 5].map((priority, index) => pool.submit(work(`${index}`), { priority }));
    for (const id of [1, 3, 5, 4, 2]) {
      expect(fake(0).given.at(-1)).toBe(id);
      fake(0).finish(id);
    }
    await Promise.all(runs);
  });

  it("say how far they are", () => {
    const pool = poolOf();
    const onProgress = vi.fn();
    void pool.submit(work("a"), { onProgress });
    fake(0).say({ type: "progress", id: 1, progress });
    expect(onProgress).toHaveBeenCalledExactlyOnceWith(progress);
  });

  it("reject with the core's error, and the worker goes on", async () => {
    const pool = poolOf({ size: 1 });
    const run = pool.submit(work("a"));
    const core = { code: "unknown-id", path: "model", found: "a", allowed: "b" };
    const next = pool.submit(work("b"));
    fake(0).say({ type: "error", id: 1, error: core });
    await expect(run).rejects.toMatchObject(core);
    await expect(run).rejects.toBeInstanceOf(EngineError);
    fake(0).finish(2);
    expect(await next).toBe("result 2");
    expect(fakes).toHaveLength(1);
  });
});

describe("cancelling", () => {
  it("takes a waiting run out of the queue at once", async () => {
    const pool = poolOf({ size: 1 });
    void pool.submit(work("a"));
    const stop = new AbortController();
    const run = pool.submit(work("b"), { signal: stop.signal });
    stop.abort("changed my mind");
    await expect(run).rejects.toBe("changed my mind");
    expect(pool.state.queued).toBe(0);
    fake(0).finish(1);
    expect(fake(0).given).toEqual([1]);
  });

  it("asks the worker to stop, and keeps it", async () => {
    const pool = poolOf({ size: 1 });
    const stop = new AbortController();
    const run = pool.submit(work("a"), { signal: stop.signal });
    stop.abort("enough");
    expect(fake(0).sent.at(-1)).toEqual({ type: "cancel", id: 1 });
    expect(await fate(run)).toBe("open");
    fake(0).say({ type: "cancelled", id: 1 });
    await expect(run).rejects.toBe("enough");
    await vi.advanceTimersByTimeAsync(5000);
    expect(fake(0).terminated).toBe(false);
  });

  it("ends a worker that does not stop, and gives what waited to a new one", async () => {
    const pool = poolOf({ size: 1, grace_ms: 300 });
    await vi.advanceTimersByTimeAsync(0);
    const stop = new AbortController();
    const run = pool.submit(work("a"), { signal: stop.signal });
    const next = pool.submit(work("b"));
    stop.abort("enough");
    await vi.advanceTimersByTimeAsync(299);
    expect(fake(0).terminated).toBe(false);
    const rejected = expect(run).rejects.toBe("enough");
    await vi.advanceTimersByTimeAsync(1);
    await rejected;
    expect(fake(0).terminated).toBe(true);
    expect(fake(1).given).toEqual([2]);
    fake(1).finish(2);
    expect(await next).toBe("result 2");
  });

  it("does not start what was cancelled before", async () => {
    const pool = poolOf();
    await expect(pool.submit(work("a"), { signal: AbortSignal.abort("never") })).rejects.toBe("never");
    expect(fake(0).given).toEqual([]);
  });

  it("of a drawing leaves the worker alone", async () => {
    const pool = poolOf();
    const stop = new AbortController();
    const answer = pool.submit(drawing("a"), { signal: stop.signal });
    stop.abort("next stroke");
    await expect(answer).rejects.toBe("next stroke");
    fake(0).finish(1);
    expect(fake(0).terminated).toBe(false);
  });
});

describe("holding", () => {
  const holdOf = () => {
    const target = new EventTarget();
    return {
      held: false,
      addEventListener: target.addEventListener.bind(target),
      removeEventListener: target.removeEventListener.bind(target),
      turn(held: boolean) {
        this.held = held;
        target.dispatchEvent(new Event("change"));
      },
    };
  };
  const checkpoint = new Uint8Array([7]);

  it("frees the worker for others, and takes the run up again from the checkpoint of the pause", async () => {
    const kept: string[] = [];
    const checkpoints = { take: async () => undefined, keep: (key: string) => void kept.push(key), drop: () => {} };
    const pool = poolOf({ size: 1, checkpoints });
    const hold = holdOf();
    const run = pool.submit(work("a"), { hold });
    const other = pool.submit(work("b"));
    hold.turn(true);
    expect(fake(0).sent.at(-1)).toEqual({ type: "pause", id: 1 });
    expect(fake(0).given).toEqual([1]);
    fake(0).say({ type: "paused", id: 1, checkpoint });
    expect(kept).toEqual(["a"]);
    expect(fake(0).given).toEqual([1, 2]);
    fake(0).finish(2);
    expect(await other).toBe("result 2");
    expect(pool.state).toEqual({ workers: 1, running: 0, queued: 0 });
    expect(await fate(run)).toBe("open");
    hold.turn(false);
    expect(fake(0).work.at(-1)).toEqual({ ...work("a"), checkpoint });
    // Whatever comes between two checkpoints keeps the last.
    hold.turn(true);
    fake(0).say({ type: "paused", id: 1 });
    hold.turn(false);
    expect(fake(0).work.at(-1)).toEqual({ ...work("a"), checkpoint });
    fake(0).finish(1);
    expect(await run).toBe("result 1");
    hold.turn(true);
    expect(fake(0).sent.filter(({ type }) => type === "pause")).toHaveLength(2);
  });

  it("keeps what waits out of the queue, and what is submitted meanwhile; it comes back in its own order", async () => {
    const pool = poolOf({ size: 1 });
    const hold = holdOf();
    const runs = [pool.submit(work("a")), pool.submit(work("b"), { hold }), pool.submit(work("c"))];
    hold.turn(true);
    runs.push(pool.submit(work("d"), { hold }));
    expect(pool.state.queued).toBe(1);
    hold.turn(false);
    for (const id of [1, 2, 3, 4]) fake(0).finish(id);
    await Promise.all(runs);
    expect(fake(0).given).toEqual([1, 2, 3, 4]);
  });

  it("that ends before the worker has answered gives the run back at once; a run that was faster is done", async () => {
    const pool = poolOf({ size: 1 });
    const hold = holdOf();
    const run = pool.submit(work("a"), { hold });
    hold.turn(true);
    hold.turn(false);
    fake(0).say({ type: "paused", id: 1, checkpoint });
    expect(fake(0).work.at(-1)).toEqual({ ...work("a"), checkpoint });
    hold.turn(true);
    fake(0).finish(1);
    expect(await run).toBe("result 1");
  });

  it("ends with a cancel, held or on the way to it, and with the pool", async () => {
    const pool = poolOf({ size: 1 });
    const hold = holdOf();
    const [first, second] = [new AbortController(), new AbortController()];
    const held = pool.submit(work("a"), { hold, signal: first.signal });
    hold.turn(true);
    fake(0).say({ type: "paused", id: 1, checkpoint });
    first.abort("enough");
    await expect(held).rejects.toBe("enough");
    hold.turn(false);
    expect(fake(0).given).toEqual([1]);
    const leaving = pool.submit(work("b"), { hold, signal: second.signal });
    hold.turn(true);
    second.abort("enough");
    fake(0).say({ type: "paused", id: 2, checkpoint });
    await expect(leaving).rejects.toBe("enough");
    const last = pool.submit(work("c"), { hold });
    pool.dispose();
    await expect(last).rejects.toMatchObject({ code: "internal" });
  });

  it("outlives the worker: a run that was on its way out is held, with what it had", async () => {
    const pool = poolOf({ size: 1 });
    await vi.advanceTimersByTimeAsync(0);
    const hold = holdOf();
    const run = pool.submit(work("a"), { hold });
    fake(0).say({ type: "progress", id: 1, progress, checkpoint });
    hold.turn(true);
    fake(0).say({ type: "poisoned", id: 1, message: "trap" });
    expect(await fate(run)).toBe("open");
    expect(pool.state).toEqual({ workers: 0, running: 0, queued: 0 });
    hold.turn(false);
    expect(fake(1).work).toEqual([{ ...work("a"), checkpoint }]);
    fake(1).finish(1);
    expect(await run).toBe("result 1");
  });
});

describe("a worker that fails", () => {
  it("is replaced, and its run tried once more from the newest checkpoint", async () => {
    const pool = poolOf({ size: 1 });
    await vi.advanceTimersByTimeAsync(0);
    const run = pool.submit(work("a"));
    const checkpoint = new Uint8Array([1, 2, 3]);
    fake(0).say({ type: "progress", id: 1, progress, checkpoint });
    fake(0).say({ type: "poisoned", id: 1, message: "RuntimeError: unreachable" });
    expect(fake(0).terminated).toBe(true);
    expect(fake(1).work).toEqual([{ ...work("a"), checkpoint }]);
    fake(1).finish(1);
    expect(await run).toBe("result 1");
  });

  it("twice over the same run has it reported, and the next run goes on", async () => {
    const pool = poolOf({ size: 1 });
    await vi.advanceTimersByTimeAsync(0);
    const run = pool.submit(work("a"));
    const next = pool.submit(work("b"));
    const rejected = expect(run).rejects.toMatchObject({ code: "internal", found: "second trap" });
    fake(0).say({ type: "poisoned", id: 1, message: "first trap" });
    await vi.advanceTimersByTimeAsync(0);
    expect(await fate(run)).toBe("open");
    fake(1).say({ type: "poisoned", id: 1, message: "second trap" });
    await rejected;
    expect(fake(2).given).toEqual([2]);
    fake(2).finish(2);
    expect(await next).toBe("result 2");
  });

  it("counts against the task that broke it, not against the others it had", async () => {
    const pool = poolOf({ size: 1 });
    const run = pool.submit(work("a"));
    const answers = [pool.submit(drawing("x")), pool.submit(drawing("x"))];
    for (const index of [0, 1, 2]) {
      await vi.advanceTimersByTimeAsync(0);
      const guilty = index < 2 ? 2 : 3;
      for (const each of answers) each.catch(() => {});
      fake(index).say({ type: "poisoned", id: guilty, message: "trap" });
    }
    await expect(answers[0]).rejects.toMatchObject({ code: "internal" });
    expect(await fate(run)).toBe("open");
    fake(3).finish(1);
    expect(await run).toBe("result 1");
  });

  it("is replaced when its script throws", async () => {
    const pool = poolOf({ size: 1 });
    await vi.advanceTimersByTimeAsync(0);
    const run = pool.submit(work("a"));
    fake(0).onerror?.({ message: "boom" });
    expect(fake(1).given).toEqual([1]);
    fake(1).finish(1);
    expect(await run).toBe("result 1");
  });

  it("is replaced when it hangs", async () => {
    const pool = poolOf({ size: 1, silence_s: 5 });
    await vi.advanceTimersByTimeAsync(0);
    const run = pool.submit(work("a"));
    await vi.advanceTimersByTimeAsync(3000);
    fake(0).say({ type: "progress", id: 1, progress });
    await vi.advanceTimersByTimeAsync(4000);
    expect(fakes).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2000);
    expect(fake(0).terminated).toBe(true);
    expect(fake(1).given).toEqual([1]);
    fake(1).finish(1);
    expect(await run).toBe("result 1");
  });

  it("is left alone while it waits for a file, and while it has nothing to do", async () => {
    let arrive: (blob: Blob) => void = () => {};
    const asset = () => new Promise<Blob>((resolve) => (arrive = resolve));
    const pool = poolOf({ size: 1, silence_s: 2, asset });
    await vi.advanceTimersByTimeAsync(60_000);
    const run = pool.submit(work("a"));
    fake(0).say({ type: "want", path: "data/a", fresh: false });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fake(0).terminated).toBe(false);
    const blob = new Blob(["a"]);
    arrive(blob);
    await vi.advanceTimersByTimeAsync(0);
    expect(fake(0).sent.at(-1)).toEqual({ type: "asset", path: "data/a", blob });
    fake(0).finish(1);
    expect(await run).toBe("result 1");
  });
});

describe("files", () => {
  it("that cannot be had are told to the worker with their path", async () => {
    const asset = async () => {
      throw new EngineError({ code: "asset", path: "", found: "HTTP 404", allowed: "" });
    };
    const pool = poolOf({ asset });
    void pool.submit(work("a"));
    fake(0).say({ type: "want", path: "data/a", fresh: false });
    await vi.advanceTimersByTimeAsync(0);
    const error = { code: "asset", path: "data/a", found: "HTTP 404", allowed: "" };
    expect(fake(0).sent.at(-1)).toEqual({ type: "no-asset", path: "data/a", error });
  });
});

describe("small questions", () => {
  it("go to a worker at once, runs or not, and to the one that holds the model", () => {
    const pool = poolOf({ size: 2 });
    void pool.submit(work("a"));
    void pool.submit(work("b"));
    void pool.submit(drawing("b"));
    void pool.submit(drawing("b"));
    void pool.submit(drawing("a"));
    expect(fake(0).given).toEqual([1, 5]);
    expect(fake(1).given).toEqual([2, 3, 4]);
  });
});

describe("where no worker starts", () => {
  it("the stand-in does the work", async () => {
    const local = new Fake();
    const pool = poolOf({ spawn, size: 4, fallback: () => local });
    const run = pool.submit(work("a"));
    const next = pool.submit(work("b"));
    for (const index of [0, 1, 2]) fake(index).onerror?.({ message: "blocked" });
    local.say({ type: "ready" });
    expect(local.given).toEqual([1]);
    local.finish(1);
    expect(await run).toBe("result 1");
    local.finish(2);
    expect(await next).toBe("result 2");
    expect(pool.state.workers).toBe(1);
  });

  it("and nothing stands in, runs are rejected instead of waiting for ever", async () => {
    const pool = poolOf({ spawn, size: 1 });
    const run = pool.submit(work("a"));
    const rejected = expect(run).rejects.toMatchObject({ code: "internal", found: "no worker starts: blocked" });
    fake(0).onerror?.({ message: "blocked" });
    fake(1).onerror?.({ message: "blocked" });
    await rejected;
  });
});

it("closing rejects what is under way and ends the workers", async () => {
  const pool = poolOf({ size: 1 });
  const runs = [pool.submit(work("a")), pool.submit(work("b"))];
  pool.dispose();
  for (const run of runs) await expect(run).rejects.toMatchObject({ code: "internal" });
  expect(fake(0).terminated).toBe(true);
  await expect(pool.submit(work("c"))).rejects.toMatchObject({ code: "internal" });
});

it("keeps the newest checkpoint of a run beyond the page, and lets go of it once the run is over, not when it is cancelled", async () => {
  const kept = new Map<string, number>();
  const checkpoints = {
    take: async () => undefined,
    keep: (key: string, bytes: Uint8Array) => void kept.set(key, bytes[0] ?? 0),
    drop: (key: string) => void kept.delete(key),
  };
  const pool = poolOf({ size: 1, checkpoints });
  await vi.advanceTimersByTimeAsync(0);
  const work = (key: string): Work & { type: "run" } => ({ type: "run", key, recipe: {} as Recipe });
  const [fake] = fakes;
  const stop = new AbortController();
  const first = pool.submit(work("a"), { signal: stop.signal });
  const progress = {} as Progress;
  fake?.say({ type: "progress", id: fake.given.at(-1) ?? 0, progress, checkpoint: new Uint8Array([1]) });
  fake?.say({ type: "progress", id: fake.given.at(-1) ?? 0, progress, checkpoint: new Uint8Array([2]) });
  expect(kept).toEqual(new Map([["a", 2]]));
  stop.abort(new Error("stopped"));
  fake?.say({ type: "cancelled", id: fake.given.at(-1) ?? 0 });
  await expect(first).rejects.toThrow("stopped");
  expect(kept).toEqual(new Map([["a", 2]]));
  const second = pool.submit(work("b"));
  fake?.say({ type: "progress", id: fake.given.at(-1) ?? 0, progress, checkpoint: new Uint8Array([3]) });
  expect(kept.get("b")).toBe(3);
  fake?.finish(fake.given.at(-1));
  await second;
  expect([...kept.keys()]).toEqual(["a"]);
});
