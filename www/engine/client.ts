/** All that panels know of the engine: typed calls. Small questions are answered here, long work goes to the pool. */

import { Assets } from "./assets";
import { type Checkpoints, keptCheckpoints } from "./kept";
import { localPort } from "./local";
import { Pool, type Wishes } from "./pool";
import type { Manifest, Port } from "./protocol";
import { hasRelaxedSimd, missingFeature } from "./support";
import {
  type Asked,
  type Bindings,
  type Catalog,
  type Cell,
  type Engine,
  EngineError,
  type Identity,
  isCoreError,
  type LayerInspection,
  type Measured,
  type Picture,
  type Place,
  type Progress,
  type Recipe,
  type RunResult,
  type SensitivityRow,
  type Split,
  type Sweep,
  type WeightInspection,
  type WeightMatrix,
  type Writing,
} from "./types";
import init, * as generated from "./wasm/featherweight.js";
import wasmUrl from "./wasm/featherweight_bg.wasm?url";
import relaxedUrl from "./wasm/featherweight_relaxed_bg.wasm?url";
import EngineWorker from "./worker?worker";

export type { Wishes } from "./pool";
export * from "./types";

const wasm = generated as unknown as Bindings;

/** More workers than this cost memory and gain little: runs share the memory bus. */
const MOST_WORKERS = 8;

/** What became of one cell of a sweep. */
export interface SweepResult {
  readonly cell: Cell;
  readonly result: RunResult | null;
  readonly error: EngineError | null;
}

export interface SweepWishes extends Omit<Wishes, "onProgress"> {
  /** Called as each cell ends, in whatever order they end. */
  readonly onResult?: ((result: SweepResult, index: number) => void) | undefined;
  readonly onProgress?: ((progress: Progress, index: number) => void) | undefined;
}

export interface Client {
  readonly identity: Identity;
  readonly catalog: Catalog;
  /** The recipe with every default written out. Throws EngineError on bad input. */
  canonical(recipe: unknown): Recipe;
  /** The cells of a sweep, illegal ones with their error. Throws EngineError on bad input. */
  expand(sweep: unknown): Cell[];
  /** Runs a recipe in a worker. Rejects with EngineError, or with the signal's reason. */
  run(recipe: Recipe, wishes?: Wishes): Promise<RunResult>;
  /** Runs every cell of a sweep, spread over the workers. Rejects only when cancelled. */
  sweep(sweep: Sweep, wishes?: SweepWishes): Promise<SweepResult[]>;
  /** How sure the recipe's model is of each class, for one picture (planar bytes, 0 to 255); softened by a temperature above 1. */
  probabilities(recipe: Recipe, pixels: Uint8Array, wishes?: Wishes, temperature?: number): Promise<Float32Array>;
  /** Has the recipe's model write; `wishes.onText` gets the text as it is written, the promise the whole. */
  write(recipe: Recipe, writing: Writing, wishes?: Wishes): Promise<string>;
  image(set: string, split: Split, index: number, wishes?: Wishes): Promise<Picture>;
  /** The compressed model as a safetensors file. */
  exported(recipe: Recipe, wishes?: Wishes): Promise<Uint8Array>;
  /** Times the kernels and the recipe's layers on this machine. */
  measure(recipe: Recipe, wishes?: Wishes): Promise<Measured>;
  /** What every layer of the recipe's model takes and gives beside itself in f32, on the first of the recipe's images. */
  inspect(recipe: Recipe, wishes?: Wishes): Promise<readonly LayerInspection[]>;
  /** A layer's weight, and some of its values down to the bytes. */
  weights(recipe: Recipe, place: Place, wishes?: Wishes): Promise<WeightInspection>;
  /** A layer's weight, whole. */
  matrix(recipe: Recipe, layer: string, wishes?: Wishes): Promise<WeightMatrix>;
  /** Every layer changed alone, rounded to widths or pruned to shares, judged on the first `images` of the validation split. */
  sensitivity(recipe: Recipe, asked: Asked, images: number, wishes?: Wishes): Promise<readonly SensitivityRow[]>;
  /** Workers there are, runs under way and runs waiting. */
  readonly state: Pool["state"];
  dispose(): void;
}

/** Compiles the engine and starts the first worker. Rejects when the browser cannot run it. */
export async function createClient(base: string = document.baseURI): Promise<Client> {
  const validate = (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.validate(bytes);
  const missing = missingFeature(validate);
  if (missing !== null) throw new EngineError({ code: "unsupported", path: "", found: missing, allowed: "" });
  const [module, manifests] = await Promise.all([
    compile(hasRelaxedSimd(validate) ? relaxedUrl : wasmUrl),
    localManifests(base),
  ]);
  await init({ module_or_path: module });
  const core = new wasm.Engine();
  asked(() => {
    for (const { path, text } of manifests) core.addManifest(path, text);
  });
  const assets = new Assets(base);
  // A build's files are named by their content, so that a checkpoint of another build is never taken.
  const checkpoints = keptCheckpoints(wasmUrl, globalThis.indexedDB, () => Date.now());
  const pool = new Pool({
    spawn: () => {
      const worker = new EngineWorker() as Port;
      worker.postMessage({ type: "init", module, manifests });
      return worker;
    },
    fallback: () => localPort(wasm, manifests),
    size: Math.max(1, Math.min(navigator.hardwareConcurrency || 2, MOST_WORKERS)),
    asset: (path, fresh) => assets.get(path, fresh),
    checkpoints,
  });
  return clientOf(pool, core, checkpoints);
}

/** Two builds of one engine, with the same results: relaxed SIMD has a faster integer product. */
async function compile(url: string): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) {
    throw new EngineError({ code: "asset", path: url, found: `HTTP ${response.status}`, allowed: "" });
  }
  // Some hosts send wasm under another type, which streaming refuses.
  if (response.headers.get("content-type") !== "application/wasm") {
    return WebAssembly.compile(await response.arrayBuffer());
  }
  return WebAssembly.compileStreaming(response);
}

/** Data sets packed on this machine: a manifest beside the site's data, or none. */
async function localManifests(base: string): Promise<Manifest[]> {
  const path = "data/local/manifest.json";
  const response = await fetch(new URL(path, base));
  return response.ok ? [{ path, text: await response.text() }] : [];
}

/** Throws the core's plain error objects as EngineError. */
function asked<T>(question: () => T): T {
  try {
    return question();
  } catch (error) {
    throw isCoreError(error) ? new EngineError(error) : error;
  }
}

/** Names the compressed model of a recipe: what is evaluated does not change it. */
function keyOf(canonical: Recipe): string {
  return JSON.stringify({ ...canonical, data: canonical.data?.set });
}

function clientOf(pool: Pool, core: Engine, checkpoints: Checkpoints): Client {
  const canonical = (recipe: unknown) => asked(() => core.canonical(recipe));
  const expand = (sweep: unknown) => asked(() => core.expand(sweep));
  const withKey = (recipe: Recipe) => {
    const whole = canonical(recipe);
    return { recipe: whole, key: keyOf(whole) };
  };
  const run = async (recipe: Recipe, wishes?: Wishes) => {
    const work = withKey(recipe);
    const trains = work.recipe.steps.some((step) => "train" in step);
    const checkpoint = trains ? await checkpoints.take(work.key) : undefined;
    return pool.submit({ type: "run", ...work, ...(checkpoint && { checkpoint }) }, wishes);
  };

  const cellRun = async (cell: Cell, index: number, wishes: SweepWishes): Promise<SweepResult> => {
    const { signal, hold, priority, onProgress, onResult } = wishes;
    const failed = (error: EngineError) => ({ cell, result: null, error });
    let result: SweepResult;
    if (cell.recipe === null) {
      result = failed(new EngineError(cell.error ?? { code: "internal", path: "", found: "", allowed: "" }));
    } else {
      try {
        const done = await run(cell.recipe, { signal, hold, priority, onProgress: (now) => onProgress?.(now, index) });
        result = { cell, result: done, error: null };
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        result = failed(error);
      }
    }
    onResult?.(result, index);
    return result;
  };

  return {
    identity: wasm.identity(),
    catalog: core.catalog(),
    canonical,
    expand,
    run,
    sweep: async (sweep, wishes = {}) => Promise.all(expand(sweep).map((cell, index) => cellRun(cell, index, wishes))),
    probabilities: async (recipe, pixels, wishes, temperature) =>
      pool.submit({ type: "probabilities", ...withKey(recipe), pixels, ...(temperature && { temperature }) }, wishes),
    write: async (recipe, writing, wishes) => pool.submit({ type: "write", ...withKey(recipe), ...writing }, wishes),
    image: (set, split, index, wishes) => pool.submit({ type: "image", set, split, index }, wishes),
    exported: async (recipe, wishes) => pool.submit({ type: "exported", ...withKey(recipe) }, wishes),
    measure: async (recipe, wishes) => pool.submit({ type: "measure", ...withKey(recipe) }, wishes),
    inspect: async (recipe, wishes) => pool.submit({ type: "inspect", ...withKey(recipe) }, wishes),
    weights: async (recipe, place, wishes) => pool.submit({ type: "weights", ...withKey(recipe), place }, wishes),
    matrix: async (recipe, layer, wishes) => pool.submit({ type: "matrix", ...withKey(recipe), layer }, wishes),
    // It makes no compressed model, so its key is none.
    sensitivity: async (recipe, asked, images, wishes) =>
      pool.submit({ type: "sensitivity", recipe: canonical(recipe), key: "", asked, images }, wishes),
    get state() {
      return pool.state;
    },
    dispose: () => pool.dispose(),
  };
}
