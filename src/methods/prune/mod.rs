//! Pruning: weights that matter little become 0, and stay so.

mod gradient;
mod input;
mod inputs;
mod parse;
mod ratios;
mod sparsegpt;
mod structured;
#[cfg(test)]
mod tests;
mod units;

pub use parse::MOST_SPARSITY;
pub use structured::{STRUCTURES, Structure, UNIT_SCORES};
pub use units::UnitScore;

use super::{
    Applied, Changed, Choice, Method, Parsed, Step, StepContext, choose, id_of, ids, training_assets, training_images,
};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::models::{Model, Network, Parameter, zero_pruned};
use crate::named::Named;
use crate::task::Phase;
use crate::train::{
    Candidate, Pattern, PruneSchedule, Pruner, Pruning, Scope, own_scores, score_stream, select, select_macs,
};
use ratios::Ratios;
use serde_json::{Value, json};
use std::rc::Rc;

pub(super) static METHOD: Method = Method { name: "prune", parse: parse::parse };

/// Every way to score weights.
pub static PRUNINGS: &[Choice<Pruning>] = &[
    Choice { value: Pruning::Magnitude, id: "magnitude", code: "m", source: "Han et al. 2015, arXiv 1506.02626" },
    Choice { value: Pruning::Lamp, id: "lamp", code: "l", source: "Lee et al. 2021, arXiv 2010.07611" },
    Choice { value: Pruning::Random, id: "random", code: "r", source: "Blalock et al. 2020, arXiv 2003.03033" },
    Choice { value: Pruning::Wanda, id: "wanda", code: "w", source: "Sun et al. 2023, arXiv 2306.11695" },
    Choice {
        value: Pruning::Sparsegpt,
        id: "sparsegpt",
        code: "g",
        source: "Frantar and Alistarh 2023, arXiv 2301.00774",
    },
    Choice { value: Pruning::Taylor, id: "taylor", code: "t", source: "Molchanov et al. 2019, arXiv 1906.10771" },
    Choice { value: Pruning::Snip, id: "snip", code: "s", source: "Lee, Ajanthan and Torr 2019, arXiv 1810.02340" },
    Choice { value: Pruning::Movement, id: "movement", code: "v", source: "Sanh et al. 2020, arXiv 2005.07683" },
];

/// Every scope.
pub static SCOPES: &[Choice<Scope>] = &[
    Choice { value: Scope::Global, id: "global", code: "g", source: "Blalock et al. 2020, arXiv 2003.03033" },
    Choice { value: Scope::Layer, id: "layer", code: "l", source: "Han et al. 2015, arXiv 1506.02626" },
    Choice { value: Scope::Row, id: "row", code: "r", source: "Sun et al. 2023, arXiv 2306.11695" },
];

/// The scopes that a way to score has, its default first.
pub fn scopes_of(pruning: Pruning) -> &'static [Scope] {
    match pruning {
        Pruning::Lamp => &[Scope::Global],
        Pruning::Wanda => &[Scope::Row],
        Pruning::Sparsegpt => &[Scope::Layer],
        _ => &[Scope::Global, Scope::Layer, Scope::Row],
    }
}

/// Whether a way to score looks at training images.
fn needs_images(pruning: Pruning) -> bool {
    matches!(pruning, Pruning::Wanda | Pruning::Sparsegpt | Pruning::Taylor | Pruning::Snip)
}

/// Prunes the weights of linear layers and convolutions.
#[derive(Clone, Debug)]
pub struct PruneStep {
    method: Pruning,
    pattern: Pattern,
    scope: Scope,
    /// The share of weights that goes; 0 where the pattern says it.
    sparsity: f64,
    /// Chooses a share for each layer instead.
    ratios: Option<Ratios>,
    /// Layers with a share of their own; `None`: they stay whole.
    layers: Named<Option<f64>>,
    /// Training images that scores look at.
    images: u32,
    /// Draws them; without it they are the first of the split.
    seed: Option<u64>,
    schedule: PruneSchedule,
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

    /// Whether it leaves the pruning to the train step behind it.
    pub fn scheduled(&self) -> bool {
        self.schedule != PruneSchedule::OneShot
    }

    /// What the train step behind it does, and how often that trains; `index` is this step's place.
    pub fn pruner(&self, network: &Network, seed: u64, index: u64) -> Pruner {
        let &Self { schedule, method: pruning, pattern, scope, sparsity: share, .. } = self;
        Pruner::new(schedule, pruning, (pattern, scope, share), self.candidates(network), (seed, index))
    }

    /// How often the train step behind it trains.
    pub fn trainings(&self) -> u64 {
        self.schedule.trainings()
    }

    fn images(&self) -> u32 {
        if needs_images(self.method) { self.images } else { 0 }
    }

    /// Magnitudes of single weights.
    pub fn plain() -> Self {
        let (method, pattern, scope) = (Pruning::Magnitude, Pattern::Unstructured, Scope::Layer);
        let (layers, schedule) = (Named::default(), PruneSchedule::OneShot);
        Self { method, pattern, scope, sparsity: 0.0, ratios: None, layers, images: 0, seed: None, schedule }
    }

    /// It, for layers each by itself: without shares of their own, and of single weights where its pattern says how many go.
    fn apart(&self) -> Self {
        let scope = if self.scope == Scope::Row { Scope::Row } else { Scope::Layer };
        let pattern = if matches!(self.pattern, Pattern::Nm(..)) { Pattern::Unstructured } else { self.pattern };
        Self { pattern, scope, ratios: None, layers: Named::default(), ..self.clone() }
    }

    /// Names a network and all of this step that [`PruneStep::alone`] depends on.
    pub(super) fn place(&self, cx: &StepContext<'_>) -> Result<String, CoreError> {
        let Self { method, pattern, scope, images, seed, .. } = self.apart();
        let drawn = (method == Pruning::Random).then_some((cx.seed, cx.index));
        let network = cx.network.digest()?;
        Ok(format!("{} {network} {method:?} {pattern:?} {scope:?} {images} {seed:?} {drawn:?}", cx.network.model.id))
    }

    /// The weight of every layer that may be pruned, pruned to each of these shares while all others are whole. Scores that need a
    /// training are magnitudes.
    ///
    /// # Errors
    /// See [`Step::apply`].
    pub(super) async fn alone(&self, cx: &StepContext<'_>, shares: &[f64]) -> Result<Vec<Changed>, CoreError> {
        let mut step = self.apart();
        let mut scored = step.candidates(cx.network);
        let inputs = step.by_inputs();
        if !inputs {
            step.score(cx, &mut scored).await?;
        }
        let mut changed = Vec::new();
        for &share in shares {
            step.sparsity = share;
            let (mut candidates, mut network) = (scored.clone(), cx.network.clone());
            if inputs {
                let mut own = cx.with(&mut network);
                inputs::prune(&step, &mut own, &mut candidates, true).await?;
            } else {
                step.select(cx, &mut candidates).await;
                candidates.iter().for_each(|candidate| put(&mut network, candidate));
            }
            let weights = candidates.iter().map(|c| (c.node, network.parameters[c.index].latent.clone()));
            changed.push(weights.collect());
        }
        Ok(changed)
    }

    /// Multiply-adds of [`PruneStep::alone`] for so many shares, about.
    pub(super) fn alone_macs(&self, network: &Network, shares: usize) -> u64 {
        let (scoring, sorting) = self.work(network);
        scoring * if self.by_inputs() { shares as u64 } else { 1 } + sorting * shares as u64
    }

    /// Whether layers are scored one after the other, by what they take.
    fn by_inputs(&self) -> bool {
        matches!(self.method, Pruning::Wanda | Pruning::Sparsegpt)
    }

    /// Scores candidates by what needs no layer pruned before it.
    async fn score(&self, cx: &StepContext<'_>, candidates: &mut [Candidate]) -> Result<(), CoreError> {
        if matches!(self.method, Pruning::Taylor | Pruning::Snip) {
            return gradient::score(self, cx, candidates).await;
        }
        for candidate in candidates {
            let weight = cx.network.parameters[candidate.index].latent.data();
            let rng = score_stream((cx.seed, cx.index), candidate.index);
            candidate.scores = own_scores(cx.ctx, self.method, weight, rng).await;
        }
        Ok(())
    }

    /// Multiply-adds of scoring and of choosing what goes, about.
    fn work(&self, network: &Network) -> (u64, u64) {
        let candidates = self.candidates(network);
        let sorting = select_macs(candidates.iter().map(|candidate| candidate.mask.len() as u64).sum());
        let scoring = match self.method {
            Pruning::Taylor | Pruning::Snip => 3 * network.graph.macs() * u64::from(self.images()),
            Pruning::Wanda | Pruning::Sparsegpt => inputs::macs(self, network, &candidates),
            Pruning::Lamp => sorting,
            _ => 0,
        };
        (scoring, sorting)
    }

    /// Takes what goes out of the candidates' masks, by their scores.
    async fn select(&self, cx: &StepContext<'_>, candidates: &mut [Candidate]) {
        select(cx.ctx, self.pattern, self.scope, self.sparsity, candidates).await;
    }
}

/// Makes 0 what a candidate's mask says is pruned.
fn put(network: &mut Network, candidate: &Candidate) {
    let parameter = &mut network.parameters[candidate.index];
    zero_pruned(parameter.latent.data_mut(), Some(&candidate.mask));
    parameter.mask = Some(candidate.mask.clone());
}

/// Codes belong to the weights as they are.
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
        parse::write(self)
    }

    fn as_prune(&self) -> Option<&PruneStep> {
        Some(self)
    }

    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        refuse_after_quantize(path, earlier)
    }

    fn check_next(&self, path: &str, next: Option<&dyn Step>) -> Result<(), CoreError> {
        if self.scheduled() && next.is_none_or(|step| step.name() != super::train::METHOD.name) {
            let found = format!("{} and no train step behind it that would carry it out", parse::kind(&self.schedule));
            let allowed = "a train step next, or one-shot";
            return Err(CoreError::new(ErrorCode::Combination, format!("{path}.schedule"), found, allowed));
        }
        Ok(())
    }

    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        let mut assets = training_assets(library, model, self.images(), self.seed)?;
        if let Some(ratios) = self.ratios {
            assets.extend(library.assets(model.data, "validation", ratios.images)?);
        }
        Ok(assets)
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        let (scoring, sorting) = self.work(network);
        scoring + sorting + self.ratios.map_or(0, |ratios| ratios.macs(self, network))
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(async move {
            if self.scheduled() {
                return Ok(());
            }
            if let Some(ratios) = self.ratios {
                return ratios.allocated(self, cx).await?.apply(cx).await;
            }
            cx.ctx.enter(Phase::Prune);
            let mut candidates = self.candidates(cx.network);
            if self.by_inputs() {
                return inputs::prune(self, cx, &mut candidates, false).await;
            }
            self.score(cx, &mut candidates).await?;
            self.select(cx, &mut candidates).await;
            candidates.iter().for_each(|candidate| put(cx.network, candidate));
            Ok(())
        })
    }
}
