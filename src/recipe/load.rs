//! An exported network, read back.

use super::Recipe;
use crate::data::Library;
use crate::error::CoreError;
use crate::models::{Network, metadata};

/// The recipe of a file that [`Network::export`] wrote, and the network that it made: the same weights and grids, so the same
/// outputs. Weights are what is stored; what they were before they were rounded is not in the file.
///
/// # Errors
/// `checksum` when the file is not such a file or does not hold what its recipe makes; else as [`Recipe::parse`].
pub fn load(path: &str, bytes: &[u8], library: &Library) -> Result<(Recipe, Network), CoreError> {
    let metadata = metadata(path, bytes)?;
    let recipe = Recipe::parse(metadata["recipe"].clone(), library)?;
    let mut network = Network::random(recipe.model, recipe.seed)?;
    network.resize(path, &metadata)?;
    for step in &recipe.steps {
        step.reshape(&mut network)?;
    }
    network.restore(path, bytes)?;
    network.storage = recipe.storage;
    Ok((recipe, network))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::models::library;
    use crate::recipe::prepare;
    use crate::task::{Context, Task};
    use serde_json::json;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// The export of fresh weights, and their digest.
    fn exported() -> (Vec<u8>, String) {
        let weights = json!({"format": "q4_1"});
        let layers = json!({"fc2": {"weights": {"format": "kmeans", "bits": 3, "huffman": true}},
            "fc3": {"weights": {"format": "nvfp4"}}});
        let recipe = json!({"version": 1, "model": "mlp-digits", "seed": 3, "init": "random",
            "steps": [{"quantize": {"weights": weights, "layers": layers}}]});
        let library = library().unwrap();
        let recipe = Recipe::parse(recipe, &library).unwrap();
        let library = Rc::new(RefCell::new(library));
        let task = Task::new(Rc::new(Context::new(1)), |ctx| prepare(ctx, recipe, library, Rc::default(), None));
        let outcome = task.finish().unwrap();
        (outcome.network.export(&outcome.recipe).unwrap(), outcome.network.digest().unwrap())
    }

    #[test]
    fn what_was_exported_is_read_back() {
        let (file, digest) = exported();
        let (recipe, network) = load("a file", &file, &library().unwrap()).unwrap();
        assert_eq!(network.digest().unwrap(), digest);
        assert_eq!(network.export(&recipe.canonical()).unwrap(), file);
    }

    #[test]
    fn files_that_are_not_whole_are_refused() {
        let (file, _) = exported();
        let library = library().unwrap();
        let code = |file: &[u8]| load("a file", file, &library).err().map(|error| error.code);
        for length in [0, 7, 8, 100, file.len() - 1] {
            assert_eq!(code(&file[..length]), Some(ErrorCode::Checksum), "{length} bytes");
        }
        // Texts of one length in the header, so that offsets stay right.
        let changes = [
            ("\\\"format\\\":\\\"q4_1\\\",\\\"group\\\":32", "\\\"format\\\":\\\"q5_1\\\",\\\"group\\\":32"),
            ("\\\"format\\\":\\\"q4_1\\\",\\\"group\\\":32", "\\\"format\\\":\\\"q4_1\\\",\\\"group\\\":16"),
            ("\\\"shape\\\":[64,64]", "\\\"shape\\\":[32,64]"),
            ("\\\"nvfp4\\\",\\\"group\\\":16", "\\\"mxfp4\\\",\\\"group\\\":16"),
            ("fc3.weight.unit", "fc3.weight.unix"),
            ("fc2.weight.lengths", "fc2.weight.tengths"),
            ("\"fc1.bias\"", "\"fc1.bits\""),
            ("\"featherweight\"", "\"leatherweight\""),
        ];
        for (from, to) in changes {
            let at = file.windows(from.len()).position(|bytes| bytes == from.as_bytes());
            let at = at.unwrap_or_else(|| panic!("{from} is not in the header"));
            let mut changed = file.clone();
            changed[at..at + to.len()].copy_from_slice(to.as_bytes());
            assert_eq!(code(&changed), Some(ErrorCode::Checksum), "{to}");
        }
    }
}
