//! Inputs of layers in the forward pass of a training.

use super::LEAST_SCALE;
use crate::ops::InputGrid;
use crate::simd::LANES;
use crate::train::estimator::{Slopes, lsq, mean_magnitude, pact, sign};

/// A layer's input seen through its grid.
#[derive(Clone, Debug)]
pub struct InputView {
    /// The grid of this step.
    pub grid: InputGrid,
    pub(super) learns: Learns,
    /// Where its own value is, if it has one.
    pub(super) at: usize,
    /// Values of one image.
    pub(super) features: usize,
    /// Whether the scale still has to be chosen, by the first batch.
    pub(super) fresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Learns {
    Nothing,
    Scale { unit: f32 },
    Clip,
}

impl InputView {
    /// Whether gradients change the grid.
    pub fn learns(&self) -> bool {
        self.learns != Learns::Nothing
    }

    /// Chooses the scale by the first batch, if that is still to be done (arXiv 1902.08153, §2.1). The mean magnitude is taken over
    /// blocks, features and lanes in this order.
    pub fn meet(&mut self, blocks: &[&[f32]], images: usize) {
        let Learns::Scale { unit } = self.learns else { return };
        if std::mem::take(&mut self.fresh) {
            let lanes = |block: usize| LANES.min(images.saturating_sub(block * LANES));
            let values = blocks.iter().enumerate().flat_map(|(block, values)| {
                values.as_chunks::<LANES>().0.iter().flat_map(move |features| &features[..lanes(block)])
            });
            self.grid.scale = (mean_magnitude(values) * unit).max(LEAST_SCALE);
        }
    }

    pub(super) fn slopes(&self, x: f32) -> Slopes {
        match self.learns {
            Learns::Scale { .. } if self.grid.sign => sign(x),
            Learns::Scale { .. } => lsq(x, self.grid.scale, self.grid.low as f32, self.grid.high as f32),
            Learns::Clip => pact(x, &self.grid),
            Learns::Nothing => Slopes { value: if self.grid.passes(x) { 1.0 } else { 0.0 }, learned: 0.0 },
        }
    }

    /// Makes `gradient` by the rounded block one by `x`; returns the gradient by what is learned, summed in f64 in order. Where
    /// nothing passes the gradient is 0, whatever it was.
    pub fn backward(&self, x: &[f32], gradient: &mut [f32]) -> f64 {
        let mut learned = 0.0;
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            let slopes = self.slopes(x);
            if self.learns() {
                learned += f64::from(*gradient * slopes.learned);
            }
            *gradient = if slopes.value == 0.0 { 0.0 } else { *gradient * slopes.value };
        }
        learned
    }

    pub(super) fn follow(&mut self, own: f32) {
        match self.learns {
            Learns::Scale { unit } => self.grid.scale = (own * unit).max(LEAST_SCALE),
            Learns::Clip => self.grid.scale = (own / self.grid.high as f32).max(LEAST_SCALE),
            Learns::Nothing => {}
        }
    }

    /// The own value that gives the grid as it is.
    pub(super) fn value(&self) -> f32 {
        match self.learns {
            Learns::Scale { unit } => self.grid.scale / unit,
            Learns::Clip => self.grid.scale * self.grid.high as f32,
            Learns::Nothing => 0.0,
        }
    }
}
