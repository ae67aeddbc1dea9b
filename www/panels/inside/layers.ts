/** The layers as rows: sorting. Pure. */

import type { LayerInspection, Ledger, Model } from "../../state/schema";
import type { LayerUnits } from "./units";

export type ColumnId =
  | "layer"
  | "format"
  | "bits"
  | "kept"
  | "bytes"
  | "macs"
  | "time"
  | "low"
  | "high"
  | "weights"
  | "output";

export const COLUMNS: readonly ColumnId[] = [
  "layer",
  "format",
  "bits",
  "kept",
  "bytes",
  "macs",
  "time",
  "low",
  "high",
  "weights",
  "output",
];

/** A layer with what it was before the first step, and its time on this machine. */
export interface LayerRow extends LayerInspection {
  /** Weights that are not 0, and those of the model as it was trained; absent without a weight, and until both are counted. */
  readonly kept: { readonly nonzero: number; readonly whole: number } | undefined;
  /** Multiply-adds as it was trained; absent where they are the same. */
  readonly wholeMacs: number | undefined;
  /** Milliseconds; absent where this recipe was not measured. */
  readonly ms: number | undefined;
}

/** The rows of a table of layers. */
export function rowsOf(
  layers: readonly LayerInspection[],
  units: readonly LayerUnits[],
  model: Model | undefined,
  times: ReadonlyMap<string, number> | undefined,
): LayerRow[] {
  return layers.map((layer) => {
    const own = units.find((each) => each.layer === layer.layer);
    const macs = model?.layers.find(({ name }) => name === layer.layer)?.macs;
    return {
      ...layer,
      kept: own && { nonzero: own.nonzero, whole: own.weights },
      wholeMacs: macs === layer.macs ? undefined : macs,
      ms: times?.get(layer.layer),
    };
  });
}

export interface Order {
  /** Without one, the order of the network. */
  readonly column: ColumnId | undefined;
  readonly descending: boolean;
}

export const KINDS = [
  "values",
  "indices",
  "masks",
  "codebooks",
  "scales",
  "zero_points",
  "biases",
  "other",
  "padding",
] as const satisfies readonly (keyof Ledger)[];

/** The sum of a ledger's entries. */
export function bytesIn(ledger: Ledger): number {
  return KINDS.reduce((sum, kind) => sum + ledger[kind], 0);
}

/** Whether a layer has a weight to look at. */
export function hasWeight(layer: LayerInspection): boolean {
  return layer.format !== "";
}

function value(layer: LayerRow, column: ColumnId): string | number | undefined {
  const own = hasWeight(layer);
  switch (column) {
    case "layer":
      return layer.layer;
    case "format":
      return own ? layer.format : undefined;
    case "bits":
      return own ? layer.bits_per_weight : undefined;
    case "kept":
      return layer.kept && layer.kept.nonzero / layer.kept.whole;
    case "time":
      return layer.ms;
    case "bytes":
      return bytesIn(layer.ledger);
    case "low":
      return own ? layer.low : undefined;
    case "high":
      return own ? layer.high : undefined;
    case "weights":
      return layer.weight_sqnr_db ?? (own ? Number.POSITIVE_INFINITY : undefined);
    case "output":
      return layer.output_sqnr_db ?? Number.POSITIVE_INFINITY;
    case "macs":
      return layer.macs;
  }
}

/** Sorted layers; those without a value come last either way, and equals stay in the order of the network. */
export function sortLayers(layers: readonly LayerRow[], order: Order): LayerRow[] {
  const { column, descending } = order;
  if (column === undefined) return [...layers];
  const sign = descending ? -1 : 1;
  return [...layers].sort((a, b) => {
    const left = value(a, column);
    const right = value(b, column);
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    if (typeof left === "string" || typeof right === "string")
      return sign * String(left).localeCompare(String(right), "en", { numeric: true });
    return left === right ? 0 : sign * (left - right);
  });
}

/** Bytes of a layer's weight with all that belongs to it, or 0 without one. */
function weightBytes({ format, ledger }: LayerInspection): number {
  return format === "" ? 0 : bytesIn(ledger) - ledger.biases - ledger.other;
}

/** The layer to begin with: the one whose weight takes most bytes. */
export function largest(layers: readonly LayerInspection[]): LayerInspection | undefined {
  return layers
    .filter(hasWeight)
    .reduce<LayerInspection | undefined>(
      (best, layer) => (best === undefined || weightBytes(layer) > weightBytes(best) ? layer : best),
      undefined,
    );
}
