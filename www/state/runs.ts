/** Runs: what has been computed for which choice, and what follows from two of them. */

import { type Choice, choiceKey } from "./choice";
import { score } from "./quality";
import type { CoreError, Progress, Report } from "./schema";

/** The part of a report that the page draws; a precomputed run holds no more than this. */
export type Outcome = Pick<Report, "accuracy" | "size" | "layers" | "digests">;

export type RunState = "precomputed" | "queued" | "running" | "done" | "failed" | "cancelled";

export interface Run {
  readonly key: string;
  readonly choice: Choice;
  readonly state: RunState;
  /** The newest result, kept while a new run of the same recipe is under way. */
  readonly outcome: Outcome | undefined;
  /** The whole report of a run made here. */
  readonly report: Report | undefined;
  readonly progress: Progress | undefined;
  readonly predictions: Uint8Array | undefined;
  readonly labels: Uint8Array | undefined;
  readonly error: CoreError | undefined;
  readonly seconds: number | undefined;
}

export function newRun(choice: Choice, state: RunState): Run {
  return {
    key: choiceKey(choice),
    choice,
    state,
    outcome: undefined,
    report: undefined,
    progress: undefined,
    predictions: undefined,
    labels: undefined,
    error: undefined,
    seconds: undefined,
  };
}

/** Bytes of a run's network: of its result, or of the one under way as soon as it is packed. */
export function bytesOf(run: Run): number | undefined {
  return run.outcome?.size.bytes ?? run.progress?.bytes ?? undefined;
}

/**
 * Bits per weight of a run. Under way, the bytes that are not the baseline's biases are counted to the weights: scales of inputs
 * among them, a few bytes in a thousand, so the mark moves by less than a pixel when the run ends.
 */
export function bitsOf(run: Run, baseline: Outcome | undefined): number | undefined {
  if (run.outcome) return run.outcome.size.bits_per_weight;
  const bytes = bytesOf(run);
  if (bytes === undefined || !baseline) return undefined;
  const { ledger, bits_per_weight } = baseline.size;
  const weights = (8 * (ledger.values + ledger.scales + ledger.zero_points)) / bits_per_weight;
  return (8 * (bytes - ledger.biases - ledger.other)) / weights;
}

/** Multiply-adds for one input. */
export function macsOf({ layers }: Pick<Outcome, "layers">): number {
  return layers.reduce((sum, layer) => sum + layer.macs, 0);
}

/** The share of the baseline's parameters that pruning has taken. */
export function goneOf({ layers }: Pick<Outcome, "layers">, baseline: Pick<Outcome, "layers">): number {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const kept = sum(layers.map((layer) => layer.kept ?? layer.parameters));
  return Math.max(0, 1 - kept / Math.max(1, sum(baseline.layers.map((layer) => layer.parameters))));
}

export interface Flip {
  readonly index: number;
  readonly label: number;
  readonly before: number;
  readonly after: number;
}

/** Images whose answer differs, those that became wrong first, then those that became right, then wrong both ways. */
export function flips(before: Uint8Array, after: Uint8Array, labels: Uint8Array): Flip[] {
  const groups: [Flip[], Flip[], Flip[]] = [[], [], []];
  const count = Math.min(before.length, after.length, labels.length);
  for (let index = 0; index < count; index += 1) {
    const flip = { index, label: labels[index] ?? 0, before: before[index] ?? 0, after: after[index] ?? 0 };
    if (flip.before === flip.after) continue;
    groups[flip.before === flip.label ? 0 : flip.after === flip.label ? 1 : 2].push(flip);
  }
  return groups.flat();
}

/** Wrong answers per class. */
export function errorsPerClass(predictions: Uint8Array, labels: Uint8Array, classes: number): number[] {
  const errors = new Array<number>(classes).fill(0);
  labels.forEach((label, index) => {
    if (index < predictions.length && predictions[index] !== label) errors[label] = (errors[label] ?? 0) + 1;
  });
  return errors;
}

/** The smallest run of at least the wanted score ({@link score}), among runs over the whole test set. */
export function smallestReaching(runs: readonly Run[], least: number): Run | undefined {
  let best: Run | undefined;
  for (const run of runs) {
    if (!run.outcome || run.choice.count !== 0 || score(run.outcome.accuracy) < least) continue;
    if (!best?.outcome || run.outcome.size.bytes < best.outcome.size.bytes) best = run;
  }
  return best;
}
