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

/// Some of a list's elements, each with a distance from a place that is chosen later and may lie before the start.
#[derive(Clone, Debug)]
pub struct Picks {
    picks: Vec<(u32, usize)>,
    /// One more than the greatest index.
    indices: usize,
    /// The least distance, and from it to the greatest one.
    least: isize,
    span: usize,
}

impl Picks {
    /// Elements by their index, with their distances.
    pub fn new(picks: impl Iterator<Item = (usize, isize)>) -> Self {
        let all: Vec<(usize, isize)> = picks.collect();
        let least = all.iter().map(|&(_, distance)| distance).min().unwrap_or(0);
        let span = all.iter().map(|&(_, distance)| distance.abs_diff(least)).max().unwrap_or(0);
        let indices = all.iter().map(|&(index, _)| index + 1).max().unwrap_or(0);
        let picks = all.into_iter().map(|(index, distance)| (index as u32, distance.abs_diff(least))).collect();
        Self { picks, indices, least, span }
    }

    /// Visits the picked elements of `beside`, each with the `len` elements of `from` at its distance from `place`.
    ///
    /// # Panics
    /// When one of them lies outside `beside` or `from`.
    #[inline(always)]
    pub fn visit<T, W>(&self, place: isize, beside: &[W], from: &[T], len: usize, mut visit: impl FnMut(&W, &[T])) {
        let from = &from[usize::try_from(place + self.least).unwrap_or(usize::MAX)..];
        assert!(self.indices <= beside.len() && self.span < from.len() && len <= from.len() - self.span);
        for &(index, distance) in &self.picks {
            // SAFETY: no index reaches `indices`, and no distance from the least one passes `span`; both were checked above.
            unsafe { visit(beside.get_unchecked(index as usize), from.get_unchecked(distance..distance + len)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Offsets, Picks};

    #[test]
    fn picks_reach_from_the_first_element_to_the_last_and_no_farther() {
        let picks = Picks::new([(2, -1), (0, 3), (1, 0)].into_iter());
        let from: Vec<u32> = (0..8).collect();
        let seen = |place: isize, beside: &[char], len: usize| {
            let mut seen = Vec::new();
            picks.visit(place, beside, &from, len, |&name, slice| seen.push((name, slice.to_vec())));
            seen
        };
        let letters = ['a', 'b', 'c'];
        assert_eq!(seen(1, &letters, 2), [('c', vec![0, 1]), ('a', vec![4, 5]), ('b', vec![1, 2])]);
        assert_eq!(seen(4, &letters, 1), [('c', vec![3]), ('a', vec![7]), ('b', vec![4])]);
        for (place, beside, len) in [(0, &letters[..], 1), (4, &letters, 2), (1, &letters[..2], 1)] {
            assert!(std::panic::catch_unwind(|| seen(place, beside, len)).is_err(), "{place} {len}");
        }
    }

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
