//! Linear layers of small weights with seven products of quarters in place of eight, and the same integers as their sums.
//!
//! One level of Strassen's products (1969, "Gaussian Elimination is Not Optimal"). A is eight rows of weights, four above four,
//! the first half of the inputs beside the second; B is two blocks of codes, cut likewise. What is multiplied are quarters, sums
//! and differences of two. So weights must leave a bit of their byte free, −64…63, and codes must lie in 0…127: sums of two are
//! whole unsigned bytes, and differences become such when 128 is added, for which 128 Σ w is taken off in the end. All of it is
//! computed modulo 2³², which is a ring, so the sums are exact. Weights of 8 bits have no bit to spare, and floats no ring.

use super::layout::Layout;
use super::packed::{Packed, TILE_ROWS};
use super::{RAISE, Rescale, RowSink};
use crate::simd::{I8Quads, I32x8, LANES, Lane, side_by_side};

/// Sums and differences of quarters on either side.
const MADE: usize = 5;
/// Fewest rows and vectors of inputs that make up for those of the codes and for shorter loops.
const LEAST_ROWS: usize = 32;
const LEAST_STEPS: usize = 32;
/// Fewest blocks that make up for those of the weights.
const LEAST_BLOCKS: usize = 4;

/// A word of each lane, and the weights of a step: a word of each row.
type Words = [i32; LANES];
type Weights = [i32; TILE_ROWS];
/// Sums of four rows.
type Sums = [Words; TILE_ROWS];

/// What a layer needs for it beside its packed weights.
#[derive(Clone, Debug)]
pub(super) struct Strassen {
    /// By row, 128 Σ w of the weights that meet raised differences, in the first of two blocks and in the second.
    raised: [Vec<i32>; 2],
}

impl Strassen {
    /// For row-major weights; nothing where they leave no room, or where it would be no faster.
    pub fn new(layout: &Layout<I8Quads>, weights: &[i32]) -> Option<Self> {
        let (steps, rows, taps) = (layout.steps(), layout.shape.out_channels, layout.shape.taps());
        let fits = layout.shape.is_linear() && layout.hop == 1 && weights.iter().all(|w| (-64..64).contains(w));
        if !fits || rows < LEAST_ROWS || steps < LEAST_STEPS || !steps.is_multiple_of(4) {
            return None;
        }
        let raised = |row: usize, half: usize| {
            let places = (half * steps / 2 * 4..(half + 1) * steps / 2 * 4).map(|at| layout.tap(at / 4, at % 4));
            places.flatten().map(|tap| weights[row * taps + tap]).sum::<i32>().wrapping_mul(128)
        };
        // A22 (B21 − B11) is part of the first block's sums in both fours, A11 (B12 − B22) of the second's.
        let pair = |row: usize| row / (2 * TILE_ROWS) * (2 * TILE_ROWS) + row % TILE_ROWS;
        let whole = rows / (2 * TILE_ROWS) * (2 * TILE_ROWS);
        let first = (0..whole).map(|row| raised(pair(row) + TILE_ROWS, 1)).collect();
        let second = (0..whole).map(|row| raised(pair(row), 0)).collect();
        Some(Self { raised: [first, second] })
    }

    /// Gives rows of blocks to the sinks as [`super::sweep`] does, two blocks after two, and answers how many blocks and tiles it
    /// did. No code may be below 0. `made` is overwritten.
    pub fn sweep(
        &self,
        packed: &Packed<I8Quads>,
        codes: &[i32],
        [panel, made, bias]: [&mut Vec<i32>; 3],
        rescale: &Rescale<'_>,
        sinks: &mut [&mut dyn RowSink],
    ) -> [usize; 2] {
        let (blocks, tiles) = (sinks.len() / 2 * 2, self.raised[0].len() / TILE_ROWS);
        if blocks < LEAST_BLOCKS {
            return [0, tiles];
        }
        let own = |row: usize| rescale.bias.get(row).copied().unwrap_or(0);
        bias.clear();
        for raised in &self.raised {
            bias.extend(raised.iter().enumerate().map(|(row, much)| own(row).wrapping_sub(*much)));
        }
        let (first, second) = bias.split_at(tiles * TILE_ROWS);
        let rescales = [first, second].map(|bias| Rescale { bias, scale: rescale.scale });
        // Of weights first, then of the codes of every two blocks.
        let (steps, half) = (packed.layout().steps(), packed.layout().steps() / 2);
        made.resize(MADE * half * (TILE_ROWS + blocks / 2 * LANES), 0);
        let (weights_made, codes_made) = made.split_at_mut(MADE * half * TILE_ROWS);
        let pairs = codes.as_chunks::<LANES>().0.chunks_exact(2 * steps);
        let codes_made = codes_made.as_chunks_mut::<LANES>().0;
        for (codes, made) in pairs.clone().zip(codes_made.chunks_exact_mut(MADE * half)) {
            codes_of(quarters(codes), made);
        }
        for pair in packed.tiles()[..tiles].chunks_exact(2) {
            let panel = packed.panels(pair, panel);
            weights_of(quarters(panel.as_chunks::<LANES>().0), weights_made.as_chunks_mut::<LANES>().0);
            let (panel, weights_made) = (panel.as_chunks().0, weights_made.as_chunks().0);
            let codes = pairs.clone().zip(codes_made.chunks_exact(MADE * half));
            for ((codes, codes_made), sinks) in codes.zip(sinks.chunks_exact_mut(2)) {
                let work = Work { panel, weights_made, codes, codes_made, first: pair[0].first, rescales: &rescales };
                work.two_blocks(sinks);
            }
        }
        [blocks, tiles]
    }
}

/// The four quarters of two parts that each have two halves.
fn quarters<T>(of: &[T]) -> [&[T]; 4] {
    let (first, second) = of.split_at(of.len() / 2);
    let ((a, b), (c, d)) = (first.split_at(first.len() / 2), second.split_at(second.len() / 2));
    [a, b, c, d]
}

/// `of(a, b)` of two quarters.
#[inline(always)]
fn combine(a: &[Words], b: &[Words], out: &mut [Words], of: impl Fn(I8Quads, I8Quads) -> I8Quads) {
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        of(I8Quads::load(a), I8Quads::load(b)).store(out);
    }
}

/// `A11 + A22, A21 + A22, A11 + A12, A21 − A11, A12 − A22`.
#[inline(never)]
fn weights_of([a11, a12, a21, a22]: [&[Words]; 4], made: &mut [Words]) {
    let mut made = made.chunks_exact_mut(a11.len());
    for (a, b) in [(a11, a22), (a21, a22), (a11, a12)] {
        made.next().into_iter().for_each(|out| combine(a, b, out, I8Quads::code_sums));
    }
    for (a, b) in [(a21, a11), (a12, a22)] {
        made.next().into_iter().for_each(|out| combine(a, b, out, I8Quads::code_differences));
    }
}

/// `B11 + B22, B11 + B12, B21 + B22` and, raised by 128, `B12 − B22, B21 − B11`.
#[inline(never)]
fn codes_of([b11, b21, b12, b22]: [&[Words]; 4], made: &mut [Words]) {
    let mut made = made.chunks_exact_mut(b11.len());
    for (a, b) in [(b11, b22), (b11, b12), (b21, b22)] {
        made.next().into_iter().for_each(|out| combine(a, b, out, I8Quads::code_sums));
    }
    for (a, b) in [(b12, b22), (b21, b11)] {
        let raised = |a: I8Quads, b| a.code_differences(b).code_sums(I8Quads::splat(RAISE));
        made.next().into_iter().for_each(|out| combine(a, b, out, raised));
    }
}

/// Eight rows of two blocks.
struct Work<'a> {
    panel: &'a [Weights],
    weights_made: &'a [Weights],
    codes: &'a [Words],
    codes_made: &'a [Words],
    first: usize,
    rescales: &'a [Rescale<'a>; 2],
}

impl Work<'_> {
    #[inline(never)]
    fn two_blocks(&self, sinks: &mut [&mut dyn RowSink]) {
        let [a11, _, _, a22] = quarters(self.panel);
        let [b11, _, _, b22] = quarters(self.codes);
        let half = a11.len();
        let a = |at: usize| &self.weights_made[at * half..][..half];
        let b = |at: usize| &self.codes_made[at * half..][..half];
        // Sums go on from others where both are wanted.
        let zero: Sums = [[0; LANES]; TILE_ROWS];
        let [mut m1, mut m1_m6, mut m1_m7, mut m3, mut c12, mut m4, mut c21] = [zero; 7];
        products(a(0), b(0), &zero, &mut m1);
        products(a(3), b(1), &m1, &mut m1_m6);
        products(a(4), b(2), &m1, &mut m1_m7);
        products(a11, b(3), &zero, &mut m3);
        products(a(2), b22, &m3, &mut c12);
        products(a22, b(4), &zero, &mut m4);
        products(a(1), b11, &m4, &mut c21);
        let [one, two] = sinks else { return };
        // C11 = M1 + M7 + M4 − M5, C22 = M1 + M6 + M3 − M2.
        let (out, distance) = one.rows(self.first, 2 * TILE_ROWS, 0);
        for row in 0..TILE_ROWS {
            let c11 = mixed(&m1_m7[row], &m3[row], &m4[row], &c12[row]);
            self.rescales[0].finish(self.first + row, c11, &mut out[row * distance]);
        }
        for (row, sums) in c21.iter().enumerate() {
            let at = row + TILE_ROWS;
            self.rescales[0].finish(self.first + at, I32x8::load(sums), &mut out[at * distance]);
        }
        one.done(self.first, 2 * TILE_ROWS, 0);
        let (out, distance) = two.rows(self.first, 2 * TILE_ROWS, 0);
        for (row, sums) in c12.iter().enumerate() {
            self.rescales[1].finish(self.first + row, I32x8::load(sums), &mut out[row * distance]);
        }
        for row in 0..TILE_ROWS {
            let at = row + TILE_ROWS;
            let c22 = mixed(&m1_m6[row], &m3[row], &m4[row], &c21[row]);
            self.rescales[1].finish(self.first + at, c22, &mut out[at * distance]);
        }
        two.done(self.first, 2 * TILE_ROWS, 0);
    }
}

/// a + b + c − d.
#[inline(always)]
fn mixed(a: &Words, b: &Words, c: &Words, d: &Words) -> I32x8 {
    I32x8::load(a).add(I32x8::load(b)).add(I32x8::load(c)).minus(I32x8::load(d))
}

/// `start` and the products of four rows.
#[inline(never)]
fn products(weights: &[Weights], codes: &[Words], start: &Sums, sums: &mut Sums) {
    let (mut a, mut b) = (I8Quads::load(&start[0]), I8Quads::load(&start[1]));
    let (mut c, mut d) = (I8Quads::load(&start[2]), I8Quads::load(&start[3]));
    side_by_side(weights, codes, |weights, codes| {
        let codes = I8Quads::load(codes);
        a = a.add_product(I8Quads::splat(weights[0]), codes);
        b = b.add_product(I8Quads::splat(weights[1]), codes);
        c = c.add_product(I8Quads::splat(weights[2]), codes);
        d = d.add_product(I8Quads::splat(weights[3]), codes);
    });
    a.store(&mut sums[0]);
    b.store(&mut sums[1]);
    c.store(&mut sums[2]);
    d.store(&mut sums[3]);
}
