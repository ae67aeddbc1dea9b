//! FP8: E4M3 and E5M2 of the OCP 8-bit floating point specification (Micikevicius et al. 2022, arXiv 2209.05433).
//!
//! E4M3 (4 exponent bits, 3 of mantissa) has no infinity and one NaN per sign, and reaches 448. E5M2 (5 and 2) is shaped like
//! IEEE 754 and reaches 57344. Neither covers the range of a layer's weights well by itself, so values are divided by a
//! scale that maps the largest magnitude of a granule to the largest finite value. Rounding is to nearest even; what lies
//! beyond the largest finite value, infinity included, becomes that value; NaN stays NaN.

use super::{Family, Format, Granule, largest_magnitude, pack_bits, unpack_bits, usable};
use safetensors::Dtype;

/// An 8-bit float: a sign, `7 − mantissa` bits of exponent, `mantissa` bits of mantissa.
pub struct Fp8 {
    /// Bits of mantissa.
    pub mantissa: u32,
    /// Exponent of the least normal value.
    pub least_exponent: i32,
    /// Code of the largest finite value.
    pub largest: u32,
    /// Element type in files.
    pub dtype: Dtype,
    /// Id in recipes.
    pub id: &'static str,
    /// Code in links.
    pub code: &'static str,
}

/// E4M3: −448 to 448.
pub const E4M3: Fp8 =
    Fp8 { mantissa: 3, least_exponent: -6, largest: 0x7e, dtype: Dtype::F8_E4M3, id: "fp8-e4m3", code: "f8" };
/// E5M2: −57344 to 57344, and infinities.
pub const E5M2: Fp8 =
    Fp8 { mantissa: 2, least_exponent: -14, largest: 0x7b, dtype: Dtype::F8_E5M2, id: "fp8-e5m2", code: "f8w" };

/// 2 to the power `exponent`, for −126 to 127.
fn power(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

impl Fp8 {
    /// The largest finite value.
    fn most(&self) -> f32 {
        self.value(self.largest)
    }

    /// The value of a code.
    fn value(&self, code: u32) -> f32 {
        let (exponent, fraction) = ((code & 0x7f) >> self.mantissa, code & ((1 << self.mantissa) - 1));
        let magnitude = if (code & 0x7f) > self.largest {
            if self.least_exponent == E5M2.least_exponent && fraction == 0 { f32::INFINITY } else { f32::NAN }
        } else if exponent == 0 {
            fraction as f32 * power(self.least_exponent - self.mantissa as i32)
        } else {
            let steps = (fraction + (1 << self.mantissa)) as f32;
            steps * power(exponent as i32 - 1 + self.least_exponent - self.mantissa as i32)
        };
        if code & 0x80 == 0 { magnitude } else { -magnitude }
    }

    /// The code nearest to `value`; of two equally near, the even one.
    fn nearest(&self, value: f32) -> u32 {
        let sign = value.to_bits() >> 31 << 7;
        if value.is_nan() {
            return sign | 0x7f;
        }
        let magnitude = value.abs().min(self.most());
        let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(self.least_exponent);
        // Exact: a product with a power of two. Rounding up to the next exponent carries into its code by itself.
        let steps = (magnitude * power(self.mantissa as i32 - exponent)).round_ties_even() as u32;
        sign | ((((exponent - self.least_exponent) as u32) << self.mantissa) + steps)
    }
}

impl Format for Fp8 {
    fn id(&self) -> &'static str {
        self.id
    }
    fn code(&self) -> &'static str {
        self.code
    }
    fn bits(&self) -> f64 {
        8.0
    }
    fn levels(&self) -> Option<u32> {
        None
    }
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn family(&self) -> Family {
        Family::Float
    }
    fn scaled(&self) -> bool {
        true
    }
    fn source(&self) -> &'static str {
        "Micikevicius et al. 2022, arXiv 2209.05433"
    }
    fn fit(&self, values: &[f32], _: bool) -> Granule {
        Granule { scale: usable(largest_magnitude(values) / self.most()), ..Granule::UNIT }
    }
    fn shrink(&self, values: &[f32], _: bool, fraction: f32) -> Granule {
        Granule { scale: usable(largest_magnitude(values) * fraction / self.most()), ..Granule::UNIT }
    }
    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        self.nearest(value / granule.scale)
    }
    fn passes(&self, value: f32, granule: &Granule) -> bool {
        (value / granule.scale).abs() <= self.most()
    }
    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        self.value(code) * granule.scale
    }
    fn level(&self, _: u32, _: &Granule) -> Option<i32> {
        None
    }
    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, 8)
    }
    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, 8, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `tests/scripts/fp8_vectors.py` wrote: the value of every code, and codes at and around every midpoint.
    fn vectors(id: &str) -> (Vec<u32>, Vec<(u32, u32)>) {
        let text = include_str!("../../tests/vectors/fp8.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        let hex = |v: &serde_json::Value| u32::from_str_radix(v.as_str().unwrap(), 16).unwrap();
        let values = all[id]["values"].as_array().unwrap().iter().map(hex).collect();
        let rounded = all[id]["rounded"].as_array().unwrap();
        (values, rounded.iter().map(|pair| (hex(&pair[0]), hex(&pair[1]))).collect())
    }

    #[test]
    fn every_code_and_every_rounding_is_that_of_ml_dtypes() {
        for format in [E4M3, E5M2] {
            let (values, rounded) = vectors(format.id);
            assert_eq!((values.len(), rounded.len() > 500), (256, true), "{}", format.id);
            for (code, bits) in values.into_iter().enumerate() {
                let (found, wanted) = (format.value(code as u32), f32::from_bits(bits));
                assert!(found.to_bits() == bits || (found.is_nan() && wanted.is_nan()), "{} {code}", format.id);
                if wanted.is_finite() {
                    assert_eq!(format.nearest(wanted), code as u32, "{}", format.id);
                }
            }
            for (bits, code) in rounded {
                let value = f32::from_bits(bits);
                assert_eq!(format.nearest(value), code, "{} {value:e}", format.id);
                assert_eq!(format.nearest(-value), code | 0x80, "{} -{value:e}", format.id);
            }
        }
    }

    #[test]
    fn what_lies_beyond_saturates_and_nan_stays() {
        for (format, most) in [(E4M3, 448.0), (E5M2, 57344.0)] {
            for value in [most * 1.01, 1e30, f32::MAX, f32::INFINITY] {
                assert_eq!(format.value(format.nearest(value)), most);
                assert_eq!(format.value(format.nearest(-value)), -most);
            }
            assert!(format.value(format.nearest(f32::NAN)).is_nan());
            assert_eq!(format.nearest(f32::MIN_POSITIVE), 0);
        }
    }

    #[test]
    fn the_scale_maps_the_largest_weight_to_the_largest_value() {
        for format in [E4M3, E5M2] {
            let values = [0.5, -0.1, 0.03, 0.0];
            let granule = format.fit(&values, true);
            assert_eq!(format.encode(0.5, &granule), format.largest);
            let error = |v: f32| (format.decode(format.encode(v, &granule), &granule) - v).abs();
            // Half a step of the mantissa, relative to the value.
            assert!(values.iter().all(|&v| error(v) <= v.abs() * power(-1 - format.mantissa as i32) * 1.001));
        }
    }
}
