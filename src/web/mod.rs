//! The border to JavaScript: the only file that knows wasm-bindgen, js-sys and web-sys.

mod inside;
mod speed;
mod types;

pub use speed::{KernelTrial, Workload, kernels, use_kernel};

use crate::catalog::{self, Catalog};
use crate::data::{AssetRef, Library, unit_table};
use crate::error::CoreError;
use crate::evaluate::wilson95;
use crate::generate::{Sampling, Writer};
use crate::measure;
use crate::methods::Memory;
use crate::models::{self, Execution};
use crate::recipe::{Outcome, Recipe, expand, prepare, run};
use crate::report::{ENGINE, NUMERICS};
use crate::task::{Context, Phase, Task};
use crate::train::{Checkpoint, softmax};
use serde::Serialize;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// A canonical recipe.
    #[wasm_bindgen(typescript_type = "Recipe")]
    pub type JsRecipe;
    /// The cells of a sweep.
    #[wasm_bindgen(typescript_type = "SweepCell[]")]
    pub type JsCells;
    /// A list of files.
    #[wasm_bindgen(typescript_type = "AssetRef[]")]
    pub type JsAssets;
    /// See [`Identity`].
    #[wasm_bindgen(typescript_type = "Identity")]
    pub type JsIdentity;
    /// See [`Catalog`].
    #[wasm_bindgen(typescript_type = "Catalog")]
    pub type JsCatalog;
    /// See [`Progress`].
    #[wasm_bindgen(typescript_type = "Progress")]
    pub type JsProgress;
    /// See [`crate::report::Report`].
    #[wasm_bindgen(typescript_type = "Report")]
    pub type JsReport;
    /// See [`measure::Description`].
    #[wasm_bindgen(typescript_type = "Description")]
    pub type JsDescription;
    /// See [`measure::LayerDescription`].
    #[wasm_bindgen(typescript_type = "LayerDescription[]")]
    pub type JsLayers;
    /// See [`measure::TimedStep`].
    #[wasm_bindgen(typescript_type = "TimedStep[]")]
    pub type JsTimedSteps;
    /// See [`measure::Deviation`].
    #[wasm_bindgen(typescript_type = "Deviation")]
    pub type JsDeviation;
}

/// Which engine this is.
#[derive(Serialize, tsify::Tsify)]
pub struct Identity {
    engine: &'static str,
    numerics: u32,
}

/// Right answers so far.
#[derive(Serialize, tsify::Tsify)]
pub struct Partial {
    correct: u32,
    total: u32,
    top1: f64,
    wilson95: [f64; 2],
}

/// How far a job is.
#[derive(Serialize, tsify::Tsify)]
pub struct Progress {
    done: bool,
    phase: Phase,
    done_macs: u64,
    total_macs: u64,
    partial: Option<Partial>,
    /// Bytes of the network that `partial` judges, once known.
    bytes: Option<u64>,
    /// Mean losses of the newest training so far: at most 128 points, each of as many steps.
    losses: Vec<f32>,
}

fn to_js<T: Serialize + ?Sized>(value: &T) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).unwrap_or_else(|error| JsValue::from_str(&error.to_string()))
}

fn thrown(error: CoreError) -> JsValue {
    to_js(&error)
}

fn from_js(value: JsValue) -> Result<Value, JsValue> {
    serde_wasm_bindgen::from_value(value).map_err(|error| {
        thrown(CoreError::new(crate::error::ErrorCode::Json, "", error.to_string(), "plain JSON data"))
    })
}

/// Shows panics in the console before the instance traps.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// The engine's version and numerics.
#[wasm_bindgen]
pub fn identity() -> JsIdentity {
    to_js(&Identity { engine: ENGINE, numerics: NUMERICS }).unchecked_into()
}

/// Data, weights and kept results of one worker.
#[wasm_bindgen]
pub struct Engine {
    library: Rc<RefCell<Library>>,
    memory: Rc<Memory>,
}

#[wasm_bindgen]
impl Engine {
    /// An engine without files.
    ///
    /// # Errors
    /// A `CoreError` when a built-in manifest is not readable.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Result<Engine, JsValue> {
        let library = models::library().map_err(thrown)?;
        Ok(Self { library: Rc::new(RefCell::new(library)), memory: Rc::default() })
    }

    /// Adds the data sets of a manifest (those packed on this machine).
    ///
    /// # Errors
    /// A `CoreError` when it is not one.
    #[wasm_bindgen(js_name = addManifest)]
    pub fn add_manifest(&self, path: &str, text: &str) -> Result<(), JsValue> {
        self.library.borrow_mut().add_manifest(path, text).map_err(thrown)
    }

    /// Everything there is to choose from.
    ///
    /// # Errors
    /// A `CoreError` when a built-in model is not readable.
    pub fn catalog(&self) -> Result<JsCatalog, JsValue> {
        let catalog: Catalog = catalog::catalog(&self.library.borrow()).map_err(thrown)?;
        Ok(to_js(&catalog).unchecked_into())
    }

    fn parse(&self, recipe: JsValue) -> Result<Recipe, JsValue> {
        Recipe::parse(from_js(recipe)?, &self.library.borrow()).map_err(thrown)
    }

    /// The recipe with every default written out.
    ///
    /// # Errors
    /// A `CoreError` naming the first field that is wrong.
    pub fn canonical(&self, recipe: JsValue) -> Result<JsRecipe, JsValue> {
        Ok(to_js(&self.parse(recipe)?.canonical()).unchecked_into())
    }

    /// The recipes of a sweep; a recipe without `sweep` gives one.
    ///
    /// # Errors
    /// A `CoreError` when the axes cannot be read.
    pub fn expand(&self, sweep: JsValue) -> Result<JsCells, JsValue> {
        #[derive(Serialize)]
        struct Cell {
            axes: Value,
            recipe: Option<Value>,
            error: Option<CoreError>,
        }
        let cells = expand(from_js(sweep)?, &self.library.borrow()).map_err(thrown)?;
        let cells: Vec<Cell> = cells
            .into_iter()
            .map(|cell| Cell {
                axes: Value::Object(cell.axes),
                recipe: cell.recipe.as_ref().ok().map(Recipe::canonical),
                error: cell.recipe.err(),
            })
            .collect();
        Ok(to_js(&cells).unchecked_into())
    }

    /// Every file a recipe reads, in the order it needs them.
    ///
    /// # Errors
    /// A `CoreError` when the recipe is not legal.
    pub fn needs(&self, recipe: JsValue) -> Result<JsAssets, JsValue> {
        let assets = self.parse(recipe)?.needs(&self.library.borrow()).map_err(thrown)?;
        Ok(to_js(&assets).unchecked_into())
    }

    /// The file that holds image `index` of a split.
    ///
    /// # Errors
    /// A `CoreError` when there is no such image.
    #[wasm_bindgen(js_name = imageAsset)]
    pub fn image_asset(&self, set: &str, split: &str, index: u32) -> Result<JsAssets, JsValue> {
        let assets = self.library.borrow().assets(set, split, index.saturating_add(1)).map_err(thrown)?;
        let last: Vec<&AssetRef> = assets.last().into_iter().collect();
        Ok(to_js(&last).unchecked_into())
    }

    /// Whether a file was provided.
    pub fn has(&self, path: &str) -> bool {
        self.library.borrow().has(path)
    }

    /// Takes a file after checking its length and SHA-256.
    ///
    /// # Errors
    /// A `CoreError` when it is not the recorded file.
    pub fn provide(&self, path: &str, bytes: &[u8]) -> Result<(), JsValue> {
        self.library.borrow_mut().provide(path, bytes).map_err(thrown)
    }

    /// A run of a recipe: its steps, then its report. All files it needs must have been provided. `checkpoint` is one that
    /// a run of the same recipe left.
    ///
    /// # Errors
    /// A `CoreError` when the recipe is not legal.
    pub fn start(&self, recipe: JsValue, checkpoint: Option<Vec<u8>>) -> Result<Job, JsValue> {
        let recipe = self.parse(recipe)?;
        let (library, memory) = (Rc::clone(&self.library), Rc::clone(&self.memory));
        let resume = checkpoint.map(Checkpoint);
        Ok(Job::new(|ctx| Task::new(ctx, |ctx| run(ctx, recipe, library, memory, resume))))
    }

    /// A run of a recipe's steps alone, to ask the network about single images.
    ///
    /// # Errors
    /// A `CoreError` when the recipe is not legal.
    pub fn prepare(&self, recipe: JsValue) -> Result<Job, JsValue> {
        let recipe = self.parse(recipe)?;
        let (library, memory) = (Rc::clone(&self.library), Rc::clone(&self.memory));
        Ok(Job::new(|ctx| Task::new(ctx, |ctx| prepare(ctx, recipe, library, memory, None))))
    }

    /// A text that the network of a finished job goes on writing. Characters of `prompt` that its model does not know are left out.
    ///
    /// # Errors
    /// A `CoreError` before the job's end, for a model that is none of text, and for a temperature out of range.
    pub fn writer(&self, job: &Job, prompt: &str, temperature: f32, seed: u32) -> Result<TextWriter, JsValue> {
        let Outcome { network, recipe, .. } = job.outcome()?;
        let set = self.library.borrow().set(network.model.data).map_err(thrown)?;
        let known = |c: char| set.classes.iter().position(|class| class.chars().eq([c]));
        let prompt: Vec<u8> = prompt.chars().filter_map(known).map(|number| number as u8).collect();
        let execution = if recipe["execution"] == "fake" { Execution::Fake } else { Execution::Integer };
        let sampling = Sampling { temperature, seed: u64::from(seed) };
        let writer = Writer::new(network, execution, &prompt, sampling).map_err(thrown)?;
        Ok(TextWriter { writer, alphabet: set.classes.clone() })
    }

    /// The pixels of an image, planar, 0 to 255.
    ///
    /// # Errors
    /// A `CoreError` when its file was not provided.
    pub fn image(&self, set: &str, split: &str, index: u32) -> Result<Vec<u8>, JsValue> {
        let library = self.library.borrow();
        let max = u32::from(library.set(set).map_err(thrown)?.max.max(1));
        let shard = library.image(set, split, index).map_err(thrown)?;
        Ok(shard.0.iter().map(|&v| ((u32::from(v) * 255 + max / 2) / max) as u8).collect())
    }

    /// The class of an image.
    ///
    /// # Errors
    /// A `CoreError` when its file was not provided.
    pub fn label(&self, set: &str, split: &str, index: u32) -> Result<u8, JsValue> {
        Ok(self.library.borrow().image(set, split, index).map_err(thrown)?.1)
    }
}

/// A text under way.
#[wasm_bindgen]
pub struct TextWriter {
    writer: Writer,
    alphabet: Vec<String>,
}

#[wasm_bindgen]
impl TextWriter {
    /// Takes `steps` steps and gives the characters written: a step reads one of the prompt's or writes one.
    pub fn advance(&mut self, steps: u32) -> String {
        let written = (0..steps).filter_map(|_| self.writer.advance());
        written.filter_map(|number| self.alphabet.get(usize::from(number)).map(String::as_str)).collect()
    }
}

/// A run, advanced slice by slice.
#[wasm_bindgen]
pub struct Job {
    context: Rc<Context>,
    task: Option<Task<Result<Outcome, CoreError>>>,
    outcome: Option<Outcome>,
}

impl Job {
    fn new(task: impl FnOnce(Rc<Context>) -> Task<Result<Outcome, CoreError>>) -> Self {
        let context = Rc::new(Context::new(1));
        let task = task(Rc::clone(&context));
        Self { context, task: Some(task), outcome: None }
    }

    fn outcome(&self) -> Result<&Outcome, JsValue> {
        self.outcome.as_ref().ok_or_else(|| thrown(CoreError::internal("job", "not finished")))
    }
}

#[wasm_bindgen]
impl Job {
    /// Works for about `budget_macs` multiply-adds.
    ///
    /// # Errors
    /// A `CoreError` when the run fails.
    pub fn advance(&mut self, budget_macs: f64) -> Result<JsProgress, JsValue> {
        if let Some(task) = &mut self.task
            && let Some(result) = task.advance(budget_macs as u64)
        {
            self.task = None;
            self.outcome = Some(result.map_err(thrown)?);
        }
        let (done_macs, total_macs) = self.context.progress();
        let partial = self.context.partial().map(|(correct, total)| Partial {
            correct,
            total,
            top1: f64::from(correct) / f64::from(total.max(1)),
            wilson95: wilson95(correct, total),
        });
        let done = self.outcome.is_some();
        let progress = Progress {
            done,
            phase: self.context.phase(),
            done_macs,
            total_macs,
            partial,
            bytes: self.context.bytes(),
            losses: self.context.losses(),
        };
        Ok(to_js(&progress).unchecked_into())
    }

    /// The report of a finished run.
    ///
    /// # Errors
    /// A `CoreError` before the end, and for a job that makes none.
    pub fn report(&self) -> Result<JsReport, JsValue> {
        let report = self.outcome()?.report.as_ref();
        let report = report.ok_or_else(|| thrown(CoreError::internal("job", "prepared without a report")))?;
        Ok(to_js(report).unchecked_into())
    }

    /// The predicted class of every image, in data order.
    ///
    /// # Errors
    /// A `CoreError` before the end.
    pub fn predictions(&self) -> Result<Vec<u8>, JsValue> {
        Ok(self.outcome()?.predictions.clone())
    }

    /// The probability of each class for one image of planar pixels, 0 to 255; with a `temperature` above 0, of logits divided by it.
    ///
    /// # Errors
    /// A `CoreError` before the end, and when the image has another size.
    pub fn probabilities(&mut self, pixels: &[u8], temperature: Option<f32>) -> Result<Vec<f32>, JsValue> {
        self.outcome()?;
        let Some(Outcome { plan, network, .. }) = &mut self.outcome else { return Ok(Vec::new()) };
        let features = network.graph.shapes()[0].len();
        if pixels.len() != features {
            let found = format!("{} values", pixels.len());
            return Err(thrown(CoreError::new(crate::error::ErrorCode::Range, "pixels", found, features.to_string())));
        }
        let unit = unit_table(255);
        let image: Vec<f32> = pixels.iter().map(|&pixel| unit[usize::from(pixel)]).collect();
        let by = temperature.filter(|by| *by > 0.0).unwrap_or(1.0);
        let logits: Vec<f32> = plan.run_one(&image).iter().map(|logit| logit / by).collect();
        Ok(softmax(&logits))
    }

    /// What one block goes through, step by step, for a host that times it.
    ///
    /// # Errors
    /// A `CoreError` before the end.
    #[wasm_bindgen(js_name = timedSteps)]
    pub fn timed_steps(&self) -> Result<JsTimedSteps, JsValue> {
        let Outcome { network, plan, .. } = self.outcome()?;
        Ok(to_js(&measure::timed_steps(network, plan)).unchecked_into())
    }

    /// Runs step `step` of [`Job::timed_steps`] on the newest block, `times` times; without a step, all of them.
    ///
    /// # Errors
    /// A `CoreError` before the end, and for a step that is not there.
    #[wasm_bindgen(js_name = runSteps)]
    pub fn run_steps(&mut self, step: Option<usize>, times: u32) -> Result<(), JsValue> {
        let steps = self.outcome()?.plan.steps().len();
        let Some(Outcome { plan, .. }) = &mut self.outcome else { return Ok(()) };
        if step.is_some_and(|step| step >= steps) {
            let allowed = format!("up to {steps} steps");
            return Err(thrown(CoreError::new(crate::error::ErrorCode::Range, "step", format!("{step:?}"), allowed)));
        }
        for _ in 0..times {
            match step {
                Some(step) => plan.run_step(step),
                None => _ = plan.run(),
            }
        }
        Ok(())
    }

    /// The network as a safetensors file.
    ///
    /// # Errors
    /// A `CoreError` before the end.
    pub fn exported(&self) -> Result<Vec<u8>, JsValue> {
        let outcome = self.outcome()?;
        outcome.network.export(&outcome.recipe).map_err(thrown)
    }

    /// The newest training checkpoint since the last call, if there is one.
    pub fn checkpoint(&self) -> Option<Vec<u8>> {
        self.context.take_checkpoint()
    }

    /// Asks for a checkpoint at the end of the training step under way, and whether it is still to come; see
    /// [`Context::ask_checkpoint`].
    #[wasm_bindgen(js_name = askCheckpoint)]
    pub fn ask_checkpoint(&self) -> bool {
        self.context.ask_checkpoint()
    }
}
