//! Quantization of kept keys and values: what a recipe says of it, its scales, and where it stands.

use super::QuantizeStep;
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, object};
use crate::formats::{FORMATS, Family, Format};
use crate::graph::Edit;
use crate::methods::StepContext;
use crate::models::{Execution, KvCache, Network};
use crate::simd::LANES;
use crate::task::Phase;
use serde_json::Value;
use std::sync::Arc;

/// What has a scale: each token, or each channel.
const GRANULARITIES: [&str; 2] = ["token", "channel"];

/// How keys and values are kept.
#[derive(Clone, Copy)]
pub struct KvSpec {
    /// The format.
    format: &'static dyn Format,
    /// Whether every channel has a calibrated scale; otherwise every token has its own.
    pub channels: bool,
}

impl std::fmt::Debug for KvSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.canonical())
    }
}

/// Whole numbers and floats of at most 8 bits with a scale of free choice.
pub(crate) fn for_cache(format: &dyn Format) -> bool {
    match format.family() {
        Family::Integer => format.bits() <= 8.0,
        Family::Float => format.bits() == 8.0 && format.scaled() && format.block().is_none(),
        _ => false,
    }
}

impl KvSpec {
    /// With the default written out.
    pub fn canonical(&self) -> Value {
        let granularity = GRANULARITIES[usize::from(self.channels)].into();
        object(vec![("format", self.format.id().into()), ("granularity", granularity)])
    }

    /// Reads `kv_cache`.
    pub fn read(mut fields: Fields, network: &Network) -> Result<Self, CoreError> {
        let suited: Vec<&'static dyn Format> = FORMATS.iter().copied().filter(|f| for_cache(*f)).collect();
        let ids: Vec<&str> = suited.iter().map(|format| format.id()).collect();
        let format = fields.id("format", &ids, |id| suited.iter().copied().find(|f| f.id() == id))?;
        let missing = || CoreError::new(ErrorCode::MissingField, fields.at("format"), "nothing", ids.join(", "));
        let format = format.ok_or_else(missing)?;
        let find = |id: &str| GRANULARITIES.iter().position(|granularity| *granularity == id);
        let channels = fields.id("granularity", &GRANULARITIES, find)? == Some(1);
        let path = fields.path().to_string();
        fields.finish()?;
        if makers(network).is_empty() {
            let found = format!("kv_cache, but {} keeps no keys and values", network.model.id);
            return Err(CoreError::new(ErrorCode::Combination, path, found, "a model of text"));
        }
        Ok(Self { format, channels })
    }

    /// Puts the rounding behind every layer that makes keys and values. Scales of channels are those of the largest magnitudes that
    /// the network, rounded as it is by then, makes of the images.
    pub async fn apply(&self, step: &QuantizeStep, cx: &mut StepContext<'_>) -> Result<(), CoreError> {
        let makers = makers(cx.network);
        let mut scales: Vec<Option<Arc<[f32]>>> = vec![None; makers.len()];
        if self.channels {
            cx.ctx.enter(Phase::Calibrate);
            let images = step.images(&cx.library.borrow(), cx.network.model, step.images)?;
            let mut kept = vec![false; cx.network.graph.nodes().len()];
            makers.iter().for_each(|&(_, attention)| kept[attention] = true);
            let mut plan = cx.network.plan_keeping(Execution::Integer, &kept)?;
            let mut most: Vec<Vec<f32>> = vec![Vec::new(); makers.len()];
            for first in (0..images.len()).step_by(LANES) {
                let lanes = LANES.min(images.len() - first);
                images.fill(first..first + lanes, plan.input());
                plan.run();
                for (most, &(maker, attention)) in most.iter_mut().zip(&makers) {
                    let made = plan.node_input(attention).ok_or_else(|| CoreError::internal("kv", "no input kept"))?;
                    let channels = cx.network.graph.shapes()[maker + 1].dims()[0];
                    most.resize(channels * 2 / 3, 0.0);
                    let rows = made.chunks(made.len() / channels).skip(channels / 3);
                    for (most, row) in most.iter_mut().zip(rows) {
                        let values = row.as_chunks::<LANES>().0.iter().flat_map(|values| &values[..lanes]);
                        *most = values.fold(*most, |most, value| most.max(value.abs()));
                    }
                }
                cx.ctx.tick(plan.block_macs()).await;
            }
            for (scales, most) in scales.iter_mut().zip(most) {
                *scales = Some(most.iter().map(|&most| self.format.fit(&[most], true).scale).collect());
            }
        }
        self.place(cx.network, &scales)
    }

    /// Puts the rounding in place with scales yet to be read.
    pub fn reshape(&self, network: &mut Network) -> Result<(), CoreError> {
        let width = |maker: usize| network.graph.shapes()[maker + 1].dims()[0] / 3;
        let ones = |maker: usize| Arc::from(vec![1.0f32; 2 * width(maker)]);
        let scales: Vec<Option<Arc<[f32]>>> =
            makers(network).into_iter().map(|(maker, _)| self.channels.then(|| ones(maker))).collect();
        self.place(network, &scales)
    }

    fn place(&self, network: &mut Network, scales: &[Option<Arc<[f32]>>]) -> Result<(), CoreError> {
        let (graph, makers) = (std::rc::Rc::clone(&network.graph), makers(network));
        network.edit(|node| match makers.iter().position(|&(maker, _)| maker == node) {
            None => Edit::Keep,
            Some(at) => {
                let name = format!("{}-cache", graph.nodes()[node].name);
                Edit::After(name, Arc::new(KvCache { format: self.format, scales: scales[at].clone() }))
            }
        })
    }
}

/// Nodes that make queries, keys and values, with the attention that reads them.
fn makers(network: &Network) -> Vec<(usize, usize)> {
    let nodes = network.graph.nodes().iter().enumerate();
    let attention = nodes.filter(|(_, node)| node.op.kind() == "causal_attention");
    attention.filter_map(|(at, node)| Some((node.inputs[0].index().checked_sub(1)?, at))).collect()
}
