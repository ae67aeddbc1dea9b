//! Batch normalisation over the channels of an image (Ioffe and Szegedy 2015, arXiv 1502.03167).

use super::{BlockGradient, Flow, Init, Layer, LayerParams, Op, ParamSpec, RowStep, Scratch, only};
use crate::kernels::elementwise::affine;
use crate::simd::{F32x8, LANES, Lane, sum_lanes};
use crate::tensor::{Shape, TensorError};
use std::sync::OnceLock;

/// `y = scale · (x − mean) / √(variance + ε) + bias` per channel. While training, mean and (biased) variance are the
/// batch's; otherwise the running ones, which are stored as `mean` and `variance`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm;

/// ε of the paper's formula, as most toolkits have it.
pub const EPSILON: f32 = 1e-5;

struct Prepared {
    channels: usize,
    positions: usize,
    scale: Vec<f32>,
    bias: Vec<f32>,
    /// Running statistics, for inference.
    running: Statistics,
    /// The batch's, while training.
    batch: OnceLock<Statistics>,
    /// The batch's gradients, while training.
    gradients: OnceLock<GradientSums>,
}

/// Per channel: sums of the gradient and of gradient × normalised input, over `count` values.
#[derive(Default)]
struct GradientSums {
    sums: Vec<[f32; 2]>,
    count: f32,
}

#[derive(Clone)]
struct Statistics {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl Op for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let input = only(self.kind(), inputs)?;
        input.chw(self.kind()).map(|_| input.clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        let shape = Shape::new(&[only(self.kind(), inputs)?.chw(self.kind())?[0]])?;
        let spec = |name, init, trained| ParamSpec { name, shape: shape.clone(), init, trained };
        Ok(vec![
            spec("scale", Init::Ones, true),
            spec("bias", Init::Zeros, true),
            spec("mean", Init::Zeros, false),
            spec("variance", Init::Ones, false),
        ])
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let input = only(self.kind(), inputs)?;
        let [channels, height, width] = input.chw(self.kind())?;
        let [scale, bias, mean, variance] = params.tensors else {
            return Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted: "four parameters" });
        };
        for tensor in params.tensors {
            if tensor.data().len() != channels {
                return Err(TensorError::Mismatch { op: self.kind(), lhs: tensor.shape().clone(), rhs: input.clone() });
            }
        }
        Ok(Box::new(Prepared {
            channels,
            positions: height * width,
            scale: scale.data().to_vec(),
            bias: bias.data().to_vec(),
            running: Statistics { mean: mean.data().to_vec(), variance: variance.data().to_vec() },
            batch: OnceLock::new(),
            gradients: OnceLock::new(),
        }))
    }
}

impl Prepared {
    fn statistics(&self) -> &Statistics {
        self.batch.get().unwrap_or(&self.running)
    }

    fn channel<'a>(&self, block: &'a [f32], channel: usize) -> &'a [[f32; LANES]] {
        &block.as_chunks::<LANES>().0[channel * self.positions..(channel + 1) * self.positions]
    }

    /// The sum over all images and positions of what `term` adds to eight lane sums: blocks, then positions, ascending.
    fn sum(&self, blocks: usize, images: usize, mut term: impl FnMut(usize, F32x8) -> F32x8) -> f32 {
        let mut sum = F32x8::splat(0.0);
        let whole = images / LANES;
        for block in 0..whole.min(blocks) {
            sum = term(block, sum);
        }
        let mut lanes = sum.to_array();
        if !images.is_multiple_of(LANES) && whole < blocks {
            let last = term(whole, sum).to_array();
            lanes[..images % LANES].copy_from_slice(&last[..images % LANES]);
        }
        sum_lanes(lanes)
    }

    fn count(&self, images: usize) -> f32 {
        (images * self.positions) as f32
    }

    /// Slope and offset of a channel.
    fn affine(&self, channel: usize) -> (f32, f32) {
        let slope = self.scale[channel] * self.inverse(channel);
        (slope, self.bias[channel] - self.statistics().mean[channel] * slope)
    }

    /// Inverse standard deviation of a channel.
    fn inverse(&self, channel: usize) -> f32 {
        1.0 / (self.statistics().variance[channel] + EPSILON).sqrt()
    }
}

impl Layer for Prepared {
    fn observe(&self, inputs: &[&[f32]], images: usize) {
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        for channel in 0..self.channels {
            let values = |block: usize| self.channel(inputs[block], channel).iter().map(F32x8::load);
            let sum = self.sum(inputs.len(), images, |block, sum| values(block).fold(sum, F32x8::add));
            let mean = sum / self.count(images);
            let center = F32x8::splat(-mean);
            let squares = self.sum(inputs.len(), images, |block, sum| {
                values(block).map(|x| x.add(center)).fold(sum, |sum, d| sum.add(d.mul(d)))
            });
            means.push(mean);
            variances.push(squares / self.count(images));
        }
        // A layer is prepared anew for every step, so this is the first and only batch.
        self.batch.get_or_init(|| Statistics { mean: means, variance: variances });
    }

    fn observe_gradients(&self, inputs: &[&[f32]], gradients: &[&[f32]], images: usize) {
        self.gradients.get_or_init(|| {
            let channel_sums = |channel: usize| {
                let mean = F32x8::splat(-self.statistics().mean[channel]);
                let inverse = F32x8::splat(self.inverse(channel));
                let slope = |block: usize| self.channel(gradients[block], channel).iter().map(F32x8::load);
                let plain = self.sum(inputs.len(), images, |block, sum| slope(block).fold(sum, F32x8::add));
                let weighted = self.sum(inputs.len(), images, |block, sum| {
                    let normal = self.channel(inputs[block], channel).iter().map(F32x8::load);
                    normal.zip(slope(block)).fold(sum, |sum, (x, g)| sum.add(g.mul(x.add(mean).mul(inverse))))
                });
                [plain, weighted]
            };
            GradientSums { sums: (0..self.channels).map(channel_sums).collect(), count: self.count(images) }
        });
    }

    fn batch_statistics(&self) -> Vec<Vec<f32>> {
        self.batch.get().map(|batch| vec![batch.mean.clone(), batch.variance.clone()]).unwrap_or_default()
    }

    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
        let out = out.as_chunks_mut::<LANES>().0;
        for (channel, row) in out.chunks_exact_mut(self.positions).enumerate() {
            let (slope, offset) = self.affine(channel);
            affine(row, slope, offset);
        }
    }

    fn as_row_step(&self) -> Option<RowStep> {
        let (slope, offset) = (0..self.channels).map(|channel| self.affine(channel)).unzip();
        Some(RowStep::Affine { slope, offset })
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let Some(GradientSums { sums, count }) = self.gradients.get() else { return };
        let grad = grads[0].as_chunks_mut::<LANES>().0;
        for channel in 0..self.channels {
            let inverse = self.inverse(channel);
            let slope = self.scale[channel] * inverse;
            let mean = self.statistics().mean[channel];
            let [plain, weighted] = sums[channel].map(|sum| sum / count);
            let cells = &mut grad[channel * self.positions..(channel + 1) * self.positions];
            let inputs = self.channel(block.inputs[0], channel).iter().zip(self.channel(block.gradient, channel));
            for (cell, (x, gradient)) in cells.iter_mut().zip(inputs) {
                let normal = F32x8::load(x).minus(F32x8::splat(mean)).mul(F32x8::splat(inverse));
                let own = F32x8::load(gradient).minus(F32x8::splat(plain)).minus(normal.mul(F32x8::splat(weighted)));
                F32x8::load(cell).add(F32x8::splat(slope).mul(own)).store(cell);
                // Lanes without an image had no part in the means and get no gradient.
                cell[block.images..].fill(0.0);
            }
        }
    }

    fn gradient_tiles(&self) -> Vec<(usize, usize)> {
        vec![(0, self.channels)]
    }

    fn backward_rows(&self, _: &[&[f32]], _: &[&[f32]], first: usize, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let (Some(gradients), [scale, bias, ..]) = (self.gradients.get(), grads) else { return };
        for ((scale, bias), [plain, weighted]) in scale.iter_mut().zip(bias.iter_mut()).zip(&gradients.sums[first..]) {
            (*bias, *scale) = (*plain, *weighted);
        }
    }
}
