/** The ledger as a picture: a column for each layer, cut into what its bytes are, so that area is bytes. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface LedgerColumn {
  readonly name: string;
  /** Kinds of bytes and how many, in the order they are stacked, from the bottom. */
  readonly parts: readonly { readonly kind: string; readonly bytes: number }[];
}

export interface LedgerData {
  readonly columns: readonly LedgerColumn[];
  /** What each kind is called. */
  readonly kinds: Readonly<Record<string, string>>;
  readonly bytes: (bytes: number) => string;
  readonly description: string;
}

export interface LedgerBlock {
  readonly column: string;
  readonly kind: string;
  readonly bytes: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const LEDGER_HEIGHT = 230;
const LABELS = 24;
const SIZE = 12;

/** Rectangles whose areas are in proportion to bytes: widths are layers, heights the kinds within one. */
export function ledgerBlocks(columns: readonly LedgerColumn[], width: number, height: number): LedgerBlock[] {
  const sum = (column: LedgerColumn) => column.parts.reduce((total, part) => total + part.bytes, 0);
  const total = columns.reduce((all, column) => all + sum(column), 0);
  const blocks: LedgerBlock[] = [];
  let x = 0;
  for (const column of columns) {
    const own = sum(column);
    const wide = (own / Math.max(1, total)) * width;
    let y = height;
    for (const { kind, bytes } of column.parts) {
      if (bytes === 0) continue;
      const high = (bytes / own) * height;
      y -= high;
      blocks.push({ column: column.name, kind, bytes, x, y, width: wide, height: high });
    }
    x += wide;
  }
  return blocks;
}

/** Draws the ledger in a box `width` pixels wide. */
export function ledgerChart(data: LedgerData, width: number): SvgNode {
  const height = LEDGER_HEIGHT - LABELS;
  const blocks = ledgerBlocks(data.columns, width, height);
  const parts: SvgNode[] = [];
  for (const block of blocks) {
    const name = data.kinds[block.kind] ?? block.kind;
    const said = `${block.column}: ${name}, ${data.bytes(block.bytes)}`;
    parts.push(svg("rect", { class: `ledger-block ledger-${block.kind}`, ...box(block) }, svg("title", {}, said)));
  }
  for (const block of blocks) {
    const name = data.kinds[block.kind] ?? block.kind;
    const whole = `${name} ${data.bytes(block.bytes)}`;
    const said = [whole, name].find((text) => textWidth(text, SIZE) < block.width - 12);
    if (said === undefined || block.height < 17) continue;
    const y = block.y + Math.min(block.height / 2 + 4, 18);
    parts.push(svg("text", { class: `ledger-word ledger-word-${block.kind}`, x: block.x + 6, y }, said));
  }
  // Names under the columns, the widest first; one that would touch another is left out.
  const taken: [number, number][] = [];
  const columns = data.columns.map((column) => ({
    name: column.name,
    box: blocks.find((b) => b.column === column.name),
  }));
  for (const { name, box: own } of columns.sort((a, b) => (b.box?.width ?? 0) - (a.box?.width ?? 0))) {
    if (!own) continue;
    const wide = textWidth(name, SIZE);
    // In the middle of a wide column, from the edge of a narrow one, never beyond the picture.
    const from = Math.min(own.width > wide ? own.x + (own.width - wide) / 2 : own.x, width - wide);
    const to = from + wide;
    if (own.width < 3 || taken.some(([left, right]) => from < right + 6 && left < to + 6)) continue;
    taken.push([from, to]);
    parts.push(svg("text", { class: "label", x: from, y: LEDGER_HEIGHT - 8 }, name));
  }
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${width} ${LEDGER_HEIGHT}`, role: "img", "aria-label": data.description },
    ...parts,
  );
}

function box({ x, y, width, height }: LedgerBlock) {
  return { x, y, width, height };
}
