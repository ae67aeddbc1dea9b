//! What a train step may be told: each option against what it promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::models;
use featherweight::recipe::{Outcome, Recipe, run};
use featherweight::task::{Context, Task};
use featherweight::tensor::Tensor;
use featherweight::train::Checkpoint;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn recipe(train: Value) -> Value {
    json!({"version": 1, "model": "mlp-digits", "seed": 5, "data": {"validation": 200}, "steps": [{"train": train}]})
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

fn trained(train: Value) -> Outcome {
    task(&recipe(train), Context::new(1), None).finish().unwrap()
}

fn latents(outcome: &Outcome) -> Vec<(String, Tensor)> {
    outcome.network.parameters.iter().map(|p| (p.name.to_string(), p.latent.clone())).collect()
}

#[test]
fn frozen_layers_keep_their_bits_and_the_others_move() {
    let plain = task(
        &json!({"version": 1, "model": "mlp-digits", "seed": 5, "data": {"validation": 200}, "steps": []}),
        Context::new(1),
        None,
    );
    let before = latents(&plain.finish().unwrap());
    for optimizer in ["adam", "adamw", "sgd"] {
        let after = trained(json!({"freeze": ["fc1", "fc3"], "optimizer": optimizer, "weight_decay": 0.1}));
        for ((name, old), (_, new)) in before.iter().zip(latents(&after)) {
            assert_eq!(*old == new, !name.starts_with("fc2"), "{optimizer} {name}");
        }
    }
}

#[test]
fn decoupled_decay_shrinks_what_gradients_do_not_touch_and_coupled_decay_does_not_by_that_much() {
    // Nothing reads a weight of a class that no image has: only decay moves it. With Adam the decay's gradient is normalised.
    let norm = |optimizer: &str, decay: f64| {
        let outcome = trained(json!({"optimizer": optimizer, "weight_decay": decay, "lr": 0.01, "epochs": 2}));
        latents(&outcome)
            .iter()
            .filter(|(name, _)| name.ends_with("weight"))
            .fold(0.0, |sum, (_, tensor)| tensor.data().iter().fold(sum, |sum, v| sum + f64::from(v * v)))
    };
    assert_eq!(norm("adam", 0.0), norm("adamw", 0.0));
    assert!(norm("adamw", 0.5) < norm("adamw", 0.0));
    assert_ne!(norm("adam", 0.5), norm("adamw", 0.5));
}

#[test]
fn an_early_stop_ends_with_the_best_epoch_and_reads_validation_alone() {
    // A rate so high that the loss rises soon.
    let early = trained(json!({"epochs": 12, "lr": 0.05, "patience": 2}));
    let report = early.report.as_ref().unwrap();
    let losses = &report.steps[0].validation_loss;
    assert!(losses.len() < 12, "{losses:?} never rises");
    assert_eq!(losses.len(), report.steps[0].epoch_loss.len());
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let at = losses.iter().position(|loss| *loss == best).unwrap();
    assert_eq!(losses.len(), at + 3);
    // The recipe's own images are those of validation here.
    assert!((report.accuracy.loss - best).abs() < 1e-12);
    // What it would be after so many epochs and no watching.
    let plain = trained(json!({"epochs": 12, "lr": 0.05, "patience": 0}));
    assert!(plain.report.unwrap().accuracy.loss > best);
}

#[test]
fn an_interrupted_early_stop_goes_on_with_the_same_bits() {
    let recipe = recipe(json!({"epochs": 12, "lr": 0.05, "patience": 2, "batch": 50}));
    let context = || {
        let mut ctx = Context::new(1);
        ctx.checkpoint_macs = 5_000_000;
        ctx
    };
    let whole = task(&recipe, context(), None).finish().unwrap();
    let mut resumed = 0;
    for slices in [6, 16, 26] {
        let mut task = task(&recipe, context(), None);
        let mut newest = None;
        for _ in 0..slices {
            assert!(task.advance(3_000_000).is_none(), "over too soon");
            newest = task.context().take_checkpoint().or(newest);
        }
        let Some(newest) = newest else { continue };
        resumed += 1;
        let again = self::task(&recipe, context(), Some(newest)).finish().unwrap();
        assert_eq!(again.report, whole.report);
    }
    assert!(resumed > 1);
}

#[test]
fn left_out_classes_are_never_answered_after_a_training_from_scratch() {
    let recipe = json!({"version": 1, "model": "mlp-digits", "seed": 5, "init": "random", "data": {"validation": 200},
                        "steps": [{"train": {"epochs": 6, "exclude": ["3"], "lr": 0.003}}]});
    let outcome = task(&recipe, Context::new(1), None).finish().unwrap();
    assert!(outcome.predictions.iter().all(|class| *class != 3));
    assert!(outcome.report.unwrap().accuracy.top1 > 0.6);
}

#[test]
fn a_count_takes_the_first_images_and_fewer_teach_less() {
    let few = trained(json!({"count": 64, "lr": 0.01, "epochs": 3}));
    let all = trained(json!({"lr": 0.01, "epochs": 3}));
    assert_ne!(few.report.unwrap().digests.weights, all.report.unwrap().digests.weights);
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    let library = models::library().unwrap();
    let refused = |train: Value| Recipe::parse(recipe(train), &library).err();
    for (train, code, path) in [
        (json!({"nesterov": true}), "combination", "steps.0.train.nesterov"),
        (json!({"freeze": ["fc9"]}), "unknown-id", "steps.0.train.freeze"),
        (json!({"label_smoothing": 0.95}), "range", "steps.0.train.label_smoothing"),
        (json!({"schedule": "linear"}), "unknown-id", "steps.0.train.schedule"),
    ] {
        let error = refused(train.clone()).unwrap_or_else(|| panic!("{train} is taken"));
        assert_eq!((serde_json::to_value(error.code).unwrap(), error.path.as_str()), (json!(code), path));
    }
    let error = refused(json!({"exclude": ["cat"]})).unwrap();
    assert_eq!(
        (serde_json::to_value(error.code).unwrap(), error.path.as_str()),
        (json!("unknown-id"), "steps.0.train.exclude")
    );
}
