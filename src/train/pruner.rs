//! Pruning while training: a schedule says at which step how much goes.

use super::mask::{Candidate, Pattern, Scope, select};
use super::optimizer::OptimizerState;
use super::score::{Pruning, own_scores};
use crate::math::{exp_f64, ln_f64};
use crate::models::zero_pruned;
use crate::rng::Rng;
use crate::task::Context;
use crate::tensor::Tensor;

/// When weights go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PruneSchedule {
    /// All at once, in the prune step itself.
    OneShot,
    /// More and more, by a cubic (Zhu and Gupta 2017, arXiv 1710.01878): s = s_f + (s_i − s_f)(1 − t/T)³.
    Gradual {
        /// s_i.
        from: f64,
        /// T as a share of the training's steps.
        end: f64,
        /// Steps from one pruning to the next.
        every: u32,
    },
    /// In rounds, each the same share of what is left, at the start of equal parts of the training.
    Iterative {
        /// Rounds.
        rounds: u32,
    },
    /// The whole training, then in rounds: the same share of what is left goes, and the whole training again (Frankle and Carbin
    /// 2019, arXiv 1803.03635).
    Lottery {
        /// Rounds.
        rounds: u32,
        /// Whether weights go back to what they were before the training; else only its learning rate starts again (Renda et al.
        /// 2020, arXiv 2003.02389).
        weights: bool,
    },
}

/// The share that is gone after `round` of `rounds`, each taking the same share of what is left.
fn after(share: f64, round: u64, rounds: u32) -> f64 {
    let part = round as f64 / f64::from(rounds);
    if part < 1.0 { 1.0 - exp_f64(ln_f64(1.0 - share) * part) } else { share }
}

impl PruneSchedule {
    /// How often the training is run.
    pub fn trainings(&self) -> u64 {
        match self {
            Self::Lottery { rounds, .. } => u64::from(*rounds) + 1,
            _ => 1,
        }
    }

    /// What share is to be gone before step `step` of trainings of `steps` steps each, if it changes there; `share` in the end.
    pub fn share(&self, step: u64, steps: u64, share: f64) -> Option<f64> {
        match *self {
            Self::OneShot => None,
            Self::Gradual { from, end, every } => {
                let last = (steps.saturating_sub(1) as f64 * end + 0.5) as u64;
                let due = step == last || (step < last && step.is_multiple_of(u64::from(every)));
                let left = 1.0 - step as f64 / last.max(1) as f64;
                let from = from.min(share);
                let now = if step == last { share } else { share + (from - share) * left * left * left };
                due.then_some(now)
            }
            Self::Iterative { rounds } => {
                // With fewer steps than rounds, several rounds are one.
                let starts = |round: u64| round * steps / u64::from(rounds);
                let round = (0..u64::from(rounds)).rev().find(|&round| starts(round) == step);
                round.map(|round| after(share, round + 1, rounds))
            }
            Self::Lottery { rounds, .. } => {
                let due = step > 0 && step.is_multiple_of(steps);
                due.then(|| after(share, step / steps, rounds))
            }
        }
    }
}

/// What a training prunes, and when. Masks, and scores that are summed up, are values of the training's own: they
/// stand in its checkpoints, and no gradient moves them.
#[derive(Clone)]
pub struct Pruner {
    pub(super) schedule: PruneSchedule,
    pruning: Pruning,
    pattern: Pattern,
    scope: Scope,
    /// The share that goes in the end.
    share: f64,
    /// The weights, each with its share in the end if it has one of its own.
    candidates: Vec<Candidate>,
    /// Seed and number of the streams of random scores.
    stream: (u64, u64),
    /// Where its own values begin.
    pub(super) at: usize,
}

/// The stream of parameter `index`'s random scores.
pub fn score_stream((seed, step): (u64, u64), index: usize) -> Rng {
    Rng::stream(seed, "prune", (step << 32) | index as u64)
}

impl Pruner {
    /// Prunes `candidates` to `share`, by [`Pruning::Movement`] or what [`own_scores`] gives; `stream` is seed and number of the
    /// streams of random scores.
    pub fn new(
        schedule: PruneSchedule,
        pruning: Pruning,
        (pattern, scope, share): (Pattern, Scope, f64),
        candidates: Vec<Candidate>,
        stream: (u64, u64),
    ) -> Self {
        Self { schedule, pruning, pattern, scope, share, candidates, stream, at: 0 }
    }

    /// Start of the own values: masks as 1 and 0, then sums.
    pub(super) fn own(&self) -> Vec<Vec<f32>> {
        let masks = self.candidates.iter().map(|c| c.mask.iter().map(|&kept| f32::from(u8::from(kept))).collect());
        let sums = self.candidates.iter().filter(|_| self.sums()).map(|c| vec![0.0; c.mask.len()]);
        masks.chain(sums).collect()
    }

    /// Brings `masks` up to the own values.
    pub(super) fn follow(&self, parameters: &[Tensor], masks: &mut [Option<Vec<bool>>]) {
        for (candidate, own) in self.candidates.iter().zip(&parameters[self.at..]) {
            masks[candidate.index] = Some(own.data().iter().map(|&kept| kept != 0.0).collect());
        }
    }

    fn sums(&self) -> bool {
        self.pruning == Pruning::Movement
    }

    /// Takes from `parameters` what is to go before this step. `start` are the parameters before the training.
    pub(super) async fn prune(
        &mut self,
        ctx: &Context,
        (step, steps): (u64, u64),
        parameters: &mut [Tensor],
        state: &mut OptimizerState,
        start: &[Tensor],
    ) {
        let count = self.candidates.len();
        let Some(share) = self.schedule.share(step, steps, self.share) else { return };
        let mut candidates = self.candidates.clone();
        for (i, candidate) in candidates.iter_mut().enumerate() {
            candidate.own = candidate.own.and_then(|own| self.schedule.share(step, steps, own));
            candidate.mask = parameters[self.at + i].data().iter().map(|&kept| kept != 0.0).collect();
            candidate.scores = match self.sums() {
                true => parameters[self.at + count + i].data().to_vec(),
                false => {
                    let rng = score_stream(self.stream, candidate.index);
                    own_scores(ctx, self.pruning, parameters[candidate.index].data(), rng).await
                }
            };
        }
        select(ctx, self.pattern, self.scope, share, &mut candidates).await;
        if let PruneSchedule::Lottery { weights, .. } = self.schedule {
            state.reset();
            if weights {
                parameters[..start.len()].clone_from_slice(start);
            }
        }
        for (i, Candidate { index, mask, .. }) in candidates.into_iter().enumerate() {
            zero_pruned(parameters[self.at + i].data_mut(), Some(&mask));
            zero_pruned(parameters[index].data_mut(), Some(&mask));
            state.forget(index, &mask);
        }
    }

    /// Sums up what gradients say, and gives the gradients by the own values, which are 0.
    pub(super) fn backward(&self, parameters: &mut [Tensor], gradients: &mut Vec<Tensor>) {
        let count = self.candidates.len();
        for (i, Candidate { index, .. }) in self.candidates.iter().enumerate().filter(|_| self.sums()) {
            let (weights, own) = parameters.split_at_mut(self.at);
            let sums = own[count + i].data_mut().iter_mut();
            for ((sum, w), g) in sums.zip(weights[*index].data()).zip(gradients[*index].data()) {
                *sum -= w * g;
            }
        }
        gradients.extend(parameters[self.at..].iter().map(|own| Tensor::zeros(own.shape().clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradual_schedule_is_the_cubic() {
        let schedule = PruneSchedule::Gradual { from: 0.1, end: 0.5, every: 7 };
        let last = 50u64;
        let mut due = Vec::new();
        for step in 0..101 {
            if let Some(found) = schedule.share(step, 101, 0.9) {
                let left = 1.0 - step as f64 / last as f64;
                assert!((found - (0.9 + (0.1 - 0.9) * left * left * left)).abs() < 1e-12, "step {step}");
                due.push(step);
            }
        }
        assert_eq!(due, [0, 7, 14, 21, 28, 35, 42, 49, 50]);
        assert_eq!(schedule.share(50, 101, 0.9), Some(0.9));
        // A training of one step prunes all.
        assert_eq!(schedule.share(0, 1, 0.9), Some(0.9));
    }

    #[test]
    fn rounds_take_the_same_share_of_what_is_left() {
        let shares = |schedule: PruneSchedule, steps: u64| -> Vec<(u64, f64)> {
            let all = 0..steps * schedule.trainings();
            all.filter_map(|step| Some((step, schedule.share(step, steps, 0.9)?))).collect()
        };
        for (schedule, wanted) in [
            (PruneSchedule::Iterative { rounds: 4 }, [0, 25, 50, 75]),
            (PruneSchedule::Lottery { rounds: 4, weights: true }, [100, 200, 300, 400]),
        ] {
            let found = shares(schedule, 100);
            assert_eq!(found.iter().map(|(step, _)| *step).collect::<Vec<_>>(), wanted);
            let mut left = 1.0;
            for (_, share) in &found {
                assert!(((1.0 - share) / left - 0.1f64.sqrt().sqrt()).abs() < 1e-12);
                left = 1.0 - share;
            }
            assert_eq!(found[3].1, 0.9);
        }
        // Fewer steps than rounds: the last of those that fall together.
        let found = shares(PruneSchedule::Iterative { rounds: 4 }, 2);
        assert_eq!(found.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(found[1].1, 0.9);
    }
}
