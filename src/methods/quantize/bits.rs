//! Bits for each layer: the widths with the least summed loss whose mean stays within a budget. Widths like those of HAQ (Wang et al.
//! 2019, arXiv 1811.08886), there 1 to 8 bits.

use super::{Override, QuantizeStep, WeightSpec};
use crate::error::{CoreError, ErrorCode};
use crate::formats::{self, Format};
use crate::methods::allocate::{Item, allocate};
use crate::methods::{Effect, Mode, StepContext, Ways};
use crate::models::Network;

/// Widths a layer may have: `int2` to `int8`.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 2..=8;

/// The mean of the bits of all weights that a layer's width is chosen for, at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Bits of codes per weight; scales are not counted.
    pub bits: f64,
    /// Validation images that each layer and width is judged on.
    pub images: u32,
}

/// The integer format of so many bits.
pub fn format_of(bits: u32) -> Result<&'static dyn Format, CoreError> {
    formats::find(&format!("int{bits}")).ok_or_else(|| CoreError::internal("bits", format!("no int{bits}")))
}

/// The way weights are rounded, with every width.
pub fn widths(base: &WeightSpec, bits: impl Iterator<Item = u32>) -> Result<Vec<WeightSpec>, CoreError> {
    bits.map(|bits| base.with_format(format_of(bits)?)).collect()
}

/// The step with a width of its own for every layer that has no weights of its own.
///
/// # Errors
/// `internal` when parameters do not fit, which their construction rules out; `combination` when the budget is too small, which
/// its bounds rule out.
pub(super) async fn allocated(
    step: &QuantizeStep,
    cx: &mut StepContext<'_>,
    base: &WeightSpec,
    budget: Budget,
) -> Result<QuantizeStep, CoreError> {
    let specs = widths(base, WIDTHS)?;
    let effects = Ways::Rounded(step, &specs).effects(cx, budget.images, Mode::Only).await?;
    let mut names = Vec::new();
    let mut options = Vec::new();
    let mut weights = 0;
    for effects in effects.chunks(specs.len()) {
        let layer = &effects[0].layer;
        if step.layers.get(layer).is_some_and(|own| own.weights.is_some()) {
            continue;
        }
        let count = weights_of(cx.network, layer);
        weights += count;
        names.push(layer);
        let option =
            |effect: &Effect| Item { cost: count * u64::from(WIDTHS.start() + effect.way as u32), loss: effect.loss };
        options.push(effects.iter().map(option).collect::<Vec<_>>());
    }
    let chosen = allocate(cx.ctx, &options, (budget.bits * weights as f64) as u64).await;
    let chosen = chosen.ok_or_else(|| {
        CoreError::new(ErrorCode::Combination, "bits.budget", budget.bits.to_string(), "at least 2 bits")
    })?;
    let mut step = step.clone();
    for (layer, choice) in names.into_iter().zip(chosen) {
        let own = step.layers.get(layer).cloned().unwrap_or_default();
        step.layers.insert(layer.clone(), Override { weights: Some(specs[choice]), ..own });
    }
    Ok(step)
}

fn weights_of(network: &Network, layer: &str) -> u64 {
    let node = network.graph.nodes().iter().find(|node| node.name == *layer);
    node.and_then(|node| node.params.first()).map_or(0, |spec| spec.shape.len() as u64)
}
