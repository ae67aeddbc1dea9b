/** Values before rounding against what became of them: points on the steps of the grid, beside the line of no error. */

import { scaleLinear } from "d3-scale";
import { gridLines, LEAST_GAP } from "./histogram";
import { type SvgNode, svg, textWidth } from "./svg";

export interface RoundingData {
  readonly original: readonly number[];
  readonly values: readonly number[];
  readonly levels: readonly number[];
  readonly words: { readonly before: string; readonly after: string; readonly exact: string };
  readonly number: (value: number) => string;
  readonly description: string;
}

const SIZE = 12;
const TOP = 22;
const BOTTOM = 38;

/** Draws the points in a box `width` pixels wide and about as high. */
export function roundingChart(data: RoundingData, width: number): SvgNode {
  const { original, values, levels, words } = data;
  const all = [...original, ...values, ...levels];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = high > low ? high - low : 1;
  const height = Math.min(320, Math.max(240, width));
  const ticks = scaleLinear()
    .domain([low, low + span])
    .ticks(4);
  const left = Math.max(...ticks.map((tick) => textWidth(data.number(tick), SIZE)), 20) + 10;
  const right = width - 8;
  const base = height - BOTTOM;
  const domain = [low - span * 0.03, low + span * 1.03];
  const x = scaleLinear().domain(domain).range([left, right]);
  const y = scaleLinear().domain(domain).range([base, TOP]);
  const parts: SvgNode[] = [];
  // Where a level is as good as another stand no lines; the levels themselves are rows.
  const rows = levels.map(y).sort((a, b) => a - b);
  const near = rows.slice(1).some((at, index) => at - (rows[index] ?? at) < LEAST_GAP);
  if (!near)
    for (const at of rows) parts.push(svg("line", { class: "grid-line", x1: left, x2: right, y1: at, y2: at }));
  parts.push(...gridLines(near ? [] : levels, x, [base - 4, base], [left, right]));
  parts.push(
    svg("line", { class: "tick", x1: left, x2: right, y1: base, y2: base }),
    svg("line", { class: "exact", x1: x(low), y1: y(low), x2: x(low + span), y2: y(low + span) }),
  );
  for (const tick of ticks) {
    const said = data.number(tick);
    parts.push(
      svg("text", { class: "axis", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, said),
      svg("text", { class: "axis", x: x(tick), y: base + 17, "text-anchor": "middle" }, said),
    );
  }
  original.forEach((value, index) => {
    const after = values[index] ?? value;
    parts.push(svg("circle", { class: "rounded-mark", cx: x(value), cy: y(after), r: 3 }));
  });
  parts.push(
    svg("text", { class: "axis", x: right, y: height - 4, "text-anchor": "end" }, words.before),
    svg("text", { class: "axis", x: 0, y: 10 }, words.after),
    svg("text", { class: "label", x: right, y: y(low + span) - 6, "text-anchor": "end" }, words.exact),
  );
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
