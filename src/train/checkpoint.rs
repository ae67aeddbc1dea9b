//! Checkpoints: everything a training needs to go on, as a safetensors file.
//!
//! Random numbers come from streams named by seed and step, so the step number is all they need.

use super::optimizer::OptimizerState;
use crate::error::{CoreError, ErrorCode};
use crate::tensor::Tensor;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

/// A checkpoint's bytes.
#[derive(Clone, Debug)]
pub struct Checkpoint(pub Vec<u8>);

/// How far a training is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// Steps done.
    pub step: u64,
    /// Loss summed so far in the epoch.
    pub epoch_loss: f64,
    /// Mean loss of every epoch done.
    pub epochs: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    key: String,
    step: u64,
    epoch_loss: f64,
    epochs: Vec<f64>,
    powers: [f64; 2],
}

const GROUPS: [&str; 3] = ["parameter", "first", "second"];

fn wrong(found: impl Into<String>, allowed: impl Into<String>) -> CoreError {
    CoreError::new(ErrorCode::Checksum, "checkpoint", found, allowed)
}

impl Checkpoint {
    /// Writes a checkpoint.
    ///
    /// # Errors
    /// `internal` when the tensors do not serialize.
    pub fn save(
        key: &str,
        position: &Position,
        parameters: &[Tensor],
        state: &OptimizerState,
    ) -> Result<Vec<u8>, CoreError> {
        let internal = |error: String| CoreError::internal("checkpoint", error);
        let mut tensors = Vec::new();
        for (group, list) in GROUPS.iter().zip([parameters, &state.first, &state.second]) {
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
        let Position { step, epoch_loss, epochs } = position.clone();
        let meta = Meta { key: key.to_string(), step, epoch_loss, epochs, powers: state.powers };
        let meta = serde_json::to_string(&meta).map_err(|e| internal(e.to_string()))?;
        let meta = std::iter::once(("checkpoint".to_string(), meta)).collect();
        safetensors::serialize(views.map_err(|e| internal(e.to_string()))?, Some(meta))
            .map_err(|e| internal(e.to_string()))
    }

    /// The training it belongs to.
    ///
    /// # Errors
    /// `checksum` when it is not a checkpoint.
    pub fn key(&self) -> Result<String, CoreError> {
        self.meta().map(|meta| meta.key)
    }

    fn meta(&self) -> Result<Meta, CoreError> {
        let (_, header) = SafeTensors::read_metadata(&self.0).map_err(|e| wrong(e.to_string(), "a checkpoint"))?;
        let text = header.metadata().as_ref().and_then(|m| m.get("checkpoint")).cloned().unwrap_or_default();
        serde_json::from_str(&text).map_err(|e| wrong(e.to_string(), "a checkpoint"))
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
        let file = SafeTensors::deserialize(&self.0).map_err(|e| wrong(e.to_string(), "a checkpoint"))?;
        let lists: [&mut [Tensor]; 3] = [parameters, &mut state.first, &mut state.second];
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
        state.powers = meta.powers;
        Ok(Position { step: meta.step, epoch_loss: meta.epoch_loss, epochs: meta.epochs })
    }
}
