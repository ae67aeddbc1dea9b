import axe from "axe-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSite, type Site, settled } from "./site";

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  await site.close();
});

const themes = ["light", "dark"] as const;
const languages = ["en-US", "ko-KR"] as const;
const widths = [1280, 390] as const;

describe.each(themes)("%s", (colorScheme) => {
  describe.each(languages)("%s", (locale) => {
    it.each(widths)("at %i px has no violation, and no sideways scroll", async (width) => {
      const page = await site.open({ colorScheme, locale, viewport: { width, height: 844 } });
      await settled(page);
      expect(await page.locator("html").getAttribute("lang")).toBe(locale.slice(0, 2));
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      // The panel of machines is fetched when it comes near the screen.
      await page.locator("fw-targets").scrollIntoViewIfNeeded();
      await page.locator(".elsewhere-plot svg").waitFor();
      for (const summary of await page.locator("fw-targets details > summary").all()) await summary.click();
      await page.evaluate(axe.source);
      const tabs = width < 600 ? await page.getByRole("tab").all() : [null];
      for (const tab of tabs) {
        await tab?.click();
        // Everything that can be set, with the reasons for what cannot.
        const more = page.locator(".more-settings:not([open]) > summary");
        if (await more.isVisible()) {
          await more.click();
          await page.locator(".reasons").first().waitFor();
        }
        const found = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
        const violations = found.violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" | ")}`,
        );
        expect(violations).toEqual([]);
      }
      await page.context().close();
    });
  });
});
