//! Numbers of fewer bits, as a training computes with them: every f32 is rounded to one of theirs.

use crate::math::round_ties_even;
use crate::rng::Rng;

/// A kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// IEEE 754 binary16: 5 exponent bits, 10 mantissa bits; beyond 65504 infinite, below 2^-24 nothing.
    F16,
    /// bfloat16: 8 exponent bits, 7 mantissa bits.
    Bf16,
    /// FP8 E4M3 (Micikevicius et al. 2022, arXiv 2209.05433), times a scale for each tensor that makes its largest magnitude 448.
    E4m3,
    /// FP8 E5M2, times a scale for each tensor that makes its largest magnitude 57344.
    E5m2,
    /// −127 to 127, times a scale for each tensor that makes its largest magnitude 127.
    Int8,
}

/// How a float of few bits is laid out.
#[derive(Clone, Copy)]
struct Layout {
    mantissa: u32,
    /// Of the least normal number.
    least_exponent: i32,
    /// The largest finite number.
    most: f32,
}

/// 2 to the power `exponent`, for −126 to 127.
fn power(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

impl Layout {
    /// The nearest of its numbers, halves to even; beyond the largest an infinity. Or one of the two around it, up as likely as it is
    /// near, by a draw of 0 to 2^23 − 1.
    #[inline(always)]
    fn round(self, value: f32, draw: Option<u32>) -> f32 {
        let bits = value.to_bits();
        let (sign, magnitude) = (bits & 0x8000_0000, bits & 0x7fff_ffff);
        if magnitude >= 0x7f80_0000 {
            return value;
        }
        let size = f32::from_bits(magnitude);
        let rounded = if size < power(self.least_exponent) {
            // Subnormal: whole multiples of one step. Adding this rounds to them.
            let magic = power(self.least_exponent - self.mantissa as i32 + 23);
            match draw {
                None => (size + magic) - magic,
                Some(draw) => {
                    let step = power(self.least_exponent - self.mantissa as i32);
                    let low = (size / step) as u32;
                    let up = (size / step - low as f32) * 8_388_608.0 > draw as f32;
                    (low + u32::from(up)) as f32 * step
                }
            }
        } else {
            let rest = 23 - self.mantissa;
            let add = match draw {
                None => (1 << (rest - 1)) - 1 + (magnitude >> rest & 1),
                Some(draw) => draw >> (23 - rest),
            };
            f32::from_bits((magnitude + add) >> rest << rest)
        };
        let rounded = if rounded > self.most { f32::INFINITY } else { rounded };
        f32::from_bits(rounded.to_bits() | sign)
    }
}

/// What rounding did to some values that were not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// How many there were.
    pub values: u64,
    /// Those that became 0.
    pub underflow: u64,
    /// Those that became infinite.
    pub overflow: u64,
}

impl Number {
    fn layout(self) -> Option<Layout> {
        Some(match self {
            Self::F16 => Layout { mantissa: 10, least_exponent: -14, most: 65504.0 },
            Self::Bf16 => Layout { mantissa: 7, least_exponent: -126, most: 3.389_531_4e38 },
            Self::E4m3 => Layout { mantissa: 3, least_exponent: -6, most: 448.0 },
            Self::E5m2 => Layout { mantissa: 2, least_exponent: -14, most: 57344.0 },
            Self::Int8 => return None,
        })
    }

    /// Whether tensors have a scale, so that only inputs of layers with weights have it: what is between stays f32.
    pub fn scaled(self) -> bool {
        matches!(self, Self::E4m3 | Self::E5m2 | Self::Int8)
    }

    /// What the largest of some magnitudes is multiplied by to be the largest number; 1 where there is no scale.
    pub fn scale(self, largest: f32) -> f32 {
        if !self.scaled() || largest <= 0.0 || !largest.is_finite() {
            return 1.0;
        }
        self.layout().map_or(127.0, |layout| layout.most) / largest
    }

    /// Rounds values in place: times `scale`, rounded, and back. With `rng`, up or down by chance, so that the mean is the value
    /// (Gupta et al. 2015, arXiv 1502.02551).
    pub fn round(self, values: &mut [f32], scale: f32, mut rng: Option<&mut Rng>) -> Lost {
        let (mut lost, back) = (Lost::default(), 1.0 / scale);
        let layout = self.layout();
        for value in values {
            if *value == 0.0 {
                continue;
            }
            let draw = rng.as_mut().map(|rng| (rng.next_u64() >> 41) as u32);
            let scaled = *value * scale;
            let rounded = match (layout, draw) {
                (Some(layout), _) => layout.round(scaled, draw),
                (None, None) => round_ties_even(scaled),
                (None, Some(draw)) => {
                    let low = round_ties_even(scaled - 0.5);
                    let low = if low + 1.0 <= scaled { low + 1.0 } else { low };
                    if (scaled - low) * 8_388_608.0 > draw as f32 { low + 1.0 } else { low }
                }
            };
            lost.values += 1;
            lost.underflow += u64::from(rounded == 0.0);
            lost.overflow += u64::from(rounded.is_infinite() && value.is_finite());
            *value = if scale == 1.0 { rounded } else { rounded * back };
        }
        lost
    }
}

/// The largest magnitude of finite values.
pub fn largest<'a>(values: impl Iterator<Item = &'a f32>) -> f32 {
    values.fold(0.0, |most, value| if value.abs() > most && value.is_finite() { value.abs() } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use half::{bf16, f16};

    /// Values of every size, and those just beside the middle between two f16.
    fn values() -> Vec<f32> {
        let mut rng = Rng::stream(1, "number", 0);
        let mut values: Vec<f32> = (0..60_000).map(|_| f32::from_bits(rng.next_u64() as u32)).collect();
        for code in 0..0x7c00u16 {
            let (low, high) = (f16::from_bits(code).to_f32(), f16::from_bits(code + 1).to_f32());
            let middle = 0.5 * (low + if high.is_finite() { high } else { 65536.0 });
            values.extend([low, middle, f32::from_bits(middle.to_bits() - 1), -f32::from_bits(middle.to_bits() + 1)]);
        }
        values
    }

    #[test]
    fn halves_are_those_of_the_half_crate() {
        for value in values() {
            for (number, wanted) in
                [(Number::F16, f16::from_f32(value).to_f32()), (Number::Bf16, bf16::from_f32(value).to_f32())]
            {
                let mut found = [value];
                number.round(&mut found, 1.0, None);
                assert!(
                    found[0].to_bits() == wanted.to_bits() || (found[0].is_nan() && wanted.is_nan()),
                    "{number:?} of {value}: {} is not {wanted}",
                    found[0]
                );
            }
        }
    }

    #[test]
    fn bytes_are_those_of_the_formats_that_weights_have() {
        for (number, id) in [(Number::E4m3, "fp8-e4m3"), (Number::E5m2, "fp8-e5m2")] {
            let format = formats::find(id).unwrap();
            let most = number.layout().unwrap().most;
            for value in values().into_iter().filter(|value| value.abs() <= most) {
                let granule = formats::Granule::UNIT;
                let wanted = format.decode(format.encode(value, &granule), &granule);
                let mut found = [value];
                number.round(&mut found, 1.0, None);
                assert_eq!(found[0], wanted, "{id} of {value}");
            }
        }
        let mut found = [0.4, 0.5, -1.5, 126.6, -127.0];
        Number::Int8.round(&mut found, 1.0, None);
        assert_eq!(found, [0.0, 0.0, -2.0, 127.0, -127.0]);
    }

    #[test]
    fn chance_rounds_to_a_neighbour_and_not_away_from_the_mean() {
        let mut rng = Rng::stream(4, "chance", 0);
        for number in [Number::F16, Number::Bf16, Number::E4m3, Number::E5m2, Number::Int8] {
            // Whole numbers have nothing near the smallest.
            let values = [1.0 + 1.0 / 3000.0, -0.7, 101.3, if number == Number::Int8 { 0.3 } else { 3.3e-6 }];
            for value in values {
                let (mut low, mut high) = ([value], [value]);
                number.round(&mut low, 1.0, None);
                let (mut sum, mut all) = (0.0, vec![value; 20_000]);
                number.round(&mut all, 1.0, Some(&mut rng));
                for found in &all {
                    sum += f64::from(*found);
                    if *found < low[0] {
                        low[0] = *found;
                    }
                    if *found > high[0] {
                        high[0] = *found;
                    }
                }
                let step = f64::from(high[0]) - f64::from(low[0]);
                let error = sum / 20_000.0 - f64::from(value);
                // Five standard deviations of a mean of 20,000 draws between two neighbours.
                assert!(error.abs() <= 0.018 * step + 1e-9, "{number:?} {value}: off by {error} of {step}");
            }
        }
    }

    #[test]
    fn scales_map_the_largest_to_the_largest_and_losses_are_counted() {
        let mut values = [1e-3, -2.0, 0.5];
        let scale = Number::E4m3.scale(largest(values.iter()));
        Number::E4m3.round(&mut values, scale, None);
        assert_eq!(values[1], -2.0);
        let mut values = [1e-9, 7e4, 0.0, 1.0, f32::NAN];
        assert_eq!(Number::F16.round(&mut values, 1.0, None), Lost { values: 4, underflow: 1, overflow: 1 });
        assert_eq!(&values[..4], &[0.0, f32::INFINITY, 0.0, 1.0]);
    }
}
