/** Values by their power of two along a training: a column of bars for each picture, against what a format can say. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface ExponentsData {
  /** Counts by exponent, `lowest` first, in each picture. */
  readonly pictures: readonly { readonly step: number; readonly counts: readonly number[] }[];
  readonly lowest: number;
  /** The format, where there is one: exponents of its least and least normal number, and the power that is its end. */
  readonly range: ExponentRange | undefined;
  readonly words: {
    readonly title: string;
    readonly steps: string;
    /** Beside the lines of the range. */
    readonly most: string;
    readonly normal: string;
    readonly least: string;
  };
  readonly description: string;
}

export interface ExponentRange {
  /** Powers of two. `most` is the end: all below it can be said. */
  readonly most: number;
  readonly normal: number;
  readonly least: number;
  /** Whether the range lies at the largest value of each picture, rather than where it is. */
  readonly moves: boolean;
}

export const EXPONENTS_HEIGHT = 280;
const SIZE = 12;
const TOP = 22;
const BOTTOM = 38;
/** Columns nearer than this are left out, every other one. */
const LEAST_COLUMN = 13;
/** Exponents beyond what is found. */
const ROOM = 2;

/** The first and last exponent of what is counted; the last counts up to the next power. */
export function found(data: Pick<ExponentsData, "pictures" | "lowest">): readonly [number, number] | undefined {
  const all = data.pictures.flatMap(({ counts }) =>
    counts.flatMap((count, at) => (count > 0 ? [data.lowest + at] : [])),
  );
  return all.length > 0 ? [Math.min(...all), Math.max(...all)] : undefined;
}

/** The exponents that the axis goes over: what is found, and an end of the range where it is near. */
export function axisEnds(data: Pick<ExponentsData, "pictures" | "lowest" | "range">): readonly [number, number] {
  const [low, high] = found(data) ?? [-10, 0];
  const { range } = data;
  const near = (at: number) => at >= low - 14 && at <= high + 24;
  const ends = range && !range.moves ? [range.least, range.normal, range.most].filter(near) : [];
  return [Math.min(low, ...ends) - ROOM, Math.max(high + 1, ...ends) + ROOM];
}

/** Draws the pictures in a box `width` pixels wide. */
export function exponentsChart(data: ExponentsData, width: number): SvgNode {
  const { range, words, lowest } = data;
  const [low, high] = axisEnds(data);
  const base = EXPONENTS_HEIGHT - BOTTOM;
  const y = (exponent: number) => base - ((exponent - low) / (high - low)) * (base - TOP);
  const left = 38;
  const said = range && !range.moves ? [words.most, words.normal, words.least] : [];
  const right = width - Math.min(width * 0.34, Math.max(8, ...said.map((word) => textWidth(word, SIZE) + 12)));
  const parts: SvgNode[] = [svg("text", { class: "axis", x: 0, y: 10 }, words.title)];
  const every = Math.max(1, Math.ceil((high - low) / 8 / 4)) * 4;
  for (let tick = Math.ceil(low / every) * every; tick <= high; tick += every)
    parts.push(
      svg("line", { class: "hair", x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "axis", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, power(tick)),
    );
  const skip = Math.max(1, Math.ceil((data.pictures.length * LEAST_COLUMN) / (right - left)));
  const shown = data.pictures.filter((_, at) => at % skip === 0);
  const pitch = (right - left) / Math.max(1, shown.length);
  if (range && !range.moves) parts.push(...outside(range, [low, high], y, [left, right]));
  shown.forEach(({ step, counts }, column) => {
    const from = left + column * pitch + 1;
    const most = Math.max(1, ...counts);
    const inner = pitch - 3;
    const top = lowest + counts.findLastIndex((count) => count > 0) + 1;
    if (range?.moves && top > lowest) {
      const span = range.most - range.least;
      const lowEnd = Math.max(low, top - span);
      parts.push(
        svg("rect", { class: "range-own", x: from - 1, y: y(top), width: pitch - 1, height: y(lowEnd) - y(top) }),
      );
    }
    let path = "";
    counts.forEach((count, at) => {
      const exponent = lowest + at;
      if (count === 0 || exponent < low) return;
      // The root keeps what is rare in sight.
      const long = Math.max(1, inner * Math.sqrt(count / most));
      path += `M${from.toFixed(1)},${y(exponent).toFixed(1)}h${long.toFixed(1)}V${y(exponent + 1).toFixed(1)}h${(-long).toFixed(1)}Z`;
    });
    parts.push(svg("path", { class: "exponent-bars", d: path }));
    if (pitch >= 40 || column % Math.ceil(40 / pitch) === 0)
      parts.push(svg("text", { class: "axis", x: from, y: base + 16 }, String(step)));
  });
  if (range && !range.moves) {
    const lines = [
      [range.most, words.most],
      [range.normal, words.normal],
      [range.least, words.least],
    ] as const;
    for (const [at, word] of lines) {
      if (at < low || at > high) continue;
      parts.push(
        svg("line", { class: "range-line", x1: left, x2: right, y1: y(at), y2: y(at) }),
        svg("text", { class: "label prune", x: right + 6, y: y(at) + 4 }, word),
      );
    }
  }
  parts.push(svg("text", { class: "axis", x: right, y: EXPONENTS_HEIGHT - 4, "text-anchor": "end" }, words.steps));
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${EXPONENTS_HEIGHT}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}

/** What the format cannot say, and what it says with fewer bits. */
function outside(
  range: ExponentRange,
  [low, high]: readonly [number, number],
  y: (exponent: number) => number,
  [left, right]: readonly [number, number],
): SvgNode[] {
  const band = (className: string, from: number, to: number) => {
    const [bottom, top] = [Math.max(low, from), Math.min(high, to)];
    return top > bottom
      ? [svg("rect", { class: className, x: left, y: y(top), width: right - left, height: y(bottom) - y(top) })]
      : [];
  };
  return [
    ...band("range-out", low, range.least),
    ...band("range-few", range.least, range.normal),
    ...band("range-out", range.most, high),
  ];
}

const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Two to the power of a whole number, as it is written. */
export function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => DIGITS[Number(digit)] ?? digit).join("");
  return `2${exponent < 0 ? "⁻" : ""}${digits}`;
}
