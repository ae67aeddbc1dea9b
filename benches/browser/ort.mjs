// onnxruntime-web: sessions of one thread on models made from our graphs.
import { folded, readGraph } from "./graph.mjs";
import { model, tensor } from "./onnx.mjs";

const FOLDER = "/node_modules/onnxruntime-web/dist/";
let ort;

export async function loadOrt() {
  ort = await import(`${FOLDER}ort.wasm.min.mjs`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = FOLDER;
  ort.env.logLevel = "error";
}

const session = (bytes) =>
  ort.InferenceSession.create(bytes, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
  });

const dimsOf = (batch, layer) => [batch, ...layer.output];
const f32 = (name, dims) => ({ name, type: "f32", dims });

/** The nodes of one layer, from `inputs` to `output`; weights under the names that `weights` gives. */
function nodesOf(layer, inputs, output, weights) {
  const { op, window } = layer;
  const [x] = inputs;
  if (op === "linear") return [{ op: "Gemm", inputs: [x, ...weights], outputs: [output], attributes: { transB: 1 } }];
  if (op === "conv2d") {
    const { kernel, stride, padding, groups } = window;
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
      group: groups,
    };
    return [{ op: "Conv", inputs: [x, ...weights], outputs: [output], attributes }];
  }
  if (op === "max_pool2d") {
    const attributes = { kernel_shape: [window.kernel, window.kernel], strides: [window.stride, window.stride] };
    return [{ op: "MaxPool", inputs, outputs: [output], attributes }];
  }
  if (op === "relu") return [{ op: "Relu", inputs, outputs: [output] }];
  if (op === "add") return [{ op: "Add", inputs, outputs: [output] }];
  if (op === "flatten") return [{ op: "Flatten", inputs, outputs: [output] }];
  if (op === "global_avg_pool") {
    const pooled = `${output}-pooled`;
    return [
      { op: "GlobalAveragePool", inputs, outputs: [pooled] },
      { op: "Flatten", inputs: [pooled], outputs: [output] },
    ];
  }
  throw new Error(`no ONNX form of ${op}`);
}

/** The f32 model; with `everything`, every value is an output, to see its range. */
function floatModel(layers, about, everything) {
  const nodes = [];
  const initializers = [];
  for (const layer of layers) {
    const weights = layer.parameters.map(([name]) => `${layer.id}-${name}`);
    for (const [name, dims] of layer.parameters) {
      initializers.push(tensor(`${layer.id}-${name}`, "f32", dims, layer.values[name]));
    }
    const raw = layer.relu ? `${layer.id}-raw` : layer.id;
    nodes.push(...nodesOf(layer, layer.inputs, raw, weights));
    if (layer.relu) nodes.push({ op: "Relu", inputs: [raw], outputs: [layer.id] });
  }
  const seen = everything ? layers : layers.slice(-1);
  return model({
    nodes,
    initializers,
    inputs: [f32("v0", [about.batch, ...about.input])],
    outputs: seen.map((layer) => f32(layer.id, dimsOf(about.batch, layer))),
  });
}

/** Least and greatest value of every tensor, from the float model on the same inputs. */
async function ranges(layers, about, input) {
  const float = await session(floatModel(layers, about, true));
  const found = await float.run({ v0: new ort.Tensor("float32", input, [about.batch, ...about.input]) });
  await float.release();
  const range = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [0, 0]);
  const all = new Map([["v0", range(input)]]);
  for (const [name, value] of Object.entries(found)) all.set(name, range(value.data));
  return all;
}

/** As onnxruntime's static quantizer writes it: QDQ, inputs u8 by tensor, weights s8 by output channel, biases s32. */
function integerModel(layers, about, range) {
  const nodes = [];
  const initializers = [];
  const grids = new Map();
  const grid = (value) => {
    if (grids.has(value)) return grids.get(value);
    const [low, high] = range.get(value);
    const scale = Math.fround((high - low) / 255 || 1);
    const zero = Math.round(-low / scale);
    initializers.push(tensor(`${value}-scale`, "f32", [], Float32Array.of(scale)));
    initializers.push(tensor(`${value}-zero`, "u8", [], Uint8Array.of(zero)));
    grids.set(value, scale);
    return scale;
  };
  /** Value rounded to its grid: Q and DQ after it, once. */
  const quantized = (value, as = value) => {
    grid(as);
    const result = `${value}-dq`;
    if (!nodes.some((node) => node.outputs[0] === result)) {
      nodes.push({ op: "QuantizeLinear", inputs: [value, `${as}-scale`, `${as}-zero`], outputs: [`${value}-q`] });
      nodes.push({ op: "DequantizeLinear", inputs: [`${value}-q`, `${as}-scale`, `${as}-zero`], outputs: [result] });
    }
    return result;
  };
  // Pooling by maximum and flattening keep their input's grid.
  const gridOf = new Map([["v0", "v0"]]);
  for (const layer of layers) {
    const [from] = layer.inputs;
    const keeps = layer.op === "max_pool2d" || layer.op === "flatten";
    gridOf.set(layer.id, keeps ? gridOf.get(from) : layer.id);
    const inputs = layer.inputs.map((value) => quantized(value, gridOf.get(value)));
    const weights = [];
    if (layer.parameters.length > 0) {
      const dims = layer.parameters[0][1];
      const { weight, bias } = layer.values;
      const taps = weight.length / dims[0];
      const scales = Float32Array.from({ length: dims[0] }, (_, row) => {
        const most = weight.subarray(row * taps, (row + 1) * taps).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        return most / 127 || 1;
      });
      const codes = Int8Array.from(weight, (v, i) => Math.round(v / scales[Math.floor(i / taps)]));
      const biasScales = scales.map((scale) => scale * grid(gridOf.get(from)));
      const biases = Int32Array.from(bias, (v, row) => Math.round(v / biasScales[row]));
      const name = layer.id;
      initializers.push(
        tensor(`${name}-w`, "i8", dims, codes),
        tensor(`${name}-ws`, "f32", [dims[0]], scales),
        tensor(`${name}-wz`, "i8", [dims[0]], new Int8Array(dims[0])),
        tensor(`${name}-b`, "i32", [dims[0]], biases),
        tensor(`${name}-bs`, "f32", [dims[0]], biasScales),
        tensor(`${name}-bz`, "i32", [dims[0]], new Int32Array(dims[0])),
      );
      const attributes = { axis: 0 };
      nodes.push({
        op: "DequantizeLinear",
        inputs: [`${name}-w`, `${name}-ws`, `${name}-wz`],
        outputs: [`${name}-wd`],
        attributes,
      });
      nodes.push({
        op: "DequantizeLinear",
        inputs: [`${name}-b`, `${name}-bs`, `${name}-bz`],
        outputs: [`${name}-bd`],
        attributes,
      });
      weights.push(`${name}-wd`, `${name}-bd`);
    }
    const raw = layer.relu ? `${layer.id}-raw` : layer.id;
    nodes.push(...nodesOf(layer, inputs, raw, weights));
    if (layer.relu) nodes.push({ op: "Relu", inputs: [raw], outputs: [layer.id] });
  }
  const last = layers[layers.length - 1];
  const result = quantized(last.id);
  return model({
    nodes,
    initializers,
    inputs: [f32("v0", [about.batch, ...about.input])],
    outputs: [f32(result, dimsOf(about.batch, last))],
  });
}

/** A session of one input and one output as a contender. It makes a new array for each answer: it does not write to one that it is given. */
async function contender(name, bytes, type, input, dims) {
  const made = await session(bytes);
  const [output] = made.outputNames;
  return {
    name,
    call: async () => (await made.run({ v0: new ort.Tensor(type, input, dims) }))[output].data,
    free: () => made.release(),
  };
}

export async function ortFloat(workload) {
  const about = workload.describe();
  const bytes = floatModel(folded(readGraph(workload)), about, false);
  return contender("onnxruntime-web", bytes, "float32", workload.input(), [about.batch, ...about.input]);
}

export async function ortInteger(workload) {
  const about = workload.describe();
  const layers = folded(readGraph(workload));
  const input = workload.input();
  const bytes = integerModel(layers, about, await ranges(layers, about, input));
  return contender("onnxruntime-web (QDQ)", bytes, "float32", input, [about.batch, ...about.input]);
}

/**
 * One MatMulInteger of u8 and s8 to s32: its fastest form, which is spared the rounding of f32 inputs and the scaling of sums
 * that ours does. `call` answers whole numbers; `finish` scales them, outside the time.
 */
export async function ortProduct(workload) {
  const {
    batch,
    outputs,
    input: [k],
  } = workload.describe();
  const [layer] = workload.layers();
  const [scale, low, high] = layer.grid;
  const zero = workload.input().some((v) => v < 0) ? 128 : 0;
  const levels = workload.levels(0);
  const scales = workload.scales(0);
  const bias = workload.parameter(1);
  const turned = new Int8Array(k * outputs);
  for (let row = 0; row < outputs; row++) for (let i = 0; i < k; i++) turned[i * outputs + row] = levels[row * k + i];
  const codes = Uint8Array.from(workload.input(), (v) => Math.min(high, Math.max(low, Math.round(v / scale))) + zero);
  const bytes = model({
    nodes: [
      { op: "MatMulInteger", inputs: ["v0", "w", "zero"], outputs: ["sums"] },
      { op: "Cast", inputs: ["sums"], outputs: ["whole"], attributes: { to: 1 } },
      { op: "Mul", inputs: ["whole", "scale"], outputs: ["product"] },
      { op: "Add", inputs: ["product", "bias"], outputs: ["v1"] },
    ],
    initializers: [
      tensor("w", "i8", [k, outputs], turned),
      tensor("zero", "u8", [], Uint8Array.of(zero)),
      tensor(
        "scale",
        "f32",
        [outputs],
        Float32Array.from(scales, (each) => each * scale),
      ),
      tensor("bias", "f32", [outputs], bias),
    ],
    inputs: [{ name: "v0", type: "u8", dims: [batch, k] }],
    outputs: [{ name: "v1", type: "f32", dims: [batch, outputs] }],
  });
  const name = "onnxruntime-web (MatMulInteger, Cast, Mul, Add; u8 in)";
  return contender(name, bytes, "uint8", codes, [batch, k]);
}
