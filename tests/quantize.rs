//! Transforms and roundings as recipes say them: what is refused, what canonical forms hold, and that folding batch norms
//! changes no answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::{CoreError, ErrorCode};
use featherweight::models;
use featherweight::recipe::{Outcome, Recipe, run};
use featherweight::task::{Context, Task};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn recipe(model: &str, step: &Value) -> Value {
    json!({"version": 1, "model": model, "seed": 7, "steps": [{"quantize": step}]})
}

fn parse(model: &str, step: &Value) -> Result<Value, CoreError> {
    let library = models::library().unwrap();
    Recipe::parse(recipe(model, step), &library).map(|recipe| recipe.canonical()["steps"][0]["quantize"].clone())
}

fn outcome(recipe: Value) -> Outcome {
    let mut library = models::library().unwrap();
    let recipe = Recipe::parse(recipe, &library).unwrap();
    for asset in recipe.needs(&library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = Rc::new(RefCell::new(library));
    Task::new(Rc::new(Context::new(1)), |ctx| run(ctx, recipe, library, Rc::default(), None)).finish().unwrap()
}

#[test]
fn refusals_name_path_and_what_is_allowed() {
    let int4 = |more: Value| {
        let mut weights = json!({"format": "int4"});
        weights.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"weights": weights})
    };
    let mobilenet = "mobilenet-fashion";
    let cases = [
        (
            mobilenet,
            json!({"transforms": ["unfold"]}),
            ErrorCode::UnknownId,
            "transforms.0",
            "fold-batchnorm, equalize",
        ),
        (mobilenet, json!({"transforms": [3]}), ErrorCode::UnknownId, "transforms.0", "fold-batchnorm"),
        (
            mobilenet,
            json!({"transforms": ["equalize"]}),
            ErrorCode::Combination,
            "transforms.0",
            "fold-batchnorm before",
        ),
        (
            mobilenet,
            json!({"transforms": ["fold-batchnorm", "fold-batchnorm"]}),
            ErrorCode::Combination,
            "transforms.1",
            "each transform once",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["equalize", "fold-batchnorm"]}),
            ErrorCode::Combination,
            "transforms.1",
            "fold-batchnorm before equalize",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["fold-batchnorm"]}),
            ErrorCode::Combination,
            "transforms.0",
            "batch norms",
        ),
        (mobilenet, int4(json!({"rounding": "floor"})), ErrorCode::UnknownId, "weights.rounding", "nearest, gptq"),
        (mobilenet, int4(json!({"damping": 0.1})), ErrorCode::Combination, "weights.damping", "only with gptq"),
        (mobilenet, int4(json!({"act_order": true})), ErrorCode::Combination, "weights.act_order", "only with gptq"),
        (
            mobilenet,
            int4(json!({"rounding": "gptq", "iterations": 500})),
            ErrorCode::Combination,
            "weights.iterations",
            "only with adaround",
        ),
        (
            mobilenet,
            json!({"weights": {"format": "fp16", "rounding": "adaround"}}),
            ErrorCode::Combination,
            "weights.rounding",
            "an integer format",
        ),
        (
            mobilenet,
            json!({"weights": {"format": "int4", "rounding": "adaround"}, "correction": "bias"}),
            ErrorCode::Combination,
            "correction",
            "either of the two",
        ),
        (
            mobilenet,
            json!({"transforms": ["fold-batchnorm"], "correction": "bias"}),
            ErrorCode::Combination,
            "correction",
            "with weights",
        ),
        (
            mobilenet,
            json!({"weights": {"format": "int4"}, "images": 8}),
            ErrorCode::Combination,
            "images",
            "only with gptq, adaround, smoothquant",
        ),
        (
            mobilenet,
            json!({"activations": {"format": "int8", "calibration": "entropy", "symmetric": false}}),
            ErrorCode::Combination,
            "activations.calibration",
            "\"symmetric\": true",
        ),
        (
            mobilenet,
            int4(json!({"rounding": "hqq", "symmetric": true})),
            ErrorCode::Combination,
            "weights.symmetric",
            "false",
        ),
        (
            mobilenet,
            json!({"weights": {"format": "ternary", "rounding": "hqq"}}),
            ErrorCode::Combination,
            "weights.rounding",
            "int2 to int8",
        ),
        (mobilenet, json!({"transforms": ["smoothquant"]}), ErrorCode::Combination, "transforms.0", "can be folded"),
        (
            mobilenet,
            json!({"transforms": ["fold-batchnorm", "awq"], "weights": {"format": "int4"}}),
            ErrorCode::Combination,
            "transforms.1",
            "can be folded",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["smoothquant", "awq"]}),
            ErrorCode::Combination,
            "transforms.1",
            "one of equalize, smoothquant, awq",
        ),
        (
            "resnet8-fashion",
            json!({"transforms": ["smoothquant", "fold-batchnorm"]}),
            ErrorCode::Combination,
            "transforms.1",
            "fold-batchnorm before smoothquant",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["smoothquant"], "weights": {"format": "int4"}}),
            ErrorCode::Combination,
            "transforms",
            "with activations, or awq",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["awq"], "weights": {"format": "fp16"}}),
            ErrorCode::Combination,
            "transforms",
            "an integer format",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["awq"], "weights": {"format": "int4", "range": "mse"}}),
            ErrorCode::Combination,
            "transforms",
            "minmax",
        ),
        (
            "lenet5-fashion",
            json!({"weights": {"format": "fp16"}, "bits": {"budget": 4}}),
            ErrorCode::Combination,
            "bits",
            "int2 to int8",
        ),
        (
            "lenet5-fashion",
            json!({"weights": {"format": "int4"}, "bits": {"budget": 1}}),
            ErrorCode::Range,
            "bits.budget",
            "from 2 to 8",
        ),
        (
            "lenet300-fashion",
            json!({"activations": {"format": "int8", "granularity": "token"}}),
            ErrorCode::Combination,
            "activations.granularity",
            "\"mode\": \"dynamic\"",
        ),
        (
            "lenet300-fashion",
            json!({"activations": {"format": "int8", "granularity": "token", "mode": "dynamic"}}),
            ErrorCode::Combination,
            "activations.granularity",
            "a model of text",
        ),
        (
            "lenet300-fashion",
            json!({"activations": {"format": "int8", "mode": "lazy"}}),
            ErrorCode::UnknownId,
            "activations.mode",
            "static, dynamic",
        ),
        (
            "lenet300-fashion",
            json!({"activations": {"format": "int8", "mode": "dynamic", "calibration": "mse"}}),
            ErrorCode::Combination,
            "activations.mode",
            "no calibration",
        ),
        (
            "lenet300-fashion",
            json!({"activations": {"format": "binary", "mode": "dynamic"}}),
            ErrorCode::Combination,
            "activations.mode",
            "an integer format",
        ),
        (
            "transformer-shakespeare",
            json!({"activations": {"format": "int8", "mode": "dynamic"}}),
            ErrorCode::Combination,
            "activations.granularity",
            "token",
        ),
        (
            "lenet300-fashion",
            json!({"weights": {"format": "int8"}, "ends": "int8"}),
            ErrorCode::Combination,
            "ends",
            "fewer bits",
        ),
        (
            "lenet300-fashion",
            json!({"weights": {"format": "int4"}, "ends": "int4"}),
            ErrorCode::UnknownId,
            "ends",
            "int8",
        ),
        (
            "lenet300-fashion",
            json!({"weights": {"format": "int4"}, "seed": 3}),
            ErrorCode::Combination,
            "seed",
            "with a calibration",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["awq", "hadamard"], "weights": {"format": "int4"}}),
            ErrorCode::Combination,
            "transforms.1",
            "either of the two",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["hadamard", "equalize"]}),
            ErrorCode::Combination,
            "transforms.1",
            "equalize before hadamard",
        ),
        (
            "lenet5-fashion",
            json!({"kv_cache": {"format": "int8"}}),
            ErrorCode::Combination,
            "kv_cache",
            "a model of text",
        ),
        (
            "transformer-shakespeare",
            json!({"kv_cache": {"format": "mxfp4"}}),
            ErrorCode::UnknownId,
            "kv_cache.format",
            "int8",
        ),
        (
            "transformer-shakespeare",
            json!({"kv_cache": {"format": "int8"}, "images": 8}),
            ErrorCode::Combination,
            "images",
            "channels of kv_cache",
        ),
        ("lenet5-fashion", int4(json!({"alpha": 0.5})), ErrorCode::UnknownField, "weights.alpha", "format"),
        (
            "lenet5-fashion",
            json!({"weights": {"format": "int4"}, "alpha": 0.5}),
            ErrorCode::Combination,
            "alpha",
            "only with smoothquant",
        ),
        (
            "lenet5-fashion",
            json!({"transforms": ["smoothquant"], "alpha": 1.5}),
            ErrorCode::Range,
            "alpha",
            "from 0 to 1",
        ),
    ];
    for (model, step, code, path, allowed) in cases {
        let error = parse(model, &step).unwrap_err();
        let wanted = format!("steps.0.quantize.{path}");
        assert_eq!((error.code, error.path.as_str()), (code, wanted.as_str()), "{step}");
        assert!(error.allowed.contains(allowed), "{step}: {error}");
    }
}

#[test]
fn the_canonical_form_holds_what_is_used() {
    let step = json!({
        "transforms": ["fold-batchnorm"], "weights": {"format": "int4", "rounding": "gptq"},
        "layers": {"fc": {"weights": {"format": "fp32"}}, "pw1": {"weights": {"rounding": "nearest"}}},
    });
    let found = parse("mobilenet-fashion", &step).unwrap();
    assert_eq!(
        found["weights"],
        json!({"format": "int4", "granularity": "channel", "symmetric": true, "range": "minmax",
               "rounding": "gptq", "damping": 0.01, "act_order": false})
    );
    assert_eq!((&found["images"], &found["transforms"]), (&json!(256), &json!(["fold-batchnorm"])));
    assert_eq!(found["layers"]["fc"]["weights"], json!({"format": "fp32"}));
    assert_eq!(found["layers"]["pw1"]["weights"]["rounding"], "nearest");
    assert_eq!(parse("mobilenet-fashion", &found).unwrap(), found);
    let plain = parse("mobilenet-fashion", &json!({"weights": {"format": "int4", "rounding": "nearest"}})).unwrap();
    assert_eq!((plain.get("images"), plain["weights"].get("rounding"), plain.get("transforms")), (None, None, None));
}

#[test]
fn folding_changes_no_answer_of_any_network_with_norms() {
    let mut seen = 0;
    for (model, entry) in models::zoo().unwrap().iter() {
        let step = json!({"transforms": ["fold-batchnorm"]});
        if parse(model, &step).is_err() {
            continue;
        }
        seen += 1;
        let report = outcome(recipe(model, &step)).report.unwrap();
        assert_eq!((report.accuracy.correct, report.accuracy.total), (entry.correct, entry.total), "{model}");
        assert_eq!(report.baseline.accuracy.correct, entry.correct, "{model}");
        assert!(report.size.bytes < report.baseline.size.bytes && report.size.ledger.other == 0);
        // Layers are matched by name: nothing was rounded, so none has noise, and none is a batch norm.
        assert!(report.layers.iter().all(|layer| layer.op != "batch_norm" && layer.sqnr_db.is_none()), "{model}");
    }
    assert!(seen >= 2);
}

#[test]
fn shared_out_bits_stay_within_their_budget_and_own_entries_stand() {
    let bits = json!({"budget": 3.0, "images": 64});
    let step = json!({"weights": {"format": "int3"}, "bits": bits});
    let canonical = parse("lenet5-fashion", &step).unwrap();
    assert_eq!(canonical["bits"], json!({"budget": 3.0, "by": "sensitivity", "images": 64}));
    assert_eq!(parse("lenet5-fashion", &canonical).unwrap(), canonical);
    let mut asked = recipe("lenet5-fashion", &step);
    asked["data"] = json!({"validation": 64});
    let chosen = outcome(asked).report.unwrap();
    let width = |format: &str| format.strip_prefix("int").unwrap().parse::<u64>().unwrap();
    let (mut codes, mut weights, mut widths) = (0, 0, Vec::new());
    for layer in &chosen.layers {
        widths.push(width(&layer.weight_format));
    }
    let counts = [6 * 25, 16 * 6 * 25, 400 * 120, 120 * 84, 84 * 10];
    for (count, width) in counts.iter().zip(&widths) {
        codes += count * width;
        weights += count;
    }
    assert!(codes <= 3 * weights && widths.iter().any(|width| *width != 3), "{widths:?}");
    // What a recipe says of a layer stands.
    let layers = json!({"fc1": {"weights": {"format": "int8"}}});
    let mut kept = recipe("lenet5-fashion", &json!({"weights": {"format": "int3"}, "bits": bits, "layers": layers}));
    kept["data"] = json!({"validation": 64});
    let kept = outcome(kept).report.unwrap();
    assert_eq!(kept.layers.iter().find(|layer| layer.name == "fc1").unwrap().weight_format, "int8");
}
