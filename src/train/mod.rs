//! Training: loss, optimizers, the loop, checkpoints. The same bits whatever the number of threads or the budget.

mod backprop;
mod checkpoint;
mod estimator;
mod loss;
mod mask;
mod optimizer;
mod parallel;
mod pruner;
mod score;
mod view;

pub use backprop::{Batch, Gradients, Workspace, backprop, backprop_in};
pub use checkpoint::{Checkpoint, Position};
pub use estimator::Estimator;
pub use loss::{ImageLoss, softmax, softmax_cross_entropy};
pub use mask::{Candidate, Pattern, Scope, select, select_macs};
pub use optimizer::{Optimizer, OptimizerState};
pub use pruner::{PruneSchedule, Pruner, score_stream};
pub use score::{Pruning, own_scores};
pub use view::View;

use crate::data::Images;
use crate::error::CoreError;
use crate::graph::Graph;
use crate::math::cos;
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use crate::tensor::Tensor;

/// How the learning rate runs over the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same at every step.
    Constant,
    /// Half a cosine from the rate to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts).
    Cosine,
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
    /// Learning rate at the start.
    pub lr: f64,
    /// How it runs.
    pub schedule: Schedule,
    /// Added to each gradient, times the parameter (L2).
    pub weight_decay: f64,
    /// Whether images are mirrored left to right at random.
    pub flip: bool,
    /// Images are moved by up to so many pixels each way at random; what comes in is 0.
    pub shift: u32,
}

/// How far running statistics move towards a batch's at each step.
const STATISTICS_MOMENTUM: f32 = 0.1;

impl TrainOptions {
    /// Steps of one epoch over `images`; the last may be smaller.
    pub fn steps_per_epoch(&self, images: usize) -> u64 {
        (images as u64).div_ceil(u64::from(self.batch))
    }

    /// Multiply-adds the training will take, about: forward once, backward twice.
    pub fn macs(&self, graph: &Graph, images: usize) -> u64 {
        3 * graph.macs() * images as u64 * u64::from(self.epochs)
    }

    fn rate(&self, step: u64, steps: u64) -> f32 {
        match self.schedule {
            Schedule::Constant => self.lr as f32,
            Schedule::Cosine => {
                let angle = std::f64::consts::PI * step as f64 / steps.max(1) as f64;
                (self.lr * 0.5 * (1.0 + cos(angle))) as f32
            }
        }
    }
}

/// One training: the same inputs give the same bits.
pub struct Training<'a> {
    /// Budget and progress.
    pub ctx: &'a Context,
    /// The network.
    pub graph: &'a Graph,
    /// What it learns from.
    pub images: &'a Images,
    /// How.
    pub options: &'a TrainOptions,
    /// Seed of the random streams.
    pub seed: u64,
    /// Names the training in its checkpoints.
    pub key: &'a str,
    /// A checkpoint with the same key to go on from: gives the bits of a run that was never interrupted.
    pub resume: Option<&'a Checkpoint>,
}

/// Trains `parameters` in place, seen through `view`. Returns the mean loss of each epoch, every image before the step that used it.
///
/// # Errors
/// `checksum` when the checkpoint does not fit; `internal` when parameters do not fit the graph.
pub async fn train(
    training: Training<'_>,
    view: &mut View,
    network_parameters: &mut Vec<Tensor>,
) -> Result<Vec<f64>, CoreError> {
    let Training { ctx, graph, images, options, seed, key, resume } = training;
    ctx.enter(Phase::Train);
    ctx.clear_losses();
    let count = network_parameters.len();
    network_parameters.extend_from_slice(view.own());
    let parameters = network_parameters.as_mut_slice();
    let mut state = OptimizerState::new(options.optimizer, parameters);
    let steps_per_epoch = options.steps_per_epoch(images.len());
    let steps = steps_per_epoch * u64::from(options.epochs);
    // A schedule of pruning may train several times, and start each time from where the first began.
    let start = if view.trainings() > 1 { parameters[..count].to_vec() } else { Vec::new() };
    let mut at = Position::default();
    if let Some(checkpoint) = resume {
        at = checkpoint.restore(key, parameters, &mut state)?;
        ctx.tick(at.step * 3 * graph.macs() * u64::from(options.batch)).await;
    }
    let mut last_checkpoint = ctx.progress().0;
    let mut order = (u64::MAX, Vec::new());
    let mut workspace = Workspace::default();
    while at.step < steps * view.trainings() {
        view.prune(ctx, (at.step, steps), parameters, &mut state, &start).await;
        let epoch = at.step / steps_per_epoch;
        if order.0 != epoch {
            order = (epoch, Rng::stream(seed, "shuffle", epoch).permutation(images.len()));
        }
        let first = (at.step % steps_per_epoch) as usize * options.batch as usize;
        let chosen = &order.1[first..images.len().min(first + options.batch as usize)];
        let batch = make_batch(images, chosen, options, seed, at.step, &mut workspace);
        view.follow(ctx, Some(at.step), parameters).await;
        let seen = view.see(ctx, &parameters[..count]).await;
        let seen: Vec<&Tensor> =
            seen.iter().zip(&*parameters).map(|(seen, own)| seen.as_ref().unwrap_or(own)).collect();
        let mut gradients = backprop_in(ctx, graph, &seen, view.inputs(), batch, &mut workspace).await?;
        view.backward(parameters, &mut gradients, options.weight_decay as f32)?;
        at.epoch_loss += gradients.loss;
        ctx.report_loss(gradients.loss / (chosen.len() * images.positions()) as f64);
        if options.weight_decay > 0.0 {
            let untrained =
                |i: usize| view.shares(i) || gradients.statistics.iter().any(|(untrained, _)| *untrained == i);
            let pairs = gradients.parameters.iter_mut().zip(&parameters[..count]).enumerate();
            for (gradient, parameter) in pairs.filter(|(i, _)| !untrained(*i)).map(|(_, pair)| pair) {
                for (g, p) in gradient.data_mut().iter_mut().zip(parameter.data()) {
                    *g += options.weight_decay as f32 * p;
                }
            }
        }
        state.update(parameters, &gradients.parameters, options.rate(at.step % steps, steps));
        view.project(&mut parameters[..count]);
        for (parameter, batch) in &gradients.statistics {
            for (running, value) in parameters[*parameter].data_mut().iter_mut().zip(batch) {
                *running += STATISTICS_MOMENTUM * (value - *running);
            }
        }
        at.step += 1;
        if at.step.is_multiple_of(steps_per_epoch) {
            at.epochs.push(at.epoch_loss / (images.len() * images.positions()) as f64);
            at.epoch_loss = 0.0;
        }
        if ctx.progress().0 - last_checkpoint >= ctx.checkpoint_macs {
            last_checkpoint = ctx.progress().0;
            ctx.save_checkpoint(Checkpoint::save(key, &at, parameters, &state)?);
        }
    }
    view.follow(ctx, None, parameters).await;
    network_parameters.truncate(count);
    Ok(at.epochs)
}

fn make_batch(
    images: &Images,
    chosen: &[u32],
    options: &TrainOptions,
    seed: u64,
    step: u64,
    workspace: &mut Workspace,
) -> Batch {
    let features = images.features();
    let [_, height, width] = images.shape();
    let (mut flips, mut shifts) = (Rng::stream(seed, "flip", step), Rng::stream(seed, "shift", step));
    let blocks = chosen
        .chunks(LANES)
        .zip(workspace.take(chosen.len().div_ceil(LANES), features * LANES))
        .map(|(chunk, mut block)| {
            images.fill(chunk.iter().map(|&i| i as usize), &mut block);
            for lane in 0..chunk.len() {
                if options.flip && flips.next_u64() & 1 == 1 {
                    mirror_lane(&mut block, lane, width);
                }
                if options.shift > 0 {
                    let mut draw = || shifts.below(2 * u64::from(options.shift) + 1) as isize - options.shift as isize;
                    let by = [draw(), draw()];
                    shift_lane(&mut block, lane, [height, width], by);
                }
            }
            block
        })
        .collect();
    Batch { blocks, labels: chosen.iter().flat_map(|&i| images.labels(i as usize)).copied().collect() }
}

/// Mirrors every row of one image left to right.
fn mirror_lane(block: &mut [f32], lane: usize, width: usize) {
    for row in block.as_chunks_mut::<LANES>().0.chunks_exact_mut(width) {
        for x in 0..width / 2 {
            let (left, right) = (row[x][lane], row[width - 1 - x][lane]);
            (row[x][lane], row[width - 1 - x][lane]) = (right, left);
        }
    }
}

/// Moves one image down and right by `by` pixels; what comes in is 0.
fn shift_lane(block: &mut [f32], lane: usize, [height, width]: [usize; 2], by: [isize; 2]) {
    for channel in block.as_chunks_mut::<LANES>().0.chunks_exact_mut(height * width) {
        let image: Vec<f32> = channel.iter().map(|lanes| lanes[lane]).collect();
        for y in 0..height {
            for x in 0..width {
                let from = (y.checked_add_signed(-by[0]), x.checked_add_signed(-by[1]));
                channel[y * width + x][lane] = match from {
                    (Some(y), Some(x)) if y < height && x < width => image[y * width + x],
                    _ => 0.0,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn augmentation_moves_one_lane_alone() {
        let mut block: Vec<f32> = (0..6 * LANES).map(|i| i as f32).collect();
        let before = block.clone();
        mirror_lane(&mut block, 2, 3);
        let lane = |block: &[f32], lane: usize| (0..6).map(|i| block[i * LANES + lane]).collect::<Vec<f32>>();
        assert_eq!(lane(&block, 2), [18.0, 10.0, 2.0, 42.0, 34.0, 26.0]);
        shift_lane(&mut block, 2, [2, 3], [1, -1]);
        assert_eq!(lane(&block, 2), [0.0, 0.0, 0.0, 10.0, 2.0, 0.0]);
        assert_eq!(lane(&block, 3), lane(&before, 3));
    }
}
