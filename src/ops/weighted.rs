//! What linear and convolution share: the three ways a layer with weights computes.

use super::{Arithmetic, InputGrid, LayerParams, Rounder, Scratch};
use crate::kernels::conv::ConvShape;
use crate::kernels::elementwise::add;
use crate::kernels::integer::{Input, Integer, PLAIN_ID, Steps, chosen};
use crate::kernels::single::Spread;
use crate::kernels::{AddBias, Rescale, RowSink};
use crate::math::round_ties_even;
use crate::simd::LANES;
use crate::tensor::{Shape, TensorError};

/// A kernel with packed float weights `F` or packed integer weights, for the wide ones `I`.
pub(super) enum Weighted<F, I> {
    Float {
        kernel: F,
        bias: Vec<f32>,
        rounder: Option<Rounder>,
        /// Positions of the input, each with a value of every channel.
        positions: usize,
    },
    Integer {
        kernel: IntegerKernel<I>,
        bias: Vec<i32>,
        scale: Vec<f32>,
        grid: InputGrid,
    },
}

/// The kernel of an integer layer: by dot instructions, or past 16 bits by products of 32.
pub(super) enum IntegerKernel<I> {
    Dots(Box<Integer>),
    Plain(I),
}

impl<F, I> Weighted<F, I> {
    /// Packs what `params` hold: `float` and `integer` pack a row-major weight matrix of `shape` (a linear layer is a 1×1
    /// convolution of one position).
    ///
    /// The bias of an integer layer is rounded to the product of input and weight scale, half to even, and clamped to
    /// 32 bits.
    pub(super) fn new(
        shape: ConvShape,
        params: &LayerParams<'_>,
        float: impl FnOnce(&[f32]) -> F,
        integer: impl FnOnce(&[i32]) -> I,
    ) -> Self {
        let weight = params.tensors.first().map_or(&[][..], |t| t.data());
        let bias = params.tensors.get(1).map_or(&[][..], |t| t.data());
        let positions = shape.input[1] * shape.input[2];
        let floats = |kernel, rounder: Option<Rounder>| Self::Float { kernel, bias: bias.to_vec(), rounder, positions };
        match params.arithmetic {
            Arithmetic::Float | Arithmetic::Sparse | Arithmetic::Stored(_) => floats(float(weight), None),
            Arithmetic::RoundedInputs(grid) => floats(float(weight), Some(Rounder::Fixed(grid))),
            Arithmetic::DynamicInputs(grid) => floats(float(weight), Some(Rounder::Dynamic(grid))),
            Arithmetic::Integer { grid, weights, scales } => {
                let scale: Vec<f32> = scales.iter().map(|s| s * grid.scale).collect();
                let bias = bias.iter().zip(&scale).map(|(b, s)| integer_bias(*b, *s)).collect();
                let steps = Steps { scale: grid.scale, low: grid.low, high: grid.high };
                let kernel = match Integer::new(shape, steps, weights, chosen()) {
                    Some(kernel) => IntegerKernel::Dots(Box::new(kernel)),
                    None => IntegerKernel::Plain(integer(weights)),
                };
                Self::Integer { kernel, bias, scale, grid }
            }
        }
    }

    /// See [`super::Layer::kernel`]; `float` names that of float weights.
    pub(super) fn kernel(&self, float: impl FnOnce(&F) -> Option<String>) -> Option<String> {
        match self {
            Self::Float { kernel, .. } => float(kernel),
            Self::Integer { kernel: IntegerKernel::Dots(kernel), .. } => Some(kernel.id().into()),
            Self::Integer { kernel: IntegerKernel::Plain(_), .. } => Some(PLAIN_ID.into()),
        }
    }

    /// See [`super::Layer::weight_bytes`]; only float weights are counted.
    pub(super) fn bytes(&self, float: impl FnOnce(&F) -> usize) -> usize {
        match self {
            Self::Float { kernel, .. } => float(kernel),
            Self::Integer { .. } => 0,
        }
    }

    /// Runs one image through `float`; false for integer layers.
    pub(super) fn forward_one(
        &self,
        x: &[f32],
        scratch: &mut Scratch,
        float: impl FnOnce(&F, &[f32], &[f32], &mut Spread),
    ) -> bool {
        match self {
            Self::Float { kernel, bias, rounder: None, .. } => float(kernel, x, bias, &mut scratch.spread),
            Self::Float { kernel, bias, rounder: Some(rounder), positions } => {
                rounder.round(x, *positions, 1, &mut scratch.values);
                float(kernel, &scratch.values, bias, &mut scratch.spread);
            }
            Self::Integer { .. } => return false,
        }
        true
    }

    /// Whether several blocks at once are faster: weights of dot kernels are unpacked once for all of them.
    pub(super) fn takes_blocks(&self) -> bool {
        matches!(self, Self::Integer { kernel: IntegerKernel::Dots(_), .. })
    }

    /// Runs several blocks, each with its sink, where [`Weighted::takes_blocks`].
    pub(super) fn forward_blocks<T: Input>(
        &self,
        blocks: &[&[T]],
        scratch: &mut Scratch,
        sinks: &mut [&mut dyn RowSink],
    ) {
        if let Self::Integer { kernel: IntegerKernel::Dots(kernel), bias, scale, .. } = self {
            kernel.run_blocks(blocks, &mut scratch.integer, &Rescale { bias, scale }, sinks);
        }
    }

    /// See [`super::Layer::reads_codes`].
    pub(super) fn reads_codes(&self) -> Option<Steps> {
        match self {
            Self::Integer { kernel: IntegerKernel::Dots(kernel), .. } => Some(*kernel.steps()).filter(Steps::narrow),
            _ => None,
        }
    }

    /// Runs one block through `float` or `integer`.
    pub(super) fn forward(
        &self,
        x: &[f32],
        scratch: &mut Scratch,
        sink: &mut dyn RowSink,
        float: impl FnOnce(&F, &[f32], AddBias<'_>, &mut dyn RowSink),
        integer: impl FnOnce(&I, &[i32], Rescale<'_>, &mut dyn RowSink),
    ) {
        match self {
            Self::Float { kernel, bias, rounder: None, .. } => float(kernel, x, AddBias(bias), sink),
            Self::Float { kernel, bias, rounder: Some(rounder), positions } => {
                rounder.round(x, *positions, LANES, &mut scratch.values);
                float(kernel, &scratch.values, AddBias(bias), sink);
            }
            Self::Integer { kernel: IntegerKernel::Dots(kernel), bias, scale, .. } => {
                kernel.run(x, &mut scratch.integer, &Rescale { bias, scale }, sink);
            }
            Self::Integer { kernel: IntegerKernel::Plain(kernel), bias, scale, grid } => {
                grid.codes(x, &mut scratch.codes);
                integer(kernel, &scratch.codes, Rescale { bias, scale }, sink);
            }
        }
    }
}

/// `bias / scale`, rounded half to even and clamped to 32 bits. Values past 2^22 are whole numbers of halves at
/// most, so they are rounded by conversion.
pub(super) fn integer_bias(bias: f32, scale: f32) -> i32 {
    let steps = bias / scale;
    if steps.abs() < 4_194_304.0 { round_ties_even(steps) as i32 } else { steps.round_ties_even() as i32 }
}

/// The largest sum that integer inputs on `grid` and the weights of any row can reach, refused when a 32-bit
/// accumulator could not hold it.
pub(super) fn check_accumulator(
    op: &'static str,
    shape: &Shape,
    params: &LayerParams<'_>,
    taps: usize,
) -> Result<(), TensorError> {
    let Arithmetic::Integer { grid, weights, .. } = params.arithmetic else { return Ok(()) };
    let reach = u64::from(grid.low.unsigned_abs().max(grid.high.unsigned_abs()));
    let most = weights
        .chunks(taps.max(1))
        .map(|row| row.iter().map(|w| u64::from(w.unsigned_abs()) * reach).sum::<u64>())
        .max()
        .unwrap_or(0);
    if most <= i32::MAX as u64 / 2 {
        Ok(())
    } else {
        Err(TensorError::Unsupported { op, shape: shape.clone(), wanted: "sums that fit 32 bits" })
    }
}

/// Adds block `from` to block `to`, element by element.
pub(super) fn add_into(to: &mut [f32], from: &[f32]) {
    add(to.as_chunks_mut::<LANES>().0, from.as_chunks::<LANES>().0);
}

/// Checks that weight and bias have `rows × taps` and `rows` elements.
pub(super) fn check_params(op: &'static str, params: &LayerParams<'_>, wanted: &Shape) -> Result<(), TensorError> {
    match params.tensors {
        [weight, bias] if weight.shape() == wanted && bias.data().len() == wanted.dims()[0] => Ok(()),
        [weight, ..] => Err(TensorError::Mismatch { op, lhs: weight.shape().clone(), rhs: wanted.clone() }),
        [] => Err(TensorError::Unsupported { op, shape: wanted.clone(), wanted: "a weight and a bias" }),
    }
}

/// Resizes scratch to one block of `features`, zeroed.
pub(super) fn zeroed(scratch: &mut Vec<f32>, features: usize) -> &mut [f32] {
    scratch.clear();
    scratch.resize(features * LANES, 0.0);
    scratch
}
