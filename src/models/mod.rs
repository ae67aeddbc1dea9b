//! The model zoo: one file per model, one line per model in [`MODELS`]; and networks with their parameters.

mod cache;
mod channels;
mod convnet_large;
mod lenet300;
mod lenet5;
mod mask;
mod mlp_digits;
mod mobilenet;
mod network;
pub(crate) mod resnet8;
mod start;
mod step;
mod stored;
mod students;
mod surgery;
mod transformer;

pub use cache::KvCache;
pub use mask::{kept_values, zero_pruned};
pub use network::{Execution, InputQuantizer, Network, Parameter, StoredAs};
pub use start::Start;
pub use step::Step;
pub use stored::metadata;

use crate::data::{AssetRef, Library};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, parse};
use crate::graph::{Graph, GraphError};
use crate::named::Named;

/// A model of the zoo.
#[derive(Debug)]
pub struct Model {
    /// The id in recipes.
    pub id: &'static str,
    /// The permanent short code in links.
    pub code: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Id of its data set.
    pub data: &'static str,
    /// The paper it comes from.
    pub source: &'static str,
    /// Builds its graph.
    pub build: fn() -> Result<Graph, GraphError>,
}

/// Every model. To add one: write its file, add a line here, train it (docs/adding.md).
pub static MODELS: &[&Model] = &[
    &mlp_digits::MODEL,
    &lenet300::MODEL,
    &lenet5::MODEL,
    &mobilenet::MODEL,
    &resnet8::FASHION,
    &convnet_large::MODEL,
    &resnet8::CIFAR10,
    &transformer::MODEL,
    &students::MLP8,
    &students::MLP16,
    &students::MLP32,
    &students::MLP_FASHION,
    &students::LENET,
    &students::CONV,
];

/// The model with this id.
pub fn find(id: &str) -> Option<&'static Model> {
    MODELS.iter().copied().find(|model| model.id == id)
}

/// Reads the field `model`.
///
/// # Errors
/// `missing-field`, `type` or `unknown-id`.
pub fn read(fields: &mut Fields) -> Result<&'static Model, CoreError> {
    let ids: Vec<&str> = MODELS.iter().map(|model| model.id).collect();
    let model = fields.id("model", &ids, find)?;
    model.ok_or_else(|| CoreError::new(ErrorCode::MissingField, fields.at("model"), "nothing", ids.join(", ")))
}

/// What training recorded about a model's weights.
#[derive(Clone, Debug)]
pub struct ZooEntry {
    /// The weights' file.
    pub asset: AssetRef,
    /// Right answers on the whole test split.
    pub correct: u32,
    /// Images of the whole test split.
    pub total: u32,
}

/// The recorded weights of every trained model, by id.
///
/// # Errors
/// What is wrong with the built-in manifest; a test rules it out.
pub fn zoo() -> Result<Named<ZooEntry>, CoreError> {
    let mut manifest = Fields::new(parse(include_str!("../../models/manifest.json"))?, "models/manifest.json")?;
    let models = manifest.object("models")?.map(Fields::into_entries).unwrap_or_default();
    let read = |(id, entry): (String, serde_json::Value)| -> Result<_, CoreError> {
        let mut fields = Fields::new(entry, format!("models.{id}"))?;
        let (correct, total) = (fields.integer("correct", 0..=1_000_000)?, fields.integer("total", 1..=1_000_000)?);
        let asset = AssetRef::read(&mut fields)?;
        let (correct, total) = (fields.needed("correct", correct)? as u32, fields.needed("total", total)? as u32);
        Ok((id, ZooEntry { asset, correct, total }))
    };
    let mut zoo = Named::default();
    for model in models {
        let (id, entry) = read(model)?;
        zoo.insert(id, entry);
    }
    Ok(zoo)
}

/// A library that knows data and weights.
///
/// # Errors
/// `internal` when a built-in manifest is not readable, which a test rules out.
pub fn library() -> Result<Library, CoreError> {
    let mut library = Library::new()?;
    for entry in zoo()?.values() {
        library.register(entry.asset.clone());
    }
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_builds_with_unique_names() {
        let library = library().unwrap();
        for (i, model) in MODELS.iter().enumerate() {
            let graph = (model.build)().unwrap();
            let (features, classes) = match library.set(model.data) {
                Ok(set) => (set.features(), set.classes.len()),
                Err(_) => {
                    assert_eq!(model.data, "cifar10", "the one set that is not committed");
                    (3 * 32 * 32, 10)
                }
            };
            assert_eq!(graph.shapes()[0].len(), features);
            assert_eq!(graph.output().dims()[0], classes);
            assert!(MODELS[i + 1..].iter().all(|other| other.id != model.id && other.code != model.code));
            let mut names: Vec<String> = graph.params().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), graph.params().count());
        }
    }

    #[test]
    fn known_sizes() {
        let size = |id: &str| {
            let graph = (find(id).unwrap().build)().unwrap();
            (graph.params().map(|(_, spec)| spec.shape.len()).sum::<usize>(), graph.macs())
        };
        assert_eq!(size("mlp-digits"), (6570, 6464));
        assert_eq!(size("lenet300-fashion"), (266_610, 266_200));
        assert_eq!(size("lenet5-fashion"), (61_706, 416_520));
        assert_eq!(size("mlp8-digits"), (64 * 8 + 8 + 80 + 10, 64 * 8 + 80));
        assert_eq!(size("mlp16-digits").0, 64 * 16 + 16 + 160 + 10);
        assert_eq!(size("mlp32-digits").0, 64 * 32 + 32 + 320 + 10);
        assert_eq!(size("mlp16-fashion").0, 784 * 16 + 16 + 160 + 10);
        assert_eq!(size("lenet-small-fashion").0, 78 + 8 * 75 + 8 + 200 * 32 + 32 + 330);
        assert_eq!(size("conv-tiny-fashion").0, 80 + 72 * 16 + 16 + 144 * 24 + 24 + 250);
        // MLPerf Tiny's ResNet-8 has 12.5 M multiply-adds and 78,666 parameters with norms at the same places.
        let (parameters, macs) = size("resnet8-cifar10");
        assert!((77_000..80_000).contains(&parameters) && (12_400_000..12_600_000).contains(&macs));
        let (parameters, macs) = size("convnet-large-fashion");
        assert!(parameters < 400_000 && macs < 12_000_000);
    }
}
