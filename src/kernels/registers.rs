//! Accumulators that stay in registers at every optimisation level.
//!
//! An array of sums in a loop of constant length lands in memory unless the compiler unrolls the loop, which it does not
//! when it optimises for size, as the WebAssembly build does. These are nested pairs instead: recursion over types, always
//! inlined, so that nothing is left to unroll.

use crate::simd::{Apart, LANES, Lane};

/// No accumulator.
#[derive(Clone, Copy)]
pub struct End;

/// One more accumulator, or one more row of them.
#[derive(Clone, Copy)]
pub struct Pair<H, T>(H, T);

/// One to eight of `H`.
pub type N1<H> = Pair<H, End>;
/// See [`N1`].
pub type N2<H> = Pair<H, N1<H>>;
/// See [`N1`].
pub type N3<H> = Pair<H, N2<H>>;
/// See [`N1`].
pub type N4<H> = Pair<H, N3<H>>;
/// See [`N1`].
pub type N5<H> = Pair<H, N4<H>>;
/// See [`N1`].
pub type N6<H> = Pair<H, N5<H>>;
/// See [`N1`].
pub type N7<H> = Pair<H, N6<H>>;
/// See [`N1`].
pub type N8<H> = Pair<H, N7<H>>;

/// Takes finished sums. A closure does, but is a call for each of them in the page's build; where that counts, it is a type whose
/// method is inlined.
pub trait Take<V> {
    /// The sum of a row and column.
    fn take(&mut self, row: usize, column: usize, sum: V);
}

impl<V, F: FnMut(usize, usize, V)> Take<V> for F {
    #[inline(always)]
    fn take(&mut self, row: usize, column: usize, sum: V) {
        self(row, column, sum);
    }
}

/// A row of vectors.
pub trait Columns<V: Lane>: Copy {
    /// How many.
    const LEN: usize;
    /// All zero.
    fn zero() -> Self;
    /// `source(index)`, `source(index + 1)` …
    fn load(source: &impl Fn(usize) -> V, index: usize) -> Self;
    /// Vectors `index`, `index + 1` … of these; the last one in place of any past it.
    fn load_apart(from: Apart<'_, [V::Scalar; LANES]>, index: usize) -> Self;
    /// `self + weight · x`, vector by vector.
    fn add_scaled(self, weight: V, x: Self) -> Self;
    /// `self + source(index…) · x`, vector by vector.
    fn add_products(self, source: &impl Fn(usize) -> V, index: usize, x: V) -> Self;
    /// [`Lane::absorb`], vector by vector.
    fn absorb(self, part: Self) -> Self;
    /// Gives each away as one of row `row`, from column `index` on.
    fn each(self, row: usize, index: usize, to: &mut impl Take<V>);
}

impl<V: Lane> Columns<V> for End {
    const LEN: usize = 0;
    #[inline(always)]
    fn zero() -> Self {
        End
    }
    #[inline(always)]
    fn load(_: &impl Fn(usize) -> V, _: usize) -> Self {
        End
    }
    #[inline(always)]
    fn load_apart(_: Apart<'_, [V::Scalar; LANES]>, _: usize) -> Self {
        End
    }
    #[inline(always)]
    fn add_scaled(self, _: V, _: Self) -> Self {
        End
    }
    #[inline(always)]
    fn add_products(self, _: &impl Fn(usize) -> V, _: usize, _: V) -> Self {
        End
    }
    #[inline(always)]
    fn absorb(self, _: Self) -> Self {
        End
    }
    #[inline(always)]
    fn each(self, _: usize, _: usize, _: &mut impl Take<V>) {}
}

impl<V: Lane, T: Columns<V>> Columns<V> for Pair<V, T> {
    const LEN: usize = 1 + T::LEN;
    #[inline(always)]
    fn zero() -> Self {
        Pair(V::splat(V::Scalar::default()), T::zero())
    }
    #[inline(always)]
    fn load(source: &impl Fn(usize) -> V, index: usize) -> Self {
        Pair(source(index), T::load(source, index + 1))
    }
    #[inline(always)]
    fn load_apart(from: Apart<'_, [V::Scalar; LANES]>, index: usize) -> Self {
        Pair(V::load(from.get(index)), T::load_apart(from, index + 1))
    }
    #[inline(always)]
    fn add_scaled(self, weight: V, x: Self) -> Self {
        Pair(self.0.add_product(weight, x.0), self.1.add_scaled(weight, x.1))
    }
    #[inline(always)]
    fn add_products(self, source: &impl Fn(usize) -> V, index: usize, x: V) -> Self {
        Pair(self.0.add(source(index).mul(x)), self.1.add_products(source, index + 1, x))
    }
    #[inline(always)]
    fn absorb(self, part: Self) -> Self {
        Pair(self.0.absorb(part.0), self.1.absorb(part.1))
    }
    #[inline(always)]
    fn each(self, row: usize, index: usize, to: &mut impl Take<V>) {
        to.take(row, index, self.0);
        self.1.each(row, index + 1, to);
    }
}

/// Rows of [`Columns`].
pub trait Rows<V: Lane, C: Columns<V>>: Copy {
    /// How many.
    const LEN: usize;
    /// All zero.
    fn zero() -> Self;
    /// Adds `weights[index…] · x`, row by row.
    fn add_scaled(self, weights: &[V::Scalar], index: usize, x: C) -> Self;
    /// [`Lane::absorb`], vector by vector.
    fn absorb(self, part: Self) -> Self;
    /// Gives each away, from row `row` on.
    fn each(self, row: usize, to: &mut impl Take<V>);
}

impl<V: Lane, C: Columns<V>> Rows<V, C> for End {
    const LEN: usize = 0;
    #[inline(always)]
    fn zero() -> Self {
        End
    }
    #[inline(always)]
    fn add_scaled(self, _: &[V::Scalar], _: usize, _: C) -> Self {
        End
    }
    #[inline(always)]
    fn absorb(self, _: Self) -> Self {
        End
    }
    #[inline(always)]
    fn each(self, _: usize, _: &mut impl Take<V>) {}
}

impl<V: Lane, C: Columns<V>, T: Rows<V, C>> Rows<V, C> for Pair<C, T> {
    const LEN: usize = 1 + T::LEN;
    #[inline(always)]
    fn zero() -> Self {
        Pair(C::zero(), T::zero())
    }
    #[inline(always)]
    fn add_scaled(self, weights: &[V::Scalar], index: usize, x: C) -> Self {
        Pair(self.0.add_scaled(V::splat(weights[index]), x), self.1.add_scaled(weights, index + 1, x))
    }
    #[inline(always)]
    fn absorb(self, part: Self) -> Self {
        Pair(self.0.absorb(part.0), self.1.absorb(part.1))
    }
    #[inline(always)]
    fn each(self, row: usize, to: &mut impl Take<V>) {
        self.0.each(row, 0, to);
        self.1.each(row + 1, to);
    }
}

/// As many columns as fill the registers beside this many rows.
#[cfg(all(target_arch = "x86_64", target_feature = "avx"))]
mod fill {
    use super::{N2, N4, N8};
    /// Beside one row.
    pub type Beside1<V> = N8<V>;
    /// Beside two rows.
    pub type Beside2<V> = N4<V>;
    /// Beside three or four rows.
    pub type Beside4<V> = N2<V>;
}
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx")))]
mod fill {
    use super::{N1, N2, N4};
    /// Beside one row.
    pub type Beside1<V> = N4<V>;
    /// Beside two rows.
    pub type Beside2<V> = N2<V>;
    /// Beside three or four rows.
    pub type Beside4<V> = N1<V>;
}
pub use fill::{Beside1, Beside2, Beside4};
