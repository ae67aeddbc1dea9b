/** "Who pays": errors of each class before and after, as pairs of bars with the change beside them. */

import { scaleLinear } from "d3-scale";
import { type SvgNode, svg, textWidth } from "./svg";

export interface ClassRow {
  readonly label: string;
  readonly before: number;
  readonly after: number;
}

/** A signed whole number with a true minus sign. */
export function signed(value: number): string {
  if (value === 0) return "0";
  return value > 0 ? `+${value}` : `−${-value}`;
}

export const CLASS_ROW_HEIGHT = 22;

/** Draws the rows in the order given, `width` pixels wide; as high as the rows need. */
export function classChart(rows: readonly ClassRow[], width: number, description: string): SvgNode {
  const left = Math.min(width * 0.38, Math.max(40, ...rows.map((row) => textWidth(row.label, 12))) + 10);
  const right = width - 40;
  const x = scaleLinear()
    .domain([0, Math.max(1, ...rows.map((row) => Math.max(row.before, row.after)))])
    .range([0, Math.max(1, right - left)]);
  const height = rows.length * CLASS_ROW_HEIGHT;
  const parts = rows.flatMap((row, index) => {
    const y = index * CLASS_ROW_HEIGHT;
    const end = left + Math.max(x(row.before), x(row.after));
    return [
      svg("text", { class: "label", x: 0, y: y + 14 }, row.label),
      svg("rect", { class: "bar-before", x: left, y: y + 4, width: x(row.before), height: 5 }),
      svg("rect", { class: "bar-after", x: left, y: y + 10, width: x(row.after), height: 5 }),
      svg("text", { class: "axis", x: end + 7, y: y + 14 }, signed(row.after - row.before)),
    ];
  });
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${Math.max(1, height)}`, role: "img", "aria-label": description },
    ...parts,
  );
}
