// npm run tables [-- NAME] [-- --pages]: computes the tables of methods, docs/tables/<name>.md, and the cells they are made of,
// docs/tables/<name>.json. With `--pages` only the pages are written, from the cells there are.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureEngine } from "../setup/all.mjs";
import { main, root, Stop } from "../setup/lib.mjs";
import { checkNode, ensureRust } from "../setup/steps.mjs";
import { pageOf, readTable } from "./cells.mjs";
import { buildEngine, compute } from "./compute.mjs";
import { missingOf } from "./distillation/missing.mjs";
import { page as distillationPage } from "./distillation/page.mjs";
import * as distillation from "./distillation/rows.mjs";
import { page } from "./page.mjs";
import { page as pruningPage } from "./pruning/page.mjs";
import * as pruning from "./pruning/rows.mjs";
import * as quantization from "./rows.mjs";
import { recordOf } from "./training/more.mjs";
import { page as trainingPage } from "./training/page.mjs";
import * as training from "./training/rows.mjs";

/** Every table: its networks and cells, and its page. */
const TABLES = {
  quantization: { models: quantization.MODELS, cells: quantization.cells(), ordered: quantization.ordered, page },
  pruning: { models: pruning.MODELS, cells: pruning.cells(), ordered: pruning.ordered, page: pruningPage },
  distillation: {
    models: distillation.MODELS,
    cells: distillation.cells(),
    ordered: distillation.ordered,
    page: distillationPage,
    more: missingOf,
  },
  training: {
    models: training.MODELS,
    cells: training.cells(),
    ordered: training.ordered,
    page: trainingPage,
    more: (_, answer) => recordOf(answer),
  },
};

await main(async () => {
  checkNode();
  const { values, positionals } = parseArgs({ options: { pages: { type: "boolean" } }, allowPositionals: true });
  const unknown = positionals.find((name) => TABLES[name] === undefined);
  if (unknown !== undefined) throw new Stop(`There is no table ${unknown}: ${Object.keys(TABLES).join(", ")}.`);
  const wanted = Object.entries(TABLES).filter(([name]) => positionals.length === 0 || positionals.includes(name));
  if (!values.pages) {
    await ensureRust();
    await buildEngine();
    // What a report does not say is asked of the page's engine.
    if (wanted.some(([, table]) => table.more !== undefined)) await ensureEngine();
    for (const [name, table] of wanted) await compute(name, table);
  }
  for (const [name, table] of wanted) writeFileSync(join(root, pageOf(name)), table.page(readTable(name)));
});
