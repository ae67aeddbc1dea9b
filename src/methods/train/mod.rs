//! Training as a step.

mod distill;
mod lowered;
mod options;

pub use distill::IMITATIONS;
pub use lowered::{MESSAGES, PRECISIONS};
pub use options::{OPTIMIZERS, SCHEDULES};

use super::{Applied, Choice, Method, Parsed, PruneStep, Step, StepContext, choose, id_of, ids};
use crate::data::{AssetRef, Images, Kind, Library, find_split};
use crate::error::{CoreError, ErrorCode};
use crate::evaluate::evaluate;
use crate::fields::Fields;
use crate::models::{Execution, Model, Network};
use crate::tensor::Tensor;
use crate::train::{CrossEntropy, Estimator, Objective, TrainOptions, Training, View, retrain, train};
use distill::DistillSpec;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
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
    /// Layers whose parameters stay as they are.
    freeze: Vec<String>,
    /// Classes whose images are left out.
    exclude: Vec<String>,
    /// The first so many of the images, before classes are left out; all without it.
    count: Option<u32>,
    /// The network it learns from.
    distill: Option<DistillSpec>,
    /// Whether it sees noise in place of images.
    noise: bool,
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

/// What a student may see: the images of the set, or noise.
const TRANSFERS: [&str; 2] = ["images", "noise"];

/// Most classes that may be left out, and most images that may be asked for.
const MOST_EXCLUDED: usize = 255;
const MOST_COUNT: u64 = 10_000_000;

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

fn parse(mut fields: Fields, network: &Network, earlier: &[Rc<dyn Step>]) -> Parsed {
    let (estimator, clip_decay) = parse_estimator(&mut fields, earlier)?;
    let options = options::read(&mut fields)?;
    let set = match fields.take("set") {
        None => None,
        Some(Value::String(set)) => Some(set),
        Some(_) => return Err(CoreError::new(ErrorCode::Type, fields.at("set"), "no text", "the id of a data set")),
    };
    let names: Vec<&str> = network.graph.nodes().iter().filter(|n| !n.params.is_empty()).map(|n| &*n.name).collect();
    let mut freeze = Vec::new();
    let (freeze_path, exclude_path) = (fields.at("freeze"), fields.at("exclude"));
    for value in fields.list("freeze", names.len())?.unwrap_or_default() {
        let found = value.as_str().filter(|name| names.contains(name)).map(str::to_string);
        let unknown = || CoreError::new(ErrorCode::UnknownId, &freeze_path, value.to_string(), names.join(", "));
        freeze.push(found.ok_or_else(unknown)?);
    }
    let mut exclude = Vec::new();
    for value in fields.list("exclude", MOST_EXCLUDED)?.unwrap_or_default() {
        let found = value.as_str().map(str::to_string);
        let unknown = || CoreError::new(ErrorCode::Type, &exclude_path, value.to_string(), "ids of classes");
        exclude.push(found.ok_or_else(unknown)?);
    }
    let count = fields.integer("count", 1..=MOST_COUNT)?.map(|count| count as u32);
    let distill = distill::read(&mut fields, network)?;
    let transfer_path = fields.at("transfer");
    let noise = fields.id("transfer", &TRANSFERS, |id| TRANSFERS.iter().position(|known| *known == id))? == Some(1);
    if noise && (!exclude.is_empty() || !distill.as_ref().is_some_and(DistillSpec::without_labels)) {
        let found = "noise, which has no labels";
        return Err(CoreError::new(
            ErrorCode::Combination,
            transfer_path,
            found,
            "distill with an alpha of 1, and no exclude",
        ));
    }
    let path = fields.path().to_string();
    let prune = earlier.last().and_then(|step| step.as_prune()).filter(|step| step.scheduled()).cloned();
    if options.patience > 0 && prune.is_some() {
        let found = "patience beside a schedule of pruning, whose best epoch may be one with more weights";
        return Err(CoreError::new(ErrorCode::Combination, fields.at("patience"), found, "0"));
    }
    if distill.is_some() && options.exchange.is_some() {
        return Err(CoreError::new(
            ErrorCode::Combination,
            fields.at("exchange"),
            "exchange beside distill",
            "one of them",
        ));
    }
    for (name, given) in [("precision", options.precision.is_some()), ("exchange", options.exchange.is_some())] {
        if given && estimator.is_some() {
            let found = format!("{name} of a training through what is rounded");
            return Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, "before quantize"));
        }
    }
    fields.finish()?;
    Ok(Rc::new(TrainStep { options, estimator, clip_decay, set, freeze, exclude, count, distill, noise, prune, path }))
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
        if let Some(wrong) = self.exclude.iter().find(|class| !set.classes.contains(class)) {
            let path = format!("{}.exclude", self.path);
            return Err(CoreError::new(ErrorCode::UnknownId, path, format!("\"{wrong}\""), set.classes.join(", ")));
        }
        if own.kind == Kind::Text && !self.exclude.is_empty() {
            let path = format!("{}.exclude", self.path);
            return Err(CoreError::new(ErrorCode::Combination, path, "exclude with text", "images"));
        }
        if own.kind == Kind::Text && self.noise {
            let path = format!("{}.transfer", self.path);
            return Err(CoreError::new(ErrorCode::Combination, path, "noise with text", "images"));
        }
        Ok((id, self.count.map_or(count, |own| own.min(count))))
    }

    /// The images it trains on.
    fn images(&self, model: &Model, library: &Library) -> Result<Images, CoreError> {
        let (id, count) = self.count(model, library)?;
        let images = library.images(&id, "train", count)?;
        if self.exclude.is_empty() {
            return Ok(images);
        }
        let set = library.set(&id)?;
        let stays = |i: &u32| {
            let label = images.labels(*i as usize).first().copied().unwrap_or(0);
            set.classes.get(usize::from(label)).is_none_or(|class| !self.exclude.contains(class))
        };
        let chosen: Vec<u32> = (0..images.len() as u32).filter(stays).collect();
        if chosen.is_empty() {
            let path = format!("{}.exclude", self.path);
            return Err(CoreError::new(ErrorCode::Combination, path, "every class", "fewer"));
        }
        Ok(images.picked(&chosen))
    }

    /// The images that tell when to end.
    fn validation(&self, cx: &StepContext<'_>) -> Result<Images, CoreError> {
        let library = cx.library.borrow();
        let all = find_split(&*library.set(cx.network.model.data)?, "validation")?.count;
        library.images(cx.network.model.data, "validation", all)
    }

    /// Of each parameter, whether it stays as it is.
    fn frozen(&self, network: &Network) -> Vec<bool> {
        let nodes = network.graph.nodes().iter();
        nodes.flat_map(|node| node.params.iter().map(|_| self.freeze.contains(&node.name))).collect()
    }
}

impl Step for TrainStep {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn canonical(&self) -> Value {
        let mut value = options::write(&self.options);
        if let Some(set) = &self.set {
            value["set"] = json!(set);
        }
        if !self.freeze.is_empty() {
            value["freeze"] = json!(self.freeze);
        }
        if !self.exclude.is_empty() {
            value["exclude"] = json!(self.exclude);
        }
        if let Some(count) = self.count {
            value["count"] = json!(count);
        }
        if let Some(distill) = &self.distill {
            value["distill"] = distill.canonical();
        }
        if self.noise {
            value["transfer"] = json!("noise");
        }
        if let Some(estimator) = &self.estimator {
            value["estimator"] = json!(id_of(ESTIMATORS, estimator));
        }
        if self.estimator == Some(Estimator::Pact) {
            value["clip_decay"] = json!(self.clip_decay);
        }
        value
    }

    fn check(&self, _: &str, _: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        Ok(())
    }

    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let (set, count) = self.count(model, library)?;
        let mut assets = if self.noise { Vec::new() } else { library.assets(&set, "train", count)? };
        if let Some(distill) = &self.distill {
            assets.extend(distill.assets(library)?);
        }
        if self.options.patience > 0 {
            let all = find_split(&*library.set(model.data)?, "validation")?.count;
            assets.extend(library.assets(model.data, "validation", all)?);
        }
        Ok(assets)
    }

    fn macs(&self, network: &Network, library: &Library) -> u64 {
        let count = self.count(network.model, library).map_or(0, |(_, count)| count);
        let steps = self.options.steps_per_epoch(count as usize) * u64::from(self.options.epochs);
        let judged = if self.options.patience > 0 {
            let validation = library.set(network.model.data).and_then(|set| Ok(find_split(&set, "validation")?.count));
            network.graph.macs() * u64::from(validation.unwrap_or(0) * self.options.epochs)
        } else {
            0
        };
        let trainings = self.prune.as_ref().map_or(1, PruneStep::trainings);
        let taught = self.distill.as_ref().map_or(0, |distill| distill.macs(&self.options, count, library));
        judged + taught + trainings * (self.options.macs(&network.graph, count as usize) + View::macs(network, steps))
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            let seed = cx.seed.wrapping_add(cx.index << 32);
            let mut parameters: Vec<Tensor> = cx.network.parameters.iter().map(|p| p.latent.clone()).collect();
            let mut view = View::of(cx.network, self.estimator.unwrap_or(Estimator::Ste), self.clip_decay)?;
            if let Some(prune) = &self.prune {
                view = view.pruning(prune.pruner(cx.network, cx.seed, cx.index.saturating_sub(1)))?;
            }
            if !cx.trained.parameters.is_empty() {
                let done = self.macs(cx.network, &cx.library.borrow());
                cx.ctx.tick(done).await;
                retrain(cx.ctx, &mut view, &mut parameters, cx.trained.parameters.clone()).await?;
                return view.store(cx.network, parameters);
            }
            let images = if self.noise {
                let (id, count) = self.count(cx.network.model, &cx.library.borrow())?;
                let set = cx.library.borrow().set(&id)?;
                Images::noise(cx.ctx, set, count as usize, seed).await
            } else {
                self.images(cx.network.model, &cx.library.borrow())?
            };
            let graph = Rc::clone(&cx.network.graph);
            let mut labels = CrossEntropy::new(self.options.label_smoothing as f32);
            let mut taught = match &self.distill {
                None => None,
                Some(distill) => {
                    let about = json!([self.set, self.count, self.exclude, self.noise.then_some(seed)]).to_string();
                    Some(distill.objective(cx, &self.options, (&images, about), seed).await?)
                }
            };
            let mut teacher: &[Vec<Tensor>] = &[];
            let objective: &mut dyn Objective = match &mut taught {
                Some((taught, made)) => {
                    teacher = &made.ended;
                    taught
                }
                None => &mut labels,
            };
            let resume = cx.own_resume()?;
            let frozen = self.frozen(cx.network);
            let watched = (self.options.patience > 0).then(|| self.validation(cx)).transpose()?;
            let (ctx, network) = (cx.ctx, cx.network.clone());
            let watch =
                |view: View, parameters: Vec<Tensor>| -> Pin<Box<dyn Future<Output = Result<f64, CoreError>> + '_>> {
                    let (mut network, images) = (network.clone(), watched.as_ref());
                    Box::pin(async move {
                        view.store(&mut network, parameters)?;
                        let Some(images) = images else { return Ok(0.0) };
                        Ok(evaluate(ctx, &mut network.plan(Execution::Integer)?, images).await.accuracy.loss)
                    })
                };
            let training = Training {
                ctx: cx.ctx,
                graph: &graph,
                images: &images,
                options: &self.options,
                objective,
                frozen: &frozen,
                watch: watched.is_some().then_some(&watch),
                seed,
                key: &cx.key,
                resume,
                teacher,
            };
            cx.trained = train(training, &mut view, &mut parameters).await?;
            cx.trained.teacher_share = taught.map(|(taught, _)| taught.shares()).unwrap_or_default();
            view.store(cx.network, parameters)
        })
    }
}
