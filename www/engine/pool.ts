/**
 * Workers, and what they are given to do. A run has a worker's attention alone, in order of priority; small questions
 * (what a drawing is read as, one picture) are answered by any worker between two slices of a run.
 *
 * A run that is held leaves its worker for the others' work, with a checkpoint from the end of its step, and waits outside the queue.
 *
 * A worker that crashes, or says nothing for a while, is replaced. What it was doing is tried once more, from its newest
 * checkpoint, and then reported as an error.
 */

import type { Checkpoints } from "./kept";
import { isLong, type Port, type Response, type Results, type Work } from "./protocol";
import { EngineError, type Hold, isCoreError, type Progress } from "./types";

export interface PoolOptions {
  /** Starts a worker and sends it the compiled module. */
  readonly spawn: () => Port;
  /** Stands in when workers cannot be started at all. */
  readonly fallback?: () => Port;
  readonly size: number;
  readonly asset: (path: string, fresh: boolean) => Promise<Blob>;
  /** Where checkpoints of runs are kept beyond the page. */
  readonly checkpoints?: Checkpoints;
  /** Seconds without a word after which a busy worker counts as hung. */
  readonly silence_s?: number;
  /** How long a worker may take to stop of its own accord. */
  readonly grace_ms?: number;
}

export interface Wishes {
  readonly signal?: AbortSignal | undefined;
  /** Holds a run where it is, and lets it go on; its worker is free in between. */
  readonly hold?: Hold | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** More of a text being written. */
  readonly onText?: ((text: string) => void) | undefined;
  /** Higher goes first; equals go in the order they came. */
  readonly priority?: number | undefined;
}

interface Task {
  readonly id: number;
  work: Work;
  readonly priority: number;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly onText: ((text: string) => void) | undefined;
  readonly hold: Hold | undefined;
  readonly resolve: (result: Results[keyof Results]) => void;
  readonly reject: (reason: unknown) => void;
  attempts: number;
  /** Why it was cancelled, once it was. */
  cancelled: { readonly reason: unknown } | null;
}

interface Slot {
  readonly port: Port;
  /** Whether it is the page's own thread, for want of workers. */
  readonly standIn: boolean;
  ready: boolean;
  run: Task | null;
  readonly small: Map<number, Task>;
  /** Whole seconds since its last word; counted, not read from a clock, so that a sleeping laptop kills nobody. */
  silent_s: number;
  fetching: number;
  /** Compressed models it holds. */
  readonly keys: Set<string>;
}

/** How often work is given to a worker before its failure is reported. */
const ATTEMPTS = 2;
/** Workers that fail before their first word, in a row, after which there are none to be had. */
const FALSE_STARTS = 2;

export class Pool {
  private readonly silence_s: number;
  private readonly grace_ms: number;
  private readonly slots: Slot[] = [];
  private readonly queue: Task[] = [];
  /** Runs that wait until they are let go on. */
  private readonly held = new Set<Task>();
  private nextId = 1;
  private falseStarts = 0;
  private watch: ReturnType<typeof setInterval> | null = null;
  private disposed = false;

  constructor(private readonly options: PoolOptions) {
    this.silence_s = options.silence_s ?? 10;
    this.grace_ms = options.grace_ms ?? 1000;
    this.open();
  }

  /** Gives work to a worker. Rejects with the core's error, with `signal`'s reason, or with code `internal`. */
  submit<K extends Work["type"]>(work: Work & { type: K }, wishes: Wishes = {}): Promise<Results[K]> {
    const { signal, onProgress, onText, priority = 0 } = wishes;
    const hold = work.type === "run" ? wishes.hold : undefined;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.disposed) return reject(failure("the engine was closed"));
      const abort = () => this.cancel(task, signal?.reason);
      const turn = () => this.turn(task);
      const settle =
        <T>(end: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener("abort", abort);
          hold?.removeEventListener("change", turn);
          end(value);
        };
      const task: Task = {
        id: this.nextId++,
        work,
        priority,
        onProgress,
        onText,
        hold,
        resolve: settle(resolve as (result: Results[keyof Results]) => void),
        reject: settle(reject),
        attempts: 0,
        cancelled: null,
      };
      signal?.addEventListener("abort", abort);
      hold?.addEventListener("change", turn);
      this.place(task);
    });
  }

  /** Workers there are, and how many have a run. */
  get state(): { readonly workers: number; readonly running: number; readonly queued: number } {
    const running = this.slots.filter((slot) => slot.run !== null).length;
    return { workers: this.slots.length, running, queued: this.queue.length };
  }

  /** Ends every worker; what was under way is rejected. */
  dispose(): void {
    this.disposed = true;
    if (this.watch !== null) clearInterval(this.watch);
    for (const slot of this.slots.splice(0)) {
      slot.port.terminate();
      for (const task of tasksOf(slot)) task.reject(failure("the engine was closed"));
    }
    for (const task of [...this.queue.splice(0), ...this.held]) task.reject(failure("the engine was closed"));
    this.held.clear();
  }

  private place(task: Task): void {
    if (task.hold?.held) this.held.add(task);
    else if (isLong(task.work)) {
      const after = this.queue.findIndex((each) => comesBefore(task, each));
      this.queue.splice(after < 0 ? this.queue.length : after, 0, task);
      this.pump();
    } else {
      const slot = this.choose(task.work) ?? this.open();
      slot.small.set(task.id, task);
      this.send(slot, task);
    }
  }

  /** Holds a run, or lets it go on. One that is on its way out of its worker is placed when that has answered. */
  private turn(task: Task): void {
    if (!task.hold?.held) {
      if (this.held.delete(task)) this.place(task);
    } else if (this.unqueue(task)) this.held.add(task);
    else this.slots.find((each) => each.run === task)?.port.postMessage({ type: "pause", id: task.id });
  }

  /** Takes a task out of the queue, if it is there. */
  private unqueue(task: Task): boolean {
    const at = this.queue.indexOf(task);
    if (at >= 0) this.queue.splice(at, 1);
    return at >= 0;
  }

  /** Hands queued runs to idle workers, starting more as long as there is work for them. */
  private pump(): void {
    while (this.queue.length > 0) {
      const slot =
        this.slots.find((each) => each.run === null) ?? (this.slots.length < this.limit ? this.open() : null);
      if (slot === null) return;
      const task = this.queue.shift();
      if (task === undefined) return;
      slot.run = task;
      this.send(slot, task);
    }
  }

  private get limit(): number {
    return this.falseStarts < FALSE_STARTS ? this.options.size : 1;
  }

  /** The worker that holds the model already, or else the one with the least to do. */
  private choose(work: Work): Slot | null {
    const load = (slot: Slot) => slot.small.size * 2 + (slot.run === null ? 0 : 1);
    const holds = (slot: Slot) => work.type !== "image" && !isLong(work) && slot.keys.has(work.key);
    const [best] = [...this.slots].sort((a, b) => Number(holds(b)) - Number(holds(a)) || load(a) - load(b));
    return best ?? null;
  }

  private send(slot: Slot, task: Task): void {
    if (task.work.type !== "image") slot.keys.add(task.work.key);
    slot.silent_s = 0;
    slot.port.postMessage({ type: "work", id: task.id, work: task.work });
  }

  private open(): Slot {
    const { port, standIn } = this.start();
    const slot: Slot = {
      port,
      standIn,
      ready: false,
      run: null,
      small: new Map(),
      silent_s: 0,
      fetching: 0,
      keys: new Set(),
    };
    port.onmessage = (event) => this.receive(slot, event.data);
    port.onerror = (event) => this.lose(slot, event.message ?? "the worker could not run", null);
    this.slots.push(slot);
    this.watch ??= setInterval(() => this.look(), 1000);
    return slot;
  }

  private start(): { port: Port; standIn: boolean } {
    const { spawn, fallback } = this.options;
    if (fallback && this.falseStarts >= FALSE_STARTS) return { port: fallback(), standIn: true };
    try {
      return { port: spawn(), standIn: false };
    } catch (error) {
      // A page may forbid workers outright; then the page's own thread has to do.
      if (!fallback) throw error;
      this.falseStarts = FALSE_STARTS;
      return { port: fallback(), standIn: true };
    }
  }

  private receive(slot: Slot, message: Response): void {
    if (!this.slots.includes(slot)) return;
    slot.silent_s = 0;
    if (message.type === "ready") {
      slot.ready = true;
      if (this.falseStarts < FALSE_STARTS) this.falseStarts = 0;
    } else if (message.type === "want") this.fetch(slot, message.path, message.fresh);
    else if (message.type === "poisoned") this.lose(slot, message.message, message.id);
    else this.update(slot, message);
  }

  private update(slot: Slot, message: Exclude<Response, { type: "ready" | "want" | "poisoned" }>): void {
    const task = slot.run?.id === message.id ? slot.run : slot.small.get(message.id);
    if (task === undefined) return;
    if (message.type === "progress") {
      this.remember(task, message.checkpoint);
      if (task.cancelled === null) task.onProgress?.(message.progress);
      return;
    }
    if (message.type === "text") {
      task.onText?.(message.text);
      return;
    }
    if (slot.run === task) slot.run = null;
    if (message.type === "paused") {
      this.remember(task, message.checkpoint);
      if (task.cancelled !== null) task.reject(task.cancelled.reason);
      else this.place(task);
      this.pump();
      return;
    }
    slot.small.delete(task.id);
    // Of a cancelled run the checkpoint stays: started again, it goes on.
    const over = task.cancelled === null && task.work.type === "run" && task.work.checkpoint !== undefined;
    if (over && task.work.type === "run") this.options.checkpoints?.drop(task.work.key);
    if (task.cancelled !== null) task.reject(task.cancelled.reason);
    else if (message.type === "done") task.resolve(message.result);
    else if (message.type === "error") task.reject(new EngineError(message.error));
    else task.reject(failure("the worker stopped a task nobody cancelled"));
    this.pump();
  }

  /** Keeps what a run can go on from. */
  private remember(task: Task, checkpoint: Uint8Array | undefined): void {
    if (!checkpoint || task.work.type !== "run") return;
    task.work = { ...task.work, checkpoint };
    this.options.checkpoints?.keep(task.work.key, checkpoint);
  }

  private async fetch(slot: Slot, path: string, fresh: boolean): Promise<void> {
    slot.fetching++;
    try {
      const blob = await this.options.asset(path, fresh);
      slot.port.postMessage({ type: "asset", path, blob });
    } catch (error) {
      const known = isCoreError(error) ? error : failure(String(error));
      const { code, found, allowed } = known;
      slot.port.postMessage({ type: "no-asset", path, error: { code, path, found, allowed } });
    } finally {
      slot.fetching--;
    }
  }

  private cancel(task: Task, reason: unknown): void {
    if (this.unqueue(task) || this.held.delete(task)) {
      task.reject(reason);
      return;
    }
    const slot = this.slots.find((each) => each.run === task || each.small.has(task.id));
    if (slot === undefined) return;
    if (slot.run !== task) {
      slot.small.delete(task.id);
      // Most small tasks end by themselves before this arrives; a text being written stops.
      slot.port.postMessage({ type: "cancel", id: task.id });
      task.reject(reason);
      return;
    }
    task.cancelled = { reason };
    slot.port.postMessage({ type: "cancel", id: task.id });
    setTimeout(() => {
      if (slot.run === task) this.lose(slot, "the worker did not stop", task.id);
    }, this.grace_ms);
  }

  /** Ends a worker and gives what it had to others. `guilty` is the task that broke it, when that is known. */
  private lose(slot: Slot, why: string, guilty: number | null): void {
    const at = this.slots.indexOf(slot);
    if (at < 0) return;
    this.slots.splice(at, 1);
    slot.port.onmessage = null;
    slot.port.onerror = null;
    slot.port.terminate();
    if (!slot.ready) this.falseStarts++;
    const hopeless = this.falseStarts >= FALSE_STARTS && (slot.standIn || !this.options.fallback);
    for (const task of tasksOf(slot)) {
      if (slot.ready && (guilty === null || guilty === task.id)) task.attempts++;
      if (task.cancelled !== null) task.reject(task.cancelled.reason);
      else if (task.attempts >= ATTEMPTS) task.reject(failure(why));
      else if (hopeless) task.reject(failure(`no worker starts: ${why}`));
      else this.place(task);
    }
    this.pump();
  }

  /** Every second: ends workers that are busy and say nothing. Waiting for a file is not silence. */
  private look(): void {
    for (const slot of [...this.slots]) {
      const busy = slot.run !== null || slot.small.size > 0 || !slot.ready;
      slot.silent_s = busy && slot.fetching === 0 ? slot.silent_s + 1 : 0;
      if (slot.silent_s >= this.silence_s) this.lose(slot, `the worker said nothing for ${this.silence_s} s`, null);
    }
  }
}

function tasksOf(slot: Slot): Task[] {
  return [...(slot.run === null ? [] : [slot.run]), ...slot.small.values()];
}

/** Whether `a` goes before `b` in the queue: by priority, then by age, so that a retried run goes first among equals. */
function comesBefore(a: Task, b: Task): boolean {
  return a.priority === b.priority ? a.id < b.id : a.priority > b.priority;
}

function failure(found: string): EngineError {
  return new EngineError({ code: "internal", path: "", found, allowed: "" });
}
