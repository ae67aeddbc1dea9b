//! Plans that skip zeros or keep weights packed: the bits of the dense ones, in fewer bytes, and said so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::formats::{self, PackedTensor, group_scale};
use featherweight::graph::{LayerArithmetic, Plan};
use featherweight::measure::timed_steps;
use featherweight::models::{self, Execution, Network};
use featherweight::rng::Rng;
use featherweight::simd::LANES;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Fresh weights of which so many in a hundred are 0; with `pairs` two of every four instead.
fn thinned(model: &str, percent: u64, pairs: bool) -> Network {
    let mut network = Network::random(models::find(model).unwrap(), 3).unwrap();
    let mut rng = Rng::stream(3, "plans", 0);
    for parameter in &mut network.parameters {
        let weight = parameter.is_weight();
        for (i, value) in parameter.latent.data_mut().iter_mut().enumerate() {
            if !weight {
                *value = rng.uniform(0.1, 0.9);
            } else if if pairs { i % 4 < 2 } else { rng.below(100) < percent } {
                *value = 0.0;
            }
        }
    }
    network
}

/// The output of one image by the naive kernels.
fn naive(network: &Network, image: &[f32]) -> Vec<f32> {
    use featherweight::kernels::reference;
    let mut values = vec![image.to_vec()];
    for (i, node) in network.graph.nodes().iter().enumerate() {
        let x = &values[node.inputs[0].index()];
        let parameter = |p: usize| network.parameters[node.first_param + p].effective().unwrap();
        let shapes = network.graph.input_shapes(node);
        values.push(match node.op.kind() {
            "linear" => reference::linear(parameter(0).data(), parameter(1).data(), x),
            "conv2d" => {
                reference::conv2d(&node.op.windows(&shapes).unwrap(), parameter(0).data(), parameter(1).data(), x)
            }
            "relu" => x.iter().map(|&v| if v > 0.0 { v } else { 0.0 }).collect(),
            "max_pool2d" => {
                let window = node.op.window().unwrap();
                let input = shapes[0].chw("pool").unwrap();
                let shape =
                    featherweight::kernels::pool::PoolShape { input, kernel: window.kernel, stride: window.stride };
                reference::pool(&shape, x, |v| v.iter().copied().fold(f32::NEG_INFINITY, f32::max))
            }
            "flatten" => x.clone(),
            other => panic!("{other} of node {i} is not known here"),
        });
    }
    values.pop().unwrap()
}

/// Blocks and single images of a plan against the naive kernels.
fn check(network: &Network, plan: &mut Plan, what: &str) {
    let features = network.graph.shapes()[0].len();
    let mut rng = Rng::stream(4, "plans", 0);
    let images: Vec<Vec<f32>> = (0..LANES).map(|_| (0..features).map(|_| rng.uniform(-0.5, 1.0)).collect()).collect();
    let wanted: Vec<Vec<f32>> = images.iter().map(|image| naive(network, image)).collect();
    for (feature, lanes) in plan.input().as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        *lanes = std::array::from_fn(|lane| images[lane][feature]);
    }
    let found = plan.run().to_vec();
    for (lane, (image, wanted)) in images.iter().zip(&wanted).enumerate() {
        let own: Vec<f32> = found.as_chunks::<LANES>().0.iter().map(|lanes| lanes[lane]).collect();
        assert_eq!(bits(&own), bits(wanted), "{what}, lane {lane}");
        assert_eq!(bits(plan.run_one(image)), bits(wanted), "{what}, image {lane} alone");
    }
}

fn executed(network: &Network) -> Vec<String> {
    let plan = network.plan(Execution::Integer).unwrap();
    let steps = timed_steps(network, &plan);
    steps.into_iter().filter(|step| step.reason != "no-weights").map(|step| step.executed).collect()
}

#[test]
fn layers_with_enough_zeros_skip_them_with_the_same_bits() {
    for model in ["lenet5-fashion", "mlp-digits"] {
        for (percent, skipped) in [(20, false), (97, true)] {
            let network = thinned(model, percent, false);
            let runs = executed(&network);
            let skip = |id: &String| id.contains("-f32csr-");
            assert_eq!((runs.iter().all(skip), runs.iter().any(skip)), (skipped, skipped), "{runs:?}");
            check(&network, &mut network.plan(Execution::Integer).unwrap(), &format!("{model}, {percent} %"));
        }
    }
}

#[test]
fn packed_weights_with_enough_zeros_skip_them_in_blocks_alone() {
    let mut network = thinned("mlp-digits", 90, false);
    let int8 = formats::find("int8").unwrap();
    for parameter in network.parameters.iter_mut().filter(|parameter| parameter.is_weight()) {
        let granules = vec![int8.fit(parameter.latent.data(), true)];
        parameter.packed = Some(PackedTensor::new(int8, &parameter.latent, granules).unwrap());
    }
    let mut plan = network.plan(Execution::Integer).unwrap();
    for step in timed_steps(&network, &plan).iter().filter(|step| step.reason != "no-weights") {
        assert!(step.executed.ends_with("-f32csr-block") && step.reason == "decoded-weights", "{step:?}");
        assert!(step.single.as_ref().unwrap().ends_with("-f32i8-gemv"), "{step:?}");
    }
    check(&network, &mut plan, "packed zeros");
}

#[test]
fn a_kernel_that_skips_zeros_may_be_asked_for() {
    for (percent, pairs) in [(0, false), (40, false), (0, true)] {
        let network = thinned("lenet5-fashion", percent, pairs);
        let tensors = network.effective().unwrap();
        let arithmetic = vec![LayerArithmetic::Sparse; network.graph.nodes().len()];
        let mut plan = Plan::new(&network.graph, &tensors.iter().collect::<Vec<_>>(), &arithmetic).unwrap();
        assert!(plan.kernels(false).iter().flatten().all(|id| id.contains(if pairs { "-f32" } else { "-f32csr-" })));
        assert_eq!(plan.kernels(false).iter().flatten().any(|id| id.contains("-f32n2m4-")), pairs);
        check(&network, &mut plan, &format!("asked, {percent} % {pairs}"));
    }
}

#[test]
fn single_images_run_from_packed_weights_in_their_bytes() {
    for (id, group, kernel, share) in [
        ("int4", Some(8), "-f32i4g8-gemv", 0.2),
        ("int8", None, "-f32i8-gemv", 0.26),
        ("fp16", None, "-f32f16-gemv", 0.51),
        ("fp8-e4m3", None, "-f32e4m3-gemv", 0.26),
    ] {
        let mut network = thinned("mlp-digits", 0, false);
        let format = formats::find(id).unwrap();
        for parameter in network.parameters.iter_mut().filter(|parameter| parameter.is_weight()) {
            let weight = &parameter.latent;
            let size = group.unwrap_or(weight.data().len() / weight.shape().dims()[0]);
            let fit = |values: &[f32]| {
                let granule = format.fit(values, true);
                let scale = if group.is_some() { group_scale(granule.scale) } else { granule.scale };
                formats::Granule { scale, ..granule }
            };
            let granules = weight.data().chunks(size).map(fit).collect();
            let pack = if group.is_some() { PackedTensor::grouped } else { PackedTensor::new };
            parameter.packed = Some(pack(format, weight, granules).unwrap());
        }
        let mut plan = network.plan(Execution::Integer).unwrap();
        for step in timed_steps(&network, &plan).iter().filter(|step| step.reason != "no-weights") {
            assert_eq!((step.executed.as_str(), step.reason), ("f32", "decoded-weights"));
            assert!(step.single.as_ref().unwrap().ends_with(kernel), "{step:?}");
        }
        let bytes = |plan: &Plan| plan.weight_bytes().iter().sum::<usize>() as f64;
        let weights = network.parameters.iter().filter(|parameter| parameter.is_weight());
        let dense = weights.map(|parameter| 4 * parameter.latent.data().len()).sum::<usize>() as f64;
        let image = vec![0.5; network.graph.shapes()[0].len()];
        plan.run_one(&image);
        // The last tile of rows is filled up, so a little more than the codes.
        assert!(bytes(&plan) < dense * (share + 0.05), "{id}: {} of {dense}", bytes(&plan));
        check(&network, &mut plan, id);
        assert!(bytes(&plan) >= dense, "blocks decode the weights once");
    }
}
