//! How a weight is rounded to a format: what its granules are, and how they follow its values while it is trained.

use super::{Format, Granule, PackedTensor};
use crate::task::Context;
use crate::tensor::{Tensor, TensorError};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// The shares of the whole range that a search chose, one for each granule.
pub type Shares<'a> = Pin<Box<dyn Future<Output = Vec<f32>> + 'a>>;

/// A rule that turns a weight's values into granules. What a quantize step says of a weight is one.
pub trait WeightRule {
    /// The format.
    fn format(&self) -> &'static dyn Format;
    /// How many granules a weight of this shape has; they split its values evenly.
    fn granules(&self, weight: &Tensor) -> usize;
    /// Whether [`WeightRule::shares`] tries many ranges.
    fn searches(&self) -> bool;
    /// The share of the whole range (in 0..=1) that suits each granule's values best; 1 where nothing is tried.
    fn shares<'a>(&'a self, ctx: &'a Context, weight: &'a Tensor) -> Shares<'a>;
    /// What all stored scales of a weight are in units of; 1 for most formats.
    fn unit(&self, weight: &Tensor) -> f32;
    /// The granule of these values whose range is `share` of the whole.
    fn granule(&self, values: &[f32], share: f32, unit: f32) -> Granule;
    /// A granule as it will be read back from what is stored.
    fn stored(&self, granule: Granule, unit: f32) -> Granule;
    /// Encodes a weight.
    ///
    /// # Errors
    /// [`TensorError::Length`] when the granules do not divide the values.
    fn pack(&self, weight: &Tensor, granules: Vec<Granule>) -> Result<PackedTensor, TensorError>;
}

/// The quantizer of a parameter.
#[derive(Clone)]
pub struct WeightQuantizer {
    /// How granules follow values.
    pub rule: Rc<dyn WeightRule>,
    /// Granules that training has learned, in place of the rule's.
    pub learned: Option<Vec<Granule>>,
}
