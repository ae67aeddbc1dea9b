//! The Gram matrix of a layer's inputs, and the factor of its inverse that GPTQ walks along.

use super::windows::{positions, window};
use crate::kernels::conv::ConvShape;
use crate::kernels::gradient::linear_rows;
use crate::simd::LANES;
use crate::task::Context;

/// Positions whose products are summed in f32 before they are added in f64.
const POSITIONS: usize = 64;

/// Σ x xᵀ over every window of a group in every image, `[taps][taps]`; `lanes` says how many images a block holds.
///
/// Eight lanes sum in f32 over up to 64 positions of one block, the lane sums are added as in weight gradients, and those
/// in f64, ascending.
pub(in crate::methods) async fn gram(
    ctx: &Context,
    shape: &ConvShape,
    group: usize,
    blocks: &[Vec<f32>],
    lanes: &dyn Fn(usize) -> usize,
) -> Vec<f64> {
    let taps = shape.taps();
    let mut sums = vec![0.0f64; taps * taps];
    let mut part = vec![0.0f32; taps * taps];
    let mut packed = Vec::new();
    let mut buffer = vec![0.0f32; POSITIONS * taps * LANES];
    // Fully connected layers have one position: several blocks then share a part.
    let mut filled = 0;
    let last = blocks.len().saturating_sub(1);
    for (index, block) in blocks.iter().enumerate() {
        let count = positions(shape);
        for position in 0..count {
            let out = &mut buffer[filled * taps * LANES..(filled + 1) * taps * LANES];
            window(shape, group, position, block, out);
            let unused = lanes(index)..LANES;
            if !unused.is_empty() {
                out.as_chunks_mut::<LANES>().0.iter_mut().for_each(|tap| tap[unused.clone()].fill(0.0));
            }
            filled += 1;
            if filled == POSITIONS || (index == last && position == count - 1) {
                let windows: Vec<&[f32]> = buffer[..filled * taps * LANES].chunks(taps * LANES).collect();
                linear_rows(&windows, &windows, taps, 0, &mut part, &mut packed);
                sums.iter_mut().zip(&part).for_each(|(sum, part)| *sum += f64::from(*part));
                ctx.tick(gram_macs(taps, filled)).await;
                filled = 0;
            }
        }
    }
    sums
}

/// Multiply-adds of the Gram matrix over `windows` blocks of eight windows.
pub(in crate::methods) fn gram_macs(taps: usize, windows: usize) -> u64 {
    (taps * taps * windows * LANES) as u64
}

/// A Gram matrix with `damping` times its mean diagonal added to that, rows and columns in this order.
pub(in crate::methods) fn damped(gram: &[f64], damping: f64, order: &[usize]) -> Vec<f64> {
    let taps = order.len();
    let trace = (0..taps).fold(0.0, |sum, i| sum + gram[i * taps + i]);
    let damp = if trace > 0.0 { damping * trace / taps as f64 } else { 1.0 };
    let mut h = vec![0.0; taps * taps];
    for (i, &from) in order.iter().enumerate() {
        for (j, &to) in order.iter().enumerate() {
            h[i * taps + j] = gram[from * taps + to] + if i == j { damp } else { 0.0 };
        }
    }
    h
}

/// The upper triangular U with UᵀU = H⁻¹, for a symmetric positive definite H of `n` rows; `None` when H is not.
///
/// H = R Rᵀ with R upper triangular, last row first; U = R⁻¹. In f64, sums in ascending order of the inner index.
pub(in crate::methods) async fn inverse_factor(ctx: &Context, h: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut r = vec![0.0f64; n * n];
    for j in (0..n).rev() {
        for i in (0..=j).rev() {
            let dot = (j + 1..n).fold(0.0, |sum, k| sum + r[i * n + k] * r[j * n + k]);
            let rest = h[i * n + j] - dot;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                r[j * n + j] = rest.sqrt();
            } else {
                r[i * n + j] = rest / r[j * n + j];
            }
        }
        ctx.tick((j * (n - j)) as u64).await;
    }
    let mut u = vec![0.0f64; n * n];
    for i in (0..n).rev() {
        let (head, below) = u.split_at_mut((i + 1) * n);
        let row = &mut head[i * n..];
        for k in i + 1..n {
            let factor = r[i * n + k];
            let other = &below[(k - i - 1) * n..(k - i) * n];
            row[k..].iter_mut().zip(&other[k..]).for_each(|(sum, u)| *sum += factor * u);
        }
        let pivot = r[i * n + i];
        row.iter_mut().for_each(|sum| *sum /= -pivot);
        row[i] = 1.0 / pivot;
        ctx.tick(((n - i) * (n - i) / 2) as u64).await;
    }
    Some(u)
}

/// Multiply-adds of [`inverse_factor`].
pub(in crate::methods) fn factor_macs(n: usize) -> u64 {
    (n as u64).pow(3) / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::task::Task;
    use std::rc::Rc;

    #[test]
    fn the_factor_inverts_the_matrix() {
        const N: usize = 23;
        let mut rng = Rng::stream(4, "factor", 0);
        let rows: Vec<f64> = (0..40 * N).map(|_| f64::from(rng.uniform(-1.0, 1.0))).collect();
        let h: Vec<f64> =
            (0..N * N).map(|at| (0..40).map(|row| rows[row * N + at / N] * rows[row * N + at % N]).sum()).collect();
        let given = h.clone();
        let u = Task::new(Rc::new(Context::new(1)), |ctx| async move { inverse_factor(&ctx, &given, N).await });
        let u = u.finish().unwrap();
        // UᵀU H is the identity.
        let inverse = |i: usize, j: usize| (0..N).map(|k| u[k * N + i] * u[k * N + j]).sum::<f64>();
        for i in 0..N {
            for j in 0..N {
                let found: f64 = (0..N).map(|k| inverse(i, k) * h[k * N + j]).sum();
                let wanted = if i == j { 1.0 } else { 0.0 };
                assert!((found - wanted).abs() < 1e-9, "{i},{j}: {found}");
                assert!(j >= i || u[i * N + j] == 0.0);
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        let h = vec![1.0, 2.0, 2.0, 1.0];
        let task = Task::new(Rc::new(Context::new(1)), |ctx| async move { inverse_factor(&ctx, &h, 2).await });
        assert!(task.finish().is_none());
    }

    #[test]
    fn the_gram_matrix_equals_brute_force() {
        let shape = ConvShape { input: [4, 5, 6], out_channels: 6, kernel: [3, 3], stride: 2, padding: 1, groups: 2 };
        let mut rng = Rng::stream(4, "gram", 0);
        // Eleven images; the unused lanes of the second block hold what must not count.
        let blocks: Vec<Vec<f32>> =
            (0..2).map(|_| (0..4 * 5 * 6 * LANES).map(|_| rng.uniform(-1.0, 1.0)).collect()).collect();
        let taps = shape.taps();
        let mut wanted = vec![0.0f64; taps * taps];
        for image in 0..11 {
            for position in 0..positions(&shape) {
                let (oy, ox) = (position / 3, position % 3);
                let tap = |t: usize| {
                    let (c, ky, kx) = (2 + t / 9, t / 3 % 3, t % 3);
                    let (y, x) = ((oy * 2 + ky).checked_sub(1)?, (ox * 2 + kx).checked_sub(1)?);
                    (y < 5 && x < 6).then(|| f64::from(blocks[image / 8][((c * 5 + y) * 6 + x) * 8 + image % 8]))
                };
                for i in 0..taps {
                    for j in 0..taps {
                        wanted[i * taps + j] += tap(i).unwrap_or(0.0) * tap(j).unwrap_or(0.0);
                    }
                }
            }
        }
        let given = blocks.clone();
        let found = Task::new(Rc::new(Context::new(1)), |ctx| async move {
            gram(&ctx, &shape, 1, &given, &|block| if block == 0 { 8 } else { 3 }).await
        });
        for (found, wanted) in found.finish().iter().zip(&wanted) {
            assert!((found - wanted).abs() < 1e-4 * wanted.abs().max(1.0), "{found} is not {wanted}");
        }
    }
}
