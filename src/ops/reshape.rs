//! Reshape: the same values, in the same order, under other dimensions.

use super::flatten::Same;
use super::flow::count;
use super::{Flow, Layer, LayerParams, Op, only};
use crate::tensor::{Shape, TensorError};
use std::sync::Arc;

/// `[…] -> dims`, as many elements.
#[derive(Clone, Debug)]
pub struct Reshape {
    /// The dimensions of the output.
    pub dims: Vec<usize>,
}

impl Op for Reshape {
    fn kind(&self) -> &'static str {
        "reshape"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let (input, output) = (only(self.kind(), inputs)?, Shape::new(&self.dims)?);
        if input.len() == output.len() {
            return Ok(output);
        }
        Err(TensorError::Mismatch { op: self.kind(), lhs: input.clone(), rhs: output })
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        match (inputs.first(), self.dims.first()) {
            (Some(input), Some(&channels)) => Flow::viewed(input, channels),
            _ => Flow::Mixed,
        }
    }

    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        let mut dims = self.dims.clone();
        *dims.first_mut()? = count(kept);
        Some(Arc::new(Self { dims }))
    }

    fn prepare(&self, _: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(Same))
    }
}
