//! Global average pooling: the mean of each channel.

use super::{BlockGradient, Flow, Layer, LayerParams, Op, Scratch, only};
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// `[c×h×w] -> [c]`: positions summed in row-major order, divided by their number.
#[derive(Clone, Copy, Debug)]
pub struct GlobalAvgPool;

struct Prepared {
    positions: usize,
}

impl Op for GlobalAvgPool {
    fn kind(&self) -> &'static str {
        "global_avg_pool"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        Shape::new(&[only(self.kind(), inputs)?.chw(self.kind())?[0]])
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let [_, height, width] = only(self.kind(), inputs)?.chw(self.kind())?;
        Ok(Box::new(Prepared { positions: height * width }))
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let channels = inputs[0].as_chunks::<LANES>().0.chunks_exact(self.positions);
        for (out, channel) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(channels) {
            let sum = channel.iter().fold(F32x8::splat(0.0), |sum, value| sum.add(F32x8::load(value)));
            *out = sum.to_array().map(|sum| sum / self.positions as f32);
        }
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let channels = grads[0].as_chunks_mut::<LANES>().0.chunks_exact_mut(self.positions);
        for (channel, gradient) in channels.zip(block.gradient.as_chunks::<LANES>().0) {
            let share = gradient.map(|gradient| gradient / self.positions as f32);
            for grad in channel {
                grad.iter_mut().zip(share).for_each(|(grad, share)| *grad += share);
            }
        }
    }
}
