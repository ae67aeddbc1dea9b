// From samples to rows, and from rows to text.

/** Median and quartiles, by linear interpolation. */
export function quartiles(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
  };
  return { median: at(0.5), q1: at(0.25), q3: at(0.75), samples: sorted.length };
}

const round = (value) => Number(value.toPrecision(4));
const rounded = (parts) => Object.fromEntries(Object.entries(parts).map(([key, value]) => [key, round(value)]));

/** The rows of one contest: one for each goal, or one without. */
export function judge({ title, unit, rate, workloads, goals }, { about, samples_ms, checks }) {
  const [own] = workloads;
  const each = (name) => samples_ms[name].map((ms) => rate(about[name] ?? about[own], ms));
  const rates = Object.fromEntries(Object.keys(samples_ms).map((name) => [name, rounded(quartiles(each(name)))]));
  const peers = Object.keys(rates).filter((name) => !workloads.includes(name));
  const best = peers.sort((a, b) => rates[b].median - rates[a].median)[0];
  const row = (goal) => {
    const rival = goal === undefined || goal.of === "peer" ? best : goal.of;
    // Round by round: what slows a whole round down leaves its ratio alone.
    const rivals = each(rival);
    const ratios = rounded(quartiles(each(own).map((one, i) => one / rivals[i])));
    const ratio = ratios.median;
    return {
      title,
      unit,
      ours: rates[own].median,
      rival,
      rivals: rates[rival].median,
      ratio,
      ratios,
      goal: goal?.says ?? null,
      met: goal?.least === undefined ? null : ratio >= goal.least,
      // Where no more than a draw is wanted: whether the two cannot be told apart.
      drawn: goal?.least === 1 && ratio < 1 && ratios.q3 >= 1,
      beyond: goal?.beyond === undefined ? null : ratio >= goal.beyond,
    };
  };
  const made =
    peers.length === 0 || goals.some((goal) => goal.of === "peer") ? goals.map(row) : [row(), ...goals.map(row)];
  return made.map((line, i) => (i === 0 ? { ...line, rates, deviations: checks } : line));
}

const number = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));

const HEAD = ["work", "ours", "against", "ratio", "at least", ""];

/** The rows in words, a list of cells each. */
function said({ rows }) {
  const verdict = ({ met, beyond, drawn }) => {
    if (met === null) return "";
    if (!met) return drawn ? "missed, within the spread" : "missed";
    return beyond ? "met, and beyond" : "met";
  };
  return rows.map(({ title, unit, ours, rival, rivals, ratio, goal, ...judged }) => [
    title,
    `${number(ours)} ${unit}`,
    rival === null ? "" : `${rival} ${number(rivals)}`,
    ratio === null ? "" : ratio.toFixed(2),
    goal ?? "",
    verdict(judged),
  ]);
}

/** Where and with what a record was taken. */
function taken({ date, browser, cpu, cores, peers }) {
  const known = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  return `${date.slice(0, 10)}, ${browser}, ${cpu}, ${cores} threads; ${known.join(", ")}`;
}

/** Figures of other machines, a line each. */
function elsewhere({ recorded_elsewhere }) {
  return Object.entries(recorded_elsewhere).map(([name, { value, unit }]) => `${name}: ${number(value)} ${unit}`);
}

const ELSEWHERE = "Recorded elsewhere, not taken in this run:";

/** The table as text. */
export function table(record) {
  const rows = said(record);
  const widths = HEAD.map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i].length)));
  const line = (cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd();
  return [
    taken(record),
    "",
    line(HEAD),
    line(widths.map((width) => "-".repeat(width))),
    ...rows.map(line),
    "",
    ELSEWHERE,
    ...elsewhere(record).map((each) => `  ${each}`),
  ].join("\n");
}

/** The table for the docs. */
export function markdown(record) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    `${taken(record)}.`,
    "",
    line(HEAD),
    line(HEAD.map(() => "---")),
    ...said(record).map(line),
    "",
    ELSEWHERE,
    "",
    ...elsewhere(record).map((each) => `- ${each}`),
  ].join("\n");
}
