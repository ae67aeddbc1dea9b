//! A tensor stored in a format: packed codes and what is needed to read them.

use super::{Family, Format, Granule};
use crate::kernels::weight_only::{Coding, Scales, WeightOnly};
use crate::tensor::{Shape, Tensor, TensorError};
use half::f16;

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

/// The binary16 nearest to a scale, kept positive and finite: what a group stores.
pub fn group_scale(scale: f32) -> f32 {
    let nearest = f16::from_f32(scale).to_bits();
    f16::from_bits(nearest.clamp(0x0001, 0x7bff)).to_f32()
}

/// The binary16 nearest to a zero-point that need not be whole: what a group stores.
pub fn group_origin(origin: f32) -> f32 {
    f16::from_f32(origin).to_f32()
}

/// Packed codes, one granule for every so many consecutive values.
#[derive(Clone)]
pub struct PackedTensor {
    format: &'static dyn Format,
    shape: Shape,
    granules: Vec<Granule>,
    grouped: bool,
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
        Ok(Self { format, shape: tensor.shape().clone(), granules, grouped: false, codes: format.pack(&codes) })
    }

    /// Encodes like [`PackedTensor::new`], with granules that are groups within an output channel. Their scales are stored
    /// as binary16, so each granule's scale must be one (see [`group_scale`]).
    ///
    /// # Errors
    /// [`TensorError::Length`] when the granules do not divide the values.
    pub fn grouped(format: &'static dyn Format, tensor: &Tensor, granules: Vec<Granule>) -> Result<Self, TensorError> {
        Ok(Self { grouped: true, ..Self::new(format, tensor, granules)? })
    }

    /// Values of a group that shares a scale; `None` where a scale is one channel's or the tensor's.
    pub fn group(&self) -> Option<usize> {
        self.grouped.then(|| self.shape.len() / self.granules.len())
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

    /// Whole numbers and one scale per output channel, for formats that are whole numbers times a scale and have no groups.
    pub fn levels(&self) -> Option<(Vec<i32>, Vec<f32>)> {
        if self.format.family() == Family::Float || self.grouped || self.granules.iter().any(|g| g.origin.is_some()) {
            return None;
        }
        let levels = self.each(|code, granule| self.format.level(code, granule).unwrap_or(0));
        let rows = self.shape.dims().first().copied().unwrap_or(1);
        let scale = |row: usize| self.granules[row * self.granules.len() / rows].scale;
        Some((levels, (0..rows).map(scale).collect()))
    }

    /// The weights for kernels that decode them in registers, from the packed codes. `None` for formats that those do not know:
    /// asymmetric grids and integers of other than 8, 4 and 2 bits.
    pub fn weight_only(&self) -> Option<WeightOnly> {
        let coding = match self.format.id() {
            "fp32" => Coding::F32,
            "fp16" => Coding::F16,
            "bf16" => Coding::Bf16,
            "fp8-e4m3" => Coding::E4m3,
            "fp8-e5m2" => Coding::E5m2,
            "int8" => Coding::Int8,
            "int4" => Coding::Int4,
            "int2" | "ternary" | "binary" => Coding::Int2,
            _ => return None,
        };
        if self.granules.iter().any(|granule| granule.zero_point.is_some() || granule.origin.is_some()) {
            return None;
        }
        let rows = self.shape.dims().first().copied()?;
        let inputs = self.shape.len().checked_div(rows)?;
        let codes = self.each(|code, granule| self.format.level(code, granule).map_or(code, |level| level as u32));
        let scale = |granule: usize| self.granules[granule].scale;
        let scales: Vec<f32> = match (coding.scaled(), self.grouped) {
            (false, _) => Vec::new(),
            (true, true) => (0..self.granules.len()).map(scale).collect(),
            (true, false) => (0..rows).map(|row| scale(row * self.granules.len() / rows)).collect(),
        };
        let scales = match (coding.scaled(), self.group()) {
            (false, _) => Scales::None,
            (true, None) => Scales::Rows(&scales),
            (true, Some(size)) => Scales::Groups { size, scales: &scales },
        };
        WeightOnly::new(coding, &codes, inputs, scales)
    }

    /// What is stored, codes first.
    pub fn parts(&self) -> Vec<Part> {
        use safetensors::Dtype;
        let dtype = self.format.dtype();
        let dims = if dtype == Dtype::U8 { vec![self.codes.len()] } else { self.shape.dims().to_vec() };
        let mut parts = vec![Part { suffix: "", kind: PartKind::Values, dtype, dims, bytes: self.codes.clone() }];
        // One f32 for each granule, or f16 where granules are groups.
        let floats = |suffix, kind, values: Vec<f32>| {
            let (dtype, bytes) = if self.grouped {
                (Dtype::F16, values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect())
            } else {
                (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
            };
            Part { suffix, kind, dtype, dims: vec![values.len()], bytes }
        };
        if self.format.scaled() {
            parts.push(floats(".scale", PartKind::Scales, self.granules.iter().map(|g| g.scale).collect()));
        }
        let origins: Vec<f32> = self.granules.iter().filter_map(|g| g.origin).collect();
        if !origins.is_empty() {
            parts.push(floats(".zero_point", PartKind::ZeroPoints, origins));
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
