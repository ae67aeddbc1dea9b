//! What a recipe says about a prune step, read and checked.

use super::input::INPUT;
use super::ratios::Ratios;
use super::*;
use crate::fields::{Fields, MOST_WHOLE, object};

/// What `layers` says of a layer that stays whole.
pub(super) const KEEP: &str = "keep";
const UNSTRUCTURED: &str = "unstructured";
/// The field that says which kind of step it is.
pub(super) const PATTERN: &str = "pattern";
/// Greatest share that may go: something has to stay.
pub const MOST_SPARSITY: f64 = 0.999;
/// Greatest side of a block, and greatest group of N:M.
const MOST_SIDE: u64 = 64;
/// Images that scores look at when the recipe does not say.
pub(super) const DEFAULT_IMAGES: u32 = 256;
/// The share of the training's steps by which all is gone, and steps between two prunings, when the recipe does not say.
const DEFAULT_END: f64 = 0.75;
const DEFAULT_EVERY: u64 = 8;
/// Rounds when the recipe does not say, and the most.
const DEFAULT_ROUNDS: u64 = 5;
const MOST_ROUNDS: u64 = 50;
/// What a budget of ratios is of.
const OF: [&str; 2] = ["weights", "macs"];
/// Least budget: something has to stay of the shares there are.
const LEAST_BUDGET: f64 = 0.02;
/// Validation images that ratios are chosen by when the recipe does not say.
const DEFAULT_RATIO_IMAGES: u32 = 200;

/// A pattern as recipes have it.
pub(super) fn pattern(pattern: Pattern) -> Value {
    match pattern {
        Pattern::Unstructured => json!(UNSTRUCTURED),
        Pattern::Nm(keep, of) => json!({"nm": [keep, of]}),
        Pattern::Block(rows, inputs) => json!({"block": [rows, inputs]}),
    }
}

/// Two whole numbers.
fn pair(fields: &mut Fields, name: &'static str, allowed: &str) -> Result<Option<(usize, usize)>, CoreError> {
    let path = fields.at(name);
    let Some(items) = fields.list(name, 2)? else { return Ok(None) };
    let numbers: Vec<u64> =
        items.iter().filter_map(Value::as_u64).filter(|number| (1..=MOST_SIDE).contains(number)).collect();
    match numbers[..] {
        [first, second] => Ok(Some((first as usize, second as usize))),
        _ => Err(CoreError::new(ErrorCode::Range, path, "other numbers", allowed)),
    }
}

fn read_pattern(fields: &mut Fields) -> Result<Pattern, CoreError> {
    let Some(mut own) = fields.object_if("pattern")? else {
        let find = |id: &str| (id == UNSTRUCTURED).then_some(Pattern::Unstructured);
        let mut allowed = vec![UNSTRUCTURED, "{\"nm\": [n, m]}", "{\"block\": [outputs, inputs]}"];
        allowed.extend(ids(STRUCTURES));
        allowed.push(INPUT);
        return Ok(fields.id("pattern", &allowed, find)?.unwrap_or(Pattern::Unstructured));
    };
    let path = own.path().to_string();
    let sides = "two whole numbers from 1 to 64";
    let nm = pair(&mut own, "nm", "[n, m], n below m, m at most 64")?;
    let block = pair(&mut own, "block", sides)?;
    own.finish()?;
    match (nm, block) {
        (Some((keep, of)), None) if keep < of => Ok(Pattern::Nm(keep, of)),
        (Some((keep, of)), None) => {
            let at = format!("{path}.nm");
            Err(CoreError::new(ErrorCode::Range, at, format!("{keep} of {of}"), "fewer than all"))
        }
        (None, Some((rows, inputs))) => Ok(Pattern::Block(rows, inputs)),
        (None, None) => Err(CoreError::new(ErrorCode::MissingField, path, "nothing", "nm, block")),
        _ => Err(CoreError::new(ErrorCode::Combination, path, "nm beside block", "either of the two")),
    }
}

/// Ids of the schedules.
const KINDS: [&str; 4] = ["one-shot", "gradual", "iterative", "lottery"];
const REWINDS: [&str; 2] = ["weights", "learning-rate"];

/// The id of a schedule.
pub(super) fn kind(schedule: &PruneSchedule) -> &'static str {
    KINDS[match schedule {
        PruneSchedule::OneShot => 0,
        PruneSchedule::Gradual { .. } => 1,
        PruneSchedule::Iterative { .. } => 2,
        PruneSchedule::Lottery { .. } => 3,
    }]
}

fn read_schedule(mut fields: Fields) -> Result<PruneSchedule, CoreError> {
    let kind = fields.id("kind", &KINDS, |id| KINDS.iter().position(|kind| *kind == id))?;
    let schedule = match fields.needed("kind", kind)? {
        0 => PruneSchedule::OneShot,
        1 => PruneSchedule::Gradual {
            from: fields.number("from", 0.0..=MOST_SPARSITY)?.unwrap_or(0.0),
            end: fields.number("end", 0.0..=1.0)?.unwrap_or(DEFAULT_END),
            every: fields.integer("every", 1..=10_000)?.unwrap_or(DEFAULT_EVERY) as u32,
        },
        kind => {
            let rounds = fields.integer("rounds", 1..=MOST_ROUNDS)?.unwrap_or(DEFAULT_ROUNDS) as u32;
            if kind == 2 {
                PruneSchedule::Iterative { rounds }
            } else {
                let rewind = fields.id("rewind", &REWINDS, |id| REWINDS.iter().position(|rewind| *rewind == id))?;
                PruneSchedule::Lottery { rounds, weights: rewind.unwrap_or(0) == 0 }
            }
        }
    };
    fields.finish()?;
    Ok(schedule)
}

/// What `layers` says, as recipes have it.
pub(super) fn write_layers(layers: &Named<Option<f64>>, into: &mut Vec<(&str, Value)>) {
    let own = |share: f64| object(vec![("sparsity", share.into())]);
    let each = layers.iter().map(|(name, share)| (name.as_str(), share.map_or(KEEP.into(), own)));
    if !layers.is_empty() {
        into.push(("layers", object(each.collect())));
    }
}

fn read_ratios(mut fields: Fields) -> Result<Ratios, CoreError> {
    let budget = fields.number("budget", LEAST_BUDGET..=1.0)?;
    let budget = fields.needed("budget", budget)?;
    let of = fields.id("of", &OF, |id| OF.iter().position(|of| *of == id))?;
    let images = fields.integer("images", 8..=2000)?.map_or(DEFAULT_RATIO_IMAGES, |images| images as u32);
    fields.finish()?;
    Ok(Ratios { budget, macs: of == Some(1), images })
}

/// The step with every default written out.
pub(super) fn write(step: &PruneStep) -> Value {
    let mut fields = vec![("method", id_of(PRUNINGS, &step.method).into()), ("pattern", pattern(step.pattern))];
    if !matches!(step.pattern, Pattern::Nm(..)) {
        fields.push(("scope", id_of(SCOPES, &step.scope).into()));
        fields.push(match step.ratios {
            None => ("sparsity", step.sparsity.into()),
            Some(Ratios { budget, macs, images }) => {
                let of = OF[usize::from(macs)].into();
                ("ratios", object(vec![("budget", budget.into()), ("of", of), ("images", images.into())]))
            }
        });
    }
    write_layers(&step.layers, &mut fields);
    if needs_images(step.method) {
        fields.push(("images", step.images.into()));
    }
    if let Some(seed) = step.seed {
        fields.push(("seed", seed.into()));
    }
    let mut schedule = vec![("kind", kind(&step.schedule).into())];
    match step.schedule {
        PruneSchedule::OneShot => return object(fields),
        PruneSchedule::Gradual { from, end, every } => {
            schedule.extend([("from", from.into()), ("end", end.into()), ("every", every.into())]);
        }
        PruneSchedule::Iterative { rounds } => schedule.push(("rounds", rounds.into())),
        PruneSchedule::Lottery { rounds, weights } => {
            schedule.extend([("rounds", rounds.into()), ("rewind", REWINDS[usize::from(!weights)].into())]);
        }
    }
    fields.push(("schedule", object(schedule)));
    object(fields)
}

/// The layers that may be pruned.
pub(super) fn prunable(network: &Network) -> Vec<&str> {
    let nodes = network.graph.nodes().iter().enumerate();
    nodes.filter(|(node, _)| network.rounds_input(*node)).map(|(_, entry)| entry.name.as_str()).collect()
}

/// What `layers` says, by name.
pub(super) fn read_layers(fields: &mut Fields, names: &[&str], nm: bool) -> Result<Named<Option<f64>>, CoreError> {
    let layers_path = fields.at("layers");
    let mut layers = Named::default();
    for (name, value) in fields.object("layers")?.map(Fields::into_entries).unwrap_or_default() {
        let at = format!("{layers_path}.{name}");
        if !names.contains(&name.as_str()) {
            return Err(CoreError::new(ErrorCode::UnknownId, at, format!("\"{name}\""), names.join(", ")));
        }
        let own = match value.as_str() {
            Some(KEEP) => None,
            Some(other) => return Err(CoreError::new(ErrorCode::UnknownId, at, other, KEEP)),
            None => {
                let mut own = Fields::new(value, at)?;
                let sparsity = own.number("sparsity", 0.0..=MOST_SPARSITY)?;
                let sparsity = own.needed("sparsity", sparsity)?;
                if nm {
                    let allowed = "\"keep\"";
                    return Err(CoreError::new(ErrorCode::Combination, own.at("sparsity"), NM_SPARSITY, allowed));
                }
                own.finish()?;
                Some(sparsity)
            }
        };
        layers.insert(name, own);
    }
    Ok(layers)
}

const NM_SPARSITY: &str = "a sparsity with nm, which says how many go";

pub(super) fn parse(mut fields: Fields, network: &Network, _: &[Rc<dyn Step>]) -> Parsed {
    match fields.peek(PATTERN) {
        Some(INPUT) => return input::parse(fields, network),
        Some(id) if choose(STRUCTURES, id).is_some() => return structured::parse(fields, network),
        _ => {}
    }
    let method = fields.id("method", &ids(PRUNINGS), |id| choose(PRUNINGS, id))?.unwrap_or(Pruning::Magnitude);
    let pattern = read_pattern(&mut fields)?;
    let scope = fields.id("scope", &ids(SCOPES), |id| choose(SCOPES, id))?;
    let sparsity = fields.number("sparsity", 0.0..=MOST_SPARSITY)?;
    let ratios = fields.object("ratios")?.map(read_ratios).transpose()?;
    let nm = matches!(pattern, Pattern::Nm(..));
    let names = prunable(network);
    let mut layers = read_layers(&mut fields, &names, nm)?;
    let keep_last = fields.boolean("keep_last")? == Some(true);
    if let Some(last) = names.last().filter(|last| keep_last && !layers.contains(last)) {
        layers.insert((*last).to_string(), None);
    }
    let images = fields.integer("images", 1..=1024)?;
    let seed = fields.integer("seed", 0..=MOST_WHOLE)?;
    let schedule = fields.object("schedule")?.map(read_schedule).transpose()?.unwrap_or(PruneSchedule::OneShot);
    let id = id_of(PRUNINGS, &method);
    let refuse = |name: &str, found: String, allowed: &str| {
        Err(CoreError::new(ErrorCode::Combination, fields.at(name), found, allowed))
    };
    if nm && sparsity.is_some() {
        return refuse("sparsity", NM_SPARSITY.into(), "without it, or another pattern");
    }
    if nm && scope.is_some() {
        return refuse("scope", "a scope with nm, whose groups are compared each by itself".into(), "without it");
    }
    if ratios.is_some() {
        let found = match () {
            _ if sparsity.is_some() => "a sparsity beside ratios, which choose one for each layer",
            _ if nm => "ratios with nm, which says how many go",
            _ if method == Pruning::Lamp || scope == Some(Scope::Global) => {
                "ratios where all layers are compared with each other"
            }
            _ if schedule != PruneSchedule::OneShot => "ratios, which are chosen at once, with a schedule",
            () => "",
        };
        if !found.is_empty() {
            return refuse("ratios", found.into(), "either of the two");
        }
    }
    let scopes = scopes_of(method);
    if let Some(scope) = scope.filter(|scope| !scopes.contains(scope)) {
        let allowed: Vec<&str> = scopes.iter().map(|scope| id_of(SCOPES, scope)).collect();
        return refuse("scope", format!("{} with {id}", id_of(SCOPES, &scope)), &allowed.join(", "));
    }
    if method == Pruning::Lamp && pattern != Pattern::Unstructured {
        return refuse("pattern", "a pattern with lamp, which scores single weights".into(), UNSTRUCTURED);
    }
    if method == Pruning::Sparsegpt && matches!(pattern, Pattern::Block(..)) {
        return refuse("pattern", "blocks with sparsegpt, which goes column by column".into(), "unstructured, nm");
    }
    for (name, given) in [("images", images.is_some()), ("seed", seed.is_some())] {
        if given && !needs_images(method) {
            return refuse(name, format!("{name} with {id}, which looks at none"), "wanda, sparsegpt, taylor or snip");
        }
    }
    if schedule != PruneSchedule::OneShot {
        let kind = kind(&schedule);
        if needs_images(method) {
            let found = format!("{kind} with {id}");
            return refuse("schedule", found, "one-shot, or magnitude, lamp, random or movement");
        }
        if nm && !matches!(schedule, PruneSchedule::Lottery { rounds: 1, .. }) {
            return refuse(
                "schedule",
                format!("{kind} with nm, which goes at once"),
                "one-shot, or a lottery of 1 round",
            );
        }
    }
    let summed = matches!(schedule, PruneSchedule::Gradual { from: 0.0, .. } | PruneSchedule::Lottery { .. });
    if method == Pruning::Movement && !summed {
        let found = "movement, whose scores are summed up while training, without steps before the first pruning";
        return refuse("schedule", found.into(), "gradual from 0, or lottery");
    }
    let sparsity = if nm || ratios.is_some() { 0.0 } else { fields.needed("sparsity", sparsity)? };
    fields.finish()?;
    // Ratios are of layers.
    let usual = if ratios.is_some() && scopes[0] == Scope::Global { Scope::Layer } else { scopes[0] };
    let (scope, images) = (scope.unwrap_or(usual), images.map_or(DEFAULT_IMAGES, |images| images as u32));
    Ok(Rc::new(PruneStep { method, pattern, scope, sparsity, ratios, layers, images, seed, schedule }))
}
