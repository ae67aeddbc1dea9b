//! Padding: zeros around a value.

use super::moves::{Moves, element, position};
use super::{Layer, LayerParams, Op, only};
use crate::tensor::{Shape, TensorError};

/// `before` and `after` zeros in each dimension.
#[derive(Clone, Debug)]
pub struct Pad {
    /// Zeros before the first element, by dimension.
    pub before: Vec<usize>,
    /// Zeros after the last element, by dimension.
    pub after: Vec<usize>,
}

impl Op for Pad {
    fn kind(&self) -> &'static str {
        "pad"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let input = only(self.kind(), inputs)?;
        if self.before.len() != input.dims().len() || self.after.len() != input.dims().len() {
            let wanted = "as many dimensions as it has paddings";
            return Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted });
        }
        let sum = |((dim, before), after): ((&usize, &usize), &usize)| dim + before + after;
        Shape::new(&input.dims().iter().zip(&self.before).zip(&self.after).map(sum).collect::<Vec<_>>())
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let (input, output) = (only(self.kind(), inputs)?, self.output(inputs)?);
        let source = |index: usize| {
            let at = position(index, output.dims());
            let inside = at
                .iter()
                .zip(&self.before)
                .zip(input.dims())
                .map(|((at, before), dim)| at.checked_sub(*before).filter(|at| at < dim));
            inside.collect::<Option<Vec<usize>>>().map(|at| (0, element(&at, input.dims())))
        };
        Ok(Box::new(Moves((0..output.len()).map(source).collect())))
    }
}
