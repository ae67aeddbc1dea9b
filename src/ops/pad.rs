//! Padding: zeros around a value.

use super::flow::count;
use super::moves::{Moves, element, position};
use super::{Flow, Layer, LayerParams, Op, channels, only};
use crate::tensor::{Shape, TensorError};
use std::sync::Arc;

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

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        let (Some(input), Some(before), Some(after)) = (inputs.first(), self.before.first(), self.after.first()) else {
            return Flow::Mixed;
        };
        let own = channels(input);
        Flow::Tied { inputs: vec![(*before..before + own).collect()], output: (0..before + own + after).collect() }
    }

    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        let mut op = self.clone();
        let (before, after) = (op.before.first_mut()?, op.after.first_mut()?);
        (*before, *after) = (count(&kept[..*before]), count(&kept[kept.len() - *after..]));
        Some(Arc::new(op))
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
