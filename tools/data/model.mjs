// The image model of coding 1 of the FWS1 format: which adaptive probability each binary decision
// about a pixel uses. src/data/shard.rs holds the same model; the format is described in
// data/README.md. All arithmetic is on integers.

/** Rising limits of the activity levels: level = how many of them the activity exceeds. */
const ACTIVITY = [0, 3, 7, 12, 18, 25, 34, 45, 60, 80, 110, 150, 210, 300, 420];
/** Limits for the distance between the prediction and the mirrored pixel. */
const MIRROR = [2, 6, 14, 30, 60];
/** Limits for the room between the prediction and the end of the value range. */
const ROOM = [2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192];

// One table of adaptive probabilities, in four parts.
const ZERO = 0; // is the pixel 0:        7 neighbour flags x 8 activities
const SIGN = ZERO + 128 * 8; // below the prediction: 16 activities x 64 predictions x 12 mirror levels
const CLASS = SIGN + 16 * 64 * 12; // size of the step, in bits:  16 activities x 12 rooms x 2 signs x 9
const DIGIT = CLASS + 16 * 12 * 2 * 9; // its lower bits: 9 sizes x 256 prefixes x 2 signs x 4 activities
export const CONTEXTS = DIGIT + 9 * 256 * 2 * 4;

/** Probability of a 1 in 1/65536, and how many bits it has seen. */
export const START = 1 << 15;
const MEMORY = 250;
const RATE = Int32Array.from({ length: MEMORY + 1 }, (_, n) => Math.floor((32768 * 5) / (5 * n + 8)));

function level(value, limits) {
  let n = 0;
  while (n < limits.length && value > limits[n]) n++;
  return n;
}

/**
 * Walks every pixel of `planes` planes of `height` x `width` in raster order. `coder.bit(p, bit)` codes
 * one decision with the probability p of a 1 and returns it: an encoder gets the bit, a decoder gets
 * undefined and finds it out. `pixels` is read when encoding and filled when decoding.
 */
export function walk({ planes, height, width, max }, pixels, coder, decoding) {
  const p = new Uint16Array(CONTEXTS).fill(START);
  const seen = new Uint8Array(CONTEXTS);
  const bit = (context, wanted) => {
    const now = p[context];
    const got = coder.bit(Math.min(Math.max(now, 64), 65536 - 64), wanted);
    p[context] = now + ((((got ? 65535 : 0) - now) * RATE[seen[context]]) >> 15);
    if (seen[context] < MEMORY) seen[context]++;
    return got;
  };

  // A border of zeros, two wide, stands for what is outside the plane.
  const stride = width + 4;
  const v = new Uint8Array((height + 2) * stride);
  const off = new Int32Array((height + 2) * stride); // distance of each pixel from its prediction
  const { abs, min } = Math;

  for (let plane = 0, at = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        const i = (y + 2) * stride + x + 2;
        const w = v[i - 1];
        const ww = v[i - 2];
        const n = v[i - stride];
        const nw = v[i - stride - 1];
        const ne = v[i - stride + 1];
        const nn = v[i - 2 * stride];
        const nne = v[i - 2 * stride + 1];
        // The pixel opposite, from this row when it is known and from the row above when not.
        const mirror = v[i + width - 1 - 2 * x - (2 * x >= width ? 0 : stride)];

        const across = abs(w - ww) + abs(n - nw) + abs(n - ne);
        const down = abs(w - nw) + abs(n - nn) + abs(ne - nne);
        let guess = ((w + n) >> 1) + ((ne - nw) >> 2);
        if (down - across > 80) guess = w;
        else if (across - down > 80) guess = n;
        else if (down - across > 32) guess = (guess + w) >> 1;
        else if (across - down > 32) guess = (guess + n) >> 1;
        guess = min(Math.max(guess, 0), max);

        const activity = level(across + down + 2 * abs(off[i - 1]) + abs(off[i - stride]), ACTIVITY);
        const zeros =
          (w === 0 ? 1 : 0) |
          (n === 0 ? 2 : 0) |
          (ne === 0 ? 4 : 0) |
          (nw === 0 ? 8 : 0) |
          (ww === 0 ? 16 : 0) |
          (nn === 0 ? 32 : 0) |
          (mirror === 0 ? 64 : 0);

        const value = decoding ? 0 : pixels[at];
        if (bit(ZERO + zeros * 8 + (activity >> 1), value === 0 ? 1 : 0)) {
          v[i] = 0;
          off[i] = 0;
          if (decoding) pixels[at] = 0;
          continue;
        }
        const side = level(abs(mirror - guess), MIRROR) + (mirror < guess ? 6 : 0);
        const below = bit(SIGN + (activity * 64 + (guess >> 2)) * 12 + side, value < guess ? 1 : 0);
        // The step is at least 1: from the prediction down, or from one below it up.
        const step = below ? guess - value : value - guess + 1;
        const room = level(below ? guess : 256 - guess, ROOM);
        const size = 31 - Math.clz32(step);
        let bits = 0;
        while (bits < 8 && !bit(CLASS + ((activity * 12 + room) * 2 + below) * 9 + bits, bits === size ? 1 : 0)) bits++;
        let found = 1;
        for (let k = bits - 1; k >= 0; k--) {
          found = (found << 1) | bit(DIGIT + ((bits * 256 + found) * 2 + below) * 4 + (activity >> 2), (step >> k) & 1);
        }
        const result = below ? guess - found : guess + found - 1;
        if (decoding) {
          if (result < 1 || result > max) throw new Error(`pixel ${at} is ${result}; allowed: 1 to ${max}`);
          pixels[at] = result;
        }
        v[i] = result;
        off[i] = result - guess;
      }
    }
  }
}
