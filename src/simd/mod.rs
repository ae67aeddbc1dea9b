//! Eight-lane vectors: eight images side by side, one in each lane.
//!
//! Three leaves give the same results bit for bit: `wasm` (two v128), `native` (x86-64: SSE2, or AVX
//! where the build enables it) and `portable` (arrays). A multiply and an add are two roundings; there is
//! no fused multiply-add anywhere.

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod leaf {
    pub use super::portable::{F32x8, I32x8};
}
#[cfg(target_arch = "x86_64")]
#[path = "native.rs"]
mod leaf;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[path = "wasm.rs"]
mod leaf;
mod offsets;
pub mod portable;

pub use leaf::{F32x8, I32x8};
pub use offsets::Offsets;

/// Lanes in a vector, and so images in a block.
pub const LANES: usize = 8;

/// Accumulators of one [`LANES`]-wide vector that stay in registers: AVX has sixteen registers of
/// eight lanes; SSE2 and WebAssembly need two registers a vector (V8 leaves about fifteen).
pub const ACCUMULATORS: usize = if cfg!(all(target_arch = "x86_64", target_feature = "avx")) { 8 } else { 4 };

/// What a kernel needs of a vector of [`LANES`] lanes.
pub trait Lane: Copy {
    /// One lane.
    type Scalar: Copy + Default + PartialEq + Send + Sync + 'static;
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
    /// The lanes as an array.
    fn to_array(self) -> [Self::Scalar; LANES] {
        let mut out = [Self::Scalar::default(); LANES];
        self.store(&mut out);
        out
    }
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
