//! Rounding by what training images say: layer after layer, each on inputs as the layers rounded before it make them.

use super::grid::Grid;
use super::range::Clips;
use super::rounding::{Correction, Rounding};
use super::windows::{Stream, positions};
use super::{QuantizeStep, WeightSpec, adaround, factor, gptq, range};
use crate::data::Images;
use crate::error::{CoreError, ErrorCode};
use crate::formats::{Granule, WeightQuantizer};
use crate::graph::Graph;
use crate::kernels::conv::ConvShape;
use crate::methods::StepContext;
use crate::models::Network;
use crate::ops::{Arithmetic, Op};
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use crate::tensor::Tensor;
use std::rc::Rc;

/// Rounds every weight and corrects biases where the step asks for it.
pub(super) async fn quantize(step: &QuantizeStep, cx: &mut StepContext<'_>, clips: &Clips) -> Result<(), CoreError> {
    let (ctx, seed) = (cx.ctx, cx.seed);
    let images = step.images(&cx.library.borrow(), cx.network.model, step.images)?;
    let graph = Rc::clone(&cx.network.graph);
    ctx.enter(Phase::Quantize);
    let plain: Vec<Tensor> = cx.network.parameters.iter().map(|parameter| parameter.latent.clone()).collect();
    let plain: Vec<&Tensor> = plain.iter().collect();
    let mut rounded = Stream::new(&graph, &images);
    let mut float = step.needs_float().then(|| Stream::new(&graph, &images));
    for (node, entry) in graph.nodes().iter().enumerate() {
        let own = entry.first_param..entry.first_param + entry.params.len();
        if let Some(float) = &mut float {
            float.run(ctx, &graph, node, &plain[own.clone()], Arithmetic::Float).await?;
        }
        let spec = cx.network.weight_of(node).and_then(|index| Some((index, step.weights_of(&entry.name)?)));
        if let Some((index, spec)) = spec {
            let layer = Layer {
                graph: &graph,
                node,
                spec,
                clips: clips.get(index).and_then(Option::as_ref),
                images: &images,
                seed,
            };
            let (chosen, granules) = layer.round(ctx, cx.network, index, &rounded, float.as_ref()).await?;
            let parameter = &mut cx.network.parameters[index];
            parameter.pack(spec, chosen, granules)?;
            parameter.quantizer = Some(WeightQuantizer { rule: Rc::new(*spec), learned: None });
        }
        let arithmetic = match cx.network.inputs[node] {
            Some(input) => input.grid.arithmetic(),
            None => Arithmetic::Float,
        };
        run(ctx, &mut rounded, cx.network, node, arithmetic).await?;
        let biased = entry.op.windows(&graph.input_shapes(entry)).is_some();
        let touched = biased && (spec.is_some() || cx.network.inputs[node].is_some());
        if let Some(float) = float.as_ref().filter(|_| step.correction == Correction::Bias && touched) {
            let errors = mean_errors(&entry.params[0].shape, &rounded, float, node);
            let bias = &mut cx.network.parameters[entry.first_param + 1].latent;
            bias.data_mut().iter_mut().zip(errors).for_each(|(bias, error)| *bias = (f64::from(*bias) - error) as f32);
            // Layers behind it see what the corrected bias gives.
            run(ctx, &mut rounded, cx.network, node, arithmetic).await?;
        }
        rounded.forget(&graph, node);
        if let Some(float) = &mut float {
            float.forget(&graph, node);
        }
    }
    Ok(())
}

/// Runs a node of `stream` with the network's parameters as they are used.
///
/// # Errors
/// `internal` when they do not fit.
pub(in crate::methods) async fn run(
    ctx: &Context,
    stream: &mut Stream,
    network: &Network,
    node: usize,
    arithmetic: Arithmetic<'_>,
) -> Result<(), CoreError> {
    let entry = &network.graph.nodes()[node];
    let own = &network.parameters[entry.first_param..entry.first_param + entry.params.len()];
    let tensors: Vec<Tensor> = own.iter().map(|parameter| parameter.effective()).collect::<Result<_, _>>()?;
    stream.run(ctx, &network.graph, node, &tensors.iter().collect::<Vec<_>>(), arithmetic).await
}

/// Mean over images and positions of what a node gives too much, per output channel; f64, blocks, positions and lanes
/// ascending.
fn mean_errors(weight: &crate::tensor::Shape, rounded: &Stream, float: &Stream, node: usize) -> Vec<f64> {
    let channels = weight.dims()[0];
    let mut sums = vec![0.0; channels];
    let mut images = 0;
    let mut positions = 1;
    for (block, (found, wanted)) in rounded.output(node).iter().zip(float.output(node)).enumerate() {
        let lanes = rounded.lanes(block);
        images += lanes;
        positions = found.len() / LANES / channels;
        let features = found.as_chunks::<LANES>().0.iter().zip(wanted.as_chunks::<LANES>().0);
        for (feature, (found, wanted)) in features.enumerate() {
            for (found, wanted) in found.iter().zip(wanted).take(lanes) {
                sums[feature / positions] += f64::from(*found) - f64::from(*wanted);
            }
        }
    }
    sums.iter().map(|sum| sum / (images * positions).max(1) as f64).collect()
}

/// A layer whose weight is to be rounded.
struct Layer<'a> {
    graph: &'a Graph,
    node: usize,
    spec: &'a WeightSpec,
    clips: Option<&'a Vec<f32>>,
    images: &'a Images,
    seed: u64,
}

impl Layer<'_> {
    /// The chosen values and their granules.
    async fn round(
        &self,
        ctx: &Context,
        network: &Network,
        index: usize,
        rounded: &Stream,
        float: Option<&Stream>,
    ) -> Result<(Tensor, Vec<Granule>), CoreError> {
        let parameter = &network.parameters[index];
        let weight = &parameter.latent;
        let mask = parameter.mask.as_deref();
        let granules = range::granules(ctx, self.spec, weight, mask, self.clips).await;
        let entry = &self.graph.nodes()[self.node];
        let chosen = match entry.op.windows(&self.graph.input_shapes(entry)) {
            Some(shape) if self.spec.rounding.needs_images() => {
                let mut rounded_inputs = Vec::new();
                let inputs = match network.inputs[self.node] {
                    None => rounded.input(self.graph, self.node),
                    Some(input) => {
                        rounded_inputs.resize(rounded.input(self.graph, self.node).len(), Vec::new());
                        let blocks = rounded.input(self.graph, self.node).iter().zip(&mut rounded_inputs);
                        let positions = shape.input[1] * shape.input[2];
                        blocks.for_each(|(block, out)| input.grid.round(block, positions, LANES, out));
                        &rounded_inputs
                    }
                };
                let bias = network.parameters[index + 1].latent.data();
                let values = match (self.spec.rounding.kind, float) {
                    (Rounding::Adaround, Some(float)) => {
                        self.adaround(
                            ctx,
                            &shape,
                            ([weight.data(), bias], mask),
                            &granules,
                            [inputs, float.output(self.node)],
                        )
                        .await?
                    }
                    _ => {
                        self.gptq(ctx, &shape, (weight.data(), mask), &granules, inputs, &|block| rounded.lanes(block))
                            .await?
                    }
                };
                Tensor::new(weight.shape().clone(), values)
                    .map_err(|error| CoreError::internal(&parameter.name, error))?
            }
            _ => weight.clone(),
        };
        Ok((chosen, granules))
    }

    async fn gptq(
        &self,
        ctx: &Context,
        shape: &ConvShape,
        (weight, mask): (&[f32], Option<&[bool]>),
        granules: &[Granule],
        inputs: &[Vec<f32>],
        lanes: &dyn Fn(usize) -> usize,
    ) -> Result<Vec<f32>, CoreError> {
        let grid = Grid::new(self.spec.format, granules, weight.len());
        let rows = weight.len() / shape.groups;
        let mut values = Vec::with_capacity(weight.len());
        for (group, own) in weight.chunks(rows).enumerate() {
            let gram = factor::gram(ctx, shape, group, inputs, lanes).await;
            let rows = gptq::Rows {
                weight: own,
                first: values.len(),
                mask,
                taps: shape.taps(),
                gram: &gram,
                damping: self.spec.rounding.damping,
                act_order: self.spec.rounding.act_order,
            };
            let name = &self.graph.nodes()[self.node].name;
            let rounded = gptq::round(ctx, &grid, &rows).await.ok_or_else(|| {
                let found = "inputs so much alike that GPTQ cannot tell their weights apart";
                CoreError::new(ErrorCode::Combination, name, found, "a larger damping")
            })?;
            values.extend(rounded);
        }
        Ok(values)
    }

    async fn adaround(
        &self,
        ctx: &Context,
        shape: &ConvShape,
        ([weight, bias], mask): ([&[f32]; 2], Option<&[bool]>),
        granules: &[Granule],
        [inputs, targets]: [&[Vec<f32>]; 2],
    ) -> Result<Vec<f32>, CoreError> {
        let grid = Grid::new(self.spec.format, granules, weight.len());
        let (size, rows) = (weight.len() / shape.groups, shape.out_channels / shape.groups);
        let reader = self.graph.only_reader(self.node).map(|reader| &self.graph.nodes()[reader].op);
        let activation = reader.filter(|op| matches!(op.kind(), "relu" | "relu6" | "leaky_relu"));
        let mut values = Vec::with_capacity(weight.len());
        for group in 0..shape.groups {
            let problem = adaround::Problem {
                shape: *shape,
                group,
                inputs,
                targets,
                images: self.images.len(),
                weight: &weight[group * size..(group + 1) * size],
                first: group * size,
                mask,
                bias: &bias[group * rows..(group + 1) * rows],
                activation: activation.map(|op| op.as_ref() as &dyn Op),
                iterations: self.spec.rounding.iterations,
            };
            let stream = ((self.node as u64) << 32) | group as u64;
            let learned = adaround::learn(ctx, &grid, &problem, Rng::stream(self.seed, "adaround", stream)).await?;
            values.extend(learned.weight);
        }
        Ok(values)
    }
}

/// Multiply-adds of [`quantize`] beyond encoding, about.
pub(super) fn macs(step: &QuantizeStep, network: &Network) -> u64 {
    let images = u64::from(step.images);
    let streams = 1 + u64::from(step.needs_float()) + u64::from(step.correction == Correction::Bias);
    let graph = &network.graph;
    let layers = graph.nodes().iter().enumerate().map(|(node, entry)| {
        let Some(spec) = network.weight_of(node).and_then(|_| step.weights_of(&entry.name)) else { return 0 };
        let Some(shape) = entry.op.windows(&graph.input_shapes(entry)) else { return 0 };
        let (taps, groups) = (shape.taps(), shape.groups as u64);
        let weights = shape.out_channels * taps;
        match spec.rounding.kind {
            Rounding::Gptq => {
                let windows = positions(&shape) * (step.images as usize).div_ceil(LANES);
                groups * (factor::gram_macs(taps, windows) + factor::factor_macs(taps))
                    + (weights * taps * 5 / 2) as u64
            }
            Rounding::Adaround => adaround::macs(weights, spec.rounding.iterations) + 2 * entry.macs * images,
            Rounding::Nearest | Rounding::Hqq => 0,
        }
    });
    layers.sum::<u64>() + streams * graph.macs() * images
}

#[cfg(test)]
mod layer_errors;
#[cfg(test)]
pub(in crate::methods) mod tests;
