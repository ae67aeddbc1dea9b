//! Products of two activations: both factors differ from image to image, so eight images stand in the lanes of both.

use super::registers::{Columns, N1, N4};
use crate::simd::{F32x8, LANES, Lane};

/// A matrix of vectors, one lane for each image, as it lies in memory.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// From its first value on.
    pub data: &'a [[f32; LANES]],
    /// Values from one row to the next.
    pub row: usize,
    /// Values from one column to the next.
    pub column: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` values, one after the other.
    pub fn new(data: &'a [[f32; LANES]], columns: usize) -> Self {
        Self { data, row: columns, column: 1 }
    }

    /// Rows as columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> F32x8 {
        F32x8::load(&self.data[row * self.row + column * self.column])
    }
}

/// Calls `each(i·n + j, Σ_k left[i][k] · right[k][j])` for the outputs of an `m×k` by a `k×n` matrix, in order.
///
/// One f32 accumulator per output, terms in k order; error ≤ k·ε·Σ|left||right|.
pub fn matmul([m, k, n]: [usize; 3], left: Matrix<'_>, right: Matrix<'_>, each: &mut impl FnMut(usize, F32x8)) {
    for i in 0..m {
        let whole = n / 4 * 4;
        for j in (0..whole).step_by(4) {
            dots::<N4<F32x8>>(i, j, k, left, right).each(0, 0, &mut |_, column, sum| each(i * n + j + column, sum));
        }
        for j in whole..n {
            dots::<N1<F32x8>>(i, j, k, left, right).each(0, 0, &mut |_, _, sum| each(i * n + j, sum));
        }
    }
}

/// Neighbouring outputs of one row, from column `j` on.
#[inline(always)]
fn dots<C: Columns<F32x8>>(i: usize, j: usize, k: usize, left: Matrix<'_>, right: Matrix<'_>) -> C {
    let mut sums = C::zero();
    for at in 0..k {
        sums = sums.add_scaled(left.at(i, at), C::load(&|column| right.at(at, column), j));
    }
    sums
}
