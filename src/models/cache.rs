//! Keys and values rounded as they are written.

use crate::formats::{Format, Granule};
use crate::ops::{BlockGradient, Layer, LayerParams, Op, Scratch};
use crate::simd::LANES;
use crate::tensor::{Shape, TensorError};
use std::fmt;
use std::sync::Arc;

/// `[3·width×tokens×1] -> ` the same: queries as they are, keys and values rounded to a format. It stands between a layer that makes
/// them and attention, in the graph over a whole text and in the one over a character, so that both attend to the same bits.
///
/// Every token's key and every token's value has a scale of its own, fitted to it, or every channel has one that was calibrated: what a
/// channel holds is not known before the text has ended.
///
/// Source: Liu et al. 2024, KIVI (arXiv 2402.02750), for the two granularities.
#[derive(Clone)]
pub struct KvCache {
    /// The format.
    pub format: &'static dyn Format,
    /// The scale of every channel of keys, then of values; `None` for one of each token.
    pub scales: Option<Arc<[f32]>>,
}

impl fmt::Debug for KvCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KvCache({})", self.format.id())
    }
}

struct Prepared {
    op: KvCache,
    width: usize,
    tokens: usize,
}

impl KvCache {
    fn prepared(&self, inputs: &[&Shape]) -> Result<Prepared, TensorError> {
        let wanted = "[3·width × tokens × 1], and a scale for each channel of keys and values where there are any";
        let fail = |shape: Shape| TensorError::Unsupported { op: self.kind(), shape, wanted };
        let [input] = inputs else { return Err(fail(Shape::new(&[inputs.len()])?)) };
        match *input.dims() {
            [channels, tokens, 1]
                if channels.is_multiple_of(3)
                    && self.scales.as_ref().is_none_or(|scales| scales.len() == channels / 3 * 2) =>
            {
                Ok(Prepared { op: self.clone(), width: channels / 3, tokens })
            }
            _ => Err(fail((*input).clone())),
        }
    }
}

impl Op for KvCache {
    fn kind(&self) -> &'static str {
        "kv_cache"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        self.prepared(inputs)?;
        Ok(inputs[0].clone())
    }

    fn cache_bytes(&self, inputs: &[&Shape]) -> Option<u64> {
        let width = self.prepared(inputs).ok()?.width;
        let scale = if self.scales.is_some() { 0 } else { 4 };
        Some(2 * ((width as f64 * self.format.bits() / 8.0).ceil() as u64 + scale))
    }

    fn constants(&self) -> Option<&[f32]> {
        self.scales.as_deref()
    }

    fn with_constants(&self, values: Vec<f32>) -> Option<Arc<dyn Op>> {
        let right = self.scales.as_ref().is_some_and(|scales| scales.len() == values.len());
        let usable = right && values.iter().all(|scale| scale.is_normal() && *scale > 0.0);
        usable.then(|| Arc::new(Self { format: self.format, scales: Some(values.into()) }) as Arc<dyn Op>)
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(self.prepared(inputs)?))
    }
}

impl Prepared {
    /// Rounds `lanes` texts side by side.
    fn round(&self, values: &mut [f32], lanes: usize) {
        let Self { op: KvCache { format, scales }, width, tokens } = self;
        let row = tokens * lanes;
        let (_, kept) = values.split_at_mut(width * row);
        if let Some(scales) = scales {
            for (row, &scale) in kept.chunks_exact_mut(row).zip(scales.iter()) {
                let granule = Granule { scale, ..Granule::UNIT };
                row.iter_mut().for_each(|v| *v = format.decode(format.encode(*v, &granule), &granule));
            }
            return;
        }
        let mut own = vec![0.0; *width];
        for part in kept.chunks_exact_mut(width * row) {
            for at in 0..row {
                own.iter_mut().zip(part.iter().skip(at).step_by(row)).for_each(|(own, v)| *own = *v);
                let granule = format.fit(&own, true);
                for (value, &own) in part.iter_mut().skip(at).step_by(row).zip(&own) {
                    *value = format.decode(format.encode(own, &granule), &granule);
                }
            }
        }
    }
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        out.copy_from_slice(inputs[0]);
        self.round(out, LANES);
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) -> bool {
        out.copy_from_slice(inputs[0]);
        self.round(out, 1);
        true
    }

    /// Straight through.
    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        grads[0].iter_mut().zip(block.gradient).for_each(|(to, from)| *to += from);
    }
}
