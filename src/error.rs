//! Errors of what is done with events.

use std::path::{Path, PathBuf};

use humboldt_physics::PhysicsError;
use humboldt_pipeline::PipelineError;
use humboldt_schemas::{Invalid, SchemaError};
use thiserror::Error;

use crate::infer::InferError;
use crate::learn::LearnError;

/// Events, or something that is said of them, that cannot be used; each message is one line.
#[derive(Debug, Error)]
pub enum Error {
    /// A setting that is needed.
    #[error("{setting} is missing; allowed: {allowed}")]
    Missing {
        /// The setting, as in `simulation_wc`.
        setting: &'static str,
        /// Allowed values, in words.
        allowed: String,
    },
    /// A setting that does not fit the events.
    #[error("{setting} = {got} is not allowed; allowed: {allowed}")]
    Setting {
        /// The setting, as in `line_shape`.
        setting: &'static str,
        /// The value as given.
        got: String,
        /// Allowed values, in words.
        allowed: String,
    },
    /// A file of events that cannot be used as it is.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Found and allowed values, in words.
        what: String,
    },
    /// Generated events that do not follow their density.
    #[error(
        "the sample does not follow its density: {outside} of {trials} candidates outside the sampler's bounds"
    )]
    Bounds {
        /// Candidates outside the bounds.
        outside: u64,
        /// All candidates.
        trials: u64,
    },
    /// A network that does not say by which card it was trained.
    #[error("the network does not say by which card it was trained")]
    NoCard(#[source] serde_json::Error),
    /// An error about some events of many, or about one of several files.
    #[error("{place}")]
    At {
        /// The rows or the file.
        place: String,
        /// The error.
        source: Box<Error>,
    },
    /// A card or a layout that is refused.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A value of a card that is refused.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// An input that the physics refuses.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
    /// Events that cannot be made or read.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Events from which nothing can be inferred.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A network that cannot be used.
    #[error(transparent)]
    Learn(#[from] LearnError),
}

impl Error {
    /// A setting that does not fit the events.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and format! results")]
    pub(crate) fn setting(setting: &'static str, got: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Setting { setting, got: got.to_string(), allowed: allowed.into() }
    }

    /// A file of events that cannot be used as it is.
    pub(crate) fn file(path: &Path, what: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), what: what.into() }
    }
}

/// Errors with the place that they are about.
pub(crate) trait Place<T> {
    /// The result with the place in its error.
    fn place(self, place: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Place<T> for Result<T, E> {
    fn place(self, place: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::At { place: place(), source: Box::new(error.into()) })
    }
}
