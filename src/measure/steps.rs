//! A network's layers for the target `this-browser`: what was asked of each, and what this engine runs. The host times them.

use crate::graph::Plan;
use crate::kernels::integer::PLAIN_ID;
use crate::models::Network;
use serde::Serialize;

/// How what was asked for is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// As asked.
    Native,
    /// What has no kernel of its own is widened once; the kernel is a wider one.
    Fallback,
    /// f32 arithmetic on rounded values.
    Emulated,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TimedStep {
    /// The layers it covers.
    pub name: String,
    /// Bits of weights and inputs, such as `w4a8`.
    pub requested: String,
    /// What runs: a kernel's id, or `f32` for the dense kernel of floats.
    pub executed: String,
    /// What runs for one image alone, where that is another kernel.
    pub single: Option<String>,
    /// How the two go together.
    pub support: Support,
    /// Why, as an id: `as-asked`, `decoded-weights`, `rounded-inputs`, `whole-numbers` or `no-weights`.
    pub reason: &'static str,
    /// Multiply-adds of one block.
    pub macs: u64,
}

/// The steps of a network's plan, in the order they run.
pub fn timed_steps(network: &Network, plan: &Plan) -> Vec<TimedStep> {
    let kernels = [plan.kernels(false), plan.kernels(true)];
    plan.steps().iter().map(|nodes| describe(network, &kernels, nodes)).collect()
}

fn describe(network: &Network, [blocks, single]: &[Vec<Option<String>>; 2], nodes: &[usize]) -> TimedStep {
    let name = |&node: &usize| network.graph.nodes()[node].name.as_str();
    let macs = |&node: &usize| network.graph.nodes()[node].macs * crate::simd::LANES as u64;
    let weighted = nodes.iter().copied().find(|&node| network.weight_of(node).is_some());
    let (requested, (executed, support, reason)) = match weighted {
        None => ("w32a32".to_string(), (FLOAT, Support::Native, "no-weights")),
        Some(node) => {
            let packed = network.weight_of(node).and_then(|weight| network.parameters[weight].packed.as_ref());
            let input = network.inputs[node];
            let bits = |bits: Option<f64>| bits.unwrap_or(32.0).ceil();
            let requested =
                format!("w{}a{}", bits(packed.map(|p| p.format().bits())), bits(input.map(|i| i.format.bits())));
            (requested, executed(packed.is_some(), input.is_some(), blocks[node].as_deref()))
        }
    };
    TimedStep {
        name: nodes.iter().map(name).collect::<Vec<_>>().join(" + "),
        requested,
        executed: executed.into(),
        single: weighted.and_then(|node| single[node].clone()).filter(|id| id != executed),
        support,
        reason,
        macs: nodes.iter().map(macs).sum(),
    }
}

/// The dense kernel of floats.
const FLOAT: &str = "f32";

/// What runs, from whether weights and inputs are quantized and the kernel there is but the dense one of floats.
fn executed(weights: bool, inputs: bool, kernel: Option<&str>) -> (&str, Support, &'static str) {
    match (kernel, weights, inputs) {
        (Some(PLAIN_ID), ..) => (PLAIN_ID, Support::Fallback, "whole-numbers"),
        (Some(kernel), ..) if !kernel.contains("-f32") => (kernel, Support::Native, "as-asked"),
        (kernel, false, false) => (kernel.unwrap_or(FLOAT), Support::Native, "as-asked"),
        (kernel, true, false) => (kernel.unwrap_or(FLOAT), Support::Fallback, "decoded-weights"),
        (kernel, _, true) => (kernel.unwrap_or(FLOAT), Support::Emulated, "rounded-inputs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::models::{self, Execution, InputQuantizer};
    use crate::ops::Rounder;

    #[test]
    fn each_layer_says_what_was_asked_and_what_runs() {
        let mut network = Network::random(models::find("mlp-digits").unwrap(), 1).unwrap();
        let of = |network: &Network| timed_steps(network, &network.plan(Execution::Integer).unwrap());
        let plain = of(&network);
        assert!(plain.iter().all(|step| step.requested == "w32a32" && step.support == Support::Native));
        assert_eq!(plain.iter().map(|step| step.macs).sum::<u64>(), network.graph.macs() * 8);
        let node = (0..network.graph.nodes().len()).find(|&node| network.weight_of(node).is_some()).unwrap();
        let weight = network.weight_of(node).unwrap();
        let int4 = formats::find("int4").unwrap();
        let latent = network.parameters[weight].latent.clone();
        let granules = vec![int4.fit(latent.data(), true)];
        network.parameters[weight].packed = Some(formats::PackedTensor::new(int4, &latent, granules).unwrap());
        let named = |network: &Network| of(network).into_iter().find(|step| step.name.starts_with("fc1")).unwrap();
        assert_eq!((named(&network).requested.as_str(), named(&network).reason), ("w4a32", "decoded-weights"));
        let int8 = formats::find("int8").unwrap();
        let grid = int8.input_grid(-1.0, 1.0, true).unwrap();
        network.inputs[node] = Some(InputQuantizer { format: int8, grid: Rounder::Fixed(grid), learned: false });
        let integer = named(&network);
        assert_eq!((integer.requested.as_str(), integer.support), ("w4a8", Support::Native));
        assert!(integer.executed.contains("-i4i"), "{}", integer.executed);
        let fake = timed_steps(&network, &network.plan(Execution::Fake).unwrap());
        assert!(fake.iter().any(|step| (step.executed.as_str(), step.support) == ("f32", Support::Emulated)));
        let int16 = formats::find("int16").unwrap();
        let granules = vec![int16.fit(latent.data(), true)];
        network.parameters[weight].packed = Some(formats::PackedTensor::new(int16, &latent, granules).unwrap());
        assert!(named(&network).executed.contains("-i16i16i32-"));
        let binary = formats::find("binary").unwrap();
        let granules = vec![binary.fit(latent.data(), true)];
        network.parameters[weight].packed = Some(formats::PackedTensor::new(binary, &latent, granules).unwrap());
        let grid = binary.input_grid(0.0, 0.5, true).unwrap();
        network.inputs[node] = Some(InputQuantizer { format: binary, grid: Rounder::Fixed(grid), learned: false });
        assert!(named(&network).executed.contains("-b1b1i32-"));
    }
}
