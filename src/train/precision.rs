//! Training in low precision, emulated: what is stored and handed on is rounded, sums are f32, as tensor cores have them.
//!
//! Half precision (Micikevicius et al. 2018, arXiv 1710.03740; Kalamkar et al. 2019, arXiv 1905.12322) rounds weights, every value and
//! every gradient. FP8 (arXiv 2209.05433) and INT8 (Banner et al. 2018, arXiv 1805.11046) round what layers with weights read, and the
//! gradients of what they give, each tensor by a scale of its own.

use super::number::{Lost, Number, largest};
use super::record::exponents;
use super::{Blocks, Workspace};
use crate::graph::Node;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How a loss is scaled, so that small gradients do not become 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    /// At the start.
    pub start: f64,
    /// Good steps after which it doubles; 0: it stays as it is.
    pub every: u32,
}

/// Numbers of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// What layers compute with.
    pub forward: Number,
    /// What gradients are handed back in.
    pub backward: Number,
    /// Whether gradients are rounded up or down by chance.
    pub chance: bool,
    /// How the loss is scaled; `None`: not at all.
    pub scale: Option<LossScale>,
    /// What parameters and the optimizer's moments are kept in; `None`: f32, as master weights are.
    pub kept: Option<Number>,
    /// Whether kept parameters are rounded up or down by chance.
    pub kept_by_chance: bool,
}

/// Least loss scale: below it something else is wrong.
const LEAST_SCALE: f32 = 1.0 / 1024.0;
/// Greatest one.
const MOST_SCALE: f32 = 16_777_216.0;

/// The scale of a training's loss as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaler {
    /// What the loss is multiplied by now.
    pub scale: f32,
    /// Good steps since it last changed.
    pub good: u32,
}

impl Scaler {
    /// As it starts.
    pub fn new(scale: Option<LossScale>) -> Self {
        Self { scale: scale.map_or(1.0, |scale| scale.start as f32), good: 0 }
    }

    /// After a step whose gradients were `finite` or not: doubles after enough good ones, halves after a bad one. Whether the step counts.
    pub fn update(&mut self, scale: Option<LossScale>, finite: bool) -> bool {
        let Some(LossScale { every, .. }) = scale else { return true };
        if !finite {
            if every > 0 {
                self.scale = (self.scale * 0.5).max(LEAST_SCALE);
            }
            self.good = 0;
            return false;
        }
        self.good += 1;
        if every > 0 && self.good >= every {
            self.scale = (self.scale * 2.0).min(MOST_SCALE);
            self.good = 0;
        }
        true
    }
}

/// Whether a node is a layer with a weight matrix.
fn weighted(node: &Node) -> bool {
    node.params.first().is_some_and(|spec| spec.name == "weight" && spec.shape.dims().len() > 1)
}

/// One step in low precision: rounds, and counts what that loses.
pub struct Emulation {
    precision: Precision,
    /// What the loss is multiplied by.
    pub scale: f32,
    rng: Rng,
    /// What the gradients of each node lost.
    pub lost: Vec<Lost>,
    /// Gradients of parameters counted by exponent, before they are rounded; `None`: they are not counted.
    pub exponents: Option<Vec<u32>>,
}

impl Emulation {
    /// For a step of a graph of `nodes` nodes; chance by `rng`.
    pub fn new(precision: Precision, scale: f32, nodes: usize, rng: Rng) -> Self {
        Self { precision, scale, rng, lost: vec![Lost::default(); nodes], exponents: None }
    }

    /// Counts gradients of parameters by exponent.
    pub fn watch(&mut self) {
        self.exponents = Some(exponents(&[], 1.0));
    }

    /// The parameters of a node as it computes with them.
    pub fn see(precision: &Precision, node: &Node, tensors: &mut [Tensor]) {
        let number = precision.forward;
        if weighted(node) {
            for tensor in tensors {
                let scale = number.scale(largest(tensor.data().iter()));
                number.round(tensor.data_mut(), scale, None);
            }
        }
    }

    /// What a node gives, in place: only where every value is of fewer bits.
    pub(super) fn give(&self, blocks: &mut Blocks) {
        let number = self.precision.forward;
        if !number.scaled() {
            for block in blocks {
                number.round(block, 1.0, None);
            }
        }
    }

    /// What a layer with weights reads, where that has a scale; nothing elsewhere.
    pub(super) fn read(&self, node: &Node, blocks: &Blocks, workspace: &mut Workspace) -> Blocks {
        let number = self.precision.forward;
        if !number.scaled() || !weighted(node) {
            return Blocks::new();
        }
        let scale = number.scale(largest(blocks.iter().flatten()));
        let mut rounded = workspace.take(blocks.len(), blocks.first().map_or(0, Vec::len));
        for (to, from) in rounded.iter_mut().zip(blocks) {
            to.copy_from_slice(from);
            number.round(to, scale, None);
        }
        rounded
    }

    /// The gradient of what node `index` gives, in place.
    pub(super) fn slope(&mut self, index: usize, node: &Node, blocks: &mut Blocks) {
        let number = self.precision.backward;
        if number.scaled() && !weighted(node) {
            return;
        }
        let scale = number.scale(largest(blocks.iter().flatten()));
        for block in blocks {
            let lost = number.round(block, scale, self.precision.chance.then_some(&mut self.rng));
            self.count(index, lost);
        }
    }

    /// The gradients of a node's parameters, in place: rounded where they are handed on in fewer bits, and then unscaled.
    pub(super) fn parameters(&mut self, index: usize, tensors: &mut [Tensor]) {
        let number = self.precision.backward;
        if let Some(sum) = &mut self.exponents {
            sum.iter_mut().zip(exponents(tensors, 1.0)).for_each(|(sum, own)| *sum += own);
        }
        for tensor in tensors {
            if !number.scaled() {
                let lost = number.round(tensor.data_mut(), 1.0, None);
                self.count(index, lost);
            }
            if self.scale != 1.0 {
                let back = 1.0 / self.scale;
                tensor.data_mut().iter_mut().for_each(|value| *value *= back);
            }
        }
    }

    fn count(&mut self, index: usize, lost: Lost) {
        if let Some(sum) = self.lost.get_mut(index) {
            sum.values += lost.values;
            sum.underflow += lost.underflow;
            sum.overflow += lost.overflow;
        }
    }
}

impl Precision {
    /// Rounds parameters that are kept in fewer bits.
    pub fn keep(&self, tensors: &mut [Tensor], rng: &mut Rng) {
        if let Some(number) = self.kept {
            for tensor in tensors {
                number.round(tensor.data_mut(), 1.0, self.kept_by_chance.then_some(&mut *rng));
            }
        }
    }
}

/// Whether every value is finite.
pub fn finite(tensors: &[Tensor]) -> bool {
    tensors.iter().all(|tensor| tensor.data().iter().all(|value| value.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_doubles_after_good_steps_and_halves_after_an_overflow() {
        // Micikevicius et al. 2018, §3.2; PyTorch's GradScaler has 65536, 2, ½ and 2000.
        let scale = Some(LossScale { start: 65536.0, every: 3 });
        let mut scaler = Scaler::new(scale);
        let trace: Vec<(bool, f32)> = [true, true, false, true, true, true, true, false, false]
            .into_iter()
            .map(|finite| (scaler.update(scale, finite), scaler.scale))
            .collect();
        let wanted = [
            (true, 65536.0),
            (true, 65536.0),
            (false, 32768.0),
            (true, 32768.0),
            (true, 32768.0),
            (true, 65536.0),
            (true, 65536.0),
            (false, 32768.0),
            (false, 16384.0),
        ];
        assert_eq!(trace, wanted);
        let still = Some(LossScale { start: 128.0, every: 0 });
        let mut scaler = Scaler::new(still);
        assert!(!scaler.update(still, false) && scaler.scale == 128.0);
        let mut none = Scaler::new(None);
        assert!(none.update(None, false) && none.scale == 1.0);
    }
}
