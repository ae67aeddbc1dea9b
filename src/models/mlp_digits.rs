//! A small perceptron for 8×8 digits: 64-64-32-10.

use super::Model;
use crate::graph::{Graph, GraphError};
use crate::ops::{Flatten, Linear, Relu};
use crate::tensor::Shape;

pub(super) static MODEL: Model = Model {
    id: "mlp-digits",
    code: "mlp-digits",
    name: "MLP 64-64-32-10",
    data: "digits",
    source: "Rumelhart, Hinton and Williams 1986",
    build,
};

fn build() -> Result<Graph, GraphError> {
    let input = Shape::new(&[1, 8, 8]).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    graph.then("flatten", Flatten)?;
    graph.then("fc1", Linear { outputs: 64 })?;
    graph.then("relu1", Relu)?;
    graph.then("fc2", Linear { outputs: 32 })?;
    graph.then("relu2", Relu)?;
    graph.then("fc3", Linear { outputs: 10 })?;
    Ok(graph)
}
