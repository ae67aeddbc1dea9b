//! How channels pass through an op: which of its inputs' and its output's go together. Channels are the first dimension of a value.

use crate::tensor::Shape;

/// What an op does with channels, so that some can be taken out of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Each has a part in what becomes of the others, so that none can go.
    Mixed,
    /// The output's are new, and lie along dimension `axis` of every parameter. Where that is 0, the input's lie along
    /// dimension 1 of the weight; else none of the input's can go.
    New {
        /// The dimension.
        axis: usize,
    },
    /// Channels of one number go together. The output's lie along dimension 0 of every parameter.
    Tied {
        /// A number for each channel of each input.
        inputs: Vec<Vec<usize>>,
        /// A number for each channel of the output.
        output: Vec<usize>,
    },
}

/// The channels of a value.
pub fn channels(shape: &Shape) -> usize {
    shape.dims().first().copied().unwrap_or(1)
}

/// Numbers for so many channels, `each` neighbours with the same one.
pub(super) fn numbers(channels: usize, each: usize) -> Vec<usize> {
    (0..channels).map(|channel| channel / each.max(1)).collect()
}

impl Flow {
    /// Output channel `c` is made of channel `c` of every input.
    pub(super) fn same(inputs: &[&Shape]) -> Self {
        let inputs: Vec<Vec<usize>> = inputs.iter().map(|shape| numbers(channels(shape), 1)).collect();
        Self::Tied { output: inputs.first().cloned().unwrap_or_default(), inputs }
    }

    /// The same values in the same order, seen as `to` channels.
    pub(super) fn viewed(input: &Shape, to: usize) -> Self {
        let from = channels(input);
        let (input, output) = match (from, to) {
            (from, to) if from > 0 && to.is_multiple_of(from) => (1, to / from),
            (from, to) if to > 0 && from.is_multiple_of(to) => (from / to, 1),
            _ => return Self::Mixed,
        };
        Self::Tied { inputs: vec![numbers(from, input)], output: numbers(to, output) }
    }
}

/// How many are kept.
pub(super) fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|&&kept| kept).count()
}
