import axe from "axe-core";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpoints, openSite, plain, type Site, settled } from "./site";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site.close();
});

const DIGITS = "#r1=mlp-digits";

/** The panel on a page whose own work is done. */
async function panelOf(hash: string, options = {}): Promise<{ page: Page; panel: Locator }> {
  const page = await site.open({ hash, ...options });
  await settled(page);
  const panel = page.locator("fw-training");
  await panel.locator(".training-actions").first().waitFor();
  return { page, panel };
}

const finding = (panel: Locator, id: string) => panel.locator(`[data-finding="${id}"]`);
const button = (panel: Locator, name: string | RegExp) =>
  panel.getByRole("button", { name, exact: typeof name === "string" });
const rows = (panel: Locator) => panel.locator(".training-runs tbody tr");

/** That two trainings have the same curve, which is given back, and came to the same. */
async function expectTwins(panel: Locator): Promise<string | null | undefined> {
  const [first, second] = await panel
    .locator(".training-curve")
    .evaluateAll((all) => all.map((each) => each.getAttribute("d")));
  expect(first).toBe(second);
  const cells = await rows(panel).evaluateAll((all) =>
    all.map((row) => [...row.querySelectorAll("td")].slice(0, 3).map((cell) => cell.textContent)),
  );
  expect(cells[0]).toEqual(cells[1]);
  return first;
}

it("trains on digits: a curve, a result, a record and a verdict", async () => {
  const { page, panel } = await panelOf(DIGITS);
  await button(panel, "Train").click();
  await finding(panel, "well").waitFor();
  const curve = await panel.locator(".training-curve.chosen").getAttribute("d");
  // 1,000 images in batches of 64, five times.
  expect(curve?.match(/[ML]/g)).toHaveLength(80);
  const right = plain(await rows(panel).first().locator("td").nth(1).textContent());
  expect(Number.parseFloat(right)).toBeGreaterThan(75);
  expect(await panel.locator('[data-plot="gradients"] .exponent-bars').count()).toBeGreaterThan(5);
  expect(await panel.locator('[data-plot="weights"] .range-line').count()).toBe(0);
  await page.context().close();
});

it("gives the same result for the same settings, and lays trainings over each other", async () => {
  const { page, panel } = await panelOf(`${DIGITS}&t1=e2`);
  for (const count of [1, 2]) {
    await button(panel, "Train").click();
    await expect.poll(() => rows(panel).count()).toBe(count);
  }
  await expectTwins(panel);
  await page.context().close();
});

it("shows what FP16 loses without a scale: the layer, its strip, and the range", async () => {
  const { page, panel } = await panelOf(DIGITS);
  await panel.getByRole("combobox", { name: "Start from" }).selectOption("unscaled");
  expect(new URL(page.url()).hash).toBe(`${DIGITS}&t1=e20~os~l0,1~pf16`);
  await button(panel, "Train").click();
  await finding(panel, "underflow").waitFor({ timeout: 30_000 });
  expect(await finding(panel, "underflow").textContent()).toMatch(/gradients of fc3/);
  expect(await panel.locator('[data-plot="lost"] .lost-under').count()).toBeGreaterThan(20);
  const words = await panel.locator('[data-plot="gradients"] text').allTextContents();
  expect(words.join(" ")).toMatch(/65504.*2⁻¹⁴.*2⁻²⁴/);
  await page.context().close();
});

it("shows pure FP16 die under Adam, and what kills it", async () => {
  const { page, panel } = await panelOf(`${DIGITS}&t1=ppf16`);
  await button(panel, "Train").click();
  await finding(panel, "moments").waitFor();
  expect(await panel.locator(".training-broken").count()).toBe(1);
  expect(plain(await rows(panel).first().textContent())).toContain("not a number");
  await page.context().close();
});

it("cancels at once, and trains again afterwards", async () => {
  const { page, panel } = await panelOf("#t1=e100~n0");
  await button(panel, "Train").click();
  await panel
    .locator(".training-status")
    .getByText(/Training/)
    .waitFor();
  expect(await button(panel, "Train").isDisabled()).toBe(true);
  await button(panel, "Stop").click();
  expect(plain(await panel.locator(".training-status").textContent())).toMatch(/Stopped/);
  expect(await rows(panel).count()).toBe(0);
  expect(await button(panel, "Train").evaluate((own) => own === document.activeElement)).toBe(true);
  await panel.getByRole("combobox", { name: "Model" }).selectOption("mlp-digits");
  await panel.getByRole("combobox", { name: "Start from" }).selectOption("plain");
  await button(panel, "Train").click();
  await finding(panel, "well").waitFor({ timeout: 30_000 });
  await page.context().close();
});

const saidBy = async (panel: Locator) => plain(await panel.locator(".training-status").textContent());
const shareIn = (words: string) => Number.parseFloat(words.match(/([\d.]+) ?%/)?.[1] ?? "NaN");

it("pauses where it is, also beyond the page, and ends as one that was never paused", async () => {
  const { page, panel } = await panelOf(`${DIGITS}&t1=e200`);
  await button(panel, "Train").click();
  for (const at of [10, 50]) {
    await expect.poll(async () => shareIn(await saidBy(panel)), { timeout: 30_000, interval: 20 }).toBeGreaterThan(at);
    await button(panel, "Pause").click();
    // A slice or two may still arrive.
    await page.waitForTimeout(300);
    const paused = await saidBy(panel);
    expect(paused).toMatch(/^Paused · Training: \d/);
    expect(paused).not.toContain("left");
    expect(shareIn(paused)).toBeLessThan(100);
    const curve = await panel.locator(".training-curve.chosen").getAttribute("d");
    await page.waitForTimeout(500);
    expect([await saidBy(panel), await panel.locator(".training-curve.chosen").getAttribute("d")]).toEqual([
      paused,
      curve,
    ]);
    expect(await button(panel, "Go on").evaluate((own) => own === document.activeElement)).toBe(true);
    expect(await button(panel, "Train").isDisabled()).toBe(true);
    await page.keyboard.press("Enter");
    await expect.poll(() => saidBy(panel), { interval: 20 }).toMatch(/^Training/);
    expect(shareIn(await saidBy(panel))).toBeGreaterThanOrEqual(shareIn(paused));
    expect(await button(panel, "Pause").evaluate((own) => own === document.activeElement)).toBe(true);
  }
  await expect.poll(() => rows(panel).count(), { timeout: 60_000 }).toBe(1);
  await button(panel, "Train").click();
  await expect.poll(() => rows(panel).count(), { timeout: 60_000 }).toBe(2);
  const first = await expectTwins(panel);
  expect(await checkpoints(page)).toBe(0);
  await button(panel, "Train").click();
  await expect.poll(async () => shareIn(await saidBy(panel)), { timeout: 30_000, interval: 20 }).toBeGreaterThan(30);
  await button(panel, "Pause").click();
  await expect.poll(() => checkpoints(page)).toBe(1);
  await page.reload();
  await settled(page);
  await button(panel, "Train").click();
  await expect.poll(() => rows(panel).count(), { timeout: 60_000 }).toBe(1);
  expect(await panel.locator(".training-curve").getAttribute("d")).toBe(first);
  await expect.poll(() => checkpoints(page)).toBe(0);
  await page.context().close();
}, 200_000);

it("pauses several at once, whose workers are free for the page's own runs, and stops them while they are paused", async () => {
  const { page, panel } = await panelOf("#r1=mlp-digits.q4&t1=e200~d10");
  await button(panel, "10 seeds").click();
  await expect.poll(async () => shareIn(await saidBy(panel)), { timeout: 30_000 }).toBeGreaterThan(0);
  await button(panel, "Pause").click();
  await page.waitForTimeout(300);
  const paused = await saidBy(panel);
  expect(paused).toMatch(/^Paused · \d+ of 10 trainings/);
  await page.getByRole("combobox", { name: "Weights" }).selectOption({ label: "INT3" });
  await expect
    .poll(async () => plain(await page.locator("fw-chart .readout").textContent()), { timeout: 10_000 })
    .toContain("INT3");
  await settled(page);
  expect(await saidBy(panel)).toBe(paused);
  await button(panel, "Stop").click();
  expect(await saidBy(panel)).not.toMatch(/Paused/);
  expect(await button(panel, "Train").isDisabled()).toBe(false);
  await page.context().close();
}, 200_000);

it("sets a student beside its teacher: seeds with intervals, an image, a map", async () => {
  const { page, panel } = await panelOf("#r1=mlp16-digits&t1=e3~tmlp-digits~d3");
  await button(panel, "Train").click();
  await expect.poll(() => rows(panel).count()).toBe(1);
  expect(await panel.locator('[data-plot="teacher"] .training-curve').count()).toBe(1);
  await button(panel, "Show an image").click();
  await panel.locator(".softened-plot svg").waitFor();
  expect(await panel.locator(".softened-plot .voice-taught").count()).toBe(11);
  await button(panel, /3 seeds/).click();
  await expect.poll(() => panel.locator(".interval-dot").count(), { timeout: 30_000 }).toBe(7);
  expect(await panel.locator(".interval-band").count()).toBe(2);
  await button(panel, "Fill the map").click();
  await expect.poll(() => panel.locator(".training-map td[title]").count(), { timeout: 60_000 }).toBe(17);
  expect(await panel.locator(".training-map td.best").count()).toBeGreaterThan(0);
  await page.context().close();
});

it("says how much of a class it never saw is right, as the table of distillation does", async () => {
  const { page, panel } = await panelOf("#r1=mlp16-digits&seed=1");
  await panel.getByRole("combobox", { name: "Start from" }).selectOption("missing");
  expect(new URL(page.url()).hash).toBe("#r1=mlp16-digits&seed=1&t1=e60~b32~l0,005~X3~rc~n0~tmlp-digits~c8~a1~d10");
  await button(panel, "Train").click();
  await finding(panel, "unseen").waitFor({ timeout: 60_000 });
  expect(plain(await finding(panel, "unseen").textContent())).toBe(
    "Class 3 was never seen: 43 of 51 in the test split are right.",
  );
  await page.context().close();
});

it("takes settings behind folds into the link, and says what is set there", async () => {
  const { page, panel } = await panelOf("#r1=mlp8-digits&t1=e2~tmlp-digits");
  const fold = (group: string) => panel.locator(`.training-more[data-group="${group}"]`);
  await fold("teacher").locator("summary").click();
  await panel.getByRole("combobox", { name: "Assistant" }).selectOption("mlp16-digits");
  await fold("training").locator("summary").click();
  const layers = panel.getByRole("group", { name: "Layers that stay" });
  await layers.getByRole("checkbox", { name: "fc1" }).check();
  const classes = panel.getByRole("group", { name: "Classes left out" });
  for (let digit = 0; digit < 9; digit += 1)
    await classes.getByRole("checkbox", { name: String(digit), exact: true }).check();
  // One class has to stay.
  expect(await classes.getByRole("checkbox", { name: "9", exact: true }).isDisabled()).toBe(true);
  for (let digit = 0; digit < 8; digit += 1)
    await classes.getByRole("checkbox", { name: String(digit), exact: true }).uncheck();
  expect(new URL(page.url()).hash).toBe("#r1=mlp8-digits&t1=e2~X8~F0~tmlp-digits~Amlp16-digits");
  expect(plain(await fold("training").locator("summary").textContent())).toBe(
    "More Classes left out, Layers that stay",
  );
  await button(panel, "Train").click();
  await expect.poll(() => rows(panel).count()).toBe(1);
  expect(plain(await rows(panel).first().textContent())).toMatch(
    /MLP on digits → MLP of 16 on digits.*without 8 · fc1 frozen/,
  );
  await page.context().close();
});

it("sets choices beside each other, seed by seed, and takes them away again", async () => {
  const { page, panel } = await panelOf(`${DIGITS}&t1=e2~d2`);
  const several = async (dots: number) => {
    await button(panel, /2 seeds/).click();
    await expect.poll(() => panel.locator(".interval-dot").count(), { timeout: 30_000 }).toBe(dots);
    await button(panel, "Stop").waitFor({ state: "detached" });
  };
  await several(2);
  for (const [at, batch] of ["32", "128"].entries()) {
    await panel.getByRole("combobox", { name: "Batch" }).selectOption(batch);
    await several(4 + 2 * at);
  }
  const names = () => panel.locator('[data-plot="seeds"] .label').allTextContents();
  expect(await names()).toEqual(["A: Batch 64", "B: Batch 32", "C: Batch 128"]);
  expect(await panel.locator('[data-plot="seeds"] .label.strong').textContent()).toBe("C: Batch 128");
  const said = async () => (await panel.locator(".training-compared li").allTextContents()).map(plain);
  expect(await said()).toEqual([expect.stringMatching(/C.*B.* 2 seeds/), expect.stringMatching(/C.*A.* 2 seeds/)]);
  await button(panel, "Remove B").focus();
  await page.keyboard.press("Enter");
  expect(await names()).toEqual(["A: Batch 64", "C: Batch 128"]);
  expect(await button(panel, "Remove A").evaluate((own) => own === document.activeElement)).toBe(true);
  await page.keyboard.press("Enter");
  await expect.poll(names).toEqual(["this training"]);
  expect(await said()).toEqual([]);
  expect(await panel.locator(".seeds-title").evaluate((own) => own === document.activeElement)).toBe(true);
  await page.context().close();
});

it("counts what workers send", async () => {
  const { page, panel } = await panelOf(`${DIGITS}&t1=m4~gk`);
  await button(panel, "Train").click();
  await expect.poll(() => rows(panel).count()).toBe(1);
  const words = plain(await panel.locator('[data-plot="bytes"]').textContent());
  expect(words).toContain("26,280 bytes");
  await panel.getByRole("combobox", { name: "Batch" }).selectOption("16");
  await panel.getByRole("combobox", { name: "How many" }).selectOption("16");
  expect(await button(panel, "Train").isDisabled()).toBe(false);
  await page.context().close();
});

it("says in one sentence why a link with a wrong training is refused", async () => {
  const page = await site.open({ hash: "#t1=pf64" });
  await page.getByText(/numbers to train in/).waitFor();
  await page.context().close();
});

describe.each(["light", "dark"] as const)("%s", (colorScheme) => {
  it.each([
    [1280, "en-US", "Train"],
    [390, "ko-KR", "학습"],
  ] as const)(
    "at %i px (%s) has no violation and no sideways scroll with a record open",
    async (width, locale, train) => {
      const hash = "#r1=mlp16-digits&t1=e2~pf16~tmlp-digits~w2";
      const { page, panel } = await panelOf(hash, { colorScheme, locale, viewport: { width, height: 844 } });
      await panel.getByRole("button", { name: train, exact: true }).click();
      await expect.poll(() => rows(panel).count()).toBe(1);
      for (const fold of await panel.locator("details").all())
        await fold.evaluate((details: HTMLDetailsElement) => {
          details.open = true;
        });
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      await page.evaluate(axe.source);
      const found = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run("fw-training"));
      expect(
        found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" | ")}`),
      ).toEqual([]);
      await page.context().close();
    },
  );
});

it("throws nothing and logs nothing", () => {
  expect(site.faults).toEqual([]);
});
