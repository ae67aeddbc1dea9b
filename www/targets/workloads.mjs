// Reference workloads: well-known networks as shapes of layers, for any batch and sequence length. To add one: an entry here and its
// published totals in workloads.test.ts.

import { Convolutions, transformer } from "./shapes.mjs";

/**
 * @typedef {import("./shapes.mjs").Layer} Layer
 *
 * @typedef {object} Workload
 * @property {string} id
 * @property {string} name
 * @property {"image" | "sequence" | "token"} unit what a latency is of: a batch of these
 * @property {number} sequence the default length; 0 where there is none
 * @property {number} parameters
 * @property {string} source
 * @property {(shape: {batch: number, sequence: number}) => Layer[]} layers
 * @property {import("./shapes.mjs").Transformer} [transformer]
 * @property {(sequence: number) => number} held values of keys and values that a sequence keeps; 0 for networks without
 */

const BERT_BASE = {
  layers: 12,
  width: 768,
  heads: 12,
  kv_heads: 12,
  head_size: 64,
  hidden: 3072,
  gated: false,
  bias: true,
  vocabulary: 30522,
  positions: 512,
  segments: 2,
  tied: true,
  decoder: false,
  norm_values: 2,
};

/** What models of the Llama family have in common. */
const LLAMA = {
  head_size: 128,
  gated: true,
  bias: false,
  positions: 0,
  segments: 0,
  tied: false,
  decoder: true,
  norm_values: 1,
};
/** @type {Readonly<Record<string, import("./shapes.mjs").Transformer>>} */
export const LANGUAGE_MODELS = {
  "llama-2-7b": { ...LLAMA, layers: 32, width: 4096, heads: 32, kv_heads: 32, hidden: 11008, vocabulary: 32000 },
  "llama-3-8b": { ...LLAMA, layers: 32, width: 4096, heads: 32, kv_heads: 8, hidden: 14336, vocabulary: 128256 },
};

/** ResNet-50 with its stride in the 3×3 convolutions, as torchvision has it. */
export function resnet50({ batch, side = 224 }) {
  const net = new Convolutions(batch, side, 3);
  net.conv("conv1", 64, 7, { stride: 2 }).pool(2, 3, 1);
  for (const [stage, blocks, width] of [
    [1, 3, 64],
    [2, 4, 128],
    [3, 6, 256],
    [4, 3, 512],
  ]) {
    for (let block = 0; block < blocks; block++) {
      const stride = block === 0 && stage > 1 ? 2 : 1;
      const name = (part) => `stage${stage}.${block + 1}.${part}`;
      const from = { side: net.side, channels: net.channels };
      net.conv(name("reduce"), width, 1);
      net.conv(name("conv"), width, 3, { stride });
      net.conv(name("expand"), 4 * width, 1);
      if (block === 0) net.conv(name("shortcut"), 4 * width, 1, { stride, from });
    }
  }
  return net.linear("fc", 1000).layers;
}

export function mobilenetV2({ batch }) {
  const net = new Convolutions(batch, 224, 3);
  net.conv("conv1", 32, 3, { stride: 2 });
  let block = 0;
  for (const [factor, channels, repeats, first] of [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ]) {
    for (let i = 0; i < repeats; i++) {
      block += 1;
      const wide = net.channels * factor;
      if (factor > 1) net.conv(`block${block}.expand`, wide, 1);
      net.conv(`block${block}.depthwise`, wide, 3, { stride: i === 0 ? first : 1, groups: wide });
      net.conv(`block${block}.project`, channels, 1);
    }
  }
  net.conv("conv2", 1280, 1);
  return net.linear("fc", 1000).layers;
}

const heldBy = (net) => (sequence) => 2 * net.layers * net.kv_heads * net.head_size * sequence;
const total = (layers) => layers.reduce((sum, layer) => sum + layer.count * layer.parameters, 0);

/** @returns {Workload} */
function convolutional(id, name, source, layers) {
  return {
    id,
    name,
    unit: "image",
    sequence: 0,
    parameters: total(layers({ batch: 1 })),
    source,
    layers,
    held: () => 0,
  };
}

/**
 * The two workloads of a model that writes.
 *
 * @param {string} id
 * @param {string} name
 * @param {string} source
 * @param {import("./shapes.mjs").Transformer} net
 * @returns {Workload[]}
 */
export function writing(id, name, source, net) {
  const decode = ({ batch, sequence }) => transformer(net, { batch, rows: 1, context: sequence, decode: true });
  const prefill = ({ batch, sequence }) =>
    transformer(net, { batch, rows: sequence, context: sequence, decode: false });
  const parameters = total(decode({ batch: 1, sequence: 1 }));
  const both = { parameters, source, transformer: net, held: heldBy(net) };
  return [
    { id: `${id}-decode`, name: `${name}, decode`, unit: "token", sequence: 512, layers: decode, ...both },
    { id: `${id}-prefill`, name: `${name}, prefill`, unit: "sequence", sequence: 512, layers: prefill, ...both },
  ];
}

const bert = ({ batch, sequence }) =>
  transformer(BERT_BASE, { batch, rows: sequence, context: sequence, decode: false });

/** @type {readonly Workload[]} */
export const WORKLOADS = [
  convolutional("resnet-50", "ResNet-50", "He et al. 2015, arXiv 1512.03385; stride in the 3×3 convolutions", resnet50),
  convolutional("mobilenet-v2", "MobileNetV2", "Sandler et al. 2018, arXiv 1801.04381", mobilenetV2),
  {
    id: "bert-base",
    name: "BERT-base",
    unit: "sequence",
    sequence: 128,
    parameters: total(bert({ batch: 1, sequence: 1 })),
    source: "Devlin et al. 2018, arXiv 1810.04805",
    layers: bert,
    transformer: BERT_BASE,
    held: () => 0,
  },
  ...writing("llama-2-7b", "Llama-2-7B", "Touvron et al. 2023, arXiv 2307.09288", LANGUAGE_MODELS["llama-2-7b"]),
  ...writing("llama-3-8b", "Llama-3-8B", "Llama team 2024, arXiv 2407.21783", LANGUAGE_MODELS["llama-3-8b"]),
];

/**
 * @param {string} id
 * @returns {Workload}
 */
export function findWorkload(id) {
  const found = WORKLOADS.find((workload) => workload.id === id);
  if (!found) throw new Error(`there is no workload ${id}; allowed: ${WORKLOADS.map((each) => each.id).join(", ")}`);
  return found;
}
