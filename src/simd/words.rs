//! Eight 32-bit words, one in each lane: packed codes on their way to floats.

use super::{F32x8, LANES, Lane};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod leaf {
    use super::super::leaf::F32x8;
    use super::LANES;
    use std::arch::wasm32::{
        f32x4_add, f32x4_convert_i32x4, f32x4_ge, f32x4_mul, f32x4_splat, i8x16_add, i8x16_bitmask, i8x16_swizzle,
        i32x4_add, i32x4_bitmask, i32x4_mul, i32x4_shl, i32x4_shr, i32x4_splat, u32x4_shr, v128, v128_and, v128_load,
        v128_store,
    };

    /// Eight words.
    #[derive(Clone, Copy, Debug)]
    pub struct Words(v128, v128);

    impl Words {
        #[inline(always)]
        fn map(self, f: impl Fn(v128) -> v128) -> Self {
            Self(f(self.0), f(self.1))
        }
        #[inline(always)]
        fn with(self, rhs: Self, f: impl Fn(v128, v128) -> v128) -> Self {
            Self(f(self.0, rhs.0), f(self.1, rhs.1))
        }
        /// All lanes equal to `value`.
        #[inline(always)]
        pub fn splat(value: u32) -> Self {
            let half = i32x4_splat(value as i32);
            Self(half, half)
        }
        /// Lanes from memory.
        #[inline(always)]
        pub fn load(from: &[u32; LANES]) -> Self {
            let p = from.as_ptr().cast::<v128>();
            // SAFETY: `from` holds eight lanes, so two v128; v128_load has no alignment requirement.
            unsafe { Self(v128_load(p), v128_load(p.add(1))) }
        }
        /// Shifted left.
        #[inline(always)]
        pub fn left(self, bits: u32) -> Self {
            self.map(|v| i32x4_shl(v, bits))
        }
        /// Shifted right, zeros from above.
        #[inline(always)]
        pub fn right(self, bits: u32) -> Self {
            self.map(|v| u32x4_shr(v, bits))
        }
        /// Shifted right, the sign from above.
        #[inline(always)]
        pub fn right_signed(self, bits: u32) -> Self {
            self.map(|v| i32x4_shr(v, bits))
        }
        /// Bitwise and.
        #[inline(always)]
        pub fn and(self, rhs: Self) -> Self {
            self.with(rhs, |a, b| v128_and(a, b))
        }
        /// Signed numbers as floats.
        #[inline(always)]
        pub fn to_float(self) -> F32x8 {
            F32x8(f32x4_convert_i32x4(self.0), f32x4_convert_i32x4(self.1))
        }
        /// The words as the bits of floats.
        #[inline(always)]
        pub fn as_float(self) -> F32x8 {
            F32x8(self.0, self.1)
        }
        /// `table[lane]`; every lane must be 0 to 3.
        #[inline(always)]
        pub fn pick(self, table: &[f32; 4]) -> F32x8 {
            // SAFETY: `table` holds sixteen bytes; v128_load has no alignment requirement.
            let table = unsafe { v128_load(table.as_ptr().cast::<v128>()) };
            let (four, bytes) = (i32x4_splat(0x0404_0404), i32x4_splat(0x0302_0100));
            let at = |lane: v128| i8x16_swizzle(table, i32x4_add(i32x4_mul(lane, four), bytes));
            F32x8(at(self.0), at(self.1))
        }
    }

    /// Four f32 lanes.
    #[derive(Clone, Copy, Debug)]
    pub struct Quad(v128);

    impl Quad {
        /// All lanes equal to `value`.
        #[inline(always)]
        pub fn splat(value: f32) -> Self {
            Self(f32x4_splat(value))
        }
        /// `self + weights · x`, lane by lane, two roundings.
        #[inline(always)]
        pub fn add_scaled(self, weights: &[f32; 4], x: f32) -> Self {
            // SAFETY: `weights` holds sixteen bytes; v128_load has no alignment requirement.
            let weights = unsafe { v128_load(weights.as_ptr().cast::<v128>()) };
            Self(f32x4_add(self.0, f32x4_mul(weights, f32x4_splat(x))))
        }
        /// The lanes as an array.
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            let mut out = [0.0; 4];
            // SAFETY: `out` holds sixteen bytes; v128_store has no alignment requirement.
            unsafe { v128_store(out.as_mut_ptr().cast::<v128>(), self.0) };
            out
        }
    }

    /// Bit `l` of byte `j` becomes bit `j` of number `l`.
    #[inline(always)]
    pub fn turn(bytes: &[u8; 16]) -> [u16; 8] {
        // SAFETY: `bytes` holds sixteen bytes; v128_load has no alignment requirement.
        let mut v = unsafe { v128_load(bytes.as_ptr().cast::<v128>()) };
        let mut out = [0; 8];
        for number in out.iter_mut().rev() {
            *number = i8x16_bitmask(v);
            v = i8x16_add(v, v);
        }
        out
    }

    /// One bit per lane, the first lane in the lowest: whether it is at least 0.
    #[inline(always)]
    pub fn non_negative(v: F32x8) -> u8 {
        let zero = f32x4_splat(0.0);
        i32x4_bitmask(f32x4_ge(v.0, zero)) | i32x4_bitmask(f32x4_ge(v.1, zero)) << 4
    }
}

/// The plain leaf: arrays. What the other is tested against.
pub mod portable {
    use super::super::Lane;
    use super::super::leaf::F32x8;
    use super::LANES;

    /// Eight words.
    #[derive(Clone, Copy, Debug)]
    pub struct Words([u32; LANES]);

    impl Words {
        #[inline(always)]
        fn with(self, rhs: Self, f: impl Fn(u32, u32) -> u32) -> Self {
            Self(std::array::from_fn(|i| f(self.0[i], rhs.0[i])))
        }
        /// All lanes equal to `value`.
        #[inline(always)]
        pub fn splat(value: u32) -> Self {
            Self([value; LANES])
        }
        /// Lanes from memory.
        #[inline(always)]
        pub fn load(from: &[u32; LANES]) -> Self {
            Self(*from)
        }
        /// Shifted left.
        #[inline(always)]
        pub fn left(self, bits: u32) -> Self {
            Self(self.0.map(|v| v.wrapping_shl(bits)))
        }
        /// Shifted right, zeros from above.
        #[inline(always)]
        pub fn right(self, bits: u32) -> Self {
            Self(self.0.map(|v| v.wrapping_shr(bits)))
        }
        /// Shifted right, the sign from above.
        #[inline(always)]
        pub fn right_signed(self, bits: u32) -> Self {
            Self(self.0.map(|v| (v as i32).wrapping_shr(bits) as u32))
        }
        /// Bitwise and.
        #[inline(always)]
        pub fn and(self, rhs: Self) -> Self {
            self.with(rhs, |a, b| a & b)
        }
        /// Signed numbers as floats.
        #[inline(always)]
        pub fn to_float(self) -> F32x8 {
            F32x8::load(&self.0.map(|v| v as i32 as f32))
        }
        /// The words as the bits of floats.
        #[inline(always)]
        pub fn as_float(self) -> F32x8 {
            F32x8::load(&self.0.map(f32::from_bits))
        }
        /// `table[lane]`; every lane must be 0 to 3.
        #[inline(always)]
        pub fn pick(self, table: &[f32; 4]) -> F32x8 {
            F32x8::load(&self.0.map(|lane| table[(lane & 3) as usize]))
        }
    }

    /// Four f32 lanes.
    #[derive(Clone, Copy, Debug)]
    pub struct Quad([f32; 4]);

    impl Quad {
        /// All lanes equal to `value`.
        #[inline(always)]
        pub fn splat(value: f32) -> Self {
            Self([value; 4])
        }
        /// `self + weights · x`, lane by lane, two roundings.
        #[inline(always)]
        pub fn add_scaled(self, weights: &[f32; 4], x: f32) -> Self {
            Self(std::array::from_fn(|i| self.0[i] + weights[i] * x))
        }
        /// The lanes as an array.
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            self.0
        }
    }

    /// Bit `l` of byte `j` becomes bit `j` of number `l`.
    #[inline(always)]
    pub fn turn(bytes: &[u8; 16]) -> [u16; 8] {
        let bit = |l: usize, j: usize| u16::from(bytes[j] >> l & 1) << j;
        std::array::from_fn(|l| (0..16).fold(0, |number, j| number | bit(l, j)))
    }

    /// One bit per lane, the first lane in the lowest: whether it is at least 0.
    #[inline(always)]
    pub fn non_negative(v: F32x8) -> u8 {
        v.to_array().iter().enumerate().fold(0, |mask, (lane, &v)| mask | u8::from(v >= 0.0) << lane)
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use leaf::{Quad, Words, non_negative, turn};
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub use portable::{Quad, Words, non_negative, turn};

/// Lanes 0 to 3 and 4 to 7, in memory.
#[inline(always)]
pub fn halves(v: F32x8) -> [[f32; 4]; 2] {
    let v: [f32; LANES] = v.to_array();
    [[v[0], v[1], v[2], v[3]], [v[4], v[5], v[6], v[7]]]
}
