//! What each weight is worth.

use crate::rng::Rng;

/// |w|.
pub(super) fn magnitude(weight: &[f32]) -> Vec<f32> {
    weight.iter().map(|w| w.abs()).collect()
}

/// Drawn evenly, for parameter `index` of step `step`.
pub(super) fn random(count: usize, seed: u64, step: u64, index: usize) -> Vec<f32> {
    let mut rng = Rng::stream(seed, "prune", (step << 32) | index as u64);
    (0..count).map(|_| rng.uniform(0.0, 1.0)).collect()
}
