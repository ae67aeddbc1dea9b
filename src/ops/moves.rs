//! What concat, pad and transpose share: every output element is one input element, or zero.

use super::{BlockGradient, Layer, Scratch};
use crate::simd::LANES;

/// Where each output element comes from: `(input, element)`, or `None` for zero.
pub(super) struct Moves(pub Vec<Option<(usize, usize)>>);

impl Layer for Moves {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        for (out, from) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(&self.0) {
            *out = from.map_or([0.0; LANES], |(input, element)| inputs[input].as_chunks().0[element]);
        }
    }

    fn forward_one(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) -> bool {
        for (out, from) in out.iter_mut().zip(&self.0) {
            *out = from.map_or(0.0, |(input, element)| inputs[input][element]);
        }
        true
    }

    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        for (gradient, from) in block.gradient.as_chunks::<LANES>().0.iter().zip(&self.0) {
            if let Some((input, element)) = *from {
                let cell = &mut grads[input].as_chunks_mut::<LANES>().0[element];
                cell.iter_mut().zip(gradient).for_each(|(cell, gradient)| *cell += gradient);
            }
        }
    }
}

/// Elements between neighbours along each dimension of a row-major tensor.
pub(super) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i];
    }
    strides
}

/// The position of element `index` of a row-major tensor of these dimensions.
pub(super) fn position(index: usize, dims: &[usize]) -> Vec<usize> {
    strides(dims).iter().zip(dims).map(|(stride, dim)| index / stride % dim).collect()
}

/// The element at `position` of a row-major tensor of these dimensions.
pub(super) fn element(position: &[usize], dims: &[usize]) -> usize {
    strides(dims).iter().zip(position).map(|(stride, at)| stride * at).sum()
}

#[cfg(test)]
mod tests {
    use super::super::{Concat, LayerParams, Op, Pad, Reshape, Scratch, Transpose};
    use super::*;
    use crate::tensor::Shape;

    /// What an op makes of inputs whose element `i` is `base + i` in every lane.
    fn run(op: &impl Op, inputs: &[(&[usize], f32)]) -> (Vec<usize>, Vec<f32>) {
        let shapes: Vec<Shape> = inputs.iter().map(|(dims, _)| Shape::new(dims).unwrap()).collect();
        let shapes: Vec<&Shape> = shapes.iter().collect();
        let block = |(shape, base): (&&Shape, f32)| -> Vec<f32> {
            (0..shape.len()).flat_map(|i| [base + i as f32; LANES]).collect()
        };
        let values: Vec<Vec<f32>> = shapes.iter().zip(inputs.iter().map(|(_, base)| *base)).map(block).collect();
        let output = op.output(&shapes).unwrap();
        let mut out = vec![f32::NAN; output.len() * LANES];
        let layer = op.prepare(&shapes, &LayerParams::default()).unwrap();
        layer.forward(&values.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut out, &mut Scratch::default());
        (output.dims().to_vec(), out.chunks(LANES).map(|lanes| lanes[3]).collect())
    }

    #[test]
    fn known_results() {
        // numpy: np.concatenate([a, b], 1), np.pad(a, ((0, 1), (1, 0))), a.T, a.reshape(3, 2).
        let (dims, values) = run(&Concat { axis: 1 }, &[(&[2, 2], 1.0), (&[2, 1], 10.0)]);
        assert_eq!((dims.as_slice(), values.as_slice()), (&[2, 3][..], &[1.0, 2.0, 10.0, 3.0, 4.0, 11.0][..]));
        let (dims, values) = run(&Pad { before: vec![0, 1], after: vec![1, 0] }, &[(&[2, 2], 1.0)]);
        assert_eq!((dims.as_slice(), values.as_slice()), (&[3, 3][..], &[0., 1., 2., 0., 3., 4., 0., 0., 0.][..]));
        let (dims, values) = run(&Transpose { order: vec![1, 0] }, &[(&[2, 3], 1.0)]);
        assert_eq!((dims.as_slice(), values.as_slice()), (&[3, 2][..], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0][..]));
        let (dims, values) = run(&Reshape { dims: vec![3, 2] }, &[(&[2, 3], 1.0)]);
        assert_eq!((dims.as_slice(), values.as_slice()), (&[3, 2][..], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (a, b) = (Shape::new(&[2, 3]).unwrap(), Shape::new(&[3, 3]).unwrap());
        assert!(Concat { axis: 1 }.output(&[&a, &b]).is_err() && Concat { axis: 0 }.output(&[&a, &b]).is_ok());
        assert!(Concat { axis: 2 }.output(&[&a]).is_err() && Concat { axis: 0 }.output(&[]).is_err());
        assert!(Pad { before: vec![1], after: vec![1] }.output(&[&a]).is_err());
        assert!(Transpose { order: vec![0, 0] }.output(&[&a]).is_err());
        assert!(Reshape { dims: vec![5] }.output(&[&a]).is_err());
    }
}
