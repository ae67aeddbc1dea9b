//! A look inside a network: what every layer takes and gives beside itself in f32, and one layer's weights down to the stored bytes.
//!
//! The network in f32 is the same one with its latent values and no input rounded: what transforms and training made of it stands in
//! both. Keys and values that are rounded between layers are rounded in both.

use super::size::{Ledger, ledgers};
use crate::data::Images;
use crate::error::{CoreError, ErrorCode};
use crate::formats::{Granule, Piece};
use crate::graph::Plan;
use crate::math::log10;
use crate::models::{Execution, InputQuantizer, Network};
use crate::ops::Rounder;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use serde::Serialize;

/// Bins of a histogram.
pub const BINS: usize = 96;
/// Values of a granule that are shown at a time; a block is shown whole.
pub const STRETCH: usize = 64;
/// Most images that layers are watched on, and multiply-adds of one pass over them, about.
const MOST_IMAGES: u64 = 256;
const PASS_MACS: u64 = 1_000_000_000;
/// Values whose handling costs about as much as a multiply-add of a kernel.
const MACS_PER_VALUE: u64 = 4;

/// Signal and noise: sums of squares, f64, in the order they are seen.
#[derive(Clone, Copy, Default)]
struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    fn see(&mut self, original: f32, now: f32) {
        let (a, difference) = (f64::from(original), f64::from(original) - f64::from(now));
        self.signal += a * a;
        self.noise += difference * difference;
    }

    fn db(&self) -> Option<f64> {
        (self.noise > 0.0).then(|| 10.0 * log10(self.signal / self.noise))
    }
}

/// Signal to quantization noise of `now` against `original`, 10·log10(Σa² / Σ(a − b)²); `None` when they are equal.
pub fn sqnr_db(original: &[f32], now: &[f32]) -> Option<f64> {
    let mut noise = Noise::default();
    original.iter().zip(now).for_each(|(&a, &b)| noise.see(a, b));
    noise.db()
}

/// Least and greatest of what was seen, and counts of equal bins between them.
#[derive(Clone)]
struct Bins {
    low: f32,
    high: f32,
}

impl Bins {
    const EMPTY: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    /// Takes finite values into the range.
    fn widen(&mut self, values: &[f32]) {
        for value in values.iter().filter(|value| value.is_finite()) {
            (self.low, self.high) = (self.low.min(*value), self.high.max(*value));
        }
    }

    /// The bin of a value; the outermost hold what is beyond them, and NaN is in the first.
    fn count(&self, value: f32, counts: &mut [u32]) {
        let share = (value - self.low) / (self.high - self.low);
        counts[((share * BINS as f32) as usize).min(BINS - 1)] += 1;
    }

    fn counts(&self, values: &[f32]) -> Vec<u32> {
        let mut counts = vec![0; BINS];
        values.iter().for_each(|&value| self.count(value, &mut counts));
        counts
    }
}

/// One layer that stores anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LayerInspection {
    /// Its name.
    pub layer: String,
    /// Its op.
    pub op: &'static str,
    /// Format of its weight; empty where it has none.
    pub format: &'static str,
    /// Format its input is rounded to; empty where it is not.
    pub input_format: &'static str,
    /// 8 × bytes of its weight with all that belongs to it / number of weights; 0 without one.
    pub bits_per_weight: f64,
    /// What its bytes are.
    pub ledger: Ledger,
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Least and greatest of its weights as inference uses them; 0 without any.
    pub low: f32,
    /// See `low`.
    pub high: f32,
    /// Signal to noise of its weight against the values before rounding; `null` when equal.
    pub weight_sqnr_db: Option<f64>,
    /// Signal to noise of its output against that of the network in f32; `null` when equal.
    pub output_sqnr_db: Option<f64>,
    /// Ends of the histograms of inputs.
    pub input_low: f32,
    /// See `input_low`.
    pub input_high: f32,
    /// Its inputs in the network in f32, counted in equal bins; empty for layers whose inputs cannot be rounded.
    pub inputs: Vec<u32>,
    /// Its inputs as its weights meet them: of this network, and rounded if they are.
    pub rounded: Vec<u32>,
    /// The share of those that are 0: about that share of its multiply-adds meets a zero. 0 for layers whose inputs cannot be rounded.
    pub input_zeros: f64,
    /// The values that rounded inputs may have, ascending; empty for more than 256, and where each image has its own.
    pub input_levels: Vec<f32>,
}

/// The first images of a set that [`inspect`] looks at, at most: few where the network is large.
pub fn inspected_images(network: &Network) -> u32 {
    (PASS_MACS / network.graph.macs().max(1)).clamp(LANES as u64, MOST_IMAGES) as u32
}

/// Watches every layer that stores anything, on all `images`.
///
/// # Errors
/// See [`Network::plan`].
pub async fn inspect(
    ctx: &Context,
    network: &Network,
    execution: Execution,
    images: &Images,
) -> Result<Vec<LayerInspection>, CoreError> {
    let mut float = network.clone();
    float.parameters.iter_mut().for_each(|parameter| parameter.packed = None);
    float.inputs.iter_mut().for_each(|input| *input = None);
    let every = vec![true; network.graph.nodes().len()];
    let mut plans = [float.plan_keeping(Execution::Fake, &every)?, network.plan_keeping(execution, &every)?];
    let values: u64 = network.graph.shapes().iter().map(|shape| shape.len() as u64).sum();
    let block = 2 * (plans[0].block_macs() + MACS_PER_VALUE * values * LANES as u64);
    ctx.expect(2 * block * images.len().div_ceil(LANES) as u64);
    ctx.enter(Phase::Evaluate);
    let mut found = described(network)?;
    let mut watched: Vec<(Noise, Bins)> = vec![(Noise::default(), Bins::EMPTY); found.len()];
    // First the ends of the histograms, then the counts.
    for counting in [false, true] {
        for first in (0..images.len()).step_by(LANES) {
            let lanes = LANES.min(images.len() - first);
            for plan in &mut plans {
                images.fill(first..first + lanes, plan.input());
                plan.run();
            }
            for ((node, layer), (noise, bins)) in found.iter_mut().zip(&mut watched) {
                let outputs = plans.each_ref().map(|plan| plan.node_output(*node));
                if let ([Some(before), Some(after)], false) = (outputs, counting) {
                    let pairs = live(before, lanes).zip(live(after, lanes));
                    pairs.for_each(|(before, after)| noise.see(before, after));
                }
                if !network.rounds_input(*node) {
                    continue;
                }
                let after = met(network, *node, &plans[1]);
                let before = plans[0].node_input(*node).unwrap_or_default();
                if counting {
                    layer.input_zeros += live(&after, lanes).filter(|value| *value == 0.0).count() as f64;
                }
                for (values, counts) in [(before, &mut layer.inputs), (&after, &mut layer.rounded)] {
                    let values: Vec<f32> = live(values, lanes).collect();
                    if counting {
                        counts.resize(BINS, 0);
                        values.iter().for_each(|&value| bins.count(value, counts));
                    } else {
                        bins.widen(&values);
                    }
                }
            }
            ctx.tick(block).await;
        }
    }
    for ((_, layer), (noise, bins)) in found.iter_mut().zip(watched) {
        layer.output_sqnr_db = noise.db();
        layer.input_zeros /= f64::from(layer.rounded.iter().sum::<u32>().max(1));
        if bins.low <= bins.high {
            (layer.input_low, layer.input_high) = (bins.low, bins.high);
        }
    }
    Ok(found.into_iter().map(|(_, layer)| layer).collect())
}

/// The values of the first `lanes` lanes of a block.
fn live(block: &[f32], lanes: usize) -> impl Iterator<Item = f32> {
    block.as_chunks::<LANES>().0.iter().flat_map(move |each| each[..lanes].iter().copied())
}

/// The newest input of a node as its weights meet it.
fn met(network: &Network, node: usize, plan: &Plan) -> Vec<f32> {
    let input = plan.node_input(node).unwrap_or_default();
    let Some(InputQuantizer { grid, .. }) = &network.inputs[node] else { return input.to_vec() };
    let dims = network.graph.input_shapes(&network.graph.nodes()[node])[0].dims();
    let mut out = Vec::new();
    grid.round(input, dims[1..].iter().product(), LANES, &mut out);
    out
}

/// What is known of every layer that stores anything without running it, by node.
fn described(network: &Network) -> Result<Vec<(usize, LayerInspection)>, CoreError> {
    let mut found = Vec::new();
    for (node, ledger) in ledgers(network).into_iter().enumerate().filter(|(_, ledger)| ledger.total() > 0) {
        let entry = &network.graph.nodes()[node];
        let mut layer = LayerInspection {
            layer: entry.name.clone(),
            op: entry.op.kind(),
            format: "",
            input_format: network.inputs[node].map_or("", |input| input.format.id()),
            bits_per_weight: 0.0,
            ledger,
            macs: entry.macs,
            low: 0.0,
            high: 0.0,
            weight_sqnr_db: None,
            output_sqnr_db: None,
            input_low: 0.0,
            input_high: 0.0,
            inputs: Vec::new(),
            rounded: Vec::new(),
            input_zeros: 0.0,
            input_levels: Vec::new(),
        };
        if let Some(weight) = network.weight_of(node) {
            let parameter = &network.parameters[weight];
            let bytes = parameter.stored(network.storage).bytes();
            let values = parameter.effective()?;
            let mut bins = Bins::EMPTY;
            bins.widen(values.data());
            if bins.low <= bins.high {
                (layer.low, layer.high) = (bins.low, bins.high);
            }
            layer.format = parameter.packed.as_ref().map_or("fp32", |packed| packed.format().id());
            layer.bits_per_weight = 8.0 * bytes as f64 / values.data().len().max(1) as f64;
            layer.weight_sqnr_db = sqnr_db(parameter.latent.data(), values.data());
        }
        if let Some(InputQuantizer { grid: Rounder::Fixed(grid), .. }) = network.inputs[node] {
            let step = if grid.sign { 2 } else { 1 };
            if grid.high - grid.low < 256 {
                layer.input_levels =
                    (grid.low..=grid.high).step_by(step).map(|level| level as f32 * grid.scale).collect();
            }
        }
        found.push((node, layer));
    }
    Ok(found)
}

/// The weight of one layer, and some values of one of its granules down to the bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct WeightInspection {
    /// Its format.
    pub format: &'static str,
    /// Granules: tensor, channels, groups or blocks that share a scale.
    pub granules: u32,
    /// Values of each.
    pub each: u32,
    /// Ends of the histograms.
    pub low: f32,
    /// See `low`.
    pub high: f32,
    /// The latent values, counted in equal bins.
    pub latent: Vec<u32>,
    /// The values that inference uses, in the same bins.
    pub stored: Vec<u32>,
    /// The granule.
    pub granule: u32,
    /// Its latent values in the same bins.
    pub own: Vec<u32>,
    /// The values that its codes may stand for, ascending; empty for more than 256.
    pub levels: Vec<f32>,
    /// Its scale, where it has one.
    pub scale: Option<f32>,
    /// The code of zero on an asymmetric grid; it need not be whole.
    pub zero_point: Option<f32>,
    /// What is added to code × scale, in blocks that have such a minimum.
    pub min: Option<f32>,
    /// What scales are in units of, where they are (NVFP4).
    pub unit: Option<f32>,
    /// Position of the first value shown among those of the weight.
    pub first: u32,
    /// Values before rounding.
    pub original: Vec<f32>,
    /// Their codes.
    pub codes: Vec<u32>,
    /// What the codes stand for.
    pub values: Vec<f32>,
    /// Whether each is kept; empty where nothing was pruned. The code of a pruned one is that of zero, or 0 where the format has none.
    pub kept: Vec<bool>,
    /// The way the weight is stored.
    pub storage: &'static str,
    /// The byte of the first piece that each code begins in; `null` for one that is not stored.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "(number | null)[]"))]
    pub places: Vec<Option<u32>>,
    /// The bytes that hold the codes, then whatever else is stored for the granule or the whole tensor, and the bits that say which values
    /// are kept; relative indices, places in groups and bits of blocks are not shown.
    pub pieces: Vec<Piece>,
}

/// The node of this name and the index of its weight.
///
/// # Errors
/// `unknown-id` for a layer without a weight.
pub fn weight_named(network: &Network, layer: &str) -> Result<(usize, usize), CoreError> {
    let node = network.graph.nodes().iter().position(|node| node.name == layer);
    let found = node.and_then(|node| Some((node, network.weight_of(node)?)));
    found.ok_or_else(|| CoreError::new(ErrorCode::UnknownId, "layer", layer, "a layer with weights"))
}

/// What goes together of a layer's outputs: for each, the number of its group of channels and of its unit there, one after the other;
/// `u32::MAX` twice for an output that stays.
pub fn output_units(network: &Network, node: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    for unit in network.graph.channels().of(node + 1) {
        let (group, unit) = unit.map_or((u32::MAX, u32::MAX), |(group, unit)| (group as u32, unit as u32));
        numbers.push(group);
        numbers.push(unit);
    }
    numbers
}

/// Looks at the weight of the layer of this name: at all of it, and at the values of granule `granule` from `from` on.
///
/// # Errors
/// `unknown-id` for a layer without a weight; `range` for a granule or value that is not there.
pub fn inspect_weights(network: &Network, layer: &str, granule: u32, from: u32) -> Result<WeightInspection, CoreError> {
    let parameter = &network.parameters[weight_named(network, layer)?.1];
    let (packed, kept) = (parameter.packed(), parameter.mask.as_deref());
    let (granules, each) = packed.granule_sizes();
    let stored = parameter.stored(network.storage);
    let stretch = packed.stretch(&stored, kept, (granule as usize, from as usize), STRETCH);
    let stretch = stretch.ok_or_else(|| {
        let range = |count: usize| (count - 1).to_string();
        if (granule as usize) < granules {
            CoreError::new(ErrorCode::Range, "from", from.to_string(), range(each))
        } else {
            CoreError::new(ErrorCode::Range, "granule", granule.to_string(), range(granules))
        }
    })?;
    let values = parameter.effective()?;
    let latent = parameter.latent.data();
    let mut bins = Bins::EMPTY;
    bins.widen(latent);
    bins.widen(values.data());
    let format = packed.format();
    let block = format.blocks();
    let scaled = block.is_some() || packed.powers() || format.scale_type(packed.group().is_some()).is_some();
    let Granule { scale, zero_point, origin, min, unit, .. } = stretch.granule;
    Ok(WeightInspection {
        format: format.id(),
        granules: granules as u32,
        each: each as u32,
        low: bins.low,
        high: bins.high,
        latent: bins.counts(latent),
        stored: bins.counts(values.data()),
        granule,
        own: bins.counts(&latent[granule as usize * each..(granule as usize + 1) * each]),
        levels: packed.grid(granule as usize),
        scale: scaled.then_some(scale),
        zero_point: origin.or(zero_point.map(|whole| whole as f32)),
        min: block.filter(|block| block.min_bytes() > 0).map(|_| min),
        unit: (unit != 1.0).then_some(unit),
        first: stretch.first as u32,
        kept: kept.map_or_else(Vec::new, |kept| kept[stretch.first..stretch.first + stretch.values.len()].to_vec()),
        storage: stored.layout.storage.id(),
        original: latent[stretch.first..stretch.first + stretch.values.len()].to_vec(),
        codes: stretch.codes,
        values: stretch.values,
        places: stretch.places,
        pieces: stretch.pieces,
    })
}
