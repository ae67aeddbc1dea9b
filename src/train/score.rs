//! What weights are worth by themselves.

use crate::rng::Rng;
use crate::task::Context;

/// By what weights are scored; the lowest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// |w|.
    Magnitude,
    /// w² over the sum of the squares of the weights of the layer that are not smaller.
    Lamp,
    /// Drawn.
    Random,
    /// |w|·‖x‖₂, x the input that meets the weight, over images.
    Wanda,
    /// w² / [H⁻¹], and what goes is made good by what stays.
    Sparsegpt,
    /// Σ |w·g|, g the gradients of batches of images.
    Taylor,
    /// |w·g|, g the gradient of all images as one batch.
    Snip,
    /// −Σ w·g over the steps of a training.
    Movement,
}

/// The scores of a weight that need nothing but it: for [`Pruning::Magnitude`], [`Pruning::Lamp`] and [`Pruning::Random`], which
/// draws from `rng`.
pub async fn own_scores(ctx: &Context, pruning: Pruning, weight: &[f32], mut rng: Rng) -> Vec<f32> {
    match pruning {
        Pruning::Lamp => lamp(ctx, weight).await,
        Pruning::Random => weight.iter().map(|_| rng.uniform(0.0, 1.0)).collect(),
        _ => weight.iter().map(|w| w.abs()).collect(),
    }
}

/// LAMP (Lee et al. 2021, arXiv 2010.07611, eq. 4). Sums are in f64 from the greatest magnitude down; equal ones have one score.
async fn lamp(ctx: &Context, weight: &[f32]) -> Vec<f32> {
    let mut sorted: Vec<f32> = weight.iter().map(|w| w.abs()).collect();
    ctx.sort(&mut sorted).await;
    let mut sums = vec![0.0f64; sorted.len() + 1];
    for (i, w) in sorted.iter().enumerate().rev() {
        sums[i] = sums[i + 1] + f64::from(*w) * f64::from(*w);
    }
    let score = |w: &f32| {
        let sum = sums[sorted.partition_point(|other| *other < w.abs())];
        if sum > 0.0 { (f64::from(*w) * f64::from(*w) / sum) as f32 } else { 0.0 }
    };
    weight.iter().map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Task;
    use std::rc::Rc;

    #[test]
    fn lamp_is_its_definition() {
        let mut rng = Rng::stream(8, "lamp", 0);
        let weight: Vec<f32> = (0..200).map(|_| rng.uniform(-1.0, 1.0)).collect();
        let given = weight.clone();
        let found = Task::new(Rc::new(Context::new(1)), |ctx| async move { lamp(&ctx, &given).await }).finish();
        for (w, found) in weight.iter().zip(found) {
            let square = |w: &f32| f64::from(*w) * f64::from(*w);
            let rest: f64 = weight.iter().filter(|other| other.abs() >= w.abs()).map(square).sum();
            assert!((f64::from(found) - square(w) / rest).abs() < 1e-6);
        }
    }
}
