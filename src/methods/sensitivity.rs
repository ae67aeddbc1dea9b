//! Which layer hurts: every layer with weights changed alone, rounded or pruned, the others as they are, or the other way round.
//!
//! Images go through the network in chunks. Up to a layer, what they give is computed once and kept; only what stands behind
//! it runs again for each way to change it. Every sum is that of a network run as a whole.

use super::quantize::windows::Stream;
use super::quantize::{QuantizeStep, WeightSpec};
use super::{PruneStep, StepContext};
use crate::data::Images;
use crate::error::CoreError;
use crate::math::log10;
use crate::models::Network;
use crate::ops::Arithmetic;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use crate::tensor::Tensor;
use crate::train::softmax_cross_entropy;
use std::rc::Rc;

/// Bytes of values kept while layers are judged: images go through in chunks that fit.
pub const CACHE_BYTES: u64 = 64 << 20;

/// Which layers are changed while one is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// This one alone.
    Only,
    /// All but this one.
    AllBut,
}

/// Ways to change the weight of each layer.
#[derive(Clone, Copy)]
pub enum Ways<'a> {
    /// Rounded to the nearest in each of these ways, behind the step's transforms.
    Rounded(&'a QuantizeStep, &'a [WeightSpec]),
    /// Pruned as the step says, each layer by itself, to each of these shares.
    Pruned(&'a PruneStep, &'a [f64]),
}

/// What one way makes of the weights of layers: nodes in graph order, the same ones for every way.
pub type Changed = Vec<(usize, Tensor)>;

/// What changing the weight of one layer does, or not changing it.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The layer.
    pub layer: String,
    /// Position of the way it was changed among those asked for.
    pub way: usize,
    /// Right answers: images, or characters of text.
    pub correct: u32,
    /// Answers.
    pub total: u32,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Signal to noise of the layer's output when its weight is changed, on inputs as the layers before it make them,
    /// 10·log10(Σy² / Σ(y − ŷ)²); `None` when nothing changed.
    pub sqnr_db: Option<f64>,
    /// Values of the changed weight that are not 0.
    pub nonzero: u64,
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

impl Change {
    fn new(node: usize, weight: &Tensor) -> Self {
        Self { node, weight: weight.clone(), correct: 0, loss: 0.0, before: 0.0, after: 0.0, difference: 0.0 }
    }
}

/// Changes each layer alone in each of these ways, or all layers but each, and judges the network on all images; ways in their order
/// within layers in graph order. Values kept between layers take at most `cache_bytes`, or those of eight images if that is more.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out.
pub async fn sensitivity(
    ctx: &Context,
    network: &Network,
    images: &Images,
    ways: &[Changed],
    mode: Mode,
    cache_bytes: u64,
) -> Result<Vec<Effect>, CoreError> {
    let nodes = network.graph.nodes();
    let plain = network.effective()?;
    // Changes that share the network they depart from run side by side.
    let mut found: Vec<Vec<Change>> = ways.iter().map(|_| Vec::new()).collect();
    match mode {
        Mode::Only => {
            let mut changes = Vec::new();
            for layer in 0..ways.first().map_or(0, Vec::len) {
                changes.extend(ways.iter().map(|way| Change::new(way[layer].0, &way[layer].1)));
            }
            judge(ctx, network, images, &plain, &mut changes, cache_bytes).await?;
            changes.into_iter().enumerate().for_each(|(i, change)| found[i % ways.len()].push(change));
        }
        Mode::AllBut => {
            for (way, found) in ways.iter().zip(&mut found) {
                let mut all = plain.clone();
                for (node, weight) in way {
                    let index = nodes[*node].first_param;
                    all[index] = weight.clone();
                    found.push(Change::new(*node, &plain[index]));
                }
                judge(ctx, network, images, &all, found, cache_bytes).await?;
            }
        }
    }
    let total = (images.len() * images.positions()) as u32;
    let mut effects = Vec::new();
    for layer in 0..ways.first().map_or(0, Vec::len) {
        for (way, changes) in found.iter().enumerate() {
            let change = &changes[layer];
            // The signal is what the layer gives unchanged.
            let signal = if mode == Mode::Only { change.before } else { change.after };
            effects.push(Effect {
                layer: nodes[change.node].name.clone(),
                way,
                correct: change.correct,
                total,
                loss: change.loss / f64::from(total.max(1)),
                sqnr_db: (change.difference > 0.0).then(|| 10.0 * log10(signal / change.difference)),
                nonzero: ways[way][layer].1.data().iter().filter(|&&value| value != 0.0).count() as u64,
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
    /// Multiply-adds of [`sensitivity`] of the layers that `changes`, values written counted as one each: the network once for what all
    /// changes depart from, and for each change what stands behind its layer. Running the whole network for each would take
    /// `layers × ways` times one.
    pub(super) fn macs(self, network: &Network, images: u32, ways: usize, changes: fn(&Network, usize) -> bool) -> u64 {
        let nodes = network.graph.nodes();
        let (mut behind, mut changed) = (0, 0);
        for node in (0..nodes.len()).rev() {
            behind += nodes[node].macs + network.graph.shapes()[node + 1].len() as u64;
            changed += if changes(network, node) { behind } else { 0 };
        }
        let bases = if self == Self::Only { 1 } else { ways as u64 };
        (behind * bases + changed * ways as u64) * u64::from(images).next_multiple_of(LANES as u64)
    }
}

impl Ways<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Rounded(_, specs) => specs.len(),
            Self::Pruned(_, shares) => shares.len(),
        }
    }

    /// About the multiply-adds of [`Ways::effects`] for so many ways of this kind.
    pub fn macs(&self, network: &Network, images: u32, mode: Mode, ways: usize) -> u64 {
        match self {
            // The network itself runs if anything does.
            _ if ways == 0 => 0,
            Self::Rounded(..) => mode.macs(network, images, ways, |network, node| network.weight_of(node).is_some()),
            Self::Pruned(step, _) => {
                step.alone_macs(network, ways) + mode.macs(network, images, ways, Network::rounds_input)
            }
        }
    }

    /// [`sensitivity`] of the network that `cx` holds, on the first `images` of the validation split, with [`CACHE_BYTES`]. What is in
    /// memory already is not looked for again; it counts as done.
    ///
    /// # Errors
    /// `asset` when images were not provided; see [`sensitivity`] and the steps for more.
    pub async fn effects(&self, cx: &StepContext<'_>, images: u32, mode: Mode) -> Result<Vec<Effect>, CoreError> {
        let network = &*cx.network;
        let place = match self {
            Self::Rounded(step, _) => step.place(network)?,
            Self::Pruned(step, _) => step.place(cx)?,
        };
        let key = |at: usize| match self {
            Self::Rounded(_, specs) => format!("{place} {images} {mode:?} {:?}", specs[at]),
            Self::Pruned(_, shares) => format!("{place} {images} {mode:?} {}", shares[at]),
        };
        let mut found: Vec<_> = (0..self.len()).map(|at| cx.memory.effects.get(&key(at))).collect();
        let unknown: Vec<usize> = (0..self.len()).filter(|&at| found[at].is_none()).collect();
        if !unknown.is_empty() {
            let mut changed = Vec::new();
            match self {
                Self::Rounded(_, specs) => {
                    for &at in &unknown {
                        changed.push(specs[at].rounded(cx.ctx, network).await?);
                    }
                }
                Self::Pruned(step, shares) => {
                    let wanted: Vec<f64> = unknown.iter().map(|&at| shares[at]).collect();
                    changed = step.alone(cx, &wanted).await?;
                }
            }
            cx.ctx.enter(Phase::Evaluate);
            let images = cx.library.borrow().images(network.model.data, "validation", images)?;
            let effects = sensitivity(cx.ctx, network, &images, &changed, mode, CACHE_BYTES).await?;
            for (i, &at) in unknown.iter().enumerate() {
                let own = effects.iter().filter(|effect| effect.way == i).cloned().collect();
                found[at] = Some(cx.memory.effects.keep(key(at), own));
            }
        }
        let macs = |ways| self.macs(network, images, mode, ways);
        cx.ctx.tick(macs(self.len()) - macs(unknown.len())).await;
        let layers = found.iter().flatten().map(|own| own.len()).min().unwrap_or(0);
        let one = |layer: usize, (way, own): (usize, &Rc<Vec<Effect>>)| Effect { way, ..own[layer].clone() };
        Ok((0..layers).flat_map(|layer| found.iter().flatten().enumerate().map(move |own| one(layer, own))).collect())
    }
}
