//! Quantization after training: weights to a format, inputs to a grid from calibration.

mod calibrate;
mod range;
mod spec;

pub(crate) use spec::for_inputs;

pub use spec::{ActivationSpec, CALIBRATIONS, Calibration, GRANULARITIES, Granularity, RANGES, Range, WeightSpec};

use super::{Applied, Method, Parsed, Step, StepContext};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;
use crate::formats::PackedTensor;
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
    weights: Option<WeightSpec>,
    activations: Option<ActivationSpec>,
    layers: BTreeMap<String, Override>,
}

fn parse(mut fields: Fields, network: &Network) -> Parsed {
    let path = fields.path().to_string();
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
    fields.finish()?;
    if weights.is_none() && activations.is_none() && layers.is_empty() {
        return Err(CoreError::new(
            ErrorCode::MissingField,
            path,
            "nothing to quantize",
            "weights, activations, layers",
        ));
    }
    let step = QuantizeStep { weights, activations, layers };
    step.check_groups(&path, network)?;
    Ok(Rc::new(step))
}

impl QuantizeStep {
    /// Groups must divide the weights of an output of every layer that has them.
    fn check_groups(&self, path: &str, network: &Network) -> Result<(), CoreError> {
        for node in 0..network.graph.nodes().len() {
            let name = &network.graph.nodes()[node].name;
            let (Some(index), Some(spec)) = (network.weight_of(node), self.weights_of(name)) else { continue };
            let Granularity::Group(size) = spec.granularity else { continue };
            let shape = network.parameters[index].latent.shape();
            let each = shape.len() / shape.dims()[0].max(1);
            if spec.format.scaled() && !each.is_multiple_of(size as usize) {
                let own = self.layers.get(name).is_some_and(|own| own.weights.is_some());
                let at = if own { format!(".layers.{name}") } else { String::new() };
                return Err(CoreError::new(
                    ErrorCode::Combination,
                    format!("{path}{at}.weights.granularity.group"),
                    format!("{size}, and {each} weights per output of {name}"),
                    format!("a divisor of {each}, or another granularity for {name} under layers"),
                ));
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

    /// Images that calibration draws from.
    fn images(&self) -> u32 {
        self.all_activations().map(|spec| spec.images).max().unwrap_or(0)
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
        if !self.layers.is_empty() {
            let layers: Map<String, Value> = self
                .layers
                .iter()
                .map(|(name, own)| (name.clone(), Value::Object(both(&own.weights, &own.activations))))
                .collect();
            object.insert("layers".into(), json!(layers));
        }
        Value::Object(object)
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
        library.assets(model.data, "train", self.images())
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        let weights: u64 =
            network.parameters.iter().filter(|p| p.is_weight()).map(|p| p.latent.data().len() as u64).sum();
        let searched = self.weights.as_ref().is_some_and(|spec| spec.range == Range::Mse);
        let encode = weights * range::MACS_PER_VALUE * if searched { range::STEPS as u64 } else { 1 };
        encode + 2 * network.graph.macs() * u64::from(self.images())
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            // Inputs are watched in the network as it stands before its weights are rounded.
            let wanted: Vec<Option<ActivationSpec>> = (0..cx.network.graph.nodes().len())
                .map(|node| {
                    let name = &cx.network.graph.nodes()[node].name;
                    cx.network.rounds_input(node).then(|| self.activations_of(name)).flatten().cloned()
                })
                .collect();
            if wanted.iter().any(Option::is_some) {
                cx.ctx.enter(Phase::Calibrate);
                let images = cx.library.borrow().images(cx.network.model.data, "train", self.images())?;
                let grids = calibrate::input_grids(cx.ctx, cx.network, &images, &wanted, cx.seed).await?;
                for (slot, (spec, grid)) in cx.network.inputs.iter_mut().zip(wanted.iter().zip(grids)) {
                    if let (Some(spec), Some(grid)) = (spec, grid) {
                        *slot = Some(InputQuantizer { format: spec.format, grid });
                    }
                }
            }
            cx.ctx.enter(Phase::Quantize);
            for node in 0..cx.network.graph.nodes().len() {
                let Some(index) = cx.network.weight_of(node) else { continue };
                let Some(spec) = self.weights_of(&cx.network.graph.nodes()[node].name) else { continue };
                let parameter = &mut cx.network.parameters[index];
                let granules = range::granules(cx.ctx, spec, &parameter.latent).await;
                let pack = match spec.granularity {
                    Granularity::Group(_) if spec.format.scaled() => PackedTensor::grouped,
                    _ => PackedTensor::new,
                };
                let packed = pack(spec.format, &parameter.latent, granules)
                    .map_err(|error| CoreError::internal(&parameter.name, error))?;
                parameter.packed = Some(packed);
            }
            Ok(())
        })
    }
}
