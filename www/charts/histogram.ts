/** Two histograms over one axis of values, the one before rounding upwards and the one after it downwards, with the grid between. */

import { scaleLinear, scaleSqrt, scaleSymlog } from "d3-scale";
import { type SvgNode, svg, textWidth } from "./svg";

export interface HistogramData {
  /** Ends of the first and the last bin. */
  readonly low: number;
  readonly high: number;
  /** Counts of equal bins, before and after; empty where there is nothing to count. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Counts of a part of `before`, drawn over it; empty without one. */
  readonly part: readonly number[];
  /** How heights grow with counts: by square roots, or by logarithms where one bin holds most of all. */
  readonly growth: "root" | "log";
  /** The values there may be after rounding, ascending; empty where there are too many to name. */
  readonly levels: readonly number[];
  readonly words: {
    readonly before: string;
    readonly after: string;
    /** The part, said in its colour; empty without one. */
    readonly part: string;
    /** What the axis of values counts, with its unit. */
    readonly axis: string;
    /** What the other axis counts. */
    readonly counts: string;
  };
  readonly number: (value: number) => string;
  readonly whole: (value: number) => string;
  /** What the chart says to those who cannot see it. */
  readonly description: string;
}

export const HISTOGRAM_HEIGHT = 236;
const SIZE = 12;
const TOP = 34;
const BOTTOM = 36;
const RIGHT = 6;
/** Lines of a grid nearer to each other than this many pixels are drawn as one band. */
export const LEAST_GAP = 4;

/** Ticks of an axis of counts: the powers of ten that stand apart, at most two, or the greatest count where there is none. */
export function countTicks(most: number, growth: HistogramData["growth"]): number[] {
  const powers: number[] = [];
  for (let power = 10; power <= most; power *= 10) powers.push(power);
  if (powers.length === 0) return [most];
  return growth === "root" ? powers.slice(-2) : powers.filter((_, at) => (powers.length - 1 - at) % 2 === 0).slice(-2);
}

/** Ends of the bars of a histogram as one path from the line at `base`; heights are given by `height`. */
function bars(counts: readonly number[], x: (bin: number) => number, base: number, height: (count: number) => number) {
  let path = "";
  counts.forEach((count, bin) => {
    if (count === 0) return;
    const tip = base + height(count);
    path += `M${place(x(bin))},${place(base)}V${place(tip)}H${place(x(bin + 1))}V${place(base)}Z`;
  });
  return path;
}

function place(value: number): string {
  return value.toFixed(1);
}

/** Where bars leave most room for words that take this share of the width: at the right, unless it is elsewhere. */
export function emptiest(counts: readonly number[], share: number): "right" | "left" | "middle" {
  const bins = Math.ceil(counts.length * share);
  const highest = (from: number) => Math.max(0, ...counts.slice(Math.max(0, from), Math.max(0, from) + bins));
  const places = [
    ["right", counts.length - bins],
    ["left", 0],
    ["middle", Math.floor((counts.length - bins) / 2)],
  ] as const;
  return places.reduce((best, place) => (highest(place[1]) < highest(best[1]) ? place : best))[0];
}

/** Draws both in a box `width` pixels wide. */
export function histogramChart(data: HistogramData, width: number): SvgNode {
  const { before, after, levels, words, low, high } = data;
  // Each half has a scale of its own: what is rounded to few values stands in few, high bars.
  const halves = [before, after].map((counts) => Math.max(1, ...counts));
  const [up = 1, down = 1] = halves;
  const ticks = halves.map((most) => countTicks(most, data.growth));
  const left = Math.max(...ticks.flat().map((tick) => textWidth(data.whole(tick), SIZE))) + 10;
  const right = width - RIGHT;
  const middle = TOP + (HISTOGRAM_HEIGHT - TOP - BOTTOM) / 2;
  const reach = middle - TOP;
  const span = high > low ? high - low : 1;
  const values = scaleLinear()
    .domain([low, low + span])
    .range([left, right]);
  const bins = Math.max(1, before.length, after.length);
  const x = (bin: number) => left + (bin / bins) * (right - left);
  const y = (most: number) =>
    data.growth === "root" ? scaleSqrt([0, most], [0, reach]) : scaleSymlog([0, most], [0, reach]);
  const [above, below] = [y(up), y(down)];
  const parts: SvgNode[] = [];
  const sides = after.length > 0 ? [-1, 1] : [-1];
  sides.forEach((sign, half) => {
    for (const tick of ticks[half] ?? []) {
      const at = middle + sign * (half === 0 ? above : below)(tick);
      parts.push(
        svg("line", { class: "hair", x1: left, x2: right, y1: at, y2: at }),
        svg("text", { class: "axis", x: left - 6, y: at + 4, "text-anchor": "end" }, data.whole(tick)),
      );
    }
  });
  parts.push(svg("path", { class: "bin-before", d: bars(before, x, middle, (count) => -above(count)) }));
  if (data.part.length > 0)
    parts.push(svg("path", { class: "bin-part", d: bars(data.part, x, middle, (count) => -above(count)) }));
  parts.push(svg("path", { class: "bin-after", d: bars(after, x, middle, (count) => below(count)) }));
  parts.push(...gridLines(levels, values, [TOP, middle], [left, right]));
  parts.push(svg("line", { class: "tick", x1: left, x2: right, y1: middle, y2: middle }));
  const shown = values.ticks(Math.max(2, Math.floor((right - left) / 90)));
  for (const tick of shown) {
    const said = data.number(tick);
    const half = textWidth(said, SIZE) / 2;
    const at = Math.min(Math.max(values(tick), left + half - 4), right - half + 4);
    const base = HISTOGRAM_HEIGHT - BOTTOM;
    parts.push(
      svg("line", { class: "tick", x1: values(tick), x2: values(tick), y1: base, y2: base + 4 }),
      svg("text", { class: "axis", x: at, y: base + 17, "text-anchor": "middle" }, said),
    );
  }
  parts.push(
    svg("text", { class: "axis", x: right, y: HISTOGRAM_HEIGHT - 3, "text-anchor": "end" }, words.axis),
    svg("text", { class: "axis", x: 0, y: 10 }, words.counts),
    svg("text", { class: "label", x: left + 2, y: TOP - 6 }, words.before),
  );
  if (words.part)
    parts.push(svg("text", { class: "label quant", x: right, y: TOP - 6, "text-anchor": "end" }, words.part));
  if (after.length > 0) {
    const share = textWidth(words.after, SIZE) / (right - left);
    const [x, anchor] = {
      right: [right, "end"],
      left: [left + 2, "start"],
      middle: [(left + right) / 2, "middle"],
    }[emptiest(after, share)];
    const at = { x, y: HISTOGRAM_HEIGHT - BOTTOM - 5, "text-anchor": anchor };
    parts.push(svg("text", { class: "label", ...at }, words.after));
  }
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${HISTOGRAM_HEIGHT}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}

/** Lines at the levels inside the box; where they stand too near to be told apart, one band from the first to the last. */
export function gridLines(
  levels: readonly number[],
  scale: (value: number) => number,
  [top, bottom]: readonly [number, number],
  [left, right]: readonly [number, number],
): SvgNode[] {
  const at = levels.map(scale).filter((x) => x >= left - 0.5 && x <= right + 0.5);
  const [first, last] = [at[0], at.at(-1)];
  if (first === undefined || last === undefined) return [];
  const gaps = at.slice(1).map((x, index) => x - (at[index] ?? x));
  if (gaps.length > 0 && Math.min(...gaps) < LEAST_GAP)
    return [svg("rect", { class: "grid-band", x: first, y: top, width: Math.max(1, last - first), height: 5 })];
  return at.map((x) => svg("line", { class: "grid-line", x1: x, x2: x, y1: top, y2: bottom }));
}
