/** Accuracy against size: the chart of the Lab. A pure function of its data, in any size and any language. */

import { line } from "d3-shape";
import { DOT, type Label, placeLabels, type Segment } from "./labels";
import { type Point, paretoFront, paretoPath } from "./pareto";
import {
  type Axis,
  accuracyAxis,
  bitsAxis,
  bitsPerCharacterAxis,
  bytesAxis,
  KILOBYTE,
  macsAxis,
  percentAxis,
} from "./scales";
import { type SvgNode, svg } from "./svg";

export interface Mark {
  readonly key: string;
  /** The series the mark belongs to; a format without scales belongs to several. */
  readonly series: readonly string[];
  /** Bytes, bits per weight, percent of the weights that are 0 or gone, or multiply-adds, as `axis` says. */
  readonly x: number;
  /** Accuracy and its interval, in percent; bits per character for text. */
  readonly percent: number;
  readonly low: number;
  readonly high: number;
  /** Whether every image of the test set is in: filled, otherwise hollow. */
  readonly complete: boolean;
  /** Those of its series whose line runs through it: none for a format that is not a wider or narrower kin. */
  readonly linked: readonly string[];
  /** Whether weights were pruned: drawn with corners. */
  readonly pruned: boolean;
  /** Short direct label, such as "4". */
  readonly label: string;
  /** The whole mark in words. */
  readonly description: string;
}

export interface Series {
  readonly key: string;
  /** Direct label at the small end of the line; empty for none. */
  readonly label: string;
  /** Whether this is the family of the chosen recipe: drawn in full strength, its marks labelled. */
  readonly chosen: boolean;
  /** Whether it is one of more and more pruning. */
  readonly pruned: boolean;
}

export interface AccuracyWords {
  /** Unit at the end of the x axis. */
  readonly unit: string;
  /** Unit over the y axis. */
  readonly measure: string;
  readonly baseline: string;
  readonly chance: string;
  readonly current: string;
  readonly pinned: string;
}

export type AxisKind = "bytes" | "bits" | "sparsity" | "macs";

export interface AccuracyData {
  readonly axis: AxisKind;
  /** Percent of right answers, more being better; or bits per character, fewer being better. */
  readonly measure: "percent" | "bits";
  readonly marks: readonly Mark[];
  readonly series: readonly Series[];
  /** Accuracy before compression in percent, once known. */
  readonly baseline: number | undefined;
  /** Accuracy of guessing in percent. */
  readonly chance: number;
  /** Key of the mark that is the chosen recipe. */
  readonly current: string | undefined;
  /** Key of the mark under the pointer or the arrow keys. */
  readonly active: string | undefined;
  /** Key of the mark that the chosen recipe is compared with, when one is pinned. */
  readonly pinned: string | undefined;
  readonly words: AccuracyWords;
}

/** Marks closer than this, in pixels, count as one size for the line of their family. */
const SAME_SIZE = 2;

/** Radius of the ring around the chosen recipe. */
const RING = 10;

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: Axis;
  readonly y: Axis;
}

/** The horizontal axis of each kind; where there is nothing yet, one that shows what to expect. */
const AXES: Readonly<Record<AxisKind, (values: readonly number[], range: readonly [number, number]) => Axis>> = {
  bytes: (values, range) => bytesAxis(values.length > 0 ? values : [8 * KILOBYTE, 256 * KILOBYTE], range),
  bits: (values, range) => bitsAxis(values.length > 0 ? values : [1, 32], range),
  sparsity: (_, range) => percentAxis(range),
  macs: macsAxis,
};
/** What a tick of each axis is divided by to be in the axis' unit. */
const UNITS: Readonly<Record<AxisKind, number>> = { bytes: KILOBYTE, bits: 1, sparsity: 1, macs: 1e6 };

/** Room for labels around the plot, and both axes. */
export function accuracyPlot(data: AccuracyData, size: Size): Plot {
  const left = 34;
  const right = size.width - 18;
  const top = 26;
  const bottom = size.height - 26;
  const xs = data.marks.map((mark) => mark.x);
  const percents = data.marks.map((mark) => mark.low);
  if (data.baseline !== undefined) percents.push(data.baseline);
  const x = AXES[data.axis](xs, [left + 8, right]);
  const values = percents.length > 0 ? percents : [0];
  const y = data.measure === "bits" ? bitsPerCharacterAxis(values, [bottom, top]) : accuracyAxis(values, [bottom, top]);
  return { left, right, top, bottom, x, y };
}

/** Where the vertical axis starts, in percent: what must be said in words unless it is zero. */
export function accuracyStart(data: AccuracyData, size: Size): number {
  return accuracyPlot(data, size).y.domain[0];
}

/** Where each mark sits, in pixels of the drawing. */
export function markPositions(data: AccuracyData, plot: Plot): ReadonlyMap<string, Point> {
  return new Map(data.marks.map((mark) => [mark.key, { x: plot.x.scale(mark.x), y: plot.y.scale(mark.percent) }]));
}

/** Key of the mark nearest to a place, if one is within `reach` pixels. */
export function nearestMark(positions: ReadonlyMap<string, Point>, place: Point, reach: number): string | undefined {
  let best: string | undefined;
  let least = reach;
  for (const [key, point] of positions) {
    const distance = Math.hypot(point.x - place.x, point.y - place.y);
    if (distance <= least) {
      least = distance;
      best = key;
    }
  }
  return best;
}

/** Draws the chart. `id` prefixes the ids of the marks, so that `aria-activedescendant` can name one. */
export function accuracyChart(data: AccuracyData, size: Size, id: string): SvgNode {
  const plot = accuracyPlot(data, size);
  const positions = markPositions(data, plot);
  return svg(
    "svg",
    {
      class: "drawing accuracy",
      viewBox: `0 0 ${size.width} ${size.height}`,
      width: size.width,
      height: size.height,
      role: "presentation",
    },
    svg("g", { "aria-hidden": "true" }, ...axes(data, plot, size), ...lines(data, plot, positions)),
    ...marks(data, plot, positions, id),
    svg("g", { "aria-hidden": "true" }, ...labels(data, plot, positions)),
  );
}

function axes(data: AccuracyData, plot: Plot, size: Size): SvgNode[] {
  const { left, right, top, bottom, x, y } = plot;
  const parts: SvgNode[] = [
    svg("text", { class: "axis", x: left - 8, y: top - 12, "text-anchor": "end" }, data.words.measure),
  ];
  for (const tick of y.ticks) {
    parts.push(
      svg("line", { class: "hair", x1: left, x2: right, y1: y.scale(tick), y2: y.scale(tick) }),
      svg("text", { class: "axis", x: left - 8, y: y.scale(tick) + 4, "text-anchor": "end" }, String(tick)),
    );
  }
  x.ticks.forEach((tick, index) => {
    const last = index === x.ticks.length - 1;
    const value = tick / UNITS[data.axis];
    const text = last ? `${value} ${data.words.unit}` : String(value);
    const at = x.scale(tick);
    parts.push(
      svg("line", { class: "tick", x1: at, x2: at, y1: bottom, y2: bottom + 5 }),
      svg(
        "text",
        {
          class: "axis",
          x: last ? Math.min(size.width, at + 18) : at,
          y: bottom + 19,
          "text-anchor": last ? "end" : "middle",
        },
        text,
      ),
    );
  });
  return parts;
}

/** A value that is greater for the better of two. */
function better(data: AccuracyData, value: number): number {
  return data.measure === "bits" ? -value : value;
}

/** Whether the line of guessing is inside the plot. */
function showsChance(data: AccuracyData, plot: Plot): boolean {
  return data.chance >= plot.y.domain[0] && data.chance <= plot.y.domain[1];
}

/** The best for their size, from the smallest on, in pixels; none where the axis is no size. */
function frontPoints(data: AccuracyData, positions: ReadonlyMap<string, Point>): Point[] {
  if (data.axis === "sparsity") return [];
  const points = data.marks.flatMap((mark) => {
    const point = positions.get(mark.key);
    return point ? [{ x: point.x, y: better(data, mark.percent), pixel: point }] : [];
  });
  return paretoFront(points).map((point) => point.pixel);
}

/** What the line of a series runs through, in pixels. */
function seriesPoints(data: AccuracyData, series: Series, positions: ReadonlyMap<string, Point>): Point[] {
  return (
    data.marks
      .filter((mark) => mark.linked.includes(series.key))
      .sort((a, b) => a.x - b.x || better(data, b.percent) - better(data, a.percent))
      .flatMap((mark) => positions.get(mark.key) ?? [])
      // Of marks one above the other the line takes the best: it shows what a size can do, not a zigzag.
      .filter((point, index, points) => index === 0 || point.x - (points[index - 1]?.x ?? 0) > SAME_SIZE)
  );
}

/** Every line that a label would be struck through by: the baseline, chance, and those between the marks. */
function struckBy(data: AccuracyData, plot: Plot, positions: ReadonlyMap<string, Point>): Segment[] {
  const { left, right, y } = plot;
  const levels = showsChance(data, plot) ? [data.chance] : [];
  if (data.baseline !== undefined) levels.push(data.baseline);
  const across = levels.map((level): Segment => {
    const height = y.scale(level);
    return [
      { x: left, y: height },
      { x: right, y: height },
    ];
  });
  const front = frontPoints(data, positions);
  const steps = front.flatMap((point, index) => {
    const next = front[index + 1];
    const corner = { x: next?.x ?? right, y: point.y };
    return [corner, ...(next ? [next] : [])];
  });
  const paths = [
    ...data.series.map((series) => seriesPoints(data, series, positions)),
    [...front.slice(0, 1), ...steps],
  ];
  const between = paths.flatMap((path) => path.slice(1).map((point, index): Segment => [path[index] ?? point, point]));
  const bars = data.marks.map((mark): Segment => {
    const { x } = positions.get(mark.key) ?? { x: 0 };
    return [
      { x, y: y.scale(mark.high) },
      { x, y: y.scale(mark.low) },
    ];
  });
  return [...across, ...between, ...bars];
}

function lines(data: AccuracyData, plot: Plot, positions: ReadonlyMap<string, Point>): SvgNode[] {
  const { left, right, y } = plot;
  const parts: SvgNode[] = [];
  if (showsChance(data, plot)) {
    parts.push(
      svg("line", { class: "chance", x1: left, x2: right, y1: y.scale(data.chance), y2: y.scale(data.chance) }),
    );
  }
  if (data.baseline !== undefined) {
    parts.push(
      svg("line", { class: "baseline", x1: left, x2: right, y1: y.scale(data.baseline), y2: y.scale(data.baseline) }),
    );
  }
  const front = frontPoints(data, positions);
  if (front.length > 1) parts.push(svg("path", { class: "front", d: paretoPath(front, right) }));
  for (const series of data.series) {
    const own = seriesPoints(data, series, positions);
    if (own.length > 1) {
      const path = line<Point>()
        .x((point) => point.x)
        .y((point) => point.y)(own);
      if (path)
        parts.push(
          svg("path", { class: `series${series.chosen ? " chosen" : ""}${series.pruned ? " pruned" : ""}`, d: path }),
        );
    }
  }
  return parts;
}

/** The mark of what is pruned: pointing up, about as large as a dot. */
function triangle({ x, y }: Point): string {
  return `M${x},${y - 6.2}L${x + 5.4},${y + 3.6}H${x - 5.4}Z`;
}

function marks(data: AccuracyData, plot: Plot, positions: ReadonlyMap<string, Point>, id: string): SvgNode[] {
  const chosen = new Set(data.series.filter((series) => series.chosen).map((series) => series.key));
  return data.marks.map((mark, index) => {
    const point = positions.get(mark.key) ?? { x: 0, y: 0 };
    const parts: SvgNode[] = [];
    if (mark.key === data.active || mark.key === data.current) {
      parts.push(
        svg("circle", { class: mark.key === data.current ? "ring" : "ring hover", cx: point.x, cy: point.y, r: RING }),
      );
    }
    if (mark.key === data.pinned) {
      const { x, y } = point;
      parts.push(svg("rect", { class: "pin", x: x - RING, y: y - RING, width: 2 * RING, height: 2 * RING }));
    }
    const top = plot.y.scale(mark.high);
    const foot = plot.y.scale(mark.low);
    if (foot - top > 3) parts.push(svg("line", { class: "interval", x1: point.x, x2: point.x, y1: top, y2: foot }));
    const look = mark.complete ? "dot" : "dot hollow";
    parts.push(
      mark.pruned
        ? svg("path", { class: look, d: triangle(point) })
        : svg("circle", { class: look, cx: point.x, cy: point.y, r: 4.5 }),
    );
    return svg(
      "g",
      {
        class: `mark${mark.series.some((key) => chosen.has(key)) ? " chosen" : ""}${mark.pruned ? " pruned" : ""}`,
        id: `${id}-${index}`,
        "data-key": mark.key,
        role: "option",
        "aria-selected": mark.key === data.current ? "true" : "false",
        "aria-label": mark.description,
      },
      ...parts,
    );
  });
}

function labels(data: AccuracyData, plot: Plot, positions: ReadonlyMap<string, Point>): SvgNode[] {
  const { left, right, top, bottom, y } = plot;
  const wanted: Label[] = [];
  const current = data.current === undefined ? undefined : positions.get(data.current);
  if (data.baseline !== undefined) {
    wanted.push({
      text: data.words.baseline,
      class: "label",
      anchor: { x: right, y: y.scale(data.baseline) },
      places: ["above-end", "far-above-end", "below-end"],
      always: true,
    });
  }
  if (showsChance(data, plot)) {
    wanted.push({
      text: data.words.chance,
      class: "axis",
      anchor: { x: right, y: y.scale(data.chance) },
      places: ["above-end", "far-above-end", "below-end"],
      always: true,
    });
  }
  if (current)
    wanted.push({
      text: data.words.current,
      class: "label strong",
      anchor: current,
      places: ["far-below-right", "far-right", "far-below", "far-below-left", "far-above"],
      always: true,
    });
  const pinned = data.pinned === undefined ? undefined : positions.get(data.pinned);
  if (pinned && data.pinned !== data.current)
    wanted.push({
      text: data.words.pinned,
      class: "label strong",
      anchor: pinned,
      places: ["far-above", "far-right", "far-below", "far-below-right", "far-below-left", "far-left"],
      always: true,
    });
  for (const series of data.series) {
    const own = data.marks.filter((mark) => mark.series.includes(series.key)).sort((a, b) => a.x - b.x);
    const linked = own.filter(
      (mark) => mark.linked.includes(series.key) && (series.pruned || mark.series.length === 1),
    );
    // Where lines are farthest apart: at the small end, which on the axis of what is gone is the right one.
    const ends = data.axis === "sparsity" ? [...linked].reverse() : linked.slice(0, 1);
    const [first, ...others] = (ends.length > 0 ? ends : own.slice(0, 1)).flatMap(
      (mark) => positions.get(mark.key) ?? [],
    );
    if (first && series.label) {
      wanted.push({
        text: series.label,
        class: series.chosen ? `label ${series.pruned ? "prune" : "quant"}` : "axis",
        anchor: first,
        others,
        places:
          data.axis === "sparsity"
            ? ["left", "below-left", "far-left", "above-right", "above", "above-left", "far-above"]
            : ["right", "below-right", "above", "below", "left"],
        always: false,
      });
    }
    if (!series.chosen) continue;
    for (const mark of own) {
      const point = positions.get(mark.key);
      if (point && mark.label)
        wanted.push({
          text: mark.label,
          class: "axis",
          anchor: point,
          places: [
            "above-left",
            "left",
            "far-above",
            "below-right",
            "below",
            "above-right",
            "above",
            "far-left",
            "right",
            "below-left",
            "far-below",
          ],
          always: false,
        });
    }
  }
  const dots = [...positions.entries()].map(([key, point]) => ({
    ...point,
    radius: key === data.current || key === data.pinned ? RING + 1 : DOT,
  }));
  const bounds = { left: left + 2, right: right + 18, top: top - 20, bottom: bottom - 2 };
  return placeLabels(wanted, dots, bounds, struckBy(data, plot, positions));
}
