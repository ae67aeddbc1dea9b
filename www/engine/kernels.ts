/** Which of the engine's integer kernels is the fastest here: told by the clock, since engines differ; results do not. */

import type { Bindings } from "./types";

/**
 * Each kernel is timed for so long at most, in turns, and its best time counts: the first turns run before the browser's compiler is
 * done, which for some kernels takes ten milliseconds.
 */
const TRIAL_MS = 14;
const TURNS = 90;
const MOST_REPEATS = 64;
/** One that is not clearly faster than an earlier one is not worth its limits: the earlier ones leave convolutions more ways. */
const CLEARLY = 0.92;

/** Times the engine's integer kernels, has it use the fastest, and answers its name. */
export function chooseKernel(
  bindings: Pick<Bindings, "KernelTrial" | "kernels" | "useKernel">,
  now: () => number,
): string {
  const names = bindings.kernels();
  const trials = names.map((name) => ({
    name,
    trial: new bindings.KernelTrial(name),
    best_ms: Number.POSITIVE_INFINITY,
  }));
  const until = now() + TRIAL_MS * names.length;
  for (let turn = 0; names.length > 1 && turn < TURNS && now() < until; turn++) {
    for (const each of trials) each.best_ms = Math.min(each.best_ms, time(each.trial, now));
  }
  for (const { trial } of trials) trial.free();
  const [first, ...others] = trials;
  if (first === undefined) throw new Error("the engine names no kernel");
  const fastest = others.reduce((best, each) => (each.best_ms < CLEARLY * best.best_ms ? each : best), first);
  bindings.useKernel(fastest.name);
  return fastest.name;
}

/** Milliseconds of one run, repeated until the clock, which may be coarse, has moved. */
function time(trial: { run(): number }, now: () => number): number {
  const from = now();
  for (let repeats = 1; ; repeats++) {
    trial.run();
    const took = now() - from;
    if (took > 0.15 || repeats === MOST_REPEATS) return took / repeats;
  }
}
