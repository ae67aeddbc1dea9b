//! Weights that stay packed: codes are decoded in registers, inputs and sums are f32.
//!
//! A weight becomes exactly the f32 that decoding the stored tensor gives (code or level times scale, one rounding), and terms
//! are added in k order, so results are those of the decoded float layer, bit for bit. What is gained is memory traffic: a
//! matrix-vector product reads every weight once, and at 4 bits that is an eighth of the bytes.
//!
//! Layout: tiles of sixteen output rows, one row a lane; a 32-bit word holds the next few codes of its row, the first in its
//! highest bits. Rows that fill the last tile are zeros.

use super::AddBias;
use super::linear::linear;
use super::pack::{Packed, Tile};
use crate::simd::words::{Words, halves};
use crate::simd::{F32x8, LANES, Lane};

/// Output rows of a tile.
pub const TILE_ROWS: usize = 2 * LANES;
/// Rows of the tiles that a decoded panel is cut into.
const PANEL_ROWS: usize = 4;

/// What a weight's code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// IEEE 754 binary32: nothing to decode; what the others are compared with.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// FP8 E4M3 (arXiv 2209.05433) times a scale.
    E4m3,
    /// FP8 E5M2 times a scale.
    E5m2,
    /// A whole number of 8 bits in two's complement, times a scale.
    Int8,
    /// 4 bits.
    Int4,
    /// 2 bits: also ternary and binary weights.
    Int2,
}

impl Coding {
    /// Bits of a code.
    pub fn bits(self) -> u32 {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::Bf16 => 16,
            Self::E4m3 | Self::E5m2 | Self::Int8 => 8,
            Self::Int4 => 4,
            Self::Int2 => 2,
        }
    }

    /// Whether codes are multiplied by a scale.
    pub fn scaled(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }

    /// The least magnitude that is no finite number, for the codings whose decoding does not know those.
    fn special(self) -> Option<u32> {
        match self {
            Self::F16 => Some(0x7c00),
            Self::E4m3 => Some(0x7f),
            Self::E5m2 => Some(0x7c),
            _ => None,
        }
    }

    /// The weights' part of a kernel's name.
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::E4m3 => "e4m3",
            Self::E5m2 => "e5m2",
            Self::Int8 => "i8",
            Self::Int4 => "i4",
            Self::Int2 => "i2",
        }
    }
}

/// What shares a scale.
#[derive(Clone, Copy, Debug)]
pub enum Scales<'a> {
    /// No scale.
    None,
    /// One for each output row.
    Rows(&'a [f32]),
    /// One for every `size` weights of a row, row by row; each must be the value of a binary16, as which it is kept.
    Groups {
        /// Weights of a group; must divide the inputs.
        size: usize,
        /// `rows × inputs / size` scales.
        scales: &'a [f32],
    },
}

/// 2 to the power `exponent`, for −126 to 127.
const fn power(exponent: i32) -> f32 {
    f32::from_bits(((127 + exponent) as u32) << 23)
}

/// Decodes the code in the highest bits of each lane.
trait Decode {
    const BITS: u32;
    /// What values are multiplied by besides their scale, a power of two; `None` where there is nothing to multiply.
    const FACTOR: Option<f32>;
    fn value(word: Words) -> F32x8;
}

struct Float32;
struct Float16;
struct Brain16;
struct E4m3;
struct E5m2;
struct Int<const BITS: u32>;

impl Decode for Float32 {
    const BITS: u32 = 32;
    const FACTOR: Option<f32> = None;
    #[inline(always)]
    fn value(word: Words) -> F32x8 {
        word.as_float()
    }
}

impl Decode for Brain16 {
    const BITS: u32 = 16;
    const FACTOR: Option<f32> = None;
    #[inline(always)]
    fn value(word: Words) -> F32x8 {
        word.and(Words::splat(0xffff_0000)).as_float()
    }
}

/// A small float's sign where it is, and its other bits moved right by `shift`, so that its exponent stands where f32 has its own:
/// the value over a power of two, which [`Decode::FACTOR`] holds. Subnormals come out right, as subnormals of f32.
#[inline(always)]
fn small_float(word: Words, bits: u32, shift: u32) -> F32x8 {
    let mask = (u32::MAX >> 1 >> shift) & !(u32::MAX >> 1 >> (bits - 1) >> shift) | 1 << 31;
    word.right_signed(shift).and(Words::splat(mask)).as_float()
}

impl Decode for Float16 {
    const BITS: u32 = 16;
    const FACTOR: Option<f32> = Some(power(112));
    #[inline(always)]
    fn value(word: Words) -> F32x8 {
        small_float(word, 16, 3)
    }
}

impl Decode for E5m2 {
    const BITS: u32 = 8;
    const FACTOR: Option<f32> = Some(power(112));
    #[inline(always)]
    fn value(word: Words) -> F32x8 {
        small_float(word, 8, 3)
    }
}

impl Decode for E4m3 {
    const BITS: u32 = 8;
    const FACTOR: Option<f32> = Some(power(120));
    #[inline(always)]
    fn value(word: Words) -> F32x8 {
        small_float(word, 8, 4)
    }
}

impl<const BITS: u32> Decode for Int<BITS> {
    const BITS: u32 = BITS;
    const FACTOR: Option<f32> = Some(1.0);
    #[inline(always)]
    fn value(word: Words) -> F32x8 {
        word.right_signed(32 - BITS).to_float()
    }
}

/// A matrix of `rows × inputs` weights, packed.
#[derive(Clone, Debug)]
pub struct WeightOnly {
    coding: Coding,
    rows: usize,
    inputs: usize,
    /// Weights of a row that share a scale.
    segment: usize,
    grouped: bool,
    /// `[tile][segment][word][half][lane]`.
    words: Vec<[u32; LANES]>,
    /// Rows: `[tile][half][lane]`, bits of f32. Groups: `[tile][segment][lane]`, binary16 of the lane's row in the second half
    /// of the tile above that of its row in the first half.
    scales: Vec<[u32; LANES]>,
}

impl WeightOnly {
    /// Packs row-major codes (in their low bits) of `inputs` a row. `None` when scales do not fit the coding, the rows or the
    /// inputs, when one is not less than 2^7, or when a weight of 16 or 8 bits is infinite or no number (bfloat16 may be).
    pub fn new(coding: Coding, codes: &[u32], inputs: usize, scales: Scales<'_>) -> Option<Self> {
        let rows = codes.len().checked_div(inputs)?;
        let (segment, grouped, fits) = match scales {
            Scales::None => (inputs, false, !coding.scaled()),
            Scales::Rows(scales) => (inputs, false, coding.scaled() && scales.len() == rows),
            Scales::Groups { size, scales } => {
                let fits = size > 0 && inputs.is_multiple_of(size) && scales.len() * size == codes.len();
                (size, true, coding.scaled() && fits)
            }
        };
        let scales_fit = match scales {
            Scales::None => true,
            Scales::Rows(scales) | Scales::Groups { scales, .. } => scales.iter().all(|&scale| scale < power(7)),
        };
        let special = |&code: &u32| {
            coding.special().is_some_and(|special| code & (u32::MAX >> 1 >> (32 - coding.bits())) >= special)
        };
        if !scales_fit || codes.iter().any(special) {
            return None;
        }
        if !fits || rows * inputs != codes.len() {
            return None;
        }
        let (bits, per_word) = (coding.bits(), (32 / coding.bits()) as usize);
        let mask = u32::MAX >> (32 - bits);
        let (mut words, mut packed_scales) = (Vec::new(), Vec::new());
        for first in (0..rows).step_by(TILE_ROWS) {
            let row = |half: usize, lane: usize| Some(first + half * LANES + lane).filter(|&row| row < rows);
            let lanes = |half: usize, read: &dyn Fn(usize) -> u32| -> [u32; LANES] {
                std::array::from_fn(|lane| row(half, lane).map_or(0, read))
            };
            if let Scales::Rows(scales) = scales {
                packed_scales.extend([0, 1].map(|half| lanes(half, &|row| scales[row].to_bits())));
            }
            for start in (0..inputs).step_by(segment) {
                if let Scales::Groups { size, scales } = scales {
                    let scale = |row: usize| half::f16::from_f32(scales[(row * inputs + start) / size]).to_bits();
                    let (low, high) = (lanes(0, &|row| scale(row).into()), lanes(1, &|row| scale(row).into()));
                    packed_scales.push(std::array::from_fn(|lane| high[lane] << 16 | low[lane]));
                }
                for from in (start..start + segment).step_by(per_word) {
                    let count = per_word.min(start + segment - from);
                    let word = |row: usize| {
                        let codes = &codes[row * inputs + from..][..count];
                        let place = |i: usize| 32 - bits * (i as u32 + 1);
                        codes.iter().enumerate().fold(0, |word, (i, code)| word | (code & mask) << place(i))
                    };
                    words.extend([0, 1].map(|half| lanes(half, &word)));
                }
            }
        }
        Some(Self { coding, rows, inputs, segment, grouped, words, scales: packed_scales })
    }

    /// The kernel's name, such as `wasm-f32i4g32-gemv`.
    pub fn id(&self, variant: &str) -> String {
        let arch = if cfg!(target_arch = "wasm32") { "wasm" } else { "native" };
        let group = if self.grouped { format!("g{}", self.segment) } else { String::new() };
        format!("{arch}-f32{}{group}-{variant}", self.coding.name())
    }

    /// Output rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs of a row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Bytes that one pass over the weights reads, scales and filling included.
    pub fn bytes(&self) -> usize {
        (self.words.len() + self.scales.len()) * LANES * 4
    }

    /// Words of a tile: both halves.
    fn tile_words(&self) -> usize {
        2 * (self.inputs / self.segment) * self.segment.div_ceil((32 / self.coding.bits()) as usize)
    }

    /// Scales of a segment of a tile.
    #[inline(always)]
    fn scale(&self, tile: usize, segment: usize) -> [F32x8; 2] {
        if self.grouped {
            let pair = Words::load(&self.scales[tile * (self.inputs / self.segment) + segment]);
            let factor = F32x8::splat(power(112));
            [Float16::value(pair.left(16)).mul(factor), Float16::value(pair).mul(factor)]
        } else {
            [0, 1].map(|half| Words::load(&self.scales[2 * tile + half]).as_float())
        }
    }

    /// Decodes a tile and calls `each(k, rows 0 to 7, rows 8 to 15)` for every input in order.
    #[inline(always)]
    fn decode<D: Decode>(&self, tile: usize, mut each: impl FnMut(usize, F32x8, F32x8)) {
        let per_word = (32 / D::BITS) as usize;
        let size = self.tile_words();
        let mut words = self.words[tile * size..(tile + 1) * size].as_chunks::<2>().0.iter();
        let factor = F32x8::splat(D::FACTOR.unwrap_or(1.0));
        let mut scale = [factor; 2];
        for segment in 0..self.inputs / self.segment {
            if !self.scales.is_empty() {
                // Exact: `new` keeps scales small enough for the factor.
                scale = self.scale(tile, segment).map(|scale| scale.mul(factor));
            }
            let end = (segment + 1) * self.segment;
            let mut k = segment * self.segment;
            while k < end {
                let Some([low, high]) = words.next() else { return };
                let (mut low, mut high) = (Words::load(low), Words::load(high));
                let stop = end.min(k + per_word);
                while k < stop {
                    let (mut a, mut b) = (D::value(low), D::value(high));
                    if D::FACTOR.is_some() {
                        (a, b) = (a.mul(scale[0]), b.mul(scale[1]));
                    }
                    each(k, a, b);
                    (low, high) = (low.left(D::BITS), high.left(D::BITS));
                    k += 1;
                }
            }
        }
    }

    #[inline(never)]
    fn vector_tile<D: Decode>(&self, tile: usize, x: &[f32], out: &mut [[f32; LANES]; 2]) {
        let (mut low, mut high) = (F32x8::splat(0.0), F32x8::splat(0.0));
        let x = &x[..self.inputs];
        self.decode::<D>(tile, |k, a, b| {
            let x = F32x8::splat(x[k]);
            (low, high) = (low.add(a.mul(x)), high.add(b.mul(x)));
        });
        low.store(&mut out[0]);
        high.store(&mut out[1]);
    }

    /// Decodes a tile into four tiles of four rows, each `[k][row]`.
    #[inline(never)]
    fn panel<D: Decode>(&self, tile: usize, panel: &mut [f32]) {
        let (first, rest) = panel.as_chunks_mut::<PANEL_ROWS>().0.split_at_mut(self.inputs);
        let (second, rest) = rest.split_at_mut(self.inputs);
        let (third, fourth) = rest.split_at_mut(self.inputs);
        self.decode::<D>(tile, |k, a, b| {
            ([first[k], second[k]], [third[k], fourth[k]]) = (halves(a), halves(b));
        });
    }

    fn decode_tile(&self, tile: usize, panel: &mut [f32]) {
        match self.coding {
            Coding::F32 => self.panel::<Float32>(tile, panel),
            Coding::F16 => self.panel::<Float16>(tile, panel),
            Coding::Bf16 => self.panel::<Brain16>(tile, panel),
            Coding::E4m3 => self.panel::<E4m3>(tile, panel),
            Coding::E5m2 => self.panel::<E5m2>(tile, panel),
            Coding::Int8 => self.panel::<Int<8>>(tile, panel),
            Coding::Int4 => self.panel::<Int<4>>(tile, panel),
            Coding::Int2 => self.panel::<Int<2>>(tile, panel),
        }
    }

    /// The weights as they stand for, row-major.
    pub fn decoded(&self) -> Vec<f32> {
        let mut panel = vec![0.0; TILE_ROWS * self.inputs];
        let mut weights = vec![0.0; self.rows * self.inputs];
        for (tile, out) in weights.chunks_mut((TILE_ROWS * self.inputs).max(1)).enumerate() {
            self.decode_tile(tile, &mut panel);
            for (row, out) in out.chunks_exact_mut(self.inputs).enumerate() {
                let from = &panel[row / PANEL_ROWS * PANEL_ROWS * self.inputs + row % PANEL_ROWS..];
                out.iter_mut().zip(from.iter().step_by(PANEL_ROWS)).for_each(|(out, &weight)| *out = weight);
            }
        }
        weights
    }

    /// `out[row] = Σ_k weights[row][k] · x[k] + bias[row]` for one image; outputs stand in the lanes.
    ///
    /// Sums run in k order with one accumulator per output, bias last; an empty bias means none.
    pub fn gemv(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let mut sums = [[0.0; LANES]; 2];
        for (tile, out) in out[..self.rows].chunks_mut(TILE_ROWS).enumerate() {
            match self.coding {
                Coding::F32 => self.vector_tile::<Float32>(tile, x, &mut sums),
                Coding::F16 => self.vector_tile::<Float16>(tile, x, &mut sums),
                Coding::Bf16 => self.vector_tile::<Brain16>(tile, x, &mut sums),
                Coding::E4m3 => self.vector_tile::<E4m3>(tile, x, &mut sums),
                Coding::E5m2 => self.vector_tile::<E5m2>(tile, x, &mut sums),
                Coding::Int8 => self.vector_tile::<Int<8>>(tile, x, &mut sums),
                Coding::Int4 => self.vector_tile::<Int<4>>(tile, x, &mut sums),
                Coding::Int2 => self.vector_tile::<Int<2>>(tile, x, &mut sums),
            }
            for (i, (out, sum)) in out.iter_mut().zip(sums.as_flattened()).enumerate() {
                *out = bias.get(tile * TILE_ROWS + i).map_or(*sum, |bias| sum + bias);
            }
        }
    }

    /// The same for blocks of eight images: `x` is `[block][k][lane]`, `out` `[block][row][lane]`. Each tile is decoded once,
    /// into `panel`, and multiplied with every block by the float kernel.
    pub fn blocks(&self, x: &[f32], bias: &[f32], panel: &mut Vec<f32>, out: &mut [f32]) {
        let mut data = std::mem::take(panel);
        data.resize(TILE_ROWS * self.inputs, 0.0);
        let tiles = (0..TILE_ROWS).step_by(PANEL_ROWS).map(|first| Tile {
            first,
            rows: PANEL_ROWS,
            offset: first * self.inputs,
        });
        let mut packed = Packed { taps: self.inputs, tiles: tiles.collect(), data };
        let mut sums = [0.0; TILE_ROWS * LANES];
        for first in (0..self.rows).step_by(TILE_ROWS) {
            self.decode_tile(first / TILE_ROWS, &mut packed.data);
            let epilogue = AddBias(bias.get(first..).unwrap_or(&[]));
            let count = TILE_ROWS.min(self.rows - first) * LANES;
            let blocks = x.chunks_exact(self.inputs * LANES).zip(out.chunks_exact_mut(self.rows * LANES));
            for (x, out) in blocks {
                linear::<F32x8>(&packed, x, &epilogue, &mut sums);
                out[first * LANES..][..count].copy_from_slice(&sums[..count]);
            }
        }
        *panel = packed.data;
    }
}
