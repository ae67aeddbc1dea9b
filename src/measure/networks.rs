//! The graphs that are timed.

use crate::graph::{Graph, GraphError};
use crate::models;
use crate::ops::{Conv2d, Flatten, Linear, MaxPool2d, Relu};
use crate::tensor::Shape;

pub(super) type Built = Result<Graph, GraphError>;

fn graph(input: &[usize]) -> Built {
    let input = Shape::new(input).map_err(|error| GraphError { node: "input".into(), error })?;
    Ok(Graph::new(input))
}

/// A square matrix product: `size` inputs to `size` outputs; the batch is the third side.
pub(super) fn product(size: usize) -> Built {
    let mut graph = graph(&[size])?;
    graph.then("product", Linear { outputs: size })?;
    Ok(graph)
}

/// LeNet-5's first fully connected layer: 400 inputs, 120 outputs.
pub(super) fn lenet5_fc1() -> Built {
    let mut graph = graph(&[400])?;
    graph.then("fc1", Linear { outputs: 120 })?;
    Ok(graph)
}

/// LeNet-5's second convolution: 6×14×14 to 16×10×10 by 5×5.
pub(super) fn lenet5_conv2() -> Built {
    let mut graph = graph(&[6, 14, 14])?;
    graph.then("conv2", Conv2d::new(16, 5))?;
    Ok(graph)
}

/// LeNet-5 with `eighths` of its channels and hidden units, rounded half up; 8 is the whole network.
pub(super) fn lenet5(eighths: usize) -> Built {
    let part = |whole: usize| (whole * eighths + 4) / 8;
    let mut graph = graph(&[1, 28, 28])?;
    graph.then("conv1", Conv2d { padding: 2, ..Conv2d::new(part(6), 5) })?;
    graph.then("relu1", Relu)?;
    graph.then("pool1", MaxPool2d { kernel: 2, stride: 2 })?;
    graph.then("conv2", Conv2d::new(part(16), 5))?;
    graph.then("relu2", Relu)?;
    graph.then("pool2", MaxPool2d { kernel: 2, stride: 2 })?;
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: part(120) })?;
    graph.then("relu3", Relu)?;
    graph.then("fc2", Linear { outputs: part(84) })?;
    graph.then("relu4", Relu)?;
    graph.then("fc3", Linear { outputs: 10 })?;
    Ok(graph)
}

/// ResNet-8 on the images MLPerf Tiny has: 3×32×32.
pub(super) fn resnet8() -> Built {
    models::resnet8::build(&[3, 32, 32])
}

/// 784-256-128-10 with ReLU.
pub(super) fn mlp() -> Built {
    let mut graph = graph(&[784])?;
    graph.then("fc1", Linear { outputs: 256 })?;
    graph.then("relu1", Relu)?;
    graph.then("fc2", Linear { outputs: 128 })?;
    graph.then("relu2", Relu)?;
    graph.then("fc3", Linear { outputs: 10 })?;
    Ok(graph)
}
