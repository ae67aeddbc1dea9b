//! Pruned weights in a file: every way to store them is read back to the same weights, of every format and at every sparsity; what
//! the report says of bytes is what the file has; and indices are as many as counting them naively gives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use featherweight::error::ErrorCode;
use featherweight::evaluate::{Size, inspect_weights, ledgers, measure};
use featherweight::formats::{FORMATS, STORAGES, Storage};
use featherweight::models::{Network, library};
use featherweight::recipe::{Recipe, load, prepare, run};
use featherweight::rng::Rng;
use featherweight::task::{Context, Task};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// The mask of a weight: rows, and values of a row.
type Masked = dyn Fn(usize, usize) -> Vec<bool>;

/// `mlp-digits` with fresh weights, of which those that `mask` does not keep are pruned; then quantized as `step` says.
fn network(step: Option<&Value>, mask: Option<&Masked>) -> (Network, Value) {
    let steps = step.map_or(json!([]), |step| json!([{"quantize": step}]));
    let recipe = json!({"version": 1, "model": "mlp-digits", "seed": 3, "init": "random", "steps": steps});
    let library = library().unwrap();
    let parsed = Recipe::parse(recipe, &library).unwrap();
    let canonical = parsed.canonical();
    let library = Rc::new(RefCell::new(library));
    let task = Task::new(Rc::new(Context::new(1)), |ctx| prepare(ctx, parsed, library, Rc::default(), None));
    let mut network = task.finish().unwrap().network;
    for parameter in network.parameters.iter_mut().filter(|parameter| parameter.is_weight()) {
        let Some(mask) = mask else { continue };
        let rows = parameter.latent.shape().dims()[0];
        let kept = mask(rows, parameter.latent.shape().len() / rows);
        parameter.latent.data_mut().iter_mut().zip(&kept).filter(|(_, kept)| !**kept).for_each(|(v, _)| *v = 0.0);
        parameter.mask = Some(kept);
    }
    (network, canonical)
}

fn size(network: &Network) -> Size {
    let network = network.clone();
    Task::new(Rc::new(Context::new(1)), |ctx| async move { measure(&ctx, &network).await }).finish().unwrap()
}

/// Bytes of all tensors of a file.
fn data_bytes(file: &[u8]) -> u64 {
    file.len() as u64 - 8 - u64::from_le_bytes(file[..8].try_into().unwrap())
}

/// A share of the weights at random.
fn share(kept: f32) -> impl Fn(usize, usize) -> Vec<bool> {
    move |rows, row| {
        let mut rng = Rng::stream(9, "mask", (rows * row) as u64);
        (0..rows * row).map(|_| rng.uniform(0.0, 1.0) < kept).collect()
    }
}

fn masks() -> Vec<(&'static str, Box<Masked>)> {
    vec![
        ("nothing pruned", Box::new(share(2.0))),
        ("half", Box::new(share(0.5))),
        ("nine of ten", Box::new(share(0.1))),
        ("99 of 100", Box::new(share(0.01))),
        ("everything", Box::new(share(-1.0))),
        ("every third row", Box::new(|rows, row| (0..rows * row).map(|i| i / row % 3 != 0).collect())),
        ("2:4", Box::new(|rows, row| (0..rows * row).map(|i| (i + i / 4) % 4 < 2).collect())),
        ("blocks", Box::new(|rows, row| (0..rows * row).map(|i| (i / row / 4 + i % row / 4) % 3 == 0).collect())),
    ]
}

/// Steps for every format whose blocks fit the model, and some more.
fn steps() -> Vec<Option<Value>> {
    let fits = FORMATS.iter().filter(|format| format.block().is_none_or(|block| block <= 32));
    let mut steps: Vec<Option<Value>> = vec![None];
    for format in fits {
        let mut weights = json!({"format": format.id()});
        if format.id() == "nf4" {
            weights["granularity"] = json!({"group": 32});
        }
        steps.push(Some(json!({"weights": weights})));
    }
    for weights in [
        json!({"format": "kmeans", "bits": 3, "huffman": true}),
        json!({"format": "int4", "granularity": {"group": 32}, "symmetric": false}),
        json!({"format": "int3", "rounding": "hqq"}),
        json!({"format": "int4", "scale": "power-of-two"}),
    ] {
        steps.push(Some(json!({"weights": weights})));
    }
    steps
}

fn alternative(size: &Size, storage: Storage) -> Option<u64> {
    let all = size.alternatives;
    match storage {
        Storage::Dense => Some(all.dense),
        Storage::Bitmask => all.bitmask,
        Storage::Csr5 => all.csr5,
        Storage::Nm => all.nm,
        Storage::Block => all.block,
    }
}

#[test]
fn every_way_to_store_is_read_back_and_has_the_bytes_it_says() {
    let library = library().unwrap();
    let mut held = [0; STORAGES.len()];
    for step in steps() {
        for (name, mask) in masks() {
            let (mut network, recipe) = network(step.as_ref(), Some(&*mask));
            let digest = network.digest().unwrap();
            let all = size(&network);
            for storage in STORAGES.into_iter().map(|(_, storage)| Some(storage)).chain([None]) {
                let what = format!("{name}, {step:?}, {storage:?}");
                network.storage = storage;
                let mut recipe = recipe.clone();
                recipe["storage"] = json!(storage.map_or("auto", Storage::id));
                let file = network.export(&recipe).unwrap();
                let own = size(&network);
                assert_eq!((own.bytes, own.ledger.total()), (data_bytes(&file), own.bytes), "{what}");
                let layers: u64 = ledgers(&network).iter().map(|ledger| ledger.total()).sum();
                assert_eq!(layers, own.bytes, "{what}");
                assert_eq!(
                    (own.alternatives.dense, own.alternatives.nm),
                    (all.alternatives.dense, all.alternatives.nm)
                );
                if let Some((way, bytes)) = storage.and_then(|way| Some((way, alternative(&all, way)?))) {
                    held[way as usize] += 1;
                    assert_eq!(bytes, own.bytes, "{what}");
                }
                let (again, read) = load("a file", &file, &library).unwrap();
                assert_eq!(read.digest().unwrap(), digest, "{what}");
                assert_eq!(again.canonical(), recipe, "{what}");
                assert!(read.export(&recipe).unwrap() == file, "{what}: read and written again");
                for cut in [1, 2] {
                    // The header's offsets then go beyond the end.
                    assert!(load("a file", &file[..file.len() - cut], &library).is_err());
                }
            }
            // Each weight is stored in the smallest way.
            network.storage = None;
            for parameter in network.parameters.iter().filter(|parameter| parameter.is_weight()) {
                let bytes = |way: Option<Storage>| parameter.stored(way).bytes();
                let least = STORAGES.iter().map(|(_, way)| bytes(Some(*way))).min().unwrap();
                let first = STORAGES.iter().find(|(_, way)| bytes(Some(*way)) == least).unwrap().1;
                let chosen = parameter.stored(None);
                assert_eq!((chosen.bytes(), chosen.layout.storage), (least, first), "{name}, {step:?}");
            }
        }
    }
    assert!(held.iter().all(|&count| count > 50), "{held:?}");
}

#[test]
fn what_was_never_pruned_stays_dense_and_the_ways_cost_what_they_add() {
    let (network, _) = network(Some(&json!({"weights": {"format": "int8"}})), None);
    let found = size(&network);
    let dense = found.alternatives.dense;
    assert_eq!(found.bytes, dense);
    let lens: Vec<usize> =
        network.parameters.iter().filter(|p| p.is_weight()).map(|p| p.latent.shape().len()).collect();
    let with = |bits: usize| dense + lens.iter().map(|len| (len * bits).div_ceil(8) as u64).sum::<u64>();
    assert_eq!((found.alternatives.bitmask, found.alternatives.csr5), (Some(with(1)), Some(with(5))));
    assert_eq!(found.alternatives.nm, None);
    assert_eq!((found.ledger.masks, found.ledger.indices), (0, 0));
}

#[test]
fn a_report_has_the_bytes_of_the_way_asked_for_and_a_dense_baseline() {
    for steps in [json!([]), json!([{"quantize": {"weights": {"format": "int4"}}}])] {
        let recipe = json!({"version": 1, "model": "mlp-digits", "seed": 3, "storage": "bitmask", "steps": steps,
            "data": {"test": 8}});
        let mut library = library().unwrap();
        let recipe = Recipe::parse(recipe, &library).unwrap();
        for asset in recipe.needs(&library).unwrap() {
            library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
        }
        let library = Rc::new(RefCell::new(library));
        let task = Task::new(Rc::new(Context::new(1)), |ctx| run(ctx, recipe, library, Rc::default(), None));
        let outcome = task.finish().unwrap();
        let report = outcome.report.unwrap();
        let (size, baseline) = (report.size, report.baseline.size);
        assert_eq!((Some(size.bytes), report.recipe["storage"].as_str()), (size.alternatives.bitmask, Some("bitmask")));
        assert_eq!(baseline.bytes, baseline.alternatives.dense);
        assert!(size.ledger.masks > 0 && baseline.ledger.masks == 0);
        assert_eq!(data_bytes(&outcome.network.export(&outcome.recipe).unwrap()), size.bytes);
    }
}

#[test]
fn the_blocks_of_gguf_are_stored_whole() {
    let (mut network, _) = network(Some(&json!({"weights": {"format": "q4_0"}})), Some(&share(0.1)));
    network.storage = Some(Storage::Csr5);
    let found = size(&network);
    assert_eq!(found.bytes, found.alternatives.dense);
    let all = found.alternatives;
    assert_eq!([all.bitmask, all.csr5, all.nm, all.block], [None; 4]);
}

#[test]
fn formats_without_a_zero_keep_the_mask() {
    for (format, masked) in [("binary", true), ("int4", false), ("ternary", false), ("fp16", false)] {
        let (mut network, _) = network(Some(&json!({"weights": {"format": format}})), Some(&share(0.5)));
        network.storage = Some(Storage::Dense);
        let weights = network.parameters.iter().filter(|parameter| parameter.is_weight());
        let bits: u64 = weights.map(|p| p.latent.shape().len().div_ceil(8) as u64).sum();
        assert_eq!(size(&network).ledger.masks, if masked { bits } else { 0 }, "{format}");
        // The kept ones are there, and all others exactly 0.
        for parameter in network.parameters.iter().filter(|parameter| parameter.is_weight()) {
            let values = parameter.effective().unwrap();
            for (value, kept) in values.data().iter().zip(parameter.mask.as_ref().unwrap()) {
                assert!(*kept || value.to_bits() == 0, "{format}");
            }
        }
    }
}

/// The bits of Huffman's code of these symbols, by joining the two rarest until one is left.
fn huffman_bits(symbols: &[u32]) -> usize {
    let mut counts: Vec<usize> = (0..256).map(|s| symbols.iter().filter(|&&symbol| symbol == s).count()).collect();
    counts.retain(|&count| count > 0);
    let mut bits = if counts.len() == 1 { counts[0] } else { 0 };
    while counts.len() > 1 {
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let joined = counts.pop().unwrap() + counts.pop().unwrap();
        bits += joined;
        counts.push(joined);
    }
    bits
}

#[test]
fn the_bytes_of_deep_compression_are_those_counted_by_hand() {
    for huffman in [false, true] {
        let step = json!({"weights": {"format": "kmeans", "bits": 6, "huffman": huffman}});
        let (mut network, _) = network(Some(&step), Some(&share(0.08)));
        network.storage = Some(Storage::Csr5);
        let (mut indices, mut codebooks) = (0, 0);
        for parameter in network.parameters.iter().filter(|parameter| parameter.is_weight()) {
            // Gaps between kept weights, in steps of 31 where they are long.
            let mask = parameter.mask.as_ref().unwrap();
            let kept: Vec<usize> = (0..mask.len()).filter(|&i| mask[i]).collect();
            let mut gaps = Vec::new();
            for (n, &at) in kept.iter().enumerate() {
                let gap = if n == 0 { at } else { at - kept[n - 1] - 1 };
                gaps.extend(std::iter::repeat_n(31, gap / 31));
                gaps.push((gap % 31) as u32);
            }
            // The place in the codebook of every kept weight.
            let packed = parameter.packed.as_ref().unwrap();
            let codebook = packed.granules()[0].codebook.clone().unwrap();
            let values = parameter.effective().unwrap();
            let place = |at: usize| codebook.iter().position(|v| v.to_bits() == values.data()[at].to_bits()).unwrap();
            let places: Vec<u32> = kept.iter().map(|&at| place(at) as u32).collect();
            let bits = |symbols: &[u32], plain| if huffman { huffman_bits(symbols) } else { plain * symbols.len() };
            indices += bits(&gaps, 5).div_ceil(8) + bits(&places, 6).div_ceil(8);
            codebooks += 64 * 4 + if huffman { 64 + 32 } else { 0 };
        }
        let found = size(&network);
        assert_eq!((found.ledger.indices, found.ledger.codebooks), (indices as u64, codebooks as u64), "{huffman}");
        assert_eq!(Some(found.bytes), found.alternatives.csr5);
        assert!(found.bytes < found.alternatives.dense && Some(found.bytes) < found.alternatives.bitmask);
    }
}

#[test]
fn a_look_inside_shows_what_is_kept_and_the_bytes_that_are_there() {
    for step in steps() {
        let (mut network, _) = network(step.as_ref(), Some(&share(0.3)));
        for storage in STORAGES.into_iter().map(|(_, storage)| Some(storage)).chain([None]) {
            network.storage = storage;
            let parts = network.parts();
            for granule in [0, 1] {
                let Ok(seen) = inspect_weights(&network, "fc2", granule, 0) else { continue };
                let parameter = network.parameters.iter().find(|p| p.name == "fc2.weight").unwrap();
                let (mask, values) = (parameter.mask.as_ref().unwrap(), parameter.effective().unwrap());
                let first = seen.first as usize;
                let own = first..first + seen.values.len();
                assert_eq!(seen.kept, mask[own.clone()]);
                let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
                assert_eq!(bits(&seen.values), bits(&values.data()[own]));
                let layout = parameter.stored(storage).layout;
                assert_eq!(seen.storage, layout.storage.id());
                for (i, place) in seen.places.iter().enumerate() {
                    assert_eq!(place.is_some(), layout.stored[first + i]);
                    assert!(place.is_none_or(|place| (place as usize) < seen.pieces[0].bytes.len()), "{step:?}");
                }
                for piece in &seen.pieces {
                    let name = format!("fc2.weight{}", piece.suffix);
                    let (_, _, part) = parts.iter().find(|(own, _, _)| *own == name).unwrap();
                    let at = piece.offset as usize;
                    assert_eq!(piece.bytes, part.bytes[at..at + piece.bytes.len()], "{step:?} {name}");
                }
                // Codes of whole bytes stand where they are said to.
                if step.as_ref().is_some_and(|step| step["weights"]["format"] == "int8") {
                    for (i, place) in seen.places.iter().enumerate() {
                        let byte = place.map(|place| u32::from(seen.pieces[0].bytes[place as usize]));
                        assert!(byte.is_none_or(|byte| byte == seen.codes[i]));
                    }
                }
            }
        }
    }
}

#[test]
fn files_that_say_another_way_than_they_have_are_refused() {
    let library = library().unwrap();
    let (mut network, mut recipe) = network(
        Some(&json!({"weights": {"format": "int4"}})),
        Some(&|rows, row| (0..rows * row).map(|i| i % 4 < 2).collect()),
    );
    for (storage, from, to) in [
        ("nm", "[2,4]", "[1,4]"),
        ("nm", "[2,4]", "[2,8]"),
        ("nm", "[2,4]", "[0,4]"),
        ("csr5", "\\\"storage\\\":\\\"csr5\\\"", "\\\"storage\\\":\\\"csr6\\\""),
        ("csr5", "\\\"storage\\\":\\\"csr5\\\"", "\\\"storage\\\":\\\"nm\\\"  "),
        ("block", "[4,1]", "[1,4]"),
        ("block", "[4,1]", "[3,1]"),
        ("bitmask", "fc2.weight.mask", "fc2.weight.musk"),
    ] {
        network.storage = featherweight::formats::find_storage(storage);
        recipe["storage"] = json!(storage);
        let mut file = network.export(&recipe).unwrap();
        assert!(load("a file", &file, &library).is_ok());
        let at = file.windows(from.len()).rposition(|bytes| bytes == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{from} is not in the header"));
        file[at..at + to.len()].copy_from_slice(to.as_bytes());
        let code = load("a file", &file, &library).err().map(|error| error.code);
        assert_eq!(code, Some(ErrorCode::Checksum), "{storage} {to}");
    }
}
