//! Loss and gradients of one batch.

use super::objective::{CrossEntropy, Objective};
use super::parallel::for_each;
use super::precision::Emulation;
use super::view::InputView;
use crate::error::CoreError;
use crate::graph::plan::prepare;
use crate::graph::{Graph, Node, ValueId};
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
    /// Which images of the set they are.
    pub items: Vec<u32>,
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
    /// Gradient by what the view of each node's input learns; 0 where it learns nothing.
    pub inputs: Vec<f64>,
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
pub type Blocks = Vec<Vec<f32>>;

/// What a batch goes through.
pub struct Pass<'a> {
    /// Budget and progress.
    pub ctx: &'a Context,
    /// The network.
    pub graph: &'a Graph,
    /// Its parameters.
    pub parameters: &'a [&'a Tensor],
    /// How nodes see their inputs, by node; those beyond its end see theirs as they are.
    pub views: &'a mut [Option<InputView>],
    /// What is made small.
    pub objective: &'a mut dyn Objective,
    /// Numbers of fewer bits, if it is in such.
    pub emulation: Option<&'a mut Emulation>,
    /// Blocks of earlier passes; those of the batch are left there.
    pub workspace: &'a mut Workspace,
}

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
    let parameters: Vec<&Tensor> = parameters.iter().collect();
    let (objective, workspace) = (&mut CrossEntropy::default(), &mut Workspace::default());
    let pass = Pass { ctx, graph, parameters: &parameters, views: &mut [], objective, emulation: None, workspace };
    backprop_in(pass, batch).await
}

/// [`backprop`] with all that a [`Pass`] may have.
///
/// # Errors
/// See [`backprop`].
pub async fn backprop_in(pass: Pass<'_>, batch: Batch) -> Result<Gradients, CoreError> {
    let Pass { ctx, graph, parameters, views, objective, mut emulation, workspace } = pass;
    // Nothing asks for gradients by the graph's input, but for a grid of it that is learned.
    let learns: Vec<bool> = views.iter().map(|view| view.as_ref().is_some_and(InputView::learns)).collect();
    let goes_back = |i: usize| {
        graph.nodes()[i].inputs.iter().any(|&id| id != ValueId::INPUT) || learns.get(i).is_some_and(|learns| *learns)
    };
    let layers = prepare(graph, parameters, &[], goes_back).map_err(|error| CoreError::internal("train", error))?;
    let positions = graph.positions();
    let (count, images) = (batch.blocks.len(), batch.labels.len() / positions);
    let images_in = |block: usize| LANES.min(images - block * LANES);
    let mut values: Vec<Blocks> = vec![batch.blocks];
    if let Some(emulation) = &emulation {
        emulation.give(&mut values[0]);
    }
    let mut statistics = Vec::new();
    for (i, (node, layer)) in graph.nodes().iter().zip(&layers).enumerate() {
        layer.observe(&slices(&values[node.inputs[0].index()]), images);
        let untrained = node.params.iter().enumerate().filter(|(_, spec)| !spec.trained);
        let untrained = untrained.map(|(i, _)| node.first_param + i);
        statistics.extend(untrained.zip(layer.batch_statistics()));
        let size = graph.shapes()[values.len()].len() * LANES;
        if let Some(Some(view)) = views.get_mut(i) {
            view.meet(&slices(&values[node.inputs[0].index()]), images);
        }
        let mut rounded = round(ctx, views.get(i), &values[node.inputs[0].index()], workspace).await;
        if let (Some(emulation), true) = (&emulation, rounded.is_empty()) {
            rounded = emulation.read(node, &values[node.inputs[0].index()], workspace);
        }
        let inputs = |block: usize| seen(node, &values, &rounded, block);
        let blocks = workspace.take(count, size).into_iter();
        let items: Vec<(Vec<&[f32]>, Vec<f32>)> = (0..count).map(inputs).zip(blocks).collect();
        let macs = node.macs * LANES as u64 + size as u64;
        let mut outputs = for_each(ctx, macs, items, |(inputs, mut out), scratch| {
            layer.forward(&inputs, &mut out, scratch);
            out
        })
        .await;
        if let Some(emulation) = &emulation {
            emulation.give(&mut outputs);
        }
        values.push(outputs);
        workspace.give(rounded);
    }

    let mut grads: Vec<Blocks> = vec![Vec::new(); values.len()];
    let loss = objective.judge(&values, &batch.labels, positions, &mut grads);
    if let Some(scale) = emulation.as_ref().map(|emulation| emulation.scale).filter(|scale| *scale != 1.0) {
        grads.iter_mut().flatten().flatten().for_each(|slope| *slope *= scale);
    }

    let mut view_grads = vec![0.0; layers.len()];
    let mut parameter_grads: Vec<Tensor> = parameters.iter().map(|p| Tensor::zeros(p.shape().clone())).collect();
    for (i, (node, layer)) in graph.nodes().iter().zip(&layers).enumerate().rev() {
        let mut gradient = std::mem::take(&mut grads[i + 1]);
        if gradient.is_empty() {
            continue;
        }
        if let Some(emulation) = &mut emulation {
            emulation.slope(i, node, &mut gradient);
        }
        let macs = node.macs * LANES as u64;
        layer.observe_gradients(&slices(&values[node.inputs[0].index()]), &slices(&gradient), images);
        let mut rounded = round(ctx, views.get(i), &values[node.inputs[0].index()], workspace).await;
        if let (Some(emulation), true) = (&emulation, rounded.is_empty()) {
            rounded = emulation.read(node, &values[node.inputs[0].index()], workspace);
        }
        if goes_back(i) {
            let view = views.get(i).and_then(Option::as_ref);
            let inputs = |b: usize| seen(node, &values, &rounded, b);
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
                let plain = &values[node.inputs[0].index()][b];
                let learned = view.map_or(0.0, |view| view.backward(plain, &mut grads[0]));
                (grads, learned)
            })
            .await;
            for (block, (block_grads, learned)) in input_grads.into_iter().enumerate() {
                view_grads[i] += learned;
                for (id, grad) in node.inputs.iter().zip(block_grads) {
                    collect(&mut grads[id.index()], block, grad, workspace);
                }
            }
        }
        let tiles = layer.gradient_tiles();
        if !tiles.is_empty() {
            let inputs = if rounded.is_empty() { &values[node.inputs[0].index()] } else { &rounded };
            let inputs = slices(inputs);
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
        if let Some(emulation) = &mut emulation {
            let own = node.first_param..node.first_param + node.params.len();
            emulation.parameters(i, &mut parameter_grads[own]);
        }
        workspace.give(rounded);
        workspace.give(gradient);
        // Nothing reads the node's own output any more: its readers come later and are done.
        workspace.give(std::mem::take(&mut values[i + 1]));
    }
    values.into_iter().chain(grads).for_each(|blocks| workspace.give(blocks));
    Ok(Gradients { loss, parameters: parameter_grads, statistics, inputs: view_grads })
}

/// A value as a view lets it be seen; nothing without a view.
async fn round(ctx: &Context, view: Option<&Option<InputView>>, blocks: &Blocks, workspace: &mut Workspace) -> Blocks {
    let Some(Some(view)) = view else { return Blocks::new() };
    let size = blocks.first().map_or(0, Vec::len);
    let items: Vec<(&Vec<f32>, Vec<f32>)> = blocks.iter().zip(workspace.take(blocks.len(), size)).collect();
    for_each(ctx, size as u64, items, |(block, mut out), _| {
        view.grid.round(block, &mut out);
        out
    })
    .await
}

/// What a node reads of one block, its first input `rounded` if that is not empty.
fn seen<'a>(node: &Node, values: &'a [Blocks], rounded: &'a Blocks, block: usize) -> Vec<&'a [f32]> {
    let mut inputs: Vec<&[f32]> = node.inputs.iter().map(|id| values[id.index()][block].as_slice()).collect();
    if let (Some(first), Some(rounded)) = (inputs.first_mut(), rounded.get(block)) {
        *first = rounded;
    }
    inputs
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
