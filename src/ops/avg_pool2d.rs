//! The mean of each window, without padding; windows that do not fit are left out.

use super::{BlockGradient, Flow, Layer, LayerParams, Op, Scratch, Window, only};
use crate::kernels::pool::{PoolShape, average_pool, average_pool_backward};
use crate::tensor::{Shape, TensorError};

/// `[c×h×w] -> [c×h'×w']`.
#[derive(Clone, Copy, Debug)]
pub struct AvgPool2d {
    /// Window side.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
}

struct Prepared(PoolShape);

impl AvgPool2d {
    fn shape(&self, inputs: &[&Shape]) -> Result<PoolShape, TensorError> {
        PoolShape::new(self.kind(), only(self.kind(), inputs)?, self.kernel, self.stride)
    }
}

impl Op for AvgPool2d {
    fn kind(&self) -> &'static str {
        "avg_pool2d"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        Shape::new(&self.shape(inputs)?.output())
    }

    fn window(&self) -> Option<Window> {
        let Self { kernel, stride } = *self;
        Some(Window { kernel, stride, padding: 0, groups: 1 })
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(Prepared(self.shape(inputs)?)))
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        average_pool(&self.0, inputs[0], out);
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        average_pool_backward(&self.0, block.gradient, grads[0]);
    }
}
