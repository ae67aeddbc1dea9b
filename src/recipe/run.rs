//! Running a recipe.

use super::{Recipe, SensitivityRow};
use crate::data::{Images, Library};
use crate::error::CoreError;
use crate::evaluate::{
    Evaluation, LayerInspection, Twin, cost, evaluate, inspect, inspected_images, layer_bytes, measure, sqnr_db, twin,
};
use crate::graph::Plan;
use crate::methods::{Memory, StepContext};
use crate::models::{Execution, Network, Start};
use crate::named::Named;
use crate::report::{Baseline, Digests, ENGINE, LayerReport, NUMERICS, Report, StepReport};
use crate::task::{Context, Phase};
use crate::tensor::Tensor;
use crate::train::{Checkpoint, Trained};
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;

/// What a run leaves.
pub struct Outcome {
    /// The report; `None` when only the network was asked for.
    pub report: Option<Report>,
    /// Predicted class of every image, in data order; empty without a report.
    pub predictions: Vec<u8>,
    /// The network after all steps.
    pub network: Network,
    /// It, ready to run.
    pub plan: Plan,
    /// The recipe in canonical form.
    pub recipe: Value,
    /// What every layer does to the result; only of [`super::sensitivity`].
    pub sensitivity: Vec<SensitivityRow>,
    /// What every layer takes and gives; only of [`look`].
    pub layers: Vec<LayerInspection>,
}

impl Outcome {
    /// A network without a report.
    pub(super) fn of(network: Network, execution: Execution, recipe: Value) -> Result<Self, CoreError> {
        let plan = network.plan(execution)?;
        let (predictions, sensitivity, layers) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { report: None, predictions, network, plan, recipe, sensitivity, layers })
    }
}

/// The network a recipe starts from.
pub(super) fn start(recipe: &Recipe, library: &RefCell<Library>) -> Result<Network, CoreError> {
    Network::start(recipe.model, recipe.init, recipe.seed, &library.borrow())
}

/// Names step `index` of a recipe in checkpoints: all that its result depends on.
fn step_key(recipe: &Value, index: usize) -> String {
    let mut prefix = recipe.clone();
    if let Some(steps) = prefix["steps"].as_array_mut() {
        steps.truncate(index + 1);
    }
    if let Some(object) = prefix.as_object_mut() {
        object.remove("data");
        object.remove("storage");
        object.remove("targets");
    }
    format!("{index}:{}", crate::data::sha256_hex(prefix.to_string().as_bytes()))
}

/// Applies step `index`.
pub(super) async fn apply(
    ctx: &Context,
    recipe: &Recipe,
    canonical: &Value,
    index: usize,
    (library, memory): (&RefCell<Library>, &Memory),
    network: &mut Network,
    resume: Option<&Checkpoint>,
) -> Result<Trained, CoreError> {
    let key = step_key(canonical, index);
    let mut cx = StepContext {
        ctx,
        library,
        memory,
        network,
        seed: recipe.seed,
        index: index as u64,
        key,
        resume,
        trained: Trained::default(),
    };
    recipe.steps[index].apply(&mut cx).await?;
    ctx.end_step();
    Ok(cx.trained)
}

/// Multiply-adds of a recipe's steps, about.
fn step_macs(recipe: &Recipe, library: &RefCell<Library>, network: &Network) -> u64 {
    recipe.steps.iter().map(|step| step.macs(network, &library.borrow())).sum()
}

/// Applies all steps without judging the result.
///
/// # Errors
/// `asset` when a file was not provided; see the steps for more.
pub async fn prepare(
    ctx: Rc<Context>,
    recipe: Recipe,
    library: Rc<RefCell<Library>>,
    memory: Rc<Memory>,
    resume: Option<Checkpoint>,
) -> Result<Outcome, CoreError> {
    let canonical = recipe.canonical();
    let mut network = start(&recipe, &library)?;
    network.storage = recipe.storage;
    ctx.expect(step_macs(&recipe, &library, &network));
    for index in 0..recipe.steps.len() {
        apply(&ctx, &recipe, &canonical, index, (&library, &memory), &mut network, resume.as_ref()).await?;
    }
    Outcome::of(network, recipe.execution, canonical)
}

/// Watches the layers of `network`, which the recipe made, on the first of the recipe's images.
///
/// # Errors
/// `asset` when those were not provided.
pub async fn look(
    ctx: Rc<Context>,
    recipe: Recipe,
    library: Rc<RefCell<Library>>,
    network: Network,
) -> Result<Outcome, CoreError> {
    let count = recipe.data.count.min(inspected_images(&network));
    let images = library.borrow().images(&recipe.data.set, &recipe.data.split, count)?;
    let layers = inspect(&ctx, &network, recipe.execution, &images).await?;
    Ok(Outcome { layers, ..Outcome::of(network, recipe.execution, recipe.canonical())? })
}

/// Applies all steps and judges the network before, between and after them.
///
/// # Errors
/// `asset` when a file was not provided; see the steps for more.
pub async fn run(
    ctx: Rc<Context>,
    recipe: Recipe,
    library: Rc<RefCell<Library>>,
    memory: Rc<Memory>,
    resume: Option<Checkpoint>,
) -> Result<Outcome, CoreError> {
    let canonical = recipe.canonical();
    let images = library.borrow().images(&recipe.data.set, &recipe.data.split, recipe.data.count)?;
    let mut network = start(&recipe, &library)?;
    let evaluation_macs = network.graph.macs() * images.len() as u64;
    let known = memory.evaluations.get(&baseline_key(&recipe, &canonical)).is_some();
    let rounds = recipe.steps.len() as u64 + u64::from(!known || recipe.steps.is_empty());
    ctx.expect(step_macs(&recipe, &library, &network) + rounds * evaluation_macs);

    // What the recipe starts from is measured as it comes, dense.
    let baseline_size = measure(&ctx, &network).await?;
    network.storage = recipe.storage;
    let mut size = baseline_size;
    if recipe.steps.is_empty() {
        if recipe.storage.is_some() {
            size = measure(&ctx, &network).await?;
        }
        ctx.report_bytes(size.bytes);
    }
    let before = baseline(&ctx, &recipe, &canonical, &network, &images, &memory).await?;
    let baseline = Baseline { accuracy: before.accuracy, size: baseline_size };
    let original = originals(&network)?;
    let mut plan = network.plan(recipe.execution)?;
    let mut evaluation = before;
    let mut steps = Vec::with_capacity(recipe.steps.len());
    for (index, step) in recipe.steps.iter().enumerate() {
        let trained =
            apply(&ctx, &recipe, &canonical, index, (&library, &memory), &mut network, resume.as_ref()).await?;
        plan = network.plan(recipe.execution)?;
        size = measure(&ctx, &network).await?;
        ctx.report_bytes(size.bytes);
        evaluation = Rc::new(evaluate(&ctx, &mut plan, &images).await);
        steps.push(StepReport {
            step: step.name().to_string(),
            accuracy: evaluation.accuracy,
            bytes: size.bytes,
            macs: network.graph.macs(),
            epoch_loss: trained.epoch_loss,
            validation_loss: trained.validation_loss,
            teacher_share: trained.teacher_share,
            training: trained.record,
        });
    }
    let twin = twins(&ctx, &network, &images).await?;
    let report = Report {
        version: 1,
        engine: ENGINE.to_string(),
        numerics: NUMERICS,
        recipe: canonical.clone(),
        accuracy: evaluation.accuracy,
        baseline,
        size,
        cost: cost(&network)?,
        steps,
        layers: layers(&network, &original)?,
        twin,
        digests: Digests { weights: network.digest()?, outputs: evaluation.digest.clone() },
    };
    Ok(Outcome {
        report: Some(report),
        predictions: evaluation.predictions.clone(),
        network,
        plan,
        recipe: canonical,
        sensitivity: Vec::new(),
        layers: Vec::new(),
    })
}

/// The network with integer sums beside its twin in f32 arithmetic; `None` when no layer has integer sums.
async fn twins(ctx: &Context, network: &Network, images: &Images) -> Result<Option<Twin>, CoreError> {
    if !network.has_integer_layers() {
        return Ok(None);
    }
    let every = vec![true; network.graph.nodes().len()];
    let plan = |execution| network.plan_keeping(execution, &every);
    let (mut integer, mut fake) = (plan(Execution::Integer)?, plan(Execution::Fake)?);
    Ok(Some(twin(ctx, &mut integer, &mut fake, images).await))
}

/// What a baseline's evaluation depends on.
fn baseline_key(recipe: &Recipe, canonical: &Value) -> String {
    let seed = if recipe.init == Start::Random { canonical["seed"].clone() } else { Value::Null };
    format!("{} {} {seed} {}", canonical["model"], canonical["init"], canonical["data"])
}

/// The starting network on the same images; kept for the next recipe of a sweep.
async fn baseline(
    ctx: &Context,
    recipe: &Recipe,
    canonical: &Value,
    network: &Network,
    images: &Images,
    memory: &Memory,
) -> Result<Rc<Evaluation>, CoreError> {
    let key = baseline_key(recipe, canonical);
    if let Some(kept) = memory.evaluations.get(&key) {
        return Ok(kept);
    }
    let mut plan = network.plan(recipe.execution)?;
    let evaluation = memory.evaluations.keep(key, evaluate(ctx, &mut plan, images).await);
    if !recipe.steps.is_empty() {
        // These counts are the baseline's, not the recipe's.
        ctx.clear_partial();
        ctx.enter(Phase::Load);
    }
    Ok(evaluation)
}

/// The values of a network's parameters, by name.
pub type Originals = Named<Tensor>;

/// The parameters as inference uses them.
///
/// # Errors
/// See [`crate::models::Parameter::effective`].
pub fn originals(network: &Network) -> Result<Originals, CoreError> {
    let mut originals = Named::default();
    for parameter in &network.parameters {
        originals.insert(parameter.name.clone(), parameter.effective()?);
    }
    Ok(originals)
}

/// Every layer with parameters; `original` holds the parameters before any step. Layers that are there no more are left
/// out; a weight that a transform has changed is compared with what the transform made of it.
///
/// # Errors
/// See [`crate::models::Parameter::effective`].
pub fn layers(network: &Network, original: &Originals) -> Result<Vec<LayerReport>, CoreError> {
    let bytes = layer_bytes(network);
    let mut layers = Vec::new();
    for (i, node) in network.graph.nodes().iter().enumerate() {
        if node.params.is_empty() {
            continue;
        }
        let (mut parameters, mut nonzero, mut pruned) = (0, 0, 0);
        for parameter in &network.parameters[node.first_param..node.first_param + node.params.len()] {
            let values = parameter.effective()?;
            parameters += values.data().len() as u64;
            nonzero += values.data().iter().filter(|&&v| v != 0.0).count() as u64;
            pruned += parameter.mask.iter().flatten().filter(|kept| !**kept).count() as u64;
        }
        let weight = network.weight_of(i);
        let packed = weight.and_then(|weight| network.parameters[weight].packed.as_ref());
        let sqnr = match weight.map(|weight| &network.parameters[weight]) {
            Some(parameter) => {
                let before = original.get(&parameter.name).filter(|_| !parameter.transformed);
                sqnr_db(before.unwrap_or(&parameter.latent).data(), parameter.effective()?.data())
            }
            None => None,
        };
        layers.push(LayerReport {
            name: node.name.clone(),
            op: node.op.kind().to_string(),
            weight_format: packed.map_or("fp32", |p| p.format().id()).to_string(),
            activation_format: network.inputs[i].map_or("fp32", |input| input.format.id()).to_string(),
            parameters,
            nonzero,
            kept: (pruned > 0).then_some(parameters - pruned),
            macs: node.macs,
            bytes: bytes[i],
            sqnr_db: sqnr,
        });
    }
    Ok(layers)
}
