//! How weights become codes of their grid: to the nearest, or so that what the layer computes suffers least.

use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;
use crate::formats::{Family, Format};
use crate::methods::{Choice, choose, id_of, ids};
use serde_json::{Value, json};

/// Which code a weight gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The nearest.
    Nearest,
    /// Column by column, each error pushed onto the columns still to come.
    Gptq,
    /// Up or down, learned.
    Adaround,
    /// The nearest on a grid whose zero-point was moved, by the half-quadratic method.
    Hqq,
}

/// Every rounding.
pub static ROUNDINGS: &[Choice<Rounding>] = &[
    Choice { value: Rounding::Nearest, id: "nearest", code: "n", source: "Jacob et al. 2018, arXiv 1712.05877" },
    Choice { value: Rounding::Gptq, id: "gptq", code: "g", source: "Frantar et al. 2022, arXiv 2210.17323" },
    Choice { value: Rounding::Adaround, id: "adaround", code: "a", source: "Nagel et al. 2020, arXiv 2004.10568" },
    Choice {
        value: Rounding::Hqq,
        id: "hqq",
        code: "h",
        source: "Badri and Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models",
    },
];

/// What is done to the biases after the weights are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Nothing.
    None,
    /// The mean error of each output channel is taken off its bias.
    Bias,
}

/// Every correction.
pub static CORRECTIONS: &[Choice<Correction>] = &[
    Choice { value: Correction::None, id: "none", code: "n", source: "Jacob et al. 2018, arXiv 1712.05877" },
    Choice { value: Correction::Bias, id: "bias", code: "b", source: "Nagel et al. 2019, arXiv 1906.04721" },
];

/// A rounding with its settings; those of other roundings are not used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundingSpec {
    /// Which.
    pub kind: Rounding,
    /// For `gptq`: share of the mean diagonal of H that is added to it.
    pub damping: f64,
    /// For `gptq`: whether columns are taken by falling diagonal of H.
    pub act_order: bool,
    /// For `adaround`: steps of the optimizer for each layer.
    pub iterations: u32,
}

impl RoundingSpec {
    /// To the nearest; the settings are the other roundings' defaults.
    pub const NEAREST: Self =
        Self { kind: Rounding::Nearest, damping: 0.01, act_order: false, iterations: DEFAULT_ITERATIONS };

    /// Writes the rounding and the settings it uses; nothing for `nearest`, as in recipes written before there was a choice.
    pub fn write(&self, fields: &mut Vec<(&str, Value)>) {
        if self.kind != Rounding::Nearest {
            fields.push(("rounding", id_of(ROUNDINGS, &self.kind).into()));
        }
        if self.kind == Rounding::Gptq {
            fields.extend([("damping", self.damping.into()), ("act_order", self.act_order.into())]);
        }
        if self.kind == Rounding::Adaround {
            fields.push(("iterations", self.iterations.into()));
        }
    }

    /// Writes, for a layer of its own, that it rounds to the nearest where it would otherwise inherit `base`.
    pub fn write_departure(&self, base: &Self, format: &dyn Format, value: &mut Value) {
        if self.kind == Rounding::Nearest && base.kind != Rounding::Nearest && suits(base.kind, format) {
            value["rounding"] = json!(id_of(ROUNDINGS, &self.kind));
        }
    }

    /// Whether it looks at training images.
    pub fn needs_images(&self) -> bool {
        matches!(self.kind, Rounding::Gptq | Rounding::Adaround)
    }
}

/// Few enough for a browser; the paper has 10,000.
const DEFAULT_ITERATIONS: u32 = 1000;

/// Whether a rounding can choose among the values of a format.
fn suits(kind: Rounding, format: &dyn Format) -> bool {
    match kind {
        Rounding::Nearest => true,
        Rounding::Gptq => format.id() != "fp32",
        Rounding::Adaround => matches!(format.family(), Family::Integer | Family::Ternary),
        Rounding::Hqq => format.family() == Family::Integer && format.bits() <= 8.0,
    }
}

/// The roundings that a format's weights may have.
pub(crate) fn roundings_of(format: &dyn Format) -> impl Iterator<Item = &'static Choice<Rounding>> {
    ROUNDINGS.iter().filter(move |choice| suits(choice.value, format))
}

/// Reads the fields of a rounding; `base` gives the defaults of a layer's override.
pub(super) fn parse(
    fields: &mut Fields,
    base: Option<&RoundingSpec>,
    format: &dyn Format,
) -> Result<RoundingSpec, CoreError> {
    let base = base.copied().unwrap_or(RoundingSpec::NEAREST);
    let asked = fields.id("rounding", &ids(ROUNDINGS), |id| choose(ROUNDINGS, id))?;
    let damping = fields.number("damping", 0.0001..=1.0)?;
    let act_order = fields.boolean("act_order")?;
    let iterations = fields.integer("iterations", 100..=20_000)?.map(|n| n as u32);
    let kind = asked.unwrap_or(base.kind);
    let id = id_of(ROUNDINGS, &kind);
    let refuse = |name: &str, found: String, allowed: &str| {
        Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, allowed))
    };
    let needs = [
        ("damping", damping.is_some(), Rounding::Gptq),
        ("act_order", act_order.is_some(), Rounding::Gptq),
        ("iterations", iterations.is_some(), Rounding::Adaround),
    ];
    if let Some((name, _, wanted)) = needs.iter().find(|(_, given, wanted)| *given && kind != *wanted) {
        return refuse(name, format!("{name} with {id}"), &format!("only with {}", id_of(ROUNDINGS, wanted)));
    }
    if asked.is_some() && format.id() != "fp32" && !suits(kind, format) {
        let allowed = if kind == Rounding::Hqq { "int2 to int8" } else { "an integer format, or ternary" };
        return refuse("rounding", format!("{id} with {}", format.id()), allowed);
    }
    Ok(RoundingSpec {
        kind: if suits(kind, format) { kind } else { Rounding::Nearest },
        damping: damping.unwrap_or(base.damping),
        act_order: act_order.unwrap_or(base.act_order),
        iterations: iterations.unwrap_or(base.iterations),
    })
}
