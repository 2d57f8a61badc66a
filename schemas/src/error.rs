//! Errors of a file or a value that a user gives.

use std::path::PathBuf;

use humboldt_physics::PhysicsError;
use thiserror::Error;

/// A card, an argument or a file that this crate refuses; each message is one line.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A file that cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Message of the system.
        source: std::io::Error,
    },
    /// A card that is not TOML, or a field of the wrong type.
    #[error("{file}:{line}: {field}{message}")]
    Syntax {
        /// The card.
        file: String,
        /// Line, from 1.
        line: usize,
        /// `field: ` where the parser got as far as a field, else empty.
        field: String,
        /// Expectation of the parser, and what it found.
        message: String,
    },
    /// A key that the card does not have.
    #[error("{file}:{line}: unknown key `{key}`{hint}; allowed: {allowed}")]
    UnknownKey {
        /// The card.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The key with its table, as in `training.batch_sise`.
        key: String,
        /// ` (did you mean ...?)` or empty.
        hint: String,
        /// The keys of that table.
        allowed: String,
    },
    /// A value of a card outside its range.
    #[error("{file}:{line}: {invalid}")]
    InvalidCard {
        /// The card.
        file: String,
        /// Line, from 1 (1 where the field was left to its default).
        line: usize,
        /// The field, its value and what is allowed.
        invalid: Invalid,
    },
    /// A value outside its range.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// An input that the physics refuses.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
    /// A file that is not what its name says.
    #[error("{path}: {what}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Fault of it, in words.
        what: String,
    },
}

/// A field, the value it got, and what would be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} = {got} is not allowed; allowed: {allowed}")]
pub struct Invalid {
    /// The field with its tables, as in `images.bins`.
    pub field: String,
    /// The value as given.
    pub got: String,
    /// The range in words.
    pub allowed: String,
}

impl Invalid {
    /// `field = got` is outside `allowed`.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and literals")]
    pub fn new(field: &str, got: impl ToString, allowed: impl ToString) -> Self {
        Self { field: field.to_owned(), got: got.to_string(), allowed: allowed.to_string() }
    }

    /// An error unless `ok`.
    ///
    /// # Errors
    /// When `ok` is false.
    pub fn unless(ok: bool, field: &str, got: impl ToString, allowed: impl ToString) -> Result<(), Self> {
        if ok { Ok(()) } else { Err(Self::new(field, got, allowed)) }
    }
}
