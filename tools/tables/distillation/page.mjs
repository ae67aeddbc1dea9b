// The page of the table of distillation: what the cells in docs/tables/distillation.json look like in Markdown.
import {
  ALONE,
  CHAINS,
  COMPRESSED,
  cells,
  FEW,
  MAP,
  MISSING,
  mapRow,
  NOISE,
  ORIGINALS,
  STUDENTS,
  VARIANTS,
} from "./rows.mjs";
import { meanOf, pairedOf, signOf } from "./stats.mjs";
import { findings, HEAD, lookup, mapSeeds, rounded, signed } from "./text.mjs";

const head = (names) => [`| | ${names.join(" | ")} |`, `|---|${names.map(() => "---:|").join("")}`];
const shown = ({ mean, half }) => `${rounded(mean)} ± ${rounded(half)}`;

/** A mean, and what it is beside another. */
function beside(values, others) {
  const difference = pairedOf(values, others);
  const text = `${signed(difference.mean)} ± ${rounded(difference.half)}`;
  return `${rounded(meanOf(values).mean)} (${signOf(difference) === 0 ? text : `**${text}**`})`;
}

function students(get, all, images, models) {
  const lines = head(models.map((model) => `\`${model}\``));
  for (const { id, label } of images === "all" ? [...VARIANTS, NOISE] : VARIANTS) {
    const row = `${images} ${id}`;
    const own = models.map((model) => {
      if (!all.has(`${row} ${model}`)) return "–";
      if (id === ALONE.id) return shown(meanOf(get(row, model)));
      return beside(get(row, model), get(`${images} alone`, model));
    });
    if (own.some((text) => text !== "–")) lines.push(`| ${label} | ${own.join(" | ")} |`);
  }
  return lines.join("\n");
}

function map(get, images) {
  const lines = head(MAP.alphas.map((alpha) => `α ${alpha}`));
  for (const temperature of MAP.temperatures) {
    const own = MAP.alphas.map((alpha) =>
      rounded(meanOf(get(mapRow(images, temperature, alpha), MAP.model, "correct", mapSeeds)).mean),
    );
    lines.push(`| *T* ${temperature} | ${own.join(" | ")} |`);
  }
  return lines.join("\n");
}

function compressed(get) {
  const lines = head(["not trained", ...ORIGINALS.map(({ label }) => label)]);
  for (const { id, label, model } of COMPRESSED) {
    const alone = get(`${id} alone`, model);
    const taught = ORIGINALS.slice(1).map(({ id: by }) => beside(get(`${id} ${by}`, model), alone));
    const before = rounded(get(`${id} alone`, model, "before")[0]);
    lines.push(`| ${label} | ${[before, shown(meanOf(alone)), ...taught].join(" | ")} |`);
  }
  return lines.join("\n");
}

function chains(get) {
  const lines = head(["images", "by the large teacher", "by the assistant (against the large teacher)"]);
  for (const { model, assistant } of CHAINS) {
    for (const images of ["all", "few"]) {
      const direct = get(`${images} t2`, model);
      const own = get(`${images} by ${assistant}`, model);
      lines.push(
        `| \`${model}\` by \`${assistant}\` | ${images} | ${shown(meanOf(direct))} | ${beside(own, direct)} |`,
      );
    }
  }
  return lines.join("\n");
}

function missing(get) {
  const lines = head(["right of the class", "of all", "bias raised by", "right of the class", "of all"]);
  for (const model of MISSING.models) {
    for (const by of ["alone", ...MISSING.temperatures.map((temperature) => `t${temperature}`)]) {
      const row = `missing ${by}`;
      const fields = ["seen", "correct", "raise", "raised", "raised_correct"];
      const own = fields.map((field) => shown(meanOf(get(row, model, field))));
      lines.push(`| \`${model}\`, ${by === "alone" ? by : `*T* ${by.slice(1)}`} | ${own.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}

/** The whole page. */
export function page(table) {
  const get = lookup(table);
  const all = new Set(cells().map(({ row, model }) => `${row} ${model}`));
  const dated = `Made by \`npm run tables -- distillation\` on ${table.date}; engine ${table.engine}; ${table.cells.length} of ${cells().length} cells are computed.`;
  const parts = [HEAD, dated, ...findings(table)];
  for (const [set, models] of Object.entries(STUDENTS)) {
    parts.push(`## Students of ${set}`, "On the whole train split:", students(get, all, "all", models));
    parts.push(`On its first ${FEW[set]} images:`, students(get, all, "few", models));
  }
  parts.push("## Temperature and α", `\`${MAP.model}\`, whole train split:`, map(get, "all"));
  parts.push(`Its first ${FEW.digits} images:`, map(get, "few"));
  parts.push("## Compressed, and taught by the original", compressed(get));
  parts.push("## Assistants", chains(get));
  parts.push(`## Without the class ${MISSING.class}`, missing(get));
  return `${parts.join("\n\n")}\n`;
}
