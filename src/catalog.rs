//! Names, ranges and sources of everything a recipe may say: what the page builds its controls from.

use crate::data::{AssetRef, DataSet, Kind, Library, Split};
use crate::error::CoreError;
use crate::formats::{CLUSTERED_BITS, FORMATS, Family, Format};
use crate::methods::{
    CALIBRATIONS, CORRECTIONS, Choice, ESTIMATORS, GRANULARITIES, GROUP_SIZES, IMITATIONS, MESSAGES, OPTIMIZERS,
    PRECISIONS, PRUNINGS, RANGES, ROUNDINGS, SCALES, SCHEDULES, SCOPES, STRUCTURES, TRANSFORMS, UNIT_SCORES, for_cache,
    for_inputs, ranges_of, roundings_of,
};
use crate::models::{self, MODELS};
use crate::named::Named;
use crate::ops::ParamSpec;
use crate::recipe::MOST_SEED;
use crate::report::{ENGINE, NUMERICS};
use serde::Serialize;

/// A layer of a model that has parameters.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LayerInfo {
    /// Its name.
    pub name: String,
    /// Its op.
    pub op: String,
    /// Parameters, bias included.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Weights of each output, which groups and blocks must divide; 0 for a layer without a weight.
    pub row: u32,
}

/// Right answers recorded when a model was trained.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Recorded {
    /// Right answers on the whole test split.
    pub correct: u32,
    /// Images.
    pub total: u32,
    /// Their ratio.
    pub top1: f64,
}

/// A model.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ModelInfo {
    /// The id in recipes.
    pub id: String,
    /// The permanent short code in links.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// Its data set.
    pub data: String,
    /// Parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Number of classes.
    pub classes: u32,
    /// Layers with parameters.
    pub layers: Vec<LayerInfo>,
    /// What its weights reached.
    pub baseline: Recorded,
    /// Its weights.
    pub weights: AssetRef,
    /// The paper.
    pub source: String,
}

/// A data set.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct DataInfo {
    /// The id in recipes.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// What its items are.
    pub kind: Kind,
    /// Channels, height, width; a window of text is one row.
    pub shape: [usize; 3],
    /// Ids of the classes, in label order; the characters, for text.
    pub classes: Vec<String>,
    /// Images of each split.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "Record<string, number>"))]
    pub splits: Named<u32>,
    /// The package it comes from.
    pub source: String,
    /// Its licence.
    pub licence: String,
}

/// A number format.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct FormatInfo {
    /// The id in recipes.
    pub id: String,
    /// The permanent short code in links.
    pub code: String,
    /// Bits per value, scales aside.
    pub bits: f64,
    /// Distinct values; `null` for floats.
    pub levels: Option<u32>,
    /// The kind.
    pub family: Family,
    /// Whether weights may have it.
    pub weights: bool,
    /// Whether inputs may have it.
    pub activations: bool,
    /// Whether it has scales, so that granularity matters.
    pub scaled: bool,
    /// Whether it can be asymmetric.
    pub asymmetric: bool,
    /// Whether the choice of range matters.
    pub ranged: bool,
    /// Whether its weights may share scales in groups.
    pub groups: bool,
    /// Whether kept keys and values may have it.
    pub cache: bool,
    /// Inputs of a block, which must divide every row of the layer; `null` where there are no blocks.
    pub block: Option<u32>,
    /// Whether it is one of the widths that the page runs side by side.
    pub curve: bool,
    /// Ids of the ranges that its weights may have.
    pub ranges: Vec<String>,
    /// Ids of the roundings that its weights may have.
    pub roundings: Vec<String>,
    /// The paper or standard.
    pub source: String,
}

/// A choice.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChoiceInfo {
    /// The id in recipes.
    pub id: String,
    /// The permanent short code in links.
    pub code: String,
    /// The paper or standard.
    pub source: String,
}

/// Everything there is to choose from.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Catalog {
    /// The engine's version.
    pub engine: String,
    /// See [`NUMERICS`].
    pub numerics: u32,
    /// Models with trained weights whose data set is there.
    pub models: Vec<ModelInfo>,
    /// Data sets.
    pub data: Vec<DataInfo>,
    /// Number formats.
    pub formats: Vec<FormatInfo>,
    /// What may share a scale.
    pub granularities: Vec<ChoiceInfo>,
    /// Ranges of weights.
    pub ranges: Vec<ChoiceInfo>,
    /// Scales of integer weights.
    pub scales: Vec<ChoiceInfo>,
    /// Ranges of inputs.
    pub calibrations: Vec<ChoiceInfo>,
    /// Which code each weight gets.
    pub roundings: Vec<ChoiceInfo>,
    /// What is done before rounding.
    pub transforms: Vec<ChoiceInfo>,
    /// What is done to biases after rounding.
    pub corrections: Vec<ChoiceInfo>,
    /// How gradients pass what is rounded.
    pub estimators: Vec<ChoiceInfo>,
    /// What a student may imitate of a teacher.
    pub imitations: Vec<ChoiceInfo>,
    /// How parameters follow gradients.
    pub optimizers: Vec<ChoiceInfo>,
    /// How the learning rate runs.
    pub rates: Vec<ChoiceInfo>,
    /// Numbers that a training computes with.
    pub precisions: Vec<ChoiceInfo>,
    /// What workers send each other of a gradient.
    pub messages: Vec<ChoiceInfo>,
    /// By what single weights are pruned.
    pub prunings: Vec<ChoiceInfo>,
    /// What weights are compared with, for pruning.
    pub scopes: Vec<ChoiceInfo>,
    /// What can be taken out as a whole.
    pub structures: Vec<ChoiceInfo>,
    /// By what that is chosen.
    pub unit_scores: Vec<ChoiceInfo>,
    /// Least and greatest values of numbers, by name.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "Record<string, [number, number]>"))]
    pub limits: Named<[f64; 2]>,
}

fn choices<T>(list: &[Choice<T>]) -> Vec<ChoiceInfo> {
    list.iter().map(|c| ChoiceInfo { id: c.id.into(), code: c.code.into(), source: c.source.into() }).collect()
}

fn format_info(format: &dyn Format) -> FormatInfo {
    FormatInfo {
        id: format.id().into(),
        code: format.code().into(),
        bits: format.bits(),
        levels: format.levels(),
        family: format.family(),
        weights: true,
        activations: for_inputs(format),
        scaled: format.scaled(),
        asymmetric: format.asymmetric(),
        ranged: format.ranged(),
        groups: format.groups(),
        cache: for_cache(format),
        block: format.block().map(|values| values as u32),
        curve: format.on_curve(),
        ranges: ranges_of(format).map(|choice| choice.id.to_string()).collect(),
        roundings: roundings_of(format).map(|choice| choice.id.to_string()).collect(),
        source: format.source().into(),
    }
}

/// Weights of each output of a layer with these parameters.
fn row(params: &[ParamSpec]) -> u32 {
    let weight = params.first().filter(|spec| spec.name == "weight");
    weight.map_or(0, |spec| (spec.shape.len() / spec.shape.dims()[0].max(1)) as u32)
}

/// The catalog of this engine and a library's data sets.
///
/// # Errors
/// `internal` when a built-in manifest or model is not readable, which tests rule out.
pub fn catalog(library: &Library) -> Result<Catalog, CoreError> {
    let zoo = models::zoo()?;
    let mut model_infos = Vec::new();
    for model in MODELS.iter().filter(|model| library.set(model.data).is_ok()) {
        let Some(entry) = zoo.get(model.id) else { continue };
        let graph = (model.build)().map_err(|error| CoreError::internal(model.id, error))?;
        let count = |node: &crate::graph::Node| node.params.iter().map(|spec| spec.shape.len() as u64).sum::<u64>();
        let layers: Vec<LayerInfo> = graph
            .nodes()
            .iter()
            .filter(|node| !node.params.is_empty())
            .map(|node| LayerInfo {
                name: node.name.clone(),
                op: node.op.kind().into(),
                parameters: count(node),
                macs: node.macs,
                row: row(&node.params),
            })
            .collect();
        model_infos.push(ModelInfo {
            id: model.id.into(),
            code: model.code.into(),
            name: model.name.into(),
            data: model.data.into(),
            parameters: layers.iter().map(|layer| layer.parameters).sum(),
            macs: graph.macs(),
            classes: graph.output().dims()[0] as u32,
            layers,
            baseline: Recorded {
                correct: entry.correct,
                total: entry.total,
                top1: f64::from(entry.correct) / f64::from(entry.total.max(1)),
            },
            weights: entry.asset.clone(),
            source: model.source.into(),
        });
    }
    let counts = |set: &DataSet| {
        let mut counts = Named::default();
        for (name, split) in set.splits.iter() {
            counts.insert(name.clone(), split.count);
        }
        counts
    };
    let data = library.sets().iter().map(|(id, set)| DataInfo {
        id: id.clone(),
        name: set.name.clone(),
        kind: set.kind,
        shape: set.shape,
        classes: set.classes.clone(),
        splits: counts(set),
        source: set.source.clone(),
        licence: set.licence.clone(),
    });
    let most = |most: f64, split: &Split| most.max(f64::from(split.count));
    let mut limits = Named::default();
    for (name, range) in [
        ("seed", [0.0, MOST_SEED as f64]),
        ("data.count", [1.0, library.sets().values().iter().flat_map(|set| set.splits.values()).fold(1.0, most)]),
        ("bits.budget", [2.0, 8.0]),
        ("bits.images", [8.0, 2000.0]),
        ("activations.images", [1.0, 2000.0]),
        ("activations.percentile", [50.0, 100.0]),
        ("quantize.images", [1.0, 1024.0]),
        ("quantize.alpha", [0.0, 1.0]),
        ("prune.images", [1.0, 1024.0]),
        ("prune.rounds", [1.0, 50.0]),
        ("prune.percent", [0.0, 99.9]),
        ("train.clip_decay", [0.0, 1.0]),
        ("train.epochs", [1.0, 200.0]),
        ("train.batch", [1.0, 512.0]),
        ("train.lr", [1e-8, 10.0]),
        ("train.count", [1.0, 10_000_000.0]),
        ("train.loss_scale", [1.0, 16_777_216.0]),
        ("train.workers", [1.0, 64.0]),
        ("distill.temperature", [0.1, 100.0]),
        ("distill.alpha", [0.0, 1.0]),
        ("weights.bits", [*CLUSTERED_BITS.start() as f64, *CLUSTERED_BITS.end() as f64]),
        ("weights.damping", [0.0001, 1.0]),
        ("weights.group", [*GROUP_SIZES.start() as f64, *GROUP_SIZES.end() as f64]),
        ("weights.iterations", [100.0, 20_000.0]),
    ] {
        limits.insert(name.to_string(), range);
    }
    Ok(Catalog {
        engine: ENGINE.into(),
        numerics: NUMERICS,
        models: model_infos,
        data: data.collect(),
        formats: FORMATS.iter().map(|format| format_info(*format)).collect(),
        granularities: choices(GRANULARITIES),
        ranges: choices(RANGES),
        scales: choices(SCALES),
        calibrations: choices(CALIBRATIONS),
        roundings: choices(ROUNDINGS),
        transforms: choices(TRANSFORMS),
        corrections: choices(CORRECTIONS),
        estimators: choices(ESTIMATORS),
        optimizers: choices(OPTIMIZERS),
        rates: choices(SCHEDULES),
        precisions: choices(PRECISIONS),
        messages: choices(MESSAGES),
        imitations: choices(IMITATIONS),
        prunings: choices(PRUNINGS),
        scopes: choices(SCOPES),
        structures: choices(STRUCTURES),
        unit_scores: choices(UNIT_SCORES),
        limits,
    })
}
