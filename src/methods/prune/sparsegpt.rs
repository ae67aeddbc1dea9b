//! SparseGPT (Frantar and Alistarh 2023, arXiv 2301.00774): columns of a weight are gone through in order; what goes is chosen by
//! w² / [H⁻¹], and what that did to the layer's output is made good by the columns that are still free.

use crate::methods::quantize::factor::{damped, inverse_factor};
use crate::task::Context;
use crate::train::{Candidate, Pattern, Scope, select};

/// Share of the mean diagonal of H that is added to it.
const DAMPING: f64 = 0.01;
/// Columns among which the lowest are chosen at once.
const BLOCK: usize = 128;

/// Rows of one group of a layer.
pub(super) struct Rows<'a> {
    /// `[rows][taps]`; what stays is moved.
    pub weight: &'a mut [f32],
    /// What is kept; what was gone before stays so.
    pub mask: &'a mut [bool],
    /// Values of a row.
    pub taps: usize,
    /// Σ x xᵀ over the layer's inputs, `[taps][taps]`.
    pub gram: &'a [f64],
}

/// Prunes rows: of every block of 128 columns the share `share`, compared among all rows; or with N:M of every group of each row.
/// `None` when the damped Gram matrix is not positive definite in f64.
///
/// In f64. H is 2 Σ x xᵀ; the factor of 2 cancels.
pub(super) async fn prune(ctx: &Context, rows: Rows<'_>, pattern: Pattern, share: f64) -> Option<()> {
    let Rows { weight, mask, taps, gram } = rows;
    let order: Vec<usize> = (0..taps).collect();
    let u = inverse_factor(ctx, &damped(gram, DAMPING, &order), taps).await?;
    let width = if let Pattern::Nm(_, of) = pattern { of } else { BLOCK };
    let mut free: Vec<f64> = weight.iter().map(|&w| f64::from(w)).collect();
    for first in (0..taps).step_by(width) {
        let columns = first..taps.min(first + width);
        let mut block =
            Candidate { node: 0, index: 0, rows: weight.len() / taps, own: None, scores: vec![], mask: vec![] };
        for (free, mask) in free.chunks(taps).zip(mask.chunks(taps)) {
            block.mask.extend_from_slice(&mask[columns.clone()]);
            let score = |column: usize| free[column] / u[column * taps + column];
            block.scores.extend(columns.clone().map(|column| (score(column) * score(column)) as f32));
        }
        select(ctx, pattern, Scope::Layer, share, std::slice::from_mut(&mut block)).await;
        let chosen = block.mask.chunks(columns.len());
        for ((free, mask), chosen) in free.chunks_mut(taps).zip(mask.chunks_mut(taps)).zip(chosen) {
            mask[columns.clone()].copy_from_slice(chosen);
            for column in columns.clone().filter(|&column| !mask[column]) {
                let factors = &u[column * taps..(column + 1) * taps];
                let error = free[column] / factors[column];
                free[column..].iter_mut().zip(&factors[column..]).for_each(|(w, u)| *w -= error * u);
            }
        }
        ctx.tick(macs(weight.len() / taps * columns.len(), taps)).await;
    }
    weight.iter_mut().zip(&free).for_each(|(w, free)| *w = *free as f32);
    Some(())
}

/// Multiply-adds of [`prune`] for so many weights, about.
pub(super) fn macs(weights: usize, taps: usize) -> u64 {
    (weights * taps / 2) as u64
}
