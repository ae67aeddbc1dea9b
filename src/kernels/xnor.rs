//! Signs times signs: exclusive or and population count over 64 products at a time.
//!
//! With weights and inputs of −1 and 1, one bit each, a sum of `k` products is `k − 2 · popcount(a xor w)` (Rastegari et al.
//! 2016, XNOR-Net, arXiv 1603.05279, §3.2; Courbariaux et al. 2016, arXiv 1602.02830). Sums are exact whole numbers, so they
//! are those of any other integer kernel.

use super::Epilogue;
use super::conv::ConvShape;
use crate::simd::words::{non_negative, turn};
use crate::simd::{F32x8, I32x8, LANES, Lane};

/// The kernel's name.
pub const ID: &str = if cfg!(target_arch = "wasm32") { "wasm-b1b1i32-1x8" } else { "native-b1b1i32-1x8" };

/// Signs in a word.
const WORD: usize = 64;

/// The signs of one block, `[word][lane]`: feature `k` is bit `k % 64` of word `k / 64`, set for 1.
pub type BlockSigns = Vec<[u64; LANES]>;

/// A matrix of signs, `rows × taps`, a row in whole words.
#[derive(Clone, Debug)]
pub struct Signs {
    rows: usize,
    taps: usize,
    words: Vec<u64>,
}

impl Signs {
    /// Packs a row-major matrix. `None` when a number is neither −1 nor 1, or rows are not whole.
    pub fn new(levels: &[i32], taps: usize) -> Option<Self> {
        let rows = levels.len().checked_div(taps)?;
        if rows * taps != levels.len() || levels.iter().any(|&level| level.unsigned_abs() != 1) {
            return None;
        }
        let word = |levels: &[i32]| {
            levels.iter().enumerate().fold(0u64, |word, (bit, &level)| word | u64::from(level > 0) << bit)
        };
        let words = levels.chunks_exact(taps).flat_map(|row| row.chunks(WORD).map(word)).collect();
        Some(Self { rows, taps, words })
    }

    /// Output rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn row(&self, row: usize) -> &[u64] {
        let each = self.taps.div_ceil(WORD);
        &self.words[row * each..(row + 1) * each]
    }
}

/// Up to 64 lane signs (a byte a feature, a bit a lane) as one word for each lane.
#[inline(always)]
fn word(lane_signs: &[u8]) -> [u64; LANES] {
    let mut lanes = [0u64; LANES];
    let mut add = |sixteen: &[u8; 16], i: usize| {
        for (lane, signs) in lanes.iter_mut().zip(turn(sixteen)) {
            *lane |= u64::from(signs) << (16 * i);
        }
    };
    let (whole, rest) = lane_signs.as_chunks::<16>();
    whole.iter().enumerate().for_each(|(i, sixteen)| add(sixteen, i));
    if !rest.is_empty() {
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        add(&last, whole.len());
    }
    lanes
}

/// The signs of one block `[feature][lane]`; 0 counts as positive, NaN as negative. `lanes` is scratch.
#[inline(never)]
pub fn pack_block(x: &[f32], lanes: &mut Vec<u8>, out: &mut BlockSigns) {
    lanes.clear();
    lanes.extend(x.as_chunks::<LANES>().0.iter().map(|values| non_negative(F32x8::load(values))));
    out.clear();
    out.extend(lanes.chunks(WORD).map(word));
}

/// Differing signs of one row and the eight images.
#[inline(always)]
fn differing(row: &[u64], block: &[[u64; LANES]]) -> [i32; LANES] {
    let [mut a, mut b, mut c, mut d] = [0u32; 4];
    let [mut e, mut f, mut g, mut h] = [0u32; 4];
    for (&w, x) in row.iter().zip(block) {
        a += (w ^ x[0]).count_ones();
        b += (w ^ x[1]).count_ones();
        c += (w ^ x[2]).count_ones();
        d += (w ^ x[3]).count_ones();
        e += (w ^ x[4]).count_ones();
        f += (w ^ x[5]).count_ones();
        g += (w ^ x[6]).count_ones();
        h += (w ^ x[7]).count_ones();
    }
    [a, b, c, d, e, f, g, h].map(|count| count as i32)
}

/// Sums of `taps` products for rows `rows` of `weights`; `more(row)` is added to each.
#[inline(always)]
fn sums(
    weights: &Signs,
    rows: std::ops::Range<usize>,
    block: &[[u64; LANES]],
    more: impl Fn(usize) -> i32,
    mut write: impl FnMut(usize, I32x8),
) {
    for row in rows {
        let all = I32x8::splat(weights.taps as i32 + more(row));
        write(row, all.add(I32x8::load(&differing(weights.row(row), block)).mul(I32x8::splat(-2))));
    }
}

/// `out[row][lane] = epilogue(Σ_k w[row][k] · x[k][lane])` over one block of signs.
///
/// Exact. `block` comes from [`pack_block`] and holds at least the row's signs.
#[inline(never)]
pub fn linear(weights: &Signs, block: &[[u64; LANES]], epilogue: &impl Epilogue<I32x8>, out: &mut [f32]) {
    let out = out.as_chunks_mut::<LANES>().0;
    sums(weights, 0..weights.rows, block, |_| 0, |row, sum| epilogue.write(row, sum, &mut out[row]));
}

/// A convolution of signs. Padding is 0, which is no sign: its products, counted as if it were −1, are taken off again.
#[derive(Clone, Debug)]
pub struct SignConv {
    shape: ConvShape,
    /// Taps in (ky, kx, channel) order, so that a pixel's channels stand together.
    weights: Signs,
    /// For each output position, which row of `padding` is its; `u32::MAX` for positions that read no padding.
    class: Vec<u32>,
    /// Σ of the weights that meet padding, `[class][row]`.
    padding: Vec<i32>,
}

/// What kernels of signs overwrite while they run.
#[derive(Clone, Debug, Default)]
pub struct SignScratch {
    /// Lane signs, a byte a feature.
    pub lanes: Vec<u8>,
    /// Signs of one position, or of a block.
    pub block: BlockSigns,
    pixels: BlockSigns,
}

impl SignConv {
    /// From row-major weights `[out][in / groups][ky][kx]`; `None` when a number is neither −1 nor 1.
    pub fn new(shape: ConvShape, levels: &[i32]) -> Option<Self> {
        let [kernel_height, kernel_width] = shape.kernel;
        let area = kernel_height * kernel_width;
        let channels = shape.taps() / area;
        let order = |row: &[i32]| -> Vec<i32> {
            (0..area).flat_map(|k| (0..channels).map(move |c| row[c * area + k])).collect()
        };
        let ordered: Vec<i32> = levels.chunks_exact(shape.taps()).flat_map(order).collect();
        let weights = Signs::new(&ordered, shape.taps()).filter(|_| ordered.len() == levels.len())?;
        let outside = |at: usize, k: usize, size: usize| {
            let place = at * shape.stride + k;
            place < shape.padding || place >= size + shape.padding
        };
        let [_, out_height, out_width] = shape.output();
        let (mut class, mut sums, mut classes) = (Vec::new(), Vec::new(), Vec::<Vec<bool>>::new());
        for position in 0..out_height * out_width {
            let (oy, ox) = (position / out_width, position % out_width);
            let pads: Vec<bool> = (0..area)
                .map(|k| outside(oy, k / kernel_width, shape.input[1]) || outside(ox, k % kernel_width, shape.input[2]))
                .collect();
            if !pads.contains(&true) {
                class.push(u32::MAX);
                continue;
            }
            let known = classes.iter().position(|known| *known == pads);
            class.push(known.unwrap_or(classes.len()) as u32);
            if known.is_none() {
                let met = |row: &[i32]| -> i32 {
                    row.iter().zip(pads.iter().cycle()).map(|(w, &pad)| if pad { *w } else { 0 }).sum()
                };
                sums.extend(levels.chunks_exact(shape.taps()).map(met));
                classes.push(pads);
            }
        }
        Some(Self { shape, weights, class, padding: sums })
    }

    /// The signs of every pixel of a group, `[pixel][word of channels][lane]`, padding as −1.
    #[inline(never)]
    fn pixels(&self, x: &[[f32; LANES]], group: usize, lanes: &mut Vec<u8>, pixels: &mut BlockSigns) {
        let ConvShape { input: [channels, height, width], groups, padding, .. } = self.shape;
        let ins = channels / groups;
        let (padded_height, padded_width) = (height + 2 * padding, width + 2 * padding);
        lanes.clear();
        lanes.resize(padded_height * padded_width * ins, 0);
        for (c, plane) in x.chunks_exact(height * width).skip(group * ins).take(ins).enumerate() {
            for (y, row) in plane.chunks_exact(width).enumerate() {
                let at = (y + padding) * padded_width + padding;
                for (x, values) in row.iter().enumerate() {
                    lanes[(at + x) * ins + c] = non_negative(F32x8::load(values));
                }
            }
        }
        pixels.clear();
        pixels.extend(lanes.chunks_exact(ins).flat_map(|pixel| pixel.chunks(WORD).map(word)));
    }

    /// The signs that one output position reads, in the order of the weights.
    #[inline(always)]
    fn gather(&self, position: usize, pixels: &[[u64; LANES]], block: &mut BlockSigns) {
        let ConvShape { input: [channels, _, width], groups, padding, stride, .. } = self.shape;
        let [kernel_height, kernel_width] = self.shape.kernel;
        let (ins, out_width, padded_width) = (channels / groups, self.shape.output()[2], width + 2 * padding);
        let words = ins.div_ceil(WORD);
        block.clear();
        let (mut last, mut filled) = ([0u64; LANES], 0);
        for ky in 0..kernel_height {
            let at = (position / out_width * stride + ky) * padded_width + position % out_width * stride;
            let row = &pixels[at * words..(at + kernel_width) * words];
            for (i, signs) in row.iter().enumerate() {
                let bits = WORD.min(ins - i % words * WORD);
                if filled == 0 {
                    last = *signs;
                } else {
                    last.iter_mut().zip(signs).for_each(|(last, signs)| *last |= signs << filled);
                }
                filled += bits;
                if filled >= WORD {
                    block.push(last);
                    filled -= WORD;
                    if filled > 0 {
                        last = signs.map(|signs| signs >> (bits - filled));
                    }
                }
            }
        }
        if filled > 0 {
            block.push(last);
        }
    }

    /// `out[o][y][x][lane]` over one block `[c][h][w][lane]`, as [`super::conv::conv2d`]. Exact; 0 counts as positive.
    pub fn run(&self, x: &[f32], scratch: &mut SignScratch, epilogue: &impl Epilogue<I32x8>, out: &mut [f32]) {
        let SignScratch { lanes, block, pixels } = scratch;
        let [out_channels, out_height, out_width] = self.shape.output();
        let outs = out_channels / self.shape.groups;
        let (x, out) = (x.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
        for group in 0..self.shape.groups {
            self.pixels(x, group, lanes, pixels);
            for position in 0..out_height * out_width {
                self.gather(position, pixels, block);
                let pads = self.padding.chunks_exact(out_channels).nth(self.class[position] as usize);
                let write = |row: usize, sum| {
                    epilogue.write(row, sum, &mut out[row * out_height * out_width + position]);
                };
                let rows = group * outs..(group + 1) * outs;
                sums(&self.weights, rows, block, |row| pads.map_or(0, |pads| pads[row]), write);
            }
        }
    }
}
