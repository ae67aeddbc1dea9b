//! One option for each layer: those of the least summed loss whose summed cost stays within a budget.
//!
//! A multiple-choice knapsack, solved exactly: after each layer, what is kept of all sums so far are those that no cheaper one
//! equals or beats.

use crate::task::Context;

/// One option of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// What it costs.
    pub cost: u64,
    /// The loss it gives.
    pub loss: f64,
}

/// The position of the option of each layer with the least summed loss whose summed cost is at most `most`; the cheapest of equals.
/// `None` when even the cheapest cost more.
pub async fn allocate(ctx: &Context, layers: &[Vec<Item>], most: u64) -> Option<Vec<usize>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::task::Task;
    use std::rc::Rc;

    #[test]
    fn what_is_chosen_equals_brute_force_on_four_layers() {
        let mut rng = Rng::stream(1, "allocate", 0);
        for round in 0..60 {
            let layers: Vec<Vec<Item>> = (0..4)
                .map(|_| {
                    let weights = 1 + rng.below(40);
                    // Losses fall with the bits, but not always.
                    let option =
                        |bits: u64| Item { cost: weights * bits, loss: f64::from(rng.uniform(0.0, 1.0)) / bits as f64 };
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
        let few = vec![vec![Item { cost: 5, loss: 1.0 }]];
        let task = Task::new(Rc::new(Context::new(1)), |ctx| async move { allocate(&ctx, &few, 4).await });
        assert_eq!(task.finish(), None);
    }
}
