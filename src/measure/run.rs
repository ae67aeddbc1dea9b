//! A graph on made-up parameters and inputs, run batch by batch.

use super::networks::Built;
use super::{Description, Deviation, LayerDescription, Workload, grid_parts, reference};
use crate::error::CoreError;
use crate::formats::{self, Granule, PackedTensor, group_scale};
use crate::graph::{Graph, LayerArithmetic, Plan};
use crate::math::sort_indices;
use crate::ops::Init;
use crate::rng::Rng;
use crate::simd::{LANES, from_lanes, to_lanes};
use crate::tensor::Tensor;
use std::rc::Rc;
use std::sync::Arc;

/// With what numbers, and what inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// f32; inputs from 0 to 1.
    Float,
    /// INT8 weights by output channel, INT8 inputs on symmetric grids; inputs from 0 to 1, so 0…127.
    Unsigned,
    /// The same; inputs from −1 to 1, so −127…127.
    Signed,
    /// INT4 weights by output channel, INT8 inputs from 0 to 1.
    Int4,
    /// Signs: binary weights by output channel, binary inputs; inputs from −1 to 1.
    Signs,
    /// f32; the smallest weights of each layer are zero, this many in a hundred, and skipped.
    Sparse(usize),
    /// f32; the smaller two of every four neighbouring weights are zero, and skipped.
    TwoFour,
    /// f32 inputs, weights of this format by groups of so many, decoded as they are used; inputs from 0 to 1.
    Stored(&'static str, Option<usize>),
}

/// Share of the greatest magnitude by which floats may differ from the naive computation; only normalisation and
/// averages may differ at all.
const FLOAT_DEVIATION: f64 = 1e-5;
/// The same for integers: one rounding to a grid that falls the other way.
const INTEGER_DEVIATION: f64 = 1e-2;

pub(super) struct Run {
    pub(super) graph: Rc<Graph>,
    pub(super) parameters: Vec<Tensor>,
    pub(super) arithmetic: Vec<LayerArithmetic>,
    plan: Plan,
    /// Of a weight where it is a whole number.
    bits: u64,
    batch: usize,
    input: Vec<f32>,
    pub(super) output: Vec<f32>,
}

pub(super) fn fault(error: impl std::fmt::Display) -> CoreError {
    CoreError::internal("measure", error)
}

/// Parameters as a trained network might have them: He-uniform weights, and normalisation that does something.
fn parameters(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let fill = |(i, (name, spec)): (usize, (String, &crate::ops::ParamSpec))| {
        let mut rng = Rng::stream(seed, "measure", i as u64);
        let (low, high) = match (spec.init, name.ends_with(".variance")) {
            (Init::HeUniform { fan_in }, _) => (-(6.0 / fan_in as f32).sqrt(), (6.0 / fan_in as f32).sqrt()),
            (Init::Zeros, _) => (-0.1, 0.1),
            (Init::Ones, false) => (0.7, 1.0),
            (Init::Ones, true) => (1.0, 1.5),
        };
        let mut tensor = Tensor::zeros(spec.shape.clone());
        tensor.data_mut().iter_mut().for_each(|value| *value = rng.uniform(low, high));
        tensor
    };
    graph.params().enumerate().map(fill).collect()
}

impl Run {
    pub(super) fn boxed(
        graph: Built,
        batch: usize,
        numbers: Numbers,
        seed: u64,
    ) -> Result<Box<dyn Workload>, CoreError> {
        Ok(Box::new(Self::new(graph, batch, numbers, seed)?))
    }

    pub(super) fn new(graph: Built, batch: usize, numbers: Numbers, seed: u64) -> Result<Self, CoreError> {
        let graph = Rc::new(graph.map_err(fault)?);
        let mut parameters = parameters(&graph, seed);
        let low = if matches!(numbers, Numbers::Signed | Numbers::Signs) { -1.0 } else { 0.0 };
        let mut rng = Rng::stream(seed, "measure-input", 0);
        let input: Vec<f32> = (0..batch * graph.shapes()[0].len()).map(|_| rng.uniform(low, 1.0)).collect();
        let mut arithmetic = vec![LayerArithmetic::Float; graph.nodes().len()];
        for (i, node) in graph.nodes().iter().enumerate().filter(|(_, node)| has_weight(node)) {
            let weight = &mut parameters[node.first_param];
            match numbers {
                Numbers::Sparse(percent) => clear(weight.data_mut(), percent),
                Numbers::TwoFour => weight.data_mut().chunks_mut(4).for_each(|four| clear(four, 50)),
                Numbers::Stored(format, group) => {
                    (arithmetic[i], *weight) = stored(format, group, weight).map_err(fault)?;
                    continue;
                }
                _ => continue,
            }
            arithmetic[i] = LayerArithmetic::Sparse;
        }
        if matches!(numbers, Numbers::Unsigned | Numbers::Signed | Numbers::Int4 | Numbers::Signs) {
            let tensors: Vec<&Tensor> = parameters.iter().collect();
            let every = vec![true; graph.nodes().len()];
            let mut plan = Plan::keeping(&graph, &tensors, &[], &every).map_err(fault)?;
            let reach = watch(&mut plan, &graph, &input);
            for (i, node) in graph.nodes().iter().enumerate().filter(|(_, node)| has_weight(node)) {
                (arithmetic[i], parameters[node.first_param]) =
                    integers(numbers, &parameters[node.first_param], reach[i]).map_err(fault)?;
            }
        }
        let plan = Plan::new(&graph, &parameters.iter().collect::<Vec<_>>(), &arithmetic).map_err(fault)?;
        let output = vec![0.0; batch * graph.output().len()];
        let bits = match numbers {
            Numbers::Int4 => 4,
            Numbers::Signs => 1,
            _ => 8,
        };
        Ok(Self { graph, parameters, arithmetic, plan, bits, batch, input, output })
    }
}

impl Run {
    /// Whether every layer runs by a kernel that skips zeros.
    pub(super) fn skips(&self) -> bool {
        self.plan.kernels(false).iter().all(Option::is_some)
    }

    fn floats(&self) -> bool {
        !self.arithmetic.iter().any(|a| matches!(a, LayerArithmetic::Integer { .. }))
    }
}

pub(super) fn has_weight(node: &crate::graph::Node) -> bool {
    node.params.first().is_some_and(|spec| spec.name == "weight")
}

/// Greatest magnitude of what each node reads.
fn watch(plan: &mut Plan, graph: &Graph, input: &[f32]) -> Vec<f32> {
    let mut reach = vec![0.0f32; graph.nodes().len()];
    for block in input.chunks(graph.shapes()[0].len() * LANES) {
        load(block, graph.shapes()[0].len(), plan.input());
        plan.run();
        for (node, reach) in reach.iter_mut().enumerate() {
            let values = plan.node_input(node).unwrap_or_default();
            *reach = values.iter().fold(*reach, |most, v| most.max(v.abs()));
        }
    }
    reach
}

/// Whole numbers by output channel: the arithmetic, and the weight as its codes say.
fn integers(numbers: Numbers, weight: &Tensor, reach: f32) -> Result<(LayerArithmetic, Tensor), CoreError> {
    let (weights, inputs) = match numbers {
        Numbers::Int4 => ("int4", "int8"),
        Numbers::Signs => ("binary", "binary"),
        _ => ("int8", "int8"),
    };
    let find = |id: &str| formats::find(id).ok_or_else(|| fault(id));
    let (format, input) = (find(weights)?, find(inputs)?);
    let rows = weight.shape().dims()[0];
    let fit = |row: &[f32]| -> Granule { format.fit(row, true) };
    let granules = weight.data().chunks(weight.data().len() / rows).map(fit).collect();
    let packed = PackedTensor::new(format, weight, granules).map_err(fault)?;
    let grid = input.input_grid(-reach, reach, true).ok_or_else(|| fault("no grid"))?;
    let (weights, scales) = packed.levels().ok_or_else(|| fault("no levels"))?;
    Ok((LayerArithmetic::Integer { grid, weights, scales }, packed.decode().map_err(fault)?))
}

/// Makes the smallest `percent` of a hundred values zero.
fn clear(values: &mut [f32], percent: usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    sort_indices(&mut order, &mut |a, b| values[a].abs().total_cmp(&values[b].abs()));
    order[..values.len() * percent / 100].iter().for_each(|&i| values[i] = 0.0);
}

/// A weight in a stored format: the arithmetic, and the weight as its codes say.
fn stored(id: &str, group: Option<usize>, weight: &Tensor) -> Result<(LayerArithmetic, Tensor), CoreError> {
    let format = formats::find(id).ok_or_else(|| fault(id))?;
    let rounded = |granule: Granule| match group {
        Some(_) => Granule { scale: group_scale(granule.scale), ..granule },
        None => granule,
    };
    let size = group.unwrap_or(weight.data().len() / weight.shape().dims()[0]);
    let granules = weight.data().chunks(size).map(|values| rounded(format.fit(values, true))).collect();
    let pack = if group.is_some() { PackedTensor::grouped } else { PackedTensor::new };
    let packed = pack(format, weight, granules).map_err(fault)?;
    let kernel = packed.weight_only().ok_or_else(|| fault(format!("no kernel for {id}")))?;
    Ok((LayerArithmetic::Stored(Arc::new(kernel)), packed.decode().map_err(fault)?))
}

/// Up to eight images, one after another, into the lanes of a block; other lanes become 0.
fn load(images: &[f32], features: usize, block: &mut [f32]) {
    let mut rows: [&[f32]; LANES] = [&[]; LANES];
    let mut count = 0;
    for (row, image) in rows.iter_mut().zip(images.chunks_exact(features)) {
        *row = image;
        count += 1;
    }
    to_lanes(&rows[..count], block);
}

impl Workload for Run {
    fn describe(&self) -> Description {
        let held = self.plan.weight_bytes();
        let weight_bytes = |(i, node): (usize, &crate::graph::Node)| match &self.arithmetic[i] {
            _ if !has_weight(node) => 0,
            LayerArithmetic::Integer { .. } => self.bits * self.parameters[node.first_param].data().len() as u64 / 8,
            LayerArithmetic::Float => 4 * self.parameters[node.first_param].data().len() as u64,
            _ => held[i] as u64,
        };
        Description {
            macs: self.graph.macs() * self.batch as u64,
            bytes: self.graph.nodes().iter().enumerate().map(weight_bytes).sum(),
            batch: self.batch,
            input: self.graph.shapes()[0].dims().to_vec(),
            outputs: self.graph.output().len(),
        }
    }

    fn input(&self) -> &[f32] {
        &self.input
    }

    fn run(&mut self, input: &[f32]) -> &[f32] {
        let (features, outputs) = (self.graph.shapes()[0].len(), self.graph.output().len());
        if self.batch == 1 && self.floats() {
            self.output.copy_from_slice(self.plan.run_one(input));
            return &self.output;
        }
        let width = self.plan.width() * LANES;
        for (images, out) in input.chunks(features * width).zip(self.output.chunks_mut(outputs * width)) {
            let blocks = images.chunks(features * LANES);
            let count = blocks.len();
            blocks.enumerate().for_each(|(block, images)| load(images, features, self.plan.input_block(block)));
            self.plan.run_blocks(count);
            for (block, out) in out.chunks_mut(outputs * LANES).enumerate() {
                from_lanes(self.plan.output_block(block), outputs, out);
            }
        }
        &self.output
    }

    fn check(&self) -> Deviation {
        let (features, outputs) = (self.graph.shapes()[0].len(), self.graph.output().len());
        let mut found = 0.0f64;
        for image in [0, self.batch / 2, self.batch - 1] {
            let expected = reference::forward(self, &self.input[image * features..(image + 1) * features]);
            let got = &self.output[image * outputs..(image + 1) * outputs];
            let most = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let apart = expected.iter().zip(got).map(|(a, b)| (a - b).abs());
            // NaN counts as infinitely far.
            let apart = apart.fold(0.0f32, |most, v| if v.is_nan() { f32::INFINITY } else { most.max(v) });
            found = found.max(f64::from(apart) / f64::from(most.max(f32::MIN_POSITIVE)));
        }
        Deviation { found, allowed: if self.floats() { FLOAT_DEVIATION } else { INTEGER_DEVIATION } }
    }

    fn layers(&self) -> Vec<LayerDescription> {
        let describe = |(i, node): (usize, &crate::graph::Node)| LayerDescription {
            name: node.name.clone(),
            op: node.op.kind(),
            inputs: node.inputs.iter().map(|id| id.index()).collect(),
            output: self.graph.shapes()[i + 1].dims().to_vec(),
            window: node.op.window(),
            parameters: node.params.iter().map(|spec| (spec.name, spec.shape.dims().to_vec())).collect(),
            grid: match self.arithmetic[i] {
                LayerArithmetic::Integer { grid, .. } => Some(grid_parts(grid)),
                _ => None,
            },
        };
        self.graph.nodes().iter().enumerate().map(describe).collect()
    }

    fn parameter(&self, index: usize) -> &[f32] {
        self.parameters.get(index).map_or(&[], |tensor| tensor.data())
    }

    fn levels(&self, layer: usize) -> Option<(&[i32], &[f32])> {
        match self.arithmetic.get(layer)? {
            LayerArithmetic::Integer { weights, scales, .. } => Some((weights, scales)),
            _ => None,
        }
    }
}
