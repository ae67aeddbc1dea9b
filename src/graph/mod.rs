//! Networks: nodes in topological order, each an op over earlier values.

mod channels;
pub(crate) mod plan;
mod schedule;
mod surgery;

pub use channels::{Branch, Channels, Group, Keep, Units};
pub use plan::{LayerArithmetic, Plan};
pub use surgery::{Edit, Edited};

use crate::ops::{Op, ParamSpec};
use crate::tensor::{Shape, TensorError};
use std::fmt;
use std::sync::Arc;

/// A value in a graph: 0 is the input, `i` the output of node `i - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(u32);

impl ValueId {
    /// The graph's input.
    pub const INPUT: Self = Self(0);

    /// Position among all values.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation of a graph.
#[derive(Debug)]
pub struct Node {
    /// The layer's name, such as `conv1`.
    pub name: String,
    /// What it does.
    pub op: Arc<dyn Op>,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// Its parameters, in the op's order.
    pub params: Vec<ParamSpec>,
    /// Index of its first parameter among the graph's.
    pub first_param: usize,
    /// Multiply-adds for one image.
    pub macs: u64,
}

/// A [`TensorError`] and the node it happened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    /// The node's name.
    pub node: String,
    /// What was wrong.
    pub error: TensorError,
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.error)
    }
}

impl std::error::Error for GraphError {}

/// A network of one input and one output (the last node's).
#[derive(Debug)]
pub struct Graph {
    shapes: Vec<Shape>,
    nodes: Vec<Node>,
    param_count: usize,
}

impl Graph {
    /// A graph with an input of this shape (without batch) and no node yet.
    pub fn new(input: Shape) -> Self {
        Self { shapes: vec![input], nodes: Vec::new(), param_count: 0 }
    }

    /// Adds a node.
    ///
    /// # Errors
    /// [`GraphError`] when the op does not take its inputs.
    pub fn add(&mut self, name: &str, op: impl Op + 'static, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        self.add_shared(name, Arc::new(op), inputs)
    }

    /// Adds a node with an op that another graph may hold too.
    ///
    /// # Errors
    /// [`GraphError`] when the op does not take its inputs.
    pub fn add_shared(&mut self, name: &str, op: Arc<dyn Op>, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        let fail = |error| GraphError { node: name.to_string(), error };
        let shapes: Vec<&Shape> = inputs.iter().map(|id| &self.shapes[id.index()]).collect();
        let output = op.output(&shapes).map_err(fail)?;
        let params = op.params(&shapes).map_err(fail)?;
        let macs = op.macs(&shapes).map_err(fail)?;
        let first_param = self.param_count;
        self.param_count += params.len();
        let node = Node { name: name.to_string(), op, inputs: inputs.to_vec(), params, first_param, macs };
        self.nodes.push(node);
        self.shapes.push(output);
        Ok(ValueId(self.nodes.len() as u32))
    }

    /// Adds a node that reads the newest value.
    ///
    /// # Errors
    /// [`GraphError`] when the op does not take it.
    pub fn then(&mut self, name: &str, op: impl Op + 'static) -> Result<ValueId, GraphError> {
        self.add(name, op, &[ValueId(self.nodes.len() as u32)])
    }

    /// The nodes, inputs before users.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The shape of a value.
    pub fn shape(&self, id: ValueId) -> &Shape {
        &self.shapes[id.index()]
    }

    /// The shape of every value, the input first.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The shapes a node reads.
    pub fn input_shapes(&self, node: &Node) -> Vec<&Shape> {
        node.inputs.iter().map(|&id| self.shape(id)).collect()
    }

    /// The shape of the output.
    pub fn output(&self) -> &Shape {
        self.shapes.last().unwrap_or(&self.shapes[0])
    }

    /// Positions that the output has logits for: 1, or as many as there are characters.
    pub fn positions(&self) -> usize {
        self.output().dims()[1..].iter().product()
    }

    /// Names and specs of all parameters in order, such as `conv1.weight`.
    pub fn params(&self) -> impl Iterator<Item = (String, &ParamSpec)> {
        self.nodes
            .iter()
            .flat_map(|node| node.params.iter().map(move |spec| (format!("{}.{}", node.name, spec.name), spec)))
    }

    /// Multiply-adds for one image.
    pub fn macs(&self) -> u64 {
        self.nodes.iter().map(|node| node.macs).sum()
    }

    /// Bytes of the activations that must stand in memory at once for one image in f32, at the worst node:
    /// its output and every earlier value that it or a later node still reads.
    pub fn peak_activation_bytes(&self) -> u64 {
        let last_use = |id: usize| self.nodes.iter().rposition(|node| node.inputs.iter().any(|i| i.index() == id));
        let last_use: Vec<Option<usize>> = (0..self.shapes.len()).map(last_use).collect();
        let live = |at: usize| {
            let earlier = (0..=at).filter(|&id| last_use[id].is_some_and(|node| node >= at));
            earlier.chain([at + 1]).map(|id| 4 * self.shapes[id].len() as u64).sum::<u64>()
        };
        (0..self.nodes.len()).map(live).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Flatten, Linear, MaxPool2d, Relu};

    #[test]
    fn shapes_costs_and_peak_memory() {
        let mut graph = Graph::new(Shape::new(&[1, 4, 4]).unwrap());
        graph.then("pool", MaxPool2d { kernel: 2, stride: 2 }).unwrap();
        graph.then("flatten", Flatten).unwrap();
        graph.then("fc", Linear { outputs: 3 }).unwrap();
        graph.then("relu", Relu).unwrap();
        assert_eq!(graph.output().dims(), [3]);
        assert_eq!(graph.macs(), 12);
        assert_eq!(graph.peak_activation_bytes(), 4 * (16 + 4));
        let names: Vec<String> = graph.params().map(|(name, _)| name).collect();
        assert_eq!(names, ["fc.weight", "fc.bias"]);
    }

    #[test]
    fn an_error_names_its_node() {
        let mut graph = Graph::new(Shape::new(&[1, 4, 4]).unwrap());
        let error = graph.then("fc", Linear { outputs: 3 }).unwrap_err();
        assert_eq!(error.to_string(), "fc: linear: takes [features], found [1×4×4]");
    }
}
