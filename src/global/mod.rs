//! Global fits: measured observables against predictions, by chi-square.
//!
//! After "Application of Machine Learning techniques to the discovery of new physics" (Partida, Masjuan): shifts of
//! Wilson coefficients of muons, and polynomials in q2 for what hadronic physics leaves open. Values are in the LHCb
//! convention, rates in GeV^-2, unless a name says otherwise.
//!
//! - [`selection`]: which measurements count
//! - [`data`]: measured values, errors and correlations in one list
//! - [`shift`]: what may move in a fit
//! - [`polynomials`]: `F(q2) = a0 + a1 q2 + a2 q2^2` added to observables
//! - [`statistic`]: the chi-square of a list of parameters, pulls, contributions
//! - [`setup`]: data, model and errors, and from what is free to a chi-square
//! - [`fit`]: its minimum
//! - [`intervals`]: errors from its curvature and from profiles
//! - [`scan`]: its values on a grid, and contours
//! - [`sample`]: the posterior density of the parameters
//! - [`figures`]: measurements and predictions as figures want them
//! - [`networks`]: the study's networks, and ones that give the posterior

pub mod data;
pub mod figures;
pub mod fit;
pub mod intervals;
pub mod networks;
pub mod polynomials;
pub mod sample;
pub mod scan;
pub mod selection;
pub mod setup;
pub mod shift;
pub mod statistic;

use humboldt_physics::PhysicsError;
use humboldt_schemas::{Invalid, SchemaError};
use thiserror::Error;

/// A fit that cannot be made.
#[derive(Debug, Error)]
pub enum GlobalError {
    /// A file of measurements that is refused.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A value that is refused.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A prediction that cannot be made.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
    /// A network whose loss is no number any more.
    #[error("training diverged in step {step}: the loss is {loss}; lower learning_rate")]
    Diverged {
        /// Step or epoch, from 0.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A minimisation that found no minimum.
    #[error("the fit of {parameters} did not converge from any start: {reason}")]
    NoMinimum {
        /// The free parameters.
        parameters: String,
        /// Last message of the minimiser.
        reason: String,
    },
}
