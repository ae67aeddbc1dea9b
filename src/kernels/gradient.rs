//! Gradients of weights and biases, summed over every block of a batch.
//!
//! Order: each lane sums over blocks, then positions (row-major), ascending; the eight lane sums are then added by
//! [`F32x8::sum`]. Positions whose input is padding are left out.

use super::conv::ConvShape;
use super::registers::{Columns, N1, N2, N3, N4, Take};
use crate::simd::{ACCUMULATORS, F32x8, LANES, Lane};

/// Most rows whose gradients are computed side by side.
pub const TILE_ROWS: usize = ACCUMULATORS;

type Lanes = [f32; LANES];

fn lanes(x: &[f32]) -> &[Lanes] {
    x.as_chunks::<LANES>().0
}

/// Gradient of the bias of output `row`: the sum of its output gradients. Each block is
/// `[rows][positions][lane]`.
pub fn bias_row(gradients: &[&[f32]], row: usize, positions: usize) -> f32 {
    let mut sum = F32x8::splat(0.0);
    for block in gradients {
        for value in &lanes(block)[row * positions..(row + 1) * positions] {
            sum = sum.add(F32x8::load(value));
        }
    }
    sum.sum()
}

/// Puts `rows` output gradients from `first` on side by side: `[block][position][row][lane]`.
fn pack_rows(gradients: &[&[f32]], first: usize, rows: usize, positions: usize, packed: &mut Vec<f32>) {
    packed.clear();
    for block in gradients {
        let block = &lanes(block)[first * positions..(first + rows) * positions];
        for position in 0..positions {
            (0..rows).for_each(|row| packed.extend_from_slice(&block[row * positions + position]));
        }
    }
}

/// Weight gradients of `out.len() / k` rows of a fully connected layer, from `first` on:
/// `out[row][k] = Σ_images gradient[row] · x[k]`. Blocks of `x` are `[k][lane]`, of `gradients` `[rows][lane]`.
/// `packed` is scratch.
pub fn linear_rows(x: &[&[f32]], gradients: &[&[f32]], k: usize, first: usize, out: &mut [f32], packed: &mut Vec<f32>) {
    let rows = (out.len() / k).min(4);
    let (tile, rest) = out.split_at_mut(rows * k);
    pack_rows(gradients, first, rows, 1, packed);
    match rows {
        1 => linear_tile::<1, N1<F32x8>>(x, lanes(packed), k, tile),
        2 => linear_tile::<2, N2<F32x8>>(x, lanes(packed), k, tile),
        3 => linear_tile::<3, N3<F32x8>>(x, lanes(packed), k, tile),
        _ => linear_tile::<4, N4<F32x8>>(x, lanes(packed), k, tile),
    }
    if !rest.is_empty() {
        linear_rows(x, gradients, k, first + rows, rest, packed);
    }
}

#[inline(never)]
fn linear_tile<const ROWS: usize, C: Columns<F32x8>>(x: &[&[f32]], packed: &[Lanes], k: usize, out: &mut [f32]) {
    for column in 0..k {
        let mut sums = C::zero();
        for (x, gradient) in x.iter().zip(packed.as_chunks::<ROWS>().0) {
            let x = F32x8::load(&lanes(x)[column]);
            sums = sums.add_products(&|row| F32x8::load(&gradient[row]), 0, x);
        }
        sums.each(0, 0, &mut |_, row, sum: F32x8| out[row * k + column] = sum.sum());
    }
}

/// Sums that go on in the next row.
struct Waiting<'a>(&'a mut [Lanes]);

impl Take<F32x8> for Waiting<'_> {
    #[inline(always)]
    fn take(&mut self, _: usize, row: usize, sum: F32x8) {
        sum.store(&mut self.0[row]);
    }
}

/// Weight gradients of `out.len() / taps` output channels of a convolution, from `first` on; all of one group.
/// `packed` is scratch.
pub fn conv_rows(
    shape: &ConvShape,
    x: &[&[f32]],
    gradients: &[&[f32]],
    first: usize,
    out: &mut [f32],
    packed: &mut Vec<f32>,
) {
    let taps = shape.taps();
    let rows = (out.len() / taps).min(4);
    let (tile, rest) = out.split_at_mut(rows * taps);
    let [_, height, width] = shape.output();
    pack_rows(gradients, first, rows, height * width, packed);
    match rows {
        1 => conv_tile::<1, N1<F32x8>>(shape, x, lanes(packed), first, tile),
        2 => conv_tile::<2, N2<F32x8>>(shape, x, lanes(packed), first, tile),
        3 => conv_tile::<3, N3<F32x8>>(shape, x, lanes(packed), first, tile),
        _ => conv_tile::<4, N4<F32x8>>(shape, x, lanes(packed), first, tile),
    }
    if !rest.is_empty() {
        conv_rows(shape, x, gradients, first + rows, rest, packed);
    }
}

/// Outputs `low..high` along one side whose input for kernel offset `k` lies inside the image.
fn inside(size: usize, outputs: usize, k: usize, stride: usize, padding: usize) -> (usize, usize) {
    let low = padding.saturating_sub(k).div_ceil(stride);
    let high = (size + padding).saturating_sub(k).div_ceil(stride).min(outputs);
    (low, high.max(low))
}

/// The sums of one input channel's taps wait in memory while a row of positions is added to each in turn, so that inputs and
/// gradients are read from far once for all taps.
#[inline(never)]
fn conv_tile<const ROWS: usize, C: Columns<F32x8>>(
    shape: &ConvShape,
    x: &[&[f32]],
    packed: &[Lanes],
    first: usize,
    out: &mut [f32],
) {
    let [_, height, width] = shape.input;
    let [_, out_height, out_width] = shape.output();
    let [kernel_height, kernel_width] = shape.kernel;
    let (stride, padding) = (shape.stride, shape.padding);
    let group_channels = shape.input[0] / shape.groups;
    let first_channel = first / (shape.out_channels / shape.groups) * group_channels;
    let area = kernel_height * kernel_width;
    let mut waiting = vec![[[0.0; LANES]; ROWS]; area];
    for c in 0..group_channels {
        waiting.fill([[0.0; LANES]; ROWS]);
        for (x, gradient) in x.iter().zip(packed.chunks_exact(out_height * out_width * ROWS)) {
            let plane = &lanes(x)[(first_channel + c) * height * width..][..height * width];
            for (oy, gradient) in gradient.as_chunks::<ROWS>().0.chunks_exact(out_width).enumerate() {
                for ky in 0..kernel_height {
                    let y = (oy * stride + ky).wrapping_sub(padding);
                    if y >= height {
                        continue;
                    }
                    let row = &plane[y * width..(y + 1) * width];
                    for (kx, waiting) in waiting[ky * kernel_width..][..kernel_width].iter_mut().enumerate() {
                        let (low, high) = inside(width, out_width, kx, stride, padding);
                        let mut sums = C::load(&|row| F32x8::load(&waiting[row]), 0);
                        let gradient = &gradient[low..high];
                        if stride == 1 && high > low {
                            let inputs = &row[low + kx - padding..][..high - low];
                            for (gradient, input) in gradient.iter().zip(inputs) {
                                let source = |row: usize| F32x8::load(&gradient[row]);
                                sums = sums.add_products(&source, 0, F32x8::load(input));
                            }
                        } else {
                            for (i, gradient) in gradient.iter().enumerate() {
                                let source = |row: usize| F32x8::load(&gradient[row]);
                                let input = F32x8::load(&row[(low + i) * stride + kx - padding]);
                                sums = sums.add_products(&source, 0, input);
                            }
                        }
                        sums.each(0, 0, &mut Waiting(waiting));
                    }
                }
            }
        }
        for (tap, waiting) in waiting.iter().enumerate() {
            for (row, sum) in waiting.iter().enumerate() {
                out[row * shape.taps() + c * area + tap] = F32x8::load(sum).sum();
            }
        }
    }
}
