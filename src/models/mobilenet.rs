//! A small MobileNet on Fashion-MNIST: depthwise 3×3 and pointwise 1×1 convolutions in turn, with batch norm and ReLU6.

use super::Model;
use crate::graph::{Graph, GraphError};
use crate::ops::{Activation, BatchNorm, Conv2d, GlobalAvgPool, Linear};
use crate::tensor::Shape;

pub(super) static MODEL: Model = Model {
    id: "mobilenet-fashion",
    code: "mobilenet-fashion",
    name: "MobileNet",
    data: "fashion",
    source: "Howard et al. 2017, arXiv 1704.04861",
    build,
};

/// Channels out of each pair, and the stride of its depthwise convolution.
const PAIRS: [(usize, usize); 5] = [(32, 2), (64, 1), (96, 2), (128, 1), (160, 1)];

fn build() -> Result<Graph, GraphError> {
    let input = Shape::new(&[1, 28, 28]).map_err(|error| GraphError { node: "input".into(), error })?;
    let mut graph = Graph::new(input);
    let mut channels = 16;
    graph.then("conv1", Conv2d { padding: 1, ..Conv2d::new(channels, 3) })?;
    norm(&mut graph, "conv1")?;
    for (i, (out_channels, stride)) in PAIRS.into_iter().enumerate() {
        let (depthwise, pointwise) = (format!("dw{}", i + 1), format!("pw{}", i + 1));
        graph.then(&depthwise, Conv2d { out_channels: channels, kernel: 3, stride, padding: 1, groups: channels })?;
        norm(&mut graph, &depthwise)?;
        graph.then(&pointwise, Conv2d::new(out_channels, 1))?;
        norm(&mut graph, &pointwise)?;
        channels = out_channels;
    }
    graph.then("pool", GlobalAvgPool)?;
    graph.then("fc", Linear { outputs: 10 })?;
    Ok(graph)
}

/// Batch norm and ReLU6 behind a convolution.
fn norm(graph: &mut Graph, conv: &str) -> Result<(), GraphError> {
    graph.then(&format!("{conv}-norm"), BatchNorm)?;
    graph.then(&format!("{conv}-relu6"), Activation::Relu6)?;
    Ok(())
}
