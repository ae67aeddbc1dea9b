//! Convolutions 3×3 of stride 1 with 16 products for every four outputs in place of 36, and the same integers as their sums.
//!
//! Winograd's F(2×2, 3×3) (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks"): a tile of 2×2 outputs
//! Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A of a kernel g and 4×4 inputs d, products summed over the channels. Bᵀ and Aᵀ hold 0 and ±1;
//! G holds halves, so weights are taken with 2G on both sides and 4·Y is an integer computation. Every step adds or multiplies
//! modulo 2³², which is a ring: whatever wraps on the way, the result is 4·Y wherever that fits 32 bits, and its quarter is
//! exactly the sum that the direct way gives. Floats have no such ring, so for them there is no Winograd (docs/numerics.md).
//!
//! The transformed weights need 16 bits and there are 16 of them for 9, so that they take 3.6 times the memory of int8; they
//! are kept in place of the others.

use super::Buffers;
use super::layout::{Input, Layout, Steps};
use super::packed::TILE_ROWS;
use crate::kernels::conv::ConvShape;
use crate::kernels::registers::{N1, N4, Rows, Take};
use crate::kernels::{Rescale, RowSink};
use crate::simd::{I16Pairs, I32x8, LANES, Lane, side_by_side};

/// Positions of a transformed tile.
const POSITIONS: usize = 16;
/// Outputs of a tile along an axis.
const SIDE: usize = 2;
/// Fewest input channels and fewest output channels that make up for the transforms.
const LEAST: usize = 8;
/// The least product of the two that does.
const LEAST_PRODUCT: usize = 128;
/// The rows of a tile, in registers.
type Sums = N4<N1<I16Pairs>>;
/// The sums of one row at every position.
type Products = [[i32; LANES]; POSITIONS];

/// The transformed weights of a layer.
#[derive(Clone, Debug)]
pub(super) struct Winograd {
    layout: Layout<I16Pairs>,
    /// Words of two channels `[tile of rows][position][depth][row]`; rows past the last one are 0.
    weights: Vec<[i32; TILE_ROWS]>,
}

impl Winograd {
    /// Transforms row-major weights `[out][in][3][3]` for inputs on the grid of `steps`; nothing where the shape is another,
    /// where too few channels or outputs make it no faster, or where numbers could leave their bits.
    pub fn new(shape: ConvShape, steps: &Steps, weights: &[i32]) -> Option<Self> {
        let [rows, height, width] = shape.output();
        let channels = shape.input[0];
        let fits = shape.kernel == [3, 3] && shape.stride == 1 && shape.groups == 1;
        let pays = channels.min(rows) >= LEAST && channels * rows >= LEAST_PRODUCT && fills(height, width);
        if !fits || !pays {
            return None;
        }
        // A transformed code is the sum of four, each with its sign.
        let most = i64::from(steps.high.max(-steps.low));
        let largest = |row: &[i32]| row.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>();
        let sum = weights.chunks_exact(shape.taps()).map(largest).max().unwrap_or(0);
        if 4 * most > i64::from(i16::MAX) || 4 * sum * most > i64::from(i32::MAX) {
            return None;
        }
        let layout = Layout::<I16Pairs>::new(shape);
        let mut words = vec![[0; TILE_ROWS]; rows.div_ceil(TILE_ROWS) * POSITIONS * layout.depth];
        for (at, kernel) in weights.as_chunks::<9>().0.iter().enumerate() {
            let (row, channel) = (at / channels, at % channels);
            for (position, weight) in transformed(kernel).into_iter().enumerate() {
                let code = u32::from(i16::try_from(weight).ok()? as u16);
                let vector = (row / TILE_ROWS * POSITIONS + position) * layout.depth + channel / 2;
                words[vector][row % TILE_ROWS] |= (code << (16 * (channel % 2))) as i32;
            }
        }
        Some(Self { layout, weights: words })
    }

    /// As [`super::Integer::run_blocks`].
    pub fn run_blocks<T: Input>(
        &self,
        steps: &Steps,
        blocks: &[&[T]],
        buffers: &mut Buffers,
        rescale: &Rescale<'_>,
        sinks: &mut [&mut dyn RowSink],
    ) {
        let [rows, height, width] = self.layout.shape.output();
        let depth = self.layout.depth;
        let Buffers { codes, panel, tiles, .. } = buffers;
        let vectors = width.div_ceil(SIDE) * POSITIONS * depth;
        tiles.resize((vectors + self.layout.padded()[1] * depth) * LANES, 0);
        panel.resize(TILE_ROWS * width.next_multiple_of(SIDE) * LANES, 0);
        let (tiles, line) = tiles.as_chunks_mut::<LANES>().0.split_at_mut(vectors);
        let late = panel.as_chunks_mut::<LANES>().0;
        for (block, sink) in blocks.iter().zip(sinks) {
            self.layout.arrange_blocks(steps, &[block], codes);
            for y in (0..height).step_by(SIDE) {
                self.transform(codes.as_chunks::<LANES>().0, y, tiles, line);
                let panels = self.weights.chunks_exact(POSITIONS * depth);
                for (first, weights) in (0..rows).step_by(TILE_ROWS).zip(panels) {
                    let count = TILE_ROWS.min(rows - first);
                    let work = Work { weights, tiles, depth, width, first, count, rescale };
                    work.two_rows(y, y + 1 < height, late, *sink);
                }
            }
        }
    }

    /// Bᵀ d B of the tiles of output rows `y` and `y + 1`: `[tile][position][depth]`. `line` holds a row of the first product.
    #[inline(never)]
    fn transform(&self, codes: &[[i32; LANES]], y: usize, tiles: &mut [[i32; LANES]], line: &mut [[i32; LANES]]) {
        let [height, width] = self.layout.padded();
        let depth = self.layout.depth;
        let pitch = width * depth;
        for i in 0..4 {
            // What lies past the last row or column only reaches outputs that are dropped, so any code serves there.
            let (left, right) = [(0, 2), (1, 2), (2, 1), (1, 3)][i];
            let (left, right) = (part(codes, y + left, height, pitch), part(codes, y + right, height, pitch));
            if i == 1 {
                combine(left, right, line, I16Pairs::code_sums);
            } else {
                combine(left, right, line, I16Pairs::code_differences);
            }
            for (tile, out) in tiles.chunks_exact_mut(POSITIONS * depth).enumerate() {
                // Neither closures nor mapped arrays in here: they would be calls.
                let x = SIDE * tile;
                let (a, b) = (part(line, x, width, depth), part(line, x + 1, width, depth));
                let (c, d) = (part(line, x + 2, width, depth), part(line, x + 3, width, depth));
                let (p, rest) = out[4 * i * depth..][..4 * depth].split_at_mut(depth);
                let (q, rest) = rest.split_at_mut(depth);
                let (r, s) = rest.split_at_mut(depth);
                for at in 0..depth {
                    let (b, c) = (I16Pairs::load(&b[at]), I16Pairs::load(&c[at]));
                    I16Pairs::load(&a[at]).code_differences(c).store(&mut p[at]);
                    b.code_sums(c).store(&mut q[at]);
                    c.code_differences(b).store(&mut r[at]);
                    b.code_differences(I16Pairs::load(&d[at])).store(&mut s[at]);
                }
            }
        }
    }
}

/// Whether an output fills two thirds of its tiles: at odd sizes a part of them is dropped.
fn fills(height: usize, width: usize) -> bool {
    let padded = height.next_multiple_of(SIDE) * width.next_multiple_of(SIDE);
    2 * padded <= 3 * height * width
}

/// 2G g (2G)ᵀ of a kernel, row-major.
fn transformed(kernel: &[i32; 9]) -> [i32; POSITIONS] {
    let four = |[a, b, c]: [i32; 3]| [2 * a, a + b + c, a - b + c, 2 * c];
    let columns: [[i32; 4]; 3] = std::array::from_fn(|x| four([kernel[x], kernel[3 + x], kernel[6 + x]]));
    let rows: [[i32; 4]; 4] = std::array::from_fn(|y| four(columns.map(|column| column[y])));
    std::array::from_fn(|at| rows[at / 4][at % 4])
}

/// Part `at` of `count` equal ones, or the last one.
#[inline(always)]
fn part(all: &[[i32; LANES]], at: usize, count: usize, len: usize) -> &[[i32; LANES]] {
    &all[at.min(count - 1) * len..][..len]
}

/// `of(a, b)` of two rows.
#[inline(always)]
fn combine(
    a: &[[i32; LANES]],
    b: &[[i32; LANES]],
    out: &mut [[i32; LANES]],
    of: impl Fn(I16Pairs, I16Pairs) -> I16Pairs,
) {
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        of(I16Pairs::load(a), I16Pairs::load(b)).store(out);
    }
}

/// What one tile of rows needs.
struct Work<'a> {
    weights: &'a [[i32; TILE_ROWS]],
    tiles: &'a [[i32; LANES]],
    depth: usize,
    width: usize,
    first: usize,
    count: usize,
    rescale: &'a Rescale<'a>,
}

impl Work<'_> {
    /// Output rows `y` and `y + 1`; the second waits in `late` until the sink asks for it.
    #[inline(never)]
    fn two_rows(&self, y: usize, second: bool, late: &mut [[i32; LANES]], sink: &mut dyn RowSink) {
        let &Self { tiles, depth, width, first, count, rescale, .. } = self;
        let pitch = width.next_multiple_of(SIDE);
        let mut products: [Products; TILE_ROWS] = [[[0; LANES]; POSITIONS]; TILE_ROWS];
        let (out, distance) = sink.rows(first, count, y);
        for (x, tile) in (0..width).step_by(SIDE).zip(tiles.chunks_exact(POSITIONS * depth)) {
            self.multiply(tile, &mut products);
            for (row, products) in products.iter().enumerate().take(count) {
                let [upper, lower] = outputs(products);
                rescale.finish(first + row, upper[0], &mut out[row * distance + x]);
                if x + 1 < width {
                    rescale.finish(first + row, upper[1], &mut out[row * distance + x + 1]);
                }
                lower[0].store(&mut late[row * pitch + x]);
                lower[1].store(&mut late[row * pitch + x + 1]);
            }
        }
        sink.done(first, count, y);
        if second {
            let (out, distance) = sink.rows(first, count, y + 1);
            for row in 0..count {
                let out = &mut out[row * distance..][..width];
                for (sums, out) in late[row * pitch..].iter().zip(out) {
                    rescale.finish(first + row, I32x8::load(sums), out);
                }
            }
            sink.done(first, count, y + 1);
        }
    }

    /// The sums over channels at every position of a tile.
    #[inline(always)]
    fn multiply(&self, tile: &[[i32; LANES]], products: &mut [Products; TILE_ROWS]) {
        for position in 0..POSITIONS {
            let weights = &self.weights[position * self.depth..][..self.depth];
            let codes = &tile[position * self.depth..][..self.depth];
            let mut sums = <Sums as Rows<I16Pairs, N1<I16Pairs>>>::zero();
            side_by_side(weights, codes, |weights, codes| {
                sums = sums.add_scaled(weights, 0, single(codes));
            });
            sums.each(0, &mut At { products, position });
        }
    }
}

/// Where the sums of a position go.
struct At<'a> {
    products: &'a mut [Products; TILE_ROWS],
    position: usize,
}

impl Take<I16Pairs> for At<'_> {
    #[inline(always)]
    fn take(&mut self, row: usize, _: usize, sum: I16Pairs) {
        sum.store(&mut self.products[row][self.position]);
    }
}

/// One vector of codes.
#[inline(always)]
fn single(codes: &[i32; LANES]) -> N1<I16Pairs> {
    use crate::kernels::registers::Columns;
    <N1<I16Pairs> as Columns<I16Pairs>>::load(&|_| I16Pairs::load(codes), 0)
}

/// Column `j` of Aᵀ m.
#[inline(always)]
fn column(m: &Products, j: usize) -> [I32x8; 2] {
    let (b, c) = (I32x8::load(&m[4 + j]), I32x8::load(&m[8 + j]));
    [I32x8::load(&m[j]).add(b).add(c), b.minus(c).minus(I32x8::load(&m[12 + j]))]
}

/// The outputs of a tile, Aᵀ m A / 4: two rows of two.
#[inline(always)]
fn outputs(m: &Products) -> [[I32x8; 2]; 2] {
    let [[a, p], [b, q], [c, r], [d, s]] = [column(m, 0), column(m, 1), column(m, 2), column(m, 3)];
    [
        [a.add(b).add(c).quarter(), b.minus(c).minus(d).quarter()],
        [p.add(q).add(r).quarter(), q.minus(r).minus(s).quarter()],
    ]
}
