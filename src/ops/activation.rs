//! Activations that work element by element, other than ReLU.

use super::{BlockGradient, Flow, Layer, LayerParams, Op, RowStep, Scratch, only};
use crate::kernels::elementwise::update;
use crate::math::{exp, tanh};
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};
use std::sync::Arc;

/// A function of one element. NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `min(max(x, 0), 6)` (Howard et al. 2017, arXiv 1704.04861). Gradient 0 at both ends.
    Relu6,
    /// `x` above zero, `slope · x` below (Maas, Hannun and Ng 2013).
    LeakyRelu {
        /// The slope below zero.
        slope: f32,
    },
    /// `x · relu6(x + 3) / 6` (Howard et al. 2019, arXiv 1905.02244).
    HardSwish,
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `½x (1 + tanh(√(2/π) (x + 0.044715 x³)))`, the tanh form of Hendrycks and Gimpel 2016 (arXiv 1606.08415).
    Gelu,
    /// `x` of a magnitude of `least` or more, else 0; the slope is 1 where `x` stays and 0 where it goes (Kurtz et al. 2020, FATReLU,
    /// there of ReLUs).
    Threshold {
        /// The least magnitude that stays.
        least: f32,
    },
}

/// √(2/π).
const GELU_SCALE: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

impl Activation {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        match self {
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => tanh(x),
            Self::Gelu => 0.5 * x * (1.0 + tanh(GELU_SCALE * (x + GELU_CUBE * x * x * x))),
            Self::Threshold { least } => {
                if x.abs() < least {
                    0.0
                } else {
                    x
                }
            }
        }
    }

    /// [`Self::value`] of every element in place.
    pub(super) fn update(self, row: &mut [[f32; LANES]]) {
        let [zero, three, six] = [0.0, 3.0, 6.0].map(F32x8::splat);
        match self {
            Self::Relu6 => update(row, |x| x.pick_max(zero).pick_min(six)),
            Self::HardSwish => update(row, |x| x.mul(x.add(three).pick_max(zero).pick_min(six)).over(six)),
            _ => row.as_flattened_mut().iter_mut().for_each(|x| *x = self.value(*x)),
        }
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        match self {
            Self::Relu6 => f32::from(u8::from(x > 0.0 && x < 6.0)),
            Self::LeakyRelu { slope } => {
                if x > 0.0 {
                    1.0
                } else {
                    slope
                }
            }
            Self::HardSwish if x <= -3.0 => 0.0,
            Self::HardSwish if x >= 3.0 => 1.0,
            Self::HardSwish => (2.0 * x + 3.0) / 6.0,
            Self::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Self::Tanh => 1.0 - tanh(x) * tanh(x),
            Self::Threshold { least } => f32::from(u8::from(x.abs() >= least)),
            Self::Gelu => {
                let inner = tanh(GELU_SCALE * (x + GELU_CUBE * x * x * x));
                let inner_slope = GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * x * x);
                0.5 * (1.0 + inner) + 0.5 * x * (1.0 - inner * inner) * inner_slope
            }
        }
    }
}

impl Op for Activation {
    fn kind(&self) -> &'static str {
        match self {
            Self::Relu6 => "relu6",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::HardSwish => "hard_swish",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Gelu => "gelu",
            Self::Threshold { .. } => "threshold",
        }
    }

    fn constants(&self) -> Option<&[f32]> {
        match self {
            Self::Threshold { least } => Some(std::slice::from_ref(least)),
            _ => None,
        }
    }

    fn with_constants(&self, values: Vec<f32>) -> Option<Arc<dyn Op>> {
        match values[..] {
            [least] if self.constants().is_some() && least >= 0.0 => Some(Arc::new(Self::Threshold { least })),
            _ => None,
        }
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        only(self.kind(), inputs).cloned()
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, _: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(*self))
    }
}

impl Layer for Activation {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
        self.update(out.as_chunks_mut::<LANES>().0);
    }

    fn as_row_step(&self) -> Option<RowStep> {
        Some(RowStep::Activate(*self))
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        for ((grad, &x), &gradient) in grads[0].iter_mut().zip(block.inputs[0]).zip(block.gradient) {
            *grad += self.slope(x) * gradient;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Activation::{Gelu, HardSwish, LeakyRelu, Relu6, Sigmoid, Tanh, Threshold};

    #[test]
    fn known_values() {
        let near = |found: f32, wanted: f32| assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
        near(Relu6.value(7.5), 6.0);
        near(LeakyRelu { slope: 0.1 }.value(-2.0), -0.2);
        near(HardSwish.value(1.0), 4.0 / 6.0);
        near(Sigmoid.value(0.0), 0.5);
        near(Tanh.value(0.5), 0.462_117_16);
        near(Gelu.value(1.0), 0.841_192);
        near(Gelu.value(-1.0), -0.158_808);
        near(Threshold { least: 0.5 }.value(-0.499), 0.0);
        near(Threshold { least: 0.5 }.value(-0.5), -0.5);
    }
}
