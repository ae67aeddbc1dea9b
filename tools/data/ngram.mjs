// The figure that a language model has to beat: an n-gram of characters with interpolated Witten-Bell smoothing (Witten and Bell
// 1991; Chen and Goodman 1998, section 2.4), fitted to the same training plays and judged on the same test windows.
// `node tools/data/ngram.mjs` after `npm run data`.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decode } from "./shard.mjs";
import { ROOT } from "./sources.mjs";

/** Context `order` characters long before `at`, as a number, from that of the next shorter one. */
const longer = (key, window, at, order, symbols) => key + (window[at - order] + 1) * (symbols + 1) ** (order - 1);

/** For each length of context up to `context`: how often each character follows each context. */
export function count(windows, symbols, context) {
  const tables = Array.from({ length: context + 1 }, () => new Map());
  for (const window of windows) {
    for (let at = 0; at < window.length; at++) {
      let key = 0;
      for (let order = 0; order <= Math.min(context, at); order++) {
        if (order > 0) key = longer(key, window, at, order, symbols);
        let entry = tables[order].get(key);
        if (entry === undefined) {
          entry = { total: 0, follows: new Map() };
          tables[order].set(key, entry);
        }
        entry.total++;
        entry.follows.set(window[at], (entry.follows.get(window[at]) ?? 0) + 1);
      }
    }
  }
  return tables;
}

/**
 * The probability of `window[at]` after what stands before it in the window: at every length of context
 * (count + kinds · shorter) / (total + kinds), where `kinds` is how many characters were seen to follow; evenly at the bottom.
 */
export function probability(tables, symbols, window, at) {
  let p = 1 / symbols;
  let key = 0;
  for (let order = 0; order < tables.length && order <= at; order++) {
    if (order > 0) key = longer(key, window, at, order, symbols);
    const entry = tables[order].get(key);
    if (entry === undefined) break;
    const kinds = entry.follows.size;
    p = ((entry.follows.get(window[at]) ?? 0) + kinds * p) / (entry.total + kinds);
  }
  return p;
}

/** Bits per character over every character of the windows but the first of each, as the engine counts them. */
export function bitsPerCharacter(tables, symbols, windows) {
  let bits = 0;
  let characters = 0;
  for (const window of windows) {
    for (let at = 1; at < window.length; at++) {
      bits -= Math.log2(probability(tables, symbols, window, at));
      characters++;
    }
  }
  return { bits: bits / characters, characters };
}

/** The windows of a split, and how many different characters there may be. */
function load(manifest, set, split) {
  const entry = JSON.parse(readFileSync(join(ROOT, manifest), "utf8")).sets[set];
  const windows = entry.splits[split].shards.flatMap(({ path }) => {
    const { pixels, shape } = decode(readFileSync(join(ROOT, path)));
    const size = shape.at(-1);
    return Array.from({ length: pixels.length / size }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
  });
  return { windows, symbols: entry.classes.length };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const local = "data/local/manifest.json";
  if (!existsSync(join(ROOT, local))) throw new Error("all training plays are needed: npm run data");
  const train = load(local, "shakespeare-full", "train");
  const test = load("data/manifest.json", "shakespeare", "test");
  const read = train.windows.length * (train.windows[0].length - 1);
  console.log(`${read} characters of training`);
  for (let order = 1; order <= 7; order++) {
    const tables = count(train.windows, train.symbols, order - 1);
    const { bits, characters } = bitsPerCharacter(tables, test.symbols, test.windows);
    console.log(`order ${order}: ${bits.toFixed(4)} bits per character on ${characters} characters`);
  }
}
