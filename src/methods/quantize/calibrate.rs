//! Ranges of inputs: the network runs over training images and every quantized layer's input is watched.

use super::spec::{ActivationSpec, Calibration};
use crate::data::Images;
use crate::error::CoreError;
use crate::graph::Plan;
use crate::models::{Execution, Network};
use crate::ops::InputGrid;
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::Context;

/// Bins of a histogram of input values.
const BINS: usize = 2048;
/// Ranges tried by the least-error rule.
const STEPS: u32 = 100;

/// What was seen of one layer's input.
#[derive(Clone)]
struct Watched {
    low: f32,
    high: f32,
    /// Sum of the magnitudes.
    sum: f64,
    count: u64,
    bins: Vec<u64>,
}

impl Watched {
    fn bin(&self, value: f32) -> usize {
        let share = (value - self.low) / (self.high - self.low);
        ((share * BINS as f32) as usize).min(BINS - 1)
    }

    /// The middle of a bin.
    fn middle(&self, bin: usize) -> f32 {
        self.low + (bin as f32 + 0.5) / BINS as f32 * (self.high - self.low)
    }

    /// The value below which `share` of what was seen lies (upper edge of its bin).
    fn quantile(&self, share: f64) -> f32 {
        let total: u64 = self.bins.iter().sum();
        let wanted = (share * total as f64).ceil() as u64;
        let mut seen = 0;
        for (bin, count) in self.bins.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return self.low + (bin + 1) as f32 / BINS as f32 * (self.high - self.low);
            }
        }
        self.high
    }
}

/// The grid of every node with a spec. Images are drawn by seed from the first `images` of the training split.
pub(super) async fn input_grids(
    ctx: &Context,
    network: &Network,
    images: &Images,
    specs: &[Option<ActivationSpec>],
    seed: u64,
) -> Result<Vec<Option<InputGrid>>, CoreError> {
    let order = Rng::stream(seed, "calibrate", 0).permutation(images.len());
    let watch: Vec<bool> = specs.iter().map(Option::is_some).collect();
    let mut plan = network.plan_keeping(Execution::Integer, &watch)?;
    let mut watched = vec![Watched { low: 0.0, high: 0.0, sum: 0.0, count: 0, bins: Vec::new() }; specs.len()];
    run(ctx, &mut plan, images, &order, specs, |node, value| {
        let seen = &mut watched[node];
        (seen.low, seen.high) = (seen.low.min(value), seen.high.max(value));
        seen.sum += f64::from(value.abs());
        seen.count += 1;
    })
    .await?;
    if specs.iter().flatten().any(|spec| spec.ranged() && spec.calibration != Calibration::Minmax) {
        for seen in &mut watched {
            seen.bins = vec![0; BINS];
        }
        run(ctx, &mut plan, images, &order, specs, |node, value| {
            let bin = watched[node].bin(value);
            watched[node].bins[bin] += 1;
        })
        .await?;
    }
    Ok(specs.iter().zip(&watched).map(|(spec, seen)| spec.as_ref().and_then(|spec| grid(spec, seen))).collect())
}

async fn run(
    ctx: &Context,
    plan: &mut Plan,
    images: &Images,
    order: &[u32],
    specs: &[Option<ActivationSpec>],
    mut see: impl FnMut(usize, f32),
) -> Result<(), CoreError> {
    let macs = plan.block_macs();
    for (first, chunk) in order.chunks(LANES).enumerate().map(|(i, chunk)| (i * LANES, chunk)) {
        images.fill(chunk.iter().map(|&i| i as usize), plan.input());
        plan.run();
        for (node, spec) in specs.iter().enumerate() {
            // A spec may watch fewer images than the step's largest.
            let lanes = spec.map_or(0, |spec| chunk.len().min((spec.images as usize).saturating_sub(first)));
            if lanes == 0 {
                continue;
            }
            let input = plan.node_input(node).ok_or_else(|| CoreError::internal("calibrate", "no input kept"))?;
            for values in input.as_chunks::<LANES>().0 {
                for &value in &values[..lanes] {
                    see(node, value);
                }
            }
        }
        ctx.tick(macs).await;
    }
    Ok(())
}

fn grid(spec: &ActivationSpec, seen: &Watched) -> Option<InputGrid> {
    let whole = |low, high| spec.format.input_grid(low, high, spec.symmetric);
    match spec.calibration {
        // The mean magnitude has the least squared error of sign(x)·α (arXiv 1603.05279, eq. 6): nothing is left to choose.
        _ if !spec.ranged() => whole(0.0, (seen.sum / seen.count.max(1) as f64) as f32),
        _ if seen.low == seen.high => whole(seen.low, seen.high),
        Calibration::Minmax => whole(seen.low, seen.high),
        Calibration::Percentile => {
            let inside = spec.percentile / 100.0;
            if seen.low < 0.0 {
                let outside = (1.0 - inside) / 2.0;
                whole(seen.quantile(outside), seen.quantile(1.0 - outside))
            } else {
                whole(seen.low, seen.quantile(inside))
            }
        }
        Calibration::Mse => {
            let error = |grid: &InputGrid| {
                let mut rounded = Vec::new();
                let middles: Vec<f32> = (0..BINS).map(|bin| seen.middle(bin)).collect();
                grid.round(&middles, &mut rounded);
                let errors = rounded.iter().zip(&middles).map(|(r, m)| f64::from(r - m) * f64::from(r - m));
                errors.zip(&seen.bins).fold(0.0, |sum, (error, &count)| sum + error * count as f64)
            };
            let candidates = (1..=STEPS).rev().filter_map(|step| {
                let share = step as f32 / STEPS as f32;
                whole(seen.low * share, seen.high * share).map(|grid| (error(&grid), grid))
            });
            candidates.reduce(|best, next| if next.0 < best.0 { next } else { best }).map(|(_, grid)| grid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    fn seen(values: &[f32]) -> Watched {
        let mut seen = Watched {
            low: values.iter().copied().fold(0.0, f32::min),
            high: values.iter().copied().fold(0.0, f32::max),
            sum: values.iter().map(|v| f64::from(v.abs())).sum(),
            count: values.len() as u64,
            bins: vec![0; BINS],
        };
        for &value in values {
            let bin = seen.bin(value);
            seen.bins[bin] += 1;
        }
        seen
    }

    fn spec(calibration: Calibration) -> ActivationSpec {
        let format = formats::find("int4").unwrap();
        ActivationSpec { format, symmetric: true, calibration, percentile: 99.0, images: 1 }
    }

    #[test]
    fn an_outlier_widens_minmax_but_not_the_others() {
        let mut values: Vec<f32> = (0..1000).map(|i| i as f32 / 1000.0).collect();
        values.push(10.0);
        let scale = |calibration| grid(&spec(calibration), &seen(&values)).unwrap().scale;
        assert_eq!(scale(Calibration::Minmax), 10.0 / 7.0);
        assert!((scale(Calibration::Percentile) - 1.0 / 7.0).abs() < 0.005);
        let signs = ActivationSpec { format: formats::find("binary").unwrap(), ..spec(Calibration::Mse) };
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let found = grid(&signs, &seen(&values)).unwrap();
        assert!(found.sign && (found.scale - mean).abs() < 1e-6);
        let error = |v: f32, scale: f32| v - (v / scale).round().min(7.0) * scale;
        let squared = |scale: f32| values.iter().map(|&v| error(v, scale) * error(v, scale)).sum::<f32>();
        let mse = scale(Calibration::Mse);
        assert!(squared(mse) < squared(10.0 / 7.0) && squared(mse) < squared(1.0 / 7.0));
    }
}
