//! A kernel alone, on blocks as the engine keeps them: no rows to turn into lanes, nothing copied.

use super::{Description, Deviation, Workload};
use crate::kernels::linear::{linear, pack};
use crate::kernels::pack::Packed;
use crate::kernels::{AddBias, reference};
use crate::rng::Rng;
use crate::simd::{F32x8, LANES};

/// The product of a square f32 matrix with as many inputs, in blocks `[k][lane]`.
pub(super) struct Product {
    size: usize,
    weights: Vec<f32>,
    packed: Packed<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Product {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let mut rng = Rng::stream(seed, "measure", 0);
        let mut draw = || (0..size * size).map(|_| rng.uniform(-1.0, 1.0)).collect::<Vec<f32>>();
        let (weights, input) = (draw(), draw());
        let packed = pack(&weights, size, size);
        Self { size, weights, packed, output: vec![0.0; input.len()], input }
    }
}

impl Workload for Product {
    fn describe(&self) -> Description {
        let size = self.size;
        let macs = (size * size * size) as u64;
        Description { macs, bytes: (size * size * 4) as u64, batch: 1, input: vec![1], outputs: LANES }
    }

    fn input(&self) -> &[f32] {
        &[]
    }

    fn run(&mut self, _: &[f32]) -> &[f32] {
        let len = self.size * LANES;
        for (x, out) in self.input.chunks_exact(len).zip(self.output.chunks_exact_mut(len)) {
            linear::<F32x8>(&self.packed, x, &AddBias(&[]), out);
        }
        &self.output[..LANES]
    }

    fn check(&self) -> Deviation {
        let len = self.size * LANES;
        let lane = |values: &[f32], lane: usize| -> Vec<f32> {
            values.as_chunks::<LANES>().0.iter().map(|lanes| lanes[lane]).collect()
        };
        let last = self.size / LANES - 1;
        let same = [(0, 0), (last, LANES - 1)].into_iter().all(|(block, at)| {
            let part = block * len..(block + 1) * len;
            let wanted = reference::linear(&self.weights, &[], &lane(&self.input[part.clone()], at));
            let found = lane(&self.output[part], at);
            wanted.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits())
        });
        Deviation { found: f64::from(u8::from(!same)), allowed: 0.0 }
    }
}
