//! Eight-lane vectors: eight images side by side, one in each lane.
//!
//! Three leaves give the same results bit for bit: `wasm` (two v128), `native` (x86-64: SSE2, or AVX
//! where the build enables it) and `portable` (arrays). A multiply and an add are two roundings; there is
//! no fused multiply-add anywhere.

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod leaf {
    pub use super::portable::{
        F32x8, I8Burst, I8Quads, I8Split, I16Pairs, I32x8, add_centers, field, quads_to_pairs, transpose_four,
    };
}
#[cfg(target_arch = "x86_64")]
#[path = "native.rs"]
mod leaf;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[path = "wasm.rs"]
mod leaf;
mod offsets;
pub mod portable;
mod transpose;
mod walk;
pub mod words;

use leaf::transpose_four;
pub use leaf::{F32x8, I8Burst, I8Quads, I8Split, I16Pairs, I32x8, add_centers, field, quads_to_pairs};

/// Whether [`I8Quads`] is one instruction: WebAssembly's relaxed dot, which is exact for the operands it is given here.
pub const RELAXED_DOT: bool = cfg!(all(target_arch = "wasm32", target_feature = "relaxed-simd"));

/// Whether [`I8Quads`] is exact here for every byte as the second factor, read as unsigned. WebAssembly leaves open what its
/// relaxed dot makes of bytes past 127; x86-64 machines with VNNI give the exact sum (Intel's `VPDPBUSD`), those without saturate
/// on the way, and others read the byte as signed. So all pairs of bytes are tried once.
pub fn whole_bytes() -> bool {
    static EXACT: OnceLock<bool> = OnceLock::new();
    *EXACT.get_or_init(|| {
        let word = |byte: u32| (byte * 0x0101_0101).cast_signed();
        (0..=255).all(|second: u32| {
            (0..=255).step_by(LANES).all(|first: u32| {
                let bytes: [u32; LANES] = std::array::from_fn(|lane| first + lane as u32);
                let found =
                    I8Quads::splat(0).add_product(I8Quads::load(&bytes.map(word)), I8Quads::splat(word(second)));
                found.sums().to_array() == bytes.map(|byte| 4 * i32::from(byte as u8 as i8) * second.cast_signed())
            })
        })
    })
}
pub use offsets::{Apart, Offsets, Picks, visit_apart};
use std::sync::OnceLock;
pub use transpose::{from_lanes, to_lanes};
pub use walk::side_by_side;

/// Lanes in a vector, and so images in a block.
pub const LANES: usize = 8;

/// Accumulators of one [`LANES`]-wide vector that stay in registers: AVX has sixteen registers of
/// eight lanes; SSE2 and WebAssembly need two registers a vector (V8 leaves about fifteen).
pub const ACCUMULATORS: usize = if cfg!(all(target_arch = "x86_64", target_feature = "avx")) { 8 } else { 4 };

/// A number that fills a lane.
pub trait Scalar: Copy + Default + PartialEq + Send + Sync + 'static {
    /// Whether the kernels that are generic in their numbers take several rows at once. Plain integers go one by one: their
    /// layers (past 16 bits) are too rare to be worth the code.
    const TILED: bool;
}

impl Scalar for f32 {
    const TILED: bool = true;
}

impl Scalar for i32 {
    const TILED: bool = false;
}

/// What a kernel needs of a vector of [`LANES`] lanes.
pub trait Lane: Copy {
    /// One lane.
    type Scalar: Scalar;
    /// All lanes equal to `value`.
    fn splat(value: Self::Scalar) -> Self;
    /// Lanes from memory.
    fn load(from: &[Self::Scalar; LANES]) -> Self;
    /// Lanes to memory.
    fn store(self, to: &mut [Self::Scalar; LANES]);
    /// Lane-wise sum (wrapping for integers; callers keep sums in range).
    fn add(self, rhs: Self) -> Self;
    /// Lane-wise product (wrapping for integers).
    fn mul(self, rhs: Self) -> Self;
    /// `self + a · b`: as [`Lane::mul`] and [`Lane::add`] give it, unless one exact instruction does both.
    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        self.add(a.mul(b))
    }
    /// A total and what was summed apart from it, as [`Dot::BURSTS`] says; elsewhere their sum.
    #[inline(always)]
    fn absorb(self, part: Self) -> Self {
        self.add(part)
    }
    /// The lanes as an array.
    fn to_array(self) -> [Self::Scalar; LANES] {
        let mut out = [Self::Scalar::default(); LANES];
        self.store(&mut out);
        out
    }
}

/// Sums of several small integer products in each lane: a lane of an operand holds [`Dot::GROUP`] neighbouring codes, and a
/// product of two operands is the exact sum of theirs in 32 bits.
pub trait Dot: Lane<Scalar = i32> {
    /// Codes in a lane's 32 bits, first in the low bits: four of 8 bits, or two of 16.
    const GROUP: usize;
    /// Whether products are summed in 16 bits, two sums a lane, until [`Lane::absorb`] adds them to a total of 32. No sum of
    /// such a burst may pass 16 bits.
    const BURSTS: bool = false;
    /// The sums.
    fn sums(self) -> I32x8;
    /// Joins the first [`Dot::GROUP`] of these lane by lane. They must fit the group's bits.
    fn join(codes: [I32x8; 4]) -> I32x8;
}

/// The sum of eight lanes in the one order used everywhere: `((0+4)+(2+6)) + ((1+5)+(3+7))`.
pub fn sum_lanes(v: [f32; LANES]) -> f32 {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn integer_sums_of_every_leaf_equal_the_portable_ones() {
        let mut rng = Rng::stream(2, "simd", 0);
        for round in 0..500 {
            // The ends of the ranges first: nothing saturates, nothing wraps.
            let mut draw = |low: i32, high: i32| match round {
                0 => low,
                1 => high,
                _ => low + rng.below((high - low + 1) as u64) as i32,
            };
            let pack = |codes: &[i32], bits: u32| {
                let mask = u32::MAX >> (32 - bits);
                codes.iter().rev().fold(0u32, |word, &code| (word << (bits % 32)) | (code as u32 & mask)) as i32
            };
            let start = draw(-1 << 24, 1 << 24);
            let (a, b): (Vec<i32>, Vec<i32>) = (0..32).map(|_| (draw(-128, 127), draw(0, 127))).unzip();
            let words = |codes: &[i32], group: usize| -> [i32; LANES] {
                std::array::from_fn(|lane| pack(&codes[lane * group..][..group], 32 / group as u32))
            };
            let found = I8Quads::splat(start).add_product(I8Quads::load(&words(&a, 4)), I8Quads::load(&words(&b, 4)));
            let exact: [i32; LANES] =
                std::array::from_fn(|lane| start + (0..4).map(|i| a[lane * 4 + i] * b[lane * 4 + i]).sum::<i32>());
            assert_eq!(found.sums().to_array(), exact);
            let (left, right) = (words(&a, 4), words(&b, 4));
            let found = I8Split::splat(start).add_product(I8Split::load(&left), I8Split::load(&right));
            assert_eq!(found.sums().to_array(), exact);
            let small = a.iter().map(|v| v / 2).collect::<Vec<i32>>();
            let left = words(&small, 4);
            let product = |sum: I8Burst| sum.add_product(I8Burst::load(&left), I8Burst::load(&right));
            let found = I8Burst::splat(start).absorb(product(product(I8Burst::splat(0))));
            let twice: [i32; LANES] = std::array::from_fn(|lane| {
                start + (0..4).map(|i| 2 * small[lane * 4 + i] * b[lane * 4 + i]).sum::<i32>()
            });
            assert_eq!(found.sums().to_array(), twice);
            let (a, b): (Vec<i32>, Vec<i32>) = (0..16).map(|_| (draw(-32767, 32767), draw(-32767, 32767))).unzip();
            let (a, b) = (words(&a, 2), words(&b, 2));
            let found = I16Pairs::splat(1).add_product(I16Pairs::load(&a), I16Pairs::load(&b));
            let there = portable::I16Pairs::splat(1);
            let there = there.add_product(portable::I16Pairs::load(&a), portable::I16Pairs::load(&b));
            assert_eq!(found.sums().to_array(), there.to_array());
            // Codes by themselves wrap in their 16 bits and leave their neighbours alone.
            let (x, y) = (I16Pairs::load(&a), I16Pairs::load(&b));
            let codes = |of: fn(i16, i16) -> i16| -> [i32; LANES] {
                std::array::from_fn(|lane| {
                    let code = |i: u32| of((a[lane] >> (16 * i)) as i16, (b[lane] >> (16 * i)) as i16);
                    pack(&[code(0).into(), code(1).into()], 16)
                })
            };
            assert_eq!(x.code_sums(y).to_array(), codes(i16::wrapping_add));
            assert_eq!(x.code_differences(y).to_array(), codes(i16::wrapping_sub));
            let (p, q) = (portable::I16Pairs::load(&a), portable::I16Pairs::load(&b));
            assert_eq!(p.code_sums(q).to_array(), codes(i16::wrapping_add));
            assert_eq!(p.code_differences(q).to_array(), codes(i16::wrapping_sub));
            let bytes = |of: fn(u8, u8) -> u8| -> [i32; LANES] {
                std::array::from_fn(|lane| {
                    let (a, b) = (a[lane].to_le_bytes(), b[lane].to_le_bytes());
                    i32::from_le_bytes(std::array::from_fn(|i| of(a[i], b[i])))
                })
            };
            let (p, q) = (I8Quads::load(&a), I8Quads::load(&b));
            assert_eq!(p.code_sums(q).to_array(), bytes(u8::wrapping_add));
            assert_eq!(p.code_differences(q).to_array(), bytes(u8::wrapping_sub));
            let differences = I32x8::load(&a).minus(I32x8::load(&b));
            assert_eq!(differences.to_array(), std::array::from_fn(|i| a[i].wrapping_sub(b[i])));
            assert_eq!(differences.quarter().to_array(), differences.to_array().map(|v| v.div_euclid(4)));
        }
    }

    #[test]
    fn codes_of_every_leaf_are_those_of_the_scalar_rule() {
        let mut rng = Rng::stream(3, "simd", 0);
        for round in 0..500 {
            let mut x: [f32; LANES] = std::array::from_fn(|_| rng.uniform(-3.0, 3.0));
            if round % 3 == 0 {
                x = x.map(|v| (v * 64.0).round() / 64.0);
            }
            x[round % 8] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e30, 0.125, -0.375][round % 7];
            let (scale, low, high) = ([0.25, 0.013, 1e-6, 700.0][round % 4], -(round as f32 % 129.0), 127.0);
            let scalar = x.map(|v| crate::math::round_ties_even((v / scale).clamp(low, high)) as i32);
            assert_eq!(F32x8::load(&x).codes(scale, low, high).to_array(), scalar, "{x:?} {scale} {low}");
            let c: [I32x8; 4] = std::array::from_fn(|i| I32x8::load(&scalar.map(|v| (v + i as i32).clamp(-128, 127))));
            let quads = I8Quads::join(c).to_array();
            let pairs = I16Pairs::join(c).to_array();
            for lane in 0..LANES {
                assert_eq!(quads[lane].to_le_bytes().map(|b| i32::from(b as i8)), c.map(|c| c.to_array()[lane]));
                assert_eq!([pairs[lane] << 16 >> 16, pairs[lane] >> 16], [0, 1].map(|i| c[i].to_array()[lane]));
            }
            assert_eq!(I32x8::load(&scalar).any_negative(), scalar.iter().any(|&v| v < 0));
            assert_eq!(I32x8::load(&scalar).to_f32().to_array(), scalar.map(|v| v as f32));
            let bytes: [i8; 16] = std::array::from_fn(|i| (i * 37 + round) as i8);
            let centers: [i16; 8] = std::array::from_fn(|i| (i * 91) as i16 - 300);
            let (mut here, mut there) = ([0; 8], [0; 8]);
            let words = field(&bytes, 0, 255, &[0; 16]);
            add_centers(&words, &centers, &mut here);
            portable::add_centers(&words, &centers, &mut there);
            assert_eq!(here, there);
            for (shift, mask) in [(0, 15), (4, 15), (0, 3), (2, 3), (6, 3), (0, 255)] {
                let centers: [i8; 16] = std::array::from_fn(|i| -(i as i8));
                assert_eq!(field(&bytes, shift, mask, &centers), portable::field(&bytes, shift, mask, &centers));
            }
        }
    }

    #[test]
    fn every_leaf_equals_the_portable_one() {
        let mut rng = Rng::stream(1, "simd", 0);
        for _ in 0..1000 {
            let a: [f32; 8] = std::array::from_fn(|_| rng.uniform(-3.0, 3.0));
            let b: [f32; 8] = std::array::from_fn(|_| rng.uniform(-3.0, 3.0));
            let here = F32x8::load(&a).mul(F32x8::load(&b)).add(F32x8::splat(a[0]));
            let there = portable::F32x8::load(&a).mul(portable::F32x8::load(&b)).add(portable::F32x8::splat(a[0]));
            assert_eq!(here.to_array().map(f32::to_bits), there.to_array().map(f32::to_bits));
            let c = a;
            // Ties of zeros and NaN on either side must go the same way too.
            let special = [f32::NAN, -0.0, 0.0, -f32::NAN, f32::INFINITY, 0.0, -0.0, f32::NEG_INFINITY];
            let mix =
                |v: [f32; 8], draw: u64| std::array::from_fn(|i| if draw >> i & 1 == 1 { special[i] } else { v[i] });
            let (a, b) = (mix(a, rng.next_u64()), mix(b.map(|v| v * 0.5), rng.next_u64()));
            let (x, y) = (F32x8::load(&a), F32x8::load(&b));
            let (p, q) = (portable::F32x8::load(&a), portable::F32x8::load(&b));
            assert_eq!(x.pick_max(y).to_array().map(f32::to_bits), p.pick_max(q).to_array().map(f32::to_bits));
            assert_eq!(x.pick_min(y).to_array().map(f32::to_bits), p.pick_min(q).to_array().map(f32::to_bits));
            let (r, t) = (F32x8::load(&c), portable::F32x8::load(&c));
            assert_eq!(r.sum().to_bits(), sum_lanes(c).to_bits());
            let canonical = |v: f32| crate::math::canonical_nan(v).to_bits();
            let (root, other) = (r.minus(F32x8::splat(a[1])).sqrt(), t.minus(portable::F32x8::splat(a[1])).sqrt());
            assert_eq!(root.to_array().map(canonical), other.to_array().map(canonical));
            let (kept, other) = (r.where_less(y, x), t.where_less(q, p));
            assert_eq!(kept.to_array().map(f32::to_bits), other.to_array().map(f32::to_bits));
            let (kept, other) = (r.where_equal(y, x), t.where_equal(q, p));
            assert_eq!(kept.to_array().map(f32::to_bits), other.to_array().map(f32::to_bits));
            let (kept, other) = (r.where_unequal(y, x), t.where_unequal(q, p));
            assert_eq!(kept.to_array().map(f32::to_bits), other.to_array().map(f32::to_bits));
            assert_eq!(x.over(y).to_array().map(canonical), p.over(q).to_array().map(canonical));
            let (c, d) = (a.map(|v| (v * 9e4) as i32), b.map(|v| (v * 7e4) as i32));
            let here = I32x8::load(&c).mul(I32x8::load(&d)).add(I32x8::splat(c[3]));
            let there = portable::I32x8::load(&c).mul(portable::I32x8::load(&d)).add(portable::I32x8::splat(c[3]));
            assert_eq!(here.to_array(), there.to_array());
        }
    }
}
