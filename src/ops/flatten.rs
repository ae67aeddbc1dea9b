//! Flatten: the same values as one dimension (NCHW order).

use super::weighted::add_into;
use super::{BlockGradient, Flow, Layer, LayerParams, Op, RowStep, Scratch, only};
use crate::tensor::{Shape, TensorError};

/// `[…] -> [features]`.
#[derive(Clone, Copy, Debug)]
pub struct Flatten;

impl Op for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        Shape::new(&[only(self.kind(), inputs)?.len()])
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        inputs.first().map_or(Flow::Mixed, |input| Flow::viewed(input, input.len()))
    }

    fn prepare(&self, _: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(Same))
    }
}

/// Values that stay as they are.
pub(super) struct Same;

impl Layer for Same {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
    }

    fn as_row_step(&self) -> Option<RowStep> {
        Some(RowStep::View)
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        add_into(grads[0], block.gradient);
    }
}
