// Checks the committed files, and against the sources too where .cache has them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FIXTURE, fixtureImages } from "./fixture.mjs";
import { count, probability } from "./ngram.mjs";
import { digitsPool, fashionPools } from "./pools.mjs";
import { shuffled, splitMix64 } from "./random.mjs";
import { fingerprints, moments, quotas, SEEDS, splitDigits, splitOfficial } from "./sets.mjs";
import { decode, encode, MODELLED, STORED } from "./shard.mjs";
import { CACHE, ROOT, sha256 } from "./sources.mjs";
import { ALPHABET, WINDOW } from "./text.mjs";

const manifest = JSON.parse(readFileSync(join(ROOT, "data/manifest.json"), "utf8"));
const bytesOf = (shard) => readFileSync(join(ROOT, shard.path));
const files = existsSync(CACHE) ? readdirSync(CACHE) : [];
const haveDigits = files.some((name) => name.startsWith("scikit_learn-1.9.1-"));
const haveFashion = files.some((name) => name.startsWith("dataset-fashion-mnist"));

/** All images of a committed split, from its shards. */
function load(set, split) {
  const shards = manifest.sets[set].splits[split].shards.map((shard) => decode(bytesOf(shard)));
  const joined = (key) => new Uint8Array(Buffer.concat(shards.map((shard) => shard[key])));
  return { ...shards[0], labels: joined("labels"), pixels: joined("pixels") };
}

const perClass = (labels) => {
  const counts = Array(10).fill(0);
  for (const label of labels) counts[label]++;
  return counts;
};

const loaded = Object.fromEntries(
  Object.entries(manifest.sets).map(([id, set]) => [
    id,
    Object.fromEntries(Object.keys(set.splits).map((split) => [split, load(id, split)])),
  ]),
);

describe("committed files", () => {
  test("every shard has the bytes, count, shape and SHA-256 of the manifest", () => {
    const total = { images: 0, text: 0 };
    for (const set of Object.values(manifest.sets)) {
      for (const split of Object.values(set.splits)) {
        for (const shard of split.shards) {
          const bytes = bytesOf(shard);
          expect([bytes.length, sha256(bytes)], shard.path).toEqual([shard.bytes, shard.sha256]);
          const { labels, shape, max, classes } = decode(bytes);
          const found = [labels.length, shape, max, classes];
          expect(found, shard.path).toEqual([shard.count, set.shape, set.max, set.classes.length]);
          total[set.kind ?? "images"] += bytes.length;
        }
        expect(split.shards.reduce((sum, shard) => sum + shard.count, 0)).toBe(split.count);
      }
    }
    expect(total.images).toBeLessThan(8_000_000);
    expect(total.text).toBeLessThan(1_000_000);
  }, 60_000);

  test("a first estimate on 1,000 images needs less than half a megabyte", () => {
    const [first] = manifest.sets.fashion.splits.test.shards;
    expect(first.count).toBe(1000);
    expect(first.bytes).toBeLessThan(500_000);
  });

  test("no file is in data/fashion or data/digits that the manifest does not name", () => {
    for (const [id, set] of Object.entries(manifest.sets)) {
      const named = Object.values(set.splits).flatMap((split) => split.shards.map((shard) => shard.path));
      const found = readdirSync(join(ROOT, "data", id)).map((name) => `data/${id}/${name}`);
      expect(found.sort()).toEqual(named.sort());
    }
  });
});

describe("splits", () => {
  test("sizes", () => {
    const sizes = (id) => Object.fromEntries(Object.entries(loaded[id]).map(([k, pool]) => [k, pool.labels.length]));
    expect(sizes("fashion")).toEqual({ test: 10_000, validation: 2_000, train: 12_000 });
    expect(sizes("digits")).toEqual({ test: 500, validation: 200, train: 1_097 });
  });

  test("plays are windows of 129 characters; no window of a held-out play is in training", () => {
    const { test: tested, validation, train } = loaded.shakespeare;
    expect([tested, validation, train].map((pool) => pool.labels.length)).toEqual([1_000, 500, 3_000]);
    expect(manifest.sets.shakespeare.classes.join("")).toBe(ALPHABET);
    const texts = (pool) => {
      expect(pool.shape).toEqual([1, 1, WINDOW + 1]);
      const all = Array.from(pool.pixels, (code) => ALPHABET[code]).join("");
      return pool.labels.length === 0 ? [] : all.match(new RegExp(`[^]{${WINDOW + 1}}`, "g"));
    };
    const seen = new Set(texts(train));
    for (const text of [...texts(tested), ...texts(validation)]) expect(seen.has(text)).toBe(false);
    expect(texts(tested).filter((text) => text.includes("MACBETH")).length).toBeGreaterThan(20);
    expect(texts(train).filter((text) => text.includes("MACBETH"))).toEqual([]);
  });

  test("the n-gram gives probabilities that sum to 1, and prefers what it has seen", () => {
    const windows = [[0, 1, 2, 0, 1, 2, 0, 1]];
    const tables = count(windows, 4, 2);
    const shares = [0, 1, 2, 3].map((next) => probability(tables, 4, [0, 1, next], 2));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(shares.indexOf(Math.max(...shares))).toBe(2);
  });

  test("fashion has equally many images of each class", () => {
    expect(perClass(loaded.fashion.test.labels)).toEqual(Array(10).fill(1000));
    expect(perClass(loaded.fashion.validation.labels)).toEqual(Array(10).fill(200));
    expect(perClass(loaded.fashion.train.labels)).toEqual(Array(10).fill(1200));
  });

  test("digits are shared out in proportion, within one image a class", () => {
    const counts = Object.values(loaded.digits).map((pool) => perClass(pool.labels));
    const all = counts[0].map((_, c) => counts.reduce((sum, count) => sum + count[c], 0));
    for (const count of counts) {
      const total = count.reduce((sum, n) => sum + n, 0);
      count.forEach((n, c) => {
        expect(Math.abs(n - (all[c] * total) / 1797)).toBeLessThanOrEqual(1);
      });
    }
  });

  // Equality is of all pixels. Within the official test set two images may be equal; across splits none are.
  test.each(["fashion", "digits"])("no image of %s is in two splits", (id) => {
    const seen = new Map();
    for (const [split, pool] of Object.entries(loaded[id])) {
      fingerprints(pool).forEach((print, i) => {
        expect(seen.get(print) ?? split, `image ${i} of ${split}`).toBe(split);
        seen.set(print, split);
      });
    }
    expect(seen.size).toBeGreaterThan(1000);
  });

  test("the first shard of each split is a fair sample of the classes", () => {
    for (const [split, pool] of Object.entries(loaded.fashion)) {
      // 1,000 draws of ten classes: a standard deviation is 9.5, and 45 is nearly five of them.
      for (const n of perClass(pool.labels.subarray(0, 1000))) expect(Math.abs(n - 100), split).toBeLessThan(45);
    }
  });

  test("mean and standard deviation", () => {
    expect([manifest.sets.fashion.mean, manifest.sets.fashion.std]).toEqual([[0.286], [0.353]]);
    const { mean, std } = moments(loaded.digits.train);
    expect([manifest.sets.digits.mean, manifest.sets.digits.std]).toEqual([mean, std]);
    const sample = moments(loaded.fashion.train);
    expect(sample.mean[0]).toBeCloseTo(0.286, 2);
    expect(sample.std[0]).toBeCloseTo(0.353, 2);
  });
});

describe.skipIf(!haveFashion)("against the fashion source (needs .cache: npm run data)", () => {
  const pools = haveFashion ? fashionPools() : undefined;

  test("it is the official data", () => {
    expect(Array.from(pools.test.labels.subarray(0, 10))).toEqual([9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
    expect([pools.train.labels.length, pools.test.labels.length]).toEqual([60_000, 10_000]);
    expect(moments(pools.train)).toEqual({ mean: [0.286], std: [0.353] });
  });

  test("the committed shards decode to the splits of the source", () => {
    const { full, ...splits } = splitOfficial(pools.train, pools.test, SEEDS.fashion, 2000, 12000);
    for (const [split, pool] of Object.entries(splits)) {
      expect(Buffer.compare(loaded.fashion[split].labels, pool.labels), split).toBe(0);
      expect(Buffer.compare(loaded.fashion[split].pixels, pool.pixels), split).toBe(0);
    }
    expect(fingerprints(splits.test).sort()).toEqual(fingerprints(pools.test).sort());
    expect(full.labels.length).toBe(58_000);
    const held = new Set(fingerprints(splits.validation));
    expect(fingerprints(full).filter((print) => held.has(print))).toEqual([]);
  });
});

test.skipIf(!haveDigits)("the committed digits decode to the splits of the source (needs .cache: npm run data)", () => {
  const pool = digitsPool();
  expect(pool.labels.length).toBe(1797);
  for (const [split, part] of Object.entries(splitDigits(pool))) {
    expect(Buffer.compare(loaded.digits[split].labels, part.labels), split).toBe(0);
    expect(Buffer.compare(loaded.digits[split].pixels, part.pixels), split).toBe(0);
  }
});

describe("parts", () => {
  test("SplitMix64 gives the published stream and the shuffle is a permutation", () => {
    const next = splitMix64(1234567);
    const published = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n];
    expect([next(), next(), next()]).toEqual(published);
    const order = shuffled(Array(100).keys(), 5);
    expect(order).not.toEqual(Array.from(Array(100).keys()));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from(Array(100).keys()));
    expect(shuffled(Array(100).keys(), 5)).toEqual(order);
  });

  test("quotas add up and go by largest remainder", () => {
    expect(quotas([5, 3, 2], 5)).toEqual([3, 1, 1]);
    expect(quotas([178, 182, 177, 183], 500).reduce((a, b) => a + b)).toBe(500);
  });

  test.each([STORED, MODELLED])("coding %i gives back awkward images", (coding) => {
    const shapes = [
      [1, 1, 1],
      [1, 1, 7],
      [3, 5, 1],
      [2, 6, 4],
    ];
    for (const shape of shapes) {
      for (const fill of [() => 0, () => 255, (i) => (i % 2) * 255, (i) => (i * 89) % 256]) {
        const size = shape.reduce((a, b) => a * b, 1);
        const images = {
          labels: Uint8Array.of(0, 2, 1),
          pixels: Uint8Array.from({ length: 3 * size }, (_, i) => fill(i)),
          shape,
          max: 255,
          classes: 3,
        };
        expect(decode(encode(images, coding))).toEqual(images);
      }
    }
  });

  test("the fixture of the Rust decoder is what the packer writes", () => {
    expect(encode(fixtureImages()).equals(readFileSync(FIXTURE))).toBe(true);
    expect(decode(readFileSync(FIXTURE))).toEqual(fixtureImages());
  });
});
