//! What the predictions of a network say about delta C9, and how far theory can be trusted.
//!
//! - [`ensembles`]: mean, left and right width, bias, slope and baseline of ensembles of test images
//! - [`variation`]: predictions with varied inputs

pub mod ensembles;
pub mod variation;

use thiserror::Error;

/// A sample that no statement can be made from.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum InferError {
    /// An ensemble without images.
    #[error("the ensemble at delta C9 = {delta_c9} has no predictions")]
    NoPredictions {
        /// Its true shift.
        delta_c9: f64,
    },
    /// A truth or a prediction that is NaN or infinite.
    #[error("the ensemble at delta C9 = {delta_c9} holds {got}, which is not a finite number")]
    NotFinite {
        /// Its true shift.
        delta_c9: f64,
        /// The value.
        got: f64,
    },
    /// Fewer than two different delta C9, through which no line can be drawn.
    #[error("{got} different values of delta C9 in [{low}, {high}]; a slope needs at least 2")]
    TooFewEnsembles {
        /// Lower end of the range.
        low: f64,
        /// Upper end of the range.
        high: f64,
        /// Different values found in it.
        got: usize,
    },
}
