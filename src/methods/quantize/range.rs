//! Ranges of weights: min-max, or the least squared error of a hundred.

use super::spec::{Granularity, Range, WeightSpec};
use crate::formats::{Format, Granule, group_scale};
use crate::task::Context;
use crate::tensor::Tensor;

/// Ranges tried: 1 %, 2 % … 100 % of the whole range.
pub(super) const STEPS: u32 = 100;
/// About what rounding one value costs, in multiply-adds.
pub(super) const MACS_PER_VALUE: u64 = 24;

/// The granules of a weight: one, one per output channel, or one per group. A group's scale is rounded to what is stored before
/// anything is judged or encoded by it.
pub(super) async fn granules(ctx: &Context, spec: &WeightSpec, weight: &Tensor) -> Vec<Granule> {
    let values = weight.data();
    let count = match spec.granularity {
        Granularity::Channel if spec.format.scaled() => weight.shape().dims()[0],
        Granularity::Group(size) if spec.format.scaled() => values.len() / (size as usize).max(1),
        _ => 1,
    };
    let grouped = matches!(spec.granularity, Granularity::Group(_));
    let mut granules = Vec::with_capacity(count);
    for values in values.chunks((values.len() / count).max(1)) {
        let granule = match spec.range {
            Range::Mse if spec.format.ranged() => least_error(ctx, spec, values, grouped).await,
            _ => stored(spec.format.fit(values, spec.symmetric), grouped),
        };
        granules.push(granule);
        ctx.tick(values.len() as u64 * MACS_PER_VALUE).await;
    }
    granules
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
                let spec = WeightSpec { format, granularity: Granularity::Tensor, symmetric, range: Range::Mse };
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
