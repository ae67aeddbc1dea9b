//! Places at fixed distances from each other, checked once for all.

/// Distances from a place that is chosen later.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    values: Vec<u32>,
    most: usize,
}

impl Offsets {
    /// These distances.
    pub fn new(values: Vec<u32>) -> Self {
        let most = values.iter().copied().max().map_or(0, |most| most as usize);
        Self { values, most }
    }

    /// The distances.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// `from[offset..offset + len]` for every offset.
    ///
    /// # Panics
    /// When the farthest of them reaches past the end.
    #[inline(always)]
    pub fn slices<'a, T>(&'a self, from: &'a [T], len: usize) -> impl Iterator<Item = &'a [T]> {
        assert!(self.most < from.len() && len <= from.len() - self.most);
        // SAFETY: no offset is greater than `most`, and `most + len` is at most the length.
        self.values.iter().map(move |&offset| unsafe { from.get_unchecked(offset as usize..offset as usize + len) })
    }
}

#[cfg(test)]
mod tests {
    use super::Offsets;

    #[test]
    fn slices_reach_to_the_last_element_and_no_farther() {
        let offsets = Offsets::new(vec![3, 0, 5]);
        let from: Vec<u32> = (0..8).collect();
        let found: Vec<&[u32]> = offsets.slices(&from, 3).collect();
        assert_eq!(found, [[3, 4, 5], [0, 1, 2], [5, 6, 7]]);
        assert!(std::panic::catch_unwind(|| offsets.slices(&from, 4).count()).is_err());
        assert!(std::panic::catch_unwind(|| offsets.slices(&from[..5], 0).count()).is_err());
    }
}
