import { expect, test } from "vitest";
import { hasRelaxedSimd, missingFeature } from "./support";

test("an engine with SIMD is taken, one without is named", () => {
  expect(missingFeature((bytes) => WebAssembly.validate(bytes))).toBeNull();
  // The same module without the vector type is what an older engine would see as invalid.
  expect(missingFeature((bytes) => WebAssembly.validate(bytes) && !bytes.includes(0x7b))).toBe("WebAssembly SIMD");
});

test("the module that asks for relaxed SIMD is sound: what lacks it refuses just that instruction", () => {
  let asked: Uint8Array<ArrayBuffer> | undefined;
  hasRelaxedSimd((bytes) => {
    asked = bytes;
    return true;
  });
  if (asked === undefined) throw new Error("nothing was validated");
  // v128.bitselect takes three vectors too, and its number fits the same two bytes.
  const bytes = Uint8Array.from(asked);
  bytes.set([0xd2, 0x00], bytes.length - 3);
  expect(WebAssembly.validate(bytes)).toBe(true);
});
