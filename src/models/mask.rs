//! Pruned weights: what a mask means for what is packed, stored and computed. Everything that packs or decodes a parameter comes
//! through here, so that no rounding brings back what pruning has taken.

use super::Parameter;
use crate::error::CoreError;
use crate::formats::{Granule, WeightRule};
use crate::kernels::weight_only::WeightOnly;
use crate::tensor::Tensor;
use std::borrow::Cow;

/// Makes 0 what `mask` says is pruned.
pub fn zero_pruned<T: Default>(values: &mut [T], mask: Option<&[bool]>) {
    let pruned = values.iter_mut().zip(mask.unwrap_or(&[])).filter(|(_, kept)| !**kept);
    pruned.for_each(|(value, _)| *value = T::default());
}

/// The values by which a granule is chosen: those that are kept, in order, or all if none is. `first` is the place of the first of
/// `values` in the mask.
pub fn kept_values<'a>(values: &'a [f32], mask: Option<&[bool]>, first: usize) -> Cow<'a, [f32]> {
    let Some(mask) = mask else { return Cow::Borrowed(values) };
    let own = values.iter().zip(&mask[first..]).filter(|(_, kept)| **kept);
    let own: Vec<f32> = own.map(|(value, _)| *value).collect();
    if own.is_empty() { Cow::Borrowed(values) } else { Cow::Owned(own) }
}

impl Parameter {
    /// Stores `values`, which may be others than the latent ones: packed by `rule`, what is pruned as the code of 0.
    ///
    /// # Errors
    /// `internal` when the granules do not divide the values.
    pub fn pack(&mut self, rule: &dyn WeightRule, mut values: Tensor, granules: Vec<Granule>) -> Result<(), CoreError> {
        zero_pruned(values.data_mut(), self.mask.as_deref());
        let packed = rule.pack(&values, granules);
        self.packed = Some(packed.map_err(|error| CoreError::internal(&self.name, error))?);
        Ok(())
    }

    /// Whether the codes alone would bring back what is pruned: their format has none for 0 there.
    pub(crate) fn codes_revive(&self) -> bool {
        let (Some(mask), Some(packed)) = (&self.mask, &self.packed) else { return false };
        let revived = |values: Tensor| values.data().iter().zip(mask).any(|(value, kept)| !kept && *value != 0.0);
        packed.decode().is_ok_and(revived)
    }

    /// Whole numbers and scales of rows, as [`crate::formats::PackedTensor::levels`] gives them; 0 for what is pruned.
    pub(super) fn levels(&self) -> Option<(Vec<i32>, Vec<f32>)> {
        let (mut levels, scales) = self.packed.as_ref()?.levels()?;
        zero_pruned(&mut levels, self.mask.as_deref());
        Some((levels, scales))
    }

    /// Codes for kernels that decode them; `None` where codes alone would bring back what is pruned.
    pub(super) fn weight_only(&self) -> Option<WeightOnly> {
        let packed = self.packed.as_ref().filter(|_| !self.codes_revive());
        packed.and_then(|packed| packed.weight_only())
    }
}
