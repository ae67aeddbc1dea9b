/**
 * A worker's work: files fetched as they are asked for, jobs run in slices, compressed models kept for the drawing pad.
 * Knows nothing of workers, so it also runs on the page's own thread and under test.
 */

import type { Manifest, Request, Response, Results, Work } from "./protocol";
import { kernelSpeeds, sparseSpeeds, startOf, thisBrowser } from "./timing.mjs";
import {
  type AssetNeed,
  type Bindings,
  type CoreError,
  type Engine,
  isCoreError,
  type Job,
  type Place,
  type Progress,
  type Recipe,
  type Target,
  type TextWriter,
  type WeightMatrix,
} from "./types";
import type * as core from "./wasm/featherweight.js";

/** One slice should take this long; twice of it still leaves the page's answer to a click under 50 ms. */
const SLICE_MS = 20;
const FIRST_BUDGET_MACS = 1_000_000;
const LEAST_BUDGET_MACS = 10_000;
const PROGRESS_MS = 50;
const CHECKPOINT_MS = 2000;
/** Images that the engine looks at most when it inspects layers: no file is fetched for more. */
const INSPECTED_IMAGES = 256;
/** Compressed models kept ready. */
const KEPT_JOBS = 6;

/** The budget for the next slice, given how long the last took: never more than doubled, so that a slow phase is met softly. */
export function nextBudget(budget_macs: number, took_ms: number): number {
  const factor = Math.min(2, Math.max(0.1, SLICE_MS / Math.max(took_ms, 0.1)));
  return Math.max(LEAST_BUDGET_MACS, Math.round(budget_macs * factor));
}

class Cancelled extends Error {}

/** Thrown out of a run that is to be left where it is. */
class Paused extends Error {
  constructor(readonly checkpoint?: Uint8Array) {
    super();
  }
}

/** A task under way: cancelled once `stop` was called, paused once `pause` was. */
class Stopper {
  cancelled = false;
  paused = false;
  stop: () => void = () => {};
  pause: () => void = () => {};
  readonly stopped = new Promise<void>((resolve) => {
    this.stop = () => {
      this.cancelled = true;
      resolve();
    };
    this.pause = () => {
      this.paused = true;
      resolve();
    };
  });
}

/** Whether the instance is sound after `error`: after a trap nothing of it may be touched. */
function isSound(error: unknown): boolean {
  return error instanceof Cancelled || error instanceof Paused || isCoreError(error);
}

interface Waiting {
  resolve(blob: Blob): void;
  reject(error: CoreError): void;
}

export interface Surroundings {
  post(message: Response): void;
  /** Resolves after a turn of the event loop, when messages have been read. */
  turn(): Promise<void>;
  now(): number;
}

export class Session {
  private readonly engine: Engine;
  private readonly tasks = new Map<number, Stopper>();
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly loads = new Map<string, Promise<void>>();
  private readonly jobs = new Map<string, Promise<Job>>();
  private poisoned = false;

  constructor(
    private readonly bindings: Bindings,
    manifests: readonly Manifest[],
    private readonly around: Surroundings,
  ) {
    this.engine = new bindings.Engine();
    for (const { path, text } of manifests) this.engine.addManifest(path, text);
  }

  /** Takes one message from the page. */
  handle(message: Request): void {
    if (message.type === "work") void this.attend(message.id, message.work);
    else if (message.type === "cancel") this.tasks.get(message.id)?.stop();
    else if (message.type === "pause") this.tasks.get(message.id)?.pause();
    else if (message.type === "asset") for (const each of this.take(message.path)) each.resolve(message.blob);
    else if (message.type === "no-asset") for (const each of this.take(message.path)) each.reject(message.error);
  }

  private async attend(id: number, work: Work): Promise<void> {
    const stopper = new Stopper();
    this.tasks.set(id, stopper);
    try {
      const result = await this.perform(id, work, stopper);
      this.answer({ type: "done", id, result });
    } catch (error) {
      if (error instanceof Cancelled) this.answer({ type: "cancelled", id });
      else if (error instanceof Paused)
        this.answer({ type: "paused", id, ...(error.checkpoint && { checkpoint: error.checkpoint }) });
      else if (isCoreError(error)) this.answer({ type: "error", id, error: { ...error } });
      else this.poison(id, error);
    } finally {
      this.tasks.delete(id);
    }
  }

  private perform(id: number, work: Work, stopper: Stopper): Promise<Results[keyof Results]> {
    if (work.type === "run") return this.run(id, work.key, work.recipe, work.checkpoint, stopper);
    if (work.type === "measure") return this.measure(id, work.key, work.recipe, stopper);
    if (work.type === "image") return this.picture(work.set, work.split, work.index);
    if (work.type === "write") return this.write(id, work, stopper);
    if (work.type === "sensitivity") return this.sensitivity(id, work, stopper);
    if (work.type === "inspect") return this.inspect(id, work.key, work.recipe, stopper);
    if (work.type === "weights") return this.weights(work.key, work.recipe, work.place);
    if (work.type === "matrix") return this.matrix(work.key, work.recipe, work.layer);
    return this.prepared(work.key, work.recipe).then((job) =>
      work.type === "exported" ? job.exported() : job.probabilities(work.pixels, work.temperature),
    );
  }

  private async run(id: number, key: string, recipe: Recipe, checkpoint: Uint8Array | undefined, stopper: Stopper) {
    await Promise.race([this.loadAll(this.engine.needs(recipe)), stopper.stopped]);
    if (stopper.cancelled) throw new Cancelled();
    if (stopper.paused) throw new Paused();
    const job = this.engine.start(recipe, checkpoint);
    try {
      await this.drive(job, stopper, this.reporter(id, job));
      const predictions = job.predictions();
      const report = await this.withTargets(job, recipe, stopper);
      const text = report.accuracy.bits_per_character !== undefined;
      const result = { report, predictions, labels: this.labels(recipe, text ? 0 : predictions.length) };
      if (this.jobs.has(key)) job.free();
      else this.keep(key, Promise.resolve(job));
      return result;
    } catch (error) {
      if (isSound(error)) job.free();
      throw error;
    }
  }

  /** The report, with the latency of `this-browser` where the recipe asks for it. */
  private async withTargets(job: Job, recipe: Recipe, stopper: Stopper) {
    const report = job.report();
    if (!recipe.targets?.includes("this-browser")) return report;
    return { ...report, targets: [await this.latency(job, recipe, stopper, () => {})] };
  }

  private async latency(job: Job, recipe: Recipe, stopper: Stopper, sampled: () => void): Promise<Target> {
    const start = startOf(recipe);
    const baseline = await this.prepared(JSON.stringify(start), start);
    const timing = thisBrowser(job as core.Job, baseline as core.Job, this.around.now);
    return this.follow(timing, stopper, sampled);
  }

  private async sensitivity(id: number, work: Work & { type: "sensitivity" }, stopper: Stopper) {
    const { bits = [], sparsities } = work.asked;
    const asked = [Uint32Array.from(bits), sparsities && Float64Array.from(sparsities), work.images] as const;
    await Promise.race([this.loadAll(this.engine.sensitivityNeeds(work.recipe, ...asked)), stopper.stopped]);
    if (stopper.cancelled) throw new Cancelled();
    return this.finish(id, this.engine.sensitivity(work.recipe, ...asked, true), stopper, (job) => job.sensitivity());
  }

  private async inspect(id: number, key: string, recipe: Recipe, stopper: Stopper) {
    const count = Math.min(INSPECTED_IMAGES, recipe.data?.count ?? INSPECTED_IMAGES);
    const asked = { ...recipe, data: { ...recipe.data, count } };
    await this.loadAll(this.engine.needs(asked));
    const made = await this.prepared(key, recipe);
    if (stopper.cancelled) throw new Cancelled();
    return this.finish(id, this.engine.inspect(made, asked), stopper, (job) => job.layers());
  }

  private async weights(key: string, recipe: Recipe, { layer, granule, from }: Place) {
    return (await this.prepared(key, recipe)).weights(layer, granule, from);
  }

  private async matrix(key: string, recipe: Recipe, layer: string): Promise<WeightMatrix> {
    const [shape, values, kept, origin, units] = (await this.prepared(key, recipe)).matrix(layer);
    const some = <T extends ArrayLike<number>>(part: T) => (part.length > 0 ? part : undefined);
    return { shape, values, kept: some(kept), origin: some(origin), units };
  }

  /** Runs a job to its end and takes from it what it was for. */
  private async finish<T>(id: number, job: Job, stopper: Stopper, take: (job: Job) => T): Promise<T> {
    try {
      await this.drive(job, stopper, this.reporter(id, job));
      const found = take(job);
      job.free();
      return found;
    } catch (error) {
      if (isSound(error)) job.free();
      throw error;
    }
  }

  /** Kernels first, then the layers of the recipe's network. */
  private async measure(id: number, key: string, recipe: Recipe, stopper: Stopper) {
    let posted = this.around.now();
    const say = (done: number, total: number) => {
      const now = this.around.now();
      if (now - posted < PROGRESS_MS) return;
      posted = now;
      const progress = { done: false, phase: "evaluate" as const, done_macs: done, total_macs: total };
      this.answer({ type: "progress", id, progress: { ...progress, partial: null, bytes: null, losses: [] } });
    };
    const job = await this.prepared(key, recipe);
    // The kernels and the sparse products take about half of the time.
    const { bindings, around } = this;
    const kernels = await this.follow(kernelSpeeds(bindings, around.now), stopper, (share) => say(share / 2, 2));
    const sparse = await this.follow(sparseSpeeds(bindings, around.now), stopper, (share) => say((1 + share) / 2, 2));
    let samples = 0;
    const target = await this.latency(job, recipe, stopper, () => say(1 + samples / (++samples + 200), 2));
    return { engine: bindings.identity().engine, kernels, sparse, target };
  }

  /** Runs a generator to its end with a turn of the event loop between its steps. */
  private async follow<S, T>(work: Generator<S, T>, stopper: Stopper, step: (value: S) => void): Promise<T> {
    let turned = this.around.now();
    for (;;) {
      const next = work.next();
      if (next.done) return next.value;
      step(next.value);
      if (this.around.now() - turned < SLICE_MS) continue;
      await this.around.turn();
      turned = this.around.now();
      if (stopper.cancelled) {
        // Lets the generator free what it holds.
        work.return(undefined as T);
        throw new Cancelled();
      }
    }
  }

  /** Writes a text, a slice at a time, and posts what each slice gave. */
  private async write(id: number, work: Work & { type: "write" }, stopper: Stopper): Promise<string> {
    const job = await this.prepared(work.key, work.recipe);
    const writer = this.engine.writer(job, work.prompt, work.temperature, work.seed);
    try {
      const text = await this.writeWith(writer, id, work.characters, stopper);
      writer.free();
      return text;
    } catch (error) {
      if (isSound(error)) writer.free();
      throw error;
    }
  }

  private async writeWith(writer: TextWriter, id: number, characters: number, stopper: Stopper): Promise<string> {
    let text = "";
    let steps = 1;
    while (text.length < characters) {
      if (stopper.cancelled) throw new Cancelled();
      const from = this.around.now();
      const more = writer.advance(Math.min(steps, characters - text.length));
      steps = Math.max(
        1,
        Math.floor(nextBudget(steps * LEAST_BUDGET_MACS, this.around.now() - from) / LEAST_BUDGET_MACS),
      );
      text += more;
      this.answer({ type: "text", id, text: more });
      await this.around.turn();
    }
    return text;
  }

  /** Posts progress at most every 50 ms, and with it the newest checkpoint at most every two seconds. */
  private reporter(id: number, job: Job): (progress: Progress) => void {
    let posted = -PROGRESS_MS;
    let saved = this.around.now();
    return (progress) => {
      const now = this.around.now();
      if (now - posted < PROGRESS_MS) return;
      posted = now;
      let checkpoint: Uint8Array | undefined;
      if (progress.phase === "train" && now - saved >= CHECKPOINT_MS) {
        checkpoint = job.checkpoint();
        saved = now;
      }
      this.answer({ type: "progress", id, progress, ...(checkpoint ? { checkpoint } : {}) });
    };
  }

  /**
   * Runs a job to its end, a slice at a time, with a turn of the event loop between slices. A pause takes effect at the end of the
   * training step under way, of which nothing is lost. Whatever else a run does has no checkpoints of its own: what comes before the
   * training, or between two, begins again from the newest there is, and the evaluation after it from the training's end.
   */
  private async drive(job: Job, stopper: Stopper | null, report: (progress: Progress) => void): Promise<void> {
    let budget_macs = FIRST_BUDGET_MACS;
    for (;;) {
      if (stopper?.cancelled) throw new Cancelled();
      if (stopper?.paused && !job.askCheckpoint()) throw new Paused(job.checkpoint());
      const from = this.around.now();
      const progress = job.advance(budget_macs);
      if (progress.done) return;
      budget_macs = nextBudget(budget_macs, this.around.now() - from);
      report(progress);
      await this.around.turn();
    }
  }

  /** The job that holds a recipe's compressed model, without evaluation; the newest few are kept. */
  private prepared(key: string, recipe: Recipe): Promise<Job> {
    const known = this.jobs.get(key);
    if (known) {
      this.jobs.delete(key);
      this.jobs.set(key, known);
      return known;
    }
    const made = this.prepare(recipe);
    this.keep(key, made);
    made.catch(() => this.jobs.get(key) === made && this.jobs.delete(key));
    return made;
  }

  private async prepare(recipe: Recipe): Promise<Job> {
    // What is evaluated does not matter here: one image keeps the files to those of the steps.
    await this.loadAll(this.engine.needs({ ...recipe, data: { ...recipe.data, count: 1 } }));
    const job = this.engine.prepare(recipe);
    try {
      await this.drive(job, null, () => {});
      return job;
    } catch (error) {
      if (isCoreError(error)) job.free();
      throw error;
    }
  }

  private keep(key: string, job: Promise<Job>): void {
    this.jobs.set(key, job);
    while (this.jobs.size > KEPT_JOBS) {
      const [oldest, gone] = this.jobs.entries().next().value as [string, Promise<Job>];
      this.jobs.delete(oldest);
      // A failed preparation was reported to whoever asked for it, and has nothing to free.
      gone.then(
        (each) => each.free(),
        () => {},
      );
    }
  }

  private async picture(set: string, split: string, index: number) {
    await this.loadAll(this.engine.imageAsset(set, split, index));
    return { pixels: this.engine.image(set, split, index), label: this.engine.label(set, split, index) };
  }

  /** True classes of the first `count` images that a canonical recipe reads. */
  private labels(recipe: Recipe, count: number): Uint8Array {
    const { set, split = "test" } = recipe.data ?? {};
    if (set === undefined) throw new Error("a canonical recipe names its data");
    return Uint8Array.from({ length: count }, (_, index) => this.engine.label(set, split, index));
  }

  /** Fetches files side by side. */
  private async loadAll(files: readonly AssetNeed[]): Promise<void> {
    await Promise.all(files.filter(({ path }) => !this.engine.has(path)).map(({ path }) => this.load(path)));
  }

  private load(path: string): Promise<void> {
    const known = this.loads.get(path);
    if (known) return known;
    const loading = this.fetch(path).finally(() => this.loads.delete(path));
    this.loads.set(path, loading);
    return loading;
  }

  private async fetch(path: string): Promise<void> {
    const bytes = async (fresh: boolean) => new Uint8Array(await (await this.want(path, fresh)).arrayBuffer());
    const cached = await bytes(false);
    try {
      this.engine.provide(path, cached);
    } catch (error) {
      // A cache may hold the file of another release: once more from the server before giving up.
      if (!isCoreError(error) || error.code !== "checksum") throw error;
      this.engine.provide(path, await bytes(true));
    }
  }

  private want(path: string, fresh: boolean): Promise<Blob> {
    return new Promise((resolve, reject) => {
      const others = this.waiting.get(path) ?? [];
      this.waiting.set(path, [...others, { resolve, reject }]);
      this.answer({ type: "want", path, fresh });
    });
  }

  private take(path: string): Waiting[] {
    const waiting = this.waiting.get(path) ?? [];
    this.waiting.delete(path);
    return waiting;
  }

  private answer(message: Response): void {
    if (!this.poisoned) this.around.post(message);
  }

  /** After a trap the instance must not be used again: says so, and then nothing more. */
  private poison(id: number, error: unknown): void {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.answer({ type: "poisoned", id, message });
    this.poisoned = true;
    for (const stopper of this.tasks.values()) stopper.stop();
  }
}
