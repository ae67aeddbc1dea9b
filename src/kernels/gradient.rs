//! Gradients of weights and biases, summed over every block of a batch.
//!
//! Order: each lane sums over blocks, then positions (row-major), ascending; the eight lane sums are then added by
//! [`sum_lanes`]. Positions whose input is padding are left out.

use super::conv::ConvShape;
use super::registers::{Columns, N1, N2, N3, N4};
use crate::simd::{ACCUMULATORS, F32x8, LANES, Lane, sum_lanes};

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
    sum_lanes(sum.to_array())
}

/// Weight gradients of `out.len() / k` rows of a fully connected layer, from `first` on:
/// `out[row][k] = Σ_images gradient[row] · x[k]`. Blocks of `x` are `[k][lane]`, of `gradients` `[rows][lane]`.
pub fn linear_rows(x: &[&[f32]], gradients: &[&[f32]], k: usize, first: usize, out: &mut [f32]) {
    match out.len() / k {
        1 => linear_tile::<N1<F32x8>>(x, gradients, k, first, out),
        2 => linear_tile::<N2<F32x8>>(x, gradients, k, first, out),
        3 => linear_tile::<N3<F32x8>>(x, gradients, k, first, out),
        4 => linear_tile::<N4<F32x8>>(x, gradients, k, first, out),
        rows => {
            let (head, tail) = out.split_at_mut((rows - 4) * k);
            linear_tile::<N4<F32x8>>(x, gradients, k, first + rows - 4, tail);
            linear_rows(x, gradients, k, first, head);
        }
    }
}

#[inline(never)]
fn linear_tile<C: Columns<F32x8>>(x: &[&[f32]], gradients: &[&[f32]], k: usize, first: usize, out: &mut [f32]) {
    for column in 0..k {
        let mut sums = C::zero();
        for (x, gradient) in x.iter().zip(gradients) {
            let x = F32x8::load(&lanes(x)[column]);
            let gradient = &lanes(gradient)[first..first + C::LEN];
            sums = sums.add_products(&|row| F32x8::load(&gradient[row]), 0, x);
        }
        sums.each(0, &mut |row, sum| out[row * k + column] = sum_lanes(sum.to_array()));
    }
}

/// Weight gradients of `out.len() / taps` output channels of a convolution, from `first` on; all of one group.
pub fn conv_rows(shape: &ConvShape, x: &[&[f32]], gradients: &[&[f32]], first: usize, out: &mut [f32]) {
    let taps = shape.taps();
    match out.len() / taps {
        1 => conv_tile::<N1<F32x8>>(shape, x, gradients, first, out),
        2 => conv_tile::<N2<F32x8>>(shape, x, gradients, first, out),
        3 => conv_tile::<N3<F32x8>>(shape, x, gradients, first, out),
        4 => conv_tile::<N4<F32x8>>(shape, x, gradients, first, out),
        rows => {
            let (head, tail) = out.split_at_mut((rows - 4) * taps);
            conv_tile::<N4<F32x8>>(shape, x, gradients, first + rows - 4, tail);
            conv_rows(shape, x, gradients, first, head);
        }
    }
}

/// Outputs `low..high` along one side whose input for kernel offset `k` lies inside the image.
fn inside(size: usize, outputs: usize, k: usize, stride: usize, padding: usize) -> (usize, usize) {
    let low = padding.saturating_sub(k).div_ceil(stride);
    let high = (size + padding).saturating_sub(k).div_ceil(stride).min(outputs);
    (low, high.max(low))
}

#[inline(never)]
fn conv_tile<C: Columns<F32x8>>(shape: &ConvShape, x: &[&[f32]], gradients: &[&[f32]], first: usize, out: &mut [f32]) {
    let [_, height, width] = shape.input;
    let [_, out_height, out_width] = shape.output();
    let [kernel_height, kernel_width] = shape.kernel;
    let (stride, padding) = (shape.stride, shape.padding);
    let group_channels = shape.input[0] / shape.groups;
    let first_channel = first / (shape.out_channels / shape.groups) * group_channels;
    let mut tap = 0;
    for c in first_channel..first_channel + group_channels {
        for ky in 0..kernel_height {
            let (y_low, y_high) = inside(height, out_height, ky, stride, padding);
            for kx in 0..kernel_width {
                let (x_low, x_high) = inside(width, out_width, kx, stride, padding);
                let mut sums = C::zero();
                for (x, gradient) in x.iter().zip(gradients) {
                    let (x, gradient) = (lanes(x), lanes(gradient));
                    for oy in y_low..y_high {
                        let row = (c * height + oy * stride + ky - padding) * width + x_low * stride + kx - padding;
                        let inputs = x[row..].iter().step_by(stride).take(x_high - x_low);
                        // Rows of one tile stand `plane` apart; the slice ends with the last row's positions.
                        let plane = out_height * out_width;
                        let start = first * plane + oy * out_width + x_low;
                        let here = &gradient[start..start + (C::LEN - 1) * plane + x_high - x_low];
                        for (column, input) in inputs.enumerate() {
                            let source = |row: usize| F32x8::load(&here[row * plane + column]);
                            sums = sums.add_products(&source, 0, F32x8::load(input));
                        }
                    }
                }
                sums.each(0, &mut |row, sum| out[row * shape.taps() + tap] = sum_lanes(sum.to_array()));
                tap += 1;
            }
        }
    }
}
