//! A tensor stored in a format: packed codes and what is needed to read them.

use super::{FORMATS, Family, Format, Granule};
use crate::kernels::weight_only::{Coding, Scales, WeightOnly};
use crate::tensor::{Shape, Tensor, TensorError};
use half::f16;

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
    pub(super) format: &'static dyn Format,
    pub(super) shape: Shape,
    pub(super) granules: Vec<Granule>,
    /// Whether granules are groups or blocks within an output channel.
    pub(super) grouped: bool,
    /// Whether scales are powers of two and stored as such.
    pub(super) powers: bool,
    pub(super) codes: Vec<u8>,
}

impl PackedTensor {
    /// Encodes row-major `values`; `granules` split them evenly (one for the tensor, one per output channel, or the blocks of a
    /// format that has those). Their scales must be ones that the format can store (see [`super::ScaleType::stored`]).
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
        let grouped = format.block().is_some();
        let shape = tensor.shape().clone();
        Ok(Self { format, shape, granules, grouped, powers: false, codes: format.pack(&codes) })
    }

    /// A tensor that stays f32.
    pub fn plain(tensor: &Tensor) -> Self {
        let codes = tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect();
        let (shape, granules) = (tensor.shape().clone(), vec![Granule::UNIT]);
        Self { format: FORMATS[0], shape, granules, grouped: false, powers: false, codes }
    }

    /// Encodes like [`PackedTensor::new`], with granules that are groups within an output channel. Their scales are stored
    /// as binary16, so each granule's scale must be one (see [`group_scale`]).
    ///
    /// # Errors
    /// [`TensorError::Length`] when the granules do not divide the values.
    pub fn grouped(format: &'static dyn Format, tensor: &Tensor, granules: Vec<Granule>) -> Result<Self, TensorError> {
        Ok(Self { grouped: true, ..Self::new(format, tensor, granules)? })
    }

    /// The same, whose scales are all powers of two and so take a byte each ([`super::ScaleType::E8m0`]).
    #[must_use]
    pub fn with_powers(self) -> Self {
        Self { powers: true, ..self }
    }

    /// Whether scales are stored as powers of two.
    pub fn powers(&self) -> bool {
        self.powers
    }

    /// Values of a group or block that shares a scale; `None` where a scale is one channel's or the tensor's.
    pub fn group(&self) -> Option<usize> {
        self.grouped.then(|| self.shape.len() / self.granules.len())
    }

    /// What codes mean, granule by granule.
    pub fn granules(&self) -> &[Granule] {
        &self.granules
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
        let whole = matches!(self.format.family(), Family::Integer | Family::Ternary | Family::Binary);
        if self.grouped || !whole || self.granules.iter().any(|granule| granule.origin.is_some()) {
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
        // Those kernels keep the scales of groups as binary16, which a power of two need not be.
        if self.grouped && self.granules.iter().any(|granule| group_scale(granule.scale) != granule.scale) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::find;

    #[test]
    fn groups_stay_packed_only_where_the_kernels_keep_their_scales() {
        let tensor = Tensor::new(Shape::new(&[1, 2]).unwrap(), vec![3e-9, -7e-9]).unwrap();
        let with = |scale| {
            let granule = Granule { scale, ..Granule::UNIT };
            PackedTensor::grouped(find("int4").unwrap(), &tensor, vec![granule]).unwrap().with_powers()
        };
        let power = |exponent: u32| f32::from_bits((127 - exponent) << 23);
        assert!(with(power(24)).weight_only().is_some());
        assert!(with(power(30)).weight_only().is_none());
    }
}
