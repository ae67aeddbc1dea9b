// Networks that published measurements are of, beside the reference workloads: shapes alone, for the fit.
import { Convolutions, linear, transformer } from "../../www/targets/shapes.mjs";
import { LANGUAGE_MODELS } from "../../www/targets/workloads.mjs";

const LLAMA = { ...LANGUAGE_MODELS["llama-2-7b"] };

/** Sizes of language models, by the names that measurements use: from their published configurations. */
export const LANGUAGE = {
  "llama-7b": LLAMA,
  "llama-2-7b": LLAMA,
  "llama2-7b": LLAMA,
  "llama-13b": { ...LLAMA, layers: 40, width: 5120, heads: 40, kv_heads: 40, hidden: 13824 },
  "llama-2-13b": { ...LLAMA, layers: 40, width: 5120, heads: 40, kv_heads: 40, hidden: 13824 },
  "llama2-70b": { ...LLAMA, layers: 80, width: 8192, heads: 64, kv_heads: 8, hidden: 28672 },
  "codellama-34b": { ...LLAMA, layers: 48, width: 8192, heads: 64, kv_heads: 8, hidden: 22016 },
  "tinyllama-1.1b": { ...LLAMA, layers: 22, width: 2048, heads: 32, kv_heads: 4, head_size: 64, hidden: 5632 },
  "llama-3-8b": LANGUAGE_MODELS["llama-3-8b"],
  "llama-3.1-8b": LANGUAGE_MODELS["llama-3-8b"],
  "qwen2.5-7b": { ...LLAMA, layers: 28, width: 3584, heads: 28, kv_heads: 4, hidden: 18944, vocabulary: 152064 },
  "gemma-3-12b-it": {
    ...LLAMA,
    layers: 48,
    width: 3840,
    heads: 16,
    kv_heads: 8,
    head_size: 256,
    hidden: 15360,
    vocabulary: 262208,
    tied: true,
  },
  "gpt-j": {
    ...LLAMA,
    layers: 28,
    width: 4096,
    heads: 16,
    kv_heads: 16,
    head_size: 256,
    hidden: 16384,
    gated: false,
    vocabulary: 50400,
  },
  "gpt-2": {
    ...LLAMA,
    layers: 12,
    width: 768,
    heads: 12,
    kv_heads: 12,
    head_size: 64,
    hidden: 3072,
    gated: false,
    bias: true,
    vocabulary: 50257,
    positions: 1024,
    tied: true,
    norm_values: 2,
  },
};

/** A forward pass of GPT-2 over a sequence, logits of every position. */
export function gpt2(sequence) {
  const net = LANGUAGE["gpt-2"];
  const layers = transformer(net, { batch: 1, rows: sequence, context: sequence, decode: false });
  return layers.map((layer) =>
    layer.head ? { ...linear("head", sequence, net.vocabulary, net.width, { parameters: 0 }), head: true } : layer,
  );
}

function mobilenetV1(side, factor, channels, classes) {
  const net = new Convolutions(1, side, channels);
  // Even sides are padded at one end alone, as TensorFlow does: the same count of outputs.
  net.conv("conv1", 32 * factor, 3, { stride: 2 });
  for (const [i, [outputs, stride]] of [
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
    [512, 1],
    [512, 1],
    [512, 1],
    [512, 1],
    [512, 1],
    [1024, 2],
    [1024, 1],
  ].entries()) {
    net.conv(`depthwise${i + 1}`, net.channels, 3, { stride, groups: net.channels });
    net.conv(`pointwise${i + 1}`, outputs * factor, 1);
  }
  return net.linear("fc", classes).layers;
}

function resnet8() {
  const net = new Convolutions(1, 32, 3).conv("conv1", 16, 3);
  for (const [stage, channels] of [16, 32, 64].entries()) {
    const stride = stage === 0 ? 1 : 2;
    const from = { side: net.side, channels: net.channels };
    net.conv(`stage${stage + 1}.1`, channels, 3, { stride }).conv(`stage${stage + 1}.2`, channels, 3);
    if (stage > 0) net.conv(`stage${stage + 1}.shortcut`, channels, 1, { stride, from });
  }
  return net.linear("fc", 10).layers;
}

/** Keyword spotting: 49 × 10 features, a 10×4 window with stride 2, then four separable blocks of 64 channels on 25 × 5. */
function keywords() {
  const at = (name, op, n, k, inputs) => ({
    ...linear(name, 125, n, k),
    op,
    inputs,
    macs: 125 * n * k,
    weights: n * k,
  });
  const layers = [at("conv1", "conv2d", 64, 40, 490)];
  for (let i = 1; i <= 4; i++) {
    layers.push(at(`depthwise${i}`, "depthwise", 64, 9, 8000), at(`pointwise${i}`, "conv2d", 64, 64, 8000));
  }
  return [...layers, linear("fc", 1, 12, 64)];
}

function anomaly() {
  const sides = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640];
  return sides.slice(1).map((outputs, i) => linear(`fc${i + 1}`, 1, outputs, sides[i]));
}

function vgg(blocks) {
  const net = new Convolutions(1, 224, 3);
  for (const [i, [channels, count]] of blocks.entries()) {
    for (let j = 0; j < count; j++) net.conv(`conv${i + 1}.${j + 1}`, channels, 3, { norm: false });
    net.pool(2);
  }
  return net.linear("fc1", 4096, { flat: true }).linear("fc2", 4096).linear("fc3", 1000).layers;
}

const VGG = [64, 128, 256, 512, 512];

function resnet18() {
  const net = new Convolutions(1, 224, 3).conv("conv1", 64, 7, { stride: 2 }).pool(2, 3, 1);
  for (const [stage, channels] of [64, 128, 256, 512].entries()) {
    for (let block = 0; block < 2; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const from = { side: net.side, channels: net.channels };
      net.conv(`stage${stage}.${block}.1`, channels, 3, { stride }).conv(`stage${stage}.${block}.2`, channels, 3);
      if (stride === 2) net.conv(`stage${stage}.shortcut`, channels, 1, { stride, from });
    }
  }
  return net.linear("fc", 1000).layers;
}

/** SqueezeNet 1.1. */
function squeezenet() {
  const net = new Convolutions(1, 224, 3).conv("conv1", 64, 3, { stride: 2, padding: 0 }).pool(2, 3);
  for (const [i, squeezed] of [16, 16, 32, 32, 48, 48, 64, 64].entries()) {
    if (i === 2 || i === 4) net.pool(2, 3);
    const name = `fire${i + 2}`;
    net.conv(`${name}.squeeze`, squeezed, 1);
    const from = { side: net.side, channels: net.channels };
    net.conv(`${name}.expand1`, 4 * squeezed, 1, { from }).conv(`${name}.expand3`, 4 * squeezed, 3);
    net.channels = 8 * squeezed;
  }
  return net.conv("conv10", 1000, 1).layers;
}

/** A network of which only the totals are known: so many equal 3×3 convolutions. */
export function uniform({ macs, params, layers }) {
  const weights = params / layers;
  const n = Math.sqrt(weights / 9);
  const m = macs / params;
  const one = { ...linear("layers", m, n, 9 * n), op: "conv2d", inputs: m * n, count: layers };
  return [one];
}

/** Convolutional networks by the names that measurements use; those with `layers` alone are known by their totals. */
export const CONVOLUTIONAL = {
  mobilenet: () => mobilenetV1(224, 1, 3, 1000),
  "mobilenet v1": () => mobilenetV1(224, 1, 3, 1000),
  vgg16: () => vgg(VGG.map((channels, i) => [channels, i < 2 ? 2 : 3])),
  vgg19: () => vgg(VGG.map((channels, i) => [channels, i < 2 ? 2 : 4])),
  resnet18,
  squeezenet,
  "mlperf tiny resnet-8 cifar-10": resnet8,
  "mlperf tiny ds-cnn kws": keywords,
  "mlperf tiny mobilenetv1-0.25 96x96 vww": () => mobilenetV1(96, 0.25, 3, 2),
  "mlperf tiny fc autoencoder toyadmos": anomaly,
  "person detection (mobilenetv1-0.25 96x96x1)": () => mobilenetV1(96, 0.25, 1, 2),
};

/** Layers of networks known by their totals: convolutions in the papers' tables. */
export const TOTALS = { "inception v1": 57, "inception v4": 149 };
