/** Results of one recipe with several draws of its training images: points on a line, the median as a stroke. */

import { scaleLinear } from "d3-scale";
import type { SvgNode } from "./svg";
import { svg } from "./svg";

export interface SpreadWords {
  /** What is read out. */
  readonly label: string;
  readonly whole: (value: number) => string;
}

/** A point, in pixels across. */
const WIDE = 8;
/** Room at the sides, for the numbers at the ends. */
const SIDE = 22;
/** Fewer answers than this between the ends would make noise look large. */
const LEAST_SPAN = 10;

/**
 * Right answers on an axis of their own. `first` is the result with the first images, drawn hollow.
 */
export function spreadChart(
  results: readonly number[],
  median: number,
  first: number | undefined,
  size: { readonly width: number; readonly height: number },
  words: SpreadWords,
): SvgNode {
  const all = first === undefined ? results : [...results, first];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const pad = Math.max(0, (LEAST_SPAN - (high - low)) / 2);
  const scale = scaleLinear([low - pad, high + pad], [SIDE, size.width - SIDE]).nice(3);
  const line = size.height - 22;
  const ticks = scale.ticks(3).filter((tick) => Number.isInteger(tick));
  const taken: number[] = [];
  // Points that would hide each other stand one on top of the other.
  const dot = (value: number, attributes: Record<string, string>) => {
    const x = scale(value);
    const below = taken.filter((other) => Math.abs(other - x) < WIDE).length;
    taken.push(x);
    return svg("circle", { cx: x, cy: line - 8 - below * WIDE, r: WIDE / 2, ...attributes });
  };
  return svg(
    "svg",
    { viewBox: `0 0 ${size.width} ${size.height}`, class: "drawing", role: "img", "aria-label": words.label },
    svg("line", { x1: SIDE, x2: size.width - SIDE, y1: line, y2: line, class: "spread-axis" }),
    ...ticks.flatMap((tick) => [
      svg("line", { x1: scale(tick), x2: scale(tick), y1: line, y2: line + 4, class: "spread-axis" }),
      svg("text", { x: scale(tick), y: line + 17, "text-anchor": "middle", class: "spread-tick" }, words.whole(tick)),
    ]),
    svg("line", { x1: scale(median), x2: scale(median), y1: 2, y2: line, class: "spread-median" }),
    ...(first === undefined ? [] : [dot(first, { class: "spread-first" })]),
    ...results.map((value) => dot(value, { class: "spread-dot" })),
  );
}
