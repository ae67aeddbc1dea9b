/** How much a recipe's result hangs on the training images it looks at: the same recipe with several draws of them. */

import { type Choice, choiceKey, FIRST_IMAGES, recipeOf } from "./choice";
import { coreError, type EnginePort } from "./port";
import type { Catalog, CoreError } from "./schema";

/** Draws of one action: their seeds are 0, 1, 2 … */
export const DRAWS = 5;

/** One draw's result. */
export interface Drawn {
  readonly seed: number;
  readonly correct: number;
  readonly total: number;
}

/** What is known of one recipe's spread. */
export interface Draws {
  readonly results: readonly Drawn[];
  readonly running: boolean;
  readonly error: CoreError | undefined;
}

export interface Summary {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/** The extremes and the middle of some results; of an even number, the mean of the two in the middle. */
export function summary(results: readonly Drawn[]): Summary | undefined {
  const sorted = results.map((result) => result.correct).sort((a, b) => a - b);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (least === undefined || most === undefined) return undefined;
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? least) + (sorted[Math.ceil(middle)] ?? most)) / 2;
  return { least, median, most };
}

/** A recipe by everything but its own draw. */
function keyOf(choice: Choice): string {
  return choiceKey({ ...choice, draw: FIRST_IMAGES });
}

export class Spread {
  readonly #engine: EnginePort;
  readonly #changed: () => void;
  readonly #known = new Map<string, Draws>();
  #stop: AbortController | undefined;

  constructor(engine: EnginePort, changed: () => void) {
    this.#engine = engine;
    this.#changed = changed;
  }

  of(choice: Choice): Draws | undefined {
    return this.#known.get(keyOf(choice));
  }

  get running(): boolean {
    return this.#stop !== undefined;
  }

  /** Runs every draw that is missing, side by side on the pool. What was under way for another recipe is stopped. */
  async run(choice: Choice, catalog: Catalog): Promise<void> {
    this.cancel();
    const key = keyOf(choice);
    const stop = new AbortController();
    this.#stop = stop;
    this.#set(key, { running: true, error: undefined });
    const missing = Array.from({ length: DRAWS }, (_, seed) => seed).filter(
      (seed) => !this.#known.get(key)?.results.some((result) => result.seed === seed),
    );
    await Promise.all(missing.map((draw) => this.#draw({ ...choice, draw }, key, catalog, stop)));
    if (this.#stop !== stop) return;
    this.#stop = undefined;
    this.#set(key, { running: false });
  }

  async #draw(choice: Choice, key: string, catalog: Catalog, stop: AbortController): Promise<void> {
    try {
      const options = { signal: stop.signal, onProgress: () => {} };
      const { report } = await this.#engine.run(recipeOf(choice, catalog), options);
      const { correct, total } = report.accuracy;
      const results = [...(this.#known.get(key)?.results ?? []), { seed: choice.draw, correct, total }];
      this.#set(key, { results });
    } catch (error) {
      if (stop.signal.aborted) return;
      stop.abort();
      this.#set(key, { error: coreError(error) });
    }
  }

  /** Stops what is under way; results that are there stay. */
  cancel(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    for (const [key, draws] of this.#known) if (draws.running) this.#set(key, { running: false });
  }

  #set(key: string, change: Partial<Draws>): void {
    const before = this.#known.get(key) ?? { results: [], running: false, error: undefined };
    this.#known.set(key, { ...before, ...change });
    this.#changed();
  }
}
