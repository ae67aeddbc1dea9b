//! Places in a table: NF4, whose table is fixed, and k-means, whose table is the tensor's own.

use super::{Clusters, Family, Format, Granule, ROUNDS, ScaleType, largest_magnitude, pack_bits, unpack_bits, usable};
use crate::math::sort;

/// The place of the value nearest to `value` in an ascending table; of two equally near, the lower.
pub(super) fn nearest(table: &[f32], value: f32) -> u32 {
    let upper = table.partition_point(|&entry| entry < value).min(table.len() - 1);
    let lower = upper.saturating_sub(1);
    (if value - table[lower] <= table[upper] - value { lower } else { upper }) as u32
}

/// NF4 (Dettmers et al. 2023, QLoRA, arXiv 2305.14314, appendix E): sixteen values in −1 … 1 that equally many normally
/// distributed weights are nearest to, 0 among them; times the largest magnitude of a granule, 64 inputs unless the recipe
/// says otherwise. The paper quantizes those magnitudes as well; here they are scales like any other.
pub struct Nf4;

const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

impl Format for Nf4 {
    fn id(&self) -> &'static str {
        "nf4"
    }
    fn code(&self) -> &'static str {
        "nf4"
    }
    fn bits(&self) -> f64 {
        4.0
    }
    fn levels(&self) -> Option<u32> {
        Some(16)
    }
    fn family(&self) -> Family {
        Family::Codebook
    }
    fn scaled(&self) -> bool {
        true
    }
    fn groups(&self) -> bool {
        true
    }
    fn default_group(&self) -> Option<u32> {
        Some(64)
    }
    fn source(&self) -> &'static str {
        "Dettmers et al. 2023, arXiv 2305.14314"
    }
    fn fit(&self, values: &[f32], symmetric: bool) -> Granule {
        self.shrink(values, symmetric, 1.0)
    }
    fn shrink(&self, values: &[f32], _: bool, fraction: f32) -> Granule {
        Granule { scale: usable(largest_magnitude(values) * fraction), ..Granule::UNIT }
    }
    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        nearest(&NF4, value / granule.scale)
    }
    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        NF4[code as usize & 15] * granule.scale
    }
    fn level(&self, _: u32, _: &Granule) -> Option<i32> {
        None
    }
    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, 4)
    }
    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, 4, count)
    }
}

/// `kmeans`: a codebook of 2^bits values for each tensor, made by [`Clusters`] (Han, Mao and Dally 2016, arXiv 1510.00149).
/// What is stored is the codebook in f32 and a place in it for each weight, of `bits` bits or under a Huffman code.
pub struct Clustered {
    /// Bits of a place, 2 to 8.
    pub bits: u32,
    /// Whether places are stored under a canonical Huffman code.
    pub huffman: bool,
}

impl Clustered {
    /// Values of the codebook.
    pub fn values(&self) -> usize {
        1 << self.bits
    }
}

/// Least and most bits of a place.
pub const CLUSTERED_BITS: std::ops::RangeInclusive<u64> = 2..=8;

const fn pair(bits: u32) -> [Clustered; 2] {
    [Clustered { bits, huffman: false }, Clustered { bits, huffman: true }]
}

/// Every kind of `kmeans`.
static CLUSTERED: [[Clustered; 2]; 7] = [pair(2), pair(3), pair(4), pair(5), pair(6), pair(7), pair(8)];

/// The kind that a recipe means by the id alone: 5 bits, as in the paper's fully connected layers, no Huffman code.
pub(super) static DEFAULT: &Clustered = &CLUSTERED[3][0];

/// `kmeans` with so many bits; `None` beyond [`CLUSTERED_BITS`].
pub fn clustered(bits: u32, huffman: bool) -> Option<&'static dyn Format> {
    let kinds = CLUSTERED.get(bits.checked_sub(2)? as usize)?;
    Some(&kinds[usize::from(huffman)])
}

impl Format for Clustered {
    fn id(&self) -> &'static str {
        "kmeans"
    }
    fn code(&self) -> &'static str {
        "k"
    }
    fn bits(&self) -> f64 {
        f64::from(self.bits)
    }
    fn levels(&self) -> Option<u32> {
        Some(1 << self.bits)
    }
    fn family(&self) -> Family {
        Family::Codebook
    }
    fn scale_type(&self, _: bool) -> Option<ScaleType> {
        None
    }
    fn clustered(&self) -> Option<&Clustered> {
        Some(self)
    }
    fn source(&self) -> &'static str {
        "Han, Mao and Dally 2016, arXiv 1510.00149"
    }
    fn fit(&self, values: &[f32], _: bool) -> Granule {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sort(&mut sorted);
        let mut clusters = Clusters::new(sorted, self.values());
        for _ in 0..ROUNDS {
            if !clusters.round() {
                break;
            }
        }
        Granule { codebook: Some(clusters.codebook()), ..Granule::UNIT }
    }
    fn shrink(&self, values: &[f32], symmetric: bool, _: f32) -> Granule {
        self.fit(values, symmetric)
    }
    fn encode(&self, value: f32, granule: &Granule) -> u32 {
        granule.codebook.as_deref().map_or(0, |codebook| nearest(codebook, value))
    }
    fn decode(&self, code: u32, granule: &Granule) -> f32 {
        granule.codebook.as_deref().and_then(|codebook| codebook.get(code as usize)).copied().unwrap_or(0.0)
    }
    fn level(&self, _: u32, _: &Granule) -> Option<i32> {
        None
    }
    fn pack(&self, codes: &[u32]) -> Vec<u8> {
        pack_bits(codes, self.bits)
    }
    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32> {
        unpack_bits(bytes, self.bits, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// The table computed from quantiles of the normal distribution by `tools/golden/formats.py`.
    #[test]
    fn the_table_is_that_of_normal_quantiles() {
        let all: Value = serde_json::from_str(include_str!("../../tests/vectors/kmeans.json")).unwrap();
        let table: Vec<f64> = all["nf4"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(table.len(), 16);
        for (ours, theirs) in NF4.iter().zip(table) {
            assert!((f64::from(*ours) - theirs).abs() < 2e-7, "{ours} against {theirs}");
        }
    }

    #[test]
    fn the_nearest_place_is_found() {
        let table = [-1.0, 0.0, 0.5, 0.5, 2.0];
        let found =
            [-9.0, -0.6, -0.5, 0.1, 0.5, 1.3, 9.0, f32::NAN].map(|value| table[nearest(&table, value) as usize]);
        assert_eq!(found, [-1.0, -1.0, -1.0, 0.0, 0.5, 2.0, 2.0, -1.0]);
    }
}
