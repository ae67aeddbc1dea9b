//! SmoothQuant (Xiao et al. 2022, arXiv 2211.10438): what is hard to round in a layer's inputs moves into its weights.
//!
//! Channel j of the input is divided by s = max|X_j|^α / max|W_j|^(1−α), at least 10^−5, and the weights that read it are
//! multiplied by s. A channel that is always 0, or that no weight reads, keeps s = 1.

use super::seam::{self, Reads};
use super::windows::Stream;
use crate::data::Images;
use crate::error::CoreError;
use crate::math::{exp_f64, ln_f64};
use crate::models::Network;
use crate::ops::Arithmetic;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;
use std::rc::Rc;

/// The least scale.
const LEAST: f64 = 1e-5;

/// `x^power` for x > 0.
pub(super) fn power(x: f64, power: f64) -> f64 {
    exp_f64(power * ln_f64(x))
}

/// Magnitudes of one channel of an input.
#[derive(Clone, Copy, Default)]
pub(super) struct Magnitude {
    pub most: f32,
    pub mean: f64,
}

/// The magnitudes of every channel of what node `node` reads; f64 sums, blocks, features and lanes ascending.
pub(super) fn magnitudes(stream: &Stream, network: &Network, node: usize, channels: usize) -> Vec<Magnitude> {
    let mut found = vec![Magnitude::default(); channels];
    let mut images = 0;
    let mut per_channel = 1;
    for (block, values) in stream.input(&network.graph, node).iter().enumerate() {
        let lanes = stream.lanes(block);
        images += lanes;
        let features = values.as_chunks::<LANES>().0;
        per_channel = (features.len() / channels).max(1);
        for (own, found) in features.chunks(per_channel).zip(&mut found) {
            for value in own.iter().flat_map(|feature| &feature[..lanes]) {
                found.most = found.most.max(value.abs());
                found.mean += f64::from(value.abs());
            }
        }
    }
    let count = (images * per_channel).max(1) as f64;
    found.iter_mut().for_each(|channel| channel.mean /= count);
    found
}

/// Smooths the input of every layer where scales have a place. The images are seen by the network as it stands.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out.
pub(super) async fn smooth(ctx: &Context, network: &mut Network, images: &Images, alpha: f64) -> Result<(), CoreError> {
    let graph = Rc::clone(&network.graph);
    let plain: Vec<Tensor> = network.parameters.iter().map(|parameter| parameter.latent.clone()).collect();
    let plain: Vec<&Tensor> = plain.iter().collect();
    let seams = seam::find(network);
    let mut stream = Stream::new(&graph, images);
    for (node, entry) in graph.nodes().iter().enumerate() {
        if let Some(seam) = seams.iter().find(|seam| seam.reader == node) {
            let inputs = magnitudes(&stream, network, node, seam.channels);
            let reads = Reads::new(network, node, seam.channels);
            let weight = network.parameters[entry.first_param].latent.data();
            let scales: Vec<f64> = inputs
                .iter()
                .enumerate()
                .map(|(channel, input)| {
                    let read = reads.of(channel).fold(0.0f32, |most, i| most.max(weight[i].abs()));
                    if input.most == 0.0 || read == 0.0 {
                        return 1.0;
                    }
                    let (input, read) = (f64::from(input.most), f64::from(read).max(LEAST));
                    (power(input, alpha) / power(read, 1.0 - alpha)).max(LEAST)
                })
                .collect();
            seam.scale(network, &scales);
        }
        let own = entry.first_param..entry.first_param + entry.params.len();
        stream.run(ctx, &graph, node, &plain[own], Arithmetic::Float).await?;
        stream.forget(&graph, node);
    }
    Ok(())
}
