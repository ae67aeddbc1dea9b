//! ResNet-8, the image classifier of MLPerf Tiny, on Fashion-MNIST and on CIFAR-10: stacks of 16, 32 and 64 channels.

use super::Model;
use crate::graph::{Graph, GraphError, ValueId};
use crate::ops::{Add, BatchNorm, Conv2d, GlobalAvgPool, Linear, Relu};
use crate::tensor::Shape;

pub(super) static FASHION: Model = Model {
    id: "resnet8-fashion",
    code: "resnet8-fashion",
    name: "ResNet-8",
    data: "fashion",
    source: "Banbury et al. 2021, MLPerf Tiny, arXiv 2106.07597",
    build: || build(&[1, 28, 28]),
};

pub(super) static CIFAR10: Model = Model {
    id: "resnet8-cifar10",
    code: "resnet8-cifar10",
    name: "ResNet-8, colour",
    data: "cifar10",
    source: "Banbury et al. 2021, MLPerf Tiny, arXiv 2106.07597",
    build: || build(&[3, 32, 32]),
};

/// Three residual stacks behind a 3×3 convolution; each stack but the first halves the sides.
pub(crate) fn build(input: &[usize; 3]) -> Result<Graph, GraphError> {
    let input = Shape::new(input).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    graph.then("conv1", Conv2d { padding: 1, ..Conv2d::new(16, 3) })?;
    graph.then("norm1", BatchNorm)?;
    let mut value = graph.then("relu1", Relu)?;
    for (stack, channels, stride) in [(1, 16, 1), (2, 32, 2), (3, 64, 2)] {
        value = residual(&mut graph, value, stack, channels, stride)?;
    }
    graph.then("pool", GlobalAvgPool)?;
    graph.then("fc", Linear { outputs: 10 })?;
    Ok(graph)
}

/// Two 3×3 convolutions beside a shortcut, which is a 1×1 convolution where the shape changes.
pub(super) fn residual(
    graph: &mut Graph,
    input: ValueId,
    stack: usize,
    channels: usize,
    stride: usize,
) -> Result<ValueId, GraphError> {
    let name = |part: &str| format!("stack{stack}-{part}");
    graph.add(&name("conv1"), Conv2d { padding: 1, stride, ..Conv2d::new(channels, 3) }, &[input])?;
    graph.then(&name("norm1"), BatchNorm)?;
    graph.then(&name("relu1"), Relu)?;
    graph.then(&name("conv2"), Conv2d { padding: 1, ..Conv2d::new(channels, 3) })?;
    let branch = graph.then(&name("norm2"), BatchNorm)?;
    let shortcut = match stride == 1 && graph.shape(input).dims()[0] == channels {
        true => input,
        false => graph.add(&name("shortcut"), Conv2d { stride, ..Conv2d::new(channels, 1) }, &[input])?,
    };
    graph.add(&name("add"), Add, &[branch, shortcut])?;
    graph.then(&name("relu2"), Relu)
}
