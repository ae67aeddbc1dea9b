//! Direct two-dimensional convolution over one block, without im2col.

use super::pack::{Packed, Tile};
use super::registers::{Beside1, Beside2, Beside4, Columns, N1, N2, N3, N4, Rows};
use super::{Epilogue, Plain, RowSink};
use crate::simd::{LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// Most output channels of one tile.
pub const TILE_ROWS: usize = 4;

/// Everything about a convolution but its weights: `[in, h, w] -> [out, h', w']`, zero padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels, height and width.
    pub input: [usize; 3],
    /// Output channels.
    pub out_channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step between outputs, both ways.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Groups; each output channel reads `input channels / groups`.
    pub groups: usize,
}

impl ConvShape {
    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// [`TensorError::Mismatch`] when groups do not divide the channels, the padding reaches past the kernel, or the
    /// kernel is larger than the padded input.
    pub fn check(&self) -> Result<(), TensorError> {
        let [channels, height, width] = self.input;
        let divides =
            self.groups > 0 && channels.is_multiple_of(self.groups) && self.out_channels.is_multiple_of(self.groups);
        let fits = self.kernel.iter().all(|&k| k > self.padding)
            && height + 2 * self.padding >= self.kernel[0]
            && width + 2 * self.padding >= self.kernel[1];
        if divides && fits && self.stride > 0 {
            return Ok(());
        }
        Err(TensorError::Mismatch {
            op: "conv2d",
            lhs: Shape::new(&self.input)?,
            rhs: Shape::new(&[self.out_channels, channels / self.groups.max(1), self.kernel[0], self.kernel[1]])?,
        })
    }

    /// Output channels, height and width.
    pub fn output(&self) -> [usize; 3] {
        let side = |i: usize| (self.input[i + 1] + 2 * self.padding - self.kernel[i]) / self.stride + 1;
        [self.out_channels, side(0), side(1)]
    }

    /// Terms of one output's sum.
    pub fn taps(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// The convolution that carries output gradients back to inputs: stride 1 over the dilated and padded
    /// gradient, channels swapped.
    fn transposed(&self) -> Self {
        let [_, height, width] = self.input;
        Self {
            input: [self.out_channels, height + self.kernel[0] - 1, width + self.kernel[1] - 1],
            out_channels: self.input[0],
            stride: 1,
            padding: 0,
            ..*self
        }
    }
}

/// A convolution ready to run: geometry and packed weights.
#[derive(Clone, Debug)]
pub struct Conv<S> {
    /// The geometry.
    pub shape: ConvShape,
    packed: Packed<S>,
}

impl<S: Copy + Default> Conv<S> {
    /// Packs row-major weights `[out][in / groups][ky][kx]`.
    pub fn new(shape: ConvShape, weights: &[S]) -> Self {
        let packed = Packed::new(weights, shape.taps(), shape.out_channels / shape.groups, TILE_ROWS);
        Self { shape, packed }
    }

    /// The convolution of output gradients with flipped weights, from the forward weights. Its input must be
    /// placed by [`embed_gradient`].
    pub fn transposed(shape: ConvShape, weights: &[S]) -> Self {
        let [kh, kw] = shape.kernel;
        let (ins, outs) = (shape.input[0] / shape.groups, shape.out_channels / shape.groups);
        let mut flipped = Vec::with_capacity(weights.len());
        for group in 0..shape.groups {
            for c in 0..ins {
                for o in 0..outs {
                    let kernel = ((group * outs + o) * ins + c) * kh * kw;
                    flipped.extend(weights[kernel..kernel + kh * kw].iter().rev());
                }
            }
        }
        Self::new(shape.transposed(), &flipped)
    }
}

/// Copies `[c][h][w][lane]` into a zeroed `[c][height][width][lane]` at `offset`, values `step` apart.
fn embed<S: Copy + Default>(
    x: &[S],
    [channels, height, width]: [usize; 3],
    [padded_height, padded_width]: [usize; 2],
    offset: [usize; 2],
    step: usize,
    out: &mut Vec<S>,
) {
    out.clear();
    out.resize(channels * padded_height * padded_width * LANES, S::default());
    for c in 0..channels {
        for y in 0..height {
            let from = &x[(c * height + y) * width * LANES..][..width * LANES];
            let at = (c * padded_height + offset[0] + y * step) * padded_width + offset[1];
            if step == 1 {
                out[at * LANES..][..from.len()].copy_from_slice(from);
            } else {
                for (column, value) in from.chunks_exact(LANES).enumerate() {
                    out[(at + column * step) * LANES..][..LANES].copy_from_slice(value);
                }
            }
        }
    }
}

/// Places an output gradient `[out][h'][w'][lane]` where [`Conv::transposed`] reads it.
pub fn embed_gradient(shape: &ConvShape, gradient: &[f32], out: &mut Vec<f32>) {
    let [_, height, width] = shape.transposed().input;
    let offset = shape.kernel.map(|k| k - 1 - shape.padding);
    embed(gradient, shape.output(), [height, width], offset, shape.stride, out);
}

/// `out[o][y][x][lane] = epilogue(Σ w[o][c][ky][kx] · x[c][y·stride + ky − padding][…][lane])` over one block.
///
/// Terms in ascending (channel, ky, kx) order, one accumulator per output; padded terms are products with zero.
/// `padded` is scratch. Error ≤ taps·ε·Σ|w||x|.
pub fn conv2d<V: Lane>(
    conv: &Conv<V::Scalar>,
    x: &[V::Scalar],
    padded: &mut Vec<V::Scalar>,
    epilogue: &impl Epilogue<V>,
    out: &mut [f32],
) {
    let [_, height, width] = conv.shape.output();
    conv2d_rows(conv, x, padded, epilogue, &mut Plain::new(out, [height, width]));
}

/// [`conv2d`] into a sink, a tile of channels after the other.
pub fn conv2d_rows<V: Lane>(
    conv: &Conv<V::Scalar>,
    x: &[V::Scalar],
    padded: &mut Vec<V::Scalar>,
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    let ConvShape { input, padding, .. } = conv.shape;
    if padding == 0 {
        return direct(conv, x, [input[1], input[2]], epilogue, sink);
    }
    let size = [input[1] + 2 * padding, input[2] + 2 * padding];
    embed(x, input, size, [padding, padding], 1, padded);
    direct(conv, padded, size, epilogue, sink);
}

/// The convolution over an input that already holds its padding.
fn direct<V: Lane>(
    conv: &Conv<V::Scalar>,
    x: &[V::Scalar],
    size: [usize; 2],
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    const { assert!(TILE_ROWS == 4, "the match below covers tiles of up to four rows") };
    let shape = &conv.shape;
    let pointwise = shape.kernel == [1, 1] && shape.stride == 1 && shape.padding == 0;
    for tile in &conv.packed.tiles {
        let weights = conv.packed.weights(tile);
        match (tile.rows, pointwise) {
            (1, false) => channels::<V, 1, Beside1<V>, N1<Beside1<V>>>(shape, tile, weights, x, size, epilogue, sink),
            (2, false) => channels::<V, 2, Beside2<V>, N2<Beside2<V>>>(shape, tile, weights, x, size, epilogue, sink),
            (3, false) => channels::<V, 3, Beside4<V>, N3<Beside4<V>>>(shape, tile, weights, x, size, epilogue, sink),
            (_, false) => channels::<V, 4, Beside4<V>, N4<Beside4<V>>>(shape, tile, weights, x, size, epilogue, sink),
            (1, true) => points::<V, 1, Beside1<V>, N1<Beside1<V>>>(shape, tile, weights, x, epilogue, sink),
            (2, true) => points::<V, 2, Beside2<V>, N2<Beside2<V>>>(shape, tile, weights, x, epilogue, sink),
            (3, true) => points::<V, 3, Beside4<V>, N3<Beside4<V>>>(shape, tile, weights, x, epilogue, sink),
            (_, true) => points::<V, 4, Beside4<V>, N4<Beside4<V>>>(shape, tile, weights, x, epilogue, sink),
        }
    }
}

/// First input channel that the rows of a tile read, and how many.
fn group_of(shape: &ConvShape, tile: &Tile) -> (usize, usize) {
    let channels = shape.input[0] / shape.groups;
    (tile.first / (shape.out_channels / shape.groups) * channels, channels)
}

/// A 1×1 convolution with stride 1: the same sums, without the kernel's loops.
#[inline(never)]
fn points<V: Lane, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    shape: &ConvShape,
    tile: &Tile,
    weights: &[V::Scalar],
    x: &[V::Scalar],
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    const { assert!(R::LEN == ROWS) };
    let positions = shape.input[1] * shape.input[2];
    let (first_channel, channels) = group_of(shape, tile);
    let x = &x.as_chunks::<LANES>().0[first_channel * positions..(first_channel + channels) * positions];
    let weights = weights.as_chunks::<ROWS>().0;
    let width = shape.input[2];
    for y in 0..shape.input[1] {
        let (out, distance) = sink.rows(tile.first, ROWS, y);
        for ox in (0..width).step_by(C::LEN) {
            let count = C::LEN.min(width - ox);
            let first = y * width + ox;
            let mut sums = R::zero();
            for (channel, weights) in x.chunks_exact(positions).zip(weights) {
                // A position past the last one repeats it; its sum is not written.
                let here = &channel[first..first + count];
                sums = sums.add_scaled(weights, 0, C::load(&|j| V::load(&here[j.min(count - 1)]), 0));
            }
            sums.each(0, &mut |row, column, sum| {
                if column < count {
                    epilogue.write(tile.first + row, sum, &mut out[row * distance + ox + column]);
                }
            });
        }
        sink.done(tile.first, ROWS, y);
    }
}

/// Output channels of one tile at neighbouring positions side by side, so that the sums fill the registers.
#[inline(never)]
fn channels<V: Lane, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    shape: &ConvShape,
    tile: &Tile,
    weights: &[V::Scalar],
    x: &[V::Scalar],
    [height, width]: [usize; 2],
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    const { assert!(R::LEN == ROWS) };
    let [_, out_height, out_width] = shape.output();
    let (first_channel, group_channels) = group_of(shape, tile);
    let [kernel_height, kernel_width] = shape.kernel;
    let stride = shape.stride;
    let x = x.as_chunks::<LANES>().0;
    for oy in 0..out_height {
        let (out, distance) = sink.rows(tile.first, ROWS, oy);
        for ox in (0..out_width).step_by(C::LEN) {
            let count = C::LEN.min(out_width - ox);
            let mut sums = R::zero();
            let mut weights = weights.as_chunks::<ROWS>().0;
            for c in first_channel..first_channel + group_channels {
                for ky in 0..kernel_height {
                    let row = (c * height + oy * stride + ky) * width + ox * stride;
                    let here = &x[row..row + (count - 1) * stride + kernel_width];
                    let (row_weights, rest) = weights.split_at(kernel_width);
                    weights = rest;
                    for (kx, weights) in row_weights.iter().enumerate() {
                        // A position past the last one repeats it; its sum is not written.
                        let value = |j: usize| V::load(&here[j.min(count - 1) * stride + kx]);
                        sums = sums.add_scaled(weights, 0, C::load(&value, 0));
                    }
                }
            }
            sums.each(0, &mut |row, column, sum| {
                if column < count {
                    epilogue.write(tile.first + row, sum, &mut out[row * distance + ox + column]);
                }
            });
        }
        sink.done(tile.first, ROWS, oy);
    }
}
