//! Ranges of weights: min-max, or the least squared error of a hundred.

use super::spec::{Granularity, Range, Scale, WeightSpec};
use crate::formats::{Clustered, Clusters, Format, Granule, ROUNDS, ScaleType};
use crate::task::Context;
use crate::tensor::Tensor;

/// Ranges tried: 1 %, 2 % … 100 % of the whole range.
pub(super) const STEPS: u32 = 100;
/// About what rounding one value costs, in multiply-adds.
pub(super) const MACS_PER_VALUE: u64 = 24;

/// Values sorted at once.
const RUN: usize = 8192;
/// About what sorting one value costs, in multiply-adds.
const MACS_PER_SORTED: u64 = 100;
/// About what one of Lloyd's rounds costs for one centroid.
const MACS_PER_CENTROID: u64 = 400;

/// The granules of a weight: one, one per output channel, or one per group or block. A scale is rounded to what is stored
/// before anything is judged or encoded by it.
pub(super) async fn granules(ctx: &Context, spec: &WeightSpec, weight: &Tensor) -> Vec<Granule> {
    let values = weight.data();
    if let Some(clustered) = spec.format.clustered() {
        return vec![cluster(ctx, clustered, values).await];
    }
    let count = match spec.group() {
        Some(size) => values.len() / size.max(1),
        None if spec.granularity == Granularity::Channel && spec.format.scaled() => weight.shape().dims()[0],
        None => 1,
    };
    let storage = Storage::new(spec, values);
    let mut granules = Vec::with_capacity(count);
    for values in values.chunks((values.len() / count).max(1)) {
        let granule = match spec.range {
            Range::Mse if spec.format.ranged() => least_error(ctx, spec, values, storage).await,
            _ => storage.stored(spec.format.fit(values, spec.symmetric)),
        };
        granules.push(granule);
        ctx.tick(values.len() as u64 * MACS_PER_VALUE).await;
    }
    granules
}

/// How the scales of a weight are stored.
#[derive(Clone, Copy)]
struct Storage {
    scale_type: Option<ScaleType>,
    unit: f32,
}

impl Storage {
    fn new(spec: &WeightSpec, values: &[f32]) -> Self {
        let free = spec.format.scale_type(spec.group().is_some());
        let scale_type = if spec.scale == Scale::PowerOfTwo { Some(ScaleType::E8m0) } else { free };
        Self { scale_type, unit: spec.format.unit(values) }
    }

    /// A granule as it will be read back.
    fn stored(self, granule: Granule) -> Granule {
        match self.scale_type {
            Some(scale_type) => scale_type.stored(granule, self.unit),
            None => granule,
        }
    }
}

/// The codebook of a weight, as [`Format::fit`] gives it, giving way between rounds.
async fn cluster(ctx: &Context, clustered: &Clustered, values: &[f32]) -> Granule {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    for run in sorted.chunks_mut(RUN) {
        run.sort_by(f32::total_cmp);
        ctx.tick(run.len() as u64 * MACS_PER_SORTED).await;
    }
    // Of sorted runs, which it finds, the sort makes one.
    sorted.sort_by(f32::total_cmp);
    ctx.tick(sorted.len() as u64 * MACS_PER_SORTED).await;
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

/// Squared error of rounding `values`, summed in order.
fn squared_error(format: &dyn Format, values: &[f32], granule: &Granule) -> f64 {
    values.iter().fold(0.0, |sum, &value| {
        let error = f64::from(format.decode(format.encode(value, granule), granule)) - f64::from(value);
        sum + error * error
    })
}

/// The granule of least squared error; the widest of equals.
async fn least_error(ctx: &Context, spec: &WeightSpec, values: &[f32], storage: Storage) -> Granule {
    let (format, symmetric) = (spec.format, spec.symmetric);
    let mut best = storage.stored(format.fit(values, symmetric));
    let mut least = squared_error(format, values, &best);
    for step in (1..STEPS).rev() {
        let granule = storage.stored(format.shrink(values, symmetric, step as f32 / STEPS as f32));
        let error = squared_error(format, values, &granule);
        if error < least {
            (best, least) = (granule, error);
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
                let best = Task::new(Rc::new(Context::new(1)), |ctx| async move {
                    least_error(&ctx, &spec, &data, Storage::new(&spec, &data)).await
                })
                .finish();
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
