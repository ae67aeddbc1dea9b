//! Work to be timed: kernels and whole networks on made-up numbers, each with a check of its results.
//!
//! Nothing here has a clock; whoever runs it (the page, Node, `npm run bench`) does.

mod ceiling;
mod kernel;
mod networks;
mod reference;
mod run;
mod steps;
mod words;

pub use steps::{Support, TimedStep, timed_steps};

use crate::error::CoreError;
use crate::graph::{Graph, ValueId};
use crate::models::Network;
use crate::ops::{InputGrid, Window};
use crate::simd::LANES;
use networks::{Built, lenet5, lenet5_conv2, lenet5_fc1, mlp, product, resnet8};
use run::{Numbers, Run};
use serde::Serialize;
use std::sync::Arc;

/// Something to time. Values at its border are row-major f32, images (rows) first.
pub trait Workload {
    /// What it is.
    fn describe(&self) -> Description;
    /// The inputs it was prepared with.
    fn input(&self) -> &[f32];
    /// Computes outputs from inputs.
    fn run(&mut self, input: &[f32]) -> &[f32];
    /// The same inputs as whole numbers on the grid of the only layer, four of 8 bits in a word; empty where it has no such form.
    fn words(&self) -> &[i32] {
        &[]
    }
    /// [`Workload::run`] of [`Workload::words`].
    fn run_words(&mut self, words: &[i32]) -> &[f32] {
        let _ = words;
        &[]
    }
    /// The greatest difference between the newest output and a naive computation of some of its rows, as a share of the
    /// greatest magnitude there, and what share is allowed.
    fn check(&self) -> Deviation;
    /// The layers it consists of.
    fn layers(&self) -> Vec<LayerDescription> {
        Vec::new()
    }
    /// Values of parameter `index`, counted through all layers.
    fn parameter(&self, index: usize) -> &[f32] {
        let _ = index;
        &[]
    }
    /// Whole numbers and one scale per row of the weight of layer `layer`, where it computes with integers.
    fn levels(&self, layer: usize) -> Option<(&[i32], &[f32])> {
        let _ = layer;
        None
    }
}

/// How far an output is from the naive one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Deviation {
    /// Found, as a share of the greatest magnitude.
    pub found: f64,
    /// Allowed.
    pub allowed: f64,
}

/// What a workload is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Description {
    /// Multiply-adds of one run.
    pub macs: u64,
    /// Bytes of its weights as the kernels are given them; 0 without weights.
    pub bytes: u64,
    /// Images, or rows, of one run.
    pub batch: usize,
    /// Shape of one input.
    pub input: Vec<usize>,
    /// Values of one output.
    pub outputs: usize,
}

/// One layer of a workload, in the terms of its graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LayerDescription {
    /// Its name.
    pub name: String,
    /// Its op.
    pub op: &'static str,
    /// The values it reads: 0 is the input, `i` the output of layer `i - 1`.
    pub inputs: Vec<usize>,
    /// Shape of its output.
    pub output: Vec<usize>,
    /// Its window, if it slides one.
    pub window: Option<Window>,
    /// Names and shapes of its parameters.
    pub parameters: Vec<(&'static str, Vec<usize>)>,
    /// The grid its input is rounded to: scale, least and greatest whole number.
    pub grid: Option<(f32, i32, i32)>,
}

/// One entry of the list.
pub struct Entry {
    /// Its id.
    pub id: &'static str,
    /// Prepares it with numbers from a seed.
    pub prepare: fn(u64) -> Result<Box<dyn Workload>, CoreError>,
}

/// Every workload. To add one: a line here.
pub static WORKLOADS: &[Entry] = &[
    Entry { id: "ceiling-f32", prepare: |_| Ok(Box::new(ceiling::MultiplyAdd::default())) },
    Entry { id: "ceiling-int8", prepare: |_| Ok(Box::new(ceiling::MultiplyAddBytes::default())) },
    Entry { id: "kernel-f32-256", prepare: |seed| Ok(Box::new(kernel::Product::new(256, seed))) },
    Entry { id: "kernel-f32-512", prepare: |seed| Ok(Box::new(kernel::Product::new(512, seed))) },
    Entry { id: "kernel-f32-1024", prepare: |seed| Ok(Box::new(kernel::Product::new(1024, seed))) },
    Entry { id: "gemm-f32-256", prepare: |seed| Run::boxed(product(256), 256, Numbers::Float, seed) },
    Entry { id: "gemm-f32-512", prepare: |seed| Run::boxed(product(512), 512, Numbers::Float, seed) },
    Entry { id: "gemm-f32-1024", prepare: |seed| Run::boxed(product(1024), 1024, Numbers::Float, seed) },
    Entry { id: "gemm-int8-512", prepare: |seed| Run::boxed(product(512), 512, Numbers::Unsigned, seed) },
    Entry { id: "gemm-int8-1024", prepare: |seed| Run::boxed(product(1024), 1024, Numbers::Unsigned, seed) },
    Entry { id: "gemm-int8-full-512", prepare: |seed| Run::boxed(product(512), 512, Numbers::Signed, seed) },
    Entry { id: "gemm-int8-full-1024", prepare: |seed| Run::boxed(product(1024), 1024, Numbers::Signed, seed) },
    Entry { id: "codes-int8-512", prepare: |seed| words::Words::boxed(512, Numbers::Unsigned, seed) },
    Entry { id: "codes-int8-1024", prepare: |seed| words::Words::boxed(1024, Numbers::Unsigned, seed) },
    Entry { id: "codes-int8-full-512", prepare: |seed| words::Words::boxed(512, Numbers::Signed, seed) },
    Entry { id: "codes-int8-full-1024", prepare: |seed| words::Words::boxed(1024, Numbers::Signed, seed) },
    Entry { id: "gemm-int4-512", prepare: |seed| Run::boxed(product(512), 512, Numbers::Int4, seed) },
    Entry { id: "gemm-int4-1024", prepare: |seed| Run::boxed(product(1024), 1024, Numbers::Int4, seed) },
    Entry { id: "gemm-int8-4096x8", prepare: |seed| Run::boxed(product(4096), 8, Numbers::Unsigned, seed) },
    Entry { id: "gemm-int4-4096x8", prepare: |seed| Run::boxed(product(4096), 8, Numbers::Int4, seed) },
    Entry { id: "gemm-binary-512", prepare: |seed| Run::boxed(product(512), 512, Numbers::Signs, seed) },
    Entry { id: "gemm-binary-1024", prepare: |seed| Run::boxed(product(1024), 1024, Numbers::Signs, seed) },
    Entry { id: "fc1-f32", prepare: |seed| Run::boxed(lenet5_fc1(), 64, Numbers::Float, seed) },
    Entry { id: "conv2-f32", prepare: |seed| Run::boxed(lenet5_conv2(), 64, Numbers::Float, seed) },
    Entry { id: "sparse-50-512", prepare: sparse::<50, 0> },
    Entry { id: "sparse-70-512", prepare: sparse::<70, 0> },
    Entry { id: "sparse-80-512", prepare: sparse::<80, 0> },
    Entry { id: "sparse-90-512", prepare: sparse::<90, 0> },
    Entry { id: "sparse-95-512", prepare: sparse::<95, 0> },
    Entry { id: "sparse-50-fc1", prepare: sparse::<50, 1> },
    Entry { id: "sparse-70-fc1", prepare: sparse::<70, 1> },
    Entry { id: "sparse-80-fc1", prepare: sparse::<80, 1> },
    Entry { id: "sparse-90-fc1", prepare: sparse::<90, 1> },
    Entry { id: "sparse-95-fc1", prepare: sparse::<95, 1> },
    Entry { id: "sparse-50-conv2", prepare: sparse::<50, 2> },
    Entry { id: "sparse-70-conv2", prepare: sparse::<70, 2> },
    Entry { id: "sparse-80-conv2", prepare: sparse::<80, 2> },
    Entry { id: "sparse-90-conv2", prepare: sparse::<90, 2> },
    Entry { id: "sparse-95-conv2", prepare: sparse::<95, 2> },
    Entry { id: "two-four-512", prepare: |seed| Run::boxed(product(512), 512, Numbers::TwoFour, seed) },
    Entry { id: "gemv-f32-512", prepare: |seed| Run::boxed(product(512), 1, Numbers::Float, seed) },
    Entry { id: "gemv-fp16-512", prepare: |seed| Run::boxed(product(512), 1, Numbers::Stored("fp16", None), seed) },
    Entry {
        id: "gemv-int4g32-512",
        prepare: |seed| Run::boxed(product(512), 1, Numbers::Stored("int4", Some(32)), seed),
    },
    Entry { id: "lenet5-f32", prepare: |seed| Run::boxed(lenet5(8), 64, Numbers::Float, seed) },
    Entry { id: "lenet5-int8", prepare: |seed| Run::boxed(lenet5(8), 64, Numbers::Unsigned, seed) },
    Entry { id: "lenet5-f32-6/8", prepare: |seed| Run::boxed(lenet5(6), 64, Numbers::Float, seed) },
    Entry { id: "lenet5-f32-4/8", prepare: |seed| Run::boxed(lenet5(4), 64, Numbers::Float, seed) },
    Entry { id: "lenet5-f32-2/8", prepare: |seed| Run::boxed(lenet5(2), 64, Numbers::Float, seed) },
    Entry { id: "resnet8-f32", prepare: |seed| Run::boxed(resnet8(), 64, Numbers::Float, seed) },
    Entry { id: "resnet8-int8", prepare: |seed| Run::boxed(resnet8(), 64, Numbers::Unsigned, seed) },
    Entry { id: "mlp-f32-64", prepare: |seed| Run::boxed(mlp(), 64, Numbers::Float, seed) },
    Entry { id: "mlp-f32-1", prepare: |seed| Run::boxed(mlp(), 1, Numbers::Float, seed) },
    Entry { id: "mlp-int8-64", prepare: |seed| Run::boxed(mlp(), 64, Numbers::Unsigned, seed) },
    Entry { id: "mlp-int8-1", prepare: |seed| Run::boxed(mlp(), 1, Numbers::Unsigned, seed) },
];

/// Unstructured zeros, skipped, in one of the shapes that the dense workloads `gemm-f32-512`, `fc1-f32` and `conv2-f32` have.
fn sparse<const PERCENT: usize, const SHAPE: usize>(seed: u64) -> Result<Box<dyn Workload>, CoreError> {
    let shapes: [(fn() -> Built, usize); 3] = [(|| product(512), 512), (lenet5_fc1, 64), (lenet5_conv2, 64)];
    let (build, batch) = shapes[SHAPE];
    Run::boxed(build(), batch, Numbers::Sparse(PERCENT), seed)
}

/// The workload with this id, prepared.
///
/// # Errors
/// `unknown-id`; `internal` when its parts do not fit, which a test rules out.
pub fn prepare(id: &str, seed: u64) -> Result<Box<dyn Workload>, CoreError> {
    let entry = WORKLOADS.iter().find(|entry| entry.id == id).ok_or_else(|| {
        let ids: Vec<&str> = WORKLOADS.iter().map(|entry| entry.id).collect();
        CoreError::new(crate::error::ErrorCode::UnknownId, "workload", format!("\"{id}\""), ids.join(", "))
    })?;
    (entry.prepare)(seed)
}

/// Layer `name` of a network alone, on made-up numbers and one block of images: with zeros that are skipped, this many in a hundred, or
/// dense for 0. `None` where there is no such layer with a weight that multiplies, or no kernel for it that skips zeros.
///
/// # Errors
/// `internal` when its parts do not fit, which a test rules out.
pub fn layer(network: &Network, name: &str, percent: usize, seed: u64) -> Result<Option<Box<dyn Workload>>, CoreError> {
    let nodes = network.graph.nodes();
    let node = nodes.iter().position(|node| node.name == name).filter(|node| network.rounds_input(*node));
    let Some(node) = node.map(|node| &nodes[node]) else { return Ok(None) };
    let alone = || -> Built {
        let mut graph = Graph::new(network.graph.shape(node.inputs[0]).clone());
        graph.add_shared(name, Arc::clone(&node.op), &[ValueId::INPUT])?;
        Ok(graph)
    };
    let numbers = if percent == 0 { Numbers::Float } else { Numbers::Sparse(percent) };
    let run = Run::new(alone(), LANES, numbers, seed)?;
    Ok((percent == 0 || run.skips()).then(|| Box::new(run) as Box<dyn Workload>))
}

fn grid_parts(grid: InputGrid) -> (f32, i32, i32) {
    (grid.scale, grid.low, grid.high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_gives_what_a_naive_computation_gives() {
        for entry in WORKLOADS.iter().filter(|entry| !entry.id.ends_with("1024")) {
            let mut workload = (entry.prepare)(7).unwrap();
            let about = workload.describe();
            let input = workload.input().to_vec();
            let output = workload.run(&input).to_vec();
            assert_eq!(output.len(), about.batch * about.outputs, "{}", entry.id);
            assert!(output.iter().any(|&v| v != 0.0), "{}: all zero", entry.id);
            let Deviation { found, allowed } = workload.check();
            assert!(found <= allowed, "{}: {found} against {allowed}", entry.id);
            assert!(about.macs > 0);
        }
    }

    #[test]
    fn every_layer_alone_gives_what_a_naive_computation_gives() {
        for id in ["lenet5-fashion", "mobilenet-fashion", "lenet300-fashion"] {
            let network = Network::random(crate::models::find(id).unwrap(), 3).unwrap();
            let mut served = 0;
            for (node, entry) in network.graph.nodes().iter().enumerate() {
                for percent in [0, 50, 95] {
                    let work = layer(&network, &entry.name, percent, 7).unwrap();
                    assert!(network.rounds_input(node) || work.is_none(), "{}", entry.name);
                    let Some(mut work) = work else { continue };
                    served += usize::from(percent > 0);
                    let input = work.input().to_vec();
                    assert!(work.run(&input).iter().any(|&v| v != 0.0), "{}: all zero", entry.name);
                    let Deviation { found, allowed } = work.check();
                    assert!(found <= allowed, "{id} {} {percent}: {found}", entry.name);
                    assert_eq!(work.describe().macs, entry.macs * LANES as u64);
                    let weight = work.parameter(0);
                    let zeros = weight.iter().filter(|w| **w == 0.0).count();
                    assert_eq!(zeros, weight.len() * percent / 100);
                }
            }
            assert!(served > 0, "{id}");
        }
        let network = Network::random(crate::models::find("mlp-digits").unwrap(), 1).unwrap();
        assert!(layer(&network, "nothing", 50, 7).unwrap().is_none());
    }

    #[test]
    fn sparse_and_packed_weights_are_fewer_bytes() {
        let bytes = |id: &str| {
            let mut workload = prepare(id, 7).unwrap();
            let input = workload.input().to_vec();
            workload.run(&input);
            workload.describe().bytes as f64
        };
        let dense = bytes("gemm-f32-512");
        // Six bytes for each weight that is left, and where rows begin.
        assert!((bytes("sparse-90-512") / dense - 0.1 * 6.0 / 4.0).abs() < 0.005);
        assert!((bytes("two-four-512") / dense - (0.5 + 1.0 / 32.0)).abs() < 0.001);
        // Four bits and a 16-bit scale for 32 weights.
        assert_eq!(bytes("gemv-int4g32-512") / dense, (4.0 + 0.5) / 32.0);
        assert_eq!(bytes("gemv-fp16-512") / dense, 0.5);
        assert_eq!(bytes("gemv-f32-512") / dense, 1.0);
    }

    #[test]
    fn ids_are_unique_and_others_are_refused() {
        for (i, entry) in WORKLOADS.iter().enumerate() {
            assert!(WORKLOADS[i + 1..].iter().all(|other| other.id != entry.id));
        }
        assert_eq!(prepare("nothing", 0).err().unwrap().code, crate::error::ErrorCode::UnknownId);
    }

    #[test]
    fn the_networks_have_the_known_work() {
        let macs = |id: &str| {
            let about = prepare(id, 1).unwrap().describe();
            about.macs / about.batch as u64
        };
        assert_eq!(macs("lenet5-f32"), 416_520);
        assert_eq!(macs("resnet8-f32"), 12_501_632);
        assert_eq!(macs("mlp-f32-1"), 784 * 256 + 256 * 128 + 128 * 10);
    }
}
