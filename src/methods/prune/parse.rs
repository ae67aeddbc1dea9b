//! What a recipe says about a prune step, read and checked.

use super::*;
use crate::fields::Fields;

/// What `layers` says of a layer that stays whole.
pub(super) const KEEP: &str = "keep";
const UNSTRUCTURED: &str = "unstructured";
/// Greatest share that may go: something has to stay.
const MOST_SPARSITY: f64 = 0.999;
/// Greatest side of a block, and greatest group of N:M.
const MOST_SIDE: u64 = 64;

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

pub(super) fn parse(mut fields: Fields, network: &Network, _: &[Rc<dyn Step>]) -> Parsed {
    if fields.peek("pattern").is_some_and(|id| choose(STRUCTURES, id).is_some()) {
        return structured::parse(fields, network);
    }
    let method = fields.id("method", &ids(PRUNINGS), |id| choose(PRUNINGS, id))?.unwrap_or(Pruning::Magnitude);
    let pattern = read_pattern(&mut fields)?;
    let (scope_path, sparsity_path) = (fields.at("scope"), fields.at("sparsity"));
    let scope = fields.id("scope", &ids(SCOPES), |id| choose(SCOPES, id))?;
    let sparsity = fields.number("sparsity", 0.0..=MOST_SPARSITY)?;
    let refuse = |path, found: String, allowed: &str| Err(CoreError::new(ErrorCode::Combination, path, found, allowed));
    let nm = matches!(pattern, Pattern::Nm(..));
    if nm && sparsity.is_some() {
        return refuse(
            sparsity_path,
            "a sparsity with nm, which says how many go".into(),
            "without it, or another pattern",
        );
    }
    if nm && scope.is_some() {
        return refuse(scope_path, "a scope with nm, whose groups are compared each by itself".into(), "without it");
    }
    let layers_path = fields.at("layers");
    let mut layers = BTreeMap::new();
    let names: Vec<&str> = (0..network.graph.nodes().len())
        .filter(|&node| network.rounds_input(node))
        .map(|node| network.graph.nodes()[node].name.as_str())
        .collect();
    for (name, value) in fields.object("layers")?.map(Fields::into_entries).unwrap_or_default() {
        let at = format!("{layers_path}.{name}");
        if !names.contains(&name.as_str()) {
            return Err(CoreError::new(ErrorCode::UnknownId, at, format!("\"{name}\""), names.join(", ")));
        }
        if value.as_str() == Some(KEEP) {
            layers.insert(name, None);
            continue;
        }
        let mut own = Fields::new(value, at)?;
        let path = own.at("sparsity");
        let sparsity = own.number("sparsity", 0.0..=MOST_SPARSITY)?;
        let sparsity = own.needed("sparsity", sparsity)?;
        own.finish()?;
        if nm {
            return refuse(path, "a sparsity with nm, which says how many go".into(), "\"keep\"");
        }
        layers.insert(name, Some(sparsity));
    }
    if fields.boolean("keep_last")? == Some(true)
        && let Some(last) = names.last()
    {
        layers.entry((*last).to_string()).or_insert(None);
    }
    let sparsity = if nm { 0.0 } else { fields.needed("sparsity", sparsity)? };
    fields.finish()?;
    let scope = scope.unwrap_or(Scope::Global);
    Ok(Rc::new(PruneStep { method, pattern, scope, sparsity, layers }))
}
