// An exported network of int8 weights and int8 inputs as an ONNX graph of QuantizeLinear and DequantizeLinear: the form in which other
// runtimes take them. It is read from the exported file's bytes alone, not from the engine.
import { model, tensor } from "../../benches/browser/onnx.mjs";

/** Tensors of a safetensors file: shape and bytes. */
export function readTensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return new Map(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { dtype, shape, bytes: bytes.slice(8 + length + from, 8 + length + to) }],
    ),
  );
}

const f32 = ({ bytes }) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

/** Half to even, as QuantizeLinear rounds. */
function round(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/**
 * The model's bytes. Layers are in order: `name`, ONNX operator `op` with its `attributes`, the shape of the `weight` where there is one, and
 * `inputs`, names of layers before it ("x" is the network's input), which are the layer just before unless said.
 */
export function qdqModel(exported, layers, { input, classes }) {
  const tensors = readTensors(exported);
  const nodes = [];
  const initializers = [];
  let last = "x";
  const dequantize = (name, out, attributes) =>
    nodes.push({ op: "DequantizeLinear", inputs: [name, `${name}-s`, `${name}-z`], outputs: [out], attributes });
  for (const { name, op, attributes, weight, inputs = [last] } of layers) {
    let own = inputs;
    if (weight !== undefined) {
      const [rows] = weight;
      const scale = f32(tensors.get(`${name}.weight.scale`));
      const [inputScale] = f32(tensors.get(`${name}.input.scale`));
      const codes = new Int8Array(tensors.get(`${name}.weight`).bytes);
      const biasScale = scale.map((each) => each * inputScale);
      const bias = Int32Array.from(f32(tensors.get(`${name}.bias`)), (value, row) => round(value / biasScale[row]));
      initializers.push(
        tensor(`${name}-q-s`, "f32", [], Float32Array.of(inputScale)),
        tensor(`${name}-q-z`, "i8", [], new Int8Array(1)),
        tensor(`${name}-w`, "i8", weight, codes),
        tensor(`${name}-w-s`, "f32", [rows], scale),
        tensor(`${name}-w-z`, "i8", [rows], new Int8Array(rows)),
        tensor(`${name}-b`, "i32", [rows], bias),
        tensor(`${name}-b-s`, "f32", [rows], biasScale),
        tensor(`${name}-b-z`, "i32", [rows], new Int32Array(rows)),
      );
      nodes.push({ op: "QuantizeLinear", inputs: [inputs[0], `${name}-q-s`, `${name}-q-z`], outputs: [`${name}-q`] });
      dequantize(`${name}-q`, `${name}-x`);
      dequantize(`${name}-w`, `${name}-wd`, { axis: 0 });
      dequantize(`${name}-b`, `${name}-bd`, { axis: 0 });
      own = [`${name}-x`, `${name}-wd`, `${name}-bd`];
    }
    nodes.push({ op, inputs: own, outputs: [name], attributes });
    last = name;
  }
  return model({
    nodes,
    initializers,
    inputs: [{ name: "x", type: "f32", dims: input }],
    outputs: [{ name: last, type: "f32", dims: [input[0], classes] }],
  });
}
