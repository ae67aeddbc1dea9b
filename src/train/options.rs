//! What a training is told.

use super::{Exchange, Optimizer, Precision};
use crate::graph::Graph;
use crate::math::cos;

/// How the learning rate runs over the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// The same at every step.
    Constant,
    /// Half a cosine from the rate to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts).
    Cosine,
    /// Half a cosine up from 1/25 of the rate during the first 30 % of the steps, then half a one down to 1/250,000 of it (Smith and
    /// Topin 2018, arXiv 1708.07120).
    OneCycle,
    /// A tenth of it from half of the steps on, a hundredth from three quarters on (He et al. 2016, arXiv 1512.03385).
    Step,
}

/// What a training step is told.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images of one step.
    pub batch: u32,
    /// How parameters follow gradients.
    pub optimizer: Optimizer,
    /// Learning rate at the start; with [`Schedule::OneCycle`] the greatest.
    pub lr: f64,
    /// How it runs.
    pub schedule: Schedule,
    /// Added to each gradient, times the parameter (L2); with AdamW taken off the parameter, times the rate.
    pub weight_decay: f64,
    /// The share of each label that is spread evenly over all classes (Szegedy et al. 2016, arXiv 1512.00567).
    pub label_smoothing: f64,
    /// Whether images are mirrored left to right at random.
    pub flip: bool,
    /// Images are moved by up to so many pixels each way at random; what comes in is 0.
    pub shift: u32,
    /// Epochs without a lower validation loss after which the training ends, with the parameters of the lowest; 0: it goes on.
    pub patience: u32,
    /// The optimizer's ε, where it has one.
    pub epsilon: f64,
    /// Numbers of fewer bits; `None`: all is f32.
    pub precision: Option<Precision>,
    /// Several workers and what they send; `None`: one.
    pub exchange: Option<Exchange>,
    /// Whether the training is written down step by step.
    pub record: bool,
}

/// Where the peak of [`Schedule::OneCycle`] is, what the rate starts at, and what it ends at, as parts of it.
const ONE_CYCLE: (f64, f64, f64) = (0.3, 1.0 / 25.0, 1.0 / 250_000.0);

impl TrainOptions {
    /// Steps of one epoch over `images`; the last may be smaller.
    pub fn steps_per_epoch(&self, images: usize) -> u64 {
        (images as u64).div_ceil(u64::from(self.batch))
    }

    /// Multiply-adds the training will take, about: forward once, backward twice.
    pub fn macs(&self, graph: &Graph, images: usize) -> u64 {
        3 * graph.macs() * images as u64 * u64::from(self.epochs)
    }

    /// The rate of step `step` of `steps`.
    pub(super) fn rate(&self, step: u64, steps: u64) -> f32 {
        let share = step as f64 / steps.max(1) as f64;
        // From `from` to `to` along half a cosine, at `share` of the way.
        let half = |from: f64, to: f64, share: f64| to + (from - to) * 0.5 * (1.0 + cos(std::f64::consts::PI * share));
        match self.schedule {
            Schedule::Constant => self.lr as f32,
            Schedule::Cosine => {
                let angle = std::f64::consts::PI * step as f64 / steps.max(1) as f64;
                (self.lr * 0.5 * (1.0 + cos(angle))) as f32
            }
            Schedule::OneCycle => {
                let (peak, start, end) = ONE_CYCLE;
                let part = if share < peak {
                    half(start, 1.0, share / peak)
                } else {
                    half(1.0, end, (share - peak) / (1.0 - peak))
                };
                (self.lr * part) as f32
            }
            Schedule::Step => {
                let part = if share < 0.5 {
                    1.0
                } else if share < 0.75 {
                    0.1
                } else {
                    0.01
                };
                (self.lr * part) as f32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_run_as_their_papers_say() {
        let rates = |schedule| {
            let options = TrainOptions {
                epochs: 1,
                batch: 1,
                optimizer: Optimizer::Adam { decoupled: false },
                lr: 0.5,
                schedule,
                weight_decay: 0.0,
                label_smoothing: 0.0,
                flip: false,
                shift: 0,
                patience: 0,
                epsilon: 1e-8,
                precision: None,
                exchange: None,
                record: false,
            };
            (0..=100).map(|step| options.rate(step, 100)).collect::<Vec<f32>>()
        };
        assert!(rates(Schedule::Constant).iter().all(|rate| *rate == 0.5));
        let step = rates(Schedule::Step);
        assert_eq!([step[0], step[49], step[50], step[75]], [0.5, 0.5, 0.05, 0.005]);
        let cosine = rates(Schedule::Cosine);
        assert!((cosine[50] - 0.25).abs() < 1e-6 && cosine[100].abs() < 1e-6);
        let cycle = rates(Schedule::OneCycle);
        assert!((cycle[0] - 0.02).abs() < 1e-6 && (cycle[30] - 0.5).abs() < 1e-6 && (cycle[100] - 2e-6).abs() < 1e-6);
        assert!(cycle[..31].is_sorted() && cycle[30..].is_sorted_by(|a, b| a >= b));
    }
}
