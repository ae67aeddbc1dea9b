//! The kernel: every tile of rows over every position of the output.

use super::layout::Layout;
use super::packed::{Packed, Tile};
use crate::kernels::registers::{Columns, N1, N2, N4, Rows};
use crate::kernels::{Epilogue, Finish, Rescale, RowSink};
use crate::simd::{Dot, LANES, Offsets, side_by_side, visit_apart};

/// Words of weights that are kept near: tiles of so many meet a block's codes, one after the other, before the next block's do, so that
/// codes are fetched from afar less often.
const NEAR_WORDS: usize = 1024;

/// Gives `rescale(Σ weights · codes)` of these tiles to the sinks, one for each block of codes, a tile of rows after the other; sums are exact
/// while they fit 32 bits. Codes are packed for `P` and multiplied by `V`, which takes as many in a lane; `burst` is for those
/// that sum in bursts.
pub(super) fn sweep<P: Dot, V: Dot>(
    packed: &Packed<P>,
    mut tiles: &[Tile],
    codes: &[i32],
    panel: &mut Vec<i32>,
    burst: usize,
    rescale: &Rescale<'_>,
    sinks: &mut [&mut dyn RowSink],
) {
    const { assert!(P::GROUP == V::GROUP) };
    if sinks.is_empty() {
        return;
    }
    let layout = packed.layout();
    let group_rows = layout.shape.out_channels / layout.shape.groups;
    let group_len = layout.group_len();
    let codes = codes.as_chunks::<LANES>().0;
    while let Some(first) = tiles.first() {
        let words = layout.steps() * first.rows;
        let (near, rest) = tiles.split_at((NEAR_WORDS / words.max(1)).clamp(1, tiles.len()));
        tiles = rest;
        let panel = packed.panels(near, panel);
        for (codes, sink) in codes.chunks_exact(layout.block_len()).zip(&mut *sinks) {
            let mut panel = panel;
            for tile in near {
                let group = tile.first / group_rows;
                let codes = &codes[group * group_len..(group + 1) * group_len];
                let work = Work { layout, offsets: packed.offsets(), tile, panel, codes, burst, rescale };
                match tile.rows {
                    1 => rows::<P, V, 1, N4<V>, N1<N4<V>>>(&work, *sink),
                    2 => rows::<P, V, 2, N2<V>, N2<N2<V>>>(&work, *sink),
                    _ => rows::<P, V, 4, N1<V>, N4<N1<V>>>(&work, *sink),
                }
                panel = &panel[layout.steps() * tile.rows..];
            }
        }
    }
}

/// [`Rescale`] of the sums in a dot instruction's vector.
struct Sums<'a>(&'a Rescale<'a>);

impl<V: Dot> Epilogue<V> for Sums<'_> {
    #[inline(always)]
    fn write(&self, row: usize, sum: V, out: &mut [f32; LANES]) {
        self.0.finish(row, sum.sums(), out);
    }
}

/// Runs of so many vectors are too short for a loop of their own.
const SHORT: usize = 8;

/// What the rows of one tile need.
struct Work<'a, P> {
    layout: &'a Layout<P>,
    offsets: &'a Offsets,
    tile: &'a Tile,
    panel: &'a [i32],
    codes: &'a [[i32; LANES]],
    burst: usize,
    rescale: &'a Rescale<'a>,
}

/// The rows of one tile, at a few neighbouring positions side by side.
#[inline(never)]
fn rows<P: Dot, V: Dot, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(work: &Work<'_, P>, sink: &mut dyn RowSink) {
    const { assert!(R::LEN == ROWS) };
    let &Work { layout, offsets, tile, panel, codes, burst, rescale } = work;
    let [_, out_height, out_width] = layout.shape.output();
    let stride = layout.shape.stride;
    let pitch = layout.padded()[1] * layout.depth;
    let apart = stride * layout.depth;
    for oy in 0..out_height {
        let (out, distance) = sink.rows(tile.first, ROWS, oy);
        for ox in (0..out_width).step_by(C::LEN) {
            let count = C::LEN.min(out_width - ox);
            let mut sums = R::zero();
            let mut weights = panel.as_chunks::<ROWS>().0;
            let corner = oy * stride * pitch + ox * apart;
            let near = (apart, count - 1);
            if !V::BURSTS && (layout.hop > 1 || layout.run <= SHORT || C::LEN > 1) {
                offsets.visit_apart(weights, &codes[corner..], near, |weights, codes| {
                    // A position past the last one repeats it; its sum is not written.
                    sums = sums.add_scaled(weights, 0, C::load_apart(codes, 0));
                });
            } else {
                for ky in 0..layout.shape.kernel[0] {
                    let here = &codes[corner + ky * pitch..][..near.0 * near.1 + layout.run];
                    let (row_weights, rest) = weights.split_at(layout.run);
                    weights = rest;
                    if V::BURSTS {
                        for (at, weights) in row_weights.chunks(burst).enumerate() {
                            let part = products::<V, ROWS, C, R>(weights, &here[at * burst..], near);
                            sums = sums.absorb(part);
                        }
                    } else {
                        side_by_side(row_weights, here, |weights, codes| {
                            sums = sums.add_scaled(weights, 0, C::load(&|_| V::load(codes), 0));
                        });
                    }
                }
            }
            let first = tile.first;
            sums.each(0, &mut Finish { epilogue: &Sums(rescale), first, out, distance, column: ox, step: 1, count });
        }
        sink.done(tile.first, ROWS, oy);
    }
}

/// The products of a run of vectors at positions as far apart, and as many but one, as `near` says.
#[inline(always)]
fn products<V: Dot, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    weights: &[[i32; ROWS]],
    codes: &[[i32; LANES]],
    near: (usize, usize),
) -> R {
    let mut sums = R::zero();
    if C::LEN == 1 {
        side_by_side(weights, codes, |weights, codes| {
            sums = sums.add_scaled(weights, 0, C::load(&|_| V::load(codes), 0));
        });
        return sums;
    }
    visit_apart(weights, codes, near, |weights, codes| {
        sums = sums.add_scaled(weights, 0, C::load_apart(codes, 0));
    });
    sums
}
