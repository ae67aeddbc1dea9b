//! Direct two-dimensional convolution over one block, without im2col.

use super::pack::{Packed, Tile};
use super::registers::{Beside1, Beside2, Beside4, Columns, N1, N2, N3, N4, Rows};
use super::{Epilogue, Finish, Plain, RowSink};
use crate::simd::{LANES, Lane, Offsets, Picks, Scalar};
use crate::tensor::{Shape, TensorError};

/// Most output channels of one tile.
pub const TILE_ROWS: usize = 4;

/// The same for these numbers.
const fn most_rows<S: Scalar>() -> usize {
    if S::TILED { TILE_ROWS } else { 1 }
}

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

    /// Whether its one window is the whole input: a linear layer, with the same sums.
    pub fn is_linear(&self) -> bool {
        self.padding == 0 && self.taps() == self.input.iter().product::<usize>()
    }

    /// Terms of one output's sum.
    pub fn taps(&self) -> usize {
        self.input[0] / self.groups * self.kernel[0] * self.kernel[1]
    }
}

/// The outputs of a convolution whose sums have the same terms: for a forward convolution all of them, for a transposed one
/// with stride s those with the same remainder by s, both ways.
#[derive(Clone, Debug)]
struct Pass<S> {
    packed: Packed<S>,
    /// Where each tap's input lies from the upper left corner of the first channel's window.
    offsets: Offsets,
    /// The taps of windows that lie inside only in part.
    edges: Vec<Edge>,
    /// Kernel height and width.
    kernel: [usize; 2],
    /// Step between windows.
    stride: usize,
    /// Windows `first..last` down and across; window `i` begins at input `i × stride − before`.
    first: [usize; 2],
    last: [usize; 2],
    before: [usize; 2],
    /// Window `i` gives output `i × step + remainder − padding`.
    step: usize,
    remainder: [usize; 2],
    padding: usize,
}

/// The taps of a window of which only rows and columns `low..high` lie inside the input.
#[derive(Clone, Debug)]
struct Edge {
    rows: (usize, usize),
    columns: (usize, usize),
    taps: Picks,
}

/// A convolution ready to run: geometry and packed weights.
#[derive(Clone, Debug)]
pub struct Conv<S> {
    input: [usize; 3],
    output: [usize; 3],
    groups: usize,
    passes: Vec<Pass<S>>,
}

/// A forward convolution's geometry and weights.
pub(super) struct Forward<'a> {
    pub(super) input: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) groups: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) packed: &'a Packed<f32>,
}

impl Conv<f32> {
    /// What a convolution made by [`Conv::new`] was made of.
    pub(super) fn forward(&self) -> Option<Forward<'_>> {
        let pass = self.passes.first()?;
        let (input, output, groups) = (self.input, self.output, self.groups);
        let padding = pass.before[0];
        Some(Forward { input, output, groups, kernel: pass.kernel, stride: pass.stride, padding, packed: &pass.packed })
    }
}

/// Offsets of a window's taps, in (channel, ky, kx) order.
fn offsets(channels: usize, [height, width]: [usize; 2], [kernel_height, kernel_width]: [usize; 2]) -> Offsets {
    let rows = (0..channels).flat_map(|c| (0..kernel_height).map(move |ky| (c * height + ky) * width));
    Offsets::new(rows.flat_map(|row| (0..kernel_width).map(move |kx| (row + kx) as u32)).collect())
}

impl<S> Pass<S> {
    /// The same with its edges, for an input of `size` that `channels` channels are read of.
    fn with_edges(mut self, channels: usize, size: [usize; 2]) -> Self {
        let [kernel_height, kernel_width] = self.kernel;
        let parts = |i: usize| {
            let windows = self.first[i]..self.last[i];
            let mut parts = Vec::new();
            for window in windows {
                let part = inside(window, self.stride, self.before[i], self.kernel[i], size[i]);
                let at = parts.partition_point(|known| *known < part);
                if parts.get(at) != Some(&part) {
                    parts.insert(at, part);
                }
            }
            parts
        };
        for rows in parts(0) {
            for columns in parts(1) {
                if (rows, columns) == ((0, kernel_height), (0, kernel_width)) {
                    continue;
                }
                let taps = (0..channels)
                    .flat_map(|c| (rows.0..rows.1).map(move |ky| (c, ky)))
                    .flat_map(|(c, ky)| (columns.0..columns.1).map(move |kx| (c, ky, kx)))
                    .map(|(c, ky, kx)| {
                        let distance = (c * size[0] + ky) * size[1] + kx;
                        ((c * kernel_height + ky) * kernel_width + kx, distance as isize)
                    });
                self.edges.push(Edge { rows, columns, taps: Picks::new(taps) });
            }
        }
        self
    }
}

impl<S: Scalar> Conv<S> {
    /// Packs row-major weights `[out][in / groups][ky][kx]`.
    pub fn new(shape: ConvShape, weights: &[S]) -> Self {
        let ConvShape { input, kernel, stride, padding, groups, .. } = shape;
        let output = shape.output();
        let pass = Pass {
            packed: Packed::new(weights, shape.taps(), shape.out_channels / groups, most_rows::<S>()),
            offsets: offsets(input[0] / groups, [input[1], input[2]], kernel),
            edges: Vec::new(),
            kernel,
            stride,
            first: [0, 0],
            last: [output[1], output[2]],
            before: [padding; 2],
            step: 1,
            remainder: [0, 0],
            padding: 0,
        };
        let pass = pass.with_edges(input[0] / groups, [input[1], input[2]]);
        Self { input, output, groups, passes: vec![pass] }
    }

    /// The convolution that carries output gradients back to inputs, from the forward weights: flipped kernels, channels
    /// swapped. With stride s, inputs of each remainder by s meet their own taps.
    pub fn transposed(shape: ConvShape, weights: &[S]) -> Self {
        let ConvShape { input, kernel: [kh, kw], stride, padding, groups, .. } = shape;
        let (ins, outs) = (input[0] / groups, shape.out_channels / groups);
        let [out_channels, out_height, out_width] = shape.output();
        let mut passes = Vec::new();
        for (ry, rx) in (0..stride).flat_map(|ry| (0..stride).map(move |rx| (ry, rx))) {
            let kernel = [kh.saturating_sub(ry).div_ceil(stride), kw.saturating_sub(rx).div_ceil(stride)];
            let taps = outs * kernel[0] * kernel[1];
            if taps == 0 {
                // No window reaches these inputs.
                continue;
            }
            let mut flipped = Vec::with_capacity(input[0] * taps);
            for (group, c) in (0..groups).flat_map(|group| (0..ins).map(move |c| (group, c))) {
                for o in 0..outs {
                    let kernel = &weights[((group * outs + o) * ins + c) * kh * kw..][..kh * kw];
                    for ky in (ry..kh).step_by(stride).rev() {
                        flipped.extend((rx..kw).step_by(stride).rev().map(|kx| kernel[ky * kw + kx]));
                    }
                }
            }
            let first = |remainder: usize| padding.saturating_sub(remainder).div_ceil(stride);
            let last = |size: usize, remainder: usize| (size + padding).saturating_sub(remainder).div_ceil(stride);
            let pass = Pass {
                packed: Packed::new(&flipped, taps, ins, most_rows::<S>()),
                offsets: offsets(outs, [out_height, out_width], kernel),
                edges: Vec::new(),
                kernel,
                stride: 1,
                first: [first(ry), first(rx)],
                last: [last(input[1], ry), last(input[2], rx)],
                before: kernel.map(|k| k - 1),
                step: stride,
                remainder: [ry, rx],
                padding,
            };
            passes.push(pass.with_edges(outs, [out_height, out_width]));
        }
        Self { input: [out_channels, out_height, out_width], output: input, groups, passes }
    }
}

/// `out[o][y][x][lane] = epilogue(Σ w[o][c][ky][kx] · x[c][y·stride + ky − padding][…][lane])` over one block.
///
/// Terms in ascending (channel, ky, kx) order, one accumulator per output; padded terms are left out. Outputs of a transposed
/// convolution that no window reaches are not written. Error ≤ taps·ε·Σ|w||x|.
pub fn conv2d<V: Lane>(conv: &Conv<V::Scalar>, x: &[V::Scalar], epilogue: &impl Epilogue<V>, out: &mut [f32]) {
    let [_, height, width] = conv.output;
    conv2d_rows(conv, x, epilogue, &mut Plain::new(out, [height, width]));
}

/// [`conv2d`] into a sink, a tile of channels after the other.
pub fn conv2d_rows<V: Lane>(
    conv: &Conv<V::Scalar>,
    x: &[V::Scalar],
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    const { assert!(TILE_ROWS == 4, "the match below covers tiles of up to four rows") };
    for pass in &conv.passes {
        for tile in &pass.packed.tiles {
            match tile.rows {
                _ if !V::Scalar::TILED => {
                    run_tile::<V, 1, Beside1<V>, N1<Beside1<V>>>(conv, pass, tile, x, epilogue, sink)
                }
                1 => run_tile::<V, 1, Beside1<V>, N1<Beside1<V>>>(conv, pass, tile, x, epilogue, sink),
                2 => run_tile::<V, 2, Beside2<V>, N2<Beside2<V>>>(conv, pass, tile, x, epilogue, sink),
                3 => run_tile::<V, 3, Beside4<V>, N3<Beside4<V>>>(conv, pass, tile, x, epilogue, sink),
                _ => run_tile::<V, 4, Beside4<V>, N4<Beside4<V>>>(conv, pass, tile, x, epilogue, sink),
            }
        }
    }
}

/// The part of a window along one side that lies inside the input: kernel offsets `low..high`.
fn inside(window: usize, stride: usize, before: usize, kernel: usize, size: usize) -> (usize, usize) {
    let start = window * stride;
    (before.saturating_sub(start), kernel.min((size + before).saturating_sub(start)))
}

/// Output channels of one tile at neighbouring positions side by side, so that the sums fill the registers.
#[inline(never)]
fn run_tile<V: Lane, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    conv: &Conv<V::Scalar>,
    pass: &Pass<V::Scalar>,
    tile: &Tile,
    x: &[V::Scalar],
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    const { assert!(R::LEN == ROWS) };
    let [channels, height, width] = conv.input;
    let group_channels = channels / conv.groups;
    let first_channel = tile.first / (conv.output[0] / conv.groups) * group_channels;
    let x = &x.as_chunks::<LANES>().0[first_channel * height * width..][..group_channels * height * width];
    let weights = pass.packed.weights(tile).as_chunks::<ROWS>().0;
    let ([kernel_height, kernel_width], stride) = (pass.kernel, pass.stride);
    // Windows that lie inside the input from left to right.
    let whole_low = pass.before[1].div_ceil(stride);
    let whole_high = (width + pass.before[1]).checked_sub(kernel_width).map_or(0, |reach| reach / stride + 1);
    for window_y in pass.first[0]..pass.last[0] {
        let y = window_y * pass.step + pass.remainder[0] - pass.padding;
        let rows = inside(window_y, stride, pass.before[0], kernel_height, height);
        let whole_rows = rows == (0, kernel_height);
        let (out, distance) = sink.rows(tile.first, ROWS, y);
        let corner = (window_y * stride).cast_signed() - pass.before[0].cast_signed();
        let corner = corner * width.cast_signed() - pass.before[1].cast_signed();
        let mut window_x = pass.first[1];
        while window_x < pass.last[1] {
            let corner = corner + (window_x * stride).cast_signed();
            let whole = (whole_low..whole_high).contains(&window_x);
            let count = if whole { C::LEN.min(whole_high.min(pass.last[1]) - window_x) } else { 1 };
            let reach = (count - 1) * stride + 1;
            let mut sums = R::zero();
            if whole && whole_rows {
                pass.offsets.visit(weights, &x[corner.cast_unsigned()..], reach, |weights, here| {
                    sums = sums.add_scaled(weights, 0, C::load_apart(here, stride, 0, count - 1));
                });
            } else {
                let columns = inside(window_x, stride, pass.before[1], kernel_width, width);
                let edge = pass.edges.iter().find(|edge| edge.rows == rows && edge.columns == columns);
                if let Some(edge) = edge {
                    edge.taps.visit(corner, weights, x, reach, |weights, here| {
                        sums = sums.add_scaled(weights, 0, C::load_apart(here, stride, 0, count - 1));
                    });
                }
            }
            let (first, step) = (tile.first, pass.step);
            let column = window_x * step + pass.remainder[1] - pass.padding;
            sums.each(0, &mut Finish { epilogue, first, out, distance, column, step, count });
            window_x += count;
        }
        sink.done(tile.first, ROWS, y);
    }
}
