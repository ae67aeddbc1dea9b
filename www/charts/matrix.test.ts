import { describe, expect, it } from "vitest";
import {
  acrossOf,
  type Colour,
  colourOf,
  fitOf,
  fullMagnitude,
  KEPT,
  layoutOf,
  OUT,
  PRUNED,
  type Raster,
  raster,
} from "./matrix";

const tones = {
  paper: [250, 250, 250],
  plus: [0, 0, 200],
  minus: [200, 100, 0],
  zero: [220, 220, 220],
  out: [150, 0, 0],
} as const;

const pixel = ({ width, data }: Raster, x: number, y: number) => [
  ...data.slice(4 * (y * width + x), 4 * (y * width + x) + 3),
];
const close = (colour: Colour) => colour.map((part) => expect.closeTo(part, -0.4));

describe("the places of weights", () => {
  it.each([
    [[7, 5], 1],
    [[4, 3, 3, 3], 1],
    [[5, 2, 3, 2], 3],
    [[8, 1, 5, 5], 3],
    [[1, 1], 1],
  ])("of %j in %i beside each other are each their own", (shape, across) => {
    const layout = layoutOf(shape, across);
    const count = shape.reduce((all, each) => all * each, 1);
    const seen = new Set<string>();
    for (let at = 0; at < count; at += 1) {
      const [x, y] = layout.place(at);
      expect(layout.at(x, y)).toBe(at);
      seen.add(`${x},${y}`);
    }
    expect(seen.size).toBe(count);
    let cells = 0;
    for (let y = -1; y <= layout.rows; y += 1)
      for (let x = -1; x <= layout.columns; x += 1) cells += layout.at(x, y) === undefined ? 0 : 1;
    expect(cells).toBe(count);
  });

  it("have outputs as rows and inputs as columns, and kernels as tiles", () => {
    expect(layoutOf([7, 5]).place(8)).toEqual([3, 1]);
    const tiles = layoutOf([4, 3, 3, 3]);
    expect([tiles.columns, tiles.rows, tiles.place(27 + 9 + 4)]).toEqual([11, 15, [5, 5]]);
    expect(tiles.at(3, 0)).toBeUndefined();
    // Outputs beside each other are further apart than inputs.
    expect(layoutOf([4, 3, 3, 3], 2).place(27)).toEqual([13, 0]);
  });

  it("use a box as well as they can", () => {
    expect(acrossOf([300, 10], 500, 100)).toBe(1);
    for (const shape of [
      [32, 16, 3, 3],
      [64, 1, 3, 3],
      [6, 1, 5, 5],
    ]) {
      const across = acrossOf(shape, 560, 380);
      const cell = (each: number) => fitOf(layoutOf(shape, each), 560, 380, 1000).cell;
      for (let other = 1; other <= (shape[0] ?? 0); other += 1)
        expect(cell(across)).toBeGreaterThanOrEqual(cell(other));
    }
  });

  it("are whole pixels, or whole numbers of weights to a pixel", () => {
    expect(fitOf(layoutOf([10, 20]), 410, 300, 50)).toEqual({ cell: 20, block: 1 });
    expect(fitOf(layoutOf([10, 20]), 410, 300, 12)).toEqual({ cell: 12, block: 1 });
    expect(fitOf(layoutOf([300, 784]), 590, 380, 12)).toEqual({ cell: 1, block: 2 });
    expect(fitOf(layoutOf([300, 784]), 358, 50, 12)).toEqual({ cell: 1, block: 6 });
  });
});

describe("the picture of a weight", () => {
  const picture = (values: number[], states?: number[]) => ({
    layout: layoutOf([2, 2]),
    values: new Float32Array(values),
    states: states && new Uint8Array(states),
    full: 1,
  });

  it("has the sign as hue and the magnitude as strength, and paper only for what was pruned", () => {
    const made = raster(picture([1, -5, 0.001, 0], [KEPT, KEPT, KEPT, PRUNED]), tones, { cell: 3, block: 1 }, 5);
    expect([made.width, made.height]).toEqual([6, 6]);
    expect(pixel(made, 1, 1)).toEqual(close(tones.plus));
    expect(pixel(made, 4, 2)).toEqual(close(tones.minus));
    // The least kept weight is seen to be kept.
    const faint = pixel(made, 0, 5);
    expect(250 - (faint[0] ?? 250)).toBeGreaterThan(40);
    expect(pixel(made, 5, 5)).toEqual([...tones.paper]);
    // A kept 0 is neither paper nor a sign.
    expect(pixel(raster(picture([0, 1, 1, 1]), tones, { cell: 1, block: 1 }, 5), 0, 0)).toEqual([...tones.zero]);
  });

  it("strikes out what went with its unit, and shows it faintly", () => {
    const made = raster(picture([1, 1, 1, 1], [OUT, KEPT, OUT, KEPT]), tones, { cell: 10, block: 1 }, 5);
    const [whole, faded, line] = [pixel(made, 12, 2), pixel(made, 2, 2), pixel(made, 2, 3)];
    expect(whole).toEqual(close(tones.plus));
    expect(faded[0] ?? 0).toBeGreaterThan(whole[0] ?? 0);
    expect((line[2] ?? 255) < (faded[2] ?? 0)).toBe(true);
    expect(pixel(made, 12, 3)).toEqual(whole);
  });

  it("is paler the more weights of a pixel are pruned, and never hides them", () => {
    const red = (states: number[]) =>
      pixel(raster(picture([1, 1, 1, 1], states), tones, { cell: 1, block: 2 }, 5), 0, 0)[0] ?? 0;
    const shares = [0, 1, 2, 3, 4].map((pruned) => red([0, 1, 2, 3].map((at) => (at < pruned ? PRUNED : KEPT))));
    expect(shares).toEqual([0, 62.5, 125, 187.5, 250].map((value) => expect.closeTo(value, -0.4)));
    // The sign is that of the sum.
    const mixed = raster(picture([1, -0.2, -0.2, -0.2]), tones, { cell: 1, block: 2 }, 5);
    const negative = raster(picture([-1, 0.2, 0.2, 0.2]), tones, { cell: 1, block: 2 }, 5);
    expect((pixel(mixed, 0, 0)[2] ?? 0) > (pixel(negative, 0, 0)[2] ?? 0)).toBe(true);
    const odd = { layout: layoutOf([3, 5]), values: new Float32Array(15).fill(1), states: undefined, full: 1 };
    expect(raster(odd, tones, { cell: 1, block: 2 }, 5)).toMatchObject({ width: 3, height: 2 });
  });

  it("reaches full colour where all but the greatest weights are", () => {
    const values = new Float32Array(1000).map((_, at) => (at % 2 ? at : -at) / 1000);
    expect(fullMagnitude(values)).toBeCloseTo(0.994, 3);
    expect(fullMagnitude(new Float32Array(4))).toBe(1);
    expect(colourOf(" #1b6ca8")).toEqual([27, 108, 168]);
  });
});
