//! Exact integer sums by the machine's dot instructions: linear layers and convolutions of quantized inputs and weights.
//!
//! Two instructions serve, and both give the exact sum: products of 16-bit pairs (everywhere), and of 8-bit quads where the
//! second factor lies in 0…127 (WebAssembly's relaxed dot). A block's codes are laid out for one of them while they are
//! quantized ([`Layout`]); weights stay in as few bits as they need ([`Packed`]) and are unpacked a tile at a time.
//! One kernel then serves linear layers, convolutions and depthwise convolutions: sums of runs of neighbouring vectors.

mod layout;
mod packed;
mod sweep;

pub use layout::{Layout, Steps};
pub use packed::{Packed, TILE_ROWS};

use super::conv::ConvShape;
use super::{Epilogue, Plain, Rescale, RowSink};
use crate::simd::{Dot, I8Quads, I16Pairs, LANES, RELAXED_DOT};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The kernels to choose from here, the one that is always there first: `pairs`, and `quads` with relaxed SIMD.
pub fn choices() -> &'static [&'static str] {
    if RELAXED_DOT { &["pairs", "quads"] } else { &["pairs"] }
}

/// A small piece of integer work, to time one of the kernels by: see [`choices`].
pub struct Trial {
    layer: Integer,
    x: Vec<f32>,
    out: Vec<f32>,
    buffers: Buffers,
}

impl Trial {
    /// Multiply-adds of [`Trial::run`].
    pub const MACS: usize = Self::CHANNELS * Self::ROWS * Self::POSITIONS * LANES;
    const CHANNELS: usize = 256;
    const ROWS: usize = 32;
    const POSITIONS: usize = 16;

    /// The work for one of [`choices`]; nothing for any other name.
    pub fn new(choice: &str) -> Option<Self> {
        let quads = choices().iter().position(|&name| name == choice)? == 1;
        let shape = ConvShape {
            input: [Self::CHANNELS, 1, Self::POSITIONS],
            out_channels: Self::ROWS,
            kernel: [1, 1],
            stride: 1,
            padding: 0,
            groups: 1,
        };
        let weights: Vec<i32> = (0..(Self::CHANNELS * Self::ROWS) as i32).map(|i| i * 37 % 255 - 127).collect();
        let layer = Integer::new(shape, Steps { scale: 1.0, low: 0, high: 127 }, &weights, quads)?;
        let x = (0..Self::CHANNELS * Self::POSITIONS * LANES).map(|i| (i * 29 % 128) as f32).collect();
        let out = vec![0.0; Self::ROWS * Self::POSITIONS * LANES];
        Some(Self { layer, x, out, buffers: Buffers::default() })
    }

    /// Does the work once and gives the sum of its results, the same whatever the kernel.
    pub fn run(&mut self) -> f32 {
        let rescale = Rescale { bias: &[], scale: &[1.0; Self::ROWS] };
        let mut sink = Plain::new(&mut self.out, [1, Self::POSITIONS]);
        self.layer.run(&self.x, &mut self.buffers, &rescale, &mut sink);
        self.out.iter().sum()
    }
}

macro_rules! ids {
    ($machine:literal) => {
        /// Kernels of [`I8Quads`], by the bits of a stored weight.
        const QUADS_IDS: [&str; 3] = [
            concat!($machine, "-i2i8i32-quads"),
            concat!($machine, "-i4i8i32-quads"),
            concat!($machine, "-i8i8i32-quads"),
        ];
        /// Kernels of [`I16Pairs`], by the bits of a stored weight.
        const PAIRS_IDS: [&str; 4] = [
            concat!($machine, "-i2i16i32-pairs"),
            concat!($machine, "-i4i16i32-pairs"),
            concat!($machine, "-i8i16i32-pairs"),
            concat!($machine, "-i16i16i32-pairs"),
        ];
        /// The kernel of inputs or weights past 16 bits.
        pub const PLAIN_ID: &str = concat!($machine, "-i32i32i32");
    };
}
#[cfg(target_arch = "wasm32")]
ids!("wasm");
#[cfg(not(target_arch = "wasm32"))]
ids!("native");

/// Whether layers prepared from now on may use 8-bit quads.
static QUADS: AtomicBool = AtomicBool::new(RELAXED_DOT);

/// Chooses between the kernels for layers prepared from now on: quads where inputs and weights allow them, or pairs throughout.
/// Results are the same. Engines without a fast instruction for quads are better off with pairs.
pub fn use_quads(yes: bool) {
    QUADS.store(yes && RELAXED_DOT, Ordering::Relaxed);
}

/// Whether layers prepared now may use 8-bit quads.
pub fn uses_quads() -> bool {
    RELAXED_DOT && QUADS.load(Ordering::Relaxed)
}

/// A linear layer or convolution over integers, ready to run.
///
/// With quads it holds its weights for them, and makes those for pairs when it first meets a block with a negative code.
pub struct Integer {
    shape: ConvShape,
    steps: Steps,
    quads: Option<Packed<I8Quads>>,
    pairs: OnceLock<Packed<I16Pairs>>,
}

/// What [`Integer::run`] overwrites.
#[derive(Debug, Default)]
pub struct Buffers {
    /// The block's codes, laid out.
    pub codes: Vec<i32>,
    /// The weights of one tile.
    pub panel: Vec<i32>,
}

impl Integer {
    /// Packs row-major weights `[out][in / groups][ky][kx]` for inputs on the grid of `steps`, or gives nothing when weights
    /// or inputs need more than 16 bits. A linear layer of k inputs is a 1×1 convolution over one position of k channels.
    /// `quads` asks for the kernel of 8-bit quads wherever weights and inputs allow it.
    pub fn new(shape: ConvShape, steps: Steps, weights: &[i32], quads: bool) -> Option<Self> {
        let narrow = |v: &i32| i16::try_from(*v).is_ok();
        let symmetric = i32::from(i16::MAX);
        if steps.low < -symmetric || steps.high > symmetric || !weights.iter().all(narrow) {
            return None;
        }
        let quads = (quads && steps.high <= 127 && weights.iter().all(|w| i8::try_from(*w).is_ok()))
            .then(|| Packed::new(shape, weights));
        let pairs = OnceLock::new();
        if quads.is_none() {
            pairs.get_or_init(|| Packed::new(shape, weights));
        }
        Some(Self { shape, steps, quads, pairs })
    }

    /// The kernel that runs: weights and inputs by their bits, sums, and the instruction.
    pub fn id(&self) -> &'static str {
        match (&self.quads, self.pairs.get()) {
            (Some(quads), None) => QUADS_IDS[quads.width_index().min(2)],
            (_, pairs) => PAIRS_IDS[pairs.map_or(0, Packed::width_index)],
        }
    }

    /// Quantizes one block `[channel][y][x][lane]` and gives `rescale` of every sum to the sink.
    pub fn run(&self, x: &[f32], buffers: &mut Buffers, rescale: &Rescale<'_>, sink: &mut dyn RowSink) {
        if let (Some(quads), None) = (&self.quads, self.pairs.get()) {
            let negative = quads.layout().arrange(&self.steps, x, &mut buffers.codes);
            if !negative {
                return sweep::sweep(quads, &buffers.codes, &mut buffers.panel, rescale, sink);
            }
        }
        let pairs = self.pairs.get_or_init(|| match &self.quads {
            Some(quads) => Packed::new(self.shape, &quads.unpack()),
            None => Packed::new(self.shape, &[]),
        });
        pairs.layout().arrange(&self.steps, x, &mut buffers.codes);
        sweep::sweep(pairs, &buffers.codes, &mut buffers.panel, rescale, sink);
    }
}

/// Runs codes that already are in the layout of `packed` (see [`Layout::arrange`]).
pub fn sweep<V: Dot>(packed: &Packed<V>, codes: &[i32], panel: &mut Vec<i32>, rescale: &Rescale<'_>, out: &mut [f32]) {
    let [_, height, width] = packed.layout().shape.output();
    sweep::sweep(packed, codes, panel, rescale, &mut Plain::new(out, [height, width]));
}

impl Rescale<'_> {
    /// The f32 of eight sums of one row.
    #[inline(always)]
    fn finish(&self, row: usize, sums: crate::simd::I32x8, out: &mut [f32; LANES]) {
        Epilogue::<crate::simd::I32x8>::write(self, row, sums, out);
    }
}
