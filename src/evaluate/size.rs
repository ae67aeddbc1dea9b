//! Bytes: the length of the exported file less its header, and what they are spent on.

use crate::error::CoreError;
use crate::formats::{Part, PartKind, STORAGES};
use crate::models::{Network, StoredAs};
use crate::task::Context;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output, create_comp_flags_from_zip_params,
};
use serde::Serialize;

/// What the bytes are. They add up to [`Size::bytes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Ledger {
    /// Weights' codes.
    pub values: u64,
    /// Scales of weights and inputs.
    pub scales: u64,
    /// Zero-points of weights and inputs, and minima of blocks.
    pub zero_points: u64,
    /// Places in a codebook; relative indices of kept weights, and their places in groups.
    pub indices: u64,
    /// Bits that say which weights or blocks are kept.
    pub masks: u64,
    /// Tables of values, and of the lengths of Huffman codes.
    pub codebooks: u64,
    /// Biases.
    pub biases: u64,
    /// Filling.
    pub padding: u64,
    /// Anything else.
    pub other: u64,
}

impl Ledger {
    /// Enters a stored part.
    fn enter(&mut self, role: StoredAs, part: &Part) {
        let mut bytes = part.bytes.len() as u64;
        let entry = match (role, part.kind) {
            (StoredAs::Bias, _) => &mut self.biases,
            (StoredAs::Other, _) => &mut self.other,
            (_, PartKind::Values) => &mut self.values,
            (_, PartKind::Scales) => &mut self.scales,
            (_, PartKind::ZeroPoints) => &mut self.zero_points,
            (_, PartKind::Indices) => &mut self.indices,
            (_, PartKind::Masks) => &mut self.masks,
            (_, PartKind::Codebooks) => &mut self.codebooks,
            (_, PartKind::Blocks { bytes: each, scales, mins }) => {
                let of = |own: usize| bytes / each as u64 * own as u64;
                let (scales, mins) = (of(scales), of(mins));
                self.scales += scales;
                self.zero_points += mins;
                bytes -= scales + mins;
                &mut self.values
            }
        };
        *entry += bytes;
    }

    /// The sum of all entries.
    pub fn total(&self) -> u64 {
        let Self { values, scales, zero_points, indices, masks, codebooks, biases, padding, other } = self;
        values + scales + zero_points + indices + masks + codebooks + biases + padding + other
    }
}

/// The same network with every weight stored in one way, those that it cannot hold dense; `null` where it can hold none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Alternatives {
    /// Every value.
    pub dense: u64,
    /// A bit for each value, and the kept ones.
    pub bitmask: Option<u64>,
    /// Relative indices of five bits.
    pub csr5: Option<u64>,
    /// N of every M neighbours.
    pub nm: Option<u64>,
    /// Whole blocks.
    pub block: Option<u64>,
    /// The file as it is, then DEFLATE (RFC 1951) at level 6.
    pub deflate: u64,
}

/// How large a network is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Size {
    /// Bytes of all tensors of the exported file.
    pub bytes: u64,
    /// 8 × bytes of weights with all that belongs to them / number of weights.
    pub bits_per_weight: f64,
    /// Other ways to store it.
    pub alternatives: Alternatives,
    /// What the bytes are.
    pub ledger: Ledger,
}

/// Measures what [`Network::export`] writes.
///
/// # Errors
/// `internal` when compression fails, which it cannot on a buffer that is large enough.
pub async fn measure(ctx: &Context, network: &Network) -> Result<Size, CoreError> {
    let parts = network.parts();
    let mut ledger = Ledger::default();
    let mut weight_bytes = 0;
    for (_, role, part) in &parts {
        weight_bytes += if *role == StoredAs::Weight { part.bytes.len() as u64 } else { 0 };
        ledger.enter(*role, part);
    }
    let weights: usize = network.parameters.iter().filter(|p| p.is_weight()).map(|p| p.latent.data().len()).sum();
    let bytes = ledger.total();
    let [dense, bitmask, csr5, nm, block] = ways(ctx, network, bytes - weight_bytes).await;
    let deflate = deflated(ctx, parts.iter().map(|(_, _, part)| part)).await?;
    Ok(Size {
        bytes,
        bits_per_weight: 8.0 * weight_bytes as f64 / weights.max(1) as f64,
        alternatives: Alternatives { dense: dense.unwrap_or(bytes), bitmask, csr5, nm, block, deflate },
        ledger,
    })
}

/// Bytes of the network with its weights stored in each way of [`STORAGES`], beside `others` bytes.
async fn ways(ctx: &Context, network: &Network, others: u64) -> [Option<u64>; STORAGES.len()] {
    /// About what a weight costs, in multiply-adds.
    const MACS_PER_WEIGHT: usize = 16;
    let (mut bytes, mut held) = ([others; STORAGES.len()], [false; STORAGES.len()]);
    for parameter in network.parameters.iter().filter(|parameter| parameter.is_weight()) {
        let (packed, kept) = (parameter.packed(), parameter.mask.as_deref());
        let dense = packed.store_dense(kept).bytes() as u64;
        for (way, (_, storage)) in STORAGES.into_iter().enumerate() {
            let found = packed.store(kept, storage);
            held[way] |= found.is_some();
            bytes[way] += found.map_or(dense, |found| found.bytes() as u64);
            ctx.tick((MACS_PER_WEIGHT * packed.shape().len()) as u64).await;
        }
    }
    std::array::from_fn(|way| held[way].then_some(bytes[way]))
}

/// What the bytes stored for each node are, in graph order.
pub fn ledgers(network: &Network) -> Vec<Ledger> {
    let mut ledgers = vec![Ledger::default(); network.graph.nodes().len()];
    let parts = network.parts();
    for (node, ledger) in network.graph.nodes().iter().zip(&mut ledgers) {
        for (name, role, part) in &parts {
            if name.strip_prefix(&*node.name).is_some_and(|rest| rest.starts_with('.')) {
                ledger.enter(*role, part);
            }
        }
    }
    ledgers
}

/// Bytes stored for each node, in graph order.
pub fn layer_bytes(network: &Network) -> Vec<u64> {
    ledgers(network).iter().map(Ledger::total).collect()
}

/// Length of the parts after DEFLATE, giving way between chunks.
async fn deflated(ctx: &Context, parts: impl Iterator<Item = &Part>) -> Result<u64, CoreError> {
    const CHUNK: usize = 32 * 1024;
    /// About what a byte costs, in multiply-adds.
    const MACS_PER_BYTE: u64 = 400;
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(6, -15, 0));
    let mut length = 0u64;
    let mut write = |bytes: &[u8], flush| {
        let (status, _) = compress_to_output(&mut compressor, bytes, flush, |out| {
            length += out.len() as u64;
            true
        });
        match status {
            TDEFLStatus::Okay | TDEFLStatus::Done => Ok(()),
            other => Err(CoreError::internal("deflate", format!("{other:?}"))),
        }
    };
    for part in parts {
        for chunk in part.bytes.chunks(CHUNK) {
            write(chunk, TDEFLFlush::None)?;
            ctx.tick(chunk.len() as u64 * MACS_PER_BYTE).await;
        }
    }
    write(&[], TDEFLFlush::Finish)?;
    Ok(length)
}
