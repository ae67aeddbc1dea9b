//! The border to JavaScript, in a real browser: errors as plain objects, jobs in slices, and the bits of golden recipes.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::rng::Rng;
use featherweight::simd::{F32x8, I32x8, Lane, portable, words};
use featherweight::web::{Engine, Job, identity};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const WEIGHTS: &[u8] = include_bytes!("../models/mlp-digits.safetensors");
const TRAIN: &[u8] = include_bytes!("../data/digits/train-00.fws");
const TRAIN_1: &[u8] = include_bytes!("../data/digits/train-01.fws");
const TEST: &[u8] = include_bytes!("../data/digits/test-00.fws");

fn js(text: &str) -> JsValue {
    js_sys::JSON::parse(text).unwrap()
}

fn get(value: &JsValue, path: &str) -> JsValue {
    path.split('.').fold(value.clone(), |value, name| js_sys::Reflect::get(&value, &name.into()).unwrap())
}

fn text(value: &JsValue, path: &str) -> String {
    get(value, path).as_string().unwrap_or_else(|| panic!("{path} is no text"))
}

fn engine() -> Engine {
    let engine = Engine::new().unwrap();
    for (path, bytes) in [
        ("models/mlp-digits.safetensors", WEIGHTS),
        ("data/digits/train-00.fws", TRAIN),
        ("data/digits/train-01.fws", TRAIN_1),
        ("data/digits/test-00.fws", TEST),
    ] {
        engine.provide(path, bytes).unwrap();
        assert!(engine.has(path));
    }
    engine
}

fn finish(job: &mut Job, budget: f64) -> u32 {
    for calls in 1.. {
        let progress: JsValue = job.advance(budget).unwrap().into();
        if get(&progress, "done").is_truthy() {
            return calls;
        }
    }
    unreachable!()
}

#[wasm_bindgen_test]
fn identity_says_which_engine() {
    let identity: JsValue = identity().into();
    assert_eq!(text(&identity, "engine"), env!("CARGO_PKG_VERSION"));
}

#[wasm_bindgen_test]
fn vectors_equal_the_portable_ones() {
    let mut rng = Rng::stream(9, "web", 0);
    for _ in 0..500 {
        let a: [f32; 8] = std::array::from_fn(|_| rng.uniform(-2.0, 2.0));
        let b: [f32; 8] = std::array::from_fn(|_| rng.uniform(-2.0, 2.0));
        let here = F32x8::load(&a).mul(F32x8::load(&b)).add(F32x8::load(&a));
        let there = portable::F32x8::load(&a).mul(portable::F32x8::load(&b)).add(portable::F32x8::load(&a));
        assert_eq!(here.to_array().map(f32::to_bits), there.to_array().map(f32::to_bits));
        let (c, d) = (a.map(|v| (v * 1e4) as i32), b.map(|v| (v * 1e4) as i32));
        let here = I32x8::load(&c).mul(I32x8::load(&d)).add(I32x8::load(&c));
        let there = portable::I32x8::load(&c).mul(portable::I32x8::load(&d)).add(portable::I32x8::load(&c));
        assert_eq!(here.to_array(), there.to_array());
    }
}

#[wasm_bindgen_test]
fn words_equal_the_portable_ones() {
    use words::portable as plain;
    let mut rng = Rng::stream(9, "words", 0);
    let float = |v: F32x8| v.to_array().map(f32::to_bits);
    for _ in 0..500 {
        let bits: [u32; 8] = std::array::from_fn(|_| rng.below(1 << 32) as u32);
        let (here, there) = (words::Words::load(&bits), plain::Words::load(&bits));
        for shift in [1, 3, 4, 16, 28] {
            assert_eq!(float(here.left(shift).as_float()), float(there.left(shift).as_float()));
            assert_eq!(float(here.right(shift).to_float()), float(there.right(shift).to_float()));
            assert_eq!(float(here.right_signed(shift).to_float()), float(there.right_signed(shift).to_float()));
        }
        let (three, table) = (words::Words::splat(3), [1.5, -2.0, 3.25, 0.0]);
        let picked = there.and(plain::Words::splat(3)).pick(&table);
        assert_eq!(float(here.and(three).pick(&table)), float(picked));
        let values = F32x8::load(&std::array::from_fn(|_| [-1.0, -0.0, 0.0, f32::NAN, 2.0][rng.below(5) as usize]));
        assert_eq!(words::non_negative(values), plain::non_negative(values));
        let bytes: [u8; 16] = std::array::from_fn(|_| rng.below(256) as u8);
        assert_eq!(words::turn(&bytes), plain::turn(&bytes));
        let (weights, x) = ([0.1, -2.0, 3.0, 1e-3], rng.uniform(-1.0, 1.0));
        let sum = words::Quad::splat(0.7).add_scaled(&weights, x).to_array();
        assert_eq!(sum, plain::Quad::splat(0.7).add_scaled(&weights, x).to_array());
    }
}

#[wasm_bindgen_test]
fn errors_are_plain_objects() {
    let engine = engine();
    let recipe = js(
        r#"{"version": 1, "model": "mlp-digits", "seed": 1, "steps": [{"quantize": {"weights": {"format": "int9"}}}]}"#,
    );
    let error = engine.canonical(recipe).err().unwrap();
    assert_eq!(text(&error, "code"), "unknown-id");
    assert_eq!(text(&error, "path"), "steps.0.quantize.weights.format");
    assert!(text(&error, "allowed").contains("int8"));
    let error = engine.provide("models/mlp-digits.safetensors", &WEIGHTS[1..]).err().unwrap();
    assert_eq!(text(&error, "code"), "checksum");
    let missing = r#"{"version": 1, "model": "lenet5-fashion", "seed": 1, "steps": []}"#;
    let mut job = engine.start(js(missing), None).unwrap();
    let error = job.advance(1e6).err().unwrap();
    assert_eq!(text(&error, "code"), "asset");
}

#[wasm_bindgen_test]
fn golden_recipes_give_their_digests_whatever_the_budget() {
    for (recipe, report) in [
        (include_str!("golden/digits-w8a4-fake/recipe.json"), include_str!("golden/digits-w8a4-fake/report.json")),
        (
            include_str!("golden/digits-trained-then-int4/recipe.json"),
            include_str!("golden/digits-trained-then-int4/report.json"),
        ),
    ] {
        let recorded = js(report);
        for budget in [1e12, 1e5] {
            let mut job = engine().start(js(recipe), None).unwrap();
            let calls = finish(&mut job, budget);
            assert!(budget > 1e9 || calls > 10, "{calls} calls are no slices");
            let found: JsValue = job.report().unwrap().into();
            for digest in ["digests.weights", "digests.outputs"] {
                assert_eq!(text(&found, digest), text(&recorded, digest));
            }
            assert_eq!(get(&found, "size.bytes"), get(&recorded, "size.bytes"));
            let correct = get(&found, "accuracy.correct").as_f64().unwrap();
            assert_eq!(get(&recorded, "accuracy.correct").as_f64().unwrap(), correct);
            assert_eq!(job.predictions().unwrap().len(), 500);
        }
    }
}

#[wasm_bindgen_test]
fn a_prepared_network_reads_one_image_as_the_run_does() {
    let engine = engine();
    let recipe = r#"{"version": 1, "model": "mlp-digits", "seed": 1, "data": {"test": 40}, "steps": []}"#;
    let mut run = engine.start(js(recipe), None).unwrap();
    finish(&mut run, 1e12);
    let predictions = run.predictions().unwrap();
    let mut prepared = engine.prepare(js(recipe)).unwrap();
    finish(&mut prepared, 1e12);
    let mut agree = 0;
    for (index, &prediction) in predictions.iter().enumerate() {
        let pixels = engine.image("digits", "test", index as u32).unwrap();
        let probabilities = prepared.probabilities(&pixels, None).unwrap();
        let sum: f32 = probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5);
        let best = (0..10).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap();
        agree += usize::from(best == usize::from(prediction));
    }
    // Pixels go through 0..255 here and 0..16 in the run, so a close call may differ.
    assert!(agree >= 39, "{agree} of 40");
    assert!(prepared.probabilities(&[0; 3], None).is_err());
    assert!(prepared.report().is_err());
}
