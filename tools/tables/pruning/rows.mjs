// The rows of the table of pruning: for each a recipe by network and share that is pruned, or the reason why there is none.

export const MODELS = ["lenet300-fashion", "lenet5-fashion", "resnet8-fashion"];
/** Weights, channels or neurons that go, in percent. */
export const SPARSITIES = [50, 70, 80, 90, 95];
const SEED = 1;

/** Epochs of training after pruning, on the train split. */
export const EPOCHS = { "lenet300-fashion": 10, "lenet5-fashion": 5, "resnet8-fashion": 2 };
/** What is trained of the largest network. */
export const TUNED_ROWS = ["magnitude", "taylor", "random", "l1"];

const none = (reason) => ({ none: reason });
const share = (sparsity) => sparsity / 100;

/** Weights one by one. */
const weights = (id, label, settings = {}) => ({
  id,
  label,
  make: (_, sparsity) => [{ prune: { method: id, ...settings, sparsity: share(sparsity) } }],
});

/** Whole channels of convolutions and neurons of linear layers, the same share of each layer. */
const units = (id, label, method, suits = () => true) => ({
  id,
  label,
  make: (model, sparsity) => {
    if (!suits(model)) return none("no batch norms");
    const patterns = { "lenet300-fashion": ["neuron"], "lenet5-fashion": ["channel", "neuron"] }[model] ?? ["channel"];
    return patterns.map((pattern) => ({ prune: { method, pattern, sparsity: share(sparsity) } }));
  },
});

export const SECTIONS = [
  {
    title: "Weights one by one",
    rows: [
      weights("magnitude", "`magnitude`"),
      {
        id: "magnitude-layer",
        label: "`magnitude`, the same share of each layer",
        make: (_, sparsity) => [{ prune: { method: "magnitude", scope: "layer", sparsity: share(sparsity) } }],
      },
      weights("lamp", "`lamp`"),
      weights("wanda", "`wanda`"),
      weights("sparsegpt", "`sparsegpt`"),
      weights("taylor", "`taylor`"),
      weights("snip", "`snip`"),
      weights("random", "`random`"),
    ],
  },
  {
    title: "Whole channels and neurons",
    rows: [
      units("l1", "`l1`", "l1"),
      units("l2", "`l2`", "l2"),
      units("fpgm", "`fpgm`", "fpgm"),
      units("bn-scale", "`bn-scale`", "bn-scale", (model) => model === "resnet8-fashion"),
      units("taylor-units", "`taylor`", "taylor"),
      units("random-units", "`random`", "random"),
    ],
  },
];

const train = (model) => ({ train: { epochs: EPOCHS[model], lr: 0.001, schedule: "cosine" } });

/** Whether a row is trained after pruning, too: its cell then holds both answers. */
export const isTuned = (row, model) => model !== "resnet8-fashion" || TUNED_ROWS.includes(row);

/** The cell of a row; without a recipe, `none` says why. */
function cellOf({ id: row, make }, model, sparsity) {
  const made = make(model, sparsity);
  if (made.none !== undefined) return { row, model, sparsity, none: made.none };
  const steps = isTuned(row, model) ? [...made, train(model)] : made;
  return { row, model, sparsity, recipe: { version: 1, model, seed: SEED, steps } };
}

/** Deep Compression (Han, Mao and Dally 2016, arXiv 1510.00149): prune, share weights, code. */
export const DEEP_COMPRESSION = {
  row: "deep-compression",
  model: "lenet300-fashion",
  sparsity: 90,
  recipe: {
    version: 1,
    model: "lenet300-fashion",
    seed: SEED,
    storage: "csr5",
    steps: [
      { prune: { sparsity: 0.9, schedule: { kind: "gradual", end: 0.6 } } },
      { train: { epochs: 16, batch: 128, lr: 0.001, schedule: "cosine", weight_decay: 0.0001 } },
      { quantize: { weights: { format: "kmeans", bits: 6, huffman: true } } },
    ],
  },
};

const MNIST_TRAIN = { set: "mnist", batch: 128, lr: 0.001, schedule: "cosine", weight_decay: 0.0001 };

/** The same from scratch on the paper's own set, which is optional here: without its package the cell stays as it is. */
export const DEEP_COMPRESSION_MNIST = {
  row: "deep-compression-mnist",
  model: "lenet300-fashion",
  sparsity: 92,
  recipe: {
    version: 1,
    model: "lenet300-fashion",
    seed: SEED,
    init: "random",
    storage: "csr5",
    data: { set: "mnist" },
    steps: [
      { train: { ...MNIST_TRAIN, epochs: 12 } },
      { prune: { sparsity: 0.92, schedule: { kind: "gradual", end: 0.6 } } },
      { train: { ...MNIST_TRAIN, epochs: 16 } },
      { quantize: { weights: { format: "kmeans", bits: 5, huffman: true } } },
    ],
  },
};

/** Channels taken until half of the multiply-adds are left, and training. */
export const HALF = {
  row: "half-macs",
  model: "resnet8-fashion",
  sparsity: 50,
  recipe: {
    version: 1,
    model: "resnet8-fashion",
    seed: SEED,
    steps: [{ prune: { pattern: "channel", method: "l1", macs: 0.5 } }, train("resnet8-fashion")],
  },
};

export function cells() {
  const rows = SECTIONS.flatMap((section) => section.rows);
  const grid = rows.flatMap((row) =>
    MODELS.flatMap((model) => SPARSITIES.map((sparsity) => cellOf(row, model, sparsity))),
  );
  return [...grid, DEEP_COMPRESSION, DEEP_COMPRESSION_MNIST, HALF];
}

/** Cells in the order in which they are computed: the pipelines, then what takes little. */
export function ordered(list) {
  const pipelines = [DEEP_COMPRESSION.row, DEEP_COMPRESSION_MNIST.row, HALF.row];
  const cost = ({ row, model }) =>
    pipelines.includes(row) ? -1 : 2 * MODELS.indexOf(model) + (isTuned(row, model) ? 1 : 0);
  return [...list].sort((a, b) => cost(a) - cost(b));
}
