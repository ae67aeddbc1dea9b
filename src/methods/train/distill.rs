//! What a recipe says of a teacher: read, written out, prepared and asked.

use super::super::{Choice, Made, Step, StepContext, choose, id_of, ids, parse_steps};
use crate::data::{AssetRef, Images, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, object};
use crate::graph::Graph;
use crate::models::{self, Execution, MODELS, Model, Network, Start, zoo};
use crate::simd::LANES;
use crate::train::{Distill, DistillOptions, Imitation, Teacher, TrainOptions, Trained};
use serde_json::Value;
use std::rc::Rc;

/// Everything that a student may imitate.
pub static IMITATIONS: &[Choice<Imitation>] = &[
    Choice {
        value: Imitation::Logits,
        id: "logits",
        code: "l",
        source: "Hinton, Vinyals and Dean 2015, arXiv 1503.02531",
    },
    Choice { value: Imitation::Hint, id: "hint", code: "h", source: "Romero et al. 2015, arXiv 1412.6550" },
    Choice {
        value: Imitation::Attention,
        id: "attention",
        code: "a",
        source: "Zagoruyko and Komodakis 2017, arXiv 1612.03928",
    },
    Choice { value: Imitation::Relational, id: "relational", code: "r", source: "Park et al. 2019, arXiv 1904.05068" },
];

/// The teacher that is the recipe's own network as the zoo has it.
const ORIGINAL: &str = "original";
/// Most pairs of layers.
const MOST_PAIRS: usize = 8;
/// Bytes of what is kept of a teacher's answers to a whole set, at most; else it is asked again for every batch.
const LESSON_BYTES: usize = 16 << 20;

/// A teacher and what is learned from it.
#[derive(Clone)]
pub(super) struct DistillSpec {
    /// Its id, where it is one of the zoo.
    named: Option<&'static str>,
    model: &'static Model,
    init: Start,
    steps: Vec<Rc<dyn Step>>,
    method: Imitation,
    temperature: f64,
    alpha: f64,
    beta: f64,
    /// Layers of the student and of the teacher that belong together.
    layers: Vec<[String; 2]>,
    path: String,
}

impl std::fmt::Debug for DistillSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.canonical())
    }
}

/// What the loss of an imitation counts by when the recipe does not say: as the papers or their code have it; hints once.
fn usual_beta(method: Imitation) -> f64 {
    match method {
        Imitation::Logits => 0.0,
        Imitation::Hint => 1.0,
        Imitation::Attention => 1000.0,
        Imitation::Relational => 25.0,
    }
}

fn refuse<T>(path: &str, found: impl Into<String>, allowed: impl Into<String>) -> Result<T, CoreError> {
    Err(CoreError::new(ErrorCode::Combination, path, found, allowed))
}

/// Reads `distill` of a step that trains `network`.
pub(super) fn read(fields: &mut Fields, network: &Network) -> Result<Option<DistillSpec>, CoreError> {
    let Some(mut fields) = fields.object("distill")? else { return Ok(None) };
    let path = fields.at("teacher");
    let (mut named, mut init, mut steps) = (None, Start::Zoo, Vec::new());
    let model = if let Some(mut made) = fields.object_if("teacher")? {
        let model = models::read(&mut made)?;
        init = Start::read(&mut made, model)?;
        let list = made.list("steps", super::super::MOST_STEPS)?.unwrap_or_default();
        steps = parse_steps(list, &made.at("steps"), &Network::random(model, 0)?)?;
        made.finish()?;
        model
    } else {
        let trained = zoo()?;
        let mut all: Vec<&'static str> =
            MODELS.iter().map(|model| model.id).filter(|id| trained.contains(id)).collect();
        all.push(ORIGINAL);
        let find = |id: &str| all.iter().copied().find(|known| *known == id);
        let id = fields.id("teacher", &all, find)?;
        named = Some(fields.needed("teacher", id)?);
        let model = models::find(named.unwrap_or_default()).unwrap_or(network.model);
        if !trained.contains(model.id) {
            return refuse(
                &path,
                format!("{ORIGINAL}, but {} has no trained weights", model.id),
                "a teacher with steps",
            );
        }
        model
    };
    if model.data != network.model.data {
        let found = format!("{}, a network for {}", model.id, model.data);
        return refuse(&path, found, format!("a network for {}", network.model.data));
    }
    let method = fields.id("method", &ids(IMITATIONS), |id| choose(IMITATIONS, id))?.unwrap_or(Imitation::Logits);
    let temperature = fields.number("temperature", 0.1..=100.0)?.unwrap_or(4.0);
    let alpha = fields.number("alpha", 0.0..=1.0)?.unwrap_or(0.9);
    let beta = fields.number("beta", 0.0..=1e6)?;
    let mut layers = Vec::new();
    let layers_path = fields.at("layers");
    let listed = fields.list("layers", MOST_PAIRS)?;
    for pair in listed.iter().flatten() {
        let names: Vec<String> =
            pair.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_string)).collect();
        let wrong = || {
            CoreError::new(ErrorCode::Type, &layers_path, pair.to_string(), "[layer of the student, of the teacher]")
        };
        layers.push(<[String; 2]>::try_from(names).map_err(|_| wrong())?);
    }
    let id = id_of(IMITATIONS, &method);
    if method == Imitation::Logits && (beta.is_some() || listed.is_some()) {
        let name = if beta.is_some() { "beta" } else { "layers" };
        return refuse(&fields.at(name), format!("{name} with {id}"), "hint, attention or relational");
    }
    let last = |network: &Network| network.graph.nodes().last().map_or_else(String::new, |node| node.name.clone());
    if method == Imitation::Relational && layers.is_empty() {
        layers.push([last(network), last(&Network::random(model, 0)?)]);
    }
    if method != Imitation::Logits && layers.is_empty() {
        return Err(CoreError::new(
            ErrorCode::MissingField,
            layers_path,
            format!("{id} without layers"),
            "pairs of layers",
        ));
    }
    let path = fields.path().to_string();
    fields.finish()?;
    let beta = beta.unwrap_or_else(|| usual_beta(method));
    let spec = DistillSpec { named, model, init, steps, method, temperature, alpha, beta, layers, path };
    spec.pairs(&network.graph, &Network::random(model, 0)?.graph)?;
    Ok(Some(spec))
}

impl DistillSpec {
    /// Whether labels have no part in the loss.
    pub(super) fn without_labels(&self) -> bool {
        self.alpha == 1.0
    }

    fn made(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(|step| object(vec![(step.name(), step.canonical())])).collect();
        object(vec![("model", self.model.id.into()), ("init", self.init.id().into()), ("steps", steps.into())])
    }

    /// All of it with every default written out.
    pub(super) fn canonical(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![
            ("teacher", self.named.map_or_else(|| self.made(), Value::from)),
            ("method", id_of(IMITATIONS, &self.method).into()),
            ("temperature", self.temperature.into()),
            ("alpha", self.alpha.into()),
        ];
        if self.method != Imitation::Logits {
            let layers: Vec<Value> = self.layers.iter().map(|pair| pair.to_vec().into()).collect();
            fields.extend([("beta", self.beta.into()), ("layers", layers.into())]);
        }
        object(fields)
    }

    /// Values of both graphs that belong together.
    fn pairs(&self, student: &Graph, teacher: &Graph) -> Result<Vec<(usize, usize)>, CoreError> {
        let path = format!("{}.layers", self.path);
        let value = |graph: &Graph, name: &str| match graph.nodes().iter().position(|node| node.name == name) {
            Some(node) => Ok(node + 1),
            None => {
                let names: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
                Err(CoreError::new(ErrorCode::UnknownId, &path, format!("\"{name}\""), names.join(", ")))
            }
        };
        let mut pairs = Vec::new();
        for [own, other] in &self.layers {
            let (s, t) = (value(student, own)?, value(teacher, other)?);
            let (a, b) = (&student.shapes()[s], &teacher.shapes()[t]);
            let positions = |dims: &[usize]| dims.iter().skip(1).product::<usize>();
            let fits = match self.method {
                Imitation::Hint => a.dims().get(1..) == b.dims().get(1..),
                Imitation::Attention => a.dims().get(1..) == b.dims().get(1..) && positions(a.dims()) > 1,
                Imitation::Relational | Imitation::Logits => true,
            };
            if !fits {
                return refuse(
                    &path,
                    format!("{own} {a} and {other} {b}"),
                    "layers of as many positions, more than one for attention",
                );
            }
            pairs.push((s, t));
        }
        Ok(pairs)
    }

    /// The files that the teacher needs.
    pub(super) fn assets(&self, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let mut assets = self.init.assets(self.model)?;
        for step in &self.steps {
            assets.extend(step.assets(self.model, library)?);
        }
        Ok(assets)
    }

    /// Multiply-adds of making the teacher, about.
    fn made_macs(&self, library: &Library) -> u64 {
        let network = Network::random(self.model, 0);
        network.map_or(0, |network| self.steps.iter().map(|step| step.macs(&network, library)).sum())
    }

    /// Multiply-adds of making the teacher and asking it, about, for a training of `images` images.
    pub(super) fn macs(&self, options: &TrainOptions, images: u32, library: &Library) -> u64 {
        let Ok(network) = Network::random(self.model, 0) else { return 0 };
        let width = |[_, name]: &[String; 2]| {
            let node = network.graph.nodes().iter().position(|node| node.name == *name).unwrap_or(0);
            network.graph.shapes()[node + 1].len()
        };
        let width = network.graph.output().len() + self.layers.iter().map(width).sum::<usize>();
        let times = if keeps(options, images as usize, width) { 1 } else { options.epochs };
        self.made_macs(library) + network.graph.macs() * u64::from(images) * u64::from(times)
    }

    /// The teacher as its steps leave it: from the start, from what is kept, or with what the student's checkpoint says of its trainings.
    async fn network(&self, cx: &StepContext<'_>) -> Result<(String, Rc<Made>), CoreError> {
        let seed = if self.init == Start::Zoo && self.steps.is_empty() { 0 } else { cx.seed };
        let key = format!("teacher {} {seed}", self.made());
        if let Some(kept) = cx.memory.teachers.get(&key) {
            let made = self.made_macs(&cx.library.borrow());
            cx.ctx.tick(made).await;
            return Ok((key, kept));
        }
        let StepContext { ctx, library, memory, resume, .. } = *cx;
        let mut network = Network::start(self.model, self.init, cx.seed, &library.borrow())?;
        let mut ended = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let mut own = StepContext {
                ctx,
                library,
                memory,
                network: &mut network,
                seed: cx.seed,
                index: index as u64,
                key: format!("{key} {index}"),
                resume,
                trained: Trained::default(),
            };
            if let Some(checkpoint) = cx.own_resume()? {
                own.trained.parameters = checkpoint.teacher(index)?;
            }
            step.apply(&mut own).await?;
            ended.push(own.trained.parameters);
        }
        let made = memory.teachers.keep(key.clone(), Made { network, ended });
        Ok((key, made))
    }

    /// What a training by this is to make small: the teacher is made and, where that is worth it, asked about all images. `about` says
    /// what the images are. With it comes the teacher.
    pub(super) async fn objective(
        &self,
        cx: &StepContext<'_>,
        options: &TrainOptions,
        (images, about): (&Images, String),
        seed: u64,
    ) -> Result<(Distill, Rc<Made>), CoreError> {
        let (key, made) = self.network(cx).await?;
        let network = &made.network;
        let pairs = self.pairs(&cx.network.graph, &network.graph)?;
        let reads = |input: &crate::graph::ValueId| pairs.iter().any(|pair| pair.1 == input.index());
        let mut kept: Vec<bool> = network.graph.nodes().iter().map(|node| node.inputs.iter().any(reads)).collect();
        if pairs.is_empty() {
            kept.clear();
        }
        let mut teacher = Teacher::new(network.plan_keeping(Execution::Integer, &kept)?, &pairs);
        if keeps(options, images.len(), teacher.width()) {
            let key = format!("{key} {about} {:?}", self.layers);
            let lessons = match cx.memory.lessons.get(&key) {
                Some(kept) => {
                    cx.ctx.tick(network.graph.macs() * images.len() as u64).await;
                    kept
                }
                None => {
                    let mut all = Vec::with_capacity(images.len() * teacher.width());
                    let mut block = vec![0.0; images.features() * LANES];
                    for first in (0..images.len()).step_by(LANES) {
                        let last = images.len().min(first + LANES);
                        images.fill(first..last, &mut block);
                        let answers = teacher.ask(cx.ctx, &block).await;
                        for lane in 0..last - first {
                            for answer in &answers {
                                all.extend(answer.as_chunks::<LANES>().0.iter().map(|row| row[lane]));
                            }
                        }
                    }
                    cx.memory.lessons.keep(key, all)
                }
            };
            teacher.knows(lessons);
        }
        let options_of = DistillOptions {
            method: self.method,
            temperature: self.temperature as f32,
            alpha: self.alpha as f32,
            beta: self.beta as f32,
            pairs,
        };
        let shapes = cx.network.graph.shapes();
        let of = Distill::new(options_of, options.label_smoothing as f32, teacher, shapes, (images.len(), seed))?;
        Ok((of, made))
    }
}

/// Whether the teacher's answers, of `width` numbers each, are kept for a whole set.
fn keeps(options: &TrainOptions, images: usize, width: usize) -> bool {
    !options.flip && options.shift == 0 && images * width * size_of::<f32>() <= LESSON_BYTES
}
