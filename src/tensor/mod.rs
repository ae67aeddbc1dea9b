//! Shapes and tensors: row-major f32 with a checked element count.

use std::fmt;

/// Most elements one tensor may have. Far above every model here, and small enough that
/// element counts times eight lanes times four bytes stay below 2^32 on wasm32.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// What can be wrong with a shape or with the operands of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorError {
    /// Two operands do not fit each other.
    Mismatch {
        /// The operation, such as `conv2d`.
        op: &'static str,
        /// The left operand's shape.
        lhs: Shape,
        /// The right operand's shape.
        rhs: Shape,
    },
    /// The product of the dimensions overflows or exceeds [`MAX_ELEMENTS`].
    TooLarge {
        /// The shape's dimensions.
        dims: Vec<usize>,
    },
    /// The data holds another number of elements than the shape says.
    Length {
        /// The shape.
        shape: Shape,
        /// Elements present.
        found: usize,
    },
    /// The operation does not take a shape of this kind.
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The shape it was given.
        shape: Shape,
        /// What it takes.
        wanted: &'static str,
    },
}

impl fmt::Display for TensorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch { op, lhs, rhs } => write!(f, "{op}: left is {lhs}, right is {rhs}"),
            Self::TooLarge { dims } => {
                write!(f, "a tensor of {dims:?} has more than {MAX_ELEMENTS} elements")
            }
            Self::Length { shape, found } => {
                write!(f, "{shape} needs {} elements, found {found}", shape.len())
            }
            Self::Unsupported { op, shape, wanted } => {
                write!(f, "{op}: takes {wanted}, found {shape}")
            }
        }
    }
}

impl std::error::Error for TensorError {}

/// Dimensions of a tensor, outermost first. The product is checked at construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape of these dimensions.
    ///
    /// # Errors
    /// [`TensorError::TooLarge`] when the product overflows or exceeds [`MAX_ELEMENTS`].
    pub fn new(dims: &[usize]) -> Result<Self, TensorError> {
        let too_large = || TensorError::TooLarge { dims: dims.to_vec() };
        let count = dims.iter().try_fold(1usize, |product, &d| product.checked_mul(d)).ok_or_else(too_large)?;
        if count > MAX_ELEMENTS { Err(too_large()) } else { Ok(Self(dims.to_vec())) }
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The number of elements; 1 for a scalar's empty shape.
    pub fn len(&self) -> usize {
        self.0.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Channels, height and width of an image-shaped tensor.
    ///
    /// # Errors
    /// [`TensorError::Unsupported`] when there are not three dimensions.
    pub fn chw(&self, op: &'static str) -> Result<[usize; 3], TensorError> {
        <[usize; 3]>::try_from(self.dims()).map_err(|_| TensorError::Unsupported {
            op,
            shape: self.clone(),
            wanted: "[channels×height×width]",
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", dims.join("×"))
    }
}

/// A row-major f32 tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Shape,
    /// Row-major elements; always `shape.len()` of them.
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor from row-major data.
    ///
    /// # Errors
    /// [`TensorError::Length`] when the data does not fill the shape exactly.
    pub fn new(shape: Shape, data: Vec<f32>) -> Result<Self, TensorError> {
        if data.len() == shape.len() {
            Ok(Self { shape, data })
        } else {
            Err(TensorError::Length { shape, found: data.len() })
        }
    }

    /// A tensor of zeros.
    pub fn zeros(shape: Shape) -> Self {
        let data = vec![0.0; shape.len()];
        Self { shape, data }
    }

    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The elements, row-major, to be changed in place.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_that_wraps_is_refused() {
        assert!(Shape::new(&[65536, 65536]).is_err());
        assert!(Shape::new(&[usize::MAX, 2]).is_err());
        assert_eq!(Shape::new(&[32, 784]).unwrap().to_string(), "[32×784]");
    }

    #[test]
    fn data_must_fill_the_shape() {
        let shape = Shape::new(&[2, 3]).unwrap();
        let error = Tensor::new(shape, vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "[2×3] needs 6 elements, found 5");
    }
}
