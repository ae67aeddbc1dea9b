//! What a run says: plain data, one schema (names are fixed; add, do not rename).

use crate::evaluate::{Accuracy, Cost, Size, Twin};
use crate::train::TrainingRecord;
use serde::Serialize;

/// Raised whenever any digest of a golden recipe changes.
pub const NUMERICS: u32 = 1;

/// The engine's version.
pub const ENGINE: &str = env!("CARGO_PKG_VERSION");

/// A measured network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Baseline {
    /// Right answers on the same images.
    pub accuracy: Accuracy,
    /// Bytes.
    pub size: Size,
}

/// The network after one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct StepReport {
    /// The step's kind, such as `quantize`.
    pub step: String,
    /// Right answers after it.
    pub accuracy: Accuracy,
    /// Bytes after it.
    pub bytes: u64,
    /// Multiply-adds after it.
    pub macs: u64,
    /// For training: mean loss of each epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub epoch_loss: Vec<f64>,
    /// For training that may end early: the loss on the validation split after each epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validation_loss: Vec<f64>,
    /// For training with a teacher: the share of the gradient that comes from it, in each epoch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub teacher_share: Vec<f64>,
    /// For training in fewer bits, with several workers, or where it is asked for: step by step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingRecord>,
}

/// One layer that has parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LayerReport {
    /// Its name.
    pub name: String,
    /// Its op.
    pub op: String,
    /// Format of its weight.
    pub weight_format: String,
    /// Format its input is rounded to; `fp32` when it is not.
    pub activation_format: String,
    /// Parameters, bias included.
    pub parameters: u64,
    /// Parameters that are not zero.
    pub nonzero: u64,
    /// Parameters that pruning has left, where some of this layer's were made 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Bytes stored.
    pub bytes: u64,
    /// Signal to quantization noise of the weight, 10·log10(Σw² / Σ(w − ŵ)²); `null` when nothing changed.
    pub sqnr_db: Option<f64>,
}

/// What makes two runs comparable bit by bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Digests {
    /// SHA-256 over the effective parameters.
    pub weights: String,
    /// SHA-256 over the logits of every evaluated image.
    pub outputs: String,
}

/// The result of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Report {
    /// Version of this schema.
    pub version: u32,
    /// The engine's version.
    pub engine: String,
    /// See [`NUMERICS`].
    pub numerics: u32,
    /// The recipe in canonical form.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "Recipe"))]
    pub recipe: serde_json::Value,
    /// Right answers at the end.
    pub accuracy: Accuracy,
    /// The network before any step, on the same images.
    pub baseline: Baseline,
    /// Bytes at the end.
    pub size: Size,
    /// Work at the end.
    pub cost: Cost,
    /// After each step.
    pub steps: Vec<StepReport>,
    /// Layers with parameters.
    pub layers: Vec<LayerReport>,
    /// Integer sums against f32 arithmetic, where any layer can have integer sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    /// Digests.
    pub digests: Digests,
}
