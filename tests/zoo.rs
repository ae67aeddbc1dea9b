//! Every trained model, evaluated again on its whole test split: exactly the recorded number of right answers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::recipe::{Recipe, run};
use featherweight::task::{Context, Task};
use featherweight::{data::Library, models};
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;

/// Accuracy each model must have on its test split, from the project's goals.
const LEAST: [(&str, f64); 13] = [
    ("mlp-digits", 0.97),
    ("lenet300-fashion", 0.885),
    ("lenet5-fashion", 0.90),
    ("resnet8-fashion", 0.92),
    ("mobilenet-fashion", 0.91),
    ("convnet-large-fashion", 0.935),
    ("transformer-shakespeare", 0.5),
    ("mlp8-digits", 0.94),
    ("mlp16-digits", 0.96),
    ("mlp32-digits", 0.97),
    ("mlp16-fashion", 0.84),
    ("lenet-small-fashion", 0.85),
    ("conv-tiny-fashion", 0.83),
];

fn provide(recipe: &Recipe, library: &mut Library) {
    for asset in recipe.needs(library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
}

#[test]
fn every_model_gives_its_recorded_count() {
    let mut judged = 0;
    for (id, entry) in models::zoo().unwrap().iter() {
        let mut library = models::library().unwrap();
        if library.set(models::find(id).unwrap().data).is_err() {
            assert_eq!(id, "resnet8-cifar10", "its set is not committed: tests/scripts/cifar.test.mjs judges it");
            continue;
        }
        let recipe = json!({"version": 1, "model": id, "seed": 0, "steps": []});
        let recipe = Recipe::parse(recipe, &library).unwrap();
        provide(&recipe, &mut library);
        let library = Rc::new(RefCell::new(library));
        let ctx = Rc::new(Context::new(1));
        let outcome = Task::new(ctx, |ctx| run(ctx, recipe, library, Rc::default(), None)).finish().unwrap();
        let accuracy = outcome.report.unwrap().accuracy;
        assert_eq!((accuracy.correct, accuracy.total), (entry.correct, entry.total), "{id}");
        if id == "transformer-shakespeare" {
            assert!(accuracy.bits_per_character.unwrap() <= 2.4, "an n-gram of order 5 needs 2.45 (docs/methods.md)");
        }
        let least = LEAST.iter().find(|(name, _)| *name == id).map(|(_, least)| *least);
        let least = least.unwrap_or_else(|| panic!("{id} has no goal in this test"));
        assert!(accuracy.top1 >= least, "{id}: {} is below {least}", accuracy.top1);
        judged += 1;
    }
    assert_eq!(judged, LEAST.len());
}
