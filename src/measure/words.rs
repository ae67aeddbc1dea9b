//! A product of codes: what an integer layer does when another one hands it codes, with rows of codes in and rows of f32 out.

use super::networks::product;
use super::run::{Numbers, Run, fault};
use super::{Description, Deviation, LayerDescription, Workload};
use crate::error::CoreError;
use crate::graph::LayerArithmetic;
use crate::kernels::conv::ConvShape;
use crate::kernels::integer::{Buffers, Integer, Steps, chosen};
use crate::kernels::{Plain, Rescale, RowSink};
use crate::math::round_ties_even;
use crate::ops::InputGrid;
use crate::simd::{LANES, from_lanes, to_lanes};

/// Blocks that share their unpacked weights.
const BLOCKS: usize = 8;

pub(super) struct Words {
    run: Run,
    size: usize,
    layer: Integer,
    grid: InputGrid,
    bias: Vec<i32>,
    scale: Vec<f32>,
    words: Vec<i32>,
    lanes: Vec<i32>,
    sums: Vec<f32>,
    buffers: Buffers,
}

/// Values as codes, four in a word, first in the low bits.
fn packed(grid: &InputGrid, values: &[f32]) -> Vec<i32> {
    let mut codes = Vec::new();
    grid.codes(values, &mut codes);
    codes.as_chunks::<4>().0.iter().map(|four| i32::from_le_bytes(four.map(|code| code as u8))).collect()
}

impl Words {
    /// `size` rows of as many inputs, times a square matrix.
    pub(super) fn boxed(size: usize, numbers: Numbers, seed: u64) -> Result<Box<dyn Workload>, CoreError> {
        let run = Run::new(product(size), size, numbers, seed)?;
        let LayerArithmetic::Integer { grid, weights, scales } = &run.arithmetic[0] else {
            return Err(fault("no integers"));
        };
        let shape =
            ConvShape { input: [size, 1, 1], out_channels: size, kernel: [1, 1], stride: 1, padding: 0, groups: 1 };
        let steps = Steps { scale: grid.scale, low: grid.low, high: grid.high };
        let layer = Integer::new(shape, steps, weights, chosen()).ok_or_else(|| fault("no kernel"))?;
        let scale: Vec<f32> = scales.iter().map(|scale| scale * grid.scale).collect();
        let biases = run.parameters[1].data().iter().zip(&scale);
        let bias = biases.map(|(bias, scale)| round_ties_even(bias / scale) as i32).collect();
        let (grid, len) = (*grid, size * LANES * BLOCKS);
        let (lanes, sums) = (vec![0; len / 4], vec![0.0; len]);
        let mut codes = Vec::new();
        grid.codes(run.input(), &mut codes);
        let words =
            codes.as_chunks::<4>().0.iter().map(|four| i32::from_le_bytes(four.map(|code| code as u8))).collect();
        Ok(Box::new(Self { run, size, layer, grid, bias, scale, words, lanes, sums, buffers: Buffers::default() }))
    }
}

impl Workload for Words {
    fn describe(&self) -> Description {
        self.run.describe()
    }

    fn input(&self) -> &[f32] {
        self.run.input()
    }

    fn run(&mut self, input: &[f32]) -> &[f32] {
        self.run_words(&packed(&self.grid, input))
    }

    fn words(&self) -> &[i32] {
        &self.words
    }

    fn run_words(&mut self, words: &[i32]) -> &[f32] {
        let rescale = Rescale { bias: &self.bias, scale: &self.scale };
        let (inputs, block) = (self.size / 4, self.size * LANES);
        let chunks = words.chunks(inputs * LANES * BLOCKS).zip(self.run.output.chunks_mut(block * BLOCKS));
        for (words, out) in chunks {
            let count = words.len() / (inputs * LANES);
            for (words, lanes) in words.chunks(inputs * LANES).zip(self.lanes.chunks_mut(inputs * LANES)) {
                let mut rows: [&[i32]; LANES] = [&[]; LANES];
                rows.iter_mut().zip(words.chunks_exact(inputs)).for_each(|(row, words)| *row = words);
                to_lanes(&rows, lanes);
            }
            let mut outs: Vec<Plain<'_>> =
                self.sums.chunks_mut(block).take(count).map(|out| Plain::new(out, [1, 1])).collect();
            let mut sinks: Vec<&mut dyn RowSink> = outs.iter_mut().map(|out| out as &mut dyn RowSink).collect();
            let lanes = &self.lanes[..count * inputs * LANES];
            self.layer.run_words(lanes, &mut self.buffers, &rescale, &mut sinks);
            for (sums, out) in self.sums.chunks(block).zip(out.chunks_mut(block)) {
                from_lanes(sums, self.size, out);
            }
        }
        &self.run.output
    }

    fn check(&self) -> Deviation {
        self.run.check()
    }

    fn layers(&self) -> Vec<LayerDescription> {
        self.run.layers()
    }

    fn parameter(&self, index: usize) -> &[f32] {
        self.run.parameter(index)
    }

    fn levels(&self, layer: usize) -> Option<(&[i32], &[f32])> {
        self.run.levels(layer)
    }
}
