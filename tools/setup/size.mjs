// The size gate: what a visitor downloads of the engine, as a static host with Brotli sends it.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";
import { bound, relaxedBound } from "./steps.mjs";

// More than the 350 KB that were meant for every method: see "Tests" in docs/ARCHITECTURE.md.
export const LIMIT_BYTES = 416 * 1024;

/** Bytes of the engine under Brotli at its best: the larger of its two builds, of which a visitor gets one. */
export function engineBytes() {
  const [wasm] = [bound, relaxedBound].map((path) => readFileSync(path)).sort((a, b) => b.length - a.length);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: wasm.length };
  return { raw: wasm.length, brotli: brotliCompressSync(wasm, { params }).length };
}
