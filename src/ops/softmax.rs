//! Softmax over the last axis.

use super::{BlockGradient, Flow, Layer, LayerParams, Op, Scratch, only};
use crate::kernels::softmax::softmax;
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// `y_i = e^(x_i − max) / Σ_j e^(x_j − max)` over the last axis of any shape.
#[derive(Clone, Copy, Debug)]
pub struct Softmax;

struct Prepared {
    /// Values that add up to 1.
    len: usize,
}

impl Op for Softmax {
    fn kind(&self) -> &'static str {
        "softmax"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        only(self.kind(), inputs).cloned()
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        if inputs.iter().all(|input| input.dims().len() > 1) { Flow::same(inputs) } else { Flow::Mixed }
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let input = only(self.kind(), inputs)?;
        match input.dims().last() {
            Some(&len) if len > 0 => Ok(Box::new(Prepared { len })),
            _ => Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted: "an axis" }),
        }
    }
}

fn shares(values: &[[f32; LANES]], out: &mut Vec<F32x8>) {
    out.clear();
    out.extend(values.iter().map(F32x8::load));
    softmax(out, F32x8::splat(1.0));
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let mut row = Vec::with_capacity(self.len);
        let rows = inputs[0].as_chunks::<LANES>().0.chunks_exact(self.len);
        for (values, out) in rows.zip(out.as_chunks_mut::<LANES>().0.chunks_exact_mut(self.len)) {
            shares(values, &mut row);
            row.iter().zip(out).for_each(|(share, out)| share.store(out));
        }
    }

    /// `y_i · (g_i − Σ_j y_j g_j)`, the sum ascending.
    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let mut row = Vec::with_capacity(self.len);
        let rows = block.inputs[0].as_chunks::<LANES>().0.chunks_exact(self.len);
        let slopes = block.gradient.as_chunks::<LANES>().0.chunks_exact(self.len);
        let cells = grads[0].as_chunks_mut::<LANES>().0.chunks_exact_mut(self.len);
        for ((values, slopes), cells) in rows.zip(slopes).zip(cells) {
            shares(values, &mut row);
            let terms = row.iter().zip(slopes).map(|(share, slope)| share.mul(F32x8::load(slope)));
            let mean = terms.fold(F32x8::splat(0.0), F32x8::add).mul(F32x8::splat(-1.0));
            for ((share, slope), cell) in row.iter().zip(slopes).zip(cells) {
                F32x8::load(cell).add(share.mul(F32x8::load(slope).add(mean))).store(cell);
            }
        }
    }
}
