//! WebAssembly SIMD (simd128): a vector is two v128.

use super::{LANES, Lane};
use std::arch::wasm32::{
    f32x4_add, f32x4_div, f32x4_eq, f32x4_extract_lane, f32x4_lt, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_splat,
    f32x4_sqrt, f32x4_sub, i32x4_add, i32x4_mul, i32x4_shuffle, i32x4_splat, v128, v128_and, v128_andnot, v128_load,
    v128_store,
};

/// Eight f32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct F32x8(v128, v128);

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
