//! LeNet-300-100 on Fashion-MNIST: 784-300-100-10, with ReLU.

use super::Model;
use crate::graph::{Graph, GraphError};
use crate::ops::{Flatten, Linear, Relu};
use crate::tensor::Shape;

pub(super) static MODEL: Model = Model {
    id: "lenet300-fashion",
    code: "lenet300-fashion",
    name: "LeNet-300-100",
    data: "fashion",
    source: "LeCun, Bottou, Bengio and Haffner 1998",
    build,
};

fn build() -> Result<Graph, GraphError> {
    let input = Shape::new(&[1, 28, 28]).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: 300 })?;
    graph.then("relu1", Relu)?;
    graph.then("fc2", Linear { outputs: 100 })?;
    graph.then("relu2", Relu)?;
    graph.then("fc3", Linear { outputs: 10 })?;
    Ok(graph)
}
