/** The Pareto front: what cannot be made smaller without losing accuracy. */

import { ascending } from "d3-array";
import { curveStepAfter, line } from "d3-shape";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Points for which no other is at most as large and at least as accurate, by ascending size. Ties keep one. */
export function paretoFront<T extends Point>(points: readonly T[]): T[] {
  const sorted = [...points].sort((a, b) => ascending(a.x, b.x) || ascending(b.y, a.y));
  const front: T[] = [];
  let best = Number.NEGATIVE_INFINITY;
  for (const point of sorted) {
    if (point.y > best) {
      front.push(point);
      best = point.y;
    }
  }
  return front;
}

/** The front as a step line in pixels, drawn on to `right`: each step holds until the next better point. */
export function paretoPath(front: readonly Point[], right: number): string {
  const last = front.at(-1);
  if (!last) return "";
  const end: Point = { x: Math.max(right, last.x), y: last.y };
  return (
    line<Point>()
      .x((point) => point.x)
      .y((point) => point.y)
      .curve(curveStepAfter)([...front, end]) ?? ""
  );
}
