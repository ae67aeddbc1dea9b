/** Direct labels: each is put at the first of its places where it covers no mark, no line and no other label. */

import type { Point } from "./pareto";
import { type SvgNode, svg, textWidth } from "./svg";

export type Place =
  | "right"
  | "left"
  | "above"
  | "below"
  | "above-left"
  | "below-right"
  | "below-left"
  | "above-right"
  | "above-end"
  | "far-above-end"
  | "below-end"
  | "far-below"
  | "far-below-left"
  | "far-below-right"
  | "far-above"
  | "far-left"
  | "far-right";

export interface Label {
  readonly text: string;
  readonly class: string;
  readonly anchor: Point;
  /** Where else it may be, once no place at its anchor is free. */
  readonly others?: readonly Point[];
  /** Places to try, the best first. */
  readonly places: readonly Place[];
  /** Drawn even when nothing is free: across a line if need be, else at its first place. */
  readonly always: boolean;
}

export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const SIZE = 12;

/** Radius around a mark that labels keep clear of. */
export const DOT = 5;

/** A mark to keep clear of. */
export interface Dot extends Point {
  readonly radius: number;
}

/** A straight piece of a line to keep clear of. */
export type Segment = readonly [Point, Point];

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly end: "start" | "middle" | "end";
}

function at(place: Place, anchor: Point): Placed {
  const { x, y } = anchor;
  switch (place) {
    case "right":
      return { x: x + 10, y: y + 4, end: "start" };
    case "left":
      return { x: x - 9, y: y + 4, end: "end" };
    case "far-left":
      return { x: x - 15, y: y + 4, end: "end" };
    case "above":
      return { x, y: y - 10, end: "middle" };
    case "below":
      return { x, y: y + 18, end: "middle" };
    case "above-left":
      return { x: x - 6, y: y - 7, end: "end" };
    case "below-right":
      return { x: x + 7, y: y + 15, end: "start" };
    case "below-left":
      return { x: x - 7, y: y + 15, end: "end" };
    case "above-right":
      return { x: x + 6, y: y - 7, end: "start" };
    case "above-end":
      return { x, y: y - 6, end: "end" };
    case "far-above-end":
      return { x, y: y - 16, end: "end" };
    case "below-end":
      return { x, y: y + 16, end: "end" };
    case "far-below":
      return { x, y: y + 27, end: "middle" };
    case "far-below-left":
      return { x: x - 8, y: y + 27, end: "end" };
    case "far-below-right":
      return { x: x + 8, y: y + 27, end: "start" };
    case "far-above":
      return { x, y: y - 17, end: "middle" };
    case "far-right":
      return { x: x + 16, y: y + 4, end: "start" };
  }
}

/** The box a text covers. */
export function labelBox(text: string, placed: { readonly x: number; readonly y: number; readonly end: string }): Box {
  const width = textWidth(text, SIZE);
  const left = placed.end === "start" ? placed.x : placed.end === "end" ? placed.x - width : placed.x - width / 2;
  return { left, right: left + width, top: placed.y - SIZE + 2, bottom: placed.y + 3 };
}

function overlaps(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** Whether any of a segment lies inside a box: the segment is cut at each of the four sides, as Liang and Barsky do. */
export function crosses([from, to]: Segment, box: Box): boolean {
  let enter = 0;
  let leave = 1;
  const cut = (start: number, change: number, low: number, high: number) => {
    if (change === 0) return start > low && start < high;
    const [first, second] = [(low - start) / change, (high - start) / change];
    enter = Math.max(enter, Math.min(first, second));
    leave = Math.min(leave, Math.max(first, second));
    return enter < leave;
  };
  return cut(from.x, to.x - from.x, box.left, box.right) && cut(from.y, to.y - from.y, box.top, box.bottom);
}

/** Places the labels in the order given, keeping clear of `dots` and `lines` and inside `bounds`. */
export function placeLabels(
  labels: readonly Label[],
  dots: readonly Dot[],
  bounds: Box,
  lines: readonly Segment[] = [],
): SvgNode[] {
  const taken: Box[] = dots.map((dot) => ({
    left: dot.x - dot.radius,
    right: dot.x + dot.radius,
    top: dot.y - dot.radius,
    bottom: dot.y + dot.radius,
  }));
  const parts: SvgNode[] = [];
  for (const label of labels) {
    const options = [label.anchor, ...(label.others ?? [])].flatMap((anchor) =>
      label.places.map((place) => {
        const placed = at(place, anchor);
        return { placed, box: labelBox(label.text, placed) };
      }),
    );
    const inside = options.filter(
      ({ box }) =>
        box.left >= bounds.left && box.right <= bounds.right && box.top >= bounds.top && box.bottom <= bounds.bottom,
    );
    const free = inside.filter(({ box }) => !taken.some((other) => overlaps(box, other)));
    const chosen =
      free.find(({ box }) => !lines.some((segment) => crosses(segment, box))) ??
      (label.always ? (free[0] ?? inside[0] ?? options[0]) : undefined);
    if (!chosen) continue;
    taken.push(chosen.box);
    parts.push(
      svg(
        "text",
        { class: label.class, x: chosen.placed.x, y: chosen.placed.y, "text-anchor": chosen.placed.end },
        label.text,
      ),
    );
  }
  return parts;
}
