//! The plain leaf: arrays. What the other leaves are tested against.

use super::{LANES, Lane};

/// Eight f32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct F32x8([f32; LANES]);

/// Eight i32 lanes.
#[derive(Clone, Copy, Debug)]
pub struct I32x8([i32; LANES]);

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
