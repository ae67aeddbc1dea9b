/** What the panel draws: measured times of this machine. */

import type { SpeedRow } from "../../charts/speeds";
import { timedLayer } from "../../state/measured";
import type { Measured } from "../../state/schema";

/** Which layers run on which kernel, as names by kernel; the kernel of single images behind it where it is another one. */
export function kernelsOfLayers(target: Measured["target"], both: (blocks: string, single: string) => string): string {
  const names = new Map<string, string[]>();
  for (const { name, executed, single, reason } of target.layers) {
    if (reason === "no-weights") continue;
    const runs = single ? both(executed, single) : executed;
    names.set(runs, [...(names.get(runs) ?? []), timedLayer(name)]);
  }
  return [...names].map(([runs, layers]) => `${runs}: ${layers.join(", ")}`).join("; ");
}

/** A layer's break-even share beside the share of zeros it has; absent where there is none. */
export interface SparseRow {
  readonly layer: string;
  readonly shape: string;
  readonly breakEven: number | undefined;
  readonly zeros: number | undefined;
  /** Whether skipping its zeros is faster here. */
  readonly past: boolean;
}

/** Layers that a kernel which skips zeros serves, with what a report says of them. */
export function sparseRows(
  target: Measured["target"],
  report: readonly { readonly name: string; readonly nonzero: number; readonly parameters: number }[],
): SparseRow[] {
  return target.sparse_layers.map(({ layer, rows, inputs, break_even }) => {
    const own = report.find(({ name }) => name === layer);
    const zeros = own && own.parameters > 0 ? 1 - own.nonzero / own.parameters : undefined;
    const past = break_even !== undefined && zeros !== undefined && zeros >= break_even;
    return { layer, shape: `${rows}×${inputs}`, breakEven: break_even, zeros, past };
  });
}

const REFERENCE = "f32";

/** Kernels, f32 first as the reference, then the slowest of the others first. */
export function kernelRows(kernels: Measured["kernels"], label: (gops: number, times: number) => string): SpeedRow[] {
  const float = kernels.find(({ id }) => id === REFERENCE)?.gops ?? Number.NaN;
  const rank = (id: string) => (id === REFERENCE ? 0 : 1);
  return [...kernels]
    .sort((a, b) => rank(a.id) - rank(b.id) || a.gops - b.gops)
    .map(({ id, gops }) => ({ name: id, value: gops, label: label(gops, gops / float), reference: id === REFERENCE }));
}

/** Layers with weights, each against its float self; all others as one row at the end. */
export function layerRows(
  target: Measured["target"],
  rest: string,
  label: (ms: number, requested: string | undefined) => string,
): SpeedRow[] {
  const weighted = target.layers.filter(({ reason }) => reason !== "no-weights");
  const others = target.layers.filter(({ reason }) => reason === "no-weights");
  const sum = (pick: (layer: (typeof others)[number]) => number) => others.reduce((all, layer) => all + pick(layer), 0);
  const rows = weighted.map(({ name, ms, baseline_ms, requested }) => ({
    name,
    value: ms,
    against: baseline_ms,
    label: label(ms, requested),
  }));
  if (others.length === 0) return rows;
  const ms = sum((layer) => layer.ms);
  return [...rows, { name: rest, value: ms, against: sum((layer) => layer.baseline_ms), label: label(ms, undefined) }];
}
