//! What a training makes small.

use super::backprop::{Batch, Blocks};
use super::loss::softmax_cross_entropy;
use crate::error::CoreError;
use crate::simd::LANES;
use crate::task::Context;
use crate::tensor::Tensor;
use std::future::Future;
use std::pin::Pin;

/// The future of [`Objective::meet`].
pub type Met<'a> = Pin<Box<dyn Future<Output = Result<(), CoreError>> + 'a>>;

/// The loss of a batch by the values that a network gives, and its gradients by them.
pub trait Objective {
    /// Looks at a batch before the network does.
    fn meet<'a>(&'a mut self, _: &'a Context, _: &'a Batch) -> Met<'a> {
        Box::pin(async { Ok(()) })
    }

    /// The sum of the losses of all `labels` (`[item][position]`) of a batch whose values, by index in the graph, are `values`.
    /// Writes the gradient of their mean by the last value into `slopes`, and by others where there is one.
    fn judge(&mut self, values: &[Blocks], labels: &[u8], positions: usize, slopes: &mut [Blocks]) -> f64;

    /// Start values of what is trained for it beside the network, and from then on what they have become.
    fn own(&mut self) -> &mut Vec<Tensor>;

    /// Gradients of what [`Objective::own`] has, of the newest batch.
    fn gradients(&mut self) -> Vec<Tensor> {
        Vec::new()
    }

    /// What it has noted of the batches so far, which checkpoints keep.
    fn notes(&mut self) -> &mut Vec<f64>;
}

/// Mean cross-entropy with labels.
#[derive(Debug, Default)]
pub struct CrossEntropy {
    /// See [`super::TrainOptions::label_smoothing`].
    pub smoothing: f32,
    none: Vec<Tensor>,
    no_notes: Vec<f64>,
}

impl CrossEntropy {
    /// With this much smoothing.
    pub fn new(smoothing: f32) -> Self {
        Self { smoothing, ..Self::default() }
    }
}

impl Objective for CrossEntropy {
    fn judge(&mut self, values: &[Blocks], labels: &[u8], positions: usize, slopes: &mut [Blocks]) -> f64 {
        let (Some(outputs), Some(slopes)) = (values.last(), slopes.last_mut()) else { return 0.0 };
        let mut loss = 0.0;
        for (block, own) in outputs.iter().zip(labels.chunks(LANES * positions)) {
            let mut gradient = vec![0.0; block.len()];
            for item in softmax_cross_entropy(block, own, positions, labels.len(), Some(&mut gradient)) {
                loss += f64::from(item.loss);
            }
            if self.smoothing > 0.0 {
                loss += smooth(block, own, positions, labels.len(), self.smoothing, &mut gradient);
            }
            slopes.push(gradient);
        }
        loss
    }

    fn own(&mut self) -> &mut Vec<Tensor> {
        &mut self.none
    }

    fn notes(&mut self) -> &mut Vec<f64> {
        &mut self.no_notes
    }
}

/// Moves gradients from labels to labels of which the share `by` is spread over all classes; returns what the losses grow by.
fn smooth(block: &[f32], labels: &[u8], positions: usize, batch: usize, by: f32, gradient: &mut [f32]) -> f64 {
    let (rows, slopes) = (block.as_chunks::<LANES>().0, gradient.as_chunks_mut::<LANES>().0);
    let classes = rows.len() / positions;
    let mut more = 0.0;
    for (index, &label) in labels.iter().enumerate() {
        let (lane, position) = (index / positions, index % positions);
        let at = |class: usize| class * positions + position;
        let mut sum = 0.0;
        for class in 0..classes {
            sum += rows[at(class)][lane];
            slopes[at(class)][lane] -= by / classes as f32 / batch as f32;
        }
        slopes[at(usize::from(label))][lane] += by / batch as f32;
        more += f64::from(by * (rows[at(usize::from(label))][lane] - sum / classes as f32));
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::ln;
    use crate::train::softmax;

    #[test]
    fn smoothed_labels_have_the_loss_and_slopes_of_their_definition() {
        let logits = [0.3f32, -1.2, 2.0, 0.5];
        let mut block = vec![0.0; 4 * LANES];
        for (class, logit) in logits.iter().enumerate() {
            block[class * LANES] = *logit;
        }
        let (by, label) = (0.1f32, 1usize);
        let mut slopes = vec![Blocks::new(), Blocks::new()];
        let loss = CrossEntropy::new(by).judge(&[Blocks::new(), vec![block]], &[label as u8], 1, &mut slopes);
        let p = softmax(&logits);
        let target = |class: usize| by / 4.0 + if class == label { 1.0 - by } else { 0.0 };
        let wanted: f32 = (0..4).map(|class| -target(class) * ln(p[class])).sum();
        assert!((loss - f64::from(wanted)).abs() < 1e-5, "{loss} is not {wanted}");
        for class in 0..4 {
            assert!((slopes[1][0][class * LANES] - (p[class] - target(class))).abs() < 1e-6);
        }
        assert!(slopes[1][0][1..LANES].iter().all(|slope| *slope == 0.0));
    }
}
