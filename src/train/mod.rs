//! Training: loss, optimizers, the loop, checkpoints. The same bits whatever the number of threads or the budget.

mod backprop;
mod batch;
mod checkpoint;
mod distill;
mod estimator;
mod exchange;
mod loss;
mod mask;
mod number;
mod objective;
mod optimizer;
mod options;
mod parallel;
mod precision;
mod pruner;
mod record;
mod score;
mod view;
mod workers;

pub use backprop::{Batch, Blocks, Gradients, Pass, Workspace, backprop, backprop_in};
pub use checkpoint::{Checkpoint, Part, Position};
pub use distill::{Distill, DistillOptions, Imitation, Teacher};
pub use estimator::Estimator;
pub use exchange::{Exchange, Message};
pub use loss::{ImageLoss, softmax, softmax_cross_entropy};
pub use mask::{Candidate, Pattern, Scope, select, select_macs};
pub use number::Number;
pub use objective::{CrossEntropy, Met, Objective};
pub use optimizer::{Optimizer, OptimizerState};
pub use options::{Schedule, TrainOptions};
pub use precision::{Emulation, LossScale, Precision, Scaler};
pub use pruner::{PruneSchedule, Pruner, score_stream};
pub use record::{LostGradients, Recorder, Snapshot, TrainingRecord};
pub use score::{Pruning, own_scores};
pub use view::View;

use crate::data::Images;
use crate::error::{CoreError, ErrorCode};
use crate::graph::Graph;
use crate::rng::Rng;
use crate::task::{Context, Phase};
use crate::tensor::Tensor;
use batch::make_batch;
use std::future::Future;
use std::pin::Pin;
use workers::Workers;

/// How far running statistics move towards a batch's at each step.
const STATISTICS_MOMENTUM: f32 = 0.1;

/// The mean loss on validation images of a network whose parameters, seen through a view, are these.
pub type Watch<'a> = dyn Fn(View, Vec<Tensor>) -> Pin<Box<dyn Future<Output = Result<f64, CoreError>> + 'a>> + 'a;

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
    /// What it makes small.
    pub objective: &'a mut dyn Objective,
    /// Parameters that stay as they are, by index; none beyond its end.
    pub frozen: &'a [bool],
    /// Asked after every epoch, where the training may end early.
    pub watch: Option<&'a Watch<'a>>,
    /// Seed of the random streams.
    pub seed: u64,
    /// Names the training in its checkpoints.
    pub key: &'a str,
    /// What a checkpoint has of this training, to go on from: gives the bits of a run that was never interrupted.
    pub resume: Option<Part<'a>>,
    /// What the steps of its teacher ended with, for its checkpoints: they are not to be done again.
    pub teacher: &'a [Vec<Tensor>],
}

/// What a training leaves beside the parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trained {
    /// The mean loss of each epoch, every image before the step that used it.
    pub epoch_loss: Vec<f64>,
    /// The loss on validation images after each epoch; empty where nobody watched.
    pub validation_loss: Vec<f64>,
    /// Of the gradients that the loss begins with, the share by a teacher in each epoch; empty without one.
    pub teacher_share: Vec<f64>,
    /// The training step by step, where it was to be written down.
    pub record: Option<TrainingRecord>,
    /// The parameters it ended with, and what was learned beside them; see [`retrain`].
    pub parameters: Vec<Tensor>,
}

/// Does to `view` and `network_parameters` what a training did that ended with `known`.
///
/// # Errors
/// `checksum` when that does not fit.
pub async fn retrain(
    ctx: &Context,
    view: &mut View,
    network_parameters: &mut Vec<Tensor>,
    mut known: Vec<Tensor>,
) -> Result<(), CoreError> {
    let shapes = network_parameters.iter().chain(view.own()).map(Tensor::shape);
    if !shapes.eq(known.iter().map(Tensor::shape)) {
        let found = format!("{} tensors of a teacher", known.len());
        return Err(CoreError::new(ErrorCode::Checksum, "checkpoint", found, "those of this recipe"));
    }
    view.follow(ctx, None, &mut known).await;
    known.truncate(network_parameters.len());
    *network_parameters = known;
    Ok(())
}

/// Trains `parameters` in place, seen through `view`.
///
/// # Errors
/// `checksum` when the checkpoint does not fit; `internal` when parameters do not fit the graph.
pub async fn train(
    training: Training<'_>,
    view: &mut View,
    network_parameters: &mut Vec<Tensor>,
) -> Result<Trained, CoreError> {
    let Training { ctx, graph, images, options, objective, frozen, watch, seed, key, resume, teacher } = training;
    ctx.enter(Phase::Train);
    let count = network_parameters.len();
    network_parameters.extend_from_slice(view.own());
    let seen_count = network_parameters.len();
    network_parameters.extend_from_slice(objective.own());
    let parameters = network_parameters.as_mut_slice();
    let mut state = OptimizerState::new(options.optimizer, options.epsilon, parameters);
    let steps_per_epoch = options.steps_per_epoch(images.len());
    let steps = steps_per_epoch * u64::from(options.epochs);
    // A schedule of pruning may train several times, and start each time from where the first began.
    let start = if view.trainings() > 1 { parameters[..count].to_vec() } else { Vec::new() };
    let precision = options.precision;
    let mut scaler = Scaler::new(precision.and_then(|precision| precision.scale));
    let mut recorder = options.record.then(|| Recorder::new(graph, steps * view.trainings()));
    let mut workers = Workers::new(options.exchange, &parameters[..count]);
    if let Some(precision) = precision {
        precision.keep(parameters, &mut Rng::stream(seed, "keep", u64::MAX));
    }
    let mut at = Position::default();
    if let Some(part) = resume {
        at = part.restore(key, parameters, &mut state)?;
        ctx.go_on_from(part.0);
        objective.notes().clone_from(&at.notes);
        (scaler.scale, scaler.good) = at.scale;
        let lists = if recorder.is_some() { Recorder::LISTS } else { 0 };
        recorder.iter_mut().for_each(|recorder| recorder.restore(&at.extra[..lists.min(at.extra.len())]));
        workers.restore(at.extra.drain(..).skip(lists));
        ctx.tick(at.step * 3 * graph.macs() * u64::from(options.batch)).await;
    }
    ctx.restore_curve(&at.curve);
    ctx.trains(true);
    let mut last_checkpoint = ctx.progress().0;
    let mut order = (u64::MAX, Vec::new());
    let mut workspace = Workspace::default();
    while at.step < steps * view.trainings() && !at.over(options.patience) {
        view.prune(ctx, (at.step, steps), parameters, &mut state, &start).await;
        let epoch = at.step / steps_per_epoch;
        if order.0 != epoch {
            let shuffled = Rng::stream(seed, "shuffle", epoch).permutation(images.len());
            order = (epoch, workers.shards(shuffled));
        }
        view.follow(ctx, Some(at.step), parameters).await;
        let mut sum: Option<Gradients> = None;
        let (mut items, mut finite) = (0, true);
        for (worker, shard) in order.1.iter().enumerate() {
            let batch = options.batch as usize / order.1.len();
            let first = (at.step % steps_per_epoch) as usize * batch;
            let Some(chosen) = shard.get(first..shard.len().min(first + batch)).filter(|own| !own.is_empty()) else {
                continue;
            };
            let stream = at.step * order.1.len() as u64 + worker as u64;
            let batch = make_batch(images, chosen, options, seed, stream, &mut workspace);
            objective.meet(ctx, &batch).await?;
            objective.own().clone_from_slice(&parameters[seen_count..]);
            let seen = view.see(ctx, &parameters[..count]).await;
            let lowered = precision.map(|precision| lower(graph, &precision, &parameters[..count]));
            let seen: Vec<&Tensor> = match &lowered {
                Some(lowered) => lowered.iter().collect(),
                None => seen.iter().zip(&*parameters).map(|(seen, own)| seen.as_ref().unwrap_or(own)).collect(),
            };
            let mut emulation = precision.map(|precision| {
                let rng = Rng::stream(seed, "rounding", stream);
                Emulation::new(precision, scaler.scale, graph.nodes().len(), rng)
            });
            if let (Some(emulation), true) =
                (&mut emulation, recorder.as_ref().is_some_and(|own| own.pictures(at.step)))
            {
                emulation.watch();
            }
            let pass = Pass {
                ctx,
                graph,
                parameters: &seen,
                views: view.inputs(),
                objective: &mut *objective,
                emulation: emulation.as_mut(),
                workspace: &mut workspace,
            };
            let mut gradients = backprop_in(pass, batch).await?;
            items += chosen.len();
            if let (Some(recorder), 0) = (&mut recorder, worker) {
                let loss = gradients.loss / (chosen.len() * images.positions()) as f64;
                recorder.step(at.step, loss, emulation.as_ref());
                if recorder.pictures(at.step) {
                    let watched = emulation.as_mut().and_then(|emulation| emulation.exponents.take());
                    let exponents = watched.unwrap_or_else(|| record::exponents(&gradients.parameters, 1.0));
                    recorder.picture(at.step, &exponents, &parameters[..count]);
                }
            }
            finite &= precision.is_none() || precision::finite(&gradients.parameters);
            workers.send(worker, &mut gradients.parameters, seed, stream);
            sum = Some(match sum {
                None => gradients,
                Some(mut sum) => {
                    workers::add(&mut sum, &gradients);
                    sum
                }
            });
        }
        let Some(mut gradients) = sum else { break };
        workers.merge(&mut gradients);
        recorder.iter_mut().for_each(|recorder| recorder.bytes = workers.bytes);
        view.backward(parameters, &mut gradients, options.weight_decay as f32)?;
        gradients.parameters.extend(objective.gradients());
        at.epoch_loss += gradients.loss;
        ctx.report_loss(gradients.loss / (items * images.positions()) as f64);
        if scaler.update(precision.and_then(|precision| precision.scale), finite) {
            let rate = options.rate(at.step % steps, steps);
            if options.weight_decay > 0.0 {
                let still = |i: usize| {
                    view.shares(i)
                        || frozen.get(i) == Some(&true)
                        || gradients.statistics.iter().any(|(untrained, _)| *untrained == i)
                };
                decay(options, rate, &still, &mut parameters[..count], &mut gradients.parameters);
            }
            for (gradient, _) in gradients.parameters.iter_mut().zip(frozen).filter(|(_, frozen)| **frozen) {
                gradient.data_mut().fill(0.0);
            }
            state.update(parameters, &gradients.parameters, rate);
            view.project(&mut parameters[..count]);
            for (parameter, batch) in gradients.statistics.iter().filter(|(i, _)| frozen.get(*i) != Some(&true)) {
                for (running, value) in parameters[*parameter].data_mut().iter_mut().zip(batch) {
                    *running += STATISTICS_MOMENTUM * (value - *running);
                }
            }
            if let Some(precision) = precision {
                let mut rng = Rng::stream(seed, "keep", at.step);
                precision.keep(parameters, &mut rng);
                precision.keep(&mut state.first, &mut rng);
                precision.keep(&mut state.second, &mut rng);
            }
        } else if let Some(recorder) = &mut recorder {
            recorder.skip(at.step);
        }
        at.step += 1;
        if at.step.is_multiple_of(steps_per_epoch) {
            at.epochs.push(at.epoch_loss / (images.len() * images.positions()) as f64);
            at.epoch_loss = 0.0;
            if let Some(watch) = watch {
                let mut now = view.clone();
                now.follow(ctx, None, parameters).await;
                let loss = watch(now, parameters[..count].to_vec()).await?;
                ctx.enter(Phase::Train);
                at.judged(loss, parameters);
            }
        }
        if precision.is_some() && !precision::finite(parameters) {
            // Nothing brings them back.
            recorder.iter_mut().for_each(|recorder| recorder.end(at.step - 1));
            break;
        }
        // One at the very end, so that what comes behind it can be left and begun again.
        let last = at.step == steps * view.trainings() || at.over(options.patience);
        if last || ctx.is_asked() || ctx.progress().0 - last_checkpoint >= ctx.checkpoint_macs {
            last_checkpoint = ctx.progress().0;
            at.notes.clone_from(objective.notes());
            at.scale = (scaler.scale, scaler.good);
            at.curve = ctx.curve();
            at.extra = recorder.as_ref().map(Recorder::tensors).transpose()?.unwrap_or_default();
            at.extra.extend(workers.rest());
            ctx.save_checkpoint(Part::save(key, &at, parameters, &state, teacher)?);
        }
    }
    ctx.trains(false);
    if !at.best.is_empty() {
        parameters.clone_from_slice(&at.best);
    }
    view.follow(ctx, None, parameters).await;
    let ended = parameters[..seen_count].to_vec();
    network_parameters.truncate(count);
    let record = recorder.map(|recorder| recorder.finish(graph));
    let (epoch_loss, validation_loss) = (at.epochs, at.validation);
    Ok(Trained { epoch_loss, validation_loss, teacher_share: Vec::new(), record, parameters: ended })
}

/// Parameters as layers of fewer bits compute with them.
fn lower(graph: &Graph, precision: &Precision, parameters: &[Tensor]) -> Vec<Tensor> {
    let mut lowered = parameters.to_vec();
    for node in graph.nodes() {
        Emulation::see(precision, node, &mut lowered[node.first_param..node.first_param + node.params.len()]);
    }
    lowered
}

/// Weight decay of all parameters that are not `still`: in the gradients, or off the parameters where the optimizer is AdamW.
fn decay(
    options: &TrainOptions,
    rate: f32,
    still: &dyn Fn(usize) -> bool,
    parameters: &mut [Tensor],
    gradients: &mut [Tensor],
) {
    let decoupled = options.optimizer == Optimizer::Adam { decoupled: true };
    let by = options.weight_decay as f32;
    let pairs = gradients.iter_mut().zip(parameters).enumerate();
    for (gradient, parameter) in pairs.filter(|(i, _)| !still(*i)).map(|(_, pair)| pair) {
        for (g, p) in gradient.data_mut().iter_mut().zip(parameter.data_mut()) {
            if decoupled {
                *p -= rate * by * *p;
            } else {
                *g += by * *p;
            }
        }
    }
}
