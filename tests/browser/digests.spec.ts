import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../tools/setup/lib.mjs";
import type { AssetNeed, Bindings, Report } from "../../www/engine/types";
import { openSite, repository, type Site } from "./site";

const golden = join(repository, "tests", "golden");
const names = readdirSync(golden).sort();

let site: Site;
let page: Page;
beforeAll(async () => {
  site = await openSite(repository);
  // Any page of the same origin will do: only the engine is wanted.
  page = await site.open({ hash: "tests/browser/blank.html" });
});
afterAll(async () => {
  await site.close();
});

async function printed(command: string, args: string[]): Promise<Report> {
  const { code, stdout, output } = await run(command, args);
  if (code !== 0) throw new Error(output);
  return JSON.parse(stdout);
}

/** Runs a recipe with the page's WebAssembly in Chromium, in uneven slices. */
function inChromium(recipe: unknown): Promise<Report> {
  return page.evaluate(async (recipe) => {
    const glue = "/www/engine/wasm/featherweight.js";
    const core = (await import(/* @vite-ignore */ glue)) as Bindings & { default(where: object): Promise<void> };
    await core.default({ module_or_path: fetch("/www/engine/wasm/featherweight_bg.wasm") });
    const engine = new core.Engine();
    const fetched = engine.needs(recipe).map(async ({ path }: AssetNeed) => {
      engine.provide(path, new Uint8Array(await (await fetch(`/${path}`)).arrayBuffer()));
    });
    await Promise.all(fetched);
    const job = engine.start(recipe);
    let budget_macs = 1000;
    while (!job.advance(budget_macs).done) budget_macs = (budget_macs * 7) % 90_000_049;
    return job.report();
  }, recipe);
}

describe.each(names)("%s", (name) => {
  const folder = join(golden, name);
  const file = join(folder, "recipe.json");
  const expected: Report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));

  it("is the same natively, in Node and in Chromium, to the last bit", async () => {
    const recipe = JSON.parse(readFileSync(file, "utf8"));
    const node = await printed(process.execPath, [join(repository, "bin", "featherweight.mjs"), "run", file]);
    const native = await printed(join(repository, "target", "release", "featherweight-native"), ["run", file]);
    const chromium = await inChromium(recipe);
    expect(node.digests).toEqual(expected.digests);
    expect(native.digests).toEqual(expected.digests);
    expect(chromium.digests).toEqual(expected.digests);
    expect(node).toEqual(expected);
    expect(native).toEqual(expected);
    expect(chromium).toEqual(expected);
  }, 300_000);
});
