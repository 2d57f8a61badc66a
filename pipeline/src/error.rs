//! Errors while data are made, stored and streamed.

use std::io;
use std::path::{Path, PathBuf};

use humboldt_physics::PhysicsError;
use thiserror::Error;

/// A request that cannot be met, or a file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A number or a choice outside its range.
    #[error("{field} = {got} is not allowed; allowed: {allowed}")]
    OutOfRange {
        /// The name of the field.
        field: String,
        /// The value as given.
        got: String,
        /// The range in words.
        allowed: String,
    },
    /// A file or folder that the system refuses to read or write.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Message of the system.
        source: io::Error,
    },
    /// A whole file that cannot be used as it is: of another format, without a column, with numbers out of range.
    #[error("{}: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Found and allowed values, in words.
        what: String,
    },
    /// A file that is not as it was written: truncated, or with parts that contradict each other.
    #[error("{} is damaged: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Fault of it, in words.
        what: String,
    },
    /// A whole file that another program works with.
    #[error("{} is in use: {what}", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// By whom, and what to do.
        what: &'static str,
    },
    /// An input that the physics refuses.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
}

impl PipelineError {
    /// A number or a choice outside its range.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and format! results")]
    pub fn out_of_range(field: &str, got: impl ToString, allowed: impl Into<String>) -> Self {
        Self::OutOfRange { field: field.to_owned(), got: got.to_string(), allowed: allowed.into() }
    }

    /// For `map_err` on a call of `std::io` about `path`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }

    /// A whole file that cannot be used as it is.
    pub fn refused(path: &Path, what: impl Into<String>) -> Self {
        Self::Refused { path: path.to_owned(), what: what.into() }
    }

    /// A file that is not as it was written.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass other errors and format! results")]
    pub fn corrupt(path: &Path, what: impl ToString) -> Self {
        Self::Corrupt { path: path.to_owned(), what: what.to_string() }
    }
}
