use super::*;
use crate::data::Library;
use crate::formats::{self, Format, WeightRule};
use crate::methods::{Granularity, Range, RoundingSpec, Scale, WeightSpec};
use crate::models;
use crate::rng::Rng;
use crate::simd::LANES;
use crate::task::Task;
use crate::train::{
    Batch, CrossEntropy, Optimizer, Pass, Schedule, TrainOptions, Training, Workspace, backprop, backprop_in, train,
};
use std::rc::Rc;

fn spec(id: &str, symmetric: bool, range: Range) -> WeightSpec {
    let format = formats::find(id).unwrap();
    WeightSpec {
        format,
        granularity: Granularity::Channel,
        symmetric,
        range,
        scale: Scale::Float,
        rounding: RoundingSpec::NEAREST,
    }
}

/// A fresh network whose weights have `spec`, and whose inputs, if there is a format for them, reach from −`reach` to `reach`.
fn network(model: &str, spec: WeightSpec, inputs: Option<(&str, f32)>) -> Network {
    let mut network = Network::random(models::find(model).unwrap(), 3).unwrap();
    for node in 0..network.graph.nodes().len() {
        let Some(index) = network.weight_of(node) else { continue };
        network.parameters[index].quantizer = Some(WeightQuantizer { rule: Rc::new(spec), learned: None });
        if let (true, Some((id, reach))) = (network.rounds_input(node), inputs) {
            let format = formats::find(id).unwrap();
            let grid = format.input_grid(-reach, reach, true).unwrap();
            network.inputs[node] = Some(InputQuantizer { format, grid: Rounder::Fixed(grid), learned: false });
        }
    }
    network
}

fn latents(network: &Network) -> Vec<Tensor> {
    network.parameters.iter().map(|parameter| parameter.latent.clone()).collect()
}

fn finish<T: 'static, F: Future<Output = T> + 'static>(start: impl FnOnce(Rc<Context>) -> F) -> T {
    Task::new(Rc::new(Context::new(1)), start).finish()
}

fn digits_batch(images: usize) -> Batch {
    let mut rng = Rng::stream(4, "view", 0);
    let mut blocks = vec![vec![0.0; 64 * LANES]; images.div_ceil(LANES)];
    for image in 0..images {
        (0..64).for_each(|i| blocks[image / LANES][i * LANES + image % LANES] = rng.uniform(-0.2, 1.0));
    }
    Batch { blocks, labels: (0..images).map(|_| rng.below(10) as u8).collect(), items: Vec::new() }
}

/// One step's gradients through a view, before and after they are made gradients by latent and own values.
fn gradients(network: &Network, estimator: Estimator, batch: &Batch) -> (View, Vec<Tensor>, Gradients, Gradients) {
    let (graph, batch) = (Rc::clone(&network.graph), batch.clone());
    let mut view = View::of(network, estimator, 0.5).unwrap();
    let mut parameters = latents(network);
    parameters.extend_from_slice(view.own());
    finish(|ctx| async move {
        let count = graph.params().count();
        view.follow(&ctx, Some(0), &mut parameters).await;
        let seen = view.see(&ctx, &parameters[..count]).await;
        let seen: Vec<&Tensor> = seen.iter().zip(&parameters).map(|(seen, own)| seen.as_ref().unwrap_or(own)).collect();
        let (objective, workspace) = (&mut CrossEntropy::default(), &mut Workspace::default());
        let pass = Pass {
            ctx: &ctx,
            graph: &graph,
            parameters: &seen,
            views: view.inputs(),
            objective,
            emulation: None,
            workspace,
        };
        let plain = backprop_in(pass, batch).await.unwrap();
        let mut own = plain.clone();
        view.backward(&mut parameters, &mut own, 0.0).unwrap();
        (view, parameters, plain, own)
    })
}

fn loss(network: &Network, parameters: Vec<Tensor>, batch: &Batch) -> f64 {
    let (graph, batch) = (Rc::clone(&network.graph), batch.clone());
    let images = batch.labels.len() as f64;
    finish(|ctx| async move { backprop(&ctx, &graph, &parameters, batch).await.unwrap().loss / images })
}

#[test]
fn a_straight_through_gradient_is_the_one_by_the_rounded_weight_inside_and_zero_outside() {
    let network = network("mlp-digits", spec("int3", true, Range::Mse), None);
    let (view, parameters, plain, own) = gradients(&network, Estimator::Ste, &digits_batch(19));
    let mut counts = [0, 0];
    for (i, seen) in view.weights.iter().enumerate() {
        let Some(seen) = seen else {
            assert_eq!(plain.parameters[i], own.parameters[i]);
            continue;
        };
        for (j, &latent) in parameters[i].data().iter().enumerate() {
            let end = 3.0 * seen.granules[j / seen.len].scale;
            let inside = latent.abs() <= end * 1.0001;
            let wanted = if inside { plain.parameters[i].data()[j] } else { 0.0 };
            assert_eq!(own.parameters[i].data()[j], wanted, "weight {j} of parameter {i}, {latent} of {end}");
            counts[usize::from(inside)] += usize::from(plain.parameters[i].data()[j] != 0.0);
        }
    }
    assert!(counts[0] > 100 && counts[1] > 1000, "{counts:?} weights outside and inside show nothing");
}

/// LSQ's gradients by latent values and by θ against differences of a network whose weights are s · (clip(v / s) + c), with the
/// rounding errors c kept as they are: smooth, and equal to the rounded weights at the point itself.
#[test]
fn learned_scales_have_the_slope_of_their_surrogate() {
    let network = network("mlp-digits", spec("int3", true, Range::Minmax), None);
    let batch = digits_batch(24);
    let (view, parameters, _, own) = gradients(&network, Estimator::Lsq, &batch);
    let surrogate = |index: usize, granule: usize, by_scale: f64, by_value: Option<(usize, f64)>| {
        let mut shifted = Vec::new();
        for (i, seen) in view.weights.iter().enumerate() {
            let Some(seen) = seen else {
                shifted.push(parameters[i].clone());
                continue;
            };
            let rounded = seen.see(&parameters[i]);
            let mut tensor = parameters[i].clone();
            for (j, value) in tensor.data_mut().iter_mut().enumerate() {
                let own = i == index && j / seen.len == granule;
                let scale = f64::from(seen.granules[j / seen.len].scale);
                let (latent, level) = (f64::from(*value), f64::from(rounded.data()[j]) / scale);
                let error = level - (latent / scale).clamp(-3.0, 3.0);
                let scale = scale + if own { by_scale } else { 0.0 };
                let latent = latent + by_value.filter(|(at, _)| own && *at == j).map_or(0.0, |(_, by)| by);
                *value = (scale * ((latent / scale).clamp(-3.0, 3.0) + error)) as f32;
            }
            shifted.push(tensor);
        }
        loss(&network, shifted, &batch)
    };
    let mut largest: f64 = 0.0;
    for (index, seen) in view.weights.iter().enumerate() {
        let Some(seen) = seen else { continue };
        let Scales::Learned { at, unit, .. } = &seen.scales else { panic!("nothing is learned") };
        for granule in [0, 1, seen.granules.len() - 1] {
            let h = 1e-3;
            let by_scale = (surrogate(index, granule, h, None) - surrogate(index, granule, -h, None)) / (2.0 * h);
            // What LSQ makes of it: 1/√(N·Q) with Q = 3, and by θ instead of the scale.
            let wanted = by_scale / (3.0 * seen.len as f64).sqrt() / f64::from(*unit);
            let found = f64::from(own.parameters[*at].data()[granule]);
            assert!((found - wanted).abs() < 1e-4 + 0.03 * wanted.abs(), "{index}.{granule}: {found}, {wanted}");
            largest = largest.max(found.abs());
            let first = granule * seen.len;
            for j in [first, first + 3, first + 7] {
                let by = |h: f64| surrogate(index, granule, 0.0, Some((j, h)));
                let wanted = (by(2e-3) - by(-2e-3)) / 4e-3;
                let found = f64::from(own.parameters[index].data()[j]);
                assert!((found - wanted).abs() < 1e-3 + 0.03 * wanted.abs(), "{index}[{j}]: {found}, {wanted}");
            }
        }
    }
    assert!(largest > 1e-3, "gradients up to {largest} show nothing");
}

/// The first layer reads the images themselves, so that changing its grid is the same as changing them.
#[test]
fn learned_inputs_have_the_slope_of_their_surrogate() {
    let batch = digits_batch(24);
    for estimator in [Estimator::Lsq, Estimator::Pact] {
        let mut network = network("mlp-digits", spec("fp32", true, Range::Minmax), Some(("int3", 0.7)));
        (2..network.inputs.len()).for_each(|node| network.inputs[node] = None);
        let (view, parameters, plain, own) = gradients(&network, estimator, &batch);
        let seen = view.inputs[1].as_ref().unwrap();
        let scale = f64::from(seen.grid.scale);
        let shifted = |by: f64| {
            let mut moved = batch.clone();
            for value in moved.blocks.iter_mut().flatten() {
                let x = f64::from(*value);
                let clip = |scale: f64| scale * (x / scale).clamp(-3.0, 3.0);
                let mut rounded = Vec::new();
                seen.grid.round(&[*value], &mut rounded);
                let error = f64::from(rounded[0]) - clip(scale);
                *value = match estimator {
                    // PACT rounds after the clip as if that did not move: its error stays in units of x.
                    Estimator::Pact => clip(scale + by) + error,
                    _ => clip(scale + by) + error / scale * (scale + by),
                } as f32;
            }
            loss(&network, latents(&network), &moved)
        };
        let by_scale = (shifted(1e-3) - shifted(-1e-3)) / 2e-3;
        let wanted = if estimator == Estimator::Lsq { by_scale } else { by_scale / 3.0 };
        let found = plain.inputs[1];
        assert!((found - wanted).abs() < 1e-4 + 0.02 * wanted.abs(), "{estimator:?}: {found}, {wanted}");
        assert!(found.abs() > 1e-3, "{estimator:?}: {found} shows nothing");
        let value = f64::from(parameters[seen.at].data()[0]);
        let (made, start) = match estimator {
            Estimator::Lsq => (found / (64.0f64 * 3.0).sqrt() * 3.0f64.sqrt() / 2.0, None),
            _ => (found + 0.5 * value, Some(0.7)),
        };
        assert!((f64::from(own.parameters[seen.at].data()[0]) - made).abs() < 1e-6, "{estimator:?}");
        let values: Vec<f32> = batch.blocks.iter().flatten().copied().collect();
        let start = start.unwrap_or(values.iter().map(|v| f64::from(v.abs())).sum::<f64>() / values.len() as f64);
        assert!((value - start).abs() < 1e-6, "{estimator:?} starts at {value}, not {start}");
    }
}

fn library(network: &Network, images: u32) -> Library {
    let mut library = models::library().unwrap();
    for asset in library.assets(network.model.data, "train", images).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    library
}

/// Some steps on the first training items of a model's own set.
fn trained(mut network: Network, estimator: Estimator, threads: usize, items: u32) -> Network {
    let images = library(&network, items).images(network.model.data, "train", items).unwrap();
    let options = TrainOptions {
        epochs: 2,
        batch: items / 2,
        optimizer: Optimizer::Adam { decoupled: false },
        lr: 0.002,
        schedule: Schedule::Constant,
        weight_decay: 0.01,
        label_smoothing: 0.0,
        flip: false,
        shift: 0,
        patience: 0,
        epsilon: 1e-8,
        precision: None,
        exchange: None,
        record: false,
    };
    let ctx = Rc::new(Context::new(threads));
    Task::new(ctx, |ctx| async move {
        let mut view = View::of(&network, estimator, 0.001).unwrap();
        let mut parameters = latents(&network);
        let graph = Rc::clone(&network.graph);
        let training = Training {
            ctx: &ctx,
            graph: &graph,
            images: &images,
            options: &options,
            objective: &mut CrossEntropy::default(),
            frozen: &[],
            watch: None,
            seed: 1,
            key: "",
            resume: None,
            teacher: &[],
        };
        train(training, &mut view, &mut parameters).await.unwrap();
        view.store(&mut network, parameters).unwrap();
        network
    })
    .finish()
}

#[test]
fn convolutions_with_batch_norms_and_text_are_trained_through_with_the_same_bits_on_any_number_of_threads() {
    let cases: [(&str, u32, &[Estimator]); 2] = [
        ("resnet8-fashion", 18, &[Estimator::Lsq, Estimator::Pact]),
        ("transformer-shakespeare", 4, &[Estimator::Lsq]),
    ];
    for (model, items, estimators) in cases {
        let start = network(model, spec("int4", true, Range::Mse), Some(("int8", 4.0)));
        for &estimator in estimators {
            let one = trained(start.clone(), estimator, 1, items);
            let three = trained(start.clone(), estimator, 3, items);
            assert_eq!(one.digest().unwrap(), three.digest().unwrap(), "{model} {estimator:?}");
            let (mut moved, mut statistics) = (0, 0);
            for (before, after) in start.parameters.iter().zip(&one.parameters) {
                let changed = before.latent != after.latent;
                let running = before.name.ends_with(".mean") || before.name.ends_with(".variance");
                statistics += usize::from(running && changed);
                moved += usize::from(after.is_weight() && changed);
                let format = after.packed.as_ref().map(|packed| packed.format().id());
                assert_eq!(format, after.is_weight().then_some("int4"), "{model} {}", after.name);
            }
            let weights = one.parameters.iter().filter(|parameter| parameter.is_weight()).count();
            let norms = one.parameters.iter().filter(|parameter| parameter.name.ends_with(".variance")).count();
            assert_eq!((moved, statistics), (weights, 2 * norms), "{model} {estimator:?}");
            for ((node, before), after) in start.graph.nodes().iter().zip(&start.inputs).zip(&one.inputs) {
                let (Some(before), Some(after)) = (before, after) else { continue };
                let (learned, before) = (after.learned, before.grid.fixed().unwrap());
                let after = after.grid.fixed().unwrap();
                assert!(learned && after.scale != before.scale, "{model} {} {estimator:?}", node.name);
                assert_eq!((after.low, after.high), (-127, 127));
            }
        }
    }
}

#[test]
fn every_format_is_packed_by_its_own_rule_after_training() {
    let digits = |spec: WeightSpec, estimator| {
        let network = trained(network("mlp-digits", spec, None), estimator, 1, 64);
        for parameter in network.parameters.iter().filter(|parameter| parameter.is_weight()) {
            let len = parameter.latent.data().len() / spec.granules(&parameter.latent);
            let unit = spec.unit(&parameter.latent);
            let granules: Vec<Granule> =
                parameter.latent.data().chunks(len).map(|values| spec.granule(values, 1.0, unit)).collect();
            let wanted = spec.pack(&parameter.latent, granules);
            let own = parameter.quantizer.as_ref().unwrap().learned.is_none();
            let whole = matches!(spec.format.family(), Family::Integer | Family::Ternary | Family::Binary);
            assert_eq!(own, estimator == Estimator::Ste || !whole, "{}", spec.format.id());
            if own {
                assert_eq!(parameter.effective().unwrap(), wanted.unwrap().decode().unwrap(), "{}", spec.format.id());
            }
        }
        network
    };
    let model = models::find("mlp-digits").unwrap();
    let rows: Vec<usize> = Network::random(model, 1)
        .unwrap()
        .parameters
        .iter()
        .filter(|parameter| parameter.is_weight())
        .map(|parameter| parameter.latent.data().len() / parameter.latent.shape().dims()[0])
        .collect();
    // Clusters are learned, and blocks must fit the rows.
    let fits = |format: &&&dyn Format| {
        format.clustered().is_none() && format.block().is_none_or(|block| rows.iter().all(|row| row % block == 0))
    };
    let tried: Vec<&&dyn Format> = formats::FORMATS.iter().filter(fits).collect();
    assert!(tried.iter().any(|format| format.id() == "mxfp4") && tried.iter().any(|format| format.id() == "q4_1"));
    for format in tried {
        for estimator in [Estimator::Ste, Estimator::Lsq] {
            digits(spec(format.id(), true, Range::Minmax), estimator);
        }
    }
    digits(spec("ternary", true, Range::Absmean), Estimator::Ste);
    digits(spec("int4", false, Range::Minmax), Estimator::Ste);
    let learned = digits(spec("int4", false, Range::Minmax), Estimator::Lsq);
    let granules = learned.parameters[0].quantizer.as_ref().unwrap().learned.clone().unwrap();
    assert!(granules.iter().all(|granule| granule.zero_point.is_some_and(|zero| (0..=15).contains(&zero))));
    // Learned scales are kept by a later training that does not learn them, and gone on from by one that does.
    let kept = trained(learned.clone(), Estimator::Ste, 1, 64);
    assert_eq!(kept.parameters[0].quantizer.as_ref().unwrap().learned.as_ref(), Some(&granules));
    assert_ne!(kept.parameters[0].latent, learned.parameters[0].latent);
    let view = View::of(&learned, Estimator::Lsq, 0.0).unwrap();
    let seen = view.weights[0].as_ref().unwrap();
    assert_eq!(seen.granules, granules);
}

/// Between weights and the loss stands nothing that is rounded: the gradient by a value of a codebook is a plain derivative.
#[test]
fn shared_values_have_the_slope_of_the_loss() {
    let kmeans = WeightSpec { format: formats::clustered(3, false).unwrap(), ..spec("kmeans", true, Range::Minmax) };
    let network = network("mlp-digits", kmeans, None);
    let batch = digits_batch(24);
    let mut largest: f64 = 0.0;
    for estimator in [Estimator::Ste, Estimator::Lsq] {
        let (view, parameters, plain, own) = gradients(&network, estimator, &batch);
        for (index, shared) in view.weights.iter().enumerate().filter_map(|(i, view)| Some((i, view.as_ref()?))) {
            let Scales::Shared { at, codes } = &shared.scales else { panic!("nothing is shared") };
            assert!(own.parameters[index].data().iter().all(|&gradient| gradient == 0.0));
            assert_eq!(own.parameters[*at].data().len(), 8);
            for (code, &found) in own.parameters[*at].data().iter().enumerate() {
                let shifted = |by: f32| {
                    let mut seen: Vec<Tensor> = parameters[..view.weights.len()].to_vec();
                    for (seen, view) in seen.iter_mut().zip(&view.weights) {
                        *seen = view.as_ref().map_or_else(|| seen.clone(), |view| view.see(seen));
                    }
                    let of_code = seen[index].data_mut().iter_mut().zip(codes).filter(|(_, own)| **own == code as u8);
                    of_code.for_each(|(value, _)| *value += by);
                    loss(&network, seen, &batch)
                };
                let wanted = (shifted(1e-3) - shifted(-1e-3)) / 2e-3;
                let found = f64::from(found);
                assert!((found - wanted).abs() < 2e-4 + 0.03 * wanted.abs(), "{index}[{code}]: {found}, {wanted}");
                largest = largest.max(found.abs());
            }
            let mut decayed = plain.clone();
            view.backward(&mut parameters.clone(), &mut decayed, 0.5).unwrap();
            for (code, value) in parameters[*at].data().iter().enumerate() {
                let count = codes.iter().filter(|own| **own == code as u8).count() as f64;
                let wanted = f64::from(own.parameters[*at].data()[code]) + 0.5 * count * f64::from(*value);
                let found = f64::from(decayed.parameters[*at].data()[code]);
                assert!((found - wanted).abs() < 1e-4 * (1.0 + wanted.abs()), "{found} decays, not {wanted}");
            }
        }
    }
    assert!(largest > 1e-2, "gradients up to {largest} show nothing");
}

#[test]
fn shared_values_move_and_the_weights_that_share_them_stay_the_same_ones() {
    let kmeans = WeightSpec { format: formats::clustered(2, true).unwrap(), ..spec("kmeans", true, Range::Minmax) };
    let mut start = network("mlp-digits", kmeans, None);
    for parameter in start.parameters.iter_mut().filter(|parameter| parameter.is_weight()) {
        let granule = kmeans.granule(parameter.latent.data(), 1.0, 1.0);
        parameter.packed = Some(kmeans.pack(&parameter.latent, vec![granule]).unwrap());
    }
    let bytes = |network: &Network| network.export(&serde_json::Value::Null).unwrap().len();
    let mut before = start.clone();
    for round in 0..2 {
        let after = trained(before.clone(), Estimator::Ste, 1, 64);
        assert_eq!(trained(before.clone(), Estimator::Ste, 3, 64).digest().unwrap(), after.digest().unwrap());
        for (old, new) in before.parameters.iter().zip(&after.parameters).filter(|(old, _)| old.is_weight()) {
            let [was, is] = [old, new].map(|parameter| parameter.effective().unwrap());
            let map: std::collections::BTreeMap<u32, u32> =
                was.data().iter().zip(is.data()).map(|(was, is)| (was.to_bits(), is.to_bits())).collect();
            assert_eq!(map.len(), 4, "{} {round}", new.name);
            assert!(was.data().iter().zip(is.data()).all(|(was, is)| map[&was.to_bits()] == is.to_bits()));
            assert!(map.iter().all(|(was, is)| was != is), "{}: a value has not moved", new.name);
            assert_eq!(new.latent, is);
            let codebook = new.packed.as_ref().unwrap().granules()[0].codebook.clone().unwrap();
            assert!(codebook.is_sorted());
        }
        assert_eq!(bytes(&before), bytes(&after));
        before = after;
    }
}

#[test]
fn latent_weights_of_signs_stay_in_their_range() {
    let mut start = network("mlp-digits", spec("binary", true, Range::Minmax), None);
    start.parameters[0].latent.data_mut()[..3].copy_from_slice(&[5.0, -3.0, 0.2]);
    let end = trained(start, Estimator::Ste, 1, 64);
    let weight = end.parameters[0].latent.data();
    assert!((weight[0] - 1.0).abs() < 1e-2 && (weight[1] + 1.0).abs() < 1e-2 && weight[0] <= 1.0, "{:?}", &weight[..3]);
    assert!(weight.iter().all(|w| w.abs() <= 1.0));
}
