//! INT2 to INT16: a whole number times a scale.
//!
//! Symmetric grids run from −(2^(b−1)−1) to 2^(b−1)−1 and so hold as many values below zero as above (the most
//! negative code is left unused, as in common int8 inference engines); stored in two's complement. Asymmetric grids run
//! from 0 to 2^b−1 around a zero-point, and their range always holds 0.

use super::{Family, Format, Granule, largest_magnitude, low_mask, pack_bits, unpack_bits, usable};
use crate::math::round_ties_even;
use crate::ops::{InputGrid, within};

/// An integer format of `bits` bits.
pub struct Int {
    /// 2 to 16.
    pub bits: u32,
    /// Id in recipes.
    pub id: &'static str,
    /// Code in links.
    pub code: &'static str,
}

impl Int {
    fn symmetric_high(&self) -> i32 {
        (1 << (self.bits - 1)) - 1
    }

    fn asymmetric_high(&self) -> i32 {
        (1 << self.bits) - 1
    }

    fn granule(&self, low: f32, high: f32, symmetric: bool) -> Granule {
        if symmetric {
            let scale = usable(high.max(-low) / self.symmetric_high() as f32);
            return Granule { scale, ..Granule::UNIT };
        }
        let (low, high) = (low.min(0.0), high.max(0.0));
        let steps = self.asymmetric_high();
        let scale = usable((high - low) / steps as f32);
        let zero_point = (round_ties_even(-low / scale) as i32).clamp(0, steps);
        Granule { scale, zero_point: Some(zero_point), ..Granule::UNIT }
    }
}

fn bounds(values: &[f32]) -> (f32, f32) {
    values.iter().fold((0.0, 0.0), |(low, high): (f32, f32), &v| (low.min(v), high.max(v)))
}

impl Format for Int {
    fn id(&self) -> &'static str {
        self.id
    }
    fn code(&self) -> &'static str {
        self.code
    }
    fn bits(&self) -> f64 {
        f64::from(self.bits)
    }
    fn levels(&self) -> Option<u32> {
        Some(1 << self.bits)
    }
    fn family(&self) -> Family {
        Family::Integer
    }
    fn source(&self) -> &'static str {
        "Jacob et al. 2018, arXiv 1712.05877"
    }

    fn fit(&self, values: &[f32], symmetric: bool) -> Granule {
        self.shrink(values, symmetric, 1.0)
    }

    fn shrink(&self, values: &[f32], symmetric: bool, fraction: f32) -> Granule {
        if symmetric {
            let high = largest_magnitude(values) * fraction;
            self.granule(-high, high, true)
        } else {
            let (low, high) = bounds(values);
            self.granule(low * fraction, high * fraction, false)
        }
    }

    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        let steps = value / granule.scale;
        if let Some(origin) = granule.origin {
            return round_ties_even((steps + origin).clamp(0.0, self.asymmetric_high() as f32)) as u32;
        }
        if let Some(zero_point) = granule.zero_point {
            let (zero, high) = (zero_point as f32, self.asymmetric_high() as f32);
            (round_ties_even(steps.clamp(-zero, high - zero)) + zero) as u32
        } else {
            let high = self.symmetric_high() as f32;
            round_ties_even(steps.clamp(-high, high)) as i32 as u32 & low_mask(self.bits)
        }
    }

    fn passes(&self, value: f32, granule: &Granule) -> bool {
        let (low, high) = match granule.zero_point {
            Some(zero_point) => (-zero_point, self.asymmetric_high() - zero_point),
            None => (-self.symmetric_high(), self.symmetric_high()),
        };
        within(value / granule.scale, low, high)
    }

    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        match granule.origin {
            Some(origin) => (code as f32 - origin) * granule.scale,
            None => self.level(code, granule).unwrap_or(0) as f32 * granule.scale,
        }
    }

    fn level(&self, code: u32, granule: &Granule) -> Option<i32> {
        if granule.origin.is_some() {
            return None;
        }
        if let Some(zero_point) = granule.zero_point {
            return Some(code as i32 - zero_point);
        }
        let unused = 32 - self.bits;
        Some((code << unused) as i32 >> unused)
    }

    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, self.bits)
    }

    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, self.bits, count)
    }

    fn input_grid(&self, low: f32, high: f32, symmetric: bool) -> Option<InputGrid> {
        self.grid(&self.granule(low, high, symmetric))
    }

    fn grid(&self, granule: &Granule) -> Option<InputGrid> {
        let (first, last) = match granule.zero_point {
            None => (-self.symmetric_high(), self.symmetric_high()),
            Some(zero_point) => (-zero_point, self.asymmetric_high() - zero_point),
        };
        let zero_point = granule.zero_point.unwrap_or(0);
        Some(InputGrid { scale: granule.scale, zero_point, low: first, high: last, sign: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT4: Int = Int { bits: 4, id: "int4", code: "4" };

    #[test]
    fn symmetric_codes_are_twos_complement() {
        let granule = INT4.fit(&[-1.4, 0.7], true);
        assert_eq!(granule.scale, 0.2);
        assert_eq!([-1.4, 0.0, 0.2, 9.0].map(|v| INT4.encode(v, &granule)), [9, 0, 1, 7]);
        assert_eq!(INT4.level(9, &granule), Some(-7));
    }

    #[test]
    fn asymmetric_grids_hold_both_ends_and_zero() {
        let granule = INT4.fit(&[-0.5, 1.0], false);
        assert_eq!((granule.zero_point.unwrap(), INT4.encode(0.0, &granule)), (5, 5));
        assert_eq!((INT4.encode(-0.5, &granule), INT4.encode(1.0, &granule)), (0, 15));
        assert_eq!(INT4.decode(5, &granule), 0.0);
        let positive = INT4.fit(&[2.0, 3.0], false);
        assert_eq!((positive.zero_point.unwrap(), INT4.decode(INT4.encode(3.0, &positive), &positive)), (0, 3.0));
    }

    #[test]
    fn a_zero_between_two_codes_is_kept() {
        let granule = Granule { scale: 0.5, origin: Some(2.25), ..Granule::UNIT };
        assert_eq!([-1.125, -9.0, 0.0, 6.375, 9.0].map(|v| INT4.encode(v, &granule)), [0, 0, 2, 15, 15]);
        assert_eq!((INT4.decode(0, &granule), INT4.decode(15, &granule)), (-1.125, 6.375));
        assert_eq!(INT4.level(3, &granule), None);
    }

    #[test]
    fn a_granule_of_zeros_stays_zero() {
        let granule = INT4.fit(&[0.0; 5], true);
        assert_eq!(INT4.decode(INT4.encode(0.0, &granule), &granule), 0.0);
    }

    #[test]
    fn non_negative_inputs_use_the_upper_half_of_a_symmetric_grid() {
        let int8 = Int { bits: 8, id: "int8", code: "8" };
        let grid = int8.input_grid(0.0, 254.0, true).unwrap();
        let mut codes = Vec::new();
        grid.codes(&[0.0, 2.0, 254.0, 999.0], &mut codes);
        assert_eq!(codes, [0, 1, 127, 127]);
    }
}
