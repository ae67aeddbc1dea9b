//! The kernel: every tile of rows over every position of the output.

use super::layout::Layout;
use super::packed::{Packed, Tile};
use crate::kernels::registers::{Columns, N1, N2, N4, Rows};
use crate::kernels::{Rescale, RowSink};
use crate::simd::{Dot, LANES};

/// Gives `rescale(Σ weights · codes)` to the sink, a tile of rows after the other; sums are exact while they fit 32 bits.
pub(super) fn sweep<V: Dot>(
    packed: &Packed<V>,
    codes: &[i32],
    panel: &mut Vec<i32>,
    rescale: &Rescale<'_>,
    sink: &mut dyn RowSink,
) {
    let layout = packed.layout();
    let group_rows = layout.shape.out_channels / layout.shape.groups;
    let group_len = layout.group_len();
    let codes = codes.as_chunks::<LANES>().0;
    for tile in packed.tiles() {
        let group = tile.first / group_rows;
        let codes = &codes[group * group_len..(group + 1) * group_len];
        let panel = packed.panel(tile, panel);
        match tile.rows {
            1 => rows::<V, 1, N4<V>, N1<N4<V>>>(layout, tile, panel, codes, rescale, sink),
            2 => rows::<V, 2, N2<V>, N2<N2<V>>>(layout, tile, panel, codes, rescale, sink),
            _ => rows::<V, 4, N1<V>, N4<N1<V>>>(layout, tile, panel, codes, rescale, sink),
        }
    }
}

/// The rows of one tile, at a few neighbouring positions side by side.
#[inline(never)]
fn rows<V: Dot, const ROWS: usize, C: Columns<V>, R: Rows<V, C>>(
    layout: &Layout<V>,
    tile: &Tile,
    panel: &[i32],
    codes: &[[i32; LANES]],
    rescale: &Rescale<'_>,
    sink: &mut dyn RowSink,
) {
    const { assert!(R::LEN == ROWS) };
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
                if C::LEN == 1 && layout.hop == 1 {
                    for (weights, codes) in row_weights.iter().zip(here) {
                        sums = sums.add_scaled(weights, 0, C::load(&|_| V::load(codes), 0));
                    }
                } else {
                    for (step, weights) in row_weights.iter().enumerate() {
                        // A position past the last one repeats it; its sum is not written.
                        let value = |j: usize| V::load(&here[j.min(count - 1) * apart + step * layout.hop]);
                        sums = sums.add_scaled(weights, 0, C::load(&value, 0));
                    }
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
