//! How parameters follow gradients.

use crate::tensor::Tensor;

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum: v = μ·v + g; p −= lr·v (Sutskever et al. 2013, heavy-ball form).
    Sgd {
        /// μ.
        momentum: f64,
    },
    /// Adam with bias correction, β₁ = 0.9, β₂ = 0.999, ε = 1e-8 (Kingma and Ba 2015, arXiv 1412.6980).
    Adam,
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Moments of every parameter, and the powers of β for bias correction.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState {
    rule: Optimizer,
    /// First moments (velocity for SGD).
    pub first: Vec<Tensor>,
    /// Second moments; empty for SGD.
    pub second: Vec<Tensor>,
    /// β₁ and β₂ to the power of the steps taken.
    pub powers: [f64; 2],
}

impl OptimizerState {
    /// Zero moments for these parameters.
    pub fn new(rule: Optimizer, parameters: &[Tensor]) -> Self {
        let zeros = || parameters.iter().map(|p| Tensor::zeros(p.shape().clone())).collect::<Vec<_>>();
        let second = if rule == Optimizer::Adam { zeros() } else { Vec::new() };
        Self { rule, first: zeros(), second, powers: [1.0; 2] }
    }

    /// One step at learning rate `lr`.
    pub fn update(&mut self, parameters: &mut [Tensor], gradients: &[Tensor], lr: f32) {
        match self.rule {
            Optimizer::Sgd { momentum } => {
                let momentum = momentum as f32;
                for ((parameter, gradient), velocity) in parameters.iter_mut().zip(gradients).zip(&mut self.first) {
                    let cells = parameter.data_mut().iter_mut().zip(gradient.data()).zip(velocity.data_mut());
                    for ((p, g), v) in cells {
                        *v = momentum * *v + g;
                        *p -= lr * *v;
                    }
                }
            }
            Optimizer::Adam => {
                self.powers[0] *= f64::from(BETA1);
                self.powers[1] *= f64::from(BETA2);
                let correct = [1.0 - self.powers[0], 1.0 - self.powers[1]].map(|c| 1.0 / c as f32);
                let moments = self.first.iter_mut().zip(&mut self.second);
                for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments) {
                    let moments = first.data_mut().iter_mut().zip(second.data_mut());
                    for ((p, g), (m, v)) in parameter.data_mut().iter_mut().zip(gradient.data()).zip(moments) {
                        *m = BETA1 * *m + (1.0 - BETA1) * g;
                        *v = BETA2 * *v + (1.0 - BETA2) * (g * g);
                        *p -= lr * (*m * correct[0]) / ((*v * correct[1]).sqrt() + EPSILON);
                    }
                }
            }
        }
    }
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
        let mut state = OptimizerState::new(Optimizer::Adam, &p);
        state.update(&mut p, &one(-123.0), 0.01);
        assert!((p[0].data()[0] - 1.01).abs() < 1e-5);
    }

    #[test]
    fn momentum_adds_up() {
        let mut p = one(0.0);
        let mut state = OptimizerState::new(Optimizer::Sgd { momentum: 0.5 }, &p);
        state.update(&mut p, &one(1.0), 0.1);
        state.update(&mut p, &one(1.0), 0.1);
        assert!((p[0].data()[0] + 0.25).abs() < 1e-6);
    }
}
