//! Writing with kept keys and values gives the logits of reading everything at once, bit for bit, however the model is stored.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::ErrorCode;
use featherweight::generate::{Sampling, Writer};
use featherweight::models::{self, Execution, Network};
use featherweight::recipe::{Recipe, prepare};
use featherweight::rng::Rng;
use featherweight::simd::LANES;
use featherweight::task::{Context, Task};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const MODEL: &str = "transformer-shakespeare";
const LIKELIEST: Sampling = Sampling { temperature: 0.0, seed: 1 };

/// The model with fresh parameters after these steps, its biases moved off zero first where nothing is quantized.
fn network(steps: Value) -> Network {
    let mut library = models::library().unwrap();
    let recipe = json!({"version": 1, "model": MODEL, "seed": 5, "init": "random", "steps": steps});
    let recipe = Recipe::parse(recipe, &library).unwrap();
    for asset in recipe.needs(&library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = Rc::new(RefCell::new(library));
    let task = Task::new(Rc::new(Context::new(1)), |ctx| prepare(ctx, recipe, library, Rc::default(), None));
    let mut network = task.finish().unwrap().network;
    let mut rng = Rng::stream(5, "biases", 0);
    for parameter in network.parameters.iter_mut().filter(|parameter| !parameter.is_weight()) {
        parameter.latent.data_mut().iter_mut().for_each(|value| *value += rng.uniform(-0.3, 0.3));
    }
    network
}

fn bits(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn kept_keys_and_values_give_the_same_bits() {
    let weights = json!({"format": "int4"});
    let activations = json!({"format": "int8", "images": 8});
    let dynamic = json!({"format": "int8", "mode": "dynamic", "granularity": "token"});
    let kept = |kv: Value, more: Value| {
        let mut step = json!({"weights": weights, "kv_cache": kv});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{"quantize": step}])
    };
    let token = |format: &str| kept(json!({"format": format}), json!({}));
    let channel = kept(json!({"format": "int4", "granularity": "channel"}), json!({"images": 8}));
    let mut thresholds = kept(json!({"format": "int8"}), json!({"activations": activations}));
    let inputs = json!({"prune": {"pattern": "input", "sparsity": 0.3, "images": 8}});
    thresholds.as_array_mut().unwrap().insert(0, inputs);
    let turned = kept(json!({"format": "int4"}), json!({"transforms": ["hadamard"], "activations": activations}));
    let cases = [
        (token("int8"), Execution::Integer),
        (token("fp8-e4m3"), Execution::Integer),
        (channel, Execution::Integer),
        (thresholds, Execution::Integer),
        (turned, Execution::Integer),
        (json!([{"quantize": {"weights": weights, "activations": dynamic}}]), Execution::Integer),
        (json!([]), Execution::Integer),
        (json!([{"quantize": {"weights": weights}}]), Execution::Integer),
        (json!([{"quantize": {"weights": weights, "activations": activations}}]), Execution::Integer),
        (json!([{"quantize": {"weights": weights, "activations": activations}}]), Execution::Fake),
    ];
    for (steps, execution) in cases {
        let network = network(steps.clone());
        let classes = network.graph.output().dims()[0];
        let tokens = network.graph.positions();
        let mut rng = Rng::stream(9, "text", 0);
        let text: Vec<u8> = (0..tokens).map(|_| rng.below(classes as u64) as u8).collect();
        let mut full = network.plan(execution).unwrap();
        for (feature, &character) in full.input().as_chunks_mut::<LANES>().0.iter_mut().zip(&text) {
            *feature = [f32::from(character); LANES];
        }
        let logits = full.run().as_chunks::<LANES>().0.to_vec();
        let mut writer = Writer::new(&network, execution, &text, LIKELIEST).unwrap();
        for at in 0..tokens {
            assert_eq!(writer.advance().is_some(), at == tokens - 1);
            let wanted = bits(logits.iter().skip(at).step_by(tokens).map(|lanes| lanes[0]));
            assert_eq!(bits(writer.logits().iter().copied()), wanted, "{steps} {execution:?} at {at}");
        }
    }
}

#[test]
fn a_full_text_goes_on_from_its_newest_half() {
    let network = network(json!([]));
    let tokens = network.graph.positions();
    let text: Vec<u8> = (0..tokens as u8).map(|i| i % 60).collect();
    let mut long = Writer::new(&network, Execution::Integer, &text, LIKELIEST).unwrap();
    let written: Vec<u8> = std::iter::repeat_with(|| long.advance()).flatten().take(2).collect();
    let newest: Vec<u8> = text[tokens / 2..].iter().chain(&written[..1]).copied().collect();
    let mut short = Writer::new(&network, Execution::Integer, &newest, LIKELIEST).unwrap();
    let next = std::iter::repeat_with(|| short.advance()).find_map(|next| next).unwrap();
    assert_eq!(next, written[1]);
    assert_eq!(bits(short.logits().iter().copied()), bits(long.logits().iter().copied()));
}

#[test]
fn the_same_seed_writes_the_same_text() {
    let network = network(json!([]));
    let write = |seed| -> Vec<u8> {
        let mut writer = Writer::new(&network, Execution::Integer, &[], Sampling { temperature: 1.0, seed }).unwrap();
        std::iter::repeat_with(|| writer.advance()).flatten().take(60).collect()
    };
    assert_eq!(write(3), write(3));
    assert_ne!(write(3), write(4));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let network = network(json!([]));
    let refuse = |network: &Network, prompt: &[u8], temperature| {
        Writer::new(network, Execution::Integer, prompt, Sampling { temperature, seed: 0 }).err().map(|e| e.code)
    };
    assert_eq!(refuse(&network, &[255], 1.0), Some(ErrorCode::Range));
    assert_eq!(refuse(&network, &[0], -1.0), Some(ErrorCode::Range));
    assert_eq!(refuse(&network, &[0], f32::NAN), Some(ErrorCode::Range));
    let lenet = Network::random(models::find("lenet5-fashion").unwrap(), 1).unwrap();
    assert_eq!(refuse(&lenet, &[0], 1.0), Some(ErrorCode::Combination));
}
