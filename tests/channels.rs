//! Networks with channels and branches taken out give, bit for bit, what the whole ones give with those at 0.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::{CoreError, ErrorCode};
use featherweight::generate::{Sampling, Writer};
use featherweight::graph::{Channels, Graph, Keep, Units, ValueId};
use featherweight::models::{Execution, MODELS, Model, Network, find};
use featherweight::ops::{
    Activation, Add, AvgPool2d, BatchNorm, Concat, Conv2d, Flatten, Linear, Pad, Reshape, Transpose,
};
use featherweight::recipe::{Recipe, load, run};
use featherweight::report::Report;
use featherweight::rng::Rng;
use featherweight::simd::LANES;
use featherweight::task::{Context, Task};
use featherweight::tensor::Shape;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A network in which no parameter has a value that hides a mistake.
fn network(model: &'static Model) -> Network {
    let mut network = Network::random(model, 11).unwrap();
    let mut rng = Rng::stream(11, "values", 0);
    for parameter in network.parameters.iter_mut().filter(|parameter| !parameter.is_weight()) {
        let spread = if parameter.name.ends_with("variance") { (0.5, 2.0) } else { (-0.5, 0.9) };
        parameter.latent.data_mut().iter_mut().for_each(|value| *value = rng.uniform(spread.0, spread.1));
    }
    network
}

/// The bits of the outputs for eight inputs, and for the first of them alone.
fn outputs(network: &Network) -> [Vec<u32>; 2] {
    let mut plan = network.plan(Execution::Integer).unwrap();
    let mut rng = Rng::stream(3, "inputs", 0);
    let text = network.graph.positions() > 1;
    let mut draw = |_| if text { rng.below(68) as f32 } else { rng.uniform(0.0, 1.0) };
    let input: Vec<f32> = (0..network.graph.shapes()[0].len() * LANES).map(&mut draw).collect();
    plan.input().copy_from_slice(&input);
    let block = plan.run().iter().map(|value| value.to_bits()).collect();
    plan.image().iter_mut().zip(input.iter().step_by(LANES)).for_each(|(to, from)| *to = *from);
    [block, plan.run_image().iter().map(|value| value.to_bits()).collect()]
}

/// Units kept at random, by a share that differs from group to group; at least one of each stays, and one of all of them goes.
fn some(channels: &Channels, seed: u64, only: Option<Units>) -> Keep {
    let mut rng = Rng::stream(seed, "keep", 0);
    let mut keep = channels.all();
    for (group, keep) in channels.groups.iter().zip(&mut keep) {
        let share = rng.uniform(0.1, 1.0);
        if only.is_none_or(|only| only == group.units) {
            keep.iter_mut().for_each(|keep| *keep = rng.uniform(0.0, 1.0) < share);
            keep[rng.below(group.count as u64) as usize] = true;
        }
    }
    // Of a small network chance may leave all.
    if keep.iter().flatten().all(|keep| *keep) {
        let fits = |group: &featherweight::graph::Group| only.is_none_or(|only| only == group.units) && group.count > 1;
        if let Some(at) = channels.groups.iter().position(fits) {
            keep[at][0] = false;
        }
    }
    keep
}

/// The whole network, with 0 for all that makes or moves the channels that are not kept.
fn masked(network: &Network, channels: &Channels, keep: &Keep) -> Network {
    let mut masked = network.clone();
    for (at, node) in network.graph.nodes().iter().enumerate() {
        let kept = channels.kept(at + 1, keep);
        for parameter in &mut masked.parameters[node.first_param..node.first_param + node.params.len()] {
            if parameter.name.ends_with("mean") || parameter.name.ends_with("variance") {
                continue;
            }
            let data = parameter.latent.data_mut();
            // No channels of an embedding go here: norms mix them.
            let row = (data.len() / kept.len()).max(1);
            for (row, _) in data.chunks_mut(row).zip(&kept).filter(|(_, kept)| !**kept) {
                row.fill(0.0);
            }
        }
    }
    masked
}

#[test]
fn what_is_left_computes_what_the_masked_network_does() {
    for model in MODELS {
        let whole = network(model);
        let channels = whole.graph.channels();
        for seed in 0..4 {
            let keep = some(&channels, seed, None);
            let mut smaller = whole.clone();
            smaller.narrow(&channels, &keep).unwrap();
            assert!(smaller.graph.macs() < whole.graph.macs(), "{}", model.id);
            assert_eq!(outputs(&smaller), outputs(&masked(&whole, &channels, &keep)), "{} {seed}", model.id);
        }
    }
}

#[test]
fn each_kind_of_unit_alone() {
    let (text, images) = (find("transformer-shakespeare").unwrap(), find("lenet5-fashion").unwrap());
    for (model, units) in
        [(text, Units::Heads), (text, Units::Neurons), (images, Units::Neurons), (images, Units::Channels)]
    {
        let whole = network(model);
        let channels = whole.graph.channels();
        assert!(channels.groups.iter().any(|group| group.units == units), "{units:?}");
        let keep = some(&channels, 2, Some(units));
        let mut smaller = whole.clone();
        smaller.narrow(&channels, &keep).unwrap();
        assert!(smaller.graph.macs() < whole.graph.macs(), "{units:?}");
        assert_eq!(outputs(&smaller), outputs(&masked(&whole, &channels, &keep)), "{units:?}");
    }
}

#[test]
fn branches_that_are_gone_add_nothing() {
    for model in MODELS {
        let whole = network(model);
        let branches = whole.graph.branches();
        let expected = match model.id {
            "transformer-shakespeare" => 8,
            "resnet8-fashion" | "resnet8-cifar10" => 3,
            "convnet-large-fashion" => 2,
            _ => 0,
        };
        assert_eq!(branches.len(), expected, "{}", model.id);
        let every: Vec<Vec<usize>> =
            (0..branches.len()).map(|i| vec![i]).chain([(0..branches.len()).collect()]).collect();
        for some in every.iter().filter(|some| !some.is_empty()) {
            let gone: Vec<_> = some.iter().map(|&i| branches[i].clone()).collect();
            let mut masked = whole.clone();
            for &node in gone.iter().flat_map(|branch| &branch.nodes) {
                let node = &whole.graph.nodes()[node];
                for parameter in &mut masked.parameters[node.first_param..node.first_param + node.params.len()] {
                    if !parameter.name.ends_with("variance") {
                        parameter.latent.data_mut().fill(0.0);
                    }
                }
            }
            let mut smaller = whole.clone();
            smaller.remove_branches(&gone).unwrap();
            assert_eq!(outputs(&smaller), outputs(&masked), "{} {some:?}", model.id);
            let fewer: usize = gone.iter().map(|branch| branch.nodes.len() + 1).sum();
            assert_eq!(smaller.graph.nodes().len(), whole.graph.nodes().len() - fewer);
        }
    }
}

#[test]
fn groups_of_known_models() {
    let groups = |id: &str| -> Vec<(String, usize, usize)> {
        let channels = network(find(id).unwrap()).graph.channels();
        channels.groups.into_iter().map(|group| (group.name, group.count, group.each)).collect()
    };
    let named = |groups: &[(&str, usize, usize)]| -> Vec<(String, usize, usize)> {
        groups.iter().map(|&(name, count, each)| (name.to_string(), count, each)).collect()
    };
    assert_eq!(groups("lenet5-fashion"), named(&[("conv1", 6, 1), ("conv2", 16, 1), ("fc1", 120, 1), ("fc2", 84, 1)]));
    // Shortcuts tie what is added.
    let resnet = [
        ("conv1", 16),
        ("stack1-conv1", 16),
        ("stack2-conv1", 32),
        ("stack2-conv2", 32),
        ("stack3-conv1", 64),
        ("stack3-conv2", 64),
    ];
    assert_eq!(groups("resnet8-fashion"), named(&resnet.map(|(name, count)| (name, count, 1))));
    let mobilenet = [("conv1", 16), ("pw1", 32), ("pw2", 64), ("pw3", 96), ("pw4", 128), ("pw5", 160)];
    assert_eq!(groups("mobilenet-fashion"), named(&mobilenet.map(|(name, count)| (name, count, 1))));
    // A head is 24 queries, keys and values; the stream between layers is mixed by norms.
    let heads = [1, 2, 3, 4].map(|layer| [(format!("layer{layer}-qkv"), 4, 72), (format!("layer{layer}-fc1"), 384, 1)]);
    assert_eq!(groups("transformer-shakespeare"), heads.concat());
}

#[test]
fn a_file_of_what_is_left_is_read_back() {
    let library = featherweight::models::library().unwrap();
    for model in MODELS.iter().filter(|model| model.data != "cifar10") {
        let mut network = network(model);
        let branches = network.graph.branches();
        network.remove_branches(branches.get(1..2).unwrap_or_default()).unwrap();
        // Twice, as in pruning by and by.
        for seed in 7..9 {
            let channels = network.graph.channels();
            network.narrow(&channels, &some(&channels, seed, None)).unwrap();
        }
        let recipe = json!({"version": 1, "model": model.id, "seed": 1, "init": "random", "steps": []});
        let file = network.export(&recipe).unwrap();
        let (_, read) = load("a file", &file, &library).unwrap();
        assert_eq!(read.digest().unwrap(), network.digest().unwrap(), "{}", model.id);
        assert_eq!(outputs(&read), outputs(&network), "{}", model.id);
        assert_eq!(read.export(&recipe).unwrap(), file, "{}", model.id);
    }
}

#[test]
fn sizes_that_there_cannot_be_are_refused() {
    let full = network(find("resnet8-fashion").unwrap());
    let sizes = [
        r#"{"channels":{"conv1":0},"removed":[]}"#,
        r#"{"channels":{"conv1":17},"removed":[]}"#,
        r#"{"channels":{"conv1":"a"},"removed":[]}"#,
        r#"{"channels":{},"removed":["conv1"]}"#,
        r#"{"channels":{},"removed":[7]}"#,
        r#"{"channels":{}}"#,
        "7",
    ];
    for size in sizes {
        let metadata = json!({"size": serde_json::from_str::<Value>(size).unwrap()});
        let error = full.clone().resize("a file", &metadata).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checksum, "{size}");
    }
}

/// A graph of the ops that no model has: groups of several channels, concatenation, padded channels, other views.
static ODD: Model = Model {
    id: "odd",
    code: "odd",
    name: "Odd",
    data: "fashion",
    source: "this test",
    build: || {
        let mut graph = Graph::new(Shape::new(&[2, 8, 8]).unwrap());
        let a = graph.then("a", Conv2d { padding: 1, ..Conv2d::new(8, 3) })?;
        let b = graph.add("b", Conv2d::new(12, 1), &[ValueId::INPUT])?;
        graph.add("both", Concat { axis: 0 }, &[a, b])?;
        graph.then("tanh", Activation::Tanh)?;
        graph.then("grouped", Conv2d { out_channels: 10, kernel: 3, stride: 1, padding: 1, groups: 5 })?;
        graph.then("norm", BatchNorm)?;
        let padded = graph.then("pad", Pad { before: vec![2, 0, 0], after: vec![1, 0, 0] })?;
        let c = graph.add("c", Conv2d::new(13, 1), &[ValueId::INPUT])?;
        graph.add("sum", Add, &[padded, c])?;
        graph.then("turn", Transpose { order: vec![0, 2, 1] })?;
        graph.then("d", Conv2d::new(6, 1))?;
        graph.then("pool", AvgPool2d { kernel: 2, stride: 2 })?;
        graph.then("rows", Reshape { dims: vec![24, 2, 2] })?;
        graph.then("tanh2", Activation::Tanh)?;
        graph.then("flatten", Flatten)?;
        graph.then("fc1", Linear { outputs: 7 })?;
        graph.then("fc2", Linear { outputs: 3 })?;
        Ok(graph)
    },
};

#[test]
fn groups_concatenation_padding_and_views() {
    let whole = network(&ODD);
    let channels = whole.graph.channels();
    let groups: Vec<(&str, usize, usize)> =
        channels.groups.iter().map(|group| (group.name.as_str(), group.count, group.each)).collect();
    // Groups of four channels go whole, with those of `c` that they are added to; what is added to padding stays.
    assert_eq!(groups, [("a", 2, 4), ("b", 3, 4), ("d", 6, 1), ("fc1", 7, 1)]);
    for seed in 0..20 {
        let keep = some(&channels, seed, None);
        let mut smaller = whole.clone();
        smaller.narrow(&channels, &keep).unwrap();
        assert_eq!(outputs(&smaller), outputs(&masked(&whole, &channels, &keep)), "{seed}");
    }
}

/// The report, the network and its file after a recipe's steps.
fn run_steps(model: &str, init: &str, steps: Value) -> Result<(Report, Network, Value), CoreError> {
    let mut library = featherweight::models::library().unwrap();
    let recipe = json!({"version": 1, "model": model, "seed": 5, "init": init, "data": {"test": 200}, "steps": steps});
    let recipe = Recipe::parse(recipe, &library)?;
    for asset in recipe.needs(&library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = Rc::new(RefCell::new(library));
    let task = Task::new(Rc::new(Context::new(1)), |ctx| run(ctx, recipe, library, Rc::default(), None));
    let outcome = task.finish()?;
    Ok((outcome.report.unwrap(), outcome.network, outcome.recipe))
}

#[test]
fn a_recipe_prunes_trains_and_rounds_and_its_file_is_read_back() {
    let train = json!({"train": {"epochs": 1}});
    let quantize = json!({"quantize": {"transforms": ["fold-batchnorm"], "weights": {"format": "int8"}, "activations": {"format": "int8", "images": 16}}});
    let plain = json!({"quantize": {"weights": {"format": "int4"}}});
    let half = json!({"prune": {"pattern": "channel", "macs": 0.5}});
    let cases = [
        ("resnet8-fashion", json!([half, quantize])),
        (
            "mlp-digits",
            json!([{"prune": {"pattern": "neuron", "sparsity": 0.4}}, train, {"prune": {"pattern": "channel", "sparsity": 0.2, "method": "fpgm", "scope": "global"}}, train, plain]),
        ),
        (
            "mlp-digits",
            json!([{"prune": {"sparsity": 0.5}}, train, {"prune": {"pattern": "channel", "sparsity": 0.3, "layers": {"fc1": "keep"}}}, train]),
        ),
        (
            "transformer-shakespeare",
            json!([{"prune": {"pattern": "head", "sparsity": 0.5, "scope": "global"}}, {"prune": {"pattern": "layer", "sparsity": 0.25}}, {"prune": {"pattern": "neuron", "sparsity": 0.3}}, plain]),
        ),
    ];
    for (model, steps) in cases {
        let (report, network, recipe) = run_steps(model, "zoo", steps.clone()).unwrap();
        let macs: Vec<u64> = report.steps.iter().map(|step| step.macs).collect();
        assert!(network.graph.macs() < (find(model).unwrap().build)().unwrap().macs(), "{steps} {macs:?}");
        let file = network.export(&recipe).unwrap();
        let (read, loaded) = load("a file", &file, &featherweight::models::library().unwrap()).unwrap();
        assert_eq!(loaded.digest().unwrap(), report.digests.weights, "{steps}");
        assert_eq!(outputs(&loaded), outputs(&network), "{steps}");
        assert_eq!(read.canonical(), recipe, "{steps}");
        assert_eq!(loaded.export(&recipe).unwrap(), file, "{steps}");
    }
}

#[test]
fn a_budget_of_multiply_adds_is_met_as_nearly_as_units_allow() {
    for scope in ["layer", "global"] {
        let step = |more: Value| {
            let mut step = json!({"pattern": "channel", "scope": scope});
            step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!([{"prune": step}])
        };
        let whole = (find("resnet8-fashion").unwrap().build)().unwrap().macs();
        let (_, network, _) = run_steps("resnet8-fashion", "zoo", step(json!({"macs": 0.5}))).unwrap();
        let share = network.graph.macs() as f64 / whole as f64;
        assert!((0.45..=0.5).contains(&share), "{scope}: {share}");
        let error = run_steps("resnet8-fashion", "zoo", step(json!({"macs": 0.001}))).err().unwrap();
        assert_eq!((error.code, error.path.as_str()), (ErrorCode::Combination, "steps.0.prune.macs"));
    }
}

#[test]
fn methods_run_and_differ() {
    let mut found = Vec::new();
    for method in ["l1", "l2", "fpgm", "bn-scale", "taylor", "random"] {
        let mut step = json!({"pattern": "channel", "sparsity": 0.25, "method": method});
        if method == "taylor" {
            step["images"] = json!(40);
        }
        let (_, network, _) = run_steps("resnet8-fashion", "zoo", json!([{"prune": step}])).unwrap();
        assert_eq!(network.graph.shapes()[1].dims()[0], 12, "{method}");
        found.push(network.digest().unwrap());
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 6);
}

#[test]
fn recipes_that_cannot_be_are_refused() {
    let prune = |step: Value| json!([{"prune": step}]);
    let cases = [
        (
            "lenet5-fashion",
            prune(json!({"pattern": "head", "sparsity": 0.5})),
            ErrorCode::Combination,
            "steps.0.prune.pattern",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "layer", "sparsity": 0.5})),
            ErrorCode::Combination,
            "steps.0.prune.pattern",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 0.5, "method": "bn-scale"})),
            ErrorCode::Combination,
            "steps.0.prune.method",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 0.5, "method": "wanda"})),
            ErrorCode::UnknownId,
            "steps.0.prune.method",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 0.5, "macs": 0.5})),
            ErrorCode::Combination,
            "steps.0.prune.macs",
        ),
        ("lenet5-fashion", prune(json!({"pattern": "channel"})), ErrorCode::MissingField, "steps.0.prune.sparsity"),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 1})),
            ErrorCode::Range,
            "steps.0.prune.sparsity",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 0.5, "scope": "row"})),
            ErrorCode::UnknownId,
            "steps.0.prune.scope",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 0.5, "images": 16})),
            ErrorCode::Combination,
            "steps.0.prune.images",
        ),
        (
            "lenet5-fashion",
            prune(json!({"pattern": "channel", "sparsity": 0.5, "layers": {"fc3": "keep"}})),
            ErrorCode::UnknownId,
            "steps.0.prune.layers.fc3",
        ),
        (
            "resnet8-fashion",
            prune(json!({"pattern": "layer", "sparsity": 0.5, "method": "fpgm"})),
            ErrorCode::Combination,
            "steps.0.prune.method",
        ),
        (
            "resnet8-fashion",
            prune(json!({"pattern": "layer", "sparsity": 0.5, "scope": "global"})),
            ErrorCode::Combination,
            "steps.0.prune.scope",
        ),
        (
            "lenet5-fashion",
            json!([{"quantize": {"weights": {"format": "int8"}}}, {"prune": {"pattern": "channel", "sparsity": 0.5}}]),
            ErrorCode::Combination,
            "steps.1",
        ),
        // 307 of 384 inputs of fc2 stay.
        (
            "transformer-shakespeare",
            json!([{"prune": {"pattern": "neuron", "sparsity": 0.2}}, {"quantize": {"weights": {"format": "int4", "granularity": {"group": 32}}}}]),
            ErrorCode::Combination,
            "steps.1.quantize.weights.granularity.group",
        ),
    ];
    for (model, steps, code, path) in cases {
        let error = run_steps(model, "random", steps.clone()).err().unwrap_or_else(|| panic!("{steps}"));
        assert_eq!((error.code, error.path.as_str()), (code, path), "{steps}: {error}");
    }
}

#[test]
fn what_is_rounded_is_refused() {
    let steps = json!([{"quantize": {"weights": {"format": "int8"}}}]);
    let (_, mut network, _) = run_steps("lenet5-fashion", "random", steps).unwrap();
    let channels = network.graph.channels();
    let error = network.narrow(&channels, &some(&channels, 1, None)).unwrap_err();
    assert_eq!((error.code, error.path.as_str()), (ErrorCode::Combination, "conv1.weight"));
    assert_eq!(network.remove_branches(&[]).unwrap_err().code, ErrorCode::Combination);
}

#[test]
fn a_group_keeps_one_unit_at_least() {
    let mut network = network(find("lenet5-fashion").unwrap());
    let channels = network.graph.channels();
    let mut keep = channels.all();
    keep[1].fill(false);
    assert_eq!(network.narrow(&channels, &keep).unwrap_err().code, ErrorCode::Internal);
    assert_eq!(network.narrow(&channels, &keep[1..]).unwrap_err().code, ErrorCode::Internal);
}

#[test]
fn a_smaller_model_of_text_writes_as_it_reads() {
    let mut network = network(find("transformer-shakespeare").unwrap());
    let branches = network.graph.branches();
    // The second attention and the third linear part go.
    network.remove_branches(&[branches[2].clone(), branches[5].clone()]).unwrap();
    let channels = network.graph.channels();
    network.narrow(&channels, &some(&channels, 4, None)).unwrap();
    let text: Vec<u8> = (0..128).map(|i| (i * 37 % 68) as u8).collect();
    let mut plan = network.plan(Execution::Integer).unwrap();
    plan.image().iter_mut().zip(&text).for_each(|(to, from)| *to = f32::from(*from));
    let whole = plan.run_image().to_vec();
    let mut writer = Writer::new(&network, Execution::Integer, &text, Sampling { temperature: 0.0, seed: 1 }).unwrap();
    for at in 0..text.len() {
        writer.advance();
        let logits: Vec<u32> = whole[at..].iter().step_by(128).map(|value| value.to_bits()).collect();
        assert_eq!(writer.logits().iter().map(|value| value.to_bits()).collect::<Vec<_>>(), logits, "position {at}");
    }
}
