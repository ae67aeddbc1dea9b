/** A roofline: layers by operations for each byte and the rate they reach, under the ceilings of formats and the slope of memory. */

import { scaleLog } from "d3-scale";
import { type SvgNode, svg, textWidth } from "./svg";

export interface RooflinePoint {
  readonly name: string;
  /** Operations for each byte of memory. */
  readonly intensity: number;
  /** TOP/s reached. */
  readonly tops: number;
  readonly bound: "compute" | "memory" | "overhead";
}

export interface Ceiling {
  readonly name: string;
  readonly tops: number;
  /** Whether layers of this recipe run under it. */
  readonly used: boolean;
}

export interface RooflineData {
  readonly points: readonly RooflinePoint[];
  readonly ceilings: readonly Ceiling[];
  readonly bandwidth_gb_per_s: number;
  readonly words: { readonly x: string; readonly y: string; readonly memory: string };
  /** A rate in words, with its unit. */
  readonly rate: (tops: number) => string;
  readonly description: string;
}

const HEIGHT = 270;
const TOP = 24;
const BOTTOM = 40;
const RIGHT = 8;
const SIZE = 12;

/** Powers of ten, or every second or third of them where they are many. */
function powers([low, high]: readonly [number, number], most: number): number[] {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((to - from + 1) / most));
  return Array.from({ length: Math.floor((to - from) / every) + 1 }, (_, i) => 10 ** (from + i * every));
}

/** The domains: all points and ceilings, and the ridge where memory meets the highest ceiling. */
export function rooflineDomains({ points, ceilings, bandwidth_gb_per_s }: RooflineData) {
  const highest = Math.max(...ceilings.map(({ tops }) => tops));
  const ridge = (1e3 * highest) / bandwidth_gb_per_s;
  const xs = [ridge * 3, ...points.map(({ intensity }) => intensity)];
  const ys = [highest * 2, ...ceilings.map(({ tops }) => tops / 3), ...points.map(({ tops }) => tops)];
  const around = (values: readonly number[]): [number, number] => [
    10 ** Math.floor(Math.log10(Math.min(...values))),
    10 ** Math.ceil(Math.log10(Math.max(...values))),
  ];
  return { x: around([1, ...xs]), y: around(ys) };
}

/** Ceilings that would lie within a line of text of each other share one label. */
export function ceilingLabels(
  ceilings: readonly Ceiling[],
  y: (tops: number) => number,
): readonly { y: number; text: string; used: boolean }[] {
  const labels: { y: number; text: string; used: boolean }[] = [];
  for (const { name, tops, used } of [...ceilings].sort((a, b) => b.tops - a.tops)) {
    const last = labels[labels.length - 1];
    if (last && y(tops) - last.y < 13) {
      last.text = `${last.text}, ${name}`;
      last.used ||= used;
    } else labels.push({ y: y(tops), text: name, used });
  }
  return labels;
}

export function rooflineChart(data: RooflineData, width: number): SvgNode {
  const { points, ceilings, bandwidth_gb_per_s, words } = data;
  const domains = rooflineDomains(data);
  const ticks = powers(domains.y, 7);
  const left = Math.max(...ticks.map((tick) => textWidth(data.rate(tick), SIZE))) + 8;
  const x = scaleLog()
    .domain(domains.x)
    .range([left, width - RIGHT]);
  const y = scaleLog()
    .domain(domains.y)
    .range([HEIGHT - BOTTOM, TOP]);
  const base = HEIGHT - BOTTOM;
  const parts: SvgNode[] = [svg("text", { class: "axis", x: 0, y: 11 }, words.y)];
  for (const tick of ticks) {
    parts.push(
      svg("line", { class: "hair", x1: left, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "axis", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, data.rate(tick)),
    );
  }
  for (const tick of powers(domains.x, Math.max(2, Math.floor((width - left) / 70)))) {
    const said = tick.toLocaleString("en");
    const near = x(tick) + textWidth(said, SIZE) / 2 > width;
    const place = near ? { x: width, "text-anchor": "end" } : { x: x(tick), "text-anchor": "middle" };
    parts.push(svg("text", { class: "axis", y: base + 16, ...place }, said));
  }
  parts.push(
    svg("text", { class: "axis", x: (left + width - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, words.x),
  );
  const slope = bandwidth_gb_per_s / 1e3;
  for (const { tops, used } of ceilings) {
    const ridge = Math.max(domains.x[0], tops / slope);
    if (ridge < domains.x[1]) {
      parts.push(
        svg("line", {
          class: used ? "ceiling used" : "ceiling",
          x1: x(ridge),
          x2: width - RIGHT,
          y1: y(tops),
          y2: y(tops),
        }),
      );
    }
  }
  for (const label of ceilingLabels(ceilings, y)) {
    parts.push(
      svg(
        "text",
        { class: label.used ? "label strong" : "axis", x: width - RIGHT, y: label.y - 4, "text-anchor": "end" },
        label.text,
      ),
    );
  }
  const highest = Math.max(...ceilings.map(({ tops }) => tops));
  const start = Math.max(domains.x[0], domains.y[0] / slope);
  const end = Math.min(domains.x[1], highest / slope);
  if (start < end) {
    parts.push(
      svg("line", { class: "memory-roof", x1: x(start), x2: x(end), y1: y(start * slope), y2: y(end * slope) }),
    );
    const angle = (Math.atan2(y(end * slope) - y(start * slope), x(end) - x(start)) * 180) / Math.PI;
    const along = Math.hypot(y(end * slope) - y(start * slope), x(end) - x(start));
    if (along > textWidth(words.memory, SIZE) + 10) {
      const turned = `rotate(${angle.toFixed(1)} ${x(start).toFixed(1)} ${y(start * slope).toFixed(1)})`;
      parts.push(
        svg("text", { class: "axis", x: x(start) + 6, y: y(start * slope) - 5, transform: turned }, words.memory),
      );
    }
  }
  for (const point of points) parts.push(mark(point, x(point.intensity), y(Math.max(domains.y[0], point.tops))));
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}

/** A layer: a disc where arithmetic bounds it, a square where memory does, a cross where neither. */
function mark({ name, bound }: RooflinePoint, x: number, y: number): SvgNode {
  const title = svg("title", {}, name);
  const kind = { class: `layer-mark ${bound}` };
  if (bound === "compute") return svg("circle", { ...kind, cx: x, cy: y, r: 4 }, title);
  if (bound === "memory") return svg("rect", { ...kind, x: x - 4, y: y - 4, width: 8, height: 8 }, title);
  return svg("path", { ...kind, d: `M${x - 4},${y - 4}l8,8M${x - 4},${y + 4}l8,-8` }, title);
}
