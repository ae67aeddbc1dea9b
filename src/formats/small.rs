//! Floats of 8, 6 and 4 bits, alone with a scale or in blocks that share one.
//!
//! FP8 is E4M3 and E5M2 of Micikevicius et al. 2022 (arXiv 2209.05433): E4M3 (4 exponent bits, 3 of mantissa) has no infinity
//! and one NaN per sign; E5M2 is shaped like IEEE 754. FP6 and FP4 are E2M3, E3M2 and E2M1 of the OCP Microscaling Formats
//! specification v1.0: every code is a finite number. None covers the range of a layer's weights well by itself, so values
//! are divided by a scale that maps the largest magnitude of a granule to the largest finite value.
//!
//! MX (same specification, §6.3) gives every 32 neighbouring inputs the scale 2^(⌊log₂ max⌋ − e), e the exponent of the
//! element's largest value, stored as E8M0: eight bits of exponent. NVFP4 gives every 16 the E4M3 nearest to max / 6 in units
//! of the tensor's largest magnitude / (6 · 448), an f32 stored once.
//!
//! Rounding is to nearest even; what lies beyond the largest finite value, infinity included, becomes that value. NaN stays
//! NaN where a format has one and becomes 0 elsewhere.

use super::{Family, Format, Granule, ScaleType, largest_magnitude, pack_bits, unpack_bits, usable};
use safetensors::Dtype;

/// A float of few bits: a sign, exponent, mantissa; the bias is that of IEEE 754.
#[derive(Clone, Copy)]
pub struct Element {
    /// Bits of exponent.
    pub exponent: u32,
    /// Bits of mantissa.
    pub mantissa: u32,
    /// Code of the largest finite value.
    pub largest: u32,
}

/// −448 to 448, and NaN.
pub const E4M3: Element = Element { exponent: 4, mantissa: 3, largest: 0x7e };
/// −57344 to 57344, infinities and NaN.
const E5M2: Element = Element { exponent: 5, mantissa: 2, largest: 0x7b };
/// −7.5 to 7.5.
const E2M3: Element = Element { exponent: 2, mantissa: 3, largest: 0x1f };
/// −28 to 28.
const E3M2: Element = Element { exponent: 3, mantissa: 2, largest: 0x1f };
/// −6 to 6.
const E2M1: Element = Element { exponent: 2, mantissa: 1, largest: 0x7 };

/// 2 to the power `exponent`, for −126 to 127.
fn power(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

/// ⌊log₂ value⌋ for positive, finite values; −127 below the normal ones.
fn exponent_of(value: f32) -> i32 {
    (value.to_bits() >> 23 & 0xff) as i32 - 127
}

/// The value of an E8M0 code: 2^(code − 127); 255 is NaN.
pub fn e8m0(code: u8) -> f32 {
    match code {
        0 => f32::from_bits(1 << 22),
        255 => f32::NAN,
        _ => f32::from_bits(u32::from(code) << 23),
    }
}

impl Element {
    const fn bits(&self) -> u32 {
        1 + self.exponent + self.mantissa
    }

    /// Exponent of the least normal value: 1 − bias.
    const fn least_exponent(&self) -> i32 {
        2 - (1 << (self.exponent - 1))
    }

    /// The largest finite value.
    fn most(&self) -> f32 {
        self.value(self.largest)
    }

    /// The value of a code.
    pub fn value(&self, code: u32) -> f32 {
        let sign = 1 << (self.bits() - 1);
        let magnitude = code & (sign - 1);
        let (exponent, fraction) = (magnitude >> self.mantissa, magnitude & ((1 << self.mantissa) - 1));
        let least = self.least_exponent() - self.mantissa as i32;
        let value = if magnitude > self.largest {
            if fraction == 0 { f32::INFINITY } else { f32::NAN }
        } else if exponent == 0 {
            fraction as f32 * power(least)
        } else {
            (fraction + (1 << self.mantissa)) as f32 * power(exponent as i32 - 1 + least)
        };
        if code & sign == 0 { value } else { -value }
    }

    /// The code nearest to `value`; of two equally near, the even one.
    pub fn nearest(&self, value: f32) -> u32 {
        let sign = value.to_bits() >> 31 << (self.bits() - 1);
        if value.is_nan() {
            let ones = (1 << (self.bits() - 1)) - 1;
            return sign | if self.largest == ones { 0 } else { ones };
        }
        let (magnitude, least) = (value.abs().min(self.most()), self.least_exponent());
        let exponent = exponent_of(magnitude).max(least);
        // Exact: a product with a power of two. Rounding up to the next exponent carries into its code by itself.
        let steps = (magnitude * power(self.mantissa as i32 - exponent)).round_ties_even() as u32;
        sign | ((((exponent - least) as u32) << self.mantissa) + steps)
    }
}

/// What values are divided by before they are rounded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scaling {
    /// A scale per tensor or output channel, f32.
    Free,
    /// A power of two per 32 values.
    Mx,
    /// An E4M3 per 16 values, times an f32 per tensor.
    Nv,
}

/// A format of small floats.
pub struct Small {
    id: &'static str,
    code: &'static str,
    element: Element,
    scaling: Scaling,
    dtype: Dtype,
    source: &'static str,
}

const FP8: &str = "Micikevicius et al. 2022, arXiv 2209.05433";
const MX: &str = "OCP Microscaling Formats (MX) Specification v1.0, 2023";
const NV: &str = "NVIDIA 2025, arXiv 2509.25149";

const fn small(
    (id, code): (&'static str, &'static str),
    element: Element,
    scaling: Scaling,
    dtype: Dtype,
    source: &'static str,
) -> Small {
    Small { id, code, element, scaling, dtype, source }
}

/// E4M3 with a scale.
pub static FP8_E4M3: Small = small(("fp8-e4m3", "f8"), E4M3, Scaling::Free, Dtype::F8_E4M3, FP8);
/// E5M2 with a scale.
pub static FP8_E5M2: Small = small(("fp8-e5m2", "f8w"), E5M2, Scaling::Free, Dtype::F8_E5M2, FP8);
/// E2M3 with a scale.
pub static FP6_E2M3: Small = small(("fp6-e2m3", "f6"), E2M3, Scaling::Free, Dtype::U8, MX);
/// E3M2 with a scale.
pub static FP6_E3M2: Small = small(("fp6-e3m2", "f6w"), E3M2, Scaling::Free, Dtype::U8, MX);
/// E2M1 with a scale.
pub static FP4_E2M1: Small = small(("fp4-e2m1", "f4"), E2M1, Scaling::Free, Dtype::U8, MX);
/// MXFP8 with E4M3 elements.
pub static MXFP8: Small = small(("mxfp8", "m8"), E4M3, Scaling::Mx, Dtype::F8_E4M3, MX);
/// MXFP6 with E2M3 elements.
pub static MXFP6: Small = small(("mxfp6", "m6"), E2M3, Scaling::Mx, Dtype::U8, MX);
/// MXFP4.
pub static MXFP4: Small = small(("mxfp4", "m4"), E2M1, Scaling::Mx, Dtype::U8, MX);
/// NVFP4.
pub static NVFP4: Small = small(("nvfp4", "n4"), E2M1, Scaling::Nv, Dtype::U8, NV);

impl Small {
    /// The granule of values whose largest magnitude is `most`.
    fn granule(&self, most: f32) -> Granule {
        let scale = match self.scaling {
            Scaling::Free => usable(most / self.element.most()),
            Scaling::Mx => {
                let exponent = exponent_of(most).clamp(-127, 127) - exponent_of(self.element.most());
                e8m0((exponent.max(-127) + 127) as u8)
            }
            // Rounded to what is stored once the tensor's unit is known, and so never 0.
            Scaling::Nv => most / self.element.most(),
        };
        Granule { scale, ..Granule::UNIT }
    }
}

impl Format for Small {
    fn id(&self) -> &'static str {
        self.id
    }
    fn code(&self) -> &'static str {
        self.code
    }
    fn bits(&self) -> f64 {
        f64::from(self.element.bits())
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
        self.scaling == Scaling::Free
    }
    fn block(&self) -> Option<usize> {
        match self.scaling {
            Scaling::Free => None,
            Scaling::Mx => Some(32),
            Scaling::Nv => Some(16),
        }
    }
    fn scale_type(&self, _: bool) -> Option<ScaleType> {
        Some(match self.scaling {
            Scaling::Free => ScaleType::F32,
            Scaling::Mx => ScaleType::E8m0,
            Scaling::Nv => ScaleType::E4m3,
        })
    }
    fn unit(&self, values: &[f32]) -> f32 {
        match self.scaling {
            Scaling::Nv => usable(largest_magnitude(values) / (self.element.most() * E4M3.most())),
            _ => 1.0,
        }
    }
    fn on_curve(&self) -> bool {
        self.source == FP8
    }
    fn source(&self) -> &'static str {
        self.source
    }
    fn fit(&self, values: &[f32], _: bool) -> Granule {
        self.granule(largest_magnitude(values))
    }
    fn shrink(&self, values: &[f32], _: bool, fraction: f32) -> Granule {
        self.granule(largest_magnitude(values) * fraction)
    }
    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        self.element.nearest(value / granule.scale)
    }
    fn passes(&self, value: f32, granule: &Granule) -> bool {
        (value / granule.scale).abs() <= self.element.most()
    }
    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        self.element.value(code) * granule.scale
    }
    fn level(&self, _: u32, _: &Granule) -> Option<i32> {
        None
    }
    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, self.element.bits())
    }
    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, self.element.bits(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What `tests/scripts/fp8_vectors.py` and `tools/golden/formats.py` wrote: the value of every code, and codes at and around
    /// every midpoint.
    fn vectors(text: &str, id: &str) -> (Vec<u32>, Vec<(u32, u32)>) {
        let all: Value = serde_json::from_str(text).unwrap();
        let hex = |v: &Value| u32::from_str_radix(v.as_str().unwrap(), 16).unwrap();
        let values = all[id]["values"].as_array().unwrap().iter().map(hex).collect();
        let rounded = all[id]["rounded"].as_array().unwrap();
        (values, rounded.iter().map(|pair| (hex(&pair[0]), hex(&pair[1]))).collect())
    }

    #[test]
    fn every_code_and_every_rounding_is_that_of_ml_dtypes() {
        let (eight, fewer) =
            (include_str!("../../tests/vectors/fp8.json"), include_str!("../../tests/vectors/fp6_fp4.json"));
        for (format, text) in
            [(&FP8_E4M3, eight), (&FP8_E5M2, eight), (&FP6_E2M3, fewer), (&FP6_E3M2, fewer), (&FP4_E2M1, fewer)]
        {
            let (values, rounded) = vectors(text, format.id);
            let element = format.element;
            let count = 1usize << element.bits();
            assert_eq!((values.len(), rounded.len() >= count * 2), (count, true), "{}", format.id);
            for (code, bits) in values.into_iter().enumerate() {
                let (found, wanted) = (element.value(code as u32), f32::from_bits(bits));
                assert!(found.to_bits() == bits || (found.is_nan() && wanted.is_nan()), "{} {code}", format.id);
                if wanted.is_finite() {
                    assert_eq!(element.nearest(wanted), code as u32, "{}", format.id);
                }
            }
            for (bits, code) in rounded {
                let value = f32::from_bits(bits);
                assert_eq!(element.nearest(value), code, "{} {value:e}", format.id);
                assert_eq!(element.nearest(-value), code | (count as u32 / 2), "{} -{value:e}", format.id);
            }
        }
    }

    #[test]
    fn what_lies_beyond_saturates_and_nan_stays_where_there_is_one() {
        for (format, most) in [(E4M3, 448.0), (E5M2, 57344.0), (E2M3, 7.5), (E3M2, 28.0), (E2M1, 6.0)] {
            for value in [most * 1.01, 1e30, f32::MAX, f32::INFINITY] {
                assert_eq!(format.value(format.nearest(value)), most);
                assert_eq!(format.value(format.nearest(-value)), -most);
            }
            let nan = format.value(format.nearest(f32::NAN));
            assert!(if format.bits() == 8 { nan.is_nan() } else { nan == 0.0 });
            assert_eq!(format.nearest(f32::MIN_POSITIVE), 0);
        }
    }

    #[test]
    fn the_scale_maps_the_largest_weight_to_the_largest_value() {
        for format in [&FP8_E4M3, &FP8_E5M2, &FP6_E2M3, &FP6_E3M2, &FP4_E2M1] {
            let values = [0.5, -0.41, 0.3, 0.0];
            let granule = format.fit(&values, true);
            assert_eq!(format.encode(0.5, &granule), format.element.largest);
            let error = |v: f32| (format.decode(format.encode(v, &granule), &granule) - v).abs();
            // Half a step of the mantissa, relative to the value.
            assert!(values.iter().all(|&v| error(v) <= v.abs() * power(-1 - format.element.mantissa as i32) * 1.001));
        }
    }

    /// Shared exponents, and values read back, as `tools/golden/formats.py` has them from ml_dtypes by the specification's rule.
    #[test]
    fn blocks_are_those_of_the_specification() {
        let text = include_str!("../../tests/vectors/blocks.json");
        let all: Value = serde_json::from_str(text).unwrap();
        let hex = |v: &Value| f32::from_bits(u32::from_str_radix(v.as_str().unwrap(), 16).unwrap());
        let list = |v: &Value| v.as_array().unwrap().iter().map(hex).collect::<Vec<f32>>();
        for format in [&MXFP8, &MXFP6, &MXFP4, &NVFP4] {
            let input = list(&all["input"]);
            let unit = format.unit(&input);
            let scales = list(&all[format.id]["scales"]);
            let (mut blocks, mut decoded) = (0, Vec::new());
            for (values, scale) in input.chunks(format.block().unwrap()).zip(&scales) {
                let granule = format.scale_type(true).unwrap().stored(format.fit(values, true), unit);
                assert_eq!(granule.scale, *scale, "{} block {blocks}", format.id);
                decoded.extend(values.iter().map(|&v| format.decode(format.encode(v, &granule), &granule)));
                blocks += 1;
            }
            assert_eq!(decoded.len(), input.len());
            let bytes: Vec<u8> = decoded.iter().flat_map(|v| v.to_le_bytes()).collect();
            let digest = all[format.id]["decoded_sha256"].as_str().unwrap();
            assert_eq!(crate::data::sha256_hex(&bytes), digest, "{}", format.id);
            assert!(blocks >= 16);
        }
    }
}
