//! Gradients of every op against central finite differences, through a small network that ends in the loss; and
//! training: threads, budgets and interruptions change nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::graph::{Graph, ValueId};
use featherweight::ops::{
    Activation, Add, AvgPool2d, BatchNorm, CausalAttention, Concat, Conv2d, Embedding, Flatten, GlobalAvgPool,
    Hadamard, LayerNorm, Linear, MatMul, MaxPool2d, Op, Pad, Relu, Reshape, Softmax, Transpose,
};
use featherweight::rng::Rng;
use featherweight::simd::LANES;
use featherweight::task::{Context, Task};
use featherweight::tensor::{Shape, Tensor};
use featherweight::train::{Batch, Gradients, backprop};
use std::rc::Rc;

const IMAGES: usize = 11;
const CLASSES: usize = 3;
/// A draw without near-ties: where two inputs of a max window differ by less than the step, differences cross the kink.
const SEED: u64 = 11;

fn gradients(graph: &Rc<Graph>, parameters: &[Tensor], batch: &Batch, threads: usize) -> Gradients {
    let (graph, parameters, batch) = (Rc::clone(graph), parameters.to_vec(), batch.clone());
    Task::new(Rc::new(Context::new(threads)), |ctx| async move { backprop(&ctx, &graph, &parameters, batch).await })
        .finish()
        .unwrap()
}

fn network(build: impl Fn(&mut Graph), input: &[usize], seed: u64) -> (Rc<Graph>, Vec<Tensor>, Batch) {
    let mut rng = Rng::stream(seed, "gradients", 0);
    let mut graph = Graph::new(Shape::new(input).unwrap());
    build(&mut graph);
    graph.then("flatten-out", Flatten).unwrap();
    graph.then("head", Linear { outputs: CLASSES }).unwrap();
    let parameters: Vec<Tensor> = graph
        .params()
        .map(|(name, spec)| {
            let least = if name.ends_with("variance") { 0.1 } else { -0.6 };
            let data = (0..spec.shape.len()).map(|_| rng.uniform(least, 0.6)).collect();
            Tensor::new(spec.shape.clone(), data).unwrap()
        })
        .collect();
    let features: usize = input.iter().product();
    let mut blocks = vec![vec![0.0; features * LANES]; IMAGES.div_ceil(LANES)];
    for image in 0..IMAGES {
        for feature in 0..features {
            blocks[image / LANES][feature * LANES + image % LANES] = rng.uniform(-1.0, 1.0);
        }
    }
    let labels = (0..IMAGES).map(|_| rng.below(CLASSES as u64) as u8).collect();
    (Rc::new(graph), parameters, Batch { blocks, labels, items: Vec::new() })
}

/// Compares every parameter's gradient with (loss(p + h) − loss(p − h)) / 2h.
fn check(name: &str, build: impl Fn(&mut Graph), input: &[usize]) {
    compare(name, network(build, input, SEED));
}

fn compare(name: &str, (graph, parameters, batch): (Rc<Graph>, Vec<Tensor>, Batch)) {
    let analytic = gradients(&graph, &parameters, &batch, 1);
    let loss = |parameters: &[Tensor]| gradients(&graph, parameters, &batch, 1).loss / batch.labels.len() as f64;
    let mut checked = 0;
    let mut largest: f64 = 0.0;
    for (p, parameter) in parameters.iter().enumerate() {
        let step = (parameter.data().len() / 40).max(1);
        for i in (0..parameter.data().len()).step_by(step) {
            let numeric = |h: f32| {
                let shifted = |by: f32| {
                    let mut shifted = parameters.clone();
                    shifted[p].data_mut()[i] += by;
                    loss(&shifted)
                };
                (shifted(h) - shifted(-h)) / f64::from(2.0 * h)
            };
            let exact = f64::from(analytic.parameters[p].data()[i]);
            largest = largest.max(exact.abs());
            // A wide step averages out rounding; a narrow one does not cross the kinks of ReLU and max.
            let close = |h: f32| (numeric(h) - exact).abs() < 2e-3 + 0.02 * exact.abs();
            assert!(
                close(4e-3) || close(5e-4) || close(1e-4),
                "{name}: parameter {p}[{i}]: {exact} by backpropagation, {} by differences",
                numeric(5e-4)
            );
            checked += 1;
        }
    }
    assert!(checked > 10 && largest > 0.01, "{name}: {checked} gradients up to {largest} show nothing");
}

fn one(op: impl Op + Clone + 'static) -> impl Fn(&mut Graph) {
    move |graph| {
        graph.then("op", op.clone()).unwrap();
    }
}

#[test]
fn linear() {
    check("linear", one(Linear { outputs: 9 }), &[13]);
}

#[test]
fn relu_and_deep_linear() {
    let build = |graph: &mut Graph| {
        graph.then("a", Linear { outputs: 10 }).unwrap();
        graph.then("b", Relu).unwrap();
        graph.then("c", Linear { outputs: 6 }).unwrap();
        graph.then("d", Relu).unwrap();
    };
    check("relu", build, &[8]);
}

/// A first convolution makes the tested one's input gradient count.
fn behind_a_conv(op: impl Op + Clone + 'static) -> impl Fn(&mut Graph) {
    move |graph| {
        graph.then("first", Conv2d { padding: 1, ..Conv2d::new(4, 3) }).unwrap();
        graph.then("op", op.clone()).unwrap();
    }
}

#[test]
fn conv2d_plain_padded_strided_grouped() {
    for (padding, stride, groups) in [(0, 1, 1), (1, 1, 1), (1, 2, 1), (2, 2, 1), (1, 1, 2), (0, 3, 1), (1, 1, 4)] {
        let op = Conv2d { out_channels: 4, kernel: 3, stride, padding, groups };
        check(&format!("{op:?}"), behind_a_conv(op), &[2, 7, 6]);
    }
}

#[test]
fn pooling() {
    check("max", behind_a_conv(MaxPool2d { kernel: 2, stride: 2 }), &[2, 6, 6]);
    check("max, overlapping", behind_a_conv(MaxPool2d { kernel: 3, stride: 2 }), &[2, 7, 7]);
    check("average", behind_a_conv(AvgPool2d { kernel: 2, stride: 2 }), &[2, 6, 6]);
    check("average, overlapping", behind_a_conv(AvgPool2d { kernel: 3, stride: 1 }), &[2, 6, 6]);
}

#[test]
fn norms_of_positions() {
    check("layer norm", behind_a_conv(LayerNorm), &[2, 5, 1]);
}

#[test]
fn attention() {
    let build = |graph: &mut Graph| {
        graph.then("qkv", Conv2d::new(12, 1)).unwrap();
        graph.then("attention", CausalAttention { heads: 2 }).unwrap();
    };
    check("attention", build, &[3, 7, 1]);
}

#[test]
fn products_of_activations() {
    for transposed in [false, true] {
        let build = |graph: &mut Graph| {
            let left = graph.then("left", Conv2d { padding: 1, ..Conv2d::new(2, 3) }).unwrap();
            let right = graph.add("right", Conv2d::new(2, 1), &[ValueId::INPUT]).unwrap();
            let right = if transposed {
                right
            } else {
                graph.add("turn", Transpose { order: vec![0, 2, 1] }, &[right]).unwrap()
            };
            let product = graph.add("op", MatMul { transposed, factor: 0.7 }, &[left, right]).unwrap();
            // A value as both factors, too.
            graph.add("square", MatMul { transposed, factor: 1.0 }, &[product, product]).unwrap();
        };
        check(&format!("matmul {transposed}"), build, &[2, 4, 5]);
    }
}

#[test]
fn shares() {
    check("softmax", behind_a_conv(Softmax), &[2, 5, 4]);
}

/// A whole decoder with tokens as inputs and a label for every position.
#[test]
fn tokens_with_a_label_each() {
    const TOKENS: usize = 5;
    let build = |graph: &mut Graph| {
        let value = graph.then("embedding", Embedding { vocabulary: 6, width: 4 }).unwrap();
        graph.then("norm", LayerNorm).unwrap();
        graph.then("qkv", Conv2d::new(12, 1)).unwrap();
        let branch = graph.then("attention", CausalAttention { heads: 2 }).unwrap();
        graph.add("add", Add, &[value, branch]).unwrap();
        graph.then("head", Conv2d::new(6, 1)).unwrap();
    };
    let mut rng = Rng::stream(SEED, "tokens", 0);
    let mut graph = Graph::new(Shape::new(&[TOKENS]).unwrap());
    build(&mut graph);
    let parameter = |(_, spec): (String, &featherweight::ops::ParamSpec)| {
        let data = (0..spec.shape.len()).map(|_| rng.uniform(-0.6, 0.6)).collect();
        Tensor::new(spec.shape.clone(), data).unwrap()
    };
    let parameters = graph.params().map(parameter).collect();
    let mut blocks = vec![vec![0.0; TOKENS * LANES]; IMAGES.div_ceil(LANES)];
    for image in 0..IMAGES {
        for token in 0..TOKENS {
            blocks[image / LANES][token * LANES + image % LANES] = rng.below(6) as f32;
        }
    }
    let labels = (0..IMAGES * TOKENS).map(|_| rng.below(6) as u8).collect();
    compare("decoder", (Rc::new(graph), parameters, Batch { blocks, labels, items: Vec::new() }));
}

#[test]
fn moving_values() {
    check("pad", behind_a_conv(Pad { before: vec![1, 0, 2], after: vec![0, 3, 1] }), &[2, 4, 3]);
    check("transpose", behind_a_conv(Transpose { order: vec![2, 0, 1] }), &[2, 4, 3]);
    check("reshape", behind_a_conv(Reshape { dims: vec![2, 3, 8] }), &[2, 4, 3]);
    for axis in 0..3 {
        let build = |graph: &mut Graph| {
            let first = graph.then("first", Conv2d { padding: 1, ..Conv2d::new(4, 3) }).unwrap();
            let relu = graph.then("relu", Relu).unwrap();
            graph.add("op", Concat { axis }, &[first, relu, first]).unwrap();
        };
        check(&format!("concat {axis}"), build, &[2, 4, 3]);
    }
}

#[test]
fn threads_change_no_bit() {
    let (graph, parameters, batch) = network(behind_a_conv(Conv2d { padding: 1, ..Conv2d::new(10, 3) }), &[2, 7, 6], 3);
    let one = gradients(&graph, &parameters, &batch, 1);
    let two = gradients(&graph, &parameters, &batch, 2);
    let five = gradients(&graph, &parameters, &batch, 5);
    assert_eq!(one.loss.to_bits(), two.loss.to_bits());
    assert_eq!(one.parameters, two.parameters);
    assert_eq!(one.parameters, five.parameters);
}

#[test]
fn hadamard() {
    let build = |graph: &mut Graph| {
        graph.then("conv", Conv2d::new(8, 3)).unwrap();
        graph.then("turned", Hadamard { size: 4 }).unwrap();
        graph.then("act", Relu).unwrap();
    };
    check("hadamard", build, &[2, 5, 5]);
}

#[test]
fn activations() {
    use Activation::{Gelu, HardSwish, LeakyRelu, Relu6, Sigmoid, Tanh, Threshold};
    for op in [Relu6, LeakyRelu { slope: 0.1 }, HardSwish, Sigmoid, Tanh, Gelu, Threshold { least: 0.4 }] {
        check(&format!("{op:?}"), behind_a_conv(op), &[2, 5, 4]);
    }
}

#[test]
fn batch_norm_with_a_last_block_that_is_not_full() {
    check("batch norm", behind_a_conv(BatchNorm), &[2, 5, 4]);
}

#[test]
fn batch_norm_normalises_the_batch_and_reports_its_statistics() {
    let build = |graph: &mut Graph| {
        graph.then("norm", BatchNorm).unwrap();
    };
    let (graph, parameters, batch) = network(build, &[2, 3, 3], 5);
    let found = gradients(&graph, &parameters, &batch, 1).statistics;
    for channel in 0..2 {
        let values: Vec<f64> = (0..IMAGES)
            .flat_map(|image| (0..9).map(move |position| (image, channel * 9 + position)))
            .map(|(image, feature)| f64::from(batch.blocks[image / LANES][feature * LANES + image % LANES]))
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64;
        assert!((f64::from(found[0].1[channel]) - mean).abs() < 1e-6);
        assert!((f64::from(found[1].1[channel]) - variance).abs() < 1e-6);
    }
}

#[test]
fn residuals_and_global_pooling() {
    let build = |graph: &mut Graph| {
        let trunk = graph.then("trunk", Conv2d { padding: 1, ..Conv2d::new(3, 3) }).unwrap();
        let branch = graph.then("branch", Conv2d { padding: 1, ..Conv2d::new(3, 3) }).unwrap();
        let sum = graph.add("sum", Add, &[branch, trunk]).unwrap();
        graph.add("twice", Add, &[sum, sum]).unwrap();
        graph.then("pool", GlobalAvgPool).unwrap();
    };
    check("residual", build, &[2, 5, 4]);
}
