//! What recipes may say: every refusal names the path, what was found and what is allowed; canonical forms are stable.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::{CoreError, ErrorCode};
use featherweight::models;
use featherweight::recipe::Recipe;
use serde_json::{Value, json};

fn base() -> Value {
    json!({"version": 1, "model": "lenet300-fashion", "seed": 7, "init": "random", "steps": []})
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut recipe = base();
    change(&mut recipe);
    recipe
}

fn quantize(step: Value) -> Value {
    with(|recipe| recipe["steps"] = json!([{"quantize": step}]))
}

fn refused(recipe: Value) -> CoreError {
    let library = models::library().unwrap();
    match Recipe::parse(recipe.clone(), &library) {
        Ok(_) => panic!("{recipe} was accepted"),
        Err(error) => error,
    }
}

fn canonical(recipe: Value) -> Value {
    Recipe::parse(recipe, &models::library().unwrap()).unwrap().canonical()
}

#[test]
fn refusals_name_path_and_what_is_allowed() {
    let w = |weights: Value| quantize(json!({"weights": weights}));
    let a = |activations: Value| quantize(json!({"activations": activations}));
    let set = |key: &'static str, value: Value| with(|recipe| recipe[key] = value);
    let steps = |steps: Value| set("steps", steps);
    let cases = [
        (json!(3), ErrorCode::Type, "", "an object"),
        (set("version", json!(2)), ErrorCode::Version, "version", "1"),
        (set("model", json!("resnet-9000")), ErrorCode::UnknownId, "model", "lenet5-fashion"),
        (set("seed", json!(-1)), ErrorCode::Range, "seed", "a whole number from 0"),
        (set("seed", json!("x")), ErrorCode::Type, "seed", "a whole number from 0"),
        (set("sede", json!(1)), ErrorCode::UnknownField, "sede", "seed"),
        (set("init", json!("warm")), ErrorCode::UnknownId, "init", "zoo, random"),
        (set("targets", json!(["h100"])), ErrorCode::UnknownId, "targets.0", "this-browser"),
        (set("targets", json!("this-browser")), ErrorCode::Type, "targets", "a list"),
        (set("targets", json!(["this-browser", "a"])), ErrorCode::Range, "targets", "at most 1"),
        (set("execution", json!("gpu")), ErrorCode::UnknownId, "execution", "integer, fake"),
        (set("data", json!({"set": "imagenet"})), ErrorCode::UnknownId, "data.set", "fashion"),
        (set("data", json!({"set": "digits"})), ErrorCode::Combination, "data.set", "10 classes"),
        (set("data", json!({"split": "dev"})), ErrorCode::UnknownId, "data.split", "test, train, validation"),
        (set("data", json!({"count": 10_001})), ErrorCode::Range, "data.count", "from 1 to 10000"),
        (set("data", json!({"test": 0})), ErrorCode::Range, "data.test", "from 1 to 10000"),
        (set("data", json!({"test": 5, "split": "test"})), ErrorCode::Combination, "data.test", "one split"),
        (set("data", json!({"test": 5, "train": 5})), ErrorCode::Combination, "data.train", "one split"),
        (set("data", json!({"test": 5, "count": 5})), ErrorCode::Combination, "data.test", "one split"),
        (
            quantize(json!({"weights": {"format": "int8"}, "layers": 5})),
            ErrorCode::Type,
            "steps.0.quantize.layers",
            "an object",
        ),
        (quantize(json!({"layers": {"fc1": {}}})), ErrorCode::MissingField, "steps.0.quantize.layers.fc1", "weights"),
        (steps(json!({})), ErrorCode::Type, "steps", "a list"),
        (steps(json!([{}])), ErrorCode::MissingField, "steps.0", "train, quantize"),
        (steps(json!([{"prune": {}}])), ErrorCode::UnknownField, "steps.0.prune", "train, quantize"),
        (
            steps(json!([{"train": {}, "quantize": {"weights": {"format": "int8"}}}])),
            ErrorCode::Combination,
            "steps.0",
            "one of",
        ),
        (
            steps(json!([{"quantize": {"weights": {"format": "int8"}}}, {"train": {}}])),
            ErrorCode::Combination,
            "steps.1",
            "train before",
        ),
        (steps(json!([{"train": {"epochs": 0}}])), ErrorCode::Range, "steps.0.train.epochs", "from 1 to 200"),
        (
            steps(json!([{"train": {"momentum": 0.9}}])),
            ErrorCode::Combination,
            "steps.0.train.momentum",
            "only with sgd",
        ),
        (steps(json!([{"train": {"set": "digits"}}])), ErrorCode::Combination, "steps.0.train.set", "[1, 28, 28]"),
        (quantize(json!({})), ErrorCode::MissingField, "steps.0.quantize", "weights"),
        (w(json!({})), ErrorCode::MissingField, "steps.0.quantize.weights.format", "fp32, fp16, bf16"),
        (w(json!({"format": "int9"})), ErrorCode::UnknownId, "steps.0.quantize.weights.format", "int8, int7"),
        (
            w(json!({"format": "int4", "granularity": "row"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.weights.granularity",
            "tensor, channel",
        ),
        (
            w(json!({"format": "int4", "range": "max"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.weights.range",
            "minmax, mse",
        ),
        (
            w(json!({"format": "int4", "symmetric": 1})),
            ErrorCode::Type,
            "steps.0.quantize.weights.symmetric",
            "true or false",
        ),
        (
            w(json!({"format": "binary", "symmetric": false})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.symmetric",
            "an integer format",
        ),
        (
            w(json!({"format": "int4", "bits": 4})),
            ErrorCode::UnknownField,
            "steps.0.quantize.weights.bits",
            "format, granularity",
        ),
        (
            w(json!({"format": "int4", "granularity": {"group": 3}})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.granularity.group",
            "a divisor of 784",
        ),
        (
            w(json!({"format": "int4", "granularity": {"group": 1}})),
            ErrorCode::Range,
            "steps.0.quantize.weights.granularity.group",
            "from 2 to 65536",
        ),
        (
            w(json!({"format": "int4", "granularity": {"size": 4}})),
            ErrorCode::MissingField,
            "steps.0.quantize.weights.granularity.group",
            "group",
        ),
        (
            w(json!({"format": "ternary", "granularity": {"group": 4}})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.granularity",
            "an integer format",
        ),
        (
            a(json!({"format": "binary", "symmetric": false})),
            ErrorCode::Combination,
            "steps.0.quantize.activations.symmetric",
            "an integer format",
        ),
        (a(json!({"format": "fp16"})), ErrorCode::UnknownId, "steps.0.quantize.activations.format", "int8"),
        (
            a(json!({"format": "int8", "granularity": "channel"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.activations.granularity",
            "tensor, token",
        ),
        (
            a(json!({"format": "int8", "granularity": "token"})),
            ErrorCode::Combination,
            "steps.0.quantize.activations.granularity",
            "\"mode\": \"dynamic\"",
        ),
        (
            a(json!({"format": "int8", "granularity": "token", "mode": "dynamic"})),
            ErrorCode::Combination,
            "steps.0.quantize.activations.granularity",
            "a model of text",
        ),
        (
            a(json!({"format": "int8", "mode": "lazy"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.activations.mode",
            "static, dynamic",
        ),
        (
            a(json!({"format": "int8", "mode": "dynamic", "calibration": "mse"})),
            ErrorCode::Combination,
            "steps.0.quantize.activations.mode",
            "no calibration",
        ),
        (
            a(json!({"format": "binary", "mode": "dynamic"})),
            ErrorCode::Combination,
            "steps.0.quantize.activations.mode",
            "an integer format",
        ),
        (
            with(|recipe| {
                recipe["model"] = json!("transformer-shakespeare");
                recipe["steps"] = json!([{"quantize": {"activations": {"format": "int8", "mode": "dynamic"}}}]);
            }),
            ErrorCode::Combination,
            "steps.0.quantize.activations.granularity",
            "token",
        ),
        (
            quantize(json!({"weights": {"format": "int8"}, "ends": "int8"})),
            ErrorCode::Combination,
            "steps.0.quantize.ends",
            "fewer bits",
        ),
        (
            quantize(json!({"weights": {"format": "int4"}, "ends": "int4"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.ends",
            "int8",
        ),
        (
            quantize(json!({"weights": {"format": "int4"}, "seed": 3})),
            ErrorCode::Combination,
            "steps.0.quantize.seed",
            "with a calibration",
        ),
        (
            a(json!({"format": "int8", "calibration": "luck"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.activations.calibration",
            "percentile",
        ),
        (
            a(json!({"format": "int8", "percentile": 99.0})),
            ErrorCode::Combination,
            "steps.0.quantize.activations.percentile",
            "only with percentile",
        ),
        (
            a(json!({"format": "int8", "images": 0})),
            ErrorCode::Range,
            "steps.0.quantize.activations.images",
            "from 1 to 2000",
        ),
        (
            quantize(json!({"layers": {"fc9": {}}})),
            ErrorCode::UnknownId,
            "steps.0.quantize.layers.fc9",
            "fc1, fc2, fc3",
        ),
    ];
    for (recipe, code, path, allowed) in cases {
        let error = refused(recipe.clone());
        assert_eq!((error.code, error.path.as_str()), (code, path), "{recipe}: {error}");
        assert!(error.allowed.contains(allowed), "{recipe}: {} lacks {allowed}", error.allowed);
        assert!(!error.found.is_empty(), "{recipe}");
    }
}

#[test]
fn missing_fields_are_named() {
    for field in ["version", "model", "seed", "steps"] {
        let recipe = with(|recipe| {
            recipe.as_object_mut().unwrap().remove(field);
        });
        let error = refused(recipe);
        assert_eq!((error.code, error.path.as_str()), (ErrorCode::MissingField, field));
    }
}

#[test]
fn defaults_are_written_out_and_what_a_format_lacks_is_dropped() {
    let recipe = quantize(json!({
        "weights": {"format": "fp16", "granularity": "channel", "range": "mse"},
        "layers": {"fc3": {"weights": {"format": "int8"}}},
    }));
    let step = &canonical(recipe)["steps"][0]["quantize"];
    assert_eq!(step["weights"], json!({"format": "fp16"}));
    let expected = json!({"format": "int8", "granularity": "channel", "symmetric": true, "range": "mse"});
    assert_eq!(step["layers"]["fc3"]["weights"], expected);
    let recipe = quantize(json!({
        "weights": {"format": "int4", "granularity": {"group": 4}},
        "activations": {"format": "binary", "calibration": "percentile", "percentile": 99.0, "images": 8},
        "layers": {"fc2": {"weights": {"format": "ternary"}}, "fc3": {"weights": {"format": "int8"}}},
    }));
    let step = &canonical(recipe)["steps"][0]["quantize"];
    assert_eq!(step["activations"], json!({"format": "binary", "granularity": "tensor", "images": 8}));
    let group =
        |format: &str| json!({"format": format, "granularity": {"group": 4}, "symmetric": true, "range": "minmax"});
    assert_eq!((&step["weights"], &step["layers"]["fc3"]["weights"]), (&group("int4"), &group("int8")));
    // A format that has no groups does not inherit one.
    let channel = json!({"format": "ternary", "granularity": "channel", "range": "minmax"});
    assert_eq!(step["layers"]["fc2"]["weights"], channel);
    // Ends are written out as layers of their own.
    let weights = json!({"format": "int4", "range": "mse"});
    let activations = json!({"format": "int4", "mode": "dynamic"});
    let layers = json!({"fc3": {"weights": {"format": "int6"}}});
    let step = quantize(json!({"weights": weights, "activations": activations, "ends": "int8", "layers": layers}));
    let step = &canonical(step)["steps"][0]["quantize"];
    let dynamic =
        |format: &str| json!({"format": format, "mode": "dynamic", "granularity": "tensor", "symmetric": true});
    let ranged = |format: &str| json!({"format": format, "granularity": "channel", "symmetric": true, "range": "mse"});
    assert_eq!(step.get("ends"), None);
    assert_eq!((&step["activations"], &step["weights"]), (&dynamic("int4"), &ranged("int4")));
    assert_eq!(step["layers"]["fc1"], json!({"weights": ranged("int8"), "activations": dynamic("int8")}));
    assert_eq!(step["layers"]["fc3"], json!({"weights": ranged("int6"), "activations": dynamic("int8")}));
    assert_eq!(canonical(quantize(step.clone()))["steps"][0]["quantize"], *step);
    let whole = canonical(base());
    assert_eq!(whole["data"], json!({"set": "fashion", "split": "test", "count": 10000}));
    assert_eq!((&whole["execution"], &whole["storage"]), (&json!("integer"), &json!("auto")));
}

#[test]
fn the_canonical_form_is_its_own_canonical_form() {
    let recipe = with(|recipe| {
        recipe["data"] = json!({"validation": 100});
        recipe["steps"] = json!([
            {"train": {"optimizer": "sgd", "epochs": 2}},
            {"quantize": {"weights": {"format": "int4"}, "activations": {"format": "int8", "calibration": "percentile"}}},
        ]);
    });
    let once = canonical(recipe);
    assert_eq!(once["data"], json!({"set": "fashion", "split": "validation", "count": 100}));
    assert_eq!(canonical(once.clone()), once);
}
