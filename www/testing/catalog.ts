/** The engine's own catalog for unit tests: the same wasm the page loads. */

import { readFileSync } from "node:fs";
import * as wasm from "../engine/wasm/featherweight.js";
import { refusalBy } from "../state/port";
import type { Catalog, CoreError, Recipe } from "../state/schema";

let known: Catalog | undefined;
let engine: wasm.Engine | undefined;

/** Reads the catalog from the built engine. Throws when it has not been built. */
export function realCatalog(): Catalog {
  if (!known) {
    wasm.initSync({ module: readFileSync(new URL("../engine/wasm/featherweight_bg.wasm", import.meta.url)) });
    engine = new wasm.Engine();
    known = engine.catalog() as unknown as Catalog;
  }
  return known;
}

/** The recipe with every default written out. */
export function realCanonical(recipe: Recipe): Recipe {
  realCatalog();
  return engine?.canonical(recipe) as Recipe;
}

/** Why the same engine refuses a recipe, or nothing. */
export function realRefusal(recipe: Recipe): CoreError | undefined {
  return refusalBy(() => realCanonical(recipe));
}
