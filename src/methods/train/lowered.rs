//! What a recipe says about the numbers of a training and about what workers send each other: read, and written out.

use super::{Choice, choose, id_of, ids};
use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;
use crate::train::{Exchange, LossScale, Message, Number, Precision};
use serde_json::{Value, json};

const fn both(number: Number, scale: Option<LossScale>, kept: Option<Number>) -> Option<Precision> {
    Some(Precision { forward: number, backward: number, chance: false, scale, kept, kept_by_chance: false })
}

/// PyTorch's defaults: 65536, doubled after 2000 good steps.
const DYNAMIC: LossScale = LossScale { start: 65536.0, every: 2000 };

/// Every way to compute, as it is without settings.
pub static PRECISIONS: &[Choice<Option<Precision>>] = &[
    Choice { value: None, id: "fp32", code: "f32", source: "IEEE 754-2019 binary32" },
    Choice {
        value: both(Number::F16, Some(DYNAMIC), None),
        id: "amp-fp16",
        code: "af16",
        source: "Micikevicius et al. 2018, arXiv 1710.03740",
    },
    Choice {
        value: both(Number::F16, None, None),
        id: "fp16",
        code: "f16",
        source: "Micikevicius et al. 2018, arXiv 1710.03740",
    },
    Choice {
        value: both(Number::F16, None, Some(Number::F16)),
        id: "pure-fp16",
        code: "pf16",
        source: "Gupta et al. 2015, arXiv 1502.02551",
    },
    Choice {
        value: both(Number::Bf16, None, None),
        id: "amp-bf16",
        code: "ab16",
        source: "Kalamkar et al. 2019, arXiv 1905.12322",
    },
    Choice {
        value: both(Number::Bf16, None, Some(Number::Bf16)),
        id: "pure-bf16",
        code: "pb16",
        source: "Zamirai et al. 2020, arXiv 2010.06192",
    },
    Choice {
        value: Some(Precision {
            forward: Number::E4m3,
            backward: Number::E5m2,
            chance: false,
            scale: None,
            kept: None,
            kept_by_chance: false,
        }),
        id: "fp8",
        code: "f8",
        source: "Micikevicius et al. 2022, arXiv 2209.05433",
    },
    Choice {
        value: Some(Precision {
            forward: Number::Int8,
            backward: Number::Int8,
            chance: true,
            scale: None,
            kept: None,
            kept_by_chance: false,
        }),
        id: "int8",
        code: "i8",
        source: "Banner et al. 2018, arXiv 1805.11046",
    },
];

/// Everything that may be sent, as it is without settings.
pub static MESSAGES: &[Choice<Message>] = &[
    Choice { value: Message::Dense, id: "dense", code: "d", source: "Dean et al. 2012, NeurIPS 25" },
    Choice { value: Message::EightBit, id: "8-bit", code: "8", source: "Dettmers 2016, arXiv 1511.04561" },
    Choice {
        value: Message::Qsgd { levels: 4 },
        id: "qsgd",
        code: "q",
        source: "Alistarh et al. 2017, arXiv 1610.02132",
    },
    Choice {
        value: Message::TernGrad { clip: 2.5 },
        id: "terngrad",
        code: "t",
        source: "Wen et al. 2017, arXiv 1705.07878",
    },
    Choice { value: Message::Sign, id: "signsgd", code: "s", source: "Bernstein et al. 2018, arXiv 1802.04434" },
    Choice { value: Message::OneBit, id: "1-bit", code: "1", source: "Karimireddy et al. 2019, arXiv 1901.09847" },
    Choice {
        value: Message::TopK { share: 0.01 },
        id: "top-k",
        code: "k",
        source: "Lin et al. 2018, arXiv 1712.01887",
    },
];

const ROUNDINGS: [&str; 2] = ["nearest", "stochastic"];

fn refuse<T>(fields: &Fields, name: &str, found: String, allowed: &str) -> Result<T, CoreError> {
    Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, allowed))
}

/// Reads `precision`: an id, or an object with a `mode` and settings.
pub(super) fn read_precision(fields: &mut Fields) -> Result<Option<Precision>, CoreError> {
    let Some(mut own) = fields.object_if("precision")? else {
        return Ok(fields.id("precision", &ids(PRECISIONS), |id| choose(PRECISIONS, id))?.flatten());
    };
    let mode = own.id("mode", &ids(PRECISIONS), |id| choose(PRECISIONS, id))?;
    let mode = own.needed("mode", mode)?;
    let id = id_of(PRECISIONS, &mode);
    let start = own.number("loss_scale", 1.0..=16_777_216.0)?;
    let every = own.integer("growth", 0..=1_000_000)?.map(|every| every as u32);
    let by_chance = own.id("rounding", &ROUNDINGS, |id| ROUNDINGS.iter().position(|known| *known == id))?;
    let Some(mut precision) = mode else {
        if start.is_some() || every.is_some() || by_chance.is_some() {
            return refuse(&own, "mode", "settings of fewer bits with fp32".into(), "without them");
        }
        own.finish()?;
        return Ok(None);
    };
    if start.is_some() || every.is_some() {
        if precision.backward != Number::F16 {
            let name = if start.is_some() { "loss_scale" } else { "growth" };
            return refuse(
                &own,
                name,
                format!("a loss scale with {id}, whose range needs none"),
                "amp-fp16, fp16 or pure-fp16",
            );
        }
        let usual = precision.scale.unwrap_or(LossScale { every: 0, ..DYNAMIC });
        precision.scale = Some(LossScale { start: start.unwrap_or(usual.start), every: every.unwrap_or(usual.every) });
    }
    if let Some(by_chance) = by_chance {
        if precision.kept.is_none() {
            return refuse(
                &own,
                "rounding",
                format!("a rounding with {id}, which keeps f32 weights"),
                "pure-fp16 or pure-bf16",
            );
        }
        precision.kept_by_chance = by_chance == 1;
    }
    own.finish()?;
    Ok(Some(precision))
}

/// Writes it: the mode by what it computes in and keeps, and every setting it has.
pub(super) fn write_precision(precision: &Precision) -> Value {
    let same = |choice: &&Choice<Option<Precision>>| {
        choice.value.is_some_and(|own| {
            (own.forward, own.backward, own.kept) == (precision.forward, precision.backward, precision.kept)
                && own.scale.is_some() == (precision.scale.is_some() && precision.kept.is_none())
        })
    };
    let mode = PRECISIONS.iter().find(same).map_or("", |choice| choice.id);
    let mut value = json!({"mode": mode});
    if let Some(LossScale { start, every }) = precision.scale {
        value["loss_scale"] = json!(start);
        value["growth"] = json!(every);
    }
    if precision.kept.is_some() {
        value["rounding"] = json!(ROUNDINGS[usize::from(precision.kept_by_chance)]);
    }
    value
}

/// Reads `exchange`, whose workers share batches of `batch` images.
pub(super) fn read_exchange(fields: &mut Fields, batch: u32) -> Result<Option<Exchange>, CoreError> {
    let Some(mut own) = fields.object("exchange")? else { return Ok(None) };
    let workers = own.integer("workers", 1..=64)?.unwrap_or(4) as u32;
    let message = own.id("method", &ids(MESSAGES), |id| choose(MESSAGES, id))?;
    let message = own.needed("method", message)?;
    let id = id_of(MESSAGES, &message);
    let levels = own.integer("levels", 1..=127)?.map(|levels| levels as u32);
    let clip = own.number("clip", 0.0..=100.0)?;
    let share = own.number("share", 0.0001..=1.0)?;
    for (name, given, fits) in [
        ("levels", levels.is_some(), matches!(message, Message::Qsgd { .. })),
        ("clip", clip.is_some(), matches!(message, Message::TernGrad { .. })),
        ("share", share.is_some(), matches!(message, Message::TopK { .. })),
    ] {
        if given && !fits {
            return refuse(&own, name, format!("{name} with {id}"), "qsgd has levels, terngrad clip, top-k share");
        }
    }
    if !batch.is_multiple_of(workers) {
        return refuse(&own, "workers", format!("{workers} workers and batches of {batch}"), "a divisor of batch");
    }
    own.finish()?;
    let message = match message {
        Message::Qsgd { levels: usual } => Message::Qsgd { levels: levels.unwrap_or(usual) },
        Message::TernGrad { clip: usual } => Message::TernGrad { clip: clip.unwrap_or(usual) },
        Message::TopK { share: usual } => Message::TopK { share: share.unwrap_or(usual) },
        other => other,
    };
    Ok(Some(Exchange { workers, message }))
}

/// Writes it.
pub(super) fn write_exchange(exchange: &Exchange) -> Value {
    let kind = std::mem::discriminant(&exchange.message);
    let id = MESSAGES.iter().find(|choice| std::mem::discriminant(&choice.value) == kind).map_or("", |own| own.id);
    let mut value = json!({"workers": exchange.workers, "method": id});
    match exchange.message {
        Message::Qsgd { levels } => value["levels"] = json!(levels),
        Message::TernGrad { clip } => value["clip"] = json!(clip),
        Message::TopK { share } => value["share"] = json!(share),
        _ => {}
    }
    value
}
