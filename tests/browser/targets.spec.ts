/** The panel of modelled machines: what is chosen moves what is drawn, and travels in the link. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { openSite, type Site, settled } from "./site";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site.close();
});

async function open(hash = "") {
  const page = await site.open({ hash });
  await settled(page);
  const panel = page.locator("fw-targets");
  await panel.scrollIntoViewIfNeeded();
  await panel.locator(".elsewhere-plot svg").waitFor();
  return { page, panel };
}

it("says native on A100, and W8A8 with the reason on H100", async () => {
  const { page, panel } = await open("#r1=lenet5-fashion.q4a4");
  await panel
    .locator(".verdict")
    .getByText(/W4A4 is native/)
    .waitFor();
  const roofline = await panel.locator(".roofline-plot").innerHTML();
  await panel.getByLabel("Machine").first().selectOption("h100_sxm");
  await panel
    .locator(".verdict")
    .getByText(/W4A4 runs as W8A8.*no INT4 matrix instruction.*luo-ipdps24/)
    .waitFor();
  expect(await panel.locator(".roofline-plot").innerHTML()).not.toBe(roofline);
  expect(page.url()).toContain("hw=h100_sxm+a100_sxm_80");
  expect(site.faults).toEqual([]);
  await page.context().close();
});

it("runs a reference workload at any batch: weights of 4 bits pay for one sequence, not for many", async () => {
  const { page, panel } = await open("#r1=lenet5-fashion.q4&hw=h100_sxm");
  await panel.getByLabel("Network").selectOption("llama-2-7b-decode");
  const low = async () => Number(/≈ ([\d.]+)–/.exec(await panel.locator(".elsewhere-plot").innerText())?.[1]);
  await expect.poll(low).toBeGreaterThan(1.3);
  await panel.getByLabel("Batch").fill("256");
  await panel.getByLabel("Batch").press("Enter");
  await expect.poll(low).toBeLessThan(1);
  expect(page.url()).toContain("on=llama-2-7b-decode,256,0");
  await page.context().close();
});

it("edits a copy of a machine, which a link brings back", async () => {
  const { page, panel } = await open("#r1=lenet5-fashion.q4a4&hw=h100_sxm");
  await panel.locator("summary", { hasText: "Formats without a rate" }).click();
  const peak = panel.getByLabel("INT4, TOP/s");
  await peak.fill("3958");
  await peak.press("Enter");
  await panel
    .locator(".verdict")
    .getByText(/W4A4 is native/)
    .waitFor();
  const { hash } = new URL(page.url());
  expect(decodeURIComponent(hash)).toContain("own=h100_sxm;int4:3958");
  await page.context().close();
  const again = await open(hash);
  await again.panel
    .locator(".verdict")
    .getByText(/W4A4 is native/)
    .waitFor();
  await again.panel.getByRole("button", { name: "Back to the published numbers" }).click();
  await again.panel
    .locator(".verdict")
    .getByText(/runs as W8A8/)
    .waitFor();
  expect(again.page.url()).not.toContain("own=");
  expect(site.faults).toEqual([]);
  await again.page.context().close();
});

it("chooses a generation's machine in the table, by keys", async () => {
  const { page, panel } = await open();
  await panel.getByRole("button", { name: "Cortex-M55" }).focus();
  await page.keyboard.press("Enter");
  await panel.getByRole("heading", { name: /Cortex-M55.*in numbers/ }).waitFor();
  expect(await panel.locator(".matrix tr.looked th").innerText()).toBe("Cortex-M55");
  await page.context().close();
});

it("warns in the recipe, and lets only what the target runs be chosen", async () => {
  const { page } = await open("#r1=lenet5-fashion.q4a4");
  const recipe = page.locator("fw-recipe");
  await recipe.getByRole("button", { name: "Choose a machine" }).click();
  await recipe.getByLabel("Machine").selectOption("h100_sxm");
  await recipe.getByText(/W4A4 runs as W8A8: H100 SXM5 has no INT4/).waitFor();
  // A recipe that the target does not run stays as it is; what else it does not run is no longer offered.
  await recipe.getByText("Only what it runs").click();
  const inputs = recipe.locator(".control.activations select");
  await expect.poll(() => inputs.locator('option[value="int3"]').isDisabled()).toBe(true);
  await inputs.selectOption("int8");
  await recipe.getByText(/W4A8 is weight-only/).waitFor();
  await expect.poll(() => inputs.locator('option[value="int4"]').isDisabled()).toBe(true);
  expect(page.url()).toContain("for=h100_sxm,only");
  expect(site.faults).toEqual([]);
  await page.context().close();
});

it("fits at 320 px with everything open", async () => {
  for (const locale of ["en-US", "ko-KR"]) {
    const page = await site.open({
      locale,
      viewport: { width: 320, height: 800 },
      hash: "#on=llama-3-8b-prefill,1,2048",
    });
    await settled(page);
    const panel = page.locator("fw-targets");
    await panel.scrollIntoViewIfNeeded();
    await panel.locator(".elsewhere-plot svg").waitFor();
    for (const summary of await panel.locator("details > summary").all()) await summary.click();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await page.context().close();
  }
});
