//! Maximum-likelihood fits of events: minimum, errors from second derivatives, and profile intervals.

use humboldt_physics::Quadratic;
use nalgebra::DMatrix;

use super::InferError;
pub use super::Interval;
use super::form::Jet;
use super::likelihood::Likelihood;
use super::minimise::{Minimum, Objective, inverse, minimise};
use super::profile::Profile;

/// Start of the minimisation along each coefficient, in units of the shift that makes as much rate as there is.
const STARTS: [f64; 8] = [-1.0, -0.5, -0.25, -0.1, 0.1, 0.25, 0.5, 1.0];

/// Limit to which shifts are looked for, in the same units. Where all coefficients grow together the shape hardly changes: without
/// an end the likelihood of small samples can rise for ever.
pub(super) const FARTHEST: f64 = 10.0;

/// Unit of a fraction of background: all of the sample lies at the limit.
const FRACTION_SCALE: f64 = 1.0 / FARTHEST;

/// Fewest events for each coefficient.
pub const FEWEST_EVENTS: usize = 20;

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The shifts, in the order of the family's directions; behind them the strength of an S-wave and the fraction of background,
    /// where they are free.
    pub values: Vec<f64>,
    /// Inverse of the second derivatives of `-ln L`; NaN for coefficients along which it is flat or curved downwards, and for
    /// all where it falls up to the end of what is searched.
    ///
    /// # Shapes
    /// [coefficient, coefficient]
    pub curved: DMatrix<f64>,
    /// Their covariance: the same where all events count once and the density is known; else `H^-1 V H^-1` with H the second
    /// derivatives and V the covariance of the first ones, of weighted events, simulation and background.
    ///
    /// # Shapes
    /// [coefficient, coefficient]
    pub covariance: DMatrix<f64>,
    /// `-ln L` at the minimum, up to a constant of the sample.
    pub minimum: f64,
}

impl Fitted {
    /// Standard deviation of each coefficient; NaN where second derivatives give none.
    pub fn sigma(&self) -> Vec<f64> {
        self.covariance.diagonal().iter().map(|variance| variance.sqrt()).collect()
    }
}

impl Objective for Likelihood<'_> {
    type Error = InferError;

    fn value(&self, point: &[f64]) -> Result<f64, InferError> {
        Ok(Self::value(self, point))
    }

    fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, InferError> {
        let Jet { value, gradient, hessian } = Self::jet(self, point);
        if free.len() == point.len() {
            return Ok(Jet { value, gradient, hessian });
        }
        let hessian = hessian.select_rows(free).select_columns(free);
        Ok(Jet { value, gradient: gradient.select_rows(free), hessian })
    }

    fn limit(&self) -> f64 {
        FARTHEST
    }
}

/// The maximum of the likelihood.
///
/// # Errors
/// With fewer than 20 events a coefficient; for a coefficient that the density does not depend on; when `-ln L` still falls
/// far away from all starts.
pub fn fit(likelihood: &Likelihood) -> Result<Fitted, InferError> {
    let n = likelihood.parameters();
    let counted = likelihood.counted();
    if counted.effective < (FEWEST_EVENTS * n) as f64 {
        let allowed = format!("at least {}, {FEWEST_EVENTS} a coefficient", FEWEST_EVENTS * n);
        let weighted = counted.effective < counted.events as f64;
        let field = if weighted { "effective number of events" } else { "events" };
        return Err(InferError::out_of_range(field, counted.effective, allowed));
    }
    let scales = scales(likelihood)?;
    let free: Vec<usize> = (0..n).collect();
    let mut best: Option<Minimum> = None;
    for start in starts(likelihood, &scales) {
        let found = minimise(likelihood, &start, &free, &scales)?;
        // A later start must be lower by more than rounding.
        let lower =
            best.as_ref().is_none_or(|best| found.value < best.value - 1e-6 || !best.value.is_finite());
        if lower && found.value.is_finite() {
            best = Some(found);
        }
    }
    match best {
        Some(best) if best.settled => Ok(fitted(likelihood, best, &scales)),
        Some(best) => Err(no_minimum(likelihood, &format!("-ln L still falls at {:.3?}", best.point))),
        None => Err(no_minimum(likelihood, "-ln L is not finite at any start")),
    }
}

fn fitted(likelihood: &Likelihood, best: Minimum, scales: &[f64]) -> Fitted {
    let hessian = likelihood.jet(&best.point).hessian;
    let curved = covariance(&hessian, &best.point, scales);
    let covariance = sandwich(&curved, &hessian, &likelihood.score_covariance(&best.point, &hessian));
    Fitted { curved, covariance, values: best.point, minimum: best.value }
}

/// `C V C`, C the inverse of second derivatives H and V the covariance of first ones; C itself where V is H.
fn sandwich(curved: &DMatrix<f64>, hessian: &DMatrix<f64>, scores: &DMatrix<f64>) -> DMatrix<f64> {
    if scores == hessian {
        return curved.clone();
    }
    let known = curved.map(|x| if x.is_finite() { x } else { 0.0 });
    let covariance = &known * scores * &known;
    covariance.zip_map(curved, |x, curved| if curved.is_finite() { x } else { f64::NAN })
}

/// The inverse of second derivatives at a minimum; NaN where it is none, at the end of what is searched.
pub(super) fn covariance(hessian: &DMatrix<f64>, point: &[f64], scales: &[f64]) -> DMatrix<f64> {
    let inside = point.iter().zip(scales).all(|(x, scale)| x.abs() < FARTHEST * scale * (1.0 - 1e-9));
    if inside { inverse(hessian, scales) } else { DMatrix::from_element(point.len(), point.len(), f64::NAN) }
}

/// The profile intervals of all coefficients: where `-ln L` has risen by half of the ratio of the variance to that which second
/// derivatives give. For events that count once, of a known density, that is 1/2; otherwise the difference of `-2 ln L` follows
/// a chi-square only after this scaling. Should a profile meet a lower minimum than the fit's, the fit starts anew there.
///
/// # Source
/// Rotnitzky and Jewell, Biometrika 77 (1990) 485: the ratio of likelihoods under weights.
///
/// # Errors
/// For a coefficient that the density does not depend on.
pub fn intervals(likelihood: &Likelihood, fitted: &mut Fitted) -> Result<Vec<Interval>, InferError> {
    let n = fitted.values.len();
    let scales = scales(likelihood)?;
    let free: Vec<usize> = (0..n).collect();
    loop {
        let walk = |index: usize| profile(likelihood, fitted, &scales, index).interval(index);
        let walked = (0..n).map(walk).collect::<Result<Vec<_>, _>>()?;
        let lowest = walked.iter().map(|walked| &walked.lowest).min_by(|a, b| a.value.total_cmp(&b.value));
        match lowest.filter(|lowest| lowest.value < fitted.minimum - 1e-3) {
            // By 0.001 at least each time: this ends.
            Some(lowest) => {
                let best = minimise(likelihood, &lowest.point, &free, &scales)?;
                *fitted = self::fitted(likelihood, best, &scales);
            }
            None => return Ok(walked.into_iter().map(|walked| walked.interval).collect()),
        }
    }
}

/// Signed distance of a fitted parameter from its true value in standard deviations, as [`intervals`] has them: by the profile of `-ln L`.
///
/// # Errors
/// For a coefficient that the density does not depend on.
pub fn pull(likelihood: &Likelihood, fitted: &Fitted, index: usize, truth: f64) -> Result<f64, InferError> {
    profile(likelihood, fitted, &scales(likelihood)?, index).pull(index, truth)
}

/// The profile of a parameter.
fn profile<'a>(
    likelihood: &'a Likelihood<'a>,
    fitted: &'a Fitted,
    scales: &'a [f64],
    index: usize,
) -> Profile<'a, Likelihood<'a>> {
    let at = (index, index);
    let ratio = fitted.covariance[at] / fitted.curved[at];
    Profile {
        objective: likelihood,
        best: &fitted.values,
        minimum: fitted.minimum,
        covariance: &fitted.curved,
        scales,
        rise: if ratio.is_finite() { 0.5 * ratio } else { 0.5 },
    }
}

/// The shift of each coefficient that makes as much rate as there is; a strength and a fraction at their limits.
fn scales(likelihood: &Likelihood) -> Result<Vec<f64>, InferError> {
    let mut scales = scales_of(likelihood.rate(), likelihood.names())?;
    scales.extend(likelihood.strength().map(|strength| strength.largest() / FARTHEST));
    scales.resize(likelihood.parameters(), FRACTION_SCALE);
    Ok(scales)
}

/// The shift of each coefficient that makes as much of a rate as there is.
///
/// # Errors
/// For a coefficient that makes none.
pub(super) fn scales_of(rate: &Quadratic<f64>, names: &[impl ToString]) -> Result<Vec<f64>, InferError> {
    let scale = |(i, name): (usize, &_)| {
        let scale = (rate.constant() / rate.quadratic(i, i)).sqrt();
        let refused = || {
            let name = ToString::to_string(name);
            InferError::out_of_range("free", name, "coefficients that the density depends on")
        };
        (scale > 0.0 && scale.is_finite()).then_some(scale).ok_or_else(refused)
    };
    names.iter().enumerate().map(scale).collect()
}

/// The lowest of points on the axes of the coefficients; of several coefficients the lowest on each axis, and none.
fn starts(likelihood: &Likelihood, scales: &[f64]) -> Vec<Vec<f64>> {
    let n = likelihood.names().len();
    let none = likelihood.start();
    let at_none = likelihood.value(&none);
    let on_axis = |i: usize| {
        let points = STARTS.iter().map(|start| {
            let mut point = none.clone();
            point[i] = start * scales[i];
            (likelihood.value(&point), point)
        });
        points.fold((at_none, none.clone()), |best, point| if point.0 < best.0 { point } else { best }).1
    };
    let mut starts: Vec<Vec<f64>> = (0..n).map(on_axis).collect();
    if n > 1 {
        starts.push(none);
    }
    starts.dedup();
    starts
}

fn no_minimum(likelihood: &Likelihood, reason: &str) -> InferError {
    InferError::NoMinimum { coefficients: likelihood.names().join(", "), reason: reason.to_owned() }
}
