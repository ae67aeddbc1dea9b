//! WebAssembly SIMD (simd128): a vector is two v128.

use super::{LANES, Lane};
use std::arch::wasm32::{
    f32x4_add, f32x4_div, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_splat, i32x4_add, i32x4_mul, i32x4_splat, v128,
    v128_load, v128_store,
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
    pub fn div(self, rhs: Self) -> Self {
        Self(f32x4_div(self.0, rhs.0), f32x4_div(self.1, rhs.1))
    }
}
