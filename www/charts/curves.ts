/** Curves over the steps of a training, each with its name beside it; what stands out is marked below. */

import { scaleLinear, scaleLog } from "d3-scale";
import { round, type SvgNode, svg, textWidth } from "./svg";

export interface Curve {
  readonly name: string;
  /** Points by step; a value that is none leaves a gap. */
  readonly points: readonly { readonly step: number; readonly value: number | undefined }[];
  /** The one that all else is about. */
  readonly chosen: boolean;
  /** How the line is drawn where it is not the chosen one: 0 … 3 tell lines apart without a colour. */
  readonly dash: number;
  /** Where it ended too early, with a cross. */
  readonly broken: boolean;
}

export interface CurvesData {
  readonly curves: readonly Curve[];
  /** The last step of the axis. */
  readonly steps: number;
  /** Whether values double, or grow by tens, from one line to the next. */
  readonly growth: "plain" | "tens" | "doubling";
  /** Steps to be marked at the foot. */
  readonly marked: readonly number[];
  readonly words: {
    /** What is counted, with its unit. */
    readonly values: string;
    readonly steps: string;
    /** What marks at the foot say; empty without any. */
    readonly marks: string;
  };
  readonly number: (value: number) => string;
  readonly height: number;
  readonly description: string;
}

const SIZE = 12;
const TOP = 22;
const BOTTOM = 38;
const LINE = 14;
/** Curves that end so near to each other share a column of names. */
const NEAR = 24;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

/** Heights for labels that keep a line's distance and stay within, in the order given. */
export function spread(wanted: readonly number[], top: number, bottom: number, gap: number): number[] {
  const order = wanted.map((y, at) => ({ y, at })).sort((a, b) => a.y - b.y);
  let least = top;
  for (const each of order) {
    each.y = Math.max(each.y, least);
    least = each.y + gap;
  }
  let most = bottom;
  for (const each of order.reverse()) {
    each.y = Math.min(each.y, most);
    most = each.y - gap;
  }
  const placed: number[] = [];
  for (const { y, at } of order) placed[at] = y;
  return placed;
}

function ticksOf(from: number, to: number, growth: CurvesData["growth"]): number[] {
  if (growth === "plain") return scaleLinear([from, to], [0, 1]).ticks(4);
  const base = growth === "tens" ? 10 : 2;
  const power = (value: number) => Math.log(value) / Math.log(base);
  const [low, high] = [Math.ceil(power(from) - 1e-9), Math.floor(power(to) + 1e-9)];
  const every = Math.max(1, Math.ceil((high - low + 1) / 5));
  return Array.from(
    { length: Math.max(0, Math.floor((high - low) / every) + 1) },
    (_, at) => base ** (low + at * every),
  );
}

/** Ends of the axis of values: from 0 on a plain one, else whole powers around what there is. */
export function valueEnds(values: readonly number[], growth: CurvesData["growth"]): readonly [number, number] {
  if (growth === "plain")
    return [
      0,
      scaleLinear([0, Math.max(...values, Number.MIN_VALUE)], [0, 1])
        .nice(4)
        .domain()[1] ?? 1,
    ];
  const above = values.filter((value) => value > 0);
  const base = growth === "tens" ? 10 : 2;
  const power = (value: number) => Math.log(value) / Math.log(base);
  const low = Math.floor(power(Math.min(...above, Number.MAX_VALUE)) + 1e-9);
  const high = Math.ceil(power(Math.max(...above, Number.MIN_VALUE)) - 1e-9);
  if (above.length === 0) return [1, base];
  const room = growth === "doubling" ? 1 : 0;
  return [base ** (low - room), base ** (Math.max(high, low + 1 - room) + room)];
}

/** Draws them in a box `width` pixels wide. */
export function curvesChart(data: CurvesData, width: number): SvgNode {
  const { curves, growth, words, height } = data;
  const values = curves.flatMap(({ points }) => points.flatMap(({ value }) => (value === undefined ? [] : [value])));
  const [from, to] = valueEnds(values, growth);
  const ticks = ticksOf(from, to, growth);
  const left = Math.max(...ticks.map((tick) => textWidth(data.number(tick), SIZE)), 20) + 10;
  const names = curves.map(({ name }) => textWidth(name, SIZE));
  const right = width - Math.min(width * 0.4, Math.max(0, ...names) + 12);
  const base = height - BOTTOM;
  const x = scaleLinear([0, Math.max(1, data.steps)], [left, right]);
  const y = growth === "plain" ? scaleLinear([from, to], [base, TOP]) : scaleLog([from, to], [base, TOP]);
  const parts: SvgNode[] = [];
  for (const tick of ticks)
    parts.push(
      svg("line", { class: "hair", x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "axis", x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, data.number(tick)),
    );
  const across = x.ticks(Math.max(2, Math.floor((right - left) / 90))).filter(Number.isInteger);
  for (const tick of across)
    parts.push(svg("text", { class: "axis", x: x(tick), y: base + 16, "text-anchor": "middle" }, String(tick)));
  parts.push(
    svg("text", { class: "axis", x: right, y: height - 4, "text-anchor": "end" }, words.steps),
    svg("text", { class: "axis", x: 0, y: 10 }, words.values),
  );
  if (data.marked.length > 0) {
    const ends = data.marked.map((step) => `M${round(x(step))},${round(base - 7)}V${round(base)}`).join("");
    parts.push(
      svg("path", { class: "training-skipped", d: ends }),
      svg("text", { class: "label prune", x: left, y: height - 4 }, words.marks),
    );
  }
  const place = ({ step, value }: { readonly step: number; readonly value: number }) =>
    `${round(x(step))},${round(y(growth === "plain" ? value : Math.min(to, Math.max(from, value))))}`;
  // The chosen one lies on top.
  for (const curve of [...curves].sort((a, b) => Number(a.chosen) - Number(b.chosen))) {
    let path = "";
    let pen = "M";
    for (const { step, value } of curve.points) {
      if (value === undefined) {
        pen = "M";
        continue;
      }
      path += `${pen}${place({ step, value })}`;
      pen = "L";
    }
    const dash = curve.chosen ? "" : (DASHES[curve.dash % DASHES.length] ?? "");
    parts.push(
      svg("path", {
        class: `training-curve${curve.chosen ? " chosen" : ""}`,
        d: path,
        "stroke-dasharray": dash || undefined,
      }),
    );
    const last = lastOf(curve);
    if (curve.broken && last) {
      const [cx, cy] = place(last).split(",").map(Number);
      parts.push(svg("path", { class: "training-broken", d: `M${(cx ?? 0) - 4},${(cy ?? 0) - 4}l8,8m0,-8l-8,8` }));
    }
  }
  for (const { curve, at, y: height } of labelPlaces(curves, place, [TOP, base]))
    parts.push(svg("text", { class: `label${curve.chosen ? " strong quant" : ""}`, x: at + 7, y: height }, curve.name));
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}

/** Names at the ends of their curves; those that end near each other stand under each other. */
function labelPlaces(
  curves: readonly Curve[],
  place: (point: { readonly step: number; readonly value: number }) => string,
  [top, bottom]: readonly [number, number],
) {
  const ends = curves
    .flatMap((curve) => {
      const last = lastOf(curve);
      const [at = 0, y = 0] = last ? place(last).split(",").map(Number) : [];
      return last ? [{ curve, at, y: y + 4 }] : [];
    })
    .sort((a, b) => a.at - b.at);
  const clusters: (typeof ends)[] = [];
  for (const end of ends) {
    const cluster = clusters.at(-1);
    const last = cluster?.at(-1);
    if (cluster && last && end.at - last.at < NEAR) cluster.push(end);
    else clusters.push([end]);
  }
  return clusters.flatMap((cluster) => {
    const heights = spread(
      cluster.map(({ y }) => y),
      top,
      bottom,
      LINE,
    );
    const at = Math.max(...cluster.map((end) => end.at));
    return cluster.map(({ curve }, index) => ({ curve, at, y: heights[index] ?? top }));
  });
}

function lastOf({ points }: Curve): { readonly step: number; readonly value: number } | undefined {
  for (const { step, value } of [...points].reverse()) if (value !== undefined) return { step, value };
  return undefined;
}
