//! Inference: layers prepared once, run block by block.

use super::{Graph, GraphError};
use crate::ops::{Arithmetic, InputGrid, Layer, LayerParams, Scratch};
use crate::simd::LANES;
use crate::tensor::Tensor;
use std::rc::Rc;

/// With what numbers a node computes; owned, see [`Arithmetic`].
#[derive(Clone, Debug, Default)]
pub enum LayerArithmetic {
    /// f32 throughout.
    #[default]
    Float,
    /// Rounded inputs, f32 products.
    RoundedInputs(InputGrid),
    /// Exact integer sums.
    Integer {
        /// The grid of the inputs.
        grid: InputGrid,
        /// Integer weights, row-major.
        weights: Vec<i32>,
        /// One weight scale per output channel.
        scales: Vec<f32>,
    },
}

impl LayerArithmetic {
    fn borrow(&self) -> Arithmetic<'_> {
        match self {
            Self::Float => Arithmetic::Float,
            Self::RoundedInputs(grid) => Arithmetic::RoundedInputs(*grid),
            Self::Integer { grid, weights, scales } => Arithmetic::Integer { grid: *grid, weights, scales },
        }
    }
}

/// A graph with prepared layers and a buffer for every value of one block.
pub struct Plan {
    graph: Rc<Graph>,
    layers: Vec<Box<dyn Layer>>,
    values: Vec<Vec<f32>>,
    scratch: Scratch,
}

impl Plan {
    /// Prepares every layer. `params` are all parameters in order; `arithmetic` has one entry per node.
    ///
    /// # Errors
    /// [`GraphError`] naming the node whose parameters do not fit.
    pub fn new(graph: &Rc<Graph>, params: &[&Tensor], arithmetic: &[LayerArithmetic]) -> Result<Self, GraphError> {
        let layers = prepare(graph, params, arithmetic, false)?;
        let values = graph.shapes().iter().map(|shape| vec![0.0; shape.len() * LANES]).collect();
        Ok(Self { graph: Rc::clone(graph), layers, values, scratch: Scratch::default() })
    }

    /// Where to write the next input: `[feature][lane]`.
    pub fn input(&mut self) -> &mut [f32] {
        &mut self.values[0]
    }

    /// Multiply-adds of one block.
    pub fn block_macs(&self) -> u64 {
        self.graph.macs() * LANES as u64
    }

    /// Runs the block in [`Plan::input`] and returns the output, `[feature][lane]`.
    pub fn run(&mut self) -> &[f32] {
        for step in 0..self.layers.len() {
            self.run_step(step);
        }
        &self.values[self.layers.len()]
    }

    /// What [`Plan::run_step`] does, in order: the nodes that each step covers.
    pub fn steps(&self) -> Vec<Vec<usize>> {
        (0..self.layers.len()).map(|node| vec![node]).collect()
    }

    /// Runs one step of [`Plan::steps`] alone, on the values that the last run left, so that it can be timed.
    pub fn run_step(&mut self, step: usize) {
        let (node, layer) = (&self.graph.nodes()[step], &self.layers[step]);
        let (earlier, rest) = self.values.split_at_mut(step + 1);
        let inputs: Vec<&[f32]> = node.inputs.iter().map(|id| earlier[id.index()].as_slice()).collect();
        layer.forward(&inputs, &mut rest[0], &mut self.scratch);
    }

    /// The newest values of what node `node` reads first, `[feature][lane]`.
    pub fn node_input(&self, node: usize) -> &[f32] {
        &self.values[self.graph.nodes()[node].inputs[0].index()]
    }
}

/// Prepares the layers of a graph; `training` for those that will also run backward.
///
/// # Errors
/// [`GraphError`] naming the node whose parameters do not fit.
pub(crate) fn prepare(
    graph: &Graph,
    params: &[&Tensor],
    arithmetic: &[LayerArithmetic],
    training: bool,
) -> Result<Vec<Box<dyn Layer>>, GraphError> {
    graph
        .nodes()
        .iter()
        .enumerate()
        .map(|(i, node)| {
            let tensors = &params[node.first_param..node.first_param + node.params.len()];
            let arithmetic = arithmetic.get(i).map_or(Arithmetic::Float, LayerArithmetic::borrow);
            let layer_params = LayerParams { tensors, arithmetic, training };
            let prepared = node.op.prepare(&graph.input_shapes(node), &layer_params);
            prepared.map_err(|error| GraphError { node: node.name.clone(), error })
        })
        .collect()
}
