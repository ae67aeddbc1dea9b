//! Transcendental functions with the same bits on every machine, and rounding.
//!
//! Everything goes through the `libm` crate (Rust translations of musl's functions, errors below one
//! unit in the last place); the standard library calls the platform's own, which differ.

use std::cmp::Ordering;

/// `e^x`.
pub fn exp(x: f32) -> f32 {
    libm::expf(x)
}

/// Hyperbolic tangent.
pub fn tanh(x: f32) -> f32 {
    libm::tanhf(x)
}

/// Natural logarithm.
pub fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// Natural logarithm in f64, for divergences of histograms.
pub fn ln_f64(x: f64) -> f64 {
    libm::log(x)
}

/// `e^x` in f64, for powers of scales.
pub fn exp_f64(x: f64) -> f64 {
    libm::exp(x)
}

/// Decimal logarithm, for decibels.
pub fn log10(x: f64) -> f64 {
    libm::log10(x)
}

/// Cosine, for learning-rate schedules.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// Rounds to the nearest integer, halves to even (IEEE 754 roundTiesToEven), for |x| below 2^22.
///
/// Adding and subtracting 1.5·2^23 rounds in the FPU's own mode, which is to nearest even in Rust and in
/// WebAssembly; SSE2 alone has no rounding instruction. Half to even, because half up would shift the
/// mean of codes that sit on midpoints, which powers-of-two scales make common.
#[inline(always)]
pub fn round_ties_even(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (x + MAGIC) - MAGIC
}

/// Replaces every NaN by the one quiet NaN 0x7fc00000: engines may choose any sign and payload.
pub fn canonical_nan(x: f32) -> f32 {
    // By bits: the compiler may take one NaN for another.
    f32::from_bits(if x.to_bits() << 1 > 0xff00_0000 { 0x7fc0_0000 } else { x.to_bits() })
}

/// Sorts numbers in ascending order, NaN last. One copy of the code for all who sort.
#[inline(never)]
pub fn sort(values: &mut [f32]) {
    values.sort_by(f32::total_cmp);
}

/// Sorts indices; equals keep their order. One copy of the code for all who sort.
#[inline(never)]
pub fn sort_indices(indices: &mut [usize], compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    indices.sort_by(|&a, &b| compare(a, b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_agrees_with_the_standard_library() {
        for i in -4000..4000 {
            let x = i as f32 * 0.125;
            assert_eq!(round_ties_even(x), x.round_ties_even(), "{x}");
        }
        assert_eq!(round_ties_even(2.5), 2.0);
        assert_eq!(round_ties_even(-3.5), -4.0);
    }

    #[test]
    fn known_values() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
        assert!((exp(1.0) - std::f32::consts::E).abs() < 3e-7);
        assert!((log10(1000.0) - 3.0).abs() < 1e-15);
    }
}
