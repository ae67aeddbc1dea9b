import axe from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openSite, plain, type Site, settled } from "./site";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site.close();
});

/** The page of a recipe with its look inside open. */
async function inside(hash: string): Promise<Page> {
  const page = await site.open({ hash });
  await settled(page);
  await page.locator("fw-inside").scrollIntoViewIfNeeded();
  await page.locator("fw-inside .explorer").waitFor();
  return page;
}

const numberIn = (text: string | null) => Number(plain(text).replaceAll("−", "-").replaceAll(",", ""));

/** The cells of the explorer's rows, as numbers: before, code, byte, after. */
async function rows(page: Page) {
  const found = await page
    .locator(".explorer-rows tbody tr")
    .evaluateAll((all) =>
      all.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.title || (cell.textContent ?? ""))),
    );
  return found.map(([before = "", code = "", byte = "", after = ""]) => ({
    before: numberIn(before),
    code: plain(code).trim(),
    byte: numberIn(byte),
    after: numberIn(after),
  }));
}

const bytes = async (page: Page) =>
  (await page.locator(".bytes.codes > span").allTextContents()).map((text) => Number.parseInt(text, 16));

it("shows weights of 4 bits as they stand in the file: bytes, codes, scale, values", async () => {
  const page = await inside("#n=1000");
  await page.getByRole("combobox", { name: "Layer", exact: true }).selectOption("fc2");
  await page.getByRole("heading", { name: "Weights of fc2" }).waitFor();
  await page.getByRole("spinbutton", { name: "Granule" }).fill("2");
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await rows(page))[0]?.byte).toBe(120);
  const scale = numberIn(await page.locator(".facts div").nth(1).locator("dd").textContent());
  const [found, stored] = [await rows(page), await bytes(page)];
  expect(found).toHaveLength(64);
  for (const [at, { before, code, after, byte }] of found.entries()) {
    const half = ((stored[at >> 1] ?? 0) >> (4 * (at % 2))) & 15;
    expect(code).toBe(half.toString(2).padStart(4, "0"));
    expect(byte).toBe(120 + (at >> 1));
    expect(after).toBeCloseTo((half > 7 ? half - 16 : half) * scale, 6);
    expect(Math.abs(before - after)).toBeLessThanOrEqual(scale / 2 + 1e-6);
  }
  await page.getByRole("button", { name: "Next values" }).click();
  await expect.poll(async () => (await rows(page))[0]?.byte).toBe(152);
  await page.context().close();
});

it("has a ledger that adds up to the size, and layers that do too", async () => {
  const page = await inside("#n=1000");
  const ledger = page.locator("table.ledger").filter({ has: page.locator("tfoot") });
  const cells = await ledger.locator("tbody td:nth-child(2)").allTextContents();
  const total = numberIn(await ledger.locator("tfoot td").first().textContent());
  const sum = (texts: string[]) => texts.reduce((all, text) => all + numberIn(text), 0);
  expect(sum(cells)).toBe(total);
  expect(sum(await page.locator("table.layers td[data-column=bytes]").allTextContents())).toBe(total);
  await page.context().close();
});

it("sorts the layers, chooses one by keys, and says what its histograms show", async () => {
  const page = await inside("#n=1000");
  await page.locator("table.layers").getByRole("button", { name: "Multiply-adds" }).click();
  const macs = (await page.locator("table.layers td[data-column=macs]").allTextContents()).map(numberIn);
  expect(macs).toEqual([...macs].sort((a, b) => b - a));
  await page.getByRole("button", { name: "conv1", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Weights of conv1" }).waitFor();
  const weights = page.locator(".weights-plot svg");
  await expect
    .poll(() => weights.getAttribute("aria-label"))
    .toMatch(/150 weights of conv1 .* granule 0 may take 15 values/);
  expect(await page.locator(".inputs-plot svg").getAttribute("aria-label")).toMatch(/inputs of conv1/);
  await page.context().close();
});

it("draws a weight before and after, and reads one by keys and by the pointer", async () => {
  const page = await inside("#n=1000");
  await page.getByRole("button", { name: "fc3", exact: true }).click();
  await page.getByRole("heading", { name: "Weight matrix of fc3" }).waitFor();
  const picture = page.locator("fw-weight-picture");
  expect(await picture.locator("canvas").count()).toBe(2);
  const reading = picture.getByRole("status");
  await picture.getByRole("group", { name: /Weight matrix of fc3, 10×84/ }).focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  const words = /^Output 1, input 1: before (−?[\d.]+), after (−?[\d.]+)$/;
  const [, before, after] = plain(await reading.textContent()).match(words) ?? [];
  // The same weight in the explorer: the second of the second granule.
  await page.getByRole("spinbutton", { name: "Granule" }).fill("1");
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await rows(page))[1]?.before).toBeCloseTo(numberIn(before ?? ""), 4);
  expect((await rows(page))[1]?.after).toBeCloseTo(numberIn(after ?? ""), 4);
  const box = await picture.locator("canvas").nth(1).boundingBox();
  if (!box) throw new Error("no canvas");
  await page.mouse.move(box.x + (box.width / 84) * 40.5, box.y + (box.height / 10) * 6.5);
  await expect.poll(() => reading.textContent()).toMatch(/^Output 6, input 40:/);
  // Its pixels are of more than one colour.
  const colours = await picture.locator("canvas").evaluateAll((canvases) =>
    canvases.map((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const data = (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, width, height).data ?? [];
      return new Set(new Uint32Array(new Uint8Array(data).buffer)).size;
    }),
  );
  // Before, nearly every weight has its own; after, a few levels of each channel.
  expect(colours[0]).toBeGreaterThan(200);
  expect(colours[1]).toBeGreaterThan(20);
  expect(colours[1]).toBeLessThan(colours[0] ?? 0);
  await page.context().close();
});

it("shows which channels go, step by step, and the smaller weight beside the whole one", async () => {
  const page = await inside("#r1=resnet8-fashion.p50~uc&n=300");
  const units = page.locator("fw-network-view");
  const gone = () => units.locator(".unit.gone").count();
  // Half of 16 three times, of 32 three times and of 64 three times.
  expect(await gone()).toBe(168);
  const slider = units.getByRole("slider", { name: /How much has gone/ });
  await slider.fill("0");
  expect([await gone(), await units.locator(".unit.going").count()]).toEqual([0, 168]);
  await slider.fill("6");
  expect(await gone()).toBe(84);
  await units.getByRole("button", { name: "Play" }).click();
  await expect.poll(gone).toBe(168);
  await units.getByText("In words").click();
  const words = plain(await units.locator("li").first().textContent());
  const [, left = "", which = ""] = words.match(/^conv1: (\d+) of 16 units stay \(([^)]*)\)/) ?? [];
  const named = which.split(", ").flatMap((part) => {
    const [from = 0, to = from] = part.split("–").map(Number);
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
  expect([Number(left), named.length]).toEqual([8, 8]);
  // The second convolution of its stack keeps the same ones.
  expect(await units.locator("li", { hasText: "stack1-conv2" }).textContent()).toContain(`(${which})`);
  await page.getByRole("button", { name: "conv1", exact: true }).click();
  await page.getByRole("heading", { name: "Weight matrix of conv1" }).waitFor();
  const captions = page.locator("fw-weight-picture figcaption");
  await expect
    .poll(async () => (await captions.allTextContents()).map(plain))
    .toEqual([
      expect.stringContaining("16×1×3×3"),
      expect.stringContaining("8×1×3×3. 72 of 144 weights stay (50.0 %)"),
    ]);
  const macs = page.locator("table.layers tr", { hasText: "stack1-conv1" }).locator("td[data-column=macs]");
  expect(plain(await macs.textContent())).toBe("451,584 of 1,806,336");
  await page.context().close();
});

it("jumps to the end where motion is unwanted, and reads a pruned weight", async () => {
  const page = await site.open({ hash: "#r1=mlp-digits.p80&n=100", reducedMotion: "reduce" });
  await settled(page);
  await page.locator("fw-inside").scrollIntoViewIfNeeded();
  const units = page.locator("fw-network-view");
  await units.getByRole("button", { name: "Play again" }).click();
  expect(await units.getByRole("slider").inputValue()).toBe("0");
  await units.getByRole("button", { name: "Play", exact: true }).click();
  expect(await units.getByRole("slider").inputValue()).toBe("12");
  const picture = page.locator("fw-weight-picture");
  await picture.getByRole("group").focus();
  await page.keyboard.press("ArrowRight");
  // The corner of a digit is empty: its weight is next to nothing, and goes first.
  expect(plain(await picture.getByRole("status").textContent())).toMatch(/^Output 0, input 0: before .* after pruned/);
  const label = await page.locator(".weights-plot svg").getAttribute("aria-label");
  expect(label).toMatch(/4,096 as trained, [\d,]+ that are left\. [\d,]+ were pruned/);
  await page.context().close();
});

it("shows times of layers once they were measured, of this recipe alone", async () => {
  const page = await inside("#n=1000");
  const times = page.locator("table.layers td[data-column=time]");
  expect(await times.count()).toBe(0);
  await page.getByRole("button", { name: /Measure on this machine/ }).click();
  await page.locator("fw-browser").getByRole("button", { name: "Measure", exact: true }).press("Enter");
  await expect.poll(() => times.count(), { timeout: 90_000 }).toBe(5);
  for (const text of await times.allTextContents()) expect(numberIn(text)).toBeGreaterThan(0);
  await page.getByRole("combobox", { name: "Weights" }).selectOption({ label: "INT3" });
  await settled(page);
  await expect.poll(() => times.count()).toBe(0);
  await page.context().close();
}, 120_000);

it("tries every layer at every width, can be stopped, and keeps what it found", async () => {
  const page = await inside("#n=1000");
  const panel = page.locator("fw-inside");
  await panel.getByRole("button", { name: "Try every layer" }).click();
  await panel.getByRole("button", { name: "Cancel" }).click();
  await panel.getByRole("button", { name: "Try every layer" }).click();
  await panel.locator("table.heat").waitFor();
  expect(await panel.locator("table.heat tbody tr").count()).toBe(5);
  const lost = async () => (await panel.locator("table.heat tbody td").allTextContents()).map(numberIn);
  const answers = await lost();
  expect(answers).toHaveLength(35);
  // Fewer bits lose more: two bits lose more than eight in sum.
  const column = (at: number) => answers.filter((_, i) => i % 7 === at).reduce((a, b) => a + b, 0);
  expect(column(6)).toBeGreaterThan(column(0));
  await panel.getByRole("button", { name: "SQNR of its output, dB" }).click();
  const noise = await lost();
  for (let row = 0; row < 35; row += 7) expect(noise[row]).toBeGreaterThan(noise[row + 6] ?? Number.POSITIVE_INFINITY);
  await panel.getByRole("button", { name: "Hide" }).click();
  expect(await panel.locator("table.heat").count()).toBe(0);
  await panel.getByRole("button", { name: "Show what was found" }).click();
  // Another width is the same question.
  await page.getByRole("combobox", { name: "Weights" }).selectOption({ label: "INT3" });
  await settled(page);
  expect(await panel.locator("table.heat tbody tr").count()).toBe(5);
  await page.context().close();
});

it.each(["light", "dark"] as const)(
  "has no violation of accessibility when it is open, %s, and no sideways scroll at 320 px",
  async (theme) => {
    for (const width of [1280, 320]) {
      const hash = "#r1=lenet5-fashion.p40~uc.q4a8&n=1000";
      const page = await site.open({ hash, colorScheme: theme, viewport: { width, height: 844 } });
      await settled(page);
      const panel = page.locator("fw-inside");
      await panel.scrollIntoViewIfNeeded();
      await panel.locator(".explorer").waitFor();
      await panel.getByRole("button", { name: "Try every layer" }).click();
      await panel.locator("table.heat").waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      await page.evaluate(axe.source);
      const run = () => (globalThis as unknown as { axe: typeof axe }).axe.run("fw-inside");
      const { violations } = await page.evaluate(run);
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" | ")}`)).toEqual([]);
      await page.context().close();
    }
  },
);
