//! A tensor stored in a format: packed codes and what is needed to read them.

use super::{Family, Format, Granule};
use crate::tensor::{Shape, Tensor, TensorError};

/// What the bytes of a part are, for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Codes.
    Values,
    /// Scales.
    Scales,
    /// Zero-points.
    ZeroPoints,
}

/// One stored piece of a packed tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Appended to the tensor's name; empty for the codes.
    pub suffix: &'static str,
    /// What it is.
    pub kind: PartKind,
    /// Element type.
    pub dtype: safetensors::Dtype,
    /// Dimensions, in elements.
    pub dims: Vec<usize>,
    /// Little-endian bytes.
    pub bytes: Vec<u8>,
}

/// Packed codes, one granule per `granule_len` consecutive values.
#[derive(Clone)]
pub struct PackedTensor {
    format: &'static dyn Format,
    shape: Shape,
    granules: Vec<Granule>,
    codes: Vec<u8>,
}

impl PackedTensor {
    /// Encodes row-major `values`; `granules` split them evenly (one for the tensor, or one per output channel).
    ///
    /// # Errors
    /// [`TensorError::Length`] when the granules do not divide the values.
    pub fn new(format: &'static dyn Format, tensor: &Tensor, granules: Vec<Granule>) -> Result<Self, TensorError> {
        let values = tensor.data();
        if granules.is_empty() || !values.len().is_multiple_of(granules.len()) {
            return Err(TensorError::Length { shape: tensor.shape().clone(), found: granules.len() });
        }
        let len = (values.len() / granules.len()).max(1);
        let codes: Vec<u32> = values
            .chunks(len)
            .zip(&granules)
            .flat_map(|(values, granule)| values.iter().map(move |&value| format.encode(value, granule)))
            .collect();
        Ok(Self { format, shape: tensor.shape().clone(), granules, codes: format.pack(&codes) })
    }

    /// The format.
    pub fn format(&self) -> &'static dyn Format {
        self.format
    }

    fn each<T>(&self, read: impl Fn(u32, &Granule) -> T) -> Vec<T> {
        let len = (self.shape.len() / self.granules.len()).max(1);
        let codes = self.format.unpack(&self.codes, self.shape.len());
        codes.iter().enumerate().map(|(i, &code)| read(code, &self.granules[i / len])).collect()
    }

    /// The shape of the values.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The values, decoded.
    ///
    /// # Errors
    /// None in practice: the shape was checked when the tensor was packed.
    pub fn decode(&self) -> Result<Tensor, TensorError> {
        Tensor::new(self.shape.clone(), self.each(|code, granule| self.format.decode(code, granule)))
    }

    /// Whole numbers and one scale per output channel, for formats that are whole numbers times a scale.
    pub fn levels(&self) -> Option<(Vec<i32>, Vec<f32>)> {
        if self.format.family() == Family::Float {
            return None;
        }
        let levels = self.each(|code, granule| self.format.level(code, granule).unwrap_or(0));
        let rows = self.shape.dims().first().copied().unwrap_or(1);
        let scale = |row: usize| self.granules[row * self.granules.len() / rows].scale;
        Some((levels, (0..rows).map(scale).collect()))
    }

    /// What is stored, codes first.
    pub fn parts(&self) -> Vec<Part> {
        use safetensors::Dtype;
        let dtype = self.format.dtype();
        let dims = if dtype == Dtype::U8 { vec![self.codes.len()] } else { self.shape.dims().to_vec() };
        let mut parts = vec![Part { suffix: "", kind: PartKind::Values, dtype, dims, bytes: self.codes.clone() }];
        if self.format.scaled() {
            parts.push(Part {
                suffix: ".scale",
                kind: PartKind::Scales,
                dtype: Dtype::F32,
                dims: vec![self.granules.len()],
                bytes: self.granules.iter().flat_map(|g| g.scale.to_le_bytes()).collect(),
            });
        }
        let zero_points: Vec<i32> = self.granules.iter().filter_map(|g| g.zero_point).collect();
        if !zero_points.is_empty() {
            let wide = self.format.bits() > 8.0;
            let width = if wide { 2 } else { 1 };
            parts.push(Part {
                suffix: ".zero_point",
                kind: PartKind::ZeroPoints,
                dtype: if wide { Dtype::U16 } else { Dtype::U8 },
                dims: vec![self.granules.len()],
                bytes: zero_points.iter().flat_map(|z| z.to_le_bytes().into_iter().take(width)).collect(),
            });
        }
        parts
    }
}
