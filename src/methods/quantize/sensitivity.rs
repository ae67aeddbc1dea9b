//! Which layer hurts: every layer with weights rounded alone, the others in f32.
//!
//! Images go through the network in chunks. Up to a layer, what they give is computed once and kept; only what stands behind
//! it runs again for each way to round it.

use super::WeightSpec;
use super::range;
use super::windows::Stream;
use crate::data::Images;
use crate::error::CoreError;
use crate::formats::WeightRule;
use crate::math::log10;
use crate::models::Network;
use crate::ops::Arithmetic;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;
use crate::train::softmax_cross_entropy;
use std::rc::Rc;

/// What rounding one layer's weight alone does.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The layer.
    pub layer: String,
    /// Position of the way it was rounded among those asked for.
    pub spec: usize,
    /// Right answers: images, or characters of text.
    pub correct: u32,
    /// Signal to noise of the layer's output, 10·log10(Σy² / Σ(y − ŷ)²); `None` when nothing changed.
    pub sqnr_db: Option<f64>,
}

/// Rounds each layer alone in each of these ways, to the nearest, and judges the network on all images; layers in graph order,
/// specs in theirs. Values kept between layers take at most `cache_bytes`, or those of eight images if that is more.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out.
pub async fn sensitivity(
    ctx: &Context,
    network: &Network,
    images: &Images,
    specs: &[WeightSpec],
    cache_bytes: u64,
) -> Result<Vec<Effect>, CoreError> {
    let graph = Rc::clone(&network.graph);
    let plain = network.effective()?;
    let mut effects = Vec::new();
    let mut rounded: Vec<Tensor> = Vec::new();
    for (node, entry) in graph.nodes().iter().enumerate() {
        let Some(index) = network.weight_of(node) else { continue };
        for (i, spec) in specs.iter().enumerate() {
            let fault = |error| CoreError::internal(&entry.name, error);
            let packed = spec.pack(&plain[index], range::granules(ctx, spec, &plain[index]).await).map_err(fault)?;
            rounded.push(packed.decode().map_err(fault)?);
            effects.push((node, Effect { layer: entry.name.clone(), spec: i, correct: 0, sqnr_db: None }, [0.0f64; 2]));
        }
    }
    // The values of the f32 network and those behind the layer at hand.
    let fits = cache_bytes / (2 * graph.peak_activation_bytes()).max(1) / LANES as u64 * LANES as u64;
    let chunk = (fits as usize).clamp(LANES, images.len().next_multiple_of(LANES));
    let tensors = |node: usize| {
        let entry = &graph.nodes()[node];
        plain[entry.first_param..entry.first_param + entry.params.len()].iter().collect::<Vec<&Tensor>>()
    };
    for first in (0..images.len()).step_by(chunk) {
        let range = first..(first + chunk).min(images.len());
        let labels: Vec<u8> = range.clone().flat_map(|image| images.labels(image)).copied().collect();
        let mut float = Stream::of(&graph, images, range);
        for node in 0..graph.nodes().len() {
            let before = float.clone();
            float.run(ctx, &graph, node, &tensors(node), Arithmetic::Float).await?;
            for ((at, effect, noise), weight) in effects.iter_mut().zip(&rounded) {
                if *at != node {
                    continue;
                }
                let mut alone = before.clone();
                let mut own = tensors(node);
                own[0] = weight;
                alone.run(ctx, &graph, node, &own, Arithmetic::Float).await?;
                for (block, (wanted, found)) in float.output(node).iter().zip(alone.output(node)).enumerate() {
                    let lanes = alone.lanes(block);
                    for (wanted, found) in wanted.as_chunks::<LANES>().0.iter().zip(found.as_chunks::<LANES>().0) {
                        for (wanted, found) in wanted.iter().zip(found).take(lanes) {
                            let (y, difference) = (f64::from(*wanted), f64::from(*wanted) - f64::from(*found));
                            *noise = [noise[0] + y * y, noise[1] + difference * difference];
                        }
                    }
                }
                alone.forget(&graph, node);
                for later in node + 1..graph.nodes().len() {
                    alone.run(ctx, &graph, later, &tensors(later), Arithmetic::Float).await?;
                    alone.forget(&graph, later);
                }
                let blocks =
                    alone.output(graph.nodes().len() - 1).iter().zip(labels.chunks(LANES * images.positions()));
                for (logits, labels) in blocks {
                    let found = softmax_cross_entropy(logits, labels, images.positions(), labels.len(), None);
                    let right = found.iter().zip(labels).filter(|(image, label)| image.prediction == **label);
                    effect.correct += right.count() as u32;
                }
            }
            float.forget(&graph, node);
        }
    }
    let finish = |(_, mut effect, [signal, noise]): (usize, Effect, [f64; 2])| {
        effect.sqnr_db = (noise > 0.0).then(|| 10.0 * log10(signal / noise));
        effect
    };
    Ok(effects.into_iter().map(finish).collect())
}
