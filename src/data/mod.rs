//! Data sets: the manifest, and a library of files that were provided and checked.
//!
//! Nothing here reads files or fetches: the host asks what is needed ([`AssetRef`]) and provides bytes, which are taken
//! only when length and SHA-256 are the recorded ones.

mod images;
pub mod shard;

pub use images::{Images, fill_lane, unit_table};

use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, parse};
use crate::named::Named;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shard::Shard;
use std::rc::Rc;

/// A file the engine may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct AssetRef {
    /// Path below the site's root.
    pub path: String,
    /// Length.
    pub bytes: u32,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: String,
}

impl AssetRef {
    /// Reads path, bytes and sha256 of an object.
    ///
    /// # Errors
    /// `type`, `range` or `missing-field`.
    pub fn read(fields: &mut Fields) -> Result<Self, CoreError> {
        let (path, sha256) = (fields.text("path")?, fields.text("sha256")?);
        let bytes = fields.integer("bytes", 0..=u64::from(u32::MAX))?;
        Ok(Self {
            path: fields.needed("path", path)?,
            bytes: fields.needed("bytes", bytes)? as u32,
            sha256: fields.needed("sha256", sha256)?,
        })
    }
}

/// Part of a split.
#[derive(Clone, Debug)]
pub struct ShardRef {
    /// The file.
    pub asset: AssetRef,
    /// Images in it.
    pub count: u32,
}

/// Train, validation or test.
#[derive(Clone, Debug)]
pub struct Split {
    /// Images in all shards.
    pub count: u32,
    /// The shards, in order; the images of a split stand in a fixed shuffled order.
    pub shards: Vec<ShardRef>,
}

/// What the items of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Images, each of one class.
    Images,
    /// Windows of characters: every character but the last is an input, and the one after it its class.
    Text,
}

/// One data set.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// Name for people.
    pub name: String,
    /// What its items are.
    pub kind: Kind,
    /// Channels, height, width of an item as stored; a window of text is one row.
    pub shape: [usize; 3],
    /// The value that counts as 1.0.
    pub max: u8,
    /// Ids of the classes, in label order.
    pub classes: Vec<String>,
    /// Splits by name.
    pub splits: Named<Split>,
    /// The package it comes from.
    pub source: String,
    /// Its licence.
    pub licence: String,
}

impl DataSet {
    /// Values of one item that a network reads.
    pub fn features(&self) -> usize {
        self.shape.iter().product::<usize>() - usize::from(self.kind == Kind::Text)
    }
}

/// Most entries of a list in a manifest.
const MOST_ENTRIES: usize = 4096;

/// A count of images.
fn read_count(fields: &mut Fields) -> Result<u32, CoreError> {
    let count = fields.integer("count", 0..=1_000_000)?;
    Ok(fields.needed("count", count)? as u32)
}

impl Split {
    fn read(mut fields: Fields) -> Result<Self, CoreError> {
        let count = read_count(&mut fields)?;
        let shards = fields.list("shards", MOST_ENTRIES)?.unwrap_or_default();
        let read = |shard: Value| {
            let mut shard = Fields::new(shard, "shards")?;
            Ok(ShardRef { asset: AssetRef::read(&mut shard)?, count: read_count(&mut shard)? })
        };
        Ok(Self { count, shards: shards.into_iter().map(read).collect::<Result<_, CoreError>>()? })
    }
}

impl DataSet {
    fn read(mut fields: Fields) -> Result<Self, CoreError> {
        let (name, licence) = (fields.text("name")?, fields.text("licence")?);
        let kinds = |id: &str| [("images", Kind::Images), ("text", Kind::Text)].iter().find(|k| k.0 == id).map(|k| k.1);
        let kind = fields.id("kind", &["images", "text"], kinds)?.unwrap_or(Kind::Images);
        let shape: Vec<usize> = fields
            .list("shape", 3)?
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_u64)
            .filter_map(|side| usize::try_from(side).ok())
            .collect();
        let shape = <[usize; 3]>::try_from(shape).ok();
        let max = fields.integer("max", 1..=255)?;
        let texts = |values: Vec<Value>| values.iter().filter_map(|v| v.as_str().map(str::to_string)).collect();
        let classes = fields.list("classes", 256)?.map(texts);
        let source = fields.text("source")?;
        let found = fields.object("splits")?;
        let mut splits = Named::default();
        for (name, split) in fields.needed("splits", found)?.into_entries() {
            let split = Split::read(Fields::new(split, format!("splits.{name}"))?)?;
            splits.insert(name, split);
        }
        Ok(Self {
            name: fields.needed("name", name)?,
            kind,
            shape: fields.needed("shape", shape)?,
            max: fields.needed("max", max)? as u8,
            classes: fields.needed("classes", classes)?,
            splits,
            source: fields.needed("source", source)?,
            licence: fields.needed("licence", licence)?,
        })
    }
}

/// Names of the splits, in the order of use.
pub const SPLITS: &[&str] = &["train", "validation", "test"];

/// Data sets, and the files provided so far.
#[derive(Debug)]
pub struct Library {
    sets: Named<Rc<DataSet>>,
    refs: Named<AssetRef>,
    shards: Named<Rc<Shard>>,
    files: Named<Rc<[u8]>>,
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

impl Library {
    /// The sets that ship with the engine, no file yet.
    ///
    /// # Errors
    /// `internal` when the built-in manifest is not readable, which a test rules out.
    pub fn new() -> Result<Self, CoreError> {
        let mut library =
            Self { sets: Named::default(), refs: Named::default(), shards: Named::default(), files: Named::default() };
        library.add_manifest("data/manifest.json", include_str!("../../data/manifest.json"))?;
        Ok(library)
    }

    /// Adds the sets of a manifest, such as the one of sets packed on this machine. Sets that are there already stay.
    ///
    /// # Errors
    /// `json`, `version`, or what is wrong with a field.
    pub fn add_manifest(&mut self, path: &str, text: &str) -> Result<(), CoreError> {
        let below = |mut error: CoreError| {
            error.path = format!("{path}: {}", error.path);
            error
        };
        let mut manifest = Fields::new(parse(text).map_err(below)?, "").map_err(below)?;
        let version = manifest.integer("version", 0..=1000).map_err(below)?;
        if version != Some(1) {
            return Err(CoreError::new(ErrorCode::Version, path, format!("{version:?}"), "1"));
        }
        let sets = manifest.object("sets").map_err(below)?.map(Fields::into_entries).unwrap_or_default();
        for (id, set) in sets {
            let set = Fields::new(set, id.clone()).and_then(DataSet::read).map_err(below)?;
            for shard in set.splits.values().iter().flat_map(|split| &split.shards) {
                self.register(shard.asset.clone());
            }
            if !self.sets.contains(&id) {
                self.sets.insert(id, Rc::new(set));
            }
        }
        Ok(())
    }

    /// Makes a file known, so that it can be provided.
    pub fn register(&mut self, asset: AssetRef) {
        if !self.refs.contains(&asset.path) {
            self.refs.insert(asset.path.clone(), asset);
        }
    }

    /// All sets by id.
    pub fn sets(&self) -> &Named<Rc<DataSet>> {
        &self.sets
    }

    /// Whether a file was provided.
    pub fn has(&self, path: &str) -> bool {
        self.shards.contains(path) || self.files.contains(path)
    }

    /// Takes a file: checks it against its record and decodes data shards.
    ///
    /// # Errors
    /// `asset` for an unknown path; `checksum` when length, SHA-256 or content is wrong.
    pub fn provide(&mut self, path: &str, bytes: &[u8]) -> Result<(), CoreError> {
        let Some(asset) = self.refs.get(path) else {
            return Err(CoreError::new(ErrorCode::Asset, path, "an unknown file", "a file named in a manifest"));
        };
        let wrong = |found: String, allowed: String| CoreError::new(ErrorCode::Checksum, path, found, allowed);
        if bytes.len() != asset.bytes as usize {
            return Err(wrong(format!("{} bytes", bytes.len()), format!("{} bytes", asset.bytes)));
        }
        let digest = sha256_hex(bytes);
        if digest != asset.sha256 {
            return Err(wrong(format!("SHA-256 {digest}"), format!("SHA-256 {}", asset.sha256)));
        }
        if path.ends_with(".fws") {
            let shard = shard::decode(bytes).map_err(|error| wrong(error.to_string(), "an FWS1 shard".into()))?;
            self.shards.insert(path.to_string(), Rc::new(shard));
        } else {
            self.files.insert(path.to_string(), bytes.into());
        }
        Ok(())
    }

    /// A provided file that is not a shard.
    ///
    /// # Errors
    /// `asset` when it was not provided.
    pub fn file(&self, path: &str) -> Result<Rc<[u8]>, CoreError> {
        self.files.get(path).cloned().ok_or_else(|| missing(path))
    }

    /// A set by id.
    ///
    /// # Errors
    /// `unknown-id`, listing the sets there are.
    pub fn set(&self, id: &str) -> Result<Rc<DataSet>, CoreError> {
        self.sets.get(id).cloned().ok_or_else(|| {
            CoreError::new(ErrorCode::UnknownId, "data.set", format!("\"{id}\""), self.sets.names().join(", "))
        })
    }

    /// The files that hold the first `count` images of a split.
    ///
    /// # Errors
    /// `unknown-id` when there is no such set or split.
    pub fn assets(&self, set: &str, split: &str, count: u32) -> Result<Vec<AssetRef>, CoreError> {
        let set = self.set(set)?;
        let mut left = i64::from(count);
        let mut assets = Vec::new();
        for shard in &find_split(&set, split)?.shards {
            if left <= 0 {
                break;
            }
            left -= i64::from(shard.count);
            assets.push(shard.asset.clone());
        }
        Ok(assets)
    }

    /// The first `count` images of a split.
    ///
    /// # Errors
    /// `unknown-id`; `asset` when a shard was not provided; `checksum` when one is of another shape than its set.
    pub fn images(&self, id: &str, split: &str, count: u32) -> Result<Images, CoreError> {
        let set = self.set(id)?;
        let mut shards = Vec::new();
        for asset in self.assets(id, split, count)? {
            let shard = self.shards.get(&asset.path).ok_or_else(|| missing(&asset.path))?;
            if shard.shape != set.shape || shard.max != set.max || usize::from(shard.classes) != set.classes.len() {
                return Err(CoreError::new(
                    ErrorCode::Checksum,
                    asset.path,
                    format!("{:?}", shard.shape),
                    format!("{:?}", set.shape),
                ));
            }
            shards.push(Rc::clone(shard));
        }
        let held: usize = shards.iter().map(|shard| shard.labels.len()).sum();
        Ok(Images::new(set, shards, held.min(count as usize)))
    }
}

impl Library {
    /// The pixels (planar, 0..=max) and the class of one image.
    ///
    /// # Errors
    /// `unknown-id`; `range` past the end of the split; `asset` when its shard was not provided.
    pub fn image(&self, id: &str, split: &str, index: u32) -> Result<(Vec<u8>, u8), CoreError> {
        let set = self.set(id)?;
        let mut first = 0;
        for shard in &find_split(&set, split)?.shards {
            if index < first + shard.count {
                let asset = &shard.asset.path;
                let shard = self.shards.get(asset).ok_or_else(|| missing(asset))?;
                let (at, size) = ((index - first) as usize, set.shape.iter().product::<usize>());
                return Ok((shard.pixels[at * size..(at + 1) * size].to_vec(), shard.labels[at]));
            }
            first += shard.count;
        }
        Err(CoreError::new(ErrorCode::Range, "index", index.to_string(), format!("below {first}")))
    }
}

fn missing(path: &str) -> CoreError {
    CoreError::new(ErrorCode::Asset, path, "a file that was not provided", "the file")
}

/// A split of a set by name.
///
/// # Errors
/// `unknown-id`, listing the splits there are.
pub fn find_split<'a>(set: &'a DataSet, split: &str) -> Result<&'a Split, CoreError> {
    set.splits.get(split).ok_or_else(|| {
        let found = format!("\"{split}\"");
        CoreError::new(ErrorCode::UnknownId, "data.split", found, set.splits.names().join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::LANES;

    #[test]
    fn the_built_in_manifest_is_consistent() {
        let library = Library::new().unwrap();
        for (id, set) in library.sets().iter() {
            for (name, split) in set.splits.iter() {
                let sum: u32 = split.shards.iter().map(|s| s.count).sum();
                assert_eq!(sum, split.count, "{id} {name}");
                assert!(SPLITS.contains(&name.as_str()));
            }
        }
        assert_eq!(library.assets("fashion", "test", 1000).unwrap().len(), 1);
        assert_eq!(library.assets("fashion", "test", 1001).unwrap().len(), 2);
    }

    #[test]
    fn only_the_recorded_bytes_are_taken() {
        let mut library = Library::new().unwrap();
        let path = library.assets("digits", "test", 1).unwrap()[0].path.clone();
        let mut bytes = std::fs::read(&path).unwrap();
        assert_eq!(library.provide(&path, &bytes[1..]).unwrap_err().code, ErrorCode::Checksum);
        bytes[30] ^= 1;
        assert_eq!(library.provide(&path, &bytes).unwrap_err().code, ErrorCode::Checksum);
        assert!(library.images("digits", "test", 10).is_err());
        bytes[30] ^= 1;
        library.provide(&path, &bytes).unwrap();
        assert_eq!(library.images("digits", "test", 10).unwrap().len(), 10);
        assert_eq!(library.provide("../etc/passwd", &bytes).unwrap_err().code, ErrorCode::Asset);
    }

    #[test]
    fn images_fill_lanes() {
        let mut library = Library::new().unwrap();
        for asset in library.assets("digits", "test", 500).unwrap() {
            library.provide(&asset.path, &std::fs::read(&asset.path).unwrap()).unwrap();
        }
        let images = library.images("digits", "test", 500).unwrap();
        let mut block = vec![9.0; 64 * LANES];
        images.fill([3usize, 499].into_iter(), &mut block);
        assert_eq!(block[20 * LANES], f32::from(images.pixels(3)[20]) / 16.0);
        assert_eq!(block[20 * LANES + 1], f32::from(images.pixels(499)[20]) / 16.0);
        assert_eq!(block[20 * LANES + 7], 0.0);
    }
}
