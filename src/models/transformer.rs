//! A character-level decoder on Shakespeare's plays: four layers with norms before attention and before the feed-forward part.

use super::Model;
use crate::graph::{Graph, GraphError, ValueId};
use crate::ops::{Activation, Add, CausalAttention, Conv2d, Embedding, LayerNorm};
use crate::tensor::Shape;

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

fn build() -> Result<Graph, GraphError> {
    let input = Shape::new(&[TOKENS]).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    let mut value = graph.then("embedding", Embedding { vocabulary: VOCABULARY, width: WIDTH })?;
    for layer in 1..=LAYERS {
        value = block(&mut graph, value, layer)?;
    }
    graph.then("norm", LayerNorm)?;
    graph.then("head", Conv2d::new(VOCABULARY, 1))?;
    Ok(graph)
}

/// Attention and two linear maps of every character (1×1 convolutions over the row of characters), each beside a shortcut.
fn block(graph: &mut Graph, input: ValueId, layer: usize) -> Result<ValueId, GraphError> {
    let name = |part: &str| format!("layer{layer}-{part}");
    graph.add(&name("norm1"), LayerNorm, &[input])?;
    graph.then(&name("qkv"), Conv2d::new(3 * WIDTH, 1))?;
    graph.then(&name("attention"), CausalAttention { heads: HEADS })?;
    let branch = graph.then(&name("proj"), Conv2d::new(WIDTH, 1))?;
    let value = graph.add(&name("add1"), Add, &[input, branch])?;
    graph.add(&name("norm2"), LayerNorm, &[value])?;
    graph.then(&name("fc1"), Conv2d::new(4 * WIDTH, 1))?;
    graph.then(&name("gelu"), Activation::Gelu)?;
    let branch = graph.then(&name("fc2"), Conv2d::new(WIDTH, 1))?;
    graph.add(&name("add2"), Add, &[value, branch])
}
