//! AWQ (Lin et al. 2023, arXiv 2306.00978): input channels that matter get finer weights.
//!
//! Channel j of a layer's input is divided by s = mean|X_j|^r, at least 10^−4, over √(max s · min s), and the weights that read it
//! are multiplied by s; r is that of 0, 1/20 … 19/20 with the least squared error of the layer's outputs when its weights are rounded
//! to the nearest. Then, for every granule, so do ranges of 100 %, 95 % … 50 %; groups are judged by their own part of the
//! outputs, as in the authors' code.

use super::factor;
use super::grid::Grid;
use super::range::{self, Clips};
use super::seam::{self, Reads, Seam};
use super::smooth::{magnitudes, power};
use super::windows::{Stream, positions};
use super::{QuantizeStep, WeightSpec};
use crate::data::Images;
use crate::error::CoreError;
use crate::formats::WeightRule;
use crate::kernels::conv::ConvShape;
use crate::models::Network;
use crate::ops::Arithmetic;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;
use std::rc::Rc;

/// Exponents tried: 0, 1/20 … 19/20.
const EXPONENTS: usize = 20;
/// Ranges tried: 100 %, 95 % … 50 %.
const CLIPS: usize = 10;
const CLIP_STEP: f32 = 0.05;
/// The least mean magnitude to a power.
const LEAST: f64 = 1e-4;

/// Inputs of a layer, as Σ x xᵀ of each group of its channels.
struct Inputs {
    grams: Vec<Vec<f64>>,
    taps: usize,
}

impl Inputs {
    /// δ G δᵀ for weights `from..from + delta.len()` of a row of `group`: the squared error of the row's outputs by these.
    fn error(&self, group: usize, from: usize, delta: &[f64]) -> f64 {
        let rows = self.grams[group].chunks(self.taps).skip(from);
        delta.iter().zip(rows).fold(0.0, |sum, (own, row)| {
            let dot = row[from..].iter().zip(delta).fold(0.0, |sum, (gram, other)| sum + gram * other);
            sum + own * dot
        })
    }

    /// The squared error of all outputs, rows ascending.
    fn total(&self, wanted: &[f32], found: impl Fn(usize) -> f64) -> f64 {
        let rows = wanted.len() / self.taps / self.grams.len();
        let mut sum = 0.0;
        for (row, wanted) in wanted.chunks(self.taps).enumerate() {
            let delta: Vec<f64> =
                wanted.iter().enumerate().map(|(i, &w)| found(row * self.taps + i) - f64::from(w)).collect();
            sum += self.error(row / rows, 0, &delta);
        }
        sum
    }

    /// The inputs after they were divided by `scales`, one for each channel.
    fn divide(&mut self, reads: &Reads, rows: usize, scales: &[f64]) {
        // Any row of a group reads the channels at the same taps.
        let mut by_tap = vec![vec![1.0; self.taps]; self.grams.len()];
        for (channel, &scale) in scales.iter().enumerate() {
            reads.of(channel).for_each(|i| by_tap[i / self.taps / rows][i % self.taps] = scale);
        }
        for (gram, scales) in self.grams.iter_mut().zip(&by_tap) {
            for (i, row) in gram.chunks_mut(self.taps).enumerate() {
                row.iter_mut().zip(scales).for_each(|(sum, scale)| *sum /= scales[i] * scale);
            }
        }
    }
}

/// s for an exponent. Channels that are always 0 keep 1 and have no part in max and min.
fn scales(means: &[f64], exponent: f64) -> Vec<f64> {
    let found: Vec<Option<f64>> =
        means.iter().map(|&mean| (mean > 0.0).then(|| power(mean, exponent).max(LEAST))).collect();
    let start = (f64::INFINITY, 0.0f64);
    let (least, most) = found.iter().flatten().fold(start, |(least, most), &s| (least.min(s), most.max(s)));
    found.iter().map(|s| s.map_or(1.0, |s| s / (least * most).sqrt())).collect()
}

/// Scales inputs where scales have a place, and chooses the ranges of every rounded layer.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out.
pub(super) async fn search(
    ctx: &Context,
    step: &QuantizeStep,
    network: &mut Network,
    images: &Images,
) -> Result<Clips, CoreError> {
    let graph = Rc::clone(&network.graph);
    let plain: Vec<Tensor> = network.parameters.iter().map(|parameter| parameter.latent.clone()).collect();
    let plain: Vec<&Tensor> = plain.iter().collect();
    let seams = seam::find(network);
    let mut stream = Stream::new(&graph, images);
    let mut clips: Clips = vec![None; network.parameters.len()];
    for (node, entry) in graph.nodes().iter().enumerate() {
        let spec = step.weights_of(&entry.name).filter(|spec| spec.format.ranged());
        let shape = entry.op.windows(&graph.input_shapes(entry));
        if let (Some(spec), Some(shape)) = (spec, shape) {
            let mut grams = Vec::with_capacity(shape.groups);
            for group in 0..shape.groups {
                let input = stream.input(&graph, node);
                grams.push(factor::gram(ctx, &shape, group, input, &|block| stream.lanes(block)).await);
            }
            let mut inputs = Inputs { grams, taps: shape.taps() };
            if let Some(seam) = seams.iter().find(|seam| seam.reader == node) {
                let means: Vec<f64> =
                    magnitudes(&stream, network, node, seam.channels).iter().map(|channel| channel.mean).collect();
                let chosen = exponent(ctx, spec, network, seam, &inputs, &means).await;
                seam.scale(network, &chosen);
                let reads = Reads::new(network, node, seam.channels);
                inputs.divide(&reads, shape.out_channels / shape.groups, &chosen);
            }
            let weight = &network.parameters[entry.first_param].latent;
            clips[entry.first_param] = Some(ranges(ctx, spec, weight, &inputs).await);
        }
        let own = entry.first_param..entry.first_param + entry.params.len();
        stream.run(ctx, &graph, node, &plain[own], Arithmetic::Float).await?;
        stream.forget(&graph, node);
    }
    Ok(clips)
}

/// The scales of the best exponent, the least of equals.
async fn exponent(
    ctx: &Context,
    spec: &WeightSpec,
    network: &Network,
    seam: &Seam,
    inputs: &Inputs,
    means: &[f64],
) -> Vec<f64> {
    let parameter = &network.parameters[network.graph.nodes()[seam.reader].first_param];
    let (weight, mask) = (&parameter.latent, parameter.mask.as_deref());
    let reads = Reads::new(network, seam.reader, seam.channels);
    let mut best = (f64::INFINITY, vec![1.0; seam.channels]);
    for step in 0..EXPONENTS {
        let scales = scales(means, step as f64 / EXPONENTS as f64);
        let mut by_weight = vec![1.0; weight.data().len()];
        for (channel, &scale) in scales.iter().enumerate() {
            reads.of(channel).for_each(|i| by_weight[i] = scale);
        }
        let mut scaled = weight.clone();
        scaled.data_mut().iter_mut().zip(&by_weight).for_each(|(w, s)| *w = (f64::from(*w) * s) as f32);
        let granules = range::granules(ctx, spec, &scaled, mask, None).await;
        let grid = Grid::new(spec.format, &granules, scaled.data().len());
        let rounded = |i: usize| f64::from(grid.nearest(i, scaled.data()[i])) / by_weight[i];
        let error = inputs.total(weight.data(), rounded);
        if error < best.0 {
            best = (error, scales);
        }
        ctx.tick((weight.data().len() * inputs.taps) as u64).await;
    }
    best.1
}

/// The share of the whole range for every granule, the widest of equals.
async fn ranges(ctx: &Context, spec: &WeightSpec, weight: &Tensor, inputs: &Inputs) -> Vec<f32> {
    let values = weight.data();
    let rows = values.len() / inputs.taps / inputs.grams.len();
    let len = values.len() / spec.granules(weight);
    let unit = spec.unit(weight);
    let mut chosen = Vec::new();
    for (granule, own) in values.chunks(len).enumerate() {
        let mut best = (f64::INFINITY, 1.0);
        for step in 0..=CLIPS {
            let share = 1.0 - step as f32 * CLIP_STEP;
            let grid = spec.granule(own, share, unit);
            let delta: Vec<f64> = own
                .iter()
                .map(|&w| f64::from(spec.format.decode(spec.format.encode(w, &grid), &grid)) - f64::from(w))
                .collect();
            // A granule is a part of a row, a row, or several rows.
            let mut error = 0.0;
            for (part, delta) in delta.chunks(inputs.taps.min(len)).enumerate() {
                let at = granule * len + part * inputs.taps;
                error += inputs.error(at / inputs.taps / rows, at % inputs.taps, delta);
            }
            if error < best.0 {
                best = (error, share);
            }
            ctx.tick((len * inputs.taps.min(len)) as u64).await;
        }
        chosen.push(best.1);
    }
    chosen
}

/// Multiply-adds of the search for one layer, about.
pub(super) fn macs(shape: &ConvShape, images: u32) -> u64 {
    let windows = positions(shape) * (images as usize).div_ceil(LANES);
    let weights = (shape.out_channels * shape.taps()) as u64;
    let tried = (EXPONENTS + CLIPS + 1) as u64;
    shape.groups as u64 * factor::gram_macs(shape.taps(), windows) + tried * weights * shape.taps() as u64
}
