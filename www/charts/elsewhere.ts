/** One recipe on many machines: how much faster than floats it is on each, as bars with their band; hatched where it is modelled. */

import { scaleLog } from "d3-scale";
import { type SvgNode, svg, textWidth } from "./svg";

export type SupportId = "native" | "weight-only" | "fallback" | "emulated" | "absent";

export interface ElsewhereRow {
  readonly name: string;
  /** How it runs there: its class, and in words. */
  readonly support: SupportId;
  readonly tag: string;
  /** How many times faster than floats; absent where it does not run or has nothing to be compared with. */
  readonly ratio?: number | undefined;
  /** The band of a modelled ratio. */
  readonly band?: readonly [number, number] | undefined;
  /** What stands behind the bar, or in its place. */
  readonly label: string;
  readonly measured: boolean;
}

export interface ElsewhereData {
  readonly rows: readonly ElsewhereRow[];
  /** What the line at one is: as fast as floats. */
  readonly even: string;
  readonly description: string;
}

const SIZE = 12;
const BAR = 9;
const TOP = 20;
const GAP = 12;
/** Below this a row's name stands above its bar. */
const NARROW = 520;

/** Sides of the columns, and the pixels that a ratio stands at. */
export function elsewhereLayout(data: ElsewhereData, width: number) {
  const narrow = width < NARROW;
  const widest = (words: readonly string[]) => Math.max(0, ...words.map((word) => textWidth(word, SIZE)));
  const names = widest(data.rows.map((row) => row.name)) + GAP;
  const tags = widest(data.rows.map((row) => row.tag)) + GAP;
  const left = narrow ? 0 : names + tags;
  const bars = data.rows.filter((row) => row.ratio !== undefined);
  const ends = bars.flatMap(({ ratio = 1, band }) => [ratio, ...(band ?? [])]);
  const low = Math.min(0.8, ...ends);
  const high = Math.max(1.5, ...ends);
  const labels = widest(bars.map((row) => row.label)) + GAP;
  const scale = scaleLog()
    .domain([low, high])
    .range([left + 4, Math.max(left + 60, width - labels)]);
  const height = narrow ? 40 : 26;
  return { narrow, names, left, scale, row: height, height: TOP + data.rows.length * height };
}

/** Draws the bars in a box `width` pixels wide. Bars begin at one: to the right faster, to the left slower. */
export function elsewhereChart(data: ElsewhereData, width: number): SvgNode {
  const { narrow, names, left, scale, row: step, height } = elsewhereLayout(data, width);
  const one = scale(1);
  const parts: SvgNode[] = [
    svg(
      "defs",
      {},
      svg(
        "pattern",
        { id: "modelled", width: 4, height: 4, patternUnits: "userSpaceOnUse" },
        svg("rect", { class: "modelled-stripe", width: 2, height: 4 }),
      ),
    ),
    svg("line", { class: "speed-reference", x1: one, x2: one, y1: TOP - 6, y2: height }),
    svg("text", { class: "axis", x: one, y: 10, "text-anchor": one < width / 2 ? "start" : "end" }, data.even),
  ];
  data.rows.forEach((row, index) => {
    const top = TOP + index * step;
    const middle = top + (narrow ? 28 : 13);
    const words = narrow ? top + 13 : middle + 4;
    if (index > 0) parts.push(svg("line", { class: "hair", x1: 0, x2: width, y1: top, y2: top }));
    parts.push(
      svg("text", { class: "label", x: 0, y: words }, row.name),
      svg(
        "text",
        {
          class: `support-word ${row.support}`,
          x: narrow ? width : names,
          y: words,
          "text-anchor": narrow ? "end" : "start",
        },
        row.tag,
      ),
    );
    if (row.ratio === undefined) {
      parts.push(svg("text", { class: "axis", x: left + 4, y: middle + 4 }, row.label));
      return;
    }
    const at = scale(row.ratio);
    const [from, to] = [Math.min(one, at), Math.max(one, at)];
    parts.push(
      svg("rect", {
        class: row.measured ? "measured-bar" : "modelled-bar",
        x: from,
        y: middle - BAR / 2,
        width: Math.max(1, to - from),
        height: BAR,
      }),
    );
    if (row.band) {
      const [low, high] = row.band.map(scale) as [number, number];
      parts.push(
        svg("path", { class: "band", d: `M${low},${middle - 4}v8M${low},${middle}H${high}M${high},${middle - 4}v8` }),
      );
    }
    const end = Math.max(to, ...(row.band ?? []).map(scale));
    parts.push(svg("text", { class: "axis", x: end + 8, y: middle + 4 }, row.label));
  });
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
