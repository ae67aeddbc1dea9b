/** What a prune step of a link says: `p80`, `p2:4`, `p50~uc~1f`. Codes are permanent. */

import type { Choice, RecipeChoice } from "./choice";
import { byLetter, codeOf, counted, type Entry, flag, idOf, LinkError, listed, number, numeral } from "./coding";
import {
  BLOCK,
  BLOCKS,
  INPUT,
  NM,
  NMS,
  RATIOS,
  REWINDS,
  SCHEDULES,
  SHARES_OF,
  STORAGES,
  takesUnits,
  UNSTRUCTURED,
  USUAL,
} from "./pruning";
import type { Catalog } from "./schema";

/** First letters, but for one of two that have the same. */
const STORAGE_CODES = byLetter(STORAGES).map(({ id, code }) => ({ id, code: id === "bitmask" ? "m" : code }));

/** What can be compared, and shares by what each layer loses. */
const scopesOf = (catalog: Catalog) => [...catalog.scopes, { id: RATIOS, code: "a" }];

/** In the order they are written. An entry is added at the end, with a key that begins like no other. */
export const PRUNE_ENTRIES: readonly Entry[] = [
  {
    key: "u",
    write: (choice, catalog) =>
      takesUnits(choice) ? codeOf(catalog.structures, choice.pattern, "pattern") : undefined,
    read: (value, catalog) => ({ pattern: idOf(catalog.structures, value, "pattern") }),
  },
  {
    key: "b",
    write: (choice) => (choice.pattern === BLOCK ? choice.block : undefined),
    read: (value) => ({ pattern: BLOCK, block: oneOf(BLOCKS, value) }),
  },
  listed("m", "score", (catalog) => catalog.prunings),
  listed("v", "unitScore", (catalog) => catalog.unit_scores),
  {
    key: "c",
    write: ({ scope }, catalog) => (scope === USUAL ? undefined : codeOf(scopesOf(catalog), scope, "scope")),
    read: (value, catalog) => ({ scope: idOf(scopesOf(catalog), value, "scope") }),
  },
  listed("o", "shareOf", () => byLetter(SHARES_OF)),
  flag("last", "keepLast"),
  counted("i", "looked", "prune.images"),
  listed("k", "schedule", () => byLetter(SCHEDULES)),
  counted("n", "rounds", "prune.rounds"),
  listed("w", "rewind", () => byLetter(REWINDS)),
  listed("s", "storage", () => STORAGE_CODES),
  {
    key: "in",
    bare: true,
    write: ({ pattern }) => (pattern === INPUT ? "" : undefined),
    read: () => ({ pattern: INPUT }),
  },
];

function oneOf(names: readonly string[], value: string): string {
  if (!names.includes(value)) throw new LinkError("pattern", value);
  return value;
}

/** What stands behind the `p`: how much goes. */
export function encodeAmount(choice: Choice): string {
  return choice.pattern === NM ? choice.nm : numeral(choice.sparsity);
}

/** Reads it; what pattern it is the options say. */
export function decodeAmount(text: string, catalog: Catalog): Partial<RecipeChoice> {
  if (text.includes(":")) return { pattern: NM, nm: oneOf(NMS, text) };
  return { pattern: UNSTRUCTURED, sparsity: number(text, "prune.percent", "sparsity", catalog, false) };
}
