//! A rotation of channels by a (block-)Hadamard matrix (Ashkboos et al. 2024, QuaRot, arXiv 2404.00456).

use super::{BlockGradient, Layer, LayerParams, Op, Scratch, only};
use crate::simd::LANES;
use crate::tensor::{Shape, TensorError};

/// Every `size` neighbouring channels, a power of two, become H·x / √size, H the Hadamard matrix of Sylvester's construction. It is its
/// own inverse. Computed by the fast Walsh–Hadamard transform: pairs 1 apart, then 2, 4 …, each a sum and a difference in f32; then
/// one product with 1/√size.
#[derive(Clone, Copy, Debug)]
pub struct Hadamard {
    /// Channels of a block.
    pub size: usize,
}

struct Prepared {
    size: usize,
    /// Values of a channel.
    positions: usize,
}

/// Transforms rows of `width` values in place, every `size` of them together.
fn transform(values: &mut [f32], size: usize, width: usize) {
    let scale = 1.0 / (size as f32).sqrt();
    for block in values.chunks_exact_mut(size * width) {
        let mut apart = 1;
        while apart < size {
            for pair in block.chunks_exact_mut(2 * apart * width) {
                let (low, high) = pair.split_at_mut(apart * width);
                for (low, high) in low.iter_mut().zip(high) {
                    (*low, *high) = (*low + *high, *low - *high);
                }
            }
            apart *= 2;
        }
        block.iter_mut().for_each(|value| *value *= scale);
    }
}

impl Hadamard {
    /// The largest block that divides so many channels.
    pub fn largest(channels: usize) -> usize {
        1 << channels.trailing_zeros().min(usize::BITS - 1)
    }

    fn prepared(self, inputs: &[&Shape]) -> Result<Prepared, TensorError> {
        let input = only(self.kind(), inputs)?;
        match input.dims() {
            [channels, rest @ ..] if self.size.is_power_of_two() && channels.is_multiple_of(self.size) => {
                Ok(Prepared { size: self.size, positions: rest.iter().product() })
            }
            _ => {
                let wanted = "channels that the block, a power of two, divides";
                Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted })
            }
        }
    }
}

impl Op for Hadamard {
    fn kind(&self) -> &'static str {
        "hadamard"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        self.prepared(inputs)?;
        only(self.kind(), inputs).cloned()
    }

    /// A sum for each value and stage, and the product at the end.
    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        Ok(only(self.kind(), inputs)?.len() as u64 * u64::from(self.size.ilog2() + 1))
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(self.prepared(inputs)?))
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
        transform(out, self.size, self.positions * LANES);
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) -> bool {
        out.copy_from_slice(inputs[0]);
        transform(out, self.size, self.positions);
        true
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], scratch: &mut Scratch) {
        scratch.values.clear();
        scratch.values.extend_from_slice(block.gradient);
        transform(&mut scratch.values, self.size, self.positions * LANES);
        grads[0].iter_mut().zip(&scratch.values).for_each(|(to, from)| *to += from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_the_matrix_and_its_own_inverse() {
        let size = 8;
        let values: Vec<f32> = (0..2 * size).map(|i| (i * i % 7) as f32 - 2.5).collect();
        let mut found = values.clone();
        transform(&mut found, size, 1);
        for (block, found) in values.chunks(size).zip(found.chunks(size)) {
            for (row, found) in found.iter().enumerate() {
                // Sylvester: the sign is the parity of the common bits.
                let sign = |column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
                let wanted = block.iter().enumerate().map(|(c, v)| sign(c) * v).sum::<f32>() / (size as f32).sqrt();
                assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
            }
        }
        transform(&mut found, size, 1);
        assert!(found.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!([1, 6, 96, 784].map(Hadamard::largest), [1, 2, 32, 16]);
    }
}
