// Which images of a source go into which split, and in what order. Pixels and labels come in as a
// `pool` {labels, pixels, shape, max, classes}; a split is a list of places in a pool.
import { createHash } from "node:crypto";
import { shuffled } from "./random.mjs";

/** Seeds of every shuffle; changing one changes the packed files. */
export const SEEDS = {
  digits: 0xd161,
  fashion: { test: 0xfa51, choice: 0xfa52, validation: 0xfa53, train: 0xfa54, full: 0xfa55 },
  mnist: { test: 0x3151, choice: 0x3152, validation: 0x3153, train: 0x3154, full: 0x3155 },
  cifar10: { test: 0xc151, choice: 0xc152, validation: 0xc153, train: 0xc154, full: 0xc155 },
};

const size = (pool) => pool.shape.reduce((product, d) => product * d, 1);
const places = (pool) => Array.from(pool.labels.keys());

/** Images of a pool as a new pool, in the order of `chosen`. */
export function take(pool, chosen) {
  const n = size(pool);
  const labels = new Uint8Array(chosen.length);
  const pixels = new Uint8Array(chosen.length * n);
  chosen.forEach((place, i) => {
    labels[i] = pool.labels[place];
    pixels.set(pool.pixels.subarray(place * n, (place + 1) * n), i * n);
  });
  return { ...pool, labels, pixels };
}

/** A hash of each image's pixels. */
export function fingerprints(pool) {
  const n = size(pool);
  return places(pool).map((i) =>
    createHash("sha256")
      .update(pool.pixels.subarray(i * n, (i + 1) * n))
      .digest("base64"),
  );
}

/** Shares `total` places among classes of the given counts, by largest remainder (ties: lower class). */
export function quotas(counts, total) {
  const all = counts.reduce((sum, n) => sum + n, 0);
  const out = counts.map((n) => Math.floor((n * total) / all));
  const rest = counts.map((n, i) => [(n * total) % all, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  const missing = total - out.reduce((sum, n) => sum + n, 0);
  for (const [, i] of rest.slice(0, missing)) out[i]++;
  return out;
}

/** The first images of `order` that fill a quota per class, and what is left of the order. */
function fill(pool, order, quota) {
  const left = [...quota];
  const chosen = [];
  const rest = [];
  for (const place of order) (left[pool.labels[place]]-- > 0 ? chosen : rest).push(place);
  if (chosen.length !== quota.reduce((sum, n) => sum + n, 0)) throw new Error("a class has too few images");
  return { chosen, rest };
}

/** digits: 500 test, 200 validation and 1,097 train images, each class shared out in proportion. */
export function splitDigits(pool) {
  const counts = (labels) => Array.from({ length: pool.classes }, (_, c) => labels.filter((l) => l === c).length);
  const order = shuffled(places(pool), SEEDS.digits);
  const test = fill(pool, order, quotas(counts(Array.from(pool.labels)), 500));
  const others = test.rest.map((place) => pool.labels[place]);
  const validation = fill(pool, test.rest, quotas(counts(others), 200));
  return {
    test: take(pool, test.chosen),
    validation: take(pool, validation.chosen),
    train: take(pool, validation.rest),
  };
}

/**
 * fashion, and sets of the same make: the whole official test set, shuffled; validation and train from
 * the official training set, equally many of each class. An image whose pixels occur twice in the
 * training set, or occur in the test set, is not chosen, so the three splits share no image; `full` is
 * every training image that is not validation. (Fashion-MNIST as packed here has no such image.)
 */
export function splitOfficial(train, test, seeds, validationCount, trainCount) {
  const seen = new Map();
  const prints = fingerprints(train);
  for (const print of [...fingerprints(test), ...prints]) seen.set(print, (seen.get(print) ?? 0) + 1);
  const single = shuffled(places(train), seeds.choice).filter((place) => seen.get(prints[place]) === 1);
  const each = (count) => Array(train.classes).fill(count / train.classes);
  const validation = fill(train, single, each(validationCount));
  const small = fill(train, validation.rest, each(trainCount));
  const held = new Set(validation.chosen);
  const full = places(train).filter((place) => !held.has(place));
  return {
    test: take(test, shuffled(places(test), seeds.test)),
    validation: take(train, shuffled(validation.chosen, seeds.validation)),
    train: take(train, shuffled(small.chosen, seeds.train)),
    full: take(train, shuffled(full, seeds.full)),
  };
}

/** Mean and standard deviation per channel of pixels scaled to 0..1, to four decimals. */
export function moments(pool) {
  const [channels, h, w] = pool.shape;
  const mean = [];
  const std = [];
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < pool.labels.length; i++) {
      const start = (i * channels + c) * h * w;
      for (let k = start; k < start + h * w; k++) {
        sum += pool.pixels[k];
        squares += pool.pixels[k] ** 2;
      }
    }
    const n = pool.labels.length * h * w;
    mean.push(Number((sum / n / pool.max).toFixed(4)));
    std.push(Number((Math.sqrt(squares / n - (sum / n) ** 2) / pool.max).toFixed(4)));
  }
  return { mean, std };
}
