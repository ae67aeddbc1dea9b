//! Places at fixed distances from each other, checked once for all.

use super::side_by_side;

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

    /// Visits the elements of `beside` with `from[offset..offset + len]` for the offset at the same place.
    ///
    /// # Panics
    /// When the farthest offset reaches past the end.
    #[inline(always)]
    pub fn visit<T, W>(&self, beside: &[W], from: &[T], len: usize, mut visit: impl FnMut(&W, &[T])) {
        assert!(self.most < from.len() && len <= from.len() - self.most);
        side_by_side(beside, &self.values, |beside, &offset| {
            // SAFETY: no offset is greater than `most`, and `most + len` is at most the length.
            visit(beside, unsafe { from.get_unchecked(offset as usize..offset as usize + len) });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Offsets;

    #[test]
    fn slices_reach_to_the_last_element_and_no_farther() {
        let offsets = Offsets::new(vec![3, 0, 5]);
        let from: Vec<u32> = (0..8).collect();
        let mut found = Vec::new();
        offsets.visit(&['a', 'b', 'c'], &from, 3, |&name, slice| found.push((name, slice.to_vec())));
        assert_eq!(found, [('a', vec![3, 4, 5]), ('b', vec![0, 1, 2]), ('c', vec![5, 6, 7])]);
        let visit = |from: &[u32], len| offsets.visit(&[(); 3], from, len, |(), _| {});
        assert!(std::panic::catch_unwind(|| visit(&from, 4)).is_err());
        assert!(std::panic::catch_unwind(|| visit(&from[..5], 0)).is_err());
    }
}
