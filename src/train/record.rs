//! What a training in low precision, or one that is to be watched, leaves step by step.

use super::number::Lost;
use super::precision::Emulation;
use crate::error::CoreError;
use crate::graph::Graph;
use crate::tensor::{Shape, Tensor};
use serde::Serialize;

/// Points of a curve at most, and pictures of the values at most.
const POINTS: u64 = 400;
const SNAPSHOTS: u64 = 16;
/// Exponents that values are counted by: the first counts all that are smaller, the last all that are larger. 0 is not counted.
pub const EXPONENTS: std::ops::RangeInclusive<i32> = -49..=18;

/// Values counted by the power of two below their magnitude.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Snapshot {
    /// The step.
    pub step: u32,
    /// Gradients of parameters, times the loss scale, before they are rounded.
    pub gradients: Vec<u32>,
    /// Parameters.
    pub weights: Vec<u32>,
}

/// What the gradients of one layer lost, point by point.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LostGradients {
    /// The layer.
    pub layer: String,
    /// The share of gradients that were not 0 and became it.
    pub underflow: Vec<f64>,
    /// The share that became infinite.
    pub overflow: Vec<f64>,
}

/// A training, step by step: curves have a point for every so many steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TrainingRecord {
    /// Steps of a point; the first point is step 0.
    pub every: u32,
    /// The mean loss of the point's step; `null` where it is not a finite number.
    pub loss: Vec<Option<f64>>,
    /// The loss scale of that step.
    pub scale: Vec<f64>,
    /// Steps that changed nothing, because a gradient was not finite.
    pub skipped: Vec<u32>,
    /// The step after which parameters were not finite; the training ended there.
    pub diverged: Option<u32>,
    /// Layers with weights.
    pub layers: Vec<LostGradients>,
    /// Exponent of the first count of a snapshot.
    pub lowest_exponent: i32,
    /// Values along the way.
    pub snapshots: Vec<Snapshot>,
    /// Bytes that each worker sends in a step; 0 without an exchange.
    pub bytes_per_step: u64,
    /// The same as f32.
    pub dense_bytes_per_step: u64,
}

/// A record while it is made: rows of numbers, as a checkpoint holds them.
#[derive(Clone, Debug)]
pub struct Recorder {
    every: u64,
    pictured: u64,
    nodes: Vec<usize>,
    /// Step, loss, scale; then underflow and overflow of each node.
    rows: Vec<f32>,
    skipped: Vec<f32>,
    diverged: Vec<f32>,
    /// Step; then counts of gradients and of weights.
    snapshots: Vec<f32>,
    /// Bytes of a worker's newest message, and of one of f32.
    pub bytes: [u64; 2],
}

/// Adds values to counts by exponent.
fn count(values: &[f32], counts: &mut [u32]) {
    let most = counts.len() as i32 - 1;
    for value in values.iter().filter(|value| **value != 0.0 && value.is_finite()) {
        let exponent = (value.to_bits() >> 23 & 0xff) as i32 - 127;
        counts[(exponent - EXPONENTS.start()).clamp(0, most) as usize] += 1;
    }
}

/// An empty list of counts.
fn counts() -> Vec<u32> {
    vec![0; EXPONENTS.count()]
}

impl Recorder {
    /// For a training of so many steps.
    pub fn new(graph: &Graph, steps: u64) -> Self {
        let nodes = graph.nodes().iter().enumerate();
        let nodes = nodes.filter(|(_, node)| node.params.iter().any(|spec| spec.trained)).map(|(i, _)| i).collect();
        let (every, pictured) = (steps.div_ceil(POINTS).max(1), steps.div_ceil(SNAPSHOTS).max(1));
        let none = Vec::new;
        let (rows, skipped, diverged, snapshots) = (none(), none(), none(), none());
        Self { every, pictured, nodes, rows, skipped, diverged, snapshots, bytes: [0; 2] }
    }

    /// Whether values are to be counted at this step.
    pub fn pictures(&self, step: u64) -> bool {
        step.is_multiple_of(self.pictured)
    }

    /// What a step did: its mean loss, and what its gradients lost.
    pub fn step(&mut self, step: u64, loss: f64, emulation: Option<&Emulation>) {
        if !step.is_multiple_of(self.every) {
            return;
        }
        self.rows.extend([step as f32, loss as f32, emulation.map_or(1.0, |emulation| emulation.scale)]);
        for node in &self.nodes {
            let Lost { values, underflow, overflow } =
                emulation.and_then(|emulation| emulation.lost.get(*node)).copied().unwrap_or_default();
            self.rows.extend([underflow, overflow].map(|lost| lost as f32 / values.max(1) as f32));
        }
    }

    /// That a step changed nothing.
    pub fn skip(&mut self, step: u64) {
        self.skipped.push(step as f32);
    }

    /// That parameters are not finite.
    pub fn end(&mut self, step: u64) {
        self.diverged.push(step as f32);
    }

    /// Counts values.
    pub fn picture(&mut self, step: u64, gradients: &[u32], parameters: &[Tensor]) {
        let mut weights = counts();
        parameters.iter().for_each(|tensor| count(tensor.data(), &mut weights));
        self.snapshots.push(step as f32);
        self.snapshots.extend(gradients.iter().chain(&weights).map(|count| *count as f32));
    }

    /// What a checkpoint keeps: lists, each behind a 0 that makes it a tensor.
    ///
    /// # Errors
    /// `internal` when a list is no tensor, which cannot be.
    pub fn tensors(&self) -> Result<Vec<Tensor>, CoreError> {
        let bytes = self.bytes.map(|bytes| bytes as f32);
        let lists = [&self.rows[..], &self.skipped, &self.diverged, &self.snapshots, &bytes];
        let tensor = |list: &[f32]| {
            let values: Vec<f32> = std::iter::once(0.0).chain(list.iter().copied()).collect();
            Shape::new(&[values.len()]).and_then(|shape| Tensor::new(shape, values))
        };
        lists.into_iter().map(tensor).collect::<Result<_, _>>().map_err(|error| CoreError::internal("record", error))
    }

    /// Goes on from what [`Recorder::tensors`] gave.
    pub fn restore(&mut self, tensors: &[Tensor]) {
        let mut lists = tensors.iter().map(|tensor| tensor.data().get(1..).unwrap_or(&[]).to_vec());
        let mut next = || lists.next().unwrap_or_default();
        (self.rows, self.skipped, self.diverged, self.snapshots) = (next(), next(), next(), next());
        if let [sent, dense] = next()[..] {
            self.bytes = [sent as u64, dense as u64];
        }
    }

    /// Lists in [`Recorder::tensors`].
    pub const LISTS: usize = 5;

    /// The record.
    pub fn finish(&self, graph: &Graph) -> TrainingRecord {
        let rows: Vec<&[f32]> = self.rows.chunks_exact(3 + 2 * self.nodes.len()).collect();
        let column = |at: usize| rows.iter().map(|row| f64::from(row[at])).collect::<Vec<f64>>();
        let whole = |list: &[f32]| list.iter().map(|value| *value as u32).collect::<Vec<u32>>();
        let bins = EXPONENTS.count();
        let layer = |(i, node): (usize, &usize)| LostGradients {
            layer: graph.nodes()[*node].name.clone(),
            underflow: column(3 + 2 * i),
            overflow: column(4 + 2 * i),
        };
        let snapshot = |row: &[f32]| Snapshot {
            step: row[0] as u32,
            gradients: whole(&row[1..=bins]),
            weights: whole(&row[1 + bins..]),
        };
        TrainingRecord {
            every: self.every as u32,
            loss: column(1).into_iter().map(|loss| loss.is_finite().then_some(loss)).collect(),
            scale: column(2),
            skipped: whole(&self.skipped),
            diverged: whole(&self.diverged).first().copied(),
            layers: self.nodes.iter().enumerate().map(layer).collect(),
            lowest_exponent: *EXPONENTS.start(),
            snapshots: self.snapshots.chunks_exact(1 + 2 * bins).map(snapshot).collect(),
            bytes_per_step: self.bytes[0],
            dense_bytes_per_step: self.bytes[1],
        }
    }
}

/// Gradients counted by exponent, times `scale`.
pub fn exponents(gradients: &[Tensor], scale: f32) -> Vec<u32> {
    let mut found = counts();
    for tensor in gradients {
        let scaled: Vec<f32> = tensor.data().iter().map(|value| value * scale).collect();
        count(&scaled, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_by_the_power_of_two_below_them() {
        let mut found = counts();
        count(&[0.0, 1.0, 1.99, -2.0, 0.5, 1e-30, 1e30, f32::NAN], &mut found);
        let at = |exponent: i32| found[(exponent - EXPONENTS.start()) as usize];
        assert_eq!([at(0), at(1), at(-1), at(-49), at(18)], [2, 1, 1, 1, 1]);
        assert_eq!(found.iter().sum::<u32>(), 6);
    }
}
