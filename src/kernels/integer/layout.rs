//! Where the codes of a block stand for the dot instructions, and how they get there.

use crate::kernels::conv::ConvShape;
use crate::simd::{Dot, F32x8, I32x8, LANES, Lane, Offsets};
use std::marker::PhantomData;

/// The grid inputs are rounded to: code = round(clamp(x / scale, low, high)), halves to even.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Distance between neighbouring values; positive and finite.
    pub scale: f32,
    /// Least code, at most 0.
    pub low: i32,
    /// Greatest code, at least 0.
    pub high: i32,
}

/// The order of a block's codes for dot instruction `V`, and of the weights that meet them.
///
/// A 1×1 kernel passes over the positions between its steps; those are left out, and `shape` is that of stride 1 over the rest.
///
/// Codes stand as `[group][y][x][vector]`, padding included; a *vector* is a lane of [`Dot::GROUP`] codes for each of the eight
/// images. With several channels in a group, the codes in a lane are neighbouring channels of one position, and a position
/// takes `depth` vectors. With one channel they are neighbouring positions of a row, one vector starting at every position.
/// Either way an output sums, for each row of the kernel, a run of `run` vectors, each `hop` after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Layout<V> {
    /// The convolution over what stands there.
    pub shape: ConvShape,
    /// Every how many positions of the input stand there, both ways.
    stride: usize,
    /// Height and width of the input.
    size: [usize; 2],
    /// Vectors of a position.
    pub depth: usize,
    /// Vectors that one row of the kernel reads.
    pub run: usize,
    /// From one of them to the next.
    pub hop: usize,
    dot: PhantomData<V>,
}

impl<V: Dot> Layout<V> {
    /// The layout for a convolution.
    pub fn new(mut shape: ConvShape) -> Self {
        let size = [shape.input[1], shape.input[2]];
        let stride = if shape.kernel == [1, 1] && shape.padding == 0 { shape.stride } else { 1 };
        if stride > 1 {
            let [_, height, width] = shape.output();
            (shape.input, shape.stride) = ([shape.input[0], height, width], 1);
        }
        let channels = shape.input[0] / shape.groups;
        let width = shape.kernel[1];
        if channels == 1 {
            let run = width.div_ceil(V::GROUP);
            return Self { shape, stride, size, depth: 1, run, hop: V::GROUP, dot: PhantomData };
        }
        let depth = channels.div_ceil(V::GROUP);
        Self { shape, stride, size, depth, run: width * depth, hop: 1, dot: PhantomData }
    }

    /// Channels of one group.
    pub fn channels(&self) -> usize {
        self.shape.input[0] / self.shape.groups
    }

    /// Height and width with the padding.
    pub fn padded(&self) -> [usize; 2] {
        [self.shape.input[1], self.shape.input[2]].map(|n| n + 2 * self.shape.padding)
    }

    /// Vectors of one group.
    pub fn group_len(&self) -> usize {
        let [height, width] = self.padded();
        height * width * self.depth
    }

    /// Vectors that an output reads: its sum has [`Dot::GROUP`] times as many terms.
    pub fn steps(&self) -> usize {
        self.shape.kernel[0] * self.run
    }

    /// Where each of those vectors stands from the first.
    pub fn offsets(&self) -> Offsets {
        let pitch = self.padded()[1] * self.depth;
        let place = |step: usize| (step / self.run * pitch + step % self.run * self.hop) as u32;
        Offsets::new((0..self.steps()).map(place).collect())
    }

    /// The weight, as an index into one row of `[channel][ky][kx]`, that meets code `i` of the vector read at `step`; none where
    /// the code is padding.
    pub fn tap(&self, step: usize, i: usize) -> Option<usize> {
        let [height, width] = self.shape.kernel;
        let (ky, at) = (step / self.run, step % self.run);
        let (channel, kx) =
            if self.hop > 1 { (0, at * self.hop + i) } else { (at % self.depth * V::GROUP + i, at / self.depth) };
        (channel < self.channels() && kx < width).then_some((channel * height + ky) * width + kx)
    }

    /// Vectors of one block.
    pub fn block_len(&self) -> usize {
        self.group_len() * self.shape.groups
    }

    /// Writes the codes of blocks `[channel][y][x][lane]` to `out`, one after the other. True when one is negative.
    pub fn arrange_blocks<T: Input>(&self, steps: &Steps, blocks: &[&[T]], out: &mut Vec<i32>) -> bool {
        if self.shape.padding > 0 {
            out.clear();
        }
        out.resize(blocks.len() * self.block_len() * LANES, 0);
        let parts = out.chunks_exact_mut(self.block_len() * LANES);
        blocks.iter().zip(parts).fold(false, |negative, (x, out)| self.arrange(steps, x, out) || negative)
    }

    /// Writes the codes of one block to `out`, whose padding is 0. True when one is negative.
    fn arrange<T: Input>(&self, steps: &Steps, x: &[T], out: &mut [i32]) -> bool {
        let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
        let plane = self.channels() * self.size[0] * self.size[1];
        let mut signs = I32x8::splat(0);
        for (x, out) in x.chunks_exact(plane).zip(out.chunks_exact_mut(self.group_len())) {
            let seen = if self.hop > 1 { self.rows(steps, x, out) } else { self.positions(steps, x, out) };
            signs = signs.or(seen);
        }
        signs.any_negative()
    }

    /// One channel: a vector at every position, of it and the ones that follow in its row.
    #[inline(always)]
    fn rows<T: Input>(&self, steps: &Steps, x: &[[T; LANES]], out: &mut [[i32; LANES]]) -> I32x8 {
        let padding = self.shape.padding;
        let width = self.padded()[1];
        let zero = I32x8::splat(0);
        let mut signs = zero;
        let out = out[padding * width..].chunks_exact_mut(width);
        for (x, out) in x.chunks_exact(self.size[1]).step_by(self.stride).zip(out) {
            let mut seen = [zero; 4];
            let ahead = V::GROUP - 1;
            for at in 0..width + ahead {
                // What lies before the row wraps round to far behind it.
                let next = steps.at(x, at.wrapping_sub(padding).wrapping_mul(self.stride));
                signs = signs.or(next);
                seen = if V::GROUP == 4 { [seen[1], seen[2], seen[3], next] } else { [seen[1], next, zero, zero] };
                if let Some(at) = at.checked_sub(ahead) {
                    V::join(seen).store(&mut out[at]);
                }
            }
        }
        signs
    }

    /// Several channels: vectors of neighbouring channels at every position.
    #[inline(always)]
    fn positions<T: Input>(&self, steps: &Steps, x: &[[T; LANES]], out: &mut [[i32; LANES]]) -> I32x8 {
        let ConvShape { input: [_, height, width], padding, .. } = self.shape;
        let padded_width = self.padded()[1];
        let [full_height, full_width] = self.size;
        let zero = I32x8::splat(0);
        let mut signs = zero;
        for (depth, channels) in x.chunks(V::GROUP * full_height * full_width).enumerate() {
            for y in 0..height {
                let row = |i: usize| {
                    let first = (i * full_height + y * self.stride) * full_width;
                    channels.get(first..first + full_width).unwrap_or(&[])
                };
                let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
                let out = &mut out[((y + padding) * padded_width + padding) * self.depth..];
                for (at, out) in out.chunks_mut(self.depth).take(width).enumerate() {
                    let at = at * self.stride;
                    let (a, b) = (steps.at(a, at), steps.at(b, at));
                    let (c, d) = if V::GROUP == 4 { (steps.at(c, at), steps.at(d, at)) } else { (zero, zero) };
                    signs = signs.or(a).or(b).or(c).or(d);
                    V::join([a, b, c, d]).store(&mut out[depth]);
                }
            }
        }
        signs
    }
}

/// What a block holds: values that are still to be rounded, or their codes.
pub trait Input: Copy {
    /// The codes of a vector on this grid.
    fn codes(from: &[Self; LANES], steps: &Steps) -> I32x8;
}

impl Input for f32 {
    #[inline(always)]
    fn codes(from: &[f32; LANES], steps: &Steps) -> I32x8 {
        F32x8::load(from).codes(steps.scale, steps.low as f32, steps.high as f32)
    }
}

impl Input for i8 {
    #[inline(always)]
    fn codes(from: &[i8; LANES], _: &Steps) -> I32x8 {
        I32x8::from_bytes(from)
    }
}

impl Steps {
    /// Whether all codes fit 8 bits.
    pub fn narrow(&self) -> bool {
        self.low >= i32::from(i8::MIN) && self.high <= i32::from(i8::MAX)
    }

    /// Rounds vectors to codes, where these are [`Steps::narrow`].
    pub fn round(&self, values: &[[f32; LANES]], codes: &mut [[i8; LANES]]) {
        for (value, codes) in values.iter().zip(codes) {
            Input::codes(value, self).to_bytes(codes);
        }
    }

    /// The codes at one place of a row; 0 outside of it.
    #[inline(always)]
    fn at<T: Input>(&self, row: &[[T; LANES]], at: usize) -> I32x8 {
        match row.get(at) {
            Some(x) => T::codes(x, self),
            None => I32x8::splat(0),
        }
    }
}
