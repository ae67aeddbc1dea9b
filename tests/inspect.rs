//! Looking inside: histograms count every value, what is shown of a weight is what the network computes with, ledgers add up, and
//! signal to noise is that of a plain computation.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "another way to compute the same, compared within a tolerance")]

use featherweight::error::ErrorCode;
use featherweight::evaluate::{
    Ledger, inspect_weights, inspected_images, ledgers, measure, output_units, weight_named,
};
use featherweight::formats::FORMATS;
use featherweight::models::{self, Execution, Network};
use featherweight::recipe::{Outcome, Recipe, look, prepare};
use featherweight::simd::LANES;
use featherweight::task::{Context, Task};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

type Shared = Rc<RefCell<featherweight::data::Library>>;

fn finish<T: 'static, F: Future<Output = T> + 'static>(start: impl FnOnce(Rc<Context>) -> F) -> T {
    Task::new(Rc::new(Context::new(1)), start).finish()
}

/// A recipe on 30 test images, its library with all that it needs, and the network that it makes.
fn prepared(model: &str, steps: &Value) -> (Recipe, Shared, Outcome) {
    let mut library = models::library().unwrap();
    let data = models::find(model).unwrap().data;
    let recipe = json!({"version": 1, "model": model, "seed": 4, "data": {"set": data, "split": "test", "count": 30}, "steps": steps});
    let recipe = Recipe::parse(recipe, &library).unwrap();
    let more = library.assets(data, "validation", 60).unwrap();
    for asset in recipe.needs(&library).unwrap().into_iter().chain(more) {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = Rc::new(RefCell::new(library));
    let given = (recipe.clone(), Rc::clone(&library));
    let outcome = finish(|ctx| prepare(ctx, given.0, given.1, Rc::default(), None)).unwrap();
    (recipe, library, outcome)
}

fn total(counts: &[u32]) -> usize {
    counts.iter().map(|count| *count as usize).sum()
}

/// A trained model with layers whose rows are whole blocks of 256, and such weights for those layers.
fn with_rows_of_256(weights: &Value) -> Option<(&'static str, Value)> {
    for model in models::zoo().unwrap().names() {
        let model = models::find(model).unwrap();
        let network = Network::random(model, 0).unwrap();
        let mut layers = json!({});
        for node in 0..network.graph.nodes().len() {
            let shape = network.weight_of(node).map(|weight| network.parameters[weight].latent.shape().clone());
            if shape.is_some_and(|shape| (shape.len() / shape.dims()[0]).is_multiple_of(256)) {
                layers[&network.graph.nodes()[node].name] = json!({"weights": weights});
            }
        }
        if layers != json!({}) {
            return Some((model.id, layers));
        }
    }
    None
}

#[test]
fn weights_of_every_format_are_shown_as_the_network_has_them() {
    let mut cases: Vec<(String, Value)> = Vec::new();
    for format in FORMATS {
        let mut weights = json!({"format": format.id()});
        if format.id() == "nf4" {
            weights["granularity"] = json!({"group": 32});
        }
        cases.push((format.id().into(), weights));
    }
    cases.push(("kmeans".into(), json!({"format": "kmeans", "bits": 3, "huffman": true})));
    cases.push(("int4".into(), json!({"format": "int4", "granularity": {"group": 32}, "symmetric": false})));
    cases.push(("int2".into(), json!({"format": "int2", "granularity": {"group": 32}, "rounding": "hqq"})));
    cases.push(("int4".into(), json!({"format": "int4", "granularity": "tensor", "scale": "power-of-two"})));
    for (id, weights) in cases {
        let mut model = "mlp-digits";
        let mut step = json!({"weights": weights});
        if id.starts_with("tq") {
            // Blocks of 256 divide the rows of few layers: the others stay as they are.
            let Some((found, layers)) = with_rows_of_256(&weights) else { continue };
            model = found;
            step = json!({"weights": {"format": "fp32"}, "layers": layers});
        }
        let outcome = prepared(model, &json!([{"quantize": step}])).2;
        let mut looked = 0;
        for (node, entry) in outcome.network.graph.nodes().iter().enumerate() {
            let Some(weight) = outcome.network.weight_of(node) else { continue };
            let parameter = &outcome.network.parameters[weight];
            let (latent, effective) = (parameter.latent.data().to_vec(), parameter.effective().unwrap());
            let count = latent.len();
            let first = inspect_weights(&outcome.network, &entry.name, 0, 0).unwrap();
            assert_eq!(first.granules as usize * first.each as usize, count);
            assert_eq!((total(&first.latent), total(&first.stored)), (count, count), "{weights}");
            looked += 1;
            // Every granule of small layers, some of large ones.
            let every = (first.granules / 12).max(1);
            for granule in (0..first.granules).step_by(every as usize) {
                for from in [0, first.each / 2] {
                    let seen = inspect_weights(&outcome.network, &entry.name, granule, from).unwrap();
                    assert_eq!(total(&seen.own), first.each as usize, "{weights}");
                    assert!(!seen.values.is_empty() && seen.original.len() == seen.values.len());
                    for (i, value) in seen.values.iter().enumerate() {
                        let at = seen.first as usize + i;
                        assert_eq!(at as u32 / first.each, granule);
                        assert_eq!(value.to_bits(), effective.data()[at].to_bits(), "{weights} {}", entry.name);
                        assert_eq!(seen.original[i].to_bits(), latent[at].to_bits());
                        assert!(seen.levels.is_empty() || seen.levels.contains(value), "{weights}: {value}");
                        assert!(value >= &seen.low && value <= &seen.high);
                    }
                }
            }
        }
        assert!(looked >= 3, "{weights}");
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let (_, _, outcome) = prepared("mlp-digits", &json!([{"quantize": {"weights": {"format": "int4"}}}]));
    let code = |layer: &str, granule, from| {
        inspect_weights(&outcome.network, layer, granule, from).err().map(|e| (e.code, e.path))
    };
    assert_eq!(code("fc9", 0, 0), Some((ErrorCode::UnknownId, "layer".into())));
    assert_eq!(code("relu1", 0, 0), Some((ErrorCode::UnknownId, "layer".into())));
    assert_eq!(code("fc1", 64, 0), Some((ErrorCode::Range, "granule".into())));
    assert_eq!(code("fc1", 0, 64), Some((ErrorCode::Range, "from".into())));
    assert_eq!(code("fc1", 63, 63), None);
}

#[test]
fn latent_values_are_kept_by_training_through_a_quantizer() {
    let steps = json!([{"quantize": {"weights": {"format": "int2"}}}, {"train": {"epochs": 1, "lr": 0.002}}]);
    let (_, _, outcome) = prepared("mlp-digits", &steps);
    let seen = inspect_weights(&outcome.network, "fc1", 3, 0).unwrap();
    let zoo = inspect_weights(&prepared("mlp-digits", &json!([])).2.network, "fc1", 0, 0).unwrap();
    assert_ne!(seen.latent, zoo.latent, "training moves latent values");
    // Latent values lie anywhere, the stored ones on three levels for each of 64 channels.
    assert_eq!(seen.levels.len(), 3);
    let filled = |counts: &[u32]| counts.iter().filter(|count| **count > 0).count();
    assert!(filled(&seen.latent) > filled(&seen.stored));
    assert!(seen.original.iter().any(|value| !seen.levels.contains(value)));
}

/// Outputs of every node for one block, and the inputs of every node, by a plan of its own.
fn block(
    network: &Network,
    execution: Execution,
    images: &featherweight::data::Images,
    first: usize,
) -> Vec<(Vec<f32>, Vec<f32>)> {
    let mut plan = network.plan_keeping(execution, &vec![true; network.graph.nodes().len()]).unwrap();
    images.fill(first..images.len().min(first + LANES), plan.input());
    plan.run();
    let of = |node| (plan.node_input(node).unwrap().to_vec(), plan.node_output(node).unwrap().to_vec());
    (0..network.graph.nodes().len()).map(of).collect()
}

#[test]
fn layers_are_measured_as_by_a_plain_computation() {
    for (model, weights, activations) in [
        ("lenet5-fashion", "int4", json!({"format": "int8"})),
        ("mlp-digits", "ternary", json!({"format": "int4", "mode": "dynamic"})),
        ("resnet8-fashion", "fp8-e4m3", Value::Null),
    ] {
        let mut step = json!({"weights": {"format": weights}});
        if !activations.is_null() {
            step["activations"] = activations;
        }
        let steps = match model {
            "lenet5-fashion" => {
                json!([{"prune": {"pattern": "input", "sparsity": 0.6, "images": 16}}, {"quantize": step}])
            }
            _ => json!([{"quantize": step}]),
        };
        let (recipe, library, outcome) = prepared(model, &steps);
        let network = outcome.network.clone();
        let given = (recipe.clone(), Rc::clone(&library), outcome.network);
        let found = finish(|ctx| look(ctx, given.0, given.1, given.2)).unwrap().layers;
        let count = inspected_images(&network).min(30) as usize;
        let images = library.borrow().images(&recipe.data.set, "test", count as u32).unwrap();
        let mut float = network.clone();
        float.parameters.iter_mut().for_each(|parameter| parameter.packed = None);
        float.inputs.iter_mut().for_each(|input| *input = None);
        // Signal, noise and inputs of each node.
        let mut sums = vec![(0.0f64, 0.0f64); network.graph.nodes().len()];
        let mut inputs = vec![Vec::<f32>::new(); sums.len()];
        // What weights meet, rounded where it is.
        let mut met = inputs.clone();
        for first in (0..count).step_by(LANES) {
            let lanes = LANES.min(count - first);
            let (a, b) =
                (block(&float, Execution::Fake, &images, first), block(&network, recipe.execution, &images, first));
            for (node, ((input, before), (_, after))) in a.iter().zip(&b).enumerate() {
                if network.rounds_input(node) {
                    let (read, mut own) = (&b[node].0, b[node].0.clone());
                    if let Some(input) = &network.inputs[node] {
                        let dims = network.graph.input_shapes(&network.graph.nodes()[node])[0].dims();
                        input.grid.round(read, dims[1..].iter().product(), LANES, &mut own);
                    }
                    met[node]
                        .extend(own.iter().enumerate().filter(|(i, _)| i % LANES < lanes).map(|(_, value)| *value));
                }
                for (_, (before, after)) in before.iter().zip(after).enumerate().filter(|(i, _)| i % LANES < lanes) {
                    sums[node].0 += f64::from(*before).powi(2);
                    sums[node].1 += (f64::from(*before) - f64::from(*after)).powi(2);
                }
                inputs[node]
                    .extend(input.iter().enumerate().filter(|(i, _)| i % LANES < lanes).map(|(_, value)| *value));
            }
        }
        let mut all = 0;
        for layer in &found {
            let node = network.graph.nodes().iter().position(|node| node.name == layer.layer).unwrap();
            let (signal, noise) = sums[node];
            let plain = 10.0 * (signal / noise).log10();
            assert!((layer.output_sqnr_db.unwrap() - plain).abs() < 1e-6, "{model} {}", layer.layer);
            if let Some(weight) = network.weight_of(node) {
                let parameter = &network.parameters[weight];
                let (latent, values) = (parameter.latent.data(), parameter.effective().unwrap());
                let square = |sum: f64, value: f64| sum + value * value;
                let signal = latent.iter().map(|v| f64::from(*v)).fold(0.0, square);
                let noise =
                    latent.iter().zip(values.data()).map(|(a, b)| f64::from(*a) - f64::from(*b)).fold(0.0, square);
                assert!((layer.weight_sqnr_db.unwrap() - 10.0 * (signal / noise).log10()).abs() < 1e-9);
                let least = values.data().iter().copied().fold(f32::INFINITY, f32::min);
                assert_eq!(layer.low, least);
                assert_eq!((total(&layer.inputs), total(&layer.rounded)), (inputs[node].len(), inputs[node].len()));
                let zeros = met[node].iter().filter(|value| **value == 0.0).count() as f64 / met[node].len() as f64;
                assert!((layer.input_zeros - zeros).abs() < 1e-12, "{model} {}: {zeros}", layer.layer);
                assert!(model != "lenet5-fashion" || zeros > 0.4, "{}: {zeros}", layer.layer);
                // The bins, by hand in f64, but for values within rounding of a border.
                let (low, high) = (f64::from(layer.input_low), f64::from(layer.input_high));
                let mut by_hand = vec![0i64; layer.inputs.len()];
                for value in &inputs[node] {
                    let bin = (f64::from(*value) - low) / (high - low) * by_hand.len() as f64;
                    by_hand[(bin as usize).min(layer.inputs.len() - 1)] += 1;
                }
                let off: i64 = by_hand.iter().zip(&layer.inputs).map(|(a, b)| (a - i64::from(*b)).abs()).sum();
                assert!(off as usize <= inputs[node].len() / 100, "{model} {}: {off}", layer.layer);
            }
            all += layer.ledger.total();
        }
        let size = finish({
            let network = network.clone();
            |ctx| async move { measure(&ctx, &network).await.unwrap() }
        });
        assert_eq!(all, size.bytes, "{model}: the layers' ledgers do not add up");
        let sum = |entry: fn(&Ledger) -> u64| ledgers(&network).iter().map(entry).sum::<u64>();
        assert_eq!(sum(|ledger| ledger.scales), size.ledger.scales);
        assert_eq!(sum(|ledger| ledger.biases), size.ledger.biases);
        assert_eq!(sum(|ledger| ledger.values), size.ledger.values);
    }
}

#[test]
fn what_is_left_of_weights_has_its_places_in_the_whole_ones() {
    let units = |pattern: &str, method: &str| json!({"prune": {"pattern": pattern, "method": method, "sparsity": 0.4}});
    let none = json!({"prune": {"sparsity": 0.3}});
    for (model, steps) in [
        ("lenet5-fashion", json!([units("neuron", "random"), units("channel", "l1"), none])),
        ("resnet8-fashion", json!([units("channel", "fpgm"), units("channel", "bn-scale"), units("layer", "l1")])),
        ("mobilenet-fashion", json!([units("channel", "random"), none, units("channel", "l2")])),
        ("transformer-shakespeare", json!([units("head", "l1"), units("neuron", "l2")])),
    ] {
        let (whole, left) = (prepared(model, &json!([])).2.network, prepared(model, &steps).2.network);
        assert!(whole.parameters.iter().all(|parameter| parameter.origin.is_none()));
        let mut smaller = 0;
        for own in &left.parameters {
            let before = whole.parameters.iter().find(|parameter| parameter.name == own.name).unwrap();
            let (old, new) = (before.latent.shape().dims(), own.latent.shape().dims());
            let Some(origin) = &own.origin else {
                assert_eq!(old, new, "{model} {}", own.name);
                continue;
            };
            smaller += 1;
            assert_eq!(origin.len(), own.latent.data().len());
            assert!(origin.is_sorted_by(|a, b| a < b) && origin.len() < before.latent.data().len());
            for (i, (&place, value)) in origin.iter().zip(own.latent.data()).enumerate() {
                let there = before.latent.data()[place as usize];
                let kept = own.mask.as_ref().is_none_or(|mask| mask[i]);
                assert_eq!(value.to_bits(), if kept { there.to_bits() } else { 0 }, "{model} {} {i}", own.name);
            }
            // Whole rows are left, as many as there are outputs.
            let row = before.latent.data().len() / old[0];
            let mut rows: Vec<usize> = origin.iter().map(|&place| place as usize / row).collect();
            rows.dedup();
            assert_eq!(rows.len(), new[0], "{model} {}", own.name);
        }
        assert!(smaller > 3, "{model}");
    }
}

#[test]
fn outputs_that_go_together_have_one_group_and_unit() {
    let of = |model: &str, layer: &str| {
        let network = Network::random(models::find(model).unwrap(), 0).unwrap();
        output_units(&network, weight_named(&network, layer).unwrap().0)
    };
    // The first convolution and the second of its stack are added.
    assert_eq!(of("resnet8-fashion", "conv1"), of("resnet8-fashion", "stack1-conv2"));
    assert_ne!(of("resnet8-fashion", "conv1")[0], of("resnet8-fashion", "stack1-conv1")[0]);
    assert_eq!(of("resnet8-fashion", "stack3-shortcut"), of("resnet8-fashion", "stack3-conv2"));
    assert_eq!(
        of("lenet5-fashion", "conv2").chunks(2).map(|unit| unit[1]).collect::<Vec<u32>>(),
        Vec::from_iter(0..16)
    );
    // Outputs of the network stay; a head has its queries, keys and values.
    assert_eq!(of("lenet5-fashion", "fc3"), [u32::MAX; 20]);
    let heads = of("transformer-shakespeare", "layer2-qkv");
    assert_eq!([0, 23, 24, 96, 191, 287].map(|output| heads[2 * output + 1]), [0, 0, 1, 0, 3, 3]);
    let network = Network::random(models::find("lenet5-fashion").unwrap(), 0).unwrap();
    assert_eq!(weight_named(&network, "relu1").unwrap_err().code, ErrorCode::UnknownId);
}
