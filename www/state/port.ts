/** What the page asks of the engine. `www/engine/client.ts` is one way to meet it; tests bring their own. */

import type {
  Asked,
  Catalog,
  CoreError,
  Hold,
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
} from "./schema";

export interface EnginePort {
  catalog(): Promise<Catalog>;
  /** Why the engine refuses a recipe, or nothing. At once: asked only when the catalog is there. */
  refusal(recipe: Recipe): CoreError | undefined;
  /** A run that is held goes on later, with the same bits; its promise waits. */
  run(
    recipe: Recipe,
    options: { signal: AbortSignal; hold?: Hold; onProgress: (progress: Progress) => void },
  ): Promise<RunResult>;
  /** How likely each class is; of logits divided by a temperature, where there is one. */
  probabilities(recipe: Recipe, pixels: Uint8Array, temperature?: number): Promise<Float32Array>;
  write(
    recipe: Recipe,
    writing: Writing,
    options: { signal: AbortSignal; onText: (text: string) => void },
  ): Promise<string>;
  image(set: string, split: Split, index: number): Promise<Picture>;
  exported(recipe: Recipe): Promise<Uint8Array>;
  /** Times the kernels and the recipe's layers on this machine. */
  measure(
    recipe: Recipe,
    options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<Measured>;
  /** What every layer takes and gives beside itself in f32. */
  inspect(recipe: Recipe, options: { signal: AbortSignal }): Promise<readonly LayerInspection[]>;
  /** A layer's weight, and some of its values down to the bytes. */
  weights(recipe: Recipe, place: Place): Promise<WeightInspection>;
  /** A layer's weight, whole. */
  matrix(recipe: Recipe, layer: string): Promise<WeightMatrix>;
  /** Every layer changed alone, rounded to widths or pruned to shares, judged on the first `images` of the validation split. */
  sensitivity(
    recipe: Recipe,
    asked: Asked,
    images: number,
    options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<readonly SensitivityRow[]>;
}

/** What a question to the engine is refused for. */
export function refusalBy(question: () => unknown): CoreError | undefined {
  try {
    question();
    return undefined;
  } catch (error) {
    return coreError(error);
  }
}

/** Any thrown thing as the engine's error, so that there is one way to put it into words. */
export function coreError(error: unknown): CoreError {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string") {
    const part = (name: string) => {
      const value: unknown = Reflect.get(error, name);
      return typeof value === "string" ? value : "";
    };
    return { code: error.code, path: part("path"), found: part("found"), allowed: part("allowed") };
  }
  return { code: "unknown", path: "", found: error instanceof Error ? error.message : String(error), allowed: "" };
}
