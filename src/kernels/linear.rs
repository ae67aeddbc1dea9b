//! Matrix times block: the fully connected layer.

use super::pack::{Packed, Tile};
use super::{Epilogue, accumulate};
use crate::simd::{ACCUMULATORS, LANES, Lane};

/// Most rows of one tile.
pub const TILE_ROWS: usize = ACCUMULATORS;

/// `out[row][lane] = epilogue(Σ_k weights[row][k] · x[k][lane])` over one block.
///
/// `x` is `[k][lane]`, `out` is `[rows][lane]`. Float sums run in k order with one accumulator per output;
/// error ≤ k·ε·Σ|w||x|. Integer sums are exact while they fit 32 bits.
pub fn linear<V: Lane>(weights: &Packed<V::Scalar>, x: &[V::Scalar], epilogue: &impl Epilogue<V>, out: &mut [f32]) {
    const { assert!(TILE_ROWS <= 8, "the match below covers tiles of up to eight rows") };
    for tile in &weights.tiles {
        let out = &mut out[tile.first * LANES..(tile.first + tile.rows) * LANES];
        let tap_weights = weights.weights(tile);
        match tile.rows {
            1 => rows::<V, 1>(tile, tap_weights, x, epilogue, out),
            2 => rows::<V, 2>(tile, tap_weights, x, epilogue, out),
            3 => rows::<V, 3>(tile, tap_weights, x, epilogue, out),
            4 => rows::<V, 4>(tile, tap_weights, x, epilogue, out),
            5 => rows::<V, 5>(tile, tap_weights, x, epilogue, out),
            6 => rows::<V, 6>(tile, tap_weights, x, epilogue, out),
            7 => rows::<V, 7>(tile, tap_weights, x, epilogue, out),
            _ => rows::<V, 8>(tile, tap_weights, x, epilogue, out),
        }
    }
}

#[inline(never)]
fn rows<V: Lane, const ROWS: usize>(
    tile: &Tile,
    weights: &[V::Scalar],
    x: &[V::Scalar],
    epilogue: &impl Epilogue<V>,
    out: &mut [f32],
) {
    let mut sums = [[V::splat(V::Scalar::default())]; ROWS];
    accumulate::<V, ROWS, 1>(&mut sums, weights, [x]);
    for (i, ([sum], out)) in sums.into_iter().zip(out.as_chunks_mut::<LANES>().0).enumerate() {
        epilogue.write(tile.first + i, sum, out);
    }
}
