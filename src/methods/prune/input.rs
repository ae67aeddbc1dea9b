//! Pruning of inputs: values of small magnitude become 0 before the layer that reads them.

use super::parse::{DEFAULT_IMAGES, MOST_SPARSITY, PATTERN, prunable, read_layers, write_layers};
use super::{METHOD, refuse_after_quantize};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, MOST_WHOLE, object};
use crate::graph::Edit;
use crate::methods::quantize::inform;
use crate::methods::quantize::windows::Stream;
use crate::methods::{Applied, Parsed, Step, StepContext, training_assets, training_images};
use crate::models::{Model, Network};
use crate::named::Named;
use crate::ops::{Activation, Arithmetic};
use crate::simd::LANES;
use crate::task::Phase;
use serde_json::Value;
use std::rc::Rc;
use std::sync::Arc;

/// The id of the pattern.
pub(super) const INPUT: &str = "input";
/// Greatest threshold.
const MOST_THRESHOLD: f64 = 1e6;
/// About what looking at one value costs, in multiply-adds.
const MACS_PER_VALUE: u64 = 8;

/// What goes.
#[derive(Clone, Copy)]
enum Amount {
    /// A share of each layer's input values.
    Share(f64),
    /// All below a magnitude.
    Below(f64),
}

/// Prunes the inputs of linear layers and convolutions.
struct InputStep {
    amount: Amount,
    /// Layers with a share of their own; `None`: their inputs stay whole.
    layers: Named<Option<f64>>,
    /// Training images that shares are found on.
    images: u32,
    /// Draws them; without it they are the first of the split.
    seed: Option<u64>,
}

/// What a step with [`INPUT`] as its pattern says.
pub(super) fn parse(mut fields: Fields, network: &Network) -> Parsed {
    fields.take(PATTERN);
    let share = fields.number("sparsity", 0.0..=MOST_SPARSITY)?;
    let least = fields.number("threshold", 0.0..=MOST_THRESHOLD)?;
    let layers = read_layers(&mut fields, &prunable(network), false)?;
    let (images, seed) = (fields.integer("images", 1..=1024)?, fields.integer("seed", 0..=MOST_WHOLE)?);
    let refuse = |name: &str, found: &str, allowed: &str| {
        Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, allowed))
    };
    let amount = match (share, least) {
        (Some(_), Some(_)) => return refuse("threshold", "a threshold beside a sparsity", "either of the two"),
        (_, Some(least)) => Amount::Below(least),
        _ => Amount::Share(fields.needed("sparsity", share)?),
    };
    let step = InputStep { amount, layers, images: images.map_or(DEFAULT_IMAGES, |images| images as u32), seed };
    for (name, given) in [("images", images.is_some()), ("seed", seed.is_some())] {
        if given && !step.looks() {
            return refuse(name, "images that nothing looks at", "with a sparsity");
        }
    }
    fields.finish()?;
    Ok(Rc::new(step))
}

impl InputStep {
    /// Whether any threshold is found on images.
    fn looks(&self) -> bool {
        matches!(self.amount, Amount::Share(_)) || self.layers.values().iter().any(Option::is_some)
    }

    /// What of a node's input goes; `None` for all that is not pruned.
    fn amount_of(&self, network: &Network, node: usize) -> Option<Amount> {
        match self.layers.get(&network.graph.nodes()[node].name) {
            _ if !network.rounds_input(node) => None,
            Some(own) => own.map(Amount::Share),
            None => Some(self.amount),
        }
    }

    /// Puts a threshold before every layer that has one.
    fn place(network: &mut Network, least: &[Option<f32>]) -> Result<(), CoreError> {
        let graph = Rc::clone(&network.graph);
        network.edit(|node| match least[node] {
            None => Edit::Keep,
            Some(least) => {
                let name = format!("{}-threshold", graph.nodes()[node].name);
                Edit::Before(name, Arc::new(Activation::Threshold { least }))
            }
        })
    }

    /// Thresholds of the network as it stands: no layer's is of inputs that another's has pruned.
    async fn run(&self, cx: &mut StepContext<'_>) -> Result<(), CoreError> {
        cx.ctx.enter(Phase::Prune);
        let graph = Rc::clone(&cx.network.graph);
        let amounts: Vec<Option<Amount>> =
            (0..graph.nodes().len()).map(|node| self.amount_of(cx.network, node)).collect();
        let mut least: Vec<Option<f32>> = amounts.iter().map(|amount| amount.map(|_| 0.0)).collect();
        let images = training_images(&cx.library.borrow(), cx.network.model, self.count(), self.seed)?;
        let mut stream = Stream::new(&graph, &images);
        for (node, amount) in amounts.into_iter().enumerate() {
            match amount {
                Some(Amount::Below(all)) => least[node] = Some(all as f32),
                Some(Amount::Share(share)) => {
                    let blocks = stream.input(&graph, node);
                    least[node] = Some(border(blocks, &|block| stream.lanes(block), share));
                    let values = blocks.iter().map(Vec::len).sum::<usize>() as u64;
                    cx.ctx.tick(MACS_PER_VALUE * values).await;
                }
                None => {}
            }
            if self.looks() {
                inform::run(cx.ctx, &mut stream, cx.network, node, Arithmetic::Float).await?;
                stream.forget(&graph, node);
            }
        }
        Self::place(cx.network, &least)
    }

    /// Images that are looked at.
    fn count(&self) -> u32 {
        if self.looks() { self.images } else { 0 }
    }
}

/// The magnitude that this share of all values is below, to the nearest whole number of them; of equal ones all stay. Found by the
/// upper and then the lower half of their bits, in whose order magnitudes are.
fn border(blocks: &[Vec<f32>], lanes: &dyn Fn(usize) -> usize, share: f64) -> f32 {
    let (mut upper, mut below) = (None, 0);
    loop {
        let mut counts = vec![0usize; 1 << 16];
        for (index, block) in blocks.iter().enumerate() {
            let live = lanes(index);
            for value in block.as_chunks::<LANES>().0.iter().flat_map(|lanes| &lanes[..live]) {
                let bits = value.abs().to_bits();
                match upper {
                    None => counts[bits as usize >> 16] += 1,
                    Some(upper) if bits >> 16 == upper => counts[bits as usize & 0xffff] += 1,
                    Some(_) => {}
                }
            }
        }
        if upper.is_none() {
            let all: usize = counts.iter().sum();
            below = ((all as f64 * share + 0.5) as usize).min(all.saturating_sub(1));
        }
        let mut half = 0;
        while below >= counts[half] && half < 0xffff {
            below -= counts[half];
            half += 1;
        }
        match upper {
            None => upper = Some(half as u32),
            Some(upper) => return f32::from_bits(upper << 16 | half as u32),
        }
    }
}

impl Step for InputStep {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn canonical(&self) -> Value {
        let mut fields = vec![(PATTERN, INPUT.into())];
        fields.push(match self.amount {
            Amount::Share(share) => ("sparsity", share.into()),
            Amount::Below(least) => ("threshold", least.into()),
        });
        write_layers(&self.layers, &mut fields);
        if self.looks() {
            fields.push(("images", self.images.into()));
        }
        if let Some(seed) = self.seed {
            fields.push(("seed", seed.into()));
        }
        object(fields)
    }

    fn prunes_inputs(&self) -> bool {
        true
    }

    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        if earlier.iter().any(|step| step.prunes_inputs()) {
            let found = "a second pruning of inputs";
            return Err(CoreError::new(ErrorCode::Combination, path, found, "one; layers for what differs"));
        }
        refuse_after_quantize(path, earlier)
    }

    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        training_assets(library, model, self.count(), self.seed)
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        let values: usize = network.graph.shapes().iter().map(|shape| shape.len()).sum();
        (network.graph.macs() + MACS_PER_VALUE * values as u64) * u64::from(self.count())
    }

    fn reshape(&self, network: &mut Network) -> Result<(), CoreError> {
        let nodes = 0..network.graph.nodes().len();
        let least: Vec<Option<f32>> = nodes.map(|node| self.amount_of(network, node).map(|_| 0.0)).collect();
        Self::place(network, &least)
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(self.run(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_border_is_the_quantile_of_magnitudes() {
        let mut rng = Rng::stream(4, "border", 0);
        // The last block has three images; what else stands in its lanes does not count. Some values are equal, some 0.
        let mut blocks: Vec<Vec<f32>> =
            (0..3).map(|_| (0..40 * LANES).map(|_| rng.uniform(-2.0, 1.0)).collect()).collect();
        blocks.iter_mut().flatten().step_by(7).for_each(|value| *value = 0.0);
        blocks.iter_mut().flatten().step_by(5).for_each(|value| *value = -0.75);
        let lanes = |block: usize| if block == 2 { 3 } else { LANES };
        let mut sorted = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let live = block.chunks(LANES).flat_map(|values| &values[..lanes(index)]);
            sorted.extend(live.map(|value| value.abs()));
        }
        sorted.sort_by(f32::total_cmp);
        for share in [0.0, 0.1, 0.3, 0.5, 0.501, 0.9, 0.999] {
            let wanted = sorted[((sorted.len() as f64 * share).round() as usize).min(sorted.len() - 1)];
            assert_eq!(border(&blocks, &lanes, share), wanted, "{share}");
        }
    }
}
