//! Training in fewer bits and with several workers: against naive code, and against what their papers say must happen.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::graph::Graph;
use featherweight::models;
use featherweight::ops::Linear;
use featherweight::recipe::{Outcome, Recipe, run};
use featherweight::report::StepReport;
use featherweight::rng::Rng;
use featherweight::simd::LANES;
use featherweight::task::{Context, Task};
use featherweight::tensor::{Shape, Tensor};
use featherweight::train::{
    Batch, Checkpoint, CrossEntropy, Emulation, Number, Pass, Precision, Workspace, backprop_in, softmax,
};
use half::f16;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn recipe(train: Value) -> Value {
    json!({"version": 1, "model": "mlp-digits", "seed": 5, "init": "random", "data": {"validation": 200},
           "steps": [{"train": train}]})
}

fn task(
    recipe: &Value,
    ctx: Context,
    resume: Option<Vec<u8>>,
) -> Task<Result<Outcome, featherweight::error::CoreError>> {
    let mut library = models::library().unwrap();
    let recipe = Recipe::parse(recipe.clone(), &library).unwrap();
    for asset in recipe.needs(&library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = Rc::new(RefCell::new(library));
    Task::new(Rc::new(ctx), |ctx| run(ctx, recipe, library, Rc::default(), resume.map(Checkpoint)))
}

/// A training's step report, and right answers of 200.
fn trained(train: Value) -> (StepReport, u32, String) {
    let report = task(&recipe(train), Context::new(1), None).finish().unwrap().report.unwrap();
    (report.steps[0].clone(), report.accuracy.correct, report.digests.weights)
}

/// One linear layer, eight images: what a step in half precision is, by the definition in docs/numerics.md.
#[test]
fn a_step_in_half_precision_is_that_of_naive_code() {
    const INPUTS: usize = 6;
    const CLASSES: usize = 3;
    let half = |value: f32| f16::from_f32(value).to_f32();
    let mut rng = Rng::stream(2, "naive", 0);
    let mut graph = Graph::new(Shape::new(&[INPUTS]).unwrap());
    graph.then("fc", Linear { outputs: CLASSES }).unwrap();
    let mut draw = |count: usize| (0..count).map(|_| rng.uniform(-1.0, 1.0)).collect::<Vec<f32>>();
    let (weight, bias, images) = (draw(CLASSES * INPUTS), draw(CLASSES), draw(LANES * INPUTS));
    let labels: Vec<u8> = (0..LANES as u8).map(|i| i % 3).collect();
    let tensor = |dims: &[usize], data: &[f32]| Tensor::new(Shape::new(dims).unwrap(), data.to_vec()).unwrap();
    let scale = 1024.0;

    // Naive: everything handed on is rounded, every sum is f32 in order.
    let (w, b, x) = (
        weight.iter().map(|v| half(*v)).collect::<Vec<f32>>(),
        bias.iter().map(|v| half(*v)).collect::<Vec<f32>>(),
        images.iter().map(|v| half(*v)).collect::<Vec<f32>>(),
    );
    let mut slopes = [[0.0f32; CLASSES]; LANES];
    for image in 0..LANES {
        let logits: Vec<f32> = (0..CLASSES)
            .map(|o| {
                let sum = (0..INPUTS).fold(0.0f32, |sum, i| sum + w[o * INPUTS + i] * x[image * INPUTS + i]);
                half(sum + b[o])
            })
            .collect();
        for (o, p) in softmax(&logits).into_iter().enumerate() {
            let target = if o == usize::from(labels[image]) { 1.0 } else { 0.0 };
            slopes[image][o] = half((p - target) / LANES as f32 * scale);
        }
    }

    let precision = Precision {
        forward: Number::F16,
        backward: Number::F16,
        chance: false,
        scale: None,
        kept: None,
        kept_by_chance: false,
    };
    let mut block = vec![0.0; INPUTS * LANES];
    for image in 0..LANES {
        for i in 0..INPUTS {
            block[i * LANES + image] = images[image * INPUTS + i];
        }
    }
    let mut parameters = vec![tensor(&[CLASSES, INPUTS], &weight), tensor(&[CLASSES], &bias)];
    Emulation::see(&precision, &graph.nodes()[0], &mut parameters);
    let gradients = Task::new(Rc::new(Context::new(1)), |ctx| async move {
        let seen: Vec<&Tensor> = parameters.iter().collect();
        let mut emulation = Emulation::new(precision, scale, 1, Rng::stream(1, "r", 0));
        let pass = Pass {
            ctx: &ctx,
            graph: &graph,
            parameters: &seen,
            views: &mut [],
            objective: &mut CrossEntropy::default(),
            emulation: Some(&mut emulation),
            workspace: &mut Workspace::default(),
        };
        backprop_in(pass, Batch { blocks: vec![block], labels, items: Vec::new() }).await.unwrap()
    })
    .finish();
    for o in 0..CLASSES {
        for i in 0..INPUTS {
            // The order of this sum is the kernel's; the result is rounded, so that neighbours may differ by one step.
            let sum: f64 = (0..LANES).map(|n| f64::from(slopes[n][o]) * f64::from(x[n * INPUTS + i])).sum();
            let found = gradients.parameters[0].data()[o * INPUTS + i] * scale;
            assert_eq!(found, half(found), "a gradient that is no half");
            assert!((f64::from(found) - sum).abs() <= sum.abs() / 1024.0 + 1e-3, "{found} is not {sum}");
        }
        let sum: f32 = slopes.iter().map(|slope| slope[o]).sum();
        assert!((gradients.parameters[1].data()[o] * scale - sum).abs() <= sum.abs() / 1024.0 + 1e-3);
    }
}

const MODES: [&str; 8] = ["fp32", "amp-fp16", "fp16", "pure-fp16", "amp-bf16", "pure-bf16", "fp8", "int8"];

#[test]
fn every_mode_learns_digits_but_is_not_f32_in_disguise() {
    let (_, whole, digest) = trained(json!({"epochs": 3, "optimizer": "sgd", "lr": 0.05, "precision": "fp32"}));
    for mode in &MODES[1..] {
        let (step, correct, own) = trained(json!({"epochs": 3, "optimizer": "sgd", "lr": 0.05, "precision": *mode}));
        assert_ne!(own, digest, "{mode}");
        assert!(correct + 20 > whole, "{mode}: {correct} of 200, f32 {whole}");
        let record = step.training.unwrap();
        assert!(record.loss.iter().all(Option::is_some), "{mode}");
        assert_eq!(record.snapshots.len(), 16.min(record.snapshots.len()));
        assert!(!record.snapshots.is_empty() && record.diverged.is_none());
        assert_eq!(record.scale[0], if *mode == "amp-fp16" { 65536.0 } else { 1.0 });
    }
}

#[test]
fn a_scale_that_overflows_halves_step_by_step_and_those_steps_change_nothing() {
    let train = json!({"epochs": 1, "precision": {"mode": "amp-fp16", "loss_scale": 16_777_216, "growth": 1000}});
    let (step, ..) = trained(train);
    let record = step.training.unwrap();
    let skipped = record.skipped.len();
    assert!(skipped > 2, "nothing overflowed");
    assert_eq!(record.skipped, (0..skipped as u32).collect::<Vec<u32>>());
    assert_eq!(record.every, 1);
    for (at, scale) in record.scale.iter().enumerate() {
        assert_eq!(*scale, f64::from(16_777_216u32 >> at.min(skipped)), "step {at}");
    }
    // A static one never moves.
    let train = json!({"epochs": 1, "precision": {"mode": "fp16", "loss_scale": 16_777_216}});
    let record = trained(train).0.training.unwrap();
    assert_eq!(record.skipped.len(), record.loss.len());
}

#[test]
fn gradients_underflow_without_a_scale_and_not_with_it() {
    let worst = |precision: Value| {
        let (step, ..) = trained(json!({"epochs": 4, "lr": 0.003, "precision": precision}));
        let layers = step.training.unwrap().layers;
        layers.iter().flat_map(|layer| layer.underflow.clone()).fold(0.0, f64::max)
    };
    let (scaled, bare) = (worst(json!("amp-fp16")), worst(json!("fp16")));
    assert!(bare > 0.001 && scaled < bare / 4.0, "{bare} without a scale, {scaled} with it");
    assert_eq!(worst(json!("amp-bf16")), 0.0);
}

#[test]
fn threads_budgets_and_interruptions_change_no_bit() {
    for train in [
        json!({"epochs": 2, "precision": {"mode": "amp-fp16", "loss_scale": 16_777_216}, "shift": 1}),
        json!({"epochs": 2, "precision": {"mode": "pure-bf16", "rounding": "stochastic"}}),
        json!({"epochs": 2, "precision": "int8", "patience": 1}),
        json!({"epochs": 2, "exchange": {"workers": 4, "method": "top-k", "share": 0.05}, "lr": 0.002}),
        json!({"epochs": 2, "exchange": {"workers": 2, "method": "1-bit"}, "precision": "fp8"}),
    ] {
        let recipe = recipe(train);
        let context = |threads: usize| {
            let mut ctx = Context::new(threads);
            ctx.checkpoint_macs = 3_000_000;
            ctx
        };
        let whole = task(&recipe, context(1), None).finish().unwrap().report;
        assert_eq!(whole, task(&recipe, context(2), None).finish().unwrap().report, "threads: {recipe}");
        let mut sliced = task(&recipe, context(1), None);
        let mut newest = None;
        for _ in 0..9 {
            assert!(sliced.advance(2_000_000).is_none(), "over too soon");
            newest = sliced.context().take_checkpoint().or(newest);
        }
        let again = task(&recipe, context(1), Some(newest.unwrap())).finish().unwrap();
        assert_eq!(again.report, whole, "{recipe}");
    }
}

#[test]
fn one_worker_that_sends_all_is_no_exchange() {
    let alone = trained(json!({"epochs": 1}));
    let one = trained(json!({"epochs": 1, "exchange": {"workers": 1, "method": "dense"}}));
    assert_eq!(alone.2, one.2);
    let record = one.0.training.unwrap();
    assert_eq!(record.bytes_per_step, record.dense_bytes_per_step);
    assert_eq!(record.dense_bytes_per_step, 4 * 6570);
}

#[test]
fn every_message_teaches_and_is_smaller() {
    let dense = trained(json!({"epochs": 4, "exchange": {"workers": 4, "method": "dense"}})).1;
    for (message, least) in [
        (json!({"method": "8-bit"}), 4.0),
        (json!({"method": "qsgd", "levels": 16}), 5.0),
        (json!({"method": "terngrad"}), 15.0),
        (json!({"method": "signsgd"}), 30.0),
        (json!({"method": "1-bit"}), 28.0),
        (json!({"method": "top-k", "share": 0.05}), 9.0),
    ] {
        let mut exchange = message.clone();
        exchange["workers"] = json!(4);
        let (step, correct, _) = trained(json!({"epochs": 4, "exchange": exchange}));
        let record = step.training.unwrap();
        let ratio = record.dense_bytes_per_step as f64 / record.bytes_per_step as f64;
        assert!(ratio > least * 0.9, "{message} is {ratio} times smaller");
        assert!(2 * correct > dense, "{message}: {correct} of 200, dense {dense}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let library = models::library().unwrap();
    for (train, code, path) in [
        (json!({"precision": "fp12"}), "unknown-id", "precision"),
        (json!({"precision": {"mode": "fp8", "loss_scale": 8}}), "combination", "precision.loss_scale"),
        (json!({"precision": {"mode": "amp-fp16", "rounding": "stochastic"}}), "combination", "precision.rounding"),
        (json!({"precision": {"mode": "fp32", "growth": 8}}), "combination", "precision.mode"),
        (json!({"exchange": {"method": "qsgd", "share": 0.1}}), "combination", "exchange.share"),
        (json!({"exchange": {"method": "dense", "workers": 3}}), "combination", "exchange.workers"),
        (json!({"exchange": {"workers": 4}}), "missing-field", "exchange.method"),
        (json!({"optimizer": "sgd", "epsilon": 0.1}), "combination", "epsilon"),
    ] {
        let error = Recipe::parse(recipe(train.clone()), &library).err().unwrap_or_else(|| panic!("{train} is taken"));
        assert_eq!(serde_json::to_value(error.code).unwrap(), json!(code), "{train}");
        assert!(error.path.ends_with(path), "{train}: {}", error.path);
    }
    let through = json!({"version": 1, "model": "mlp-digits", "seed": 1, "steps": [
        {"quantize": {"weights": {"format": "int4"}}}, {"train": {"precision": "amp-fp16"}}]});
    assert!(Recipe::parse(through, &library).is_err());
}
