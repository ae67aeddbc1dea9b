// Plays as windows of characters: the text of each play in a small alphabet, cut into windows that stand in shards like images
// of one row. A window of `WINDOW + 1` characters is `WINDOW` inputs with the character that follows each.
import { shuffled } from "./random.mjs";

export const WINDOW = 128;
/** Every character a model knows, by number. What is not here is left out of the text. */
export const ALPHABET = "\n !\"&'(),-.:;?[]ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** Held out whole; all other plays are for training. */
export const HELD_OUT = { test: ["macbeth", "twelfth_night"], validation: ["julius_caesar"] };
const POEMS = ["lovers_complaint", "passionate_pilgrim", "phoenix_and_the_turtle", "rape_of_lucrece", "sonnets"];
/** Windows that are committed of each split. */
const COMMITTED = { test: 1000, validation: 500, train: 3000 };
const SEEDS = { test: 0x5151, validation: 0x5152, train: 0x5153 };

/** A play in the alphabet: no indents, no spaces before a line's end, at most one empty line at a time. */
export function normalise(text) {
  const kept = Array.from(text.replaceAll("\r", "").replaceAll("\t", " "), (c) => (ALPHABET.includes(c) ? c : ""));
  return kept
    .join("")
    .replace(/ +/g, " ")
    .replace(/ ?\n ?/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/** The windows of a play, one after the other; each begins with the last character of the one before. */
function windows(play) {
  const codes = Uint8Array.from(play, (c) => ALPHABET.indexOf(c));
  const out = [];
  for (let start = 0; start + WINDOW < codes.length; start += WINDOW)
    out.push(codes.subarray(start, start + WINDOW + 1));
  return out;
}

function pool(list) {
  const pixels = new Uint8Array(list.length * (WINDOW + 1));
  list.forEach((window, i) => {
    pixels.set(window, i * (WINDOW + 1));
  });
  const labels = new Uint8Array(list.length);
  return { labels, pixels, shape: [1, 1, WINDOW + 1], max: ALPHABET.length - 1, classes: ALPHABET.length };
}

/** Splits of the plays, by file name: what is committed, and `full`, every training window. Windows are shuffled. */
export function splitPlays(files) {
  const plays = { test: [], validation: [], train: [] };
  for (const [path, bytes] of Object.entries(files)) {
    const name = path.replace(/^.*\//, "").replace("_gut.txt", "");
    if (POEMS.includes(name)) continue;
    const held = Object.keys(HELD_OUT).find((split) => HELD_OUT[split].includes(name));
    plays[held ?? "train"].push(normalise(Buffer.from(bytes).toString("latin1")));
  }
  const mixed = Object.fromEntries(
    Object.entries(plays).map(([split, texts]) => {
      const all = texts.flatMap(windows);
      return [split, shuffled([...all.keys()], SEEDS[split]).map((i) => all[i])];
    }),
  );
  const committed = Object.entries(mixed).map(([split, list]) => [split, pool(list.slice(0, COMMITTED[split]))]);
  return { ...Object.fromEntries(committed), full: pool(mixed.train) };
}
