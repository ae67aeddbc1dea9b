/**
 * The core's JSON as the page sees it. Shapes come from the core's own generated types; written out here is only what those
 * leave wider or narrower than the JSON is: absent values are `null`, splits are known, an error's code may be the page's own.
 */

import type * as core from "./wasm/featherweight.js";

export type {
  Accuracy,
  ActivationSpec as ActivationsChoice,
  AssetRef as AssetNeed,
  ChoiceInfo as CatalogChoice,
  Cost,
  Family,
  FormatInfo as CatalogFormat,
  Identity,
  LayerInfo as CatalogLayer,
  Ledger,
  ModelInfo as CatalogModel,
  Phase,
  Piece,
  PruneStep as Prune,
  QuantizeStep as Quantize,
  Recipe,
  Size,
  StepReport,
  TrainingRecord,
  TrainStep as Train,
  WeightSpec as WeightsChoice,
} from "./wasm/featherweight.js";

export type Split = "train" | "validation" | "test";

/** What the core says of bad input. The words for each code are the page's and the command line's. */
export type CoreError = { readonly [Field in keyof core.CoreError]: string };

export interface CatalogData extends Omit<core.DataInfo, "splits"> {
  /** Number of images in each split there is. */
  readonly splits: Readonly<Partial<Record<Split, number>>>;
}

export interface Catalog extends Omit<core.Catalog, "data"> {
  readonly data: readonly CatalogData[];
}

export interface Progress extends Omit<core.Progress, "bytes" | "partial"> {
  /** Bytes of the network that `partial` judges, once known. */
  readonly bytes: number | null;
  /** The estimate from the images seen so far. */
  readonly partial: core.Partial | null;
}

export interface LayerReport extends Omit<core.LayerReport, "sqnr_db"> {
  /** Null where nothing changed. */
  readonly sqnr_db: number | null;
}

/** One layer as a target runs it. */
export interface TargetLayer extends Omit<core.TimedStep, "macs"> {
  readonly ms: number;
  /** The same layer before any step. */
  readonly baseline_ms: number;
}

/** A network's latency on one machine. */
export interface Target {
  readonly id: string;
  /** Timed here, rather than modelled from cited figures. */
  readonly measured: boolean;
  /** Images of one run; times are of all of them. */
  readonly batch: number;
  readonly latency_ms: number;
  /** The same network before any step. */
  readonly baseline_latency_ms: number;
  readonly layers: readonly TargetLayer[];
  /** Layers alone that a kernel which skips zeros serves. */
  readonly sparse_layers: readonly SparseLayer[];
}

/** A layer's time for one block with zeros that are skipped, by their share, 0 to 1, and dense. */
export interface SparseLayer extends SparseTimes {
  readonly layer: string;
  readonly rows: number;
  /** Weights of a row. */
  readonly inputs: number;
}

/** Times of a product by its share of zeros, and of the dense one. */
export interface SparseTimes {
  readonly dense_ms: number;
  readonly points: readonly { readonly zeros: number; readonly ms: number }[];
  /** The share of zeros at which both take as long; absent where they never do. */
  readonly break_even?: number | undefined;
}

/** Times taken on this machine. */
export interface Measured {
  readonly engine: string;
  readonly kernels: readonly { readonly id: string; readonly gops: number }[];
  /** A sparse product of the same side. */
  readonly sparse: SparseTimes;
  readonly target: Target;
}

export interface Report extends Omit<core.Report, "layers"> {
  readonly layers: readonly LayerReport[];
  /** Where the recipe names targets. */
  readonly targets?: readonly Target[];
}

/** What a layer takes and gives beside itself in f32. */
export interface LayerInspection extends Omit<core.LayerInspection, "weight_sqnr_db" | "output_sqnr_db"> {
  /** Null where rounding changed nothing. */
  readonly weight_sqnr_db: number | null;
  readonly output_sqnr_db: number | null;
}

/** A layer's weight, and some of its values down to the bytes. Null is what its format does not have. */
export interface WeightInspection extends Omit<core.WeightInspection, "scale" | "zero_point" | "min" | "unit"> {
  readonly scale: number | null;
  readonly zero_point: number | null;
  readonly min: number | null;
  readonly unit: number | null;
}

/** A layer's weight, whole, as inference uses it. Arrays of a value for each element are in row-major order. */
export interface WeightMatrix {
  /** Outputs, inputs, and the sides of the kernel where there is one. */
  readonly shape: Uint32Array;
  readonly values: Float32Array;
  /** 1 for what pruning kept, else 0; absent where it took no single weights. */
  readonly kept: Uint8Array | undefined;
  /** The place of each element in the model's own weight; absent where all of them are left. */
  readonly origin: Uint32Array | undefined;
  /** For each output two numbers: the group of channels that it belongs to and its unit there; both {@link FIXED} where it stays. */
  readonly units: Uint32Array;
}

/** In {@link WeightMatrix.units}: an output that belongs to no group. */
export const FIXED = 0xffffffff;

/** What layers are tried at: widths they are rounded to, shares of their weights that are pruned (an empty list: the usual ones). */
export interface Asked {
  readonly bits?: readonly number[];
  readonly sparsities?: readonly number[];
}

/** One layer rounded alone at one width, or pruned to one share: `bits` or `sparsity` is there. */
export interface SensitivityRow extends Omit<core.SensitivityRow, "sqnr_db"> {
  readonly sqnr_db: number | null;
}

/** Which values of which granule of a weight are looked at. */
export interface Place {
  readonly layer: string;
  readonly granule: number;
  /** The first of the granule's values to be shown. */
  readonly from: number;
}

/** One cell of a sweep: a canonical recipe, or why there is none. */
export interface Cell extends Omit<core.SweepCell, "error"> {
  readonly error: CoreError | null;
}

/** An error of the core, or of the pool, thrown: code `internal` is a worker that failed twice. */
export class EngineError extends Error implements CoreError {
  readonly code: string;
  readonly path: string;
  readonly found: string;
  readonly allowed: string;

  constructor(error: CoreError) {
    super(`${error.code}: ${error.path} ${error.found}`);
    this.name = "EngineError";
    this.code = error.code;
    this.path = error.path;
    this.found = error.found;
    this.allowed = error.allowed;
  }
}

/** Whether a thrown value is one of the core's errors rather than a fault of the program. */
export function isCoreError(value: unknown): value is CoreError {
  if (typeof value !== "object" || value === null) return false;
  const { code, path, found, allowed } = value as Partial<Record<string, unknown>>;
  return [code, path, found, allowed].every((field) => typeof field === "string");
}

/** A recipe with axes: dotted paths into it, each with the values to try. */
export interface Sweep extends core.Recipe {
  readonly sweep?: Readonly<Record<string, readonly unknown[]>>;
}

/** What a finished run hands over. */
export interface RunResult {
  readonly report: Report;
  /** Predicted class of each evaluated image, in data order. */
  readonly predictions: Uint8Array;
  /** True class of each of the same images; empty for text, whose answers are one for each character. */
  readonly labels: Uint8Array;
}

export interface Picture {
  /** Planar bytes, 0 to 255: channels × height × width. */
  readonly pixels: Uint8Array;
  readonly label: number;
}

/** What a text is written from. */
export interface Writing {
  readonly prompt: string;
  /** 0 always takes the likeliest character; 1 draws as the model says. */
  readonly temperature: number;
  readonly seed: number;
  /** How many characters to write. */
  readonly characters: number;
}

/** A text under way inside the core. */
export type TextWriter = Pick<core.TextWriter, "advance" | "free">;

/** Says whether work is held where it is, with an event `change` when that changes. */
export interface Hold extends Pick<EventTarget, "addEventListener" | "removeEventListener"> {
  readonly held: boolean;
}

/** A run inside the core; see `session.ts` for how it is driven. */
export interface Job
  extends Pick<
    core.Job,
    | "askCheckpoint"
    | "checkpoint"
    | "exported"
    | "free"
    | "layerWork"
    | "predictions"
    | "probabilities"
    | "runSteps"
    | "timedSteps"
  > {
  advance(budget_macs: number): Progress;
  report(): Report;
  layers(): LayerInspection[];
  sensitivity(): SensitivityRow[];
  weights(layer: string, granule: number, from: number): WeightInspection;
  matrix(layer: string): [Uint32Array, Float32Array, Uint8Array, Uint32Array, Uint32Array];
}

export interface Engine
  extends Pick<core.Engine, "addManifest" | "has" | "image" | "imageAsset" | "label" | "needs" | "provide"> {
  canonical(recipe: unknown): core.Recipe;
  catalog(): Catalog;
  expand(sweep: unknown): Cell[];
  start(recipe: unknown, checkpoint?: Uint8Array): Job;
  prepare(recipe: unknown): Job;
  inspect(job: Job, recipe: unknown): Job;
  sensitivity(recipe: unknown, bits: Uint32Array, sparsities?: Float64Array, images?: number, alone?: boolean): Job;
  sensitivityNeeds(recipe: unknown, bits: Uint32Array, sparsities?: Float64Array, images?: number): core.AssetRef[];
  writer(job: Job, prompt: string, temperature: number, seed: number): TextWriter;
}

/** What is used of the generated bindings; tests stand in for it. */
export interface Bindings {
  readonly Engine: new () => Engine;
  readonly KernelTrial: new (name: string) => Pick<core.KernelTrial, "free" | "run">;
  readonly Workload: typeof core.Workload;
  identity(): core.Identity;
  /** Integer kernels to choose from, and the choice; results are the same. See `kernels.ts`. */
  kernels(): string[];
  useKernel(name: string): void;
}
