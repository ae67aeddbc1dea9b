//! Sparse weights times dense inputs: unstructured (CSR) and blocks of four rows; two of every four are in `two_four`.
//!
//! Zeros are skipped, the other terms are added in the dense kernel's order, one accumulator per output, bias last. For finite
//! inputs the results are those of the dense kernel with zeros in place, bit for bit: a sum that starts at +0 is never −0, and
//! adding a zero of either sign to any other number changes nothing. An infinite or NaN input that meets a zero weight gives
//! NaN in the dense kernel and nothing here.

use super::conv::ConvShape;
use super::registers::{Beside1, Columns, N1, N4, Rows};
use super::{AddBias, Epilogue, Plain, RowSink};
use crate::simd::words::Quad;
use crate::simd::{F32x8, LANES, Lane};

/// Most inputs of a row: columns are kept in 16 bits.
pub const MOST_INPUTS: usize = 1 << 16;

/// From what share of zeros on linear layers of a [`crate::graph::Plan`] run [`Csr`].
///
/// The benchmark's rows "unstructured sparse" (2026-11-25, a busy machine) have the break-even at 58 % for LeNet-5's fc1 and at 66 % for
/// 512×512; this is a little past both.
pub const CSR_FROM: f64 = 0.7;
/// From what share of zeros on convolutions run [`SparseConv`].
///
/// The benchmark's row "unstructured sparse, LeNet-5's conv2" (2026-11-25, a busy machine) has the break-even at 61 %; this is a little past it.
pub const CONV_FROM: f64 = 0.7;

/// Whether at least this share of the weights is zero, and all are finite: an infinite weight would make NaN of a padded zero.
pub fn skips(weights: &[f32], from: f64) -> bool {
    let zeros = weights.iter().filter(|&&weight| weight == 0.0).count();
    !weights.is_empty()
        && zeros as f64 >= from * weights.len() as f64
        && weights.iter().all(|weight| weight.is_finite())
}

/// A sum, of one row or of four, for one image or eight side by side: what weights `W` and inputs `X` add to it.
pub(super) trait Term<W, X>: Copy {
    fn zero() -> Self;
    fn add_scaled(self, weight: &W, x: X) -> Self;
}

impl Term<[f32; BLOCK_ROWS], f32> for Quad {
    #[inline(always)]
    fn zero() -> Self {
        Quad::splat(0.0)
    }
    #[inline(always)]
    fn add_scaled(self, weights: &[f32; BLOCK_ROWS], x: f32) -> Self {
        Quad::add_scaled(self, weights, x)
    }
}

impl Term<f32, f32> for f32 {
    #[inline(always)]
    fn zero() -> Self {
        0.0
    }
    #[inline(always)]
    fn add_scaled(self, weight: &f32, x: f32) -> Self {
        self + weight * x
    }
}

impl Term<f32, F32x8> for F32x8 {
    #[inline(always)]
    fn zero() -> Self {
        F32x8::splat(0.0)
    }
    #[inline(always)]
    fn add_scaled(self, weight: &f32, x: F32x8) -> Self {
        self.add(F32x8::splat(*weight).mul(x))
    }
}

/// Compressed sparse rows: the columns and values of what is not zero, row after row.
#[derive(Clone, Debug)]
pub struct Csr {
    inputs: usize,
    /// Where each row begins; one more than rows.
    starts: Vec<u32>,
    columns: Vec<u16>,
    values: Vec<f32>,
}

/// The entries of one row, or of one row of blocks.
struct Row<'a, W> {
    columns: &'a [u16],
    values: &'a [W],
}

impl<W> Row<'_, W> {
    /// The entries from `from` on, added to `sum`.
    #[inline(always)]
    fn finish<X, T: Term<W, X>>(&self, from: usize, sum: T, x: &impl Fn(usize) -> X) -> T {
        let entries = self.columns[from..].iter().zip(&self.values[from..]);
        entries.fold(sum, |sum, (&column, value)| sum.add_scaled(value, x(column.into())))
    }
}

/// Four rows side by side, so that their sums do not wait for each other; each in its own order.
#[inline(always)]
fn four<W, X, T: Term<W, X>>([a, b, c, d]: [Row<'_, W>; 4], x: &impl Fn(usize) -> X) -> [T; 4] {
    let common = a.values.len().min(b.values.len()).min(c.values.len()).min(d.values.len());
    let [mut e, mut f, mut g, mut h] = [T::zero(); 4];
    let (ca, cb) = (&a.columns[..common], &b.columns[..common]);
    let (cc, cd) = (&c.columns[..common], &d.columns[..common]);
    let (va, vb) = (&a.values[..common], &b.values[..common]);
    let (vc, vd) = (&c.values[..common], &d.values[..common]);
    for i in 0..common {
        e = e.add_scaled(&va[i], x(ca[i].into()));
        f = f.add_scaled(&vb[i], x(cb[i].into()));
        g = g.add_scaled(&vc[i], x(cc[i].into()));
        h = h.add_scaled(&vd[i], x(cd[i].into()));
    }
    [a.finish(common, e, x), b.finish(common, f, x), c.finish(common, g, x), d.finish(common, h, x)]
}

/// The sums of all rows, four side by side; the last few one by one.
#[inline(always)]
fn all_rows<'a, W: 'a, X, T: Term<W, X>>(
    rows: usize,
    row: impl Fn(usize) -> Row<'a, W>,
    x: &impl Fn(usize) -> X,
    mut write: impl FnMut(usize, T),
) {
    let fours = rows / 4 * 4;
    for first in (0..fours).step_by(4) {
        let [a, b, c, d] = four([row(first), row(first + 1), row(first + 2), row(first + 3)], x);
        write(first, a);
        write(first + 1, b);
        write(first + 2, c);
        write(first + 3, d);
    }
    for first in fours..rows {
        write(first, row(first).finish(0, T::zero(), x));
    }
}

/// A kernel's name on this machine.
pub(super) fn arch(name: &str) -> String {
    format!("{}-{name}", if cfg!(target_arch = "wasm32") { "wasm" } else { "native" })
}

impl Csr {
    /// Keeps what is not zero of a row-major matrix. `None` with more than [`MOST_INPUTS`] inputs.
    pub fn new(weights: &[f32], inputs: usize) -> Option<Self> {
        if inputs == 0 || inputs > MOST_INPUTS || !weights.len().is_multiple_of(inputs) {
            return None;
        }
        let mut csr = Self { inputs, starts: vec![0], columns: Vec::new(), values: Vec::new() };
        for row in weights.chunks_exact(inputs) {
            for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                csr.columns.push(column as u16);
                csr.values.push(value);
            }
            csr.starts.push(csr.values.len() as u32);
        }
        Some(csr)
    }

    /// The kernel's name, such as `wasm-f32csr-gemv`.
    pub fn id(&self, variant: &str) -> String {
        arch(&format!("f32csr-{variant}"))
    }

    /// Output rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Bytes that one pass over the weights reads.
    pub fn bytes(&self) -> usize {
        4 * self.starts.len() + 6 * self.values.len()
    }

    #[inline(always)]
    fn row(&self, row: usize) -> Row<'_, f32> {
        let range = self.starts[row] as usize..self.starts[row + 1] as usize;
        Row { columns: &self.columns[range.clone()], values: &self.values[range] }
    }

    /// `out[row] = Σ_k w[row][k] · x[k] + bias[row]` for one image.
    #[inline(never)]
    pub fn gemv(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        all_rows(
            self.rows(),
            |row| self.row(row),
            &|column| x[column],
            |row, sum: f32| out[row] = bias.get(row).map_or(sum, |bias| sum + bias),
        );
    }

    #[inline(never)]
    fn block(&self, x: &[[f32; LANES]], epilogue: &AddBias<'_>, out: &mut [[f32; LANES]]) {
        let x = |column: usize| F32x8::load(&x[column]);
        all_rows(self.rows(), |row| self.row(row), &x, |row, sum| epilogue.write(row, sum, &mut out[row]));
    }

    /// Four blocks at once: an entry is read once for 32 images.
    #[inline(never)]
    fn four_blocks(&self, x: &[[f32; LANES]], epilogue: &AddBias<'_>, out: &mut [[f32; LANES]]) {
        for row in 0..self.rows() {
            let entries = self.row(row);
            let mut sums = N4::<F32x8>::zero();
            for (&column, &value) in entries.columns.iter().zip(entries.values) {
                let load = |block: usize| F32x8::load(&x[block * self.inputs + usize::from(column)]);
                sums = sums.add_scaled(F32x8::splat(value), N4::load(&load, 0));
            }
            sums.each(0, 0, &mut |_, block, sum| epilogue.write(row, sum, &mut out[block * self.rows() + row]));
        }
    }

    /// The same for blocks of eight images: `x` is `[block][k][lane]`, `out` `[block][row][lane]`.
    pub fn blocks(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
        let epilogue = AddBias(bias);
        let (mut x, mut out) = (x.chunks(4 * self.inputs), out.chunks_mut(4 * self.rows()));
        while let (Some(x), Some(out)) = (x.next(), out.next()) {
            if x.len() == 4 * self.inputs {
                self.four_blocks(x, &epilogue, out);
            } else {
                let blocks = x.chunks_exact(self.inputs).zip(out.chunks_exact_mut(self.rows()));
                blocks.for_each(|(x, out)| self.block(x, &epilogue, out));
            }
        }
    }
}

/// A convolution whose weights are sparse over (channel, ky, kx).
#[derive(Clone, Debug)]
pub struct SparseConv {
    shape: ConvShape,
    weights: Csr,
    /// Where a tap reads, from the first value of its window in the padded input.
    offsets: Vec<u32>,
}

impl SparseConv {
    /// From row-major weights `[out][in / groups][ky][kx]`; `None` with more than [`MOST_INPUTS`] taps.
    pub fn new(shape: ConvShape, weights: &[f32]) -> Option<Self> {
        let [_, height, width] = shape.input.map(|size| size + 2 * shape.padding);
        let [kernel_height, kernel_width] = shape.kernel;
        let offset = |tap: usize| {
            let (c, ky, kx) =
                (tap / (kernel_height * kernel_width), tap / kernel_width % kernel_height, tap % kernel_width);
            ((c * height + ky) * width + kx) as u32
        };
        let offsets = (0..shape.taps()).map(offset).collect();
        Some(Self { shape, weights: Csr::new(weights, shape.taps())?, offsets })
    }

    /// The kernel's name.
    pub fn id(&self) -> String {
        arch("f32csr-conv")
    }

    /// Bytes that one pass over the weights reads.
    pub fn bytes(&self) -> usize {
        self.weights.bytes() + 4 * self.offsets.len()
    }

    /// The weights with their zeros, row-major.
    pub fn dense(&self) -> Vec<f32> {
        let taps = self.offsets.len();
        let mut weights = vec![0.0; self.weights.rows() * taps];
        for (row, out) in weights.chunks_exact_mut(taps.max(1)).enumerate() {
            let entries = self.weights.row(row);
            entries.columns.iter().zip(entries.values).for_each(|(&tap, &value)| out[usize::from(tap)] = value);
        }
        weights
    }

    /// `out[o][y][x][lane]` over one block `[c][h][w][lane]`, as [`super::conv::conv2d`] with the zeros in place.
    pub fn run(&self, x: &[f32], padded: &mut Vec<f32>, bias: &[f32], out: &mut [f32]) {
        let [_, height, width] = self.shape.output();
        self.rows(x, padded, &AddBias(bias), &mut Plain::new(out, [height, width]));
    }

    /// [`SparseConv::run`] into a sink, a channel after the other.
    pub fn rows(&self, x: &[f32], padded: &mut Vec<f32>, epilogue: &AddBias<'_>, sink: &mut dyn RowSink) {
        let ConvShape { input, padding, .. } = self.shape;
        if padding == 0 {
            return self.direct(x, epilogue, sink);
        }
        let [_, height, width] = input;
        let row = (width + 2 * padding) * LANES;
        padded.clear();
        padded.resize(input[0] * (height + 2 * padding) * row, 0.0);
        for (i, from) in x.chunks_exact(width * LANES).enumerate() {
            let at = (i / height * (height + 2 * padding) + i % height + padding) * row + padding * LANES;
            padded[at..at + from.len()].copy_from_slice(from);
        }
        self.direct(padded, epilogue, sink);
    }

    #[inline(never)]
    fn direct(&self, x: &[f32], epilogue: &AddBias<'_>, sink: &mut dyn RowSink) {
        let shape = &self.shape;
        let [_, height, width] = shape.input.map(|size| size + 2 * shape.padding);
        let [out_channels, out_height, out_width] = shape.output();
        let (ins, outs) = (shape.input[0] / shape.groups, out_channels / shape.groups);
        let x = x.as_chunks::<LANES>().0;
        const SIDE: usize = Beside1::<F32x8>::LEN;
        let most = SIDE;
        for o in 0..out_channels {
            let entries = self.weights.row(o);
            let first = o / outs * ins * height * width;
            for oy in 0..out_height {
                let (out, _) = sink.rows(o, 1, oy);
                for ox in (0..out_width).step_by(most) {
                    let count = most.min(out_width - ox);
                    let window = &x[first + oy * shape.stride * width + ox * shape.stride..];
                    let mut sums = Beside1::<F32x8>::zero();
                    let taps = entries.columns.iter().zip(entries.values);
                    let whole = count == most && shape.stride == 1;
                    for (&tap, &value) in taps {
                        let here = &window[self.offsets[usize::from(tap)] as usize..];
                        let value = F32x8::splat(value);
                        if let Some(here) = here.first_chunk::<SIDE>().filter(|_| whole) {
                            sums = sums.add_scaled(value, Columns::load(&|j| F32x8::load(&here[j]), 0));
                        } else {
                            // A position past the last one repeats it; its sum is not written.
                            let load = |j: usize| F32x8::load(&here[j.min(count - 1) * shape.stride]);
                            sums = sums.add_scaled(value, Columns::load(&load, 0));
                        }
                    }
                    sums.each(0, 0, &mut |_, column, sum| {
                        if column < count {
                            epilogue.write(o, sum, &mut out[ox + column]);
                        }
                    });
                }
                sink.done(o, 1, oy);
            }
        }
    }
}

/// Rows of a block of [`RowBlocks`].
pub const BLOCK_ROWS: usize = 4;

/// Blocks of four rows and one column: the columns where any of four neighbouring rows has a weight, and all four weights.
#[derive(Clone, Debug)]
pub struct RowBlocks {
    rows: usize,
    inputs: usize,
    /// Where the blocks of each four rows begin; one more than fours.
    starts: Vec<u32>,
    columns: Vec<u16>,
    values: Vec<[f32; BLOCK_ROWS]>,
}

impl RowBlocks {
    /// Keeps the blocks of a row-major matrix that are not all zero. `None` with more than [`MOST_INPUTS`] inputs.
    pub fn new(weights: &[f32], inputs: usize) -> Option<Self> {
        let rows = weights.len().checked_div(inputs)?;
        if inputs > MOST_INPUTS || rows * inputs != weights.len() {
            return None;
        }
        let (mut starts, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for first in (0..rows).step_by(BLOCK_ROWS) {
            for column in 0..inputs {
                let weight = |i: usize| if first + i < rows { weights[(first + i) * inputs + column] } else { 0.0 };
                let block: [f32; BLOCK_ROWS] = std::array::from_fn(weight);
                if block.iter().any(|&value| value != 0.0) {
                    columns.push(column as u16);
                    values.push(block);
                }
            }
            starts.push(values.len() as u32);
        }
        Some(Self { rows, inputs, starts, columns, values })
    }

    /// The kernel's name.
    pub fn id(&self, variant: &str) -> String {
        arch(&format!("f32b4x1-{variant}"))
    }

    /// Output rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that one pass over the weights reads.
    pub fn bytes(&self) -> usize {
        4 * self.starts.len() + 18 * self.values.len()
    }

    #[inline(always)]
    fn row(&self, four: usize) -> Row<'_, [f32; BLOCK_ROWS]> {
        let range = self.starts[four] as usize..self.starts[four + 1] as usize;
        Row { columns: &self.columns[range.clone()], values: &self.values[range] }
    }

    /// `out[row] = Σ_k w[row][k] · x[k] + bias[row]` for one image.
    #[inline(never)]
    pub fn gemv(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let x = &x[..self.inputs];
        let out = &mut out[..self.rows];
        all_rows(
            self.starts.len() - 1,
            |four| self.row(four),
            &|column| x[column],
            |four, sums: Quad| {
                let first = four * BLOCK_ROWS;
                for (row, sum) in (first..).zip(sums.to_array()) {
                    if let Some(out) = out.get_mut(row) {
                        *out = bias.get(row).map_or(sum, |bias| sum + bias);
                    }
                }
            },
        );
    }

    /// The same for one block of eight images: `x` is `[k][lane]`, `out` `[row][lane]`.
    #[inline(never)]
    pub fn block(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
        let epilogue = AddBias(bias);
        for four in 0..self.starts.len() - 1 {
            let mut sums = <N4<N1<F32x8>> as Rows<F32x8, N1<F32x8>>>::zero();
            let entries = self.row(four);
            for (&column, weights) in entries.columns.iter().zip(entries.values) {
                sums = sums.add_scaled(weights, 0, N1::load(&|_| F32x8::load(&x[usize::from(column)]), 0));
            }
            sums.each(0, &mut |i, _, sum| {
                let row = four * BLOCK_ROWS + i;
                if let Some(out) = out.get_mut(row).filter(|_| row < self.rows) {
                    epilogue.write(row, sum, out);
                }
            });
        }
    }
}
