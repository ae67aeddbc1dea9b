/** Where time or energy goes: bars parted by what bounds the layers that take it. */

import { type SvgNode, svg, textWidth } from "./svg";

export const BOUNDS = ["compute", "memory", "overhead"] as const;
export type Bound = (typeof BOUNDS)[number];

export interface BoundRow {
  readonly name: string;
  readonly parts: Readonly<Record<Bound, number>>;
  /** The whole in words, with its unit. */
  readonly label: string;
}

export interface BoundsData {
  readonly rows: readonly BoundRow[];
  readonly description: string;
}

const SIZE = 12;
const ROW = 24;
const BAR = 12;
const GAP = 10;

const whole = ({ parts }: BoundRow) => BOUNDS.reduce((sum, bound) => sum + parts[bound], 0);

/** Where bars begin, and the pixels of a unit. */
export function boundsScale(
  rows: readonly BoundRow[],
  width: number,
): { readonly left: number; readonly unit: number } {
  const left = Math.min(width * 0.4, Math.max(0, ...rows.map((row) => textWidth(row.name, SIZE))) + GAP);
  const units = rows
    .filter((row) => whole(row) > 0)
    .map((row) => Math.max(1, width - left - GAP - textWidth(row.label, SIZE)) / whole(row));
  return { left, unit: units.length > 0 ? Math.min(...units) : 0 };
}

export function boundsChart({ rows, description }: BoundsData, width: number): SvgNode {
  const { left, unit } = boundsScale(rows, width);
  const height = rows.length * ROW + 4;
  const parts = rows.flatMap((row, index) => {
    const middle = index * ROW + ROW / 2 + 2;
    let x = left;
    const bars = BOUNDS.flatMap((bound) => {
      const size = row.parts[bound] * unit;
      const from = x;
      x += size;
      // An outline of its own width would cover the neighbour.
      return size < 0.5
        ? []
        : [
            svg("rect", {
              class: `bound ${bound}`,
              x: from + 0.5,
              y: middle - BAR / 2,
              width: Math.max(0.5, size - 1),
              height: BAR,
            }),
          ];
    });
    return [
      svg("text", { class: "label", x: left - GAP, y: middle + 4, "text-anchor": "end" }, row.name),
      ...bars,
      svg("text", { class: "axis", x: x + 6, y: middle + 4 }, row.label),
    ];
  });
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description },
    ...parts,
  );
}
