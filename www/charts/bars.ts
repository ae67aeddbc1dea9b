/** A few amounts as bars under each other, each with its name and its number. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly note: string;
  readonly strong: boolean;
}

const SIZE = 12;
const ROW = 24;

/** Draws the bars in a box `width` pixels wide; the longest is the greatest. */
export function barsChart(bars: readonly Bar[], description: string, width: number): SvgNode {
  const left = Math.min(width * 0.4, Math.max(0, ...bars.map(({ name }) => textWidth(name, SIZE))) + 10);
  const notes = Math.max(0, ...bars.map(({ note }) => textWidth(note, SIZE)));
  const room = Math.max(20, width - left - notes - 12);
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const parts = bars.flatMap(({ name, value, note, strong }, at) => {
    const wide = Math.max(1, (room * value) / most);
    const y = at * ROW;
    return [
      svg("text", { class: `label${strong ? " strong" : ""}`, x: left - 8, y: y + 15, "text-anchor": "end" }, name),
      svg("rect", { class: strong ? "amount strong" : "amount", x: left, y: y + 4, width: wide, height: 14 }),
      svg("text", { class: "axis", x: left + wide + 8, y: y + 15 }, note),
    ];
  });
  const height = bars.length * ROW;
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": description },
    ...parts,
  );
}
