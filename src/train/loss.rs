//! Softmax cross-entropy.

use crate::math::{exp, ln};
use crate::simd::LANES;

/// Loss and prediction of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageLoss {
    /// −ln p(label).
    pub loss: f32,
    /// The first class with the greatest logit.
    pub prediction: u8,
}

/// Probabilities from logits: `e^(x − max) / Σ e^(x − max)`, terms summed in class order.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
    let terms: Vec<f32> = logits.iter().map(|&x| exp(x - most)).collect();
    let sum = terms.iter().fold(0.0, |sum, term| sum + term);
    terms.iter().map(|term| term / sum).collect()
}

/// Loss of each label of a block of logits `[class][position][lane]`; `labels` are `[lane][position]`, for as many lanes as hold
/// an item. With `gradient`, also writes (p − one_hot) / `batch` there; lanes without an item get 0.
pub fn softmax_cross_entropy(
    logits: &[f32],
    labels: &[u8],
    positions: usize,
    batch: usize,
    mut gradient: Option<&mut [f32]>,
) -> Vec<ImageLoss> {
    let rows = logits.as_chunks::<LANES>().0;
    if let Some(gradient) = &mut gradient {
        gradient.fill(0.0);
    }
    let lane_loss = |(index, &label): (usize, &u8)| {
        let (lane, position) = (index / positions, index % positions);
        let lane_logits: Vec<f32> = rows.iter().skip(position).step_by(positions).map(|row| row[lane]).collect();
        let (mut prediction, mut most) = (0, f32::NEG_INFINITY);
        for (class, &logit) in lane_logits.iter().enumerate() {
            if logit > most {
                (prediction, most) = (class, logit);
            }
        }
        let sum = lane_logits.iter().fold(0.0, |sum, &x| sum + exp(x - most));
        if let Some(gradient) = &mut gradient {
            let cells = gradient.as_chunks_mut::<LANES>().0;
            let cells = cells.iter_mut().skip(position).step_by(positions);
            for (class, (cell, p)) in cells.zip(softmax(&lane_logits)).enumerate() {
                let target = if class == usize::from(label) { 1.0 } else { 0.0 };
                cell[lane] = (p - target) / batch as f32;
            }
        }
        let loss = ln(sum) - (lane_logits[usize::from(label)] - most);
        ImageLoss { loss, prediction: prediction as u8 }
    };
    labels.iter().enumerate().map(lane_loss).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_of_even_logits_is_the_log_of_the_number_of_classes() {
        let logits = vec![3.0; 4 * LANES];
        let mut gradient = vec![9.0; 4 * LANES];
        let losses = softmax_cross_entropy(&logits, &[2, 0], 1, 2, Some(&mut gradient));
        assert!((losses[0].loss - 1.386_294_4).abs() < 1e-6);
        assert_eq!(losses[0].prediction, 0);
        assert_eq!(gradient[2 * LANES], (0.25 - 1.0) / 2.0);
        assert_eq!(gradient[1], (0.25 - 1.0) / 2.0);
        assert_eq!(gradient[2], 0.0);
    }

    #[test]
    fn every_position_has_its_own_loss() {
        // Two classes, three positions; lane 1, position 2 has logits 0 and ln 3.
        let mut logits = vec![0.0; 2 * 3 * LANES];
        logits[(3 + 2) * LANES + 1] = ln(3.0);
        let mut gradient = vec![9.0; logits.len()];
        let losses = softmax_cross_entropy(&logits, &[0, 0, 0, 0, 0, 1], 3, 6, Some(&mut gradient));
        assert_eq!(losses.len(), 6);
        assert!((losses[5].loss - ln(4.0 / 3.0)).abs() < 1e-6 && losses[5].prediction == 1);
        assert!((losses[3].loss - ln(2.0)).abs() < 1e-6 && losses[3].prediction == 0);
        assert!((gradient[(3 + 2) * LANES + 1] - (0.75 - 1.0) / 6.0).abs() < 1e-7);
        assert_eq!(gradient[2], 0.0);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let p = softmax(&[1000.0, 1000.0, -1000.0]);
        assert_eq!(p, [0.5, 0.5, 0.0]);
    }
}
