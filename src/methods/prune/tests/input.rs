//! Thresholds before layers.

use super::*;
use crate::models::MODELS;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_threshold_of_zero_changes_no_bit_of_any_model() {
    for model in MODELS {
        let plain = fresh(model.id);
        let step = json!({"pattern": "input", "threshold": 0});
        let mut pruned = plain.clone();
        if model.id == "mlp-digits" {
            pruned = applied(pruned, "prune", step, 7);
        } else {
            // Images of every model are not there.
            let step = parse::parse(Fields::new(step, "step").unwrap(), &plain, &[]).unwrap();
            step.reshape(&mut pruned).unwrap();
        }
        assert!(pruned.graph.nodes().len() > plain.graph.nodes().len());
        let [mut plain, mut pruned] = [plain, pruned].map(|network| network.plan(Execution::Fake).unwrap());
        let mut rng = Rng::stream(2, "input", 0);
        let text = model.id.starts_with("transformer");
        let block: Vec<f32> =
            plain.input().iter().map(|_| if text { rng.below(60) as f32 } else { rng.uniform(-1.0, 1.0) }).collect();
        plain.input().copy_from_slice(&block);
        pruned.input().copy_from_slice(&block);
        assert_eq!(bits(plain.run()), bits(pruned.run()), "{}", model.id);
        let image: Vec<f32> = block.iter().step_by(LANES).copied().collect();
        assert_eq!(bits(plain.run_one(&image)), bits(pruned.run_one(&image)), "{} alone", model.id);
    }
}

#[test]
fn thresholds_are_quantiles_of_what_layers_read_and_what_is_below_is_gone() {
    for (model, share) in [("lenet5-fashion", 0.6), ("resnet8-fashion", 0.45)] {
        let (plain, images) = network(model, None, 24);
        let step = json!({"pattern": "input", "sparsity": share, "images": 24});
        let pruned = applied(plain.clone(), "prune", step, 7);
        let every = |network: &Network| vec![true; network.graph.nodes().len()];
        let mut whole = plain.plan_keeping(Execution::Fake, &every(&plain)).unwrap();
        let mut cut = pruned.plan_keeping(Execution::Fake, &every(&pruned)).unwrap();
        for (node, entry) in plain.graph.nodes().iter().enumerate().filter(|(node, _)| plain.rounds_input(*node)) {
            let at = pruned.graph.nodes().iter().position(|other| other.name == entry.name).unwrap();
            let threshold = pruned.graph.nodes()[at].inputs[0].index() - 1;
            let least = pruned.graph.nodes()[threshold].op.constants().unwrap()[0];
            let mut seen = Vec::new();
            for first in (0..24).step_by(LANES) {
                images.fill(first..first + LANES, whole.input());
                whole.run();
                seen.extend(whole.node_input(node).unwrap().iter().map(|value| value.abs()));
                images.fill(first..first + LANES, cut.input());
                cut.run();
                let (before, after) = (cut.node_input(threshold).unwrap(), cut.node_input(at).unwrap());
                for (before, after) in before.iter().zip(after) {
                    assert_eq!(*after, if before.abs() < least { 0.0 } else { *before });
                }
            }
            seen.sort_by(f32::total_cmp);
            assert_eq!(least, seen[(seen.len() as f64 * share).round() as usize], "{model} {}", entry.name);
        }
    }
}
