//! A look into a packed tensor: some values of one granule, from the stored bytes up.

use super::{Family, Granule, PackedTensor, Storage, Stored};
use crate::math::sort;

/// Some bytes of what is stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Piece {
    /// Of which part: appended to the tensor's name, empty for the codes (see [`super::Part`]).
    pub suffix: &'static str,
    /// Where in it they begin.
    pub offset: u32,
    /// They.
    pub bytes: Vec<u8>,
}

/// Neighbouring values of one granule, and all that they are made of.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Position of the first among the tensor's values.
    pub first: usize,
    /// Their codes.
    pub codes: Vec<u32>,
    /// What the codes stand for.
    pub values: Vec<f32>,
    /// In which byte of the first piece each code begins (a code of five bits in a block: its low four); `None` where none is stored.
    pub places: Vec<Option<u32>>,
    /// The bytes that hold the codes, then whatever else is stored for the granule or for the whole tensor, and the bits that say which
    /// values are kept. Relative indices, places in groups and bits of blocks are not shown.
    pub pieces: Vec<Piece>,
    /// What the granule's codes mean.
    pub granule: Granule,
}

/// Most values of a granule whose levels are listed.
const MOST_LEVELS: u32 = 256;

impl PackedTensor {
    /// Granules, and values of each.
    pub fn granule_sizes(&self) -> (usize, usize) {
        let count = self.granules.len();
        (count, self.shape.len() / count.max(1))
    }

    /// What the codes of a granule mean; `None` when there is no such granule.
    pub fn granule(&self, granule: usize) -> Option<&Granule> {
        self.granules.get(granule)
    }

    /// Values that a granule's codes can stand for and that encoding chooses, ascending; empty for more than 256 codes, or none such.
    pub fn grid(&self, granule: usize) -> Vec<f32> {
        let count = self.format.levels().unwrap_or(1 << self.format.bits().min(16.0) as u32);
        let Some(granule) = self.granules.get(granule).filter(|_| count <= MOST_LEVELS) else { return Vec::new() };
        let decode = |code| self.format.decode(code, granule);
        // A symmetric grid of integers leaves its least code unused.
        let used = |value: &f32| value.is_finite() && decode(self.format.encode(*value, granule)) == *value;
        let mut values: Vec<f32> = (0..count).map(decode).filter(used).collect();
        sort(&mut values);
        values.dedup();
        values
    }

    /// At most `most` values of a granule from its value `from` on, a block always whole; `None` when there is no such granule or value.
    /// `stored`: this tensor as it stands in a file, of which `kept` are not pruned.
    pub fn stretch(
        &self,
        stored: &Stored,
        kept: Option<&[bool]>,
        (granule, from): (usize, usize),
        most: usize,
    ) -> Option<Stretch> {
        let (count, len) = self.granule_sizes();
        let meaning = self.granule(granule)?;
        let (from, most) = if self.format.blocks().is_some() { (0, len) } else { (from, most) };
        let first = granule * len + from;
        let end = first + most.min(len.checked_sub(from).filter(|left| *left > 0)?);
        let Stored { layout, parts } = stored;
        let mut codes = self.format.unpack(&self.codes, end);
        let pruned = |i: usize| kept.is_some_and(|kept| !kept[i]);
        for (i, code) in codes.iter_mut().enumerate().filter(|(i, _)| pruned(*i)) {
            *code = self.zero(&self.granules[i / len]).unwrap_or(0);
        }
        // First and last bit of each code where those that are stored follow each other, and how many of them there are.
        let lengths = parts.iter().find(|part| part.suffix == ".lengths");
        let width =
            |code: u32| lengths.map_or(self.format.bits() as usize, |own| usize::from(own.bytes[code as usize]));
        let (mut bit, mut bits, mut before) = (0, Vec::new(), vec![0]);
        for (i, &code) in codes.iter().enumerate() {
            let so_far = before[i];
            before.push(so_far + usize::from(layout.stored[i]));
            // Five ternary codes share a byte.
            let starts = if self.format.family() == Family::Ternary { so_far / 5 * 8 } else { bit };
            if layout.stored[i] {
                bit = if self.format.family() == Family::Ternary { starts + 8 } else { bit + width(code) };
            }
            bits.push((starts, bit));
        }
        let mut pieces = Vec::new();
        let mut places: Vec<Option<u32>> = Vec::new();
        for part in parts {
            let each = part.bytes.len() / count;
            // Bits of a mask are those of all values or of the stored ones.
            let (low, high) =
                if layout.storage == Storage::Bitmask { (first, end) } else { (before[first], before[end]) };
            let range = match (part.suffix, self.format.blocks()) {
                ("", None) => bits.get(first).map_or(0, |own| own.0 / 8)..bit.div_ceil(8),
                (".mask", _) => low / 8..high.div_ceil(8),
                (".index" | ".index.lengths" | ".blocks", _) => continue,
                _ if part.dims.first() == Some(&count) => granule * each..(granule + 1) * each,
                _ => 0..part.bytes.len(),
            };
            let range = range.start..range.end.max(range.start);
            if part.suffix.is_empty() {
                let place = |i: usize| match self.format.blocks() {
                    Some(blocks) => blocks.place(i),
                    None => bits[first + i].0 / 8 - range.start,
                };
                let stored = |i: usize| layout.stored[first + i].then(|| place(i) as u32);
                places = (0..end - first).map(stored).collect();
            }
            let (offset, bytes) = (range.start as u32, part.bytes[range].to_vec());
            pieces.push(Piece { suffix: part.suffix, offset, bytes });
        }
        let codes = codes[first..].to_vec();
        let value = |(i, &code): (usize, &u32)| if pruned(first + i) { 0.0 } else { self.format.decode(code, meaning) };
        let values = codes.iter().enumerate().map(value).collect();
        Some(Stretch { first, codes, values, places, pieces, granule: meaning.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{FORMATS, ScaleType, clustered, find};
    use crate::rng::Rng;
    use crate::tensor::{Shape, Tensor};

    /// Four rows of 256 or, for formats that can, of 75: granules then begin inside bytes.
    fn packed(format: &'static dyn super::super::Format, group: Option<usize>, symmetric: bool) -> PackedTensor {
        let mut rng = Rng::stream(8, "look", 0);
        let row = if format.block().is_some() || group.is_some() { 256 } else { 75 };
        let values = (0..4 * row).map(|_| rng.uniform(-1.0, 1.2) * rng.uniform(0.0, 1.0)).collect();
        let tensor = Tensor::new(Shape::new(&[4, row]).unwrap(), values).unwrap();
        let each = group.or(format.block()).unwrap_or(if format.scaled() { row } else { 4 * row });
        let (scale_type, unit) = (format.scale_type(group.is_some()), format.unit(tensor.data()));
        let stored = |granule: Granule| {
            scale_type.map_or_else(|| granule.clone(), |kind: ScaleType| kind.stored(granule.clone(), unit))
        };
        let granules = tensor.data().chunks(each).map(|values| stored(format.fit(values, symmetric))).collect();
        let pack = if group.is_some() { PackedTensor::grouped } else { PackedTensor::new };
        pack(format, &tensor, granules).unwrap()
    }

    /// A stretch of a tensor of which nothing is pruned.
    fn whole(packed: &PackedTensor, granule: usize, from: usize, most: usize) -> Option<Stretch> {
        packed.stretch(&packed.store_dense(None), None, (granule, from), most)
    }

    /// The first code of `bytes` that begins at bit `bit`, counted from the low end of each byte.
    fn by_hand(bytes: &[u8], bit: usize, width: usize) -> u32 {
        (0..width).fold(0, |code, i| code | u32::from(bytes[(bit + i) / 8] >> ((bit + i) % 8) & 1) << i)
    }

    #[test]
    fn every_value_of_every_format_is_what_the_tensor_decodes_to_and_stands_in_the_bytes_shown() {
        let kinds = FORMATS.iter().map(|format| (*format, None, true));
        let more = [
            (clustered(4, true).unwrap(), None, true),
            (find("nf4").unwrap(), Some(64), true),
            (find("int3").unwrap(), Some(32), true),
            (find("int5").unwrap(), None, false),
        ];
        for (format, group, symmetric) in kinds.chain(more) {
            let packed = packed(format, group, symmetric);
            let all = packed.decode().unwrap();
            let (count, len) = packed.granule_sizes();
            assert_eq!(count * len, all.data().len());
            let (mut seen, parts) = (0, packed.parts());
            for granule in 0..count {
                let grid = packed.grid(granule);
                let mut from = 0;
                while from < len {
                    let stretch = whole(&packed, granule, from, 20).unwrap();
                    assert_eq!(stretch.first, seen, "{}", format.id());
                    for (i, value) in stretch.values.iter().enumerate() {
                        assert_eq!(value.to_bits(), all.data()[seen + i].to_bits(), "{}", format.id());
                        assert!(grid.is_empty() || grid.contains(value), "{}: {value} is not on the grid", format.id());
                    }
                    for piece in &stretch.pieces {
                        let part = parts.iter().find(|part| part.suffix == piece.suffix).unwrap();
                        let at = piece.offset as usize;
                        assert_eq!(piece.bytes, part.bytes[at..at + piece.bytes.len()], "{}", format.id());
                    }
                    let bytes = &stretch.pieces[0].bytes;
                    let huffman = stretch.pieces.iter().any(|piece| piece.suffix == ".lengths");
                    if let Some(blocks) = format.blocks() {
                        let mut codes = Vec::new();
                        blocks.read(bytes, &mut codes).unwrap();
                        assert_eq!(codes, stretch.codes);
                        // Changing a byte changes no code but those it is the place of (and one of five bits' high bits).
                        for at in 0..bytes.len() {
                            let mut changed = bytes.clone();
                            changed[at] = if changed[at] < 100 { changed[at] + 60 } else { changed[at] - 60 };
                            let mut others = Vec::new();
                            blocks.read(&changed, &mut others).unwrap();
                            let places = &stretch.places;
                            let moved = |i: &usize| codes[*i] != others[*i];
                            let here = (0..codes.len()).filter(moved).all(|i| places[i] == Some(at as u32));
                            let high =
                                format.bits() == 5.0 && (2 + blocks.min_bytes()..6 + blocks.min_bytes()).contains(&at);
                            assert!(here || high, "{} byte {at}", format.id());
                        }
                    } else if format.family() == Family::Ternary {
                        for (i, code) in stretch.codes.iter().enumerate() {
                            let digit = 3u32.pow(((seen + i) % 5) as u32);
                            assert_eq!(u32::from(bytes[stretch.places[i].unwrap() as usize]) / digit % 3, *code);
                        }
                    } else if !huffman {
                        let width = format.bits() as usize;
                        for (i, code) in stretch.codes.iter().enumerate() {
                            let bit = (seen + i) * width - 8 * stretch.pieces[0].offset as usize;
                            assert_eq!(by_hand(bytes, bit, width), *code, "{}", format.id());
                            assert_eq!(stretch.places[i], Some(bit as u32 / 8));
                        }
                    }
                    seen += stretch.values.len();
                    from += stretch.values.len();
                }
            }
            assert_eq!(seen, all.data().len());
            assert!(
                whole(&packed, count, 0, 1).is_none() && whole(&packed, 0, len, 1).is_none()
                    || format.blocks().is_some()
            );
        }
    }

    #[test]
    fn the_bytes_of_a_huffman_code_are_those_its_codes_begin_in() {
        let packed = packed(clustered(4, true).unwrap(), None, true);
        let (_, len) = packed.granule_sizes();
        let seen = whole(&packed, 0, 0, len).unwrap();
        let lengths = &seen.pieces.iter().find(|piece| piece.suffix == ".lengths").unwrap().bytes;
        let bits: usize = seen.codes.iter().map(|code| usize::from(lengths[*code as usize])).sum();
        assert_eq!(seen.pieces[0].bytes.len(), bits.div_ceil(8));
        let again = super::super::huffman::decode(&seen.pieces[0].bytes, lengths, len).unwrap();
        assert_eq!(again, seen.codes);
        let later = whole(&packed, 0, 100, 7).unwrap();
        assert_eq!(later.codes, seen.codes[100..107]);
        assert_eq!(Some(later.pieces[0].offset + later.places[0].unwrap()), seen.places[100]);
    }

    #[test]
    fn grids_hold_what_their_formats_hold() {
        let ends = |id: &str, symmetric| {
            let grid = packed(find(id).unwrap(), None, symmetric).grid(0);
            (grid.len(), grid[0], grid[grid.len() - 1])
        };
        let (count, low, high) = ends("int4", true);
        assert_eq!((count, low), (15, -high));
        assert_eq!(ends("int4", false).0, 16);
        assert_eq!((ends("ternary", true).0, ends("binary", true).0), (3, 2));
        // 16 codes, two of them zeros.
        assert_eq!(ends("mxfp4", true).0, 15);
        assert!(packed(find("int16").unwrap(), None, true).grid(0).is_empty());
    }
}
