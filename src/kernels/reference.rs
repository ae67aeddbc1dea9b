//! Naive and obvious: what every kernel is tested against. One image at a time, plain loops.

use super::conv::ConvShape;
use super::pool::PoolShape;
use crate::math::exp;

/// `out[row] = Σ_k weights[row][k] · x[k] + bias[row]`, terms in k order, bias last.
pub fn linear(weights: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let dot = |row: &[f32]| row.iter().zip(x).fold(0.0, |sum, (w, x)| sum + w * x);
    let rows = weights.chunks_exact(x.len());
    rows.enumerate().map(|(i, row)| dot(row) + bias.get(i).copied().unwrap_or(0.0)).collect()
}

/// The same over integers, in 64 bits.
pub fn linear_i64(weights: &[i32], x: &[i32]) -> Vec<i64> {
    let dot = |row: &[i32]| row.iter().zip(x).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
    weights.chunks_exact(x.len()).map(dot).collect()
}

/// `factor · left · right` of an m×k and a k×n matrix, terms in k order, the factor last. `transposed`: the right one is given as n×k.
pub fn matmul([m, k, n]: [usize; 3], left: &[f32], right: &[f32], transposed: bool, factor: f32) -> Vec<f32> {
    let mut out = Vec::new();
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for at in 0..k {
                sum += left[i * k + at] * if transposed { right[j * k + at] } else { right[at * n + j] };
            }
            out.push(sum * factor);
        }
    }
    out
}

/// Softmax of each `len` neighbouring values: terms e^(x − max) in order, each times 1 / their sum.
pub fn softmax(len: usize, x: &[f32]) -> Vec<f32> {
    let row = |row: &[f32]| -> Vec<f32> {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let terms: Vec<f32> = row.iter().map(|x| exp(x - most)).collect();
        let inverse = 1.0 / terms.iter().fold(0.0, |sum, term| sum + term);
        terms.iter().map(|term| term * inverse).collect()
    };
    x.chunks(len).flat_map(row).collect()
}

/// Convolution of one image, terms in (channel, ky, kx) order, bias last.
pub fn conv2d(shape: &ConvShape, weights: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let [_, height, width] = shape.input;
    let [channels, out_height, out_width] = shape.output();
    let group_inputs = shape.input[0] / shape.groups;
    let [kh, kw] = shape.kernel;
    let mut out = Vec::new();
    for o in 0..channels {
        let group = o / (channels / shape.groups);
        for oy in 0..out_height {
            for ox in 0..out_width {
                let mut sum = 0.0;
                for c in 0..group_inputs {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let y = (oy * shape.stride + ky).checked_sub(shape.padding);
                            let at = (ox * shape.stride + kx).checked_sub(shape.padding);
                            if let (Some(y), Some(at)) = (y, at)
                                && y < height
                                && at < width
                            {
                                let weight = weights[((o * group_inputs + c) * kh + ky) * kw + kx];
                                sum += weight * x[((group * group_inputs + c) * height + y) * width + at];
                            }
                        }
                    }
                }
                out.push(sum + bias.get(o).copied().unwrap_or(0.0));
            }
        }
    }
    out
}

/// Pooling of one image by any function of a window's values in row-major order.
pub fn pool(shape: &PoolShape, x: &[f32], reduce: impl Fn(&[f32]) -> f32) -> Vec<f32> {
    let [channels, height, width] = shape.input;
    let [_, out_height, out_width] = shape.output();
    let mut out = Vec::new();
    for c in 0..channels {
        for oy in 0..out_height {
            for ox in 0..out_width {
                let mut window = Vec::new();
                for y in 0..shape.kernel {
                    for dx in 0..shape.kernel {
                        window.push(x[(c * height + oy * shape.stride + y) * width + ox * shape.stride + dx]);
                    }
                }
                out.push(reduce(&window));
            }
        }
    }
    out
}
