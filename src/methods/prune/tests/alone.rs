//! Layers pruned alone, and shares chosen by what that does.

use super::*;
use crate::methods::{Effect, Mode, Ways};
use crate::task::Context;

/// A step's context, seed 7.
fn context<'a>(
    ctx: &'a Context,
    library: &'a RefCell<Library>,
    memory: &'a Memory,
    network: &'a mut Network,
) -> StepContext<'a> {
    let (key, trained) = (String::new(), crate::train::Trained::default());
    StepContext { ctx, library, memory, network, seed: 7, index: 0, key, resume: None, trained }
}

#[test]
fn a_layer_pruned_alone_is_the_recipe_that_keeps_all_others() {
    let names = ["conv1", "conv2", "fc1", "fc2", "fc3"];
    for asked in [
        json!({"method": "magnitude", "scope": "layer"}),
        json!({"method": "random", "scope": "row"}),
        json!({"method": "magnitude", "scope": "layer", "pattern": {"block": [2, 3]}}),
        json!({"method": "wanda", "images": 20}),
        json!({"method": "sparsegpt", "images": 20, "seed": 3}),
        json!({"method": "taylor", "scope": "layer", "images": 20}),
    ] {
        let share = 0.7;
        let mut step = asked.clone();
        step["sparsity"] = json!(share);
        let (dense, _) = network("lenet5-fashion", None, 1);
        let parsed = parse::parse(Fields::new(step.clone(), "step").unwrap(), &dense, &[]).unwrap();
        let mut library = models::library().unwrap();
        for asset in parsed.assets(dense.model, &library).unwrap() {
            library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
        }
        let mut given = dense.clone();
        let found = finish(|ctx| async move {
            let (memory, library) = (Memory::default(), RefCell::new(library));
            let cx = context(&ctx, &library, &memory, &mut given);
            parsed.as_prune().unwrap().alone(&cx, &[0.2, share]).await.unwrap()
        });
        assert_eq!(found[1].len(), names.len());
        for (name, (node, weight)) in names.iter().zip(&found[1]) {
            for other in names.iter().filter(|other| *other != name) {
                step["layers"][other] = json!("keep");
            }
            let wanted = applied(dense.clone(), "prune", step.clone(), 7);
            let wanted = &wanted.parameters[wanted.weight_of(*node).unwrap()];
            assert!(wanted.name.starts_with(name) && wanted.latent == *weight, "{asked} {name}");
            assert_ne!(found[0].iter().find(|(other, _)| other == node).unwrap().1, *weight);
            step["layers"] = Value::Null;
        }
    }
}

#[test]
fn ratios_are_the_least_loss_within_the_budget() {
    for (of, kept) in [("weights", None), ("macs", None), ("weights", Some("fc1"))] {
        let (dense, _) = network("lenet5-fashion", None, 1);
        let budget = 0.4;
        let mut step =
            json!({"ratios": {"budget": budget, "of": of, "images": 40}, "layers": {"conv2": {"sparsity": 0.5}}});
        if let Some(kept) = kept {
            step["layers"][kept] = json!("keep");
        }
        let pruned = applied(dense.clone(), "prune", step, 7);
        let mut library = models::library().unwrap();
        for asset in library.assets("fashion", "validation", 40).unwrap() {
            library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
        }
        let shares = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99];
        let mut given = dense.clone();
        let effects = finish(move |ctx| async move {
            let (library, memory, step) = (RefCell::new(library), Memory::default(), PruneStep::plain());
            let cx = context(&ctx, &library, &memory, &mut given);
            Ways::Pruned(&step, &shares).effects(&cx, 40, Mode::Only).await.unwrap()
        });
        let chosen: Vec<&[Effect]> = effects
            .chunks(shares.len())
            .filter(|effects| effects[0].layer != "conv2" && kept != Some(effects[0].layer.as_str()))
            .collect();
        let weight = |layer: &str| {
            let index = dense.parameters.iter().position(|p| p.name == format!("{layer}.weight")).unwrap();
            (index, dense.parameters[index].latent.data().len() as f64)
        };
        // Uses of a weight: positions of a convolution's output.
        let uses = |layer: &str| if of == "macs" && layer == "conv1" { 784.0 } else { 1.0 };
        let whole: f64 = chosen.iter().map(|effects| weight(&effects[0].layer).1 * uses(&effects[0].layer)).sum();
        let mut least = f64::INFINITY;
        for at in 0..shares.len().pow(chosen.len() as u32) {
            let mut rest = at;
            let (mut cost, mut loss) = (0.0, 0.0);
            for effects in &chosen {
                let effect = &effects[rest % shares.len()];
                rest /= shares.len();
                let (_, count) = weight(&effect.layer);
                cost += (count - (count * shares[effect.way]).round()) * uses(&effect.layer);
                loss += effect.loss;
            }
            if cost <= budget * whole {
                least = least.min(loss);
            }
        }
        let (mut cost, mut loss) = (0.0, 0.0);
        for effects in &chosen {
            let (index, count) = weight(&effects[0].layer);
            let gone = pruned.parameters[index].mask.as_ref().unwrap().iter().filter(|kept| !**kept).count() as f64;
            let way = shares.iter().position(|share| (count * share).round() == gone).unwrap();
            cost += (count - gone) * uses(&effects[0].layer);
            loss += effects[way].loss;
        }
        assert!(cost <= budget * whole, "{cost} of {whole}");
        assert!((loss - least).abs() < 1e-9, "{of}: {loss} is not {least}");
        let own = pruned.parameters[weight("conv2").0].mask.as_ref().unwrap();
        assert_eq!(own.iter().filter(|kept| **kept).count(), 1200);
        if let Some(kept) = kept {
            assert!(pruned.parameters[weight(kept).0].mask.is_none());
        }
    }
}
