//! Embedding of one token at a given position: the step that [`super::Embedding`] takes for every token.

use super::{BlockGradient, Embedding, Layer, LayerParams, Op, ParamSpec, Scratch, only};
use crate::simd::LANES;
use crate::tensor::{Shape, TensorError};

/// `[n] -> [width×1×1]`: value 0 of the step's inputs is the token, value 1 its position. Parameters are those of
/// [`Embedding`] over `tokens` tokens. Tokens that are not there count as 0, positions past the last as the last.
#[derive(Clone, Copy, Debug)]
pub struct CachedEmbedding {
    /// The embedding of all tokens.
    pub embedding: Embedding,
    /// How many tokens it embeds.
    pub tokens: usize,
}

struct Prepared {
    op: CachedEmbedding,
    weight: Vec<f32>,
    position: Vec<f32>,
}

impl Op for CachedEmbedding {
    fn kind(&self) -> &'static str {
        "cached_embedding"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let input = only(self.kind(), inputs)?;
        if input.len() >= 2 && self.tokens > 0 {
            return Shape::new(&[self.embedding.width, 1, 1]);
        }
        Err(TensorError::Unsupported { op: self.kind(), shape: input.clone(), wanted: "a token and its position" })
    }

    fn params(&self, _: &[&Shape]) -> Result<Vec<ParamSpec>, TensorError> {
        self.embedding.params(&[&Shape::new(&[self.tokens])?])
    }

    fn prepare(&self, inputs: &[&Shape], params: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        let output = self.output(inputs)?;
        match params.tensors {
            [weight, position]
                if weight.data().len() == self.embedding.vocabulary * self.embedding.width
                    && position.data().len() == self.tokens * self.embedding.width =>
            {
                let (weight, position) = (weight.data().to_vec(), position.data().to_vec());
                Ok(Box::new(Prepared { op: *self, weight, position }))
            }
            _ => {
                let wanted = "a weight and a position for every token";
                Err(TensorError::Unsupported { op: self.kind(), shape: output, wanted })
            }
        }
    }
}

impl Prepared {
    /// The channels of a token at a position.
    fn values(&self, token: f32, position: f32) -> impl Iterator<Item = f32> {
        let Embedding { vocabulary, width } = self.op.embedding;
        let token = if (token as usize) < vocabulary { token as usize } else { 0 };
        let at = (position as usize).min(self.op.tokens - 1);
        let pairs = self.weight[token * width..][..width].iter().zip(&self.position[at * width..][..width]);
        pairs.map(|(weight, position)| weight + position)
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let inputs = inputs[0].as_chunks::<LANES>().0;
        let out = out.as_chunks_mut::<LANES>().0;
        for lane in 0..LANES {
            let values = self.values(inputs[0][lane], inputs[1][lane]);
            out.iter_mut().zip(values).for_each(|(cell, value)| cell[lane] = value);
        }
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) -> bool {
        let values = self.values(inputs[0][0], inputs[0][1]);
        out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        true
    }

    fn backward_inputs(&self, _: &BlockGradient<'_>, _: &mut [&mut [f32]], _: &mut Scratch) {
        // Tokens are not differentiable.
    }
}
