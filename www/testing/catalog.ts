/** The engine's own catalog for unit tests: the same wasm the page loads. */

import { readFileSync } from "node:fs";
import * as wasm from "../engine/wasm/featherweight.js";
import type { Catalog } from "../state/schema";

let known: Catalog | undefined;

/** Reads the catalog from the built engine. Throws when it has not been built. */
export function realCatalog(): Catalog {
  if (!known) {
    wasm.initSync({ module: readFileSync(new URL("../engine/wasm/featherweight_bg.wasm", import.meta.url)) });
    known = new wasm.Engine().catalog() as unknown as Catalog;
  }
  return known;
}
