// The words around the table of pruning. Numbers come from its cells, and what the sentences say of them is in CLAIMS, which a test holds.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../setup/lib.mjs";
import { nameOf } from "../cells.mjs";
import { DEEP_COMPRESSION, DEEP_COMPRESSION_MNIST, EPOCHS, HALF, isTuned, MODELS, SPARSITIES } from "./rows.mjs";

const [LENET300, LENET5, RESNET] = MODELS;
const epochs = Object.entries(EPOCHS).map(([model, count]) => `${count} for \`${model}\``);
const number = (value) => value.toLocaleString("en");

export const HEAD = `# What each way to prune keeps

Right answers on whole test splits of 10,000 images. Rows are methods, columns the share of weights, or of channels and neurons, that goes. Of whole channels the table says in brackets
how many of the multiply-adds are left. Methods that look at data see the first 256 images of the train split. Training is on the train split of 12,000 images with Adam at 0.001, \`cosine\`; epochs: ${epochs.join(", ")}.
Everything has seed 1, and each cell is one run: the count of right answers has a standard deviation of about 30 near 9,000 and of 50 near half, so small differences mean little. Recipes are in
\`tools/tables/pruning/rows.mjs\`; the cells, with the bytes of each network and a digest of its outputs, in \`docs/tables/pruning.json\`.`;

/** Right answers of a cell `pruned` alone or `tuned`; throws where it is not computed. */
export function lookup({ cells }) {
  const known = new Map(cells.map((cell) => [nameOf(cell), cell]));
  return (row, model, sparsity, which) => {
    const cell = known.get(nameOf({ row, model, sparsity }));
    if (cell === undefined) throw new Error(`${row} of ${model} at ${sparsity} % is not computed`);
    return which === "pruned" && isTuned(row, model) ? cell.before : cell.correct;
  };
}

/** Pairs of cells of which the first has fewer right answers than the second. */
export const CLAIMS = [
  // Drawn weights are the worst to take while there is something to lose.
  ...[LENET300, LENET5].flatMap((model) =>
    SPARSITIES.slice(0, 3).flatMap((sparsity) =>
      ["magnitude", "lamp", "taylor", "snip", "wanda", "sparsegpt"].map((row) => [
        ["random", model, sparsity, "pruned"],
        [row, model, sparsity, "pruned"],
      ]),
    ),
  ),
  ...[LENET300, LENET5].map((model) => [
    ["magnitude-layer", model, 90, "pruned"],
    ["magnitude", model, 90, "pruned"],
  ]),
  // What makes good what it takes is ahead, until training evens that out.
  ...[50, 70, 80].flatMap((sparsity) =>
    ["magnitude", "lamp", "wanda", "taylor", "snip"].map((row) => [
      [row, LENET300, sparsity, "pruned"],
      ["sparsegpt", LENET300, sparsity, "pruned"],
    ]),
  ),
  [
    ["random", LENET300, 90, "tuned"],
    ["wanda", LENET300, 90, "tuned"],
  ],
  [
    ["sparsegpt", LENET300, 90, "tuned"],
    ["magnitude", LENET300, 90, "tuned"],
  ],
];

/** What the cells show. */
export function findings(table) {
  const get = lookup(table);
  const n = (...cell) => number(get(...cell));
  const lost = (model, correct) =>
    ((100 * (table.baselines[model].correct - correct)) / table.baselines[model].total).toFixed(2);
  const deep = table.cells.find((cell) => cell.row === DEEP_COMPRESSION.row);
  const half = table.cells.find((cell) => cell.row === HALF.row);
  const whole = table.baselines[LENET300];
  const parts = [
    "## What it shows",
    `**Half costs little, nine tenths cost much, and training brings most of it back.** \`lenet300-fashion\` keeps ${n("magnitude", LENET300, 50, "pruned")} of ${number(whole.correct)} right answers without half of its weights and ${n("magnitude", LENET300, 90, "pruned")} without 90 %.
Ten epochs later that is ${n("magnitude", LENET300, 90, "tuned")}, ${lost(LENET300, get("magnitude", LENET300, 90, "tuned"))} points less than whole; at 95 % ${n("magnitude", LENET300, 95, "tuned")}. \`lenet5-fashion\`: ${n("magnitude", LENET5, 90, "pruned")}, trained ${n("magnitude", LENET5, 90, "tuned")}.`,
    `**What to take.** Drawn weights are the worst choice by far as long as something is left to lose: at 80 % of \`lenet300-fashion\` ${n("random", LENET300, 80, "pruned")} right answers, and ${n("magnitude", LENET300, 80, "pruned")} by magnitude. The same share of each layer
is worse than comparing all: ${n("magnitude-layer", LENET300, 90, "pruned")} against ${n("magnitude", LENET300, 90, "pruned")} at 90 %, since the last, small layer loses as much as the first. \`sparsegpt\`, which makes good what it takes, is ahead without training at up to 80 % (${n("sparsegpt", LENET300, 80, "pruned")}), although it takes the same share of
each layer. Training evens that out and more: at 90 % \`sparsegpt\` ends at ${n("sparsegpt", LENET300, 90, "tuned")} and magnitude at ${n("magnitude", LENET300, 90, "tuned")}. \`wanda\`, made for transformers, compares inside each row; here that ends hardly above drawn weights, ${n("wanda", LENET300, 90, "tuned")} and ${n("random", LENET300, 90, "tuned")}.`,
  ];
  if (half !== undefined) {
    parts.push(
      `**Channels that really go.** \`resnet8-fashion\` without the channels of least \`l1\`, down to ${((100 * half.macs) / table.baselines[RESNET].macs).toFixed(1)} % of its multiply-adds and ${number(half.bytes)} of ${number(table.baselines[RESNET].bytes)} bytes, has ${number(half.before)} right answers, and ${number(half.correct)} after two epochs, ${lost(RESNET, half.correct)} points less than whole.`,
    );
  }
  if (deep !== undefined) {
    const { ledger, alternatives } = deep;
    parts.push(
      `**Deep Compression** (Han, Mao and Dally 2016, arXiv 1510.00149) on \`lenet300-fashion\`: 90 % of the weights go over 16 epochs, the others share a codebook of 6 bits for each layer, and places and distances (5 bits) are Huffman coded. That is ${number(deep.bytes)} bytes of ${number(whole.bytes)}, ${(whole.bytes / deep.bytes).toFixed(1)} × smaller,
with ${number(deep.correct)} right answers, ${lost(LENET300, deep.correct)} points less. The paper has 40 × on MNIST (1,070 KB to 27 KB) at no loss, with 8 % of the weights kept; without Huffman's codes 32 ×. Fashion-MNIST is the harder task. Of the bytes ${number(ledger.indices)} are places and distances, ${number(ledger.codebooks)} codebooks, ${number(ledger.biases)} biases.
Stored dense it would be ${number(alternatives.dense)} bytes, with a mask of bits ${number(alternatives.bitmask)}; DEFLATE over the file leaves ${number(alternatives.deflate)}.`,
    );
  }
  const mnist = table.cells.find((cell) => cell.row === DEEP_COMPRESSION_MNIST.row && cell.refused === undefined);
  if (mnist !== undefined) {
    const { trained, correct, bytes, ledger, total } = mnist;
    parts.push(
      `**The same on MNIST**, the paper's set (optional here, [data/README.md](../../data/README.md)): trained from scratch ${number(trained)} of ${number(total)} are right; with 8 % of the weights kept, a codebook of 5 bits and Huffman codes ${number(correct)}, in ${number(bytes)} bytes, ${(whole.bytes / bytes).toFixed(1)} × smaller. The paper: 1.64 % wrong before, 1.58 % after, 40 ×.
Of the bytes ${number(ledger.indices)} are places and distances.`,
    );
  }
  const times = newestTimes();
  if (times !== undefined) {
    parts.push(
      `**And the time.** In Chromium, by \`npm run bench -- --only channel-\` (${times.file}): \`resnet8-fashion\` with half of its multiply-adds, made by the recipe above, takes ${times.ours} of the time it takes whole (${times.rivals} of the multiply-adds).`,
    );
  }
  return parts;
}

/** The newest whole record of the benchmark that has timed the network with half of its multiply-adds. */
function newestTimes() {
  const folder = join(root, "benches/record");
  for (const name of readdirSync(folder).sort().reverse()) {
    const { rows } = JSON.parse(readFileSync(join(folder, name), "utf8"));
    const row = rows.find(({ title }) => title.startsWith("channel-pruned ResNet-8"));
    if (row !== undefined) return { file: `benches/record/${name}`, ours: row.ours, rivals: row.rivals };
  }
  return undefined;
}
