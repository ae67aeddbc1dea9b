//! Ranges of weights: min-max, or the least squared error of a hundred.

use super::hqq;
use super::rounding::Rounding;
use super::spec::{Granularity, Range, WeightSpec};
use crate::formats::{Format, Granule, group_scale};
use crate::task::Context;
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Ranges tried: 1 %, 2 % … 100 % of the whole range.
pub(super) const STEPS: u32 = 100;
/// About what rounding one value costs, in multiply-adds.
pub(super) const MACS_PER_VALUE: u64 = 24;

/// The granules of a weight: one, one per output channel, or one per group. A group's scale is rounded to what is stored before
/// anything is judged or encoded by it.
///
/// `clips` are shares of the whole range that were chosen before, one for each granule.
pub(super) async fn granules(
    ctx: &Context,
    spec: &WeightSpec,
    weight: &Tensor,
    clips: Option<&Vec<f32>>,
) -> Vec<Granule> {
    let values = weight.data();
    let count = count(spec, weight);
    let grouped = matches!(spec.granularity, Granularity::Group(_));
    let mut granules = Vec::with_capacity(count);
    for (i, values) in values.chunks((values.len() / count).max(1)).enumerate() {
        let granule = match spec.range {
            _ if clips.is_some() => clipped(spec, values, clips.and_then(|clips| clips.get(i)).copied().unwrap_or(1.0)),
            Range::Mse if spec.format.ranged() => least_error(ctx, spec, values, grouped).await,
            _ => stored(spec.format.fit(values, spec.symmetric), grouped),
        };
        granules.push(match spec.rounding.kind {
            Rounding::Hqq => hqq::moved(spec.format, values, granule, grouped),
            _ => granule,
        });
        ctx.tick(values.len() as u64 * MACS_PER_VALUE).await;
    }
    granules
}

/// Shares of the whole range for the granules of weights, by parameter.
pub(super) type Clips = BTreeMap<usize, Vec<f32>>;

/// Number of granules of a weight.
pub(super) fn count(spec: &WeightSpec, weight: &Tensor) -> usize {
    match spec.granularity {
        Granularity::Channel if spec.format.scaled() => weight.shape().dims()[0],
        Granularity::Group(size) if spec.format.scaled() => weight.data().len() / (size as usize).max(1),
        _ => 1,
    }
}

/// The granule of a share of the whole range of `values`.
pub(super) fn clipped(spec: &WeightSpec, values: &[f32], share: f32) -> Granule {
    stored(spec.format.shrink(values, spec.symmetric, share), matches!(spec.granularity, Granularity::Group(_)))
}

/// A granule as it will be read back.
fn stored(granule: Granule, grouped: bool) -> Granule {
    if grouped { Granule { scale: group_scale(granule.scale), ..granule } } else { granule }
}

/// Squared error of rounding `values`, summed in order.
fn squared_error(format: &dyn Format, values: &[f32], granule: &Granule) -> f64 {
    values.iter().fold(0.0, |sum, &value| {
        let error = f64::from(format.decode(format.encode(value, granule), granule)) - f64::from(value);
        sum + error * error
    })
}

/// The granule of least squared error; the widest of equals.
async fn least_error(ctx: &Context, spec: &WeightSpec, values: &[f32], grouped: bool) -> Granule {
    let (format, symmetric) = (spec.format, spec.symmetric);
    let mut best = stored(format.fit(values, symmetric), grouped);
    let mut least = squared_error(format, values, &best);
    for step in (1..STEPS).rev() {
        let granule = stored(format.shrink(values, symmetric, step as f32 / STEPS as f32), grouped);
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
                let spec = WeightSpec { format, granularity, symmetric, range, rounding };
                let best =
                    Task::new(
                        Rc::new(Context::new(1)),
                        |ctx| async move { least_error(&ctx, &spec, &data, false).await },
                    )
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
}
