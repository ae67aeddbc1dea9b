//! Sweeps: a recipe and axes, expanded to the product of the axes.

use super::Recipe;
use crate::data::Library;
use crate::error::{CoreError, ErrorCode};
use serde_json::{Map, Value};

/// Most recipes of a sweep.
pub const MOST_CELLS: usize = 10_000;

/// One recipe of a sweep, or why it is none.
pub struct Cell {
    /// The axes' values, by path.
    pub axes: Map<String, Value>,
    /// The recipe.
    pub recipe: Result<Recipe, CoreError>,
}

/// Expands `sweep` (a recipe with a `"sweep"` object of paths and lists). The last axis runs fastest. Without
/// `"sweep"` it is one cell.
///
/// # Errors
/// When the axes themselves cannot be read; a cell that is no legal recipe is an error of its own.
pub fn expand(mut sweep: Value, library: &Library) -> Result<Vec<Cell>, CoreError> {
    let axes = match sweep.as_object_mut().and_then(|object| object.remove("sweep")) {
        None => Map::new(),
        Some(Value::Object(axes)) => axes,
        Some(_) => return Err(CoreError::new(ErrorCode::Type, "sweep", "no object", "an object of paths and lists")),
    };
    let mut cells = vec![(Map::new(), sweep)];
    for (path, values) in axes {
        let at = format!("sweep.{path}");
        let Value::Array(values) = values else {
            return Err(CoreError::new(ErrorCode::Type, at, "no list", "a list of values"));
        };
        if values.is_empty() || cells.len() * values.len() > MOST_CELLS {
            let found = format!("{} recipes", cells.len() * values.len());
            return Err(CoreError::new(ErrorCode::Range, at, found, format!("1 to {MOST_CELLS} recipes")));
        }
        let mut next = Vec::with_capacity(cells.len() * values.len());
        for (axes, recipe) in &cells {
            for value in &values {
                let (mut axes, mut recipe) = (axes.clone(), recipe.clone());
                axes.insert(path.clone(), value.clone());
                set(&mut recipe, &path, value.clone())?;
                next.push((axes, recipe));
            }
        }
        cells = next;
    }
    Ok(cells.into_iter().map(|(axes, recipe)| Cell { axes, recipe: Recipe::parse(recipe, library) }).collect())
}

/// Puts `value` at a dotted path. The last name of an object may be new; everything before must be there.
fn set(recipe: &mut Value, path: &str, value: Value) -> Result<(), CoreError> {
    let mut at = recipe;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let last = names.peek().is_none();
        let next = match at {
            Value::Object(object) if last || object.contains_key(name) => {
                Some(object.entry(name).or_insert(Value::Null))
            }
            Value::Array(list) => name.parse::<usize>().ok().and_then(|i| list.get_mut(i)),
            _ => None,
        };
        at = next.ok_or_else(|| {
            CoreError::new(
                ErrorCode::UnknownField,
                format!("sweep.{path}"),
                format!("\"{name}\""),
                "a path into the recipe, such as steps.0.quantize.weights.format",
            )
        })?;
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn axes_multiply_and_illegal_cells_stay_apart() {
        let library = crate::models::library().unwrap();
        let sweep = json!({
            "version": 1, "model": "mlp-digits", "seed": 1, "init": "random",
            "steps": [{"quantize": {"weights": {"format": "int8"}}}],
            "sweep": {
                "steps.0.quantize.weights.format": ["int8", "binary"],
                "steps.0.quantize.weights.symmetric": [true, false],
            },
        });
        let cells = expand(sweep, &library).unwrap();
        let ok: Vec<bool> = cells.iter().map(|cell| cell.recipe.is_ok()).collect();
        assert_eq!(ok, [true, true, true, false]);
        let error = cells[3].recipe.as_ref().err().unwrap();
        assert_eq!(error.path, "steps.0.quantize.weights.symmetric");
        let bad = json!({"version": 1, "steps": [], "sweep": {"steps.3.x": [1]}});
        assert_eq!(expand(bad, &library).err().unwrap().path, "sweep.steps.3.x");
    }
}
