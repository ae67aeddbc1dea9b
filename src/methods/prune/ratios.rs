//! Shares for each layer: those with the least summed loss that leave no more than a budget of weights or multiply-adds.

use super::PruneStep;
use crate::error::{CoreError, ErrorCode};
use crate::methods::allocate::{Item, allocate};
use crate::methods::{Effect, Mode, StepContext, Ways};
use crate::models::Network;

/// Shares of its weights that a layer may lose.
const SHARES: [f64; 13] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99];

/// What stays at most of all layers that a share is chosen for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratios {
    /// A share of their weights, or of the multiply-adds by those.
    pub budget: f64,
    /// Whether it is of multiply-adds.
    pub macs: bool,
    /// Validation images that each layer and share is judged on.
    pub images: u32,
}

impl Ratios {
    /// The step with a share of its own for every layer that has none.
    ///
    /// # Errors
    /// `asset` when images were not provided; `combination` when no choice stays within the budget.
    pub async fn allocated(self, step: &PruneStep, cx: &StepContext<'_>) -> Result<PruneStep, CoreError> {
        let effects = Ways::Pruned(step, &SHARES).effects(cx, self.images, Mode::Only).await?;
        let (mut names, mut options, mut whole) = (Vec::new(), Vec::new(), 0);
        for effects in effects.chunks(SHARES.len()) {
            let layer = &effects[0].layer;
            let node = cx.network.graph.nodes().iter().find(|node| node.name == *layer);
            let Some(node) = node.filter(|_| !step.layers.contains(layer)) else { continue };
            let weights = node.params[0].shape.len() as u64;
            let each = if self.macs { node.macs / weights } else { 1 };
            whole += weights * each;
            let item = |effect: &Effect| Item { cost: effect.nonzero * each, loss: effect.loss };
            options.push(effects.iter().map(item).collect::<Vec<_>>());
            names.push(layer);
        }
        let chosen = allocate(cx.ctx, &options, (self.budget * whole as f64) as u64).await.ok_or_else(|| {
            let path = format!("steps.{}.prune.ratios.budget", cx.index);
            CoreError::new(ErrorCode::Combination, path, self.budget.to_string(), "more")
        })?;
        let mut step = PruneStep { ratios: None, ..step.clone() };
        for (layer, choice) in names.into_iter().zip(chosen) {
            step.layers.insert(layer.clone(), Some(SHARES[choice]));
        }
        Ok(step)
    }

    /// Multiply-adds of [`Ratios::allocated`], about.
    pub fn macs(self, step: &PruneStep, network: &Network) -> u64 {
        Ways::Pruned(step, &[]).macs(network, self.images, Mode::Only, SHARES.len())
    }
}
