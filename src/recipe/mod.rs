//! Recipes: JSON in, checked and written out with every default; then run to a report.

mod load;
mod run;
mod sensitivity;
mod sweep;

pub use load::load;
pub use run::{Outcome, layers, look, prepare, run};
pub use sensitivity::{DEFAULT_SPARSITIES, Question, SensitivityRow, sensitivity};
pub use sweep::{Cell, expand};

use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, object};
use crate::formats::{STORAGES, Storage, find_storage};
use crate::methods::{Step, parse_steps};
use crate::models::{self, Execution, Model, Network, Start};
use serde_json::Value;
use std::rc::Rc;

/// Version of the recipe's schema.
pub const VERSION: u64 = 1;
/// Greatest seed.
pub const MOST_SEED: u64 = crate::fields::MOST_WHOLE;

/// Images a network is judged on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSpec {
    /// The set.
    pub set: String,
    /// Its split.
    pub split: String,
    /// The first so many images, in the split's fixed shuffled order.
    pub count: u32,
}

/// A recipe, parsed and checked.
#[derive(Clone)]
pub struct Recipe {
    /// The model.
    pub model: &'static Model,
    /// Images for the report.
    pub data: DataSpec,
    /// The seed of every random choice.
    pub seed: u64,
    /// Starting parameters.
    pub init: Start,
    /// How quantized layers compute.
    pub execution: Execution,
    /// How weights are stored; `None`: each in the smallest way.
    pub storage: Option<Storage>,
    /// What is done, in order.
    pub steps: Vec<Rc<dyn Step>>,
    /// Machines whose latency is asked for; see [`TARGETS`].
    pub targets: Vec<&'static str>,
}

const EXECUTIONS: [(&str, Execution); 2] = [("integer", Execution::Integer), ("fake", Execution::Fake)];
/// The storage that is the smallest of all, weight by weight.
const AUTO: &str = "auto";

/// Every target. `this-browser` is timed by the host after the run, with the steps of [`crate::graph::Plan`]; the others, which are
/// those of `data/targets/targets.json`, are modelled by it.
pub static TARGETS: &[&str] = &[
    "this-browser",
    "p100",
    "v100",
    "t4",
    "a100_sxm_40",
    "a100_sxm_80",
    "a100_pcie_80",
    "rtx3090",
    "rtx_a6000",
    "rtx4090",
    "l4",
    "l40s",
    "h100_sxm",
    "h100_pcie",
    "h200",
    "b200",
    "rtx5090",
    "jetson_agx_orin",
    "mi250x",
    "mi300x",
    "tpu_v4",
    "tpu_v5e",
    "coral_edgetpu",
    "xeon_avx2",
    "xeon_vnni",
    "xeon_amx",
    "apple_m1_cpu",
    "apple_m1_gpu",
    "apple_m2_gpu",
    "apple_m1_ane",
    "cortex_a72_rpi4",
    "cortex_a76_rpi5",
    "cortex_m4",
    "cortex_m7",
    "cortex_m55",
    "cortex_m85",
    "esp32_s3",
    "hexagon_xelite",
];

fn pick<T: Copy>(choices: &[(&str, T)], id: &str) -> Option<T> {
    choices.iter().find(|(name, _)| *name == id).map(|(_, value)| *value)
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// A [`CoreError`] naming the first field that is wrong.
    pub fn parse(value: Value, library: &Library) -> Result<Self, CoreError> {
        let mut fields = Fields::new(value, "")?;
        let version = fields.require("version", "1")?;
        if version.as_u64() != Some(VERSION) {
            return Err(CoreError::new(ErrorCode::Version, "version", version.to_string(), VERSION.to_string()));
        }
        let model = models::read(&mut fields)?;
        let seed = fields.integer("seed", 0..=MOST_SEED)?.ok_or_else(|| {
            CoreError::new(ErrorCode::MissingField, "seed", "nothing", format!("a whole number up to {MOST_SEED}"))
        })?;
        let data = parse_data(fields.object("data")?, model, library)?;
        let init = Start::read(&mut fields, model)?;
        let execution = fields.id("execution", &EXECUTIONS.map(|s| s.0), |id| pick(&EXECUTIONS, id))?;
        let ids = STORAGES.map(|(id, _)| id);
        let ids: Vec<&str> = std::iter::once(AUTO).chain(ids).collect();
        let storage =
            fields.id("storage", &ids, |id| if id == AUTO { Some(None) } else { find_storage(id).map(Some) })?;
        let targets = parse_targets(fields.list("targets", TARGETS.len())?)?;
        let steps = fields.list("steps", crate::methods::MOST_STEPS)?.ok_or_else(|| {
            CoreError::new(ErrorCode::MissingField, "steps", "nothing", "a list of steps, which may be empty")
        })?;
        fields.finish()?;
        let parsed = parse_steps(steps, "steps", &Network::random(model, 0)?)?;
        let recipe = Self {
            model,
            data,
            seed,
            init,
            execution: execution.unwrap_or(Execution::Integer),
            storage: storage.flatten(),
            steps: parsed,
            targets,
        };
        recipe.needs(library)?;
        Ok(recipe)
    }

    /// The recipe with every default written out.
    pub fn canonical(&self) -> Value {
        let name = |found: bool, names: [&'static str; 2]| names[usize::from(!found)];
        let steps: Vec<Value> = self.steps.iter().map(|step| object(vec![(step.name(), step.canonical())])).collect();
        let DataSpec { set, split, count } = &self.data;
        let data = vec![("set", set.as_str().into()), ("split", split.as_str().into()), ("count", (*count).into())];
        let mut fields: Vec<(&str, Value)> = vec![
            ("version", VERSION.into()),
            ("model", self.model.id.into()),
            ("seed", self.seed.into()),
            ("data", object(data)),
            ("init", self.init.id().into()),
            ("execution", name(self.execution == Execution::Integer, EXECUTIONS.map(|s| s.0)).into()),
            ("storage", self.storage.map_or(AUTO, Storage::id).into()),
            ("steps", steps.into()),
        ];
        // Asked for by few: a recipe without targets reads as it always did.
        if !self.targets.is_empty() {
            fields.push(("targets", self.targets.clone().into()));
        }
        object(fields)
    }

    /// Every file the recipe reads, in the order it needs them.
    ///
    /// # Errors
    /// `unknown-id` when a step names a set that is not there.
    pub fn needs(&self, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let mut assets = self.init.assets(self.model)?;
        for step in &self.steps {
            assets.extend(step.assets(self.model, library)?);
        }
        assets.extend(library.assets(&self.data.set, &self.data.split, self.data.count)?);
        let mut needed: Vec<AssetRef> = Vec::new();
        for asset in assets {
            if !needed.iter().any(|known| known.path == asset.path) {
                needed.push(asset);
            }
        }
        Ok(needed)
    }
}

fn parse_targets(values: Option<Vec<Value>>) -> Result<Vec<&'static str>, CoreError> {
    let mut targets = Vec::new();
    for (i, value) in values.unwrap_or_default().into_iter().enumerate() {
        let path = format!("targets.{i}");
        let known = value.as_str().and_then(|id| TARGETS.iter().copied().find(|target| *target == id));
        let unknown = || CoreError::new(ErrorCode::UnknownId, path, value.to_string(), TARGETS.join(", "));
        targets.push(known.ok_or_else(unknown)?);
    }
    Ok(targets)
}

fn parse_data(fields: Option<Fields>, model: &Model, library: &Library) -> Result<DataSpec, CoreError> {
    let sets: Vec<&str> = library.sets().names().iter().map(String::as_str).collect();
    let Some(mut fields) = fields else {
        let set = library.set(model.data)?;
        let count = set.splits.get("test").map_or(0, |split| split.count);
        return Ok(DataSpec { set: model.data.into(), split: "test".into(), count });
    };
    let found = fields.id("set", &sets, |id| library.sets().get(id).map(|set| (id.to_string(), Rc::clone(set))))?;
    let (id, set) = match found {
        Some(found) => found,
        None => (model.data.to_string(), library.set(model.data)?),
    };
    let own = library.set(model.data)?;
    if set.shape != own.shape || set.classes.len() != own.classes.len() || set.max != own.max {
        let allowed = format!("a set like {} ({:?}, {} classes)", model.data, own.shape, own.classes.len());
        let found = format!("\"{id}\" ({:?}, {} classes)", set.shape, set.classes.len());
        return Err(CoreError::new(ErrorCode::Combination, "data.set", found, allowed));
    }
    let splits: Vec<&str> = set.splits.names().iter().map(String::as_str).collect();
    let split = fields.id("split", &splits, |id| set.splits.get(id).map(|split| (id.to_string(), split.count)))?;
    let mut named = Vec::new();
    for &name in crate::data::SPLITS {
        let Some(split) = set.splits.get(name) else { continue };
        let found = fields.integer(name, 1..=u64::from(split.count))?;
        named.extend(found.map(|count| (name, count as u32)));
    }
    let most = match &split {
        Some((_, most)) => *most,
        None => crate::data::find_split(&set, "test").map_or(0, |split| split.count),
    };
    let most = named.first().and_then(|(name, _)| set.splits.get(name)).map_or(most, |split| split.count);
    let count = fields.integer("count", 1..=u64::from(most.max(1)))?.map(|count| count as u32);
    let (split, count) = match (split, named.as_slice(), count) {
        (split, [], count) => (split.map_or_else(|| "test".to_string(), |(name, _)| name), count.unwrap_or(most)),
        (None, [(name, count)], None) => (name.to_string(), *count),
        (_, [(name, _), ..], _) => {
            let allowed = "either split and count, or one split with its count";
            let found = format!("{name} beside another choice of images");
            return Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, allowed));
        }
    };
    fields.finish()?;
    Ok(DataSpec { set: id, split, count })
}
