//! Transforms: other weights for the same function, easier to round.

use super::rotate::rotate;
use super::seam::{self, Reads, has_rows};
use crate::error::{CoreError, ErrorCode};
use crate::graph::Edit;
use crate::methods::{Choice, choose, id_of, ids};
use crate::models::Network;
use crate::ops::{BATCH_NORM_EPSILON, Relu};
use serde_json::Value;
use std::sync::Arc;

/// What is done to the network before it is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Batch norms become part of the layer before them.
    FoldBatchnorm,
    /// The ranges of the channels between two layers become alike.
    Equalize,
    /// What is hard to round in inputs moves into weights.
    Smoothquant,
    /// Input channels that matter get finer weights.
    Awq,
    /// Inputs and weights are rotated, so that none of their channels stands out.
    Hadamard,
}

/// Every transform.
pub static TRANSFORMS: &[Choice<Transform>] = &[
    Choice {
        value: Transform::FoldBatchnorm,
        id: "fold-batchnorm",
        code: "f",
        source: "Jacob et al. 2018, arXiv 1712.05877",
    },
    Choice { value: Transform::Equalize, id: "equalize", code: "e", source: "Nagel et al. 2019, arXiv 1906.04721" },
    Choice {
        value: Transform::Smoothquant,
        id: "smoothquant",
        code: "s",
        source: "Xiao et al. 2022, arXiv 2211.10438",
    },
    Choice { value: Transform::Awq, id: "awq", code: "a", source: "Lin et al. 2023, arXiv 2306.00978" },
    Choice { value: Transform::Hadamard, id: "hadamard", code: "h", source: "Ashkboos et al. 2024, arXiv 2404.00456" },
];

/// Rounds of equalization at most; it ends before when no scale moves by a thousandth.
const ROUNDS: usize = 100;
const SETTLED: f64 = 1e-3;

/// Reads `transforms`, trying each on `network` so that what cannot be done is refused.
pub(super) fn parse(items: &[Value], path: &str, network: &Network) -> Result<Vec<Transform>, CoreError> {
    let mut trial = network.clone();
    let mut transforms: Vec<Transform> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let at = format!("{path}.{i}");
        let found = item.as_str().and_then(|id| choose(TRANSFORMS, id));
        let transform = found
            .ok_or_else(|| CoreError::new(ErrorCode::UnknownId, &at, item.to_string(), ids(TRANSFORMS).join(", ")))?;
        let refuse = |found: &str, allowed: &str| Err(CoreError::new(ErrorCode::Combination, &at, found, allowed));
        if transforms.contains(&transform) {
            return refuse(&format!("{} twice", id_of(TRANSFORMS, &transform)), "each transform once");
        }
        let scales = |other: &&Transform| **other != Transform::FoldBatchnorm;
        let turned = transform == Transform::Hadamard;
        if turned && transforms.contains(&Transform::Awq) {
            return refuse("hadamard with awq, whose ranges are those of weights as they were", "either of the two");
        }
        if let Some(found) = transforms.iter().find(scales).filter(|_| !turned) {
            let (own, earlier) = (id_of(TRANSFORMS, &transform), id_of(TRANSFORMS, found));
            if transform == Transform::FoldBatchnorm || *found == Transform::Hadamard {
                return refuse(&format!("{own} after {earlier}"), &format!("{own} before {earlier}"));
            }
            let found =
                format!("{own} with {earlier}: both scale the channels between two layers, and the last would decide");
            return refuse(&found, "one of equalize, smoothquant, awq");
        }
        let changed = transform.apply(&mut trial)?;
        transforms.push(transform);
        if changed == 0 {
            let model = network.model.id;
            return match transform {
                Transform::FoldBatchnorm => {
                    let found = format!("fold-batchnorm, but {model} has no batch norm behind a layer with weights");
                    refuse(&found, "a model with batch norms")
                }
                Transform::Equalize => {
                    let found =
                        format!("equalize, but no two layers of {model} have only ReLU or pooling between them");
                    let norms = trial.graph.nodes().iter().any(|node| node.op.kind() == "batch_norm");
                    refuse(&found, if norms { "fold-batchnorm before equalize" } else { "another model" })
                }
                Transform::Hadamard => {
                    let found =
                        format!("hadamard, but no layer of {model} has inputs that a block of four channels divides");
                    refuse(&found, "another model")
                }
                Transform::Smoothquant | Transform::Awq => {
                    let found = format!(
                        "{}, but no layer of {model} reads what a layer or norm makes through ReLU or pooling alone, so that \
                         scales would have nowhere to go",
                        id_of(TRANSFORMS, &transform)
                    );
                    refuse(&found, "a model whose scales can be folded into what comes before")
                }
            };
        }
    }
    Ok(transforms)
}

impl Transform {
    /// Does what needs no data; gives the number of batch norms folded, of pairs of layers equalized, or of layers whose inputs have
    /// somewhere to put their scales: those are found by the images a step reads (`smooth` and `awq` in this folder).
    ///
    /// # Errors
    /// `internal` when the graph does not build, which tests rule out.
    pub fn apply(self, network: &mut Network) -> Result<usize, CoreError> {
        match self {
            Self::FoldBatchnorm => fold_batchnorm(network),
            Self::Equalize => equalize(network),
            Self::Smoothquant | Self::Awq => Ok(seam::find(network).len()),
            Self::Hadamard => rotate(network),
        }
    }

    /// Whether it looks at training images.
    pub fn needs_images(self) -> bool {
        matches!(self, Self::Smoothquant | Self::Awq)
    }
}

/// Folds every batch norm that alone reads a layer with weights: w·γ/√(σ²+ε) and (b − μ)·γ/√(σ²+ε) + β, in f64.
fn fold_batchnorm(network: &mut Network) -> Result<usize, CoreError> {
    let mut folded = Vec::new();
    for node in 0..network.graph.nodes().len() {
        let Some(norm) = network.graph.only_reader(node).filter(|_| has_rows(network, node)) else { continue };
        if network.graph.nodes()[norm].op.kind() != "batch_norm" {
            continue;
        }
        let own = network.graph.nodes()[node].first_param;
        let first = network.graph.nodes()[norm].first_param;
        let [scale, offset, mean, variance] =
            [0, 1, 2, 3].map(|i| network.parameters[first + i].latent.data().to_vec());
        let slope: Vec<f64> = scale
            .iter()
            .zip(&variance)
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + f64::from(BATCH_NORM_EPSILON)).sqrt())
            .collect();
        let weight = network.parameters[own].latent.data_mut();
        let taps = (weight.len() / slope.len().max(1)).max(1);
        for (row, slope) in weight.chunks_mut(taps).zip(&slope) {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) * slope) as f32);
        }
        for (channel, bias) in network.parameters[own + 1].latent.data_mut().iter_mut().enumerate() {
            let centred = f64::from(*bias) - f64::from(mean[channel]);
            *bias = (centred * slope[channel] + f64::from(offset[channel])) as f32;
        }
        network.parameters[own].transformed = true;
        network.parameters[own + 1].transformed = true;
        folded.push(norm);
    }
    if !folded.is_empty() {
        network.edit(|node| if folded.contains(&node) { Edit::Remove(0) } else { Edit::Keep })?;
    }
    Ok(folded.len())
}

/// Two layers whose channels are joined by positively homogeneous functions alone.
struct Pair {
    from: usize,
    to: usize,
    /// ReLU6 between them.
    clipped: Vec<usize>,
}

fn pairs(network: &Network) -> Vec<Pair> {
    let graph = &network.graph;
    let follow = |from: usize| {
        let mut clipped = Vec::new();
        let mut at = from;
        loop {
            at = graph.only_reader(at)?;
            match graph.nodes()[at].op.kind() {
                "relu" | "leaky_relu" | "max_pool2d" | "avg_pool2d" | "global_avg_pool" | "flatten" => {}
                "relu6" => clipped.push(at),
                _ if has_rows(network, at) => return Some(Pair { from, to: at, clipped }),
                _ => return None,
            }
        }
    };
    (0..graph.nodes().len()).filter(|&node| has_rows(network, node)).filter_map(follow).collect()
}

/// Cross-layer equalization (arXiv 1906.04721, §4.1): channel i between two layers is divided by
/// s = √(r₁ r₂) / r₂ before and multiplied by it behind, r₁ and r₂ the largest magnitudes of the weights that make and read it;
/// over all pairs until no scale moves. A ReLU6 between them becomes a ReLU, as in the paper (§5.1): that alone changes
/// the function. Channels that more than one layer reads, as in residual networks, are left alone.
fn equalize(network: &mut Network) -> Result<usize, CoreError> {
    let pairs = pairs(network);
    let mut values: Vec<Vec<f64>> =
        network.parameters.iter().map(|p| p.latent.data().iter().map(|&v| f64::from(v)).collect()).collect();
    for _ in 0..ROUNDS {
        let mut moved = 0.0f64;
        for pair in &pairs {
            moved = moved.max(equalize_pair(network, pair, &mut values));
        }
        if moved < SETTLED {
            break;
        }
    }
    let mut clipped = Vec::new();
    for pair in &pairs {
        clipped.extend(pair.clipped.iter().copied());
        for node in [pair.from, pair.to] {
            let first = network.graph.nodes()[node].first_param;
            for index in [first, first + 1] {
                let parameter = &mut network.parameters[index];
                parameter.transformed = true;
                let stored = parameter.latent.data_mut().iter_mut();
                stored.zip(&values[index]).for_each(|(stored, &value)| *stored = value as f32);
            }
        }
    }
    if !clipped.is_empty() {
        network.edit(|node| if clipped.contains(&node) { Edit::Replace(Arc::new(Relu)) } else { Edit::Keep })?;
    }
    Ok(pairs.len())
}

/// Equalizes one pair; gives the largest |s − 1|.
fn equalize_pair(network: &Network, pair: &Pair, values: &mut [Vec<f64>]) -> f64 {
    let nodes = network.graph.nodes();
    let (own, next) = (nodes[pair.from].first_param, nodes[pair.to].first_param);
    let channels = nodes[pair.from].params[0].shape.dims()[0];
    let from_taps = values[own].len() / channels;
    let reads = Reads::new(network, pair.to, channels);
    let mut moved = 0.0f64;
    for channel in 0..channels {
        let row = channel * from_taps..(channel + 1) * from_taps;
        let made = values[own][row.clone()].iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let read = reads.of(channel).fold(0.0f64, |most, i| most.max(values[next][i].abs()));
        if made == 0.0 || read == 0.0 {
            continue;
        }
        let scale = (made * read).sqrt() / read;
        moved = moved.max((scale - 1.0).abs());
        values[own][row].iter_mut().for_each(|v| *v /= scale);
        values[own + 1][channel] /= scale;
        for i in reads.of(channel) {
            values[next][i] *= scale;
        }
    }
    moved
}
