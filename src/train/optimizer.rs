//! How parameters follow gradients.

use crate::models::zero_pruned;
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::Tensor;

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum: v = μ·v + g; p −= lr·v (Sutskever et al. 2013, heavy-ball form).
    Sgd {
        /// μ.
        momentum: f64,
        /// Whether the step looks ahead, p −= lr·(g + μ·v), as Nesterov's does (Sutskever et al. 2013).
        nesterov: bool,
    },
    /// Adam with bias correction, β₁ = 0.9, β₂ = 0.999, ε = 1e-8 (Kingma and Ba 2015, arXiv 1412.6980).
    Adam {
        /// Whether weight decay is taken off the parameters and not put into the gradients (Loshchilov and Hutter 2019, AdamW,
        /// arXiv 1711.05101).
        decoupled: bool,
    },
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;

/// Moments of every parameter, and the powers of β for bias correction.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    rule: Optimizer,
    epsilon: f32,
    /// First moments (velocity for SGD).
    pub first: Vec<Tensor>,
    /// Second moments; empty for SGD.
    pub second: Vec<Tensor>,
    /// β₁ and β₂ to the power of the steps taken.
    pub powers: [f64; 2],
}

impl OptimizerState {
    /// Zero moments for these parameters; ε is Adam's.
    pub fn new(rule: Optimizer, epsilon: f64, parameters: &[Tensor]) -> Self {
        let zeros = || parameters.iter().map(|p| Tensor::zeros(p.shape().clone())).collect::<Vec<_>>();
        let second = if matches!(rule, Optimizer::Adam { .. }) { zeros() } else { Vec::new() };
        Self { rule, epsilon: epsilon as f32, first: zeros(), second, powers: [1.0; 2] }
    }

    /// As it was before the first step.
    pub fn reset(&mut self) {
        self.first.iter_mut().chain(&mut self.second).for_each(|moments| moments.data_mut().fill(0.0));
        self.powers = [1.0; 2];
    }

    /// Zero moments for what `mask` says is pruned of parameter `index`.
    pub fn forget(&mut self, index: usize, mask: &[bool]) {
        let moments = self.first.get_mut(index).into_iter().chain(self.second.get_mut(index));
        moments.for_each(|moments| zero_pruned(moments.data_mut(), Some(mask)));
    }

    /// One step at learning rate `lr`.
    pub fn update(&mut self, parameters: &mut [Tensor], gradients: &[Tensor], lr: f32) {
        match self.rule {
            Optimizer::Sgd { momentum, nesterov } => {
                let momentum = momentum as f32;
                for ((parameter, gradient), velocity) in parameters.iter_mut().zip(gradients).zip(&mut self.first) {
                    let cells = parameter.data_mut().iter_mut().zip(gradient.data()).zip(velocity.data_mut());
                    for ((p, g), v) in cells {
                        *v = momentum * *v + g;
                        *p -= lr * if nesterov { g + momentum * *v } else { *v };
                    }
                }
            }
            Optimizer::Adam { .. } => {
                self.powers[0] *= f64::from(BETA1);
                self.powers[1] *= f64::from(BETA2);
                let correct = [1.0 - self.powers[0], 1.0 - self.powers[1]].map(|c| 1.0 / c as f32);
                let moments = self.first.iter_mut().zip(&mut self.second);
                for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments) {
                    let (first, first_rest) = first.data_mut().as_chunks_mut::<LANES>();
                    let (second, second_rest) = second.data_mut().as_chunks_mut::<LANES>();
                    let (values, values_rest) = parameter.data_mut().as_chunks_mut::<LANES>();
                    let (gradient, gradient_rest) = gradient.data().as_chunks::<LANES>();
                    let moments = first.iter_mut().zip(second);
                    for ((p, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
                        adam(p, g, m, v, (correct, lr, self.epsilon));
                    }
                    // What is left of the last vector, beside zeros.
                    let rests: [&mut [f32]; 3] = [values_rest, first_rest, second_rest];
                    let [mut p, mut m, mut v] = [&rests[0], &rests[1], &rests[2]].map(|rest| padded(rest));
                    adam(&mut p, &padded(gradient_rest), &mut m, &mut v, (correct, lr, self.epsilon));
                    for (rest, whole) in rests.into_iter().zip([p, m, v]) {
                        rest.copy_from_slice(&whole[..rest.len()]);
                    }
                }
            }
        }
    }
}

/// Fewer than eight values and zeros behind them.
fn padded(rest: &[f32]) -> [f32; LANES] {
    std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0.0))
}

/// `m = β₁·m + (1 − β₁)·g`, `v = β₂·v + (1 − β₂)·(g·g)`, `p −= lr·(m·c₁) / (√(v·c₂) + ε)`.
#[inline(always)]
fn adam(
    p: &mut [f32; LANES],
    g: &[f32; LANES],
    m: &mut [f32; LANES],
    v: &mut [f32; LANES],
    (correct, lr, epsilon): ([f32; 2], f32, f32),
) {
    let [beta1, rest1, beta2, rest2] = [BETA1, 1.0 - BETA1, BETA2, 1.0 - BETA2].map(F32x8::splat);
    let g = F32x8::load(g);
    let first = beta1.mul(F32x8::load(m)).add(rest1.mul(g));
    let second = beta2.mul(F32x8::load(v)).add(rest2.mul(g.mul(g)));
    let step = F32x8::splat(lr).mul(first.mul(F32x8::splat(correct[0])));
    let size = second.mul(F32x8::splat(correct[1])).sqrt().add(F32x8::splat(epsilon));
    F32x8::load(p).minus(step.over(size)).store(p);
    first.store(m);
    second.store(v);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Shape;

    fn one(value: f32) -> Vec<Tensor> {
        vec![Tensor::new(Shape::new(&[1]).unwrap(), vec![value]).unwrap()]
    }

    #[test]
    fn adams_first_step_has_the_size_of_the_rate() {
        let mut p = one(1.0);
        let mut state = OptimizerState::new(Optimizer::Adam { decoupled: false }, 1e-8, &p);
        state.update(&mut p, &one(-123.0), 0.01);
        assert!((p[0].data()[0] - 1.01).abs() < 1e-5);
    }

    #[test]
    fn momentum_adds_up() {
        let mut p = one(0.0);
        let mut state = OptimizerState::new(Optimizer::Sgd { momentum: 0.5, nesterov: false }, 1e-8, &p);
        state.update(&mut p, &one(1.0), 0.1);
        state.update(&mut p, &one(1.0), 0.1);
        assert!((p[0].data()[0] + 0.25).abs() < 1e-6);
    }

    #[test]
    fn nesterov_looks_ahead_by_the_momentum() {
        let mut p = one(0.0);
        let mut state = OptimizerState::new(Optimizer::Sgd { momentum: 0.5, nesterov: true }, 1e-8, &p);
        // v = 1, so 1 + 0.5·1; then v = 1.5, so 1 + 0.5·1.5.
        state.update(&mut p, &one(1.0), 0.1);
        assert!((p[0].data()[0] + 0.15).abs() < 1e-6);
        state.update(&mut p, &one(1.0), 0.1);
        assert!((p[0].data()[0] + 0.325).abs() < 1e-6);
    }
}
