//! Reading parameters from files: those of the zoo, and networks that were exported. Files are not trusted.

use super::{InputQuantizer, Network, Parameter};
use crate::error::{CoreError, ErrorCode};
use crate::formats::{self, FORMATS, Family, Format, Granule, PackedTensor};
use crate::graph::Edit;
use crate::ops::{DynamicGrid, Rounder};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::rc::Rc;
use std::sync::Arc;

/// The metadata entry of an exported file.
pub(super) const METADATA: &str = "featherweight";
/// What it says of scales that are stored as powers of two.
pub(super) const POWERS: &str = "power-of-two";

pub(super) fn wrong(path: &str, found: impl std::fmt::Display, allowed: impl Into<String>) -> CoreError {
    CoreError::new(ErrorCode::Checksum, path, found.to_string(), allowed)
}

/// What [`Network::export`] wrote beside the tensors.
///
/// # Errors
/// `checksum` when there is no such entry.
pub fn metadata(path: &str, bytes: &[u8]) -> Result<Value, CoreError> {
    let allowed = "a safetensors file with the metadata of an export";
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| wrong(path, error, allowed))?;
    let entry = header.metadata().as_ref().and_then(|entries| entries.get(METADATA));
    let entry = entry.ok_or_else(|| wrong(path, format!("no entry {METADATA}"), allowed))?;
    serde_json::from_str(entry).map_err(|error| wrong(path, error, allowed))
}

/// Takes a parameter that is stored in f32.
pub(super) fn read_plain(file: &SafeTensors<'_>, path: &str, parameter: &mut Parameter) -> Result<(), CoreError> {
    let name = &parameter.name;
    let view = file.tensor(name).map_err(|error| wrong(path, error, format!("a tensor {name}")))?;
    if view.dtype() != Dtype::F32 || view.shape() != parameter.latent.shape().dims() {
        let found = format!("{name}: {:?} {:?}", view.dtype(), view.shape());
        return Err(wrong(path, found, format!("F32 {}", parameter.latent.shape())));
    }
    for (value, bytes) in parameter.latent.data_mut().iter_mut().zip(view.data().as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    Ok(())
}

/// The format that an entry of the metadata names.
fn format_of(entry: &Value) -> Option<&'static dyn Format> {
    let format = formats::find(entry["format"].as_str()?)?;
    match format.clustered() {
        None => Some(format),
        Some(_) => formats::clustered(u32::try_from(entry["bits"].as_u64()?).ok()?, entry["huffman"].as_bool()?),
    }
}

/// Takes a parameter that is packed (`entry` says how), stored in another way than the dense one (`sparse`), or both.
fn read_packed(
    file: &SafeTensors<'_>,
    parameter: &mut Parameter,
    entry: Option<&Value>,
    sparse: Option<&Value>,
) -> Option<()> {
    let shape = parameter.latent.shape();
    let (mut format, mut group, mut powers) = (FORMATS[0], None, false);
    if let Some(entry) = entry {
        if wholes(&entry["shape"])? != shape.dims() {
            return None;
        }
        group = match &entry["group"] {
            Value::Null => None,
            group => Some(whole(group)?),
        };
        powers = entry["scale"].as_str() == Some(POWERS);
        format = format_of(entry)?;
    }
    let layout = match sparse {
        None => None,
        Some(sparse) => {
            let numbers = wholes(&sparse["numbers"])?.try_into().ok()?;
            Some((formats::find_storage(sparse["storage"].as_str()?)?, numbers))
        }
    };
    let part = |suffix: &str| file.tensor(&format!("{}{suffix}", parameter.name)).ok().map(|view| view.data());
    let (packed, mask) = PackedTensor::read(format, shape.clone(), group, powers, layout, part)?;
    (parameter.packed, parameter.mask) = (Some(packed), mask);
    parameter.latent = parameter.effective().ok()?;
    if entry.is_none() {
        parameter.packed = None;
    }
    Some(())
}

fn whole(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn wholes(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(whole).collect()
}

/// How a node rounds its input.
fn read_input(file: &SafeTensors<'_>, node: &str, id: &Value) -> Option<InputQuantizer> {
    if id.is_object() {
        let format = formats::find(id["format"].as_str()?).filter(|format| format.family() == Family::Integer)?;
        let bits = format.levels()?.ilog2();
        let (symmetric, tokens) = (id["symmetric"].as_bool()?, id["tokens"].as_bool()?);
        let grid = Rounder::Dynamic(DynamicGrid { bits, symmetric, tokens });
        return Some(InputQuantizer { format, grid, learned: false });
    }
    let format = formats::find(id.as_str()?)?;
    let part = |suffix: &str| file.tensor(&format!("{node}.input.{suffix}")).ok();
    let number = |suffix: &str| part(suffix).and_then(|view| <[u8; 4]>::try_from(view.data()).ok());
    let scale = Some(f32::from_le_bytes(number("scale")?)).filter(|scale| scale.is_normal() && *scale > 0.0)?;
    let zero_point = number("zero_point").map(i32::from_le_bytes);
    let levels = i64::from(format.levels()?);
    if zero_point.is_some_and(|zero_point| !(0..levels).contains(&i64::from(zero_point))) {
        return None;
    }
    let grid = format.grid(&Granule { scale, zero_point, ..Granule::UNIT })?;
    Some(InputQuantizer { format, grid: Rounder::Fixed(grid), learned: false })
}

impl Network {
    /// Takes the parameters and the grids of inputs from a file that [`Network::export`] wrote for this graph. What a weight was
    /// before it was rounded is not in the file: it becomes what is stored.
    ///
    /// # Errors
    /// `checksum` when a tensor is missing, or has another format or length than the file says.
    pub fn restore(&mut self, path: &str, bytes: &[u8]) -> Result<(), CoreError> {
        let metadata = metadata(path, bytes)?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| wrong(path, error, "a safetensors file"))?;
        for parameter in &mut self.parameters {
            let [entry, sparse] = ["packed", "sparse"].map(|name| metadata[name].get(&parameter.name));
            if entry.or(sparse).is_none() {
                read_plain(&file, path, parameter)?;
                continue;
            }
            read_packed(&file, parameter, entry, sparse).ok_or_else(|| {
                let said: Vec<String> = entry.into_iter().chain(sparse).map(Value::to_string).collect();
                let found = format!("{} as {}", parameter.name, said.join(", "));
                wrong(path, found, format!("a packed tensor {}", parameter.latent.shape()))
            })?;
        }
        self.restore_constants(&file, path)?;
        for (node, input) in self.graph.nodes().iter().zip(&mut self.inputs) {
            *input = match metadata["inputs"].get(&node.name) {
                None => None,
                Some(id) => {
                    let found = || wrong(path, format!("{} rounds its input to {id}", node.name), "a grid for inputs");
                    Some(read_input(&file, &node.name, id).ok_or_else(found)?)
                }
            };
        }
        Ok(())
    }

    /// Takes what ops between layers keep.
    fn restore_constants(&mut self, file: &SafeTensors<'_>, path: &str) -> Result<(), CoreError> {
        let graph = Rc::clone(&self.graph);
        let mut read = vec![None; graph.nodes().len()];
        for (at, node) in graph.nodes().iter().enumerate() {
            let (Some(_), Some((holder, suffix))) = (node.op.constants(), self.constants_of(at)) else { continue };
            let name = format!("{holder}{suffix}");
            let view = file.tensor(&name).map_err(|error| wrong(path, error, format!("a tensor {name}")))?;
            let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            let op = node.op.with_constants(values);
            read[at] = Some(op.ok_or_else(|| wrong(path, &name, "numbers that it may keep"))?);
        }
        self.edit(|node| read[node].as_ref().map_or(Edit::Keep, |op| Edit::Replace(Arc::clone(op))))
    }
}
