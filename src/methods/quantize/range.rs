//! Ranges of weights: min-max, the least squared error of a hundred, or the mean magnitude.

use super::hqq;
use super::rounding::Rounding;
use super::spec::{Granularity, Range, Scale, WeightSpec};
use crate::error::CoreError;
use crate::formats::{Clustered, Clusters, Format, Granule, PackedTensor, ROUNDS, ScaleType, Shares, WeightRule};
use crate::methods::Changed;
use crate::models::{Network, kept_values, zero_pruned};
use crate::task::Context;
use crate::tensor::{Tensor, TensorError};

/// Ranges tried: 1 %, 2 % … 100 % of the whole range.
pub(super) const STEPS: u32 = 100;
/// About what rounding one value costs, in multiply-adds.
pub(super) const MACS_PER_VALUE: u64 = 24;

/// About what one of Lloyd's rounds costs for one centroid.
const MACS_PER_CENTROID: u64 = 400;

/// The granules of a weight: one, one per output channel, or one per group or block. A scale is rounded to what is stored
/// before anything is judged or encoded by it.
///
/// What `mask` says is pruned has no say in it: it is 0 whatever the granule. `clips` are shares of the whole range that were chosen before, one for each granule.
pub(super) async fn granules(
    ctx: &Context,
    spec: &WeightSpec,
    weight: &Tensor,
    mask: Option<&[bool]>,
    clips: Option<&Vec<f32>>,
) -> Vec<Granule> {
    if let Some(clustered) = spec.format.clustered() {
        return vec![cluster(ctx, clustered, &kept_values(weight.data(), mask, 0)).await];
    }
    let shares = match clips {
        Some(clips) => clips.clone(),
        None => shares(ctx, spec, weight).await,
    };
    let unit = spec.unit(weight);
    let mut granules = Vec::with_capacity(shares.len());
    let len = granule_len(spec, weight);
    for (i, (values, share)) in weight.data().chunks(len).zip(shares).enumerate() {
        let values = &*kept_values(values, mask, i * len);
        let granule = spec.granule(values, share, unit);
        granules.push(match spec.rounding.kind {
            Rounding::Hqq => hqq::moved(spec.format, values, granule, spec.group().is_some()),
            _ => granule,
        });
        ctx.tick(if spec.rounding.kind == Rounding::Hqq { hqq::macs(values.len()) } else { 0 }).await;
    }
    granules
}

impl WeightSpec {
    /// The weight of every layer that has one, rounded to the nearest.
    ///
    /// # Errors
    /// `internal` when parameters do not fit, which their construction rules out.
    pub(in crate::methods) async fn rounded(&self, ctx: &Context, network: &Network) -> Result<Changed, CoreError> {
        let mut changed = Vec::new();
        for (node, entry) in network.graph.nodes().iter().enumerate() {
            let Some(index) = network.weight_of(node) else { continue };
            let mask = network.parameters[index].mask.as_deref();
            let plain = network.parameters[index].effective()?;
            let granules = granules(ctx, self, &plain, mask, None).await;
            let values = self.pack(&plain, granules).and_then(|packed| packed.decode());
            let mut values = values.map_err(|error| CoreError::internal(&entry.name, error))?;
            zero_pruned(values.data_mut(), mask);
            changed.push((node, values));
        }
        Ok(changed)
    }
}

/// Shares of the whole range for the granules of weights, where there are any, by parameter.
pub(super) type Clips = Vec<Option<Vec<f32>>>;

/// Consecutive values that share a granule.
fn granule_len(spec: &WeightSpec, weight: &Tensor) -> usize {
    (weight.data().len() / spec.granules(weight)).max(1)
}

/// The share of the whole range of every granule.
async fn shares(ctx: &Context, spec: &WeightSpec, weight: &Tensor) -> Vec<f32> {
    let unit = spec.unit(weight);
    let mut shares = Vec::with_capacity(spec.granules(weight));
    for values in weight.data().chunks(granule_len(spec, weight)) {
        shares.push(if spec.searches() { least_error(ctx, spec, values, unit).await } else { 1.0 });
        ctx.tick(values.len() as u64 * MACS_PER_VALUE).await;
    }
    shares
}

impl WeightRule for WeightSpec {
    fn format(&self) -> &'static dyn Format {
        self.format
    }

    fn granules(&self, weight: &Tensor) -> usize {
        match self.group() {
            Some(size) => weight.data().len() / size.max(1),
            None if self.granularity == Granularity::Channel && self.format.scaled() => weight.shape().dims()[0],
            None => 1,
        }
        .max(1)
    }

    fn searches(&self) -> bool {
        self.range == Range::Mse && self.format.ranged()
    }

    fn shares<'a>(&'a self, ctx: &'a Context, weight: &'a Tensor) -> Shares<'a> {
        Box::pin(shares(ctx, self, weight))
    }

    fn unit(&self, weight: &Tensor) -> f32 {
        self.format.unit(weight.data())
    }

    fn granule(&self, values: &[f32], share: f32, unit: f32) -> Granule {
        let granule = match self.range {
            Range::Absmean => absmean(values),
            _ if share < 1.0 => self.format.shrink(values, self.symmetric, share),
            _ => self.format.fit(values, self.symmetric),
        };
        self.stored(granule, unit)
    }

    fn stored(&self, granule: Granule, unit: f32) -> Granule {
        let free = self.format.scale_type(self.group().is_some());
        let scale_type = if self.scale == Scale::PowerOfTwo { Some(ScaleType::E8m0) } else { free };
        match scale_type {
            Some(scale_type) => scale_type.stored(granule, unit),
            None => granule,
        }
    }

    fn pack(&self, weight: &Tensor, granules: Vec<Granule>) -> Result<PackedTensor, TensorError> {
        let packed = match self.granularity {
            Granularity::Group(_) if self.format.scaled() => PackedTensor::grouped(self.format, weight, granules),
            _ => PackedTensor::new(self.format, weight, granules),
        }?;
        Ok(if self.scale == Scale::PowerOfTwo { packed.with_powers() } else { packed })
    }
}

/// The codebook of a weight, as [`Format::fit`] gives it, giving way between rounds.
async fn cluster(ctx: &Context, clustered: &Clustered, values: &[f32]) -> Granule {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    ctx.sort(&mut sorted).await;
    let mut clusters = Clusters::new(sorted, clustered.values());
    for _ in 0..ROUNDS {
        let moved = clusters.round();
        ctx.tick(clustered.values() as u64 * MACS_PER_CENTROID).await;
        if !moved {
            break;
        }
    }
    Granule { codebook: Some(clusters.codebook()), ..Granule::UNIT }
}

/// BitNet b1.58 (Ma et al. 2024, arXiv 2402.17764, eq. 1 to 3): γ = mean|w|, and w becomes γ · clip(round(w / γ), −1, 1).
fn absmean(values: &[f32]) -> Granule {
    let sum: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
    let mean = (sum / values.len().max(1) as f64) as f32;
    let scale = if mean.is_normal() { mean } else { 1.0 };
    Granule { scale, threshold: 0.5 * scale, ..Granule::UNIT }
}

/// Squared error of rounding `values`, summed in order.
fn squared_error(format: &dyn Format, values: &[f32], granule: &Granule) -> f64 {
    values.iter().fold(0.0, |sum, &value| {
        let error = f64::from(format.decode(format.encode(value, granule), granule)) - f64::from(value);
        sum + error * error
    })
}

/// The share of the range with the least squared error; the widest of equals.
async fn least_error(ctx: &Context, spec: &WeightSpec, values: &[f32], unit: f32) -> f32 {
    let error = |share: f32| squared_error(spec.format, values, &spec.granule(values, share, unit));
    let (mut best, mut least) = (1.0, error(1.0));
    for step in (1..STEPS).rev() {
        let share = step as f32 / STEPS as f32;
        let error = error(share);
        if error < least {
            (best, least) = (share, error);
        }
        ctx.tick(values.len() as u64 * MACS_PER_VALUE).await;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::methods::quantize::rounding::RoundingSpec;
    use crate::rng::Rng;
    use crate::task::Task;
    use std::rc::Rc;

    #[test]
    fn the_mean_magnitude_rule_is_that_of_bitnet() {
        let values = [0.1, -0.26, 0.9, -1.2, 0.31, -0.3];
        let granule = absmean(&values);
        let gamma = values.iter().map(|v: &f32| v.abs()).sum::<f32>() / 6.0;
        assert!((granule.scale - gamma).abs() < 1e-6);
        let format = formats::find("ternary").unwrap();
        for value in values {
            let wanted = gamma * (value / gamma).round().clamp(-1.0, 1.0);
            assert!((format.decode(format.encode(value, &granule), &granule) - wanted).abs() < 1e-6);
        }
    }

    #[test]
    fn the_searched_range_is_never_worse_and_finds_the_optimum() {
        let mut rng = Rng::stream(2, "range", 0);
        let values: Vec<f32> = (0..500).map(|_| (0..6).map(|_| rng.uniform(-0.2, 0.2)).sum()).collect();
        for id in ["int2", "int3", "int4", "int8", "ternary"] {
            let format = formats::find(id).unwrap();
            let asymmetric = format.asymmetric();
            for symmetric in if asymmetric { vec![true, false] } else { vec![true] } {
                let data = values.clone();
                let rounding = RoundingSpec::NEAREST;
                let (granularity, range) = (Granularity::Tensor, Range::Mse);
                let spec = WeightSpec { format, granularity, symmetric, range, scale: Scale::Float, rounding };
                let share =
                    Task::new(
                        Rc::new(Context::new(1)),
                        |ctx| async move { least_error(&ctx, &spec, &data, 1.0).await },
                    )
                    .finish();
                let best = spec.granule(&values, share, 1.0);
                let found = squared_error(format, &values, &best);
                assert!(found <= squared_error(format, &values, &format.fit(&values, symmetric)), "{id}");
                let finer = (1..1000)
                    .map(|i| squared_error(format, &values, &format.shrink(&values, symmetric, i as f32 / 1000.0)))
                    .fold(f64::MAX, f64::min);
                assert!(found <= finer * 1.03, "{id}: {found} against {finer}");
            }
        }
    }

    #[test]
    fn clusters_are_the_same_whether_found_at_once_or_in_steps() {
        let mut rng = Rng::stream(4, "range", 0);
        let data: Vec<f32> = (0..20_000).map(|_| (0..6).map(|_| rng.uniform(-0.2, 0.2)).sum()).collect();
        let whole = formats::clustered(6, false).unwrap().fit(&data, true);
        let in_steps = Task::new(Rc::new(Context::new(1)), |ctx| async move {
            cluster(&ctx, formats::clustered(6, false).unwrap().clustered().unwrap(), &data).await
        });
        assert_eq!(in_steps.finish(), whole);
    }
}
