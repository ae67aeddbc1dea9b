// The rows of the table of training: numbers of fewer bits, and what workers send each other, each for every seed.

export const MODELS = ["mlp-digits", "lenet5-fashion"];
export const SEEDS = [1, 2, 3, 4, 5];

/** Adam at large batches, where gradients are smallest. */
const TRAIN = {
  "mlp-digits": { epochs: 30, batch: 128, lr: 0.003, schedule: "cosine" },
  "lenet5-fashion": { epochs: 3, batch: 512, lr: 0.002, schedule: "cosine" },
};

/** Numbers, with what differs from the usual settings. */
export const PRECISIONS = [
  { id: "fp32", label: "`fp32`", more: { precision: "fp32", record: true } },
  { id: "amp-fp16", label: "`amp-fp16`: f32 weights, loss scaled", more: { precision: "amp-fp16" } },
  { id: "fp16", label: "`fp16`: f32 weights, no scale", more: { precision: "fp16" } },
  { id: "pure-fp16", label: "`pure-fp16`: weights and moments too, no scale", more: { precision: "pure-fp16" } },
  {
    id: "pure-fp16-scaled",
    label: "`pure-fp16`, loss × 1024",
    more: { precision: { mode: "pure-fp16", loss_scale: 1024 } },
  },
  { id: "pure-fp16-epsilon", label: "`pure-fp16`, ε 0.001", more: { precision: "pure-fp16", epsilon: 0.001 } },
  {
    id: "pure-fp16-sgd",
    label: "`pure-fp16`, SGD at 0.05",
    more: { precision: "pure-fp16", optimizer: "sgd", lr: 0.05 },
  },
  { id: "fp32-sgd", label: "`fp32`, SGD at 0.05", more: { precision: "fp32", optimizer: "sgd", lr: 0.05 } },
  { id: "amp-bf16", label: "`amp-bf16`: f32 weights", more: { precision: "amp-bf16" } },
  { id: "pure-bf16", label: "`pure-bf16`: to the nearest", more: { precision: "pure-bf16" } },
  {
    id: "pure-bf16-stochastic",
    label: "`pure-bf16`: by chance",
    more: { precision: { mode: "pure-bf16", rounding: "stochastic" } },
  },
  { id: "fp8", label: "`fp8`", more: { precision: "fp8" } },
  { id: "int8", label: "`int8`", more: { precision: "int8" } },
];

/** Messages of four workers that share a batch. */
export const MESSAGES = [
  { id: "dense", label: "f32", exchange: { method: "dense" } },
  { id: "8-bit", label: "8 bits", exchange: { method: "8-bit" } },
  { id: "qsgd-16", label: "QSGD, 16 levels", exchange: { method: "qsgd", levels: 16 } },
  { id: "qsgd-4", label: "QSGD, 4 levels", exchange: { method: "qsgd", levels: 4 } },
  { id: "terngrad", label: "TernGrad", exchange: { method: "terngrad" } },
  { id: "1-bit", label: "1 bit, the rest later", exchange: { method: "1-bit" } },
  { id: "signsgd", label: "signs, by majority", exchange: { method: "signsgd" } },
  { id: "top-10", label: "greatest 10 %, the rest later", exchange: { method: "top-k", share: 0.1 } },
  { id: "top-1", label: "greatest 1 %, the rest later", exchange: { method: "top-k", share: 0.01 } },
];

const cell = (row, model, seed, train) => ({
  row,
  model,
  seed,
  recipe: { version: 1, model, seed, init: "random", steps: [{ train }] },
});

export const numbersRow = (id) => `numbers ${id}`;
export const messagesRow = (id) => `messages ${id}`;

export function cells() {
  const all = (make) => MODELS.flatMap((model) => SEEDS.map((seed) => make(model, seed)));
  return [
    ...PRECISIONS.flatMap(({ id, more }) =>
      all((model, seed) => cell(numbersRow(id), model, seed, { ...TRAIN[model], ...more })),
    ),
    ...MESSAGES.flatMap(({ id, exchange }) =>
      all((model, seed) =>
        cell(messagesRow(id), model, seed, { ...TRAIN[model], batch: 128, exchange: { workers: 4, ...exchange } }),
      ),
    ),
  ];
}

/** Small networks first. */
export const ordered = (list) => [...list].sort((a, b) => MODELS.indexOf(a.model) - MODELS.indexOf(b.model));
