//! Transposition: the dimensions in another order.

use super::moves::{Moves, element, position};
use super::{Flow, Layer, LayerParams, Op, only};
use crate::tensor::{Shape, TensorError};

/// Dimension `i` of the output is dimension `order[i]` of the input.
#[derive(Clone, Debug)]
pub struct Transpose {
    /// A permutation of the dimensions.
    pub order: Vec<usize>,
}

impl Op for Transpose {
    fn kind(&self) -> &'static str {
        "transpose"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let input = only(self.kind(), inputs)?;
        let rank = input.dims().len();
        if self.order.len() != rank || !(0..rank).all(|axis| self.order.contains(&axis)) {
            let wanted = "as many dimensions as the order has";
            return Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted });
        }
        Shape::new(&self.order.iter().map(|&i| input.dims()[i]).collect::<Vec<_>>())
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        if self.order.first() == Some(&0) { Flow::same(inputs) } else { Flow::Mixed }
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let (input, output) = (only(self.kind(), inputs)?, self.output(inputs)?);
        let source = |index: usize| {
            let at = position(index, output.dims());
            let mut from = vec![0; at.len()];
            for (&dimension, at) in self.order.iter().zip(at) {
                from[dimension] = at;
            }
            Some((0, element(&from, input.dims())))
        };
        Ok(Box::new(Moves((0..output.len()).map(source).collect())))
    }
}
