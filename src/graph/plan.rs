//! Inference: layers prepared once, run block by block.

use super::{Graph, GraphError, ValueId};
use crate::ops::{Arithmetic, Finish, InputGrid, Layer, LayerParams, RowStep, Scratch, Tail};
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

/// One call of a run: a layer, and what follows it on its rows.
struct Step {
    node: usize,
    /// It, and the nodes in its tail.
    nodes: Vec<usize>,
    /// Values it reads.
    inputs: Vec<usize>,
    /// Values that the tail's additions read, in order.
    others: Vec<usize>,
    /// The value it gives: the node's, or the one of the last node in its tail.
    output: usize,
    /// `None` for layers that do not give rows.
    tail: Option<Tail>,
}

/// A graph with prepared layers and a buffer for every value of one block that stands in memory.
///
/// A layer that gives rows takes what follows it into its tail (batch norm, residual, activation, pooling) as long as nothing
/// else reads the values in between; those are never in memory. Bits are those of the separate layers.
pub struct Plan {
    graph: Rc<Graph>,
    layers: Vec<Box<dyn Layer>>,
    steps: Vec<Step>,
    /// The buffer of each value; `None` for those inside a tail.
    buffers: Vec<Option<usize>>,
    blocks: Vec<Vec<f32>>,
    scratch: Scratch,
    rows: Vec<f32>,
    single: Option<Single>,
}

/// What a single image needs: plain values of every node, and how to do without a block.
struct Single {
    steps: Vec<Option<RowStep>>,
    values: Vec<Vec<f32>>,
}

/// Which values of a graph stand in memory, and the calls that make them. `kept[node]` keeps what a node reads.
fn schedule(graph: &Graph, layers: &[Box<dyn Layer>], kept: &[bool]) -> (Vec<Step>, Vec<Option<usize>>) {
    let mut readers = vec![0; graph.shapes().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        for input in &node.inputs {
            // A value that must be kept counts as read by one more.
            readers[input.index()] += if kept.get(i) == Some(&true) { 2 } else { 1 };
        }
    }
    // The value whose buffer each value has.
    let mut home: Vec<usize> = (0..graph.shapes().len()).collect();
    let mut steps: Vec<Step> = Vec::new();
    for (i, (node, layer)) in graph.nodes().iter().zip(layers).enumerate() {
        let (output, row_step) = (i + 1, layer.as_row_step());
        if let (Some(RowStep::View), Some(input)) = (&row_step, node.inputs.first()) {
            home[output] = home[input.index()];
            continue;
        }
        let inputs: Vec<usize> = node.inputs.iter().map(|id| home[id.index()]).collect();
        let before = |steps: &[Step], id: ValueId| {
            let alone = readers[id.index()] == 1 && home[id.index()] == id.index();
            steps.iter().position(|step| alone && step.output == id.index() && step.tail.is_some())
        };
        let mut joined = false;
        if let Some(row_step) = row_step {
            for (position, &id) in node.inputs.iter().enumerate() {
                let Some(at) = before(&steps, id) else { continue };
                let mut step = steps.remove(at);
                joined = step.tail.as_mut().is_some_and(|tail| tail.push(row_step.clone()));
                if joined {
                    // The call moves to where its last node stands: everything that the tail reads is there by then.
                    step.output = output;
                    step.nodes.push(i);
                    step.others.extend(inputs.iter().enumerate().filter(|(j, _)| *j != position).map(|(_, &id)| id));
                    steps.push(step);
                    break;
                }
                steps.insert(at, step);
            }
        }
        if !joined {
            let size = match graph.shapes()[output].dims() {
                &[_, height, width] => [height, width],
                _ => [1, 1],
            };
            let tail = layer.gives_rows().then(|| Tail::new(size));
            steps.push(Step { node: i, nodes: vec![i], inputs, others: Vec::new(), output, tail });
        }
    }
    let made: Vec<usize> = std::iter::once(0).chain(steps.iter().map(|step| step.output)).collect();
    let buffers = home.iter().map(|home| made.iter().position(|made| made == home)).collect();
    (steps, buffers)
}

impl Plan {
    /// Prepares every layer. `params` are all parameters in order; `arithmetic` has one entry per node.
    ///
    /// # Errors
    /// [`GraphError`] naming the node whose parameters do not fit.
    pub fn new(graph: &Rc<Graph>, params: &[&Tensor], arithmetic: &[LayerArithmetic]) -> Result<Self, GraphError> {
        Self::keeping(graph, params, arithmetic, &[])
    }

    /// A plan in which [`Plan::node_input`] has the input of every node with `kept[node]`.
    ///
    /// # Errors
    /// [`GraphError`] naming the node whose parameters do not fit.
    pub fn keeping(
        graph: &Rc<Graph>,
        params: &[&Tensor],
        arithmetic: &[LayerArithmetic],
        kept: &[bool],
    ) -> Result<Self, GraphError> {
        let layers = prepare(graph, params, arithmetic, |_| false)?;
        let (steps, buffers) = schedule(graph, &layers, kept);
        let made = std::iter::once(0).chain(steps.iter().map(|step| step.output));
        let blocks = made.map(|value| vec![0.0; graph.shapes()[value].len() * LANES]).collect();
        let graph = Rc::clone(graph);
        Ok(Self { graph, layers, steps, buffers, blocks, scratch: Scratch::default(), rows: Vec::new(), single: None })
    }

    /// Where to write the next input: `[feature][lane]`.
    pub fn input(&mut self) -> &mut [f32] {
        &mut self.blocks[0]
    }

    /// The graph it runs.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Multiply-adds of one block.
    pub fn block_macs(&self) -> u64 {
        self.graph.macs() * LANES as u64
    }

    /// Runs the block in [`Plan::input`] and returns the output, `[feature][lane]`.
    pub fn run(&mut self) -> &[f32] {
        for step in 0..self.steps.len() {
            self.run_step(step);
        }
        let output = self.buffers.last().copied().flatten().unwrap_or(0);
        &self.blocks[output]
    }

    /// The newest output of node `node`, `[feature][lane]`; `None` where it was only ever rows of a tail (see
    /// [`Plan::keeping`]).
    pub fn node_output(&self, node: usize) -> Option<&[f32]> {
        self.buffers[node + 1].map(|buffer| self.blocks[buffer].as_slice())
    }

    /// What [`Plan::run_step`] does, in order: the nodes that each step covers, the first of which gives its name.
    pub fn steps(&self) -> Vec<Vec<usize>> {
        self.steps.iter().map(|step| step.nodes.clone()).collect()
    }

    /// Runs one step of [`Plan::steps`] alone, on the values that the last run left, so that it can be timed.
    pub fn run_step(&mut self, step: usize) {
        let i = step;
        let step = &self.steps[i];
        // Block 0 is the input, block i + 1 what step i makes.
        let (earlier, rest) = self.blocks.split_at_mut(i + 1);
        let value = |&id: &usize| self.buffers[id].map_or(&[][..], |at| earlier[at].as_slice());
        let inputs: Vec<&[f32]> = step.inputs.iter().map(value).collect();
        let (layer, out) = (&self.layers[step.node], &mut rest[0]);
        match &step.tail {
            Some(tail) if !tail.is_empty() => {
                let others: Vec<&[f32]> = step.others.iter().map(value).collect();
                let mut finish = Finish { tail, others: &others, out, rows: &mut self.rows };
                layer.forward_rows(inputs[0], &mut finish, &mut self.scratch);
            }
            _ => layer.forward(&inputs, out, &mut self.scratch),
        }
    }

    /// The integer kernel of every node, where it runs one.
    pub fn kernels(&self) -> Vec<Option<&'static str>> {
        self.layers.iter().map(|layer| layer.kernel()).collect()
    }

    /// Runs one image of plain values, which is faster than a block with one lane in use, and returns its output. The bits are
    /// those of the block. [`Plan::node_input`] does not see it.
    pub fn run_one(&mut self, image: &[f32]) -> &[f32] {
        let (graph, layers) = (&self.graph, &self.layers);
        let single = self.single.get_or_insert_with(|| Single {
            steps: layers.iter().map(|layer| layer.as_row_step()).collect(),
            values: graph.shapes().iter().map(|shape| vec![0.0; shape.len()]).collect(),
        });
        single.values[0].copy_from_slice(image);
        for (i, (node, layer)) in graph.nodes().iter().zip(layers).enumerate() {
            let (earlier, rest) = single.values.split_at_mut(i + 1);
            let inputs: Vec<&[f32]> = node.inputs.iter().map(|id| earlier[id.index()].as_slice()).collect();
            let out = &mut rest[0];
            if let Some(step) = &single.steps[i] {
                step.run_one(&inputs, out);
            } else if !layer.forward_one(&inputs, out, &mut self.scratch) {
                let spread = |x: &[f32]| x.iter().flat_map(|&x| [x, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).collect();
                let blocks: Vec<Vec<f32>> = inputs.iter().map(|x| spread(x)).collect();
                let mut block = vec![0.0; out.len() * LANES];
                let inputs: Vec<&[f32]> = blocks.iter().map(Vec::as_slice).collect();
                layer.forward(&inputs, &mut block, &mut self.scratch);
                out.iter_mut().zip(block.as_chunks::<LANES>().0).for_each(|(out, lanes)| *out = lanes[0]);
            }
        }
        &single.values[layers.len()]
    }

    /// The newest values of what node `node` reads first, `[feature][lane]`; `None` where they were only ever rows
    /// of a tail (see [`Plan::keeping`]).
    pub fn node_input(&self, node: usize) -> Option<&[f32]> {
        let buffer = self.buffers[self.graph.nodes()[node].inputs[0].index()]?;
        Some(&self.blocks[buffer])
    }
}

/// Prepares the layers of a graph; `goes_back` says whose gradients by their inputs will be asked for.
///
/// # Errors
/// [`GraphError`] naming the node whose parameters do not fit.
pub(crate) fn prepare(
    graph: &Graph,
    params: &[&Tensor],
    arithmetic: &[LayerArithmetic],
    goes_back: impl Fn(usize) -> bool,
) -> Result<Vec<Box<dyn Layer>>, GraphError> {
    graph
        .nodes()
        .iter()
        .enumerate()
        .map(|(i, node)| {
            let tensors = &params[node.first_param..node.first_param + node.params.len()];
            let arithmetic = arithmetic.get(i).map_or(Arithmetic::Float, LayerArithmetic::borrow);
            let layer_params = LayerParams { tensors, arithmetic, training: goes_back(i) };
            let prepared = node.op.prepare(&graph.input_shapes(node), &layer_params);
            prepared.map_err(|error| GraphError { node: node.name.clone(), error })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::models::{Execution, MODELS, Network};
    use crate::rng::Rng;
    use crate::simd::LANES;

    #[test]
    fn fused_and_separate_layers_give_the_same_bits_for_every_model() {
        for model in MODELS {
            let mut network = Network::random(model, 7).unwrap();
            let mut rng = Rng::stream(7, "plan", 0);
            // Biases and statistics that change something.
            for parameter in network.parameters.iter_mut().filter(|parameter| !parameter.is_weight()) {
                parameter.latent.data_mut().iter_mut().for_each(|v| *v = rng.uniform(0.1, 0.9));
            }
            let mut fused = network.plan(Execution::Fake).unwrap();
            let nodes = network.graph.nodes().len();
            let mut separate = network.plan_keeping(Execution::Fake, &vec![true; nodes]).unwrap();
            assert!(fused.steps.len() < separate.steps.len(), "{}", model.id);
            let views = network.graph.nodes().iter().filter(|node| node.op.kind() == "flatten").count();
            assert_eq!(separate.steps.len() + views, nodes, "{}", model.id);
            for _ in 0..2 {
                let block: Vec<f32> = fused.input().iter().map(|_| rng.uniform(-1.0, 1.0)).collect();
                fused.input().copy_from_slice(&block);
                separate.input().copy_from_slice(&block);
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(fused.run()), bits(separate.run()), "{}", model.id);
                let lane = |block: &[f32], lane: usize| -> Vec<f32> {
                    block.as_chunks::<LANES>().0.iter().map(|lanes| lanes[lane]).collect()
                };
                let wanted = separate.run().to_vec();
                for image in [0, 5] {
                    let found = fused.run_one(&lane(&block, image)).to_vec();
                    assert_eq!(bits(&found), bits(&lane(&wanted, image)), "{} alone", model.id);
                }
                for node in 0..nodes {
                    let wanted = separate.node_input(node).unwrap();
                    if let Some(found) = fused.node_input(node) {
                        assert_eq!(bits(found), bits(wanted), "{} {}", model.id, network.graph.nodes()[node].name);
                    }
                }
            }
        }
    }
}
