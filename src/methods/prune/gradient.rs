//! Scores by what the loss would make of a weight that goes, to first order.

use super::{PruneStep, StepContext, training_images};
use crate::data::Images;
use crate::error::CoreError;
use crate::models::Network;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;
use crate::train::{Batch, Candidate, CrossEntropy, Pass, Pruning, Workspace, backprop_in};

/// Images of a batch.
pub(super) const BATCH: usize = 64;

/// Gradients of the mean loss of some images by every parameter.
///
/// # Errors
/// `internal` when parameters do not fit the graph.
pub(super) async fn gradients(
    ctx: &Context,
    network: &Network,
    images: &Images,
    chosen: &[usize],
    workspace: &mut Workspace,
) -> Result<Vec<Tensor>, CoreError> {
    let parameters: Vec<&Tensor> = network.parameters.iter().map(|parameter| &parameter.latent).collect();
    let mut blocks = workspace.take(chosen.len().div_ceil(LANES), images.features() * LANES);
    for (block, chunk) in blocks.iter_mut().zip(chosen.chunks(LANES)) {
        images.fill(chunk.iter().copied(), block);
    }
    let labels = chosen.iter().flat_map(|&i| images.labels(i)).copied().collect();
    let batch = Batch { blocks, labels, items: chosen.iter().map(|&i| i as u32).collect() };
    let (graph, objective) = (&*network.graph, &mut CrossEntropy::default());
    let pass = Pass { ctx, graph, parameters: &parameters, views: &mut [], objective, emulation: None, workspace };
    Ok(backprop_in(pass, batch).await?.parameters)
}

/// Scores by gradients of the mean loss over batches of 64 training images: for `taylor` Σ |w·g| over batches, for `snip` |w·Σ g|, each
/// batch as heavy as it has images. Sums are in f64, batches ascending.
///
/// # Errors
/// `asset` when images were not provided.
pub(super) async fn score(
    step: &PruneStep,
    cx: &StepContext<'_>,
    candidates: &mut [Candidate],
) -> Result<(), CoreError> {
    let images = training_images(&cx.library.borrow(), cx.network.model, step.images, step.seed)?;
    let mut workspace = Workspace::default();
    let mut sums: Vec<Vec<f64>> = candidates.iter().map(|candidate| vec![0.0; candidate.mask.len()]).collect();
    let order: Vec<usize> = (0..images.len()).collect();
    for chosen in order.chunks(BATCH) {
        let gradients = gradients(cx.ctx, cx.network, &images, chosen, &mut workspace).await?;
        for (sums, candidate) in sums.iter_mut().zip(&*candidates) {
            let weight = cx.network.parameters[candidate.index].latent.data();
            for ((sum, w), g) in sums.iter_mut().zip(weight).zip(gradients[candidate.index].data()) {
                let change = f64::from(*w) * f64::from(*g) * chosen.len() as f64;
                *sum += if step.method == Pruning::Taylor { change.abs() } else { change };
            }
        }
    }
    for (candidate, sums) in candidates.iter_mut().zip(sums) {
        candidate.scores = sums.iter().map(|sum| (sum.abs() / images.len() as f64) as f32).collect();
    }
    Ok(())
}
