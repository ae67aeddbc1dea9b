/** The layers as rows: sorting. Pure. */

import type { LayerInspection, Ledger } from "../../state/schema";

export type ColumnId = "layer" | "format" | "bits" | "bytes" | "low" | "high" | "weights" | "output" | "macs";

export const COLUMNS: readonly ColumnId[] = [
  "layer",
  "format",
  "bits",
  "bytes",
  "low",
  "high",
  "weights",
  "output",
  "macs",
];

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

function value(layer: LayerInspection, column: ColumnId): string | number | undefined {
  const own = hasWeight(layer);
  switch (column) {
    case "layer":
      return layer.layer;
    case "format":
      return own ? layer.format : undefined;
    case "bits":
      return own ? layer.bits_per_weight : undefined;
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
export function sortLayers(layers: readonly LayerInspection[], order: Order): LayerInspection[] {
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
