import type { Page, Worker } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { marks, openSite, type Site, settled, status } from "./site";

let site: Site;
let right: string[];

const read = async (page: Page) => (await marks(page)).map(({ name, percent, bytes }) => `${name} ${percent} ${bytes}`);

/** Runs all widths, lets `harm` do something to a worker on the way, and answers what the chart reads at the end. */
async function sweep(harm?: (worker: Worker) => void): Promise<string[]> {
  const page = await site.open();
  await settled(page);
  await page.getByRole("button", { name: "All widths" }).click();
  await page.getByRole("button", { name: "Cancel" }).waitFor();
  await page.waitForTimeout(200);
  const [harmed] = page.workers();
  if (harmed === undefined) throw new Error("the page has no workers");
  harm?.(harmed);
  await status(page)
    .getByText(/1[0-9] recipes in/)
    .waitFor();
  expect(await page.locator("fw-runs tbody tr").filter({ hasText: "failed" }).count()).toBe(0);
  if (harm) {
    // The browser takes a moment to end a script that is stuck.
    await expect.poll(() => page.workers().includes(harmed), { timeout: 5000 }).toBe(false);
  }
  const result = await read(page);
  await page.context().close();
  return result;
}

beforeAll(async () => {
  site = await openSite();
  right = await sweep();
});
afterAll(async () => {
  await site.close();
});

describe("in the middle of a sweep", () => {
  it("a worker whose script throws is replaced, and nothing is lost", async () => {
    const after = await sweep((worker) => {
      void worker.evaluate(() => {
        setTimeout(() => {
          throw new Error("thrown by the test");
        });
      });
    });
    expect(after).toEqual(right);
  });

  it("a worker whose engine traps is replaced, and nothing is lost", async () => {
    const after = await sweep((worker) => {
      void worker.evaluate(() => {
        performance.now = () => {
          throw new WebAssembly.RuntimeError("unreachable");
        };
      });
    });
    expect(after).toEqual(right);
  });

  it("a worker that hangs is replaced, and nothing is lost", async () => {
    const after = await sweep((worker) => {
      void worker.evaluate(() => {
        setTimeout(() => {
          for (;;);
        });
      });
    });
    expect(after).toEqual(right);
  });
});
