//! The arithmetic: one file per family, each generic over the vector type, with `reference` beside them.
//!
//! Layout: a *block* is eight images; its values stand as `[feature][lane]`, features in NCHW order, so one
//! vector holds the same feature of eight images. Sums have one accumulator per output, terms in ascending
//! (channel, ky, kx) or k order, multiply then add, bias last (docs/numerics.md).

pub mod conv;
pub mod elementwise;
pub mod gradient;
pub mod integer;
pub mod linear;
pub mod matmul;
pub mod pack;
pub mod pool;
pub mod reference;
pub mod registers;
pub mod single;
pub mod softmax;
pub mod sparse;
pub mod two_four;
pub mod weight_only;
pub mod xnor;

use crate::simd::{F32x8, I32x8, LANES, Lane};

/// What happens to a finished sum of output `row` on its way to memory. Output is always f32.
pub trait Epilogue<V: Lane>: Sync {
    /// Writes the eight lanes of `sum`.
    fn write(&self, row: usize, sum: V, out: &mut [f32; LANES]);
}

/// Takes the output of a layer row by row while it is still near, instead of a whole block later.
///
/// An output is channels × height rows of `width` vectors; a layer without image shape has one row of one vector per channel.
/// Kernels give the rows of a channel in ascending order.
pub trait RowSink {
    /// Where to write row `y` of channels `first..first + count`, and the distance between channels there: channel
    /// `first + i` goes to `[i × distance..][..width]`.
    fn rows(&mut self, first: usize, count: usize, y: usize) -> (&mut [[f32; LANES]], usize);
    /// Takes what was written there.
    fn done(&mut self, first: usize, count: usize, y: usize);
}

/// Rows that go to a block as they are.
pub struct Plain<'a> {
    out: &'a mut [[f32; LANES]],
    size: [usize; 2],
}

impl<'a> Plain<'a> {
    /// Rows of an output of this height and width.
    pub fn new(out: &'a mut [f32], size: [usize; 2]) -> Self {
        Self { out: out.as_chunks_mut::<LANES>().0, size }
    }
}

impl RowSink for Plain<'_> {
    fn rows(&mut self, first: usize, _: usize, y: usize) -> (&mut [[f32; LANES]], usize) {
        let [height, width] = self.size;
        (&mut self.out[(first * height + y) * width..], height * width)
    }
    fn done(&mut self, _: usize, _: usize, _: usize) {}
}

/// Float sum plus bias. An empty bias means none.
#[derive(Clone, Copy, Debug)]
pub struct AddBias<'a>(pub &'a [f32]);

impl Epilogue<F32x8> for AddBias<'_> {
    #[inline(always)]
    fn write(&self, row: usize, sum: F32x8, out: &mut [f32; LANES]) {
        match self.0.get(row) {
            Some(&bias) => sum.add(F32x8::splat(bias)).store(out),
            None => sum.store(out),
        }
    }
}

/// Integer sum plus int32 bias, times one f32 (input scale × weight scale of the row).
#[derive(Clone, Copy, Debug)]
pub struct Rescale<'a> {
    /// One bias per row, in units of the row's scale. An empty slice means none.
    pub bias: &'a [i32],
    /// One scale per row.
    pub scale: &'a [f32],
}

impl Epilogue<I32x8> for Rescale<'_> {
    #[inline(always)]
    fn write(&self, row: usize, sum: I32x8, out: &mut [f32; LANES]) {
        let sum = match self.bias.get(row) {
            Some(&bias) => sum.add(I32x8::splat(bias)),
            None => sum,
        };
        sum.to_f32().mul(F32x8::splat(self.scale[row])).store(out);
    }
}

/// Writes the sums of a tile of rows and neighbouring positions.
struct Finish<'a, E> {
    epilogue: &'a E,
    /// The tile's first row.
    first: usize,
    /// Where its first row goes, and the distance between rows there.
    out: &'a mut [[f32; LANES]],
    distance: usize,
    /// Where the first position goes in a row, and the step to the next.
    column: usize,
    step: usize,
    /// Positions that there are; sums of others are dropped.
    count: usize,
}

impl<V: Lane, E: Epilogue<V>> registers::Take<V> for Finish<'_, E> {
    #[inline(always)]
    fn take(&mut self, row: usize, column: usize, sum: V) {
        if column < self.count {
            let at = row * self.distance + self.column + column * self.step;
            self.epilogue.write(self.first + row, sum, &mut self.out[at]);
        }
    }
}
