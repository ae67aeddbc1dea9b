//! Transforms and roundings together, on trained networks.

use super::inform::tests::{assert_alike, finish, logits, network};
use super::*;
use crate::formats;
use crate::simd::LANES;

const TRANSFORMER: &str = "transformer-shakespeare";

/// Mean squared difference of the logits of the first images from those of the network in f32.
fn error(model: &str, step: Value, images: u32) -> f64 {
    let (plain, judged) = network(model, None, images);
    let (rounded, _) = network(model, Some(step), images);
    let (wanted, found) = (logits(&plain, &judged), logits(&rounded, &judged));
    let sum = found.iter().zip(&wanted).fold(0.0, |sum, (a, b)| sum + f64::from(a - b) * f64::from(a - b));
    sum / wanted.len() as f64
}

#[test]
fn scalings_leave_the_function_as_it_is() {
    for (model, images, seams) in
        [("lenet5-fashion", 64, 4), ("lenet300-fashion", 64, 2), ("resnet8-fashion", 16, 3), (TRANSFORMER, 3, 13)]
    {
        let (plain, judged) = network(model, None, images);
        assert_eq!(seam::find(&plain).len(), seams, "{model}");
        let before = logits(&plain, &judged);
        let step = json!({"transforms": ["smoothquant"], "images": images});
        let (smoothed, _) = network(model, Some(step), images);
        let step = json!({"transforms": ["awq"], "weights": {"format": "int3"}, "images": images});
        let step = parse_step(step, &plain);
        let (mut scaled, _) = network(model, None, images);
        let given = judged.clone();
        let scaled = finish(|ctx| async move {
            awq::search(&ctx, &step, &mut scaled, &given).await.unwrap();
            scaled
        });
        for found in [smoothed, scaled] {
            assert_ne!(found.effective().unwrap(), plain.effective().unwrap(), "{model}");
            // Scales are applied in f64 and rounded to f32 once: logits stay within 1e-4 of the largest.
            assert_alike(&logits(&found, &judged), &before);
        }
    }
}

fn parse_step(step: Value, network: &Network) -> QuantizeStep {
    parse::read(Fields::new(step, "quantize").unwrap(), network).unwrap()
}

#[test]
fn smoothing_makes_the_ranges_of_inputs_and_weights_alike() {
    // With α = 1/2 the largest magnitudes of a channel and of the weights that read it become equal.
    let (smoothed, images) = network("lenet5-fashion", Some(json!({"transforms": ["smoothquant"], "images": 40})), 40);
    let graph = Rc::clone(&smoothed.graph);
    let kept = vec![true; graph.nodes().len()];
    let mut plan = smoothed.plan_keeping(crate::models::Execution::Fake, &kept).unwrap();
    let seams = seam::find(&smoothed);
    // The rows of other readers were divided once more, for the layers behind them.
    let last: Vec<_> = seams.iter().filter(|seam| seams.iter().all(|other| other.maker != seam.reader)).collect();
    assert_eq!(last.len(), 1);
    for seam in last {
        let reads = seam::Reads::new(&smoothed, seam.reader, seam.channels);
        let weight = smoothed.parameters[graph.nodes()[seam.reader].first_param].latent.data();
        let mut most = vec![0.0f32; seam.channels];
        for first in (0..40).step_by(LANES) {
            images.fill(first..first + LANES, plan.input());
            plan.run();
            let rows = plan.node_input(seam.reader).unwrap().as_chunks::<LANES>().0;
            let per_channel = rows.len() / seam.channels;
            for (feature, row) in rows.iter().enumerate() {
                let most = &mut most[feature / per_channel];
                *most = row.iter().fold(*most, |most, v| most.max(v.abs()));
            }
        }
        for (channel, &most) in most.iter().enumerate().filter(|(_, most)| **most > 0.0) {
            let read = reads.of(channel).fold(0.0f32, |most, i| most.max(weight[i].abs()));
            assert!((most - read).abs() < 1e-3 * most, "{channel}: {most} and {read}");
        }
    }
}

#[test]
fn gptq_works_with_fewer_images_than_inputs() {
    // One image: the Gram matrix of a fully connected layer's 400 inputs has rank 1.
    for act_order in [false, true] {
        let weights = json!({"format": "int3", "rounding": "gptq", "act_order": act_order});
        let found = error("lenet5-fashion", json!({"weights": weights, "images": 1}), 1);
        let nearest = error("lenet5-fashion", json!({"weights": {"format": "int3"}}), 1);
        assert!(found < nearest, "{act_order}: {found} is not below {nearest}");
    }
}

#[test]
fn transforms_and_roundings_go_together() {
    let a8 = json!({"format": "int8", "images": 24});
    let with = |transforms: Value, rounding: &str, activations: Option<&Value>| {
        let mut step = json!({"transforms": transforms, "weights": {"format": "int3", "rounding": rounding}});
        if rounding == "adaround" {
            step["weights"]["iterations"] = json!(400);
        }
        if !["nearest", "hqq"].contains(&rounding) || transforms.to_string().contains('q') {
            step["images"] = json!(24);
        }
        if let Some(activations) = activations {
            step["activations"] = activations.clone();
        }
        step
    };
    let cases = [
        ("lenet5-fashion", with(json!(["equalize"]), "adaround", None), false),
        ("lenet5-fashion", with(json!(["equalize"]), "gptq", None), false),
        ("lenet5-fashion", with(json!(["smoothquant"]), "gptq", Some(&a8)), true),
        ("lenet5-fashion", with(json!(["smoothquant"]), "adaround", Some(&a8)), true),
        ("lenet5-fashion", with(json!(["awq"]), "nearest", None), false),
        ("lenet5-fashion", with(json!(["awq"]), "gptq", None), false),
        ("lenet5-fashion", with(json!(["awq"]), "hqq", None), false),
        ("resnet8-fashion", with(json!(["fold-batchnorm", "awq"]), "gptq", None), false),
    ];
    for (model, step, inputs) in cases {
        let mut plain = json!({"weights": {"format": "int3"}});
        if inputs {
            plain["activations"] = a8.clone();
        }
        let (found, nearest) = (error(model, step.clone(), 24), error(model, plain, 24));
        assert!(found < nearest, "{model} {step}: {found} is not below {nearest}");
    }
}

#[test]
fn scalings_help_the_transformer() {
    let step = |transforms: Value, rounding: &str| json!({"transforms": transforms, "weights": {"format": "int3", "rounding": rounding}, "images": 8});
    let nearest = error(TRANSFORMER, json!({"weights": {"format": "int3"}}), 8);
    for rounding in ["nearest", "gptq"] {
        let found = error(TRANSFORMER, step(json!(["awq"]), rounding), 8);
        assert!(found < nearest, "awq {rounding}: {found} is not below {nearest}");
    }
    let w8a4 = json!({"weights": {"format": "int8"}, "activations": {"format": "int4", "images": 8}});
    let mut smooth = w8a4.clone();
    smooth["transforms"] = json!(["smoothquant"]);
    smooth["images"] = json!(8);
    let (found, nearest) = (error(TRANSFORMER, smooth, 8), error(TRANSFORMER, w8a4, 8));
    assert!(found < nearest, "smoothquant: {found} is not below {nearest}");
}

#[test]
fn inputs_that_give_their_own_range_are_rounded_image_by_image() {
    let step = json!({"activations": {"format": "int4", "mode": "dynamic", "symmetric": false}});
    let (dynamic, judged) = network("lenet5-fashion", Some(step.clone()), 16);
    let all = logits(&dynamic, &judged);
    let mut plan = dynamic.plan(crate::models::Execution::Integer).unwrap();
    for image in [0, 3, 15] {
        let mut block = vec![0.0; judged.features() * LANES];
        judged.fill(std::iter::once(image), &mut block);
        let alone: Vec<f32> = block.as_chunks::<LANES>().0.iter().map(|lanes| lanes[0]).collect();
        let found = plan.run_one(&alone).to_vec();
        let start = image / LANES * 10 * LANES + image % LANES;
        let wanted: Vec<f32> = all[start..].iter().copied().step_by(LANES).take(10).collect();
        assert_eq!(found, wanted, "what else is in the block has changed image {image}");
    }
    // Its own range is never wider than that of all images.
    let fixed = json!({"activations": {"format": "int4", "symmetric": false, "images": 16}});
    let (found, wanted) = (error("lenet5-fashion", step, 16), error("lenet5-fashion", fixed, 16));
    assert!(found < wanted, "{found} is not below {wanted}");
}

#[test]
fn a_seed_draws_the_images_that_are_watched() {
    let scales = |more: Value| {
        let mut step = json!({"activations": {"format": "int8", "images": 8}});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (network, _) = network("mlp-digits", Some(step), 8);
        network.inputs.iter().flatten().map(|input| format!("{:?}", input.grid)).collect::<Vec<_>>()
    };
    let (first, one, two) = (scales(json!({})), scales(json!({"seed": 1})), scales(json!({"seed": 2})));
    assert_eq!(one, scales(json!({"seed": 1})));
    assert!(first != one && one != two && first.len() == 3);
}

#[test]
fn rotations_leave_the_function_as_it_is() {
    for (model, images, layers) in
        [("lenet5-fashion", 40, 3), ("mobilenet-fashion", 16, 6), ("resnet8-fashion", 16, 9), (TRANSFORMER, 3, 17)]
    {
        let (plain, judged) = network(model, None, images);
        let (turned, _) = network(model, Some(json!({"transforms": ["hadamard"]})), images);
        let nodes = turned.graph.nodes();
        let added: Vec<_> = nodes.iter().filter(|node| node.op.kind() == "hadamard").collect();
        assert_eq!(added.len(), layers, "{model}");
        let work: u64 = added.iter().map(|node| node.macs).sum();
        assert_eq!(turned.graph.macs(), plain.graph.macs() + work);
        // H is orthogonal: what differs is f32 rounding, within 1e-4 of the largest logit.
        assert_alike(&logits(&turned, &judged), &logits(&plain, &judged));
    }
}

#[test]
fn rotations_spread_a_channel_that_stands_out() {
    let (mut network, judged) = self::network(TRANSFORMER, None, 3);
    let wanted = logits(&network, &judged);
    let mut readers = Vec::new();
    for seam in seam::find(&network) {
        if network.graph.nodes()[seam.maker].op.kind() == "layer_norm" {
            readers.push(network.graph.nodes()[seam.reader].name.clone());
            // One channel becomes fifty times as large, the function stays.
            let scales: Vec<f64> = (0..seam.channels).map(|channel| if channel == 5 { 0.02 } else { 1.0 }).collect();
            seam.scale(&mut network, &scales);
        }
    }
    assert_eq!(readers.len(), 9);
    let error = |mut network: Network| {
        for node in 0..network.graph.nodes().len() {
            if readers.contains(&network.graph.nodes()[node].name) {
                let grid = Rounder::Dynamic(DynamicGrid { bits: 4, symmetric: true, tokens: true });
                let format = formats::find("int4").unwrap();
                network.inputs[node] = Some(InputQuantizer { format, grid, learned: false });
            }
        }
        let found = logits(&network, &judged);
        found.iter().zip(&wanted).fold(0.0, |sum, (a, b)| sum + f64::from(a - b) * f64::from(a - b))
    };
    let mut turned = network.clone();
    Transform::Hadamard.apply(&mut turned).unwrap();
    let (found, plain) = (error(turned), error(network));
    assert!(found < plain, "{found} is not below {plain}");
}

#[test]
fn rotated_layers_go_through_every_rounding() {
    for rounding in ["gptq", "adaround", "hqq"] {
        let mut step = json!({"transforms": ["hadamard"], "weights": {"format": "int3", "rounding": rounding}});
        if rounding != "hqq" {
            step["images"] = json!(24);
        }
        let (found, nearest) =
            (error("lenet5-fashion", step, 24), error("lenet5-fashion", json!({"weights": {"format": "int3"}}), 24));
        assert!(found < nearest, "{rounding}: {found} is not below {nearest}");
    }
}

#[test]
fn rounded_keys_and_values_are_those_of_the_format() {
    let step = |format: &str, granularity: &str| {
        let mut step = json!({"kv_cache": {"format": format, "granularity": granularity}});
        if granularity == "channel" {
            step["images"] = json!(4);
        }
        step
    };
    let mut errors = Vec::new();
    for (format, granularity, bytes) in
        [("int8", "token", 800), ("fp8-e4m3", "token", 800), ("int4", "token", 416), ("int8", "channel", 768)]
    {
        let (rounded, _) = network(TRANSFORMER, Some(step(format, granularity)), 2);
        assert_eq!(crate::evaluate::cost(&rounded).unwrap().kv_cache_bytes_per_character, Some(bytes));
        let caches = rounded.graph.nodes().iter().filter(|node| node.op.kind() == "kv_cache").count();
        assert_eq!(caches, 4);
        errors.push(error(TRANSFORMER, step(format, granularity), 2));
    }
    assert!(errors.iter().all(|error| *error > 0.0) && errors[0] < errors[1] && errors[1] < errors[2], "{errors:?}");
}
