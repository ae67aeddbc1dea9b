//! Quantization after training: weights to a format, inputs to a grid from calibration.

mod adaround;
mod calibrate;
mod factor;
mod gptq;
mod grid;
mod inform;
mod range;
mod rounding;
mod sensitivity;
mod spec;
mod transform;
mod windows;

pub(crate) use spec::{for_inputs, ranges_of};

pub use rounding::{CORRECTIONS, Correction, ROUNDINGS, Rounding, RoundingSpec};
pub use sensitivity::{Effect, sensitivity};
pub use spec::{
    ActivationSpec, CALIBRATIONS, Calibration, GRANULARITIES, Granularity, RANGES, Range, SCALES, Scale, WeightSpec,
};

pub use transform::{TRANSFORMS, Transform};

use super::{Applied, Method, Parsed, Step, StepContext, choose, id_of, ids};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;
use crate::formats::{Family, WeightQuantizer, WeightRule};
use crate::models::{InputQuantizer, Model, Network};
use crate::task::Phase;
use serde_json::{Map, Value, json};
use spec::{parse_activations, parse_weights};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) static METHOD: Method = Method { name: "quantize", parse };

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
    weights: Option<WeightSpec>,
    activations: Option<ActivationSpec>,
    layers: BTreeMap<String, Override>,
    correction: Correction,
    /// Training images that roundings and corrections look at.
    images: u32,
}

/// Images that roundings and corrections look at when the recipe does not say.
const DEFAULT_IMAGES: u32 = 256;

fn parse(mut fields: Fields, network: &Network, _: &[Rc<dyn Step>]) -> Parsed {
    let path = fields.path().to_string();
    let transforms_path = fields.at("transforms");
    let transforms = match fields.list("transforms", 8)? {
        Some(items) => transform::parse(&items, &transforms_path, network)?,
        None => Vec::new(),
    };
    let weights = fields.object("weights")?.map(|f| parse_weights(f, None)).transpose()?;
    let activations = fields.object("activations")?.map(|f| parse_activations(f, None)).transpose()?;
    let mut layers = BTreeMap::new();
    if let Some(entries) = fields.object("layers")? {
        let names: Vec<&str> = (0..network.graph.nodes().len())
            .filter(|&node| network.weight_of(node).is_some())
            .map(|node| network.graph.nodes()[node].name.as_str())
            .collect();
        for (name, value) in entries.into_entries() {
            let at = format!("{path}.layers.{name}");
            if !names.contains(&name.as_str()) {
                return Err(CoreError::new(ErrorCode::UnknownId, at, format!("\"{name}\""), names.join(", ")));
            }
            let mut own = Fields::new(value, at)?;
            let layer = Override {
                weights: own.object("weights")?.map(|f| parse_weights(f, weights.as_ref())).transpose()?,
                activations: own
                    .object("activations")?
                    .map(|f| parse_activations(f, activations.as_ref()))
                    .transpose()?,
            };
            own.finish()?;
            if layer.weights.is_none() && layer.activations.is_none() {
                let at = format!("{path}.layers.{name}");
                return Err(CoreError::new(ErrorCode::MissingField, at, "nothing to quantize", "weights, activations"));
            }
            layers.insert(name, layer);
        }
    }
    let correction = fields.id("correction", &ids(CORRECTIONS), |id| choose(CORRECTIONS, id))?;
    let images = fields.integer("images", 1..=1024)?;
    let (correction_path, images_path) = (fields.at("correction"), fields.at("images"));
    fields.finish()?;
    if weights.is_none() && activations.is_none() && layers.is_empty() && transforms.is_empty() {
        return Err(CoreError::new(
            ErrorCode::MissingField,
            path,
            "nothing to quantize",
            "weights, activations, layers, transforms",
        ));
    }
    let step = QuantizeStep {
        transforms,
        weights,
        activations,
        layers,
        correction: correction.unwrap_or(Correction::None),
        images: images.map_or(DEFAULT_IMAGES, |images| images as u32),
    };
    let refuse = |path, found, allowed: &str| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
    if images.is_some() && !step.informed() {
        return refuse(images_path, "images that nothing looks at", "only with gptq, adaround or a correction");
    }
    if step.correction == Correction::Bias {
        if step.all_weights().any(|spec| spec.rounding.kind == Rounding::Adaround) {
            let found = "bias correction with adaround, which learns with the biases as they are";
            return refuse(correction_path, found, "either of the two");
        }
        if step.all_weights().next().is_none() && step.activations.is_none() && step.layers.is_empty() {
            return refuse(
                correction_path,
                "nothing is rounded that would need correction",
                "with weights or activations",
            );
        }
    }
    step.check_groups(&path, network)?;
    Ok(Rc::new(step))
}

impl QuantizeStep {
    /// Groups and blocks must divide the weights of an output of every layer that has them.
    fn check_groups(&self, path: &str, network: &Network) -> Result<(), CoreError> {
        for node in 0..network.graph.nodes().len() {
            let name = &network.graph.nodes()[node].name;
            let (Some(index), Some(spec)) = (network.weight_of(node), self.weights_of(name)) else { continue };
            let Some(size) = spec.group() else { continue };
            let shape = network.parameters[index].latent.shape();
            let each = shape.len() / shape.dims()[0].max(1);
            if !each.is_multiple_of(size) {
                let own = self.layers.get(name).is_some_and(|own| own.weights.is_some());
                let at = if own { format!("{path}.layers.{name}") } else { path.to_string() };
                let (at, found, allowed) = if spec.format.block().is_some() {
                    let found =
                        format!("{} in blocks of {size}, and {each} weights per output of {name}", spec.format.id());
                    let allowed = format!("rows that {size} divides, or another format for {name} under layers");
                    (format!("{at}.weights.format"), found, allowed)
                } else {
                    let found = format!("{size}, and {each} weights per output of {name}");
                    let allowed = format!("a divisor of {each}, or another granularity for {name} under layers");
                    (format!("{at}.weights.granularity.group"), found, allowed)
                };
                return Err(CoreError::new(ErrorCode::Combination, at, found, allowed));
            }
        }
        Ok(())
    }

    fn weights_of(&self, layer: &str) -> Option<&WeightSpec> {
        self.layers.get(layer).and_then(|own| own.weights.as_ref()).or(self.weights.as_ref())
    }

    fn activations_of(&self, layer: &str) -> Option<&ActivationSpec> {
        self.layers.get(layer).and_then(|own| own.activations.as_ref()).or(self.activations.as_ref())
    }

    fn all_activations(&self) -> impl Iterator<Item = &ActivationSpec> {
        self.activations.iter().chain(self.layers.values().filter_map(|own| own.activations.as_ref()))
    }

    fn all_weights(&self) -> impl Iterator<Item = &WeightSpec> {
        self.weights.iter().chain(self.layers.values().filter_map(|own| own.weights.as_ref()))
    }

    /// Whether anything is rounded.
    pub(super) fn rounds(&self) -> bool {
        self.all_weights().next().is_some() || self.all_activations().next().is_some()
    }

    /// Whether any scale can be learned: of weights in whole numbers, or of inputs.
    pub(super) fn has_scales(&self) -> bool {
        self.all_weights().any(|spec| spec.format.family() != Family::Float) || self.all_activations().next().is_some()
    }

    /// Whether any input has a clip that can be learned: signs have none.
    pub(super) fn has_clips(&self) -> bool {
        self.all_activations().any(|spec| spec.format.family() != Family::Binary)
    }

    /// A rounding of weights other than to the nearest, if there is one.
    pub(super) fn chosen_codes(&self) -> Option<&'static str> {
        let kinds = self.all_weights().map(|spec| spec.rounding.kind).filter(|kind| *kind != Rounding::Nearest);
        kinds.map(|kind| id_of(ROUNDINGS, &kind)).next()
    }

    /// A format whose values are a codebook of the weight's own, if there is one.
    pub(super) fn clustered(&self) -> Option<&'static str> {
        self.all_weights().find(|spec| spec.format.clustered().is_some()).map(|spec| spec.format.id())
    }

    /// Images that calibration draws from.
    fn calibration_images(&self) -> u32 {
        self.all_activations().map(|spec| spec.images).max().unwrap_or(0)
    }

    /// Whether weights or biases are chosen by what training images say.
    fn informed(&self) -> bool {
        self.correction == Correction::Bias || self.all_weights().any(|spec| spec.rounding.needs_images())
    }

    /// Whether that needs the outputs of the network in f32.
    fn needs_float(&self) -> bool {
        self.correction == Correction::Bias || self.all_weights().any(|spec| spec.rounding.kind == Rounding::Adaround)
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
        if self.informed() {
            object.insert("images".into(), json!(self.images));
        }
        if !self.layers.is_empty() {
            let layer = |(name, own): (&String, &Override)| {
                let mut layer = both(&own.weights, &own.activations);
                if let (Some(weights), Some(base)) = (&own.weights, &self.weights) {
                    weights.write_departure(base, &mut layer["weights"]);
                }
                (name.clone(), Value::Object(layer))
            };
            object.insert("layers".into(), Value::Object(self.layers.iter().map(layer).collect()));
        }
        Value::Object(object)
    }

    fn as_quantize(&self) -> Option<&QuantizeStep> {
        Some(self)
    }

    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
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
        let informed = if self.informed() { self.images } else { 0 };
        library.assets(model.data, "train", self.calibration_images().max(informed))
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        let weights: u64 =
            network.parameters.iter().filter(|p| p.is_weight()).map(|p| p.latent.data().len() as u64).sum();
        let searched = self.weights.as_ref().is_some_and(|spec| spec.range == Range::Mse);
        let encode = weights * range::MACS_PER_VALUE * if searched { range::STEPS as u64 } else { 1 };
        let informed = if self.informed() { inform::macs(self, network) } else { 0 };
        encode + 2 * network.graph.macs() * u64::from(self.calibration_images()) + informed
    }

    fn reshape(&self, network: &mut Network) -> Result<(), CoreError> {
        self.transforms.iter().try_for_each(|transform| transform.apply(network).map(|_| ()))
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            for transform in &self.transforms {
                transform.apply(cx.network)?;
            }
            // Inputs are watched in the network as it stands before its weights are rounded.
            let wanted: Vec<Option<ActivationSpec>> = (0..cx.network.graph.nodes().len())
                .map(|node| {
                    let name = &cx.network.graph.nodes()[node].name;
                    cx.network.rounds_input(node).then(|| self.activations_of(name)).flatten().cloned()
                })
                .collect();
            if wanted.iter().any(Option::is_some) {
                cx.ctx.enter(Phase::Calibrate);
                let images = cx.library.borrow().images(cx.network.model.data, "train", self.calibration_images())?;
                let grids = calibrate::input_grids(cx.ctx, cx.network, &images, &wanted, cx.seed).await?;
                for (slot, (spec, grid)) in cx.network.inputs.iter_mut().zip(wanted.iter().zip(grids)) {
                    if let (Some(spec), Some(grid)) = (spec, grid) {
                        *slot = Some(InputQuantizer { format: spec.format, grid, learned: false });
                    }
                }
            }
            if self.informed() {
                return inform::quantize(self, cx).await;
            }
            cx.ctx.enter(Phase::Quantize);
            for node in 0..cx.network.graph.nodes().len() {
                let Some(index) = cx.network.weight_of(node) else { continue };
                let Some(spec) = self.weights_of(&cx.network.graph.nodes()[node].name) else { continue };
                let parameter = &mut cx.network.parameters[index];
                let granules = range::granules(cx.ctx, spec, &parameter.latent).await;
                let packed = spec
                    .pack(&parameter.latent, granules)
                    .map_err(|error| CoreError::internal(&parameter.name, error))?;
                parameter.packed = Some(packed);
                parameter.quantizer = Some(WeightQuantizer { rule: Rc::new(*spec), learned: None });
            }
            Ok(())
        })
    }
}
