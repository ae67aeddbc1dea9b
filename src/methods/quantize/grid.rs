//! The values a weight may take: a format and its granules.

use crate::formats::{Format, Granule};

/// The grid of a weight of a given number of values, one granule for every `granule_len` of them in a row.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a> {
    pub format: &'static dyn Format,
    pub granules: &'a [Granule],
    granule_len: usize,
}

impl<'a> Grid<'a> {
    /// The grid of `values` values.
    pub fn new(format: &'static dyn Format, granules: &'a [Granule], values: usize) -> Self {
        Self { format, granules, granule_len: (values / granules.len().max(1)).max(1) }
    }

    /// The granule of value `index`.
    pub fn granule(&self, index: usize) -> &'a Granule {
        &self.granules[(index / self.granule_len).min(self.granules.len() - 1)]
    }

    /// The value of the grid nearest to `value` at `index`.
    pub fn nearest(&self, index: usize, value: f32) -> f32 {
        let granule = self.granule(index);
        self.format.decode(self.format.encode(value, granule), granule)
    }

    /// The least and the greatest whole number that codes at `index` stand for, for formats of whole numbers × scale.
    pub fn levels(&self, index: usize) -> (f32, f32) {
        let granule = self.granule(index);
        let level = |value: f32| self.format.level(self.format.encode(value, granule), granule).unwrap_or(0) as f32;
        (level(f32::MIN), level(f32::MAX))
    }
}
