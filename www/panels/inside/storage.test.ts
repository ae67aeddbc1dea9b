import { describe, expect, it } from "vitest";
import { smallest, ways } from "./storage";

const NONE = { dense: 400, bitmask: undefined, csr5: undefined, nm: undefined, block: undefined, deflate: 30 };

describe("ways to store", () => {
  it("are those that can hold a tensor, and the smallest is the first of equals; DEFLATE is none of them", () => {
    expect(ways(NONE)).toEqual([{ id: "dense", bytes: 400 }]);
    // The engine's JSON has null where a way can hold nothing.
    expect(ways({ ...NONE, nm: null as unknown as undefined })).toHaveLength(1);
    const all = ways({ ...NONE, bitmask: 120, csr5: 90, block: 90 });
    expect(all.map(({ id }) => id)).toEqual(["dense", "bitmask", "csr5", "block"]);
    expect(smallest(all)?.id).toBe("csr5");
    expect(smallest([])).toBeUndefined();
  });
});
