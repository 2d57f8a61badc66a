//! Why a figure or a table could not be made.

use std::path::PathBuf;

use humboldt_pipeline::PipelineError;
use thiserror::Error;

/// A figure that cannot be drawn from its data, or a file that cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// Nothing to draw.
    #[error("{figure}: no {what} to show")]
    NoData {
        /// The figure.
        figure: &'static str,
        /// Its ingredients.
        what: &'static str,
    },
    /// A value that has no place on an axis.
    #[error("{figure}: {what} = {got}; allowed: {allowed}")]
    Value {
        /// The figure.
        figure: &'static str,
        /// The quantity.
        what: &'static str,
        /// Its value.
        got: String,
        /// Allowed values, in words.
        allowed: &'static str,
    },
    /// Lengths that do not belong together.
    #[error("{figure}: {what} has {got} values, expected {expected}")]
    Length {
        /// The figure.
        figure: &'static str,
        /// The quantity.
        what: &'static str,
        /// Values given.
        got: usize,
        /// Values expected.
        expected: usize,
    },
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] PipelineError),
    /// A table that cannot be encoded.
    #[error("{path}: {message}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Message of the encoder.
        message: String,
    },
    /// The rasteriser or an encoder failed.
    #[error("drawing {figure}: {message}")]
    Drawing {
        /// The figure.
        figure: String,
        /// Its message.
        message: String,
    },
}

impl ReportError {
    /// An error unless all of `values` are finite.
    pub(super) fn unless_finite(
        figure: &'static str,
        what: &'static str,
        values: impl IntoIterator<Item = f64>,
    ) -> Result<(), Self> {
        match values.into_iter().find(|x| !x.is_finite()) {
            Some(got) => Err(Self::Value { figure, what, got: got.to_string(), allowed: "finite numbers" }),
            None => Ok(()),
        }
    }
}
