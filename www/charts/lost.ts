/** What the gradients of each layer lost on the way, as a strip for each: dark where much became 0, red where it became infinite. */

import { scaleLinear } from "d3-scale";
import { round, type SvgNode, svg, textWidth } from "./svg";

export interface LostLayer {
  readonly name: string;
  /** Shares of its gradients, point by point. */
  readonly underflow: readonly number[];
  readonly overflow: readonly number[];
  /** The most it lost, in words. */
  readonly note: string;
}

export interface LostData {
  readonly layers: readonly LostLayer[];
  /** Steps of a point, and of the axis. */
  readonly every: number;
  readonly steps: number;
  readonly words: { readonly title: string; readonly steps: string };
  readonly description: string;
}

const SIZE = 12;
const TOP = 22;
const ROW = 18;
const GAP = 5;
/** Width of a cell at least. */
const CELL = 3;
/** Even a little that is lost is seen so much. */
const LEAST = 0.12;

/** The greatest of each of `cells` equal parts of a list; what is rare is not averaged away. */
export function binned(values: readonly number[], cells: number): number[] {
  const count = Math.min(cells, values.length);
  return Array.from({ length: count }, (_, at) =>
    Math.max(...values.slice(Math.floor((at * values.length) / count), Math.floor(((at + 1) * values.length) / count))),
  );
}

/** Draws the strips in a box `width` pixels wide. */
export function lostChart(data: LostData, width: number): SvgNode {
  const { layers, words } = data;
  const left = Math.min(width * 0.3, Math.max(0, ...layers.map(({ name }) => textWidth(name, SIZE))) + 10);
  const notes = Math.max(0, ...layers.map(({ note }) => textWidth(note, SIZE)));
  const right = width - Math.min(width * 0.35, notes + 10);
  const parts: SvgNode[] = [svg("text", { class: "axis", x: 0, y: 10 }, words.title)];
  const x = scaleLinear([0, Math.max(1, data.steps)], [left, right]);
  layers.forEach((layer, row) => {
    const top = TOP + row * (ROW + GAP);
    const end = x(Math.min(data.steps, layer.underflow.length * data.every));
    parts.push(
      svg("text", { class: "label", x: left - 8, y: top + 13, "text-anchor": "end" }, layer.name),
      svg("rect", { class: "lost-slot", x: left, y: top, width: Math.max(0, end - left), height: ROW }),
      svg("text", { class: "axis", x: right + 8, y: top + 13 }, layer.note),
    );
    const cells = Math.max(1, Math.floor((end - left) / CELL));
    for (const [kind, values] of [
      ["under", binned(layer.underflow, cells)],
      ["over", binned(layer.overflow, cells)],
    ] as const) {
      const wide = (end - left) / Math.max(1, values.length);
      values.forEach((share, at) => {
        if (share <= 0) return;
        const opacity = round(LEAST + (1 - LEAST) * Math.sqrt(Math.min(1, share)));
        parts.push(
          svg("rect", {
            class: `lost-${kind}`,
            x: left + at * wide,
            y: kind === "over" ? top : top + ROW / 3,
            width: wide + 0.3,
            height: kind === "over" ? ROW / 3 : (ROW * 2) / 3,
            "fill-opacity": opacity,
          }),
        );
      });
    }
  });
  const foot = TOP + layers.length * (ROW + GAP);
  for (const tick of x.ticks(Math.max(2, Math.floor((right - left) / 90))).filter(Number.isInteger))
    parts.push(svg("text", { class: "axis", x: x(tick), y: foot + 12, "text-anchor": "middle" }, String(tick)));
  const height = foot + 30;
  parts.push(svg("text", { class: "axis", x: right, y: height - 2, "text-anchor": "end" }, words.steps));
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
