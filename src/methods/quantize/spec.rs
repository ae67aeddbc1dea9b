//! What a recipe says about one tensor's quantization.

use super::rounding::{self, Rounding, RoundingSpec};
use crate::error::{CoreError, ErrorCode};
use crate::fields::{Fields, object};
use crate::formats::{self, CLUSTERED_BITS, FORMATS, Family, Format};
use crate::methods::{Choice, choose, id_of, ids};
use serde_json::{Value, json};

/// How many values share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// The whole tensor.
    Tensor,
    /// Each output channel.
    Channel,
    /// So many neighbouring inputs of one output channel.
    Group(u32),
}

/// How the range of a grid is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// The format's own plain rule: the whole range for integers.
    Minmax,
    /// The range with the least squared error, of a hundred.
    Mse,
    /// The scale is the mean magnitude, and what is above half of it is not 0; for ternary alone.
    Absmean,
}

/// Which numbers the scales of integers may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Any.
    Float,
    /// Powers of two: the next one up, so that a range that is asked for is covered. Multiplying by one is a shift.
    PowerOfTwo,
}

/// How the range of an input is chosen from what calibration saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calibration {
    /// Everything that was seen.
    Minmax,
    /// The mean of the extremes of every eight images, moving.
    MovingAverage,
    /// All but the outermost share.
    Percentile,
    /// The range with the least squared error, of a hundred.
    Mse,
    /// The range whose rounded histogram says most about the whole one.
    Entropy,
}

/// Every granularity.
pub static GRANULARITIES: &[Choice<Granularity>] = &[
    Choice { value: Granularity::Tensor, id: "tensor", code: "t", source: "Jacob et al. 2018, arXiv 1712.05877" },
    Choice { value: Granularity::Channel, id: "channel", code: "c", source: "Krishnamoorthi 2018, arXiv 1806.08342" },
];

/// Every choice of weight range.
pub static RANGES: &[Choice<Range>] = &[
    Choice { value: Range::Minmax, id: "minmax", code: "x", source: "Jacob et al. 2018, arXiv 1712.05877" },
    Choice { value: Range::Mse, id: "mse", code: "m", source: "Nagel et al. 2021, arXiv 2106.08295" },
    Choice { value: Range::Absmean, id: "absmean", code: "b", source: "Ma et al. 2024, arXiv 2402.17764" },
];

/// Every choice of scale.
pub static SCALES: &[Choice<Scale>] = &[
    Choice { value: Scale::Float, id: "float", code: "f", source: "Jacob et al. 2018, arXiv 1712.05877" },
    Choice { value: Scale::PowerOfTwo, id: "power-of-two", code: "p", source: "Jain et al. 2019, arXiv 1903.08066" },
];
/// The ranges that a format's weights may have.
pub(crate) fn ranges_of(format: &dyn Format) -> impl Iterator<Item = &'static Choice<Range>> {
    let ternary = format.family() == Family::Ternary;
    RANGES.iter().filter(move |choice| ternary || choice.value != Range::Absmean)
}

/// Every calibration.
pub static CALIBRATIONS: &[Choice<Calibration>] = &[
    Choice { value: Calibration::Minmax, id: "minmax", code: "x", source: "Jacob et al. 2018, arXiv 1712.05877" },
    Choice {
        value: Calibration::MovingAverage,
        id: "moving-average",
        code: "a",
        source: "Jacob et al. 2018, arXiv 1712.05877",
    },
    Choice { value: Calibration::Percentile, id: "percentile", code: "p", source: "Wu et al. 2020, arXiv 2004.09602" },
    Choice { value: Calibration::Mse, id: "mse", code: "m", source: "Nagel et al. 2021, arXiv 2106.08295" },
    Choice {
        value: Calibration::Entropy,
        id: "entropy",
        code: "e",
        source: "Migacz 2017, 8-bit inference with TensorRT",
    },
];

/// How weights are quantized.
#[derive(Clone, Copy)]
pub struct WeightSpec {
    /// The format.
    pub format: &'static dyn Format,
    /// What shares a scale.
    pub granularity: Granularity,
    /// Whether the grid is symmetric around 0.
    pub symmetric: bool,
    /// How the range is chosen.
    pub range: Range,
    /// Which scales there may be.
    pub scale: Scale,
    /// Which code each weight gets.
    pub rounding: RoundingSpec,
}

/// How a layer's input is quantized.
#[derive(Clone, Copy)]
pub struct ActivationSpec {
    /// The format.
    pub format: &'static dyn Format,
    /// Whether the grid is symmetric around 0.
    pub symmetric: bool,
    /// How the range is chosen.
    pub calibration: Calibration,
    /// Share of the values inside the range, in percent.
    pub percentile: f64,
    /// Training images watched.
    pub images: u32,
    /// Whether the range is that of the input at hand: nothing is watched then, and the three fields above are not used.
    pub dynamic: bool,
    /// Whether each token has its own range; only where `dynamic`.
    pub tokens: bool,
}

impl std::fmt::Debug for WeightSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.canonical())
    }
}

impl std::fmt::Debug for ActivationSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.canonical())
    }
}

/// Ids of how an input gets its range: from calibration, or from itself.
const MODES: &[&str] = &["static", "dynamic"];
/// Ids of what has a range of its own: an input, or each token of it.
const INPUT_GRANULARITIES: [&str; 2] = ["tensor", "token"];
/// Images watched when the recipe does not say.
const DEFAULT_IMAGES: u32 = 256;
/// The percentile when the recipe does not say (Wu et al. 2020 try 99.9 to 99.9999).
const DEFAULT_PERCENTILE: f64 = 99.9;

impl WeightSpec {
    /// With every default written out, and without what the format does not use.
    pub fn canonical(&self) -> Value {
        let mut fields = vec![("format", self.format.id().into())];
        if let Some(clustered) = self.format.clustered() {
            fields.extend([("bits", clustered.bits.into()), ("huffman", clustered.huffman.into())]);
        }
        if self.format.scaled() {
            let granularity = match self.granularity {
                Granularity::Group(size) => object(vec![("group", size.into())]),
                shared => id_of(GRANULARITIES, &shared).into(),
            };
            fields.push(("granularity", granularity));
        }
        if self.format.asymmetric() {
            fields.push(("symmetric", self.symmetric.into()));
        }
        if self.format.ranged() {
            fields.push(("range", id_of(RANGES, &self.range).into()));
        }
        if self.scale != Scale::Float {
            fields.push(("scale", id_of(SCALES, &self.scale).into()));
        }
        self.rounding.write(&mut fields);
        object(fields)
    }

    /// The same with another format, and of the rest what a layer with that format would inherit.
    ///
    /// # Errors
    /// None in practice: a format alone inherits what suits it.
    pub fn with_format(&self, format: &dyn Format) -> Result<Self, CoreError> {
        parse_weights(Fields::new(json!({"format": format.id()}), "weights")?, Some(self))
    }

    /// Writes, for a layer of its own, in what it departs from what it would otherwise inherit of `base`.
    pub fn write_departure(&self, base: &Self, value: &mut Value) {
        if self.scale == Scale::Float && base.scale != self.scale && powers(self.format, self.symmetric) {
            value["scale"] = json!(id_of(SCALES, &self.scale));
        }
        self.rounding.write_departure(&base.rounding, self.format, value);
    }

    /// Inputs of a group or block, where granules are those.
    pub fn group(&self) -> Option<usize> {
        match self.granularity {
            Granularity::Group(size) if self.format.scaled() => Some(size as usize),
            _ => self.format.block(),
        }
    }
}

impl ActivationSpec {
    /// The same with another format, and of the rest what a layer with that format would inherit.
    ///
    /// # Errors
    /// None in practice: a format alone inherits what suits it.
    pub fn with_format(&self, format: &dyn Format) -> Result<Self, CoreError> {
        parse_activations(Fields::new(json!({"format": format.id()}), "activations")?, Some(self))
    }

    /// Whether a range is chosen at all: the scale of signs is the mean magnitude.
    pub fn ranged(&self) -> bool {
        self.format.ranged()
    }

    /// With every default written out, and without what the format does not use.
    pub fn canonical(&self) -> Value {
        let granularity = INPUT_GRANULARITIES[usize::from(self.dynamic && self.tokens)];
        let mut fields = vec![("format", self.format.id().into()), ("granularity", granularity.into())];
        if self.dynamic || self.ranged() {
            fields.push(("symmetric", self.symmetric.into()));
        }
        if self.dynamic {
            fields.push(("mode", "dynamic".into()));
            return object(fields);
        }
        fields.push(("images", self.images.into()));
        if self.ranged() {
            fields.push(("calibration", id_of(CALIBRATIONS, &self.calibration).into()));
        }
        if self.ranged() && self.calibration == Calibration::Percentile {
            fields.push(("percentile", self.percentile.into()));
        }
        object(fields)
    }
}

/// Takes a format that `suits`.
fn take_format(
    fields: &mut Fields,
    inherited: Option<&'static dyn Format>,
    suits: impl Fn(&dyn Format) -> bool,
) -> Result<&'static dyn Format, CoreError> {
    let suited: Vec<&'static dyn Format> = FORMATS.iter().copied().filter(|f| suits(*f)).collect();
    let ids: Vec<&str> = suited.iter().map(|f| f.id()).collect();
    let found = fields.id("format", &ids, |id| suited.iter().copied().find(|f| f.id() == id))?;
    found
        .or(inherited)
        .ok_or_else(|| CoreError::new(ErrorCode::MissingField, fields.at("format"), "nothing", ids.join(", ")))
}

/// Whether a format may be used for inputs: it has an input grid.
pub(crate) fn for_inputs(format: &dyn Format) -> bool {
    format.bits() <= 8.0 && format.input_grid(0.0, 1.0, true).is_some()
}

/// Sizes of a group.
pub(crate) const GROUP_SIZES: std::ops::RangeInclusive<u64> = 2..=65536;

/// Takes `granularity` if it is an object: `{"group": size}`. A format without scales takes it and does nothing with it.
fn parse_group(fields: &mut Fields, format: &dyn Format) -> Result<Option<Granularity>, CoreError> {
    let Some(mut own) = fields.object_if("granularity")? else { return Ok(None) };
    let size = own.integer("group", GROUP_SIZES)?;
    let size = own.needed("group", size)?;
    let path = own.path().to_string();
    own.finish()?;
    if format.scaled() && !format.groups() {
        let found = format!("a group with {}", format.id());
        return Err(CoreError::new(
            ErrorCode::Combination,
            path,
            found,
            "tensor, channel, or an integer format or nf4",
        ));
    }
    Ok(Some(Granularity::Group(size as u32)))
}

/// Refuses an asymmetric grid for a format that has no zero-point; fp32, fp16 and bf16, which have nothing of a grid, take it and
/// do nothing with it.
fn check_symmetric(format: &dyn Format, symmetric: Option<bool>, path: String) -> Result<(), CoreError> {
    let plain = format.family() == Family::Float && !format.scaled() && format.block().is_none();
    if symmetric == Some(false) && !plain && !format.asymmetric() {
        let found = format!("false with {}", format.id());
        return Err(CoreError::new(ErrorCode::Combination, path, found, "true, or an integer format"));
    }
    Ok(())
}

/// Whether scales may be held to powers of two: integers on a symmetric grid.
fn powers(format: &dyn Format, symmetric: bool) -> bool {
    format.family() == Family::Integer && symmetric
}

/// Takes what only k-means has, and gives the format with it.
fn parse_clustered(
    fields: &mut Fields,
    format: &'static dyn Format,
    base: Option<&WeightSpec>,
) -> Result<&'static dyn Format, CoreError> {
    let bits = fields.integer("bits", CLUSTERED_BITS)?.map(|bits| bits as u32);
    let huffman = fields.boolean("huffman")?;
    let Some(plain) = format.clustered() else {
        let given = [("bits", bits.is_some()), ("huffman", huffman.is_some())];
        return match given.iter().find(|(_, given)| *given) {
            None => Ok(format),
            Some((name, _)) => {
                let found = format!("{name} with {}", format.id());
                Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, "only with kmeans"))
            }
        };
    };
    let own = base.and_then(|base| base.format.clustered()).unwrap_or(plain);
    let (bits, huffman) = (bits.unwrap_or(own.bits), huffman.unwrap_or(own.huffman));
    formats::clustered(bits, huffman).ok_or_else(|| CoreError::internal(fields.at("bits"), "no such codebook"))
}

/// Reads `weights`; `base` gives the defaults of a layer's override.
pub(super) fn parse_weights(mut fields: Fields, base: Option<&WeightSpec>) -> Result<WeightSpec, CoreError> {
    let format = take_format(&mut fields, base.map(|b| b.format), |_| true)?;
    let format = parse_clustered(&mut fields, format, base)?;
    let granularity = match parse_group(&mut fields, format)? {
        None => fields.id("granularity", &ids(GRANULARITIES), |id| choose(GRANULARITIES, id))?,
        group => group,
    };
    let symmetric_path = fields.at("symmetric");
    let symmetric = fields.boolean("symmetric")?;
    let range_path = fields.at("range");
    let range = fields.id("range", &ids(RANGES), |id| choose(RANGES, id))?;
    let scale_path = fields.at("scale");
    let scale = fields.id("scale", &ids(SCALES), |id| choose(SCALES, id))?;
    let rounding = rounding::parse(&mut fields, base.map(|b| &b.rounding), format)?;
    fields.finish()?;
    check_symmetric(format, symmetric, symmetric_path.clone())?;
    let half_quadratic = rounding.kind == Rounding::Hqq;
    if half_quadratic && symmetric == Some(true) {
        let found = "a symmetric grid with hqq, which moves the zero-point";
        return Err(CoreError::new(ErrorCode::Combination, symmetric_path, found, "\"symmetric\": false"));
    }
    // The default of hqq is an asymmetric grid.
    let symmetric = if half_quadratic { Some(false) } else { symmetric };
    let symmetric = symmetric.or(base.map(|b| b.symmetric)).unwrap_or(true) || !format.asymmetric();
    if scale == Some(Scale::PowerOfTwo) && !powers(format, symmetric) {
        let found = format!("power-of-two with {}{}", format.id(), if symmetric { "" } else { " around a zero-point" });
        return Err(CoreError::new(ErrorCode::Combination, scale_path, found, "a symmetric integer format"));
    }
    let suits = |range: &Range| ranges_of(format).any(|choice| choice.value == *range);
    if range.is_some_and(|range| format.ranged() && !suits(&range)) {
        let found = format!("absmean with {}", format.id());
        return Err(CoreError::new(ErrorCode::Combination, range_path, found, "only with ternary"));
    }
    let inherited = base.map(|b| b.scale).filter(|_| powers(format, symmetric));
    Ok(WeightSpec {
        format,
        granularity: granularity
            .or(base.map(|b| b.granularity).filter(|g| format.groups() || !matches!(g, Granularity::Group(_))))
            .unwrap_or(format.default_group().map_or(Granularity::Channel, Granularity::Group)),
        symmetric,
        range: range.or(base.map(|b| b.range)).filter(suits).unwrap_or(Range::Minmax),
        scale: scale.or(inherited).unwrap_or(Scale::Float),
        rounding,
    })
}

/// Reads `activations`; `base` gives the defaults of a layer's override.
pub(super) fn parse_activations(
    mut fields: Fields,
    base: Option<&ActivationSpec>,
) -> Result<ActivationSpec, CoreError> {
    let format = take_format(&mut fields, base.map(|b| b.format), for_inputs)?;
    let mode_path = fields.at("mode");
    let mode = fields.id("mode", MODES, |id| MODES.iter().position(|mode| *mode == id))?;
    let dynamic = mode.map_or(base.is_some_and(|b| b.dynamic), |mode| mode == 1);
    let granularity_path = fields.at("granularity");
    let find = |id: &str| INPUT_GRANULARITIES.iter().position(|granularity| *granularity == id);
    let granularity = fields.id("granularity", &INPUT_GRANULARITIES, find)?;
    let tokens = granularity.map_or(dynamic && base.is_some_and(|b| b.tokens), |granularity| granularity == 1);
    let symmetric_path = fields.at("symmetric");
    let symmetric = fields.boolean("symmetric")?;
    let calibration_path = fields.at("calibration");
    let calibration = fields.id("calibration", &ids(CALIBRATIONS), |id| choose(CALIBRATIONS, id))?;
    let asked = calibration;
    let calibration = calibration.or(base.map(|b| b.calibration)).unwrap_or(Calibration::Minmax);
    let percentile_path = fields.at("percentile");
    let percentile = fields.number("percentile", 50.0..=100.0)?;
    let images = fields.integer("images", 1..=2000)?.map(|n| n as u32);
    fields.finish()?;
    check_symmetric(format, symmetric, symmetric_path)?;
    let refuse = |path, found: String, allowed| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
    if tokens && !dynamic {
        return refuse(
            granularity_path,
            "a range for each token from calibration".into(),
            "tensor, or \"mode\": \"dynamic\"",
        );
    }
    if dynamic && format.family() != Family::Integer {
        return refuse(mode_path, format!("dynamic with {}", format.id()), "static, or an integer format");
    }
    if dynamic && (asked.is_some() || percentile.is_some() || images.is_some()) {
        let found = "a calibration with dynamic, whose range is that of the input at hand";
        return refuse(mode_path, found.into(), "static, or no calibration, percentile or images");
    }
    if percentile.is_some() && calibration != Calibration::Percentile {
        let found = format!("a percentile with {}", id_of(CALIBRATIONS, &calibration));
        return Err(CoreError::new(ErrorCode::Combination, percentile_path, found, "only with percentile"));
    }
    let symmetric = symmetric.or(base.map(|b| b.symmetric)).unwrap_or(true) || !format.asymmetric();
    if calibration == Calibration::Entropy && !symmetric && !dynamic {
        let found = "entropy with an asymmetric grid";
        return Err(CoreError::new(ErrorCode::Combination, calibration_path, found, "\"symmetric\": true"));
    }
    Ok(ActivationSpec {
        format,
        symmetric,
        calibration,
        percentile: percentile.or(base.map(|b| b.percentile)).unwrap_or(DEFAULT_PERCENTILE),
        images: images.or(base.map(|b| b.images)).unwrap_or(DEFAULT_IMAGES),
        dynamic,
        tokens,
    })
}
