/** The core's JSON, as the page sees it: the catalog, recipes, reports, progress and errors. */

/** What the core says of bad input. The words for each code are the page's and the command line's. */
export interface CoreError {
  readonly code: string;
  /** Where in the input, such as `steps[0].quantize.weights.format`; a file for `asset` and `checksum`. */
  readonly path: string;
  readonly found: string;
  readonly allowed: string;
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

/** The engine's own name: two reports are comparable when their `numerics` agree. */
export interface Identity {
  readonly engine: string;
  readonly numerics: number;
}

/** A file a recipe reads, its path relative to the site's root. */
export interface AssetNeed {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export type Split = "train" | "validation" | "test";
export type Family = "float" | "integer" | "ternary" | "binary";

export interface CatalogLayer {
  readonly name: string;
  readonly op: string;
  readonly parameters: number;
  readonly macs: number;
}

export interface CatalogModel {
  readonly id: string;
  readonly code: string;
  readonly name: string;
  /** Id of the set it was trained on. */
  readonly data: string;
  readonly parameters: number;
  readonly macs: number;
  readonly classes: number;
  readonly layers: readonly CatalogLayer[];
  readonly baseline: { readonly correct: number; readonly total: number; readonly top1: number };
  readonly weights: AssetNeed;
  readonly source: string;
}

export interface CatalogData {
  readonly id: string;
  readonly name: string;
  /** Channels, height, width. */
  readonly shape: readonly [number, number, number];
  /** Class ids; their words are the page's. */
  readonly classes: readonly string[];
  /** Number of images in each split. */
  readonly splits: Readonly<Record<Split, number>>;
  readonly source: string;
  readonly licence: string;
}

export interface CatalogFormat {
  readonly id: string;
  readonly code: string;
  readonly bits: number;
  /** Number of values a code can take; null for floats. */
  readonly levels: number | null;
  readonly family: Family;
  readonly weights: boolean;
  readonly activations: boolean;
  /** Has scales, so granularity applies. */
  readonly scaled: boolean;
  readonly asymmetric: boolean;
  /** Has a range to choose. */
  readonly ranged: boolean;
  readonly source: string;
}

export interface CatalogChoice {
  readonly id: string;
  readonly code: string;
  readonly source: string;
}

export interface Catalog extends Identity {
  readonly models: readonly CatalogModel[];
  readonly data: readonly CatalogData[];
  readonly formats: readonly CatalogFormat[];
  readonly granularities: readonly CatalogChoice[];
  readonly ranges: readonly CatalogChoice[];
  readonly calibrations: readonly CatalogChoice[];
  /** Least and greatest value of a field, such as `data.count`. */
  readonly limits: Readonly<Record<string, readonly [number, number]>>;
}

export interface WeightsChoice {
  readonly format: string;
  readonly granularity?: string;
  readonly symmetric?: boolean;
  readonly range?: string;
  readonly rounding?: string;
}

export interface ActivationsChoice {
  readonly format: string;
  readonly granularity?: string;
  readonly calibration?: string;
}

export interface Quantize {
  readonly weights?: WeightsChoice;
  readonly activations?: ActivationsChoice;
  readonly layers?: Readonly<Record<string, Omit<Quantize, "layers">>>;
}

export interface Step {
  readonly quantize?: Quantize;
}

export interface RecipeData {
  readonly set: string;
  readonly split?: Split;
  readonly count?: number;
}

export interface Recipe {
  readonly version: 1;
  readonly model: string;
  readonly data?: RecipeData;
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly init?: string;
  readonly execution?: string;
}

/** A recipe with axes: dotted paths into it, each with the values to try. */
export interface Sweep extends Recipe {
  readonly sweep?: Readonly<Record<string, readonly unknown[]>>;
}

/** One cell of a sweep: a canonical recipe, or why there is none. */
export interface Cell {
  readonly axes: Readonly<Record<string, unknown>>;
  readonly recipe: Recipe | null;
  readonly error: CoreError | null;
}

export interface Accuracy {
  readonly correct: number;
  readonly total: number;
  readonly top1: number;
  readonly wilson95: readonly [number, number];
  readonly loss: number;
}

export interface Size {
  readonly bytes: number;
  readonly bits_per_weight: number;
  readonly alternatives: Readonly<Record<string, number>>;
  readonly ledger: Readonly<Record<string, number>>;
}

export interface Cost {
  readonly macs: number;
  readonly parameters: number;
  readonly nonzero: number;
  readonly sparsity: number;
  readonly peak_activation_bytes: number;
}

export interface LayerReport {
  readonly name: string;
  readonly op: string;
  readonly weight_format: string;
  readonly activation_format: string | null;
  readonly parameters: number;
  readonly nonzero: number;
  readonly macs: number;
  readonly bytes: number;
  readonly sqnr_db: number | null;
}

export interface StepReport {
  readonly step: string;
  readonly accuracy: Accuracy | null;
  readonly bytes: number;
  readonly macs: number;
}

export interface Report extends Identity {
  readonly version: 1;
  /** Canonical: every default written out. */
  readonly recipe: Recipe;
  readonly accuracy: Accuracy;
  readonly baseline: { readonly accuracy: Accuracy; readonly size: Size };
  readonly size: Size;
  readonly cost: Cost;
  readonly steps: readonly StepReport[];
  readonly layers: readonly LayerReport[];
  readonly digests: { readonly weights: string; readonly outputs: string };
}

export type Phase = "load" | "train" | "calibrate" | "quantize" | "evaluate" | "done";

export interface Progress {
  readonly done: boolean;
  readonly phase: Phase;
  readonly done_macs: number;
  readonly total_macs: number;
  /** The estimate from the images seen so far. */
  readonly partial: Omit<Accuracy, "loss"> | null;
}

/** What a finished run hands over. */
export interface RunResult {
  readonly report: Report;
  /** Predicted class of each evaluated image, in data order. */
  readonly predictions: Uint8Array;
}

export interface Picture {
  /** Planar bytes, 0 to 255: channels × height × width. */
  readonly pixels: Uint8Array;
  readonly label: number;
}

/** A job inside the core; see `session.ts` for how it is driven. */
export interface Job {
  advance(budget_macs: number): Progress;
  report(): Report;
  predictions(): Uint8Array;
  probabilities(pixels: Uint8Array): Float32Array;
  exported(): Uint8Array;
  checkpoint(): Uint8Array | undefined;
  free(): void;
}

export interface Engine {
  has(path: string): boolean;
  provide(path: string, bytes: Uint8Array): void;
  start(recipe: unknown, checkpoint?: Uint8Array): Job;
  prepare(recipe: unknown): Job;
  image(set: string, split: string, index: number): Uint8Array;
  label(set: string, split: string, index: number): number;
}

/** What a worker needs of the generated bindings. */
export interface Bindings {
  readonly Engine: new () => Engine;
  needs(recipe: unknown): AssetNeed[];
}
