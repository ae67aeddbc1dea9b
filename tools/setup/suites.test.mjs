import { expect, it } from "vitest";
import { filesNamed } from "./page.mjs";
import { cargoCounts, judge, summary, vitestCounts } from "./suites.mjs";

it("sums every runner that cargo starts", () => {
  const output = `
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`;
  expect(cargoCounts(output)).toEqual({ passed: 15, failed: 2, skipped: 1 });
});

it("takes no counts for no counts", () => {
  expect(cargoCounts("error: could not compile")).toBeNull();
  expect(vitestCounts(null)).toBeNull();
});

it("counts a test file that does not load as a failure", () => {
  const testResults = [
    { status: "failed", assertionResults: [] },
    { status: "failed", assertionResults: [{ status: "failed" }] },
    { status: "passed", assertionResults: [{ status: "passed" }] },
  ];
  const report = { numPassedTests: 1, numFailedTests: 1, numPendingTests: 1, numTodoTests: 1, testResults };
  expect(vitestCounts(JSON.stringify(report))).toEqual({ passed: 1, failed: 2, skipped: 2 });
});

it("never takes a crash or a silent suite for a pass", () => {
  expect(judge(101, null)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(judge(1, { passed: 5, failed: 0, skipped: 0 })).toEqual({ passed: 5, failed: 1, skipped: 0 });
  expect(judge(0, { passed: 0, failed: 0, skipped: 0 })).toEqual({ passed: 0, failed: 1, skipped: 0 });
  expect(judge(1, { passed: 5, failed: 2, skipped: 0 })).toEqual({ passed: 5, failed: 2, skipped: 0 });
  expect(judge(0, { passed: 5, failed: 0, skipped: 1 })).toEqual({ passed: 5, failed: 0, skipped: 1 });
});

it("ends in the one line that is read", () => {
  expect(
    summary([
      { passed: 2, failed: 0, skipped: 0 },
      { passed: 3, failed: 1, skipped: 0 },
    ]),
  ).toBe("5 passed, 1 failed");
  expect(summary([{ passed: 2, failed: 0, skipped: 4 }])).toBe("2 passed, 0 failed, 4 skipped");
});

it("finds the files a manifest names, at any depth", () => {
  const shard = { path: "data/a.fws", count: 10, bytes: 3, sha256: "x" };
  const manifest = { version: 1, sets: { a: { splits: { test: { shards: [shard] } }, source: "b" } } };
  expect(filesNamed(manifest)).toEqual([shard]);
});
