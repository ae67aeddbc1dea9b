//! Matrix times block: the fully connected layer.

use super::pack::{Packed, Tile};
use super::registers::{Columns, N1, N2, N3, N4, N5, N6, N7, N8, Rows};
use super::{Epilogue, Finish, Plain, RowSink};
use crate::simd::{ACCUMULATORS, LANES, Lane, Scalar, side_by_side};

/// Most rows of one tile: one more than elsewhere where V8 allots the registers, since nothing else is held here. That is worth a
/// twentieth.
pub const TILE_ROWS: usize = if ACCUMULATORS > 4 { ACCUMULATORS } else { ACCUMULATORS + 1 };

/// Packs a row-major `[rows][inputs]` matrix for [`linear`].
pub fn pack<S: Scalar>(weights: &[S], inputs: usize, rows: usize) -> Packed<S> {
    Packed::new(weights, inputs, rows, if S::TILED { TILE_ROWS } else { 1 })
}

/// `out[row][lane] = epilogue(Σ_k weights[row][k] · x[k][lane])` over one block.
///
/// `x` is `[k][lane]`, `out` is `[rows][lane]`. Float sums run in k order with one accumulator per output;
/// error ≤ k·ε·Σ|w||x|. Integer sums are exact while they fit 32 bits.
pub fn linear<V: Lane>(weights: &Packed<V::Scalar>, x: &[V::Scalar], epilogue: &impl Epilogue<V>, out: &mut [f32]) {
    linear_rows(weights, x, epilogue, &mut Plain::new(out, [1, 1]));
}

/// [`linear`] into a sink: every output is a row of one vector. They are done at once, after the last.
pub fn linear_rows<V: Lane>(
    weights: &Packed<V::Scalar>,
    x: &[V::Scalar],
    epilogue: &impl Epilogue<V>,
    sink: &mut dyn RowSink,
) {
    const { assert!(TILE_ROWS <= 8, "the match below covers tiles of up to eight rows") };
    let count = weights.tiles.last().map_or(0, |tile| tile.first + tile.rows);
    let (out, _) = sink.rows(0, count, 0);
    for tile in &weights.tiles {
        let out = &mut out[tile.first..tile.first + tile.rows];
        let tap_weights = weights.weights(tile);
        match tile.rows {
            _ if !V::Scalar::TILED => rows::<V, 1, N1<N1<V>>>(tile, tap_weights, x, epilogue, out),
            1 => rows::<V, 1, N1<N1<V>>>(tile, tap_weights, x, epilogue, out),
            2 => rows::<V, 2, N2<N1<V>>>(tile, tap_weights, x, epilogue, out),
            3 => rows::<V, 3, N3<N1<V>>>(tile, tap_weights, x, epilogue, out),
            5 => rows::<V, 5, N5<N1<V>>>(tile, tap_weights, x, epilogue, out),
            6 if TILE_ROWS > 5 => rows::<V, 6, N6<N1<V>>>(tile, tap_weights, x, epilogue, out),
            7 if TILE_ROWS > 5 => rows::<V, 7, N7<N1<V>>>(tile, tap_weights, x, epilogue, out),
            8 if TILE_ROWS > 5 => rows::<V, 8, N8<N1<V>>>(tile, tap_weights, x, epilogue, out),
            _ => rows::<V, 4, N4<N1<V>>>(tile, tap_weights, x, epilogue, out),
        }
    }
    sink.done(0, count, 0);
}

#[inline(never)]
fn rows<V: Lane, const ROWS: usize, R: Rows<V, N1<V>>>(
    tile: &Tile,
    weights: &[V::Scalar],
    x: &[V::Scalar],
    epilogue: &impl Epilogue<V>,
    out: &mut [[f32; LANES]],
) {
    const { assert!(R::LEN == ROWS) };
    let mut sums = R::zero();
    side_by_side(weights.as_chunks::<ROWS>().0, x.as_chunks::<LANES>().0, |weights, x| {
        sums = sums.add_scaled(weights, 0, N1::load(&|_| V::load(x), 0));
    });
    sums.each(0, &mut Finish { epilogue, first: tile.first, out, distance: 1, column: 0, step: 1, count: 1 });
}
