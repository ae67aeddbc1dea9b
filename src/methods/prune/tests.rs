mod alone;
mod input;

use super::inputs::norms;
use super::*;
use crate::fields::Fields;
use crate::formats::FORMATS;
use crate::methods::Memory;
use crate::methods::quantize::factor;
use crate::methods::quantize::inform::tests::{finish, network};
use crate::methods::quantize::windows::Stream;
use crate::models::{self, Execution};
use crate::ops::Arithmetic;
use crate::rng::Rng;
use crate::simd::LANES;
use crate::tensor::Tensor;
use crate::train::{Batch, backprop};
use std::cell::RefCell;

/// What `step` makes of a network.
fn applied(mut network: Network, name: &str, step: Value, seed: u64) -> Network {
    let method = crate::methods::METHODS.iter().find(|method| method.name == name).unwrap();
    let step = (method.parse)(Fields::new(step, "step").unwrap(), &network, &[]).unwrap();
    let mut library = models::library().unwrap();
    for asset in step.assets(network.model, &library).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let library = RefCell::new(library);
    finish(|ctx| async move {
        let mut cx = StepContext {
            ctx: &ctx,
            library: &library,
            memory: &Memory::default(),
            network: &mut network,
            seed,
            index: 0,
            key: String::new(),
            resume: None,
            trained: crate::train::Trained::default(),
        };
        step.apply(&mut cx).await.unwrap();
        network
    })
}

fn fresh(model: &str) -> Network {
    Network::random(models::find(model).unwrap(), 3).unwrap()
}

/// Weights and what is kept of them.
fn kept(network: &Network) -> Vec<(&Tensor, &Vec<bool>)> {
    network.parameters.iter().filter_map(|parameter| Some((&parameter.latent, parameter.mask.as_ref()?))).collect()
}

#[test]
fn what_is_pruned_is_zero_and_biases_stay() {
    let (dense, _) = network("mlp-digits", None, 1);
    let pruned = applied(dense.clone(), "prune", json!({"sparsity": 0.8, "layers": {"fc3": "keep"}}), 7);
    assert_eq!(kept(&pruned).len(), 2);
    let mut most: f32 = 0.0;
    let mut least = f32::INFINITY;
    for (dense, pruned) in dense.parameters.iter().zip(&pruned.parameters) {
        let Some(mask) = &pruned.mask else {
            assert_eq!(dense.latent, pruned.latent);
            continue;
        };
        for ((before, after), kept) in dense.latent.data().iter().zip(pruned.latent.data()).zip(mask) {
            assert_eq!(*after, if *kept { *before } else { 0.0 });
            if *kept { least = least.min(before.abs()) } else { most = most.max(before.abs()) }
        }
    }
    assert!(most <= least, "{most} went and {least} stayed");
    let gone = kept(&pruned).iter().flat_map(|(_, mask)| mask.iter()).filter(|kept| !**kept).count();
    assert_eq!(gone, ((64 * 64 + 64 * 32) as f64 * 0.8).round() as usize);
    // Pruning again takes from what is left, and brings nothing back.
    let again = applied(pruned.clone(), "prune", json!({"method": "random", "sparsity": 0.9}), 7);
    for ((_, before), (_, after)) in kept(&pruned).iter().zip(kept(&again)) {
        assert!(before.iter().zip(after).all(|(before, after)| *before || !after));
    }
    let draw = |seed| applied(dense.clone(), "prune", json!({"method": "random", "sparsity": 0.5}), seed);
    assert_eq!(kept(&draw(1)), kept(&draw(1)));
    assert_ne!(kept(&draw(1)), kept(&draw(2)));
}

#[test]
fn wanda_is_brute_force() {
    let (dense, images) = network("lenet5-fashion", None, 20);
    let step = json!({"method": "wanda", "sparsity": 0.6, "images": 20});
    let pruned = applied(dense.clone(), "prune", step, 7);
    // Layer by layer on the inputs of the pruned network, channel, row and column by hand.
    let every = vec![true; pruned.graph.nodes().len()];
    let mut plan = pruned.plan_keeping(Execution::Fake, &every).unwrap();
    for (node, entry) in pruned.graph.nodes().iter().enumerate() {
        let Some(index) = pruned.weight_of(node) else { continue };
        let shape = entry.op.windows(&pruned.graph.input_shapes(entry)).unwrap();
        let (taps, area) = (shape.taps(), shape.kernel[0] * shape.kernel[1]);
        let [_, height, width] = shape.input;
        let mut squares = vec![0.0f64; taps];
        for image in 0..20 {
            images.fill([image].into_iter(), plan.input());
            plan.run();
            let input = plan.node_input(node).unwrap();
            let at = |c: usize, y: usize, x: usize| f64::from(input[((c * height + y) * width + x) * LANES]);
            for (tap, square) in squares.iter_mut().enumerate() {
                let (c, ky, kx) = (tap / area, tap % area / shape.kernel[1], tap % shape.kernel[1]);
                for (oy, ox) in (0..shape.output()[1]).flat_map(|y| (0..shape.output()[2]).map(move |x| (y, x))) {
                    let (y, x) = (oy * shape.stride + ky, ox * shape.stride + kx);
                    let inside = |at: usize, size: usize| at >= shape.padding && at < size + shape.padding;
                    if inside(y, height) && inside(x, width) {
                        let x = at(c, y - shape.padding, x - shape.padding);
                        *square += x * x;
                    }
                }
            }
        }
        let weight = dense.parameters[index].latent.data();
        let mask = pruned.parameters[index].mask.as_ref().unwrap();
        for (weight, mask) in weight.chunks(taps).zip(mask.chunks(taps)) {
            let score = |i: usize| f64::from(weight[i].abs()) * squares[i].sqrt();
            let stays = (0..taps).filter(|&i| mask[i]).map(score).fold(f64::INFINITY, f64::min);
            let goes = (0..taps).filter(|&i| !mask[i]).map(score).fold(0.0, f64::max);
            assert!(goes <= stays * (1.0 + 1e-5), "{}: {goes} went and {stays} stayed", entry.name);
            assert_eq!(mask.iter().filter(|kept| !**kept).count(), (taps as f64 * 0.6).round() as usize);
        }
    }
}

/// The inverse by Gauss and Jordan.
fn inverse(h: &[f64], n: usize) -> Vec<f64> {
    let (mut a, mut out) = (h.to_vec(), vec![0.0; n * n]);
    (0..n).for_each(|i| out[i * n + i] = 1.0);
    for pivot in 0..n {
        let by = a[pivot * n + pivot];
        for row in (0..n).filter(|&row| row != pivot) {
            let factor = a[row * n + pivot] / by;
            for k in 0..n {
                a[row * n + k] -= factor * a[pivot * n + k];
                out[row * n + k] -= factor * out[pivot * n + k];
            }
        }
        (0..n).for_each(|k| (a[pivot * n + k], out[pivot * n + k]) = (a[pivot * n + k] / by, out[pivot * n + k] / by));
    }
    out
}

#[test]
fn sparsegpt_is_brute_force() {
    const TAPS: usize = 14;
    let mut rng = Rng::stream(5, "sparsegpt", 0);
    let mut gram = vec![0.0f64; TAPS * TAPS];
    for _ in 0..60 {
        let shared = rng.uniform(0.0, 1.0);
        let x: Vec<f64> = (0..TAPS).map(|_| f64::from(shared + rng.uniform(-0.5, 0.5))).collect();
        (0..TAPS * TAPS).for_each(|at| gram[at] += x[at / TAPS] * x[at % TAPS]);
    }
    let weight: Vec<f32> = (0..4 * TAPS).map(|_| rng.uniform(-1.0, 1.0)).collect();
    let damp = 0.01 * (0..TAPS).map(|i| gram[i * TAPS + i]).sum::<f64>() / TAPS as f64;
    // Inverses of what is left of H, from each column on.
    let inverses: Vec<Vec<f64>> = (0..TAPS)
        .map(|first| {
            let n = TAPS - first;
            let h =
                |at: usize| gram[(first + at / n) * TAPS + first + at % n] + if at / n == at % n { damp } else { 0.0 };
            inverse(&(0..n * n).map(h).collect::<Vec<_>>(), n)
        })
        .collect();
    for (pattern, share) in [(Pattern::Unstructured, 0.5), (Pattern::Nm(2, 4), 0.0)] {
        let mut wanted: Vec<f64> = weight.iter().map(|&w| f64::from(w)).collect();
        let mut mask = vec![true; weight.len()];
        let choose = |wanted: &[f64], mask: &mut [bool], mut places: Vec<usize>, count: usize| {
            let score = |i: usize| wanted[i] * wanted[i] / inverses[i % TAPS][0];
            places.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
            places[..count].iter().for_each(|&i| mask[i] = false);
        };
        if pattern == Pattern::Unstructured {
            choose(&wanted, &mut mask, (0..weight.len()).collect(), weight.len() / 2);
        }
        for column in 0..TAPS {
            for row in 0..4 {
                if column % 4 == 0 && pattern != Pattern::Unstructured {
                    let group: Vec<usize> = (column..TAPS.min(column + 4)).map(|c| row * TAPS + c).collect();
                    let count = group.len() - 2;
                    choose(&wanted, &mut mask, group, count);
                }
                if !mask[row * TAPS + column] {
                    let by = wanted[row * TAPS + column] / inverses[column][0];
                    (column..TAPS).for_each(|c| wanted[row * TAPS + c] -= by * inverses[column][c - column]);
                    wanted[row * TAPS + column] = 0.0;
                }
            }
        }
        let given = (weight.clone(), gram.clone());
        let (found, found_mask) = finish(|ctx| async move {
            let (mut weight, mut mask) = (given.0, vec![true; 4 * TAPS]);
            let rows = sparsegpt::Rows { weight: &mut weight, mask: &mut mask, taps: TAPS, gram: &given.1 };
            sparsegpt::prune(&ctx, rows, pattern, share).await.unwrap();
            zero_pruned(&mut weight, Some(&mask));
            (weight, mask)
        });
        assert_eq!(found_mask, mask, "{pattern:?}");
        for (found, wanted) in found.iter().zip(&wanted) {
            assert!((f64::from(*found) - wanted).abs() < 1e-5, "{pattern:?}: {found} is not {wanted}");
        }
    }
}

#[test]
fn errors_of_outputs_rise_from_sparsegpt_by_magnitude_to_random() {
    for (model, share) in [("mlp-digits", 0.5), ("mlp-digits", 0.8), ("lenet5-fashion", 0.6)] {
        let (network, images) = network(model, None, 128);
        let layers = finish(|ctx| async move {
            let graph = Rc::clone(&network.graph);
            let mut stream = Stream::new(&graph, &images);
            let mut layers = Vec::new();
            for (node, entry) in graph.nodes().iter().enumerate() {
                let own = entry.first_param..entry.first_param + entry.params.len();
                if let (Some(index), Some(shape)) =
                    (network.weight_of(node), entry.op.windows(&graph.input_shapes(entry)))
                {
                    let (blocks, taps) = (stream.input(&graph, node), shape.taps());
                    let gram = factor::gram(&ctx, &shape, 0, blocks, &|block| stream.lanes(block)).await;
                    let found = norms(&shape, 0, blocks, &|block| stream.lanes(block));
                    for (i, norm) in found.iter().enumerate() {
                        assert!((norm - gram[i * taps + i].sqrt()).abs() <= 1e-4 * norm, "{norm} in {}", entry.name);
                    }
                    let weight = network.parameters[index].latent.data();
                    let error = |other: &[f32]| {
                        let delta: Vec<f64> = weight.iter().zip(other).map(|(a, b)| f64::from(a - b)).collect();
                        let row = |row: &[f64]| -> f64 {
                            (0..taps * taps).map(|at| row[at / taps] * gram[at] * row[at % taps]).sum()
                        };
                        delta.chunks(taps).map(row).sum::<f64>()
                    };
                    let mut errors = Vec::new();
                    for pruning in [Pruning::Sparsegpt, Pruning::Magnitude, Pruning::Random] {
                        let (mut other, mut mask) = (weight.to_vec(), vec![true; weight.len()]);
                        if pruning == Pruning::Sparsegpt {
                            let rows = sparsegpt::Rows { weight: &mut other, mask: &mut mask, taps, gram: &gram };
                            sparsegpt::prune(&ctx, rows, Pattern::Unstructured, share).await.unwrap();
                        } else {
                            let scores = own_scores(&ctx, pruning, weight, score_stream((1, 0), index)).await;
                            let rows = weight.len() / taps;
                            let mut candidate = [Candidate { node, index, rows, own: None, scores, mask }];
                            select(&ctx, Pattern::Unstructured, Scope::Layer, share, &mut candidate).await;
                            mask = std::mem::take(&mut candidate[0].mask);
                        }
                        zero_pruned(&mut other, Some(&mask));
                        errors.push(error(&other));
                    }
                    layers.push((entry.name.clone(), errors));
                }
                let tensors: Vec<&Tensor> = network.parameters[own].iter().map(|p| &p.latent).collect();
                stream.run(&ctx, &graph, node, &tensors, Arithmetic::Float).await.unwrap();
                stream.forget(&graph, node);
            }
            layers
        });
        assert!(layers.len() >= 3);
        for (layer, errors) in layers {
            assert!(errors[0] <= errors[1] && errors[1] <= errors[2], "{model} {share} {layer}: {errors:?}");
        }
    }
}

#[test]
fn taylor_and_snip_are_what_the_loss_makes_of_a_weight() {
    let (network, images) = network("mlp-digits", None, 100);
    let batch = |range: std::ops::Range<usize>| {
        let firsts = range.clone().step_by(LANES);
        let block = |first: usize| {
            let mut block = vec![0.0; images.features() * LANES];
            images.fill(first..range.end.min(first + LANES), &mut block);
            block
        };
        Batch {
            blocks: firsts.map(block).collect(),
            labels: range.clone().map(|i| images.labels(i)[0]).collect(),
            items: Vec::new(),
        }
    };
    // The sum of the losses of some images, with one weight times `factor`.
    let loss = |range: std::ops::Range<usize>, index: usize, at: usize, factor: f32| {
        let mut parameters: Vec<Tensor> = network.parameters.iter().map(|p| p.latent.clone()).collect();
        parameters[index].data_mut()[at] *= factor;
        let (graph, batch) = (Rc::clone(&network.graph), batch(range));
        finish(|ctx| async move { backprop(&ctx, &graph, &parameters, batch).await.unwrap().loss })
    };
    let scores = |method: &str| {
        let step = json!({"method": method, "sparsity": 0.5, "images": 100});
        let step = parse::parse(Fields::new(step, "prune").unwrap(), &network, &[]).unwrap();
        let (step, mut network) = (step.as_prune().unwrap().clone(), network.clone());
        let mut library = models::library().unwrap();
        for asset in step.assets(network.model, &library).unwrap() {
            library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
        }
        let library = RefCell::new(library);
        finish(|ctx| async move {
            let mut candidates = step.candidates(&network);
            let cx = StepContext {
                ctx: &ctx,
                library: &library,
                memory: &Memory::default(),
                network: &mut network,
                seed: 7,
                index: 0,
                key: String::new(),
                resume: None,
                trained: crate::train::Trained::default(),
            };
            gradient::score(&step, &cx, &mut candidates).await.unwrap();
            candidates
        })
    };
    let (taylor, snip) = (scores("taylor"), scores("snip"));
    for (taylor, snip) in taylor.iter().zip(&snip) {
        // Differences of small slopes are lost in the bends of ReLU.
        let mut order: Vec<usize> = (0..snip.scores.len()).collect();
        order.sort_by(|&a, &b| snip.scores[b].total_cmp(&snip.scores[a]));
        for &at in order.iter().take(60).step_by(5) {
            let h = 0.005;
            let slopes = [0..gradient::BATCH, gradient::BATCH..100].map(|range| {
                let ends = [1.0 + h, 1.0 - h].map(|factor| loss(range.clone(), taylor.index, at, factor));
                (ends[0] - ends[1]) / (2.0 * f64::from(h)) / 100.0
            });
            for (found, wanted) in [
                (taylor.scores[at], slopes[0].abs() + slopes[1].abs()),
                (snip.scores[at], (slopes[0] + slopes[1]).abs()),
            ] {
                let found = f64::from(found);
                assert!(wanted > 1e-5 && (found - wanted).abs() < 0.03 * wanted, "{found} is not {wanted}");
            }
        }
    }
}

#[test]
fn no_rounding_and_no_training_brings_anything_back() {
    let pruned = applied(fresh("mlp-digits"), "prune", json!({"sparsity": 0.7}), 7);
    let roundings = FORMATS
        .iter()
        .map(|format| {
            let mut weights = json!({"format": format.id()});
            if format.default_group().is_some() {
                weights["granularity"] = json!({"group": 32});
            }
            (json!({"weights": weights}), true)
        })
        .chain(["gptq", "adaround", "hqq"].map(|rounding| {
            let mut weights = json!({"format": "int3", "rounding": rounding});
            if rounding == "adaround" {
                weights["iterations"] = json!(100);
            }
            (json!({"weights": weights}), false)
        }))
        .chain(
            [json!({"format": "int4", "symmetric": false}), json!({"format": "binary"})]
                .map(|weights| (json!({"weights": weights, "activations": {"format": "int8"}}), true)),
        );
    for (step, trains) in roundings {
        let id = step["weights"]["format"].as_str().unwrap_or("").to_string();
        if crate::formats::find(&id).unwrap().block().is_some_and(|block| block > 32) {
            continue;
        }
        let mut rounded = applied(pruned.clone(), "quantize", step.clone(), 7);
        let mut stages = vec![rounded.clone()];
        if trains {
            rounded = applied(rounded, "train", json!({"lr": 0.01, "weight_decay": 0.001}), 7);
            stages.push(rounded);
        }
        for network in stages {
            for parameter in network.parameters.iter().filter(|parameter| parameter.mask.is_some()) {
                let mask = parameter.mask.as_ref().unwrap();
                let values = parameter.effective().unwrap();
                let zero = |values: &Tensor| values.data().iter().zip(mask).all(|(v, kept)| *kept || *v == 0.0);
                assert!(zero(&values) && zero(&parameter.latent), "{step}: {}", parameter.name);
                assert!(values.data().iter().zip(mask).any(|(v, kept)| *kept && *v != 0.0), "{step}");
                let stored = zero(&parameter.packed.as_ref().unwrap().decode().unwrap());
                assert_eq!(!parameter.codes_revive(), stored, "{step}");
            }
            // What runs is what is said to run: integer sums against f32 on the same values, but for inputs between two codes.
            let outputs = [Execution::Integer, Execution::Fake].map(|execution| {
                let mut plan = network.plan(execution).unwrap();
                plan.input().iter_mut().enumerate().for_each(|(i, x)| *x = (i % 13) as f32 / 13.0);
                plan.run().to_vec()
            });
            for (a, b) in outputs[0].iter().zip(&outputs[1]) {
                assert!((a - b).abs() <= 0.02 * b.abs().max(1.0), "{step}: {a} is not {b}");
            }
        }
    }
}
