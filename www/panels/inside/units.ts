/** From a layer's weights before and after to what is left of them: places, units, counts. Pure. */

import { KEPT, OUT, PRUNED } from "../../charts/matrix";
import { FIXED, type WeightMatrix } from "../../state/schema";

/** The weights of a smaller layer in the places of the whole one. */
export interface Aligned {
  /** Values after; 0 where there are none. */
  readonly values: Float32Array;
  /** {@link KEPT}, {@link PRUNED} or {@link OUT}. */
  readonly states: Uint8Array;
}

/** Puts what is left in its places; without `after` the whole layer is out. */
export function aligned(before: WeightMatrix, after: WeightMatrix | undefined): Aligned {
  const values = new Float32Array(before.values.length);
  const states = new Uint8Array(before.values.length).fill(OUT);
  after?.values.forEach((value, at) => {
    const place = after.origin?.[at] ?? at;
    values[place] = value;
    states[place] = after.kept?.[at] === 0 ? PRUNED : KEPT;
  });
  return { values, states };
}

/** Whether pruning took weights of a layer, one by one or with its units. */
export function isPruned(after: WeightMatrix): boolean {
  return after.kept !== undefined || after.origin !== undefined;
}

/** An output of a layer, or those outputs that go at once. */
export interface Unit {
  /** Equal for what goes together, also in other layers. */
  readonly key: string;
  /** Its group of channels, or its layer: what it is ranked in. */
  readonly of: string;
  /** The root of the sum of its squared weights before. */
  readonly norm: number;
  readonly gone: boolean;
  /** Of its weights that were not taken out with inputs, the share that pruning kept. */
  readonly share: number;
}

export interface LayerUnits {
  readonly layer: string;
  /** Weights before, those that are left, and of these those that are not 0. */
  readonly weights: number;
  readonly left: number;
  readonly nonzero: number;
  /** Weights that pruning took, with units or one by one. */
  readonly taken: number;
  /** Groups of channels that its outputs belong to. */
  readonly groups: readonly number[];
  readonly units: readonly Unit[];
}

/** What is left of a layer's units; without `after` the whole layer is gone. */
export function unitsOf(layer: string, before: WeightMatrix, after: WeightMatrix | undefined): LayerUnits {
  const { states, values } = aligned(before, after);
  const outputs = before.units.length / 2;
  // An embedding has a row for each character, and its outputs are columns.
  const rows = before.shape[0] === outputs;
  const row = before.values.length / outputs;
  const found = new Map<string, { of: string; squares: number; there: number; kept: number }>();
  const groups = new Set<number>();
  for (let output = 0; output < outputs; output += 1) {
    const [group = FIXED, unit = FIXED] = [before.units[2 * output], before.units[2 * output + 1]];
    if (group !== FIXED) groups.add(group);
    const of = group === FIXED ? layer : String(group);
    const key = `${of}/${group === FIXED ? output : unit}`;
    const sums = found.get(key) ?? { of, squares: 0, there: 0, kept: 0 };
    found.set(key, sums);
    for (let i = 0; i < row; i += 1) {
      const at = rows ? output * row + i : i * outputs + output;
      sums.squares += (before.values[at] ?? 0) ** 2;
      if (states[at] !== OUT) sums.there += 1;
      if (states[at] === KEPT) sums.kept += 1;
    }
  }
  const units = [...found].map(([key, { of, squares, there, kept }]) => ({
    key,
    of,
    norm: Math.sqrt(squares),
    gone: there === 0,
    share: there === 0 ? 0 : kept / there,
  }));
  return {
    layer,
    weights: before.values.length,
    left: after?.values.length ?? 0,
    nonzero: values.reduce((sum, value) => sum + (value === 0 ? 0 : 1), 0),
    taken: states.reduce((sum, state) => sum + (state === KEPT ? 0 : 1), 0),
    groups: [...groups],
    units,
  };
}

/**
 * When each unit that is gone leaves, 0 to 1: in each layer those of the least norm first, at even steps. What goes together is ranked by the
 * mean of its norms, each as a share of the greatest of its layer, and leaves at once.
 */
export function leaving(layers: readonly LayerUnits[]): ReadonlyMap<string, number> {
  const sums = new Map<string, { of: string; sum: number; count: number }>();
  for (const { units } of layers) {
    const most = Math.max(...units.map(({ norm }) => norm), Number.MIN_VALUE);
    for (const { key, of, norm, gone } of units) {
      if (!gone) continue;
      const { sum, count } = sums.get(key) ?? { sum: 0, count: 0 };
      sums.set(key, { of, sum: sum + norm / most, count: count + 1 });
    }
  }
  // Equals stay in the order of their layer.
  const order = [...sums].sort(([, a], [, b]) => a.sum / a.count - b.sum / b.count);
  const leaves = new Map<string, number>();
  for (const group of new Set(order.map(([, { of }]) => of))) {
    const own = order.filter(([, { of }]) => of === group);
    own.forEach(([key], at) => {
      leaves.set(key, (at + 1) / own.length);
    });
  }
  return leaves;
}

export interface Counts {
  readonly low: number;
  readonly high: number;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** What stood before in the places of one granule of what is left. */
  readonly part: readonly number[];
  /** Weights of which nothing is left to be counted: pruned, or taken out. */
  readonly taken: number;
}

export const BINS = 96;

/** Histograms of a pruned layer: all weights before, and those that are left without the zeros that pruning made. */
export function histograms(before: WeightMatrix, after: WeightMatrix, granule: number, each: number): Counts {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const widen = (value: number) => {
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  const stays = (at: number) => after.kept?.[at] !== 0;
  before.values.forEach(widen);
  after.values.forEach((value, at) => {
    if (stays(at)) widen(value);
  });
  const counts = { before: new Array<number>(BINS).fill(0), after: [] as number[], part: [] as number[] };
  counts.after = [...counts.before];
  counts.part = [...counts.before];
  const count = (value: number, into: number[]) => {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * BINS) || 0));
    into[bin] = (into[bin] ?? 0) + 1;
  };
  for (const value of before.values) count(value, counts.before);
  let taken = before.values.length;
  after.values.forEach((value, at) => {
    if (!stays(at)) return;
    taken -= 1;
    count(value, counts.after);
    if (Math.floor(at / each) === granule) count(before.values[after.origin?.[at] ?? at] ?? 0, counts.part);
  });
  return { low, high, ...counts, taken };
}
