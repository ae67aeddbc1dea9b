/** The curve of a training's losses, small enough to stand in a line of words. */

import { round, type SvgNode, svg } from "./svg";

/** Losses from the left to the right edge; the greatest at the top, 0 at the bottom. */
export function lossCurve(losses: readonly number[], width: number, height: number): SvgNode {
  const most = Math.max(...losses, Number.MIN_VALUE);
  const step = width / Math.max(1, losses.length - 1);
  const points = losses.map((loss, i) => `${round(i * step)},${round(1 + (height - 2) * (1 - loss / most))}`);
  return svg(
    "svg",
    { class: "loss-curve", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    svg("polyline", { points: points.join(" "), fill: "none", stroke: "currentColor", "stroke-width": 1.5 }),
  );
}
