//! Bits for each layer: the widths with the least summed loss whose mean stays within a budget.
//!
//! A multiple-choice knapsack, solved exactly: after each layer, what is kept of all sums so far are those that no cheaper one
//! equals or beats. Widths like those of HAQ (Wang et al. 2019, arXiv 1811.08886), there 1 to 8 bits.

use super::{Override, QuantizeStep, WeightSpec};
use crate::error::{CoreError, ErrorCode};
use crate::formats::{self, Format};
use crate::methods::{Effect, Mode, StepContext, Ways};
use crate::models::Network;
use crate::task::Context;

/// Widths a layer may have: `int2` to `int8`.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 2..=8;

/// The mean of the bits of all weights that a layer's width is chosen for, at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Bits of codes per weight; scales are not counted.
    pub bits: f64,
    /// Validation images that each layer and width is judged on.
    pub images: u32,
}

/// One width of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    /// What it costs: bits of all weights.
    pub cost: u64,
    /// The loss it gives.
    pub loss: f64,
}

/// The position of the option of each layer with the least summed loss whose summed cost is at most `most`; the cheapest of equals.
/// `None` when even the cheapest cost more.
pub async fn allocate(ctx: &Context, layers: &[Vec<Width>], most: u64) -> Option<Vec<usize>> {
    // Of each layer: cost, loss, the sum of the layers before it, and the option.
    let mut kept: Vec<Vec<(u64, f64, usize, usize)>> = vec![vec![(0, 0.0, 0, 0)]];
    for options in layers {
        let sums = kept.last()?;
        // The sums with one option each ascend in cost: the cheapest head of them all is the next candidate.
        let mut heads = vec![0; options.len()];
        let mut next: Vec<(u64, f64, usize, usize)> = Vec::new();
        loop {
            let mut best: Option<(u64, f64, usize, usize)> = None;
            for (choice, (option, &from)) in options.iter().zip(&heads).enumerate() {
                let Some(&(cost, loss, ..)) = sums.get(from).filter(|sum| sum.0 + option.cost <= most) else {
                    continue;
                };
                let found = (cost + option.cost, loss + option.loss, from, choice);
                if best.is_none_or(|best| (found.0, found.1) < (best.0, best.1)) {
                    best = Some(found);
                }
            }
            let Some(found) = best else { break };
            heads[found.3] += 1;
            if next.last().is_none_or(|last| found.1 < last.1) {
                next.push(found);
            }
        }
        ctx.tick(next.len() as u64).await;
        kept.push(next);
    }
    // Costs ascend and losses descend: the last is the best.
    let mut at = kept.last()?.len().checked_sub(1)?;
    let mut chosen = Vec::with_capacity(layers.len());
    for sums in kept[1..].iter().rev() {
        let (_, _, from, choice) = sums[at];
        chosen.push(choice);
        at = from;
    }
    chosen.reverse();
    Some(chosen)
}

/// The integer format of so many bits.
pub fn format_of(bits: u32) -> Result<&'static dyn Format, CoreError> {
    formats::find(&format!("int{bits}")).ok_or_else(|| CoreError::internal("bits", format!("no int{bits}")))
}

/// The way weights are rounded, with every width.
pub fn widths(base: &WeightSpec, bits: impl Iterator<Item = u32>) -> Result<Vec<WeightSpec>, CoreError> {
    bits.map(|bits| base.with_format(format_of(bits)?)).collect()
}

/// The step with a width of its own for every layer that has no weights of its own.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out; `combination` when the budget is too small, which
/// its bounds rule out.
pub(super) async fn allocated(
    step: &QuantizeStep,
    cx: &mut StepContext<'_>,
    base: &WeightSpec,
    budget: Budget,
) -> Result<QuantizeStep, CoreError> {
    let specs = widths(base, WIDTHS)?;
    let effects = Ways::Rounded(step, &specs).effects(cx, budget.images, Mode::Only).await?;
    let mut names = Vec::new();
    let mut options = Vec::new();
    let mut weights = 0;
    for effects in effects.chunks(specs.len()) {
        let layer = &effects[0].layer;
        if step.layers.get(layer).is_some_and(|own| own.weights.is_some()) {
            continue;
        }
        let count = weights_of(cx.network, layer);
        weights += count;
        names.push(layer);
        let option =
            |effect: &Effect| Width { cost: count * u64::from(WIDTHS.start() + effect.way as u32), loss: effect.loss };
        options.push(effects.iter().map(option).collect::<Vec<_>>());
    }
    let chosen = allocate(cx.ctx, &options, (budget.bits * weights as f64) as u64).await;
    let chosen = chosen.ok_or_else(|| {
        CoreError::new(ErrorCode::Combination, "bits.budget", budget.bits.to_string(), "at least 2 bits")
    })?;
    let mut step = step.clone();
    for (layer, choice) in names.into_iter().zip(chosen) {
        let own = step.layers.get(layer).cloned().unwrap_or_default();
        step.layers.insert(layer.clone(), Override { weights: Some(specs[choice]), ..own });
    }
    Ok(step)
}

fn weights_of(network: &Network, layer: &str) -> u64 {
    let node = network.graph.nodes().iter().find(|node| node.name == *layer);
    node.and_then(|node| node.params.first()).map_or(0, |spec| spec.shape.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::task::Task;
    use std::rc::Rc;

    #[test]
    fn the_widths_equal_brute_force_on_four_layers() {
        let mut rng = Rng::stream(1, "bits", 0);
        for round in 0..60 {
            let layers: Vec<Vec<Width>> = (0..4)
                .map(|_| {
                    let weights = 1 + rng.below(40);
                    // Losses fall with the bits, but not always.
                    let option = |bits: u64| Width {
                        cost: weights * bits,
                        loss: f64::from(rng.uniform(0.0, 1.0)) / bits as f64,
                    };
                    (2..=8).map(option).collect()
                })
                .collect();
            let cheapest: u64 = layers.iter().map(|options| options[0].cost).sum();
            let most = cheapest + cheapest * round / 20;
            let given = layers.clone();
            let found =
                Task::new(Rc::new(Context::new(1)), move |ctx| async move { allocate(&ctx, &given, most).await });
            let found = found.finish().unwrap();
            let sums = |chosen: &[usize]| {
                chosen.iter().zip(&layers).fold((0, 0.0), |(cost, loss), (&choice, options)| {
                    (cost + options[choice].cost, loss + options[choice].loss)
                })
            };
            let mut least = f64::INFINITY;
            for at in 0..7usize.pow(4) {
                let chosen = [at % 7, at / 7 % 7, at / 49 % 7, at / 343];
                let (cost, loss) = sums(&chosen);
                if cost <= most {
                    least = least.min(loss);
                }
            }
            let (cost, loss) = sums(&found);
            assert!(cost <= most && loss == least, "{found:?} gives {loss}, not {least}");
        }
        let few = vec![vec![Width { cost: 5, loss: 1.0 }]];
        let task = Task::new(Rc::new(Context::new(1)), |ctx| async move { allocate(&ctx, &few, 4).await });
        assert_eq!(task.finish(), None);
    }
}
