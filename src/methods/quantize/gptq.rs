//! GPTQ (Frantar et al. 2022, arXiv 2210.17323): columns of a weight are rounded in order, and what each rounding did to
//! the layer's output is made good by the columns that are still free.
//!
//! The paper takes columns in blocks of 128 to save memory traffic; in exact arithmetic the blocks change nothing. Here
//! eight rows at a time go through all columns, which fits a cache as well.

use super::factor::{damped, inverse_factor};
use super::grid::Grid;
use crate::math::sort_indices;
use crate::task::Context;

/// Rows that go through the columns together.
const ROWS: usize = 8;

/// What to round: rows of one group of a layer.
pub(super) struct Rows<'a> {
    /// `[rows][taps]`.
    pub weight: &'a [f32],
    /// Position of the first value in the whole weight, for its granules.
    pub first: usize,
    /// Which values of the whole weight pruning has kept, if it has taken any.
    pub mask: Option<&'a [bool]>,
    /// Values of a row.
    pub taps: usize,
    /// Σ x xᵀ over the layer's inputs, `[taps][taps]`.
    pub gram: &'a [f64],
    /// Share of the mean diagonal that is added to it.
    pub damping: f64,
    /// Whether columns are taken by falling diagonal.
    pub act_order: bool,
}

/// The rounded rows, all on the grid; `None` when the damped Gram matrix is not positive definite in f64.
///
/// Columns are rounded one after the other and none is looked at again, and what is pushed past the ends of the grid is lost. With few
/// values a layer can so end up worse than by the nearest codes; then those stand.
///
/// H is 2 Σ x xᵀ; the factor of 2 cancels, so it is left out. Inputs that are always 0 have no part in H: the damping alone
/// makes their columns independent, and they are rounded to the nearest.
pub(super) async fn round(ctx: &Context, grid: &Grid<'_>, rows: &Rows<'_>) -> Option<Vec<f32>> {
    let Rows { weight, first, taps, gram, .. } = *rows;
    let mut order: Vec<usize> = (0..taps).collect();
    if rows.act_order {
        sort_indices(&mut order, &mut |a, b| gram[b * taps + b].total_cmp(&gram[a * taps + a]));
    }
    let u = inverse_factor(ctx, &damped(gram, rows.damping, &order), taps).await?;
    let mut out = weight.to_vec();
    // What is pruned stays 0; what errors would push onto it goes on to the columns behind it.
    let round = |at: usize, value: f32| match rows.mask {
        Some(mask) if !mask[first + at] => 0.0,
        _ => grid.nearest(first + at, value),
    };
    let nearest: Vec<f32> = weight.iter().enumerate().map(|(i, &value)| round(i, value)).collect();
    let mut errors = [0.0; 2];
    for (tile, values) in out.chunks_mut(ROWS * taps).enumerate() {
        let mut free: Vec<f64> =
            values.chunks(taps).flat_map(|row| order.iter().map(|&from| f64::from(row[from]))).collect();
        for (i, &column) in order.iter().enumerate() {
            let factors = &u[i * taps..(i + 1) * taps];
            for (row, free) in free.chunks_mut(taps).enumerate() {
                let at = row * taps + column;
                let rounded = round(tile * ROWS * taps + at, free[i] as f32);
                values[at] = rounded;
                let error = (free[i] - f64::from(rounded)) / factors[i];
                free[i + 1..].iter_mut().zip(&factors[i + 1..]).for_each(|(w, u)| *w -= error * u);
            }
        }
        let own = tile * ROWS * taps..tile * ROWS * taps + values.len();
        for (error, values) in errors.iter_mut().zip([&*values, &nearest[own.clone()]]) {
            *error += output_error(gram, taps, &weight[own.clone()], values);
        }
        ctx.tick((values.len() * taps * 5 / 2) as u64).await;
    }
    Some(if errors[0] > errors[1] { nearest } else { out })
}

/// Squared error of a layer's outputs when `weight` stands for `wanted`: Σ over rows of δ G δᵀ, sums ascending.
fn output_error(gram: &[f64], taps: usize, wanted: &[f32], weight: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (wanted, row) in wanted.chunks(taps).zip(weight.chunks(taps)) {
        let delta: Vec<f64> = wanted.iter().zip(row).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
        for i in 0..taps {
            sum += delta[i] * (0..taps).map(|j| gram[i * taps + j] * delta[j]).sum::<f64>();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::rng::Rng;
    use crate::task::Task;
    use std::rc::Rc;

    const TAPS: usize = 12;

    fn sample(images: usize) -> (Vec<f32>, Vec<f64>) {
        let mut rng = Rng::stream(6, "gptq", images as u64);
        let weight: Vec<f32> = (0..5 * TAPS).map(|_| rng.uniform(-1.0, 1.0)).collect();
        // Correlated inputs, the last of them always 0.
        let mut gram = vec![0.0; TAPS * TAPS];
        for _ in 0..images {
            let shared = rng.uniform(0.0, 1.0);
            let x: Vec<f64> = (0..TAPS)
                .map(|i| if i == TAPS - 1 { 0.0 } else { f64::from(shared + rng.uniform(-0.3, 0.3)) })
                .collect();
            (0..TAPS * TAPS).for_each(|at| gram[at] += x[at / TAPS] * x[at % TAPS]);
        }
        (weight, gram)
    }

    fn both(format: &str, images: usize, act_order: bool) -> (f64, f64) {
        let (weight, gram) = sample(images);
        let format = formats::find(format).unwrap();
        let granules: Vec<_> = weight.chunks(TAPS).map(|row| format.fit(row, true)).collect();
        let nearest: Vec<f32> = {
            let grid = Grid::new(format, &granules, weight.len());
            weight.iter().enumerate().map(|(i, &v)| grid.nearest(i, v)).collect()
        };
        let given = (weight.clone(), gram.clone());
        let rounded = Task::new(Rc::new(Context::new(1)), |ctx| async move {
            let (weight, gram) = (&given.0[..], &given.1[..]);
            let grid = Grid::new(format, &granules, weight.len());
            let rows = Rows { weight, first: 0, mask: None, taps: TAPS, gram, damping: 0.01, act_order };
            let rounded = round(&ctx, &grid, &rows).await.unwrap();
            assert!(rounded.iter().enumerate().all(|(i, &v)| grid.nearest(i, v) == v), "off the grid");
            rounded
        })
        .finish();
        let error = |values: &[f32]| output_error(&gram, TAPS, &weight, values);
        (error(&rounded), error(&nearest))
    }

    #[test]
    fn the_output_error_is_less_than_that_of_the_nearest() {
        for format in ["int4", "int3", "int2", "ternary", "binary"] {
            for act_order in [false, true] {
                let (gptq, nearest) = both(format, 200, act_order);
                assert!(gptq < nearest, "{format}: {gptq} is not below {nearest}");
            }
        }
    }

    #[test]
    fn fewer_images_than_inputs_work() {
        for (images, act_order) in [(4, false), (4, true), (1, false), (1, true)] {
            let (gptq, nearest) = both("int3", images, act_order);
            assert!(gptq < nearest, "{images} {act_order}: {gptq} is not below {nearest}");
        }
    }
}
