// The one source of randomness of the packer: SplitMix64 (Steele, Lea and Flood 2014), so that every
// split and every order is the same on every machine and in every version of Node.

const MASK = (1n << 64n) - 1n;

/** A SplitMix64 stream; the returned function gives the next 64-bit word. */
export function splitMix64(seed) {
  let state = BigInt(seed) & MASK;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    return z ^ (z >> 31n);
  };
}

/**
 * A shuffled copy: Fisher-Yates from the last place down. The place to swap with is the high word of
 * the product of a 64-bit draw and the number of places.
 */
export function shuffled(items, seed) {
  const next = splitMix64(seed);
  const out = Array.from(items);
  for (let i = out.length - 1; i > 0; i--) {
    const j = Number((next() * BigInt(i + 1)) >> 64n);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
