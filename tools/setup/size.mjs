// The size gate: what a visitor downloads of the engine, as a static host with Brotli sends it.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";
import { bound } from "./steps.mjs";

export const LIMIT_BYTES = 350 * 1024;

/** Bytes of the engine under Brotli at its best. */
export function engineBytes() {
  const wasm = readFileSync(bound);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: wasm.length };
  return { raw: wasm.length, brotli: brotliCompressSync(wasm, { params }).length };
}
