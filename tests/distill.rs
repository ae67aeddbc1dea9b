//! Learning from a teacher, as a recipe: what it must equal, what it notes, what it keeps, what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::{CoreError, ErrorCode};
use featherweight::methods::Memory;
use featherweight::models;
use featherweight::recipe::{Outcome, Recipe, run};
use featherweight::report::Report;
use featherweight::task::{Context, Task};
use featherweight::train::Checkpoint;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

fn recipe(distill: Value) -> Value {
    json!({"version": 1, "model": "mlp16-digits", "seed": 5, "init": "random", "data": {"validation": 200},
           "steps": [{"train": {"epochs": 3, "lr": 0.003, "batch": 50, "distill": distill}}]})
}

fn task(
    recipe: &Value,
    mut ctx: Context,
    memory: &Rc<Memory>,
    resume: Option<Vec<u8>>,
) -> Result<Task<Result<Outcome, CoreError>>, CoreError> {
    ctx.checkpoint_macs = 3_000_000;
    let mut library = models::library().unwrap();
    let recipe = Recipe::parse(recipe.clone(), &library)?;
    for asset in recipe.needs(&library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let (library, memory) = (Rc::new(RefCell::new(library)), Rc::clone(memory));
    Ok(Task::new(Rc::new(ctx), |ctx| run(ctx, recipe, library, memory, resume.map(Checkpoint))))
}

/// The report, and the multiply-adds that were counted and expected.
fn go_with(recipe: &Value, memory: &Rc<Memory>) -> (Report, [f64; 2]) {
    let mut task = task(recipe, Context::new(1), memory, None).unwrap();
    // What is expected is said before the first tick.
    assert!(task.advance(1).is_none(), "{recipe} takes no time");
    let expected = task.context().progress().1;
    let outcome = task.advance(u64::MAX).unwrap().unwrap();
    (outcome.report.unwrap(), [task.context().progress().0, expected].map(|macs| macs as f64))
}

fn go(recipe: &Value) -> Report {
    go_with(recipe, &Rc::default()).0
}

/// Every method, cached answers and fresh ones, a teacher that is trained first, and no images at all.
fn trainings() -> Vec<Value> {
    let large = "mlp-digits";
    let mut all: Vec<Value> = [
        json!({"teacher": large}),
        json!({"teacher": large, "method": "hint", "layers": [["relu1", "relu2"], ["fc2", "fc3"]], "alpha": 0}),
        json!({"teacher": large, "method": "relational"}),
        json!({"teacher": {"model": "mlp32-digits", "init": "random", "steps": [{"train": {"epochs": 2,
               "distill": {"teacher": large}}}]}, "temperature": 2, "alpha": 0.5}),
        json!({"teacher": {"model": "mlp32-digits", "init": "random", "steps": [
               {"prune": {"sparsity": 0.3, "schedule": {"kind": "gradual"}}}, {"train": {"epochs": 2}},
               {"quantize": {"weights": {"format": "int4"}, "activations": {"format": "int8"}}},
               {"train": {"epochs": 1, "estimator": "lsq"}}]}}),
    ]
    .map(recipe)
    .into();
    let mut moved = recipe(json!({"teacher": large, "method": "relational", "layers": [["relu1", "relu1"]]}));
    moved["steps"][0]["train"]["shift"] = json!(1);
    let mut blind = recipe(json!({"teacher": large, "alpha": 1}));
    blind["steps"][0]["train"]["transfer"] = json!("noise");
    all.extend([moved, blind]);
    all
}

#[test]
fn without_a_share_for_the_teacher_it_is_plain_training() {
    let mut plain = recipe(Value::Null);
    plain["steps"][0]["train"]["label_smoothing"] = json!(0.1);
    let mut taught = recipe(json!({"teacher": "mlp-digits", "alpha": 0}));
    taught["steps"][0]["train"]["label_smoothing"] = json!(0.1);
    let (plain, taught) = (go(&plain), go(&taught));
    assert_eq!(plain.digests, taught.digests);
    assert_eq!(plain.steps[0].epoch_loss, taught.steps[0].epoch_loss);
    assert_eq!((plain.steps[0].teacher_share.len(), &taught.steps[0].teacher_share), (0, &vec![0.0; 3]));
}

#[test]
fn a_network_has_nothing_to_learn_from_itself() {
    let mut recipe = recipe(json!({"teacher": "original", "alpha": 1}));
    recipe["init"] = json!("zoo");
    // Momentum without a gradient moves nothing.
    recipe["steps"][0]["train"]["optimizer"] = json!("sgd");
    let report = go(&recipe);
    let weights = |mut recipe: Value| {
        recipe["steps"] = json!([]);
        go(&recipe).digests.weights
    };
    assert_eq!(report.digests.weights, weights(recipe));
    assert_eq!((&report.steps[0].epoch_loss, &report.steps[0].teacher_share), (&vec![0.0; 3], &vec![0.0; 3]));
}

#[test]
fn a_taught_student_learns_and_the_shares_say_by_whom() {
    for recipe in trainings() {
        let (report, [done, expected]) = go_with(&recipe, &Rc::default());
        assert!((0.7..1.6).contains(&(done / expected)), "{recipe}: {done} of {expected}");
        let step = &report.steps[0];
        assert!(step.epoch_loss[2] < step.epoch_loss[0], "{recipe}: {:?}", step.epoch_loss);
        assert!(report.accuracy.correct > report.baseline.accuracy.correct + 20, "{recipe}: {:?}", report.accuracy);
        assert_eq!(step.teacher_share.len(), 3);
        let alpha = recipe["steps"][0]["train"]["distill"]["alpha"].as_f64();
        let inside = step
            .teacher_share
            .iter()
            .all(|share| if alpha == Some(1.0) { *share == 1.0 } else { (0.05..0.999).contains(share) });
        assert!(inside, "{recipe}: {:?}", step.teacher_share);
    }
}

#[test]
fn budgets_threads_and_interruptions_change_no_bit() {
    for recipe in trainings() {
        let whole = go(&recipe);
        let memory = Rc::default();
        let mut seen = BTreeSet::new();
        for slices in (1..).map(|n| n * 20) {
            let mut sliced = task(&recipe, Context::new(2), &memory, None).unwrap();
            let mut newest = None;
            let done = (0..slices).find_map(|_| {
                let done = sliced.advance(20_000);
                newest = sliced.context().take_checkpoint().or(newest.take());
                done
            });
            if let Some(outcome) = done {
                assert_eq!(whole, outcome.unwrap().report.unwrap(), "{recipe}");
                break;
            }
            let Some(checkpoint) = newest.filter(|checkpoint| seen.insert(checkpoint.clone())) else { continue };
            let resumed = task(&recipe, Context::new(1), &Rc::default(), Some(checkpoint)).unwrap();
            assert_eq!(whole, resumed.finish().unwrap().report.unwrap(), "{recipe} after {slices} slices");
        }
        assert!(seen.len() >= 2, "{recipe}: {} checkpoints show nothing", seen.len());
    }
}

#[test]
fn a_teacher_that_was_trained_is_not_trained_again() {
    let own = json!({"model": "mlp32-digits", "init": "random", "steps": [{"train": {"epochs": 2, "batch": 100,
                     "distill": {"teacher": {"model": "mlp16-digits", "init": "random",
                     "steps": [{"train": {"epochs": 1, "batch": 100}}]}}}}]});
    let recipe = recipe(json!({"teacher": own}));
    let whole = go(&recipe);
    // Paused in every step of training, to go on in an engine that has kept nothing: each is done once. Of 1097 images 100, or 50.
    let steps = 11 + 2 * 11 + 3 * 22;
    let mut resume: Option<Vec<u8>> = None;
    let mut newest = Vec::new();
    for pauses in 0..=steps {
        let mut task = task(&recipe, Context::new(1), &Rc::default(), resume.take()).unwrap();
        let mut asked = false;
        while resume.is_none() {
            if let Some(outcome) = task.advance(1) {
                assert_eq!((whole, pauses), (outcome.unwrap().report.unwrap(), steps));
                // Without one of the teacher's parameters it is refused.
                let name = b"teacher0.003";
                let at = newest.windows(name.len()).position(|bytes| bytes == name).unwrap();
                newest[at] = b'T';
                let broken = self::task(&recipe, Context::new(1), &Rc::default(), Some(newest)).unwrap();
                assert_eq!(broken.finish().err().map(|error| error.code), Some(ErrorCode::Checksum));
                return;
            }
            let waits = task.context().ask_checkpoint();
            if asked && !waits {
                resume = task.context().take_checkpoint();
            }
            asked = waits;
        }
        newest = resume.clone().unwrap_or_default();
    }
    panic!("more pauses than the {steps} steps there are");
}

#[test]
fn a_teacher_is_what_its_recipe_makes_and_is_made_once() {
    let steps = json!([{"train": {"epochs": 4, "lr": 0.004}}]);
    let alone = json!({"version": 1, "model": "mlp32-digits", "seed": 5, "init": "random", "steps": steps});
    let teacher = json!({"model": "mlp32-digits", "init": "random", "steps": steps});
    let (memory, first) = (Rc::default(), recipe(json!({"teacher": teacher})));
    let (report, [macs, _]) = go_with(&first, &memory);
    let key = format!("teacher {} 5", distill_of(&first)["teacher"]);
    let kept = memory.teachers.get(&key).unwrap();
    let mut second = first.clone();
    second["steps"][0]["train"]["distill"]["temperature"] = json!(8);
    let (warm, [warm_macs, _]) = go_with(&second, &memory);
    assert_eq!(warm, go(&second));
    assert_ne!(report.digests, warm.digests);
    // It was not made again, counts as if it had been, and is the network that the recipe alone makes.
    assert!(Rc::ptr_eq(&kept, &memory.teachers.get(&key).unwrap()));
    assert!((warm_macs / macs - 1.0).abs() < 0.05, "{warm_macs} against {macs}");
    assert_eq!(kept.network.digest().unwrap(), go(&alone).digests.weights);
}

/// Its canonical form.
fn distill_of(recipe: &Value) -> Value {
    let library = models::library().unwrap();
    let canonical = Recipe::parse(recipe.clone(), &library).unwrap().canonical();
    canonical["steps"][0]["train"]["distill"].clone()
}

#[test]
fn an_imitation_that_counts_nothing_changes_nothing() {
    let hint = json!({"teacher": "mlp-digits", "method": "hint", "layers": [["relu1", "relu1"]], "beta": 0});
    assert_eq!(go(&recipe(hint)).digests, go(&recipe(json!({"teacher": "mlp-digits"}))).digests);
}

#[test]
fn a_quantized_or_pruned_student_is_taught_by_its_original() {
    for before in [json!({"quantize": {"weights": {"format": "int2"}}}), json!({"prune": {"sparsity": 0.8}})] {
        let mut taught = recipe(json!({"teacher": "original", "alpha": 1, "temperature": 2}));
        taught["init"] = json!("zoo");
        let train = taught["steps"][0].clone();
        taught["steps"] = json!([before, train]);
        let report = go(&taught);
        let [first, last] = [&report.steps[1].epoch_loss[0], &report.steps[1].epoch_loss[2]];
        assert!(report.accuracy.correct > report.steps[0].accuracy.correct + 10 && last < first, "{before}");
    }
}

fn refused(recipe: &Value) -> CoreError {
    match task(recipe, Context::new(1), &Rc::default(), None) {
        Err(error) => error,
        Ok(task) => task.finish().err().unwrap_or_else(|| panic!("{recipe} is not refused")),
    }
}

#[test]
fn refusals_name_the_field_and_what_is_allowed() {
    use ErrorCode::{Combination, MissingField, Range, Type, UnknownId};
    let cases = [
        (json!({}), MissingField, "teacher", "teacher"),
        (json!({"teacher": "nobody"}), UnknownId, "teacher", "original"),
        (json!({"teacher": "lenet5-fashion"}), Combination, "teacher", "a network for digits"),
        (json!({"teacher": {"model": "resnet8-cifar10"}}), Combination, "teacher", "a network for digits"),
        (
            json!({"teacher": {"model": "mlp-digits", "steps": [{"train": {"epochs": 0}}]}}),
            Range,
            "teacher.steps.0.train.epochs",
            "1",
        ),
        (json!({"teacher": {"model": "mlp-digits", "data": {}}}), ErrorCode::UnknownField, "teacher.data", "init"),
        (json!({"teacher": "mlp-digits", "temperature": 0}), Range, "temperature", "0.1"),
        (json!({"teacher": "mlp-digits", "alpha": 2}), Range, "alpha", "1"),
        (json!({"teacher": "mlp-digits", "method": "telepathy"}), UnknownId, "method", "attention"),
        (json!({"teacher": "mlp-digits", "beta": 1}), Combination, "beta", "hint"),
        (json!({"teacher": "mlp-digits", "method": "hint"}), MissingField, "layers", "pairs"),
        (json!({"teacher": "mlp-digits", "method": "hint", "layers": ["fc1"]}), Type, "layers", "teacher"),
        (json!({"teacher": "mlp-digits", "method": "hint", "layers": [["fc9", "fc1"]]}), UnknownId, "layers", "fc1"),
        (
            json!({"teacher": "mlp-digits", "method": "attention", "layers": [["fc1", "fc2"]]}),
            Combination,
            "layers",
            "attention",
        ),
    ];
    for (distill, code, path, allowed) in cases {
        let error = refused(&recipe(distill.clone()));
        assert_eq!(error.code, code, "{distill}: {error:?}");
        assert_eq!(error.path, format!("steps.0.train.distill.{path}"), "{distill}");
        assert!(error.allowed.contains(allowed), "{distill}: {error:?}");
    }
    let mut fashion =
        recipe(json!({"teacher": "convnet-large-fashion", "method": "attention", "layers": [["conv2", "pool1"]]}));
    fashion["model"] = json!("lenet-small-fashion");
    fashion["data"] = json!({"test": 8});
    let error = refused(&fashion);
    assert_eq!(error.found, "conv2 [8×10×10] and pool1 [32×14×14]");
    let mut sent = recipe(json!({"teacher": "mlp-digits"}));
    sent["steps"][0]["train"]["exchange"] = json!({"method": "dense", "workers": 2});
    let error = refused(&sent);
    assert_eq!((error.code, error.path.as_str()), (Combination, "steps.0.train.exchange"));
    let mut unknown = recipe(json!({"teacher": "mlp-digits", "alpha": 1}));
    unknown["steps"][0]["train"]["transfer"] = json!("dreams");
    let error = refused(&unknown);
    assert_eq!((error.code, error.allowed.as_str()), (UnknownId, "images, noise"));
    for (transfer, more) in [
        ("noise", json!({})),
        ("noise", json!({"distill": {"teacher": "mlp-digits"}})),
        ("noise", json!({"exclude": ["3"], "distill": {"teacher": "mlp-digits", "alpha": 1}})),
    ] {
        let mut blind = recipe(Value::Null);
        blind["steps"][0]["train"]["transfer"] = json!(transfer);
        for (name, value) in more.as_object().unwrap() {
            blind["steps"][0]["train"][name] = value.clone();
        }
        let error = refused(&blind);
        assert_eq!((error.code, error.path.as_str()), (Combination, "steps.0.train.transfer"), "{more}");
    }
}
