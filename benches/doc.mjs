// What the docs say of the newest record: the table in docs/benchmark.md, and a line of the table of pruning.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../tools/setup/lib.mjs";
import { pageOf, readTable } from "../tools/tables/cells.mjs";
import { page } from "../tools/tables/pruning/page.mjs";
import { markdown } from "./table.mjs";

const RECORDS = join(root, "benches", "record");
const DOC = join(root, "docs", "benchmark.md");
const [FROM, TO] = ["<!-- from `npm run bench` -->\n", "\n<!-- to here -->"];

/** The file as it stands, and as the newest record makes it. */
export function benchmarkDoc() {
  const newest = readdirSync(RECORDS)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .at(-1);
  const table = markdown(JSON.parse(readFileSync(join(RECORDS, newest), "utf8")));
  const doc = readFileSync(DOC, "utf8");
  const [from, to] = [doc.indexOf(FROM), doc.indexOf(TO)];
  if (from < 0 || to < from) throw new Error(`docs/benchmark.md has no place for the table, ${FROM.trim()}${TO}`);
  return { doc, made: doc.slice(0, from + FROM.length) + table + doc.slice(to) };
}

/** Writes both. */
export function updateDocs() {
  writeFileSync(DOC, benchmarkDoc().made);
  writeFileSync(join(root, pageOf("pruning")), page(readTable("pruning")));
}
