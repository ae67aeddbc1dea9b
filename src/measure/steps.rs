//! A network's layers for the target `this-browser`: what was asked of each, and what this engine runs. The host times them.

use crate::graph::Plan;
use crate::models::{Execution, Network};
use serde::Serialize;

/// How what was asked for is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// As asked.
    Native,
    /// Weights are kept in fewer bits; arithmetic is f32.
    WeightOnly,
    /// Weights are widened once; the kernel is a wider one.
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
    /// The arithmetic that runs.
    pub executed: &'static str,
    /// How the two go together.
    pub support: Support,
    /// Why, as an id: `as-asked`, `decoded-weights`, `rounded-inputs`, `whole-numbers` or `no-weights`.
    pub reason: &'static str,
    /// Multiply-adds of one block.
    pub macs: u64,
}

/// The steps of a network's plan, in the order they run.
pub fn timed_steps(network: &Network, execution: Execution, plan: &Plan) -> Vec<TimedStep> {
    plan.steps().iter().map(|nodes| describe(network, execution, nodes)).collect()
}

fn describe(network: &Network, execution: Execution, nodes: &[usize]) -> TimedStep {
    let name = |&node: &usize| network.graph.nodes()[node].name.as_str();
    let macs = |&node: &usize| network.graph.nodes()[node].macs * crate::simd::LANES as u64;
    let weighted = nodes.iter().copied().find(|&node| network.weight_of(node).is_some());
    let (requested, (executed, support, reason)) = match weighted {
        None => ("w32a32".to_string(), ("f32", Support::Native, "no-weights")),
        Some(node) => {
            let packed = network.weight_of(node).and_then(|weight| network.parameters[weight].packed.as_ref());
            let input = network.inputs[node];
            let bits = |bits: Option<f64>| bits.unwrap_or(32.0).ceil();
            let requested =
                format!("w{}a{}", bits(packed.map(|p| p.format().bits())), bits(input.map(|i| i.format.bits())));
            let integer = execution == Execution::Integer && packed.is_some_and(|p| p.levels().is_some());
            (requested, executed(packed.is_some(), input.is_some(), integer))
        }
    };
    TimedStep {
        name: nodes.iter().map(name).collect::<Vec<_>>().join(" + "),
        requested,
        executed,
        support,
        reason,
        macs: nodes.iter().map(macs).sum(),
    }
}

/// What runs, from whether weights and inputs are quantized and whether their products are whole numbers.
fn executed(weights: bool, inputs: bool, integer: bool) -> (&'static str, Support, &'static str) {
    match (weights, inputs) {
        (false, false) => ("f32", Support::Native, "as-asked"),
        (true, false) => ("f32", Support::Fallback, "decoded-weights"),
        (_, true) if integer => ("i32", Support::Fallback, "whole-numbers"),
        (_, true) => ("f32", Support::Emulated, "rounded-inputs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats;
    use crate::models::{self, InputQuantizer};

    #[test]
    fn each_layer_says_what_was_asked_and_what_runs() {
        let mut network = Network::random(models::find("mlp-digits").unwrap(), 1).unwrap();
        let execution = Execution::Integer;
        let of = |network: &Network| timed_steps(network, execution, &network.plan(execution).unwrap());
        let plain = of(&network);
        assert!(plain.iter().all(|step| step.requested == "w32a32" && step.support == Support::Native));
        assert_eq!(plain.iter().map(|step| step.macs).sum::<u64>(), network.graph.macs() * 8);
        let node = (0..network.graph.nodes().len()).find(|&node| network.weight_of(node).is_some()).unwrap();
        let weight = network.weight_of(node).unwrap();
        let int4 = formats::find("int4").unwrap();
        let latent = network.parameters[weight].latent.clone();
        let granules = vec![int4.fit(latent.data(), true)];
        network.parameters[weight].packed = Some(formats::PackedTensor::new(int4, &latent, granules).unwrap());
        assert_eq!(
            (
                of(&network).iter().find(|s| s.name.starts_with("fc1")).unwrap().requested.as_str(),
                of(&network).iter().find(|s| s.name.starts_with("fc1")).unwrap().reason
            ),
            ("w4a32", "decoded-weights")
        );
        let int8 = formats::find("int8").unwrap();
        let grid = int8.input_grid(-1.0, 1.0, true).unwrap();
        network.inputs[node] = Some(InputQuantizer { format: int8, grid });
        assert_eq!(
            (
                of(&network).iter().find(|s| s.name.starts_with("fc1")).unwrap().requested.as_str(),
                of(&network).iter().find(|s| s.name.starts_with("fc1")).unwrap().executed
            ),
            ("w4a8", "i32")
        );
    }
}
