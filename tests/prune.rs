//! What recipes may say of pruning: refusals name the path and what is allowed; canonical forms say everything.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::{CoreError, ErrorCode};
use featherweight::models;
use featherweight::recipe::Recipe;
use serde_json::{Value, json};

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut recipe = json!({"version": 1, "model": "lenet300-fashion", "seed": 7, "init": "random", "steps": []});
    change(&mut recipe);
    recipe
}

fn refused(recipe: Value) -> CoreError {
    match Recipe::parse(recipe.clone(), &models::library().unwrap()) {
        Ok(_) => panic!("{recipe} was accepted"),
        Err(error) => error,
    }
}

fn canonical(recipe: Value) -> Value {
    Recipe::parse(recipe, &models::library().unwrap()).unwrap().canonical()
}

fn prune(step: Value) -> Value {
    with(|recipe| recipe["steps"] = json!([{"prune": step}]))
}

#[test]
fn pruning_says_what_does_not_go_together() {
    let gradual = json!({"kind": "gradual"});
    let scheduled = |method: &str, schedule: Value| {
        let step = json!({"prune": {"method": method, "sparsity": 0.5, "schedule": schedule}});
        with(|recipe| recipe["steps"] = json!([step, {"train": {}}]))
    };
    let cases = [
        (prune(json!({})), ErrorCode::MissingField, "sparsity", "sparsity"),
        (prune(json!({"sparsity": 1.0})), ErrorCode::Range, "sparsity", "0.999"),
        (prune(json!({"sparsity": 0.5, "method": "luck"})), ErrorCode::UnknownId, "method", "magnitude, lamp, random"),
        (prune(json!({"sparsity": 0.5, "scope": "world"})), ErrorCode::UnknownId, "scope", "global, layer, row"),
        (prune(json!({"sparsity": 0.5, "pattern": "stripes"})), ErrorCode::UnknownId, "pattern", "unstructured"),
        (prune(json!({"pattern": {}})), ErrorCode::MissingField, "pattern", "nm, block"),
        (prune(json!({"pattern": {"nm": [4, 4]}})), ErrorCode::Range, "pattern.nm", "fewer than all"),
        (prune(json!({"pattern": {"nm": [2, 128]}})), ErrorCode::Range, "pattern.nm", "at most 64"),
        (prune(json!({"pattern": {"nm": [2]}})), ErrorCode::Range, "pattern.nm", "[n, m]"),
        (prune(json!({"pattern": {"block": [0, 4]}})), ErrorCode::Range, "pattern.block", "from 1 to 64"),
        (prune(json!({"pattern": {"nm": [2, 4], "block": [4, 4]}})), ErrorCode::Combination, "pattern", "either"),
        (prune(json!({"pattern": {"nm": [2, 4]}, "sparsity": 0.5})), ErrorCode::Combination, "sparsity", "without it"),
        (prune(json!({"pattern": {"nm": [2, 4]}, "scope": "layer"})), ErrorCode::Combination, "scope", "without it"),
        (
            prune(json!({"pattern": {"nm": [2, 4]}, "layers": {"fc1": {"sparsity": 0.5}}})),
            ErrorCode::Combination,
            "layers.fc1.sparsity",
            "keep",
        ),
        (
            prune(json!({"sparsity": 0.5, "layers": {"fc9": "keep"}})),
            ErrorCode::UnknownId,
            "layers.fc9",
            "fc1, fc2, fc3",
        ),
        (prune(json!({"sparsity": 0.5, "layers": {"fc1": "go"}})), ErrorCode::UnknownId, "layers.fc1", "keep"),
        (
            prune(json!({"sparsity": 0.5, "layers": {"fc1": {}}})),
            ErrorCode::MissingField,
            "layers.fc1.sparsity",
            "sparsity",
        ),
        (
            prune(json!({"sparsity": 0.5, "scope": "layer", "method": "lamp"})),
            ErrorCode::Combination,
            "scope",
            "global",
        ),
        (prune(json!({"sparsity": 0.5, "scope": "layer", "method": "wanda"})), ErrorCode::Combination, "scope", "row"),
        (
            prune(json!({"sparsity": 0.5, "method": "lamp", "pattern": {"block": [2, 2]}})),
            ErrorCode::Combination,
            "pattern",
            "unstructured",
        ),
        (
            prune(json!({"sparsity": 0.5, "method": "sparsegpt", "pattern": {"block": [2, 2]}})),
            ErrorCode::Combination,
            "pattern",
            "unstructured, nm",
        ),
        (prune(json!({"sparsity": 0.5, "images": 64})), ErrorCode::Combination, "images", "wanda, sparsegpt"),
        (prune(json!({"pattern": "input"})), ErrorCode::MissingField, "sparsity", "sparsity"),
        (
            prune(json!({"pattern": "input", "sparsity": 0.5, "threshold": 0.1})),
            ErrorCode::Combination,
            "threshold",
            "either of the two",
        ),
        (prune(json!({"pattern": "input", "threshold": -1})), ErrorCode::Range, "threshold", "from 0 to"),
        (
            prune(json!({"pattern": "input", "threshold": 0.1, "images": 8})),
            ErrorCode::Combination,
            "images",
            "with a sparsity",
        ),
        (
            prune(json!({"pattern": "input", "sparsity": 0.5, "method": "magnitude"})),
            ErrorCode::UnknownField,
            "method",
            "pattern, sparsity, threshold",
        ),
        (
            prune(json!({"pattern": "input", "sparsity": 0.5, "layers": {"fc9": "keep"}})),
            ErrorCode::UnknownId,
            "layers.fc9",
            "fc1, fc2, fc3",
        ),
        (prune(json!({"ratios": {}})), ErrorCode::MissingField, "ratios.budget", "budget"),
        (prune(json!({"ratios": {"budget": 0.01}})), ErrorCode::Range, "ratios.budget", "from 0.02 to 1"),
        (prune(json!({"ratios": {"budget": 0.5, "of": "bytes"}})), ErrorCode::UnknownId, "ratios.of", "weights, macs"),
        (
            prune(json!({"ratios": {"budget": 0.5}, "sparsity": 0.5})),
            ErrorCode::Combination,
            "ratios",
            "either of the two",
        ),
        (
            prune(json!({"ratios": {"budget": 0.5}, "pattern": {"nm": [2, 4]}})),
            ErrorCode::Combination,
            "ratios",
            "either",
        ),
        (prune(json!({"ratios": {"budget": 0.5}, "method": "lamp"})), ErrorCode::Combination, "ratios", "either"),
        (prune(json!({"ratios": {"budget": 0.5}, "scope": "global"})), ErrorCode::Combination, "ratios", "either"),
        (
            with(|recipe| {
                let ratios = json!({"budget": 0.5});
                recipe["steps"] =
                    json!([{"prune": {"ratios": ratios, "schedule": {"kind": "gradual"}}}, {"train": {}}]);
            }),
            ErrorCode::Combination,
            "ratios",
            "either",
        ),
        (prune(json!({"sparsity": 0.5, "seed": 1})), ErrorCode::Combination, "seed", "wanda, sparsegpt"),
        (prune(json!({"sparsity": 0.5, "schedule": gradual})), ErrorCode::Combination, "schedule", "a train step next"),
        (prune(json!({"sparsity": 0.5, "schedule": {}})), ErrorCode::MissingField, "schedule.kind", "kind"),
        (
            prune(json!({"sparsity": 0.5, "schedule": {"kind": "gradual", "rounds": 3}})),
            ErrorCode::UnknownField,
            "schedule.rounds",
            "from, end, every",
        ),
        (scheduled("taylor", gradual.clone()), ErrorCode::Combination, "schedule", "one-shot"),
        (scheduled("movement", json!({"kind": "iterative"})), ErrorCode::Combination, "schedule", "gradual from 0"),
        (scheduled("movement", json!({"kind": "one-shot"})), ErrorCode::Combination, "schedule", "gradual from 0"),
        (
            with(|recipe| {
                let step = json!({"pattern": {"nm": [2, 4]}, "schedule": {"kind": "gradual"}});
                recipe["steps"] = json!([{"prune": step}, {"train": {}}]);
            }),
            ErrorCode::Combination,
            "schedule",
            "lottery of 1 round",
        ),
    ];
    for (recipe, code, path, allowed) in cases {
        let error = refused(recipe.clone());
        let path = format!("steps.0.prune.{path}");
        assert_eq!((error.code, &error.path), (code, &path), "{recipe}: {error}");
        assert!(error.allowed.contains(allowed), "{recipe}: {} lacks {allowed}", error.allowed);
    }
    let step = json!({"prune": {"sparsity": 0.5}});
    let rounding = |transforms: Value| json!({"quantize": {"weights": {"format": "int8"}, "transforms": transforms}});
    let inputs = json!({"prune": {"pattern": "input", "sparsity": 0.5}});
    for steps in [
        json!([rounding(json!([])), step]),
        json!([step, rounding(json!(["hadamard"]))]),
        json!([rounding(json!([])), inputs]),
        json!([inputs, inputs]),
        json!([inputs, rounding(json!(["equalize"]))]),
    ] {
        let error = refused(with(|recipe| recipe["steps"] = steps));
        assert_eq!((error.code, error.path.as_str()), (ErrorCode::Combination, "steps.1"), "{error}");
    }
}

#[test]
fn pruning_is_written_out_whole() {
    let written = |step: Value| {
        let found = canonical(with(|recipe| recipe["steps"] = json!([{"prune": step}, {"train": {}}])));
        assert_eq!(canonical(found.clone()), found);
        found["steps"][0]["prune"].clone()
    };
    assert_eq!(
        written(json!({"sparsity": 0.5, "keep_last": true, "layers": {"fc1": {"sparsity": 0.7}}})),
        json!({"method": "magnitude", "pattern": "unstructured", "scope": "global", "sparsity": 0.5,
               "layers": {"fc1": {"sparsity": 0.7}, "fc3": "keep"}})
    );
    assert_eq!(
        written(json!({"method": "wanda", "pattern": {"nm": [2, 4]}, "layers": {"fc3": "keep"}})),
        json!({"method": "wanda", "pattern": {"nm": [2, 4]}, "images": 256, "layers": {"fc3": "keep"}})
    );
    assert_eq!(
        written(json!({"pattern": "input", "threshold": 0.1, "layers": {"fc3": "keep"}})),
        json!({"pattern": "input", "threshold": 0.1, "layers": {"fc3": "keep"}})
    );
    assert_eq!(
        written(json!({"pattern": "input", "threshold": 0.1, "layers": {"fc3": {"sparsity": 0.4}}, "seed": 3})),
        json!({"pattern": "input", "threshold": 0.1, "layers": {"fc3": {"sparsity": 0.4}}, "images": 256, "seed": 3})
    );
    assert_eq!(
        written(json!({"ratios": {"budget": 0.2}, "layers": {"fc3": "keep"}})),
        json!({"method": "magnitude", "pattern": "unstructured", "scope": "layer", "layers": {"fc3": "keep"},
               "ratios": {"budget": 0.2, "of": "weights", "images": 200}})
    );
    assert_eq!(
        written(json!({"sparsity": 0.5, "schedule": {"kind": "gradual"}}))["schedule"],
        json!({"kind": "gradual", "from": 0.0, "end": 0.75, "every": 8})
    );
    assert_eq!(
        written(json!({"sparsity": 0.5, "schedule": {"kind": "lottery"}}))["schedule"],
        json!({"kind": "lottery", "rounds": 5, "rewind": "weights"})
    );
}
