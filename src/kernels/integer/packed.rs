//! Integer weights in as few bits as they need, in the order the kernel reads them.

use super::layout::Layout;
use crate::kernels::conv::ConvShape;
use crate::simd::{Dot, Offsets, add_centers, field};

/// Most rows of one tile.
pub const TILE_ROWS: usize = 4;

/// Widths of a stored weight.
const WIDTHS: [u32; 4] = [2, 4, 8, 16];

/// Output rows `first..first + rows` of one group; their words begin at `offset`.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// First output row.
    pub first: usize,
    /// 4, 2 or 1.
    pub rows: usize,
    /// Where its weights begin: in words, or in chunks of sixteen bytes.
    offset: usize,
    /// What is added to the stored weights of sixteen fields of quads, four for each row. Rows repeat to fill four.
    narrow: [i8; 16],
    /// The same for eight of pairs, two for each row.
    wide: [i16; 8],
}

/// How weights are stored.
#[derive(Clone, Debug)]
enum Store {
    /// As the kernel reads them: words of [`Dot::GROUP`] codes.
    Words(Vec<i32>),
    /// Chunks of sixteen bytes. A byte holds one weight of 8 bits, or fields of fewer; field f of byte b is weight 16·f + b of
    /// the chunk. What is stored is the weight less its row's center.
    Fields(Vec<[i8; 16]>),
}

/// The weights of a layer for dot instruction `V`, in tiles of rows that are summed together.
#[derive(Clone, Debug)]
pub struct Packed<V> {
    layout: Layout<V>,
    offsets: Offsets,
    width: u32,
    tiles: Vec<Tile>,
    store: Store,
}

/// Splits rows into fours, then a two, then a one.
fn tiles(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let count = match rows - first {
            0 => return None,
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        first += count;
        Some((first - count, count))
    })
}

/// Fewest bits for rows of weights in `low..=high`, 0 among them, once each row's center is taken off.
fn width(rows: impl Iterator<Item = (i32, i32)>) -> u32 {
    let span = rows.map(|(low, high)| high - low).max().unwrap_or(0);
    match span {
        0..=3 => 2,
        4..=15 => 4,
        16..=255 => 8,
        _ => 16,
    }
}

/// What is taken off the weights of a row before they are stored.
fn center(width: u32, (low, high): (i32, i32)) -> i32 {
    match width {
        2 | 4 => low,
        8 if low < -128 || high > 127 => low + 128,
        _ => 0,
    }
}

impl<V: Dot> Packed<V> {
    /// Packs row-major weights `[out][in / groups][ky][kx]`, each within the bits of a code of `V`.
    pub fn new(shape: ConvShape, weights: &[i32]) -> Self {
        let layout = Layout::new(shape);
        let taps = shape.taps();
        let range = |row: &[i32]| row.iter().fold((0, 0), |(l, h), &w| (l.min(w), h.max(w)));
        let ranges: Vec<(i32, i32)> = weights.chunks_exact(taps).map(range).collect();
        let width = width(ranges.iter().copied());
        let words = width == 16 || (width == 8 && V::GROUP == 4);
        let (mut words_store, mut fields_store) = (Vec::new(), Vec::new());
        let mut all = Vec::new();
        let group_rows = shape.out_channels / shape.groups;
        for group in 0..shape.groups {
            for (first, rows) in tiles(group_rows) {
                let first = group * group_rows + first;
                let offset = if words { words_store.len() } else { fields_store.len() };
                let centers: [i32; TILE_ROWS] =
                    std::array::from_fn(|i| center(width, ranges.get(first + i % rows).copied().unwrap_or((0, 0))));
                let narrow = std::array::from_fn(|i| centers[i / 4] as i8);
                let wide = std::array::from_fn(|i| centers[i / 2] as i16);
                let tile = Tile { first, rows, offset, narrow, wide };
                let stored: Vec<i32> = (0..layout.steps() * rows * V::GROUP)
                    .map(|at| {
                        let (step, row, i) = (at / V::GROUP / rows, at / V::GROUP % rows, at % V::GROUP);
                        let weight = layout.tap(step, i).map_or(0, |tap| weights[(first + row) * taps + tap]);
                        weight - centers[row]
                    })
                    .collect();
                all.push(tile);
                if words {
                    words_store.extend(stored.chunks_exact(V::GROUP).map(join));
                } else {
                    fields_store.extend(stored.chunks(16 * 8 / width as usize).map(|chunk| fields(chunk, width)));
                }
            }
        }
        let store = if words { Store::Words(words_store) } else { Store::Fields(fields_store) };
        Self { offsets: layout.offsets(), layout, width, tiles: all, store }
    }

    /// Where codes must stand.
    pub fn layout(&self) -> &Layout<V> {
        &self.layout
    }

    /// See [`Layout::offsets`].
    pub(super) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// The tiles, in row order.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// Bits of a stored weight: 2, 4, 8 or 16.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Position of [`Packed::width`] among those there are.
    pub(super) fn width_index(&self) -> usize {
        WIDTHS.iter().position(|&w| w == self.width).unwrap_or(0)
    }

    /// Bytes of all stored weights.
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::Words(words) => words.len() * 4,
            Store::Fields(chunks) => chunks.len() * 16,
        }
    }

    /// The weights of tiles that follow each other, `[step][row]`, words of [`Dot::GROUP`] codes; unpacked into `panel` unless stored so.
    pub fn panels<'a>(&'a self, tiles: &[Tile], panel: &'a mut Vec<i32>) -> &'a [i32] {
        let [first, ..] = tiles else { return &[] };
        let words = tiles.iter().map(|tile| self.layout.steps() * tile.rows);
        let total = words.clone().sum();
        let chunks = match &self.store {
            Store::Words(data) => return &data[first.offset..first.offset + total],
            Store::Fields(chunks) => chunks,
        };
        // The last field of a tile may reach past its words, into those of the next tile, which are written after it.
        panel.resize(total + 64, 0);
        let mut from = 0;
        for (tile, words) in tiles.iter().zip(words) {
            self.unpack_tile(tile, &chunks[tile.offset..], &mut panel[from..], words);
            from += words;
        }
        &panel[..total]
    }

    /// Chunks and centers of a tile of four rows and 4-bit quads: field f of a chunk is step 2·i + f.
    pub(super) fn nibbles<'a>(&'a self, tile: &'a Tile) -> Option<(&'a [[i8; 16]], &'a [i8; 16])> {
        match &self.store {
            Store::Fields(chunks) if V::GROUP == 4 && self.width == 4 && tile.rows == TILE_ROWS => {
                Some((&chunks[tile.offset..][..self.layout.steps().div_ceil(2)], &tile.narrow))
            }
            _ => None,
        }
    }

    /// Unpacks the words of one tile, and as many more as fill its last chunk.
    fn unpack_tile(&self, tile: &Tile, chunks: &[[i8; 16]], panel: &mut [i32], words: usize) {
        // A chunk's field is sixteen codes: four words of quads, or eight of pairs.
        let field_words = 16 / V::GROUP;
        let per_byte = (8 / self.width) as usize;
        let mask = (u32::MAX >> (32 - self.width)) as u8;
        let zero = [0; 16];
        let out = &mut panel[..words.next_multiple_of(field_words * per_byte)];
        if V::GROUP == 4 {
            let fields = out.as_chunks_mut::<4>().0;
            if self.width == 4 {
                // The most usual width without an inner loop.
                for (chunk, [low, high]) in chunks.iter().zip(fields.as_chunks_mut::<2>().0) {
                    *low = field(chunk, 0, mask, &tile.narrow);
                    *high = field(chunk, 4, mask, &tile.narrow);
                }
                return;
            }
            for (chunk, fields) in chunks.iter().zip(fields.chunks_exact_mut(per_byte)) {
                for (at, out) in fields.iter_mut().enumerate() {
                    *out = field(chunk, self.width * at as u32, mask, &tile.narrow);
                }
            }
            return;
        }
        for (chunk, fields) in chunks.iter().zip(out.as_chunks_mut::<8>().0.chunks_exact_mut(per_byte)) {
            for (at, out) in fields.iter_mut().enumerate() {
                add_centers(&field(chunk, self.width * at as u32, mask, &zero), &tile.wide, out);
            }
        }
    }

    /// The weights, row-major, as they were given.
    pub fn unpack(&self) -> Vec<i32> {
        let taps = self.layout.shape.taps();
        let mut weights = vec![0; self.layout.shape.out_channels * taps];
        let mut panel = Vec::new();
        for tile in &self.tiles {
            for (at, &word) in self.panels(std::slice::from_ref(tile), &mut panel).iter().enumerate() {
                let (step, row) = (at / tile.rows, at % tile.rows);
                for i in 0..V::GROUP {
                    if let Some(tap) = self.layout.tap(step, i) {
                        weights[(tile.first + row) * taps + tap] = code::<V>(word, i);
                    }
                }
            }
        }
        weights
    }
}

/// Code `i` of a word.
fn code<V: Dot>(word: i32, i: usize) -> i32 {
    let bits = 32 / V::GROUP as u32;
    word << (32 - bits * (i as u32 + 1)) >> (32 - bits)
}

/// Codes in one word, first in the low bits.
fn join(codes: &[i32]) -> i32 {
    let bits = 32 / codes.len() as u32;
    codes.iter().rev().fold(0u32, |word, &code| (word << bits) | (code as u32 & (u32::MAX >> (32 - bits)))) as i32
}

/// Codes of `width` bits in sixteen bytes.
fn fields(codes: &[i32], width: u32) -> [i8; 16] {
    let mut bytes = [0u8; 16];
    for (at, &code) in codes.iter().enumerate() {
        bytes[at % 16] |= ((code as u32 & (u32::MAX >> (32 - width))) << (width * (at / 16) as u32)) as u8;
    }
    bytes.map(|b| b as i8)
}
