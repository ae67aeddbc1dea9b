//! Concatenation: values side by side along one dimension.

use super::moves::{Moves, element, position};
use super::{Flow, Layer, LayerParams, Op, channels};
use crate::tensor::{Shape, TensorError};

/// Inputs that differ at most in dimension `axis`, one after the other along it.
#[derive(Clone, Copy, Debug)]
pub struct Concat {
    /// The dimension; 0 joins the channels of images.
    pub axis: usize,
}

impl Op for Concat {
    fn kind(&self) -> &'static str {
        "concat"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let unsupported = |shape: Shape, wanted| TensorError::Unsupported { op: self.kind(), shape, wanted };
        let Some(first) = inputs.first() else {
            return Err(unsupported(Shape::new(&[0])?, "at least one input"));
        };
        let mut dims = first.dims().to_vec();
        if self.axis >= dims.len() {
            return Err(unsupported((*first).clone(), "inputs that have the axis"));
        }
        for input in &inputs[1..] {
            let same = |(i, (a, b)): (usize, (&usize, &usize))| i == self.axis || a == b;
            let pairs = input.dims().iter().zip(first.dims()).enumerate();
            if input.dims().len() != dims.len() || !pairs.into_iter().all(same) {
                return Err(TensorError::Mismatch { op: self.kind(), lhs: (*first).clone(), rhs: (*input).clone() });
            }
            dims[self.axis] += input.dims()[self.axis];
        }
        Shape::new(&dims)
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        if self.axis > 0 {
            return Flow::same(inputs);
        }
        let mut next = 0..;
        let inputs: Vec<Vec<usize>> =
            inputs.iter().map(|input| next.by_ref().take(channels(input)).collect()).collect();
        Flow::Tied { output: inputs.concat(), inputs }
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let output = self.output(inputs)?;
        let source = |index: usize| {
            let mut at = position(index, output.dims());
            for (number, input) in inputs.iter().enumerate() {
                let length = input.dims()[self.axis];
                if at[self.axis] < length {
                    return Some((number, element(&at, input.dims())));
                }
                at[self.axis] -= length;
            }
            None
        };
        Ok(Box::new(Moves((0..output.len()).map(source).collect())))
    }
}
