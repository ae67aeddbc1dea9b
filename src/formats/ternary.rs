//! Ternary weights: −1, 0 or 1 times a scale; five codes share a byte (3^5 = 243).
//!
//! The plain rule is that of Ternary Weight Networks (Li and Liu 2016, arXiv 1605.04711): magnitudes up to
//! Δ = 0.7 · mean|w| become zero, and the scale is the mean magnitude of the rest. The error-minimising range tries
//! thresholds over the whole range instead.

use super::{Family, Format, Granule, largest_magnitude, usable};

/// −1, 0, 1.
pub struct Ternary;

/// The threshold's share of the mean magnitude (arXiv 1605.04711, eq. 6).
const THRESHOLD_SHARE: f32 = 0.7;

/// Codes in a byte.
const PER_BYTE: usize = 5;

/// The granule whose zeros are the magnitudes up to `threshold`.
fn with_threshold(values: &[f32], threshold: f32) -> Granule {
    let (sum, count) = values
        .iter()
        .map(|v| v.abs())
        .filter(|&v| v > threshold)
        .fold((0.0f64, 0u32), |(s, n), v| (s + f64::from(v), n + 1));
    Granule { scale: usable((sum / f64::from(count.max(1))) as f32), threshold, ..Granule::UNIT }
}

impl Format for Ternary {
    fn id(&self) -> &'static str {
        "ternary"
    }
    fn code(&self) -> &'static str {
        "t"
    }
    fn bits(&self) -> f64 {
        1.6
    }
    fn levels(&self) -> Option<u32> {
        Some(3)
    }
    fn family(&self) -> Family {
        Family::Ternary
    }
    fn source(&self) -> &'static str {
        "Li and Liu 2016, arXiv 1605.04711"
    }

    fn fit(&self, values: &[f32], _: bool) -> Granule {
        let sum: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
        let mean = (sum / values.len().max(1) as f64) as f32;
        with_threshold(values, THRESHOLD_SHARE * mean)
    }

    fn shrink(&self, values: &[f32], symmetric: bool, fraction: f32) -> Granule {
        // The whole range would leave nothing but zeros: the plain rule stands in its place.
        if fraction >= 1.0 {
            return self.fit(values, symmetric);
        }
        with_threshold(values, largest_magnitude(values) * fraction)
    }

    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        match value {
            v if v > granule.threshold => 2,
            v if v < -granule.threshold => 0,
            _ => 1,
        }
    }

    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        (code as i32 - 1) as f32 * granule.scale
    }

    fn level(&self, code: u32, _: &Granule) -> Option<i32> {
        Some(code as i32 - 1)
    }

    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        codes.chunks(PER_BYTE).map(|chunk| chunk.iter().rev().fold(0, |byte, &code| byte * 3 + code as u8)).collect()
    }

    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        let code = |i: usize| {
            let byte = u32::from(bytes.get(i / PER_BYTE).copied().unwrap_or(0));
            byte / 3u32.pow((i % PER_BYTE) as u32) % 3
        };
        (0..count).map(code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_rule() {
        let granule = Ternary.fit(&[0.1, -0.2, 0.9, -1.2], true);
        assert!((granule.threshold - 0.7 * 0.6).abs() < 1e-6);
        assert!((granule.scale - 1.05).abs() < 1e-6);
        assert_eq!([0.1, 0.9, -1.2].map(|v| Ternary.encode(v, &granule)), [1, 2, 0]);
    }
}
