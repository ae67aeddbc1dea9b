//! The float weights of a linear layer, in the form of the kernel that runs: dense, skipping zeros, or still packed.

use super::{Arithmetic, LayerParams};
use crate::kernels::linear::{linear_rows, pack};
use crate::kernels::pack::Packed;
use crate::kernels::single::{Panels, linear_one};
use crate::kernels::sparse::{Csr, skips};
use crate::kernels::two_four::{self, TwoFour};
use crate::kernels::weight_only::WeightOnly;
use crate::kernels::{AddBias, RowSink};
use crate::simd::F32x8;
use std::sync::{Arc, OnceLock};

/// All give the same bits for finite inputs (docs/numerics.md).
pub(super) enum Matrix {
    Dense {
        packed: Packed<f32>,
        /// The weights for single images, once there was one.
        panels: OnceLock<Panels>,
    },
    Csr(Csr),
    TwoFour(TwoFour),
    Stored {
        stored: Arc<WeightOnly>,
        /// The decoded weights for blocks, once there was one.
        blocks: OnceLock<Box<Matrix>>,
        /// The kernel that they are for.
        kernel: Option<String>,
    },
}

impl Matrix {
    /// The form for row-major weights of `rows × inputs`. Layers that are trained change their weights at every step and stay dense.
    pub(super) fn new(weights: &[f32], [rows, inputs]: [usize; 2], params: &LayerParams<'_>) -> Self {
        let asked = matches!(params.arithmetic, Arithmetic::Sparse);
        let form = || Self::decoded(weights, [rows, inputs], asked);
        match params.arithmetic {
            _ if params.training => Self::dense(pack(weights, inputs, rows)),
            Arithmetic::Stored(stored) if (stored.rows(), stored.inputs()) == (rows, inputs) => {
                Self::Stored { stored: Arc::clone(stored), blocks: OnceLock::new(), kernel: form().kernel(false) }
            }
            _ => form(),
        }
    }

    /// Sparse where that is worth it, else dense.
    fn decoded(weights: &[f32], [rows, inputs]: [usize; 2], asked: bool) -> Self {
        let dense = || Self::dense(pack(weights, inputs, rows));
        Self::sparse(weights, inputs, asked).unwrap_or_else(dense)
    }

    fn dense(packed: Packed<f32>) -> Self {
        Self::Dense { packed, panels: OnceLock::new() }
    }

    /// `None` where zeros are too few to be worth skipping, unless that is `asked` for.
    fn sparse(weights: &[f32], inputs: usize, asked: bool) -> Option<Self> {
        let csr = || Csr::new(weights, inputs).map(Self::Csr);
        if skips(weights, crate::kernels::sparse::CSR_FROM) {
            return csr();
        }
        if skips(weights, if asked { 0.0 } else { two_four::FROM })
            && let Some(pairs) = TwoFour::new(weights, inputs)
        {
            return Some(Self::TwoFour(pairs));
        }
        if asked { csr() } else { None }
    }

    /// Outputs of one block.
    pub(super) fn rows(&self, x: &[f32], bias: AddBias<'_>, sink: &mut dyn RowSink) {
        match self {
            Self::Dense { packed, .. } => linear_rows::<F32x8>(packed, x, &bias, sink),
            Self::Stored { stored, blocks, .. } => {
                let size = [stored.rows(), stored.inputs()];
                let matrix = blocks.get_or_init(|| Box::new(Self::decoded(&stored.decoded(), size, false)));
                matrix.rows(x, bias, sink);
            }
            Self::Csr(csr) => whole(csr.rows(), sink, |out| csr.blocks(x, bias.0, out)),
            Self::TwoFour(pairs) => whole(pairs.rows(), sink, |out| pairs.block(x, bias.0, out)),
        }
    }

    /// Outputs of one image; `backwards` as in [`linear_one`].
    pub(super) fn one(&self, x: &[f32], bias: &[f32], out: &mut [f32], backwards: bool) {
        match self {
            Self::Dense { packed, panels } => {
                linear_one(panels.get_or_init(|| Panels::new(packed)), x, bias, out, backwards)
            }
            Self::Stored { stored, .. } => stored.gemv(x, bias, out),
            Self::Csr(csr) => csr.gemv(x, bias, out),
            Self::TwoFour(pairs) => pairs.gemv(x, bias, out),
        }
    }

    /// The kernel of [`Matrix::rows`], and of [`Matrix::one`] with `single`; `None` for the dense ones.
    pub(super) fn kernel(&self, single: bool) -> Option<String> {
        let variant = if single { "gemv" } else { "block" };
        match self {
            Self::Stored { stored, .. } if single => Some(stored.id(variant)),
            Self::Stored { kernel, .. } => kernel.clone(),
            Self::Dense { .. } => None,
            Self::Csr(csr) => Some(csr.id(variant)),
            Self::TwoFour(pairs) => Some(pairs.id(variant)),
        }
    }

    /// Bytes of all forms of the weights that are held now.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Dense { packed, panels } => 4 * packed.data.len() + panels.get().map_or(0, Panels::bytes),
            Self::Stored { stored, blocks, .. } => stored.bytes() + blocks.get().map_or(0, |matrix| matrix.bytes()),
            Self::Csr(csr) => csr.bytes(),
            Self::TwoFour(pairs) => pairs.bytes(),
        }
    }
}

/// Every output is a row of one vector; they are given at once.
fn whole(rows: usize, sink: &mut dyn RowSink, write: impl FnOnce(&mut [f32])) {
    let (out, _) = sink.rows(0, rows, 0);
    write(out[..rows].as_flattened_mut());
    sink.done(0, rows, 0);
}
