//! Which layer hurts: every layer with weights rounded or pruned alone, and all but it, at several widths or shares.

use super::Recipe;
use super::run::{Outcome, apply, start};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::methods::{
    Effect, MOST_SPARSITY, Memory, Mode, PruneStep, QuantizeStep, Step, StepContext, WIDTHS, Ways, widths,
};
use crate::task::Context;
use crate::train::Trained;
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// Validation images that layers are judged on, when the caller does not say.
pub const DEFAULT_IMAGES: u32 = 500;
/// Widths when the caller does not say.
pub const DEFAULT_BITS: &[u32] = &[8, 6, 4, 3, 2];
/// Shares that go when the caller asks for shares and does not say which.
pub const DEFAULT_SPARSITIES: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// One layer at one width, or pruned to one share.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct SensitivityRow {
    /// The layer.
    pub layer: String,
    /// Whether it alone is rounded or pruned, or all but it.
    pub mode: Mode,
    /// Bits of a weight, where it was rounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<u32>,
    /// The share of its weights that went, where it was pruned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparsity: Option<f64>,
    /// Right answers: images, or characters of text.
    pub correct: u32,
    /// Answers.
    pub total: u32,
    /// Their ratio.
    pub top1: f64,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Signal to noise of the layer's output when its weight is rounded or pruned; `null` when nothing changed.
    pub sqnr_db: Option<f64>,
}

/// What is asked: widths, shares, and validation images.
#[derive(Clone, Debug)]
pub struct Question {
    /// Bits of a weight.
    pub bits: Vec<u32>,
    /// Shares of a layer's weights that go.
    pub sparsities: Vec<f64>,
    /// The first so many validation images.
    pub images: u32,
    /// Whether layers are changed alone, all but each, or first the one and then the other.
    pub modes: &'static [Mode],
}

impl Question {
    /// Checks what a caller asks; without bits and sparsities, without any of these, or without images, the defaults.
    ///
    /// # Errors
    /// `range`.
    pub fn new(
        (bits, sparsities): (&[u32], Option<&[f64]>),
        images: Option<u32>,
        recipe: &Recipe,
        library: &Library,
    ) -> Result<Self, CoreError> {
        let bits = if bits.is_empty() && sparsities.is_none() { DEFAULT_BITS } else { bits };
        let sparsities = match sparsities {
            Some([]) => DEFAULT_SPARSITIES,
            asked => asked.unwrap_or_default(),
        };
        if let Some(wrong) = sparsities.iter().find(|share| !(0.0..=MOST_SPARSITY).contains(*share)) {
            let allowed = format!("numbers from 0 to {MOST_SPARSITY}");
            return Err(CoreError::new(ErrorCode::Range, "sparsities", wrong.to_string(), allowed));
        }
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
        Ok(Self { bits: bits.to_vec(), sparsities: sparsities.to_vec(), images, modes: &[Mode::Only, Mode::AllBut] })
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

/// Applies the steps before the first `prune` step of single weights and judges every layer pruned to every share as that step says (each
/// layer by itself), or by magnitude where there is none; then the steps before the first `quantize` step and its transforms, and
/// judges every layer at every width, rounded as that step says, to the nearest where it has a rounding that needs images. Reads the
/// validation split alone. Rows of shares stand before those of widths; in each, those of [`Mode::Only`] before those of
/// [`Mode::AllBut`], layers in graph order and shares or widths as they were asked for.
///
/// What `memory` holds of the same network, images and way to round or prune is not looked for again, and what is found is kept there.
///
/// # Errors
/// `missing-field` when widths are asked and there is no `quantize` step that has weights; `asset` when a file was not provided; see the
/// steps for more.
pub async fn sensitivity(
    ctx: Rc<Context>,
    recipe: Recipe,
    library: Rc<RefCell<Library>>,
    question: Question,
    memory: Rc<Memory>,
) -> Result<Outcome, CoreError> {
    let Question { bits, sparsities, images, modes } = question;
    let canonical = recipe.canonical();
    let find = |wanted: fn(&dyn Step) -> bool| recipe.steps.iter().position(|step| wanted(&**step));
    let quantize = find(|step| step.as_quantize().is_some());
    let prune = find(|step| step.as_prune().is_some());
    let mut network = start(&recipe, &library)?;
    // What is asked: before which step, by what, and in which ways.
    let plain = PruneStep::plain();
    let pruner = prune.and_then(|index| recipe.steps[index].as_prune()).unwrap_or(&plain);
    let missing = |at: String| CoreError::new(ErrorCode::MissingField, at, "nothing", "a quantize step with weights");
    let (mut rounder, mut specs) = (None, Vec::new());
    if !bits.is_empty() {
        let index = quantize.ok_or_else(|| missing("steps".into()))?;
        let path = format!("steps.{index}.quantize");
        let step = QuantizeStep::parse(canonical["steps"][index]["quantize"].clone(), &path, &network)?;
        let base = *step.weights().ok_or_else(|| missing(format!("{path}.weights")))?;
        specs = widths(&base, bits.iter().copied())?;
        rounder = Some(step);
    }
    let mut asked = Vec::new();
    if !sparsities.is_empty() {
        let before = prune.or(quantize).unwrap_or(recipe.steps.len());
        asked.push((before, Ways::Pruned(pruner, &sparsities), sparsities.len()));
    }
    if let (Some(step), Some(before)) = (&rounder, quantize) {
        asked.push((before, Ways::Rounded(step, &specs), specs.len()));
    }
    let last = asked.last().map_or(0, |(before, ..)| *before);
    let mut work: u64 = recipe.steps[..last].iter().map(|step| step.macs(&network, &library.borrow())).sum();
    work += rounder.as_ref().map_or(0, |step| step.scaling_macs(&network));
    for (_, ways, count) in &asked {
        work += modes.iter().map(|mode| ways.macs(&network, images, *mode, *count)).sum::<u64>();
    }
    ctx.expect(work);
    let mut rows = Vec::new();
    let mut done = 0;
    for (before, ways, _) in asked {
        for index in done..before {
            apply(&ctx, &recipe, &canonical, index, (&library, &memory), &mut network, None).await?;
        }
        done = before;
        let mut cx = StepContext {
            ctx: &ctx,
            library: &library,
            memory: &memory,
            network: &mut network,
            seed: recipe.seed,
            index: before as u64,
            key: String::new(),
            resume: None,
            trained: Trained::default(),
        };
        if let Ways::Rounded(step, _) = ways {
            step.transform(&mut cx).await?;
        }
        for &mode in modes {
            for effect in ways.effects(&cx, images, mode).await? {
                let Effect { layer, way, correct, total, loss, sqnr_db, .. } = effect;
                let (bits, sparsity) = match ways {
                    Ways::Rounded(..) => (Some(bits[way]), None),
                    Ways::Pruned(..) => (None, Some(sparsities[way])),
                };
                let top1 = f64::from(correct) / f64::from(total.max(1));
                rows.push(SensitivityRow { layer, mode, bits, sparsity, correct, total, top1, loss, sqnr_db });
            }
        }
    }
    Ok(Outcome { sensitivity: rows, ..Outcome::of(network, recipe.execution, canonical)? })
}
