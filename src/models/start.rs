//! With which parameters a network starts.

use super::{Model, Network, zoo};
use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;

/// With which parameters a network starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The trained weights of the zoo.
    Zoo,
    /// Fresh ones, from the seed.
    Random,
}

const STARTS: [(&str, Start); 2] = [("zoo", Start::Zoo), ("random", Start::Random)];

impl Start {
    /// Reads the field `init` of a network of this model.
    ///
    /// # Errors
    /// `type` or `unknown-id`; `combination` for trained weights that are not there.
    pub fn read(fields: &mut Fields, model: &Model) -> Result<Self, CoreError> {
        let find = |id: &str| STARTS.iter().find(|(name, _)| *name == id).map(|(_, start)| *start);
        let start = fields.id("init", &STARTS.map(|(id, _)| id), find)?.unwrap_or(Self::Zoo);
        if start == Self::Zoo && !zoo()?.contains(model.id) {
            let found = format!("zoo, but {} has no trained weights", model.id);
            return Err(CoreError::new(ErrorCode::Combination, fields.at("init"), found, "random"));
        }
        Ok(start)
    }

    /// The id in recipes.
    pub fn id(self) -> &'static str {
        STARTS[usize::from(self == Self::Random)].0
    }

    /// The files that a network of this model starts from.
    ///
    /// # Errors
    /// `internal` when the built-in manifest is not readable, which a test rules out.
    pub fn assets(self, model: &Model) -> Result<Vec<AssetRef>, CoreError> {
        let entry = if self == Self::Zoo { zoo()?.remove(model.id) } else { None };
        Ok(entry.map(|entry| entry.asset).into_iter().collect())
    }
}

impl Network {
    /// A network of this model with these parameters; fresh ones are drawn by the seed.
    ///
    /// # Errors
    /// `asset` when its file was not provided.
    pub fn start(model: &'static Model, start: Start, seed: u64, library: &Library) -> Result<Self, CoreError> {
        match start.assets(model)?.first() {
            None if start == Start::Zoo => Err(CoreError::internal(model.id, "no trained weights")),
            None => Self::random(model, seed),
            Some(asset) => Self::from_safetensors(model, &asset.path, &library.file(&asset.path)?),
        }
    }
}
