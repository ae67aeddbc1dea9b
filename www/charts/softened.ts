/** How likely each class is to a teacher and to its students: a row for each class, a bar for each voice. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface Voice {
  readonly name: string;
  readonly chances: readonly number[];
  readonly kind: "teacher" | "taught";
}

export interface SoftenedData {
  readonly classes: readonly string[];
  readonly voices: readonly Voice[];
  /** The class that is right. */
  readonly label: number;
  readonly percent: (share: number) => string;
  readonly description: string;
}

const SIZE = 12;
const BAR = 7;
const GAP = 9;

/** Draws the bars in a box `width` pixels wide. */
export function softenedChart(data: SoftenedData, width: number): SvgNode {
  const { classes, voices } = data;
  const left = Math.min(width * 0.35, Math.max(...classes.map((name) => textWidth(name, SIZE)), 0) + 10);
  const most = Math.max(0.01, ...voices.flatMap(({ chances }) => [...chances]));
  const right = width - textWidth("100.0 %", SIZE) - 6;
  const row = voices.length * BAR + GAP;
  const top = voices.length * 16 + 8;
  const parts: SvgNode[] = voices.flatMap(({ name, kind }, at) => [
    svg("rect", { class: `voice-${kind}`, x: left, y: 4 + at * 16, width: 12, height: 9 }),
    svg("text", { class: "label", x: left + 18, y: 13 + at * 16 }, name),
  ]);
  classes.forEach((name, index) => {
    const y = top + index * row;
    const strong = index === data.label ? " strong" : "";
    parts.push(
      svg(
        "text",
        { class: `label${strong}`, x: left - 8, y: y + (voices.length * BAR) / 2 + 4, "text-anchor": "end" },
        name,
      ),
    );
    voices.forEach(({ chances, kind }, at) => {
      const chance = chances[index] ?? 0;
      const wide = ((right - left) * chance) / most;
      parts.push(
        svg("rect", { class: `voice-${kind}`, x: left, y: y + at * BAR, width: Math.max(0.5, wide), height: BAR - 1 }),
      );
    });
    const first = voices[0]?.chances[index] ?? 0;
    const longest = Math.max(...voices.map(({ chances }) => chances[index] ?? 0));
    parts.push(
      svg(
        "text",
        { class: "axis", x: left + ((right - left) * longest) / most + 6, y: y + (voices.length * BAR) / 2 + 4 },
        data.percent(first),
      ),
    );
  });
  const height = top + classes.length * row;
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
