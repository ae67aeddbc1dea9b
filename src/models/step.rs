//! Graphs that write: one token in, the logits of the next out, with keys and values kept by the caller.

use super::Network;
use crate::error::CoreError;
use crate::graph::{Graph, GraphError, Node, ValueId};
use crate::ops::Concat;
use crate::tensor::Shape;
use std::rc::Rc;
use std::sync::Arc;

/// A decoder's graph for one token, and how its inputs and outputs lie in one value each.
///
/// Inputs: the token, its position, then for every layer the keys and the values of earlier tokens, each `[width×tokens]`.
/// Outputs: the logits, then for every layer query, key and value of this token, each `[width]`. Layers may differ in width.
#[derive(Debug)]
pub struct Step {
    /// The graph.
    pub graph: Rc<Graph>,
    /// Tokens that keys and values are kept for.
    pub tokens: usize,
    /// Number of logits.
    pub vocabulary: usize,
    /// Values of one key of every layer that keeps keys and values.
    pub widths: Vec<usize>,
}

impl Step {
    /// The graph with which a model of text writes: the layers of its own by the same names, each as it is for one token. `None` for other
    /// models.
    ///
    /// # Errors
    /// `internal` when it does not build, which tests rule out.
    pub fn new(network: &Network) -> Result<Option<Self>, CoreError> {
        let text = network.graph.nodes().first().is_some_and(|node| node.op.kind() == "embedding");
        let step = || Self::of(&network.graph).map_err(|error| CoreError::internal(network.model.id, error));
        text.then(step).transpose()
    }

    fn of(whole: &Graph) -> Result<Self, GraphError> {
        let tokens = whole.shape(ValueId::INPUT).len();
        let attends = |node: &&Node| node.op.kind() == "causal_attention";
        let width = |node: &Node| whole.shape(node.inputs[0]).dims()[0] / 3;
        let widths: Vec<usize> = whole.nodes().iter().filter(attends).map(width).collect();
        let room = 2 + 2 * tokens * widths.iter().sum::<usize>();
        let input = Shape::new(&[room]).map_err(|error| GraphError { node: "input".into(), error })?;
        let (mut graph, mut values, mut offset) = (Graph::new(input), vec![ValueId::INPUT], 2);
        let mut outputs = Vec::new();
        for node in whole.nodes() {
            let mut inputs: Vec<ValueId> = node.inputs.iter().map(|id| values[id.index()]).collect();
            let op = node.op.step(tokens, offset).unwrap_or_else(|| Arc::clone(&node.op));
            if attends(&node) {
                outputs.push(inputs[0]);
                inputs.push(ValueId::INPUT);
                offset += 2 * tokens * width(node);
            }
            values.push(graph.add_shared(&node.name, op, &inputs)?);
        }
        outputs.insert(0, values[values.len() - 1]);
        graph.add("outputs", Concat { axis: 0 }, &outputs)?;
        Ok(Self { graph: Rc::new(graph), tokens, vocabulary: whole.output().dims()[0], widths })
    }

    /// Copies the key and value of the token at position `at` from `outputs` to where `inputs` keep them.
    pub fn keep(&self, outputs: &[f32], inputs: &mut [f32], at: usize) {
        let mut from = &outputs[self.vocabulary..];
        let mut to = inputs[2..].chunks_exact_mut(self.tokens);
        for width in &self.widths {
            let (own, others) = from.split_at(3 * width);
            from = others;
            for (value, to) in own[*width..].iter().zip(&mut to) {
                to[at] = *value;
            }
        }
    }
}
