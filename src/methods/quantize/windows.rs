//! Values of all calibration images, one node at a time, and the windows that a layer's weights meet.

use crate::data::Images;
use crate::error::CoreError;
use crate::graph::Graph;
use crate::kernels::conv::ConvShape;
use crate::ops::{Arithmetic, LayerParams, Scratch};
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;
use std::rc::Rc;

/// The values of a network for all images, as far as nodes yet to run read them. Clones share them.
#[derive(Clone)]
pub(in crate::methods) struct Stream {
    /// Per value, one `[feature][lane]` block for every eight images; empty when nothing reads it any more.
    values: Vec<Rc<Vec<Vec<f32>>>>,
    images: usize,
}

impl Stream {
    /// The inputs of all `images`.
    pub fn new(graph: &Graph, images: &Images) -> Self {
        Self::of(graph, images, 0..images.len())
    }

    /// The inputs of some of the images.
    pub fn of(graph: &Graph, images: &Images, range: std::ops::Range<usize>) -> Self {
        let features = graph.shapes()[0].len();
        let block = |first: usize| {
            let mut block = vec![0.0; features * LANES];
            images.fill(first..(first + LANES).min(range.end), &mut block);
            block
        };
        let mut values = vec![Rc::default(); graph.shapes().len()];
        values[0] = Rc::new(range.clone().step_by(LANES).map(block).collect());
        Self { values, images: range.len() }
    }

    /// Images in a block.
    pub fn lanes(&self, block: usize) -> usize {
        LANES.min(self.images - block * LANES)
    }

    /// What node `node` reads first. The nodes before it have run.
    pub fn input(&self, graph: &Graph, node: usize) -> &[Vec<f32>] {
        &self.values[graph.nodes()[node].inputs[0].index()]
    }

    /// What node `node` gave.
    pub fn output(&self, node: usize) -> &[Vec<f32>] {
        &self.values[node + 1]
    }

    /// Runs node `node` on every block.
    ///
    /// # Errors
    /// `internal` when the parameters do not fit.
    pub async fn run(
        &mut self,
        ctx: &Context,
        graph: &Graph,
        node: usize,
        tensors: &[&Tensor],
        arithmetic: Arithmetic<'_>,
    ) -> Result<(), CoreError> {
        let entry = &graph.nodes()[node];
        let params = LayerParams { tensors, arithmetic, training: false };
        let layer = entry.op.prepare(&graph.input_shapes(entry), &params);
        let layer = layer.map_err(|error| CoreError::internal(&entry.name, error))?;
        let size = graph.shapes()[node + 1].len() * LANES;
        let mut scratch = Scratch::default();
        let mut blocks = Vec::with_capacity(self.values[entry.inputs[0].index()].len());
        for block in 0..self.images.div_ceil(LANES) {
            let inputs: Vec<&[f32]> = entry.inputs.iter().map(|id| self.values[id.index()][block].as_slice()).collect();
            let mut out = vec![0.0; size];
            layer.forward(&inputs, &mut out, &mut scratch);
            blocks.push(out);
            ctx.tick(entry.macs * LANES as u64 + size as u64).await;
        }
        self.values[node + 1] = Rc::new(blocks);
        Ok(())
    }

    /// Lets go of what no node after `node` reads; the graph's output stays.
    pub fn forget(&mut self, graph: &Graph, node: usize) {
        for (id, blocks) in self.values.iter_mut().enumerate().take(graph.nodes().len().min(node + 2)) {
            if !graph.nodes()[node + 1..].iter().any(|later| later.inputs.iter().any(|i| i.index() == id)) {
                *blocks = Rc::default();
            }
        }
    }
}

/// Writes the window of one output position into `out`: `[tap][lane]`, taps in the order (channel, ky, kx) of a row of
/// the weight; padding is 0.
pub(in crate::methods) fn window(shape: &ConvShape, group: usize, position: usize, block: &[f32], out: &mut [f32]) {
    let [channels, height, width] = shape.input;
    let per_group = channels / shape.groups;
    let across = shape.output()[2];
    let (top, left) = (position / across * shape.stride, position % across * shape.stride);
    let (block, out) = (block.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
    let mut taps = out.iter_mut();
    for channel in group * per_group..(group + 1) * per_group {
        for ky in 0..shape.kernel[0] {
            for (kx, tap) in taps.by_ref().take(shape.kernel[1]).enumerate() {
                let (y, x) = (top + ky, left + kx);
                let inside =
                    y >= shape.padding && x >= shape.padding && y < height + shape.padding && x < width + shape.padding;
                *tap = match inside {
                    true => block[(channel * height + y - shape.padding) * width + x - shape.padding],
                    false => [0.0; LANES],
                };
            }
        }
    }
}

/// Output positions of one image.
pub(in crate::methods) fn positions(shape: &ConvShape) -> usize {
    let [_, height, width] = shape.output();
    height * width
}
