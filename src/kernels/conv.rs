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
    /// Which part of the kernel lies inside the input, for each window down and across.
    parts: [Parts; 2],
    /// The taps of each part down and across, row by row.
    picks: Vec<Picks>,
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

/// The parts of a kernel, along one side, that lie inside the input.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// Kernel offsets `low..high`, each once.
    ranges: Vec<(usize, usize)>,
    /// The one of each window from the first on.
    of: Vec<u32>,
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
    /// The same with the taps of windows at the edges, for an input of `size` that `channels` channels are read of.
    fn with_edges(mut self, channels: usize, size: [usize; 2]) -> Self {
        let [kernel_height, kernel_width] = self.kernel;
        self.parts = [0, 1].map(|i| {
            let mut parts = Parts::default();
            for window in self.first[i]..self.last[i] {
                let start = window * self.stride;
                let low = self.before[i].saturating_sub(start);
                let part = (low, self.kernel[i].min((size[i] + self.before[i]).saturating_sub(start)));
                let known = parts.ranges.iter().position(|known| *known == part);
                parts.of.push(known.unwrap_or(parts.ranges.len()) as u32);
                if known.is_none() {
                    parts.ranges.push(part);
                }
            }
            parts
        });
        let [down, across] = &self.parts;
        for &(top, bottom) in &down.ranges {
            for &(left, right) in &across.ranges {
                let taps = (0..channels)
                    .flat_map(|c| (top..bottom).map(move |ky| (c, ky)))
                    .flat_map(|(c, ky)| (left..right).map(move |kx| (c, ky, kx)))
                    .map(|(c, ky, kx)| {
                        let distance = (c * size[0] + ky) * size[1] + kx;
                        ((c * kernel_height + ky) * kernel_width + kx, distance as isize)
                    });
                self.picks.push(Picks::new(taps));
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
            parts: Default::default(),
            picks: Vec::new(),
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
                parts: Default::default(),
                picks: Vec::new(),
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

/// Where windows lie that are inside the input only in part.
struct Place<'a> {
    picks: &'a Picks,
    corner: isize,
    /// Between neighbouring windows.
    apart: usize,
}

/// Their sums.
#[inline(always)]
fn part<V: Lane, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    place: &Place<'_>,
    weights: &[[V::Scalar; ROWS]],
    x: &[[V::Scalar; LANES]],
    mut to: Finish<'_, impl Epilogue<V>>,
) {
    let mut sums = R::zero();
    place.picks.visit_apart(place.corner, weights, x, (place.apart, to.count - 1), |weights, here| {
        sums = sums.add_scaled(weights, 0, C::load_apart(here, 0));
    });
    sums.each(0, &mut to);
}

/// Output channels of one tile at neighbouring positions, so that the sums fill the registers: beside each other; at the left and
/// right side of the input, where each column has taps of its own, below each other.
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
    let down_of = |window_y: usize| pass.parts[0].of[window_y - pass.first[0]] as usize;
    // Outputs at the sides, for as many rows as are taken at once: by column, channel and row; and which of those rows this one is.
    let columns = pass.last[1].saturating_sub(pass.first[1]);
    let inner = whole_high.min(pass.last[1]).saturating_sub(whole_low.max(pass.first[1]));
    let sides = if C::LEN > 1 { columns - inner } else { 0 };
    let mut side = vec![[0.0; LANES]; sides * ROWS * C::LEN];
    let (mut turn, mut turns) = (0, 0);
    for window_y in pass.first[0]..pass.last[0] {
        let y = window_y * pass.step + pass.remainder[0] - pass.padding;
        let down = down_of(window_y);
        if turn == turns {
            let alike = (window_y..pass.last[0]).take(C::LEN).take_while(|&below| down_of(below) == down);
            (turn, turns) = (0, alike.count());
        }
        let mut sides = side.chunks_exact_mut(ROWS * C::LEN);
        let whole_rows = pass.parts[0].ranges[down] == (0, kernel_height);
        let picks = &pass.picks[down * pass.parts[1].ranges.len()..];
        let (out, distance) = sink.rows(tile.first, ROWS, y);
        let corner = (window_y * stride).cast_signed() - pass.before[0].cast_signed();
        let corner = corner * width.cast_signed() - pass.before[1].cast_signed();
        let mut window_x = pass.first[1];
        while window_x < pass.last[1] {
            let corner = corner + (window_x * stride).cast_signed();
            let whole = (whole_low..whole_high).contains(&window_x);
            let count = if whole { C::LEN.min(whole_high.min(pass.last[1]) - window_x) } else { 1 };
            let (first, step) = (tile.first, pass.step);
            let column = window_x * step + pass.remainder[1] - pass.padding;
            if whole && whole_rows && count == C::LEN {
                let mut sums = R::zero();
                let x = &x[corner.cast_unsigned()..];
                pass.offsets.visit_apart(weights, x, (stride, C::LEN - 1), |weights, here| {
                    sums = sums.add_scaled(weights, 0, C::load_apart(here, 0));
                });
                sums.each(0, &mut Finish { epilogue, first, out: &mut *out, distance, column, step, count: C::LEN });
            } else {
                let to = Finish { epilogue, first, out: &mut *out, distance, column, step, count };
                let across = pass.parts[1].of[window_x - pass.first[1]] as usize;
                let place = Place { picks: &picks[across], corner, apart: if whole { stride } else { stride * width } };
                match if whole { None } else { sides.next() } {
                    None => part::<V, ROWS, C, R>(&place, weights, x, to),
                    Some(side) => {
                        if turn == 0 {
                            let (distance, count) = (C::LEN, turns);
                            let to = Finish { epilogue, first, out: &mut *side, distance, column: 0, step: 1, count };
                            part::<V, ROWS, C, R>(&place, weights, x, to);
                        }
                        for (row, rows) in side.chunks_exact(C::LEN).enumerate() {
                            out[row * distance + column] = rows[turn];
                        }
                    }
                }
            }
            window_x += count;
        }
        turn += 1;
        sink.done(tile.first, ROWS, y);
    }
}
