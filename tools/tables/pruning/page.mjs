// The page of the table of pruning: what the cells in docs/tables/pruning.json look like in Markdown.
import { nameOf } from "../cells.mjs";
import { cells, isTuned, MODELS, SECTIONS, SPARSITIES } from "./rows.mjs";
import { findings, HEAD } from "./text.mjs";

const number = (value) => value.toLocaleString("en");

/** Right answers of a cell without training, and after it. */
export function answersOf(result, tuned) {
  if (result === undefined || result.refused !== undefined) return {};
  return tuned ? { pruned: result.before, tuned: result.correct } : { pruned: result.correct };
}

function tableOf(model, known, baseline, which) {
  const all = new Map(cells().map((cell) => [nameOf(cell), cell]));
  const lines = [
    `| | ${SPARSITIES.map((sparsity) => `${sparsity} %`).join(" | ")} |`,
    `|---|${SPARSITIES.map(() => "---:|").join("")}`,
  ];
  for (const { title, rows } of SECTIONS) {
    const own = rows.filter(({ id }) => which === "pruned" || isTuned(id, model));
    if (own.length > 0) lines.push(`| **${title}** |${SPARSITIES.map(() => " |").join("")}`);
    for (const { id, label } of own) {
      const shown = SPARSITIES.map((sparsity) => {
        const name = nameOf({ row: id, model, sparsity });
        if (all.get(name).none !== undefined) return `– (${all.get(name).none})`;
        const result = known.get(name);
        if (result?.refused !== undefined) return `refused: ${result.refused.found}`;
        const found = answersOf(result, isTuned(id, model))[which];
        if (found === undefined) return "not computed yet";
        const macs = Math.round((100 * result.macs) / baseline.macs);
        return title === SECTIONS[1].title ? `${number(found)} (${macs} %)` : number(found);
      });
      lines.push(`| ${label} | ${shown.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}

/** The whole page. */
export function page(table) {
  const known = new Map(table.cells.map((result) => [nameOf(result), result]));
  const all = cells().filter((cell) => cell.recipe !== undefined).length;
  const dated = `Made by \`npm run tables -- pruning\` on ${table.date}; engine ${table.engine}; ${table.cells.length} of ${all} cells are computed.`;
  const parts = [HEAD, dated, ...findings(table), "## Right answers"];
  for (const model of MODELS) {
    const { correct, total, macs } = table.baselines[model];
    parts.push(`### ${model}`, `Whole: ${number(correct)} of ${number(total)} right, ${number(macs)} multiply-adds.`);
    parts.push("Pruned, nothing else:", tableOf(model, known, table.baselines[model], "pruned"));
    parts.push("And trained:", tableOf(model, known, table.baselines[model], "tuned"));
  }
  return `${parts.join("\n\n")}\n`;
}
