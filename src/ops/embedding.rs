//! Embedding: every token's own vector, plus one of its position.

use super::flow::count;
use super::{BlockGradient, CachedEmbedding, Flow, Init, Layer, LayerParams, Op, ParamSpec, Scratch, only};
use crate::simd::{LANES, sum_lanes};
use crate::tensor::{Shape, TensorError};
use std::sync::Arc;

/// `[tokens] -> [width×tokens×1]`, `weight` `[vocabulary×width]`, `position` `[tokens×width]`. Tokens are whole numbers below
/// `vocabulary`; others are taken as 0.
///
/// Source: learned positions as in Radford et al. 2018, Improving Language Understanding by Generative Pre-Training.
#[derive(Clone, Copy, Debug)]
pub struct Embedding {
    /// Number of tokens there are.
    pub vocabulary: usize,
    /// Values of a token's vector.
    pub width: usize,
}

struct Prepared {
    op: Embedding,
    tokens: usize,
    weight: Vec<f32>,
    position: Vec<f32>,
}

impl Embedding {
    fn tokens(self, inputs: &[&Shape]) -> Result<usize, TensorError> {
        only(self.kind(), inputs).map(Shape::len)
    }

    fn token(self, value: f32) -> usize {
        let token = value as usize;
        if token < self.vocabulary { token } else { 0 }
    }
}

impl Op for Embedding {
    fn kind(&self) -> &'static str {
        "embedding"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        Shape::new(&[self.width, self.tokens(inputs)?, 1])
    }

    fn params(&self, inputs: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        let spec = |name, rows| {
            let shape = Shape::new(&[rows, self.width])?;
            Ok(ParamSpec { name, shape, init: Init::HeUniform { fan_in: EMBEDDING_FAN_IN }, trained: true })
        };
        Ok(vec![spec("weight", self.vocabulary)?, spec("position", self.tokens(inputs)?)?])
    }

    fn flow(&self, _: &[&Shape]) -> Flow {
        Flow::New { axis: 1 }
    }

    fn narrowed(&self, kept: &[bool]) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Self { width: count(kept), ..*self }))
    }

    fn step(&self, tokens: usize, _: usize) -> Option<Arc<dyn Op>> {
        Some(Arc::new(CachedEmbedding { embedding: *self, tokens }))
    }

    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let tokens = self.tokens(inputs)?;
        match params.tensors {
            [weight, position]
                if weight.shape().dims() == [self.vocabulary, self.width]
                    && position.shape().dims() == [tokens, self.width] =>
            {
                let (weight, position) = (weight.data().to_vec(), position.data().to_vec());
                Ok(Box::new(Prepared { op: *self, tokens, weight, position }))
            }
            _ => Err(TensorError::Unsupported {
                op: self.kind(),
                shape: self.output(inputs)?,
                wanted: "a weight and a position for every token",
            }),
        }
    }
}

/// Uniform in ±√(6 / 15000) = ±0.02, about the spread that transformers start with.
const EMBEDDING_FAN_IN: usize = 15_000;

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let width = self.op.width;
        let out = out.as_chunks_mut::<LANES>().0;
        for (t, lanes) in inputs[0].as_chunks::<LANES>().0.iter().enumerate() {
            for (lane, &value) in lanes.iter().enumerate() {
                let row = &self.weight[self.op.token(value) * width..][..width];
                let position = &self.position[t * width..][..width];
                for (feature, (weight, position)) in row.iter().zip(position).enumerate() {
                    out[feature * self.tokens + t][lane] = weight + position;
                }
            }
        }
    }

    fn backward_inputs(&self, _: &BlockGradient<'_>, _: &mut [&mut [f32]], _: &mut Scratch) {
        // Tokens are not differentiable.
    }

    fn gradient_tiles(&self) -> Vec<(usize, usize)> {
        vec![(0, 1)]
    }

    fn backward_rows(
        &self,
        inputs: &[&[f32]],
        gradients: &[&[f32]],
        _: usize,
        grads: &mut [&mut [f32]],
        _: &mut Scratch,
    ) {
        let width = self.op.width;
        let [weight, position] = grads else { return };
        weight.fill(0.0);
        position.fill(0.0);
        for (input, gradient) in inputs.iter().zip(gradients) {
            let gradient = gradient.as_chunks::<LANES>().0;
            for (t, lanes) in input.as_chunks::<LANES>().0.iter().enumerate() {
                for (feature, position) in position[t * width..][..width].iter_mut().enumerate() {
                    *position += sum_lanes(gradient[feature * self.tokens + t]);
                }
                for (lane, &value) in lanes.iter().enumerate() {
                    let row = &mut weight[self.op.token(value) * width..][..width];
                    for (feature, weight) in row.iter_mut().enumerate() {
                        *weight += gradient[feature * self.tokens + t][lane];
                    }
                }
            }
        }
    }
}
