//! The plain leaf: arrays. What the other leaves are tested against.

use super::{Dot, LANES, Lane, Scalar};
use crate::math::round_ties_even;

/// Eight f32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct F32x8([f32; LANES]);

/// Eight i32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct I32x8([i32; LANES]);

/// Eight lanes of two i16; sums and products as [`Dot`] says.
#[derive(Clone, Copy, Debug)]
pub struct I16Pairs([i32; LANES]);

/// Eight lanes of four bytes, the first factor signed, the second unsigned; sums and products as [`Dot`] says.
#[derive(Clone, Copy, Debug)]
pub struct I8Quads([i32; LANES]);

impl F32x8 {
    /// `round(clamp(x / scale, low, high))`, halves to even; NaN gives 0. `low` ≤ 0 ≤ `high`, both below 2^22.
    #[inline(always)]
    pub fn codes(self, scale: f32, low: f32, high: f32) -> super::I32x8 {
        super::I32x8::load(&self.0.map(|x| round_ties_even((x / scale).clamp(low, high)) as i32))
    }
}

impl I32x8 {
    /// Whether any lane is below zero.
    #[inline(always)]
    pub fn any_negative(self) -> bool {
        self.0.iter().fold(0, |or, v| or | v) < 0
    }
    /// Lane-wise or of all bits.
    #[inline(always)]
    pub fn or(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | rhs.0[i]))
    }
    /// Lane-wise difference, wrapping.
    #[inline(always)]
    pub fn minus(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].wrapping_sub(rhs.0[i])))
    }
    /// Eight codes of 8 bits.
    #[inline(always)]
    pub fn from_bytes(codes: &[i8; LANES]) -> Self {
        Self(codes.map(i32::from))
    }
    /// The lanes in 8 bits each, which they must fit.
    #[inline(always)]
    pub fn to_bytes(self, codes: &mut [i8; LANES]) {
        *codes = self.0.map(|code| code as i8);
    }
    /// A quarter, rounded down.
    #[inline(always)]
    pub fn quarter(self) -> Self {
        Self(self.0.map(|v| v >> 2))
    }
    /// The nearest f32, halves to even.
    #[inline(always)]
    pub fn to_f32(self) -> super::F32x8 {
        super::F32x8::load(&self.0.map(|v| v as f32))
    }
}

/// `((byte >> shift) & mask) + center` of sixteen bytes, wrapping, four in a word, first in the low bits.
#[inline(always)]
pub fn field(bytes: &[i8; 16], shift: u32, mask: u8, centers: &[i8; 16]) -> [i32; 4] {
    let code = |i: usize| ((bytes[i] as u8 >> shift) & mask).wrapping_add(centers[i] as u8);
    std::array::from_fn(|word| i32::from_le_bytes(std::array::from_fn(|i| code(4 * word + i))))
}

/// Widens sixteen i8, four in a word, to i16 and adds `centers`, which repeat after eight. Two i16 share a word, first in the low bits.
#[inline(always)]
pub fn add_centers(bytes: &[i32; 4], centers: &[i16; 8], out: &mut [i32; LANES]) {
    for (i, out) in out.iter_mut().enumerate() {
        let code =
            |j: usize| i16::from((bytes[i / 2] >> (16 * (i % 2) + 8 * j)) as i8).wrapping_add(centers[(2 * i + j) % 8]);
        *out = i32::from(code(0) as u16) | (i32::from(code(1)) << 16);
    }
}

macro_rules! dot {
    ($vector:ident, $narrow:ty, $second:ty, $group:expr) => {
        impl Lane for $vector {
            type Scalar = i32;
            #[inline(always)]
            fn splat(value: i32) -> Self {
                Self([value; LANES])
            }
            #[inline(always)]
            fn load(from: &[i32; LANES]) -> Self {
                Self(*from)
            }
            #[inline(always)]
            fn store(self, to: &mut [i32; LANES]) {
                *to = self.0;
            }
            #[inline(always)]
            fn add(self, rhs: Self) -> Self {
                Self(std::array::from_fn(|i| self.0[i].wrapping_add(rhs.0[i])))
            }
            #[inline(always)]
            fn mul(self, rhs: Self) -> Self {
                const BITS: u32 = 32 / $group;
                let product = |a: i32, b: i32, i: u32| {
                    i32::from((a >> (i * BITS)) as $narrow) * i32::from((b >> (i * BITS)) as $second)
                };
                let product = |a, b| (0..$group).map(|i| product(a, b, i)).fold(0, i32::wrapping_add);
                Self(std::array::from_fn(|lane| product(self.0[lane], rhs.0[lane])))
            }
        }

        impl Dot for $vector {
            const GROUP: usize = $group as usize;
            #[inline(always)]
            fn sums(self) -> super::I32x8 {
                super::I32x8::load(&self.0)
            }
            #[inline(always)]
            fn join(codes: [super::I32x8; 4]) -> super::I32x8 {
                const BITS: u32 = 32 / $group;
                let mut words = [0; LANES];
                for (i, codes) in codes.into_iter().enumerate().take($group as usize) {
                    let i = i as u32;
                    for (word, code) in words.iter_mut().zip(codes.to_array()) {
                        *word |=
                            i32::from(code as $narrow) << (i * BITS) & ((u32::MAX >> (32 - BITS)) << (i * BITS)) as i32;
                    }
                }
                super::I32x8::load(&words)
            }
        }
    };
}

/// As [`I8Quads`]: there is one way here.
pub use self::I8Quads as I8Split;

/// Eight lanes of four i8 whose products are summed in two times 16 bits; see [`Dot::BURSTS`].
#[derive(Clone, Copy, Debug)]
pub struct I8Burst([i32; LANES]);

impl I8Burst {
    fn halves(word: i32) -> [i16; 2] {
        [word as i16, (word >> 16) as i16]
    }
}

impl Lane for I8Burst {
    type Scalar = i32;
    #[inline(always)]
    fn splat(value: i32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn load(from: &[i32; LANES]) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn store(self, to: &mut [i32; LANES]) {
        *to = self.0;
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        let sum = |a: i16, b: i16| {
            debug_assert!(a.checked_add(b).is_some(), "a burst passes 16 bits");
            a.wrapping_add(b)
        };
        Self(std::array::from_fn(|lane| {
            let ([a, b], [c, d]) = (Self::halves(self.0[lane]), Self::halves(rhs.0[lane]));
            i32::from(sum(a, c)) & 0xffff | i32::from(sum(b, d)) << 16
        }))
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        let code = |word: i32, i: u32| i32::from((word >> (8 * i)) as i8);
        Self(std::array::from_fn(|lane| {
            let product = |i| code(self.0[lane], i) * code(rhs.0[lane], i);
            (product(0) + product(1)) & 0xffff | (product(2) + product(3)) << 16
        }))
    }
    #[inline(always)]
    fn absorb(self, part: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            self.0[lane].wrapping_add(Self::halves(part.0[lane]).map(i32::from).iter().sum())
        }))
    }
}

impl Dot for I8Burst {
    const GROUP: usize = 4;
    const BURSTS: bool = true;
    #[inline(always)]
    fn sums(self) -> super::I32x8 {
        super::I32x8::load(&self.0)
    }
    #[inline(always)]
    fn join(codes: [super::I32x8; 4]) -> super::I32x8 {
        I8Quads::join(codes)
    }
}

impl I8Quads {
    fn of_codes(self, rhs: Self, code: impl Fn(u8, u8) -> u8) -> Self {
        Self(std::array::from_fn(|lane| {
            let (a, b) = (self.0[lane].to_le_bytes(), rhs.0[lane].to_le_bytes());
            i32::from_le_bytes(std::array::from_fn(|i| code(a[i], b[i])))
        }))
    }
    /// The sums of the codes themselves, each wrapping in its 8 bits.
    #[inline(always)]
    pub fn code_sums(self, rhs: Self) -> Self {
        self.of_codes(rhs, u8::wrapping_add)
    }
    /// The differences of the codes themselves, each wrapping in its 8 bits.
    #[inline(always)]
    pub fn code_differences(self, rhs: Self) -> Self {
        self.of_codes(rhs, u8::wrapping_sub)
    }
}

impl I16Pairs {
    fn of_codes(self, rhs: Self, code: impl Fn(i16, i16) -> i16) -> Self {
        let halves = |word: i32| [word as i16, (word >> 16) as i16];
        Self(std::array::from_fn(|lane| {
            let ([a, b], [c, d]) = (halves(self.0[lane]), halves(rhs.0[lane]));
            i32::from(code(a, c) as u16) | i32::from(code(b, d)) << 16
        }))
    }
    /// The sums of the codes themselves, each wrapping in its 16 bits.
    #[inline(always)]
    pub fn code_sums(self, rhs: Self) -> Self {
        self.of_codes(rhs, i16::wrapping_add)
    }
    /// The differences of the codes themselves, each wrapping in its 16 bits.
    #[inline(always)]
    pub fn code_differences(self, rhs: Self) -> Self {
        self.of_codes(rhs, i16::wrapping_sub)
    }
}

dot!(I16Pairs, i16, i16, 2u32);
dot!(I8Quads, i8, u8, 4u32);

impl Lane for F32x8 {
    type Scalar = f32;
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + rhs.0[i]))
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * rhs.0[i]))
    }
}

impl Lane for I32x8 {
    type Scalar = i32;
    #[inline(always)]
    fn splat(value: i32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn load(from: &[i32; LANES]) -> Self {
        Self(*from)
    }
    #[inline(always)]
    fn store(self, to: &mut [i32; LANES]) {
        *to = self.0;
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].wrapping_add(rhs.0[i])))
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].wrapping_mul(rhs.0[i])))
    }
}

/// The first two of the four bytes of every lane as 16-bit codes, and the last two.
pub fn quads_to_pairs(words: &[i32; LANES], first: &mut [i32; LANES], last: &mut [i32; LANES]) {
    for (lane, word) in words.iter().enumerate() {
        let [a, b, c, d] = word.to_le_bytes().map(|byte| i32::from(byte as i8));
        first[lane] = (a & 0xffff) | b << 16;
        last[lane] = (c & 0xffff) | d << 16;
    }
}

/// Writes the columns of four rows of four.
#[inline(always)]
pub fn transpose_four<T: Scalar>(rows: [&[T; 4]; 4], columns: [&mut [T; 4]; 4]) {
    for (i, column) in columns.into_iter().enumerate() {
        *column = rows.map(|row| row[i]);
    }
}

impl F32x8 {
    /// Lane-wise `if self < rhs { rhs } else { self }`: a NaN in `self` stays, one in `rhs` is never taken.
    #[inline(always)]
    pub fn pick_max(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] < rhs.0[i] { rhs.0[i] } else { self.0[i] }))
    }
    /// Lane-wise `if rhs < self { rhs } else { self }`.
    #[inline(always)]
    pub fn pick_min(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| if rhs.0[i] < self.0[i] { rhs.0[i] } else { self.0[i] }))
    }
    /// Lane-wise quotient.
    #[inline(always)]
    pub fn over(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / rhs.0[i]))
    }
    /// The sum of the lanes, in the order of [`super::sum_lanes`].
    #[inline(always)]
    pub fn sum(self) -> f32 {
        super::sum_lanes(self.0)
    }
    /// Lane-wise square root.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    /// Lane-wise difference.
    #[inline(always)]
    pub fn minus(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - rhs.0[i]))
    }
    /// `self` in the lanes where `low < high`, 0 in the others.
    #[inline(always)]
    pub fn where_less(self, low: Self, high: Self) -> Self {
        Self(std::array::from_fn(|i| if low.0[i] < high.0[i] { self.0[i] } else { 0.0 }))
    }
    /// `self` in the lanes where `left == right`, 0 in the others.
    #[inline(always)]
    pub fn where_equal(self, left: Self, right: Self) -> Self {
        Self(std::array::from_fn(|i| if left.0[i] == right.0[i] { self.0[i] } else { 0.0 }))
    }
    /// 0 in the lanes where `left == right`, `self` in the others.
    #[inline(always)]
    pub fn where_unequal(self, left: Self, right: Self) -> Self {
        Self(std::array::from_fn(|i| if left.0[i] == right.0[i] { 0.0 } else { self.0[i] }))
    }
}
