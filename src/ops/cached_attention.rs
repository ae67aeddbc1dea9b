//! One step of causal self-attention against kept keys and values (Pope et al. 2022, arXiv 2211.05102, section 2.1).

use super::{BlockGradient, Layer, LayerParams, Op, Scratch};
use crate::kernels::softmax::{softmax, softmax_one};
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// `[3·width×1×1], [n] -> [width×1×1]`: the first input holds query, key and value of the token at hand, the second the
/// step's inputs: value 1 is the token's position, and from `offset` on stand the keys and then the values of all earlier
/// tokens, each `[width×tokens]`. The same sums in the same order as [`super::CausalAttention`] over all tokens, so the
/// same bits. All lanes are at the same position, that of lane 0; one past the last counts as the last.
#[derive(Clone, Copy, Debug)]
pub struct CachedAttention {
    /// Heads; they divide the width.
    pub heads: usize,
    /// Tokens that the kept keys and values have room for.
    pub tokens: usize,
    /// Where the keys stand in the step's inputs.
    pub offset: usize,
}

struct Prepared {
    op: CachedAttention,
    /// Channels of all heads.
    channels: usize,
}

impl CachedAttention {
    fn channels(&self, inputs: &[&Shape]) -> Result<usize, TensorError> {
        let wanted = "[3·width×1×1] with a width that the heads divide, and inputs that hold keys and values";
        let [token, kept] = inputs else {
            return Err(TensorError::Unsupported { op: self.kind(), shape: Shape::new(&[inputs.len()])?, wanted });
        };
        if let [channels, 1, 1] = *token.dims()
            && self.heads > 0
            && self.tokens > 0
            && channels.is_multiple_of(3 * self.heads)
            && self.offset >= 2
            && kept.len() >= self.offset + 2 * channels / 3 * self.tokens
        {
            return Ok(channels / 3);
        }
        Err(TensorError::Unsupported { op: self.kind(), shape: (*token).clone(), wanted })
    }
}

impl Op for CachedAttention {
    fn kind(&self) -> &'static str {
        "cached_attention"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        Shape::new(&[self.channels(inputs)?, 1, 1])
    }

    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        // The last token's, which has the most to attend to.
        Ok((2 * self.channels(inputs)? * self.tokens) as u64)
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(Prepared { op: *self, channels: self.channels(inputs)? }))
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let (token, kept) = (inputs[0].as_chunks::<LANES>().0, inputs[1].as_chunks::<LANES>().0);
        let CachedAttention { heads, tokens, offset } = self.op;
        let at = (kept[1][0] as usize).min(tokens - 1);
        let all = self.channels * tokens;
        let (keys, values) = (&kept[offset..][..all], &kept[offset + all..][..all]);
        let width = self.channels / heads;
        let scale = F32x8::splat(1.0 / (width as f32).sqrt());
        let mut weights: Vec<F32x8> = Vec::with_capacity(at + 1);
        for (channel, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            if channel % width == 0 {
                weights.clear();
                weights.resize(at + 1, F32x8::splat(0.0));
                for c in channel..channel + width {
                    let query = F32x8::load(&token[c]);
                    let earlier = keys[c * tokens..][..at].iter().chain([&token[self.channels + c]]);
                    for (sum, key) in weights.iter_mut().zip(earlier) {
                        *sum = sum.add(query.mul(F32x8::load(key)));
                    }
                }
                softmax(&mut weights, scale);
            }
            let earlier = values[channel * tokens..][..at].iter().chain([&token[2 * self.channels + channel]]);
            let sum = weights
                .iter()
                .zip(earlier)
                .fold(F32x8::splat(0.0), |sum, (weight, value)| sum.add(weight.mul(F32x8::load(value))));
            sum.store(out);
        }
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], scratch: &mut Scratch) -> bool {
        let (token, kept) = (inputs[0], inputs[1]);
        let CachedAttention { heads, tokens, offset } = self.op;
        let at = (kept[1] as usize).min(tokens - 1);
        let all = self.channels * tokens;
        let (keys, values) = (&kept[offset..][..all], &kept[offset + all..][..all]);
        let width = self.channels / heads;
        let scale = 1.0 / (width as f32).sqrt();
        let weights = &mut scratch.values;
        for (channel, out) in out.iter_mut().enumerate() {
            if channel % width == 0 {
                weights.clear();
                weights.resize(at + 1, 0.0);
                for c in channel..channel + width {
                    let earlier = keys[c * tokens..][..at].iter().chain([&token[self.channels + c]]);
                    weights.iter_mut().zip(earlier).for_each(|(sum, key)| *sum += token[c] * key);
                }
                softmax_one(weights, scale);
            }
            let earlier = values[channel * tokens..][..at].iter().chain([&token[2 * self.channels + channel]]);
            *out = weights.iter().zip(earlier).fold(0.0, |sum, (weight, value)| sum + weight * value);
        }
        true
    }

    fn backward_inputs(&self, _: &BlockGradient<'_>, _: &mut [&mut [f32]], _: &mut Scratch) {
        // Steps write; they are never trained.
    }
}
