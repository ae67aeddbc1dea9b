//! Product of two activations, matrix by matrix.

use super::{BlockGradient, Flow, Layer, LayerParams, Op, Scratch};
use crate::kernels::matmul::{Matrix, matmul};
use crate::simd::{F32x8, LANES, Lane};
use crate::tensor::{Shape, TensorError};

/// `[b×m×k], [b×k×n] -> [b×m×n]`: `out_b = factor · left_b · right_b`. With `transposed`, the second input is `[b×n×k]` and is read
/// as its transpose, as attention reads its keys. The factor multiplies finished sums, like α of the BLAS's `gemm`.
#[derive(Clone, Copy, Debug)]
pub struct MatMul {
    /// Whether the right factor is given transposed.
    pub transposed: bool,
    /// What sums are multiplied by; 1 for the plain product.
    pub factor: f32,
}

struct Prepared {
    op: MatMul,
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
}

impl MatMul {
    fn sizes(self, inputs: &[&Shape]) -> Result<Prepared, TensorError> {
        let [left, right] = inputs else {
            let shape = Shape::new(&[inputs.len()])?;
            return Err(TensorError::Unsupported { op: self.kind(), shape, wanted: "two inputs" });
        };
        let ([batch, m, k], [batches, rows, columns]) = (left.chw(self.kind())?, right.chw(self.kind())?);
        let (inner, n) = if self.transposed { (columns, rows) } else { (rows, columns) };
        if (batch, k) != (batches, inner) {
            return Err(TensorError::Mismatch { op: self.kind(), lhs: (*left).clone(), rhs: (*right).clone() });
        }
        Ok(Prepared { op: self, batch, m, k, n })
    }
}

impl Op for MatMul {
    fn kind(&self) -> &'static str {
        "matmul"
    }

    fn output(&self, inputs: &[&Shape]) -> Result<Shape, TensorError> {
        let Prepared { batch, m, n, .. } = self.sizes(inputs)?;
        Shape::new(&[batch, m, n])
    }

    fn macs(&self, inputs: &[&Shape]) -> Result<u64, TensorError> {
        let Prepared { batch, m, k, n, .. } = self.sizes(inputs)?;
        Ok((batch * m * k * n) as u64)
    }

    fn flow(&self, inputs: &[&Shape]) -> Flow {
        Flow::same(inputs)
    }

    fn prepare(&self, inputs: &[&Shape], _: &LayerParams<'_>) -> Result<Box<dyn Layer>, TensorError> {
        Ok(Box::new(self.sizes(inputs)?))
    }
}

impl Prepared {
    /// The right factor as `k×n`, however it lies.
    fn right<'a>(&self, data: &'a [[f32; LANES]]) -> Matrix<'a> {
        if self.op.transposed { Matrix::new(data, self.k).transposed() } else { Matrix::new(data, self.n) }
    }
}

/// Matrix `index` of a block of them.
fn matrix(block: &[f32], index: usize, size: usize) -> &[[f32; LANES]] {
    &block.as_chunks::<LANES>().0[index * size..][..size]
}

fn matrix_mut(block: &mut [f32], index: usize, size: usize) -> &mut [[f32; LANES]] {
    &mut block.as_chunks_mut::<LANES>().0[index * size..][..size]
}

impl Layer for Prepared {
    fn forward(&self, inputs: &[&[f32]], out: &mut [f32], _: &mut Scratch) {
        let Self { m, k, n, .. } = *self;
        let factor = F32x8::splat(self.op.factor);
        for index in 0..self.batch {
            let left = Matrix::new(matrix(inputs[0], index, m * k), k);
            let right = self.right(matrix(inputs[1], index, k * n));
            let out = matrix_mut(out, index, m * n);
            matmul([m, k, n], left, right, &mut |at, sum| sum.mul(factor).store(&mut out[at]));
        }
    }

    /// Left: columns of the output ascending. Right: rows of the output ascending.
    fn backward_inputs(&self, block: &BlockGradient<'_>, grads: &mut [&mut [f32]], _: &mut Scratch) {
        let Self { m, k, n, .. } = *self;
        let factor = F32x8::splat(self.op.factor);
        let add = |cell: &mut [f32; LANES], sum: F32x8| F32x8::load(cell).add(sum.mul(factor)).store(cell);
        let [by_left, by_right] = grads else { return };
        for index in 0..self.batch {
            let left = Matrix::new(matrix(block.inputs[0], index, m * k), k);
            let right = self.right(matrix(block.inputs[1], index, k * n));
            let slope = Matrix::new(matrix(block.gradient, index, m * n), n);
            let grad = matrix_mut(by_left, index, m * k);
            matmul([m, n, k], slope, right.transposed(), &mut |at, sum| add(&mut grad[at], sum));
            let grad = matrix_mut(by_right, index, k * n);
            matmul([k, m, n], left.transposed(), slope, &mut |at, sum| {
                let at = if self.op.transposed { at % n * k + at / n } else { at };
                add(&mut grad[at], sum);
            });
        }
    }
}
