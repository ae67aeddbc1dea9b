// Our graphs as other libraries would be given them: normalisation folded into the convolution before it.

/** Layers with their parameters read out; `first` is the index of a layer's first parameter. */
export function readGraph(workload) {
  let first = 0;
  return workload.layers().map((layer) => {
    const parameters = {};
    for (const [name] of layer.parameters) parameters[name] = workload.parameter(first++);
    return { ...layer, values: parameters };
  });
}

/** ε of our normalisation (src/ops/batch_norm.rs). */
const EPSILON = 1e-5;

function foldInto(conv, norm) {
  const { scale, bias, mean, variance } = norm.values;
  const weight = Float32Array.from(conv.values.weight);
  const shift = Float32Array.from(conv.values.bias);
  const taps = weight.length / scale.length;
  for (let row = 0; row < scale.length; row++) {
    const factor = scale[row] / Math.sqrt(variance[row] + EPSILON);
    for (let tap = 0; tap < taps; tap++) weight[row * taps + tap] *= factor;
    shift[row] = (shift[row] - mean[row]) * factor + bias[row];
  }
  return { ...conv, values: { weight, bias: shift } };
}

/**
 * Layers without batch norms and with `relu: true` on layers whose output a ReLU alone reads; `inputs` and `id` name values as
 * texts, "v0" the input.
 */
export function folded(layers) {
  const readers = (value) => layers.filter((layer) => layer.inputs.includes(value));
  const names = new Map([[0, "v0"]]);
  const out = [];
  const made = new Map();
  layers.forEach((layer, index) => {
    const value = index + 1;
    const [from] = layer.inputs;
    const before = made.get(names.get(from));
    const alone = readers(from).length === 1 && before !== undefined;
    if (layer.op === "batch_norm" && alone && before.op === "conv2d") {
      Object.assign(before, foldInto(before, layer), { output: layer.output });
      names.set(value, before.id);
      return;
    }
    if (layer.op === "relu" && alone && ["conv2d", "linear", "add"].includes(before.op) && !before.relu) {
      before.relu = true;
      names.set(value, before.id);
      return;
    }
    const id = `v${value}`;
    const copy = { ...layer, id, relu: false, inputs: layer.inputs.map((each) => names.get(each)) };
    names.set(value, id);
    made.set(id, copy);
    out.push(copy);
  });
  return out;
}
