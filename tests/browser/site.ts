/** The built page on a server of its own, in the system's Chromium. */

import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { findChromium } from "../../tools/setup/browser.mjs";
import { root } from "../../tools/setup/lib.mjs";
import { dist } from "../../tools/setup/page.mjs";
import { serve } from "../../tools/setup/serve.mjs";

export interface Site {
  readonly url: string;
  readonly browser: Browser;
  /** A new page in a context of its own; what it logs as an error, or throws, is kept in `faults`. */
  open(options?: BrowserContextOptions & { readonly hash?: string }): Promise<Page>;
  /** Errors of all pages so far. */
  readonly faults: string[];
  close(): Promise<void>;
}

/** Serves `folder` (dist/, unless said otherwise) and starts the browser. */
export async function openSite(folder: string = dist): Promise<Site> {
  const executablePath = findChromium();
  if (executablePath === null) throw new Error("Chromium is not installed");
  const { server, url } = await serve(folder, { port: 0 });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const faults: string[] = [];
  return {
    url,
    browser,
    faults,
    open: async ({ hash = "", ...options } = {}) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      const page = await context.newPage();
      page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
      page.on("pageerror", (error) => faults.push(error.message));
      await page.goto(`${url}${hash}`);
      return page;
    },
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}

/** The repository's root, served where the bindings themselves are needed. */
export const repository: string = root;

/** Where the page says what is under way. */
export function status(page: Page): Locator {
  return page.locator(".progress-words");
}

/** Waits until everything the page began by itself has ended. */
export async function settled(page: Page): Promise<void> {
  await status(page)
    .getByText(/recipes? in [\d.]+ s|레시피/)
    .waitFor();
  await page.getByRole("button", { name: /^(Cancel|취소)$/ }).waitFor({ state: "detached" });
}

/** How many trainings the browser keeps a checkpoint of. */
export function checkpoints(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const request = indexedDB.open("featherweight", 1);
        request.onupgradeneeded = () => request.result.createObjectStore("checkpoints");
        request.onsuccess = () => {
          const count = request.result.transaction("checkpoints").objectStore("checkpoints").count();
          count.onsuccess = () => {
            request.result.close();
            resolve(count.result);
          };
        };
      }),
  );
}

/** Text with the page's narrow and no-break spaces made plain. */
export function plain(text: string | null): string {
  return (text ?? "").replaceAll(/\s/gu, " ");
}

/** One mark of the chart, as it is read out. */
export interface Mark {
  readonly name: string;
  readonly percent: number;
  readonly bytes: number;
}

/** The chart's marks, from the words they are read out with. */
export async function marks(page: Page): Promise<Mark[]> {
  const list = page.getByRole("listbox", { name: /Runs in the chart/ });
  const words = await list
    .getByRole("option")
    .evaluateAll((options) => options.map((option) => option.getAttribute("aria-label") ?? ""));
  return words.map(plain).map((text) => {
    const [, name, percent, bytes] = text.match(/^(.*?): ([\d.]+) %.*?; ([\d,]+) bytes/) ?? [];
    if (name === undefined || bytes === undefined) throw new Error(`a mark says "${text}"`);
    return { name, percent: Number(percent), bytes: Number(bytes.replaceAll(",", "")) };
  });
}
