//! Softmax over neighbouring vectors, eight images in the lanes.

use crate::math::exp;
use crate::simd::{F32x8, LANES, Lane};

/// `row[i] = e^(s·row[i] − max) / Σ e^(s·row[j] − max)` in each lane, `max` being the greatest `s·row[j]` and `s` the scale.
///
/// Terms are added in ascending order, and each is multiplied by 1 / sum. A value of −∞ gives 0 as long as another is finite.
pub fn softmax(row: &mut [F32x8], scale: F32x8) {
    let mut most = [f32::NEG_INFINITY; LANES];
    for value in row.iter_mut() {
        *value = value.mul(scale);
        for (most, value) in most.iter_mut().zip(value.to_array()) {
            *most = if value > *most { value } else { *most };
        }
    }
    let mut sum = F32x8::splat(0.0);
    for value in row.iter_mut() {
        let lanes = value.to_array();
        let terms: [f32; LANES] = std::array::from_fn(|lane| exp(lanes[lane] - most[lane]));
        *value = F32x8::load(&terms);
        sum = sum.add(*value);
    }
    let inverse = F32x8::load(&sum.to_array().map(|sum| 1.0 / sum));
    for value in row.iter_mut() {
        *value = value.mul(inverse);
    }
}

/// [`softmax`] of one image: the same operations, so the bits of a lane.
pub fn softmax_one(row: &mut [f32], scale: f32) {
    let mut most = f32::NEG_INFINITY;
    for value in row.iter_mut() {
        *value *= scale;
        most = if *value > most { *value } else { most };
    }
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = exp(*value - most);
        sum += *value;
    }
    let inverse = 1.0 / sum;
    row.iter_mut().for_each(|value| *value *= inverse);
}
