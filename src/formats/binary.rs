//! Binary weights: the sign times a scale.
//!
//! The scale is the mean magnitude, which minimises the squared error of sign(w)·α (Rastegari et al. 2016,
//! XNOR-Net, arXiv 1603.05279, eq. 6); no range is left to choose. Zero counts as positive.

use super::{Family, Format, Granule, pack_bits, unpack_bits, usable};
use crate::ops::InputGrid;

/// −1 or 1.
pub struct Binary;

/// Training keeps latent weights in −1…1.
const LATENT_BOUND: f32 = 1.0;

impl Format for Binary {
    fn id(&self) -> &'static str {
        "binary"
    }
    fn code(&self) -> &'static str {
        "1"
    }
    fn bits(&self) -> f64 {
        1.0
    }
    fn levels(&self) -> Option<u32> {
        Some(2)
    }
    fn family(&self) -> Family {
        Family::Binary
    }
    fn source(&self) -> &'static str {
        "Rastegari et al. 2016, arXiv 1603.05279"
    }

    fn fit(&self, values: &[f32], _: bool) -> Granule {
        let sum: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
        Granule { scale: usable((sum / values.len().max(1) as f64) as f32), ..Granule::UNIT }
    }

    fn shrink(&self, values: &[f32], symmetric: bool, _: f32) -> Granule {
        self.fit(values, symmetric)
    }

    fn encode(&self, value: f32, _: &Granule) -> u32 {
        u32::from(value >= 0.0)
    }

    /// The sign's estimator is 1 up to a magnitude of 1 (Hubara et al. 2016, arXiv 1602.02830, eq. 4).
    fn passes(&self, value: f32, _: &Granule) -> bool {
        value.abs() <= LATENT_BOUND
    }

    /// Larger latent values would have no effect (Courbariaux et al. 2015, BinaryConnect, arXiv 1511.00363, §2.4).
    fn latent_bound(&self) -> Option<f32> {
        Some(LATENT_BOUND)
    }

    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        (code as i32 * 2 - 1) as f32 * granule.scale
    }

    fn level(&self, code: u32, _: &Granule) -> Option<i32> {
        Some(code as i32 * 2 - 1)
    }

    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, 1)
    }

    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, 1, count)
    }

    /// The signs, at the mean magnitude `high`.
    fn input_grid(&self, _: f32, high: f32, _: bool) -> Option<InputGrid> {
        Some(InputGrid::signs(usable(high)))
    }

    fn grid(&self, granule: &Granule) -> Option<InputGrid> {
        Some(InputGrid::signs(granule.scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_magnitude_is_the_best_scale() {
        let values = [0.3, -0.1, 0.8, -0.4];
        let error = |scale: f32| values.iter().map(|v: &f32| (v.abs() - scale) * (v.abs() - scale)).sum::<f32>();
        let best = Binary.fit(&values, true).scale;
        assert!((best - 0.4).abs() < 1e-7);
        assert!((1..200).all(|i| error(best) <= error(i as f32 * 0.01) + 1e-6));
    }
}
