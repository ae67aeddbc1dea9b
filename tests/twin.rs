//! The integer twin: equal where f32 arithmetic is exact, and what is changed in one of the two is found and named.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::data::Images;
use featherweight::evaluate::{Twin, twin};
use featherweight::graph::{Graph, LayerArithmetic, Plan};
use featherweight::models;
use featherweight::ops::{Flatten, InputGrid, Linear, Relu};
use featherweight::task::{Context, Task};
use featherweight::tensor::{Shape, Tensor};
use std::rc::Rc;

/// Scales are powers of two and sums small, so that f32 arithmetic is exact too.
const GRID: InputGrid = InputGrid { scale: 0.0625, zero_point: 0, low: -127, high: 127, sign: false };
const WEIGHT_SCALE: f32 = 0.125;

fn images() -> Images {
    let mut library = models::library().unwrap();
    for asset in library.assets("digits", "test", 100).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    library.images("digits", "test", 100).unwrap()
}

fn level(i: usize) -> i32 {
    (i * 7 % 15) as i32 - 7
}

/// The twins of a network of two linear layers; `shift` is added to one weight of layer `fc1` or `fc2` of the fake one.
fn twins(shift: Option<&str>, by: f32) -> Twin {
    let mut graph = Graph::new(Shape::new(&[1, 8, 8]).unwrap());
    graph.then("flatten", Flatten).unwrap();
    graph.then("fc1", Linear { outputs: 12 }).unwrap();
    graph.then("relu", Relu).unwrap();
    graph.then("fc2", Linear { outputs: 10 }).unwrap();
    let graph = Rc::new(graph);
    let levels: Vec<Vec<i32>> = [64 * 12, 12 * 10].map(|count| (0..count).map(level).collect()).into();
    let tensors = |shift: Option<&str>| -> Vec<Tensor> {
        graph
            .params()
            .map(|(name, spec)| {
                let layer = usize::from(name.starts_with("fc2"));
                let mut data = vec![0.0; spec.shape.len()];
                if spec.name == "weight" {
                    data = levels[layer].iter().map(|&level| level as f32 * WEIGHT_SCALE).collect();
                    data[17] += if shift.is_some_and(|shifted| name.starts_with(shifted)) { by } else { 0.0 };
                }
                Tensor::new(spec.shape.clone(), data).unwrap()
            })
            .collect()
    };
    let arithmetic = |integer: bool| -> Vec<LayerArithmetic> {
        let layer = |layer: usize, outputs: usize| match integer {
            true => LayerArithmetic::Integer {
                grid: GRID,
                weights: levels[layer].clone(),
                scales: vec![WEIGHT_SCALE; outputs],
            },
            false => LayerArithmetic::RoundedInputs(GRID),
        };
        vec![LayerArithmetic::Float, layer(0, 12), LayerArithmetic::Float, layer(1, 10)]
    };
    let plan = |integer: bool, shift: Option<&str>| {
        let tensors = tensors(shift);
        Plan::keeping(&graph, &tensors.iter().collect::<Vec<_>>(), &arithmetic(integer), &[true; 4]).unwrap()
    };
    let (mut integer, mut fake) = (plan(true, None), plan(false, shift));
    let images = images();
    let ctx = Rc::new(Context::new(1));
    Task::new(ctx, |ctx| async move { twin(&ctx, &mut integer, &mut fake, &images).await }).finish()
}

#[test]
fn exact_arithmetic_has_equal_twins() {
    assert_eq!(twins(None, 0.0), Twin { agreement: 1.0, total: 100, first_difference: None });
}

#[test]
fn a_changed_weight_is_found_in_its_layer() {
    for (layer, by) in [("fc1", 1.0), ("fc2", 0.125)] {
        let found = twins(Some(layer), by);
        let difference = found.first_difference.unwrap();
        assert_eq!(difference.layer, layer);
        assert!(difference.max_abs > 0.0 && difference.relative > 0.0 && difference.relative < 1.0);
    }
    assert!(twins(Some("fc1"), 50.0).agreement < 1.0);
}
