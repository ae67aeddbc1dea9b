//! Which layer hurts: every layer with weights rounded alone, and all but it, at several widths.

use super::Recipe;
use super::run::{Outcome, apply, start};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::methods::{Effect, Memory, Mode, QuantizeStep, StepContext, WIDTHS, widths};
use crate::task::Context;
use crate::train::Trained;
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// Validation images that layers are judged on, when the caller does not say.
pub const DEFAULT_IMAGES: u32 = 500;
/// Widths when the caller does not say.
pub const DEFAULT_BITS: &[u32] = &[8, 6, 4, 3, 2];

/// One layer at one width.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SensitivityRow {
    /// The layer.
    pub layer: String,
    /// Whether it alone is rounded, or all but it.
    pub mode: Mode,
    /// Bits of a weight.
    pub bits: u32,
    /// Right answers: images, or characters of text.
    pub correct: u32,
    /// Answers.
    pub total: u32,
    /// Their ratio.
    pub top1: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Signal to noise of the layer's output when its weight is rounded; `null` when nothing changed.
    pub sqnr_db: Option<f64>,
}

/// What is asked: widths, and validation images.
#[derive(Clone, Debug)]
pub struct Question {
    /// Bits of a weight.
    pub bits: Vec<u32>,
    /// The first so many validation images.
    pub images: u32,
    /// Whether layers are rounded alone, all but each, or first the one and then the other.
    pub modes: &'static [Mode],
}

impl Question {
    /// Checks what a caller asks; without bits or images, the defaults.
    ///
    /// # Errors
    /// `range`.
    pub fn new(bits: &[u32], images: Option<u32>, recipe: &Recipe, library: &Library) -> Result<Self, CoreError> {
        let bits = if bits.is_empty() { DEFAULT_BITS } else { bits };
        let (least, most) = (WIDTHS.start(), WIDTHS.end());
        if let Some(wrong) = bits.iter().find(|bits| !WIDTHS.contains(bits)) {
            let allowed = format!("whole numbers from {least} to {most}");
            return Err(CoreError::new(ErrorCode::Range, "bits", wrong.to_string(), allowed));
        }
        let set = library.set(recipe.model.data)?;
        let count = crate::data::find_split(&set, "validation")?.count;
        let images = images.unwrap_or(DEFAULT_IMAGES.min(count));
        if !(1..=count).contains(&images) {
            let allowed = format!("a whole number from 1 to {count}");
            return Err(CoreError::new(ErrorCode::Range, "images", images.to_string(), allowed));
        }
        Ok(Self { bits: bits.to_vec(), images, modes: &[Mode::Only, Mode::AllBut] })
    }

    /// Every file that the answer needs.
    ///
    /// # Errors
    /// See [`Recipe::needs`].
    pub fn needs(&self, recipe: &Recipe, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let mut assets = recipe.needs(library)?;
        assets.extend(library.assets(recipe.model.data, "validation", self.images)?);
        Ok(assets)
    }
}

/// Applies the steps before the first `quantize` step and its transforms; then judges every layer at every width, rounded as that
/// step says, to the nearest where it has a rounding that needs images. Reads the validation split alone. Rows are those of
/// [`Mode::Only`], then those of [`Mode::AllBut`]; in each, layers in graph order and widths as they were asked for.
///
/// What `memory` holds of the same network, images and way to round is not looked for again, and what is found is kept there: for other
/// widths, and for `bits` of a `quantize` step.
///
/// # Errors
/// `missing-field` without a `quantize` step that has weights; `asset` when a file was not provided; see the steps for more.
pub async fn sensitivity(
    ctx: Rc<Context>,
    recipe: Recipe,
    library: Rc<RefCell<Library>>,
    question: Question,
    memory: Rc<Memory>,
) -> Result<Outcome, CoreError> {
    let canonical = recipe.canonical();
    let index = recipe.steps.iter().position(|step| step.name() == "quantize");
    let missing = |at: &str| CoreError::new(ErrorCode::MissingField, at, "nothing", "a quantize step with weights");
    let index = index.ok_or_else(|| missing("steps"))?;
    let mut network = start(&recipe, &library)?;
    let path = format!("steps.{index}.quantize");
    let step = QuantizeStep::parse(canonical["steps"][index]["quantize"].clone(), &path, &network)?;
    let base = *step.weights().ok_or_else(|| missing(&format!("{path}.weights")))?;
    let specs = widths(&base, question.bits.iter().copied())?;
    let earlier: u64 = recipe.steps[..index].iter().map(|step| step.macs(&network, &library.borrow())).sum();
    let judging: u64 = question.modes.iter().map(|mode| mode.macs(&network, question.images, specs.len())).sum();
    ctx.expect(earlier + step.scaling_macs(&network) + judging);
    for earlier in 0..index {
        apply(&ctx, &recipe, &canonical, earlier, (&library, &memory), &mut network, None).await?;
    }
    let mut cx = StepContext {
        ctx: &ctx,
        library: &library,
        memory: &memory,
        network: &mut network,
        seed: recipe.seed,
        index: index as u64,
        key: String::new(),
        resume: None,
        trained: Trained::default(),
    };
    step.transform(&mut cx).await?;
    let mut rows = Vec::new();
    for &mode in question.modes {
        for effect in step.effects(&cx, question.images, &specs, mode).await? {
            rows.push(row(effect, mode, &question.bits));
        }
    }
    Ok(Outcome { sensitivity: rows, ..Outcome::of(network, recipe.execution, canonical)? })
}

fn row(effect: Effect, mode: Mode, bits: &[u32]) -> SensitivityRow {
    let Effect { layer, spec, correct, total, loss, sqnr_db } = effect;
    let top1 = f64::from(correct) / f64::from(total.max(1));
    SensitivityRow { layer, mode, bits: bits[spec], correct, total, top1, loss, sqnr_db }
}
