//! Right answers over images, with the uncertainty that their number leaves.

use crate::data::{Images, Kind, hex};
use crate::graph::Plan;
use crate::math::canonical_nan;
use crate::simd::LANES;
use crate::task::{Context, Phase};
use crate::train::softmax_cross_entropy;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Right answers of a number of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Accuracy {
    /// Right answers.
    pub correct: u32,
    /// Images, or characters of text.
    pub total: u32,
    /// Their ratio.
    pub top1: f64,
    /// 95 % confidence interval of the ratio.
    pub wilson95: [f64; 2],
    /// Mean cross-entropy.
    pub loss: f64,
    /// The same in bits, for text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_character: Option<f64>,
}

/// The Wilson score interval at 95 % (Wilson 1927), z = 1.959964.
pub fn wilson95(correct: u32, total: u32) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if total == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (f64::from(total), f64::from(correct) / f64::from(total));
    let center = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((center - spread) / scale).max(0.0), ((center + spread) / scale).min(1.0)]
}

/// What running a network over images gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Counts and loss.
    pub accuracy: Accuracy,
    /// Predicted class of every image, or of every character of every window, in order.
    pub predictions: Vec<u8>,
    /// SHA-256 over all logits as little-endian f32 (image by image, class by class), NaN canonical.
    pub digest: String,
}

/// Runs `plan` over all images. Losses are summed in f64 in image order.
pub async fn evaluate(ctx: &Context, plan: &mut Plan, images: &Images) -> Evaluation {
    ctx.enter(Phase::Evaluate);
    let (mut predictions, mut loss, mut correct) = (Vec::with_capacity(images.len()), 0.0, 0);
    let mut hash = Sha256::new();
    for first in (0..images.len()).step_by(LANES * plan.width()) {
        let last = images.len().min(first + LANES * plan.width());
        let starts: Vec<usize> = (first..last).step_by(LANES).collect();
        let end = |start: usize| last.min(start + LANES);
        for (block, &start) in starts.iter().enumerate() {
            images.fill(start..end(start), plan.input_block(block));
        }
        plan.run_blocks(starts.len());
        for (block, &start) in starts.iter().enumerate() {
            let logits = plan.output_block(block);
            let labels: Vec<u8> = (start..end(start)).flat_map(|i| images.labels(i)).copied().collect();
            let mut bytes = Vec::with_capacity(logits.len() * 4);
            for lane in 0..end(start) - start {
                for class in logits.as_chunks::<LANES>().0 {
                    bytes.extend_from_slice(&canonical_nan(class[lane]).to_le_bytes());
                }
            }
            hash.update(&bytes);
            let losses = softmax_cross_entropy(logits, &labels, images.positions(), labels.len(), None);
            for (image, label) in losses.iter().zip(&labels) {
                predictions.push(image.prediction);
                correct += u32::from(image.prediction == *label);
                loss += f64::from(image.loss);
            }
        }
        ctx.report_partial(correct, predictions.len() as u32);
        ctx.tick(plan.block_macs() * starts.len() as u64).await;
    }
    let total = predictions.len() as u32;
    let accuracy = Accuracy {
        correct,
        total,
        top1: f64::from(correct) / f64::from(total.max(1)),
        wilson95: wilson95(correct, total),
        loss: loss / f64::from(total.max(1)),
        bits_per_character: (images.kind() == Kind::Text)
            .then(|| loss / f64::from(total.max(1)) / std::f64::consts::LN_2),
    };
    Evaluation { accuracy, predictions, digest: hex(&hash.finalize()) }
}

/// Results worth keeping for later recipes, by all that they depend on. Of more than `MOST` the oldest goes first.
#[derive(Debug)]
pub struct Kept<T, const MOST: usize>(RefCell<VecDeque<(String, Rc<T>)>>);

/// The baselines that every recipe of a sweep is compared with.
pub type Evaluations = Kept<Evaluation, 16>;

impl<T, const MOST: usize> Default for Kept<T, MOST> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T, const MOST: usize> Kept<T, MOST> {
    /// What is kept under `key`.
    pub fn get(&self, key: &str) -> Option<Rc<T>> {
        self.0.borrow().iter().find(|(k, _)| k == key).map(|(_, found)| Rc::clone(found))
    }

    /// Keeps a result, and gives it back.
    pub fn keep(&self, key: String, found: T) -> Rc<T> {
        let mut kept = self.0.borrow_mut();
        if kept.len() == MOST {
            kept.pop_front();
        }
        let found = Rc::new(found);
        kept.push_back((key, Rc::clone(&found)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_result_goes_first() {
        let kept: Kept<u32, 2> = Kept::default();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            kept.keep(key.into(), value);
        }
        assert_eq!(["a", "b", "c"].map(|key| kept.get(key).map(|found| *found)), [None, Some(2), Some(3)]);
    }

    #[test]
    fn wilson_known_values() {
        // Newcombe 1998, Statistics in Medicine 17, table I: 81/263 and 0/20.
        let [low, high] = wilson95(81, 263);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
        let [low, high] = wilson95(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 5e-5);
    }
}
