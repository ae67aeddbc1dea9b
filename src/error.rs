//! The one error of the engine's surface: what, where, what was found, what is allowed. Words are the front end's.

use serde::Serialize;
use std::fmt;

/// Kinds of errors. The page and the command line have words for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The text is not JSON.
    Json,
    /// A field that does not exist.
    UnknownField,
    /// A required field that is not there.
    MissingField,
    /// A value of the wrong type.
    Type,
    /// A number outside its range.
    Range,
    /// An id that no registry holds.
    UnknownId,
    /// Parts that are right alone but not together.
    Combination,
    /// A version this engine does not read.
    Version,
    /// A file that is needed and was not provided.
    Asset,
    /// A file whose length or SHA-256 is not the recorded one, or that cannot be decoded.
    Checksum,
    /// A fault of the engine itself.
    Internal,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct CoreError {
    /// The kind.
    pub code: ErrorCode,
    /// Where: a path into the recipe such as `steps.0.quantize.weights.format`, or a file.
    pub path: String,
    /// What was there.
    pub found: String,
    /// What may be there.
    pub allowed: String,
}

impl CoreError {
    /// An error of `code` at `path`.
    // Errors are rare: one copy of this code for all who make them.
    #[cold]
    #[inline(never)]
    pub fn new(code: ErrorCode, path: impl Into<String>, found: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { code, path: path.into(), found: found.into(), allowed: allowed.into() }
    }

    /// A fault of the engine: something that checks before should have made impossible.
    #[cold]
    #[inline(never)]
    pub fn internal(path: impl Into<String>, error: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, path, error.to_string(), "")
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, path, found, allowed } = self;
        write!(f, "{code:?} at {path}: found {found}")?;
        if allowed.is_empty() { Ok(()) } else { write!(f, "; allowed: {allowed}") }
    }
}

impl std::error::Error for CoreError {}
