//! The fit of coefficients to the statistic of a sample.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn, SymmetricEigen};

use super::super::form::Jet;
use super::super::goodness::probability;
use super::super::minimise::{Minimum, Objective, inverse, minimise};
use super::super::mixture::{Fraction, check};
use super::super::profile::Profile;
use super::super::{InferError, Interval};
use super::calibration::{At, RatioCalibration};
use super::statistic::Mean;

/// Limit to which shifts are looked for, in quarters of a coefficient's range.
const FARTHEST: f64 = 40.0;

/// Unit of a fraction of background.
const FRACTION_SCALE: f64 = 0.25;

/// Starts along a coefficient that is alone.
const STARTS: usize = 41;

impl RatioCalibration {
    /// Fits shifts, and the fraction of background where it is free, to a sample.
    ///
    /// `ranges` are those that the network learned, from the simulation's point; a rise of `-ln L` by 1/2 ends an interval.
    ///
    /// # Errors
    /// When a fraction is given without background or is none, and where `-ln L` has no minimum.
    pub fn fit(&self, sample: &Mean, fraction: Fraction, ranges: &[[f64; 2]]) -> Result<Fit<'_>, InferError> {
        check(fraction, "background fraction")?;
        if !self.has_background() && (fraction.is_free() || fraction.start() != 0.0) {
            let allowed = "none: these ratios were learned without background";
            return Err(InferError::out_of_range("background fraction", format!("{fraction:?}"), allowed));
        }
        let objective = Gaussian { of: self, sample: sample.clone(), fraction };
        let n = self.shifts();
        let mut scales: Vec<f64> = ranges.iter().map(|[low, high]| 0.25 * (high - low)).collect();
        if fraction.is_free() {
            scales.push(FRACTION_SCALE);
        }
        let start = |shifts: Vec<f64>| {
            let mut start = shifts;
            if fraction.is_free() {
                start.push(fraction.start());
            }
            start
        };
        let mut starts: Vec<(f64, Vec<f64>)> = self
            .starts(ranges)
            .into_iter()
            .map(|shifts| {
                let start = start(shifts);
                (Objective::value(&objective, &start).unwrap_or(f64::INFINITY), start)
            })
            .collect();
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let free: Vec<usize> = (0..n + usize::from(fraction.is_free())).collect();
        let mut best: Option<Minimum> = None;
        for (_, start) in starts.iter().take(2) {
            let found = minimise(&objective, start, &free, &scales)?;
            if found.value.is_finite() && best.as_ref().is_none_or(|best| found.value < best.value - 1e-9) {
                best = Some(found);
            }
        }
        let best = best.filter(|best| best.settled).ok_or_else(|| InferError::NoMinimum {
            coefficients: "learned ratios".to_owned(),
            reason: "-ln L still falls, or is not finite at any start".to_owned(),
        })?;
        let hessian = objective.jet(&best.point, &free)?.hessian;
        let covariance = inverse(&hessian, &scales);
        Ok(Fit { objective, best, covariance, scales })
    }

    fn starts(&self, ranges: &[[f64; 2]]) -> Vec<Vec<f64>> {
        if let [[low, high]] = ranges {
            // Half a range beyond both ends.
            let at = |i: usize| low + (high - low) * (2.0 * i as f64 / (STARTS - 1) as f64 - 0.5);
            return (0..STARTS).map(|i| vec![at(i)]).collect();
        }
        let centre: Vec<f64> = ranges.iter().map(|[low, high]| 0.5 * (low + high)).collect();
        self.statistic.references.iter().cloned().chain([centre]).collect()
    }
}

/// `-ln L` of a sample's mean.
#[derive(Debug, Clone)]
struct Gaussian<'a> {
    of: &'a RatioCalibration,
    sample: Mean,
    fraction: Fraction,
}

impl Gaussian<'_> {
    fn parts<'p>(&self, point: &'p [f64]) -> (&'p [f64], f64) {
        let (shifts, rest) = point.split_at(self.of.shifts());
        (shifts, *rest.first().unwrap_or(&self.fraction.start()))
    }

    fn solved(&self, at: &At) -> Option<(Cholesky<f64, Dyn>, DVector<f64>)> {
        let cholesky = Cholesky::new(at.spread(self.sample.events as f64))?;
        let off = self.sample.values.rows(0, at.mean.len()) - &at.mean;
        Some((cholesky, off))
    }

    fn constraint(&self, fraction: f64) -> (f64, f64, f64) {
        match self.fraction {
            Fraction::Constrained(value, sigma) => {
                let pull = (fraction - value) / sigma;
                (0.5 * pull * pull, pull / sigma, sigma.powi(-2))
            }
            _ => (0.0, 0.0, 0.0),
        }
    }
}

impl Objective for Gaussian<'_> {
    type Error = InferError;

    fn value(&self, point: &[f64]) -> Result<f64, InferError> {
        let (shifts, fraction) = self.parts(point);
        let at = self.of.at(shifts, fraction, self.of.statistic.fitted(), false);
        let Some((cholesky, off)) = self.solved(&at) else { return Ok(f64::INFINITY) };
        let log_determinant: f64 = cholesky.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
        Ok(0.5 * off.dot(&cholesky.solve(&off)) + log_determinant + self.constraint(fraction).0)
    }

    /// With the second derivatives that the expected ones are: those of the mean.
    fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, InferError> {
        let (shifts, fraction) = self.parts(point);
        let n = point.len();
        let at = self.of.at(shifts, fraction, self.of.statistic.fitted(), true);
        let Some((cholesky, off)) = self.solved(&at) else {
            let k = free.len();
            return Ok(Jet {
                value: f64::INFINITY,
                gradient: DVector::zeros(k),
                hessian: DMatrix::zeros(k, k),
            });
        };
        let weighted = cholesky.solve(&off);
        let log_determinant: f64 = cholesky.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
        let inverse = cholesky.inverse();
        let slopes = at.mean_slopes.columns(0, n).into_owned();
        let (constraint, constraint_slope, constraint_bend) = self.constraint(fraction);
        let mut gradient = -slopes.tr_mul(&weighted);
        let events = self.sample.events as f64;
        for (i, (own, finite)) in at.spread_slopes.iter().take(n).enumerate() {
            let spread = own / events + finite;
            gradient[i] += 0.5 * (inverse.dot(&spread) - weighted.dot(&(&spread * &weighted)));
        }
        let mut hessian = slopes.tr_mul(&(&inverse * &slopes));
        if n > shifts.len() {
            gradient[n - 1] += constraint_slope;
            hessian[(n - 1, n - 1)] += constraint_bend;
        }
        Ok(Jet {
            value: 0.5 * off.dot(&weighted) + log_determinant + constraint,
            gradient: gradient.select_rows(free),
            hessian: hessian.select_rows(free).select_columns(free),
        })
    }

    fn limit(&self) -> f64 {
        FARTHEST
    }
}

/// The fit of a sample.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    objective: Gaussian<'a>,
    best: Minimum,
    covariance: DMatrix<f64>,
    scales: Vec<f64>,
}

impl Fit<'_> {
    /// The shifts from the simulation's point; behind them the fraction of background, where it is free.
    pub fn values(&self) -> &[f64] {
        &self.best.point
    }

    /// Their covariance from second derivatives.
    ///
    /// # Shapes
    /// [parameter, parameter]
    pub const fn covariance(&self) -> &DMatrix<f64> {
        &self.covariance
    }

    /// Effective number of simulated events there.
    pub fn effective_events(&self) -> f64 {
        let (shifts, _) = self.objective.parts(&self.best.point);
        self.objective.of.effective_events(shifts)
    }

    /// The interval of a parameter of 68.3 %, all others fitted anew.
    ///
    /// # Errors
    /// When a point is refused.
    pub fn interval(&self, index: usize) -> Result<Interval, InferError> {
        Ok(self.profile().interval(index)?.interval)
    }

    /// Signed distance of a parameter from its true value in standard deviations: the root of twice the rise of `-ln L`,
    /// all others fitted anew.
    ///
    /// # Errors
    /// When a point is refused.
    pub fn pull(&self, index: usize, truth: f64) -> Result<f64, InferError> {
        self.profile().pull(index, truth)
    }

    fn profile(&self) -> Profile<'_, Gaussian<'_>> {
        Profile {
            objective: &self.objective,
            best: &self.best.point,
            minimum: self.best.value,
            covariance: &self.covariance,
            scales: &self.scales,
            rise: 0.5,
        }
    }

    /// Probability that a sample of the simulation looks less like it than this one: of the chi-square of all components, the
    /// fit's freedom taken out.
    pub fn p_value(&self) -> f64 {
        let (shifts, fraction) = self.objective.parts(&self.best.point);
        let of = self.objective.of;
        let (fitted, all) = (of.statistic.fitted(), of.statistic.components());
        let at = of.at(shifts, fraction, all, true);
        let events = self.objective.sample.events as f64;
        let spread = at.spread(events);
        let off = &self.objective.sample.values - &at.mean;
        let n = self.best.point.len();
        let slopes = at.mean_slopes.columns(0, n).into_owned();
        // How the fitted parameters follow the statistic: estimate = A off.
        let Some(inverse) = Cholesky::new(spread.view((0, 0), (fitted, fitted)).into_owned()) else {
            return 0.0;
        };
        let own = inverse.solve(&slopes.rows(0, fitted).into_owned());
        let mut information = slopes.rows(0, fitted).tr_mul(&own);
        if let Fraction::Constrained(_, sigma) = self.objective.fraction {
            information[(n - 1, n - 1)] += sigma.powi(-2);
        }
        let Some(covariance) = information.try_inverse() else { return 0.0 };
        let mut follow = DMatrix::zeros(n, all);
        follow.columns_mut(0, fitted).copy_from(&(covariance * own.transpose()));
        let remaining = DMatrix::identity(all, all) - &slopes * follow;
        let left = &remaining * spread * remaining.transpose();
        let scale = at.covariance.diagonal().map(|x| if x > 0.0 { (events / x).sqrt() } else { 0.0 });
        let unit = DMatrix::from_diagonal(&scale);
        let eigen = SymmetricEigen::new(&unit * left * &unit);
        let along = eigen.eigenvectors.tr_mul(&(&unit * off));
        let floor = 1e-5 * eigen.eigenvalues.max();
        let kept = (0..all).filter(|i| eigen.eigenvalues[*i] > floor);
        let (chi2, freedom) = kept.fold((0.0, 0.0), |(sum, count), i| {
            (sum + along[i] * along[i] / eigen.eigenvalues[i], count + 1.0)
        });
        probability(chi2, freedom)
    }
}
