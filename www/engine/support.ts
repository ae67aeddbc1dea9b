/** Whether this browser has what the engine is compiled for. */

/** A module of one function that splats and counts bits in a 128-bit vector: valid only where there is WebAssembly SIMD. */
const SIMD_MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // type: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // function 0 has type 0
  ...[0x0a, 0x0a, 0x01, 0x08, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x62, 0x0b], // i32.const 0, i8x16.splat, i8x16.popcnt
);

/** What is missing, or null. */
export function missingFeature(validate: (bytes: Uint8Array<ArrayBuffer>) => boolean): string | null {
  return validate(SIMD_MODULE) ? null : "WebAssembly SIMD";
}

/** A module of one function with a relaxed dot product: valid only where there is relaxed SIMD, which the faster build is for. */
const RELAXED_MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b], // type: () -> v128
  ...[0x03, 0x02, 0x01, 0x00], // function 0 has type 0
  ...[0x0a, 0x13, 0x01, 0x11, 0x00], // one body of 17 bytes, no locals
  ...[0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f], // three times i32.const 0, i8x16.splat
  ...[0xfd, 0x93, 0x02, 0x0b], // i32x4.relaxed_dot_i8x16_i7x16_add_s
);

/** Whether the engine's relaxed build runs here. */
export function hasRelaxedSimd(validate: (bytes: Uint8Array<ArrayBuffer>) => boolean): boolean {
  return validate(RELAXED_MODULE);
}
