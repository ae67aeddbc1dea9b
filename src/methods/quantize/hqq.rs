//! Half-quadratic quantization (Badri and Shaji 2023): the zero-point of each granule is moved so that few weights lie far from
//! their grid. No data.
//!
//! Minimises Σ|w − (q − z)·s|^p, p = 0.7, over the zero-point z, the scale s staying as it is. The half-quadratic form has an
//! error e for each weight beside it: e ← sign(x)·max(|x| − |x|^(p−1)/β, 0) of x = w − (q − z)·s, then
//! z ← mean(q − (w − e)/s), β from 10 times 1.01 at each of at most 20 iterations. As in the authors' code, it ends with
//! the first iteration that lowers nothing.

use crate::formats::{Format, Granule, group_origin};
use crate::math::{exp, ln};

const P: f32 = 0.7;
const BETA: f32 = 10.0;
const KAPPA: f32 = 1.01;
const ITERATIONS: usize = 20;
/// About what one value costs in an iteration, in multiply-adds.
const MACS_PER_VALUE: u64 = 60;

/// |x|^power, 0 for 0.
fn power(x: f32, power: f32) -> f32 {
    if x == 0.0 { 0.0 } else { exp(power * ln(x.abs())) }
}

fn error(format: &dyn Format, value: f32, granule: &Granule) -> f32 {
    value - format.decode(format.encode(value, granule), granule)
}

/// Σ|w − ŵ|^p in f64, values in order.
pub(super) fn objective(format: &dyn Format, values: &[f32], granule: &Granule) -> f64 {
    values.iter().fold(0.0, |sum, &value| sum + f64::from(power(error(format, value, granule), P)))
}

/// The next zero-point: the mean of q − (w − e)/s, in f64, values in order.
fn next(format: &dyn Format, values: &[f32], granule: &Granule, beta: f32) -> f32 {
    let sum = values.iter().fold(0.0, |sum, &value| {
        let x = error(format, value, granule);
        let kept = (x.abs() - power(x, P - 1.0) / beta).max(0.0) * x.signum();
        sum + f64::from(format.encode(value, granule) as f32) - f64::from(value - kept) / f64::from(granule.scale)
    });
    (sum / values.len().max(1) as f64) as f32
}

/// The granule with its zero-point moved, and the objective before and after each iteration.
fn moves(format: &dyn Format, values: &[f32], granule: Granule, grouped: bool) -> (Granule, Vec<f64>) {
    let at = |origin: f32| {
        let origin = if grouped { group_origin(origin) } else { origin };
        Granule { zero_point: None, origin: Some(origin), ..granule.clone() }
    };
    let mut best = at(granule.zero_point.unwrap_or(0) as f32);
    let mut trace = vec![objective(format, values, &best)];
    let mut beta = BETA;
    for _ in 0..ITERATIONS {
        let moved = at(next(format, values, &best, beta));
        let found = objective(format, values, &moved);
        if trace.last().is_none_or(|least| found >= *least) {
            break;
        }
        trace.push(found);
        best = moved;
        beta *= KAPPA;
    }
    (best, trace)
}

/// Multiply-adds for so many values, about.
pub(super) fn macs(values: usize) -> u64 {
    (values * ITERATIONS) as u64 * MACS_PER_VALUE
}

/// The granule of an asymmetric grid, with its zero-point moved. A group's is rounded to the binary16 that is stored before
/// anything is judged by it.
pub(super) fn moved(format: &dyn Format, values: &[f32], granule: Granule, grouped: bool) -> Granule {
    moves(format, values, granule, grouped).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::rng::Rng;

    #[test]
    fn the_error_falls_at_each_iteration_and_is_below_that_of_the_nearest() {
        let mut rng = Rng::stream(3, "hqq", 0);
        let (mut lower, mut iterations) = (0, 0);
        for id in ["int2", "int3", "int4", "int8"] {
            let format = formats::find(id).unwrap();
            for grouped in [false, true] {
                for _ in 0..20 {
                    // A bell with a few outliers, off centre.
                    let mut values: Vec<f32> =
                        (0..64).map(|_| 0.03 + (0..6).map(|_| rng.uniform(-0.1, 0.1)).sum::<f32>()).collect();
                    values[5] = rng.uniform(0.5, 1.5);
                    let granule = format.fit(&values, false);
                    let (best, trace) = moves(format, &values, granule.clone(), grouped);
                    assert!(trace.windows(2).all(|pair| pair[1] < pair[0]), "{id}: {trace:?}");
                    let (found, nearest) = (objective(format, &values, &best), objective(format, &values, &granule));
                    assert_eq!(found, *trace.last().unwrap());
                    // A group's zero-point may have lost what binary16 does not hold, but not here: they are small whole numbers.
                    assert!(found <= nearest, "{id}: {found} is above {nearest}");
                    lower += usize::from(found < nearest);
                    iterations += trace.len() - 1;
                }
            }
        }
        assert!(lower > 80 && iterations > lower, "{lower} of 160 lowered in {iterations} iterations");
    }

    #[test]
    fn the_next_zero_point_is_the_least_of_the_half_quadratic_form() {
        let format = formats::find("int3").unwrap();
        let mut rng = Rng::stream(4, "hqq", 0);
        let values: Vec<f32> = (0..50).map(|_| rng.uniform(-1.0, 2.0)).collect();
        let granule = Granule { origin: Some(2.3), zero_point: None, ..format.fit(&values, false) };
        let codes: Vec<f32> = values.iter().map(|&v| format.encode(v, &granule) as f32).collect();
        let kept: Vec<f32> = values
            .iter()
            .zip(&codes)
            .map(|(&v, q)| {
                let x = v - (q - 2.3) * granule.scale;
                (x.abs() - exp(-0.3 * ln(x.abs())) / 10.0).max(0.0) * x.signum()
            })
            .collect();
        let form = |z: f64| -> f64 {
            let terms = values.iter().zip(&codes).zip(&kept);
            terms
                .map(|((&v, &q), &e)| {
                    let rest = f64::from(v) - (f64::from(q) - z) * f64::from(granule.scale) - f64::from(e);
                    rest * rest
                })
                .sum()
        };
        let z = f64::from(next(format, &values, &granule, BETA));
        assert!(form(z) <= form(z + 1e-3) && form(z) <= form(z - 1e-3));
    }
}
