//! Loss and gradients of one batch.

use super::loss::softmax_cross_entropy;
use super::parallel::for_each;
use crate::error::CoreError;
use crate::graph::plan::prepare;
use crate::graph::{Graph, ValueId};
use crate::kernels::elementwise::add;
use crate::ops::BlockGradient;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;

/// Images in lanes with their labels.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Blocks of eight images, `[feature][lane]`; unused lanes of the last hold 0.
    pub blocks: Vec<Vec<f32>>,
    /// The labels of each image, image by image: one, or one for each position of the output.
    pub labels: Vec<u8>,
}

/// What a batch gives.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Sum of the images' losses.
    pub loss: f64,
    /// Gradient of the mean loss by every parameter; 0 for those that are not trained.
    pub parameters: Vec<Tensor>,
    /// The batch's values of parameters that are not trained, by parameter index.
    pub statistics: Vec<(usize, Vec<f32>)>,
}

/// Blocks of earlier steps, to be used again: making memory anew costs more than most layers.
#[derive(Debug, Default)]
pub struct Workspace(Vec<Vec<f32>>);

impl Workspace {
    /// `count` blocks of `size` values, whatever they hold. Each block is `[feature][lane]`.
    pub fn take(&mut self, count: usize, size: usize) -> Blocks {
        let mut one = || match self.0.iter().rposition(|block| block.len() == size) {
            Some(at) => self.0.swap_remove(at),
            None => vec![0.0; size],
        };
        (0..count).map(|_| one()).collect()
    }

    fn give(&mut self, blocks: Blocks) {
        self.0.extend(blocks);
    }
}

/// Values or gradients of one graph value, one vector per block; empty where there is none.
type Blocks = Vec<Vec<f32>>;

fn slices(blocks: &Blocks) -> Vec<&[f32]> {
    blocks.iter().map(Vec::as_slice).collect()
}

/// Forward and backward through `graph`.
///
/// # Errors
/// `internal` when the parameters do not fit the graph.
pub async fn backprop(
    ctx: &Context,
    graph: &Graph,
    parameters: &[Tensor],
    batch: Batch,
) -> Result<Gradients, CoreError> {
    backprop_in(ctx, graph, parameters, batch, &mut Workspace::default()).await
}

/// [`backprop`] with blocks of earlier calls. The batch's own blocks stay in the workspace: take them from there.
///
/// # Errors
/// See [`backprop`].
pub async fn backprop_in(
    ctx: &Context,
    graph: &Graph,
    parameters: &[Tensor],
    batch: Batch,
    workspace: &mut Workspace,
) -> Result<Gradients, CoreError> {
    let layers = prepare(graph, &parameters.iter().collect::<Vec<_>>(), &[], true)
        .map_err(|error| CoreError::internal("train", error))?;
    let positions = graph.positions();
    let (count, images) = (batch.blocks.len(), batch.labels.len() / positions);
    let images_in = |block: usize| LANES.min(images - block * LANES);
    let mut values: Vec<Blocks> = vec![batch.blocks];
    let mut statistics = Vec::new();
    for (node, layer) in graph.nodes().iter().zip(&layers) {
        layer.observe(&slices(&values[node.inputs[0].index()]), images);
        let untrained = node.params.iter().enumerate().filter(|(_, spec)| !spec.trained);
        let untrained = untrained.map(|(i, _)| node.first_param + i);
        statistics.extend(untrained.zip(layer.batch_statistics()));
        let size = graph.shapes()[values.len()].len() * LANES;
        let inputs = |block: usize| node.inputs.iter().map(|id| values[id.index()][block].as_slice()).collect();
        let blocks = workspace.take(count, size).into_iter();
        let items: Vec<(Vec<&[f32]>, Vec<f32>)> = (0..count).map(inputs).zip(blocks).collect();
        let macs = node.macs * LANES as u64 + size as u64;
        let outputs = for_each(ctx, macs, items, |(inputs, mut out), scratch| {
            layer.forward(&inputs, &mut out, scratch);
            out
        })
        .await;
        values.push(outputs);
    }

    let mut grads: Vec<Blocks> = vec![Vec::new(); values.len()];
    let (mut loss, mut output_grads) = (0.0, Vec::with_capacity(count));
    for (block, labels) in values[values.len() - 1].iter().zip(batch.labels.chunks(LANES * positions)) {
        let mut gradient = vec![0.0; block.len()];
        for image in softmax_cross_entropy(block, labels, positions, batch.labels.len(), Some(&mut gradient)) {
            loss += f64::from(image.loss);
        }
        output_grads.push(gradient);
    }
    if let Some(last) = grads.last_mut() {
        *last = output_grads;
    }

    let mut parameter_grads: Vec<Tensor> = parameters.iter().map(|p| Tensor::zeros(p.shape().clone())).collect();
    for (i, (node, layer)) in graph.nodes().iter().zip(&layers).enumerate().rev() {
        let gradient = std::mem::take(&mut grads[i + 1]);
        if gradient.is_empty() {
            continue;
        }
        let macs = node.macs * LANES as u64;
        layer.observe_gradients(&slices(&values[node.inputs[0].index()]), &slices(&gradient), images);
        if node.inputs.iter().any(|&id| id != ValueId::INPUT) {
            let inputs = |b: usize| node.inputs.iter().map(|id| values[id.index()][b].as_slice()).collect::<Vec<_>>();
            let items: Vec<(usize, Vec<&[f32]>, Blocks)> = (0..count)
                .map(|b| {
                    let inputs = inputs(b);
                    let grads = inputs.iter().flat_map(|input| workspace.take(1, input.len())).collect();
                    (b, inputs, grads)
                })
                .collect();
            let input_grads = for_each(ctx, macs, items, |(b, inputs, mut grads), scratch| {
                grads.iter_mut().for_each(|grad| grad.fill(0.0));
                let mut targets: Vec<&mut [f32]> = grads.iter_mut().map(Vec::as_mut_slice).collect();
                let block = BlockGradient { images: images_in(b), inputs: &inputs, gradient: &gradient[b] };
                layer.backward_inputs(&block, &mut targets, scratch);
                grads
            })
            .await;
            for (block, block_grads) in input_grads.into_iter().enumerate() {
                for (id, grad) in node.inputs.iter().zip(block_grads) {
                    collect(&mut grads[id.index()], block, grad, workspace);
                }
            }
        }
        let tiles = layer.gradient_tiles();
        if !tiles.is_empty() {
            let inputs = slices(&values[node.inputs[0].index()]);
            let slopes = slices(&gradient);
            let own = &mut parameter_grads[node.first_param..node.first_param + node.params.len()];
            let rows = tiles.iter().map(|tile| tile.1).sum::<usize>().max(1);
            let tile_macs = macs * count as u64 / tiles.len() as u64;
            let items = split_rows(own, rows, &tiles);
            for_each(ctx, tile_macs, items, |(first, mut targets), scratch| {
                layer.backward_rows(&inputs, &slopes, first, &mut targets, scratch);
            })
            .await;
        }
        workspace.give(gradient);
        // Nothing reads the node's own output any more: its readers come later and are done.
        workspace.give(std::mem::take(&mut values[i + 1]));
    }
    values.into_iter().chain(grads).for_each(|blocks| workspace.give(blocks));
    Ok(Gradients { loss, parameters: parameter_grads, statistics })
}

/// Adds a block's gradient to those a value already has.
fn collect(blocks: &mut Blocks, block: usize, grad: Vec<f32>, workspace: &mut Workspace) {
    match blocks.get_mut(block) {
        None => blocks.push(grad),
        Some(sum) => {
            add(sum.as_chunks_mut::<LANES>().0, grad.as_chunks::<LANES>().0);
            workspace.give(vec![grad]);
        }
    }
}

/// Cuts each parameter's gradient into the rows of every tile.
fn split_rows<'a>(
    parameters: &'a mut [Tensor],
    rows: usize,
    tiles: &[(usize, usize)],
) -> Vec<(usize, Vec<&'a mut [f32]>)> {
    let mut items: Vec<(usize, Vec<&mut [f32]>)> = tiles.iter().map(|&(first, _)| (first, Vec::new())).collect();
    for parameter in parameters {
        let row = parameter.data().len() / rows;
        let mut rest = parameter.data_mut();
        for (item, &(_, count)) in items.iter_mut().zip(tiles) {
            let (tile, after) = rest.split_at_mut(row * count);
            item.1.push(tile);
            rest = after;
        }
    }
    items
}
