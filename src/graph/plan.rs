//! Inference: layers prepared once, run block by block.

use super::schedule::{Blocks, Step, schedule, shared_grid};
use super::{Graph, GraphError};
use crate::kernels::RowSink;
use crate::kernels::weight_only::WeightOnly;
use crate::ops::{Arithmetic, DynamicGrid, Finish, InputGrid, Layer, LayerParams, RowStep, Scratch};
use crate::simd::LANES;
use crate::tensor::Tensor;
use std::rc::Rc;
use std::sync::Arc;

/// With what numbers a node computes; owned, see [`Arithmetic`].
#[derive(Clone, Debug, Default)]
pub enum LayerArithmetic {
    /// f32 throughout.
    #[default]
    Float,
    /// f32, skipping zeros however few there are.
    Sparse,
    /// f32, single images from packed weights.
    Stored(Arc<WeightOnly>),
    /// Rounded inputs, f32 products.
    RoundedInputs(InputGrid),
    /// Inputs rounded by their own range, f32 products.
    DynamicInputs(DynamicGrid),
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
            Self::Sparse => Arithmetic::Sparse,
            Self::Stored(stored) => Arithmetic::Stored(stored),
            Self::RoundedInputs(grid) => Arithmetic::RoundedInputs(*grid),
            Self::DynamicInputs(grid) => Arithmetic::DynamicInputs(*grid),
            Self::Integer { grid, weights, scales } => Arithmetic::Integer { grid: *grid, weights, scales },
        }
    }
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
    values: Vec<Blocks>,
    /// Blocks that one run may hold.
    width: usize,
    scratch: Scratch,
    rows: Vec<Vec<f32>>,
    single: Option<Single>,
}

/// Most blocks of one run, and most multiply-adds: a run must not keep the caller waiting.
const MOST_BLOCKS: usize = 64;
const MOST_MACS: u64 = 300_000_000;

/// What a single image needs: plain values of every node, and how to do without a block.
struct Single {
    steps: Vec<Option<RowStep>>,
    values: Vec<Vec<f32>>,
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
        let wide = |step: &Step| layers[step.node].takes_blocks();
        let width = match (MOST_MACS / (graph.macs() * LANES as u64).max(1)) as usize {
            fit if kept.is_empty() && steps.iter().any(wide) => fit.clamp(1, MOST_BLOCKS),
            _ => 1,
        };
        // What a step of several blocks reads or makes stands there for all of them, and so do input and output.
        let output = buffers.last().copied().flatten();
        let alone = |i: usize| {
            let read = |step: &Step| step.inputs.iter().chain(&step.others).any(|&id| buffers[id] == Some(i));
            let made = i > 0 && wide(&steps[i - 1]);
            i > 0 && Some(i) != output && !made && !steps.iter().any(|step| wide(step) && read(step))
        };
        let made = std::iter::once(0).chain(steps.iter().map(|step| step.output));
        let sizes = made.map(|value| graph.shapes()[value].len() * LANES);
        let hold = |(i, len): (usize, usize)| {
            let grid = (kept.is_empty() && i > 0).then(|| shared_grid(&steps, i - 1, &layers)).flatten();
            Blocks::new(len, if alone(i) { 1 } else { width }, grid)
        };
        let values = sizes.enumerate().map(hold).collect();
        let (graph, rows) = (Rc::clone(graph), vec![Vec::new(); width]);
        Ok(Self { graph, layers, steps, buffers, values, width, scratch: Scratch::default(), rows, single: None })
    }

    /// Blocks that [`Plan::run_blocks`] may be given at once: more than one where that is faster.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where to write the next input: `[feature][lane]`.
    pub fn input(&mut self) -> &mut [f32] {
        self.input_block(0)
    }

    /// Where to write block `block` of the next input, for one of [`Plan::width`].
    pub fn input_block(&mut self, block: usize) -> &mut [f32] {
        self.values[0].get_mut(block)
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
        self.run_blocks(1);
        self.output_block(0)
    }

    /// Runs the first `count` blocks of the input, at most [`Plan::width`]. Bits are those of one after the other.
    pub fn run_blocks(&mut self, count: usize) {
        let mut first = 0;
        while first < self.steps.len() {
            let wide = |step: &Step| self.layers[step.node].takes_blocks();
            let alone = self.steps[first..].iter().take_while(|step| !wide(step)).count();
            for block in 0..count {
                (first..first + alone).for_each(|step| self.run_at(step, block));
            }
            first += alone;
            if first < self.steps.len() {
                self.run_rows(first, 0..count);
                first += 1;
            }
        }
    }

    /// Block `block` of the newest output, `[feature][lane]`.
    pub fn output_block(&self, block: usize) -> &[f32] {
        self.values[self.buffers.last().copied().flatten().unwrap_or(0)].get(block)
    }

    /// The newest output of node `node`, `[feature][lane]`; `None` where it was only ever rows of a tail or codes
    /// (see [`Plan::keeping`]).
    pub fn node_output(&self, node: usize) -> Option<&[f32]> {
        self.value(self.buffers[node + 1])
    }

    /// What [`Plan::run_step`] does, in order: the nodes that each step covers, the first of which gives its name.
    pub fn steps(&self) -> Vec<Vec<usize>> {
        self.steps.iter().map(|step| step.nodes.clone()).collect()
    }

    /// Runs one step of [`Plan::steps`] alone, on the values that the last run left, so that it can be timed.
    pub fn run_step(&mut self, step: usize) {
        self.run_at(step, 0);
    }

    fn run_at(&mut self, step: usize, block: usize) {
        let wide = self.steps[step].tail.as_ref().is_some_and(|tail| !tail.is_empty());
        let first = self.steps[step].inputs.first().and_then(|&id| self.buffers[id]);
        if wide || self.values[step + 1].codes.is_some() || first.is_some_and(|at| self.values[at].codes.is_some()) {
            return self.run_rows(step, block..block + 1);
        }
        // Value 0 is the input, value i + 1 what step i makes.
        let (earlier, rest) = self.values.split_at_mut(step + 1);
        let step = &self.steps[step];
        let value = |&id: &usize| self.buffers[id].map_or(&[][..], |at| earlier[at].get(block));
        let inputs: Vec<&[f32]> = step.inputs.iter().map(value).collect();
        self.layers[step.node].forward(&inputs, rest[0].get_mut(block), &mut self.scratch);
    }

    /// A step that gives rows, for some blocks: one, or with a layer that takes several at once the first so many.
    fn run_rows(&mut self, step: usize, blocks: std::ops::Range<usize>) {
        let (earlier, rest) = self.values.split_at_mut(step + 1);
        let step = &self.steps[step];
        let (Some(tail), Some(source)) = (&step.tail, self.buffers[step.inputs[0]]) else { return };
        let (source, layer) = (&earlier[source], &self.layers[step.node]);
        let value = |id: usize, block: usize| self.buffers[id].map_or(&[][..], |at| earlier[at].get(block));
        let others = |block: usize| -> Vec<&[f32]> { step.others.iter().map(|&id| value(id, block)).collect() };
        if !layer.takes_blocks() {
            // Without lists of blocks: small layers are done sooner than memory is found for these.
            for (block, rows) in blocks.zip(&mut self.rows) {
                let mut sink = Finish { tail, others: &others(block), out: rest[0].rest(block), rows };
                match source.codes(block) {
                    Some(codes) => layer.forward_codes(&[codes], &mut [&mut sink], &mut self.scratch),
                    None => layer.forward_rows(source.get(block), &mut sink, &mut self.scratch),
                }
            }
            return;
        }
        let others: Vec<Vec<&[f32]>> = blocks.clone().map(others).collect();
        let parts = rest[0].rests(blocks.start).into_iter().zip(&others).zip(&mut self.rows);
        let mut finish: Vec<Finish<'_>> =
            parts.map(|((out, others), rows)| Finish { tail, others, out, rows }).collect();
        let mut sinks: Vec<&mut dyn RowSink> = finish.iter_mut().map(|each| each as &mut dyn RowSink).collect();
        if source.codes.is_some() {
            let codes: Vec<&[i8]> = blocks.filter_map(|block| source.codes(block)).collect();
            return layer.forward_codes(&codes, &mut sinks, &mut self.scratch);
        }
        let inputs: Vec<&[f32]> = blocks.map(|block| source.get(block)).collect();
        layer.forward_blocks(&inputs, &mut sinks, &mut self.scratch);
    }

    /// The kernel of every node for blocks, or with `single` for one image alone; `None` for dense f32 and without weights.
    pub fn kernels(&self, single: bool) -> Vec<Option<String>> {
        self.layers.iter().map(|layer| layer.kernel(single)).collect()
    }

    /// Bytes of the float weights that every node holds at the moment: what only blocks or only single images need is made
    /// when the first of them comes.
    pub fn weight_bytes(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.weight_bytes()).collect()
    }

    /// Runs one image of plain values, which is faster than a block with one lane in use, and returns its output. The bits are
    /// those of the block. [`Plan::node_input`] does not see it.
    pub fn run_one(&mut self, image: &[f32]) -> &[f32] {
        self.image().copy_from_slice(image);
        self.run_image()
    }

    /// Where to write the next image for [`Plan::run_image`]; it stays as it is until then.
    pub fn image(&mut self) -> &mut [f32] {
        &mut Self::single(&mut self.single, &self.graph, &self.layers).values[0]
    }

    fn single<'a>(single: &'a mut Option<Single>, graph: &Graph, layers: &[Box<dyn Layer>]) -> &'a mut Single {
        single.get_or_insert_with(|| Single {
            steps: layers.iter().map(|layer| layer.as_row_step()).collect(),
            values: graph.shapes().iter().map(|shape| vec![0.0; shape.len()]).collect(),
        })
    }

    /// [`Plan::run_one`] of the image in [`Plan::image`].
    pub fn run_image(&mut self) -> &[f32] {
        let (graph, layers) = (&self.graph, &self.layers);
        let single = Self::single(&mut self.single, graph, layers);
        // What the caches still hold of the last image's weights is read first.
        self.scratch.spread.backwards ^= true;
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
    /// of a tail or codes (see [`Plan::keeping`]).
    pub fn node_input(&self, node: usize) -> Option<&[f32]> {
        self.value(self.buffers[self.graph.nodes()[node].inputs[0].index()])
    }

    fn value(&self, buffer: Option<usize>) -> Option<&[f32]> {
        let value = &self.values[buffer?];
        value.codes.is_none().then(|| value.get(0))
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
    fn several_blocks_and_codes_between_layers_give_the_bits_of_one_layer_after_the_other() {
        for id in ["lenet300-fashion", "lenet5-fashion", "mlp-digits", "resnet8-fashion", "mobilenet-fashion"] {
            let mut network = Network::random(crate::models::find(id).unwrap(), 3).unwrap();
            let int8 = crate::formats::find("int8").unwrap();
            for node in 0..network.graph.nodes().len() {
                let Some(weight) = network.weight_of(node) else { continue };
                let latent = network.parameters[weight].latent.clone();
                let granules = vec![int8.fit(latent.data(), true)];
                network.parameters[weight].packed =
                    Some(crate::formats::PackedTensor::new(int8, &latent, granules).unwrap());
                let grid = int8.input_grid(-2.0, 2.0, true).unwrap();
                let grid = crate::ops::Rounder::Fixed(grid);
                network.inputs[node] = Some(crate::models::InputQuantizer { format: int8, grid, learned: false });
            }
            let mut wide = network.plan(Execution::Integer).unwrap();
            let every = vec![true; network.graph.nodes().len()];
            let mut narrow = network.plan_keeping(Execution::Integer, &every).unwrap();
            assert!(wide.width() > 1 || id.contains("net-") || id.starts_with("resnet"), "{id}");
            assert!(wide.values.iter().any(|value| value.codes.is_some()), "{id}");
            assert!(narrow.values.iter().all(|value| value.codes.is_none()), "{id}");
            let mut rng = Rng::stream(5, "plan", 0);
            for count in [wide.width(), 1, (wide.width() - 1).max(1)] {
                for block in 0..count {
                    wide.input_block(block).iter_mut().for_each(|v| *v = rng.uniform(-1.0, 1.0));
                }
                wide.run_blocks(count);
                for block in 0..count {
                    let input = wide.input_block(block).to_vec();
                    narrow.input().copy_from_slice(&input);
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(wide.output_block(block)), bits(narrow.run()), "{id}, {block} of {count}");
                }
            }
        }
    }

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
