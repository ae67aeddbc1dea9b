/** Ink on a grid of bytes: a soft round brush, dragged along a line. No document, no canvas. */

export interface Grid {
  readonly width: number;
  readonly height: number;
  /** One byte a cell, 0 paper, 255 full ink. */
  readonly cells: Uint8Array;
}

export function blank(width: number, height: number): Grid {
  return { width, height, cells: new Uint8Array(width * height) };
}

/** Radius of the brush in cells: a fat pen on 28 cells, a thin one on 8. */
export function brushRadius(grid: Grid): number {
  return Math.max(0.62, grid.width / 22);
}

/** Draws from one place to another, in cells; darkens, never lightens. Edges fall off over one cell. */
export function stroke(
  grid: Grid,
  from: readonly [number, number],
  to: readonly [number, number],
  radius: number,
): void {
  const [x0, y0] = from;
  const [x1, y1] = to;
  const dx = x1 - x0;
  const dy = y1 - y0;
  const length = dx * dx + dy * dy;
  for (let row = 0; row < grid.height; row += 1) {
    for (let column = 0; column < grid.width; column += 1) {
      const cx = column + 0.5 - x0;
      const cy = row + 0.5 - y0;
      const along = length === 0 ? 0 : Math.max(0, Math.min(1, (cx * dx + cy * dy) / length));
      const distance = Math.hypot(cx - along * dx, cy - along * dy);
      const ink = Math.round(255 * Math.max(0, Math.min(1, radius + 0.5 - distance)));
      const index = row * grid.width + column;
      if (ink > (grid.cells[index] ?? 0)) grid.cells[index] = ink;
    }
  }
}

/** Whether anything is drawn. */
export function hasInk(grid: Grid): boolean {
  return grid.cells.some((cell) => cell > 0);
}

/** Bytes as opaque ink of one colour on nothing, for a canvas: RGBA. */
export function inkPixels(cells: Uint8Array, channels: number): Uint8ClampedArray<ArrayBuffer> {
  const count = cells.length / channels;
  const pixels = new Uint8ClampedArray(count * 4);
  for (let index = 0; index < count; index += 1) {
    if (channels === 3) {
      pixels[index * 4] = cells[index] ?? 0;
      pixels[index * 4 + 1] = cells[count + index] ?? 0;
      pixels[index * 4 + 2] = cells[2 * count + index] ?? 0;
      pixels[index * 4 + 3] = 255;
    } else {
      // Ink is dark on paper; under a dark theme the style sheet inverts it.
      const shade = 255 - (cells[index] ?? 0);
      pixels.set([shade, shade, shade, 255], index * 4);
    }
  }
  return pixels;
}
