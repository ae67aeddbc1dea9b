//! Blocks of GGML, as GGUF files hold them: 32 or 256 neighbouring inputs with their scale, byte for byte as the Python package
//! `gguf` writes them (its `quants` module; the same layouts as in ggml's C code).
//!
//! | | Scale d (f16) | Value of code q | Bytes |
//! |---|---|---|---|
//! | `q8_0` | largest magnitude / 127 | d · q | d, q₀ … q₃₁ |
//! | `q4_0` `q5_0` | value of largest magnitude / −2^(b−1) | d · (q − 2^(b−1)) | d, high bits (5 bits only), low halves |
//! | `q4_1` `q5_1` | (max − min) / (2^b − 1) | d · q + min | d, min (f16), the same |
//! | `tq2_0` | largest magnitude | d · (q − 1) | four codes to a byte, d |
//! | `tq1_0` | likewise | likewise | five codes to a byte, four to each of the last four, d |
//!
//! Values are encoded with 1 / d and min in f32, before those become f16.

use super::{Family, Format, Granule, pack_bits, unpack_bits};
use half::f16;

/// What the codes of a block mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Two's complement of eight bits.
    Whole,
    /// Around the middle code.
    Centred,
    /// From the minimum up.
    Minimum,
    /// −1, 0, 1, two bits each.
    TernaryTwoBits,
    /// −1, 0, 1, five to a byte.
    TernaryFives,
}

/// A format of blocks that hold their own scales.
pub struct Blocks {
    id: &'static str,
    code: &'static str,
    kind: Kind,
    /// Of a code in memory.
    bits: u32,
    /// Values of a block.
    pub values: usize,
}

const fn blocks(id: &'static str, code: &'static str, kind: Kind, bits: u32, values: usize) -> Blocks {
    Blocks { id, code, kind, bits, values }
}

/// 34 bytes for 32 values.
pub static Q8_0: Blocks = blocks("q8_0", "g80", Kind::Whole, 8, 32);
/// 24 bytes for 32 values.
pub static Q5_1: Blocks = blocks("q5_1", "g51", Kind::Minimum, 5, 32);
/// 22 bytes for 32 values.
pub static Q5_0: Blocks = blocks("q5_0", "g50", Kind::Centred, 5, 32);
/// 20 bytes for 32 values.
pub static Q4_1: Blocks = blocks("q4_1", "g41", Kind::Minimum, 4, 32);
/// 18 bytes for 32 values.
pub static Q4_0: Blocks = blocks("q4_0", "g40", Kind::Centred, 4, 32);
/// 66 bytes for 256 values.
pub static TQ2_0: Blocks = blocks("tq2_0", "gt2", Kind::TernaryTwoBits, 2, 256);
/// 54 bytes for 256 values.
pub static TQ1_0: Blocks = blocks("tq1_0", "gt1", Kind::TernaryFives, 2, 256);

/// Runs of a `tq1_0` block: (first value, bytes, codes to a byte). Code `j` of byte `i` is value first + j · bytes + i.
const FIVES: [(usize, usize, usize); 3] = [(0, 32, 5), (160, 16, 5), (240, 4, 4)];
/// Values that four bits of a byte each, or two, are taken from in turn.
const HALF: usize = 16;
const QUARTERS: usize = 32;

/// To the nearest whole number, halves away from zero.
fn round_away(value: f32) -> f32 {
    let magnitude = value.abs();
    let whole = magnitude.floor();
    (whole + (2.0 * (magnitude - whole)).floor()).copysign(value)
}

fn read_f16(bytes: &[u8]) -> Option<f32> {
    Some(f16::from_le_bytes(bytes.try_into().ok()?).to_f32())
}

impl Blocks {
    fn ternary(&self) -> bool {
        matches!(self.kind, Kind::TernaryTwoBits | Kind::TernaryFives)
    }

    /// The greatest code.
    fn highest(&self) -> u32 {
        if self.ternary() { 2 } else { (1 << self.bits) - 1 }
    }

    /// The code of zero, where there is no minimum.
    fn middle(&self) -> f32 {
        match self.kind {
            Kind::Whole | Kind::Minimum => 0.0,
            Kind::Centred => (1u32 << (self.bits - 1)) as f32,
            Kind::TernaryTwoBits | Kind::TernaryFives => 1.0,
        }
    }

    fn code_bytes(&self) -> usize {
        match self.kind {
            Kind::TernaryFives => FIVES.iter().map(|(_, bytes, _)| bytes).sum(),
            _ => self.values * self.bits as usize / 8,
        }
    }

    /// Bytes of the minimum.
    pub fn min_bytes(&self) -> usize {
        if self.kind == Kind::Minimum { 2 } else { 0 }
    }

    /// Bytes of a block.
    pub fn bytes(&self) -> usize {
        2 + self.min_bytes() + self.code_bytes()
    }

    /// The byte of a block that code `i` is read from; of five bits, the byte of the low four.
    pub fn place(&self, i: usize) -> usize {
        match self.kind {
            Kind::Whole => 2 + i,
            Kind::TernaryTwoBits => i / (4 * QUARTERS) * QUARTERS + i % QUARTERS,
            Kind::TernaryFives => {
                let mut at = 0;
                for (first, bytes, count) in FIVES {
                    if i < first + bytes * count {
                        at += (i - first) % bytes;
                        break;
                    }
                    at += bytes;
                }
                at
            }
            Kind::Centred | Kind::Minimum => self.bytes() - HALF + i % HALF,
        }
    }

    /// Appends the bytes of a block.
    pub fn write(&self, codes: &[u32], granule: &Granule, out: &mut Vec<u8>) {
        let half = |value: f32| f16::from_f32(value).to_le_bytes();
        if self.ternary() {
            self.write_ternary(codes, out);
            out.extend(half(granule.scale));
            return;
        }
        out.extend(half(granule.scale));
        if self.kind == Kind::Minimum {
            out.extend(half(granule.min));
        }
        if self.kind == Kind::Whole {
            out.extend(codes.iter().map(|&code| code as u8));
            return;
        }
        if self.bits == 5 {
            let high = codes.iter().enumerate().fold(0, |high, (i, code)| high | (code >> 4 & 1) << i);
            out.extend(high.to_le_bytes());
        }
        out.extend((0..HALF).map(|i| (codes[i] & 15 | (codes[i + HALF] & 15) << 4) as u8));
    }

    fn write_ternary(&self, codes: &[u32], out: &mut Vec<u8>) {
        if self.kind == Kind::TernaryTwoBits {
            for codes in codes.chunks(4 * QUARTERS) {
                out.extend((0..QUARTERS).map(|i| (0..4).fold(0, |b, j| b | codes[j * QUARTERS + i] << (2 * j)) as u8));
            }
            return;
        }
        for (first, bytes, count) in FIVES {
            for i in 0..bytes {
                let digits =
                    (0..5).fold(0, |sum, j| sum * 3 + if j < count { codes[first + j * bytes + i] } else { 0 });
                // The byte as a fraction of 256, so that multiplying by 3 carries the digits out one after another.
                out.push((digits * 256).div_ceil(243) as u8);
            }
        }
    }

    /// The granule of a block, whose codes are appended; `None` when there are too few bytes.
    pub fn read(&self, bytes: &[u8], codes: &mut Vec<u32>) -> Option<Granule> {
        if bytes.len() != self.bytes() {
            return None;
        }
        let granule = |scale, min| Granule { scale, min, ..Granule::UNIT };
        if self.ternary() {
            let (stored, scale) = bytes.split_at(self.code_bytes());
            self.read_ternary(stored, codes);
            return Some(granule(read_f16(scale)?, 0.0));
        }
        let (scale, rest) = bytes.split_at(2);
        let (min, rest) = rest.split_at(self.min_bytes());
        let min = if min.is_empty() { 0.0 } else { read_f16(min)? };
        if self.kind == Kind::Whole {
            codes.extend(rest.iter().map(|&byte| u32::from(byte)));
        } else {
            let (high, low) = rest.split_at(rest.len() - HALF);
            let high = high.try_into().map_or(0, u32::from_le_bytes);
            let code = |i: usize| u32::from(low[i % HALF] >> (i / HALF * 4) & 15) | (high >> i & 1) << 4;
            codes.extend((0..self.values).map(code));
        }
        Some(granule(read_f16(scale)?, min))
    }

    fn read_ternary(&self, stored: &[u8], codes: &mut Vec<u32>) {
        if self.kind == Kind::TernaryTwoBits {
            for bytes in stored.chunks(QUARTERS) {
                // Two bits hold a fourth code that no writer makes; it is taken for the third.
                codes.extend((0..4).flat_map(|j| bytes.iter().map(move |byte| u32::from(byte >> (2 * j) & 3).min(2))));
            }
            return;
        }
        let mut rest = stored;
        for (_, bytes, count) in FIVES {
            let (own, others) = rest.split_at(bytes);
            let digit = |byte: u8, j: usize| (u32::from(byte.wrapping_mul(3u8.pow(j as u32))) * 3) >> 8;
            codes.extend((0..count).flat_map(|j| own.iter().map(move |&byte| digit(byte, j))));
            rest = others;
        }
    }
}

impl Format for Blocks {
    fn id(&self) -> &'static str {
        self.id
    }
    fn code(&self) -> &'static str {
        self.code
    }
    fn bits(&self) -> f64 {
        8.0 * self.code_bytes() as f64 / self.values as f64
    }
    fn levels(&self) -> Option<u32> {
        Some(self.highest() + 1)
    }
    fn family(&self) -> Family {
        Family::Block
    }
    fn block(&self) -> Option<usize> {
        Some(self.values)
    }
    fn blocks(&self) -> Option<&Blocks> {
        Some(self)
    }
    fn source(&self) -> &'static str {
        "ggml-org, GGUF block types; gguf.quants 0.19"
    }
    fn fit(&self, values: &[f32], symmetric: bool) -> Granule {
        self.shrink(values, symmetric, 1.0)
    }
    fn shrink(&self, values: &[f32], _: bool, fraction: f32) -> Granule {
        let mut largest = 0.0f32;
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for &value in values {
            // The first of equals, and the sign of a zero, decide the sign of the scale.
            if value.abs() > largest.abs() || (largest == 0.0 && low == f32::INFINITY) {
                largest = value;
            }
            (low, high) = (low.min(value), high.max(value));
        }
        let scale = match self.kind {
            Kind::Whole => largest.abs() / 127.0,
            Kind::Centred => largest / -self.middle(),
            Kind::Minimum => (high - low) / self.highest() as f32,
            Kind::TernaryTwoBits | Kind::TernaryFives => largest.abs(),
        } * fraction;
        let min = if self.kind == Kind::Minimum { low * fraction } else { 0.0 };
        let exact = [if scale == 0.0 { 0.0 } else { 1.0 / scale }, min];
        let half = |value: f32| f16::from_f32(value).to_f32();
        Granule { scale: half(scale), min: half(min), exact, ..Granule::UNIT }
    }
    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        let [inverse, min] = granule.exact;
        let (middle, highest) = (self.middle(), self.highest());
        match self.kind {
            Kind::Whole => round_away(value * inverse).clamp(-127.0, 127.0) as i32 as u32 & 0xff,
            // `as` cuts the fraction off and keeps what is below 0 at 0.
            Kind::Centred => ((value * inverse + (middle + 0.5)) as u32).min(highest),
            Kind::Minimum => (((value - min) * inverse + 0.5) as u32).min(highest),
            Kind::TernaryTwoBits | Kind::TernaryFives => (round_away(value * inverse).clamp(-1.0, 1.0) + middle) as u32,
        }
    }
    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        let whole = if self.kind == Kind::Whole { f32::from(code as u8 as i8) } else { code as f32 - self.middle() };
        let product = granule.scale * whole;
        if self.kind == Kind::Minimum { product + granule.min } else { product }
    }
    fn level(&self, _: u32, _: &Granule) -> Option<i32> {
        None
    }
    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, self.bits)
    }
    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, self.bits, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FORMATS, PackedTensor};
    use crate::tensor::{Shape, Tensor};
    use serde_json::Value;

    fn bytes(v: &Value) -> Vec<u8> {
        let text = v.as_str().unwrap();
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    fn floats(v: &Value) -> Vec<f32> {
        let bits = |v: &Value| f32::from_bits(u32::from_str_radix(v.as_str().unwrap(), 16).unwrap());
        v.as_array().unwrap().iter().map(bits).collect()
    }

    /// Bytes and decoded values (as f32 in little-endian bytes) that `tools/golden/formats.py` had from `gguf.quants`.
    #[test]
    fn blocks_are_those_of_gguf_byte_for_byte() {
        let all: Value = serde_json::from_str(include_str!("../../tests/vectors/blocks.json")).unwrap();
        let input = floats(&all["input"]);
        let formats: Vec<_> = FORMATS.iter().filter(|format| format.blocks().is_some()).collect();
        assert_eq!(formats.len(), 7);
        for format in formats {
            let blocks = format.blocks().unwrap();
            let granules: Vec<Granule> = input.chunks(blocks.values).map(|values| format.fit(values, true)).collect();
            let tensor = Tensor::new(Shape::new(&[input.len() / 256, 256]).unwrap(), input.clone()).unwrap();
            let packed = PackedTensor::new(*format, &tensor, granules).unwrap();
            let parts = packed.parts();
            assert_eq!(parts[0].bytes, bytes(&all[format.id()]["bytes"]), "{}", format.id());
            let stored = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
            let decoded = packed.decode().unwrap();
            let digest = crate::data::sha256_hex(&stored(decoded.data()));
            assert_eq!(digest, all[format.id()]["decoded_sha256"].as_str().unwrap(), "{}", format.id());
            let again = PackedTensor::read(*format, tensor.shape().clone(), packed.group(), false, None, |_| {
                Some(&parts[0].bytes)
            });
            assert_eq!(stored(again.unwrap().0.decode().unwrap().data()), stored(decoded.data()), "{}", format.id());
        }
    }

    #[test]
    fn bits_per_weight_are_the_published_ones() {
        let published =
            [(&Q8_0, 8.5), (&Q5_1, 6.0), (&Q5_0, 5.5), (&Q4_1, 5.0), (&Q4_0, 4.5), (&TQ2_0, 2.0625), (&TQ1_0, 1.6875)];
        for (format, bits) in published {
            assert_eq!(8.0 * format.bytes() as f64 / format.values as f64, bits, "{}", format.id);
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        let values = [0.5, -0.5, 1.5, 2.5, -2.5, 0.499_999_97, -0.0];
        assert_eq!(values.map(round_away), [1.0, -1.0, 2.0, 3.0, -3.0, 0.0, 0.0]);
    }
}
