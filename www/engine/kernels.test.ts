import { expect, test } from "vitest";
import { chooseKernel } from "./kernels";

/** An engine whose kernels take so many milliseconds, and a clock that only they move. */
function engine(costs: Record<string, number>) {
  let clock = 0;
  const seen = { used: "", freed: 0, runs: 0 };
  class KernelTrial {
    constructor(private readonly name: string) {}
    run = () => {
      seen.runs++;
      clock += costs[this.name] ?? 0;
      return 0;
    };
    free = () => {
      seen.freed++;
    };
  }
  const bindings = {
    KernelTrial,
    kernels: () => Object.keys(costs),
    useKernel: (name: string) => {
      seen.used = name;
    },
  };
  return { bindings, seen, now: () => clock };
}

test.each([
  [{ pairs: 0.2, quads: 0.1 }, "quads"],
  [{ pairs: 0.1, quads: 0.3 }, "pairs"],
  [{ pairs: 0.1, quads: 0.1 }, "pairs"],
])("the faster kernel is used: %o", (costs, fastest) => {
  const { bindings, seen, now } = engine(costs);
  expect(chooseKernel(bindings, now)).toBe(fastest);
  expect(seen.used).toBe(fastest);
  expect(seen.freed).toBe(2);
  expect(now()).toBeLessThan(40);
});

test("where there is no choice nothing is timed, and a clock that stands still ends it too", () => {
  const single = engine({ pairs: 1 });
  expect(chooseKernel(single.bindings, single.now)).toBe("pairs");
  expect(single.seen.runs).toBe(0);
  const still = engine({ pairs: 0, quads: 0 });
  expect(chooseKernel(still.bindings, still.now)).toBe("pairs");
});
