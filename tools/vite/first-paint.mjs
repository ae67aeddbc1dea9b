/** Vite plugin: puts the static first paint, drawn by the page's own chart functions, into index.html. */

import { readFileSync } from "node:fs";
import { runnerImport } from "vite";

const SOURCE = "www/first-paint.ts";
const RESULTS = "www/precomputed/default.json";

/** @returns {import("vite").Plugin} */
export function firstPaint() {
  let root = process.cwd();
  return {
    name: "featherweight:first-paint",
    configResolved(config) {
      root = config.root;
    },
    async transformIndexHtml(page) {
      const { module } = await runnerImport(`${root}/${SOURCE}`);
      return module.paintPage(page, JSON.parse(readFileSync(`${root}/${RESULTS}`, "utf8")));
    },
  };
}
