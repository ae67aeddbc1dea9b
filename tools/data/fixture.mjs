// Writes src/data/shard/fixture.fws, the shard the Rust decoder's tests read: 12 images of 3 x 9 x 11
// whose pixels come from a SplitMix64 stream, as the tests make them again.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { splitMix64 } from "./random.mjs";
import { encode } from "./shard.mjs";
import { ROOT } from "./sources.mjs";

export const FIXTURE = join(ROOT, "src/data/shard/fixture.fws");

/** The images of the fixture: zeros, repeats, small steps and jumps. */
export function fixtureImages() {
  const max = 200;
  const next = splitMix64(2026);
  const labels = Uint8Array.from({ length: 12 }, (_, i) => i % 5);
  const pixels = new Uint8Array(12 * 3 * 9 * 11);
  let last = 0;
  for (let i = 0; i < pixels.length; i++) {
    const word = next();
    const kind = Number(word & 3n);
    if (kind === 0) last = 0;
    else if (kind === 2) last = Number((word >> 8n) % BigInt(max + 1));
    else if (kind === 3) last = Math.min(Math.max(last + Number((word >> 8n) % 9n) - 4, 0), max);
    pixels[i] = last;
  }
  return { labels, pixels, shape: [3, 9, 11], max, classes: 5 };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(FIXTURE, encode(fixtureImages()));
}
