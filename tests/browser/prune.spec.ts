import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { checkpoints, openSite, plain, type Site, settled } from "./site";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site.close();
});

const hash = (page: Page) => new URL(page.url()).hash;
const what = (page: Page) => page.getByRole("combobox", { name: "What goes" });

it("prunes by hand: chosen, drawn to another share, fine-tuned, and kept in the address", async () => {
  const page = await site.open({ hash: "#r1=lenet300-fashion&n=1000" });
  await settled(page);
  await what(page).selectOption({ label: "single weights" });
  await settled(page);
  expect(hash(page)).toBe("#r1=lenet300-fashion.p80&n=1000");
  expect(plain(await page.locator("h1").textContent())).toContain("80 % of its weights gone");
  await expect.poll(() => page.locator(".strip-pruned").count()).toBe(3);
  const effect = async () => plain(await page.locator(".step.prune .effect").textContent());
  await expect.poll(effect).toMatch(/^−\d+\.\d\d pt · −7\d %$/);
  const lost = await effect();

  // On the keyboard, a percent at a time.
  const share = page.getByRole("slider", { name: "How much" });
  await share.focus();
  await share.press("ArrowRight");
  await expect.poll(() => hash(page)).toBe("#r1=lenet300-fashion.p81&n=1000");
  await settled(page);

  const tune = page.getByRole("radiogroup", { name: "Fine-tune" });
  await tune.getByRole("radio", { name: "1 epoch" }).check({ force: true });
  await settled(page);
  expect(hash(page)).toBe("#r1=lenet300-fashion.p81.t1&n=1000");
  const points = (text: string) => Number(/^([−+]?\d+\.\d+)/.exec(text)?.[1]?.replace("−", "-"));
  await expect.poll(async () => points(await effect()), { timeout: 20_000 }).toBeGreaterThan(points(lost));

  // What cannot be set for magnitudes says why.
  await page.locator(".more-settings > summary").first().click();
  await expect
    .poll(async () => plain(await page.locator(".control.looked").textContent()))
    .toContain("magnitude looks at no images");
  await page.context().close();
});

it("draws accuracy against what is pruned, without fine-tuning and with it, from runs of its own", async () => {
  const page = await site.open({ hash: "#r1=mlp-digits.p80" });
  await settled(page);
  await page.getByRole("button", { name: "All sparsities" }).click();
  await settled(page);
  expect(hash(page)).toBe("#r1=mlp-digits.p80&x=sparsity&run=sparsities");
  // Seven shares, each twice, and the model as it was.
  expect(await page.locator("fw-chart .mark.pruned").count()).toBe(14);
  expect(await page.locator("fw-chart path.series").count()).toBe(2);
  const said = await page
    .locator("fw-chart .mark.pruned")
    .evaluateAll((marks) => marks.map((mark) => mark.getAttribute("aria-label") ?? ""));
  const percent = (start: string) =>
    Number(/: ([\d.]+)\s?%/.exec(plain(said.find((each) => plain(each).startsWith(start)) ?? ""))?.[1]);
  expect(percent("98 % pruned, fine-tuned 1 epoch")).toBeGreaterThan(percent("98 % pruned:"));
  expect(percent("30 % pruned:")).toBeGreaterThan(percent("98 % pruned:"));
  await page.context().close();
});

it("makes a network smaller by whole channels, and names the smallest way to store single weights", async () => {
  const page = await site.open({ hash: "#r1=lenet5-fashion.p50~uc&n=1000&x=macs" });
  await settled(page);
  const place = async (mark: string) => (await page.locator(mark).first().boundingBox())?.x ?? Number.NaN;
  await page.locator("fw-chart .mark.pruned").waitFor();
  expect(await place("fw-chart .mark.pruned .dot")).toBeLessThan(await place("fw-chart .mark:not(.pruned) .dot"));
  await what(page).selectOption({ label: "single weights" });
  await settled(page);
  await page.locator("fw-inside").scrollIntoViewIfNeeded();
  const table = page.getByRole("table", { name: /every way to store/ });
  await table.waitFor({ timeout: 30_000 });
  const rows = await table
    .locator("tbody tr")
    .evaluateAll((all) => all.map((row) => row.querySelector("td")?.textContent ?? ""));
  const bytes = rows.slice(0, -1).map((text) => Number(text.replaceAll(",", "")));
  const named = await table.locator("tr.chosen td").first().textContent();
  expect(Number(named?.replaceAll(",", ""))).toBe(Math.min(...bytes));
  await page.context().close();
});

it("goes on with a training where the page was left, and ends with the same bits", async () => {
  const train = "#r1=lenet5-fashion.p80.t5&n=1000";
  const page = await site.open({ hash: train });
  await expect.poll(() => checkpoints(page), { timeout: 60_000, interval: 300 }).toBe(1);
  await page.reload();
  await settled(page);
  const answer = async (from: Page) => plain(await from.locator("fw-chart .readout").textContent());
  await expect.poll(() => answer(page), { timeout: 60_000 }).toMatch(/on 1,000 images/);
  await expect.poll(() => checkpoints(page)).toBe(0);
  const whole = await site.open({ hash: train });
  await expect.poll(() => answer(whole), { timeout: 60_000 }).toMatch(/on 1,000 images/);
  expect(await answer(page)).toBe(await answer(whole));
  await page.context().close();
  await whole.context().close();
}, 200_000);
