//! A character-level decoder on Shakespeare's plays: four layers with norms before attention and before the feed-forward part.

use super::{Model, Step};
use crate::graph::{Graph, GraphError, ValueId};
use crate::ops::{
    Activation, Add, CachedAttention, CachedEmbedding, CausalAttention, Concat, Conv2d, Embedding, LayerNorm, Op,
};
use crate::tensor::Shape;
use std::rc::Rc;

pub(super) static MODEL: Model = Model {
    id: "transformer-shakespeare",
    code: "transformer-shakespeare",
    name: "Transformer",
    data: "shakespeare",
    source: "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training",
    build,
};

/// Characters that are read at once.
const TOKENS: usize = 128;
const VOCABULARY: usize = 68;
const WIDTH: usize = 96;
const HEADS: usize = 4;
const LAYERS: usize = 4;

const EMBEDDING: Embedding = Embedding { vocabulary: VOCABULARY, width: WIDTH };

fn build() -> Result<Graph, GraphError> {
    let mut graph = Graph::new(input(TOKENS)?);
    let mut value = graph.then("embedding", EMBEDDING)?;
    for layer in 1..=LAYERS {
        (value, _) = block(&mut graph, value, layer, CausalAttention { heads: HEADS }, &[])?;
    }
    graph.then("norm", LayerNorm)?;
    graph.then("head", Conv2d::new(VOCABULARY, 1))?;
    Ok(graph)
}

fn input(len: usize) -> Result<Shape, GraphError> {
    Shape::new(&[len]).map_err(|error| GraphError { node: "input".into(), error })
}

/// One character at a time: the same layers by the same names, with the keys and values of earlier characters as inputs and those of
/// this one as outputs ([`Step`]).
pub(super) fn step() -> Result<Step, GraphError> {
    let kept = |layer: usize| 2 + 2 * WIDTH * TOKENS * layer;
    let mut graph = Graph::new(input(kept(LAYERS))?);
    let embedding = CachedEmbedding { embedding: EMBEDDING, tokens: TOKENS };
    let mut value = graph.then("embedding", embedding)?;
    let mut outputs = Vec::new();
    for layer in 1..=LAYERS {
        let attention = CachedAttention { heads: HEADS, tokens: TOKENS, offset: kept(layer - 1) };
        let qkv;
        (value, qkv) = block(&mut graph, value, layer, attention, &[ValueId::INPUT])?;
        outputs.push(qkv);
    }
    graph.add("norm", LayerNorm, &[value])?;
    outputs.insert(0, graph.then("head", Conv2d::new(VOCABULARY, 1))?);
    graph.add("outputs", Concat { axis: 0 }, &outputs)?;
    Ok(Step { graph: Rc::new(graph), tokens: TOKENS, vocabulary: VOCABULARY, width: WIDTH, layers: LAYERS })
}

/// Attention and two linear maps of every character (1×1 convolutions over the row of characters), each beside a shortcut. Also gives
/// the queries, keys and values.
fn block(
    graph: &mut Graph,
    input: ValueId,
    layer: usize,
    attention: impl Op + 'static,
    kept: &[ValueId],
) -> Result<(ValueId, ValueId), GraphError> {
    let name = |part: &str| format!("layer{layer}-{part}");
    graph.add(&name("norm1"), LayerNorm, &[input])?;
    let qkv = graph.then(&name("qkv"), Conv2d::new(3 * WIDTH, 1))?;
    graph.add(&name("attention"), attention, &[&[qkv], kept].concat())?;
    let branch = graph.then(&name("proj"), Conv2d::new(WIDTH, 1))?;
    let value = graph.add(&name("add1"), Add, &[input, branch])?;
    graph.add(&name("norm2"), LayerNorm, &[value])?;
    graph.then(&name("fc1"), Conv2d::new(4 * WIDTH, 1))?;
    graph.then(&name("gelu"), Activation::Gelu)?;
    let branch = graph.then(&name("fc2"), Conv2d::new(WIDTH, 1))?;
    Ok((graph.add(&name("add2"), Add, &[value, branch])?, qkv))
}
