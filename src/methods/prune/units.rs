//! What each unit of channels is worth, and which of them are kept.

use crate::error::{CoreError, ErrorCode};
use crate::graph::{Branch, Channels, Keep};
use crate::math::sort_indices;
use crate::models::Network;
use crate::ops::Flow;
use crate::rng::Rng;
use crate::task::Context;
use crate::tensor::Tensor;

/// By what units are scored; the lowest go. Layers whose channels go together add up their scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitScore {
    /// Σ|w| of the weights that make the unit.
    L1,
    /// √Σw² of them, layer by layer.
    L2,
    /// The sum of distances to the other units of a layer: what is near to their geometric median goes first.
    Fpgm,
    /// Σ|γ| of its batch norms.
    BnScale,
    /// Σ|w·∂L/∂w| of all that is trained of it.
    Taylor,
    /// Drawn.
    Random,
}

impl UnitScore {
    /// Whether it reads this parameter of an op.
    pub(super) fn reads(self, kind: &str, name: &str, trained: bool) -> bool {
        match self {
            Self::L1 | Self::L2 | Self::Fpgm => name == "weight",
            Self::BnScale => kind == "batch_norm" && name == "scale",
            Self::Taylor => trained,
            Self::Random => false,
        }
    }
}

/// A parameter that a score reads, and the unit of each of its channels.
struct Member<'a> {
    values: &'a [f32],
    index: usize,
    of: &'a [Option<(usize, usize)>],
    /// Values from one channel to the next.
    stride: usize,
}

impl Member<'_> {
    /// Every value that belongs to a unit: its place, group and unit.
    fn each(&self, visit: &mut dyn FnMut(usize, usize, usize)) {
        for i in 0..self.values.len() {
            if let Some((group, unit)) = self.of[i / self.stride % self.of.len()] {
                visit(i, group, unit);
            }
        }
    }
}

fn members<'a>(network: &'a Network, channels: &'a Channels, by: UnitScore) -> Vec<Member<'a>> {
    let mut members = Vec::new();
    for (at, node) in network.graph.nodes().iter().enumerate() {
        let axis = match node.op.flow(&network.graph.input_shapes(node)) {
            Flow::Mixed => continue,
            Flow::New { axis } => axis,
            Flow::Tied { .. } => 0,
        };
        for (i, spec) in node.params.iter().enumerate() {
            if by.reads(node.op.kind(), spec.name, spec.trained) {
                let (index, stride) = (node.first_param + i, spec.shape.dims()[axis + 1..].iter().product());
                let values = network.parameters[index].latent.data();
                members.push(Member { values, index, of: channels.of(at + 1), stride });
            }
        }
    }
    members
}

fn zeros(channels: &Channels) -> Vec<Vec<f64>> {
    channels.groups.iter().map(|group| vec![0.0; group.count]).collect()
}

/// A score for each unit of each group. `gradients` are those of the loss by every parameter, for [`UnitScore::Taylor`] alone. Sums are in
/// f64: layers, then values, ascending. Of [`UnitScore::Random`] there is nothing here: see [`random`].
///
/// Sources: Li et al. 2017 (arXiv 1608.08710), He et al. 2018 (arXiv 1808.06866), He et al. 2019 (arXiv 1811.00250), Liu et al. 2017
/// (arXiv 1708.06519), Molchanov et al. 2019 (arXiv 1906.10771).
pub(super) async fn score(
    ctx: &Context,
    network: &Network,
    channels: &Channels,
    by: UnitScore,
    gradients: &[Tensor],
) -> Vec<Vec<f64>> {
    let mut scores = zeros(channels);
    for member in members(network, channels, by) {
        let (values, mut own) = (member.values, zeros(channels));
        match by {
            UnitScore::Fpgm => own = distances(ctx, &member, channels).await,
            UnitScore::L2 => {
                let square = |value: f32| f64::from(value) * f64::from(value);
                member.each(&mut |i, group, unit| own[group][unit] += square(values[i]));
                own.iter_mut().flatten().for_each(|sum| *sum = sum.sqrt());
            }
            UnitScore::Taylor => {
                let slopes = gradients[member.index].data();
                member.each(&mut |i, group, unit| {
                    own[group][unit] += (f64::from(values[i]) * f64::from(slopes[i])).abs()
                });
            }
            _ => member.each(&mut |i, group, unit| own[group][unit] += f64::from(values[i].abs())),
        }
        add(&mut scores, &own);
        ctx.tick(values.len() as u64).await;
    }
    scores
}

/// Adds scores to scores.
pub(super) fn add(to: &mut [Vec<f64>], from: &[Vec<f64>]) {
    to.iter_mut().flatten().zip(from.iter().flatten()).for_each(|(to, from)| *to += from);
}

/// The sum of the distances of each unit's values to those of every other unit of its group.
async fn distances(ctx: &Context, member: &Member<'_>, channels: &Channels) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<Vec<f32>>> = channels.groups.iter().map(|group| vec![Vec::new(); group.count]).collect();
    member.each(&mut |i, group, unit| rows[group][unit].push(member.values[i]));
    let mut sums = zeros(channels);
    for (rows, sums) in rows.iter().zip(&mut sums) {
        for (row, sum) in rows.iter().zip(sums) {
            for other in rows {
                let squares = row.iter().zip(other).fold(0.0, |sum, (a, b)| {
                    let apart = f64::from(*a) - f64::from(*b);
                    sum + apart * apart
                });
                *sum += squares.sqrt();
            }
            ctx.tick((rows.len() * row.len()) as u64).await;
        }
    }
    sums
}

/// Scores drawn evenly, for step `step`.
pub(super) fn random(counts: &[usize], seed: u64, step: u64) -> Vec<Vec<f64>> {
    let mut rng = Rng::stream(seed, "prune-units", step);
    counts.iter().map(|&count| (0..count).map(|_| f64::from(rng.uniform(0.0, 1.0))).collect()).collect()
}

/// A score for each branch: the mean of what the score has for its weights (with [`UnitScore::L2`] the root of the mean square), or, by
/// [`UnitScore::Taylor`], the sum over all that is trained.
pub(super) fn score_branches(network: &Network, branches: &[Branch], by: UnitScore, gradients: &[Tensor]) -> Vec<f64> {
    let one = |branch: &Branch| {
        let (mut sum, mut count) = (0.0f64, 0.0f64);
        for node in branch.nodes.iter().map(|&node| &network.graph.nodes()[node]) {
            for (i, spec) in node.params.iter().enumerate() {
                if !by.reads(node.op.kind(), spec.name, spec.trained) {
                    continue;
                }
                for (at, value) in network.parameters[node.first_param + i].latent.data().iter().enumerate() {
                    let value = f64::from(*value);
                    sum += match by {
                        UnitScore::L2 => value * value,
                        UnitScore::Taylor => (value * f64::from(gradients[node.first_param + i].data()[at])).abs(),
                        _ => value.abs(),
                    };
                    count += 1.0;
                }
            }
        }
        match by {
            UnitScore::L2 => (sum / count.max(1.0)).sqrt(),
            UnitScore::Taylor => sum,
            _ => sum / count.max(1.0),
        }
    };
    branches.iter().map(one).collect()
}

/// Makes scores of different groups comparable: their mean in each group becomes 1.
pub(super) fn level(scores: &mut [Vec<f64>]) {
    for scores in scores {
        let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        if mean > 0.0 {
            scores.iter_mut().for_each(|score| *score /= mean);
        }
    }
}

/// How many units go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    /// This share of them, to the nearest whole number.
    Share(f64),
    /// As few as leave no more than this share of the multiply-adds.
    Macs(f64),
}

/// The nearest number of units to a share of them.
pub(super) fn nearest(units: usize, share: f64) -> usize {
    (units as f64 * share + 0.5) as usize
}

/// Steps of a share, when the smallest one is looked for that leaves few enough multiply-adds.
const SHARES: usize = 1 << 20;

/// Chooses units by their scores.
pub(super) struct Chooser<'a> {
    /// Group and unit of every score, the lowest first; of equals the first.
    order: Vec<(f64, usize, usize)>,
    /// Units of each group.
    counts: Vec<usize>,
    /// How many of a group go; `None` where the amount says it.
    own: &'a [Option<usize>],
    /// Whether units of all groups are compared; else each gives the same share.
    global: bool,
}

impl<'a> Chooser<'a> {
    /// For a score of each unit of each group; what `own` says of a group goes whatever the amount.
    pub fn new(scores: &[Vec<f64>], own: &'a [Option<usize>], global: bool) -> Self {
        let mut order: Vec<(f64, usize, usize)> = Vec::new();
        for (group, scores) in scores.iter().enumerate() {
            order.extend(scores.iter().enumerate().map(|(unit, &score)| (score, group, unit)));
        }
        // Stable: equals stay in the order of groups and units.
        let mut places: Vec<usize> = (0..order.len()).collect();
        sort_indices(&mut places, &mut |a, b| order[a].0.total_cmp(&order[b].0));
        let order = places.into_iter().map(|at| order[at]).collect();
        Self { order, counts: scores.iter().map(Vec::len).collect(), own, global }
    }

    /// What is kept when so many of all units go, the lowest first, or where `nearest` says how many of a group's; one of each group stays.
    fn kept(&self, count: usize, nearest: &dyn Fn(usize) -> usize) -> Keep {
        let mut keep: Keep = self.counts.iter().map(|&count| vec![true; count]).collect();
        let (mut gone, mut left) = (vec![0; keep.len()], count);
        for &(_, group, unit) in &self.order {
            let open = self.own[group].is_none();
            let most =
                self.own[group].unwrap_or_else(|| if self.global { usize::MAX } else { nearest(self.counts[group]) });
            if gone[group] < most.min(self.counts[group] - 1) && !(open && self.global && left == 0) {
                left -= usize::from(open && self.global);
                gone[group] += 1;
                keep[group][unit] = false;
            }
        }
        keep
    }

    /// What is kept. `macs` gives the share of multiply-adds that a choice leaves; it falls as units go.
    ///
    /// # Errors
    /// `combination` at `path` when no choice leaves as few multiply-adds; what `macs` gives.
    pub fn choose(
        &self,
        amount: Amount,
        path: &str,
        macs: &dyn Fn(&Keep) -> Result<f64, CoreError>,
    ) -> Result<Keep, CoreError> {
        let open = self.counts.iter().zip(self.own).filter(|(_, own)| own.is_none());
        let all: usize = open.map(|(count, _)| count).sum();
        let budget = match amount {
            Amount::Share(share) => return Ok(self.kept(nearest(all, share), &|units| nearest(units, share))),
            Amount::Macs(budget) => budget,
        };
        // So many units, or so many steps of a share.
        let at = |level: usize| self.kept(level, &|units| (units * level + SHARES / 2) / SHARES);
        let (mut low, mut high) = (0, if self.global { all } else { SHARES });
        let least = macs(&at(high))?;
        if least > budget {
            let found = format!("{budget} of the multiply-adds, of which {least} stay at least");
            return Err(CoreError::new(ErrorCode::Combination, path, found, "a greater share"));
        }
        while low < high {
            let middle = (low + high) / 2;
            if macs(&at(middle))? <= budget { high = middle } else { low = middle + 1 }
        }
        Ok(at(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::find;
    use crate::task::Task;
    use crate::tensor::Shape;
    use std::rc::Rc;

    fn network() -> (Network, Channels, Vec<Tensor>) {
        let mut network = Network::random(find("resnet8-fashion").unwrap(), 3).unwrap();
        let mut rng = Rng::stream(3, "values", 0);
        for parameter in &mut network.parameters {
            parameter.latent.data_mut().iter_mut().for_each(|value| *value += rng.uniform(-0.3, 0.3));
        }
        let draw = |shape: &Shape| {
            let mut tensor = Tensor::zeros(shape.clone());
            tensor.data_mut().iter_mut().for_each(|value| *value = rng.uniform(-1.0, 1.0));
            tensor
        };
        let gradients = network.parameters.iter().map(|parameter| parameter.latent.shape()).map(draw).collect();
        let channels = network.graph.channels();
        (network, channels, gradients)
    }

    fn scores(by: UnitScore) -> Vec<Vec<f64>> {
        Task::new(Rc::new(Context::new(1)), |ctx| async move {
            let (network, channels, gradients) = network();
            score(&ctx, &network, &channels, by, &gradients).await
        })
        .finish()
    }

    /// The rows of a parameter of the network.
    fn rows(of: &[Tensor], network: &Network, name: &str) -> Vec<Vec<f64>> {
        let index = network.parameters.iter().position(|parameter| parameter.name == name).unwrap();
        let dims = network.parameters[index].latent.shape().dims();
        let values: Vec<f64> = of[index].data().iter().map(|&value| f64::from(value)).collect();
        values.chunks(values.len() / dims[0]).map(<[f64]>::to_vec).collect()
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let (network, channels, gradients) = network();
        let values: Vec<Tensor> = network.parameters.iter().map(|parameter| parameter.latent.clone()).collect();
        let rows = |name: &str| rows(&values, &network, name);
        let slopes = |name: &str| self::rows(&gradients, &network, name);
        // The third stack's output is made by a convolution and by the shortcut; its norm is the convolution's.
        let group = channels.groups.iter().position(|group| group.name == "stack3-conv2").unwrap();
        let weights = ["stack3-conv2.weight", "stack3-shortcut.weight"];
        let parts = [
            "stack3-conv2.weight",
            "stack3-conv2.bias",
            "stack3-norm2.scale",
            "stack3-norm2.bias",
            "stack3-shortcut.weight",
            "stack3-shortcut.bias",
        ];
        let naive = |by: UnitScore, unit: usize| -> f64 {
            let sum = |row: &[f64]| row.iter().map(|value| value.abs()).sum::<f64>();
            match by {
                UnitScore::L1 => weights.iter().map(|name| sum(&rows(name)[unit])).sum(),
                UnitScore::L2 => {
                    weights.iter().map(|name| rows(name)[unit].iter().map(|v| v * v).sum::<f64>().sqrt()).sum()
                }
                UnitScore::BnScale => rows("stack3-norm2.scale")[unit][0].abs(),
                UnitScore::Taylor => {
                    let part = |name: &&str| -> f64 {
                        rows(name)[unit].iter().zip(&slopes(name)[unit]).map(|(w, g)| (w * g).abs()).sum()
                    };
                    parts.iter().map(part).sum()
                }
                _ => {
                    let distance =
                        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                    let of =
                        |name: &&str| -> f64 { rows(name).iter().map(|row| distance(row, &rows(name)[unit])).sum() };
                    weights.iter().map(of).sum()
                }
            }
        };
        for by in [UnitScore::L1, UnitScore::L2, UnitScore::Fpgm, UnitScore::BnScale, UnitScore::Taylor] {
            let found = scores(by);
            for unit in [0, 17, 63] {
                let wanted = naive(by, unit);
                assert!(
                    (found[group][unit] - wanted).abs() < 1e-9 * wanted,
                    "{by:?} {unit}: {} {wanted}",
                    found[group][unit]
                );
            }
        }
    }

    #[test]
    fn the_filter_at_the_geometric_median_goes_first() {
        // Of filters on a line, the middle one has the least sum of distances, although its norm is not the least.
        let mut network = Network::random(find("lenet5-fashion").unwrap(), 3).unwrap();
        let weight = network.parameters[0].latent.data_mut();
        for (filter, row) in weight.chunks_mut(25).enumerate() {
            row.fill(if filter < 5 { filter as f32 + 1.0 } else { 3.1 });
        }
        let scores = Task::new(Rc::new(Context::new(1)), |ctx| async move {
            score(&ctx, &network, &network.graph.channels(), UnitScore::Fpgm, &[]).await
        });
        let scores = &scores.finish()[0];
        let least = (0..6).min_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert_eq!(least, 2, "{scores:?}");
    }

    const SCORES: [&[f64]; 3] = [&[5.0, 1.0, 1.0, 9.0], &[0.1, 0.2], &[2.0, 3.0, 4.0]];

    fn chosen(global: bool, own: [Option<usize>; 3], amount: Amount) -> Result<Vec<Vec<usize>>, CoreError> {
        let scores = SCORES.map(<[f64]>::to_vec);
        let chooser = Chooser::new(&scores, &own, global);
        // Every unit has as many multiply-adds.
        let macs = |keep: &Keep| Ok(keep.iter().flatten().filter(|kept| **kept).count() as f64 / 9.0);
        let keep = chooser.choose(amount, "macs", &macs)?;
        Ok(keep.iter().map(|keep| (0..keep.len()).filter(|&unit| !keep[unit]).collect()).collect())
    }

    #[test]
    fn the_lowest_go_and_one_of_each_group_stays() {
        let all = [None; 3];
        let each = |share| chosen(false, all, Amount::Share(share)).unwrap();
        assert!(each(0.0).concat().is_empty());
        assert_eq!(each(0.25), [vec![1], vec![0], vec![0]]);
        assert_eq!(each(0.5), [vec![1, 2], vec![0], vec![0, 1]]);
        assert_eq!(each(0.999), [vec![0, 1, 2], vec![0], vec![0, 1]]);
        let global = |share| chosen(true, all, Amount::Share(share)).unwrap();
        // 0.1, then 1.0 twice; 0.2 is its group's last.
        assert_eq!(global(2.0 / 9.0), [vec![1], vec![0], vec![]]);
        assert_eq!(global(4.0 / 9.0), [vec![1, 2], vec![0], vec![0]]);
        assert_eq!(global(0.999), [vec![0, 1, 2], vec![0], vec![0, 1]]);
        let own = chosen(true, [Some(0), None, Some(2)], Amount::Share(0.5)).unwrap();
        assert_eq!(own, [vec![], vec![0], vec![0, 1]]);
    }

    #[test]
    fn a_budget_is_met_by_the_first_choice_that_fits() {
        for (global, wanted) in [(false, [vec![1], vec![0], vec![0]]), (true, [vec![1, 2], vec![0], vec![]])] {
            assert_eq!(chosen(global, [None; 3], Amount::Macs(6.0 / 9.0)).unwrap(), wanted);
            assert!(chosen(global, [None; 3], Amount::Macs(1.0)).unwrap().concat().is_empty());
            assert_eq!(chosen(global, [None; 3], Amount::Macs(0.3)).unwrap_err().code, ErrorCode::Combination);
        }
    }
}
