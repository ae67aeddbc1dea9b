//! Checkpoints: everything a training needs to go on, as a safetensors file.
//!
//! Random numbers come from streams named by seed and step, so the step number is all they need.

use super::optimizer::OptimizerState;
use crate::error::{CoreError, ErrorCode};
use crate::fields::parse;
use crate::tensor::{Shape, Tensor};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::json;

/// The bytes of a run's checkpoint, as [`crate::task::Context::take_checkpoint`] gives them: a file for each training.
#[derive(Clone, Debug)]
pub struct Checkpoint(pub Vec<u8>);

/// One training in a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a>(pub &'a [u8]);

/// How far a training is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// Steps done.
    pub step: u64,
    /// Loss summed so far in the epoch.
    pub epoch_loss: f64,
    /// Mean loss of every epoch done.
    pub epochs: Vec<f64>,
    /// Validation loss after each of them, where somebody watches.
    pub validation: Vec<f64>,
    /// The parameters of the lowest of those.
    pub best: Vec<Tensor>,
    /// See [`super::Objective::notes`].
    pub notes: Vec<f64>,
    /// The loss scale and good steps since it last changed.
    pub scale: (f32, u32),
    /// The losses so far, as [`crate::task::Context::curve`] has them.
    pub curve: Vec<f64>,
    /// Lists of a record, and what workers have not sent: of any shape.
    pub extra: Vec<Tensor>,
}

impl Position {
    /// Takes in the validation loss of an epoch.
    pub fn judged(&mut self, loss: f64, parameters: &[Tensor]) {
        if self.validation.iter().all(|earlier| loss < *earlier) {
            self.best = parameters.to_vec();
        }
        self.validation.push(loss);
    }

    /// Whether the newest `patience` epochs brought nothing.
    pub fn over(&self, patience: u32) -> bool {
        let lowest = self.validation.iter().copied().fold(f64::INFINITY, f64::min);
        let at = self.validation.iter().position(|loss| *loss == lowest).unwrap_or(0);
        patience > 0 && self.validation.len() > at + patience as usize
    }
}

struct Meta {
    key: String,
    position: Position,
    powers: [f64; 2],
}

const GROUPS: [&str; 5] = ["parameter", "first", "second", "best", "extra"];
/// Begins the groups of a teacher's trainings, one for each of its steps.
const TEACHER: &str = "teacher";

fn wrong(found: impl Into<String>, allowed: impl Into<String>) -> CoreError {
    CoreError::new(ErrorCode::Checksum, "checkpoint", found, allowed)
}

impl Checkpoint {
    /// The training that `key` names, if it is in here.
    ///
    /// # Errors
    /// `checksum` when it is not a checkpoint.
    pub fn part(&self, key: &str) -> Result<Option<Part<'_>>, CoreError> {
        let (mut rest, mut found) = (&self.0[..], None);
        loop {
            let cut = rest.split_first_chunk().and_then(|(len, rest)| {
                let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
                rest.split_at_checked(len)
            });
            let Some((bytes, behind)) = cut else { return Err(wrong("bytes cut off", "a checkpoint")) };
            if Part(bytes).meta()?.key == key {
                found = Some(Part(bytes));
            }
            if behind.is_empty() {
                return Ok(found);
            }
            rest = behind;
        }
    }
}

impl Part<'_> {
    /// Writes one. `teacher` has what each step of the student's own teacher ended with; see [`Part::teacher`].
    ///
    /// # Errors
    /// `internal` when the tensors do not serialize.
    pub fn save(
        key: &str,
        position: &Position,
        parameters: &[Tensor],
        state: &OptimizerState,
        teacher: &[Vec<Tensor>],
    ) -> Result<Vec<u8>, CoreError> {
        let internal = |error: String| CoreError::internal("checkpoint", error);
        let mut tensors = Vec::new();
        let lists = [parameters, &state.first, &state.second, &position.best, &position.extra];
        let mut groups: Vec<(String, &[Tensor])> = GROUPS.iter().map(|name| (*name).into()).zip(lists).collect();
        groups.extend(teacher.iter().enumerate().map(|(step, list)| (format!("{TEACHER}{step}"), &list[..])));
        for (group, list) in groups {
            for (i, tensor) in list.iter().enumerate() {
                let bytes: Vec<u8> = tensor.data().iter().flat_map(|v| v.to_le_bytes()).collect();
                tensors.push((format!("{group}.{i:03}"), tensor.shape().dims().to_vec(), bytes));
            }
        }
        let views: Result<Vec<_>, _> = tensors
            .iter()
            .map(|(name, dims, bytes)| {
                TensorView::new(Dtype::F32, dims.clone(), bytes).map(|view| (name.as_str(), view))
            })
            .collect();
        // Numbers as their bits: text would have to be read back exactly.
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
        let meta = json!({
            "key": key, "step": position.step, "epoch_loss": position.epoch_loss.to_bits(),
            "epochs": bits(&position.epochs), "validation": bits(&position.validation), "powers": bits(&state.powers),
            "notes": bits(&position.notes), "curve": bits(&position.curve),
            "scale": [position.scale.0.to_bits(), position.scale.1],
        });
        let meta = std::iter::once(("checkpoint".to_string(), meta.to_string())).collect();
        safetensors::serialize(views.map_err(|e| internal(e.to_string()))?, Some(meta))
            .map_err(|e| internal(e.to_string()))
    }

    fn meta(&self) -> Result<Meta, CoreError> {
        let (_, header) = SafeTensors::read_metadata(self.0).map_err(|e| wrong(e.to_string(), "a checkpoint"))?;
        let text = header.metadata().as_ref().and_then(|m| m.get("checkpoint")).cloned().unwrap_or_default();
        let value = parse(&text).map_err(|e| wrong(e.found, "a checkpoint"))?;
        let floats = |name: &str| -> Option<Vec<f64>> {
            value[name].as_array()?.iter().map(|v| v.as_u64().map(f64::from_bits)).collect()
        };
        let meta = || {
            let epoch_loss = f64::from_bits(value["epoch_loss"].as_u64()?);
            let part = |at: usize| value["scale"][at].as_u64().map(|part| part as u32);
            let scale = (f32::from_bits(part(0)?), part(1)?);
            let (epochs, validation) = (floats("epochs")?, floats("validation")?);
            let [notes, curve] = ["notes", "curve"].map(|name| floats(name).unwrap_or_default());
            let step = value["step"].as_u64()?;
            let position =
                Position { step, epoch_loss, epochs, validation, scale, notes, curve, ..Position::default() };
            let powers = <[f64; 2]>::try_from(floats("powers")?).ok()?;
            Some(Meta { key: value["key"].as_str()?.to_string(), position, powers })
        };
        meta().ok_or_else(|| wrong("other metadata", "a checkpoint"))
    }

    /// Puts parameters and moments back; returns how far the training was.
    ///
    /// # Errors
    /// `checksum` when it belongs to another training or its tensors do not fit.
    pub fn restore(
        &self,
        key: &str,
        parameters: &mut [Tensor],
        state: &mut OptimizerState,
    ) -> Result<Position, CoreError> {
        let meta = self.meta()?;
        if meta.key != key {
            return Err(wrong("a checkpoint of another training", "one of this recipe"));
        }
        let file = SafeTensors::deserialize(self.0).map_err(|e| wrong(e.to_string(), "a checkpoint"))?;
        let mut position = meta.position;
        if !position.validation.is_empty() {
            position.best = parameters.to_vec();
        }
        let lists: [&mut [Tensor]; 4] = [parameters, &mut state.first, &mut state.second, &mut position.best];
        for (group, list) in GROUPS.iter().zip(lists) {
            for (i, tensor) in list.iter_mut().enumerate() {
                let name = format!("{group}.{i:03}");
                let view = file.tensor(&name).map_err(|e| wrong(e.to_string(), name.clone()))?;
                if view.dtype() != Dtype::F32 || view.shape() != tensor.shape().dims() {
                    return Err(wrong(format!("{name}: {:?}", view.shape()), tensor.shape().to_string()));
                }
                for (value, bytes) in tensor.data_mut().iter_mut().zip(view.data().as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
        }
        position.extra = self.list(GROUPS[4])?;
        state.powers = meta.powers;
        Ok(position)
    }

    /// What step `step` of the student's own teacher ended with, where that is a training; else nothing.
    ///
    /// # Errors
    /// `checksum` when it is not a checkpoint.
    pub fn teacher(&self, step: usize) -> Result<Vec<Tensor>, CoreError> {
        self.list(&format!("{TEACHER}{step}"))
    }

    /// A group of tensors of any shapes.
    fn list(&self, group: &str) -> Result<Vec<Tensor>, CoreError> {
        let file = SafeTensors::deserialize(self.0).map_err(|e| wrong(e.to_string(), "a checkpoint"))?;
        let mut list = Vec::new();
        while let Ok(view) = file.tensor(&format!("{group}.{:03}", list.len())) {
            let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            let tensor = Shape::new(view.shape()).and_then(|shape| Tensor::new(shape, values));
            list.push(tensor.map_err(|error| wrong(error.to_string(), "a checkpoint"))?);
        }
        Ok(list)
    }
}
