//! Places at fixed distances from each other, checked once for all.

use super::side_by_side;

/// Elements at equal steps from each other. That they are there was checked by who made it: a check of each would take
/// a third of a kernel's time.
#[derive(Clone, Copy, Debug)]
pub struct Apart<'a, T> {
    /// From the first element to the last.
    from: &'a [T],
    step: usize,
    last: usize,
}

impl<'a, T> Apart<'a, T> {
    /// Element `index`; beyond the last one, that one.
    #[inline(always)]
    pub fn get(&self, index: usize) -> &'a T {
        // SAFETY: at most `last × step`, which lies inside.
        unsafe { self.from.get_unchecked(index.min(self.last) * self.step) }
    }
}

/// Visits the elements of `beside`, each with those from the same place of `from` on that stand at equal steps from each other.
///
/// # Panics
/// When the farthest one lies outside `from`.
#[inline(always)]
pub fn visit_apart<T, W>(
    beside: &[W],
    from: &[T],
    (step, last): (usize, usize),
    mut visit: impl FnMut(&W, Apart<'_, T>),
) {
    let reach = last * step + 1;
    assert!(beside.is_empty() || (reach <= from.len() && beside.len() <= from.len() - last * step));
    for (i, beside) in beside.iter().enumerate() {
        // SAFETY: the last place plus `reach` is at most the length.
        visit(beside, Apart { from: unsafe { from.get_unchecked(i..i + reach) }, step, last });
    }
}

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

    /// Visits the elements of `beside`, each with elements `0`, `step` … `last × step` from the offset at the same place on.
    ///
    /// # Panics
    /// When the farthest of them lies outside.
    #[inline(always)]
    pub fn visit_apart<T, W>(
        &self,
        beside: &[W],
        from: &[T],
        (step, last): (usize, usize),
        mut visit: impl FnMut(&W, Apart<'_, T>),
    ) {
        self.visit(beside, from, last * step + 1, |beside, from| visit(beside, Apart { from, step, last }));
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

    /// Visits the picked elements of `beside`, each with elements `0`, `step` … `last × step` of `from` from its distance from
    /// `place` on.
    ///
    /// # Panics
    /// When one of them lies outside `beside` or `from`.
    #[inline(always)]
    pub fn visit_apart<T, W>(
        &self,
        place: isize,
        beside: &[W],
        from: &[T],
        (step, last): (usize, usize),
        mut visit: impl FnMut(&W, Apart<'_, T>),
    ) {
        let len = last * step + 1;
        let from = &from[usize::try_from(place + self.least).unwrap_or(usize::MAX)..];
        assert!(self.indices <= beside.len() && self.span < from.len() && len <= from.len() - self.span);
        for &(index, distance) in &self.picks {
            // SAFETY: no index reaches `indices`, and no distance from the least one passes `span`; both were checked above.
            let (beside, from) =
                unsafe { (beside.get_unchecked(index as usize), from.get_unchecked(distance..distance + len)) };
            visit(beside, Apart { from, step, last });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Offsets, Picks, visit_apart};

    #[test]
    fn picks_reach_from_the_first_element_to_the_last_and_no_farther() {
        let picks = Picks::new([(2, -1), (0, 3), (1, 0)].into_iter());
        let from: Vec<u32> = (0..8).collect();
        let seen = |place: isize, beside: &[char], near: (usize, usize)| {
            let mut seen = Vec::new();
            picks.visit_apart(place, beside, &from, near, |&name, here| {
                seen.push((name, [0, 1, 2].map(|i| *here.get(i))))
            });
            seen
        };
        let letters = ['a', 'b', 'c'];
        assert_eq!(seen(1, &letters, (1, 1)), [('c', [0, 1, 1]), ('a', [4, 5, 5]), ('b', [1, 2, 2])]);
        assert_eq!(seen(1, &letters, (2, 1)), [('c', [0, 2, 2]), ('a', [4, 6, 6]), ('b', [1, 3, 3])]);
        assert_eq!(seen(4, &letters, (3, 0)), [('c', [3; 3]), ('a', [7; 3]), ('b', [4; 3])]);
        for (place, beside, near) in
            [(0, &letters[..], (1, 0)), (4, &letters, (1, 1)), (1, &letters[..2], (1, 0)), (1, &letters, (2, 2))]
        {
            assert!(std::panic::catch_unwind(|| seen(place, beside, near)).is_err(), "{place} {near:?}");
        }
    }

    #[test]
    fn elements_apart_reach_to_the_last_and_no_farther() {
        let offsets = Offsets::new(vec![3, 0]);
        let from: Vec<u32> = (0..8).collect();
        let mut found = Vec::new();
        offsets.visit_apart(&['a', 'b'], &from, (2, 2), |&name, here| {
            found.push((name, [0, 1, 2, 3].map(|i| *here.get(i))))
        });
        assert_eq!(found, [('a', [3, 5, 7, 7]), ('b', [0, 2, 4, 4])]);
        assert!(std::panic::catch_unwind(|| offsets.visit_apart(&[(); 2], &from[..7], (2, 2), |(), _| {})).is_err());
        let mut found = Vec::new();
        visit_apart(&['a', 'b'], &from, (3, 2), |&name, here| found.push((name, [0, 1, 2, 3].map(|i| *here.get(i)))));
        assert_eq!(found, [('a', [0, 3, 6, 6]), ('b', [1, 4, 7, 7])]);
        assert!(std::panic::catch_unwind(|| visit_apart(&[(); 2], &from[..7], (3, 2), |(), _| {})).is_err());
        assert!(std::panic::catch_unwind(|| visit_apart(&[(); 1], &from[..2], (3, 1), |(), _| {})).is_err());
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
