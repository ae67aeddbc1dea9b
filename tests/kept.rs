//! What an engine keeps from one recipe for the next changes no bit, and spares the work: it is there when the images that were
//! looked at are not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::{CoreError, ErrorCode};
use featherweight::methods::{Memory, Mode};
use featherweight::models;
use featherweight::recipe::{DEFAULT_SPARSITIES, Outcome, Question, Recipe, SensitivityRow, run, sensitivity};
use featherweight::task::{Context, Task};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn recipe(quantize: Value) -> Value {
    json!({"version": 1, "model": "lenet5-fashion", "seed": 7, "data": {"test": 1000}, "steps": [{"quantize": quantize}]})
}

/// Widths and shares.
type Asked<'a> = (&'a [u32], Option<&'a [f64]>);

/// Runs a recipe, or asks for its sensitivity, without the files of one split. What comes back, and the work that was done and
/// expected.
fn go(
    recipe: Value,
    asked: Option<Asked>,
    memory: &Rc<Memory>,
    without: &str,
) -> (Result<Outcome, CoreError>, [f64; 2]) {
    let mut library = models::library().unwrap();
    let recipe = Recipe::parse(recipe, &library).unwrap();
    let question = asked.map(|asked| Question::new(asked, Some(40), &recipe, &library).unwrap());
    let needs = question.as_ref().map_or_else(|| recipe.needs(&library), |asked| asked.needs(&recipe, &library));
    for asset in needs.unwrap().iter().filter(|asset| !asset.path.contains(without)) {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let (library, memory) = (Rc::new(RefCell::new(library)), Rc::clone(memory));
    let mut task = Task::new(Rc::new(Context::new(1)), |ctx| async move {
        match question {
            Some(question) => sensitivity(ctx, recipe, library, question, memory).await,
            None => run(ctx, recipe, library, memory, None).await,
        }
    });
    // What is expected is said before the first tick.
    if let Some(outcome) = task.advance(1) {
        return (outcome, [0.0; 2]);
    }
    let expected = task.context().progress().1;
    let outcome = task.advance(u64::MAX).unwrap();
    (outcome, [task.context().progress().0, expected].map(|macs| macs as f64))
}

/// A recipe gives what it gives an engine that knows nothing, and progress runs as far, but for the baseline.
fn same(recipe: &Value, memory: &Rc<Memory>, without: &str) {
    let [known, plain] = [(memory, without), (&Rc::default(), NOTHING)].map(|(memory, without)| {
        let (outcome, [done, _]) = go(recipe.clone(), None, memory, without);
        (outcome.unwrap().report.unwrap(), done)
    });
    assert_eq!(known.0, plain.0, "{recipe}");
    let spared = (plain.1 - known.1) / (416_520.0 * 1000.0);
    assert!((-0.1..1.1).contains(&spared), "{recipe}: {spared} evaluations of progress are missing");
}

fn rows(quantize: Value, bits: &[u32], memory: &Rc<Memory>, without: &str) -> Vec<SensitivityRow> {
    answered(recipe(quantize), (bits, None), memory, without)
}

fn answered(recipe: Value, asked: Asked, memory: &Rc<Memory>, without: &str) -> Vec<SensitivityRow> {
    let (outcome, [done, expected]) = go(recipe, Some(asked), memory, without);
    let share = done / expected;
    // Finding ranges comes on top; of blocks fewer scores are sorted than expected.
    assert!((0.8..1.1).contains(&share), "{share} of the work that was expected");
    outcome.unwrap().sensitivity
}

const NOTHING: &str = "no such file";

#[test]
fn what_layers_do_is_found_once_for_all_widths_and_budgets() {
    let weights = json!({"weights": {"format": "int4"}});
    let memory = Rc::default();
    let first = rows(weights.clone(), &[8, 4, 2], &memory, NOTHING);
    assert_eq!(first.len(), 2 * 5 * 3);
    // Inputs and the number of bits that a step starts from do not matter.
    let other = json!({"weights": {"format": "int8"}, "activations": {"format": "int8"}});
    assert_eq!(rows(other, &[8, 4, 2], &memory, "validation"), first);
    let narrow: Vec<SensitivityRow> = first.iter().filter(|row| row.bits < Some(8)).cloned().collect();
    assert_eq!(rows(weights.clone(), &[4, 2], &memory, "validation"), narrow);
    // Some known, some not.
    let mixed = [5, 2, 7, 6, 8, 3, 4];
    assert_eq!(rows(weights.clone(), &mixed, &memory, NOTHING), rows(weights.clone(), &mixed, &Rc::default(), NOTHING));
    // Another way to round, other images or another network are not the same.
    for quantize in [
        json!({"weights": {"format": "int4", "range": "mse"}}),
        json!({"weights": {"format": "int4", "granularity": "tensor"}}),
        json!({"weights": {"format": "int4"}, "transforms": ["equalize"]}),
    ] {
        let (outcome, _) = go(recipe(quantize.clone()), Some((&[4, 2], None)), &memory, "validation");
        assert_eq!(outcome.err().map(|error| error.code), Some(ErrorCode::Asset), "{quantize}");
    }
    for budget in [2.5, 3.0, 4.2] {
        let asked = recipe(json!({"weights": {"format": "int4"}, "bits": {"budget": budget, "images": 40}}));
        same(&asked, &memory, "validation");
    }
    let asked = recipe(json!({"weights": {"format": "int4"}, "bits": {"budget": 3, "images": 41}}));
    assert_eq!(go(asked, None, &memory, "validation").0.err().map(|error| error.code), Some(ErrorCode::Asset));
}

#[test]
fn pruning_layers_alone_is_what_recipes_give_and_is_found_once() {
    let steps = |prune: Value| json!([{"prune": prune}, {"quantize": {"weights": {"format": "int4"}}}]);
    let mut asked = recipe(json!({}));
    asked["steps"] = steps(json!({"sparsity": 0.5, "pattern": {"block": [2, 2]}}));
    let (memory, shares) = (Rc::default(), [0.5, 0.9]);
    let rows = answered(asked.clone(), (&[], Some(&shares)), &memory, NOTHING);
    assert_eq!(rows.len(), 2 * 5 * 2);
    assert_eq!(answered(asked.clone(), (&[], Some(&shares)), &memory, "validation"), rows);
    // Widths are those of what the recipe prunes, and stand behind.
    let both = answered(asked.clone(), (&[2], Some(&[0.9])), &memory, NOTHING);
    assert_eq!(both.iter().map(|row| row.bits.is_some()).collect::<Vec<_>>(), [[false; 10], [true; 10]].concat());
    assert_eq!(both[..10], rows.iter().filter(|row| row.sparsity == Some(0.9)).cloned().collect::<Vec<_>>());
    for row in rows {
        let (share, mut layers) = (row.sparsity.unwrap(), json!({}));
        for layer in ["conv1", "conv2", "fc1", "fc2", "fc3"] {
            let pruned = (layer == row.layer) == (row.mode == Mode::Only);
            layers[layer] = if pruned { json!({"sparsity": share}) } else { json!("keep") };
        }
        let mut alone = asked.clone();
        alone["data"] = json!({"validation": 40});
        alone["steps"] = json!([{"prune": {"sparsity": share, "pattern": {"block": [2, 2]}, "layers": layers}}]);
        let accuracy = go(alone, None, &Rc::default(), NOTHING).0.unwrap().report.unwrap().accuracy;
        assert_eq!((row.correct, row.total, row.loss), (accuracy.correct, 40, accuracy.loss), "{row:?}");
    }
    // Another way to prune is another question; without a step it is magnitude, and without values the usual ones.
    let mut other = asked;
    other["steps"] = steps(json!({"sparsity": 0.5, "method": "random"}));
    let (outcome, _) = go(other, Some((&[], Some(&shares))), &memory, "validation");
    assert_eq!(outcome.err().map(|error| error.code), Some(ErrorCode::Asset));
    let mut plain = recipe(json!({}));
    plain["steps"] = json!([]);
    let usual = answered(plain, (&[], Some(&[])), &memory, NOTHING);
    assert_eq!(usual[..10].iter().filter_map(|row| row.sparsity).collect::<Vec<_>>(), DEFAULT_SPARSITIES);
}

#[test]
fn a_sweep_of_widths_is_calibrated_once() {
    let asked = |weights: &str, more: Value| {
        let mut activations = json!({"format": "int8", "calibration": "percentile", "images": 40});
        activations.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        recipe(json!({"weights": {"format": weights}, "activations": activations}))
    };
    let memory = Rc::default();
    for weights in ["int8", "int4", "ternary", "fp8-e4m3"] {
        let asked = asked(weights, json!({}));
        same(&asked, &memory, if weights == "int8" { NOTHING } else { "train" });
    }
    for more in
        [json!({"images": 41}), json!({"calibration": "mse"}), json!({"format": "int4"}), json!({"percentile": 99})]
    {
        let (outcome, _) = go(asked("int4", more.clone()), None, &memory, "train");
        assert_eq!(outcome.err().map(|error| error.code), Some(ErrorCode::Asset), "{more}");
    }
    let mut other = asked("int4", json!({}));
    other["seed"] = json!(8);
    assert!(go(other, None, &memory, "train").0.is_err());
}
