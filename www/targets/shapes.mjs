// Layers as the cost model sees them: a product of an m×k by a k×n matrix, and what goes in and out. Builders of networks from them.

/**
 * A layer, or several alike. Numbers are of the whole batch, of one of the `count` layers.
 *
 * @typedef {object} Layer
 * @property {string} name
 * @property {"linear" | "conv2d" | "depthwise" | "attention" | "elementwise"} op
 * @property {number} m rows of the left matrix: images × positions, or characters
 * @property {number} n outputs of a row
 * @property {number} k terms of a sum
 * @property {number} macs multiply-adds
 * @property {number} weights values
 * @property {number} inputs values read
 * @property {number} outputs values written
 * @property {number} cached keys and values read, of attention
 * @property {number} count layers like this one
 * @property {number} parameters weights, biases and norms
 * @property {boolean} [head] the last layer of a language model, which weight-only methods leave alone
 * @property {boolean} [winograd] a 3×3 convolution with stride 1, of which libraries save products of floats
 */

const NONE = { cached: 0, count: 1, weights: 0, parameters: 0 };

/**
 * A linear layer.
 *
 * @param {string} name
 * @param {number} m
 * @param {number} n
 * @param {number} k
 * @param {Partial<Layer> & {bias?: boolean}} [more]
 * @returns {Layer}
 */
export function linear(name, m, n, k, { bias = false, ...more } = {}) {
  const weights = n * k;
  const size = { weights, inputs: m * k, outputs: m * n, parameters: weights + (bias ? n : 0) };
  return { ...NONE, name, op: "linear", m, n, k, macs: m * n * k, ...size, ...more };
}

/**
 * Attention of `m` queries, each over `context` keys on average, for a whole batch.
 *
 * @param {string} name
 * @param {{m: number, context: number, width: number, cached: number, count: number}} shape `width` heads × their size; `cached`: keys and values read
 * @returns {Layer}
 */
export function attention(name, { m, context, width, cached, count }) {
  const macs = 2 * m * context * width;
  return {
    ...NONE,
    name,
    op: "attention",
    m,
    n: width,
    k: context,
    macs,
    inputs: m * width,
    outputs: m * width,
    cached,
    count,
  };
}

/** Norms, activations and sums: values read and written, no products that matter. */
export function elementwise(name, values, count, parameters = 0) {
  return {
    ...NONE,
    name,
    op: /** @type {const} */ ("elementwise"),
    m: 1,
    n: 1,
    k: 1,
    macs: 0,
    inputs: values,
    outputs: values,
    count,
    parameters,
  };
}

/** Convolutional networks, layer by layer. Sides are of square images. */
export class Convolutions {
  /** @type {Layer[]} */
  layers = [];

  /**
   * @param {number} batch
   * @param {number} side
   * @param {number} channels
   */
  constructor(batch, side, channels) {
    Object.assign(this, { batch, side, channels });
    /** @type {number} */ this.batch;
    /** @type {number} */ this.side;
    /** @type {number} */ this.channels;
  }

  /**
   * A convolution with its norm. `from` names where it reads, when that is not the layer before: a side and channels.
   *
   * @param {string} name
   * @param {number} outputs
   * @param {number} kernel
   * @param {{stride?: number, groups?: number, norm?: boolean, padding?: number, width?: number, from?: {side: number, channels: number}}} [more]
   */
  conv(name, outputs, kernel, { stride = 1, groups = 1, norm = true, padding, width = kernel, from } = {}) {
    const { side, channels } = from ?? this;
    const pad = padding ?? (kernel - 1) / 2;
    const out = Math.floor((side + 2 * pad - kernel) / stride) + 1;
    const m = this.batch * out * out;
    const k = (channels / groups) * kernel * width;
    const weights = outputs * k;
    this.layers.push({
      ...NONE,
      name,
      op: groups === channels && groups > 1 ? "depthwise" : "conv2d",
      m,
      n: outputs,
      k,
      macs: m * outputs * k,
      weights,
      inputs: this.batch * side * side * channels,
      outputs: m * outputs,
      parameters: weights + (norm ? 2 * outputs : outputs),
      ...(kernel === 3 && width === 3 && stride === 1 && groups === 1 && { winograd: true }),
    });
    if (!from) Object.assign(this, { side: out, channels: outputs });
    return this;
  }

  /** Pooling: only the side changes. */
  pool(stride, kernel = stride, padding = 0) {
    this.side = Math.floor((this.side + 2 * padding - kernel) / stride) + 1;
    return this;
  }

  /** A linear layer; before it the image is averaged to one value a channel, unless `flat`. */
  linear(name, outputs, { flat = false } = {}) {
    const inputs = flat ? this.channels * this.side * this.side : this.channels;
    this.layers.push(linear(name, this.batch, outputs, inputs, { bias: true }));
    Object.assign(this, { side: 1, channels: outputs });
    return this;
  }
}

/**
 * A transformer's sizes.
 *
 * @typedef {object} Transformer
 * @property {number} layers
 * @property {number} width
 * @property {number} heads
 * @property {number} kv_heads
 * @property {number} head_size
 * @property {number} hidden of the feed-forward layers
 * @property {boolean} gated two matrices into the hidden layer, not one
 * @property {boolean} bias
 * @property {number} vocabulary
 * @property {number} positions learned ones; 0 for rotary
 * @property {number} segments of input, with an embedding each
 * @property {boolean} tied whether the head is the embedding
 * @property {boolean} decoder whether it writes: causal attention and a head
 * @property {number} norm_values of a norm: 1 × or 2 × width
 */

/** Kernels of a block that are no products: norms, rotations, activation, sums. */
const ELEMENTWISE = 4;

/**
 * A transformer that reads `m` positions of `batch` sequences, each looking at `context` positions.
 *
 * @param {Transformer} net
 * @param {{batch: number, rows: number, context: number, decode: boolean}} shape `rows` new positions of a sequence
 * @returns {Layer[]}
 */
export function transformer(net, { batch, rows, context, decode }) {
  const { layers: count, width, bias } = net;
  const [q, kv] = [net.heads * net.head_size, net.kv_heads * net.head_size];
  const m = batch * rows;
  const norm = net.norm_values * width;
  const more = { count, bias };
  // A prefill's position sees those before it: half of them on average.
  const seen = decode ? context : net.decoder ? (rows + 1) / 2 : rows;
  const layers = [
    linear("qkv", m, q + 2 * kv, width, more),
    attention("attention", { m, context: seen, width: q, cached: 2 * kv * batch * (decode ? context : rows), count }),
    linear("out", m, width, q, more),
    linear("up", m, (net.gated ? 2 : 1) * net.hidden, width, more),
    linear("down", m, width, net.hidden, more),
    elementwise("others", m * width, count * ELEMENTWISE),
  ];
  // Only the last position of each sequence is asked for.
  if (net.decoder)
    layers.push(
      linear("head", batch, net.vocabulary, width, { head: true, parameters: net.tied ? 0 : net.vocabulary * width }),
    );
  const embeddings = (net.vocabulary + net.positions + net.segments) * width;
  const norms = 2 * count * norm + norm;
  layers.push(elementwise("embedding", m * width, 1, embeddings + norms));
  return layers;
}
