// The page of the table of training: what the cells in docs/tables/training.json look like in Markdown.
import { meanOf } from "../distillation/stats.mjs";
import { cells, MESSAGES, MODELS, messagesRow, numbersRow, PRECISIONS } from "./rows.mjs";
import { findings, HEAD, lookup, rounded } from "./text.mjs";

const shown = ({ mean, half }) => `${rounded(mean)} ± ${rounded(half)}`;

function numbers(get) {
  const lines = [
    `| | ${MODELS.map((model) => `\`${model}\` | underflow | ended early`).join(" | ")} |`,
    `|---|${MODELS.map(() => "---:|---:|---:|").join("")}`,
  ];
  for (const { id, label } of PRECISIONS) {
    const own = MODELS.map((model) => {
      const row = numbersRow(id);
      const ended = get(row, model, "diverged").filter((step) => step !== null).length;
      const underflow = meanOf(get(row, model, "underflow")).mean;
      return `${shown(meanOf(get(row, model)))} | ${(100 * underflow).toFixed(1)} % | ${ended === 0 ? "–" : `${ended} of 5`}`;
    });
    lines.push(`| ${label} | ${own.join(" | ")} |`);
  }
  return lines.join("\n");
}

function messages(get) {
  const lines = [
    `| | ${MODELS.map((model) => `\`${model}\` | bytes a step`).join(" | ")} |`,
    `|---|${MODELS.map(() => "---:|---:|").join("")}`,
  ];
  for (const { id, label } of MESSAGES) {
    const own = MODELS.map((model) => {
      const row = messagesRow(id);
      return `${shown(meanOf(get(row, model)))} | ${get(row, model, "bytes_per_step")[0].toLocaleString("en")}`;
    });
    lines.push(`| ${label} | ${own.join(" | ")} |`);
  }
  return lines.join("\n");
}

/** The whole page. */
export function page(table) {
  const get = lookup(table);
  const dated = `Made by \`npm run tables -- training\` on ${table.date}; engine ${table.engine}; ${table.cells.length} of ${cells().length} cells are computed.`;
  const parts = [
    HEAD,
    dated,
    ...findings(table),
    "## Numbers",
    "Adam, but where SGD is said.",
    numbers(get),
    "## Messages",
    "Four workers, each with a quarter of the images and of every batch of 128; bytes are what each of them sends in a step.",
    messages(get),
  ];
  return `${parts.join("\n\n")}\n`;
}
