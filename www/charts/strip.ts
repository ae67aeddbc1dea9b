/** The bit strip: each layer a block, width = parameters, height = bits, so that area is bytes. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface StripLayer {
  readonly name: string;
  /** Before anything was pruned. */
  readonly parameters: number;
  /** The share of them that is left, 0 to 1. */
  readonly kept: number;
  /** Mean bits each of those takes now, all that is stored with the layer included. */
  readonly bits: number;
  /** The same before compression: the outline. */
  readonly baselineBits: number;
  /** Words at the right end of the label, where there is room. */
  readonly detail: string;
  /** The layer in a sentence, for the pointer. */
  readonly description: string;
}

export interface StripData {
  readonly layers: readonly StripLayer[];
  /** What the strip says to those who cannot see it. */
  readonly description: string;
  /** Label of the full height, such as "32 bits". */
  readonly heightLabel: string;
}

export interface Block {
  readonly x: number;
  readonly width: number;
  /** How much of the width is left. */
  readonly kept: number;
  readonly height: number;
  readonly outline: number;
}

/** A layer too small to see keeps this many pixels. */
export const LEAST_WIDTH = 4;

/** A block narrower than this is named only where there are few. */
const SLIVER = 6;

/** How far above the foot of a name the line of its stack is. */
const BRACKET = 14.5;

const HEIGHT_TOP = 16;
const HEIGHT_LABELS = 24;

/** Geometry of the blocks: widths in proportion to parameters, the smallest kept visible. */
export function stripBlocks(layers: readonly StripLayer[], width: number, height: number, gap: number): Block[] {
  const room = Math.max(1, width - gap * Math.max(0, layers.length - 1));
  let widths = layers.map(() => 0);
  const small = new Set<number>();
  for (;;) {
    const free = room - small.size * LEAST_WIDTH;
    const total = layers.reduce((sum, layer, index) => sum + (small.has(index) ? 0 : layer.parameters), 0);
    widths = layers.map((layer, index) =>
      small.has(index) ? LEAST_WIDTH : (layer.parameters / Math.max(1, total)) * free,
    );
    const next = widths.findIndex((value, index) => value < LEAST_WIDTH && !small.has(index));
    if (next < 0) break;
    small.add(next);
  }
  const tallest = Math.max(32, ...layers.map((layer) => Math.max(layer.bits, layer.baselineBits)));
  let x = 0;
  return layers.map((layer, index) => {
    const block = {
      x,
      width: widths[index] ?? 0,
      kept: (widths[index] ?? 0) * layer.kept,
      height: (layer.bits / tallest) * height,
      outline: (layer.baselineBits / tallest) * height,
    };
    x += block.width + gap;
    return block;
  });
}

/** Colour class of a number of bits: the nearest of the seven steps of the ramp. */
export function bitsTone(bits: number): string {
  const steps = [32, 16, 8, 6, 4, 3, 2];
  let best = 32;
  for (const step of steps) {
    if (
      Math.abs(Math.log2(step) - Math.log2(Math.max(bits, 0.5))) <
      Math.abs(Math.log2(best) - Math.log2(Math.max(bits, 0.5)))
    )
      best = step;
  }
  return `bits-${best}`;
}

/** What a name stands under: one block, or all of a stack. */
interface Span {
  readonly name: string;
  readonly detail: string;
  readonly x: number;
  readonly width: number;
  readonly stack: boolean;
}

/** Blocks with their names; layers next to each other that share what is before the dot are one span, named by it. */
export function stripSpans(layers: readonly StripLayer[], blocks: readonly Block[]): Span[] {
  const spans: Span[] = [];
  layers.forEach((layer, index) => {
    const block = blocks[index];
    if (!block) return;
    const dot = layer.name.indexOf(".");
    const name = dot > 0 ? layer.name.slice(0, dot) : layer.name;
    const last = spans.at(-1);
    if (dot > 0 && last?.stack && last.name === name) {
      spans[spans.length - 1] = { ...last, width: block.x + block.width - last.x };
    } else {
      const detail = dot > 0 ? "" : layer.detail;
      spans.push({ name, detail, x: block.x, width: block.width, stack: dot > 0 });
    }
  });
  return spans;
}

/** Names under the spans, the widest first; a name or detail that would touch another is left out. */
function stripLabels(spans: readonly Span[], width: number, y: number): SvgNode[] {
  const taken: [number, number][] = [];
  const claim = (from: number, to: number) => {
    if (from < 0 || to > width || taken.some(([left, right]) => from < right + 6 && left < to + 6)) return false;
    taken.push([from, to]);
    return true;
  };
  const parts: SvgNode[] = [];
  const ends = [spans[0], spans.at(-1)];
  for (const span of [...spans].sort((a, b) => b.width - a.width)) {
    const { name, detail, x } = span;
    // Among many, a sliver's name would seem to be its neighbour's.
    if (spans.length > 8 && span.width < SLIVER && !ends.includes(span)) continue;
    const right = x + span.width;
    const nameWidth = textWidth(name, 12);
    const detailWidth = textWidth(detail, 12);
    if (claim(x, x + nameWidth)) parts.push(svg("text", { class: "label", x, y }, name));
    else if (claim(right - nameWidth, right))
      parts.push(svg("text", { class: "label", x: right, y, "text-anchor": "end" }, name));
    if (span.stack)
      parts.push(svg("line", { class: "strip-stack", x1: x, x2: right, y1: y - BRACKET, y2: y - BRACKET }));
    if (detail && span.width > nameWidth + detailWidth + 16 && claim(right - detailWidth, right))
      parts.push(svg("text", { class: "axis", x: right, y, "text-anchor": "end" }, detail));
  }
  return parts;
}

/** Room between blocks: less where they are many, so that no more than a sixth of the strip is empty. */
export function stripGap(count: number, width: number): number {
  return Math.max(2, Math.min(width < 480 ? 5 : 9, Math.floor(width / 6 / Math.max(1, count - 1))));
}

/** Pixels between two strokes of what was pruned. */
const HATCH = 6;

/** What was pruned: strokes over the rest of the block, cut off at its edges. */
function hatching({ x, width, kept, outline }: Block, base: number): SvgNode[] {
  const [left, right, top] = [x + kept, x + width, base - outline];
  const strokes: string[] = [];
  // A stroke rises to the right by as much as it goes there; it begins on the foot or, further up, on the left edge.
  for (let foot = left - outline + HATCH; foot < right; foot += HATCH) {
    const from = Math.max(left, foot);
    const to = Math.min(right, foot + outline);
    if (to > from)
      strokes.push(
        `M${from.toFixed(1)},${(base - (from - foot)).toFixed(1)}L${to.toFixed(1)},${Math.max(top, base - (to - foot)).toFixed(1)}`,
      );
  }
  return [svg("path", { class: "strip-pruned", d: strokes.join("") })];
}

/** Draws the strip in a box of `width` × `height` pixels. */
export function stripChart(data: StripData, size: { readonly width: number; readonly height: number }): SvgNode {
  const { width, height } = size;
  const gap = stripGap(data.layers.length, width);
  const base = height - HEIGHT_LABELS;
  const full = base - HEIGHT_TOP;
  const blocks = stripBlocks(data.layers, width, full, gap);
  const parts: SvgNode[] = [];
  data.layers.forEach((layer, index) => {
    const block = blocks[index];
    if (!block) return;
    parts.push(
      svg("rect", {
        class: "strip-outline",
        x: block.x + 0.5,
        y: base - block.outline + 0.5,
        width: Math.max(1, block.width - 1),
        height: Math.max(0, block.outline - 1),
      }),
      ...(layer.kept < 1 ? hatching(block, base) : []),
      svg("rect", {
        class: `strip-block ${bitsTone(layer.bits)}`,
        "data-layer": layer.name,
        x: block.x,
        y: base - block.height,
        width: block.kept,
        height: block.height,
      }),
      // The whole column answers to the pointer, so that thin blocks can be met.
      svg(
        "rect",
        { class: "strip-hit", x: block.x - gap / 2, y: HEIGHT_TOP, width: block.width + gap, height: full },
        svg("title", {}, layer.description),
      ),
    );
  });
  parts.push(...stripLabels(stripSpans(data.layers, blocks), width, height - 6));
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": data.description },
    svg("text", { class: "axis", x: 0, y: 10 }, data.heightLabel),
    ...parts,
  );
}
