/** Groups of results on one axis: a dot for each, their mean as a stroke, and the interval around it. */

import { scaleLinear } from "d3-scale";
import { type SvgNode, svg, textWidth } from "./svg";

export interface IntervalRow {
  readonly name: string;
  /** In percent. */
  readonly values: readonly number[];
  readonly mean: number;
  readonly half: number | undefined;
  /** Its mean and interval in words. */
  readonly note: string;
  readonly strong: boolean;
}

export interface IntervalsData {
  readonly rows: readonly IntervalRow[];
  /** What is counted, with its unit. */
  readonly axis: string;
  /** What the band stands for. */
  readonly band: string;
  readonly description: string;
}

const SIZE = 12;
/** A row with one line of words, and every further line. */
const ROW = 44;
const LINE = 15;
/** Between the parts of a name, where it may be broken. */
const PARTS = " · ";
/** Between a name and its note. */
const GAP = 16;
const TOP = 6;
/** Percent that the axis spans at least, so that noise does not look large. */
const LEAST_SPAN = 4;

/** Ends of the axis: all dots and intervals, and never less than a few percent. */
export function intervalEnds(rows: readonly IntervalRow[]): readonly [number, number] {
  const all = rows.flatMap(({ values, mean, half = 0 }) => [...values, mean - half, mean + half]);
  if (all.length === 0) return [0, 100];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = Math.max(0, (LEAST_SPAN - (high - low)) / 2);
  return [Math.max(0, low - pad), Math.min(100, high + pad)];
}

/** The lines of a row's label in `room` pixels: its name broken between its parts, and its note, beside the last if it fits. */
export function labelLines({ name, note }: IntervalRow, room: number): { lines: string[]; beside: boolean } {
  const lines: string[] = [];
  for (const part of name.split(PARTS)) {
    const joined = lines.length > 0 ? `${lines.at(-1)}${PARTS}${part}` : part;
    if (lines.length > 0 && textWidth(joined, SIZE) <= room) lines[lines.length - 1] = joined;
    else lines.push(part);
  }
  const beside = textWidth(lines.at(-1) ?? "", SIZE) + textWidth(note, SIZE) + GAP <= room;
  return { lines, beside };
}

/** Draws the rows in a box `width` pixels wide. */
export function intervalsChart(data: IntervalsData, width: number): SvgNode {
  let foot = TOP;
  const rows = data.rows.map((row) => {
    const { lines, beside } = labelLines(row, width - 24);
    const top = foot;
    foot += ROW + (lines.length - Number(beside)) * LINE;
    return { ...row, lines, beside, top, line: foot - 15 };
  });
  const height = foot + 52;
  const right = width - 12;
  const x = scaleLinear([...intervalEnds(rows)], [12, right]).nice(5);
  const parts: SvgNode[] = [];
  for (const tick of x.ticks(Math.max(2, Math.floor(width / 90))))
    parts.push(
      svg("line", { class: "hair", x1: x(tick), x2: x(tick), y1: TOP, y2: foot }),
      svg(
        "text",
        { class: "axis", x: x(tick), y: foot + 15, "text-anchor": "middle" },
        String(Number(tick.toFixed(2))),
      ),
    );
  parts.push(
    svg("text", { class: "axis", x: right, y: height - 18, "text-anchor": "end" }, data.axis),
    svg("text", { class: "axis", x: right, y: height - 3, "text-anchor": "end" }, data.band),
  );
  for (const row of rows) {
    const { lines, beside, top, line } = row;
    const taught = row.strong ? " strong quant" : "";
    lines.forEach((text, at) => {
      parts.push(svg("text", { class: `label${taught}`, x: 12, y: top + 13 + at * LINE }, text));
    });
    const last = top + 13 + (lines.length - Number(beside)) * LINE;
    const place = beside ? { x: right, "text-anchor": "end" } : { x: 12 };
    parts.push(svg("text", { class: "axis", y: last, ...place }, row.note));
    const kind = row.strong ? " taught" : "";
    if (row.half !== undefined)
      parts.push(
        svg("rect", {
          class: `interval-band${kind}`,
          x: x(row.mean - row.half),
          y: line - 6,
          width: x(row.mean + row.half) - x(row.mean - row.half),
          height: 12,
        }),
      );
    parts.push(
      svg("line", { class: `interval-mean${kind}`, x1: x(row.mean), x2: x(row.mean), y1: line - 9, y2: line + 9 }),
    );
    for (const value of row.values)
      parts.push(svg("circle", { class: `interval-dot${kind}`, cx: x(value), cy: line, r: 3.5 }));
  }
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}
