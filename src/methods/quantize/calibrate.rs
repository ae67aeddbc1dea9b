//! Ranges of inputs: the network runs over training images and every quantized layer's input is watched.

use super::spec::{ActivationSpec, Calibration};
use crate::data::Images;
use crate::error::CoreError;
use crate::graph::Plan;
use crate::math::ln_f64;
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
#[derive(Clone, Default)]
struct Watched {
    low: f32,
    high: f32,
    /// Sum of the magnitudes.
    sum: f64,
    count: u64,
    bins: Vec<u64>,
    /// Extremes of the block at hand, and their moving average.
    block: Option<(f32, f32)>,
    moving: Option<(f32, f32)>,
}

/// The moving average keeps so much of what it was at every block (arXiv 1712.05877, §3.1, has a momentum close to 1).
const MOMENTUM: f32 = 0.9;
/// Bins that the narrowest range of the entropy rule holds (Migacz 2017).
const FIRST_BINS: usize = 128;

impl Watched {
    fn see(&mut self, value: f32) {
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        let (low, high) = self.block.unwrap_or((0.0, 0.0));
        self.block = Some((low.min(value), high.max(value)));
        self.sum += f64::from(value.abs());
        self.count += 1;
    }

    /// Takes the extremes of a block of images into the moving average, which starts with the first block's.
    fn end_block(&mut self) {
        let Some((low, high)) = self.block.take() else { return };
        let mix = |old: f32, new: f32| MOMENTUM * old + (1.0 - MOMENTUM) * new;
        self.moving = Some(self.moving.map_or((low, high), |old| (mix(old.0, low), mix(old.1, high))));
    }

    fn bin(&self, value: f32) -> usize {
        let share = (value - self.low) / (self.high - self.low);
        ((share * BINS as f32) as usize).min(BINS - 1)
    }

    /// The histogram of magnitudes, from 0 to the largest, and the width of a bin.
    fn magnitudes(&self) -> (Vec<u64>, f32) {
        let width = self.high.max(-self.low) / BINS as f32;
        let mut counts = vec![0; BINS];
        for (bin, count) in self.bins.iter().enumerate() {
            counts[((self.middle(bin).abs() / width) as usize).min(BINS - 1)] += count;
        }
        (counts, width)
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
    let mut watched = vec![Watched::default(); specs.len()];
    run(ctx, &mut plan, images, &order, specs, |node, value| match value {
        Some(value) => watched[node].see(value),
        None => watched[node].end_block(),
    })
    .await?;
    let binned = |spec: &ActivationSpec| {
        spec.ranged() && !matches!(spec.calibration, Calibration::Minmax | Calibration::MovingAverage)
    };
    if specs.iter().flatten().any(binned) {
        for seen in &mut watched {
            seen.bins = vec![0; BINS];
        }
        run(ctx, &mut plan, images, &order, specs, |node, value| {
            if let Some(value) = value {
                let bin = watched[node].bin(value);
                watched[node].bins[bin] += 1;
            }
        })
        .await?;
    }
    Ok(specs.iter().zip(&watched).map(|(spec, seen)| spec.as_ref().and_then(|spec| grid(spec, seen))).collect())
}

/// Shows `see` every value of every watched input, and `None` after each block of images.
async fn run(
    ctx: &Context,
    plan: &mut Plan,
    images: &Images,
    order: &[u32],
    specs: &[Option<ActivationSpec>],
    mut see: impl FnMut(usize, Option<f32>),
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
                    see(node, Some(value));
                }
            }
            see(node, None);
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
        Calibration::MovingAverage => seen.moving.and_then(|(low, high)| whole(low, high)),
        Calibration::Entropy => {
            let levels = whole(seen.low, seen.high)?.high as usize + 1;
            let (counts, width) = seen.magnitudes();
            let high = least_divergence(&counts, levels) as f32 * width;
            whole(if seen.low < 0.0 { -high } else { 0.0 }, high)
        }
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

/// The number of bins, from 128 up, of the range whose histogram loses least when it is rounded (Migacz 2017): P is the
/// histogram with all that lies outside put into the last bin, Q the same without it, its bins merged to `levels` and spread
/// evenly over those of each level that are not empty; least KL(P ‖ Q), the narrowest of equals.
fn least_divergence(counts: &[u64], levels: usize) -> usize {
    let entropy = |count: f64| if count > 0.0 { count * ln_f64(count) } else { 0.0 };
    // Up to each bin: values, bins that are not empty, Σ c ln c.
    let mut sums = vec![(0.0f64, 0.0f64, 0.0f64)];
    for &count in counts {
        let (values, used, entropies) = sums[sums.len() - 1];
        let count = count as f64;
        sums.push((values + count, used + f64::from(u8::from(count > 0.0)), entropies + entropy(count)));
    }
    let total = sums[counts.len()].0;
    let divergence = |bins: usize| {
        let outside = total - sums[bins].0;
        let last = counts[bins - 1] as f64;
        if (last == 0.0 && outside > 0.0) || sums[bins].0 == 0.0 {
            return f64::INFINITY;
        }
        let own = sums[bins - 1].2 + entropy(last + outside);
        let spread = (0..levels).fold(0.0, |sum, level| {
            let (from, to) = (level * bins / levels, (level + 1) * bins / levels);
            let (values, used) = (sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
            let seen = values + if to == bins && from < bins { outside } else { 0.0 };
            if values > 0.0 { sum + seen * ln_f64(values / used) } else { sum }
        });
        (own - spread) / total - ln_f64(total) + ln_f64(sums[bins].0)
    };
    let candidates = (FIRST_BINS.max(levels).min(counts.len())..=counts.len()).map(|bins| (divergence(bins), bins));
    candidates.reduce(|best, next| if next.0 < best.0 { next } else { best }).map_or(counts.len(), |(_, bins)| bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::math::ln_f64 as ln;

    fn seen(values: &[f32]) -> Watched {
        let mut seen = Watched {
            low: values.iter().copied().fold(0.0, f32::min),
            high: values.iter().copied().fold(0.0, f32::max),
            sum: values.iter().map(|v| f64::from(v.abs())).sum(),
            count: values.len() as u64,
            bins: vec![0; BINS],
            ..Watched::default()
        };
        for &value in values {
            let bin = seen.bin(value);
            seen.bins[bin] += 1;
        }
        seen
    }

    fn spec(calibration: Calibration) -> ActivationSpec {
        let format = formats::find("int4").unwrap();
        ActivationSpec {
            format,
            symmetric: true,
            calibration,
            percentile: 99.0,
            images: 1,
            dynamic: false,
            tokens: false,
        }
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

    #[test]
    fn the_least_divergence_equals_the_definition() {
        let mut rng = Rng::stream(3, "entropy", 0);
        let mut counts = vec![0u64; 400];
        for _ in 0..5000 {
            let size: f32 = (0..4).map(|_| rng.uniform(-60.0, 60.0)).sum();
            counts[size.abs() as usize] += 1;
        }
        counts[399] = 3;
        let divergence = |bins: usize, levels: usize| {
            let mut p: Vec<f64> = counts[..bins].iter().map(|&c| c as f64).collect();
            let mut q = p.clone();
            p[bins - 1] += counts[bins..].iter().sum::<u64>() as f64;
            for level in 0..levels {
                let own = level * bins / levels..(level + 1) * bins / levels;
                let used = q[own.clone()].iter().filter(|&&c| c > 0.0).count() as f64;
                let mean = q[own.clone()].iter().sum::<f64>() / used;
                q[own].iter_mut().filter(|c| **c > 0.0).for_each(|c| *c = mean);
            }
            let (all, inside) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
            let terms = p.iter().zip(&q).filter(|(p, _)| **p > 0.0);
            terms.map(|(p, q)| p / all * ln(p / all / (q / inside))).sum::<f64>()
        };
        for levels in [8, 16, 128] {
            let found = least_divergence(&counts, levels);
            let all: Vec<f64> = (128..=400).map(|bins| divergence(bins, levels)).collect();
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            assert!((all[found - 128] - least).abs() < 1e-9, "{levels}: {found}");
        }
        assert!(least_divergence(&counts, 8) < 300, "an outlier decides the range");
    }

    #[test]
    fn the_moving_average_starts_with_the_first_block_and_follows() {
        let mut seen = Watched::default();
        for block in [[0.0, 1.0], [-1.0, 2.0]] {
            block.into_iter().for_each(|value| seen.see(value));
            seen.end_block();
        }
        seen.end_block();
        let (low, high) = seen.moving.unwrap();
        assert!((low + 0.1).abs() < 1e-6 && (high - 1.1).abs() < 1e-6);
        assert_eq!((seen.low, seen.high), (-1.0, 2.0));
    }
}
