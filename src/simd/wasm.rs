//! WebAssembly SIMD (simd128): a vector is two v128.

use super::{Dot, LANES, Lane, Scalar};
use std::arch::wasm32::{
    f32x4_add, f32x4_convert_i32x4, f32x4_div, f32x4_eq, f32x4_extract_lane, f32x4_lt, f32x4_mul, f32x4_pmax,
    f32x4_pmin, f32x4_splat, f32x4_sqrt, f32x4_sub, i8x16_add, i8x16_narrow_i16x8, i16x8_add, i16x8_extend_high_i8x16,
    i16x8_extend_low_i8x16, i16x8_narrow_i32x4, i16x8_sub, i32x4_add, i32x4_bitmask, i32x4_dot_i16x8,
    i32x4_extend_high_i16x8, i32x4_extend_low_i16x8, i32x4_mul, i32x4_shl, i32x4_shr, i32x4_shuffle, i32x4_splat,
    i32x4_sub, i64x2_shuffle, u8x16_splat, u16x8_shr, v128, v128_and, v128_andnot, v128_load, v128_load64_zero,
    v128_or, v128_store, v128_store64_lane,
};
#[cfg(target_feature = "relaxed-simd")]
use std::arch::wasm32::{
    i8x16_shuffle, i8x16_sub, i16x8_relaxed_dot_i8x16_i7x16, i32x4_extadd_pairwise_i16x8,
    i32x4_relaxed_dot_i8x16_i7x16_add,
};

#[cfg(not(target_feature = "relaxed-simd"))]
pub use super::portable::{I8Burst, I8Quads, I8Split};

/// Eight f32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct F32x8(pub(super) v128, pub(super) v128);

/// Eight i32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct I32x8(v128, v128);

macro_rules! lane {
    ($vector:ident, $scalar:ty, $splat:ident, $add:ident, $mul:ident) => {
        impl Lane for $vector {
            type Scalar = $scalar;
            #[inline(always)]
            fn splat(value: $scalar) -> Self {
                let half = $splat(value);
                Self(half, half)
            }
            #[inline(always)]
            fn load(from: &[$scalar; LANES]) -> Self {
                let p = from.as_ptr().cast::<v128>();
                // SAFETY: `from` holds eight lanes, so two v128; v128_load has no alignment requirement.
                unsafe { Self(v128_load(p), v128_load(p.add(1))) }
            }
            #[inline(always)]
            fn store(self, to: &mut [$scalar; LANES]) {
                let p = to.as_mut_ptr().cast::<v128>();
                // SAFETY: `to` holds eight lanes, so two v128; v128_store has no alignment requirement.
                unsafe {
                    v128_store(p, self.0);
                    v128_store(p.add(1), self.1);
                }
            }
            #[inline(always)]
            fn add(self, rhs: Self) -> Self {
                Self($add(self.0, rhs.0), $add(self.1, rhs.1))
            }
            #[inline(always)]
            fn mul(self, rhs: Self) -> Self {
                Self($mul(self.0, rhs.0), $mul(self.1, rhs.1))
            }
        }
    };
}

lane!(F32x8, f32, f32x4_splat, f32x4_add, f32x4_mul);
lane!(I32x8, i32, i32x4_splat, i32x4_add, i32x4_mul);
lane!(I16Pairs, i32, i32x4_splat, i32x4_add, i32x4_dot_i16x8);

/// Eight lanes of two i16; sums and products as [`Dot`] says.
#[derive(Clone, Copy, Debug)]
pub struct I16Pairs(v128, v128);

impl Dot for I16Pairs {
    const GROUP: usize = 2;
    #[inline(always)]
    fn sums(self) -> I32x8 {
        I32x8(self.0, self.1)
    }
    #[inline(always)]
    fn join([a, b, _, _]: [I32x8; 4]) -> I32x8 {
        I32x8(join_two(a.0, b.0), join_two(a.1, b.1))
    }
}

// Functions, not closures: only those can be told to be inlined.

#[inline(always)]
fn join_two(a: v128, b: v128) -> v128 {
    v128_or(v128_and(a, i32x4_splat(0xffff)), i32x4_shl(b, 16))
}

impl I16Pairs {
    /// The sums of the codes themselves, each wrapping in its 16 bits.
    #[inline(always)]
    pub fn code_sums(self, rhs: Self) -> Self {
        Self(i16x8_add(self.0, rhs.0), i16x8_add(self.1, rhs.1))
    }
    /// The differences of the codes themselves, each wrapping in its 16 bits.
    #[inline(always)]
    pub fn code_differences(self, rhs: Self) -> Self {
        Self(i16x8_sub(self.0, rhs.0), i16x8_sub(self.1, rhs.1))
    }
}

macro_rules! quads {
    ($(#[$about:meta])* $vector:ident, $add:ident, $bursts:literal, $product:ident) => {
        $(#[$about])*
        ///
        /// Exact: a sum of two products of i8 and 0…127 stays within 2·128·127, so the 16-bit sums that an engine may form
        /// on the way neither saturate nor wrap, and reading the second factor as unsigned changes nothing.
        #[cfg(target_feature = "relaxed-simd")]
        #[derive(Clone, Copy, Debug)]
        pub struct $vector(v128, v128);

        #[cfg(target_feature = "relaxed-simd")]
        impl Lane for $vector {
            type Scalar = i32;
            #[inline(always)]
            fn splat(value: i32) -> Self {
                let half = i32x4_splat(value);
                Self(half, half)
            }
            #[inline(always)]
            fn load(from: &[i32; LANES]) -> Self {
                let I32x8(a, b) = I32x8::load(from);
                Self(a, b)
            }
            #[inline(always)]
            fn store(self, to: &mut [i32; LANES]) {
                I32x8(self.0, self.1).store(to);
            }
            #[inline(always)]
            fn add(self, rhs: Self) -> Self {
                Self($add(self.0, rhs.0), $add(self.1, rhs.1))
            }
            #[inline(always)]
            fn mul(self, rhs: Self) -> Self {
                Self::splat(0).add_product(self, rhs)
            }
            #[inline(always)]
            fn add_product(self, a: Self, b: Self) -> Self {
                Self($product(a.0, b.0, self.0), $product(a.1, b.1, self.1))
            }
            #[inline(always)]
            fn absorb(self, part: Self) -> Self {
                if !$bursts {
                    return self.add(part);
                }
                Self(widened(self.0, part.0), widened(self.1, part.1))
            }
        }

        #[cfg(target_feature = "relaxed-simd")]
        impl Dot for $vector {
            const GROUP: usize = 4;
            const BURSTS: bool = $bursts;
            #[inline(always)]
            fn sums(self) -> I32x8 {
                I32x8(self.0, self.1)
            }
            #[inline(always)]
            fn join(codes: [I32x8; 4]) -> I32x8 {
                join_quads(codes)
            }
        }
    };
}

quads!(
    /// Eight lanes of four i8, the second factor in 0…127, by the one instruction for it: fast where the machine has it too.
    I8Quads,
    i32x4_add,
    false,
    i32x4_relaxed_dot_i8x16_i7x16_add
);
quads!(
    /// The same by way of sums of two products in 16 bits: fast where the machine has no instruction for four.
    I8Split,
    i32x4_add,
    false,
    split_product
);
quads!(
    /// The same with sums that stay in 16 bits for a while; see [`Dot::BURSTS`].
    I8Burst,
    i16x8_add,
    true,
    burst_product
);

#[cfg(target_feature = "relaxed-simd")]
impl I8Quads {
    /// The sums of the codes themselves, each wrapping in its 8 bits.
    #[inline(always)]
    pub fn code_sums(self, rhs: Self) -> Self {
        Self(i8x16_add(self.0, rhs.0), i8x16_add(self.1, rhs.1))
    }
    /// The differences of the codes themselves, each wrapping in its 8 bits.
    #[inline(always)]
    pub fn code_differences(self, rhs: Self) -> Self {
        Self(i8x16_sub(self.0, rhs.0), i8x16_sub(self.1, rhs.1))
    }
}

#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn split_product(a: v128, b: v128, sum: v128) -> v128 {
    widened(sum, i16x8_relaxed_dot_i8x16_i7x16(a, b))
}

#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn burst_product(a: v128, b: v128, sum: v128) -> v128 {
    i16x8_add(sum, i16x8_relaxed_dot_i8x16_i7x16(a, b))
}

#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn widened(total: v128, part: v128) -> v128 {
    i32x4_add(total, i32x4_extadd_pairwise_i16x8(part))
}

#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn join_four(a: v128, b: v128, c: v128, d: v128) -> v128 {
    let bytes = i8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
    i8x16_shuffle::<0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15>(bytes, bytes)
}

#[cfg(target_feature = "relaxed-simd")]
#[inline(always)]
fn join_quads([a, b, c, d]: [I32x8; 4]) -> I32x8 {
    I32x8(join_four(a.0, b.0, c.0, d.0), join_four(a.1, b.1, c.1, d.1))
}

#[inline(always)]
fn codes_of(x: v128, scale: f32, low: f32, high: f32) -> v128 {
    // Adding 1.5·2^23 leaves the rounded whole number in the low bits, as in `math::round_ties_even`.
    const MAGIC: f32 = 12_582_912.0;
    let steps = f32x4_div(x, f32x4_splat(scale));
    let steps = v128_and(steps, f32x4_eq(steps, steps));
    let steps = f32x4_pmin(f32x4_pmax(steps, f32x4_splat(low)), f32x4_splat(high));
    i32x4_sub(f32x4_add(steps, f32x4_splat(MAGIC)), i32x4_splat(MAGIC.to_bits() as i32))
}

impl F32x8 {
    /// `round(clamp(x / scale, low, high))`, halves to even; NaN gives 0. `low` ≤ 0 ≤ `high`, both below 2^22.
    #[inline(always)]
    pub fn codes(self, scale: f32, low: f32, high: f32) -> I32x8 {
        I32x8(codes_of(self.0, scale, low, high), codes_of(self.1, scale, low, high))
    }
}

impl I32x8 {
    /// Whether any lane is below zero.
    #[inline(always)]
    pub fn any_negative(self) -> bool {
        i32x4_bitmask(v128_or(self.0, self.1)) != 0
    }
    /// Lane-wise or of all bits.
    #[inline(always)]
    pub fn or(self, rhs: Self) -> Self {
        Self(v128_or(self.0, rhs.0), v128_or(self.1, rhs.1))
    }
    /// Lane-wise difference, wrapping.
    #[inline(always)]
    pub fn minus(self, rhs: Self) -> Self {
        Self(i32x4_sub(self.0, rhs.0), i32x4_sub(self.1, rhs.1))
    }
    /// Eight codes of 8 bits.
    #[inline(always)]
    pub fn from_bytes(codes: &[i8; LANES]) -> Self {
        // SAFETY: `codes` are the eight bytes that are loaded; there is no alignment requirement.
        let wide = i16x8_extend_low_i8x16(unsafe { v128_load64_zero(codes.as_ptr().cast()) });
        Self(i32x4_extend_low_i16x8(wide), i32x4_extend_high_i16x8(wide))
    }
    /// The lanes in 8 bits each, which they must fit.
    #[inline(always)]
    pub fn to_bytes(self, codes: &mut [i8; LANES]) {
        let narrow = i16x8_narrow_i32x4(self.0, self.1);
        // SAFETY: `codes` are the eight bytes that are stored; there is no alignment requirement.
        unsafe { v128_store64_lane::<0>(i8x16_narrow_i16x8(narrow, narrow), codes.as_mut_ptr().cast()) }
    }
    /// A quarter, rounded down.
    #[inline(always)]
    pub fn quarter(self) -> Self {
        Self(i32x4_shr(self.0, 2), i32x4_shr(self.1, 2))
    }
    /// The nearest f32, halves to even.
    #[inline(always)]
    pub fn to_f32(self) -> F32x8 {
        F32x8(f32x4_convert_i32x4(self.0), f32x4_convert_i32x4(self.1))
    }
}

/// `((byte >> shift) & mask) + center` of sixteen bytes, wrapping, four in a word, first in the low bits.
#[inline(always)]
pub fn field(bytes: &[i8; 16], shift: u32, mask: u8, centers: &[i8; 16]) -> [i32; 4] {
    let mut out = [0_i32; 4];
    // SAFETY: all arrays are sixteen bytes; v128_load and v128_store have no alignment requirement.
    unsafe {
        let (bytes, centers) = (v128_load(bytes.as_ptr().cast()), v128_load(centers.as_ptr().cast()));
        // What comes in from the neighbouring byte lies past the mask.
        let field = v128_and(u16x8_shr(bytes, shift), u8x16_splat(mask));
        v128_store(out.as_mut_ptr().cast(), i8x16_add(field, centers));
    }
    out
}

/// Widens sixteen i8, four in a word, to i16 and adds `centers`, which repeat after eight. Two i16 share a word, first in the low bits.
#[inline(always)]
pub fn add_centers(bytes: &[i32; 4], centers: &[i16; 8], out: &mut [i32; LANES]) {
    // SAFETY: both arrays are sixteen bytes; v128_load has no alignment requirement.
    let (bytes, centers) = unsafe { (v128_load(bytes.as_ptr().cast()), v128_load(centers.as_ptr().cast())) };
    let (low, high) = (i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes));
    I32x8(i16x8_add(low, centers), i16x8_add(high, centers)).store(out);
}

/// The first two of the four bytes of every lane as 16-bit codes, and the last two.
#[inline(always)]
pub fn quads_to_pairs(words: &[i32; LANES], first: &mut [i32; LANES], last: &mut [i32; LANES]) {
    let I32x8(a, b) = I32x8::load(words);
    let (p, q) = (i16x8_extend_low_i8x16(a), i16x8_extend_high_i8x16(a));
    let (r, s) = (i16x8_extend_low_i8x16(b), i16x8_extend_high_i8x16(b));
    I32x8(i32x4_shuffle::<0, 2, 4, 6>(p, q), i32x4_shuffle::<0, 2, 4, 6>(r, s)).store(first);
    I32x8(i32x4_shuffle::<1, 3, 5, 7>(p, q), i32x4_shuffle::<1, 3, 5, 7>(r, s)).store(last);
}

/// Writes the columns of four rows of four.
#[inline(always)]
pub fn transpose_four<T: Scalar>([a, b, c, d]: [&[T; 4]; 4], [p, q, r, s]: [&mut [T; 4]; 4]) {
    const { assert!(size_of::<T>() == 4) };
    // SAFETY: each row and column is sixteen bytes; v128_load and v128_store have no alignment requirement.
    unsafe {
        let (a, b) = (v128_load(a.as_ptr().cast()), v128_load(b.as_ptr().cast()));
        let (c, d) = (v128_load(c.as_ptr().cast()), v128_load(d.as_ptr().cast()));
        let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<0, 4, 1, 5>(c, d));
        v128_store(p.as_mut_ptr().cast(), i64x2_shuffle::<0, 2>(ab, cd));
        v128_store(q.as_mut_ptr().cast(), i64x2_shuffle::<1, 3>(ab, cd));
        let (ab, cd) = (i32x4_shuffle::<2, 6, 3, 7>(a, b), i32x4_shuffle::<2, 6, 3, 7>(c, d));
        v128_store(r.as_mut_ptr().cast(), i64x2_shuffle::<0, 2>(ab, cd));
        v128_store(s.as_mut_ptr().cast(), i64x2_shuffle::<1, 3>(ab, cd));
    }
}

impl F32x8 {
    /// Lane-wise `if self < rhs { rhs } else { self }`: a NaN in `self` stays, one in `rhs` is never taken.
    #[inline(always)]
    pub fn pick_max(self, rhs: Self) -> Self {
        Self(f32x4_pmax(self.0, rhs.0), f32x4_pmax(self.1, rhs.1))
    }
    /// Lane-wise `if rhs < self { rhs } else { self }`.
    #[inline(always)]
    pub fn pick_min(self, rhs: Self) -> Self {
        Self(f32x4_pmin(self.0, rhs.0), f32x4_pmin(self.1, rhs.1))
    }
    /// Lane-wise quotient.
    #[inline(always)]
    pub fn over(self, rhs: Self) -> Self {
        Self(f32x4_div(self.0, rhs.0), f32x4_div(self.1, rhs.1))
    }
    /// The sum of the lanes, in the order of [`super::sum_lanes`].
    #[inline(always)]
    pub fn sum(self) -> f32 {
        let halves = f32x4_add(self.0, self.1);
        let pairs = f32x4_add(halves, i32x4_shuffle::<2, 3, 0, 1>(halves, halves));
        f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
    }
    /// Lane-wise square root.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0), f32x4_sqrt(self.1))
    }
    /// Lane-wise difference.
    #[inline(always)]
    pub fn minus(self, rhs: Self) -> Self {
        Self(f32x4_sub(self.0, rhs.0), f32x4_sub(self.1, rhs.1))
    }
    /// `self` in the lanes where `low < high`, 0 in the others.
    #[inline(always)]
    pub fn where_less(self, low: Self, high: Self) -> Self {
        Self(v128_and(self.0, f32x4_lt(low.0, high.0)), v128_and(self.1, f32x4_lt(low.1, high.1)))
    }
    /// `self` in the lanes where `left == right`, 0 in the others.
    #[inline(always)]
    pub fn where_equal(self, left: Self, right: Self) -> Self {
        Self(v128_and(self.0, f32x4_eq(left.0, right.0)), v128_and(self.1, f32x4_eq(left.1, right.1)))
    }
    /// 0 in the lanes where `left == right`, `self` in the others.
    #[inline(always)]
    pub fn where_unequal(self, left: Self, right: Self) -> Self {
        Self(v128_andnot(self.0, f32x4_eq(left.0, right.0)), v128_andnot(self.1, f32x4_eq(left.1, right.1)))
    }
}
