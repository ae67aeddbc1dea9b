//! What follows a layer with weights and is done on its rows while they are near: batch norm, residual, activation, pooling.
//!
//! Every step does to a row exactly what its layer does to a block, so the bits are the same.

use super::Activation;
use crate::kernels::RowSink;
use crate::kernels::elementwise::{add_above, affine, affine_above, affine_add_above, each_vector, relu};
use crate::kernels::integer::Steps;
use crate::kernels::pool::{PoolShape, max_pool_one, max_pool_rows};
use crate::simd::LANES;

type Lanes = [f32; LANES];

/// One layer as a step on rows.
#[derive(Clone, Debug)]
pub enum RowStep {
    /// `x · slope + offset` per channel (two roundings).
    Affine {
        /// One per channel.
        slope: Vec<f32>,
        /// One per channel.
        offset: Vec<f32>,
    },
    /// Adds the same row of another value.
    Add,
    /// `max(x, 0)`.
    Relu,
    /// Another function of one element.
    Activate(Activation),
    /// The largest value of each window; always the last step.
    MaxPool(PoolShape),
    /// The same values under another shape; nothing to do.
    View,
}

impl RowStep {
    /// The step on one image alone: plain values in, plain values out, the bits of a lane of a block.
    pub fn run_one(&self, inputs: &[&[f32]], out: &mut [f32]) {
        if let Self::MaxPool(shape) = self {
            return max_pool_one(shape, inputs[0], out);
        }
        out.copy_from_slice(inputs[0]);
        match self {
            Self::Affine { slope, offset } => {
                let positions = out.len() / slope.len().max(1);
                for (row, (&slope, &offset)) in out.chunks_mut(positions.max(1)).zip(slope.iter().zip(offset)) {
                    each_vector(row, |row| affine(row, slope, offset));
                }
            }
            Self::Add => out.iter_mut().zip(inputs[1]).for_each(|(out, other)| *out += other),
            Self::Relu => each_vector(out, relu),
            Self::Activate(activation) => each_vector(out, |row| activation.update(row)),
            Self::MaxPool(_) | Self::View => {}
        }
    }
}

/// A pooling behind all other steps.
#[derive(Clone, Copy, Debug)]
struct Pool {
    kernel: usize,
    /// Height and width of what it gives.
    output: [usize; 2],
    /// In place of anything less: a ReLU before it.
    floor: f32,
}

/// The steps behind one layer.
#[derive(Clone, Debug)]
pub struct Tail {
    steps: Vec<RowStep>,
    pool: Option<Pool>,
    height: usize,
    width: usize,
}

impl Tail {
    /// No step yet, behind a layer whose output has this height and width (1 and 1 without image shape).
    pub fn new([height, width]: [usize; 2]) -> Self {
        Self { steps: Vec::new(), pool: None, height, width }
    }

    /// Takes one more step, unless it cannot be done on single rows here: nothing follows a pooling, and windows
    /// must not overlap.
    pub fn push(&mut self, step: RowStep) -> bool {
        if self.pool.is_some() {
            return false;
        }
        match step {
            RowStep::View => return false,
            RowStep::MaxPool(shape) if shape.stride != shape.kernel => return false,
            RowStep::MaxPool(shape) => {
                let relu = self.steps.pop_if(|step| matches!(step, RowStep::Relu)).is_some();
                let [_, height, width] = shape.output();
                let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
                self.pool = Some(Pool { kernel: shape.kernel, output: [height, width], floor });
            }
            step => self.steps.push(step),
        }
        true
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.pool.is_none()
    }

    /// Does all steps but a pooling on `span`: whole rows of channels from `first` on, `each` vectors of every channel, which
    /// stand from vector `at` on in a block. `others` are what the additions read, in order. Batch norm, addition and ReLU that
    /// follow each other pass over the row once.
    fn finish(&self, span: &mut [Lanes], first: usize, each: usize, at: usize, others: &[&[f32]]) {
        let mut others = others.iter().map(|other| &other.as_chunks::<LANES>().0[at..]);
        let mut steps = self.steps.as_slice();
        while let [step, rest @ ..] = steps {
            steps = rest;
            match step {
                RowStep::Affine { slope, offset } => {
                    let other = take(&mut steps, &RowStep::Add).then(|| others.next()).flatten();
                    let floor = floor(&mut steps);
                    for (i, row) in span.chunks_mut(each).enumerate() {
                        let (slope, offset) = (slope[first + i], offset[first + i]);
                        match other {
                            Some(other) => affine_add_above(row, &other[i * each..], slope, offset, floor),
                            None => affine_above(row, slope, offset, floor),
                        }
                    }
                }
                RowStep::Add => {
                    if let Some(other) = others.next() {
                        add_above(span, other, floor(&mut steps));
                    }
                }
                RowStep::Relu => relu(span),
                RowStep::Activate(activation) => activation.update(span),
                RowStep::MaxPool(_) | RowStep::View => {}
            }
        }
    }
}

/// Takes the next step if it is of the same kind as `wanted`.
fn take(steps: &mut &[RowStep], wanted: &RowStep) -> bool {
    match steps {
        [next, rest @ ..] if std::mem::discriminant(next) == std::mem::discriminant(wanted) => {
            *steps = rest;
            true
        }
        _ => false,
    }
}

/// Takes the next step if it is a ReLU, and says below what nothing may stay.
fn floor(steps: &mut &[RowStep]) -> f32 {
    if take(steps, &RowStep::Relu) { 0.0 } else { f32::NEG_INFINITY }
}

/// Where a tail leaves its result.
pub enum Rest<'a> {
    /// Values `[feature][lane]`.
    Values(&'a mut [f32]),
    /// Their codes, for layers that would round them to these anyway.
    Codes(&'a mut [i8], Steps),
}

/// A sink that does a tail's steps and leaves the result in a block.
pub struct Finish<'a> {
    /// The steps.
    pub tail: &'a Tail,
    /// What the additions read, in order.
    pub others: &'a [&'a [f32]],
    /// The result.
    pub out: Rest<'a>,
    /// Rows on their way to a pooling or to codes, and behind them what is pooled of them.
    pub rows: &'a mut Vec<f32>,
}

impl RowSink for Finish<'_> {
    fn rows(&mut self, first: usize, count: usize, y: usize) -> (&mut [Lanes], usize) {
        let Tail { height, width, pool, .. } = *self.tail;
        match &mut self.out {
            Rest::Values(out) if pool.is_none() => {
                (&mut out.as_chunks_mut::<LANES>().0[(first * height + y) * width..], height * width)
            }
            _ => {
                // Of a pooling: all rows of its windows, one behind the other.
                let (kernel, pooled) = pool.map_or((1, 0), |pool| (pool.kernel, pool.output[1]));
                self.rows.resize((count * kernel * width + pooled) * LANES, 0.0);
                (&mut self.rows.as_chunks_mut::<LANES>().0[y % kernel * width..], kernel * width)
            }
        }
    }

    fn done(&mut self, first: usize, count: usize, y: usize) {
        let Tail { height, width, pool, .. } = *self.tail;
        if height == 1 && pool.is_none() {
            // The rows of all channels stand side by side.
            let at = first * width;
            let finish = |span: &mut [Lanes]| self.tail.finish(span, first, width, at, self.others);
            match &mut self.out {
                Rest::Values(out) => finish(&mut out.as_chunks_mut::<LANES>().0[at..at + count * width]),
                Rest::Codes(out, steps) => {
                    let span = &mut self.rows.as_chunks_mut::<LANES>().0[..count * width];
                    finish(span);
                    steps.round(span, &mut out.as_chunks_mut::<LANES>().0[at..]);
                }
            }
            return;
        }
        let rows = self.rows.as_chunks_mut::<LANES>().0;
        // Of a pooling: the row of windows, and which of its rows this one is.
        let kernel = pool.map_or(1, |pool| pool.kernel);
        let (line, part) = (y / kernel, y % kernel);
        if part + 1 < kernel && self.tail.steps.is_empty() {
            return;
        }
        for (i, channel) in (first..first + count).enumerate() {
            let at = (channel * height + y) * width;
            let finish = |row: &mut [Lanes]| self.tail.finish(row, channel, width, at, self.others);
            match (&mut self.out, &pool) {
                (Rest::Values(out), None) => finish(&mut out.as_chunks_mut::<LANES>().0[at..at + width]),
                (Rest::Codes(out, steps), None) => {
                    let row = &mut rows[i * width..][..width];
                    finish(row);
                    steps.round(row, &mut out.as_chunks_mut::<LANES>().0[at..]);
                }
                (out, Some(pool)) => {
                    let (rows, pooled) = rows.split_at_mut(count * kernel * width);
                    let rows = &mut rows[i * kernel * width..][..kernel * width];
                    finish(&mut rows[part * width..][..width]);
                    let [out_height, out_width] = pool.output;
                    if part + 1 < kernel || line >= out_height {
                        continue;
                    }
                    let at = (channel * out_height + line) * out_width;
                    let pick = |out: &mut [Lanes]| max_pool_rows(kernel, rows, width, pool.floor, out);
                    match out {
                        Rest::Values(out) => pick(&mut out.as_chunks_mut::<LANES>().0[at..][..out_width]),
                        Rest::Codes(out, steps) => {
                            pick(pooled);
                            steps.round(pooled, &mut out.as_chunks_mut::<LANES>().0[at..]);
                        }
                    }
                }
            }
        }
    }
}
