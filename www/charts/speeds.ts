/** Horizontal bars of measured values, each with its name and its value beside it, against one line of reference. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface SpeedRow {
  readonly name: string;
  readonly value: number;
  /** The value in words, with its unit. */
  readonly label: string;
  /** What it is compared with, drawn as an outline of its own; absent where there is nothing. */
  readonly against?: number;
  /** Whether its bar is the one others are compared with. */
  readonly reference?: boolean;
}

export interface SpeedData {
  readonly rows: readonly SpeedRow[];
  /** What the chart says to those who cannot see it. */
  readonly description: string;
}

const ROW = 24;
const BAR = 12;
const SIZE = 12;
const GAP = 10;

export function speedsHeight(rows: number): number {
  return rows * ROW + 4;
}

/** Where bars begin, and how many pixels one unit takes, so that the longest bar leaves room for its label. */
export function speedScale(rows: readonly SpeedRow[], width: number): { readonly left: number; readonly unit: number } {
  const left = Math.min(width * 0.45, Math.max(0, ...rows.map((row) => textWidth(row.name, SIZE))) + GAP);
  const fits = rows.map((row) => {
    const most = Math.max(row.value, row.against ?? 0);
    const room = width - left - GAP - textWidth(row.label, SIZE);
    return most > 0 ? Math.max(1, room) / most : Number.POSITIVE_INFINITY;
  });
  const unit = Math.min(...fits);
  return { left, unit: Number.isFinite(unit) ? unit : 0 };
}

/** Draws the bars in a box `width` pixels wide. */
export function speedsChart(data: SpeedData, width: number): SvgNode {
  const { rows } = data;
  const { left, unit } = speedScale(rows, width);
  const height = speedsHeight(rows.length);
  const parts: SvgNode[] = [];
  const reference = rows.find((row) => row.reference);
  if (reference) {
    const x = left + reference.value * unit;
    parts.push(svg("line", { class: "speed-reference", x1: x, x2: x, y1: 0, y2: height }));
  }
  rows.forEach((row, index) => {
    const middle = index * ROW + ROW / 2 + 2;
    const y = middle - BAR / 2;
    const end = left + Math.max(row.value, row.against ?? 0) * unit;
    parts.push(
      svg("text", { class: "label", x: left - GAP, y: middle + 4, "text-anchor": "end" }, row.name),
      svg("rect", {
        class: row.reference ? "speed-bar reference" : "speed-bar",
        x: left,
        y,
        width: Math.max(1, row.value * unit),
        height: BAR,
      }),
    );
    if (row.against !== undefined) {
      const size = Math.max(1, row.against * unit);
      parts.push(svg("rect", { class: "strip-outline", x: left + 0.5, y: y - 1.5, width: size, height: BAR + 3 }));
    }
    parts.push(svg("text", { class: "axis", x: end + 6, y: middle + 4 }, row.label));
  });
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
