//! The large network on Fashion-MNIST, which others learn from: two wide residual stacks on half-size maps and a hidden
//! fully connected layer.

use super::{Model, resnet8::residual};
use crate::graph::{Graph, GraphError};
use crate::ops::{BatchNorm, Conv2d, Flatten, Linear, MaxPool2d, Relu};
use crate::tensor::Shape;

pub(super) static MODEL: Model = Model {
    id: "convnet-large-fashion",
    code: "convnet-large-fashion",
    name: "ConvNet large",
    data: "fashion",
    source: "residual stacks of He et al. 2016, arXiv 1512.03385",
    build,
};

fn build() -> Result<Graph, GraphError> {
    let input = Shape::new(&[1, 28, 28]).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    graph.then("conv1", Conv2d { padding: 1, ..Conv2d::new(32, 3) })?;
    graph.then("norm1", BatchNorm)?;
    graph.then("relu1", Relu)?;
    let value = graph.then("pool1", MaxPool2d { kernel: 2, stride: 2 })?;
    let value = residual(&mut graph, value, 1, 44, 1)?;
    residual(&mut graph, value, 2, 88, 2)?;
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: 48 })?;
    graph.then("relu2", Relu)?;
    graph.then("fc2", Linear { outputs: 10 })?;
    Ok(graph)
}
