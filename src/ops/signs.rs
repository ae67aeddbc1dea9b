//! Layers whose weights and inputs are both signs: −1 or 1 times a scale.
//!
//! They compute what the integer kernels compute, exactly, by exclusive or and population count.

use super::weighted::integer_bias;
use super::{Arithmetic, BlockGradient, Layer, LayerParams, Scratch};
use crate::kernels::Rescale;
use crate::kernels::conv::ConvShape;
use crate::kernels::xnor::{self, SignConv, Signs};

enum Kernel {
    Linear(Signs),
    Conv(SignConv),
}

struct SignLayer {
    kernel: Kernel,
    bias: Vec<i32>,
    scale: Vec<f32>,
}

fn layer(params: &LayerParams<'_>, kernel: impl FnOnce(&[i32]) -> Option<Kernel>) -> Option<Box<dyn Layer>> {
    let Arithmetic::Integer { grid, weights, scales } = params.arithmetic else { return None };
    let kernel = kernel(weights).filter(|_| grid.sign && !params.training)?;
    let scale: Vec<f32> = scales.iter().map(|s| s * grid.scale).collect();
    let bias = params.tensors.get(1).map_or(&[][..], |t| t.data());
    let bias = bias.iter().zip(&scale).map(|(b, s)| integer_bias(*b, *s)).collect();
    Some(Box::new(SignLayer { kernel, bias, scale }))
}

/// A fully connected layer of signs; `None` where weights or inputs are something else.
pub(super) fn linear(params: &LayerParams<'_>, inputs: usize) -> Option<Box<dyn Layer>> {
    layer(params, |weights| Signs::new(weights, inputs).map(Kernel::Linear))
}

/// A convolution of signs; `None` where weights or inputs are something else.
pub(super) fn conv2d(params: &LayerParams<'_>, shape: ConvShape) -> Option<Box<dyn Layer>> {
    layer(params, |weights| SignConv::new(shape, weights).map(Kernel::Conv))
}

impl Layer for SignLayer {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) {
        let (rescale, signs) = (Rescale { bias: &self.bias, scale: &self.scale }, &mut scratch.signs);
        match &self.kernel {
            Kernel::Linear(weights) => {
                xnor::pack_block(inputs[0], &mut signs.lanes, &mut signs.block);
                xnor::linear(weights, &signs.block, &rescale, out);
            }
            Kernel::Conv(conv) => conv.run(inputs[0], signs, &rescale, out),
        }
    }

    fn kernel(&self, _: bool) -> Option<String> {
        Some(xnor::ID.into())
    }

    /// Not trained: [`layer`] makes none for training.
    fn backward_inputs(&self, _: &BlockGradient<'_>, _: &mut [&mut [f32]], _: &mut Scratch) {}
}
