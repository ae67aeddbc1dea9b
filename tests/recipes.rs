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
    let through = |train: Value| steps(json!([{"quantize": {"weights": {"format": "int8"}}}, {"train": train}]));
    let cases = [
        (json!(3), ErrorCode::Type, "", "an object"),
        (set("version", json!(2)), ErrorCode::Version, "version", "1"),
        (set("model", json!("resnet-9000")), ErrorCode::UnknownId, "model", "lenet5-fashion"),
        (set("seed", json!(-1)), ErrorCode::Range, "seed", "a whole number from 0"),
        (set("seed", json!("x")), ErrorCode::Type, "seed", "a whole number from 0"),
        (set("sede", json!(1)), ErrorCode::UnknownField, "sede", "seed"),
        (set("init", json!("warm")), ErrorCode::UnknownId, "init", "zoo, random"),
        (set("targets", json!(["h100_sxm", "h100"])), ErrorCode::UnknownId, "targets.1", "this-browser, p100"),
        (set("targets", json!("this-browser")), ErrorCode::Type, "targets", "a list"),
        (set("targets", json!(vec!["this-browser"; 39])), ErrorCode::Range, "targets", "at most 38"),
        (set("execution", json!("gpu")), ErrorCode::UnknownId, "execution", "integer, fake"),
        (set("storage", json!("coo")), ErrorCode::UnknownId, "storage", "auto, dense, bitmask, csr5, nm, block"),
        (set("storage", json!(["dense"])), ErrorCode::Type, "storage", "auto, dense, bitmask"),
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
        (steps(json!([{"shrink": {}}])), ErrorCode::UnknownField, "steps.0.shrink", "train, quantize, prune"),
        (
            steps(json!([{"train": {}, "quantize": {"weights": {"format": "int8"}}}])),
            ErrorCode::Combination,
            "steps.0",
            "one of",
        ),
        (through(json!({"estimator": "st"})), ErrorCode::UnknownId, "steps.1.train.estimator", "ste, lsq, pact"),
        (through(json!({"estimator": "pact"})), ErrorCode::Combination, "steps.1.train.estimator", "activations"),
        (through(json!({"clip_decay": 0.1})), ErrorCode::Combination, "steps.1.train.clip_decay", "only with pact"),
        (
            steps(json!([{"train": {"clip_decay": 0.1}}])),
            ErrorCode::Combination,
            "steps.0.train.clip_decay",
            "only with pact",
        ),
        (
            steps(json!([{"train": {"estimator": "ste"}}])),
            ErrorCode::Combination,
            "steps.0.train.estimator",
            "after a quantize step",
        ),
        (
            steps(json!([{"quantize": {"weights": {"format": "fp8-e4m3"}}}, {"train": {"estimator": "lsq"}}])),
            ErrorCode::Combination,
            "steps.1.train.estimator",
            "whole numbers",
        ),
        (
            steps(json!([{"quantize": {"weights": {"format": "kmeans"}}}, {"train": {"estimator": "lsq"}}])),
            ErrorCode::Combination,
            "steps.1.train.estimator",
            "whole numbers",
        ),
        (
            steps(json!([{"quantize": {"activations": {"format": "binary"}}}, {"train": {"estimator": "pact"}}])),
            ErrorCode::Combination,
            "steps.1.train.estimator",
            "activations",
        ),
        (
            steps(json!([{"quantize": {"activations": {"format": "int8"}}},
                         {"train": {"estimator": "pact", "clip_decay": 2}}])),
            ErrorCode::Range,
            "steps.1.train.clip_decay",
            "from 0 to 1",
        ),
        (
            steps(json!([{"quantize": {"weights": {"format": "int4", "rounding": "gptq"}}}, {"train": {}}])),
            ErrorCode::Combination,
            "steps.1.train",
            "rounding to the nearest",
        ),
        (
            steps(json!([{"quantize": {"weights": {"format": "int4"}}}, {"train": {}},
                         {"quantize": {"weights": {"format": "int4"}}}])),
            ErrorCode::Combination,
            "steps.2",
            "one quantize step",
        ),
        (
            w(json!({"format": "int2", "range": "absmean"})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.range",
            "only with ternary",
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
            w(json!({"format": "int4", "width": 4})),
            ErrorCode::UnknownField,
            "steps.0.quantize.weights.width",
            "format, bits, huffman, granularity",
        ),
        (
            w(json!({"format": "int4", "bits": 4})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.bits",
            "only with kmeans",
        ),
        (
            w(json!({"format": "nf4", "granularity": "channel", "huffman": true})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.huffman",
            "only with kmeans",
        ),
        (w(json!({"format": "kmeans", "bits": 9})), ErrorCode::Range, "steps.0.quantize.weights.bits", "from 2 to 8"),
        (
            w(json!({"format": "kmeans", "rounding": "adaround"})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.rounding",
            "an integer format, or ternary",
        ),
        (
            w(json!({"format": "int4", "scale": "round"})),
            ErrorCode::UnknownId,
            "steps.0.quantize.weights.scale",
            "float, power-of-two",
        ),
        (
            w(json!({"format": "int4", "scale": "power-of-two", "symmetric": false})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.scale",
            "a symmetric integer format",
        ),
        (
            w(json!({"format": "ternary", "scale": "power-of-two"})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.scale",
            "a symmetric integer format",
        ),
        (
            w(json!({"format": "mxfp4"})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.format",
            "rows that 32 divides, or another format for fc1",
        ),
        (
            quantize(json!({"weights": {"format": "int4"}, "layers": {"fc2": {"weights": {"format": "nvfp4"}}}})),
            ErrorCode::Combination,
            "steps.0.quantize.layers.fc2.weights.format",
            "rows that 16 divides, or another format for fc2",
        ),
        (
            w(json!({"format": "tq1_0"})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.format",
            "rows that 256 divides",
        ),
        (
            w(json!({"format": "nf4"})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.granularity.group",
            "a divisor of 784",
        ),
        (
            w(json!({"format": "fp4-e2m1", "granularity": {"group": 4}})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.granularity",
            "an integer format",
        ),
        (
            w(json!({"format": "kmeans", "symmetric": false})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.symmetric",
            "an integer format",
        ),
        (
            w(json!({"format": "mxfp8", "symmetric": false})),
            ErrorCode::Combination,
            "steps.0.quantize.weights.symmetric",
            "an integer format",
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
fn blocks_and_codebooks_have_no_granularity_and_say_all_they_have() {
    let recipe = quantize(json!({
        "weights": {"format": "kmeans", "granularity": "channel", "range": "mse"},
        "layers": {
            "fc1": {"weights": {"format": "nvfp4", "granularity": {"group": 4}}},
            "fc2": {"weights": {"format": "nf4", "granularity": {"group": 20}}},
            "fc3": {"weights": {"bits": 3, "huffman": true}},
        },
    }));
    let step = &canonical(recipe)["steps"][0]["quantize"];
    assert_eq!(step["weights"], json!({"format": "kmeans", "bits": 5, "huffman": false}));
    assert_eq!(step["layers"]["fc1"]["weights"], json!({"format": "nvfp4"}));
    assert_eq!(step["layers"]["fc2"]["weights"], json!({"format": "nf4", "granularity": {"group": 20}}));
    assert_eq!(step["layers"]["fc3"]["weights"], json!({"format": "kmeans", "bits": 3, "huffman": true}));
    let digits = with(|recipe| {
        recipe["model"] = json!("mlp-digits");
        let three = json!({"fc3": {"weights": {"format": "mxfp8"}}});
        recipe["steps"] = json!([{"quantize": {"weights": {"format": "nf4"}, "layers": three}}]);
    });
    let once = canonical(digits);
    let weights = &once["steps"][0]["quantize"]["weights"];
    assert_eq!(*weights, json!({"format": "nf4", "granularity": {"group": 64}}));
    assert_eq!(canonical(once.clone()), once);
}

#[test]
fn powers_of_two_are_inherited_and_departed_from() {
    let once = canonical(quantize(json!({
        "weights": {"format": "int4", "scale": "power-of-two"},
        "layers": {
            "fc1": {"weights": {"format": "int8"}},
            "fc2": {"weights": {"scale": "float"}},
            "fc3": {"weights": {"format": "ternary"}},
        },
    })));
    let step = &once["steps"][0]["quantize"];
    assert_eq!(step["weights"]["scale"], json!("power-of-two"));
    let of = |layer: &str| step["layers"][layer]["weights"].get("scale").cloned();
    assert_eq!((of("fc1"), of("fc2"), of("fc3")), (Some(json!("power-of-two")), Some(json!("float")), None));
    assert_eq!(canonical(once.clone()), once);
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

#[test]
fn the_estimator_is_written_where_something_is_rounded_and_only_there() {
    let train = |quantize: Value, train: Value| {
        let recipe = with(|recipe| recipe["steps"] = json!([{"quantize": quantize}, {"train": train}]));
        let once = canonical(recipe);
        assert_eq!(canonical(once.clone()), once);
        once["steps"][1]["train"].clone()
    };
    let weights = json!({"weights": {"format": "int2"}});
    let plain = train(weights.clone(), json!({}));
    assert_eq!((&plain["estimator"], plain.get("clip_decay")), (&json!("ste"), None));
    assert_eq!(train(weights.clone(), json!({"estimator": "lsq"}))["estimator"], json!("lsq"));
    let pact = train(json!({"activations": {"format": "int4"}}), json!({"estimator": "pact"}));
    assert_eq!((&pact["estimator"], &pact["clip_decay"]), (&json!("pact"), &json!(0.0002)));
    let before = canonical(with(|recipe| recipe["steps"] = json!([{"train": {}}, {"quantize": weights}])));
    assert_eq!(before["steps"][0]["train"].get("estimator"), None);
    // A range that only one format has is not passed on to a layer of another.
    let ternary = json!({"weights": {"format": "ternary", "range": "absmean"}, "layers": {"fc3": {"weights": {"format": "int8"}}}});
    let step = &canonical(quantize(ternary))["steps"][0]["quantize"];
    assert_eq!(step["weights"]["range"], json!("absmean"));
    assert_eq!(step["layers"]["fc3"]["weights"]["range"], json!("minmax"));
}
