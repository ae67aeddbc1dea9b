//! Which weights pruning keeps: the lowest scores go, by a pattern and within a scope.

use crate::task::{Context, MACS_PER_SORTED};

/// What is taken away together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Single weights.
    Unstructured,
    /// Of every so many neighbouring inputs of an output (the second number), all but so many (the first). A last group of fewer
    /// inputs keeps as many, or all it has.
    Nm(usize, usize),
    /// Rectangles of so many neighbouring outputs and inputs; those at the edges are smaller. A rectangle's score is the mean of its
    /// weights'.
    Block(usize, usize),
}

/// Among what scores are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All layers, but for those with a share of their own.
    Global,
    /// Each layer.
    Layer,
    /// Each output of a layer.
    Row,
}

/// A weight to be pruned, rows of inputs, one row for each output.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its node.
    pub node: usize,
    /// Its parameter.
    pub index: usize,
    /// Its outputs.
    pub rows: usize,
    /// Its own share that goes, in place of all layers'.
    pub own: Option<f64>,
    /// One for each value; the lowest go.
    pub scores: Vec<f32>,
    /// What earlier pruning has kept.
    pub mask: Vec<bool>,
}

/// The score of what is gone.
const GONE: f32 = f32::NEG_INFINITY;

/// The sides of what is taken away together.
fn sides(pattern: Pattern) -> (usize, usize) {
    match pattern {
        Pattern::Block(rows, inputs) => (rows, inputs),
        _ => (1, 1),
    }
}

/// Takes what goes out of the candidates' masks. `share` is that of what is taken away together (single weights, rectangles), to the
/// nearest whole number, what earlier pruning has taken counted in; with [`Pattern::Nm`] it is not used. Of equal scores the first goes
/// first, by candidate and place.
pub async fn select(ctx: &Context, pattern: Pattern, scope: Scope, share: f64, candidates: &mut [Candidate]) {
    let mut units: Vec<(usize, Vec<f32>)> = candidates.iter().map(|candidate| units(pattern, candidate)).collect();
    let count = |units: usize, share: f64| (units as f64 * share + 0.5) as usize;
    let mut all: Vec<&mut [f32]> = Vec::new();
    for ((across, units), candidate) in units.iter_mut().zip(&*candidates) {
        let share = candidate.own.unwrap_or(share);
        match (pattern, scope) {
            (Pattern::Nm(keep, of), _) => {
                for group in units.chunks_mut(*across).flat_map(|row| row.chunks_mut(of)) {
                    let gone = group.len().saturating_sub(keep);
                    drop_lowest(ctx, &mut [group], gone).await;
                }
            }
            (_, Scope::Row) => {
                for row in units.chunks_mut(*across) {
                    let gone = count(row.len(), share);
                    drop_lowest(ctx, &mut [row], gone).await;
                }
            }
            (_, Scope::Global) if candidate.own.is_none() => all.push(units),
            _ => {
                let gone = count(units.len(), share);
                drop_lowest(ctx, &mut [units], gone).await;
            }
        }
    }
    let gone = count(all.iter().map(|units| units.len()).sum(), share);
    drop_lowest(ctx, &mut all, gone).await;
    let (high, wide) = sides(pattern);
    for ((across, units), candidate) in units.iter().zip(candidates) {
        let inputs = candidate.mask.len() / candidate.rows;
        for (i, kept) in candidate.mask.iter_mut().enumerate() {
            *kept &= units[i / inputs / high * across + i % inputs / wide] != GONE;
        }
    }
}

/// The scores of what is taken away together, row by row, and how many there are in a row. Sums are in f64, places ascending.
fn units(pattern: Pattern, candidate: &Candidate) -> (usize, Vec<f32>) {
    let inputs = candidate.mask.len() / candidate.rows;
    let (high, wide) = sides(pattern);
    let across = inputs.div_ceil(wide);
    // Sum and number of the scores that are still there.
    let mut sums = vec![(0.0f64, 0u32); candidate.rows.div_ceil(high) * across];
    for (i, (&score, &kept)) in candidate.scores.iter().zip(&candidate.mask).enumerate() {
        let sum = &mut sums[i / inputs / high * across + i % inputs / wide];
        if kept {
            *sum = (sum.0 + f64::from(score), sum.1 + 1);
        }
    }
    let mean = |&(sum, count): &(f64, u32)| if count == 0 { GONE } else { (sum / f64::from(count)) as f32 };
    (across, sums.iter().map(mean).collect())
}

/// Marks the `count` lowest of all parts as gone.
async fn drop_lowest(ctx: &Context, parts: &mut [&mut [f32]], count: usize) {
    let mut sorted = parts.concat();
    let Some(last) = count.min(sorted.len()).checked_sub(1) else { return };
    ctx.sort(&mut sorted).await;
    let border = sorted[last];
    // Of those at the border, so many go.
    let mut left = last + 1 - sorted.iter().take_while(|score| score.total_cmp(&border).is_lt()).count();
    for score in parts.iter_mut().flat_map(|part| part.iter_mut()) {
        let order = score.total_cmp(&border);
        if order.is_lt() || (order.is_eq() && left > 0) {
            left -= usize::from(order.is_eq());
            *score = GONE;
        }
    }
}

/// Multiply-adds of [`select`] over so many values, about.
pub fn select_macs(values: u64) -> u64 {
    2 * MACS_PER_SORTED * values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::task::Task;
    use std::rc::Rc;

    fn selected(pattern: Pattern, scope: Scope, share: f64, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let task = Task::new(Rc::new(Context::new(1)), |ctx| async move {
            select(&ctx, pattern, scope, share, &mut candidates).await;
            candidates
        });
        task.finish()
    }

    /// Layers of 6 × 11, 5 × 7 and 3 × 10, a tenth of them gone before; scores are of few values, so that many are equal.
    fn case(seed: u64) -> Vec<Candidate> {
        let mut rng = Rng::stream(seed, "mask", 0);
        let layer = |(index, (rows, inputs)): (usize, (usize, usize))| {
            let scores = (0..rows * inputs).map(|_| rng.below(30) as f32).collect();
            let mask = (0..rows * inputs).map(|_| rng.below(10) > 0).collect();
            let own = (index == 2).then_some(0.3);
            Candidate { node: index, index, rows, own, scores, mask }
        };
        [(6, 11), (5, 7), (3, 10)].into_iter().enumerate().map(layer).collect()
    }

    /// Sorts everything that is compared by (gone before, score, place) and takes the first.
    fn naive(scope: Scope, share: f64, candidates: &[Candidate]) -> Vec<Vec<bool>> {
        let mut masks: Vec<Vec<bool>> = candidates.iter().map(|candidate| candidate.mask.clone()).collect();
        let mut groups: Vec<(f64, Vec<(usize, usize)>)> = Vec::new();
        for (at, candidate) in candidates.iter().enumerate() {
            let count = candidate.scores.len();
            let all: Vec<(usize, usize)> = (0..count).map(|i| (at, i)).collect();
            let own = candidate.own.unwrap_or(share);
            match scope {
                Scope::Row => {
                    groups.extend(all.chunks(count / candidate.rows).map(|row| (own, row.to_vec())));
                }
                Scope::Global if candidate.own.is_none() && !groups.is_empty() => groups[0].1.extend(all),
                _ => groups.push((own, all)),
            }
        }
        for (share, mut group) in groups {
            let key = |&(at, i): &(usize, usize)| (candidates[at].mask[i], candidates[at].scores[i] as u32, at, i);
            group.sort_by_key(key);
            for &(at, i) in &group[..(group.len() as f64 * share).round() as usize] {
                masks[at][i] = false;
            }
        }
        masks
    }

    #[test]
    fn the_lowest_scores_go_as_in_naive_code() {
        for seed in 0..20 {
            for scope in [Scope::Global, Scope::Layer, Scope::Row] {
                for share in [0.0, 0.2, 0.55, 0.999] {
                    let wanted = naive(scope, share, &case(seed));
                    let found = selected(Pattern::Unstructured, scope, share, case(seed));
                    let found: Vec<Vec<bool>> = found.into_iter().map(|candidate| candidate.mask).collect();
                    assert_eq!(found, wanted, "{scope:?} {share}");
                }
            }
        }
    }

    #[test]
    fn every_group_of_n_of_m_keeps_its_highest() {
        for (keep, of) in [(2, 4), (4, 8), (1, 4)] {
            let before = case(3);
            for (found, before) in selected(Pattern::Nm(keep, of), Scope::Global, 0.0, case(3)).iter().zip(&before) {
                let inputs = before.mask.len() / before.rows;
                for first in (0..before.mask.len()).step_by(inputs).flat_map(|row| (row..row + inputs).step_by(of)) {
                    let end = (first / inputs + 1) * inputs;
                    let group = first..end.min(first + of);
                    let there = group.clone().filter(|&i| before.mask[i]).count();
                    let kept: Vec<usize> = group.clone().filter(|&i| found.mask[i]).collect();
                    assert_eq!(kept.len(), there.min(keep));
                    let least = kept.iter().map(|&i| before.scores[i]).fold(f32::INFINITY, f32::min);
                    let gone = group.filter(|&i| before.mask[i] && !found.mask[i]);
                    assert!(gone.into_iter().all(|i| before.scores[i] <= least));
                }
            }
        }
    }

    #[test]
    fn blocks_go_whole_by_their_mean() {
        let before = case(5);
        let found = selected(Pattern::Block(2, 4), Scope::Layer, 0.5, case(5));
        for (found, before) in found.iter().zip(&before) {
            let inputs = before.mask.len() / before.rows;
            let (mut kept, mut gone) = (Vec::new(), Vec::new());
            for (top, left) in (0..before.rows).step_by(2).flat_map(|y| (0..inputs).step_by(4).map(move |x| (y, x))) {
                let places = (0..before.mask.len()).filter(|i| i / inputs / 2 == top / 2 && i % inputs / 4 == left / 4);
                let places: Vec<usize> = places.filter(|&i| before.mask[i]).collect();
                let mean = places.iter().map(|&i| f64::from(before.scores[i])).sum::<f64>() / places.len() as f64;
                let stays = found.mask[places[0]];
                assert!(places.iter().all(|&i| found.mask[i] == stays), "a block is torn");
                if stays { kept.push(mean) } else { gone.push(mean) }
            }
            let share = before.own.unwrap_or(0.5);
            assert_eq!(gone.len(), ((gone.len() + kept.len()) as f64 * share).round() as usize);
            let least = kept.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(gone.iter().all(|mean| *mean <= least + 1e-6));
        }
    }
}
