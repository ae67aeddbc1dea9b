//! Training as a recipe step: budgets, threads and interruptions change no bit; a checkpoint of another recipe is not used.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::data::Library;
use featherweight::models;
use featherweight::recipe::{Recipe, run};
use featherweight::report::Report;
use featherweight::task::{Context, Task};
use featherweight::train::Checkpoint;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

fn recipe(epochs: u32, lr: f64) -> Value {
    json!({"version": 1, "model": "mlp-digits", "seed": 5, "init": "random", "data": {"validation": 200},
           "steps": [{"train": {"epochs": epochs, "lr": lr, "batch": 50}}]})
}

/// A library with everything that a recipe reads.
fn library_for(recipe: &Value) -> Rc<RefCell<Library>> {
    let mut library = models::library().unwrap();
    for asset in Recipe::parse(recipe.clone(), &library).unwrap().needs(&library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    Rc::new(RefCell::new(library))
}

/// Runs with a budget per slice. Stops after `slices`, returning the newest checkpoint instead of the report.
fn go(
    recipe: &Value,
    ctx: Context,
    budget: u64,
    slices: usize,
    resume: Option<Vec<u8>>,
) -> Result<Report, Option<Vec<u8>>> {
    let library = library_for(recipe);
    let recipe = Recipe::parse(recipe.clone(), &library.borrow()).unwrap();
    let resume = resume.map(Checkpoint);
    let mut task = Task::new(Rc::new(ctx), |ctx| run(ctx, recipe, library, Rc::default(), resume));
    let mut newest = None;
    for _ in 0..slices {
        if let Some(outcome) = task.advance(budget) {
            return Ok(outcome.unwrap().report.unwrap());
        }
        newest = task.context().take_checkpoint().or(newest);
    }
    Err(newest)
}

fn with_checkpoints() -> Context {
    let mut ctx = Context::new(1);
    ctx.checkpoint_macs = 3_000_000;
    ctx
}

#[test]
fn budgets_and_threads_change_no_bit() {
    let recipe = recipe(2, 0.003);
    let whole = go(&recipe, Context::new(1), u64::MAX, 1, None).unwrap();
    let sliced = go(&recipe, Context::new(1), 50_000, usize::MAX, None).unwrap();
    let threads = go(&recipe, Context::new(2), u64::MAX, 1, None).unwrap();
    assert_eq!(whole, sliced);
    assert_eq!(whole, threads);
    assert!(whole.steps[0].epoch_loss[1] < whole.steps[0].epoch_loss[0]);
    assert!(whole.accuracy.correct > whole.baseline.accuracy.correct + 50, "two epochs taught next to nothing");
}

#[test]
fn an_interrupted_training_goes_on_with_the_same_bits() {
    let recipe = recipe(3, 0.003);
    let whole = go(&recipe, Context::new(1), u64::MAX, 1, None).unwrap();
    for slices in [250, 700, 900] {
        let checkpoint = go(&recipe, with_checkpoints(), 50_000, slices, None).unwrap_err();
        let resumed =
            go(&recipe, Context::new(1), u64::MAX, 1, Some(checkpoint.expect("no checkpoint was kept"))).unwrap();
        assert_eq!(whole, resumed, "after {slices} slices");
    }
}

/// Runs and pauses in every step of training, each time to go on in a new task: the report, and how many pauses there were.
fn paused_everywhere(recipe: &Value) -> (Report, u64) {
    let mut resume = None;
    for pauses in 0.. {
        let library = library_for(recipe);
        let parsed = Recipe::parse(recipe.clone(), &library.borrow()).unwrap();
        let of = resume.take().map(Checkpoint);
        let mut task = Task::new(Rc::new(Context::new(1)), |ctx| run(ctx, parsed, library, Rc::default(), of));
        let mut asked = false;
        while resume.is_none() {
            // A budget of one ends at the next tick, which every step has.
            if let Some(outcome) = task.advance(1) {
                return (outcome.unwrap().report.unwrap(), pauses);
            }
            let waits = task.context().ask_checkpoint();
            if asked && !waits {
                resume = task.context().take_checkpoint();
            }
            asked = waits;
        }
    }
    unreachable!()
}

#[test]
fn a_training_paused_in_every_step_does_none_of_them_again_and_ends_with_the_same_bits() {
    let mut watched = recipe(2, 0.003);
    watched["steps"][0]["train"]["patience"] = json!(1);
    let mut recorded = recipe(1, 0.003);
    recorded["steps"][0]["train"]["record"] = json!(true);
    recorded["steps"][0]["train"]["exchange"] = json!({"method": "top-k", "share": 0.01, "workers": 2});
    let others = quantized_trainings().into_iter().skip(1).take(3).map(|recipe| (recipe, 1)).chain(pruned_trainings());
    for (recipe, trainings) in [(watched, 1), (recorded, 1)].into_iter().chain(others) {
        let whole = go(&recipe, Context::new(1), u64::MAX, 1, None).unwrap();
        let (paused, pauses) = paused_everywhere(&recipe);
        assert_eq!(whole, paused, "{recipe}");
        // 1097 images in batches of 50.
        let train = recipe["steps"].as_array().unwrap().last().unwrap();
        assert_eq!(pauses, 22 * train["train"]["epochs"].as_u64().unwrap() * trainings, "{recipe}");
    }
}

/// Training through a quantizer, on fresh weights.
fn through(weights: Value, activations: Value, estimator: &str) -> Value {
    let mut recipe = recipe(2, 0.003);
    let train = recipe["steps"][0].clone();
    recipe["steps"] = json!([{"quantize": {"weights": weights, "activations": activations}}, train]);
    recipe["steps"][1]["train"]["estimator"] = json!(estimator);
    recipe
}

fn int4() -> Value {
    json!({"format": "int4", "calibration": "percentile"})
}

fn quantized_trainings() -> [Value; 5] {
    // Weights stay in their clusters, so these start from trained ones.
    let mut shared = through(json!({"format": "kmeans", "bits": 2, "huffman": true}), int4(), "ste");
    shared["init"] = json!("zoo");
    let int2 = json!({"format": "int2", "range": "mse"});
    let int4 = int4();
    [
        through(int2.clone(), int4.clone(), "ste"),
        through(json!({"format": "int3", "symmetric": false}), int4.clone(), "lsq"),
        through(json!({"format": "int4", "granularity": {"group": 16}}), Value::Null, "lsq"),
        through(int2, int4, "pact"),
        shared,
    ]
}

#[test]
fn budgets_and_threads_change_no_bit_of_a_training_through_a_quantizer() {
    for recipe in quantized_trainings() {
        let whole = go(&recipe, Context::new(1), u64::MAX, 1, None).unwrap();
        assert_eq!(whole, go(&recipe, Context::new(1), 50_000, usize::MAX, None).unwrap(), "{recipe}");
        assert_eq!(whole, go(&recipe, Context::new(2), u64::MAX, 1, None).unwrap(), "{recipe}");
        let [before, after] = [0, 1].map(|step| whole.steps[step].accuracy.correct);
        let gain = if recipe["init"] == "zoo" { 10 } else { 50 };
        assert!(whole.steps[1].epoch_loss[1] < whole.steps[1].epoch_loss[0]);
        assert!(after > before + gain, "{recipe}: {before} right answers before, {after} after");
        assert_eq!(whole.steps[0].bytes, whole.size.bytes, "{recipe}: training changes no size");
    }
}

#[test]
fn an_interrupted_training_through_a_quantizer_goes_on_with_the_same_bits() {
    for recipe in quantized_trainings() {
        let whole = go(&recipe, Context::new(1), u64::MAX, 1, None).unwrap();
        let mut seen = BTreeSet::new();
        for slices in (1..).map(|n| n * 90) {
            let Err(checkpoint) = go(&recipe, with_checkpoints(), 50_000, slices, None) else { break };
            // Checkpoints come only with the training, at the ends of its steps.
            let Some(checkpoint) = checkpoint.filter(|checkpoint| seen.insert(checkpoint.clone())) else { continue };
            let resumed = go(&recipe, Context::new(1), u64::MAX, 1, Some(checkpoint)).unwrap();
            assert_eq!(whole, resumed, "{recipe} after {slices} slices");
        }
        assert!(seen.len() >= 3, "{recipe}: {} checkpoints show nothing", seen.len());
    }
}

/// Trainings that prune by a schedule, on fresh weights, and how often each trains.
fn pruned_trainings() -> [(Value, u64); 4] {
    let with = |method: &str, schedule: Value| {
        let mut recipe = recipe(2, 0.003);
        let train = recipe["steps"][0].clone();
        let prune =
            json!({"method": method, "sparsity": 0.8, "schedule": schedule, "layers": {"fc3": {"sparsity": 0.5}}});
        recipe["steps"] = json!([{"prune": prune}, train]);
        recipe
    };
    [
        (with("magnitude", json!({"kind": "gradual", "every": 3})), 1),
        (with("movement", json!({"kind": "gradual"})), 1),
        (with("lamp", json!({"kind": "iterative", "rounds": 3})), 1),
        (with("magnitude", json!({"kind": "lottery", "rounds": 2})), 3),
    ]
}

#[test]
fn an_interrupted_training_that_prunes_goes_on_with_the_same_bits() {
    for (recipe, trainings) in pruned_trainings() {
        let whole = go(&recipe, Context::new(1), u64::MAX, 1, None).unwrap();
        assert_eq!(whole, go(&recipe, Context::new(2), 50_000, usize::MAX, None).unwrap(), "{recipe}");
        assert_eq!(whole.steps[1].epoch_loss.len() as u64, 2 * trainings);
        // 0.8 of the 6,144 weights of two layers, and half of the 320 of the last.
        assert_eq!((whole.cost.sparsity * 6464.0).round(), 4915.0 + 160.0, "{recipe}");
        let mut seen = BTreeSet::new();
        for slices in (1..).map(|n| n * 150) {
            let Err(checkpoint) = go(&recipe, with_checkpoints(), 50_000, slices, None) else { break };
            let Some(checkpoint) = checkpoint.filter(|checkpoint| seen.insert(checkpoint.clone())) else { continue };
            let resumed = go(&recipe, Context::new(1), u64::MAX, 1, Some(checkpoint)).unwrap();
            assert_eq!(whole, resumed, "{recipe} after {slices} slices");
        }
        assert!(seen.len() >= 3, "{recipe}: {} checkpoints show nothing", seen.len());
    }
}

#[test]
fn what_earlier_trainings_of_a_recipe_ended_with_is_in_its_checkpoints() {
    let train = |lr: f64| json!({"train": {"epochs": 1, "batch": 50, "count": 300, "lr": lr}});
    let mut two = recipe(1, 0.003);
    let prune = json!({"prune": {"sparsity": 0.5}});
    two["steps"] =
        json!([train(0.003), prune, train(0.001), {"quantize": {"weights": {"format": "int4"}}}, train(0.002)]);
    let whole = go(&two, Context::new(1), u64::MAX, 1, None).unwrap();
    // Six batches each, and none of them twice.
    let (report, pauses) = paused_everywhere(&two);
    assert_eq!((whole, pauses), (report, 18));
}

#[test]
fn a_checkpoint_of_another_recipe_is_not_used_and_a_broken_one_is_refused() {
    let checkpoint = go(&recipe(3, 0.003), with_checkpoints(), 50_000, 700, None).unwrap_err().expect("no checkpoint");
    let other = recipe(1, 0.001);
    let plain = go(&other, Context::new(1), u64::MAX, 1, None).unwrap();
    let offered = go(&other, Context::new(1), u64::MAX, 1, Some(checkpoint.clone())).unwrap();
    assert_eq!(plain.digests, offered.digests);
    for cut in [0, 7, 100, checkpoint.len() - 1] {
        assert!(Checkpoint(checkpoint[..cut].to_vec()).part("any").is_err(), "{cut} bytes");
    }
}
