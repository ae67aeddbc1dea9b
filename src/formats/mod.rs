//! Number formats for weights and inputs: one file per format, one line per format in [`FORMATS`].
//!
//! A format turns the values of a *granule* (a tensor, an output channel, a group or a block of its inputs) into codes of a
//! few bits and back. Codes are what is stored, packed without gaps; values are decoded on use.

mod binary;
mod bits;
mod codebook;
mod float;
mod ggml;
mod huffman;
mod int;
mod kmeans;
mod look;
mod packed;
mod small;
mod storage;
mod stored;
mod ternary;
mod weight;

pub use codebook::{CLUSTERED_BITS, Clustered, clustered};
pub use ggml::Blocks;
pub use kmeans::{Clusters, ROUNDS};
pub use look::{Piece, Stretch};
pub use packed::{PackedTensor, group_origin, group_scale};
pub use storage::{BLOCKS, GROUPS, Layout, STORAGES, Storage, find_storage};
pub use stored::{Part, PartKind, ScaleType, Stored};
pub use weight::{Shares, WeightQuantizer, WeightRule};

use crate::ops::InputGrid;
use bits::{low_mask, pack_bits, unpack_bits};
use std::rc::Rc;

/// Kinds of formats, by what their codes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Sign, exponent and mantissa; a scale only where a format says so.
    Float,
    /// A whole number times a scale.
    Integer,
    /// −1, 0 or 1 times a scale.
    Ternary,
    /// −1 or 1 times a scale.
    Binary,
    /// A place in a table of values.
    Codebook,
    /// A whole number times a scale, some plus a minimum, in blocks of a layout of their own.
    Block,
}

/// What the codes of one granule mean: value = (code − zero_point) × scale for integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Granule {
    /// Distance between neighbouring values; positive and finite (in GGML's blocks also 0 or negative).
    pub scale: f32,
    /// The code of zero on an asymmetric grid; `None` on a symmetric one.
    pub zero_point: Option<i32>,
    /// A code of zero that need not be whole, in place of `zero_point` (see `hqq` in docs/methods.md). Such codes stand for no whole
    /// number × scale, so they are never summed as integers.
    pub origin: Option<f32>,
    /// Magnitudes up to here become zero (ternary only; needed to encode, not stored).
    pub threshold: f32,
    /// What is added to code × scale (blocks with a minimum only).
    pub min: f32,
    /// 1 / scale and `min` before they were rounded (GGML's blocks only; needed to encode, not stored).
    pub exact: [f32; 2],
    /// What the stored scale is in units of (NVFP4 only): one for all granules of a tensor.
    pub unit: f32,
    /// The values that codes stand for, ascending (k-means only): one for all granules of a tensor.
    pub codebook: Option<Rc<[f32]>>,
}

impl Granule {
    /// A granule that says nothing: scale 1.
    pub const UNIT: Self = Self {
        scale: 1.0,
        zero_point: None,
        origin: None,
        threshold: 0.0,
        min: 0.0,
        exact: [1.0, 0.0],
        unit: 1.0,
        codebook: None,
    };
}

/// A number format.
pub trait Format: Sync {
    /// The id in recipes, such as `int4`.
    fn id(&self) -> &'static str;
    /// The permanent short code in links.
    fn code(&self) -> &'static str;
    /// Bits per value, scales aside; 1.6 for ternary, five of which share a byte.
    fn bits(&self) -> f64;
    /// Distinct values of a granule; `None` for floats.
    fn levels(&self) -> Option<u32>;
    /// The kind of format.
    fn family(&self) -> Family;
    /// The paper or standard it comes from.
    fn source(&self) -> &'static str;
    /// Whether it can be asymmetric (have a zero-point).
    fn asymmetric(&self) -> bool {
        self.family() == Family::Integer
    }
    /// Whether the choice of range (min-max or error-minimising) changes anything.
    fn ranged(&self) -> bool {
        matches!(self.family(), Family::Integer | Family::Ternary)
    }
    /// Whether there are scales of a granularity of choice.
    fn scaled(&self) -> bool {
        matches!(self.family(), Family::Integer | Family::Ternary | Family::Binary)
    }
    /// Whether granules may be groups of inputs.
    fn groups(&self) -> bool {
        self.family() == Family::Integer
    }
    /// Values of a group where the recipe names no granularity; `None` for one scale per output channel.
    fn default_group(&self) -> Option<u32> {
        None
    }
    /// Values of a block, for formats whose granules are always blocks of so many inputs.
    fn block(&self) -> Option<usize> {
        None
    }
    /// How scales are stored; `None` where there are none of their own. `grouped`: whether granules are groups.
    fn scale_type(&self, grouped: bool) -> Option<ScaleType> {
        self.scaled().then_some(if grouped { ScaleType::F16 } else { ScaleType::F32 })
    }
    /// What all stored scales of a tensor of these values are in units of.
    fn unit(&self, values: &[f32]) -> f32 {
        let _ = values;
        1.0
    }
    /// The layout of blocks that hold their own scales.
    fn blocks(&self) -> Option<&Blocks> {
        None
    }
    /// How a codebook of the tensor's own is made and stored.
    fn clustered(&self) -> Option<&Clustered> {
        None
    }
    /// Whether it is one of the formats that the page runs side by side: a width of its own that every layer can have.
    fn on_curve(&self) -> bool {
        !matches!(self.family(), Family::Codebook | Family::Block)
    }
    /// The granule by the format's own plain rule (min-max for integers).
    fn fit(&self, values: &[f32], symmetric: bool) -> Granule;
    /// The granule whose range is `fraction` (in 0..=1) of the plain rule's.
    fn shrink(&self, values: &[f32], symmetric: bool, fraction: f32) -> Granule;
    /// The code of a value.
    fn encode(&self, value: f32, granule: &Granule) -> u32;
    /// The value of a code.
    fn decode(&self, code: u32, granule: &Granule) -> f32;
    /// The whole number that a code stands for (zero-point taken off), where value = whole number × scale.
    fn level(&self, code: u32, granule: &Granule) -> Option<i32>;
    /// Codes packed into bytes without gaps.
    fn pack(&self, codes: &[u32]) -> Vec<u8>;
    /// The first `count` codes of packed bytes; missing bytes read as zero.
    fn unpack(&self, bytes: &[u8], count: usize) -> Vec<u32>;
    /// Element type of the codes in a file: bytes, unless the format is a type that files know.
    fn dtype(&self) -> safetensors::Dtype {
        safetensors::Dtype::U8
    }
    /// Whether a straight-through estimator lets the gradient by the rounded value through to `value`: it lies inside the clip
    /// range (Bengio et al. 2013, arXiv 1308.3432; Jacob et al. 2018). Formats that do not clip let everything through.
    fn passes(&self, value: f32, granule: &Granule) -> bool {
        let _ = (value, granule);
        true
    }
    /// What training keeps the magnitude of latent values at, if anything.
    fn latent_bound(&self) -> Option<f32> {
        None
    }
    /// The grid for inputs that a granule describes, for formats that inputs may have.
    fn grid(&self, granule: &Granule) -> Option<InputGrid> {
        let _ = granule;
        None
    }
    /// The grid for inputs in `low..=high`, for formats that inputs may have. `binary` takes their mean magnitude as `high`.
    fn input_grid(&self, low: f32, high: f32, symmetric: bool) -> Option<InputGrid> {
        let _ = (low, high, symmetric);
        None
    }
}

/// Every format. To add one: write its file, add a line here.
pub static FORMATS: &[&dyn Format] = &[
    &float::Fp32,
    &float::Fp16,
    &float::Bf16,
    &small::FP8_E4M3,
    &small::FP8_E5M2,
    &int::Int { bits: 16, id: "int16", code: "i16" },
    &int::Int { bits: 8, id: "int8", code: "8" },
    &int::Int { bits: 7, id: "int7", code: "7" },
    &int::Int { bits: 6, id: "int6", code: "6" },
    &int::Int { bits: 5, id: "int5", code: "5" },
    &int::Int { bits: 4, id: "int4", code: "4" },
    &int::Int { bits: 3, id: "int3", code: "3" },
    &int::Int { bits: 2, id: "int2", code: "2" },
    &ternary::Ternary,
    &binary::Binary,
    &small::FP6_E2M3,
    &small::FP6_E3M2,
    &small::FP4_E2M1,
    &small::MXFP8,
    &small::MXFP6,
    &small::MXFP4,
    &small::NVFP4,
    &codebook::Nf4,
    codebook::DEFAULT,
    &ggml::Q8_0,
    &ggml::Q5_1,
    &ggml::Q5_0,
    &ggml::Q4_1,
    &ggml::Q4_0,
    &ggml::TQ2_0,
    &ggml::TQ1_0,
];

/// The format with this id.
pub fn find(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.id() == id)
}

/// The largest magnitude; NaN is passed over.
fn largest_magnitude(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most: f32, value| most.max(value.abs()))
}

/// `scale` where it can divide, otherwise 1: a granule of zeros needs some scale.
fn usable(scale: f32) -> f32 {
    if scale.is_normal() && scale > 0.0 { scale } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn ids_and_codes_are_unique() {
        for (i, a) in FORMATS.iter().enumerate() {
            for b in &FORMATS[i + 1..] {
                assert_ne!(a.id(), b.id());
                assert_ne!(a.code(), b.code());
            }
        }
    }

    #[test]
    fn every_code_survives_packing_and_takes_the_bits_it_says() {
        for format in FORMATS {
            let levels = format.levels().unwrap_or(1 << format.bits().min(16.0) as u32);
            let count = 40 * 8 + 3;
            let codes: Vec<u32> = (0..count).map(|i| (i * 7919) % levels).collect();
            let bytes = format.pack(&codes);
            assert_eq!(format.unpack(&bytes, codes.len()), codes, "{}", format.id());
            if format.blocks().is_some() {
                // These are stored in blocks, and packed so in memory alone.
                continue;
            }
            assert_eq!(bytes.len(), (f64::from(count) * format.bits() / 8.0).ceil() as usize, "{}", format.id());
        }
    }

    #[test]
    fn the_nearest_representable_value_is_chosen() {
        let mut rng = Rng::stream(5, "formats", 0);
        let values: Vec<f32> = (0..200).map(|_| rng.uniform(-1.0, 1.5)).collect();
        for format in FORMATS.iter().filter(|f| matches!(f.levels(), Some(n) if n <= 256)) {
            for symmetric in [true, false] {
                let granule = format.fit(&values, symmetric || !format.asymmetric());
                let levels = format.levels().unwrap();
                let grid: Vec<f32> = (0..levels).map(|code| format.decode(code, &granule)).collect();
                for &value in &values {
                    let chosen = format.decode(format.encode(value, &granule), &granule);
                    assert!(grid.contains(&chosen), "{}: {chosen} is not on the grid", format.id());
                    if format.family() == Family::Integer {
                        let low = -(granule.scale * 1e-3);
                        let best = grid.iter().map(|g| (g - value).abs()).fold(f32::MAX, f32::min);
                        // The grid's own -2^(b-1) is not used by symmetric ranges.
                        let inside = value >= grid_floor(*format, &granule, symmetric) + low;
                        assert!(!inside || (chosen - value).abs() <= best + granule.scale * 1e-3);
                    }
                }
            }
        }
    }

    fn grid_floor(format: &dyn Format, granule: &Granule, symmetric: bool) -> f32 {
        if symmetric { -(granule.scale * ((format.levels().unwrap() / 2 - 1) as f32)) } else { f32::MIN }
    }
}
