//! Gradients through rounding: the straight-through estimator, and those that learn a scale or a clip.
//!
//! Rounding has the derivative 0 almost everywhere. An estimator puts another in its place; each is a pure function here.

use crate::math::round_ties_even;
use crate::ops::InputGrid;

/// How gradients pass what is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Estimator {
    /// Straight through: the gradient by the rounded value inside the clip range, 0 outside (Bengio et al. 2013, arXiv 1308.3432).
    Ste,
    /// The same, and scales of weights and inputs are learned (Esser et al. 2019, LSQ, arXiv 1902.08153).
    Lsq,
    /// The same, and the clip of each input is learned (Choi et al. 2018, PACT, arXiv 1805.06085).
    Pact,
}

/// Derivatives of a rounded value by the value itself and by what is learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slopes {
    /// By the value.
    pub value: f32,
    /// By the scale or the clip.
    pub learned: f32,
}

/// LSQ (arXiv 1902.08153, eq. 3 and 5): by `scale`, round(v/s) − v/s between the ends and the end itself at and beyond it; by
/// `value`, 1 between the ends and 0 elsewhere. `low` and `high` are whole steps, −Q_N and Q_P.
#[inline(always)]
pub fn lsq(value: f32, scale: f32, low: f32, high: f32) -> Slopes {
    let steps = value / scale;
    if steps <= low {
        Slopes { value: 0.0, learned: low }
    } else if steps >= high {
        Slopes { value: 0.0, learned: high }
    } else {
        Slopes { value: 1.0, learned: round_ties_even(steps) - steps }
    }
}

/// A sign times a learned scale: by the scale, the sign; by `value`, 1 up to a magnitude of 1 (arXiv 1602.02830, eq. 4).
#[inline(always)]
pub fn sign(value: f32) -> Slopes {
    let inside = value.abs() <= 1.0;
    Slopes { value: if inside { 1.0 } else { 0.0 }, learned: if value >= 0.0 { 1.0 } else { -1.0 } }
}

/// PACT (arXiv 1805.06085, eq. 3): by the clip α, 1 at and beyond it and 0 below; by `value`, 1 below α and 0 elsewhere. The paper's
/// inputs come from a ReLU. A grid that goes below 0 has a lower clip of α · low / high, by the same rule.
#[inline(always)]
pub fn pact(value: f32, grid: &InputGrid) -> Slopes {
    let steps = value / grid.scale;
    if steps >= grid.high as f32 {
        Slopes { value: 0.0, learned: 1.0 }
    } else if steps <= grid.low as f32 && (grid.low < 0 || value < 0.0) {
        Slopes { value: 0.0, learned: grid.low as f32 / grid.high as f32 }
    } else {
        Slopes { value: 1.0, learned: 0.0 }
    }
}

/// LSQ's scale is learned as `θ · unit(Q)` with θ = mean|v| at the start, which gives the paper's start 2·mean|v|/√Q. θ has the
/// size of the values themselves, so that an optimizer which normalises gradients, such as Adam, moves it by the same share as
/// those: the balance that the paper's gradient scale is for. For signs the unit is 1: their best scale is the mean magnitude.
pub fn unit(most: i32, sign: bool) -> f32 {
    if sign { 1.0 } else { 2.0 / (most as f32).sqrt() }
}

/// What the sum of gradients by a scale is multiplied by to be one by θ: LSQ's 1/√(N·Q) (§2.2), N the number of values that share
/// the scale, divided by the unit, so that plain gradient descent moves the scale exactly as in the paper.
pub fn gradient_scale(values: usize, most: i32, unit: f32) -> f64 {
    1.0 / ((values as f64 * f64::from(most)).sqrt() * f64::from(unit))
}

/// The mean magnitude of what `values` gives, summed in f64 in that order; 0 of nothing.
pub fn mean_magnitude<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), v| (sum + f64::from(v.abs()), count + 1));
    (sum / count.max(1) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FORMATS, Family, Granule, find};

    /// Central differences of `f`.
    fn slope(f: impl Fn(f64) -> f64, at: f64) -> f64 {
        (f(at + 1e-6) - f(at - 1e-6)) / 2e-6
    }

    #[test]
    fn ste_is_one_inside_the_clip_range_and_zero_outside_for_weights() {
        for format in FORMATS.iter().filter(|format| format.family() == Family::Integer) {
            let granule = Granule { scale: 0.25, ..Granule::UNIT };
            let high = (format.levels().unwrap() / 2 - 1) as f32 * 0.25;
            for (share, inside) in [(0.0, true), (0.5, true), (1.0, true), (1.01, false), (2.0, false)] {
                for sign in [-1.0, 1.0] {
                    assert_eq!(format.passes(sign * share * high, &granule), inside, "{} {share}", format.id());
                }
            }
            let shifted = Granule { zero_point: Some(1), ..granule.clone() };
            let top = (format.levels().unwrap() - 2) as f32 * 0.25;
            let found = [-0.26, -0.25, 0.0, top, top * 1.01].map(|v| format.passes(v, &shifted));
            assert_eq!(found, [false, true, true, true, false], "{} asymmetric", format.id());
            assert!(!format.passes(f32::NAN, &granule));
        }
        let e4m3 = find("fp8-e4m3").unwrap();
        let half = Granule { scale: 0.5, ..Granule::UNIT };
        assert_eq!([224.0, -224.0, 225.0, -999.0].map(|v| e4m3.passes(v, &half)), [true, true, false, false]);
        let binary = find("binary").unwrap();
        assert_eq!([-1.0, 0.3, 1.0, 1.1, -7.0].map(|v| binary.passes(v, &half)), [true, true, true, false, false]);
        // TWN and BitNet pass every gradient: there is no clip.
        assert!([-9.0, 0.0, 9.0].iter().all(|&v| find("ternary").unwrap().passes(v, &half)));
    }

    #[test]
    fn ste_is_one_inside_the_clip_range_and_zero_outside_for_inputs() {
        let grid = InputGrid { scale: 0.5, zero_point: 0, low: -7, high: 7, sign: false };
        let found = [-3.6, -3.5, -0.1, 0.0, 3.5, 3.6, f32::NAN].map(|x| grid.passes(x));
        assert_eq!(found, [false, true, true, true, true, false, false]);
        let positive = InputGrid { low: 0, high: 15, ..grid };
        assert_eq!([-0.1, 0.0, 7.5, 7.6].map(|x| positive.passes(x)), [false, true, true, false]);
        assert_eq!(
            [-1.1, -1.0, 0.0, 1.0, 1.1].map(|x| InputGrid::signs(0.2).passes(x)),
            [false, true, true, true, false]
        );
    }

    #[test]
    fn what_sets_a_min_max_range_lies_inside_it() {
        for format in FORMATS.iter().filter(|format| format.ranged() && format.family() == Family::Integer) {
            for i in 1..200 {
                let most = i as f32 * 0.037;
                let granule = format.fit(&[most, -most], true);
                let stored = Granule { scale: crate::formats::group_scale(granule.scale), ..granule.clone() };
                assert!(format.passes(most, &granule) && format.passes(-most, &granule), "{} {most}", format.id());
                assert!(most * 0.001 > granule.scale || format.passes(most, &stored), "{} {most}", format.id());
            }
        }
    }

    #[test]
    fn lsq_is_the_papers_formula_and_the_slope_of_its_surrogate() {
        let (scale, low, high) = (0.3f32, -3.0f32, 3.0f32);
        // By hand: v/s = 1.2, -2.6, 5, -5, and the ends themselves.
        let steps = [1.2f32, -2.6, 5.0, -5.0, 3.0, -3.0];
        let learned = [-0.2f32, -0.4, 3.0, -3.0, 3.0, -3.0];
        let value = [1.0f32, 1.0, 0.0, 0.0, 0.0, 0.0];
        let unit_scale = steps.map(|v| lsq(v, 1.0, low, high));
        for i in 0..6 {
            assert!((unit_scale[i].learned - learned[i]).abs() < 1e-6 && unit_scale[i].value == value[i], "{i}");
        }
        // The surrogate keeps the rounding error in steps as it is at the point, and so is smooth there.
        for v in [0.1f32, 0.4, -0.7, 0.88, 2.0, -1.5] {
            let inside = (v / scale).clamp(low, high);
            let error = f64::from(round_ties_even(inside) - inside);
            let rounded = |v: f64, s: f64| s * ((v / s).clamp(f64::from(low), f64::from(high)) + error);
            let found = lsq(v, scale, low, high);
            let by_scale = slope(|s| rounded(f64::from(v), s), f64::from(scale));
            let by_value = slope(|v| rounded(v, f64::from(scale)), f64::from(v));
            assert!((f64::from(found.learned) - by_scale).abs() < 1e-5, "{v}: {found:?}, {by_scale} by differences");
            assert!((f64::from(found.value) - by_value).abs() < 1e-5, "{v}: {found:?}, {by_value} by differences");
        }
    }

    #[test]
    fn lsq_starts_and_scales_as_in_the_paper() {
        // 4 bits, symmetric: Q = 7. Start 2·mean|v|/√7; gradient scale 1/√(N·7) by the scale itself.
        let unit = unit(7, false);
        assert!((0.4 * unit - 2.0 * 0.4 / 7f32.sqrt()).abs() < 1e-7);
        let by_scale = gradient_scale(100, 7, unit) * f64::from(unit);
        assert!((by_scale - 1.0 / 700f64.sqrt()).abs() < 1e-12);
        // Plain descent: θ −= lr·(scale/unit)·G moves s = θ·unit by lr·scale·G.
        assert_eq!(super::unit(1, true), 1.0);
        assert!((mean_magnitude([0.5f32, -0.3, 0.1].iter()) - 0.3).abs() < 1e-7);
    }

    #[test]
    fn pact_is_the_papers_formula_and_the_slope_of_the_clipped_value() {
        let unsigned = InputGrid { scale: 0.4, zero_point: 0, low: 0, high: 15, sign: false };
        let found = [-0.5, 0.0, 3.0, 5.9, 6.0, 8.0].map(|x| pact(x, &unsigned));
        assert_eq!(found.map(|s| s.value), [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(found.map(|s| s.learned), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let signed = InputGrid { low: -7, high: 7, ..unsigned };
        for (grid, x) in [(unsigned, 2.0), (unsigned, 9.0), (signed, -9.0), (signed, -1.0), (signed, 4.0)] {
            let clipped = |x: f64, alpha: f64| x.clamp(alpha * f64::from(grid.low) / f64::from(grid.high), alpha);
            let alpha = f64::from(grid.scale) * f64::from(grid.high);
            let by_clip = slope(|alpha| clipped(x, alpha), alpha);
            let by_value = slope(|x| clipped(x, alpha), x);
            let found = pact(x as f32, &grid);
            assert!((f64::from(found.learned) - by_clip).abs() < 1e-6, "{x}");
            assert!((f64::from(found.value) - by_value).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn a_learned_sign_has_its_sign_for_a_slope() {
        assert_eq!(sign(0.4), Slopes { value: 1.0, learned: 1.0 });
        assert_eq!(sign(-0.4), Slopes { value: 1.0, learned: -1.0 });
        assert_eq!(sign(-1.4), Slopes { value: 0.0, learned: -1.0 });
        assert_eq!(sign(0.0).learned, 1.0);
    }
}
