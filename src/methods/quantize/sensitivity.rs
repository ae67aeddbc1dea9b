//! Which layer hurts: every layer with weights rounded alone, the others in f32, or the other way round.
//!
//! Images go through the network in chunks. Up to a layer, what they give is computed once and kept; only what stands behind
//! it runs again for each way to round it. Every sum is that of a network run as a whole.

use super::range;
use super::windows::Stream;
use super::{CACHE_BYTES, QuantizeStep, WeightSpec};
use crate::data::Images;
use crate::error::CoreError;
use crate::formats::WeightRule;
use crate::math::log10;
use crate::methods::StepContext;
use crate::models::{Network, zero_pruned};
use crate::ops::Arithmetic;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use crate::tensor::Tensor;
use crate::train::softmax_cross_entropy;
use std::rc::Rc;

/// Which layers are rounded while one is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// This one alone.
    Only,
    /// All but this one.
    AllBut,
}

/// What rounding the weight of one layer does, or not rounding it.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The layer.
    pub layer: String,
    /// Position of the way it was rounded among those asked for.
    pub spec: usize,
    /// Right answers: images, or characters of text.
    pub correct: u32,
    /// Answers.
    pub total: u32,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Signal to noise of the layer's output when its weight is rounded, on inputs as the layers before it make them,
    /// 10·log10(Σy² / Σ(y − ŷ)²); `None` when nothing changed.
    pub sqnr_db: Option<f64>,
}

/// One change of one weight, and what was seen of it: right answers, summed loss, and the squares of the layer's outputs as they
/// were and of their difference.
struct Change {
    node: usize,
    weight: Tensor,
    correct: u32,
    loss: f64,
    before: f64,
    after: f64,
    difference: f64,
}

/// Rounds each layer alone in each of these ways, or all layers but each, to the nearest, and judges the network on all images; specs
/// in their order within layers in graph order. Values kept between layers take at most `cache_bytes`, or those of eight images if
/// that is more.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out.
pub async fn sensitivity(
    ctx: &Context,
    network: &Network,
    images: &Images,
    specs: &[WeightSpec],
    mode: Mode,
    cache_bytes: u64,
) -> Result<Vec<Effect>, CoreError> {
    let graph = &network.graph;
    let plain = network.effective()?;
    let layers: Vec<(usize, usize)> =
        (0..graph.nodes().len()).filter_map(|node| Some((node, network.weight_of(node)?))).collect();
    let mut rounded: Vec<Vec<Tensor>> = Vec::new();
    for spec in specs {
        let mut own = Vec::new();
        for &(node, index) in &layers {
            let fault = |error| CoreError::internal(&graph.nodes()[node].name, error);
            let mask = network.parameters[index].mask.as_deref();
            let granules = range::granules(ctx, spec, &plain[index], mask, None).await;
            let mut values = spec.pack(&plain[index], granules).and_then(|packed| packed.decode()).map_err(fault)?;
            zero_pruned(values.data_mut(), mask);
            own.push(values);
        }
        rounded.push(own);
    }
    let change = |node, weight: &Tensor| Change {
        node,
        weight: weight.clone(),
        correct: 0,
        loss: 0.0,
        before: 0.0,
        after: 0.0,
        difference: 0.0,
    };
    // Changes that share the network they depart from run side by side.
    let mut found: Vec<Vec<Change>> = Vec::new();
    match mode {
        Mode::Only => {
            let mut changes = Vec::new();
            for (at, &(node, _)) in layers.iter().enumerate() {
                changes.extend(rounded.iter().map(|own| change(node, &own[at])));
            }
            judge(ctx, network, images, &plain, &mut changes, cache_bytes).await?;
            let mut by_spec: Vec<Vec<Change>> = specs.iter().map(|_| Vec::new()).collect();
            changes.into_iter().enumerate().for_each(|(i, change)| by_spec[i % specs.len()].push(change));
            found = by_spec;
        }
        Mode::AllBut => {
            for own in &rounded {
                let mut all = plain.clone();
                layers.iter().zip(own).for_each(|(&(_, index), weight)| all[index] = weight.clone());
                let mut changes: Vec<Change> =
                    layers.iter().map(|&(node, index)| change(node, &plain[index])).collect();
                judge(ctx, network, images, &all, &mut changes, cache_bytes).await?;
                found.push(changes);
            }
        }
    }
    let total = (images.len() * images.positions()) as u32;
    let mut effects = Vec::new();
    for (at, &(node, _)) in layers.iter().enumerate() {
        for (spec, changes) in found.iter().enumerate() {
            let change = &changes[at];
            // The signal is what the layer gives in f32.
            let signal = if mode == Mode::Only { change.before } else { change.after };
            effects.push(Effect {
                layer: graph.nodes()[node].name.clone(),
                spec,
                correct: change.correct,
                total,
                loss: change.loss / f64::from(total.max(1)),
                sqnr_db: (change.difference > 0.0).then(|| 10.0 * log10(signal / change.difference)),
            });
        }
    }
    Ok(effects)
}

/// Judges the network with parameters `base` once for each change.
async fn judge(
    ctx: &Context,
    network: &Network,
    images: &Images,
    base: &[Tensor],
    changes: &mut [Change],
    cache_bytes: u64,
) -> Result<(), CoreError> {
    let graph = &network.graph;
    // The values of the network and those behind the layer at hand.
    let fits = cache_bytes / (2 * graph.peak_activation_bytes()).max(1) / LANES as u64 * LANES as u64;
    let chunk = (fits as usize).clamp(LANES, images.len().next_multiple_of(LANES));
    let tensors = |node: usize| {
        let entry = &graph.nodes()[node];
        base[entry.first_param..entry.first_param + entry.params.len()].iter().collect::<Vec<&Tensor>>()
    };
    for first in (0..images.len()).step_by(chunk) {
        let range = first..(first + chunk).min(images.len());
        let labels: Vec<u8> = range.clone().flat_map(|image| images.labels(image)).copied().collect();
        let mut whole = Stream::of(graph, images, range);
        for node in 0..graph.nodes().len() {
            whole.run(ctx, graph, node, &tensors(node), Arithmetic::Float).await?;
            for change in changes.iter_mut().filter(|change| change.node == node) {
                // Until it has run, what it gives is what the layer as it is gives.
                let mut alone = whole.clone();
                let mut own = tensors(node);
                own[0] = &change.weight;
                alone.run(ctx, graph, node, &own, Arithmetic::Float).await?;
                let square = |sum: f64, value: f64| sum + value * value;
                for (block, (before, after)) in whole.output(node).iter().zip(alone.output(node)).enumerate() {
                    let lanes = alone.lanes(block);
                    for (before, after) in before.as_chunks::<LANES>().0.iter().zip(after.as_chunks::<LANES>().0) {
                        for (before, after) in before.iter().zip(after).take(lanes) {
                            let (before, after) = (f64::from(*before), f64::from(*after));
                            change.before = square(change.before, before);
                            change.after = square(change.after, after);
                            change.difference = square(change.difference, before - after);
                        }
                    }
                }
                alone.forget(graph, node);
                for later in node + 1..graph.nodes().len() {
                    alone.run(ctx, graph, later, &tensors(later), Arithmetic::Float).await?;
                    alone.forget(graph, later);
                }
                let positions = images.positions();
                let blocks = alone.output(graph.nodes().len() - 1).iter().zip(labels.chunks(LANES * positions));
                for (logits, labels) in blocks {
                    let found = softmax_cross_entropy(logits, labels, positions, labels.len(), None);
                    let right = found.iter().zip(labels).filter(|(image, label)| image.prediction == **label);
                    change.correct += right.count() as u32;
                    change.loss = found.iter().fold(change.loss, |sum, image| sum + f64::from(image.loss));
                }
            }
            whole.forget(graph, node);
        }
    }
    Ok(())
}

impl Mode {
    /// Multiply-adds of [`sensitivity`], values written counted as one each: the network once for what all changes depart from, and
    /// for each change what stands behind its layer. Running the whole network for each would take `layers × specs` times one.
    pub fn macs(self, network: &Network, images: u32, specs: usize) -> u64 {
        let nodes = network.graph.nodes();
        let (mut behind, mut changes) = (0, 0);
        for node in (0..nodes.len()).rev() {
            behind += nodes[node].macs + network.graph.shapes()[node + 1].len() as u64;
            changes += if network.weight_of(node).is_some() { behind } else { 0 };
        }
        let bases = if self == Self::Only { 1 } else { specs as u64 };
        (behind * bases + changes * specs as u64) * u64::from(images).next_multiple_of(LANES as u64)
    }
}

impl QuantizeStep {
    /// [`sensitivity`] of the network that `cx` holds after this step's transforms, on the first `images` of the validation split, with
    /// [`CACHE_BYTES`]. What is in memory already is not looked for again; it counts as done.
    ///
    /// # Errors
    /// `asset` when images were not provided; see [`sensitivity`] for more.
    pub async fn effects(
        &self,
        cx: &StepContext<'_>,
        images: u32,
        specs: &[WeightSpec],
        mode: Mode,
    ) -> Result<Vec<Effect>, CoreError> {
        cx.ctx.enter(Phase::Evaluate);
        let network = &*cx.network;
        let place = format!("{} {images} {mode:?}", self.place(network)?);
        let key = |spec: &WeightSpec| format!("{place} {spec:?}");
        let mut found: Vec<_> = specs.iter().map(|spec| cx.memory.effects.get(&key(spec))).collect();
        let unknown: Vec<usize> = (0..specs.len()).filter(|&at| found[at].is_none()).collect();
        if !unknown.is_empty() {
            let images = cx.library.borrow().images(network.model.data, "validation", images)?;
            let wanted: Vec<WeightSpec> = unknown.iter().map(|&at| specs[at]).collect();
            let effects = sensitivity(cx.ctx, network, &images, &wanted, mode, CACHE_BYTES).await?;
            for (i, &at) in unknown.iter().enumerate() {
                let own = effects.iter().filter(|effect| effect.spec == i).cloned().collect();
                found[at] = Some(cx.memory.effects.keep(key(&specs[at]), own));
            }
        }
        // The network itself ran if anything did.
        let macs = |specs: usize| if specs == 0 { 0 } else { mode.macs(network, images, specs) };
        cx.ctx.tick(macs(specs.len()) - macs(unknown.len())).await;
        let layers = found.iter().flatten().map(|own| own.len()).min().unwrap_or(0);
        let one = |layer: usize, (spec, own): (usize, &Rc<Vec<Effect>>)| Effect { spec, ..own[layer].clone() };
        Ok((0..layers).flat_map(|layer| found.iter().flatten().enumerate().map(move |own| one(layer, own))).collect())
    }
}
