// npm run dev: the engine once, then Vite's server, which reloads the page as its sources change.
import { ensureEngine } from "./all.mjs";
import { main, option, root } from "./lib.mjs";
import { ensureLocalManifest } from "./page.mjs";
import { portOf } from "./serve.mjs";

await main(async () => {
  const port = portOf(option("port"));
  await ensureEngine();
  ensureLocalManifest();
  const { createServer } = await import("vite");
  const server = await createServer({ root, ...(port === undefined ? {} : { server: { port, strictPort: true } }) });
  await server.listen();
  server.printUrls();
});
