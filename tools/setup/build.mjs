// npm run build: the engine and dist/, without serving it.
import { ensureEngine } from "./all.mjs";
import { main, seconds, step } from "./lib.mjs";
import { buildPage } from "./page.mjs";

await main(async () => {
  await ensureEngine();
  await step("page", buildPage);
  console.log(`\ndist/ is built in ${seconds()}`);
});
