// Just enough of ONNX's protobuf to write a model: what onnxruntime is given is made from our own graphs and weights.

const text = new TextEncoder();

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function join(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const number = (field, value) => join([varint(field << 3), varint(value)]);
const bytes = (field, value) => join([varint((field << 3) | 2), varint(value.length), value]);
const string = (field, value) => bytes(field, text.encode(value));
const message = (field, ...parts) => bytes(field, join(parts));

/** Element types of TensorProto. */
export const TYPES = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7 };

/** An initializer: `values` is a typed array of the matching kind. */
export function tensor(name, type, dims, values) {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return [...dims.map((dim) => number(1, dim)), number(2, TYPES[type]), string(8, name), bytes(9, raw)];
}

function attribute([name, value]) {
  const body = Array.isArray(value)
    ? [...value.map((each) => number(8, each)), number(20, 7)]
    : [number(3, value), number(20, 2)];
  return message(5, string(1, name), ...body);
}

function node({ op, inputs, outputs, attributes = {}, domain = "" }) {
  const wired = [...inputs.map((name) => string(1, name)), ...outputs.map((name) => string(2, name))];
  const rest = [string(3, outputs[0]), string(4, op), ...Object.entries(attributes).map(attribute)];
  return message(1, ...wired, ...rest, ...(domain === "" ? [] : [string(7, domain)]));
}

function port(field, { name, type, dims }) {
  const shape = message(2, ...dims.map((dim) => message(1, number(1, dim))));
  return message(field, string(1, name), message(2, message(1, number(1, TYPES[type]), shape)));
}

/** The bytes of a model. */
export function model({ nodes, initializers, inputs, outputs }) {
  const graph = [
    ...nodes.map(node),
    string(2, "featherweight"),
    ...initializers.map((parts) => message(5, ...parts)),
    ...inputs.map((each) => port(11, each)),
    ...outputs.map((each) => port(12, each)),
  ];
  return join([number(1, 8), message(7, ...graph), message(8, string(1, ""), number(2, 17))]);
}
