//! The grid that a quantized input is rounded to.

use crate::math::round_ties_even;

/// An affine integer grid: code = clamp(round(x / scale) + zero_point), kept here with the zero-point taken off.
///
/// A grid of signs has two levels, −1 and 1, and no zero: 0 counts as positive, as for binary weights (Rastegari et al. 2016,
/// arXiv 1603.05279).
///
/// Source: Jacob et al. 2018 (arXiv 1712.05877), §2.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputGrid {
    /// Distance between neighbouring values; positive and finite.
    pub scale: f32,
    /// The code of zero; 0 for symmetric grids.
    pub zero_point: i32,
    /// Least code less zero-point.
    pub low: i32,
    /// Greatest code less zero-point.
    pub high: i32,
    /// Whether the only levels are −1 and 1: the sign.
    pub sign: bool,
}

/// How far beyond an end of a clip range still counts as the end: a scale may have been rounded to binary16 (relative error up
/// to 2^−11), and the value that set it must not lie outside by that.
const EDGE: f32 = 1.0 + 1.0 / 2048.0;

/// Whether a value of so many steps lies inside a clip range of whole steps, ends included. NaN does not.
#[inline(always)]
pub(crate) fn within(steps: f32, low: i32, high: i32) -> bool {
    steps >= low as f32 * EDGE && steps <= high as f32 * EDGE
}

impl InputGrid {
    /// The grid of the signs times `scale`.
    pub fn signs(scale: f32) -> Self {
        Self { scale, zero_point: 0, low: -1, high: 1, sign: true }
    }

    /// The code of `x` less the zero-point, as a whole number. Halves go to even; NaN stays NaN, but is −1 among signs.
    #[inline(always)]
    pub(super) fn level(&self, x: f32) -> f32 {
        if self.sign {
            return if x >= 0.0 { 1.0 } else { -1.0 };
        }
        round_ties_even((x / self.scale).clamp(self.low as f32, self.high as f32))
    }

    /// Whether a straight-through estimator lets the gradient by the rounded value through to `x`: inside the clip range, and for
    /// signs up to a magnitude of 1 (Hubara et al. 2016, arXiv 1602.02830, eq. 4).
    #[inline(always)]
    pub fn passes(&self, x: f32) -> bool {
        if self.sign { x.abs() <= 1.0 } else { within(x / self.scale, self.low, self.high) }
    }

    /// The codes of `x` less the zero-point. NaN becomes 0.
    pub fn codes(&self, x: &[f32], out: &mut Vec<i32>) {
        out.resize(x.len(), 0);
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.level(x) as i32;
        }
    }

    /// `x` rounded to the grid.
    pub fn round(&self, x: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        for (out, &x) in out.iter_mut().zip(x) {
            *out = self.level(x) * self.scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even_and_clamps() {
        let grid = InputGrid { scale: 0.5, zero_point: 0, low: -7, high: 7, sign: false };
        let mut codes = Vec::new();
        grid.codes(&[0.25, 0.75, -0.25, 100.0, -100.0, 1.1, f32::NAN], &mut codes);
        assert_eq!(codes, [0, 2, 0, 7, -7, 2, 0]);
        let mut values = Vec::new();
        grid.round(&[0.75, 100.0], &mut values);
        assert_eq!(values, [1.0, 3.5]);
    }

    #[test]
    fn signs_have_no_zero() {
        let (mut codes, mut values) = (Vec::new(), Vec::new());
        let x = [0.25, -0.0, -1e-20, f32::NEG_INFINITY, f32::NAN];
        InputGrid::signs(0.5).codes(&x, &mut codes);
        InputGrid::signs(0.5).round(&x, &mut values);
        assert_eq!((codes, values), (vec![1, 1, -1, -1, -1], vec![0.5, 0.5, -0.5, -0.5, -0.5]));
    }
}
