//! Structured pruning: channels, neurons, heads or whole branches are taken out, and the network is really smaller.

use super::gradient::{BATCH, gradients};
use super::parse::{DEFAULT_IMAGES, MOST_SPARSITY, read_layers, write_layers};
use super::units::{Amount, Chooser, UnitScore, add, level, nearest, random, score, score_branches};
use super::{METHOD, refuse_after_quantize};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, object};
use crate::graph::{Branch, Channels, Graph, GraphError, Group, Keep, Units};
use crate::methods::{
    Applied, Choice, Parsed, Step, StepContext, choose, id_of, ids, training_assets, training_images,
};
use crate::models::{Model, Network};
use crate::named::Named;
use crate::task::Phase;
use crate::tensor::Tensor;
use crate::train::Workspace;
use serde_json::Value;
use std::rc::Rc;

/// What is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Output channels of convolutions, and neurons.
    Channel,
    /// Outputs of fully connected layers, or of layers that see one token.
    Neuron,
    /// Heads of attentions.
    Head,
    /// Branches beside shortcuts.
    Layer,
}

/// Everything that can be taken out.
pub static STRUCTURES: &[Choice<Structure>] = &[
    Choice { value: Structure::Channel, id: "channel", code: "c", source: "Li et al. 2017, arXiv 1608.08710" },
    Choice { value: Structure::Neuron, id: "neuron", code: "n", source: "Fang et al. 2023, arXiv 2301.12900" },
    Choice { value: Structure::Head, id: "head", code: "h", source: "Michel et al. 2019, arXiv 1905.10650" },
    Choice { value: Structure::Layer, id: "layer", code: "y", source: "Fan et al. 2020, arXiv 1909.11556" },
];

/// Every way to score what is taken out.
pub static UNIT_SCORES: &[Choice<UnitScore>] = &[
    Choice { value: UnitScore::L1, id: "l1", code: "1", source: "Li et al. 2017, arXiv 1608.08710" },
    Choice { value: UnitScore::L2, id: "l2", code: "2", source: "He et al. 2018, arXiv 1808.06866" },
    Choice { value: UnitScore::Fpgm, id: "fpgm", code: "f", source: "He et al. 2019, arXiv 1811.00250" },
    Choice { value: UnitScore::BnScale, id: "bn-scale", code: "b", source: "Liu et al. 2017, arXiv 1708.06519" },
    Choice { value: UnitScore::Taylor, id: "taylor", code: "t", source: "Molchanov et al. 2019, arXiv 1906.10771" },
    Choice { value: UnitScore::Random, id: "random", code: "r", source: "Blalock et al. 2020, arXiv 2003.03033" },
];

const SCOPES: [(&str, bool); 2] = [("layer", false), ("global", true)];
/// Least share of multiply-adds that may be asked for.
const LEAST_MACS: f64 = 0.001;

/// Takes out units of channels, or branches.
#[derive(Clone, Debug)]
pub(super) struct StructuredStep {
    structure: Structure,
    by: UnitScore,
    amount: Amount,
    /// Whether all groups are compared with each other.
    global: bool,
    /// Groups with a share of their own; `None`: they stay whole.
    layers: Named<Option<f64>>,
    /// Training images, for gradients.
    images: u32,
    path: String,
}

impl Structure {
    fn takes(self, units: Units) -> bool {
        match self {
            Self::Channel => units != Units::Heads,
            Self::Neuron => units == Units::Neurons,
            Self::Head => units == Units::Heads,
            Self::Layer => false,
        }
    }
}

/// Whether every one of these groups has something that the score reads.
fn scored(network: &Network, channels: &Channels, group: usize, by: UnitScore) -> bool {
    by == UnitScore::Random
        || network.graph.nodes().iter().enumerate().any(|(at, node)| {
            let reads = node.params.iter().any(|spec| by.reads(node.op.kind(), spec.name, spec.trained));
            reads && channels.of(at + 1).iter().flatten().any(|unit| unit.0 == group)
        })
}

/// What a step with one of [`STRUCTURES`] as its pattern says.
pub(super) fn parse(mut fields: Fields, network: &Network) -> Parsed {
    let refuse =
        |path: String, found: String, allowed: &str| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
    let path = fields.path().to_string();
    let structure = fields.id("pattern", &ids(STRUCTURES), |id| choose(STRUCTURES, id))?.unwrap_or(Structure::Channel);
    let by = fields.id("method", &ids(UNIT_SCORES), |id| choose(UNIT_SCORES, id))?.unwrap_or(UnitScore::L1);
    let scope = fields.id("scope", &SCOPES.map(|scope| scope.0), |id| {
        SCOPES.iter().find(|(name, _)| *name == id).map(|(_, global)| *global)
    })?;
    let (share, macs) = (fields.number("sparsity", 0.0..=MOST_SPARSITY)?, fields.number("macs", LEAST_MACS..=1.0)?);
    let amount = match (share, macs) {
        (share, None) => Amount::Share(fields.needed("sparsity", share)?),
        (None, Some(macs)) => Amount::Macs(macs),
        _ => return refuse(fields.at("macs"), "macs beside sparsity".into(), "either of the two"),
    };
    let images = fields.integer("images", 1..=1024)?;
    if images.is_some() && by != UnitScore::Taylor {
        return refuse(fields.at("images"), "images that nothing looks at".into(), "only with taylor");
    }
    let id = id_of(STRUCTURES, &structure);
    let channels = network.graph.channels();
    let open: Vec<usize> =
        (0..channels.groups.len()).filter(|&group| structure.takes(channels.groups[group].units)).collect();
    let branches = structure == Structure::Layer && !network.graph.branches().is_empty();
    if open.is_empty() && !branches {
        let found = format!("{id}, and {} has none that can go", network.model.id);
        return refuse(fields.at("pattern"), found, "another pattern or model");
    }
    if structure == Structure::Layer && (by == UnitScore::Fpgm || by == UnitScore::BnScale || scope.is_some()) {
        let (at, found) = if scope.is_some() { ("scope", "a scope") } else { ("method", id_of(UNIT_SCORES, &by)) };
        return refuse(fields.at(at), format!("{found} with layer"), "l1, l2, taylor or random, without a scope");
    }
    if let Some(group) = open.iter().find(|&&group| !scored(network, &channels, group, by)) {
        let found = format!("{}, and {} has no batch norm", id_of(UNIT_SCORES, &by), channels.groups[*group].name);
        return refuse(fields.at("method"), found, "another method");
    }
    let names: Vec<&str> = open.iter().map(|&group| channels.groups[group].name.as_str()).collect();
    let layers = read_layers(&mut fields, &names, false)?;
    fields.finish()?;
    let images = images.map_or(DEFAULT_IMAGES, |images| images as u32);
    let global = scope.unwrap_or(structure == Structure::Layer);
    Ok(Rc::new(StructuredStep { structure, by, amount, global, layers, images, path }))
}

impl StructuredStep {
    /// A score for each unit of each group, or for each branch as the units of one group.
    async fn scores(&self, cx: &StepContext<'_>, parts: &Parts) -> Result<Vec<Vec<f64>>, CoreError> {
        let network = &*cx.network;
        if self.by == UnitScore::Random {
            return Ok(random(&parts.counts(), cx.seed, cx.index));
        }
        let own = async |slopes: &[Tensor]| match parts {
            Parts::Units(channels) => score(cx.ctx, network, channels, self.by, slopes).await,
            Parts::Branches(branches) => vec![score_branches(network, branches, self.by, slopes)],
        };
        let mut scores;
        if self.by == UnitScore::Taylor {
            let images = training_images(&cx.library.borrow(), network.model, self.images, None)?;
            let (items, mut workspace) = ((0..images.len()).collect::<Vec<usize>>(), Workspace::default());
            scores = parts.counts().into_iter().map(|count| vec![0.0; count]).collect::<Vec<Vec<f64>>>();
            for chosen in items.chunks(BATCH) {
                let slopes = gradients(cx.ctx, network, &images, chosen, &mut workspace).await?;
                add(&mut scores, &own(&slopes).await);
            }
        } else {
            scores = own(&[]).await;
        }
        if self.global && matches!(self.by, UnitScore::L1 | UnitScore::L2 | UnitScore::Fpgm) {
            level(&mut scores);
        }
        Ok(scores)
    }

    /// How many of each group go whatever the amount; `None` for groups that it is for.
    fn own(&self, parts: &Parts) -> Vec<Option<usize>> {
        let Parts::Units(channels) = parts else { return vec![None] };
        let one = |group: &Group| match self.layers.get(&group.name) {
            _ if !self.structure.takes(group.units) => Some(0),
            None => None,
            Some(own) => Some(own.map_or(0, |share| nearest(group.count, share).min(group.count - 1))),
        };
        channels.groups.iter().map(one).collect()
    }

    async fn run(&self, cx: &mut StepContext<'_>) -> Result<(), CoreError> {
        cx.ctx.enter(Phase::Prune);
        let graph = Rc::clone(&cx.network.graph);
        let parts = match self.structure {
            Structure::Layer => Parts::Branches(graph.branches()),
            _ => Parts::Units(graph.channels()),
        };
        let scores = self.scores(cx, &parts).await?;
        let own = self.own(&parts);
        let chooser = Chooser::new(&scores, &own, self.global);
        let macs = |keep: &Keep| parts.macs(&graph, keep).map_err(|error| CoreError::internal(&self.path, error));
        let keep = chooser.choose(self.amount, &format!("{}.macs", self.path), &macs)?;
        match &parts {
            Parts::Units(channels) => cx.network.narrow(channels, &keep),
            Parts::Branches(branches) => cx.network.remove_branches(&gone(branches, &keep)),
        }
    }
}

/// What can be taken out.
enum Parts {
    Units(Channels),
    Branches(Vec<Branch>),
}

/// The branches that are not kept.
fn gone(branches: &[Branch], keep: &Keep) -> Vec<Branch> {
    let kept = keep.first().map_or(&[][..], Vec::as_slice);
    branches.iter().zip(kept).filter(|(_, kept)| !**kept).map(|(branch, _)| branch.clone()).collect()
}

impl Parts {
    fn counts(&self) -> Vec<usize> {
        match self {
            Self::Units(channels) => channels.groups.iter().map(|group| group.count).collect(),
            Self::Branches(branches) => vec![branches.len()],
        }
    }

    /// The share of the multiply-adds that is left.
    fn macs(&self, graph: &Graph, keep: &Keep) -> Result<f64, GraphError> {
        let edited = match self {
            Self::Units(channels) => graph.narrowed(channels, keep)?,
            Self::Branches(branches) => {
                let gone = gone(branches, keep);
                graph.edited(|node| Graph::without(&gone, node))?
            }
        };
        Ok(edited.graph.macs() as f64 / graph.macs().max(1) as f64)
    }
}

impl Step for StructuredStep {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn canonical(&self) -> Value {
        let method = id_of(UNIT_SCORES, &self.by).into();
        let mut fields = vec![("method", method), ("pattern", id_of(STRUCTURES, &self.structure).into())];
        fields.push(match self.amount {
            Amount::Share(share) => ("sparsity", share.into()),
            Amount::Macs(macs) => ("macs", macs.into()),
        });
        if self.structure != Structure::Layer {
            fields.push(("scope", SCOPES[usize::from(self.global)].0.into()));
        }
        if self.by == UnitScore::Taylor {
            fields.push(("images", self.images.into()));
        }
        write_layers(&self.layers, &mut fields);
        object(fields)
    }

    fn check(&self, path: &str, earlier: &[Rc<dyn Step>]) -> Result<(), CoreError> {
        refuse_after_quantize(path, earlier)
    }

    fn assets(&self, model: &Model, library: &Library) -> Result<Vec<AssetRef>, CoreError> {
        training_assets(library, model, if self.by == UnitScore::Taylor { self.images } else { 0 }, None)
    }

    fn macs(&self, network: &Network, _: &Library) -> u64 {
        // Distances are between all pairs of rows.
        let rows = |values: &Tensor| if self.by == UnitScore::Fpgm { values.shape().dims()[0] as u64 } else { 1 };
        let values = network.parameters.iter().map(|own| own.latent.data().len() as u64 * rows(&own.latent));
        match self.by {
            UnitScore::Taylor => 3 * network.graph.macs() * u64::from(self.images),
            _ => values.sum(),
        }
    }

    fn apply<'a>(&'a self, cx: &'a mut StepContext<'_>) -> Applied<'a> {
        Box::pin(self.run(cx))
    }
}
