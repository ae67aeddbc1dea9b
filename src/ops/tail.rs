//! What follows a layer with weights and is done on its rows while they are near: batch norm, residual, activation, pooling.
//!
//! Every step does to a row exactly what its layer does to a block, so the bits are the same.

use super::Activation;
use crate::kernels::RowSink;
use crate::kernels::elementwise::{add_above, affine, affine_above, affine_add_above, each_vector, relu};
use crate::kernels::pool::{PoolShape, max_pool_one, max_pool_row};
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

/// The steps behind one layer.
#[derive(Clone, Debug)]
pub struct Tail {
    steps: Vec<RowStep>,
    pool: Option<PoolShape>,
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
            RowStep::MaxPool(shape) => self.pool = Some(shape),
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

/// A sink that does a tail's steps and leaves the result in a block.
pub struct Finish<'a> {
    /// The steps.
    pub tail: &'a Tail,
    /// What the additions read, in order.
    pub others: &'a [&'a [f32]],
    /// The result.
    pub out: &'a mut [f32],
    /// Rows on their way to a pooling.
    pub rows: &'a mut Vec<f32>,
}

impl RowSink for Finish<'_> {
    fn rows(&mut self, first: usize, count: usize, y: usize) -> (&mut [Lanes], usize) {
        let Tail { height, width, pool, .. } = *self.tail;
        if pool.is_some() {
            self.rows.resize(count * width * LANES, 0.0);
            return (self.rows.as_chunks_mut::<LANES>().0, width);
        }
        (&mut self.out.as_chunks_mut::<LANES>().0[(first * height + y) * width..], height * width)
    }

    fn done(&mut self, first: usize, count: usize, y: usize) {
        let Tail { height, width, pool, .. } = *self.tail;
        if height == 1 && pool.is_none() {
            // The rows of all channels stand side by side.
            let at = first * width;
            let span = &mut self.out.as_chunks_mut::<LANES>().0[at..at + count * width];
            return self.tail.finish(span, first, width, at, self.others);
        }
        let out = self.out.as_chunks_mut::<LANES>().0;
        for (i, channel) in (first..first + count).enumerate() {
            let at = (channel * height + y) * width;
            let Some(pool) = &pool else {
                self.tail.finish(&mut out[at..at + width], channel, width, at, self.others);
                continue;
            };
            let row = &mut self.rows.as_chunks_mut::<LANES>().0[i * width..(i + 1) * width];
            self.tail.finish(row, channel, width, at, self.others);
            max_pool_row(pool, row, channel, y, out);
        }
    }
}
