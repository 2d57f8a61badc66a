//! Errors of what a caller asks of the physics.

use thiserror::Error;

/// An input that this crate refuses.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PhysicsError {
    /// A name that is not one of a closed set.
    #[error("unknown {what} `{got}`; allowed: {allowed}")]
    Unknown {
        /// Kind of thing that the name should have named.
        what: &'static str,
        /// The name as given.
        got: String,
        /// The allowed names, comma-separated.
        allowed: String,
    },
    /// A number outside its range.
    #[error("{field} = {got} is not allowed; allowed: {allowed}")]
    OutOfRange {
        /// The name of the field.
        field: String,
        /// The value as given.
        got: String,
        /// The range in words.
        allowed: String,
    },
}

impl PhysicsError {
    pub(crate) fn unknown(what: &'static str, got: &str, allowed: &[&str]) -> Self {
        Self::Unknown { what, got: got.to_owned(), allowed: allowed.join(", ") }
    }

    pub(crate) fn unless(ok: bool, field: &str, got: f64, allowed: &str) -> Result<(), Self> {
        if ok {
            Ok(())
        } else {
            Err(Self::OutOfRange {
                field: field.to_owned(),
                got: got.to_string(),
                allowed: allowed.to_owned(),
            })
        }
    }
}
