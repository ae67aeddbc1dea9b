/** The last measurement of this machine: kept in the browser, read by all panels that show times. */

import { browserKeep, type Keep } from "./preferences";
import type { Measured } from "./schema";

const KEY = "featherweight.measured";

/** One measurement with its date, as it is kept. */
export interface Kept {
  /** ISO 8601. */
  readonly date: string;
  /** The choice whose layers were timed, by `choiceKey`. */
  readonly key: string;
  readonly measured: Measured;
}

/** A kept measurement; `undefined` for anything else, and for one of another engine. */
export function readKept(text: string | undefined, engine: string): Kept | undefined {
  if (text === undefined) return undefined;
  try {
    const { date, key, measured } = JSON.parse(text) as Partial<Kept>;
    const whole =
      typeof date === "string" &&
      !Number.isNaN(Date.parse(date)) &&
      typeof key === "string" &&
      measured?.engine === engine &&
      Array.isArray(measured.kernels) &&
      Array.isArray(measured.sparse?.points) &&
      Array.isArray(measured.target?.layers) &&
      Array.isArray(measured.target.sparse_layers);
    return whole ? { date, key, measured } : undefined;
  } catch {
    return undefined;
  }
}

/** What follows a layer in the same step stands behind this in the step's name. */
const FUSED = " + ";

/** The layer that a timed step is of: what follows it in the same step has no kernel of its own. */
export function timedLayer(step: string): string {
  return step.split(FUSED)[0] ?? step;
}

/** Milliseconds of each layer of one choice, by name; nothing where another was measured. */
export function layerTimes(kept: Kept | undefined, key: string): ReadonlyMap<string, number> | undefined {
  if (kept?.key !== key) return undefined;
  return new Map(kept.measured.target.layers.map(({ name, ms }) => [timedLayer(name), ms]));
}

/** The one place that has it; `change` is dispatched when there is a new one. */
export class Measurements extends EventTarget {
  readonly #store: Keep;
  #kept: Kept | undefined;
  #engine: string | undefined;

  constructor(store: Keep) {
    super();
    this.#store = store;
  }

  /** The last one that this engine made, here or on an earlier visit. */
  last(engine: string): Kept | undefined {
    if (this.#engine !== engine) {
      this.#engine = engine;
      this.#kept = readKept(this.#store.get(KEY), engine);
    }
    return this.#kept;
  }

  keep(kept: Kept): void {
    this.#engine = kept.measured.engine;
    this.#kept = kept;
    this.#store.set(KEY, JSON.stringify(kept));
    this.dispatchEvent(new Event("change"));
  }
}

let shared: Measurements | undefined;

/** Those of this page. */
export function measurements(): Measurements {
  shared ??= new Measurements(browserKeep(window));
  return shared;
}
