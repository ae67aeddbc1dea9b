//! Weights of which two of every four neighbours are kept, times dense inputs. What `sparse` says of zeros holds here too.

use super::sparse::{Term, arch};
use super::{AddBias, Epilogue};
use crate::simd::words::Words;
use crate::simd::{F32x8, LANES, Lane};

/// At most two of every four neighbouring weights of a row: two values and two 2-bit places (Mishra et al. 2021, arXiv
/// 2104.08378).
#[derive(Clone, Debug)]
pub struct TwoFour {
    rows: usize,
    inputs: usize,
    /// `[tile of eight rows][group of four inputs][first, second][row]`.
    values: Vec<[[f32; LANES]; 2]>,
    /// `[tile][eight groups][row]`: four bits a group, the first group lowest, the first place below the second.
    places: Vec<[u32; LANES]>,
}

/// From what share of zeros on linear layers whose zeros allow it run this kernel; below it and above what `sparse` takes.
///
/// Half of the weights are zero by construction; the benchmark's row "2:4 sparse GEMM 512" (2026-11-25, a busy machine) has it at
/// 0.90 to 1.36 times the dense speed there: about as fast, from 0.53 of the bytes.
pub const FROM: f64 = 0.5;

/// Groups whose places share a word.
const GROUPS: usize = 8;

impl TwoFour {
    /// Packs a row-major matrix; `None` when more than two of a group of four are not zero.
    pub fn new(weights: &[f32], inputs: usize) -> Option<Self> {
        let rows = weights.len().checked_div(inputs)?;
        let groups = inputs.div_ceil(4);
        let (mut values, mut places) = (Vec::new(), Vec::new());
        for first in (0..rows).step_by(LANES) {
            let from = places.len();
            places.resize(from + groups.div_ceil(GROUPS), [0; LANES]);
            for group in 0..groups {
                let mut pair = [[0.0; LANES]; 2];
                for (lane, row) in (first..rows.min(first + LANES)).enumerate() {
                    let four = &weights[row * inputs..][group * 4..inputs.min(group * 4 + 4)];
                    let kept = four.iter().enumerate().filter(|(_, value)| **value != 0.0);
                    for (slot, (place, &value)) in kept.enumerate() {
                        pair.get_mut(slot)?[lane] = value;
                        places[from + group / GROUPS][lane] |= (place as u32) << (group % GROUPS * 4 + slot * 2);
                    }
                }
                values.push(pair);
            }
        }
        Some(Self { rows, inputs, values, places })
    }

    /// The kernel's name.
    pub fn id(&self, variant: &str) -> String {
        arch(&format!("f32n2m4-{variant}"))
    }

    /// Output rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that one pass over the weights reads.
    pub fn bytes(&self) -> usize {
        LANES * (8 * self.values.len() + 4 * self.places.len())
    }

    fn tile(&self, tile: usize) -> (&[[[f32; LANES]; 2]], &[[u32; LANES]]) {
        let groups = self.inputs.div_ceil(4);
        let words = groups.div_ceil(GROUPS);
        (&self.values[tile * groups..(tile + 1) * groups], &self.places[tile * words..(tile + 1) * words])
    }

    /// `out[row] = Σ_k w[row][k] · x[k] + bias[row]` for one image; outputs stand in the lanes.
    #[inline(never)]
    pub fn gemv(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let (fours, rest) = x[..self.inputs].as_chunks::<4>();
        let mut last = [0.0; 4];
        last[..rest.len()].copy_from_slice(rest);
        for (tile, out) in out[..self.rows].chunks_mut(LANES).enumerate() {
            let (values, places) = self.tile(tile);
            let mut sum = F32x8::splat(0.0);
            for (word, (values, places)) in values.chunks(GROUPS).zip(places).enumerate() {
                let mut places = Words::load(places);
                for (i, [first, second]) in values.iter().enumerate() {
                    let x = fours.get(word * GROUPS + i).unwrap_or(&last);
                    let place = |places: Words| places.and(Words::splat(3)).pick(x);
                    sum = sum.add(F32x8::load(first).mul(place(places)));
                    sum = sum.add(F32x8::load(second).mul(place(places.right(2))));
                    places = places.right(4);
                }
            }
            for (i, (out, sum)) in out.iter_mut().zip(sum.to_array()).enumerate() {
                *out = bias.get(tile * LANES + i).map_or(sum, |bias| sum + bias);
            }
        }
    }

    /// The sums of rows `first..first + 4`, which stand from lane `FROM` on.
    #[inline(never)]
    fn four<const FROM: usize>(&self, first: usize, x: &[[f32; LANES]]) -> [F32x8; 4] {
        let (values, places) = self.tile(first / LANES);
        let (fours, rest) = x[..self.inputs].as_chunks::<4>();
        let mut last = [[0.0; LANES]; 4];
        last[..rest.len()].copy_from_slice(rest);
        let [mut a, mut b, mut c, mut d] = [F32x8::splat(0.0); 4];
        let mut fours = fours.iter().chain(std::iter::once(&last));
        for (values, places) in values.chunks(GROUPS).zip(places) {
            let mut place: [u32; 4] = std::array::from_fn(|row| places[FROM + row]);
            for ([one, two], x) in values.iter().zip(&mut fours) {
                let add = |sum: F32x8, row: usize, place: &mut u32| {
                    let sum = sum.add_scaled(&one[FROM + row], F32x8::load(&x[(*place & 3) as usize]));
                    let sum = sum.add_scaled(&two[FROM + row], F32x8::load(&x[(*place >> 2 & 3) as usize]));
                    *place >>= 4;
                    sum
                };
                let [p, q, r, s] = &mut place;
                (a, b, c, d) = (add(a, 0, p), add(b, 1, q), add(c, 2, r), add(d, 3, s));
            }
        }
        [a, b, c, d]
    }

    /// The same for one block of eight images: `x` is `[k][lane]`, `out` `[row][lane]`.
    #[inline(never)]
    pub fn block(&self, x: &[f32], bias: &[f32], out: &mut [f32]) {
        let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
        let epilogue = AddBias(bias);
        for first in (0..self.rows).step_by(4) {
            let sums = if first % LANES == 0 { self.four::<0>(first, x) } else { self.four::<4>(first, x) };
            for (row, sum) in (first..self.rows).zip(sums) {
                epilogue.write(row, sum, &mut out[row]);
            }
        }
    }
}
