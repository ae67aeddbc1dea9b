//! What a recipe says about how to train: read, and written out.

use super::lowered::{read_exchange, read_precision, write_exchange, write_precision};
use super::{Choice, choose, id_of, ids};
use crate::error::{CoreError, ErrorCode};
use crate::fields::Fields;
use crate::train::{Optimizer, Schedule, TrainOptions};
use serde_json::{Value, json};

/// Every optimizer, as it is without settings.
pub static OPTIMIZERS: &[Choice<Optimizer>] = &[
    Choice {
        value: Optimizer::Adam { decoupled: false },
        id: "adam",
        code: "a",
        source: "Kingma and Ba 2015, arXiv 1412.6980",
    },
    Choice {
        value: Optimizer::Adam { decoupled: true },
        id: "adamw",
        code: "w",
        source: "Loshchilov and Hutter 2019, arXiv 1711.05101",
    },
    Choice {
        value: Optimizer::Sgd { momentum: 0.9, nesterov: false },
        id: "sgd",
        code: "s",
        source: "Sutskever et al. 2013, PMLR 28(3):1139",
    },
];

/// Every way the rate runs.
pub static SCHEDULES: &[Choice<Schedule>] = &[
    Choice { value: Schedule::Constant, id: "constant", code: "k", source: "Robbins and Monro 1951, AMS 22(3):400" },
    Choice { value: Schedule::Cosine, id: "cosine", code: "c", source: "Loshchilov and Hutter 2017, arXiv 1608.03983" },
    Choice { value: Schedule::OneCycle, id: "one-cycle", code: "o", source: "Smith and Topin 2018, arXiv 1708.07120" },
    Choice { value: Schedule::Step, id: "step", code: "s", source: "He et al. 2016, arXiv 1512.03385" },
];

/// Rates by themselves: of Adam, and of SGD.
const RATES: [f64; 2] = [0.001, 0.01];
/// Adam's ε by itself.
const DEFAULT_EPSILON: f64 = 1e-8;

fn read_optimizer(fields: &mut Fields) -> Result<Optimizer, CoreError> {
    let kind = fields.id("optimizer", &ids(OPTIMIZERS), |id| choose(OPTIMIZERS, id))?;
    let kind = kind.unwrap_or(Optimizer::Adam { decoupled: false });
    let (momentum, ahead) = (fields.number("momentum", 0.0..=0.999)?, fields.boolean("nesterov")?);
    let refuse = |name: &str, found: String| {
        let found = format!("{found} with {}", id_of(OPTIMIZERS, &kind));
        Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, "only with sgd"))
    };
    match kind {
        Optimizer::Sgd { momentum: usual, .. } => {
            Ok(Optimizer::Sgd { momentum: momentum.unwrap_or(usual), nesterov: ahead == Some(true) })
        }
        Optimizer::Adam { .. } => match (momentum, ahead) {
            (Some(found), _) => refuse("momentum", found.to_string()),
            (None, Some(true)) => refuse("nesterov", "true".into()),
            _ => Ok(kind),
        },
    }
}

/// Reads the options of a train step.
pub(super) fn read(fields: &mut Fields) -> Result<TrainOptions, CoreError> {
    let optimizer = read_optimizer(fields)?;
    let schedule = fields.id("schedule", &ids(SCHEDULES), |id| choose(SCHEDULES, id))?;
    let epsilon = fields.number("epsilon", 0.0..=1.0)?;
    if epsilon.is_some() && matches!(optimizer, Optimizer::Sgd { .. }) {
        let allowed = "only with adam or adamw";
        return Err(CoreError::new(ErrorCode::Combination, fields.at("epsilon"), "epsilon with sgd", allowed));
    }
    let batch = fields.integer("batch", 1..=512)?.unwrap_or(64) as u32;
    let (precision, exchange) = (read_precision(fields)?, read_exchange(fields, batch)?);
    let record = fields.boolean("record")?.unwrap_or(precision.is_some() || exchange.is_some());
    Ok(TrainOptions {
        epochs: fields.integer("epochs", 1..=200)?.unwrap_or(1) as u32,
        batch,
        optimizer,
        lr: fields.number("lr", 1e-8..=10.0)?.unwrap_or(RATES[usize::from(matches!(optimizer, Optimizer::Sgd { .. }))]),
        schedule: schedule.unwrap_or(Schedule::Constant),
        weight_decay: fields.number("weight_decay", 0.0..=1.0)?.unwrap_or(0.0),
        label_smoothing: fields.number("label_smoothing", 0.0..=0.9)?.unwrap_or(0.0),
        flip: fields.boolean("flip")?.unwrap_or(false),
        shift: fields.integer("shift", 0..=8)?.unwrap_or(0) as u32,
        patience: fields.integer("patience", 0..=200)?.unwrap_or(0) as u32,
        epsilon: epsilon.unwrap_or(DEFAULT_EPSILON),
        precision,
        exchange,
        record,
    })
}

/// The options written out. What came later than version 1 of recipes stands only where it says something.
pub(super) fn write(options: &TrainOptions) -> Value {
    let TrainOptions { epochs, batch, optimizer, lr, schedule, weight_decay, flip, shift, .. } = options;
    let &TrainOptions { label_smoothing, patience, epsilon, record, .. } = options;
    let kind = OPTIMIZERS.iter().find(|choice| match (choice.value, optimizer) {
        (Optimizer::Sgd { .. }, Optimizer::Sgd { .. }) => true,
        (own, given) => own == *given,
    });
    let mut value = json!({
        "epochs": epochs, "batch": batch, "lr": lr, "schedule": id_of(SCHEDULES, schedule), "weight_decay": weight_decay,
        "flip": flip, "shift": shift, "optimizer": kind.map_or("", |choice| choice.id),
    });
    if let Optimizer::Sgd { momentum, nesterov } = optimizer {
        value["momentum"] = json!(momentum);
        if *nesterov {
            value["nesterov"] = json!(true);
        }
    }
    if label_smoothing > 0.0 {
        value["label_smoothing"] = json!(label_smoothing);
    }
    if patience > 0 {
        value["patience"] = json!(patience);
    }
    if epsilon.to_bits() != DEFAULT_EPSILON.to_bits() {
        value["epsilon"] = json!(epsilon);
    }
    if let Some(precision) = &options.precision {
        value["precision"] = write_precision(precision);
    }
    if let Some(exchange) = &options.exchange {
        value["exchange"] = write_exchange(exchange);
    }
    if record != (options.precision.is_some() || options.exchange.is_some()) {
        value["record"] = json!(record);
    }
    value
}
