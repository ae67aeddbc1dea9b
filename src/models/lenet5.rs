//! LeNet-5 on Fashion-MNIST: 6 and 16 kernels of 5×5, then 120-84-10; with ReLU and max pooling.

use super::Model;
use crate::graph::{Graph, GraphError};
use crate::ops::{Conv2d, Flatten, Linear, MaxPool2d, Relu};
use crate::tensor::Shape;

pub(super) static MODEL: Model = Model {
    id: "lenet5-fashion",
    code: "lenet5-fashion",
    name: "LeNet-5",
    data: "fashion",
    source: "LeCun, Bottou, Bengio and Haffner 1998",
    build,
};

fn build() -> Result<Graph, GraphError> {
    let input = Shape::new(&[1, 28, 28]).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    graph.then("conv1", Conv2d { padding: 2, ..Conv2d::new(6, 5) })?;
    graph.then("relu1", Relu)?;
    graph.then("pool1", MaxPool2d { kernel: 2, stride: 2 })?;
    graph.then("conv2", Conv2d::new(16, 5))?;
    graph.then("relu2", Relu)?;
    graph.then("pool2", MaxPool2d { kernel: 2, stride: 2 })?;
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: 120 })?;
    graph.then("relu3", Relu)?;
    graph.then("fc2", Linear { outputs: 84 })?;
    graph.then("relu4", Relu)?;
    graph.then("fc3", Linear { outputs: 10 })?;
    Ok(graph)
}
