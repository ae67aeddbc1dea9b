//! Rotation of inputs and weights (QuaRot, Ashkboos et al. 2024, arXiv 2404.00456): W·x = (W·Hᵀ)·(H·x), and no channel of H·x stands out.
//!
//! There is nowhere to fold H in general, so it is computed as the network runs, by a node before the layer. A layer's channels (of one
//! group) are rotated in blocks of the largest power of two that divides them; a layer where that is below four stays as it is.

use super::seam::has_rows;
use crate::error::CoreError;
use crate::graph::Edit;
use crate::models::Network;
use crate::ops::Hadamard;
use std::rc::Rc;
use std::sync::Arc;

/// The least block worth its work.
const LEAST: usize = 4;

/// The block of a layer, if its inputs are rotated.
fn block(network: &Network, node: usize) -> Option<usize> {
    let shape = &network.graph.nodes()[node].params.first()?.shape;
    let size = Hadamard::largest(*shape.dims().get(1)?);
    (has_rows(network, node) && size >= LEAST).then_some(size)
}

/// Rotates what can be; gives the number of layers. Weights are rotated in f64 by the fast transform, and rounded to f32 once.
pub(super) fn rotate(network: &mut Network) -> Result<usize, CoreError> {
    let graph = Rc::clone(&network.graph);
    let blocks: Vec<Option<usize>> = (0..graph.nodes().len()).map(|node| block(network, node)).collect();
    for (node, size) in graph.nodes().iter().zip(&blocks) {
        let Some(size) = *size else { continue };
        let parameter = &mut network.parameters[node.first_param];
        let kernel = parameter.latent.shape().dims()[2..].iter().product::<usize>();
        let scale = 1.0 / (size as f64).sqrt();
        let mut values = vec![0.0f64; size];
        for block in parameter.latent.data_mut().chunks_exact_mut(size * kernel) {
            for tap in 0..kernel {
                let own = block.iter().skip(tap).step_by(kernel);
                values.iter_mut().zip(own).for_each(|(value, own)| *value = f64::from(*own));
                let mut apart = 1;
                while apart < size {
                    for pair in values.chunks_exact_mut(2 * apart) {
                        let (low, high) = pair.split_at_mut(apart);
                        low.iter_mut().zip(high).for_each(|(low, high)| (*low, *high) = (*low + *high, *low - *high));
                    }
                    apart *= 2;
                }
                let own = block.iter_mut().skip(tap).step_by(kernel);
                own.zip(&values).for_each(|(own, value)| *own = (value * scale) as f32);
            }
        }
        parameter.transformed = true;
    }
    network.edit(|node| match blocks[node] {
        None => Edit::Keep,
        Some(size) => Edit::Before(format!("{}-hadamard", graph.nodes()[node].name), Arc::new(Hadamard { size })),
    })?;
    Ok(blocks.iter().flatten().count())
}
