//! Wilson coefficients from learned ratios of densities: a statistic of each event, calibrated by simulated events.
//!
//! A network gives of an event's measured variables y the coefficients of `p(y; x)/p(y; 0)`, quadratic in the shifts x from
//! the point of the simulation, and where there is background the ratio of the densities of signal and background. Neither
//! is exact, so neither is believed: from them are made the derivatives of `ln p(y; x, f)` by shifts and fraction of background at some fixed
//! points, and these are nothing but numbers of an event, whose mean over a sample is measured.
//!
//! Mean and covariance of that statistic at any shifts follow from simulated events that the network has not seen, each weighted by
//! its exact `1 + beta.x + x.gamma.x` of truth: sums, made once, quadratic in x. Then `-ln L` is that of a Gaussian mean with
//! the covariance `S(x, f)/N`, widened by what the finite simulation leaves open. A bad network makes wide intervals, not wrong ones.
//!
//! Nothing in this needs a network: the means of any numbers of an event can be calibrated so.
//!
//! - [`EventStatistic`]: numbers of an event: [`Statistic`], which a network has learned, and [`Moments`], angular moments in bins of q2
//! - [`RatioCalibration`]: their mean and covariance at any point, and what they know of the coefficients there
//! - [`Fit`]: of the coefficients, to a sample's mean

mod calibration;
mod effects;
mod fit;
mod moments;
mod quartic;
mod statistic;
mod sums;

pub use self::calibration::{Known, RatioCalibration, Truth};
pub use self::fit::{Fit, SamplePart};
pub use self::moments::Moments;
pub use self::statistic::{EventStatistic, Mean, Ratios, Statistic, UNKNOWN_FRACTION, along};
pub use super::form::slopes;

/// Events of one sum: sums of sums do not depend on the number of threads.
const BLOCK: usize = 4096;
