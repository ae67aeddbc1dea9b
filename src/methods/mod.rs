//! The steps of a recipe: one file or folder per kind, one line per kind in [`METHODS`].

mod allocate;
mod prune;
mod quantize;
mod sensitivity;
mod train;

pub use prune::{MOST_SPARSITY, PRUNINGS, PruneStep, SCOPES, STRUCTURES, Structure, UNIT_SCORES, UnitScore, scopes_of};
pub use quantize::{
    ActivationSpec, Budget, CALIBRATIONS, CORRECTIONS, Calibration, Correction, GRANULARITIES, Granularity,
    QuantizeStep, RANGES, ROUNDINGS, Range, Rounding, RoundingSpec, SCALES, Scale, TRANSFORMS, Transform, WIDTHS,
    WeightSpec, widths,
};
pub use sensitivity::{CACHE_BYTES, Changed, Effect, Mode, Ways, sensitivity};
pub use train::{ESTIMATORS, IMITATIONS, MESSAGES, OPTIMIZERS, PRECISIONS, SCHEDULES, TrainStep};

pub(crate) use quantize::{GROUP_SIZES, for_cache, for_inputs, ranges_of, roundings_of};

use crate::data::{AssetRef, Images, Library, find_split};
use crate::error::{CoreError, ErrorCode};
use crate::evaluate::{Evaluations, Kept};
use crate::fields::Fields;
use crate::models::{Model, Network};
use crate::ops::InputGrid;
use crate::rng::Rng;
use crate::task::Context;
use crate::tensor::Tensor;
use crate::train::{Checkpoint, Part, Trained};
use serde_json::Value;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// A choice in the page's catalog: id, permanent link code, source.
#[derive(Clone, Copy, Debug)]
pub struct Choice<T> {
    /// The value.
    pub value: T,
    /// The id in recipes.
    pub id: &'static str,
    /// The permanent short code in links.
    pub code: &'static str,
    /// The paper or standard.
    pub source: &'static str,
}

/// The ids of a list of choices.
fn ids<T>(choices: &[Choice<T>]) -> Vec<&'static str> {
    choices.iter().map(|choice| choice.id).collect()
}

/// The value of the choice with this id.
fn choose<T: Copy>(choices: &[Choice<T>], id: &str) -> Option<T> {
    choices.iter().find(|choice| choice.id == id).map(|choice| choice.value)
}

/// The id of the choice with this value.
fn id_of<T: PartialEq>(choices: &[Choice<T>], value: &T) -> &'static str {
    choices.iter().find(|choice| choice.value == *value).map_or("", |choice| choice.id)
}

/// `count` training images of a model: the first, or those that the seed draws.
fn training_images(library: &Library, model: &Model, count: u32, seed: Option<u64>) -> Result<Images, CoreError> {
    let Some(seed) = seed else { return library.images(model.data, "train", count) };
    let all = find_split(&*library.set(model.data)?, "train")?.count;
    let all = library.images(model.data, "train", all)?;
    let order = Rng::stream(seed, "draw", 0).permutation(all.len());
    Ok(all.picked(&order[..order.len().min(count as usize)]))
}

/// The files of [`training_images`]; none for no images.
fn training_assets(
    library: &Library,
    model: &Model,
    count: u32,
    seed: Option<u64>,
) -> Result<Vec<AssetRef>, CoreError> {
    let drawn = seed.is_some() && count > 0;
    let count = if drawn { find_split(&*library.set(model.data)?, "train")?.count } else { count };
    library.assets(model.data, "train", count)
}

/// A network that steps have made.
pub struct Made {
    /// It.
    pub network: Network,
    /// What each of the steps ended with, where that is a training: the others are done again where they are needed.
    pub ended: Vec<Vec<Tensor>>,
}

/// What an engine keeps from one recipe for the next. Results are the same without it.
#[derive(Default)]
pub struct Memory {
    /// Starting networks, judged.
    pub evaluations: Evaluations,
    /// What changing each layer in one way does; see [`sensitivity`].
    pub effects: Kept<Vec<Effect>, 64>,
    /// Grids that calibration found, by node.
    pub grids: Kept<Vec<Option<InputGrid>>, 16>,
    /// Teachers, as their steps have left them.
    pub teachers: Kept<Made, 4>,
    /// What teachers make of a whole set of images.
    pub lessons: Kept<Vec<f32>, 4>,
}

/// What a step works with.
pub struct StepContext<'a> {
    /// Budget and progress.
    pub ctx: &'a Context,
    /// Data.
    pub library: &'a RefCell<Library>,
    /// What earlier recipes left.
    pub memory: &'a Memory,
    /// The network to change.
    pub network: &'a mut Network,
    /// The recipe's seed.
    pub seed: u64,
    /// Position of the step; random streams differ by it.
    pub index: u64,
    /// Names this step of this recipe in checkpoints.
    pub key: String,
    /// A checkpoint to go on from, if one was given, with this training in it or not.
    pub resume: Option<&'a Checkpoint>,
    /// What a training says of itself, for the report. Where it has `parameters` before the step, that training was done already and
    /// ended with them.
    pub trained: Trained,
}

impl<'a> StepContext<'a> {
    /// What the checkpoint to go on from has of this training.
    ///
    /// # Errors
    /// `checksum` when it is no checkpoint.
    fn own_resume(&self) -> Result<Option<Part<'a>>, CoreError> {
        self.resume.map_or(Ok(None), |checkpoint| checkpoint.part(&self.key))
    }

    /// The same with another network to change.
    fn with<'b>(&'b self, network: &'b mut Network) -> StepContext<'b> {
        let &Self { ctx, library, memory, seed, index, resume, .. } = self;
        StepContext {
            ctx,
            library,
            memory,
            network,
            seed,
            index,
            key: String::new(),
            resume,
            trained: Trained::default(),
        }
    }
}

/// The future of [`Step::apply`].
pub type Applied<'a> = Pin<Box<dyn Future<Output = Result<(), CoreError>> + 'a>>;

/// One step of a recipe, parsed and checked.
pub trait Step {
    /// The key in the recipe, such as `quantize`.
    fn name(&self) -> &'static str;
    /// The step with every default written out.
    fn canonical(&self) -> Value;
    /// Checks the step against the steps before it.
    ///
    /// # Errors
    /// `combination` when it cannot follow them.
    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError>;
    /// It, if it is a quantize step: later steps go by what it rounds.
    fn as_quantize(&self) -> Option<&QuantizeStep> {
        None
    }
    /// It, if it is a prune step: a train step carries out its schedule.
    fn as_prune(&self) -> Option<&PruneStep> {
        None
    }
    /// Whether it makes small inputs of layers 0: nothing behind it may scale or mix them.
    fn prunes_inputs(&self) -> bool {
        false
    }
    /// Checks the step against the one behind it, if there is one.
    ///
    /// # Errors
    /// `combination` when it needs another.
    fn check_next(&self, path: &str, next: Option<&dyn Step>) -> Result<(), CoreError> {
        let _ = (path, next);
        Ok(())
    }
    /// Data files it reads, beyond those of the evaluation.
    ///
    /// # Errors
    /// `unknown-id` when it names a set that is not there.
    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError>;
    /// Multiply-adds it will take, about.
    fn macs(&self, network: &Network, library: &Library) -> u64;
    /// Does to the graph alone what it does to that, for reading an exported network; parameters get any values.
    ///
    /// # Errors
    /// `internal` when the graph does not build, which its parsing rules out.
    fn reshape(&self, network: &mut Network) -> Result<(), CoreError> {
        let _ = network;
        Ok(())
    }
    /// Does it.
    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a>;
}

/// A step, or what is wrong with it.
pub type Parsed = Result<Rc<dyn Step>, CoreError>;

/// A kind of step.
pub struct Method {
    /// The key in the recipe.
    pub name: &'static str,
    /// Reads a step that comes after `earlier` ones; the network names the layers it may speak of.
    pub parse: fn(Fields, &Network, &[Rc<dyn Step>]) -> Parsed,
}

/// Every kind of step. To add one: write its file, add a line here.
pub static METHODS: &[&Method] = &[&train::METHOD, &quantize::METHOD, &prune::METHOD];

/// Most steps of a recipe.
pub const MOST_STEPS: usize = 16;

/// Reads the list of steps at `path`, of a recipe or of a teacher.
///
/// # Errors
/// A [`CoreError`] naming the first field that is wrong.
pub fn parse_steps(steps: Vec<Value>, path: &str, network: &Network) -> Result<Vec<Rc<dyn Step>>, CoreError> {
    let mut parsed: Vec<Rc<dyn Step>> = Vec::new();
    for (i, step) in steps.into_iter().enumerate() {
        let step = parse_step(step, &format!("{path}.{i}"), network, &parsed)?;
        parsed.push(step);
    }
    for (i, step) in parsed.iter().enumerate() {
        step.check_next(&format!("{path}.{i}.{}", step.name()), parsed.get(i + 1).map(Rc::as_ref))?;
    }
    Ok(parsed)
}

fn parse_step(value: Value, path: &str, network: &Network, earlier: &[Rc<dyn Step>]) -> Parsed {
    let names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
    let allowed = || format!("one of {}", names.join(", "));
    let mut step = Fields::new(value, path)?;
    let mut found = None;
    for method in METHODS {
        if let Some(fields) = step.object(method.name)? {
            if found.is_some() {
                return Err(CoreError::new(ErrorCode::Combination, path, "two kinds in one step", allowed()));
            }
            found = Some((method.parse)(fields, network, earlier)?);
        }
    }
    step.finish()?;
    let step = found.ok_or_else(|| CoreError::new(ErrorCode::MissingField, path, "an empty step", allowed()))?;
    step.check(path, earlier)?;
    Ok(step)
}
