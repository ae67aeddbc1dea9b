//! Pruning: weights that matter little become 0, and stay so.

mod parse;
mod score;
mod structured;
mod units;

pub use structured::{STRUCTURES, Structure, UNIT_SCORES};
pub use units::UnitScore;

use super::{Applied, Choice, Method, Parsed, Step, StepContext, choose, id_of, ids};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::models::{Model, Network, Parameter, zero_pruned};
use crate::task::Phase;
use crate::train::{Candidate, Pattern, Scope, select, select_macs};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) static METHOD: Method = Method { name: "prune", parse: parse::parse };

/// By what weights are scored; the lowest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// |w|.
    Magnitude,
    /// Drawn.
    Random,
}

/// Every way to score weights.
pub static PRUNINGS: &[Choice<Pruning>] = &[
    Choice { value: Pruning::Magnitude, id: "magnitude", code: "m", source: "Han et al. 2015, arXiv 1506.02626" },
    Choice { value: Pruning::Random, id: "random", code: "r", source: "Blalock et al. 2020, arXiv 2003.03033" },
];

/// Every scope.
pub static SCOPES: &[Choice<Scope>] = &[
    Choice { value: Scope::Global, id: "global", code: "g", source: "Blalock et al. 2020, arXiv 2003.03033" },
    Choice { value: Scope::Layer, id: "layer", code: "l", source: "Han et al. 2015, arXiv 1506.02626" },
    Choice { value: Scope::Row, id: "row", code: "r", source: "Sun et al. 2023, arXiv 2306.11695" },
];

/// Prunes the weights of linear layers and convolutions.
#[derive(Clone, Debug)]
pub struct PruneStep {
    method: Pruning,
    pattern: Pattern,
    scope: Scope,
    /// The share of weights that goes; 0 where the pattern says it.
    sparsity: f64,
    /// Layers with a share of their own; `None`: they stay whole.
    layers: BTreeMap<String, Option<f64>>,
}

impl PruneStep {
    /// The weights that may go, without scores.
    fn candidates(&self, network: &Network) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (node, entry) in network.graph.nodes().iter().enumerate().filter(|(node, _)| network.rounds_input(*node)) {
            let own = self.layers.get(&entry.name);
            let (Some(index), false) = (network.weight_of(node), matches!(own, Some(None))) else { continue };
            let Parameter { latent, mask, .. } = &network.parameters[index];
            let mask = mask.clone().unwrap_or_else(|| vec![true; latent.data().len()]);
            let rows = latent.shape().dims()[0].max(1);
            found.push(Candidate { node, index, rows, own: own.copied().flatten(), scores: Vec::new(), mask });
        }
        found
    }
}

fn refuse_after_quantize(path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
    if earlier.iter().any(|step| step.as_quantize().is_some()) {
        let found = "prune after quantize, whose codes it would change";
        return Err(CoreError::new(ErrorCode::Combination, path, found, "prune before quantize"));
    }
    Ok(())
}

impl Step for PruneStep {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn canonical(&self) -> Value {
        let mut value = json!({"method": id_of(PRUNINGS, &self.method), "pattern": parse::pattern(self.pattern)});
        if !matches!(self.pattern, Pattern::Nm(..)) {
            value["scope"] = json!(id_of(SCOPES, &self.scope));
            value["sparsity"] = json!(self.sparsity);
        }
        for (name, own) in &self.layers {
            value["layers"][name] = own.map_or(json!(parse::KEEP), |sparsity| json!({"sparsity": sparsity}));
        }
        value
    }

    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        refuse_after_quantize(path, earlier)
    }

    fn assets(&self, _: &Model, _: &Library) -> Result<Vec<AssetRef>, CoreError> {
        Ok(Vec::new())
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        select_macs(self.candidates(network).iter().map(|candidate| candidate.mask.len() as u64).sum())
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            cx.ctx.enter(Phase::Prune);
            let mut candidates = self.candidates(cx.network);
            for candidate in &mut candidates {
                let weight = cx.network.parameters[candidate.index].latent.data();
                candidate.scores = match self.method {
                    Pruning::Magnitude => score::magnitude(weight),
                    Pruning::Random => score::random(weight.len(), cx.seed, cx.index, candidate.index),
                };
            }
            select(cx.ctx, self.pattern, self.scope, self.sparsity, &mut candidates).await;
            for Candidate { index, mask, .. } in candidates {
                let parameter = &mut cx.network.parameters[index];
                zero_pruned(parameter.latent.data_mut(), Some(&mask));
                parameter.mask = Some(mask);
            }
            Ok(())
        })
    }
}
