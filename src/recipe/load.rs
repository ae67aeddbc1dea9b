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
    let recipe = Recipe::parse(metadata(path, bytes)?["recipe"].clone(), library)?;
    let mut network = Network::random(recipe.model, recipe.seed)?;
    for step in &recipe.steps {
        step.reshape(&mut network)?;
    }
    network.restore(path, bytes)?;
    Ok((recipe, network))
}
