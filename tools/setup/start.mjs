// npm start: from a fresh clone to the page at a printed address. `npm start -- --port 8000 --host 0.0.0.0`.
import { ensureEngine } from "./all.mjs";
import { main, option, seconds, step } from "./lib.mjs";
import { buildPage, dist } from "./page.mjs";
import { portOf, serve } from "./serve.mjs";

await main(async () => {
  const port = portOf(option("port"));
  await ensureEngine();
  await step("page", buildPage);
  const { url } = await serve(dist, { port, host: option("host") ?? "localhost" });
  console.log(`\nFeatherweight is at ${url} (ready in ${seconds()}; stop with Ctrl-C)`);
});
