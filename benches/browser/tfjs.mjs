// TensorFlow.js: its WebAssembly backend with one thread for inference, its plain JavaScript backend for training. Tensors are
// NHWC, as it wants them; our weights are turned once.
import { folded, readGraph } from "./graph.mjs";

const FOLDER = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/";
let tf;

export async function loadTfjs() {
  tf = await import("/target/bench/tfjs.mjs");
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.setWasmPaths(FOLDER);
  await tf.setBackend("wasm");
  await tf.ready();
  if (tf.getBackend() !== "wasm") throw new Error("TensorFlow.js did not start its wasm backend");
}

/** `[out][in][y][x]` to `[y][x][in][out]`. */
function kernelOf(weight, [outs, ins, height, width]) {
  const turned = new Float32Array(weight.length);
  let from = 0;
  for (let o = 0; o < outs; o++)
    for (let i = 0; i < ins; i++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) turned[((y * width + x) * ins + i) * outs + o] = weight[from++];
  return tf.tensor4d(turned, [height, width, ins, outs]);
}

/** `[out][c·h·w]` to `[h·w·c][out]`, where the input was flattened from `[c, h, w]`. */
function matrixOf(weight, [outs, ins], [c, h, w]) {
  const turned = new Float32Array(weight.length);
  for (let o = 0; o < outs; o++)
    for (let i = 0; i < ins; i++) {
      const at = (i % (h * w)) * c + Math.floor(i / (h * w));
      turned[at * outs + o] = weight[o * ins + i];
    }
  return tf.tensor2d(turned, [ins, outs]);
}

/** Images of `[c, h, w]` to NHWC. */
function channelsLast(values, batch, dims) {
  if (dims.length === 1) return values;
  const [c, h, w] = dims;
  const turned = new Float32Array(values.length);
  for (let n = 0; n < batch; n++)
    for (let i = 0; i < c; i++)
      for (let at = 0; at < h * w; at++) turned[(n * h * w + at) * c + i] = values[(n * c + i) * h * w + at];
  return turned;
}

function shapesOf(layers, about) {
  const shapes = new Map([["v0", about.input]]);
  for (const layer of layers) shapes.set(layer.id, layer.output);
  return shapes;
}

export async function tfjsFloat(workload) {
  const about = workload.describe();
  const layers = folded(readGraph(workload));
  const shapes = shapesOf(layers, about);
  const unflattened = new Map();
  const kept = [];
  const steps = layers.map((layer) => {
    const [from] = layer.inputs;
    const { window } = layer;
    const activation = layer.relu ? "relu" : "linear";
    if (layer.op === "flatten") unflattened.set(layer.id, shapes.get(from));
    if (layer.op === "conv2d") {
      const filter = kernelOf(layer.values.weight, layer.parameters[0][1]);
      const bias = tf.tensor1d(layer.values.bias);
      kept.push(filter, bias);
      const fixed = { filter, bias, activation, strides: window.stride, pad: window.padding, dimRoundingMode: "floor" };
      return (at) => tf.fused.conv2d({ x: at(from), ...fixed });
    }
    if (layer.op === "linear") {
      const b = matrixOf(
        layer.values.weight,
        layer.parameters[0][1],
        unflattened.get(from) ?? [1, 1, shapes.get(from)[0]],
      );
      const bias = tf.tensor1d(layer.values.bias);
      kept.push(b, bias);
      return (at) => tf.fused.matMul({ a: at(from), b, bias, activation });
    }
    if (layer.op === "max_pool2d") return (at) => tf.maxPool(at(from), window.kernel, window.stride, "valid");
    if (layer.op === "flatten") return (at) => tf.reshape(at(from), [about.batch, shapes.get(layer.id)[0]]);
    if (layer.op === "relu") return (at) => tf.relu(at(from));
    if (layer.op === "global_avg_pool") return (at) => tf.mean(at(from), [1, 2]);
    if (layer.op === "add") {
      const [a, b] = layer.inputs;
      return layer.relu ? (at) => tf.relu(tf.add(at(a), at(b))) : (at) => tf.add(at(a), at(b));
    }
    throw new Error(`no TensorFlow.js form of ${layer.op}`);
  });
  const input = channelsLast(workload.input(), about.batch, about.input);
  const dims = about.input.length === 1 ? about.input : [about.input[1], about.input[2], about.input[0]];
  const forward = () => {
    const values = new Map([["v0", tf.tensor(input, [about.batch, ...dims])]]);
    const at = (name) => values.get(name);
    let last;
    layers.forEach((layer, i) => {
      last = steps[i](at);
      values.set(layer.id, last);
    });
    return last.dataSync();
  };
  return {
    name: "tfjs-wasm",
    call: () => tf.tidy(forward),
    free: () => {
      for (const each of kept) each.dispose();
    },
  };
}

/** One step of training LeNet-5 with Adam on the plain JavaScript backend; answers the loss. */
export async function tfjsTraining(workload, batch) {
  await tf.setBackend("cpu");
  const layers = folded(readGraph(workload));
  const weights = layers
    .filter((layer) => layer.parameters.length > 0)
    .map(({ op, name, values, parameters: [[, dims]] }) => {
      const filter =
        op === "conv2d"
          ? kernelOf(values.weight, dims)
          : matrixOf(values.weight, dims, name === "fc1" ? [16, 5, 5] : [1, 1, dims[1]]);
      return { filter: tf.variable(filter), bias: tf.variable(tf.tensor1d(values.bias)) };
    });
  const x = tf.tensor4d(workload.input(), [batch, 28, 28, 1]);
  const classes = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const y = tf.cast(tf.oneHot(tf.tensor1d(classes, "int32"), 10), "float32");
  const [c1, c2, f1, f2, f3] = weights;
  const dense = (v, { filter, bias }) => tf.add(tf.matMul(v, filter), bias);
  const loss = () => {
    let v = tf.maxPool(tf.relu(tf.add(tf.conv2d(x, c1.filter, 1, "same"), c1.bias)), 2, 2, "valid");
    v = tf.maxPool(tf.relu(tf.add(tf.conv2d(v, c2.filter, 1, "valid"), c2.bias)), 2, 2, "valid");
    v = tf.relu(dense(tf.relu(dense(tf.reshape(v, [batch, 400]), f1)), f2));
    return tf.losses.softmaxCrossEntropy(y, dense(v, f3));
  };
  const optimizer = tf.train.adam(0.001);
  return {
    name: "tfjs-cpu",
    step: () => tf.tidy(() => optimizer.minimize(loss, true).dataSync()[0]),
    free: async () => {
      tf.disposeVariables();
      x.dispose();
      y.dispose();
      optimizer.dispose();
      await tf.setBackend("wasm");
    },
  };
}
