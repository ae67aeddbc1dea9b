import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../tools/setup/lib.mjs";
import type { Report } from "../../www/engine/types";
import { openSite, repository, type Site } from "./site";

const golden = join(repository, "tests", "golden");
const names = readdirSync(golden).sort();

let site: Site;
let page: Page;
beforeAll(async () => {
  site = await openSite(repository);
  page = await site.open({ hash: "tests/browser/engine.html" });
});
afterAll(async () => {
  await site.close();
});

async function printed(command: string, args: string[]): Promise<Report> {
  const { code, stdout, output } = await run(command, args);
  if (code !== 0) throw new Error(output);
  return JSON.parse(stdout);
}

/** Runs a recipe with the page's WebAssembly in Chromium; see engine.html. */
function inChromium(recipe: unknown, build: "relaxed" | "simd", kernel: string): Promise<Report> {
  return page.evaluate(
    ([each, ...choice]) => {
      type Run = (recipe: unknown, build: string, kernel: string) => Promise<Report>;
      return (globalThis as unknown as { runRecipe: Run }).runRecipe(each, ...choice);
    },
    [recipe, build, kernel] as const,
  );
}

it("the relaxed build has two kernels more to choose from", async () => {
  const kernelsOf = (build: string) =>
    page.evaluate((each) => {
      return (globalThis as unknown as { kernelsOf(build: string): Promise<string[]> }).kernelsOf(each);
    }, build);
  expect(await kernelsOf("simd")).toEqual(["pairs"]);
  expect(await kernelsOf("relaxed")).toEqual(["pairs", "split", "quads"]);
});

describe.each(names)("%s", (name) => {
  const folder = join(golden, name);
  const file = join(folder, "recipe.json");
  const expected: Report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));

  it("is the same natively, in Node and in Chromium, to the last bit", async () => {
    const recipe = JSON.parse(readFileSync(file, "utf8"));
    const node = await printed(process.execPath, [join(repository, "bin", "featherweight.mjs"), "run", file]);
    const native = await printed(join(repository, "target", "release", "featherweight-native"), ["run", file]);
    const chromium = await inChromium(recipe, "simd", "pairs");
    const relaxed = await inChromium(recipe, "relaxed", "quads");
    const split = await inChromium(recipe, "relaxed", "split");
    expect(node.digests).toEqual(expected.digests);
    expect(native.digests).toEqual(expected.digests);
    expect(chromium.digests).toEqual(expected.digests);
    expect(relaxed.digests).toEqual(expected.digests);
    expect(split.digests).toEqual(expected.digests);
    expect(node).toEqual(expected);
    expect(native).toEqual(expected);
    expect(chromium).toEqual(expected);
    expect(relaxed).toEqual(expected);
    expect(split).toEqual(expected);
  }, 300_000);
});
