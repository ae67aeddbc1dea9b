//! Quantization after training: weights to a format, inputs to a grid from calibration.

mod adaround;
mod awq;
mod bits;
mod calibrate;
pub(super) mod factor;
mod gptq;
mod grid;
mod hqq;
pub(super) mod inform;
mod kv;
mod parse;
mod range;
mod rotate;
mod rounding;
mod seam;
mod smooth;
mod spec;
#[cfg(test)]
mod tests;
mod transform;
pub(super) mod windows;

pub(crate) use kv::for_cache;
pub(crate) use rounding::roundings_of;
pub(crate) use spec::{GROUP_SIZES, for_inputs, ranges_of};

pub use bits::{Budget, WIDTHS, widths};
pub use rounding::{CORRECTIONS, Correction, ROUNDINGS, Rounding, RoundingSpec};
pub use spec::{
    ActivationSpec, CALIBRATIONS, Calibration, GRANULARITIES, Granularity, RANGES, Range, SCALES, Scale, WeightSpec,
};

pub use transform::{TRANSFORMS, Transform};

use super::{
    Applied, Method, Mode, Parsed, Step, StepContext, Ways, choose, id_of, ids, training_assets, training_images,
};
use crate::data::{AssetRef, Images, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;
use crate::formats::{Family, WeightQuantizer};
use crate::models::{InputQuantizer, Model, Network};
use crate::named::Named;
use crate::ops::{DynamicGrid, Rounder};
use crate::task::Phase;
use kv::KvSpec;
use range::Clips;
use serde_json::{Map, Value, json};
use spec::{parse_activations, parse_weights};
use std::rc::Rc;

pub(super) static METHOD: Method = Method { name: "quantize", parse: parse::parse };

/// What one layer departs in.
#[derive(Clone, Debug, Default)]
struct Override {
    weights: Option<WeightSpec>,
    activations: Option<ActivationSpec>,
}

/// Quantizes weights, inputs, or both.
#[derive(Clone, Debug)]
pub struct QuantizeStep {
    transforms: Vec<Transform>,
    /// The exponent of `smoothquant`.
    alpha: f64,
    weights: Option<WeightSpec>,
    activations: Option<ActivationSpec>,
    layers: Named<Override>,
    correction: Correction,
    /// Training images that roundings, corrections and scalings look at.
    images: u32,
    /// Draws the training images, for calibration too; without it they are the first of the split.
    seed: Option<u64>,
    /// Widths chosen for each layer by what they do to the loss.
    bits: Option<Budget>,
    /// How kept keys and values are rounded.
    kv_cache: Option<KvSpec>,
}

/// Images that roundings and corrections look at when the recipe does not say.
const DEFAULT_IMAGES: u32 = 256;
/// The exponent of `smoothquant` when the recipe does not say (arXiv 2211.10438, §4).
const DEFAULT_ALPHA: f64 = 0.5;

impl QuantizeStep {
    fn weights_of(&self, layer: &str) -> Option<&WeightSpec> {
        self.layers.get(layer).and_then(|own| own.weights.as_ref()).or(self.weights.as_ref())
    }

    fn activations_of(&self, layer: &str) -> Option<&ActivationSpec> {
        self.layers.get(layer).and_then(|own| own.activations.as_ref()).or(self.activations.as_ref())
    }

    fn all_activations(&self) -> impl Iterator<Item = &ActivationSpec> {
        self.activations.iter().chain(self.layers.values().iter().filter_map(|own| own.activations.as_ref()))
    }

    fn all_weights(&self) -> impl Iterator<Item = &WeightSpec> {
        self.weights.iter().chain(self.layers.values().iter().filter_map(|own| own.weights.as_ref()))
    }

    /// Names a network behind this step's transforms: all that its values depend on. Parameters go in as they are, so
    /// it does not matter how they came about.
    pub(super) fn place(&self, network: &Network) -> Result<String, CoreError> {
        Ok(format!("{} {:?} {}", network.model.id, self.transforms, network.digest()?))
    }

    /// Multiply-adds of scalings by data, about.
    pub fn scaling_macs(&self, network: &Network) -> u64 {
        let mut sum = 0;
        for transform in self.transforms.iter().filter(|transform| transform.needs_images()) {
            sum += network.graph.macs() * u64::from(self.images);
            for node in network.graph.nodes().iter().filter(|_| *transform == Transform::Awq) {
                let shape = node.op.windows(&network.graph.input_shapes(node));
                sum += shape.map_or(0, |shape| awq::macs(&shape, self.images));
            }
        }
        sum
    }

    /// Whether anything is rounded.
    pub(super) fn rounds(&self) -> bool {
        self.all_weights().next().is_some() || self.all_activations().next().is_some()
    }

    /// Whether any scale can be learned: of weights in whole numbers, or of inputs.
    pub(super) fn has_scales(&self) -> bool {
        let whole =
            |spec: &WeightSpec| matches!(spec.format.family(), Family::Integer | Family::Ternary | Family::Binary);
        self.all_weights().any(whole) || self.all_activations().next().is_some()
    }

    /// Whether any input has a clip that can be learned: signs have none.
    pub(super) fn has_clips(&self) -> bool {
        self.all_activations().any(|spec| spec.format.family() != Family::Binary)
    }

    /// What chooses codes or ranges by more than the weights themselves, if anything does: a rounding other than to the nearest, or awq.
    pub(super) fn chosen_codes(&self) -> Option<&'static str> {
        if self.transforms.contains(&Transform::Awq) {
            return Some(id_of(TRANSFORMS, &Transform::Awq));
        }
        let kinds = self.all_weights().map(|spec| spec.rounding.kind).filter(|kind| *kind != Rounding::Nearest);
        kinds.map(|kind| id_of(ROUNDINGS, &kind)).next()
    }

    /// Whether any input is rounded by its own range.
    pub(super) fn has_dynamic_inputs(&self) -> bool {
        self.all_activations().any(|spec| spec.dynamic)
    }

    /// Images that calibration draws from.
    fn calibration_images(&self) -> u32 {
        self.all_activations().filter(|spec| !spec.dynamic).map(|spec| spec.images).max().unwrap_or(0)
    }

    /// Multiply-adds of calibration, about.
    fn calibration_macs(&self, network: &Network) -> u64 {
        2 * network.graph.macs() * u64::from(self.calibration_images())
    }

    /// Training images: the first, or those that the seed draws.
    fn images(&self, library: &Library, model: &Model, count: u32) -> Result<Images, CoreError> {
        training_images(library, model, count, self.seed)
    }

    /// Whether weights or biases are chosen by what training images say.
    fn informed(&self) -> bool {
        self.correction == Correction::Bias || self.all_weights().any(|spec| spec.rounding.needs_images())
    }

    /// Whether anything but calibration reads training images.
    fn looks_at_images(&self) -> bool {
        let keys = self.kv_cache.is_some_and(|spec| spec.channels);
        keys || self.informed() || self.transforms.iter().any(|transform| transform.needs_images())
    }

    /// Whether that needs the outputs of the network in f32.
    fn needs_float(&self) -> bool {
        self.correction == Correction::Bias || self.all_weights().any(|spec| spec.rounding.kind == Rounding::Adaround)
    }

    /// What a recipe says of a step, on a network of its model.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: Value, path: &str, network: &Network) -> Result<Self, CoreError> {
        parse::read(Fields::new(value, path)?, network)
    }

    /// How weights are rounded where no layer departs.
    pub fn weights(&self) -> Option<&WeightSpec> {
        self.weights.as_ref()
    }

    /// Does the transforms; gives the ranges that they chose.
    ///
    /// # Errors
    /// `asset` when images were not provided; see the transforms for more.
    pub async fn transform(&self, cx: &mut StepContext<'_>) -> Result<Vec<Option<Vec<f32>>>, CoreError> {
        let mut clips = Clips::new();
        for transform in &self.transforms {
            if !transform.needs_images() {
                transform.apply(cx.network)?;
                continue;
            }
            cx.ctx.enter(Phase::Quantize);
            let images = self.images(&cx.library.borrow(), cx.network.model, self.images)?;
            match transform {
                Transform::Awq => clips = awq::search(cx.ctx, self, cx.network, &images).await?,
                _ => smooth::smooth(cx.ctx, cx.network, &images, self.alpha).await?,
            }
        }
        Ok(clips)
    }

    /// Rounds inputs, then weights.
    async fn round(&self, cx: &mut StepContext<'_>, clips: &Clips) -> Result<(), CoreError> {
        // Inputs are watched in the network as it stands before its weights are rounded.
        let asked: Vec<Option<ActivationSpec>> = (0..cx.network.graph.nodes().len())
            .map(|node| {
                let name = &cx.network.graph.nodes()[node].name;
                cx.network.rounds_input(node).then(|| self.activations_of(name)).flatten().cloned()
            })
            .collect();
        let wanted: Vec<Option<ActivationSpec>> = asked.iter().map(|spec| spec.filter(|spec| !spec.dynamic)).collect();
        if wanted.iter().any(Option::is_some) {
            cx.ctx.enter(Phase::Calibrate);
            let count = self.calibration_images();
            let key = format!("{} {count} {:?} {} {wanted:?}", self.place(cx.network)?, self.seed, cx.seed);
            let grids = match cx.memory.grids.get(&key) {
                Some(grids) => {
                    cx.ctx.tick(self.calibration_macs(cx.network)).await;
                    grids
                }
                None => {
                    let images = self.images(&cx.library.borrow(), cx.network.model, count)?;
                    let grids = calibrate::input_grids(cx.ctx, cx.network, &images, &wanted, cx.seed).await?;
                    cx.memory.grids.keep(key, grids)
                }
            };
            for (slot, (spec, grid)) in cx.network.inputs.iter_mut().zip(wanted.iter().zip(&*grids)) {
                if let (Some(spec), &Some(grid)) = (spec, grid) {
                    *slot = Some(InputQuantizer { format: spec.format, grid: Rounder::Fixed(grid), learned: false });
                }
            }
        }
        for (slot, spec) in cx.network.inputs.iter_mut().zip(&asked) {
            if let Some(spec) = spec.filter(|spec| spec.dynamic) {
                let (bits, symmetric, tokens) = (spec.format.bits() as u32, spec.symmetric, spec.tokens);
                let grid = Rounder::Dynamic(DynamicGrid { bits, symmetric, tokens });
                *slot = Some(InputQuantizer { format: spec.format, grid, learned: false });
            }
        }
        if self.informed() {
            return inform::quantize(self, cx, clips).await;
        }
        cx.ctx.enter(Phase::Quantize);
        for node in 0..cx.network.graph.nodes().len() {
            let Some(index) = cx.network.weight_of(node) else { continue };
            let Some(spec) = self.weights_of(&cx.network.graph.nodes()[node].name) else { continue };
            let parameter = &mut cx.network.parameters[index];
            let (mask, clips) = (parameter.mask.as_deref(), clips.get(index).and_then(Option::as_ref));
            let granules = range::granules(cx.ctx, spec, &parameter.latent, mask, clips).await;
            parameter.pack(spec, parameter.latent.clone(), granules)?;
            parameter.quantizer = Some(WeightQuantizer { rule: Rc::new(*spec), learned: None });
        }
        Ok(())
    }
}

impl Step for QuantizeStep {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn canonical(&self) -> Value {
        let both = |weights: &Option<WeightSpec>, activations: &Option<ActivationSpec>| {
            let mut object = Map::new();
            if let Some(weights) = weights {
                object.insert("weights".into(), weights.canonical());
            }
            if let Some(activations) = activations {
                object.insert("activations".into(), activations.canonical());
            }
            object
        };
        let mut object = both(&self.weights, &self.activations);
        if !self.transforms.is_empty() {
            let ids: Vec<&str> = self.transforms.iter().map(|transform| id_of(TRANSFORMS, transform)).collect();
            object.insert("transforms".into(), json!(ids));
        }
        if self.correction != Correction::None {
            object.insert("correction".into(), json!(id_of(CORRECTIONS, &self.correction)));
        }
        if self.transforms.contains(&Transform::Smoothquant) {
            object.insert("alpha".into(), json!(self.alpha));
        }
        if self.looks_at_images() {
            object.insert("images".into(), json!(self.images));
        }
        if let Some(spec) = &self.kv_cache {
            object.insert("kv_cache".into(), spec.canonical());
        }
        if let Some(Budget { bits, images }) = self.bits {
            object.insert(
                "bits".into(),
                crate::fields::object(vec![
                    ("budget", bits.into()),
                    ("by", parse::BY.into()),
                    ("images", images.into()),
                ]),
            );
        }
        if let Some(seed) = self.seed {
            object.insert("seed".into(), json!(seed));
        }
        if !self.layers.is_empty() {
            let mut layers = Map::new();
            for (name, own) in self.layers.iter() {
                let mut layer = both(&own.weights, &own.activations);
                if let (Some(weights), Some(base)) = (&own.weights, &self.weights) {
                    weights.write_departure(base, &mut layer["weights"]);
                }
                layers.insert(name.clone(), Value::Object(layer));
            }
            object.insert("layers".into(), Value::Object(layers));
        }
        Value::Object(object)
    }

    fn as_quantize(&self) -> Option<&QuantizeStep> {
        Some(self)
    }

    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        if self.transforms.contains(&Transform::Hadamard) && earlier.iter().any(|step| step.as_prune().is_some()) {
            let found = "hadamard after prune, which would mix what is pruned with what is not";
            return Err(CoreError::new(ErrorCode::Combination, path, found, "no hadamard, or no prune"));
        }
        let changes = self.transforms.iter().any(|transform| *transform != Transform::FoldBatchnorm);
        if changes && earlier.iter().any(|step| step.prunes_inputs()) {
            let found = "a transform of what layers read, after thresholds were set for it";
            return Err(CoreError::new(
                ErrorCode::Combination,
                path,
                found,
                "fold-batchnorm alone, or no input pruning",
            ));
        }
        match earlier.iter().find(|step| step.name() == self.name()) {
            None => Ok(()),
            Some(_) => Err(CoreError::new(
                ErrorCode::Combination,
                path,
                "a second quantize step",
                "one quantize step; layers for what differs",
            )),
        }
    }

    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let informed = if self.looks_at_images() { self.images } else { 0 };
        let count = self.calibration_images().max(informed);
        let mut assets = training_assets(library, model, count, self.seed)?;
        if let Some(budget) = self.bits {
            assets.extend(library.assets(model.data, "validation", budget.images)?);
        }
        Ok(assets)
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        let weights: u64 =
            network.parameters.iter().filter(|p| p.is_weight()).map(|p| p.latent.data().len() as u64).sum();
        let searched = self.weights.as_ref().is_some_and(|spec| spec.range == Range::Mse);
        let encode = weights * range::MACS_PER_VALUE * if searched { range::STEPS as u64 } else { 1 };
        let informed = if self.informed() { inform::macs(self, network) } else { 0 };
        let scalings = self.scaling_macs(network);
        let judged = |budget: Budget| Ways::Rounded(self, &[]).macs(network, budget.images, Mode::Only, WIDTHS.count());
        let widths = self.bits.map_or(0, judged);
        let keys =
            self.kv_cache.filter(|spec| spec.channels).map_or(0, |_| network.graph.macs() * u64::from(self.images));
        keys + widths + scalings + encode + self.calibration_macs(network) + informed
    }

    fn reshape(&self, network: &mut Network) -> Result<(), CoreError> {
        self.transforms.iter().try_for_each(|transform| transform.apply(network).map(|_| ()))?;
        self.kv_cache.as_ref().map_or(Ok(()), |spec| spec.reshape(network))
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            // Pruning may have taken inputs.
            self.check_groups(&format!("steps.{}.{}", cx.index, METHOD.name), cx.network)?;
            let mut chosen = None;
            let clips = self.transform(cx).await?;
            if let (Some(budget), Some(base)) = (self.bits, &self.weights) {
                chosen = Some(bits::allocated(self, cx, base, budget).await?);
            }
            chosen.as_ref().unwrap_or(self).round(cx, &clips).await?;
            match &self.kv_cache {
                Some(spec) => spec.apply(self, cx).await,
                None => Ok(()),
            }
        })
    }
}
