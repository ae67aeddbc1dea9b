//! Pruning by the inputs that weights meet: layer after layer, each on inputs as the layers pruned before make them.

use super::{PruneStep, StepContext, put, sparsegpt, training_images};
use crate::error::{CoreError, ErrorCode};
use crate::kernels::conv::ConvShape;
use crate::methods::quantize::windows::{Stream, positions, window};
use crate::methods::quantize::{factor, inform};
use crate::models::Network;
use crate::ops::Arithmetic;
use crate::simd::LANES;
use crate::train::{Candidate, Pruning};
use std::rc::Rc;

/// Prunes every candidate by `wanda` or `sparsegpt`; `alone`: on inputs as no layer pruned makes them.
///
/// # Errors
/// `asset` when images were not provided; `combination` naming the layer whose inputs are too much alike for `sparsegpt`.
pub(super) async fn prune(
    step: &PruneStep,
    cx: &mut StepContext<'_>,
    candidates: &mut [Candidate],
    alone: bool,
) -> Result<(), CoreError> {
    let plain = alone.then(|| cx.network.clone());
    let images = training_images(&cx.library.borrow(), cx.network.model, step.images, step.seed)?;
    let graph = Rc::clone(&cx.network.graph);
    let mut stream = Stream::new(&graph, &images);
    for (node, entry) in graph.nodes().iter().enumerate() {
        let shape = entry.op.windows(&graph.input_shapes(entry));
        let candidate = candidates.iter_mut().find(|candidate| candidate.node == node);
        if let (Some(candidate), Some(shape)) = (candidate, shape) {
            let blocks = stream.input(&graph, node);
            let lanes = |block: usize| stream.lanes(block);
            let latent = &mut cx.network.parameters[candidate.index].latent;
            let own = latent.data().len() / shape.groups;
            match step.method {
                Pruning::Sparsegpt => {
                    let share = candidate.own.unwrap_or(step.sparsity);
                    let groups = latent.data_mut().chunks_mut(own).zip(candidate.mask.chunks_mut(own));
                    for (group, (weight, mask)) in groups.enumerate() {
                        let gram = factor::gram(cx.ctx, &shape, group, blocks, &lanes).await;
                        let rows = sparsegpt::Rows { weight, mask, taps: shape.taps(), gram: &gram };
                        let done = sparsegpt::prune(cx.ctx, rows, step.pattern, share).await;
                        done.ok_or_else(|| {
                            let found = "inputs so much alike that SparseGPT cannot tell their weights apart";
                            CoreError::new(ErrorCode::Combination, &entry.name, found, "more images")
                        })?;
                    }
                }
                _ => {
                    for (group, weight) in latent.data().chunks(own).enumerate() {
                        let norms = norms(&shape, group, blocks, &lanes);
                        cx.ctx.tick(norm_macs(&shape, images.len())).await;
                        let scores = weight.iter().zip(norms.iter().cycle());
                        candidate.scores.extend(scores.map(|(w, norm)| (f64::from(w.abs()) * norm) as f32));
                    }
                    step.select(cx, std::slice::from_mut(candidate)).await;
                }
            }
            put(cx.network, candidate);
        }
        inform::run(cx.ctx, &mut stream, plain.as_ref().unwrap_or(cx.network), node, Arithmetic::Float).await?;
        stream.forget(&graph, node);
    }
    Ok(())
}

/// ‖x‖₂ of every tap of a group over all windows; in f64, blocks, positions and lanes ascending.
pub(super) fn norms(shape: &ConvShape, group: usize, blocks: &[Vec<f32>], lanes: &dyn Fn(usize) -> usize) -> Vec<f64> {
    let mut sums = vec![0.0f64; shape.taps()];
    let mut buffer = vec![0.0; shape.taps() * LANES];
    for (index, block) in blocks.iter().enumerate() {
        for position in 0..positions(shape) {
            window(shape, group, position, block, &mut buffer);
            for (sum, tap) in sums.iter_mut().zip(buffer.as_chunks::<LANES>().0) {
                tap[..lanes(index)].iter().for_each(|x| *sum += f64::from(*x) * f64::from(*x));
            }
        }
    }
    sums.iter().map(|sum| sum.sqrt()).collect()
}

/// About what [`norms`] costs, in multiply-adds.
fn norm_macs(shape: &ConvShape, images: usize) -> u64 {
    4 * (shape.taps() * positions(shape) * images) as u64
}

/// Multiply-adds of [`prune`], about.
pub(super) fn macs(step: &PruneStep, network: &Network, candidates: &[Candidate]) -> u64 {
    let (graph, images) = (&network.graph, step.images as usize);
    let layer = |candidate: &Candidate| {
        let entry = &graph.nodes()[candidate.node];
        let Some(shape) = entry.op.windows(&graph.input_shapes(entry)) else { return 0 };
        let (taps, groups) = (shape.taps(), shape.groups as u64);
        match step.method {
            Pruning::Sparsegpt => {
                let windows = positions(&shape) * images.div_ceil(LANES);
                groups * (factor::gram_macs(taps, windows) + factor::factor_macs(taps))
                    + sparsegpt::macs(candidate.mask.len(), taps)
            }
            _ => groups * norm_macs(&shape, images),
        }
    };
    candidates.iter().map(layer).sum::<u64>() + graph.macs() * images as u64
}
