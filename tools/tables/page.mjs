// The page of the table: what the cells in docs/tables/quantization.json look like in Markdown.
import { nameOf } from "./cells.mjs";
import { BITS, cells, MODELS, SECTIONS } from "./rows.mjs";
import { lookup, text } from "./text.mjs";

const number = (value) => value.toLocaleString("en");
const letter = (index) => String.fromCharCode(97 + index);

/** What stands for a cell, and the reason when it is no number. */
function shown(cell, result) {
  if (cell.none !== undefined) return { reason: cell.none };
  if (result === undefined) return { reason: "not computed yet" };
  if (result.refused !== undefined) return { reason: `refused: ${result.refused.found}` };
  const bits = result.bits_per_character;
  return { value: result.correct, text: number(result.correct) + (bits === undefined ? "" : ` (${bits.toFixed(3)})`) };
}

function tableOf(model, { baselines, cells: results }) {
  const known = new Map(results.map((result) => [nameOf(result), result]));
  const own = new Map(cells().map((cell) => [nameOf(cell), shown(cell, known.get(nameOf(cell)))]));
  const reasons = [];
  const mark = ({ text, reason }) => {
    if (reason === undefined) return text;
    if (!reasons.includes(reason)) reasons.push(reason);
    return `${letter(reasons.indexOf(reason))})`;
  };
  const lines = [`| | ${BITS.map((bits) => `${bits} bits`).join(" | ")} |`, `|---|${BITS.map(() => "---:|").join("")}`];
  for (const { title, rows } of SECTIONS) {
    lines.push(`| **${title}** |${BITS.map(() => " |").join("")}`);
    for (const { id, label } of rows) {
      const found = BITS.map((bits) => mark(own.get(nameOf({ row: id, model, bits }))));
      lines.push(`| ${label} | ${found.join(" | ")} |`);
    }
  }
  const { correct, total, bits_per_character: perCharacter } = baselines[model];
  const said = perCharacter === undefined ? "" : `, ${perCharacter.toFixed(3)} bits per character`;
  const plain = `In f32: ${number(correct)} of ${number(total)} right${said}.`;
  const notes = reasons.map((reason, index) => `${letter(index)}) ${reason}.`);
  return [`### ${model}`, "", plain, "", ...lines, "", ...notes.flatMap((note) => [note, ""])].join("\n");
}

/** The whole page. */
export function page(table) {
  const numerics = [...new Set(table.cells.flatMap((cell) => cell.numerics ?? []))].sort((a, b) => a - b);
  const all = cells().filter((cell) => cell.recipe !== undefined).length;
  const { head, findings } = text(lookup(table));
  const dated = `Made by \`npm run tables\` on ${table.date}; engine ${table.engine}, numerics ${numerics.join(", ")}; ${table.cells.length} of ${all} cells are computed.`;
  const parts = [
    head,
    dated,
    "## What it shows",
    findings,
    "## Right answers",
    ...MODELS.map((model) => tableOf(model, table)),
  ];
  return `${parts
    .join("\n\n")
    .trimEnd()
    .replace(/\n{3,}/g, "\n\n")}\n`;
}
