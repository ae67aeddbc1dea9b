//! What of a packed tensor stands in a file, and reading it back.

use super::packed::group_scale;
use super::small::{E4M3, e8m0};
use super::storage::{Layout, Storage, count};
use super::{Family, Format, Granule, PackedTensor, huffman, pack_bits, unpack_bits};
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
    /// Places in a codebook, relative indices of kept values, and their places in groups.
    Indices,
    /// Bits that say what is kept.
    Masks,
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

/// A tensor as it stands in a file.
pub struct Stored {
    /// Which of its values are there.
    pub layout: Layout,
    /// What is stored, codes first.
    pub parts: Vec<Part>,
}

impl Stored {
    /// Bytes of all parts.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }
}

/// Suffix of the part that says which of the stored values are kept.
const MASK: &str = ".mask";
/// Suffix of the bits of every relative index's Huffman code.
const INDEX_LENGTHS: &str = ".index.lengths";

fn part(suffix: &'static str, kind: PartKind, dtype: Dtype, dims: Vec<usize>, bytes: Vec<u8>) -> Part {
    Part { suffix, kind, dtype, dims, bytes }
}

/// A part of plain bytes.
fn bytes_part(suffix: &'static str, kind: PartKind, bytes: Vec<u8>) -> Part {
    part(suffix, kind, Dtype::U8, vec![bytes.len()], bytes)
}

impl PackedTensor {
    /// Weights of one output channel.
    fn row(&self) -> usize {
        self.shape.len() / self.shape.dims().first().copied().unwrap_or(1).max(1)
    }

    /// The code that a granule has for zero (+0), if it has one. It depends on nothing that is not stored.
    pub(super) fn zero(&self, granule: &Granule) -> Option<u32> {
        let minimum = self.format.blocks().is_some_and(|blocks| blocks.min_bytes() > 0);
        let code = if minimum { 0 } else { self.format.encode(0.0, granule) };
        Some(code).filter(|&code| self.format.decode(code, granule).to_bits() == 0)
    }

    /// Whether relative indices are under a Huffman code like the codes.
    fn huffman(&self, storage: Storage) -> bool {
        storage == Storage::Csr5 && self.format.clustered().is_some_and(|clustered| clustered.huffman)
    }

    /// What stands in a file when all but the `kept` values are pruned and `storage` is the way; `None` where it cannot hold them. The
    /// blocks of GGUF stay whole: they are stored in no way but the dense one.
    pub fn store(&self, kept: Option<&[bool]>, storage: Storage) -> Option<Stored> {
        let len = self.shape.len();
        if storage == Storage::Dense {
            return Some(self.store_dense(kept));
        }
        if self.format.blocks().is_some() {
            return None;
        }
        let all = vec![true; len];
        let kept = kept.unwrap_or(&all);
        Some(self.laid(kept, storage.lay(kept, self.row(), self.format.bits())?))
    }

    /// What stands in a dense file.
    pub fn store_dense(&self, kept: Option<&[bool]>) -> Stored {
        let layout = Layout::dense(self.shape.len());
        match kept {
            Some(kept) => self.laid(kept, layout),
            None => Stored { layout, parts: self.parts() },
        }
    }

    fn laid(&self, kept: &[bool], layout: Layout) -> Stored {
        let zeros: Vec<Option<u32>> = self.granules.iter().map(|granule| self.zero(granule)).collect();
        let each = kept.len() / zeros.len().max(1);
        let codes = self.format.unpack(&self.codes, kept.len());
        let (mut own, mut mask, mut unsaid) = (Vec::new(), Vec::new(), false);
        for (i, code) in codes.into_iter().enumerate().filter(|(i, _)| layout.stored[*i]) {
            let zero = zeros[i / each];
            own.push(if kept[i] { code } else { zero.unwrap_or(0) });
            mask.push(u32::from(kept[i]));
            unsaid |= !kept[i] && zero.is_none();
        }
        let mut parts = self.parts_of(own.len(), self.format.pack(&own));
        let storage = layout.storage;
        if self.huffman(storage) {
            let lengths = huffman::lengths(&layout.index, 1 << layout.bits);
            let bytes = huffman::encode(&layout.index, &lengths);
            parts.push(bytes_part(storage.suffix(), PartKind::Indices, bytes));
            parts.push(bytes_part(INDEX_LENGTHS, PartKind::Codebooks, lengths));
        } else if storage != Storage::Dense {
            let bits = matches!(storage, Storage::Bitmask | Storage::Block);
            let kind = if bits { PartKind::Masks } else { PartKind::Indices };
            parts.push(bytes_part(storage.suffix(), kind, pack_bits(&layout.index, layout.bits)));
        }
        if unsaid {
            parts.push(bytes_part(MASK, PartKind::Masks, pack_bits(&mask, 1)));
        }
        Stored { layout, parts }
    }

    /// What is stored when nothing is pruned, codes first.
    pub fn parts(&self) -> Vec<Part> {
        self.parts_of(self.shape.len(), self.codes.clone())
    }

    /// The packed codes of so many values, and all that is needed to read them.
    fn parts_of(&self, values: usize, codes: Vec<u8>) -> Vec<Part> {
        let count = self.granules.len();
        if let Some(blocks) = self.format.blocks() {
            let codes = self.format.unpack(&codes, values);
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
            let (mut bytes, mut lengths) = (codes, None);
            if clustered.huffman {
                let codes = self.format.unpack(&bytes, values);
                let own = huffman::lengths(&codes, codebook.len());
                bytes = huffman::encode(&codes, &own);
                lengths = Some(bytes_part(".lengths", PartKind::Codebooks, own));
            }
            let dims = vec![codebook.len()];
            let codebook = part(".codebook", PartKind::Codebooks, Dtype::F32, dims, floats(codebook));
            return [bytes_part("", PartKind::Indices, bytes), codebook].into_iter().chain(lengths).collect();
        }
        let mut parts = vec![bytes_part("", PartKind::Values, codes)];
        let dtype = self.format.dtype();
        if dtype != Dtype::U8 {
            let whole = values == self.shape.len();
            parts[0].dims = if whole { self.shape.dims().to_vec() } else { vec![values] };
            parts[0].dtype = dtype;
        }
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
    /// the methods of these names. `layout`: the way it was stored, and the numbers of its [`Layout`]; then it also says which values
    /// are kept. `None` when a part is missing or has another length than it must.
    pub fn read<'a>(
        format: &'static dyn Format,
        shape: Shape,
        group: Option<usize>,
        powers: bool,
        layout: Option<(Storage, [usize; 2])>,
        parts: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Option<(Self, Option<Vec<bool>>)> {
        let parts: &dyn Fn(&str) -> Option<&'a [u8]> = &parts;
        let mut tensor =
            Self { format, shape, granules: Vec::new(), grouped: group.is_some(), powers, codes: Vec::new() };
        let Some((storage, numbers)) = layout else {
            tensor.read_parts(group, tensor.shape.len(), parts)?;
            return Some((tensor, None));
        };
        let (len, row) = (tensor.shape.len(), tensor.row());
        let (indices, bits) = storage.extent(numbers, len, row)?;
        let mut index = Vec::new();
        if tensor.huffman(storage) {
            let lengths = parts(INDEX_LENGTHS).filter(|lengths| lengths.len() == 1 << bits)?;
            index = huffman::decode(parts(storage.suffix())?, lengths, indices)?;
        } else if !storage.suffix().is_empty() {
            index = read_bits(parts(storage.suffix())?, bits, indices)?;
        }
        let mut stored = storage.read(numbers, &index, len, row)?;
        let count = count(&stored);
        tensor.read_parts(group, count, parts)?;
        let own = tensor.format.unpack(&tensor.codes, count);
        let mask = parts(MASK).filter(|_| storage != Storage::Bitmask);
        let mask = mask.map_or(Some(vec![1; count]), |bytes| read_bits(bytes, 1, count))?;
        let (mut codes, mut at, each) = (Vec::new(), 0, len / tensor.granules.len());
        for (i, kept) in stored.iter_mut().enumerate() {
            if *kept {
                codes.push(own[at]);
                *kept = mask[at] == 1;
                at += 1;
            } else {
                codes.push(tensor.zero(&tensor.granules[i / each]).unwrap_or(0));
            }
        }
        tensor.codes = tensor.format.pack(&codes);
        Some((tensor, Some(stored)))
    }

    /// Takes granules and the codes of `count` values from what is stored.
    fn read_parts<'a>(
        &mut self,
        group: Option<usize>,
        count: usize,
        parts: &dyn Fn(&str) -> Option<&'a [u8]>,
    ) -> Option<()> {
        let (format, grouped, powers) = (self.format, self.grouped, self.powers);
        let (values, stored) = (self.shape.len(), parts("")?);
        let grouping = if format.block().is_some() { group == format.block() } else { !grouped || format.groups() };
        if !grouping || (powers && format.family() != Family::Integer) {
            return None;
        }
        let mut granules = vec![Granule::UNIT];
        self.codes = stored.to_vec();
        if let Some(blocks) = format.blocks() {
            let mut codes = Vec::with_capacity(values);
            granules.clear();
            for bytes in stored.chunks(blocks.bytes()) {
                granules.push(blocks.read(bytes, &mut codes)?);
            }
            self.codes = format.pack(&codes);
        } else if let Some(clustered) = format.clustered() {
            let codebook: Rc<[f32]> = read_floats(parts(".codebook")?);
            if codebook.len() != clustered.values() {
                return None;
            }
            if clustered.huffman {
                let lengths = parts(".lengths").filter(|lengths| lengths.len() == codebook.len())?;
                self.codes = format.pack(&huffman::decode(stored, lengths, count)?);
            }
            granules[0].codebook = Some(codebook);
        } else if let Some(scale_type) = if powers { Some(ScaleType::E8m0) } else { format.scale_type(grouped) } {
            let width = scale_type.dtype().bitsize() / 8;
            let unit = if scale_type == ScaleType::E4m3 { *read_floats(parts(".unit")?).first()? } else { 1.0 };
            let scales = parts(".scale")?.chunks(width);
            granules = scales.map(|bytes| scale_type.read(bytes, unit)).collect::<Option<_>>()?;
        }
        if let Some(bytes) = parts(".zero_point").filter(|_| format.asymmetric()) {
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
        let fits = match group {
            Some(group) => group > 0 && granules.len().checked_mul(group) == Some(values),
            None => !granules.is_empty() && values.is_multiple_of(granules.len()),
        };
        self.granules = granules;
        (fits && self.codes.len() == format.pack(&vec![0; count]).len()).then_some(())
    }
}

/// So many numbers of so many bits; `None` for bytes of another length.
fn read_bits(bytes: &[u8], bits: u32, count: usize) -> Option<Vec<u32>> {
    (bytes.len() == (count * bits as usize).div_ceil(8)).then(|| unpack_bits(bytes, bits, count))
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
                PackedTensor::read(format, packed.shape().clone(), packed.group(), false, None, bytes)
                    .map(|read| read.0)
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
