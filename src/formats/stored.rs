//! What of a packed tensor stands in a file, and reading it back.

use super::packed::group_scale;
use super::small::{E4M3, e8m0};
use super::{Family, Format, Granule, PackedTensor, huffman};
use crate::tensor::Shape;
use half::f16;
use safetensors::Dtype;
use std::rc::Rc;

/// What the bytes of a part are, for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Codes.
    Values,
    /// Scales.
    Scales,
    /// Zero-points.
    ZeroPoints,
    /// Places in a codebook.
    Indices,
    /// Codebooks, and the lengths of the codes that places in them are written with.
    Codebooks,
    /// Blocks: of every `bytes` bytes, so many are a scale and a minimum; the rest are codes.
    Blocks {
        /// Bytes of a block.
        bytes: usize,
        /// Those of its scale.
        scales: usize,
        /// Those of its minimum.
        mins: usize,
    },
}

/// One stored piece of a packed tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Appended to the tensor's name; empty for the codes.
    pub suffix: &'static str,
    /// What it is.
    pub kind: PartKind,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, in elements.
    pub dims: Vec<usize>,
    /// Little-endian bytes.
    pub bytes: Vec<u8>,
}

/// How the scale of a granule is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleType {
    /// binary32.
    F32,
    /// binary16.
    F16,
    /// Eight bits of exponent (OCP MX specification v1.0, §5.4.1).
    E8m0,
    /// E4M3, in units of one f32 per tensor.
    E4m3,
}

/// Code of the least positive E4M3, 2^−9.
const LEAST_E4M3: u32 = 1;

impl ScaleType {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::E8m0 => Dtype::F8_E8M0,
            Self::E4m3 => Dtype::F8_E4M3,
        }
    }

    /// Little-endian bytes of a scale that is one of this type.
    fn write(self, granule: &Granule, out: &mut Vec<u8>) {
        match self {
            Self::F32 => out.extend(granule.scale.to_le_bytes()),
            Self::F16 => out.extend(f16::from_f32(granule.scale).to_le_bytes()),
            // 2^−127, the least, is below the normal numbers and has exponent bits of 0.
            Self::E8m0 => out.push((granule.scale.to_bits() >> 23) as u8),
            Self::E4m3 => out.push(E4M3.nearest(granule.scale / granule.unit) as u8),
        }
    }

    /// The granule with these bytes for its scale; `None` when they are too few.
    fn read(self, bytes: &[u8], unit: f32) -> Option<Granule> {
        let scale = match self {
            Self::F32 => f32::from_le_bytes(bytes.try_into().ok()?),
            Self::F16 => f16::from_le_bytes(bytes.try_into().ok()?).to_f32(),
            Self::E8m0 => e8m0(*bytes.first()?),
            Self::E4m3 => E4M3.value(u32::from(*bytes.first()?)) * unit,
        };
        Some(Granule { scale, unit, ..Granule::UNIT })
    }

    /// A granule as it will be read back: its scale rounded to this type (up to the next power of two, else to the nearest),
    /// and kept positive and finite.
    #[must_use]
    pub fn stored(self, granule: Granule, unit: f32) -> Granule {
        let scale = match self {
            Self::F32 => granule.scale,
            Self::E8m0 => power_above(granule.scale),
            Self::F16 => group_scale(granule.scale),
            Self::E4m3 => E4M3.value(E4M3.nearest(granule.scale / unit).clamp(LEAST_E4M3, E4M3.largest)) * unit,
        };
        Granule { scale, unit, ..granule }
    }
}

/// The least power of two that is not below a positive scale; at most 2^127.
fn power_above(scale: f32) -> f32 {
    let (exponent, fraction) = (scale.to_bits() >> 23, scale.to_bits() << 9);
    // 2^−127 itself is a fraction under the exponent 0.
    if scale == e8m0(0) { scale } else { e8m0((exponent + u32::from(fraction > 0)).min(254) as u8) }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl PackedTensor {
    /// What is stored, codes first.
    pub fn parts(&self) -> Vec<Part> {
        let part = |suffix, kind, dtype, dims, bytes| Part { suffix, kind, dtype, dims, bytes };
        let count = self.granules.len();
        if let Some(blocks) = self.format.blocks() {
            let codes = self.format.unpack(&self.codes, self.shape.len());
            let (mut bytes, each) = (Vec::new(), blocks.bytes());
            for (codes, granule) in codes.chunks(blocks.values).zip(&self.granules) {
                blocks.write(codes, granule, &mut bytes);
            }
            let kind = PartKind::Blocks { bytes: each, scales: 2, mins: blocks.min_bytes() };
            return vec![part("", kind, Dtype::U8, vec![count, each], bytes)];
        }
        if let (Some(clustered), Some(codebook)) =
            (self.format.clustered(), self.granules.first().and_then(|granule| granule.codebook.as_deref()))
        {
            let mut bytes = self.codes.clone();
            let mut parts = Vec::new();
            if clustered.huffman {
                let codes = self.format.unpack(&self.codes, self.shape.len());
                let lengths = huffman::lengths(&codes, codebook.len());
                bytes = huffman::encode(&codes, &lengths);
                parts.push(part(".lengths", PartKind::Codebooks, Dtype::U8, vec![lengths.len()], lengths));
            }
            let dims = vec![codebook.len()];
            parts.push(part(".codebook", PartKind::Codebooks, Dtype::F32, dims, floats(codebook)));
            parts.push(part("", PartKind::Indices, Dtype::U8, vec![bytes.len()], bytes));
            parts.reverse();
            return parts;
        }
        let dtype = self.format.dtype();
        let dims = if dtype == Dtype::U8 { vec![self.codes.len()] } else { self.shape.dims().to_vec() };
        let mut parts = vec![part("", PartKind::Values, dtype, dims, self.codes.clone())];
        let free = self.format.scale_type(self.grouped);
        if let Some(scale_type) = if self.powers { Some(ScaleType::E8m0) } else { free } {
            let mut bytes = Vec::new();
            self.granules.iter().for_each(|granule| scale_type.write(granule, &mut bytes));
            parts.push(part(".scale", PartKind::Scales, scale_type.dtype(), vec![count], bytes));
            if scale_type == ScaleType::E4m3 {
                let unit = floats(&[self.granules[0].unit]);
                parts.push(part(".unit", PartKind::Scales, Dtype::F32, vec![1], unit));
            }
        }
        let origins: Vec<f32> = self.granules.iter().filter_map(|g| g.origin).collect();
        if !origins.is_empty() {
            let dtype = if self.grouped { Dtype::F16 } else { Dtype::F32 };
            let half = |origin: &f32| f16::from_f32(*origin).to_le_bytes();
            let bytes = if self.grouped { origins.iter().flat_map(half).collect() } else { floats(&origins) };
            parts.push(part(".zero_point", PartKind::ZeroPoints, dtype, vec![count], bytes));
        }
        let zero_points: Vec<i32> = self.granules.iter().filter_map(|g| g.zero_point).collect();
        if !zero_points.is_empty() {
            let (dtype, width) = zero_point_type(self.format);
            let bytes = zero_points.iter().flat_map(|z| z.to_le_bytes().into_iter().take(width)).collect();
            parts.push(part(".zero_point", PartKind::ZeroPoints, dtype, vec![count], bytes));
        }
        parts
    }

    /// The tensor of this format and shape that was stored as `parts`: the bytes of the part with a suffix. `group` and `powers`: see
    /// the methods of these names. `None` when a part is missing or has another length than it must.
    pub fn read<'a>(
        format: &'static dyn Format,
        shape: Shape,
        group: Option<usize>,
        powers: bool,
        parts: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Option<Self> {
        let (values, stored) = (shape.len(), parts("")?);
        let grouped = group.is_some();
        let grouping = if format.block().is_some() { group == format.block() } else { !grouped || format.groups() };
        if !grouping || (powers && format.family() != Family::Integer) {
            return None;
        }
        let fits = |granules: usize| match group {
            Some(group) => group > 0 && granules.checked_mul(group) == Some(values),
            None => granules > 0 && values.is_multiple_of(granules),
        };
        if let Some(blocks) = format.blocks() {
            let (mut granules, mut codes) = (Vec::new(), Vec::with_capacity(values));
            for bytes in stored.chunks(blocks.bytes()) {
                granules.push(blocks.read(bytes, &mut codes)?);
            }
            let codes = format.pack(&codes);
            return fits(granules.len()).then_some(Self { format, shape, granules, grouped, powers, codes });
        }
        let mut codes = stored.to_vec();
        if let Some(clustered) = format.clustered() {
            let codebook: Rc<[f32]> = read_floats(parts(".codebook")?);
            if codebook.len() != clustered.values() {
                return None;
            }
            if clustered.huffman {
                let lengths = parts(".lengths").filter(|lengths| lengths.len() == codebook.len())?;
                codes = format.pack(&huffman::decode(stored, lengths, values)?);
            }
            let granules = vec![Granule { codebook: Some(codebook), ..Granule::UNIT }];
            return packs(format, values, &codes).then_some(Self { format, shape, granules, grouped, powers, codes });
        }
        let mut granules = vec![Granule::UNIT];
        if let Some(scale_type) = if powers { Some(ScaleType::E8m0) } else { format.scale_type(grouped) } {
            let width = scale_type.dtype().bitsize() / 8;
            let unit = if scale_type == ScaleType::E4m3 { *read_floats(parts(".unit")?).first()? } else { 1.0 };
            let scales = parts(".scale")?.chunks(width);
            granules = scales.map(|bytes| scale_type.read(bytes, unit)).collect::<Option<_>>()?;
        }
        if let Some(bytes) = parts(".zero_point") {
            let (_, width) = zero_point_type(format);
            // Those that need not be whole are floats, and so longer.
            let wide = if grouped { 2 } else { 4 };
            if width == 1 && bytes.len() == granules.len() * wide {
                for (granule, bytes) in granules.iter_mut().zip(bytes.chunks(wide)) {
                    let scale_type = if grouped { ScaleType::F16 } else { ScaleType::F32 };
                    granule.origin = scale_type.read(bytes, 1.0).map(|read| read.scale);
                }
            } else if bytes.len() != granules.len() * width {
                return None;
            } else {
                for (granule, bytes) in granules.iter_mut().zip(bytes.chunks(width)) {
                    granule.zero_point = Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | i32::from(*byte)));
                }
            }
        }
        let right = fits(granules.len()) && packs(format, values, &codes);
        right.then_some(Self { format, shape, granules, grouped, powers, codes })
    }
}

/// Whether `codes` has the length of so many packed values.
fn packs(format: &dyn Format, values: usize, codes: &[u8]) -> bool {
    codes.len() == format.pack(&vec![0; values]).len()
}

fn read_floats(bytes: &[u8]) -> Rc<[f32]> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Type of zero-points in a file, and its bytes.
fn zero_point_type(format: &dyn Format) -> (Dtype, usize) {
    if format.bits() > 8.0 { (Dtype::U16, 2) } else { (Dtype::U8, 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FORMATS, find};
    use crate::rng::Rng;
    use crate::tensor::Tensor;

    #[test]
    fn powers_of_two_are_the_next_ones_up() {
        for (scale, power) in [(1.0, 1.0), (1.01, 2.0), (0.5, 0.5), (0.13, 0.25), (3e38, e8m0(254)), (3.5, 4.0)] {
            assert_eq!(power_above(scale), power, "{scale}");
        }
        assert!((0..=254).all(|code| power_above(e8m0(code)) == e8m0(code)));
    }

    /// A tensor of four rows of 256 in a format, with the granules that recipes give it.
    fn packed(format: &'static dyn Format, group: Option<usize>) -> PackedTensor {
        let mut rng = Rng::stream(6, "stored", 0);
        let values = (0..1024).map(|_| rng.uniform(-1.0, 1.0) * rng.uniform(0.0, 1.0)).collect();
        let tensor = Tensor::new(Shape::new(&[4, 256]).unwrap(), values).unwrap();
        let each = group.or(format.block()).unwrap_or(if format.scaled() { 256 } else { 1024 });
        let (scale_type, unit) = (format.scale_type(group.is_some()), format.unit(tensor.data()));
        let stored = |granule| scale_type.map_or(Granule::clone(&granule), |kind| kind.stored(granule, unit));
        let granules = tensor.data().chunks(each).map(|values| stored(format.fit(values, true))).collect();
        let pack = if group.is_some() { PackedTensor::grouped } else { PackedTensor::new };
        pack(format, &tensor, granules).unwrap()
    }

    #[test]
    fn what_is_stored_reads_back_and_what_is_cut_short_is_refused() {
        let kinds = FORMATS.iter().copied().chain([crate::formats::clustered(4, true).unwrap()]);
        for (format, group) in kinds.map(|format| (format, None)).chain([(find("nf4").unwrap(), Some(64))]) {
            let packed = packed(format, group);
            let parts = packed.parts();
            let read = |cut: Option<usize>| {
                let find = |suffix: &str| parts.iter().position(|part| part.suffix == suffix);
                let bytes = |suffix: &str| {
                    let at = find(suffix)?;
                    let own = parts[at].bytes.as_slice();
                    Some(if cut == Some(at) { &own[..own.len() - 1] } else { own })
                };
                PackedTensor::read(format, packed.shape().clone(), packed.group(), false, bytes)
            };
            let again = read(None).unwrap();
            let bits = |tensor: Tensor| tensor.data().iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
            assert_eq!(bits(again.decode().unwrap()), bits(packed.decode().unwrap()), "{}", format.id());
            assert_eq!(again.parts(), parts, "{}", format.id());
            for (cut, part) in parts.iter().enumerate() {
                assert!(read(Some(cut)).is_none(), "{}{}", format.id(), part.suffix);
            }
        }
    }
}
