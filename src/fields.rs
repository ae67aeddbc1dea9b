//! Reading JSON objects field by field: every refusal names the path, what was found and what is allowed.

use crate::error::{CoreError, ErrorCode};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// Greatest whole number up to which JSON carries all exactly.
pub const MOST_WHOLE: u64 = (1 << 53) - 1;

/// An object being read. Fields are taken out; [`Fields::finish`] refuses what is left.
#[derive(Debug)]
pub struct Fields {
    path: String,
    object: Map<String, Value>,
    known: Vec<&'static str>,
}

/// A value in an error: short, and never a whole object.
fn show(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        other => {
            let text = other.to_string();
            if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
        }
    }
}

/// `path.name`, or `name` at the top.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

impl Fields {
    /// Reads `value` at `path`.
    ///
    /// # Errors
    /// `type` when it is not an object.
    pub fn new(value: Value, path: impl Into<String>) -> Result<Self, CoreError> {
        let path = path.into();
        match value {
            Value::Object(object) => Ok(Self { path, object, known: Vec::new() }),
            other => Err(CoreError::new(ErrorCode::Type, path, show(&other), "an object")),
        }
    }

    /// All fields, for an object whose names are not known beforehand.
    pub fn into_entries(self) -> Map<String, Value> {
        self.object
    }

    /// Where this object is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a field.
    pub fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// The text of a field that is left for later; `None` where it is none.
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.object.get(name).and_then(Value::as_str)
    }

    /// Takes a field; `null` counts as absent.
    pub fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field that must be there.
    ///
    /// # Errors
    /// `missing-field`.
    pub fn require(&mut self, name: &'static str, allowed: &str) -> Result<Value, CoreError> {
        self.take(name).ok_or_else(|| CoreError::new(ErrorCode::MissingField, self.at(name), "nothing", allowed))
    }

    /// Takes an object.
    ///
    /// # Errors
    /// `type` when it is something else.
    pub fn object(&mut self, name: &'static str) -> Result<Option<Self>, CoreError> {
        let path = self.at(name);
        self.take(name).map(|value| Self::new(value, path)).transpose()
    }

    /// Takes an object, and leaves a field that is something else for another reader.
    ///
    /// # Errors
    /// None: [`Fields::new`] reads an object.
    pub fn object_if(&mut self, name: &'static str) -> Result<Option<Self>, CoreError> {
        if self.object.get(name).is_some_and(Value::is_object) { self.object(name) } else { Ok(None) }
    }

    /// Takes a list.
    ///
    /// # Errors
    /// `type` when it is something else, `range` when it is longer than `most`.
    pub fn list(&mut self, name: &'static str, most: usize) -> Result<Option<Vec<Value>>, CoreError> {
        let path = self.at(name);
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() <= most => Ok(Some(items)),
            Some(Value::Array(items)) => Err(CoreError::new(
                ErrorCode::Range,
                path,
                format!("{} entries", items.len()),
                format!("at most {most}"),
            )),
            Some(other) => Err(CoreError::new(ErrorCode::Type, path, show(&other), "a list")),
        }
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// `type` or `range`.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, CoreError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let whole =
            value.as_u64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0).map(|f| f as u64));
        match whole {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) => Err(CoreError::new(ErrorCode::Range, self.at(name), show(&value), allowed)),
            None if value.is_number() => Err(CoreError::new(ErrorCode::Range, self.at(name), show(&value), allowed)),
            None => Err(CoreError::new(ErrorCode::Type, self.at(name), show(&value), allowed)),
        }
    }

    /// Takes a number.
    ///
    /// # Errors
    /// `type` or `range`.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Result<Option<f64>, CoreError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        match value.as_f64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) => Err(CoreError::new(ErrorCode::Range, self.at(name), show(&value), allowed)),
            None => Err(CoreError::new(ErrorCode::Type, self.at(name), show(&value), allowed)),
        }
    }

    /// Takes text.
    ///
    /// # Errors
    /// `type` when it is something else.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, CoreError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(CoreError::new(ErrorCode::Type, self.at(name), show(&other), "text")),
        }
    }

    /// What a field must hold; `missing-field` when it does not.
    ///
    /// # Errors
    /// `missing-field`.
    pub fn needed<T>(&self, name: &'static str, found: Option<T>) -> Result<T, CoreError> {
        found.ok_or_else(|| CoreError::new(ErrorCode::MissingField, self.at(name), "nothing", name))
    }

    /// Takes true or false.
    ///
    /// # Errors
    /// `type`.
    pub fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, CoreError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(CoreError::new(ErrorCode::Type, self.at(name), show(&other), "true or false")),
        }
    }

    /// Takes an id that `find` knows; `ids` are listed when it does not.
    ///
    /// # Errors
    /// `type` or `unknown-id`.
    pub fn id<T>(
        &mut self,
        name: &'static str,
        ids: &[&str],
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, CoreError> {
        match self.take_id(name, ids)? {
            None => Ok(None),
            Some(id) => find(&id).map(Some).ok_or_else(|| self.unknown(name, id, ids)),
        }
    }

    /// The parts of [`Fields::id`] that do not depend on what is found, once for all.
    #[inline(never)]
    fn take_id(&mut self, name: &'static str, ids: &[&str]) -> Result<Option<String>, CoreError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(id)) => Ok(Some(id)),
            Some(other) => {
                Err(CoreError::new(ErrorCode::Type, self.at(name), show(&other), format!("one of {}", ids.join(", "))))
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn unknown(&self, name: &str, id: String, ids: &[&str]) -> CoreError {
        CoreError::new(ErrorCode::UnknownId, self.at(name), show(&Value::String(id)), ids.join(", "))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// `unknown-field` when anything is left.
    pub fn finish(self) -> Result<(), CoreError> {
        match self.object.keys().next() {
            None => Ok(()),
            Some(name) => {
                let short: String = name.chars().take(60).collect();
                Err(CoreError::new(
                    ErrorCode::UnknownField,
                    join(&self.path, &short),
                    format!("\"{short}\""),
                    self.known.join(", "),
                ))
            }
        }
    }
}

/// The object of these fields: one copy of the code for all that steps write.
pub fn object(fields: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    for (name, value) in fields {
        object.insert(name.to_string(), value);
    }
    Value::Object(object)
}

/// Parses JSON text.
///
/// # Errors
/// `json` with line and column.
pub fn parse(text: &str) -> Result<Value, CoreError> {
    serde_json::from_str(text).map_err(|error| {
        CoreError::new(
            ErrorCode::Json,
            format!("line {}, column {}", error.line(), error.column()),
            error.to_string(),
            "JSON",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_refusal_names_path_found_and_allowed() {
        let mut fields = Fields::new(json!({"bits": 99, "mode": "fast", "extra": 1}), "steps.0").unwrap();
        let error = fields.integer("bits", 1..=16).unwrap_err();
        assert_eq!((error.path.as_str(), error.found.as_str()), ("steps.0.bits", "99"));
        assert_eq!(error.allowed, "a whole number from 1 to 16");
        let error = fields.id("mode", &["a", "b"], |_| None::<()>).unwrap_err();
        assert_eq!((error.code, error.allowed.as_str()), (ErrorCode::UnknownId, "a, b"));
        let error = fields.finish().unwrap_err();
        assert_eq!((error.code, error.path.as_str()), (ErrorCode::UnknownField, "steps.0.extra"));
        assert_eq!(error.allowed, "bits, mode");
    }
}
