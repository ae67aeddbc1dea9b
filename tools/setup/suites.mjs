// Suites: a command each, and how its passes and failures are counted.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { root, run, Stop, seconds } from "./lib.mjs";

const logs = join(root, "target", "test-logs");

/** Sums over every `test result:` line of cargo's test runners, or null when there is none. */
export function cargoCounts(output) {
  const lines = [...output.matchAll(/test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/g)];
  if (lines.length === 0) return null;
  const sum = (index) => lines.reduce((total, line) => total + Number(line[index]), 0);
  return { passed: sum(1), failed: sum(2), skipped: sum(3) };
}

/** Counts of Vitest's JSON report, or null when it was not written. A file that fails to load counts as a failure. */
export function vitestCounts(text) {
  if (text === null) return null;
  const report = JSON.parse(text);
  const empty = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((each) => each.status !== "failed"),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + empty.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** What a suite adds to the sum: a program that failed, or counted nothing, is never less than one failure. */
export function judge(code, counts) {
  const { passed, failed, skipped } = counts ?? { passed: 0, failed: 0, skipped: 0 };
  const silent = passed + failed === 0;
  return { passed, failed: failed === 0 && (code !== 0 || silent) ? 1 : failed, skipped };
}

/** The last line of `npm test`. */
export function summary(results) {
  const sum = (field) => results.reduce((total, result) => total + result[field], 0);
  const skipped = sum("skipped");
  return `${sum("passed")} passed, ${sum("failed")} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Collects the results of suites and says each as it ends. */
export class Suites {
  results = [];

  /** Runs a suite; `body` answers `{code, output, counts}`, where counts null means it printed none. */
  async suite(name, body) {
    const from = performance.now();
    let ended;
    try {
      ended = await body();
    } catch (error) {
      const text = error instanceof Stop ? `${error.output}\n${error.message}` : (error.stack ?? String(error));
      ended = { code: 1, output: text, counts: null };
    }
    const result = { name, ...judge(ended.code, ended.counts) };
    this.results.push(result);
    mkdirSync(logs, { recursive: true });
    writeFileSync(join(logs, `${name.replace(/[^a-z0-9]+/gi, "-")}.log`), ended.output);
    if (result.failed > 0) console.log(`\n──── ${name}\n${ended.output.trimEnd()}\n────`);
    const parts = [`${result.passed} passed`, `${result.failed} failed`];
    if (result.skipped > 0) parts.push(`${result.skipped} skipped`);
    console.log(`  ${result.failed > 0 ? "FAILED " : ""}${name}: ${parts.join(", ")} (${seconds(from)})`);
    return result.failed === 0;
  }

  /** A check with one answer. */
  check(name, command, args, options) {
    return this.suite(name, async () => {
      const { code, output } = await run(command, args, options);
      return { code, output, counts: { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 } };
    });
  }

  cargo(name, args, options) {
    return this.suite(name, async () => {
      const { code, output } = await run("cargo", args, options);
      return { code, output, counts: cargoCounts(output) };
    });
  }

  vitest(name, args, options) {
    const file = join(root, "target", "stamps", `vitest-${name.replace(/[^a-z0-9]+/gi, "-")}.json`);
    return this.suite(name, async () => {
      mkdirSync(dirname(file), { recursive: true });
      rmSync(file, { force: true });
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
      const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
      const { code, output } = await run(process.execPath, [vitest, "run", ...args, ...reporters], options);
      return { code, output, counts: vitestCounts(existsSync(file) ? readFileSync(file, "utf8") : null) };
    });
  }
}
