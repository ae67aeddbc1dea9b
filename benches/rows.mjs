// What is measured, and what it must reach (ratios within one run).

const gemm = (size, kind, id = `gemm-${kind}-${size}`) => ({ id, size });
const gops = (about, ms) => (2 * about.macs) / ms / 1e6;
const images = (about, ms) => (about.batch / ms) * 1000;

/**
 * A contest: workloads of ours, the first compared with peers; `ceiling` and `float` are ours too, for other ratios. `effort` is in
 * place of the usual one.
 */
const contest = (title, unit, rate, workloads, peers, tolerance, goals, effort = {}) => ({
  title,
  unit,
  rate,
  workloads,
  peers,
  tolerance,
  goals,
  effort,
});

/** Many short rounds, for ratios near 1. */
const CLOSE = { rounds: 31, sample_ms: 40 };

const against = (least, beyond) => ({ of: "peer", least, beyond, says: `${least} × the best peer` });
/** Where the machine has no instruction for four products of bytes (our choice of kernel tells), less is wanted. */
const againstBytes = (quads, others) => (kernel) => against(kernel === "quads" ? quads : others);
/** A ratio with a workload of ours; without `least` it is only shown. */
const share = (workload, least, beyond, says) => ({ of: workload, least, beyond, says });

export const CONTESTS = [
  // The kernel alone, on blocks as layers hand them on; with rows turned into lanes and back, against libraries.
  ...[256, 512, 1024].map((size) =>
    contest(`f32 GEMM kernel ${size}`, "GFLOP/s", gops, [`kernel-f32-${size}`, "ceiling-f32"], [], 0, [
      share("ceiling-f32", 0.8, 0.9, "0.80 of the multiply-add ceiling"),
    ]),
  ),
  ...[256, 512, 1024].map((size) =>
    contest(`f32 GEMM ${size}`, "GFLOP/s", gops, [gemm(size, "f32").id], ["ort-float", "tfjs"], 1e-4, [against(1.25)]),
  ),
  // Codes in, as one integer layer hands them to the next: what the peer's MatMulInteger does. From f32, rounded on the way: what its
  // QDQ does.
  ...[512, 1024].map((size) =>
    contest(
      `int8 GEMM ${size} of codes, 0…127`,
      "GOP/s",
      gops,
      [`codes-int8-${size}`, gemm(size, "f32").id, "ceiling-int8"],
      ["ort-product"],
      0.03,
      [share(`gemm-f32-${size}`, 2.5, 4, "2.5 × our f32"), againstBytes(3, 1.5), share("ceiling-int8")],
    ),
  ),
  ...[512, 1024].map((size) =>
    contest(
      `int8 GEMM ${size} of codes, −127…127`,
      "GOP/s",
      gops,
      [`codes-int8-full-${size}`, gemm(size, "f32").id],
      ["ort-product"],
      0.03,
      [share(`gemm-f32-${size}`, 1.3, 2, "1.3 × our f32"), against(1.3, 2)],
    ),
  ),
  ...[512, 1024].map((size) =>
    contest(`int8 GEMM ${size} of f32, 0…127`, "GOP/s", gops, [gemm(size, "int8").id], ["ort-integer"], 0.03, [
      against(1),
    ]),
  ),
  ...[512, 1024].map((size) =>
    contest(`int8 GEMM ${size} of f32, −127…127`, "GOP/s", gops, [gemm(size, "int8-full").id], ["ort-integer"], 0.03, [
      against(1),
    ]),
  ),
  // The last one has weights past the caches of a core, and one block of rows.
  ...[
    [512, "512"],
    [1024, "1024"],
    ["4096x8", "4096×4096 for 8 rows"],
  ].map(([size, says]) =>
    contest(
      `int4-weight GEMM ${says}, 0…127`,
      "GOP/s",
      gops,
      [gemm(size, "int4").id, gemm(size, "int8").id],
      [],
      0,
      [share(`gemm-int8-${size}`, 1, undefined, "no slower than our int8")],
      CLOSE,
    ),
  ),
  ...[512, 1024].map((size) =>
    contest(
      `1-bit GEMM ${size}`,
      "GOP/s",
      gops,
      [gemm(size, "binary").id, `${gemm(size, "int8-full").id}@pairs`],
      [],
      0,
      [share(`gemm-int8-full-${size}@pairs`, 1.5, 3, "1.5 × our int8 by the i16 dot")],
    ),
  ),
  contest("2:4 sparse GEMM 512", "GFLOP/s of the dense product", gops, ["two-four-512", "gemm-f32-512"], [], 0, [
    share("gemm-f32-512", 1, undefined, "no slower than dense"),
  ]),
  contest("fp16-weight matrix-vector 512", "GFLOP/s", gops, ["gemv-fp16-512", "gemv-f32-512"], [], 0, [
    share("gemv-f32-512"),
  ]),
  contest("int4-weight matrix-vector 512, groups of 32", "GFLOP/s", gops, ["gemv-int4g32-512", "gemv-f32-512"], [], 0, [
    share("gemv-f32-512"),
  ]),
  contest("LeNet-5, batch 64, f32", "images/s", images, ["lenet5-f32"], ["ort-float", "tfjs"], 1e-4, [
    against(1.7, 2.4),
  ]),
  contest("LeNet-5, batch 64, int8", "images/s", images, ["lenet5-int8", "lenet5-f32"], ["ort-integer"], 0.1, [
    against(3, 5),
    share("lenet5-f32", 1, undefined, "faster than our f32"),
  ]),
  contest("ResNet-8, batch 64, f32", "images/s", images, ["resnet8-f32"], ["ort-float", "tfjs"], 1e-4, [
    against(1.3, 2),
  ]),
  contest("ResNet-8, batch 64, int8", "images/s", images, ["resnet8-int8"], ["ort-integer"], 0.1, [against(2.5, 4)]),
  contest("MLP, batch 64, f32", "images/s", images, ["mlp-f32-64"], ["ort-float", "tfjs"], 1e-4, [against(1.2)]),
  contest("MLP, batch 1, f32", "images/s", images, ["mlp-f32-1"], ["ort-float", "tfjs"], 1e-4, [against(1.8)]),
  contest("MLP, batch 64, int8", "images/s", images, ["mlp-int8-64"], ["ort-integer"], 0.1, []),
  contest("MLP, batch 1, int8", "images/s", images, ["mlp-int8-1"], ["ort-integer"], 0.1, []),
];

/** What `--quick` leaves in. */
export const QUICK = new Set([
  "f32 GEMM kernel 512",
  "f32 GEMM 512",
  "int8 GEMM 512 of codes, 0…127",
  "LeNet-5, batch 64, f32",
  "LeNet-5, batch 64, int8",
  "MLP, batch 64, f32",
  "MLP, batch 1, f32",
]);

/** Figures that cannot be taken in a browser, from an earlier measurement on the 2-core machine the tests run on. */
export const RECORDED = {
  "PyTorch, native, 1 thread: training LeNet-5, batch 64": { value: 5800, unit: "images/s" },
  "PyTorch, native, 2 threads: training LeNet-5, batch 64": { value: 8900, unit: "images/s" },
  "PyTorch, native, 1 thread: LeNet-5, batch 64": { value: 12900, unit: "images/s" },
  "candle 0.11, wasm: training LeNet-5, batch 64": { value: 667, unit: "images/s" },
  "PyTorch notebook, native, 2 threads: LeNet-5, 10,000 images, 8 weight widths": { value: 3.1, unit: "s" },
};
