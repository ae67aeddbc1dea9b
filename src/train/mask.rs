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
