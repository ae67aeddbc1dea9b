//! Rectified linear unit: `max(x, 0)`; NaN stays NaN.

use super::{BlockGradient, Flow, Layer, LayerParams, Op, RowStep, Scratch, only};
use crate::kernels::elementwise::{combine_two, relu};
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// `max(x, 0)`, element by element. Its gradient at 0 is 0.
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Op for Relu {
    fn kind(&self) -> &'static str {
        "relu"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        only(self.kind(), inputs).cloned()
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, _: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(*self))
    }
}

impl Layer for Relu {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
        relu(out.as_chunks_mut::<LANES>().0);
    }

    fn as_row_step(&self) -> Option<RowStep> {
        Some(RowStep::Relu)
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let zero = F32x8::splat(0.0);
        combine_two(
            grads[0].as_chunks_mut::<LANES>().0,
            block.inputs[0].as_chunks::<LANES>().0,
            block.gradient.as_chunks::<LANES>().0,
            |grad, x, gradient| grad.add(gradient.where_less(zero, x)),
        );
    }
}
