/** From rows of a sensitivity to a table of layers and widths, or shares that are pruned. Pure. */

import { baselineOf, type Choice, dataOf, NO_ACTIVATIONS, normalise, recipeOf } from "../../state/choice";
import { BLOCK, DEFAULT_PRUNING, pruningOf, UNSTRUCTURED } from "../../state/pruning";
import type { Asked, Catalog, Recipe, SensitivityRow } from "../../state/schema";

/** Widths of the table: those that bits are shared out among. */
export const WIDTHS: readonly number[] = [8, 7, 6, 5, 4, 3, 2];
/** Validation images that layers are judged on: as many as a budget of bits takes by itself, so that both ask the same. */
const IMAGES = 200;
/** Multiply-adds of a question, about; larger networks are judged on fewer images. */
const MOST_MACS = 200e9;
const LEAST_IMAGES = 16;

/** Shares of the table of what is pruned, 0 to 1. */
export const SHARES: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

export type Measure = "answers" | "sqnr";
/** What is done to a layer: it is rounded to a width, or pruned to a share. */
export type HeatKind = "bits" | "sparsity";

export interface Heat {
  readonly rows: readonly SensitivityRow[];
  /** Right answers of the network in f32 on the same images. */
  readonly float: number;
}

export interface Cell {
  /** Bits, or the share that is pruned. */
  readonly at: number;
  readonly correct: number;
  readonly total: number;
  /** Answers lost against the network in f32. */
  readonly lost: number;
  readonly sqnr_db: number | null;
}

/** How many images are asked for: what the split has, at most the usual, fewer where it would take minutes. */
export function imagesOf(choice: Choice, catalog: Catalog): number {
  const model = catalog.models.find((entry) => entry.id === choice.model);
  // Each layer runs once for each width, and on average half of the network after it.
  const macs = (model?.macs ?? 0) * (model?.layers.length ?? 0) * Math.max(WIDTHS.length, SHARES.length) * 0.5;
  const affordable = Math.max(LEAST_IMAGES, Math.floor(MOST_MACS / Math.max(1, macs)));
  return Math.min(IMAGES, affordable, dataOf(choice, catalog)?.splits.validation ?? IMAGES);
}

/** What the engine is asked. */
export function askedOf(kind: HeatKind): Asked {
  return kind === "bits" ? { bits: WIDTHS } : { sparsities: SHARES };
}

/** The same of what is pruned: the recipe's pruning of weights by its score, and no rounding. */
function prunedRecipe(choice: Choice, catalog: Catalog): Recipe {
  const { tuned, schedule, scope, sparsity } = DEFAULT_PRUNING;
  const weights = pruningOf(choice).pattern === UNSTRUCTURED || choice.pattern === BLOCK;
  const pruning = weights ? { ...pruningOf(choice), tuned, schedule, scope, sparsity } : {};
  const score = choice.score === "movement" ? { score: DEFAULT_PRUNING.score } : {};
  return recipeOf(
    normalise({ ...baselineOf(choice), ...pruning, ...(weights ? score : {}), count: 0 }, catalog),
    catalog,
  );
}

/** The recipe that the question depends on: not on the weights' own width, on inputs or on training through the quantizer. */
export function heatRecipe(choice: Choice, catalog: Catalog, kind: HeatKind = "bits"): Recipe {
  if (kind === "sparsity") return prunedRecipe(choice, catalog);
  const plain = { ...choice, weights: "int8", activations: NO_ACTIVATIONS, epochs: 0, count: 0 };
  return recipeOf(normalise(plain, catalog), catalog);
}

/** The network in f32 on the same images. */
export function floatRecipe(choice: Choice, catalog: Catalog): Recipe {
  const set = dataOf(choice, catalog)?.id;
  if (set === undefined) throw new Error(`${choice.model} has no data`);
  const data = { set, split: "validation", count: imagesOf(choice, catalog) };
  return { version: 1, model: choice.model, seed: choice.seed, data, steps: [] };
}

/** One entry per layer in the order of the network, each with a cell per width. */
export function heatTable({
  rows,
  float,
}: Heat): readonly { readonly layer: string; readonly cells: readonly Cell[] }[] {
  const layers = new Map<string, Cell[]>();
  for (const { layer, bits, sparsity, correct, total, sqnr_db } of rows) {
    const cells = layers.get(layer) ?? [];
    cells.push({ at: bits ?? sparsity ?? 0, correct, total, lost: float - correct, sqnr_db });
    layers.set(layer, cells);
  }
  return [...layers].map(([layer, cells]) => ({ layer, cells }));
}

/** How dark a cell is, 0 to 1: by answers lost as a share of the most lost, or by noise between 40 dB and 0. */
export function darkness(cell: Cell, most: number, measure: Measure): number {
  if (measure === "sqnr") return cell.sqnr_db === null ? 0 : Math.min(1, Math.max(0, 1 - cell.sqnr_db / 40));
  return most > 0 ? Math.min(1, Math.max(0, cell.lost / most)) : 0;
}
