//! What GPTQ and AdaRound are for: on no layer of any network is the error of the outputs greater than that of the nearest codes.

use super::tests::{finish, network, spec};
use super::*;
use crate::methods::quantize::Granularity;
use crate::ops::LayerParams;

/// Squared errors of each layer's outputs on the images that it was rounded by, `[this rounding, the nearest]`, as the step goes
/// through the network: inputs from layers rounded before. GPTQ is to give what the plain weights make of these inputs; AdaRound
/// what the network in f32 makes, behind the activation that alone reads it.
async fn layer_errors(
    ctx: Rc<Context>,
    mut network: Network,
    images: Images,
    spec: WeightSpec,
) -> Vec<(String, [f64; 2])> {
    let graph = Rc::clone(&network.graph);
    let plain: Vec<Tensor> = network.parameters.iter().map(|parameter| parameter.latent.clone()).collect();
    let (mut rounded, mut float) = (Stream::new(&graph, &images), Stream::new(&graph, &images));
    let mut nearest = spec;
    nearest.rounding.kind = Rounding::Nearest;
    let mut errors = Vec::new();
    for (node, entry) in graph.nodes().iter().enumerate() {
        let own: Vec<&Tensor> = plain[entry.first_param..entry.first_param + entry.params.len()].iter().collect();
        float.run(&ctx, &graph, node, &own, Arithmetic::Float).await.unwrap();
        if let Some(index) = network.weight_of(node) {
            let outputs = async |weight: &Tensor| {
                let mut stream = rounded.clone();
                stream.run(&ctx, &graph, node, &[weight, own[1]], Arithmetic::Float).await.unwrap();
                stream.output(node).to_vec()
            };
            let adaround = spec.rounding.kind == Rounding::Adaround;
            let wanted = if adaround { float.output(node).to_vec() } else { outputs(own[0]).await };
            let reader = graph.only_reader(node).map(|reader| &graph.nodes()[reader].op);
            let clipped = reader.filter(|op| adaround && matches!(op.kind(), "relu" | "relu6" | "leaky_relu"));
            let clip = |block: &[f32]| match &clipped {
                None => block.to_vec(),
                Some(op) => {
                    let mut out = vec![0.0; block.len()];
                    let layer = op.prepare(&[&graph.shapes()[node + 1]], &LayerParams::default()).unwrap();
                    layer.forward(&[block], &mut out, &mut Default::default());
                    out
                }
            };
            let mut found = [0.0; 2];
            // The rounding in question comes last: the layers behind it see what it gives.
            for (spec, at) in [(nearest, 1), (spec, 0)] {
                let layer = Layer { graph: &graph, node, spec: &spec, clips: None, images: &images, seed: 1 };
                let (values, granules) = layer.round(&ctx, &network, index, &rounded, Some(&float)).await.unwrap();
                network.parameters[index].pack(&spec, values, granules).unwrap();
                let given = outputs(&network.parameters[index].effective().unwrap()).await;
                for (block, (given, wanted)) in given.iter().zip(&wanted).enumerate() {
                    for (i, (a, b)) in clip(given).iter().zip(&clip(wanted)).enumerate() {
                        let used = i % LANES < rounded.lanes(block);
                        let difference = f64::from(*a) - f64::from(*b);
                        found[at] += if used { difference * difference } else { 0.0 };
                    }
                }
            }
            errors.push((entry.name.clone(), found));
        }
        run(&ctx, &mut rounded, &network, node, Arithmetic::Float).await.unwrap();
        rounded.forget(&graph, node);
        float.forget(&graph, node);
    }
    errors
}

/// Checks every layer at 4, 3 and 2 bits; gives the geometric mean of error / error of the nearest over all of them.
fn check(model: &str, images: u32, spec: impl Fn(&'static str) -> WeightSpec) -> f64 {
    let mut logarithms = Vec::new();
    for bits in ["int4", "int3", "int2"] {
        let (network, images) = network(model, None, images);
        let spec = spec(bits);
        for (layer, [found, nearest]) in finish(|ctx| layer_errors(ctx, network, images, spec)) {
            // Both in f32: equal weights give equal sums, and nothing is as near to equal as their rounding.
            assert!(found <= nearest, "{model} {bits} {layer}: {found} is above {nearest}");
            logarithms.push(crate::math::ln_f64(found / nearest));
        }
    }
    crate::math::exp_f64(logarithms.iter().sum::<f64>() / logarithms.len() as f64)
}

const NETWORKS: [(&str, u32); 5] = [
    ("lenet300-fashion", 60),
    ("lenet5-fashion", 60),
    ("resnet8-fashion", 60),
    ("mobilenet-fashion", 60),
    ("transformer-shakespeare", 4),
];

#[test]
fn gptq_is_never_worse_than_the_nearest_on_any_layer() {
    for (model, images) in NETWORKS {
        let ways = [(false, Granularity::Channel), (true, Granularity::Channel), (false, Granularity::Tensor)];
        // One scale for all at two bits is where errors that are pushed on can make a layer worse.
        for (act_order, granularity) in &ways[..if model == "lenet5-fashion" { 3 } else { 2 }] {
            let found = check(model, images, |bits| {
                let mut spec = WeightSpec { granularity: *granularity, ..spec(bits, Rounding::Gptq) };
                spec.rounding.act_order = *act_order;
                spec
            });
            assert!(found < 0.5, "{model}: errors are {found} of those of the nearest");
        }
    }
}

#[test]
fn adaround_is_never_worse_than_the_nearest_on_any_layer() {
    for (model, images) in NETWORKS {
        let few = if model.starts_with("transformer") { 2 } else { 16 };
        let ways = [Granularity::Channel, Granularity::Tensor];
        for granularity in &ways[..if model == "lenet5-fashion" { 2 } else { 1 }] {
            let found = check(model, images.min(few), |bits| {
                let mut spec = WeightSpec { granularity: *granularity, ..spec(bits, Rounding::Adaround) };
                // A tenth of what a recipe has: learning that has not come far.
                spec.rounding.iterations = 100;
                spec
            });
            assert!(found < 0.8, "{model}: errors are {found} of those of the nearest");
        }
    }
}
