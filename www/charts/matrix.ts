/** A weight as a picture: where each of its values stands, and the colour of every pixel. Knows nothing of canvases. */

/** What became of a weight: it is there, pruning made it 0, or it went with a unit that was taken out. */
export const KEPT = 0;
export const PRUNED = 1;
export const OUT = 2;

/** Places of a weight's values in cells: columns to the right, rows downwards. */
export interface Layout {
  readonly columns: number;
  readonly rows: number;
  /** Column and row of a value. */
  place(at: number): readonly [number, number];
  /** The value in a cell; none between kernels. */
  at(column: number, row: number): number | undefined;
}

/**
 * Outputs are rows and inputs columns. Kernels are tiles with a cell between them, a row of tiles for each output; `across` such outputs
 * stand side by side, with another cell between them.
 */
export function layoutOf(shape: ArrayLike<number>, across = 1): Layout {
  const [outputs = 1, inputs = 1, height = 1, width = 1] = Array.from(shape);
  const gap = height * width > 1 ? 1 : 0;
  const beside = across > 1 && inputs > 1 ? 1 : 0;
  const [tileWidth, tileHeight] = [width + gap, height + gap];
  const outputWidth = inputs * tileWidth + beside;
  const columns = Math.min(across, outputs) * outputWidth - gap - beside;
  const rows = Math.ceil(outputs / across) * tileHeight - gap;
  return {
    columns,
    rows,
    place(at) {
      const x = at % width;
      const y = Math.floor(at / width) % height;
      const tile = Math.floor(at / (width * height));
      const [output, input] = [Math.floor(tile / inputs), tile % inputs];
      return [(output % across) * outputWidth + input * tileWidth + x, Math.floor(output / across) * tileHeight + y];
    },
    at(column, row) {
      if (column < 0 || row < 0 || column >= columns || row >= rows) return undefined;
      const within = column % outputWidth;
      const [x, y] = [within % tileWidth, row % tileHeight];
      const input = Math.floor(within / tileWidth);
      const output = Math.floor(row / tileHeight) * across + Math.floor(column / outputWidth);
      if (x >= width || y >= height || input >= inputs || output >= outputs) return undefined;
      return ((output * inputs + input) * height + y) * width + x;
    },
  };
}

/** How many outputs stand side by side, so that weights are as large as they can be in a box; one where there are no kernels. */
export function acrossOf(shape: ArrayLike<number>, width: number, height: number): number {
  const [outputs = 1, , rows = 1, columns = 1] = Array.from(shape);
  if (rows * columns === 1) return 1;
  let [best, most] = [1, 0];
  for (let across = 1; across <= outputs; across += 1) {
    const layout = layoutOf(shape, across);
    const size = Math.min(width / layout.columns, height / layout.rows);
    if (size > most) [best, most] = [across, size];
  }
  return best;
}

/** How a picture fits: either a weight is `cell` pixels wide, or a pixel is `block` weights wide; the other is 1. */
export interface Fit {
  readonly cell: number;
  readonly block: number;
}

/** The largest that fits into so many pixels of the device. */
export function fitOf(layout: Layout, width: number, height: number, mostCell: number): Fit {
  const cell = Math.min(mostCell, Math.floor(Math.min(width / layout.columns, height / layout.rows)));
  if (cell >= 1) return { cell, block: 1 };
  return { cell: 1, block: Math.ceil(Math.max(layout.columns / width, layout.rows / height)) };
}

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [number, number, number];

export interface Tones {
  readonly paper: Colour;
  readonly plus: Colour;
  readonly minus: Colour;
  /** A weight that is kept and 0. */
  readonly zero: Colour;
  /** Lines over what was taken out. */
  readonly out: Colour;
}

export interface MatrixPicture {
  readonly layout: Layout;
  readonly values: Float32Array;
  /** {@link KEPT}, {@link PRUNED} or {@link OUT}, for each value; absent where all are kept. */
  readonly states: Uint8Array | undefined;
  /** The magnitude that has the full colour. */
  readonly full: number;
}

/** Even the least weight that is kept has this share of its colour, so that it differs from the paper. */
const LEAST = 0.2;
/** What was taken out keeps this share. */
const FADED = 0.3;
/** Of the lines over what was taken out. */
const LINE = 0.5;

/** Pixels, four bytes each. Lines over what was taken out are `stripe` pixels from each other. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export function raster(
  { layout, values, states, full }: MatrixPicture,
  tones: Tones,
  fit: Fit,
  stripe: number,
): Raster {
  const { cell, block } = fit;
  const width = block > 1 ? Math.ceil(layout.columns / block) : layout.columns * cell;
  const height = block > 1 ? Math.ceil(layout.rows / block) : layout.rows * cell;
  const data = new Uint8ClampedArray(width * height * 4);
  const put = (x: number, y: number, colour: Colour) => {
    const at = 4 * (y * width + x);
    data.set(colour, at);
    data[at + 3] = 255;
  };
  /** The colour of all values in a square of cells: the mean of their strengths, in the sign of their sum. */
  const toneOf = (column: number, row: number): { colour: Colour; out: boolean } => {
    let [count, strength, sum, out, zeros] = [0, 0, 0, 0, 0];
    for (let y = row; y < row + block; y += 1) {
      for (let x = column; x < column + block; x += 1) {
        const at = layout.at(x, y);
        if (at === undefined) continue;
        count += 1;
        const state = states?.[at] ?? KEPT;
        const value = values[at] ?? 0;
        if (state === OUT) out += 1;
        if (state === PRUNED) continue;
        if (value === 0) zeros += 1;
        else strength += (LEAST + (1 - LEAST) * Math.min(1, Math.abs(value) / full)) * (state === OUT ? FADED : 1);
        sum += value;
      }
    }
    if (count === 0) return { colour: tones.paper, out: false };
    const signed = mix(tones.paper, sum < 0 ? tones.minus : tones.plus, strength / count);
    return { colour: mix(signed, tones.zero, zeros / count), out: out * 2 > count };
  };
  const line = (x: number, y: number) => (x + y) % stripe === 0;
  for (let row = 0; row < Math.ceil(layout.rows / block); row += 1) {
    for (let column = 0; column < Math.ceil(layout.columns / block); column += 1) {
      const { colour, out } = toneOf(column * block, row * block);
      const struck = out ? mix(colour, tones.out, LINE) : colour;
      for (let y = row * cell; y < (row + 1) * cell; y += 1)
        for (let x = column * cell; x < (column + 1) * cell; x += 1) put(x, y, out && line(x, y) ? struck : colour);
    }
  }
  return { width, height, data };
}

function mix(from: Colour, to: Colour, share: number): Colour {
  return [0, 1, 2].map((i) => (from[i] ?? 0) + ((to[i] ?? 0) - (from[i] ?? 0)) * share) as unknown as Colour;
}

/** The magnitude below which all but one in two hundred values are: what has the full colour. */
export function fullMagnitude(values: Float32Array): number {
  const sizes = values.map(Math.abs).sort();
  return sizes[Math.floor((sizes.length - 1) * 0.995)] || sizes.at(-1) || 1;
}

/** A colour as styles write it: `#rrggbb`. */
export function colourOf(text: string): Colour {
  const value = Number.parseInt(text.trim().slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
