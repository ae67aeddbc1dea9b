/** Weights before the first step and now, layer by layer: asked of the engine as a recipe is looked into. */

import { baselineOf, type Choice, recipeOf, weightedLayers } from "../../state/choice";
import type { EnginePort } from "../../state/port";
import type { Catalog, LayerInspection, WeightMatrix } from "../../state/schema";
import { hasWeight } from "./layers";
import { type LayerUnits, unitsOf } from "./units";

/** A layer's weight as the model was trained and as the recipe leaves it. */
export interface Pair {
  readonly layer: string;
  readonly before: WeightMatrix;
  readonly after: WeightMatrix;
}

/** Both weights of one layer. */
export async function pairOf(engine: EnginePort, choice: Choice, catalog: Catalog, layer: string): Promise<Pair> {
  const [before, after] = await Promise.all(
    [baselineOf(choice), choice].map((each) => engine.matrix(recipeOf(each, catalog), layer)),
  );
  if (!before || !after) throw new Error(`no weights of ${layer}`);
  return { layer, before, after };
}

/** What is left of every unit of the model's layers, those that are gone among them. */
export async function survey(
  engine: EnginePort,
  choice: Choice,
  catalog: Catalog,
  layers: readonly LayerInspection[],
  signal: AbortSignal,
): Promise<readonly LayerUnits[]> {
  const there = new Set(layers.filter(hasWeight).map(({ layer }) => layer));
  const [whole, own] = [recipeOf(baselineOf(choice), catalog), recipeOf(choice, catalog)];
  const units: LayerUnits[] = [];
  // One after the other: the page answers between them.
  for (const { name } of weightedLayers(choice, catalog)) {
    signal.throwIfAborted();
    const before = await engine.matrix(whole, name);
    units.push(unitsOf(name, before, there.has(name) ? await engine.matrix(own, name) : undefined));
  }
  return units;
}

/** Whether pruning took anything. */
export function anyTaken(units: readonly LayerUnits[]): boolean {
  return units.some(({ taken }) => taken > 0);
}
