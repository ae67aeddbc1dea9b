//! One image through a graph by the naive kernels: what the timed results are checked against.

use super::run::Run;
use crate::graph::{LayerArithmetic, Node};
use crate::kernels::conv::ConvShape;
use crate::kernels::pool::PoolShape;
use crate::kernels::reference;
use crate::math::round_ties_even;
use crate::ops::{BATCH_NORM_EPSILON, InputGrid};
use crate::tensor::Shape;

/// The output of one image; NaN where the graph holds an op that is not known here.
pub(super) fn forward(run: &Run, image: &[f32]) -> Vec<f32> {
    let mut values = vec![image.to_vec()];
    for (i, node) in run.graph.nodes().iter().enumerate() {
        let inputs: Vec<&[f32]> = node.inputs.iter().map(|id| values[id.index()].as_slice()).collect();
        let output = layer(run, i, node, &inputs);
        values.push(output.unwrap_or_else(|| vec![f32::NAN; run.graph.shapes()[i + 1].len()]));
    }
    values.pop().unwrap_or_default()
}

fn layer(run: &Run, index: usize, node: &Node, inputs: &[&[f32]]) -> Option<Vec<f32>> {
    let x = *inputs.first()?;
    let shape = run.graph.shape(*node.inputs.first()?);
    let parameter = |i: usize| run.parameters[node.first_param + i].data();
    let channels = |x: &[f32], f: &dyn Fn(usize, f32) -> f32| -> Option<Vec<f32>> {
        let positions = x.len() / shape.dims().first()?;
        Some(x.iter().enumerate().map(|(i, &v)| f(i / positions, v)).collect())
    };
    match node.op.kind() {
        "linear" => Some(weighted(run, index, node, x, &|w, b, x| reference::linear(w, b, x))),
        "conv2d" => {
            let shape = conv_shape(run, index, node, shape)?;
            Some(weighted(run, index, node, x, &|w, b, x| reference::conv2d(&shape, w, b, x)))
        }
        "relu" => Some(x.iter().map(|&v| if v > 0.0 { v } else { 0.0 }).collect()),
        "flatten" => Some(x.to_vec()),
        "add" => Some(x.iter().zip(*inputs.get(1)?).map(|(a, b)| a + b).collect()),
        "max_pool2d" => {
            let window = node.op.window()?;
            let shape = PoolShape::new("max_pool2d", shape, window.kernel, window.stride).ok()?;
            Some(reference::pool(&shape, x, |values| values.iter().copied().fold(f32::NEG_INFINITY, f32::max)))
        }
        "batch_norm" => channels(x, &|channel, v| {
            let [scale, bias, mean, variance] = [0, 1, 2, 3].map(|i| parameter(i)[channel]);
            scale * (v - mean) / (variance + BATCH_NORM_EPSILON).sqrt() + bias
        }),
        "global_avg_pool" => {
            let positions = x.len() / shape.dims().first()?;
            Some(x.chunks(positions).map(|channel| channel.iter().sum::<f32>() / positions as f32).collect())
        }
        _ => None,
    }
}

fn conv_shape(run: &Run, index: usize, node: &Node, input: &Shape) -> Option<ConvShape> {
    let window = node.op.window()?;
    Some(ConvShape {
        input: input.chw("conv2d").ok()?,
        out_channels: *run.graph.shapes()[index + 1].dims().first()?,
        kernel: [window.kernel; 2],
        stride: window.stride,
        padding: window.padding,
        groups: window.groups,
    })
}

/// Weights, bias and input to sums.
type Product<'a> = dyn Fn(&[f32], &[f32], &[f32]) -> Vec<f32> + 'a;

/// A layer with weights: floats, or whole numbers, whose sums stay below 2^24 here and are therefore exact in f32 too.
fn weighted(run: &Run, index: usize, node: &Node, x: &[f32], product: &Product<'_>) -> Vec<f32> {
    let (weight, bias) = (run.parameters[node.first_param].data(), run.parameters[node.first_param + 1].data());
    let LayerArithmetic::Integer { grid, weights, scales } = &run.arithmetic[index] else {
        return product(weight, bias, x);
    };
    let InputGrid { scale, low, high, sign, .. } = *grid;
    let code = |v: f32| match sign {
        true if v >= 0.0 => 1.0,
        true => -1.0,
        false => round_ties_even((v / scale).clamp(low as f32, high as f32)),
    };
    let codes: Vec<f32> = x.iter().map(|&v| code(v)).collect();
    let levels: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
    let sums = product(&levels, &[], &codes);
    let positions = sums.len() / bias.len();
    let finish = |(i, sum): (usize, f32)| {
        let scale = scales[i / positions] * scale;
        (sum + round_ties_even(bias[i / positions] / scale)) * scale
    };
    sums.into_iter().enumerate().map(finish).collect()
}
