/** The committed curve of the default view: made by `tools/precompute.mjs` with the command-line engine. */

import { baselineOf, type Choice, DEFAULT_CHOICE, FULL_PRECISION } from "./choice";
import type { Outcome } from "./runs";

/** What the file holds: the engine it came from, and a result per weight format. */
export interface Precomputed {
  readonly engine: string;
  readonly numerics: number;
  readonly runs: readonly ({ readonly format: string } & Outcome)[];
}

/** The results with the choices they belong to; full precision is the plain baseline. */
export function precomputedRuns(file: Precomputed): { readonly choice: Choice; readonly outcome: Outcome }[] {
  return file.runs.map(({ format, ...outcome }) => ({
    choice: format === FULL_PRECISION ? baselineOf(DEFAULT_CHOICE) : { ...DEFAULT_CHOICE, weights: format },
    outcome,
  }));
}
