//! Exact integer sums by the machine's dot instructions: linear layers and convolutions of quantized inputs and weights.
//!
//! A block's codes are laid out for one of three instructions while they are quantized ([`Layout`]), and each gives the exact
//! sum: products of 16-bit pairs (everywhere), and, where the second factor lies in 0…127, WebAssembly's relaxed products of
//! 8-bit quads, either summed in 32 bits at once or by way of 16. Where the machine multiplies whole unsigned bytes ([`whole_bytes`]),
//! the former serve codes below 0 too: they are raised by 128, and 128 times the sum of a row's weights is taken off again. Weights stay in as few bits as they need ([`Packed`]) and are
//! unpacked a tile at a time; those of at most six bits leave room for several products in 16 bits ([`Way::Burst`]).
//! One kernel then serves linear layers, convolutions and depthwise convolutions: sums of runs of neighbouring vectors. Another
//! serves 3×3 convolutions of stride 1, with fewer products for the same sums (`winograd`), and two serve linear layers of small
//! weights (`strassen`, and `nibbles` for a single block).

mod layout;
mod nibbles;
mod packed;
mod strassen;
mod sweep;
mod winograd;

pub use layout::{Input, Layout, Steps};
pub use packed::{Packed, TILE_ROWS};

use super::conv::ConvShape;
use super::{Epilogue, Plain, Rescale, RowSink};
use crate::simd::{
    Dot, I8Burst, I8Quads, I8Split, I16Pairs, I32x8, LANES, Lane, RELAXED_DOT, quads_to_pairs, whole_bytes,
};
use packed::Tile;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use strassen::Strassen;
use winograd::Winograd;

/// Kernels for layers of 8-bit codes. All give the same results; which is the fastest depends on machine and engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// 16-bit pairs: everywhere.
    Pairs,
    /// 8-bit quads by one instruction.
    Quads,
    /// 8-bit quads by way of 16-bit sums, which weights of few bits leave there for a while.
    Split,
}

/// Those there are, with their names, the one that is always there first.
const CHOICES: [(&str, Choice); 3] = [("pairs", Choice::Pairs), ("split", Choice::Split), ("quads", Choice::Quads)];

/// The names of the kernels to choose from here: `pairs`, and with relaxed SIMD `split` and `quads`.
pub fn choices() -> &'static [&'static str] {
    if RELAXED_DOT { &["pairs", "split", "quads"] } else { &["pairs"] }
}

/// The choice of this name, if it is one of [`choices`].
pub fn choice(name: &str) -> Option<Choice> {
    let known = choices().contains(&name);
    CHOICES.iter().find(|&&(each, _)| known && each == name).map(|&(_, choice)| choice)
}

/// A small piece of integer work, to time one of the kernels by: see [`choices`]. Three linear layers: of 8-bit weights, of 4-bit
/// ones, which have to be unpacked, and of codes below zero.
pub struct Trial {
    layers: [Integer; 3],
    x: Vec<f32>,
    out: Vec<f32>,
    buffers: Buffers,
}

impl Trial {
    /// Multiply-adds of [`Trial::run`].
    pub const MACS: usize = 3 * Self::INPUTS * Self::ROWS * Self::BLOCKS * LANES;
    const INPUTS: usize = 256;
    const ROWS: usize = 96;
    const BLOCKS: usize = 4;

    /// The work for one of [`choices`]; nothing for any other name.
    pub fn new(name: &str) -> Option<Self> {
        let choice = choice(name)?;
        let shape = ConvShape {
            input: [Self::INPUTS, 1, 1],
            out_channels: Self::ROWS,
            kernel: [1, 1],
            stride: 1,
            padding: 0,
            groups: 1,
        };
        let layer = |most: i32, low: i32| {
            let weights: Vec<i32> =
                (0..(Self::INPUTS * Self::ROWS) as i32).map(|i| i * 37 % (2 * most + 1) - most).collect();
            Integer::new(shape, Steps { scale: 1.0, low, high: 127 }, &weights, choice)
        };
        let layers = [layer(127, 0)?, layer(7, 0)?, layer(127, -127)?];
        let x = (0..Self::INPUTS * Self::BLOCKS * LANES).map(|i| (i * 29 % 255) as f32 - 127.0).collect();
        let out = vec![0.0; Self::ROWS * Self::BLOCKS * LANES];
        Some(Self { layers, x, out, buffers: Buffers::default() })
    }

    /// Does the work once and gives the sum of its results, the same whatever the kernel.
    pub fn run(&mut self) -> f32 {
        let rescale = Rescale { bias: &[], scale: &[1.0; Self::ROWS] };
        let blocks: Vec<&[f32]> = self.x.chunks_exact(Self::INPUTS * LANES).collect();
        let mut total = 0.0;
        for layer in &self.layers {
            let mut outs: Vec<Plain<'_>> =
                self.out.chunks_exact_mut(Self::ROWS * LANES).map(|out| Plain::new(out, [1, 1])).collect();
            let mut sinks: Vec<&mut dyn RowSink> = outs.iter_mut().map(|out| out as &mut dyn RowSink).collect();
            layer.run_blocks(&blocks, &mut self.buffers, &rescale, &mut sinks);
            total += self.out.iter().sum::<f32>();
        }
        total
    }
}

macro_rules! ids {
    ($machine:literal) => {
        /// Kernels of 8-bit quads, by [`Way`] and the bits of a stored weight.
        const QUADS_IDS: [[&str; 3]; 3] = [
            [
                concat!($machine, "-i2i8i32-quads"),
                concat!($machine, "-i4i8i32-quads"),
                concat!($machine, "-i8i8i32-quads"),
            ],
            [
                concat!($machine, "-i2i8i32-split"),
                concat!($machine, "-i4i8i32-split"),
                concat!($machine, "-i8i8i32-split"),
            ],
            [
                concat!($machine, "-i2i8i16-burst"),
                concat!($machine, "-i4i8i16-burst"),
                concat!($machine, "-i8i8i16-burst"),
            ],
        ];
        /// Kernels of [`I16Pairs`], by the bits of a stored weight.
        const PAIRS_IDS: [&str; 4] = [
            concat!($machine, "-i2i16i32-pairs"),
            concat!($machine, "-i4i16i32-pairs"),
            concat!($machine, "-i8i16i32-pairs"),
            concat!($machine, "-i16i16i32-pairs"),
        ];
        /// The kernel of [`Winograd`], which stores weights and codes in 16 bits.
        const WINOGRAD_ID: &str = concat!($machine, "-i16i16i32-winograd");
        /// The kernel of inputs or weights past 16 bits.
        pub const PLAIN_ID: &str = concat!($machine, "-i32i32i32");
    };
}
#[cfg(target_arch = "wasm32")]
ids!("wasm");
#[cfg(not(target_arch = "wasm32"))]
ids!("native");

/// The choice for layers prepared from now on, as its place in [`CHOICES`].
static CHOSEN: AtomicU8 = AtomicU8::new(if RELAXED_DOT { 1 } else { 0 });

/// Sets the kernel for layers prepared from now on, where weights and inputs allow it; pairs serve where they do not. Results
/// are the same. What there is no instruction for here ([`choices`]) is left alone.
pub fn choose(choice: Choice) {
    if choice == Choice::Pairs || RELAXED_DOT {
        let place = CHOICES.iter().position(|&(_, each)| each == choice).unwrap_or(0);
        CHOSEN.store(place as u8, Ordering::Relaxed);
    }
}

/// The kernel for layers prepared now.
pub fn chosen() -> Choice {
    CHOICES[usize::from(CHOSEN.load(Ordering::Relaxed)) % CHOICES.len()].1
}

/// How sums of 8-bit quads are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Quads,
    Split,
    /// So many vectors are summed in 16 bits before the sums are widened.
    Burst(usize),
}

impl Way {
    /// Fewest vectors that are worth widening for.
    const LEAST: usize = 4;

    /// The way for a choice: bursts where the weights are small enough and runs of vectors long enough.
    fn new(choice: Choice, weights: &[i32], layout: &Layout<I8Quads>) -> Self {
        if choice == Choice::Quads {
            return Self::Quads;
        }
        // A vector adds two products of a weight and 0…127 to each sum.
        let most = weights.iter().map(|w| w.unsigned_abs() as usize).max().unwrap_or(0);
        let fit = (i16::MAX as usize) / (2 * 127 * most.max(1));
        if fit.min(layout.run) >= Self::LEAST && layout.hop == 1 { Self::Burst(fit) } else { Self::Split }
    }

    fn sweep(
        self,
        packed: &Packed<I8Quads>,
        tiles: &[Tile],
        codes: &[i32],
        panel: &mut Vec<i32>,
        rescale: &Rescale<'_>,
        sinks: &mut [&mut dyn RowSink],
    ) {
        match self {
            Self::Quads => {
                let tiles = &tiles[nibbles::sweep(packed, tiles, codes, panel, rescale, sinks)..];
                sweep::sweep::<_, I8Quads>(packed, tiles, codes, panel, 0, rescale, sinks);
            }
            Self::Split => sweep::sweep::<_, I8Split>(packed, tiles, codes, panel, 0, rescale, sinks),
            Self::Burst(most) => sweep::sweep::<_, I8Burst>(packed, tiles, codes, panel, most, rescale, sinks),
        }
    }

    /// Its place in the list of ids.
    fn index(self) -> usize {
        match self {
            Self::Quads => 0,
            Self::Split => 1,
            Self::Burst(_) => 2,
        }
    }
}

/// A linear layer or convolution over integers, ready to run.
///
/// With quads it holds its weights for them, and makes those for pairs when it first meets a block with a negative code, unless
/// quads can have those.
pub struct Integer {
    shape: ConvShape,
    steps: Steps,
    quads: Option<(Packed<I8Quads>, Way)>,
    /// What quads sum too much of each row when codes are raised by 128; empty where they are not.
    raised: Vec<i32>,
    /// Where quads take codes in 0…127 and small weights.
    strassen: Option<Strassen>,
    pairs: OnceLock<Packed<I16Pairs>>,
    /// In place of the others.
    winograd: Option<Winograd>,
}

/// What [`Integer::run`] overwrites.
#[derive(Debug, Default)]
pub struct Buffers {
    /// The blocks' codes, laid out.
    pub codes: Vec<i32>,
    /// The weights of one tile.
    pub panel: Vec<i32>,
    /// What is multiplied in place of codes and weights where products are fewer.
    pub tiles: Vec<i32>,
    /// The biases less what raised codes sum too much.
    pub bias: Vec<i32>,
}

/// All four codes of a word raised by 128, from i8 to unsigned bytes.
const RAISE: i32 = 0x8080_8080_u32.cast_signed();

impl Integer {
    /// Packs row-major weights `[out][in / groups][ky][kx]` for inputs on the grid of `steps`, or gives nothing when weights
    /// or inputs need more than 16 bits. A linear layer of k inputs is a 1×1 convolution over one position of k channels.
    /// `choice` is the kernel to use wherever weights and inputs allow it.
    pub fn new(shape: ConvShape, steps: Steps, weights: &[i32], choice: Choice) -> Option<Self> {
        let narrow = |v: &i32| i16::try_from(*v).is_ok();
        let symmetric = i32::from(i16::MAX);
        if steps.low < -symmetric || steps.high > symmetric || !weights.iter().all(narrow) {
            return None;
        }
        let pairs = OnceLock::new();
        // It runs on pairs: where quads are faster than those, they are about as fast as it.
        let winograd = if choice == Choice::Quads { None } else { Winograd::new(shape, &steps, weights) };
        if winograd.is_some() {
            return Some(Self { shape, steps, quads: None, raised: Vec::new(), strassen: None, pairs, winograd });
        }
        let narrow = steps.high <= 127 && weights.iter().all(|w| i8::try_from(*w).is_ok());
        let quads = (choice != Choice::Pairs && narrow)
            .then(|| {
                let packed = Packed::new(shape, weights);
                let way = Way::new(choice, weights, packed.layout());
                (packed, way)
            })
            // A step of split quads costs as much as one and a half of pairs, and with few channels it is not full.
            .filter(|(packed, way)| {
                *way != Way::Split || 3 * packed.layout().steps() < 2 * Layout::<I16Pairs>::new(shape).steps()
            });
        if quads.is_none() {
            pairs.get_or_init(|| Packed::new(shape, weights));
        }
        let below = (i32::from(i8::MIN)..0).contains(&steps.low);
        let raised = match &quads {
            Some((_, Way::Quads)) if below && whole_bytes() => {
                weights.chunks_exact(shape.taps()).map(|row| row.iter().sum::<i32>().wrapping_mul(128)).collect()
            }
            _ => Vec::new(),
        };
        let strassen = match &quads {
            Some((packed, Way::Quads)) if whole_bytes() => Strassen::new(packed.layout(), weights),
            _ => None,
        };
        Some(Self { shape, steps, quads, raised, strassen, pairs, winograd })
    }

    /// The kernel that runs: weights and inputs by their bits, sums, and the instruction.
    pub fn id(&self) -> &'static str {
        if self.winograd.is_some() {
            return WINOGRAD_ID;
        }
        match (&self.quads, self.pairs.get()) {
            (Some((quads, way)), None) => QUADS_IDS[way.index()][quads.width_index().min(2)],
            (_, pairs) => PAIRS_IDS[pairs.map_or(0, Packed::width_index)],
        }
    }

    /// The grid of its inputs.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Takes one block `[channel][y][x][lane]`, rounded already or not, and gives `rescale` of every sum to the sink.
    pub fn run<T: Input>(&self, x: &[T], buffers: &mut Buffers, rescale: &Rescale<'_>, sink: &mut dyn RowSink) {
        self.run_blocks(&[x], buffers, rescale, &mut [sink]);
    }

    /// The same for several blocks, each with its sink: weights are unpacked once for all of them.
    pub fn run_blocks<T: Input>(
        &self,
        blocks: &[&[T]],
        buffers: &mut Buffers,
        rescale: &Rescale<'_>,
        sinks: &mut [&mut dyn RowSink],
    ) {
        if let Some(winograd) = &self.winograd {
            return winograd.run_blocks(&self.steps, blocks, buffers, rescale, sinks);
        }
        let Buffers { codes, panel, bias, tiles } = buffers;
        if let (Some((quads, way)), None) = (&self.quads, self.pairs.get()) {
            if !quads.layout().arrange_blocks(&self.steps, blocks, codes) {
                return self.sweep_positive((quads, *way), codes, [panel, tiles, bias], rescale, sinks);
            }
            if !self.raised.is_empty() {
                codes.iter_mut().for_each(|word| *word ^= RAISE);
                let rescale = self.less_raised(rescale, bias);
                return way.sweep(quads, quads.tiles(), codes, panel, &rescale, sinks);
            }
        }
        let pairs = self.pairs();
        pairs.layout().arrange_blocks(&self.steps, blocks, codes);
        sweep::sweep::<_, I16Pairs>(pairs, pairs.tiles(), codes, panel, 0, rescale, sinks);
    }

    /// Blocks of codes in 0…127.
    fn sweep_positive(
        &self,
        (quads, way): (&Packed<I8Quads>, Way),
        codes: &[i32],
        buffers: [&mut Vec<i32>; 3],
        rescale: &Rescale<'_>,
        sinks: &mut [&mut dyn RowSink],
    ) {
        let [panel, made, bias] = buffers;
        let [blocks, tiles] = match &self.strassen {
            Some(strassen) => strassen.sweep(quads, codes, [&mut *panel, made, bias], rescale, sinks),
            None => [0, 0],
        };
        // What is left: the last tiles of those blocks, and all tiles of the last block.
        let (codes, last_codes) = codes.split_at(blocks * quads.layout().block_len() * LANES);
        let (sinks, last_sinks) = sinks.split_at_mut(blocks);
        way.sweep(quads, &quads.tiles()[tiles..], codes, panel, rescale, sinks);
        way.sweep(quads, quads.tiles(), last_codes, panel, rescale, last_sinks);
    }
}

impl Integer {
    /// Takes blocks of codes `[inputs / 4][lane]`, four in a word, first in the low bits, for a linear layer of a multiple of four inputs,
    /// and gives `rescale` of every sum to the sinks.
    ///
    /// # Panics
    /// For any other layer.
    pub fn run_words(
        &self,
        words: &[i32],
        buffers: &mut Buffers,
        rescale: &Rescale<'_>,
        sinks: &mut [&mut dyn RowSink],
    ) {
        assert!(self.shape.taps().is_multiple_of(4) && self.shape.is_linear());
        let Buffers { codes, panel, bias, tiles } = buffers;
        let all = words.as_chunks::<LANES>().0;
        let any = all.iter().fold(I32x8::splat(0), |any, word| any.or(I32x8::load(word)));
        let negative = any.to_array().iter().any(|word| word & RAISE != 0);
        if let Some((quads, way)) = &self.quads {
            if !negative {
                return self.sweep_positive((quads, *way), words, [panel, tiles, bias], rescale, sinks);
            }
            if !self.raised.is_empty() {
                codes.clear();
                codes.extend(words.iter().map(|word| word ^ RAISE));
                let rescale = self.less_raised(rescale, bias);
                return way.sweep(quads, quads.tiles(), codes, panel, &rescale, sinks);
            }
        }
        codes.resize(2 * words.len(), 0);
        for (word, pairs) in all.iter().zip(codes.as_chunks_mut::<LANES>().0.as_chunks_mut::<2>().0) {
            let [first, last] = pairs;
            quads_to_pairs(word, first, last);
        }
        let pairs = self.pairs();
        sweep::sweep::<_, I16Pairs>(pairs, pairs.tiles(), codes, panel, 0, rescale, sinks);
    }

    /// What becomes of the sums of raised codes.
    fn less_raised<'a>(&self, rescale: &Rescale<'a>, bias: &'a mut Vec<i32>) -> Rescale<'a> {
        bias.clear();
        let own = |row: usize| rescale.bias.get(row).copied().unwrap_or(0);
        bias.extend(self.raised.iter().enumerate().map(|(row, much)| own(row).wrapping_sub(*much)));
        Rescale { bias, scale: rescale.scale }
    }

    /// The weights for pairs.
    fn pairs(&self) -> &Packed<I16Pairs> {
        self.pairs.get_or_init(|| match &self.quads {
            Some((quads, _)) => Packed::new(self.shape, &quads.unpack()),
            None => Packed::new(self.shape, &[]),
        })
    }
}

/// Runs codes that already are in the layout of `packed` (see [`Layout::arrange`]).
pub fn sweep<V: Dot>(packed: &Packed<V>, codes: &[i32], panel: &mut Vec<i32>, rescale: &Rescale<'_>, out: &mut [f32]) {
    let [_, height, width] = packed.layout().shape.output();
    sweep::sweep::<V, V>(
        packed,
        packed.tiles(),
        codes,
        panel,
        0,
        rescale,
        &mut [&mut Plain::new(out, [height, width])],
    );
}

impl Rescale<'_> {
    /// The f32 of eight sums of one row.
    #[inline(always)]
    fn finish(&self, row: usize, sums: crate::simd::I32x8, out: &mut [f32; LANES]) {
        Epilogue::<crate::simd::I32x8>::write(self, row, sums, out);
    }
}
