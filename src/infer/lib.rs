//! Inference on Wilson coefficients from events and from the predictions of a network.
//!
//! - [`ensembles`]: mean, left and right width, bias, slope and baseline of ensembles of test images
//! - [`density`]: the density of events as a function of shifts, with tables for fits
//! - [`information`]: the bound on the error of any method, with and without nuisance parameters
//! - [`accepted`]: the same of events that a detector keeps, by accepted simulated ones
//! - [`nuisances`]: form factors and hadronic corrections as further parameters
//! - [`likelihood`]: the unbinned likelihood of events, exact with its derivatives
//! - [`weights`], [`sweights`]: weights of events, of both signs; those that a mass spectrum gives
//! - [`normalisation`], [`simulation`]: by integrals, or over accepted simulated events
//! - [`s_wave`]: K pi pairs of spin 0, of known or fitted strength
//! - [`background`], [`mixture`]: samples of which a part is background, and weighted events
//! - [`minimise`]: the minimum of a smooth function, for all fits
//! - [`profile`]: intervals of one number, all others minimised
//! - [`unbinned`]: maximum-likelihood fits, errors and profile intervals
//! - [`goodness`]: chi-square of a fit in cells of all four variables
//! - [`moments`]: `S_i` and `A_FB` by the method of moments, and a chi-square fit to them
//! - [`unfold`]: moments of accepted events, by accepted simulated ones
//! - [`template`]: a fit to a voxel image
//! - [`estimator`]: all of these as ways to estimate delta C9 from one sample
//! - [`neyman`]: from predictions to intervals with stated coverage
//! - [`ratio`]: a fit of learned ratios of densities, calibrated by simulated events
//! - [`closure`]: whether events follow the density that they are said to, and what is off
//! - [`variation`]: predictions with varied inputs

pub mod accepted;
mod angles;
pub mod background;
pub mod closure;
pub mod density;
pub mod ensembles;
pub mod estimator;
mod form;
mod functions;
pub mod goodness;
pub mod information;
pub mod likelihood;
pub mod minimise;
pub mod mixture;
pub mod moments;
pub mod neyman;
pub mod normalisation;
pub mod nuisances;
pub mod profile;
pub mod ratio;
pub mod s_wave;
pub mod simulation;
pub mod sweights;
mod tabulated;
pub mod template;
pub mod unbinned;
pub mod unfold;
pub mod variation;
pub mod weights;

pub use form::Jet;

use humboldt_physics::PhysicsError;
use thiserror::Error;

/// Distances at which the profile of a parameter (chi-square or `-2 ln L`, minimised in all others) has risen by 1 below and above its
/// minimum; `None` where it does not as far as it is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Distance downwards.
    pub minus: Option<f64>,
    /// Distance upwards.
    pub plus: Option<f64>,
}

/// A sample that no statement can be made from.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum InferError {
    /// An ensemble without images.
    #[error("the ensemble at a true shift of {truth} has no predictions")]
    NoPredictions {
        /// Its true shift.
        truth: f64,
    },
    /// A truth or a prediction that is NaN or infinite.
    #[error("the ensemble at a true shift of {truth} holds {got}, which is not a finite number")]
    NotFinite {
        /// Its true shift.
        truth: f64,
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
    /// A fit without a result.
    #[error("the fit of {coefficients} found no minimum: {reason}")]
    NoMinimum {
        /// Free parameters.
        coefficients: String,
        /// Message of the minimiser.
        reason: String,
    },
    /// Events that are refused.
    #[error("{what}")]
    Events {
        /// Fault of them, in words.
        what: String,
    },
    /// An input that the physics refuses.
    #[error(transparent)]
    Physics(#[from] PhysicsError),
}

impl InferError {
    /// A number or a choice outside its range.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and format! results")]
    pub fn out_of_range(field: &str, got: impl ToString, allowed: impl Into<String>) -> Self {
        Self::OutOfRange { field: field.to_owned(), got: got.to_string(), allowed: allowed.into() }
    }
}
