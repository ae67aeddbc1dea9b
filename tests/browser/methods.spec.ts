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

const method = (page: Page) => page.getByRole("combobox", { name: "Method" });
const hash = (page: Page) => new URL(page.url()).hash;

/** Answers of the engine come a slice at a time, beside the runs. */
const soon = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 15_000 });

async function openMore(page: Page): Promise<void> {
  await page.getByText("More settings").click();
  await page.getByRole("heading", { name: "Before rounding" }).waitFor();
}

it("takes a method of a paper whole: says what it changed, marks it, runs it, and keeps it in the address", async () => {
  const page = await site.open();
  await settled(page);
  await method(page).selectOption({ label: "GPTQ, 4 bits" });
  await settled(page);
  const changes = page.locator(".changes");
  expect(plain(await changes.textContent())).toMatch(
    /Inputs INT8 float.*Zero at 0 anywhere.*Rounding to the nearest GPTQ/,
  );
  expect(plain(await page.locator(".preset-line").textContent())).toContain("arXiv 2210.17323");
  expect(hash(page)).toBe("#r1=lenet5-fashion.q4~asym~og");
  await openMore(page);
  expect(await page.getByRole("combobox", { name: "Rounding" }).inputValue()).toBe("gptq");
  expect(await page.locator(".control.changed.rounding .was").textContent()).toBe("was to the nearest");
  // One more change, by hand: it is no paper's method any more, and nothing is marked.
  await page.getByRole("spinbutton", { name: "Damping" }).fill("0.05");
  await page.keyboard.press("Enter");
  await expect.poll(() => hash(page)).toBe("#r1=lenet5-fashion.q4~asym~og~d0,05");
  expect(await method(page).inputValue()).toBe("own");
  expect(await changes.count()).toBe(0);

  const again = await site.open({ hash: hash(page) });
  await settled(again);
  await openMore(again);
  expect(await again.getByRole("spinbutton", { name: "Damping" }).inputValue()).toBe("0.05");
  await page.context().close();
  await again.context().close();
});

it("greys what the engine refuses, and gives its reason in a line", async () => {
  const page = await site.open();
  await settled(page);
  await openMore(page);
  const fold = page.getByRole("checkbox", { name: "fold norms" });
  await soon(() => fold.isDisabled()).toBe(true);
  const reason = await fold.getAttribute("aria-describedby");
  expect(plain(await page.locator(`[id="${reason}"]`).textContent())).toContain("no batch norm to fold");
  expect(plain(await page.locator(".control.cache").textContent())).toContain("keeps no keys and values");
  const kivi = method(page).locator("option", { hasText: "KV cache" });
  expect(await kivi.isDisabled()).toBe(true);
  expect(plain(await kivi.textContent())).toContain("keeps no keys and values");

  // Entropy needs a mirrored grid: with it the zero cannot move alone, without it the option is greyed.
  await page
    .getByRole("radiogroup", { name: "Input zero" })
    .getByRole("radio", { name: "anywhere" })
    .check({ force: true });
  const entropy = page.getByRole("combobox", { name: "Calibrate" }).locator("option[value=entropy]");
  await soon(() => entropy.isDisabled()).toBe(true);
  expect(plain(await entropy.textContent())).toContain("only with the input zero at 0");

  // Equalizing is possible here; then the other scalings are not.
  await page.getByRole("checkbox", { name: "equalize" }).check({ force: true });
  await soon(() => page.getByRole("checkbox", { name: "AWQ" }).isDisabled()).toBe(true);
  await page.context().close();
});

it("lets other settings give way to a change, and shows which did", async () => {
  const page = await site.open({ hash: "#r1=lenet5-fashion.q4a8~xe~bb" });
  await settled(page);
  await page.getByRole("combobox", { name: "Weights" }).selectOption({ label: "NVFP4" });
  await settled(page);
  expect(plain(await page.locator(".changes").textContent())).toMatch(/Misfit layers.*INT8/);
  expect(hash(page)).toContain("~h8");
  expect(plain(await page.getByRole("alert").textContent()).trim()).toBe("");
  await page.context().close();
});

it("is worked by keys alone, and refuses a number with words", async () => {
  const page = await site.open();
  await settled(page);
  await page.locator(".more-settings > summary").focus();
  await page.keyboard.press("Enter");
  const groups = page.getByRole("radiogroup", { name: "Scale per" });
  await groups.getByRole("radio", { name: "channel" }).focus();
  await page.keyboard.press("ArrowRight");
  const size = page.getByRole("spinbutton", { name: "Group size" });
  await size.waitFor();
  expect(await size.inputValue()).toBe("16");
  // 9 divides no layer's weights.
  await size.fill("9");
  await size.press("Enter");
  await expect.poll(() => size.getAttribute("aria-invalid")).toBe("true");
  expect(plain(await page.locator("#why-group").textContent())).toContain("9 does not divide");
  expect(hash(page)).toContain("~g16");
  await page.context().close();
});

it("shows the spread over five draws of training images, and can be stopped", async () => {
  const page = await site.open({ hash: "#n=1000" });
  await settled(page);
  await page.getByRole("button", { name: "Spread over 5 draws" }).click();
  await page.getByRole("button", { name: "Cancel the draws" }).waitFor();
  await page.locator(".spread-dot").nth(4).waitFor();
  await page.getByRole("button", { name: "Cancel the draws" }).waitFor({ state: "detached" });
  const [least = 0, median = 0, most = 0] = (await page.locator(".spread-words dd").allTextContents()).map(Number);
  expect(least).toBeGreaterThan(700);
  expect(least).toBeLessThanOrEqual(median);
  expect(median).toBeLessThanOrEqual(most);
  expect(most).toBeLessThan(1000);

  await page.getByRole("combobox", { name: "Weights" }).selectOption({ label: "INT3" });
  await settled(page);
  await page.getByRole("button", { name: "Spread over 5 draws" }).click();
  await page.getByRole("button", { name: "Cancel the draws" }).click();
  await page.getByRole("button", { name: "Spread over 5 draws" }).waitFor();
  expect(await page.locator(".spread-dot").count()).toBeLessThan(5);

  // Nothing looks at images: nothing to draw.
  await page.getByRole("combobox", { name: "Inputs" }).selectOption({ label: "float" });
  await settled(page);
  await soon(() => page.getByRole("button", { name: "Spread over 5 draws" }).isDisabled()).toBe(true);
  await page.getByText("nothing in this recipe looks at training images").first().waitFor();
  await page.context().close();
});

it("sets everything on a model of text: transforms, tokens, keys and values", async () => {
  const page = await site.open({ hash: "#r1=transformer-shakespeare.q4a8~xh~og~mt~v4&n=100" });
  await settled(page);
  await openMore(page);
  expect(await page.getByRole("checkbox", { name: "Hadamard" }).isChecked()).toBe(true);
  expect(await page.getByRole("combobox", { name: "Input range" }).inputValue()).toBe("token");
  expect(await page.getByRole("combobox", { name: "KV cache" }).inputValue()).toBe("int4");
  expect(plain(await page.locator("fw-chart .readout").textContent())).toMatch(
    /Hadamard, GPTQ, cache INT4.*bits per character/,
  );
  await page.context().close();
});

it("gives one layer formats of its own, and the report has them", async () => {
  const page = await site.open();
  await settled(page);
  await openMore(page);
  await page.getByRole("combobox", { name: "Layer", exact: true }).selectOption("fc1");
  await page.getByRole("combobox", { name: "Its weights" }).selectOption({ label: "INT2" });
  await page.getByRole("combobox", { name: "Its inputs" }).selectOption({ label: "INT4" });
  await settled(page);
  expect(hash(page)).toBe("#r1=lenet5-fashion.q4a8~y2:2:4");
  expect(plain(await page.locator(".control.layers").textContent())).toContain("fc1 INT2, INT4 inputs");
  await soon(async () => plain(await page.locator("fw-strip svg").getAttribute("aria-label"))).toMatch(
    /fc1: [\d,]+ parameters at 2\.\d bits/,
  );
  await page.getByRole("combobox", { name: "Its weights" }).selectOption({ label: "as all others" });
  await page.getByRole("combobox", { name: "Its inputs" }).selectOption({ label: "as all others" });
  await expect.poll(() => hash(page)).toBe("");
  await page.context().close();
});

it("fits at 320 px with everything open", async () => {
  for (const locale of ["en-US", "ko-KR"]) {
    const page = await site.open({ hash: "#tab=recipe", locale, viewport: { width: 320, height: 700 } });
    await settled(page);
    await page.locator(".more-settings > summary").click();
    await page.locator(".reasons").first().waitFor();
    const wide = await page
      .locator("fw-recipe")
      .evaluate((panel) =>
        [...panel.querySelectorAll("*")]
          .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 && !each.closest("option, .hidden"))
          .map((each) => each.className || each.tagName),
      );
    expect(wide).toEqual([]);
    await page.context().close();
  }
});

it("logged no error in all of this", () => {
  expect(site.faults).toEqual([]);
});
