//! Graphs that write: one token in, the logits of the next out, with keys and values kept by the caller.

use crate::graph::Graph;
use std::rc::Rc;

/// A decoder's graph for one token, and how its inputs and outputs lie in one value each.
///
/// Inputs: the token, its position, then for every layer the keys and the values of earlier tokens, each `[width×tokens]`.
/// Outputs: the logits, then for every layer query, key and value of this token, each `[width]`.
#[derive(Debug)]
pub struct Step {
    /// The graph.
    pub graph: Rc<Graph>,
    /// Tokens that keys and values are kept for.
    pub tokens: usize,
    /// Number of logits.
    pub vocabulary: usize,
    /// Values of one key.
    pub width: usize,
    /// Layers that keep keys and values.
    pub layers: usize,
}

impl Step {
    /// Copies the key and value of the token at position `at` from `outputs` to where `inputs` keep them.
    pub fn keep(&self, outputs: &[f32], inputs: &mut [f32], at: usize) {
        for part in 0..2 * self.layers {
            let (layer, value) = (part / 2, part % 2);
            let from = &outputs[self.vocabulary + (3 * layer + 1 + value) * self.width..][..self.width];
            let to = inputs[2 + part * self.width * self.tokens..].chunks_exact_mut(self.tokens);
            for (to, from) in to.zip(from) {
                to[at] = *from;
            }
        }
    }
}
