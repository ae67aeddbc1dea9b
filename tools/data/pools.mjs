// Reads the sources of each set into pools (see sets.mjs).
import { parseIdx } from "./idx.mjs";
import { readPng } from "./png.mjs";
import { fetchSource } from "./sources.mjs";

/** The whole of the digits source. */
export function digitsPool() {
  const [csv] = Object.values(fetchSource("digits"));
  const rows = csv
    .toString("latin1")
    .trim()
    .split("\n")
    .map((row) => row.split(",").map(Number));
  for (const row of rows) {
    if (row.length !== 65 || row.some((v) => !Number.isInteger(v) || v < 0 || v > 16))
      throw new Error("digits: a row is not 64 values and a label");
  }
  return {
    labels: Uint8Array.from(rows, (row) => row[64]),
    pixels: Uint8Array.from(rows.flatMap((row) => row.slice(0, 64))),
    shape: [1, 8, 8],
    max: 16,
    classes: 10,
  };
}

/** A pool from the two IDX files, images and labels, whose names start with `start`. */
export function idxPool(files, start) {
  const part = (kind) => {
    const path = Object.keys(files).find((name) => name.split("/").pop().startsWith(`${start}-${kind}`));
    return parseIdx(files[path], path);
  };
  const images = part("images");
  const labels = part("labels");
  if (images.dims.length !== 3 || labels.dims[0] !== images.dims[0])
    throw new Error(`${start}: images and labels disagree`);
  return {
    labels: labels.data,
    pixels: images.data,
    shape: [1, images.dims[1], images.dims[2]],
    max: 255,
    classes: 10,
  };
}

/** The official training and test sets of Fashion-MNIST. */
export function fashionPools() {
  const files = fetchSource("fashion");
  return { train: idxPool(files, "train"), test: idxPool(files, "t10k") };
}

/** The official training and test sets of MNIST. */
export function mnistPools() {
  const files = fetchSource("mnist");
  return { train: idxPool(files, "train"), test: idxPool(files, "t10k") };
}

/** A pool from PNGs of one image a row (its 1024 RGB pixels) and a JSON list of labels. */
function pngPool(files, pngs, labels, name) {
  const list = JSON.parse(files[labels].toString("utf8"));
  const pixels = new Uint8Array(list.length * 3072);
  let images = 0;
  for (const png of pngs) {
    const { width, height, rgb } = readPng(files[png]);
    if (width !== 1024 || images + height > list.length) throw new Error(`${name}: ${png} is ${width} x ${height}`);
    for (let row = 0; row < height; row++, images++) {
      for (let i = 0; i < 1024; i++) {
        for (let c = 0; c < 3; c++) pixels[images * 3072 + c * 1024 + i] = rgb[(row * 1024 + i) * 3 + c];
      }
    }
  }
  if (images !== list.length) throw new Error(`${name}: ${images} images, ${list.length} labels`);
  return { labels: Uint8Array.from(list), pixels, shape: [3, 32, 32], max: 255, classes: 10 };
}

/** The official training and test sets of CIFAR-10. */
export function cifarPools() {
  const files = fetchSource("cifar10");
  const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.png`);
  return {
    train: pngPool(files, batches, "train_lables.json", "cifar10 train"),
    test: pngPool(files, ["test_batch.png"], "test_lables.json", "cifar10 test"),
  };
}
