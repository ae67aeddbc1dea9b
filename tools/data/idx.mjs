// IDX, the format of MNIST and Fashion-MNIST: two zero bytes, the element type (8 is unsigned byte),
// the number of dimensions, the dimensions as big-endian u32, then the elements.

/** Parses an IDX file of unsigned bytes. */
export function parseIdx(bytes, name) {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (file.length < 4 || file.readUInt16BE(0) !== 0 || file[2] !== 8)
    throw new Error(`${name}: not an IDX file of bytes`);
  const rank = file[3];
  if (file.length < 4 + 4 * rank) throw new Error(`${name}: header cut short`);
  const dims = Array.from({ length: rank }, (_, i) => file.readUInt32BE(4 + 4 * i));
  const wanted = dims.reduce((product, d) => product * d, 1);
  const data = file.subarray(4 + 4 * rank);
  if (data.length !== wanted) throw new Error(`${name}: ${data.length} elements, header says ${wanted}`);
  return { dims, data };
}
