//! Training as a step.

use super::{Applied, Choice, Method, Parsed, PruneStep, Step, StepContext, choose, id_of, ids};
use crate::data::{AssetRef, Kind, Library, find_split};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, object};
use crate::models::{Model, Network};
use crate::tensor::Tensor;
use crate::train::{Estimator, Optimizer, Schedule, TrainOptions, Training, View, train};
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) static METHOD: Method = Method { name: "train", parse };

/// Trains all parameters on the train split of a set; after a quantize step, through what is rounded.
#[derive(Clone, Debug)]
pub struct TrainStep {
    options: TrainOptions,
    /// How gradients pass what an earlier step rounds; `None` where nothing is.
    estimator: Option<Estimator>,
    /// Added to the gradient of each learned clip, times the clip; only with PACT.
    clip_decay: f64,
    /// Another set than the model's own, of the same shape.
    set: Option<String>,
    /// The prune step before it whose schedule it carries out.
    prune: Option<PruneStep>,
    path: String,
}

/// Every estimator.
pub static ESTIMATORS: &[Choice<Estimator>] = &[
    Choice { value: Estimator::Ste, id: "ste", code: "s", source: "Bengio et al. 2013, arXiv 1308.3432" },
    Choice { value: Estimator::Lsq, id: "lsq", code: "l", source: "Esser et al. 2019, arXiv 1902.08153" },
    Choice { value: Estimator::Pact, id: "pact", code: "p", source: "Choi et al. 2018, arXiv 1805.06085" },
];

/// The decay of PACT's clips when the recipe does not say.
const DEFAULT_CLIP_DECAY: f64 = 0.0002;

const OPTIMIZERS: [&str; 2] = ["adam", "sgd"];
const SCHEDULES: [(&str, Schedule); 2] = [("constant", Schedule::Constant), ("cosine", Schedule::Cosine)];

/// Reads the estimator and PACT's decay, for a step after `earlier` ones.
fn parse_estimator(fields: &mut Fields, earlier: &[Rc<dyn Step>]) -> Result<(Option<Estimator>, f64), CoreError> {
    let refuse =
        |path: String, found: String, allowed: &str| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
    let (path, decay_path) = (fields.at("estimator"), fields.at("clip_decay"));
    let found = fields.id("estimator", &ids(ESTIMATORS), |id| choose(ESTIMATORS, id))?;
    let decay = fields.number("clip_decay", 0.0..=1.0)?;
    let quantize = earlier.iter().find_map(|step| step.as_quantize()).filter(|step| step.rounds());
    let Some(quantize) = quantize else {
        return match (found, decay) {
            (Some(found), _) => {
                refuse(path, format!("{} with nothing rounded", id_of(ESTIMATORS, &found)), "after a quantize step")
            }
            (None, Some(_)) => refuse(decay_path, "a decay of clips with nothing rounded".into(), "only with pact"),
            (None, None) => Ok((None, DEFAULT_CLIP_DECAY)),
        };
    };
    let estimator = found.unwrap_or(Estimator::Ste);
    if decay.is_some() && estimator != Estimator::Pact {
        let found = format!("a decay of clips with {}", id_of(ESTIMATORS, &estimator));
        return refuse(decay_path, found, "only with pact");
    }
    if let Some(rounding) = quantize.chosen_codes() {
        let found = format!("train after quantize with {rounding}, whose codes training would not keep");
        return refuse(fields.path().to_string(), found, "train after rounding to the nearest");
    }
    if quantize.has_dynamic_inputs() {
        let found = "train after quantize with dynamic inputs, which have no grid to train through";
        return refuse(fields.path().to_string(), found.into(), "static activations, or train before");
    }
    if estimator == Estimator::Lsq && !quantize.has_scales() {
        let found = "lsq, and neither weights in whole numbers nor inputs that are rounded";
        return refuse(path, found.into(), "ste, or whole numbers");
    }
    if estimator == Estimator::Pact && !quantize.has_clips() {
        return refuse(path, "pact, and no inputs rounded to whole numbers".into(), "ste, lsq, or activations");
    }
    Ok((Some(estimator), decay.unwrap_or(DEFAULT_CLIP_DECAY)))
}

fn parse(mut fields: Fields, _: &Network, earlier: &[Rc<dyn Step>]) -> Parsed {
    let (estimator, clip_decay) = parse_estimator(&mut fields, earlier)?;
    let adam = fields.id("optimizer", &OPTIMIZERS, |id| OPTIMIZERS.contains(&id).then_some(id == "adam"))?;
    let momentum_path = fields.at("momentum");
    let momentum = fields.number("momentum", 0.0..=0.999)?;
    let optimizer = match (adam.unwrap_or(true), momentum) {
        (true, None) => Optimizer::Adam,
        (true, Some(found)) => {
            return Err(CoreError::new(
                ErrorCode::Combination,
                momentum_path,
                format!("{found} with adam"),
                "only with sgd",
            ));
        }
        (false, momentum) => Optimizer::Sgd { momentum: momentum.unwrap_or(0.9) },
    };
    let default_lr = if optimizer == Optimizer::Adam { 0.001 } else { 0.01 };
    let schedule = fields.id("schedule", &SCHEDULES.map(|s| s.0), |id| {
        SCHEDULES.iter().find(|(name, _)| *name == id).map(|(_, schedule)| *schedule)
    })?;
    let options = TrainOptions {
        epochs: fields.integer("epochs", 1..=200)?.unwrap_or(1) as u32,
        batch: fields.integer("batch", 1..=512)?.unwrap_or(64) as u32,
        optimizer,
        lr: fields.number("lr", 1e-8..=10.0)?.unwrap_or(default_lr),
        schedule: schedule.unwrap_or(Schedule::Constant),
        weight_decay: fields.number("weight_decay", 0.0..=1.0)?.unwrap_or(0.0),
        flip: fields.boolean("flip")?.unwrap_or(false),
        shift: fields.integer("shift", 0..=8)?.unwrap_or(0) as u32,
    };
    let set = match fields.take("set") {
        None => None,
        Some(Value::String(set)) => Some(set),
        Some(_) => return Err(CoreError::new(ErrorCode::Type, fields.at("set"), "no text", "the id of a data set")),
    };
    let path = fields.path().to_string();
    fields.finish()?;
    let prune = earlier.last().and_then(|step| step.as_prune()).filter(|step| step.scheduled()).cloned();
    Ok(Rc::new(TrainStep { options, estimator, clip_decay, set, prune, path }))
}

impl TrainStep {
    fn count(&self, model: &Model, library: &Library) -> Result<(String, u32), CoreError> {
        let id = self.set.clone().unwrap_or_else(|| model.data.to_string());
        let at = |mut error: CoreError| {
            error.path = format!("{}.set", self.path);
            error
        };
        let set = library.set(&id).map_err(at)?;
        let own = library.set(model.data)?;
        if own.kind == Kind::Text && (self.options.flip || self.options.shift > 0) {
            let field = if self.options.flip { "flip" } else { "shift" };
            let path = format!("{}.{field}", self.path);
            return Err(CoreError::new(ErrorCode::Combination, path, format!("{field} with text"), "images"));
        }
        if set.kind != own.kind
            || set.shape != own.shape
            || set.classes.len() != own.classes.len()
            || set.max != own.max
        {
            let found = format!("\"{id}\" with images of {:?}", set.shape);
            return Err(at(CoreError::new(ErrorCode::Combination, "", found, format!("images of {:?}", own.shape))));
        }
        let count = find_split(&set, "train").map_err(at)?.count;
        Ok((id, count))
    }
}

impl Step for TrainStep {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn canonical(&self) -> Value {
        let TrainOptions { epochs, batch, optimizer, lr, schedule, weight_decay, flip, shift } = &self.options;
        let optimizer_id = OPTIMIZERS[usize::from(*optimizer != Optimizer::Adam)];
        let mut fields: Vec<(&str, Value)> = vec![
            ("epochs", (*epochs).into()),
            ("batch", (*batch).into()),
            ("lr", (*lr).into()),
            ("schedule", json!(schedule)),
            ("weight_decay", (*weight_decay).into()),
            ("flip", (*flip).into()),
            ("shift", (*shift).into()),
            ("optimizer", optimizer_id.into()),
        ];
        if let Optimizer::Sgd { momentum } = optimizer {
            fields.push(("momentum", (*momentum).into()));
        }
        if let Some(set) = &self.set {
            fields.push(("set", set.as_str().into()));
        }
        if let Some(estimator) = &self.estimator {
            fields.push(("estimator", id_of(ESTIMATORS, estimator).into()));
        }
        if self.estimator == Some(Estimator::Pact) {
            fields.push(("clip_decay", self.clip_decay.into()));
        }
        object(fields)
    }

    fn check(&self, _: &str, _: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        Ok(())
    }

    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let (set, count) = self.count(model, library)?;
        library.assets(&set, "train", count)
    }

    fn macs(&self, network: &Network, library: &Library) -> u64 {
        let count = self.count(network.model, library).map_or(0, |(_, count)| count);
        let steps = self.options.steps_per_epoch(count as usize) * u64::from(self.options.epochs);
        let trainings = self.prune.as_ref().map_or(1, PruneStep::trainings);
        trainings * (self.options.macs(&network.graph, count as usize) + View::macs(network, steps))
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            let (set, count) = self.count(cx.network.model, &cx.library.borrow())?;
            let images = cx.library.borrow().images(&set, "train", count)?;
            let mut parameters: Vec<Tensor> = cx.network.parameters.iter().map(|p| p.latent.clone()).collect();
            let mut view = View::of(cx.network, self.estimator.unwrap_or(Estimator::Ste), self.clip_decay)?;
            if let Some(prune) = &self.prune {
                view = view.pruning(prune.pruner(cx.network, cx.seed, cx.index.saturating_sub(1)))?;
            }
            let graph = Rc::clone(&cx.network.graph);
            let seed = cx.seed.wrapping_add(cx.index << 32);
            let training = Training {
                ctx: cx.ctx,
                graph: &graph,
                images: &images,
                options: &self.options,
                seed,
                key: &cx.key,
                resume: cx.resume,
            };
            cx.epoch_loss = train(training, &mut view, &mut parameters).await?;
            view.store(cx.network, parameters)
        })
    }
}
