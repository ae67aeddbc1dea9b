//! Residual addition: the sum of two values of the same shape.

use super::weighted::add_into;
use super::{BlockGradient, Flow, Layer, LayerParams, Op, RowStep, Scratch};
use crate::tensor::{Shape, TensorError};

/// `left + right`, element by element.
#[derive(Clone, Copy, Debug)]
pub struct Add;

impl Op for Add {
    fn kind(&self) -> &'static str {
        "add"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        match inputs {
            [left, right] if left == right => Ok((*left).clone()),
            [left, right] => {
                Err(TensorError::Mismatch { op: self.kind(), lhs: (*left).clone(), rhs: (*right).clone() })
            }
            _ => Err(TensorError::Unsupported {
                op: self.kind(),
                shape: Shape::new(&[inputs.len()])?,
                wanted: "two inputs",
            }),
        }
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, _: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(*self))
    }
}

impl Layer for Add {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
        add_into(out, inputs[1]);
    }

    fn as_row_step(&self) -> Option<RowStep> {
        Some(RowStep::Add)
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        for grad in grads {
            add_into(grad, block.gradient);
        }
    }
}
