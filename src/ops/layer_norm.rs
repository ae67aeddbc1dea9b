//! Layer normalisation over the channels of each position (Ba, Kiros and Hinton 2016, arXiv 1607.06450).

use super::{BlockGradient, Init, Layer, LayerParams, Op, ParamSpec, Scratch, only};
use crate::simd::{F32x8, LANES, Lane, sum_lanes};
use crate::tensor::{Shape, TensorError};

/// `y = scale · (x − mean) / √(variance + ε) + bias`, mean and variance over the channels of one position, channels ascending.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm;

/// ε as most toolkits have it.
pub const EPSILON: f32 = 1e-5;

struct Prepared {
    channels: usize,
    positions: usize,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

/// Mean and inverse standard deviation of one position, by lane.
struct Moments {
    /// −mean.
    center: F32x8,
    inverse: F32x8,
}

impl Op for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let input = only(self.kind(), inputs)?;
        input.chw(self.kind()).map(|_| input.clone())
    }

    fn params(&self, inputs: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        let shape = Shape::new(&[only(self.kind(), inputs)?.chw(self.kind())?[0]])?;
        let spec = |name, init| ParamSpec { name, shape: shape.clone(), init, trained: true };
        Ok(vec![spec("scale", Init::Ones), spec("bias", Init::Zeros)])
    }

    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let input = only(self.kind(), inputs)?;
        let [channels, height, width] = input.chw(self.kind())?;
        match params.tensors {
            [scale, bias] if scale.data().len() == channels && bias.data().len() == channels => {
                let (scale, bias) = (scale.data().to_vec(), bias.data().to_vec());
                Ok(Box::new(Prepared { channels, positions: height * width, scale, bias }))
            }
            _ => Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted: "a scale and a bias" }),
        }
    }
}

impl Prepared {
    /// The value of every channel at `position`.
    fn column<'a>(&self, block: &'a [f32], position: usize) -> impl Iterator<Item = F32x8> + 'a {
        block.as_chunks::<LANES>().0.iter().skip(position).step_by(self.positions).map(F32x8::load)
    }

    fn moments(&self, block: &[f32], position: usize) -> Moments {
        let share = F32x8::splat(1.0 / self.channels as f32);
        let sum = self.column(block, position).fold(F32x8::splat(0.0), F32x8::add);
        let center = sum.mul(share).mul(F32x8::splat(-1.0));
        let squares = self.column(block, position).fold(F32x8::splat(0.0), |sum, x| {
            let d = x.add(center);
            sum.add(d.mul(d))
        });
        let inverse = squares.mul(share).to_array().map(|variance| 1.0 / (variance + EPSILON).sqrt());
        Moments { center, inverse: F32x8::load(&inverse) }
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let out = out.as_chunks_mut::<LANES>().0;
        for position in 0..self.positions {
            let Moments { center, inverse } = self.moments(inputs[0], position);
            for (channel, x) in self.column(inputs[0], position).enumerate() {
                let normal = x.add(center).mul(inverse);
                let y = normal.mul(F32x8::splat(self.scale[channel])).add(F32x8::splat(self.bias[channel]));
                y.store(&mut out[channel * self.positions + position]);
            }
        }
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) -> bool {
        let share = 1.0 / self.channels as f32;
        for position in 0..self.positions {
            let column = || inputs[0].iter().skip(position).step_by(self.positions);
            let center = -(column().fold(0.0, |sum, x| sum + x) * share);
            let squares = column().fold(0.0, |sum, x| sum + (x + center) * (x + center));
            let inverse = 1.0 / (squares * share + EPSILON).sqrt();
            for (channel, x) in column().enumerate() {
                let y = (x + center) * inverse * self.scale[channel] + self.bias[channel];
                out[channel * self.positions + position] = y;
            }
        }
        true
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let grad = grads[0].as_chunks_mut::<LANES>().0;
        let share = F32x8::splat(-1.0 / self.channels as f32);
        for position in 0..self.positions {
            let Moments { center, inverse } = self.moments(block.inputs[0], position);
            let terms = || {
                let scaled = self.column(block.gradient, position).zip(&self.scale);
                let scaled = scaled.map(|(gradient, &scale)| gradient.mul(F32x8::splat(scale)));
                self.column(block.inputs[0], position).map(|x| x.add(center).mul(inverse)).zip(scaled)
            };
            let zero = F32x8::splat(0.0);
            let (plain, weighted) = terms().fold((zero, zero), |(plain, weighted), (normal, gradient)| {
                (plain.add(gradient), weighted.add(gradient.mul(normal)))
            });
            let (plain, weighted) = (plain.mul(share), weighted.mul(share));
            for (channel, (normal, gradient)) in terms().enumerate() {
                let cell = &mut grad[channel * self.positions + position];
                let by = gradient.add(plain).add(normal.mul(weighted)).mul(inverse);
                F32x8::load(cell).add(by).store(cell);
            }
        }
    }

    fn gradient_tiles(&self) -> Vec<(usize, usize)> {
        vec![(0, self.channels)]
    }

    fn backward_rows(
        &self,
        inputs: &[&[f32]],
        gradients: &[&[f32]],
        _: usize,
        grads: &mut [&mut [f32]],
        _: &mut Scratch,
    ) {
        let [scale, bias] = grads else { return };
        let mut sums = vec![[F32x8::splat(0.0); 2]; self.channels];
        for (input, gradient) in inputs.iter().zip(gradients) {
            for position in 0..self.positions {
                let Moments { center, inverse } = self.moments(input, position);
                let pairs = self.column(input, position).zip(self.column(gradient, position));
                for ([scale, bias], (x, gradient)) in sums.iter_mut().zip(pairs) {
                    *scale = scale.add(gradient.mul(x.add(center).mul(inverse)));
                    *bias = bias.add(gradient);
                }
            }
        }
        for ((scale, bias), [by_scale, by_bias]) in scale.iter_mut().zip(bias.iter_mut()).zip(sums) {
            (*scale, *bias) = (sum_lanes(by_scale.to_array()), sum_lanes(by_bias.to_array()));
        }
    }
}
