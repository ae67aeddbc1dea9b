//! Fully connected layer: `y = W·x + b`.

use super::flow::count;
use super::matrix::Matrix;
use super::signs;
use super::weighted::{Weighted, add_into, check_accumulator, check_params, zeroed};
use super::{BlockGradient, Flow, Init, Layer, LayerParams, Op, ParamSpec, Scratch, only};
use crate::kernels::conv::ConvShape;
use crate::kernels::integer::Steps;
use crate::kernels::linear::{TILE_ROWS, linear, linear_rows, pack};
use crate::kernels::pack::{Packed, tile_rows};
use crate::kernels::{AddBias, Plain, RowSink, gradient};
use crate::simd::{F32x8, I32x8};
use crate::tensor::{Shape, TensorError};
use std::sync::Arc;

/// `[inputs] -> [outputs]`, weight `[outputs×inputs]`, bias `[outputs]`.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// Number of outputs.
    pub outputs: usize,
}

struct Prepared {
    weighted: Weighted<Matrix, Packed<i32>>,
    transposed: Option<Packed<f32>>,
    inputs: usize,
    outputs: usize,
}

impl Op for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let input = only(self.kind(), inputs)?;
        if input.dims().len() == 1 {
            return Shape::new(&[self.outputs]);
        }
        Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted: "[features]" })
    }

    fn params(&self, inputs: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        let fan_in = only(self.kind(), inputs)?.len();
        Ok(vec![
            ParamSpec {
                name: "weight",
                shape: Shape::new(&[self.outputs, fan_in])?,
                init: Init::HeUniform { fan_in },
                trained: true,
            },
            ParamSpec { name: "bias", shape: Shape::new(&[self.outputs])?, init: Init::Zeros, trained: true },
        ])
    }

    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        Ok(only(self.kind(), inputs)?.len() as u64 * self.outputs as u64)
    }

    fn windows(&self, inputs: &[&Shape]) -> Option<ConvShape> {
        let [features] = only(self.kind(), inputs).ok()?.dims() else { return None };
        let (input, kernel) = ([*features, 1, 1], [1, 1]);
        Some(ConvShape { input, out_channels: self.outputs, kernel, stride: 1, padding: 0, groups: 1 })
    }

    fn flow(&self, _: &[&Shape]) -> Flow {
        Flow::New { axis: 0 }
    }

    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Self { outputs: count(kept) }))
    }

    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let (inputs, outputs) = (only(self.kind(), inputs)?.len(), self.outputs);
        let shape = Shape::new(&[outputs, inputs])?;
        check_params(self.kind(), params, &shape)?;
        check_accumulator(self.kind(), &shape, params, inputs)?;
        if let Some(layer) = signs::linear(params, inputs) {
            return Ok(layer);
        }
        Ok(prepared(inputs, outputs, params))
    }
}

/// A layer of checked parameters; `weight` may have any shape of `outputs × inputs` values.
pub(super) fn prepared(inputs: usize, outputs: usize, params: &LayerParams<'_>) -> Box<dyn Layer> {
    let transposed = params.training.then(|| Packed::transposed(params.tensors[0].data(), inputs, TILE_ROWS));
    let pointwise =
        ConvShape { input: [inputs, 1, 1], out_channels: outputs, kernel: [1, 1], stride: 1, padding: 0, groups: 1 };
    let weighted =
        Weighted::new(pointwise, params, |w| Matrix::new(w, [outputs, inputs], params), |w| pack(w, inputs, outputs));
    Box::new(Prepared { weighted, transposed, inputs, outputs })
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) {
        self.forward_rows(inputs[0], &mut Plain::new(out, [1, 1]), scratch);
    }

    fn gives_rows(&self) -> bool {
        true
    }

    fn forward_rows(&self, input: &[f32], sink: &mut dyn RowSink, scratch: &mut Scratch) {
        self.weighted.forward(
            input,
            scratch,
            sink,
            |w, x, bias, sink| w.rows(x, bias, sink),
            |w, x, rescale, sink| linear_rows::<I32x8>(w, x, &rescale, sink),
        );
    }

    fn takes_blocks(&self) -> bool {
        self.weighted.takes_blocks()
    }

    fn forward_blocks(&self, inputs: &[&[f32]], sinks: &mut [&mut dyn RowSink], scratch: &mut Scratch) {
        self.weighted.forward_blocks(inputs, scratch, sinks);
    }

    fn reads_codes(&self) -> Option<Steps> {
        self.weighted.reads_codes()
    }

    fn forward_codes(&self, inputs: &[&[i8]], sinks: &mut [&mut dyn RowSink], scratch: &mut Scratch) {
        self.weighted.forward_blocks(inputs, scratch, sinks);
    }

    fn kernel(&self, single: bool) -> Option<String> {
        self.weighted.kernel(|matrix| matrix.kernel(single))
    }

    fn weight_bytes(&self) -> usize {
        self.weighted.bytes(Matrix::bytes)
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) -> bool {
        self.weighted
            .forward_one(inputs[0], scratch, |matrix, x, bias, single| matrix.one(x, bias, out, single.backwards))
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], scratch: &mut Scratch) {
        if let Some(transposed) = &self.transposed {
            let grad = zeroed(&mut scratch.values, self.inputs);
            linear::<F32x8>(transposed, block.gradient, &AddBias(&[]), grad);
            add_into(grads[0], grad);
        }
    }

    fn gradient_tiles(&self) -> Vec<(usize, usize)> {
        tile_rows(self.outputs, gradient::TILE_ROWS)
    }

    fn backward_rows(
        &self,
        inputs: &[&[f32]],
        gradients: &[&[f32]],
        first: usize,
        grads: &mut [&mut [f32]],
        scratch: &mut Scratch,
    ) {
        let [weight, bias] = grads else { return };
        gradient::linear_rows(inputs, gradients, self.inputs, first, weight, &mut scratch.values);
        for (i, bias) in bias.iter_mut().enumerate() {
            *bias = gradient::bias_row(gradients, first + i, 1);
        }
    }
}
