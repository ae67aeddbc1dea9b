//! What a network is worth: right answers, bytes, multiply-adds.

mod accuracy;
mod inspect;
mod size;
mod twin;

pub use accuracy::{Accuracy, Evaluation, Evaluations, Kept, evaluate, wilson95};
pub use inspect::{
    BINS, LayerInspection, STRETCH, WeightInspection, inspect, inspect_weights, inspected_images, output_units,
    sqnr_db, weight_named,
};
pub use size::{Alternatives, Ledger, Size, layer_bytes, ledgers, measure};
pub use twin::{Difference, TWIN_IMAGES, Twin, twin};

use crate::models::Network;
use serde::Serialize;

/// Work and memory of one inference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Cost {
    /// Multiply-adds for one image.
    pub macs: u64,
    /// Parameters, biases included.
    pub parameters: u64,
    /// Parameters that are not zero.
    pub nonzero: u64,
    /// Share of the weights (biases excluded) that are zero.
    pub sparsity: f64,
    /// Bytes of f32 activations that must stand in memory at once for one image.
    pub peak_activation_bytes: u64,
    /// Bytes of rounded keys and values that writing keeps for each character; only where they are rounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_bytes_per_character: Option<u64>,
}

/// Counts parameters as inference uses them.
///
/// # Errors
/// See [`crate::models::Parameter::effective`].
pub fn cost(network: &Network) -> Result<Cost, crate::error::CoreError> {
    let (mut parameters, mut nonzero, mut weights, mut zero_weights) = (0, 0, 0u64, 0u64);
    for (parameter, tensor) in network.parameters.iter().zip(network.effective()?) {
        let zeros = tensor.data().iter().filter(|&&v| v == 0.0).count() as u64;
        let count = tensor.data().len() as u64;
        parameters += count;
        nonzero += count - zeros;
        if parameter.is_weight() {
            weights += count;
            zero_weights += zeros;
        }
    }
    let graph = &network.graph;
    let caches = graph.nodes().iter().filter_map(|node| node.op.cache_bytes(&graph.input_shapes(node)));
    let (kept, cache) = caches.fold((false, 0), |(_, sum), bytes| (true, sum + bytes));
    Ok(Cost {
        macs: network.graph.macs(),
        parameters,
        nonzero,
        sparsity: zero_weights as f64 / weights.max(1) as f64,
        peak_activation_bytes: network.graph.peak_activation_bytes(),
        kv_cache_bytes_per_character: kept.then_some(cache),
    })
}
