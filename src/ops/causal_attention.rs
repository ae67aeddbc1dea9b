//! Causal self-attention with several heads (Vaswani et al. 2017, arXiv 1706.03762).

use super::flow::{count, numbers};
use super::{BlockGradient, CachedAttention, Flow, Layer, LayerParams, Op, Scratch, only};
use crate::kernels::softmax::softmax;
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};
use std::sync::Arc;

/// `[3·width×tokens×1] -> [width×tokens×1]`: queries, keys and values stand one after the other in the channels. Token `t` attends to
/// tokens `0..=t`: `out_t = Σ_s softmax_s(q_t · k_s / √(width / heads)) · v_s`.
#[derive(Clone, Copy, Debug)]
pub struct CausalAttention {
    /// Heads; they divide the width.
    pub heads: usize,
}

struct Prepared {
    heads: usize,
    /// Channels of one head.
    width: usize,
    tokens: usize,
}

impl CausalAttention {
    fn sizes(self, inputs: &[&Shape]) -> Result<Prepared, TensorError> {
        let input = only(self.kind(), inputs)?;
        let [channels, tokens, one] = input.chw(self.kind())?;
        if one == 1 && self.heads > 0 && channels.is_multiple_of(3 * self.heads) {
            return Ok(Prepared { heads: self.heads, width: channels / 3 / self.heads, tokens });
        }
        let wanted = "[3·width × tokens × 1] with a width that the heads divide";
        Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted })
    }
}

impl Op for CausalAttention {
    fn kind(&self) -> &'static str {
        "causal_attention"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let Prepared { heads, width, tokens } = self.sizes(inputs)?;
        Shape::new(&[heads * width, tokens, 1])
    }

    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        let Prepared { heads, width, tokens } = self.sizes(inputs)?;
        // Scores and sums of values, each over tokens·(tokens + 1) / 2 pairs.
        Ok((heads * width * tokens * (tokens + 1)) as u64)
    }

    /// Heads go whole, with their queries, keys and values.
    fn flow(&self, inputs: &[&Shape]) -> Flow {
        let Ok(Prepared { heads, width, .. }) = self.sizes(inputs) else { return Flow::Mixed };
        let output = numbers(heads * width, width);
        Flow::Tied { inputs: vec![output.repeat(3)], output }
    }

    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Self { heads: self.heads * count(kept) / kept.len().max(1) }))
    }

    fn step(&self, tokens: usize, offset: usize) -> Option<Arc<dyn Op>> {
        Some(Arc::new(CachedAttention { heads: self.heads, tokens, offset }))
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(self.sizes(inputs)?))
    }
}

/// One head of a block: its queries, keys and values, `[channel][token]`.
struct Head<'a> {
    q: &'a [[f32; LANES]],
    k: &'a [[f32; LANES]],
    v: &'a [[f32; LANES]],
}

impl Prepared {
    fn head<'a>(&self, block: &'a [f32], head: usize) -> Head<'a> {
        let (one, all) = (self.width * self.tokens, self.heads * self.width * self.tokens);
        let part = |i: usize| &block.as_chunks::<LANES>().0[i * all + head * one..][..one];
        Head { q: part(0), k: part(1), v: part(2) }
    }

    fn scale(&self) -> F32x8 {
        F32x8::splat(1.0 / (self.width as f32).sqrt())
    }

    /// `Σ_c a[c][at] · b[c][s]` for every `s ≤ last`, channels ascending.
    fn dots(&self, a: &[[f32; LANES]], at: usize, b: &[[f32; LANES]], last: usize, out: &mut Vec<F32x8>) {
        out.clear();
        out.resize(last + 1, F32x8::splat(0.0));
        for (a, b) in a.chunks_exact(self.tokens).zip(b.chunks_exact(self.tokens)) {
            let a = F32x8::load(&a[at]);
            for (sum, b) in out.iter_mut().zip(b) {
                *sum = sum.add(a.mul(F32x8::load(b)));
            }
        }
    }

    /// The weights with which token `t` attends to tokens `0..=t`: terms e^(x − max) and their sum in token order.
    fn weights(&self, head: &Head<'_>, t: usize, out: &mut Vec<F32x8>) {
        self.dots(head.q, t, head.k, t, out);
        softmax(out, self.scale());
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let mut weights = Vec::new();
        let heads = out.as_chunks_mut::<LANES>().0.chunks_exact_mut(self.width * self.tokens);
        for (index, out) in heads.enumerate() {
            let head = self.head(inputs[0], index);
            for t in 0..self.tokens {
                self.weights(&head, t, &mut weights);
                for (out, v) in out.chunks_exact_mut(self.tokens).zip(head.v.chunks_exact(self.tokens)) {
                    let sum = weights
                        .iter()
                        .zip(v)
                        .fold(F32x8::splat(0.0), |sum, (weight, v)| sum.add(weight.mul(F32x8::load(v))));
                    sum.store(&mut out[t]);
                }
            }
        }
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let (mut weights, mut slopes) = (Vec::new(), Vec::new());
        let (one, tokens) = (self.width * self.tokens, self.tokens);
        let gradient = block.gradient.as_chunks::<LANES>().0;
        let grad = grads[0].as_chunks_mut::<LANES>().0;
        let (grad_q, rest) = grad.split_at_mut(self.heads * one);
        let (grad_k, grad_v) = rest.split_at_mut(self.heads * one);
        let add = |cell: &mut [f32; LANES], by: F32x8| F32x8::load(cell).add(by).store(cell);
        for index in 0..self.heads {
            let head = self.head(block.inputs[0], index);
            let own = index * one..(index + 1) * one;
            let gradient = &gradient[own.clone()];
            for t in 0..tokens {
                self.weights(&head, t, &mut weights);
                self.dots(gradient, t, head.v, t, &mut slopes);
                let mean = weights.iter().zip(&slopes).fold(F32x8::splat(0.0), |sum, (w, s)| sum.add(w.mul(*s)));
                let mean = mean.mul(F32x8::splat(-1.0));
                for (slope, weight) in slopes.iter_mut().zip(&weights) {
                    *slope = weight.mul(slope.add(mean)).mul(self.scale());
                }
                for channel in 0..self.width {
                    let row = channel * tokens;
                    let (q, g) = (F32x8::load(&head.q[row + t]), F32x8::load(&gradient[row + t]));
                    let keys = slopes.iter().zip(&head.k[row..]);
                    let by_q = keys.fold(F32x8::splat(0.0), |sum, (slope, k)| sum.add(slope.mul(F32x8::load(k))));
                    add(&mut grad_q[own.start + row + t], by_q);
                    let cells = grad_k[own.start + row..].iter_mut().zip(&mut grad_v[own.start + row..]);
                    for ((k, v), (slope, weight)) in cells.zip(slopes.iter().zip(&weights)) {
                        add(k, slope.mul(q));
                        add(v, weight.mul(g));
                    }
                }
            }
        }
    }
}
