//! One image alone: plain NCHW values, with outputs or neighbouring positions in the lanes. The sums are those of the block
//! kernels, term by term, so the bits are the same.

use super::conv::{Conv, TILE_ROWS};
use super::pack::{Packed, Tile};
use super::registers::{Columns, N1, N2, N3, N4, Rows, Take};
use crate::simd::{F32x8, LANES, Lane, Offsets, side_by_side};

type Lanes = [f32; LANES];

/// A matrix in panels of up to 32 rows, `[panel][k][row]`, so that a panel's outputs fill the lanes.
#[derive(Clone, Debug)]
pub struct Panels {
    rows: usize,
    k: usize,
    data: Vec<f32>,
}

/// Vectors of rows in one panel.
const PANEL: usize = 4;

impl Panels {
    /// The matrix that `packed` holds in tiles.
    pub fn new(packed: &Packed<f32>) -> Self {
        let rows = packed.tiles.last().map_or(0, |tile| tile.first + tile.rows);
        let k = packed.taps;
        let mut data = vec![0.0; rows.div_ceil(LANES) * LANES * k];
        for tile in &packed.tiles {
            for (tap, weights) in packed.weights(tile).chunks_exact(tile.rows).enumerate() {
                for (row, &weight) in (tile.first..).zip(weights) {
                    let (first, lanes) = panel_of(row, rows);
                    data[first * k + tap * lanes + row - first] = weight;
                }
            }
        }
        Self { rows, k, data }
    }

    /// Bytes of the weights.
    pub fn bytes(&self) -> usize {
        4 * self.data.len()
    }
}

/// First row and padded number of rows of the panel that holds `row`.
fn panel_of(row: usize, rows: usize) -> (usize, usize) {
    let first = row / (PANEL * LANES) * (PANEL * LANES);
    (first, (rows - first).div_ceil(LANES).min(PANEL) * LANES)
}

/// `out[row] = Σ_k weights[row][k] · x[k] + bias[row]`: one accumulator per output, terms in k order, bias last.
///
/// With `backwards` the last panel is the first one read: what the cache kept of a matrix that does not fit is its end.
pub fn linear_one(panels: &Panels, x: &[f32], bias: &[f32], out: &mut [f32], backwards: bool) {
    let count = panels.rows.div_ceil(PANEL * LANES);
    for i in 0..count {
        let first = if backwards { count - 1 - i } else { i } * PANEL * LANES;
        let (_, lanes) = panel_of(first, panels.rows);
        let weights = panels.data[first * panels.k..][..lanes * panels.k].as_chunks::<LANES>().0;
        let last = (first + lanes).min(panels.rows);
        let (bias, out) = (bias.get(first..last).unwrap_or(&[]), &mut out[first..last]);
        match lanes / LANES {
            1 => panel::<1, N1<F32x8>>(weights, x, bias, out),
            2 => panel::<2, N2<F32x8>>(weights, x, bias, out),
            3 => panel::<3, N3<F32x8>>(weights, x, bias, out),
            _ => panel::<4, N4<F32x8>>(weights, x, bias, out),
        }
    }
}

#[inline(never)]
fn panel<const N: usize, C: Columns<F32x8>>(weights: &[Lanes], x: &[f32], bias: &[f32], out: &mut [f32]) {
    let mut sums = C::zero();
    let mut add = |weights: &[Lanes; N], x| {
        sums = sums.add_scaled(F32x8::splat(x), C::load(&|j| F32x8::load(&weights[j]), 0));
    };
    let (pairs, rest) = weights.as_chunks::<N>().0.as_chunks::<2>();
    let (twos, one) = x.as_chunks::<2>();
    side_by_side(pairs, twos, |[a, b], &[x, y]| {
        add(a, x);
        add(b, y);
    });
    side_by_side(rest, one, |weights, &x| add(weights, x));
    sums.each(0, 0, &mut Put { bias, out });
}

/// Takes the sums of a panel's rows, plus their biases, to where they go.
struct Put<'a> {
    bias: &'a [f32],
    out: &'a mut [f32],
}

impl Take<F32x8> for Put<'_> {
    #[inline(always)]
    fn take(&mut self, _: usize, column: usize, sum: F32x8) {
        let Self { bias, out } = self;
        let (bias, out) = (bias.get(column * LANES..).unwrap_or(&[]), &mut out[column * LANES..]);
        match (bias.first_chunk(), out.first_chunk_mut()) {
            (Some(bias), Some(out)) => sum.add(F32x8::load(bias)).store(out),
            _ => put(sum, |i| bias.get(i).copied(), out),
        }
    }
}

/// Writes as many lanes as there is room for, plus their bias.
#[inline(always)]
fn put(sum: F32x8, bias: impl Fn(usize) -> Option<f32>, out: &mut [f32]) {
    for (i, (out, sum)) in out.iter_mut().zip(sum.to_array()).enumerate() {
        *out = bias(i).map_or(sum, |bias| sum + bias);
    }
}

/// What the kernels of one image keep from call to call.
#[derive(Debug, Default)]
pub struct Spread {
    /// Of a convolution; overwritten by each.
    values: Vec<f32>,
    /// For [`linear_one`].
    pub backwards: bool,
}

/// A forward convolution of one image: eight neighbouring positions in the lanes. With stride s, columns with the same
/// remainder by s are first put side by side.
pub fn conv_one(conv: &Conv<f32>, x: &[f32], bias: &[f32], out: &mut [f32], spread: &mut Spread) {
    let Some(geometry) = conv.forward() else { return };
    let ([channels, mut height, mut width], stride, padding) = (geometry.input, geometry.stride, geometry.padding);
    let ([_, mut out_height, mut out_width], [kernel_height, kernel_width]) = (geometry.output, geometry.kernel);
    if geometry.kernel == [1, 1] && stride == 1 && padding == 0 {
        // Positions are one row.
        (height, width) = (1, height * width);
        (out_height, out_width) = (1, width);
    }
    // A row holds the columns of each remainder, and zeros that the last vector may read.
    let part = (width + 2 * padding).div_ceil(stride) + LANES;
    let (pitch, padded_height) = (part * stride, height + 2 * padding);
    spread.values.clear();
    spread.values.resize(channels * padded_height * pitch + LANES, 0.0);
    for (row, from) in x.chunks_exact(width).enumerate() {
        let to = &mut spread.values[(row / height * padded_height + row % height + padding) * pitch..][..pitch];
        if stride == 1 {
            to[padding..padding + width].copy_from_slice(from);
        } else {
            for (column, &value) in (padding..).zip(from) {
                to[column % stride * part + column / stride] = value;
            }
        }
    }
    let group_channels = channels / geometry.groups;
    let rows = (0..group_channels).flat_map(|c| (0..kernel_height).map(move |ky| (c * padded_height + ky) * pitch));
    let tap = |row: usize, kx: usize| (row + kx % stride * part + kx / stride) as u32;
    let offsets = Offsets::new(rows.flat_map(|row| (0..kernel_width).map(move |kx| tap(row, kx))).collect());
    for tile in &geometry.packed.tiles {
        let group = tile.first / (geometry.output[0] / geometry.groups);
        let x = &spread.values[group * group_channels * padded_height * pitch..];
        let bias = bias.get(tile.first..tile.first + tile.rows).unwrap_or(&[]);
        let place = Place { offsets: &offsets, pitch: pitch * stride, size: [out_height, out_width] };
        let weights = geometry.packed.weights(tile);
        const { assert!(TILE_ROWS == 4, "the match below covers tiles of up to four rows") };
        match tile.rows {
            1 => tile_one::<1, N1<N1<F32x8>>>(tile, weights, x, &place, bias, out),
            2 => tile_one::<2, N2<N1<F32x8>>>(tile, weights, x, &place, bias, out),
            3 => tile_one::<3, N3<N1<F32x8>>>(tile, weights, x, &place, bias, out),
            _ => tile_one::<4, N4<N1<F32x8>>>(tile, weights, x, &place, bias, out),
        }
    }
}

/// Where a convolution's windows lie.
struct Place<'a> {
    offsets: &'a Offsets,
    /// Between windows below each other.
    pitch: usize,
    /// Output height and width.
    size: [usize; 2],
}

#[inline(never)]
fn tile_one<const ROWS: usize, R: Rows<F32x8, N1<F32x8>>>(
    tile: &Tile,
    weights: &[f32],
    x: &[f32],
    place: &Place<'_>,
    bias: &[f32],
    out: &mut [f32],
) {
    const { assert!(R::LEN == ROWS) };
    let [height, width] = place.size;
    for y in 0..height {
        for first in (0..width).step_by(LANES) {
            let mut sums = R::zero();
            place.offsets.visit(
                weights.as_chunks::<ROWS>().0,
                &x[y * place.pitch + first..],
                LANES,
                |weights, here| {
                    let here = &here.as_chunks::<LANES>().0[0];
                    sums = sums.add_scaled(weights, 0, N1::load(&|_| F32x8::load(here), 0));
                },
            );
            sums.each(0, &mut |row, _, sum| {
                let line = &mut out[((tile.first + row) * height + y) * width..][..width];
                put(sum, |_| bias.get(row).copied(), &mut line[first..]);
            });
        }
    }
}
