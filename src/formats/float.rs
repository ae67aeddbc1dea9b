//! FP32, FP16 and BF16: IEEE 754 binary32 and binary16, and the upper half of binary32. Conversions by the `half`
//! crate, to nearest even.

use super::{Family, Format, Granule, pack_bits, unpack_bits};
use half::{bf16, f16};

/// IEEE 754 binary32: the baseline.
pub struct Fp32;
/// IEEE 754 binary16: 5 exponent bits, 10 mantissa bits.
pub struct Fp16;
/// bfloat16: 8 exponent bits, 7 mantissa bits.
pub struct Bf16;

macro_rules! float_format {
    ($name:ident, $id:literal, $code:literal, $bits:literal, $dtype:ident, $source:literal, $encode:expr, $decode:expr) => {
        impl Format for $name {
            fn id(&self) -> &'static str {
                $id
            }
            fn code(&self) -> &'static str {
                $code
            }
            fn bits(&self) -> f64 {
                f64::from($bits)
            }
            fn levels(&self) -> Option<u32> {
                None
            }
            fn dtype(&self) -> safetensors::Dtype {
                safetensors::Dtype::$dtype
            }
            fn family(&self) -> Family {
                Family::Float
            }
            fn source(&self) -> &'static str {
                $source
            }
            fn fit(&self, _: &[f32], _: bool) -> Granule {
                Granule::UNIT
            }
            fn shrink(&self, _: &[f32], _: bool, _: f32) -> Granule {
                Granule::UNIT
            }
            fn encode(&self, value: f32, _: &Granule) -> u32 {
                $encode(value)
            }
            fn decode(&self, code: u32, _: &Granule) -> f32 {
                $decode(code)
            }
            fn level(&self, _: u32, _: &Granule) -> Option<i32> {
                None
            }
            fn pack(&self, codes: &[u32]) -> Vec<u8> {
                pack_bits(codes, $bits)
            }
            fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
                unpack_bits(bytes, $bits, count)
            }
        }
    };
}

float_format!(Fp32, "fp32", "f32", 32u32, F32, "IEEE 754-2019 binary32", f32::to_bits, f32::from_bits);
float_format!(
    Fp16,
    "fp16",
    "f16",
    16u32,
    F16,
    "IEEE 754-2019 binary16",
    |value| u32::from(f16::from_f32(value).to_bits()),
    |code| f16::from_bits(code as u16).to_f32()
);
float_format!(
    Bf16,
    "bf16",
    "b16",
    16u32,
    BF16,
    "Kalamkar et al. 2019, arXiv 1905.12322",
    |value| u32::from(bf16::from_f32(value).to_bits()),
    |code| bf16::from_bits(code as u16).to_f32()
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Nearest-even conversion of a normal-range value, computed with integers instead of by `half`.
    fn bf16_by_hand(value: f32) -> u32 {
        let bits = value.to_bits();
        let (kept, rest) = (bits >> 16, bits & 0xffff);
        kept + u32::from(rest > 0x8000 || (rest == 0x8000 && kept & 1 == 1))
    }

    #[test]
    fn bf16_rounds_to_nearest_even() {
        for bits in (0x3000_0000u32..0x4800_0000).step_by(12_345) {
            let value = f32::from_bits(bits);
            assert_eq!(Bf16.encode(value, &Granule::UNIT), bf16_by_hand(value));
        }
    }

    #[test]
    fn fp16_known_codes() {
        let encode = |value| Fp16.encode(value, &Granule::UNIT);
        assert_eq!(encode(1.0), 0x3c00);
        assert_eq!(encode(65504.0), 0x7bff);
        assert_eq!(encode(1e6), 0x7c00);
        assert_eq!(encode(5.960_464_5e-8), 0x0001);
        assert_eq!(Fp16.decode(0xc000, &Granule::UNIT), -2.0);
    }
}
