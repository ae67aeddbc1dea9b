/** A network's layers as fields of small cells, one for each unit: strong where its weights are, and gone where it was taken out. */

import { type SvgNode, svg, textWidth } from "./svg";

export interface UnitCell {
  /** Its norm as a share of the greatest of its layer. */
  readonly strength: number;
  /** When it leaves, above 0 and up to 1; absent for what stays. */
  readonly leaves: number | undefined;
  /** The share of its weights that stays. */
  readonly share: number;
  /** Whether it is pointed at, in this layer or in another that it goes together with. */
  readonly lit: boolean;
}

export interface UnitLayer {
  readonly name: string;
  readonly cells: readonly UnitCell[];
  /** How many are left, under the name. */
  readonly note: string;
  /** Groups of channels that its outputs belong to. */
  readonly groups: readonly number[];
}

export interface UnitsData {
  readonly layers: readonly UnitLayer[];
  /** How much has gone, 0 (nothing) to 1. */
  readonly at: number;
  /** What the brackets say. */
  readonly together: string;
  /** What the drawing says to those who cannot see it. */
  readonly description: string;
}

/** Below this width layers stand under each other. */
export const NARROW = 620;
const LARGE = 16;
const SIZES = [LARGE, 14, 12, 10, 8, 7, 6, 5, 4];
const MOST_HEIGHT = 230;
const BETWEEN = 16;
const TEXT = 12;
const LINE = 15;
const TIE = 9;
/** Width of a field at least: less than this, and layers take another line. */
const LEAST_PITCH = 92;
/** Between two lines of layers. */
const GAP = 22;
/** Even what has no weights is seen so much; norms of a layer are near to each other, so that their squares are drawn. */
const LEAST = 0.12;
/** Side of a cell where layers stand under each other. */
const SMALL = 9;

/** A field of cells: where it begins, how many stand beside each other, and their size with what is between them. */
interface Field {
  readonly x: number;
  readonly y: number;
  readonly across: number;
  readonly size: number;
}

/** Layers that give channels of one group: their numbers, first to last, and the level of their bracket. */
export interface Tie {
  readonly layers: readonly number[];
  readonly level: number;
}

/** Brackets over layers whose units go together, each on the lowest level that is free over all that it spans. */
export function ties(layers: readonly Pick<UnitLayer, "groups">[]): Tie[] {
  const found: Tie[] = [];
  for (const group of new Set(layers.flatMap(({ groups }) => groups))) {
    const members = layers.flatMap(({ groups }, at) => (groups.includes(group) ? [at] : []));
    const [first = 0, last = 0] = [members[0], members.at(-1)];
    if (members.length < 2) continue;
    const meets = ({ layers: other }: Tie) => (other[0] ?? 0) <= last && (other.at(-1) ?? 0) >= first;
    const taken = found.filter(meets).map(({ level }) => level);
    let level = 0;
    while (taken.includes(level)) level += 1;
    found.push({ layers: members, level });
  }
  return found;
}

function rowsOf(count: number, width: number, size: number): number {
  return Math.ceil(count / Math.max(1, Math.floor(width / size)));
}

/** The largest cells of which no layer stands higher than allowed. */
export function cellSize(counts: readonly number[], width: number, most: number): number {
  const fits = (size: number) => counts.every((count) => rowsOf(count, width, size) * size <= most);
  return SIZES.find(fits) ?? SIZES.at(-1) ?? 4;
}

/** A name on one line, or on two where it is too wide and has a part to break at. */
function lines(name: string, width: number): string[] {
  if (textWidth(name, TEXT) <= width) return [name];
  const at = name.search(/[-.]/);
  return at < 0 ? [name] : [name.slice(0, at + 1), name.slice(at + 1)];
}

/** Draws the network in a box `width` pixels wide. */
export function unitsChart(data: UnitsData, width: number): SvgNode {
  const found = ties(data.layers);
  const drawn = width < NARROW ? stacked(data, found, width) : inLines(data, found, width);
  const said = found.length > 0 ? [svg("text", { class: "axis", x: 0, y: 10 }, data.together)] : [];
  return svg(
    "svg",
    { class: "drawing units", viewBox: `0 0 ${width} ${drawn.height}`, role: "img", "aria-label": data.description },
    ...said,
    ...drawn.parts,
  );
}

interface Drawn {
  readonly parts: SvgNode[];
  readonly height: number;
}

const levelsOf = (found: readonly Tie[]) => Math.max(-1, ...found.map(({ level }) => level)) + 1;

/** Layers under each other, brackets at their left. */
function stacked({ layers, at }: UnitsData, found: readonly Tie[], width: number): Drawn {
  const levels = levelsOf(found);
  const left = levels > 0 ? levels * TIE + 6 : 0;
  const parts: SvgNode[] = [];
  const names: number[] = [];
  let y = levels > 0 ? 2 * LINE : 0;
  for (const layer of layers) {
    const across = Math.max(1, Math.floor((width - left) / SMALL));
    names.push(y + 7);
    parts.push(
      svg("text", { class: "label", x: left, y: y + 11 }, layer.name),
      svg("text", { class: "axis", x: width, y: y + 11, "text-anchor": "end" }, layer.note),
      ...cells(layer, { x: left, y: y + 18, across, size: SMALL }, at),
    );
    y += 18 + Math.ceil(layer.cells.length / across) * SMALL + 12;
  }
  for (const { layers: members, level } of found) {
    const x = level * TIE + 2;
    const ends = members.map((member) => names[member] ?? 0);
    const path = `M${x},${ends[0]}V${ends.at(-1)}${ends.map((end) => `M${x},${end}H${left - 4}`).join("")}`;
    parts.push(svg("path", { class: "unit-tie", d: path }));
  }
  return { parts, height: y - 12 };
}

/** Layers beside each other, in as many lines as their names need; brackets above them, and on to the edge where they go on in another line. */
function inLines({ layers, at }: UnitsData, found: readonly Tie[], width: number): Drawn {
  const most = Math.max(1, Math.floor((width + BETWEEN) / (LEAST_PITCH + BETWEEN)));
  const count = Math.ceil(layers.length / most);
  const each = Math.ceil(layers.length / Math.max(1, count));
  const pitch = (width + BETWEEN) / Math.max(1, each);
  const inner = pitch - BETWEEN;
  const size = cellSize(
    layers.map((layer) => layer.cells.length),
    inner,
    MOST_HEIGHT,
  );
  const across = Math.max(1, Math.floor(inner / size));
  const large = { size: LARGE, across: Math.max(1, Math.floor(inner / LARGE)) };
  const parts: SvgNode[] = [];
  let top = found.length > 0 ? LINE : 0;
  for (let first = 0; first < layers.length; first += each) {
    const line = layers.slice(first, first + each);
    const within = ({ layers: members }: Tie) => (members[0] ?? 0) < first + each && (members.at(-1) ?? 0) >= first;
    const here = found.filter(within);
    const levels = levelsOf(here);
    const names = line.map(({ name }) => lines(name, inner));
    const nameLines = Math.max(1, ...names.map((name) => name.length));
    const base = top + (levels > 0 ? levels * TIE + 6 : 0);
    const field = base + LINE * (nameLines + 1) + 5;
    line.forEach((layer, i) => {
      const x = i * pitch;
      const said = names[i] ?? [];
      said.forEach((word, row) => {
        parts.push(svg("text", { class: "label", x, y: base + 11 + LINE * (row + nameLines - said.length) }, word));
      });
      parts.push(
        svg("text", { class: "axis", x, y: field - 9 }, layer.note),
        // Few units, such as heads, have large cells.
        ...cells(layer, { x, y: field, ...(layer.cells.length * LARGE <= inner ? large : { across, size }) }, at),
      );
    });
    for (const { layers: members, level } of here) {
      // Side by side where two brackets meet at one layer.
      const xOf = (member: number) => (member - first) * pitch + 6 + level * 3;
      const own = members.filter((member) => member >= first && member < first + each);
      const from = (members[0] ?? 0) < first ? 0 : xOf(own[0] ?? first);
      const to = (members.at(-1) ?? 0) >= first + each ? width : xOf(own.at(-1) ?? first);
      const y = top + (levels - 1 - level) * TIE + 5;
      const path = `M${from},${y}H${to}${own.map((member) => `M${xOf(member)},${y}V${base - 2}`).join("")}`;
      parts.push(svg("path", { class: "unit-tie", d: path }));
    }
    const highest = Math.max(LARGE, ...line.map((layer) => Math.ceil(layer.cells.length / across) * size));
    top = field + highest + (first + each < layers.length ? GAP : 0);
  }
  return { parts, height: top };
}

/**
 * The cells of a layer: slots that stay, and in them what is there. Where single weights go, a cell is filled from below by those that stay, and
 * above them by those that are still to go.
 */
function cells({ cells, name }: UnitLayer, { x, y, across, size }: Field, at: number): SvgNode[] {
  const side = size - (size > 6 ? 2 : 1);
  const corner = (index: number) => [x + (index % across) * size, y + Math.floor(index / across) * size] as const;
  let slots = "";
  const filled = cells.flatMap(({ strength, leaves, share, lit }, index) => {
    const [left, top] = corner(index);
    slots += `M${left},${top}h${side}v${side}h${-side}z`;
    const out = leaves !== undefined;
    const gone = out && leaves <= at + 1e-9;
    const part = (state: string, from: number, height: number) =>
      svg("rect", {
        class: `unit${state}${lit ? " lit" : ""}`,
        x: left,
        y: top + side * (1 - from - height),
        width: side,
        height: side * height,
        style: `--strength: ${(LEAST + (1 - LEAST) * Math.min(1, strength) ** 2).toFixed(2)}`,
      });
    // Answers to the pointer whatever is left of the cell.
    const hit = { class: "unit-hit", "data-unit": `${name}:${index}`, x: left, y: top, width: size, height: size };
    const rest = out
      ? [part(gone ? " gone" : " going", 0, 1)]
      : [part("", 0, share), ...(share < 1 ? [part(" going", share, (1 - share) * (1 - at))] : [])];
    return [...rest, svg("rect", hit)];
  });
  return [svg("path", { class: "unit-slot", d: slots }), ...filled];
}
