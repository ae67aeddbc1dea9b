//! Two-dimensional convolution with stride, zero padding and groups.

use super::flow::{count, numbers};
use super::linear;
use super::signs;
use super::weighted::{Weighted, add_into, check_accumulator, check_params, zeroed};
use super::{
    Arithmetic, BlockGradient, Flow, Init, Layer, LayerParams, Op, ParamSpec, Scratch, Window, channels, only,
};
use crate::kernels::conv::{Conv, ConvShape, conv2d, conv2d_rows};
use crate::kernels::integer::Steps;
use crate::kernels::pack::tile_rows;
use crate::kernels::single::{Spread, conv_one};
use crate::kernels::sparse::{CONV_FROM, SparseConv, skips};
use crate::kernels::{AddBias, Plain, RowSink, gradient};
use crate::simd::{F32x8, I32x8};
use crate::tensor::{Shape, TensorError};
use std::sync::{Arc, OnceLock};

/// `[in×h×w] -> [out×h'×w']`, weight `[out×in/groups×kernel×kernel]`, bias `[out]`.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d {
    /// Output channels.
    pub out_channels: usize,
    /// Kernel side.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Groups of channels.
    pub groups: usize,
}

struct Prepared {
    shape: ConvShape,
    weighted: Weighted<Filters, Conv<i32>>,
    transposed: Option<Conv<f32>>,
}

/// Float weights, in the form of the kernel that runs.
enum Filters {
    Dense(Conv<f32>),
    Sparse {
        sparse: SparseConv,
        /// With zeros, once there was a single image.
        dense: OnceLock<Conv<f32>>,
    },
}

impl Filters {
    fn new(shape: ConvShape, weights: &[f32], params: &LayerParams<'_>) -> Self {
        let asked = matches!(params.arithmetic, Arithmetic::Sparse);
        let skips = !params.training && skips(weights, if asked { 0.0 } else { CONV_FROM });
        match SparseConv::new(shape, weights).filter(|_| skips) {
            Some(sparse) => Self::Sparse { sparse, dense: OnceLock::new() },
            None => Self::Dense(Conv::new(shape, weights)),
        }
    }

    fn one(&self, shape: ConvShape, x: &[f32], bias: &[f32], out: &mut [f32], spread: &mut Spread) {
        let conv = match self {
            Self::Dense(conv) => conv,
            Self::Sparse { sparse, dense } => dense.get_or_init(|| Conv::new(shape, &sparse.dense())),
        };
        conv_one(conv, x, bias, out, spread);
    }

    fn kernel(&self, single: bool) -> Option<String> {
        match self {
            Self::Sparse { sparse, .. } if !single => Some(sparse.id()),
            _ => None,
        }
    }

    fn bytes(&self, shape: &ConvShape) -> usize {
        let all = 4 * shape.out_channels * shape.taps();
        match self {
            Self::Dense(_) => all,
            Self::Sparse { sparse, dense } => sparse.bytes() + dense.get().map_or(0, |_| all),
        }
    }
}

impl Conv2d {
    /// Stride 1, no padding, one group.
    pub fn new(out_channels: usize, kernel: usize) -> Self {
        Self { out_channels, kernel, stride: 1, padding: 0, groups: 1 }
    }

    fn shape(&self, inputs: &[&Shape]) -> Result<ConvShape, TensorError> {
        let shape = ConvShape {
            input: only(self.kind(), inputs)?.chw(self.kind())?,
            out_channels: self.out_channels,
            kernel: [self.kernel; 2],
            stride: self.stride,
            padding: self.padding,
            groups: self.groups,
        };
        shape.check().map(|()| shape)
    }

    fn weight_shape(&self, shape: &ConvShape) -> Result<Shape, TensorError> {
        Shape::new(&[shape.out_channels, shape.input[0] / shape.groups, self.kernel, self.kernel])
    }
}

impl Op for Conv2d {
    fn kind(&self) -> &'static str {
        "conv2d"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        Shape::new(&self.shape(inputs)?.output())
    }

    fn window(&self) -> Option<Window> {
        let Self { kernel, stride, padding, groups, .. } = *self;
        Some(Window { kernel, stride, padding, groups })
    }

    fn params(&self, inputs: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        let shape = self.shape(inputs)?;
        Ok(vec![
            ParamSpec {
                name: "weight",
                shape: self.weight_shape(&shape)?,
                init: Init::HeUniform { fan_in: shape.taps() },
                trained: true,
            },
            ParamSpec { name: "bias", shape: Shape::new(&[self.out_channels])?, init: Init::Zeros, trained: true },
        ])
    }

    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        let shape = self.shape(inputs)?;
        Ok(shape.output().iter().product::<usize>() as u64 * shape.taps() as u64)
    }

    fn windows(&self, inputs: &[&Shape]) -> Option<ConvShape> {
        self.shape(inputs).ok()
    }

    /// Of several groups, whole ones go.
    fn flow(&self, inputs: &[&Shape]) -> Flow {
        match inputs.first().map(|input| channels(input)) {
            Some(own) if self.groups > 1 => Flow::Tied {
                inputs: vec![numbers(own, own / self.groups)],
                output: numbers(self.out_channels, self.out_channels / self.groups),
            },
            _ => Flow::New { axis: 0 },
        }
    }

    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        let out_channels = count(kept);
        let groups = if self.groups > 1 { self.groups * out_channels / self.out_channels } else { 1 };
        Some(Arc::new(Self { out_channels, groups, ..*self }))
    }

    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let shape = self.shape(inputs)?;
        let weight = self.weight_shape(&shape)?;
        check_params(self.kind(), params, &weight)?;
        check_accumulator(self.kind(), &weight, params, shape.taps())?;
        if let Some(layer) = signs::conv2d(params, shape) {
            return Ok(layer);
        }
        if shape.is_linear() {
            return Ok(linear::prepared(shape.taps(), shape.out_channels, params));
        }
        let transposed = params.training.then(|| Conv::transposed(shape, params.tensors[0].data()));
        let weighted = Weighted::new(shape, params, |w| Filters::new(shape, w, params), |w| Conv::new(shape, w));
        Ok(Box::new(Prepared { shape, weighted, transposed }))
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) {
        let [_, height, width] = self.shape.output();
        self.forward_rows(inputs[0], &mut Plain::new(out, [height, width]), scratch);
    }

    fn gives_rows(&self) -> bool {
        true
    }

    fn forward_rows(&self, input: &[f32], sink: &mut dyn RowSink, scratch: &mut Scratch) {
        let mut padded = std::mem::take(&mut scratch.padded);
        self.weighted.forward(
            input,
            scratch,
            sink,
            |filters, x, bias, sink| match filters {
                Filters::Dense(conv) => conv2d_rows::<F32x8>(conv, x, &bias, sink),
                Filters::Sparse { sparse, .. } => sparse.rows(x, &mut padded, &bias, sink),
            },
            |conv, x, rescale, sink| conv2d_rows::<I32x8>(conv, x, &rescale, sink),
        );
        scratch.padded = padded;
    }

    fn reads_codes(&self) -> Option<Steps> {
        self.weighted.reads_codes()
    }

    fn forward_codes(&self, inputs: &[&[i8]], sinks: &mut [&mut dyn RowSink], scratch: &mut Scratch) {
        self.weighted.forward_blocks(inputs, scratch, sinks);
    }

    fn kernel(&self, single: bool) -> Option<String> {
        self.weighted.kernel(|filters| filters.kernel(single))
    }

    fn weight_bytes(&self) -> usize {
        self.weighted.bytes(|filters| filters.bytes(&self.shape))
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) -> bool {
        self.weighted.forward_one(inputs[0], scratch, |filters, x, bias, spread| {
            filters.one(self.shape, x, bias, out, spread);
        })
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], scratch: &mut Scratch) {
        if let Some(transposed) = &self.transposed {
            let grad = zeroed(&mut scratch.values, self.shape.input.iter().product());
            conv2d::<F32x8>(transposed, block.gradient, &AddBias(&[]), grad);
            add_into(grads[0], grad);
        }
    }

    fn gradient_tiles(&self) -> Vec<(usize, usize)> {
        let rows = self.shape.out_channels / self.shape.groups;
        (0..self.shape.groups)
            .flat_map(|group| {
                tile_rows(rows, gradient::TILE_ROWS).into_iter().map(move |(first, n)| (group * rows + first, n))
            })
            .collect()
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
        gradient::conv_rows(&self.shape, inputs, gradients, first, weight, &mut scratch.values);
        let [_, height, width] = self.shape.output();
        for (i, bias) in bias.iter_mut().enumerate() {
            *bias = gradient::bias_row(gradients, first + i, height * width);
        }
    }
}
