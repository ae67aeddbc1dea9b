//! Max and average pooling over one block.

use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// Geometry of a pooling window without padding: windows that do not fit are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Input channels, height and width.
    pub input: [usize; 3],
    /// Window side.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
}

impl PoolShape {
    /// The geometry of `op` over an image-shaped input.
    ///
    /// # Errors
    /// [`TensorError::Unsupported`] when the input has no image shape or is smaller than the window.
    pub fn new(op: &'static str, input: &Shape, kernel: usize, stride: usize) -> Result<Self, TensorError> {
        let shape = Self { input: input.chw(op)?, kernel, stride };
        if kernel > 0 && stride > 0 && shape.input[1] >= kernel && shape.input[2] >= kernel {
            return Ok(shape);
        }
        Err(TensorError::Unsupported { op, shape: input.clone(), wanted: "an image no smaller than the window" })
    }

    /// Output channels, height and width.
    pub fn output(&self) -> [usize; 3] {
        let side = |n: usize| (n - self.kernel) / self.stride + 1;
        [self.input[0], side(self.input[1]), side(self.input[2])]
    }

    /// Calls `visit(output index, index of the window's upper left corner)`.
    #[inline(always)]
    fn windows(&self, mut visit: impl FnMut(usize, usize)) {
        let [channels, height, width] = self.input;
        let [_, out_height, out_width] = self.output();
        for c in 0..channels {
            for oy in 0..out_height {
                for ox in 0..out_width {
                    let corner = (c * height + oy * self.stride) * width + ox * self.stride;
                    visit((c * out_height + oy) * out_width + ox, corner);
                }
            }
        }
    }

    /// Calls `visit(input index)` for a window in row-major order.
    #[inline(always)]
    fn window(&self, corner: usize, mut visit: impl FnMut(usize)) {
        for y in 0..self.kernel {
            for x in 0..self.kernel {
                visit(corner + y * self.input[2] + x);
            }
        }
    }
}

/// The largest value of each window; a later value wins only when it is greater, so the first of equals stays.
pub fn max_pool(shape: &PoolShape, x: &[f32], out: &mut [f32]) {
    let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
    shape.windows(|at, corner| {
        let mut best = F32x8::splat(f32::NEG_INFINITY);
        shape.window(corner, |i| best = best.pick_max(F32x8::load(&x[i])));
        best.store(&mut out[at]);
    });
}

/// A row of windows that stand side by side, from the rows of `width` they cover: the largest value of each, `floor` in place of
/// what is less.
pub fn max_pool_rows(kernel: usize, rows: &[[f32; LANES]], width: usize, floor: f32, out: &mut [[f32; LANES]]) {
    let (least, floor) = (F32x8::splat(f32::NEG_INFINITY), F32x8::splat(floor));
    let pick = |best: F32x8, value: &[f32; LANES]| best.pick_max(F32x8::load(value).pick_max(floor));
    if kernel == 2 {
        // The usual one, without loops in the loop.
        let (upper, lower) = rows.split_at(width);
        let (upper, lower) = (upper.as_chunks::<2>().0, lower.as_chunks::<2>().0);
        for ((out, [a, b]), [c, d]) in out.iter_mut().zip(upper).zip(lower) {
            pick(pick(pick(pick(least, a), b), c), d).store(out);
        }
        return;
    }
    for (x, out) in out.iter_mut().enumerate() {
        let window = rows.chunks_exact(width).flat_map(|row| &row[x * kernel..][..kernel]);
        window.fold(least, pick).store(out);
    }
}

/// [`max_pool`] of one image alone.
pub fn max_pool_one(shape: &PoolShape, x: &[f32], out: &mut [f32]) {
    shape.windows(|at, corner| {
        let mut best = f32::NEG_INFINITY;
        shape.window(corner, |i| best = if best < x[i] { x[i] } else { best });
        out[at] = best;
    });
}

/// Adds each output gradient to the first largest input of its window.
pub fn max_pool_backward(shape: &PoolShape, x: &[f32], gradient: &[f32], grad_input: &mut [f32]) {
    let (x, gradient) = (x.as_chunks::<LANES>().0, gradient.as_chunks::<LANES>().0);
    let grad_input = grad_input.as_chunks_mut::<LANES>().0;
    shape.windows(|at, corner| {
        let least = F32x8::splat(f32::NEG_INFINITY);
        let mut best = least;
        shape.window(corner, |i| best = best.pick_max(F32x8::load(&x[i])));
        // What no input has taken yet. NaN equals nothing, and −∞ never wins.
        let mut left = F32x8::load(&gradient[at]).where_less(least, best);
        shape.window(corner, |i| {
            let (here, grad) = (F32x8::load(&x[i]), F32x8::load(&grad_input[i]));
            grad.add(left.where_equal(here, best)).store(&mut grad_input[i]);
            left = left.where_unequal(here, best);
        });
    });
}

/// The mean of each window: terms in row-major order, divided by their number.
pub fn average_pool(shape: &PoolShape, x: &[f32], out: &mut [f32]) {
    let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
    let count = (shape.kernel * shape.kernel) as f32;
    shape.windows(|at, corner| {
        let mut sum = F32x8::splat(0.0);
        shape.window(corner, |i| sum = sum.add(F32x8::load(&x[i])));
        sum.over(F32x8::splat(count)).store(&mut out[at]);
    });
}

/// Spreads each output gradient evenly over its window.
pub fn average_pool_backward(shape: &PoolShape, gradient: &[f32], grad_input: &mut [f32]) {
    let gradient = gradient.as_chunks::<LANES>().0;
    let grad_input = grad_input.as_chunks_mut::<LANES>().0;
    let count = (shape.kernel * shape.kernel) as f32;
    shape.windows(|at, corner| {
        shape.window(corner, |i| {
            let share = F32x8::load(&gradient[at]).over(F32x8::splat(count));
            F32x8::load(&grad_input[i]).add(share).store(&mut grad_input[i]);
        });
    });
}
