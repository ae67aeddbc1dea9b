/** The messages between the pool and a worker. Every task has an id of its own; answers carry it. */

import type {
  Asked,
  CoreError,
  LayerInspection,
  Measured,
  Picture,
  Place,
  Progress,
  Recipe,
  RunResult,
  SensitivityRow,
  Split,
  WeightInspection,
  WeightMatrix,
  Writing,
} from "./types";

/** What can be asked of a worker. `key` names the compressed model, so that it is prepared once. */
export type Work =
  | { readonly type: "run"; readonly key: string; readonly recipe: Recipe; readonly checkpoint?: Uint8Array }
  /** Kernels and layers timed on this machine; alone on its worker, as a run is. */
  | { readonly type: "measure"; readonly key: string; readonly recipe: Recipe }
  /** Every layer changed alone, judged on validation images. */
  | {
      readonly type: "sensitivity";
      readonly key: string;
      readonly recipe: Recipe;
      readonly asked: Asked;
      readonly images: number;
    }
  /** What every layer takes and gives beside itself in f32. */
  | { readonly type: "inspect"; readonly key: string; readonly recipe: Recipe }
  /** One layer's weight down to the bytes. */
  | { readonly type: "weights"; readonly key: string; readonly recipe: Recipe; readonly place: Place }
  /** One layer's weight, whole. */
  | { readonly type: "matrix"; readonly key: string; readonly recipe: Recipe; readonly layer: string }
  | {
      readonly type: "probabilities";
      readonly key: string;
      readonly recipe: Recipe;
      readonly pixels: Uint8Array;
      readonly temperature?: number;
    }
  | ({ readonly type: "write"; readonly key: string; readonly recipe: Recipe } & Writing)
  | { readonly type: "exported"; readonly key: string; readonly recipe: Recipe }
  | { readonly type: "image"; readonly set: string; readonly split: Split; readonly index: number };

/** Whether work takes a worker's attention for itself, can be cancelled and tells how far it is. */
export function isLong(work: Work): boolean {
  return work.type === "run" || work.type === "measure" || work.type === "sensitivity";
}

/** What each kind of work answers. */
export interface Results {
  run: RunResult;
  measure: Measured;
  sensitivity: readonly SensitivityRow[];
  inspect: readonly LayerInspection[];
  weights: WeightInspection;
  matrix: WeightMatrix;
  probabilities: Float32Array;
  exported: Uint8Array;
  write: string;
  image: Picture;
}

/** A manifest of data sets beside the built-in ones. */
export interface Manifest {
  readonly path: string;
  readonly text: string;
}

export type Request =
  | { readonly type: "init"; readonly module: WebAssembly.Module; readonly manifests: readonly Manifest[] }
  | { readonly type: "work"; readonly id: number; readonly work: Work }
  | { readonly type: "cancel"; readonly id: number }
  /** Lets go of a run where it is, for it to be given again later. */
  | { readonly type: "pause"; readonly id: number }
  | { readonly type: "asset"; readonly path: string; readonly blob: Blob }
  | { readonly type: "no-asset"; readonly path: string; readonly error: CoreError };

export type Response =
  | { readonly type: "ready" }
  | { readonly type: "progress"; readonly id: number; readonly progress: Progress; readonly checkpoint?: Uint8Array }
  /** More of the text that task `id` writes. */
  | { readonly type: "text"; readonly id: number; readonly text: string }
  | { readonly type: "done"; readonly id: number; readonly result: Results[keyof Results] }
  | { readonly type: "error"; readonly id: number; readonly error: CoreError }
  | { readonly type: "cancelled"; readonly id: number }
  /** What to go on from, where that is newer than the last. */
  | { readonly type: "paused"; readonly id: number; readonly checkpoint?: Uint8Array }
  /** Asks the page for a file; `fresh` bypasses every cache, after a checksum that did not match. */
  | { readonly type: "want"; readonly path: string; readonly fresh: boolean }
  /** The wasm instance cannot be used again; `id` is the task that broke it. */
  | { readonly type: "poisoned"; readonly id: number; readonly message: string };

/** The part of `Worker` that the pool uses, so that tests and the main thread can stand in. */
export interface Port {
  postMessage(message: Request): void;
  terminate(): void;
  onmessage: ((event: { readonly data: Response }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
}
