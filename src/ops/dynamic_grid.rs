//! Grids that follow what they round: their range is that of the values at hand.

use super::{Arithmetic, InputGrid};
use crate::math::round_ties_even;

/// An integer grid whose scale comes from the extremes of what it rounds: of an image, or of each position of it, which is a token of
/// text. Nothing is calibrated and nothing is stored.
///
/// Source: Yao et al. 2022, ZeroQuant (arXiv 2206.01861), token-wise quantization of inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamicGrid {
    /// Bits of a code.
    pub bits: u32,
    /// Whether the grid is symmetric around 0.
    pub symmetric: bool,
    /// Whether each position has its own range.
    pub tokens: bool,
}

impl DynamicGrid {
    /// The grid for values in `low..=high`, widened to hold 0; that of an integer format of as many bits.
    pub fn fit(&self, low: f32, high: f32) -> InputGrid {
        let usable = |scale: f32| if scale.is_normal() && scale > 0.0 { scale } else { 1.0 };
        let (low, high) = (low.min(0.0), high.max(0.0));
        if self.symmetric {
            let most = (1 << (self.bits - 1)) - 1;
            let scale = usable(high.max(-low) / most as f32);
            return InputGrid { scale, zero_point: 0, low: -most, high: most, sign: false };
        }
        let most = (1 << self.bits) - 1;
        let scale = usable((high - low) / most as f32);
        let zero_point = (round_ties_even(-low / scale) as i32).clamp(0, most);
        InputGrid { scale, zero_point, low: -zero_point, high: most - zero_point, sign: false }
    }

    /// `x`, `[channel][position][lane]`, rounded; every lane has its own range.
    fn round(&self, x: &[f32], positions: usize, lanes: usize, out: &mut Vec<f32>) {
        let spots = if self.tokens { positions * lanes } else { lanes };
        let mut ranges = vec![(0.0f32, 0.0f32); spots];
        for values in x.chunks(spots) {
            for ((low, high), &value) in ranges.iter_mut().zip(values) {
                (*low, *high) = (low.min(value), high.max(value));
            }
        }
        let grids: Vec<InputGrid> = ranges.iter().map(|&(low, high)| self.fit(low, high)).collect();
        out.resize(x.len(), 0.0);
        for (out, x) in out.chunks_mut(spots).zip(x.chunks(spots)) {
            for (out, (&x, grid)) in out.iter_mut().zip(x.iter().zip(&grids)) {
                *out = grid.level(x) * grid.scale;
            }
        }
    }
}

/// How an input is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounder {
    /// To one grid, known before.
    Fixed(InputGrid),
    /// To the grid of its own range.
    Dynamic(DynamicGrid),
}

impl Rounder {
    /// The grid that is known before, if there is one.
    pub fn fixed(&self) -> Option<InputGrid> {
        match self {
            Self::Fixed(grid) => Some(*grid),
            Self::Dynamic(_) => None,
        }
    }

    /// `x` rounded; it holds `lanes` images side by side, `[channel][position][lane]`.
    pub fn round(&self, x: &[f32], positions: usize, lanes: usize, out: &mut Vec<f32>) {
        match self {
            Self::Fixed(grid) => grid.round(x, out),
            Self::Dynamic(grid) => grid.round(x, positions, lanes, out),
        }
    }

    /// f32 arithmetic on inputs so rounded.
    pub fn arithmetic(self) -> Arithmetic<'static> {
        match self {
            Self::Fixed(grid) => Arithmetic::RoundedInputs(grid),
            Self::Dynamic(grid) => Arithmetic::DynamicInputs(grid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;

    #[test]
    fn the_grid_is_that_of_the_format() {
        for bits in 2..=8 {
            let format = formats::find(&format!("int{bits}")).unwrap();
            for symmetric in [true, false] {
                for (low, high) in [(-0.3, 1.7), (0.0, 2.5), (-3.0, 0.0), (0.0, 0.0)] {
                    let grid = DynamicGrid { bits, symmetric, tokens: false }.fit(low, high);
                    assert_eq!(Some(grid), format.input_grid(low, high, symmetric));
                }
            }
        }
    }

    #[test]
    fn every_lane_and_every_token_has_its_own_range() {
        // Two channels, two positions, two lanes.
        let x = [1.0, 10.0, 2.0, 25.0, -3.0, 30.0, 0.5, -40.0];
        let mut out = Vec::new();
        let grid = |tokens| Rounder::Dynamic(DynamicGrid { bits: 2, symmetric: true, tokens });
        grid(false).round(&x, 2, 2, &mut out);
        assert_eq!(out, [0.0, 0.0, 3.0, 40.0, -3.0, 40.0, 0.0, -40.0]);
        grid(true).round(&x, 2, 2, &mut out);
        assert_eq!(out, [0.0, 0.0, 2.0, 40.0, -3.0, 30.0, 0.0, -40.0]);
    }
}
