//! Checks on trained networks: layer by layer, on the inputs that the layers rounded before make.

use super::*;
use crate::fields::Fields;
use crate::formats;
use crate::methods::quantize::rounding::RoundingSpec;
use crate::methods::quantize::{Granularity, Range, Scale, parse};
use crate::methods::{Effect, Memory, Mode, Transform, WeightSpec};
use crate::models::{self, Execution};
use crate::task::Task;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::future::Future;

pub(in crate::methods) fn spec(format: &str, kind: Rounding) -> WeightSpec {
    WeightSpec {
        format: formats::find(format).unwrap(),
        granularity: Granularity::Channel,
        symmetric: true,
        range: Range::Minmax,
        scale: Scale::Float,
        rounding: RoundingSpec { kind, ..RoundingSpec::NEAREST },
    }
}

pub(in crate::methods) fn finish<T: 'static, F: Future<Output = T> + 'static>(
    start: impl FnOnce(Rc<Context>) -> F,
) -> T {
    Task::new(Rc::new(Context::new(1)), start).finish()
}

/// A trained network after a quantize step, or as it is, and the first images of the train split.
pub(in crate::methods) fn network(model: &str, step: Option<Value>, images: u32) -> (Network, Images) {
    let mut library = models::library().unwrap();
    let entry = models::zoo().unwrap().remove(model).unwrap();
    let bytes = std::fs::read(&entry.asset.path).unwrap();
    let mut network = Network::from_safetensors(models::find(model).unwrap(), &entry.asset.path, &bytes).unwrap();
    let most = library.set(network.model.data).unwrap().splits.get("train").unwrap().count;
    for asset in library.assets(network.model.data, "train", most.min(1100)).unwrap() {
        library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
    }
    let found = library.images(network.model.data, "train", images).unwrap();
    if let Some(step) = step {
        let step = parse::parse(Fields::new(step, "quantize").unwrap(), &network, &[]).unwrap();
        let library = RefCell::new(library);
        network = finish(|ctx| async move {
            let mut cx = StepContext {
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
            step.apply(&mut cx).await.unwrap();
            network
        });
    }
    (network, found)
}

#[test]
fn bias_correction_takes_the_mean_error_away() {
    for (model, inputs) in [("mobilenet-fashion", false), ("lenet5-fashion", true)] {
        let mut step = json!({"weights": {"format": "int3"}, "correction": "bias", "images": 60});
        if inputs {
            step["activations"] = json!({"format": "int4"});
        }
        let (network, images) = network(model, Some(step), 60);
        let (plain, _) = self::network(model, None, 60);
        let outputs = |network: &Network| {
            let kept = vec![true; network.graph.nodes().len()];
            let mut plan = network.plan_keeping(Execution::Fake, &kept).unwrap();
            let layers: Vec<usize> =
                (0..network.graph.nodes().len()).filter(|&n| network.weight_of(n).is_some()).collect();
            let mut means: Vec<Vec<f64>> = layers.iter().map(|_| Vec::new()).collect();
            for first in (0..60).step_by(LANES) {
                let count = LANES.min(60 - first);
                images.fill(first..first + count, plan.input());
                plan.run();
                for (means, &node) in means.iter_mut().zip(&layers) {
                    let channels = network.graph.nodes()[node].params[0].shape.dims()[0];
                    means.resize(channels, 0.0);
                    let rows = plan.node_output(node).unwrap().as_chunks::<LANES>().0;
                    let positions = rows.len() / channels;
                    for (feature, row) in rows.iter().enumerate() {
                        means[feature / positions] +=
                            row[..count].iter().map(|&v| f64::from(v)).sum::<f64>() / (60 * positions) as f64;
                    }
                }
            }
            means
        };
        let (found, wanted) = (outputs(&network), outputs(&plain));
        assert!(wanted.len() > 3);
        for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((found - wanted).abs() < 1e-4 * wanted.abs().max(1.0), "{model}: {found} is not {wanted}");
        }
    }
}

/// Logits of the first images.
pub(in crate::methods) fn logits(network: &Network, images: &Images) -> Vec<f32> {
    let mut plan = network.plan(Execution::Integer).unwrap();
    let blocks = (0..images.len()).step_by(LANES).flat_map(|first| {
        images.fill(first..(first + LANES).min(images.len()), plan.input());
        plan.run().to_vec()
    });
    blocks.collect()
}

pub(in crate::methods) fn assert_alike(found: &[f32], wanted: &[f32]) {
    let largest = wanted.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= 1e-4 * largest, "{found} is not {wanted} (of {largest})");
    }
}

#[test]
fn transforms_leave_the_function_as_it_is() {
    for model in ["lenet5-fashion", "lenet300-fashion", "resnet8-fashion", "mobilenet-fashion"] {
        let (mut network, images) = network(model, None, 64);
        let norms = network.graph.nodes().iter().filter(|node| node.op.kind() == "batch_norm").count();
        let before = logits(&network, &images);
        assert_eq!(Transform::FoldBatchnorm.apply(&mut network).unwrap(), norms);
        assert!(network.graph.nodes().iter().all(|node| node.op.kind() != "batch_norm"));
        assert_alike(&logits(&network, &images), &before);
        // A ReLU6 is what equalizing may change: it is taken out first.
        let clipped = |network: &Network, node: usize| network.graph.nodes()[node].op.kind() == "relu6";
        let graph = Rc::clone(&network.graph);
        let relu = || crate::graph::Edit::Replace(std::sync::Arc::new(crate::ops::Relu));
        let kinds: Vec<bool> = (0..graph.nodes().len()).map(|node| clipped(&network, node)).collect();
        network.edit(|node| if kinds[node] { relu() } else { crate::graph::Edit::Keep }).unwrap();
        let before = logits(&network, &images);
        let weights = network.effective().unwrap();
        assert!(Transform::Equalize.apply(&mut network).unwrap() > 0);
        assert_ne!(network.effective().unwrap(), weights);
        assert_alike(&logits(&network, &images), &before);
    }
}

/// What rounding each layer in each of these ways does.
async fn effects(
    ctx: &Context,
    network: &Network,
    images: &Images,
    specs: &[WeightSpec],
    mode: Mode,
    bytes: u64,
) -> Vec<Effect> {
    let mut ways = Vec::new();
    for spec in specs {
        ways.push(spec.rounded(ctx, network).await.unwrap());
    }
    crate::methods::sensitivity(ctx, network, images, &ways, mode, bytes).await.unwrap()
}

#[test]
fn sensitivity_equals_rounding_one_layer_and_does_not_depend_on_the_cache() {
    let (network, images) = network("lenet5-fashion", None, 60);
    let specs = [spec("int8", Rounding::Nearest), spec("int2", Rounding::Nearest)];
    let find = |bytes: u64| {
        let (network, images) = self::network("lenet5-fashion", None, 60);
        finish(|ctx| async move { effects(&ctx, &network, &images, &specs, Mode::Only, bytes).await })
    };
    let (all, little) = (find(1 << 30), find(1));
    assert_eq!(all.len(), 10);
    assert_eq!(all, little);
    for effect in &all {
        let mut alone = network.clone();
        let index = alone.parameters.iter().position(|p| p.name == format!("{}.weight", effect.layer)).unwrap();
        let (spec, weight) = (specs[effect.way], alone.parameters[index].latent.clone());
        let granules = finish(|ctx| async move { range::granules(&ctx, &spec, &weight, None, None).await });
        let parameter = &mut alone.parameters[index];
        parameter.pack(&spec, parameter.latent.clone(), granules).unwrap();
        let mut plan = alone.plan(Execution::Integer).unwrap();
        let given = finish({
            let (_, images) = self::network("lenet5-fashion", None, 60);
            |ctx| async move { crate::evaluate::evaluate(&ctx, &mut plan, &images).await }
        });
        assert_eq!((effect.correct, effect.total), (given.accuracy.correct, 60), "{}", effect.layer);
        assert_eq!(effect.loss, given.accuracy.loss, "{}", effect.layer);
    }
    assert!(images.len() == 60 && all.windows(2).step_by(2).all(|pair| pair[0].sqnr_db > pair[1].sqnr_db));
}

#[test]
fn all_but_one_layer_equals_leaving_it_out() {
    let (network, images) = network("lenet5-fashion", None, 40);
    let spec = spec("int2", Rounding::Nearest);
    let given = (network.clone(), images.clone());
    let effects = finish(|ctx| async move {
        let (network, images) = given;
        effects(&ctx, &network, &images, &[spec], Mode::AllBut, 1).await
    });
    assert_eq!(effects.len(), 5);
    for effect in effects {
        let layers = json!({effect.layer.as_str(): {"weights": {"format": "fp32"}}});
        let step = json!({"weights": {"format": "int2"}, "layers": layers});
        let (rest, images) = self::network("lenet5-fashion", Some(step), 40);
        let mut plan = rest.plan(Execution::Fake).unwrap();
        let found = finish(|ctx| async move { crate::evaluate::evaluate(&ctx, &mut plan, &images).await });
        assert_eq!(effect.correct, found.accuracy.correct, "{}", effect.layer);
        assert!(effect.loss == found.accuracy.loss && effect.sqnr_db.is_some(), "{}", effect.layer);
    }
}

#[test]
fn the_work_of_sensitivity_is_what_was_expected_and_less_than_running_everything() {
    for (model, share) in [("lenet5-fashion", 0.5), ("resnet8-fashion", 0.7)] {
        // All but one: the network that each width departs from runs too.
        for (mode, share) in [(Mode::Only, share), (Mode::AllBut, share + 0.2)] {
            let specs = [8, 6, 5, 4, 3].map(|bits| spec(&format!("int{bits}"), Rounding::Nearest));
            let (network, images) = self::network(model, None, 20);
            let expected = mode.macs(&network, 20, specs.len(), |network, node| network.weight_of(node).is_some());
            let layers = (0..network.graph.nodes().len()).filter(|node| network.weight_of(*node).is_some()).count();
            let everything = network.graph.macs() * 24 * (layers * specs.len()) as u64;
            let done = finish(|ctx| async move {
                effects(&ctx, &network, &images, &specs, mode, 1).await;
                ctx.progress().0
            });
            // Finding ranges comes on top.
            assert!(done >= expected && done as f64 <= 1.1 * expected as f64, "{model}: {done} for {expected}");
            assert!((done as f64) < share * everything as f64, "{model} {mode:?}: {done} of {everything}");
        }
    }
}
