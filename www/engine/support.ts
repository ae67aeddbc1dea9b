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
