//! Linear layers of 4-bit weights for one block: a tile's weights meet no second one, so unpacking would take a fourth as long as the
//! products. Those of the next tile are unpacked between the products of this one, where the machine has units to spare.

use super::packed::{Packed, TILE_ROWS, Tile};
use super::{Rescale, RowSink};
use crate::simd::{I8Quads, LANES, Lane, field};

/// Two steps of a tile, which a chunk holds, and of codes.
type Weights = [[i32; TILE_ROWS]; 2];
type Codes = [[i32; LANES]; 2];

/// As [`super::sweep::sweep`] with `panel` overwritten, and answers how many of the tiles it did: where there is one block of a layer that
/// fits, those of four rows that come first.
pub(super) fn sweep(
    packed: &Packed<I8Quads>,
    tiles: &[Tile],
    codes: &[i32],
    panel: &mut Vec<i32>,
    rescale: &Rescale<'_>,
    sinks: &mut [&mut dyn RowSink],
) -> usize {
    let (layout, [sink]) = (packed.layout(), sinks) else { return 0 };
    let fits = layout.shape.is_linear() && layout.hop == 1 && layout.steps().is_multiple_of(2);
    let count = if fits { tiles.iter().take_while(|tile| packed.nibbles(tile).is_some()).count() } else { 0 };
    if count == 0 {
        return 0;
    }
    let tiles = &tiles[..count];
    let codes = codes.as_chunks().0.as_chunks().0;
    panel.resize(4 * TILE_ROWS * codes.len(), 0);
    let (mut here, mut next) = panel.as_chunks_mut().0.as_chunks_mut().0.split_at_mut(codes.len());
    if let Some(first) = packed.nibbles(&tiles[0]) {
        products(first, here, next, codes);
        std::mem::swap(&mut here, &mut next);
    }
    // The last one is unpacked once more, into nothing.
    let following = tiles.iter().skip(1).chain(tiles.last()).filter_map(|tile| packed.nibbles(tile));
    for (tile, following) in tiles.iter().zip(following) {
        let sums = products(following, here, next, codes);
        std::mem::swap(&mut here, &mut next);
        let (out, distance) = sink.rows(tile.first, TILE_ROWS, 0);
        for (row, sums) in sums.iter().enumerate() {
            rescale.finish(tile.first + row, Lane::load(sums), &mut out[row * distance]);
        }
        sink.done(tile.first, TILE_ROWS, 0);
    }
    count
}

/// The sums of four rows, and `next` from the chunks and centers of another four.
#[inline(never)]
fn products(
    (chunks, centers): (&[[i8; 16]], &[i8; 16]),
    here: &[Weights],
    next: &mut [Weights],
    codes: &[Codes],
) -> [[i32; LANES]; TILE_ROWS] {
    let zero = I8Quads::splat(0);
    let (mut a, mut b, mut c, mut d) = (zero, zero, zero, zero);
    for (((weights, codes), chunk), next) in here.iter().zip(codes).zip(chunks).zip(next) {
        next[0] = field(chunk, 0, 15, centers);
        next[1] = field(chunk, 4, 15, centers);
        let (x, y) = (I8Quads::load(&codes[0]), I8Quads::load(&codes[1]));
        a = a.add_product(I8Quads::splat(weights[0][0]), x);
        b = b.add_product(I8Quads::splat(weights[0][1]), x);
        c = c.add_product(I8Quads::splat(weights[0][2]), x);
        d = d.add_product(I8Quads::splat(weights[0][3]), x);
        a = a.add_product(I8Quads::splat(weights[1][0]), y);
        b = b.add_product(I8Quads::splat(weights[1][1]), y);
        c = c.add_product(I8Quads::splat(weights[1][2]), y);
        d = d.add_product(I8Quads::splat(weights[1][3]), y);
    }
    let mut sums = [[0; LANES]; TILE_ROWS];
    a.store(&mut sums[0]);
    b.store(&mut sums[1]);
    c.store(&mut sums[2]);
    d.store(&mut sums[3]);
    sums
}
