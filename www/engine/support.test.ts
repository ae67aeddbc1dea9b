import { expect, test } from "vitest";
import { missingFeature } from "./support";

test("an engine with SIMD is taken, one without is named", () => {
  expect(missingFeature((bytes) => WebAssembly.validate(bytes))).toBeNull();
  // The same module without the vector type is what an older engine would see as invalid.
  expect(missingFeature((bytes) => WebAssembly.validate(bytes) && !bytes.includes(0x7b))).toBe("WebAssembly SIMD");
});
