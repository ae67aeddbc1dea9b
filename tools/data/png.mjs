// Reads the PNG files CIFAR-10 comes in: 8 bits a channel, RGB or RGBA, not interlaced. Alpha is dropped.
import { inflateSync } from "node:zlib";

function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Undoes the filter of each row in place; rows keep their leading filter byte. */
function unfilter(rows, height, rowBytes, step) {
  const pitch = rowBytes + 1;
  for (let y = 0; y < height; y++) {
    const start = y * pitch + 1;
    const filter = rows[start - 1];
    if (filter > 4) throw new Error(`PNG row ${y} has filter ${filter}; allowed: 0 to 4`);
    for (let i = 0; i < rowBytes && filter > 0; i++) {
      const left = i >= step ? rows[start + i - step] : 0;
      const up = y > 0 ? rows[start + i - pitch] : 0;
      const corner = i >= step && y > 0 ? rows[start + i - pitch - step] : 0;
      let guess = paeth(left, up, corner);
      if (filter === 1) guess = left;
      else if (filter === 2) guess = up;
      else if (filter === 3) guess = (left + up) >> 1;
      rows[start + i] += guess; // modulo 256
    }
  }
}

/** Width, height and interleaved RGB bytes of a PNG. */
export function readPng(file) {
  if (file.readUInt32BE(0) !== 0x89504e47) throw new Error("not a PNG");
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  const [depth, colour, , , interlace] = file.subarray(24, 29);
  if (depth !== 8 || (colour !== 2 && colour !== 6) || interlace !== 0) {
    throw new Error(`PNG of depth ${depth}, colour type ${colour}, interlace ${interlace}; allowed: 8, 2 or 6, 0`);
  }
  const parts = [];
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const step = colour === 2 ? 3 : 4;
  const rows = inflateSync(Buffer.concat(parts));
  unfilter(rows, height, width * step, step);
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const from = i * step + Math.floor(i / width) + 1;
    rgb.set(rows.subarray(from, from + 3), i * 3);
  }
  return { width, height, rgb };
}
