//! The kernel: every tile of rows over every position of the output.

use super::layout::Layout;
use super::packed::{Packed, Tile};
use crate::kernels::registers::{Columns, N1, N2, N4, Rows};
use crate::kernels::{Rescale, RowSink};
use crate::simd::{Dot, LANES, side_by_side};

/// Gives `rescale(Σ weights · codes)` to the sinks, one for each block of codes, a tile of rows after the other; sums are exact
/// while they fit 32 bits. Codes are packed for `P` and multiplied by `V`, which takes as many in a lane; `burst` is for those
/// that sum in bursts.
pub(super) fn sweep<P: Dot, V: Dot>(
    packed: &Packed<P>,
    codes: &[i32],
    panel: &mut Vec<i32>,
    burst: usize,
    rescale: &Rescale<'_>,
    sinks: &mut [&mut dyn RowSink],
) {
    const { assert!(P::GROUP == V::GROUP) };
    let layout = packed.layout();
    let group_rows = layout.shape.out_channels / layout.shape.groups;
    let group_len = layout.group_len();
    let codes = codes.as_chunks::<LANES>().0;
    for tile in packed.tiles() {
        let group = tile.first / group_rows;
        let panel = packed.panel(tile, panel);
        for (codes, sink) in codes.chunks_exact(layout.block_len()).zip(&mut *sinks) {
            let codes = &codes[group * group_len..(group + 1) * group_len];
            let work = Work { layout, tile, panel, codes, burst, rescale };
            match tile.rows {
                1 => rows::<P, V, 1, N4<V>, N1<N4<V>>>(&work, *sink),
                2 => rows::<P, V, 2, N2<V>, N2<N2<V>>>(&work, *sink),
                _ => rows::<P, V, 4, N1<V>, N4<N1<V>>>(&work, *sink),
            }
        }
    }
}

/// What the rows of one tile need.
struct Work<'a, P> {
    layout: &'a Layout<P>,
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
    let &Work { layout, tile, panel, codes, burst, rescale } = work;
    let [_, out_height, out_width] = layout.shape.output();
    let stride = layout.shape.stride;
    let pitch = layout.padded()[1] * layout.depth;
    let apart = stride * layout.depth;
    let reach = (layout.run - 1) * layout.hop + 1;
    for oy in 0..out_height {
        let (out, distance) = sink.rows(tile.first, ROWS, oy);
        for ox in (0..out_width).step_by(C::LEN) {
            let count = C::LEN.min(out_width - ox);
            let mut sums = R::zero();
            let mut weights = panel.as_chunks::<ROWS>().0;
            for ky in 0..layout.shape.kernel[0] {
                let first = (oy * stride + ky) * pitch + ox * apart;
                let here = &codes[first..first + (count - 1) * apart + reach];
                let (row_weights, rest) = weights.split_at(layout.run);
                weights = rest;
                if V::BURSTS {
                    for (at, weights) in row_weights.chunks(burst).enumerate() {
                        let part =
                            products::<V, ROWS, C, R>(R::zero(), weights, &here[at * burst..], count, [apart, 1]);
                        sums = sums.absorb(part);
                    }
                } else {
                    sums = products::<V, ROWS, C, R>(sums, row_weights, here, count, [apart, layout.hop]);
                }
            }
            sums.each(0, &mut |row, column, sum| {
                if column < count {
                    rescale.finish(tile.first + row, sum.sums(), &mut out[row * distance + ox + column]);
                }
            });
        }
        sink.done(tile.first, ROWS, oy);
    }
}

/// Adds the products of a run of vectors, `hop` from each other, at `count` positions `apart` from each other.
#[inline(always)]
fn products<V: Dot, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    mut sums: R,
    weights: &[[i32; ROWS]],
    codes: &[[i32; LANES]],
    count: usize,
    [apart, hop]: [usize; 2],
) -> R {
    if C::LEN == 1 && hop == 1 {
        side_by_side(weights, codes, |weights, codes| {
            sums = sums.add_scaled(weights, 0, C::load(&|_| V::load(codes), 0));
        });
        return sums;
    }
    for (step, weights) in weights.iter().enumerate() {
        // A position past the last one repeats it; its sum is not written.
        sums = sums.add_scaled(weights, 0, C::load_apart(&codes[step * hop..], apart, 0, count - 1));
    }
    sums
}
