// `npm run data`: fetches the sources of the image sets and packs them. The same sources give the same
// bytes. digits and fashion go to data/ and are committed; everything else goes to data/local/.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digitsPool, fashionPools } from "./pools.mjs";
import { moments, SEEDS, splitDigits, splitOfficial } from "./sets.mjs";
import { encode } from "./shard.mjs";
import { provenance, ROOT, sha256 } from "./sources.mjs";

const PER_SHARD = 1000;
const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const FASHION = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"];

/** Writes the shards of one set and gives its manifest entry. */
function packSet(folder, about, splits) {
  rmSync(join(ROOT, folder), { recursive: true, force: true });
  mkdirSync(join(ROOT, folder), { recursive: true });
  const first = Object.values(splits)[0];
  const entry = { name: about.name, shape: first.shape, max: first.max, ...about.moments, classes: about.classes, splits: {} };
  let bytes = 0;
  let count = 0;
  for (const [split, pool] of Object.entries(splits)) {
    const shards = [];
    const size = pool.pixels.length / pool.labels.length;
    for (let start = 0; start < pool.labels.length; start += PER_SHARD) {
      const labels = pool.labels.subarray(start, start + PER_SHARD);
      const file = encode({ ...pool, labels, pixels: pool.pixels.subarray(start * size, (start + labels.length) * size) });
      const path = `${folder}/${split}-${String(shards.length).padStart(2, "0")}.fws`;
      writeFileSync(join(ROOT, path), file);
      shards.push({ path, count: labels.length, bytes: file.length, sha256: sha256(file) });
      bytes += file.length;
    }
    entry.splits[split] = { count: pool.labels.length, shards };
    count += pool.labels.length;
  }
  console.log(`${folder}: ${count} images, ${bytes} bytes, ${(bytes / count).toFixed(1)} an image`);
  return { ...entry, sources: about.sources, licence: about.licence };
}

/** JSON with each innermost list or object on one line. */
function writeManifest(path, sets) {
  const text = JSON.stringify({ version: 1, sets }, null, 1).replace(/[[{][^[\]{}]*[\]}]/g, (inner) => inner.replace(/\n\s*/g, " "));
  writeFileSync(join(ROOT, path), `${text}\n`);
}

function main() {
  const started = Date.now();
  const digits = splitDigits(digitsPool());
  const pools = fashionPools();
  const seeds = { test: SEEDS.fashionTest, choice: SEEDS.fashionChoice, validation: SEEDS.fashionValidation, train: SEEDS.fashionTrain, full: SEEDS.fashionFull };
  const { full, ...fashion } = splitOfficial(pools.train, pools.test, seeds, 2000, 12000);

  const aboutFashion = { classes: FASHION, moments: moments(pools.train), sources: provenance("fashion"), licence: "MIT, (c) 2017 Zalando SE" };
  writeManifest("data/manifest.json", {
    fashion: packSet("data/fashion", { name: "Fashion-MNIST", ...aboutFashion }, fashion),
    digits: packSet("data/digits", {
      name: "Digits", classes: DIGITS, moments: moments(digits.train), sources: provenance("digits"),
      licence: "CC BY 4.0, E. Alpaydin and C. Kaynak",
    }, digits),
  });
  const local = { "fashion-full": packSet("data/local/fashion-full", { name: "Fashion-MNIST, full training set", ...aboutFashion }, { train: full }) };
  writeManifest("data/local/manifest.json", local);
  console.log(`packed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

main();
