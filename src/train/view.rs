//! What weights and inputs look like in the forward pass of a training, and how gradients find their way back.
//!
//! A training moves latent values. What layers compute with may be something else: here, rounded values. The loop asks a
//! [`View`] for what a step sees and hands it the gradients by that; whatever else shall stand between latent values and layers
//! (a mask, another precision) belongs here too, in [`WeightView`] or [`InputView`], and not in the loop.

mod input;

pub use input::InputView;

use super::backprop::Gradients;
use super::estimator::{Estimator, gradient_scale, lsq, mean_magnitude, sign, unit};
use super::optimizer::OptimizerState;
use super::pruner::Pruner;
use crate::error::CoreError;
use crate::formats::{Family, Granule, WeightQuantizer};
use crate::math::sort;
use crate::models::{InputQuantizer, Network, Parameter, kept_values, zero_pruned};
use crate::ops::Rounder;
use crate::task::Context;
use crate::tensor::{Shape, Tensor};

use input::Learns;

/// A range that is searched is searched anew every so many steps; in between it stays the same share of the whole range.
const SEARCH_STEPS: u64 = 16;
/// The least scale that is learned, that of a group (2^−24).
const LEAST_SCALE: f32 = 1.0 / 16_777_216.0;
/// About what it costs to see one weight rounded and to take its gradient back, in multiply-adds.
const MACS_PER_VALUE: u64 = 12;
/// About what trying one range costs for one weight, in multiply-adds.
const SEARCH_MACS_PER_VALUE: u64 = 24 * 100 / SEARCH_STEPS;

/// Everything that a training sees otherwise than it is, and the values that are learned with it.
///
/// Those *own* values follow the network's parameters in the list that the optimizer moves and that checkpoints hold.
#[derive(Clone)]
pub struct View {
    weights: Vec<Option<WeightView>>,
    /// Which values of each parameter pruning has kept, if it has taken any.
    masks: Vec<Option<Vec<bool>>>,
    inputs: Vec<Option<InputView>>,
    own: Vec<Tensor>,
    clip_decay: f32,
    /// What goes while training.
    pruner: Option<Pruner>,
}

/// A weight seen through its quantizer.
#[derive(Clone)]
struct WeightView {
    quantizer: WeightQuantizer,
    granules: Vec<Granule>,
    /// Values of a granule.
    len: usize,
    scales: Scales,
}

/// Where a weight's scales come from; `at` is the position of own values among all.
#[derive(Clone)]
enum Scales {
    /// From the latent values, by the rule and shares of the whole range. Shares ride along without a gradient.
    Rule { at: usize },
    /// Learned as θ (see [`unit`]); whole numbers run from `low` to `high`, by granule.
    Learned { at: usize, unit: f32, levels: Vec<[i32; 2]> },
    /// Learned before, and kept.
    Kept,
    /// None: every weight is the value of its cluster, by `codes` and for good, and the values are learned (Han et al. 2016,
    /// arXiv 1510.00149, §3.2). Latent values wait unused, and are those of the clusters in the end.
    Shared { at: usize, codes: Vec<u8> },
}

impl WeightView {
    fn follow(&mut self, latent: &Tensor, mask: Option<&[bool]>, parameters: &[Tensor]) {
        let rule = &self.quantizer.rule;
        match &self.scales {
            Scales::Kept => {}
            Scales::Rule { at } => {
                let parts = latent.data().chunks(self.len).zip(parameters[*at].data()).enumerate();
                let unit = rule.unit(latent);
                let kept = |(i, values)| kept_values(values, mask, i * self.len);
                self.granules =
                    parts.map(|(i, (values, share))| rule.granule(&kept((i, values)), *share, unit)).collect();
            }
            Scales::Learned { at, unit, .. } => {
                for (granule, own) in self.granules.iter_mut().zip(parameters[*at].data()) {
                    let learned = Granule { scale: (own * unit).max(LEAST_SCALE), ..granule.clone() };
                    *granule = rule.stored(learned, granule.unit);
                    granule.threshold = 0.5 * granule.scale;
                }
            }
            Scales::Shared { at, .. } => self.granules[0].codebook = Some(parameters[*at].data().into()),
        }
    }

    fn see(&self, latent: &Tensor) -> Tensor {
        let format = self.quantizer.rule.format();
        let mut seen = latent.clone();
        if let Scales::Shared { codes, .. } = &self.scales {
            let values = seen.data_mut().iter_mut().zip(codes);
            values.for_each(|(value, &code)| *value = format.decode(u32::from(code), &self.granules[0]));
            return seen;
        }
        for (values, granule) in seen.data_mut().chunks_mut(self.len).zip(&self.granules) {
            values.iter_mut().for_each(|value| *value = format.decode(format.encode(*value, granule), granule));
        }
        seen
    }

    /// Makes `gradient` by the rounded weight one by the latent weight; returns the one by its own values. Sums over the values of
    /// a granule or cluster are in order, in f64. `decay` is what weights in clusters decay by.
    fn backward(&self, latent: &Tensor, mask: Option<&[bool]>, gradient: &mut Tensor, decay: f32) -> Option<Vec<f32>> {
        let format = self.quantizer.rule.format();
        if let Scales::Shared { codes, .. } = &self.scales {
            let mut sums = vec![0.0; format.levels().unwrap_or(0) as usize];
            for (i, (gradient, &code)) in gradient.data_mut().iter_mut().zip(codes).enumerate() {
                if mask.is_some_and(|mask| !mask[i]) {
                    continue;
                }
                let value = format.decode(u32::from(code), &self.granules[0]);
                sums[usize::from(code)] += f64::from(std::mem::take(gradient) + decay * value);
            }
            return Some(sums.into_iter().map(|sum| sum as f32).collect());
        }
        let parts = latent.data().chunks(self.len).zip(gradient.data_mut().chunks_mut(self.len));
        let mut own = Vec::with_capacity(self.granules.len());
        for (i, ((values, gradients), granule)) in parts.zip(&self.granules).enumerate() {
            let Scales::Learned { unit, levels, .. } = &self.scales else {
                for (gradient, value) in gradients.iter_mut().zip(values) {
                    if !format.passes(*value, granule) {
                        *gradient = 0.0;
                    }
                }
                own.push(0.0);
                continue;
            };
            let [low, high] = levels[i];
            let mut sum = 0.0;
            for (gradient, &value) in gradients.iter_mut().zip(values) {
                let slopes = match format.family() {
                    Family::Binary => sign(value),
                    _ => lsq(value, granule.scale, low as f32, high as f32),
                };
                sum += f64::from(*gradient * slopes.learned);
                if slopes.value == 0.0 {
                    *gradient = 0.0;
                }
            }
            own.push((sum * gradient_scale(values.len(), high.max(-low), *unit)) as f32);
        }
        (!matches!(self.scales, Scales::Kept)).then_some(own)
    }
}

/// A tensor of own values.
fn own_tensor(values: Vec<f32>) -> Result<Tensor, CoreError> {
    let shape = Shape::new(&[values.len()]);
    shape.and_then(|shape| Tensor::new(shape, values)).map_err(|error| CoreError::internal("train", error))
}

impl View {
    /// A network as it is: its quantizers, if it has some, are seen through `estimator`. `clip_decay` is PACT's, times the clip added
    /// to its gradient.
    ///
    /// # Errors
    /// `internal` when an own value has no shape, which cannot be.
    pub fn of(network: &Network, estimator: Estimator, clip_decay: f64) -> Result<Self, CoreError> {
        let first = network.parameters.len();
        let masks = network.parameters.iter().map(|parameter| parameter.mask.clone()).collect();
        let (inputs, clip_decay) = (Vec::new(), clip_decay as f32);
        let mut view = Self { weights: Vec::new(), masks, inputs, own: Vec::new(), clip_decay, pruner: None };
        for parameter in &network.parameters {
            let at = first + view.own.len();
            let seen = parameter.quantizer.as_ref().map(|quantizer| weight_view(quantizer, parameter, estimator, at));
            let (seen, own) = seen.map_or((None, None), |(seen, own)| (Some(seen), own));
            view.weights.push(seen);
            view.own.extend(own.map(own_tensor).transpose()?);
        }
        for (node, input) in network.graph.nodes().iter().zip(&network.inputs) {
            // Steps that round inputs by their own range are not trained through: recipes refuse it.
            let Some(InputQuantizer { grid: Rounder::Fixed(grid), learned, .. }) = *input else {
                view.inputs.push(None);
                continue;
            };
            let learns = match estimator {
                Estimator::Lsq => Learns::Scale { unit: unit(grid.high.max(-grid.low), grid.sign) },
                Estimator::Pact if !grid.sign && grid.high > 0 => Learns::Clip,
                _ => Learns::Nothing,
            };
            let features = network.graph.shape(node.inputs[0]).len();
            let fresh = estimator == Estimator::Lsq && !learned;
            let seen = InputView { grid, learns, at: first + view.own.len(), features, fresh };
            if seen.learns() {
                view.own.push(own_tensor(vec![seen.value()])?);
            }
            view.inputs.push(Some(seen));
        }
        Ok(view)
    }

    /// The same, and weights go by a schedule.
    ///
    /// # Errors
    /// `internal` when a mask has no shape, which cannot be.
    pub fn pruning(mut self, mut pruner: Pruner) -> Result<Self, CoreError> {
        pruner.at = self.masks.len() + self.own.len();
        for own in pruner.own() {
            self.own.push(own_tensor(own)?);
        }
        self.pruner = Some(pruner);
        Ok(self)
    }

    /// How often the training is run.
    pub(super) fn trainings(&self) -> u64 {
        self.pruner.as_ref().map_or(1, |pruner| pruner.schedule.trainings())
    }

    /// Takes what is to go before a step; see [`Pruner::prune`].
    pub(super) async fn prune(
        &mut self,
        ctx: &Context,
        at: (u64, u64),
        parameters: &mut [Tensor],
        state: &mut OptimizerState,
        start: &[Tensor],
    ) {
        if let Some(pruner) = &mut self.pruner {
            pruner.prune(ctx, at, parameters, state, start).await;
        }
    }

    /// Whether gradients change anything but the network's parameters: whether the estimator learns something.
    pub fn learns(&self) -> bool {
        let learned = |view: &WeightView| matches!(view.scales, Scales::Learned { .. } | Scales::Shared { .. });
        let weights = self.weights.iter().flatten().any(learned);
        weights || self.inputs.iter().flatten().any(InputView::learns)
    }

    /// Start values of what is trained beside the network's parameters.
    pub(super) fn own(&self) -> &[Tensor] {
        &self.own
    }

    /// Multiply-adds of `steps` steps beyond those of the layers, about.
    pub fn macs(network: &Network, steps: u64) -> u64 {
        let cost = |parameter: &Parameter| match &parameter.quantizer {
            None => 0,
            Some(quantizer) => {
                let search = if quantizer.rule.searches() { SEARCH_MACS_PER_VALUE } else { 0 };
                parameter.latent.data().len() as u64 * (MACS_PER_VALUE + search)
            }
        };
        network.parameters.iter().map(cost).sum::<u64>() * steps
    }

    /// Brings masks, scales and grids up to the parameters, as they are before step `step`, or after the last one (`None`).
    pub(super) async fn follow(&mut self, ctx: &Context, step: Option<u64>, parameters: &mut [Tensor]) {
        self.pruner.iter().for_each(|pruner| pruner.follow(parameters, &mut self.masks));
        for (i, view) in self.weights.iter_mut().enumerate() {
            let Some(view) = view else { continue };
            let search = step.is_some_and(|step| step.is_multiple_of(SEARCH_STEPS)) && view.quantizer.rule.searches();
            if let (true, Scales::Rule { at }) = (search, &view.scales) {
                let shares = view.quantizer.rule.shares(ctx, &parameters[i]).await;
                parameters[*at].data_mut().copy_from_slice(&shares);
            }
            view.follow(&parameters[i], self.masks[i].as_deref(), parameters);
        }
        for view in self.inputs.iter_mut().flatten().filter(|view| view.learns()) {
            // A fresh grid waits for the first batch; a training that goes on from a checkpoint has had it.
            view.fresh &= step == Some(0);
            if !view.fresh {
                view.follow(parameters[view.at].data()[0]);
            }
        }
    }

    /// The parameters that are seen otherwise than they are.
    pub(super) async fn see(&self, ctx: &Context, parameters: &[Tensor]) -> Vec<Option<Tensor>> {
        let mut seen = Vec::with_capacity(self.weights.len());
        for ((view, mask), latent) in self.weights.iter().zip(&self.masks).zip(parameters) {
            let mut own = view.as_ref().map(|view| view.see(latent));
            own.iter_mut().for_each(|own| zero_pruned(own.data_mut(), mask.as_deref()));
            seen.push(own);
            if view.is_some() {
                ctx.tick(latent.data().len() as u64 * MACS_PER_VALUE).await;
            }
        }
        seen
    }

    /// The grids of this step, by node.
    pub(super) fn inputs(&mut self) -> &mut [Option<InputView>] {
        &mut self.inputs
    }

    /// Makes the gradients by what was seen gradients by the parameters, own ones behind them. `decay` is added here, times the
    /// value, for the weights that [`View::shares`] alone.
    ///
    /// # Errors
    /// `internal` when an own value has no shape, which cannot be.
    pub(super) fn backward(
        &self,
        parameters: &mut [Tensor],
        gradients: &mut Gradients,
        decay: f32,
    ) -> Result<(), CoreError> {
        for (i, view) in self.weights.iter().enumerate() {
            let mask = self.masks[i].as_deref();
            // The loss does not depend on what is pruned, and so neither do scales by way of it.
            zero_pruned(gradients.parameters[i].data_mut(), mask);
            let Some(view) = view else { continue };
            let own = view.backward(&parameters[i], mask, &mut gradients.parameters[i], decay);
            gradients.parameters.extend(own.map(own_tensor).transpose()?);
        }
        for (node, view) in self.inputs.iter().enumerate() {
            let Some(view) = view.as_ref().filter(|view| view.learns()) else { continue };
            let own = parameters[view.at].data_mut();
            let most = view.grid.high.max(-view.grid.low);
            let gradient = match view.learns {
                Learns::Clip => gradients.inputs[node] as f32 + self.clip_decay * own[0],
                Learns::Scale { unit } => {
                    // The first batch may just have chosen it.
                    own[0] = view.value();
                    (gradients.inputs[node] * gradient_scale(view.features, most, unit)) as f32
                }
                Learns::Nothing => 0.0,
            };
            gradients.parameters.push(own_tensor(vec![gradient])?);
        }
        if let Some(pruner) = &self.pruner {
            pruner.backward(parameters, &mut gradients.parameters);
        }
        Ok(())
    }

    /// Whether parameter `index` is a weight whose values are those of clusters, and not its latent ones.
    pub(super) fn shares(&self, index: usize) -> bool {
        matches!(&self.weights[index], Some(WeightView { scales: Scales::Shared { .. }, .. }))
    }

    /// Keeps latent values where their format wants them, after a step.
    pub(super) fn project(&self, parameters: &mut [Tensor]) {
        for (view, parameter) in self.weights.iter().zip(parameters) {
            let bound = view.as_ref().and_then(|view| view.quantizer.rule.format().latent_bound());
            if let Some(bound) = bound {
                parameter.data_mut().iter_mut().for_each(|value| *value = value.clamp(-bound, bound));
            }
        }
    }

    /// Puts trained parameters into the network: latent values, packed again, and the grids of inputs.
    ///
    /// # Errors
    /// `internal` when a weight does not pack, which its granules rule out.
    pub fn store(self, network: &mut Network, parameters: Vec<Tensor>) -> Result<(), CoreError> {
        let slots = network.parameters.iter_mut().zip(parameters).zip(self.masks);
        for (((slot, mut latent), mask), view) in slots.zip(self.weights) {
            slot.mask = mask;
            if let Some(mut view) = view {
                if matches!(view.scales, Scales::Shared { .. }) {
                    // Values may have passed each other. As every latent value is one of them, packing finds it again.
                    latent = view.see(&latent);
                    zero_pruned(latent.data_mut(), slot.mask.as_deref());
                    for codebook in view.granules.iter_mut().filter_map(|granule| granule.codebook.as_mut()) {
                        let mut ascending = codebook.to_vec();
                        sort(&mut ascending);
                        *codebook = ascending.into();
                    }
                }
                let WeightView { quantizer, granules, scales, .. } = view;
                slot.pack(&*quantizer.rule, latent.clone(), granules.clone())?;
                let learned = (!matches!(scales, Scales::Rule { .. })).then_some(granules);
                slot.quantizer = Some(WeightQuantizer { learned, ..quantizer });
            }
            slot.latent = latent;
        }
        for (slot, view) in network.inputs.iter_mut().zip(self.inputs) {
            if let (Some(input), Some(view)) = (slot, view) {
                input.learned |= view.learns();
                input.grid = Rounder::Fixed(view.grid);
            }
        }
        Ok(())
    }
}

/// A weight's view and the start of its own values.
fn weight_view(
    quantizer: &WeightQuantizer,
    parameter: &Parameter,
    estimator: Estimator,
    at: usize,
) -> (WeightView, Option<Vec<f32>>) {
    let (rule, latent) = (&quantizer.rule, &parameter.latent);
    let count = rule.granules(latent);
    let len = (latent.data().len() / count).max(1);
    let mask = parameter.mask.as_deref();
    let parts = latent.data().chunks(len).enumerate().map(|(i, values)| kept_values(values, mask, i * len));
    // Clusters are not looked for anew.
    let packed = parameter.packed.as_ref().filter(|packed| packed.format().clustered().is_some());
    let known = quantizer.learned.clone().or(packed.map(|packed| packed.granules().to_vec()));
    let granules = known.clone().unwrap_or_else(|| {
        let unit = rule.unit(latent);
        parts.clone().map(|values| rule.granule(&values, 1.0, unit)).collect()
    });
    let level = |value: f32, granule: &Granule| rule.format().level(rule.format().encode(value, granule), granule);
    let levels: Option<Vec<[i32; 2]>> =
        granules.iter().map(|granule| Some([level(f32::MIN, granule)?, level(f32::MAX, granule)?])).collect();
    let (scales, own) = match (estimator, levels) {
        _ if rule.format().clustered().is_some() => {
            let code = |value: &f32| rule.format().encode(*value, &granules[0]) as u8;
            let codes = latent.data().iter().map(code).collect();
            (Scales::Shared { at, codes }, granules[0].codebook.as_ref().map(|values| values.to_vec()))
        }
        // Formats of whole numbers have a scale to learn.
        (Estimator::Lsq, Some(levels)) => {
            let most = levels.iter().map(|[low, high]| *high.max(&-low)).max().unwrap_or(1);
            let unit = unit(most, rule.format().family() == Family::Binary);
            let start = match &known {
                Some(granules) => granules.iter().map(|granule| granule.scale / unit).collect(),
                None => parts.map(|values| mean_magnitude(values.iter())).collect(),
            };
            (Scales::Learned { at, unit, levels }, Some(start))
        }
        _ if known.is_some() => (Scales::Kept, None),
        _ => (Scales::Rule { at }, Some(vec![1.0; count])),
    };
    (WeightView { quantizer: quantizer.clone(), granules, len, scales }, own)
}

#[cfg(test)]
mod tests;
