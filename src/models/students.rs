//! Small networks, to be taught by larger ones: perceptrons of one hidden layer, a narrow LeNet-5, three small convolutions.

use super::Model;
use crate::graph::{Graph, GraphError};
use crate::ops::{Conv2d, Flatten, GlobalAvgPool, Linear, MaxPool2d, Relu};
use crate::tensor::Shape;

const MLP: &str = "Rumelhart, Hinton and Williams 1986";
const DIGITS: &[usize; 3] = &[1, 8, 8];
const FASHION: &[usize; 3] = &[1, 28, 28];

/// A perceptron of one hidden layer.
const fn mlp(
    id: &'static str,
    name: &'static str,
    data: &'static str,
    build: fn() -> Result<Graph, GraphError>,
) -> Model {
    Model { id, code: id, name, data, source: MLP, build }
}

pub(super) static MLP8: Model = mlp("mlp8-digits", "MLP 64-8-10", "digits", || hidden(DIGITS, 8));
pub(super) static MLP16: Model = mlp("mlp16-digits", "MLP 64-16-10", "digits", || hidden(DIGITS, 16));
pub(super) static MLP32: Model = mlp("mlp32-digits", "MLP 64-32-10", "digits", || hidden(DIGITS, 32));
pub(super) static MLP_FASHION: Model = mlp("mlp16-fashion", "MLP 784-16-10", "fashion", || hidden(FASHION, 16));

pub(super) static LENET: Model = Model {
    id: "lenet-small-fashion",
    code: "lenet-small-fashion",
    name: "LeNet small",
    data: "fashion",
    source: "LeCun, Bottou, Bengio and Haffner 1998",
    build: lenet,
};

pub(super) static CONV: Model = Model {
    id: "conv-tiny-fashion",
    code: "conv-tiny-fashion",
    name: "ConvNet tiny",
    data: "fashion",
    source: "Lin, Chen and Yan 2014, arXiv 1312.4400",
    build: convolutions,
};

fn start(input: &[usize]) -> Result<Graph, GraphError> {
    Ok(Graph::new(Shape::new(input).map_err(|error| GraphError { node: "input".into(), error })?))
}

fn hidden(input: &[usize], units: usize) -> Result<Graph, GraphError> {
    let mut graph = start(input)?;
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: units })?;
    graph.then("relu1", Relu)?;
    graph.then("fc2", Linear { outputs: 10 })?;
    Ok(graph)
}

/// LeNet-5 with half of its channels and one hidden layer of 32.
fn lenet() -> Result<Graph, GraphError> {
    let mut graph = start(FASHION)?;
    graph.then("conv1", Conv2d { padding: 2, ..Conv2d::new(3, 5) })?;
    graph.then("relu1", Relu)?;
    graph.then("pool1", MaxPool2d { kernel: 2, stride: 2 })?;
    graph.then("conv2", Conv2d::new(8, 5))?;
    graph.then("relu2", Relu)?;
    graph.then("pool2", MaxPool2d { kernel: 2, stride: 2 })?;
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: 32 })?;
    graph.then("relu3", Relu)?;
    graph.then("fc2", Linear { outputs: 10 })?;
    Ok(graph)
}

/// Three 3×3 convolutions of 8, 16 and 24 channels, each halving the sides, and the mean over what is left.
fn convolutions() -> Result<Graph, GraphError> {
    let mut graph = start(FASHION)?;
    for (i, channels) in [8, 16, 24].into_iter().enumerate() {
        graph.then(&format!("conv{}", i + 1), Conv2d { padding: 1, stride: 2, ..Conv2d::new(channels, 3) })?;
        graph.then(&format!("relu{}", i + 1), Relu)?;
    }
    graph.then("pool", GlobalAvgPool)?;
    graph.then("fc", Linear { outputs: 10 })?;
    Ok(graph)
}
