//! x86-64: one AVX register where the build enables it, otherwise two SSE2 registers (always there).
//! Integers are left to the compiler, which turns the array form into the same instructions.

pub use super::portable::{I8Burst, I8Quads, I8Split, I32x8, add_centers, field, quads_to_pairs, transpose_four};
use super::{Dot, LANES, Lane};
use crate::math::round_ties_even;
use std::arch::x86_64::{
    __m128i, _mm_add_epi16, _mm_add_epi32, _mm_loadu_si128, _mm_madd_epi16, _mm_set1_epi32, _mm_storeu_si128,
    _mm_sub_epi16,
};

#[cfg(target_feature = "avx")]
mod registers {
    use std::arch::x86_64::{
        __m256, _mm256_add_ps, _mm256_div_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps,
        _mm256_set1_ps, _mm256_sqrt_ps, _mm256_storeu_ps, _mm256_sub_ps,
    };
    pub type Register = __m256;
    pub const WIDTH: usize = 8;
    #[inline(always)]
    pub fn splat(value: f32) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_set1_ps(value) }
    }
    /// # Safety
    /// `p` must point to eight readable f32.
    #[inline(always)]
    pub unsafe fn load(p: *const f32) -> Register {
        // SAFETY: the caller's promise; loadu needs no alignment.
        unsafe { _mm256_loadu_ps(p) }
    }
    /// # Safety
    /// `p` must point to eight writable f32.
    #[inline(always)]
    pub unsafe fn store(p: *mut f32, v: Register) {
        // SAFETY: the caller's promise; storeu needs no alignment.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    pub fn add(a: Register, b: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    pub fn mul(a: Register, b: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_mul_ps(a, b) }
    }
    /// `if a < b { b } else { a }`: the instruction gives its second operand unless the first is greater.
    #[inline(always)]
    pub fn max(a: Register, b: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_max_ps(b, a) }
    }
    /// `if b < a { b } else { a }`.
    #[inline(always)]
    pub fn min(a: Register, b: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_min_ps(b, a) }
    }
    #[inline(always)]
    pub fn div(a: Register, b: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    pub fn sub(a: Register, b: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    pub fn sqrt(a: Register) -> Register {
        // SAFETY: AVX is enabled for the whole build.
        unsafe { _mm256_sqrt_ps(a) }
    }
}

#[cfg(not(target_feature = "avx"))]
mod registers {
    use std::arch::x86_64::{
        __m128, _mm_add_ps, _mm_div_ps, _mm_loadu_ps, _mm_max_ps, _mm_min_ps, _mm_mul_ps, _mm_set1_ps, _mm_sqrt_ps,
        _mm_storeu_ps, _mm_sub_ps,
    };
    pub type Register = __m128;
    pub const WIDTH: usize = 4;
    #[inline(always)]
    pub fn splat(value: f32) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_set1_ps(value) }
    }
    /// # Safety
    /// `p` must point to four readable f32.
    #[inline(always)]
    pub unsafe fn load(p: *const f32) -> Register {
        // SAFETY: the caller's promise; loadu needs no alignment.
        unsafe { _mm_loadu_ps(p) }
    }
    /// # Safety
    /// `p` must point to four writable f32.
    #[inline(always)]
    pub unsafe fn store(p: *mut f32, v: Register) {
        // SAFETY: the caller's promise; storeu needs no alignment.
        unsafe { _mm_storeu_ps(p, v) }
    }
    #[inline(always)]
    pub fn add(a: Register, b: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_add_ps(a, b) }
    }
    #[inline(always)]
    pub fn mul(a: Register, b: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_mul_ps(a, b) }
    }
    /// `if a < b { b } else { a }`: the instruction gives its second operand unless the first is greater.
    #[inline(always)]
    pub fn max(a: Register, b: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_max_ps(b, a) }
    }
    /// `if b < a { b } else { a }`.
    #[inline(always)]
    pub fn min(a: Register, b: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_min_ps(b, a) }
    }
    #[inline(always)]
    pub fn div(a: Register, b: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_div_ps(a, b) }
    }
    #[inline(always)]
    pub fn sub(a: Register, b: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_sub_ps(a, b) }
    }
    #[inline(always)]
    pub fn sqrt(a: Register) -> Register {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_sqrt_ps(a) }
    }
}

const REGISTERS: usize = LANES / registers::WIDTH;

/// Eight f32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct F32x8([registers::Register; REGISTERS]);

impl Lane for F32x8 {
    type Scalar = f32;
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([registers::splat(value); REGISTERS])
    }
    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        // SAFETY: register `i` covers lanes i*WIDTH .. (i+1)*WIDTH of the eight.
        Self(std::array::from_fn(|i| unsafe { registers::load(from.as_ptr().add(i * registers::WIDTH)) }))
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        for (i, register) in self.0.into_iter().enumerate() {
            // SAFETY: register `i` covers lanes i*WIDTH .. (i+1)*WIDTH of the eight.
            unsafe { registers::store(to.as_mut_ptr().add(i * registers::WIDTH), register) }
        }
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| registers::add(self.0[i], rhs.0[i])))
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| registers::mul(self.0[i], rhs.0[i])))
    }
}

impl F32x8 {
    /// `round(clamp(x / scale, low, high))`, halves to even; NaN gives 0. `low` ≤ 0 ≤ `high`, both below 2^22.
    #[inline(always)]
    pub fn codes(self, scale: f32, low: f32, high: f32) -> I32x8 {
        I32x8::load(&self.to_array().map(|x| round_ties_even((x / scale).clamp(low, high)) as i32))
    }
}

/// Eight lanes of two i16; sums and products as [`Dot`] says.
#[derive(Clone, Copy, Debug)]
pub struct I16Pairs([__m128i; 2]);

impl Lane for I16Pairs {
    type Scalar = i32;
    #[inline(always)]
    fn splat(value: i32) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        Self([unsafe { _mm_set1_epi32(value) }; 2])
    }
    #[inline(always)]
    fn load(from: &[i32; LANES]) -> Self {
        let p = from.as_ptr().cast::<__m128i>();
        // SAFETY: `from` holds eight lanes, so two registers; loadu needs no alignment.
        unsafe { Self([_mm_loadu_si128(p), _mm_loadu_si128(p.add(1))]) }
    }
    #[inline(always)]
    fn store(self, to: &mut [i32; LANES]) {
        let p = to.as_mut_ptr().cast::<__m128i>();
        // SAFETY: `to` holds eight lanes, so two registers; storeu needs no alignment.
        unsafe {
            _mm_storeu_si128(p, self.0[0]);
            _mm_storeu_si128(p.add(1), self.0[1]);
        }
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_add_epi32(self.0[i], rhs.0[i]) }))
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_madd_epi16(self.0[i], rhs.0[i]) }))
    }
}

impl I16Pairs {
    /// The sums of the codes themselves, each wrapping in its 16 bits.
    #[inline(always)]
    pub fn code_sums(self, rhs: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_add_epi16(self.0[i], rhs.0[i]) }))
    }
    /// The differences of the codes themselves, each wrapping in its 16 bits.
    #[inline(always)]
    pub fn code_differences(self, rhs: Self) -> Self {
        // SAFETY: SSE2 is part of x86-64.
        Self(std::array::from_fn(|i| unsafe { _mm_sub_epi16(self.0[i], rhs.0[i]) }))
    }
}

impl Dot for I16Pairs {
    const GROUP: usize = 2;
    #[inline(always)]
    fn sums(self) -> I32x8 {
        I32x8::load(&self.to_array())
    }
    #[inline(always)]
    fn join(codes: [I32x8; 4]) -> I32x8 {
        super::portable::I16Pairs::join(codes)
    }
}

impl F32x8 {
    /// Lane-wise `if self < rhs { rhs } else { self }`: a NaN in `self` stays, one in `rhs` is never taken.
    #[inline(always)]
    pub fn pick_max(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| registers::max(self.0[i], rhs.0[i])))
    }
    /// Lane-wise `if rhs < self { rhs } else { self }`.
    #[inline(always)]
    pub fn pick_min(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| registers::min(self.0[i], rhs.0[i])))
    }
    /// Lane-wise quotient.
    #[inline(always)]
    pub fn over(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| registers::div(self.0[i], rhs.0[i])))
    }
    /// The sum of the lanes, in the order of [`super::sum_lanes`].
    #[inline(always)]
    pub fn sum(self) -> f32 {
        super::sum_lanes(self.to_array())
    }
    /// Lane-wise square root.
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self(self.0.map(registers::sqrt))
    }
    /// Lane-wise difference.
    #[inline(always)]
    pub fn minus(self, rhs: Self) -> Self {
        Self(std::array::from_fn(|i| registers::sub(self.0[i], rhs.0[i])))
    }
    /// `self` in the lanes where `low < high`, 0 in the others.
    #[inline(always)]
    pub fn where_less(self, low: Self, high: Self) -> Self {
        let (value, low, high) = (self.to_array(), low.to_array(), high.to_array());
        Self::load(&std::array::from_fn(|i| if low[i] < high[i] { value[i] } else { 0.0 }))
    }
    /// `self` in the lanes where `left == right`, 0 in the others.
    #[inline(always)]
    pub fn where_equal(self, left: Self, right: Self) -> Self {
        let (value, left, right) = (self.to_array(), left.to_array(), right.to_array());
        Self::load(&std::array::from_fn(|i| if left[i] == right[i] { value[i] } else { 0.0 }))
    }
    /// 0 in the lanes where `left == right`, `self` in the others.
    #[inline(always)]
    pub fn where_unequal(self, left: Self, right: Self) -> Self {
        let (value, left, right) = (self.to_array(), left.to_array(), right.to_array());
        Self::load(&std::array::from_fn(|i| if left[i] == right[i] { 0.0 } else { value[i] }))
    }
}
