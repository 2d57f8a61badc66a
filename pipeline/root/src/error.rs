//! Errors of ROOT files; who opens the file knows its name.

use std::io;

use thiserror::Error;

/// A file that cannot be read or written as a table.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootError {
    /// The system refuses to read or write.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A whole file that cannot be used as it is, or rows that cannot be written.
    #[error("{0}")]
    Refused(String),
    /// A file that is not as it was written: truncated, or with parts that contradict each other.
    #[error("{0}")]
    Corrupt(String),
}

pub(crate) fn corrupt<T>(what: impl Into<String>) -> Result<T, RootError> {
    Err(RootError::Corrupt(what.into()))
}

pub(crate) fn refused<T>(what: impl Into<String>) -> Result<T, RootError> {
    Err(RootError::Refused(what.into()))
}
