import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { marks, openSite, plain, type Site, settled, status } from "./site";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site.close();
});

/** Waits until the settings are unfolded and the engine has been asked what there is to choose: until then they move. */
async function asked(page: Page): Promise<void> {
  await page.locator("fw-recipe .more-settings[open] .control").first().waitFor();
  await page.locator('fw-recipe[aria-busy="false"]').waitFor();
}

it("shows a real curve within a second, before any script has run", async () => {
  const context = await site.browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const from = performance.now();
  await page.goto(site.url, { waitUntil: "commit" });
  await page.locator("fw-chart .dot").nth(9).waitFor();
  expect(performance.now() - from).toBeLessThan(1000);
  const heading = await page.getByRole("heading", { level: 1 }).textContent();
  expect(plain(heading)).toMatch(/4 bits.*33 KB instead of 247 KB/);
  await context.close();
});

it("is ready, and has run the first recipe itself, within ten seconds", async () => {
  const from = performance.now();
  const page = await site.open();
  await settled(page);
  expect(performance.now() - from).toBeLessThan(10_000);
  await page.context().close();
});

it("runs all widths; the chart then reads as bytes fall and one bit is clearly worse than eight", async () => {
  const page = await site.open();
  await settled(page);
  await page.getByRole("button", { name: "All widths" }).click();
  await status(page)
    .getByText(/1[0-9] recipes in/)
    .waitFor();
  const rows = await page.locator("fw-runs tbody tr").allTextContents();
  expect(rows.length).toBeGreaterThanOrEqual(11);
  expect(rows.filter((row) => /computed beforehand|failed/.test(row))).toEqual([]);

  const read = new Map((await marks(page)).map((mark) => [mark.name.split(",")[0], mark]));
  const of = (name: string) => {
    const mark = read.get(name);
    if (mark === undefined) throw new Error(`no mark for ${name} among ${[...read.keys()].join(", ")}`);
    return mark;
  };
  const names = ["FP32", "INT16", "FP16", "INT8", "INT7", "INT6", "INT5", "INT4", "INT3", "INT2", "ternary", "1 bit"];
  const bytes = names.map((name) => of(name).bytes);
  expect(bytes).toEqual([...bytes].sort((a, b) => b - a));
  expect(Math.abs(of("FP32").percent - of("INT8").percent)).toBeLessThanOrEqual(0.3);
  expect(of("1 bit").percent).toBeLessThan(of("INT8").percent - 5);
  await page.context().close();
});

it("cancels within 100 ms: it says so, and no worker does another slice", async () => {
  const page = await site.open();
  await settled(page);
  await page.getByRole("button", { name: "All widths" }).click();
  const cancel = page.getByRole("button", { name: "Cancel" });
  await cancel.waitFor();
  await page.waitForTimeout(300);
  // Every slice of a run asks for the time: counted, it shows whether a worker still works.
  for (const worker of page.workers()) {
    await worker.evaluate(() => {
      const now = performance.now.bind(performance);
      const counted = globalThis as unknown as { slices: number };
      counted.slices = 0;
      performance.now = () => {
        counted.slices++;
        return now();
      };
    });
  }
  const slices = () =>
    Promise.all(
      page.workers().map((worker) => worker.evaluate(() => (globalThis as unknown as { slices: number }).slices)),
    );
  await page.waitForTimeout(100);
  expect((await slices()).some((count) => count > 0)).toBe(true);

  const took_ms = await cancel.evaluate(async (button: HTMLElement) => {
    const words = document.querySelector(".progress-words");
    const from = performance.now();
    const said = new Promise<void>((resolve) => {
      const look = () => words?.textContent?.includes("Cancelled") && resolve();
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
    button.click();
    await said;
    return performance.now() - from;
  });
  expect(took_ms).toBeLessThan(100);
  await page.waitForTimeout(100 - Math.min(99, took_ms));
  const before = await slices();
  await page.waitForTimeout(400);
  expect(await slices()).toEqual(before);
  await page.context().close();
});

it("has its whole state in the address: the same link gives the same page", async () => {
  const page = await site.open();
  await settled(page);
  await page.getByRole("combobox", { name: "Weights" }).selectOption({ label: "INT3" });
  await page.getByText("More settings").click();
  await asked(page);
  await page.getByRole("radio", { name: "layer" }).check({ force: true });
  await asked(page);
  await page.getByRole("radio", { name: "least error" }).check({ force: true });
  await page.getByRole("combobox", { name: "Calibrate" }).selectOption({ label: "least error" });
  await page.getByRole("button", { name: "bits", exact: true }).click();
  await page.getByRole("button", { name: /^Run this/ }).click();
  await settled(page);
  const address = new URL(page.url());
  expect(address.hash).not.toBe("");
  const controls = async (open: typeof page) => {
    if (!(await open.getByRole("combobox", { name: "Calibrate" }).isVisible()))
      await open.getByText("More settings").click();
    await asked(open);
    return open
      .locator("fw-recipe")
      .locator("select, input:checked")
      .evaluateAll((all) => all.map((each) => (each as HTMLInputElement | HTMLSelectElement).value));
  };
  const chosen = await controls(page);
  const axis = await page.locator("fw-chart h2").textContent();

  const again = await site.open({ hash: address.hash });
  await settled(again);
  expect(await controls(again)).toEqual(chosen);
  expect(await again.locator("fw-chart h2").textContent()).toBe(axis);
  expect(new URL(again.url()).hash).toBe(address.hash);
  await again.reload();
  await settled(again);
  expect(await controls(again)).toEqual(chosen);
  await page.context().close();
  await again.context().close();
});

it("says in words what is wrong with a link, and works all the same", async () => {
  const page = await site.open({ hash: "#r1=no-such-model.q99&x=%00<script>" });
  await settled(page);
  expect(await page.getByRole("alert").first().textContent()).not.toBe("");
  await page.getByRole("button", { name: /^Run this/ }).click();
  await settled(page);
  await page.context().close();
});

it("is worked by keys alone: arrows walk the chart, Enter restores a recipe", async () => {
  const page = await site.open();
  await settled(page);
  const list = page.getByRole("listbox", { name: /Runs in the chart/ });
  for (let presses = 0; presses < 80; presses++) {
    if (await list.evaluate((element) => element === document.activeElement)) break;
    await page.keyboard.press("Tab");
  }
  expect(await list.evaluate((element) => element === document.activeElement)).toBe(true);
  await page.keyboard.press("Home");
  const active = await list.getAttribute("aria-activedescendant");
  const label = await page.locator(`[id="${active}"]`).getAttribute("aria-label");
  expect(label).toMatch(/^1 bit/);
  await page.keyboard.press("Enter");
  await settled(page);
  expect(new URL(page.url()).hash).toContain("q1");
  expect(await page.getByRole("combobox", { name: "Weights" }).locator("option:checked").textContent()).toBe("1 bit");

  const slider = page.getByRole("slider").first();
  await slider.focus();
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => new URL(page.url()).hash).not.toContain("q1a");
  await page.context().close();
});

it("pins a recipe as A by key or shift-click, compares with it, keeps it in the address, and lets go of it", async () => {
  const page = await site.open();
  await settled(page);
  const list = page.getByRole("listbox", { name: /Runs in the chart/ });
  await list.focus();
  const walkTo = async (name: RegExp) => {
    await page.keyboard.press("Home");
    for (let presses = 0; presses < 20; presses++) {
      const active = await list.getAttribute("aria-activedescendant");
      if (name.test((await page.locator(`[id="${active}"]`).getAttribute("aria-label")) ?? "")) return;
      await page.keyboard.press("ArrowRight");
    }
    throw new Error(`no mark named ${name}`);
  };
  await walkTo(/^INT2,/);
  await page.keyboard.press("a");
  await expect.poll(() => new URL(page.url()).hash).toContain("a=lenet5-fashion.q2a8");
  const lost = page.locator("fw-lost");
  await lost.getByText("INT2, INT8 inputs").waitFor();
  await lost.getByText(/answers flipped/).waitFor();
  const flipped = async (open: typeof page) =>
    plain(await open.locator("fw-lost .lost-words").textContent()).match(/([\d,]+) of 10,000/)?.[1];
  // Two bits against four: thousands of answers differ, most of them the right way.
  const against = Number((await flipped(page))?.replace(",", ""));
  expect(against).toBeGreaterThan(5000);

  const again = await site.open({ hash: new URL(page.url()).hash });
  await settled(again);
  await again
    .locator("fw-lost")
    .getByText(/answers flipped/)
    .waitFor();
  expect(Number((await flipped(again))?.replace(",", ""))).toBe(against);
  await again.context().close();

  await list.focus();
  await page.keyboard.press("Escape");
  await expect.poll(() => new URL(page.url()).hash).not.toContain("a=");
  await expect.poll(async () => Number((await flipped(page))?.replace(",", ""))).toBeLessThan(1000);
  await page.locator(".mark[aria-label^='INT3,'] .dot").click({ modifiers: ["Shift"] });
  await expect.poll(() => new URL(page.url()).hash).toContain("a=lenet5-fashion.q3a8");
  await page.context().close();
});

it("hands over the compressed model, as long as the report says and a header more", async () => {
  const page = await site.open();
  await settled(page);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: /^Download the model/ }).click(),
  ]);
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  const file = Buffer.concat(chunks);
  const header = Number(file.readBigUInt64LE(0));
  const named = (await marks(page)).find((mark) => mark.name.startsWith("INT4"));
  expect(file.length - 8 - header).toBe(named?.bytes);
  await page.context().close();
});

it("logged no error in all of this", () => {
  expect(site.faults).toEqual([]);
});
