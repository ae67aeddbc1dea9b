// FWS1: one shard of a packed image set. Layout, little-endian:
//   0  "FWS1"            8  u16 channels     16  u32 images
//   4  u8 version = 1   10  u16 height       20  u32 bytes of coded pixels
//   5  u8 coding        12  u16 width        24  labels, one byte each
//   6  u8 largest value 14  u16 zero             coded pixels, to the end
//   7  u8 classes
// Coding 0 stores the pixels; coding 1 is the model of model.mjs under a binary range coder.
import { walk } from "./model.mjs";

export const STORED = 0;
export const MODELLED = 1;
const HEADER = 24;

class Encoder {
  low = 0; // below 2^33
  range = 0xffffffff;
  held = 0;
  pending = 1;
  out = [];

  bit(p, wanted) {
    const bound = Math.floor((this.range * p) / 65536);
    if (wanted) this.range = bound;
    else {
      this.low += bound;
      this.range -= bound;
    }
    while (this.range < 0x1000000) {
      this.range = (this.range * 256) % 0x100000000;
      this.shift();
    }
    return wanted;
  }

  // Hands on the top byte of low; a byte that a later carry could still change waits.
  shift() {
    if (this.low < 0xff000000 || this.low >= 0x100000000) {
      const carry = this.low >= 0x100000000 ? 1 : 0;
      this.out.push((this.held + carry) & 255);
      for (; this.pending > 1; this.pending--) this.out.push((255 + carry) & 255);
      this.pending = 0;
      this.held = Math.floor(this.low / 0x1000000) & 255;
    }
    this.pending++;
    this.low = (this.low % 0x1000000) * 256;
  }

  finish() {
    for (let i = 0; i < 5; i++) this.shift();
    return Uint8Array.from(this.out.slice(1)); // the first byte is always 0
  }
}

class Decoder {
  range = 0xffffffff;
  code = 0;
  at = 0;

  constructor(bytes) {
    this.bytes = bytes;
    for (let i = 0; i < 4; i++) this.code = this.code * 256 + this.next();
  }

  next() {
    if (this.at >= this.bytes.length) throw new Error(`coded pixels end after ${this.bytes.length} bytes`);
    return this.bytes[this.at++];
  }

  bit(p) {
    const bound = Math.floor((this.range * p) / 65536);
    const got = this.code < bound ? 1 : 0;
    if (got) this.range = bound;
    else {
      this.code -= bound;
      this.range -= bound;
    }
    while (this.range < 0x1000000) {
      this.range *= 256;
      this.code = this.code * 256 + this.next();
    }
    return got;
  }
}

/** Packs images: `labels` one byte each, `pixels` planar, `shape` [channels, height, width]. */
export function encode({ labels, pixels, shape, max, classes }, coding = MODELLED) {
  const [c, h, w] = shape;
  if (pixels.length !== labels.length * c * h * w) throw new Error("labels, shape and pixels disagree");
  for (const value of pixels) if (value > max) throw new Error(`pixel value ${value} above ${max}`);
  for (const label of labels) if (label >= classes) throw new Error(`label ${label} of ${classes} classes`);
  let coded = pixels;
  if (coding === MODELLED) {
    const coder = new Encoder();
    walk({ planes: labels.length * c, height: h, width: w, max }, pixels, coder, false);
    coded = coder.finish();
  }
  const out = Buffer.alloc(HEADER + labels.length + coded.length);
  out.write("FWS1", 0, "latin1");
  out.set([1, coding, max, classes], 4);
  out.writeUInt16LE(c, 8);
  out.writeUInt16LE(h, 10);
  out.writeUInt16LE(w, 12);
  out.writeUInt32LE(labels.length, 16);
  out.writeUInt32LE(coded.length, 20);
  out.set(labels, HEADER);
  out.set(coded, HEADER + labels.length);
  return out;
}

/** Unpacks a shard the packer wrote; the checked decoder for files from elsewhere is src/data/shard.rs. */
export function decode(bytes) {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (file.toString("latin1", 0, 4) !== "FWS1" || file[4] !== 1) throw new Error("not a shard of version 1");
  const [coding, max, classes] = file.subarray(5, 8);
  const shape = [file.readUInt16LE(8), file.readUInt16LE(10), file.readUInt16LE(12)];
  const count = file.readUInt32LE(16);
  const [c, h, w] = shape;
  const labels = new Uint8Array(file.subarray(HEADER, HEADER + count));
  const coded = file.subarray(HEADER + count);
  if (coded.length !== file.readUInt32LE(20)) throw new Error("length differs from the header");
  if (coding === STORED) return { labels, pixels: new Uint8Array(coded), shape, max, classes };
  const pixels = new Uint8Array(count * c * h * w);
  const coder = new Decoder(coded);
  walk({ planes: count * c, height: h, width: w, max }, pixels, coder, true);
  if (coder.at !== coded.length) throw new Error(`${coded.length - coder.at} bytes after the last pixel`);
  if (coder.code !== 0) throw new Error(`coded pixels end with remainder ${coder.code}, not 0`);
  return { labels, pixels, shape, max, classes };
}
