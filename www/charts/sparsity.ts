/** Time of a sparse product against its share of zeros, with the time of the dense product and where the two cross. */

import { scaleLinear } from "d3-scale";
import { type SvgNode, svg, textWidth } from "./svg";

export interface SparsityData {
  /** Shares of zeros, 0 to 1, ascending, and milliseconds. */
  readonly points: readonly { readonly zeros: number; readonly ms: number }[];
  readonly dense_ms: number;
  /** The share of zeros at which both take the same time; absent where they never do. */
  readonly breakEven?: number;
  /** Words beside the dense line, the break-even line and the axis. */
  readonly words: { readonly dense: string; readonly breakEven: string; readonly axis: string };
  /** What the chart says to those who cannot see it. */
  readonly description: string;
}

const HEIGHT = 190;
const SIZE = 12;
const TOP = 22;
const BOTTOM = 38;
const RIGHT = 22;

/** Draws the curve in a box `width` pixels wide. */
export function sparsityChart(data: SparsityData, width: number): SvgNode {
  const { points, dense_ms, breakEven, words } = data;
  const most = 1.12 * Math.max(dense_ms, ...points.map(({ ms }) => ms));
  const ticks = scaleLinear().domain([0, most]).ticks(4);
  const tickWords = ticks.map((tick) => `${tick} ms`);
  const left = Math.max(...tickWords.map((tick) => textWidth(tick, SIZE))) + 10;
  const least = Math.min(points[0]?.zeros ?? 0.5, breakEven ?? 1);
  // A tenth of room before the first, so that its mark does not lie on the axis.
  const from = Math.max(0, Math.floor(least * 10 - 0.5) / 10);
  const x = scaleLinear()
    .domain([from, 1])
    .range([left, width - RIGHT]);
  const y = scaleLinear()
    .domain([0, most])
    .range([HEIGHT - BOTTOM, TOP]);
  const base = y(0);
  const parts: SvgNode[] = [];
  ticks.forEach((tick, index) => {
    parts.push(
      svg("line", { class: "hair", x1: left, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "axis", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, tickWords[index] ?? ""),
    );
  });
  for (const share of x.ticks(Math.max(2, Math.min(6, Math.floor((width - left) / 60))))) {
    const said = `${Math.round(share * 100)}\u00a0%`;
    parts.push(svg("text", { class: "axis", x: x(share), y: base + 16, "text-anchor": "middle" }, said));
  }
  parts.push(
    svg("text", { class: "axis", x: (left + width - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, words.axis),
    svg("line", { class: "speed-reference", x1: left, x2: width - RIGHT, y1: y(dense_ms), y2: y(dense_ms) }),
    svg("text", { class: "label", x: width - RIGHT, y: y(dense_ms) - 6, "text-anchor": "end" }, words.dense),
  );
  if (breakEven !== undefined) {
    const at = x(breakEven);
    const wide = textWidth(words.breakEven, SIZE);
    // Beside its line at the bottom, where the curve is not: before it if there is room, else behind it.
    const before = at - left > wide + 10;
    const place = { x: before ? at - 6 : at + 6, y: base - 8, "text-anchor": before ? "end" : "start" };
    parts.push(
      svg("line", { class: "break-even", x1: at, x2: at, y1: TOP - 8, y2: base }),
      svg("text", { class: "label", ...place }, words.breakEven),
    );
  }
  const path = points.map(({ zeros, ms }, index) => `${index === 0 ? "M" : "L"}${x(zeros)},${y(ms)}`).join("");
  parts.push(svg("path", { class: "sparsity-line", d: path }));
  for (const { zeros, ms } of points) {
    parts.push(svg("circle", { class: "sparsity-mark", cx: x(zeros), cy: y(ms), r: 3.5 }));
  }
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
