//! The fit of coefficients to the statistic of a sample.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn, SymmetricEigen};

use super::super::form::Jet;
use super::super::goodness::probability;
use super::super::minimise::{Minimum, Objective, inverse, minimise};
use super::super::mixture::{Fraction, check};
use super::super::nuisances::Nuisance;
use super::super::profile::Profile;
use super::super::{InferError, Interval};
use super::calibration::{At, RatioCalibration};
use super::statistic::{EventStatistic, Mean, Statistic};

/// Limit to which shifts are looked for, in quarters of a coefficient's range.
const FARTHEST: f64 = 40.0;

/// Unit of a fraction of background.
const FRACTION_SCALE: f64 = 0.25;

/// Starts along a coefficient that is alone.
const STARTS: usize = 41;

/// Events of a sample that see the shifts alike.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplePart {
    /// Their statistic.
    pub mean: Mean,
    /// Offset and factor by which they see each shift; 0 and 1 of events of the simulation's flavour.
    pub seen: Vec<[f64; 2]>,
}

impl SamplePart {
    /// Of events of the simulation's flavour.
    pub fn new(mean: Mean, shifts: usize) -> Self {
        Self { mean, seen: vec![[0.0, 1.0]; shifts] }
    }

    /// Shifts as these events see them.
    fn sees(&self, shifts: &[f64]) -> Vec<f64> {
        shifts.iter().zip(&self.seen).map(|(x, [offset, factor])| offset + factor * x).collect()
    }
}

impl<S: EventStatistic> RatioCalibration<S> {
    /// Fits shifts, and the fraction of background where it is free, to a sample; nuisance parameters of some groups may have moved its mean.
    ///
    /// `ranges` are those that the network learned, from the simulation's point; a rise of `-ln L` by 1/2 ends an interval.
    ///
    /// # Errors
    /// When a fraction is given without background or is none, when nothing is known of a group, and where `-ln L` has no minimum.
    pub fn fit(
        &self,
        sample: &[SamplePart],
        fraction: Fraction,
        ranges: &[[f64; 2]],
        nuisances: &[Nuisance],
    ) -> Result<Fit<'_, S>, InferError> {
        check(fraction, "background fraction")?;
        if !self.has_background() && (fraction.is_free() || fraction.start() != 0.0) {
            let allowed = "none: these ratios were learned without background";
            return Err(InferError::out_of_range("background fraction", format!("{fraction:?}"), allowed));
        }
        self.check_nuisances(nuisances)?;
        let nuisances = nuisances.to_vec();
        let objective = Gaussian { of: self, sample: sample.to_vec(), fraction, nuisances };
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

    /// Refuses groups of nuisance parameters whose effects were not calibrated.
    ///
    /// # Errors
    /// The first.
    pub fn check_nuisances(&self, groups: &[Nuisance]) -> Result<(), InferError> {
        let unknown = Nuisance::ALL.iter().find(|(_, group)| groups.contains(group) && !self.knows(*group));
        unknown.map_or(Ok(()), |(name, _)| {
            let allowed = "what network.nuisances of the card says, of which the effects were learned";
            Err(InferError::out_of_range("nuisances", name, allowed))
        })
    }

    fn starts(&self, ranges: &[[f64; 2]]) -> Vec<Vec<f64>> {
        if let [[low, high]] = ranges {
            // Half a range beyond both ends.
            let at = |i: usize| low + (high - low) * (2.0 * i as f64 / (STARTS - 1) as f64 - 0.5);
            return (0..STARTS).map(|i| vec![at(i)]).collect();
        }
        let centre: Vec<f64> = ranges.iter().map(|[low, high]| 0.5 * (low + high)).collect();
        self.statistic.starts().iter().cloned().chain([centre]).collect()
    }
}

/// `-ln L` of the means of a sample's parts.
#[derive(Debug, Clone)]
struct Gaussian<'a, S> {
    of: &'a RatioCalibration<S>,
    sample: Vec<SamplePart>,
    fraction: Fraction,
    nuisances: Vec<Nuisance>,
}

/// The statistics of all parts of a sample behind each other, as they are expected at a point.
struct Expected {
    mean: DVector<f64>,
    /// Of the mean, with what nuisance parameters leave open, which move all parts together. Parts are taken to share no error of the finite
    /// simulation.
    covariance: DMatrix<f64>,
    /// Derivatives of the mean by each shift and the fraction.
    slopes: DMatrix<f64>,
    /// Those of the covariance.
    covariance_slopes: Vec<DMatrix<f64>>,
    /// Standard deviation of each component's mean.
    deviations: DVector<f64>,
}

impl<S: EventStatistic> Gaussian<'_, S> {
    fn parts<'p>(&self, point: &'p [f64]) -> (&'p [f64], f64) {
        let (shifts, rest) = point.split_at(self.of.shifts());
        (shifts, *rest.first().unwrap_or(&self.fraction.start()))
    }

    /// The first `components` components of each part at a point.
    fn expected(&self, point: &[f64], components: usize, with_slopes: bool) -> Expected {
        let (shifts, fraction) = self.parts(point);
        let at = |part: &SamplePart| {
            self.of.at(&part.sees(shifts), fraction, components, with_slopes, &self.nuisances)
        };
        let all: Vec<At> = self.sample.iter().map(at).collect();
        let (rows, columns) = (all.len() * components, all.first().map_or(0, |at| at.mean_slopes.ncols()));
        let mut expected = Expected {
            mean: DVector::zeros(rows),
            covariance: DMatrix::zeros(rows, rows),
            slopes: DMatrix::zeros(rows, columns),
            covariance_slopes: vec![DMatrix::zeros(rows, rows); columns],
            deviations: DVector::zeros(rows),
        };
        let nuisances = all.first().map_or(0, |at| at.drift.ncols());
        let mut drift = DMatrix::zeros(rows, nuisances);
        let mut drift_slopes = vec![DMatrix::zeros(rows, nuisances); columns];
        for ((part, at), start) in self.sample.iter().zip(&all).zip((0..).step_by(components.max(1))) {
            let events = part.mean.events as f64;
            let block = ((start, start), (components, components));
            expected.mean.rows_mut(start, components).copy_from(&at.mean);
            expected.covariance.view_mut(block.0, block.1).copy_from(&at.spread(events));
            let deviation = at.covariance.diagonal().map(|x| (x.max(0.0) / events).sqrt());
            expected.deviations.rows_mut(start, components).copy_from(&deviation);
            drift.rows_mut(start, components).copy_from(&at.drift);
            // Of the fraction, which stands last, all parts see the same.
            let factors = part.seen.iter().map(|[_, factor]| *factor).take(columns - 1).chain([1.0]);
            let slopes = at.spread_slopes(events).zip(&at.drift_slopes);
            for (i, (factor, (spread, drift))) in factors.zip(slopes).enumerate() {
                let column = at.mean_slopes.column(i) * factor;
                expected.slopes.view_mut((start, i), (components, 1)).copy_from(&column);
                expected.covariance_slopes[i].view_mut(block.0, block.1).copy_from(&(spread * factor));
                drift_slopes[i].rows_mut(start, components).copy_from(&(drift * factor));
            }
        }
        if nuisances > 0 {
            expected.covariance += &drift * drift.transpose();
            for (slope, of_drift) in expected.covariance_slopes.iter_mut().zip(&drift_slopes) {
                let half = of_drift * drift.transpose();
                *slope += &half + half.transpose();
            }
        }
        expected
    }

    /// What the sample has beyond its expectation.
    fn off(&self, expected: &Expected, components: usize) -> DVector<f64> {
        let mut off = -&expected.mean;
        for (part, start) in self.sample.iter().zip((0..).step_by(components.max(1))) {
            let mut rows = off.rows_mut(start, components);
            rows += part.mean.values.rows(0, components);
        }
        off
    }

    fn solved(&self, expected: &Expected) -> Option<(Cholesky<f64, Dyn>, DVector<f64>)> {
        let cholesky = Cholesky::new(expected.covariance.clone())?;
        Some((cholesky, self.off(expected, self.of.statistic.fitted())))
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

impl<S: EventStatistic> Objective for Gaussian<'_, S> {
    type Error = InferError;

    fn value(&self, point: &[f64]) -> Result<f64, InferError> {
        let (_, fraction) = self.parts(point);
        let expected = self.expected(point, self.of.statistic.fitted(), false);
        let Some((cholesky, off)) = self.solved(&expected) else { return Ok(f64::INFINITY) };
        let log_determinant: f64 = cholesky.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
        Ok(0.5 * off.dot(&cholesky.solve(&off)) + log_determinant + self.constraint(fraction).0)
    }

    /// With the second derivatives that the expected ones are: those of the mean.
    fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, InferError> {
        let (shifts, fraction) = self.parts(point);
        let n = point.len();
        let expected = self.expected(point, self.of.statistic.fitted(), true);
        let Some((cholesky, off)) = self.solved(&expected) else {
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
        let slopes = expected.slopes.columns(0, n).into_owned();
        let (constraint, constraint_slope, constraint_bend) = self.constraint(fraction);
        let mut gradient = -slopes.tr_mul(&weighted);
        for (slope, spread) in gradient.iter_mut().zip(&expected.covariance_slopes) {
            *slope += 0.5 * (inverse.dot(spread) - weighted.dot(&(spread * &weighted)));
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
pub struct Fit<'a, S = Statistic> {
    objective: Gaussian<'a, S>,
    best: Minimum,
    covariance: DMatrix<f64>,
    scales: Vec<f64>,
}

impl<S: EventStatistic> Fit<'_, S> {
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

    /// Effective number of simulated events there, the least of all parts of the sample.
    pub fn effective_events(&self) -> f64 {
        let (shifts, _) = self.objective.parts(&self.best.point);
        let of = |part: &SamplePart| self.objective.of.effective_events(&part.sees(shifts));
        self.objective.sample.iter().map(of).fold(f64::INFINITY, f64::min)
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

    fn profile(&self) -> Profile<'_, Gaussian<'_, S>> {
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
        let of = self.objective.of;
        let all = of.statistic.components();
        let expected = self.objective.expected(&self.best.point, all, true);
        let (rows, n) = (expected.mean.len(), self.best.point.len());
        let fitted: Vec<usize> = (0..rows).filter(|row| row % all < of.statistic.fitted()).collect();
        let spread = &expected.covariance;
        let off = self.objective.off(&expected, all);
        let slopes = expected.slopes.columns(0, n).into_owned();
        // How the fitted parameters follow the statistic: estimate = A off.
        let Some(inverse) = Cholesky::new(spread.select_rows(&fitted).select_columns(&fitted)) else {
            return 0.0;
        };
        let of_fitted = slopes.select_rows(&fitted);
        let own = inverse.solve(&of_fitted);
        let mut information = of_fitted.tr_mul(&own);
        if let Fraction::Constrained(_, sigma) = self.objective.fraction {
            information[(n - 1, n - 1)] += sigma.powi(-2);
        }
        let Some(covariance) = information.try_inverse() else { return 0.0 };
        let mut follow = DMatrix::zeros(n, rows);
        for (column, from) in fitted.iter().zip((covariance * own.transpose()).column_iter()) {
            follow.column_mut(*column).copy_from(&from);
        }
        let remaining = DMatrix::identity(rows, rows) - &slopes * follow;
        let left = &remaining * spread * remaining.transpose();
        let scale = expected.deviations.map(|x| if x > 0.0 { x.recip() } else { 0.0 });
        let unit = DMatrix::from_diagonal(&scale);
        let eigen = SymmetricEigen::new(&unit * left * &unit);
        let along = eigen.eigenvectors.tr_mul(&(&unit * off));
        let floor = 1e-5 * eigen.eigenvalues.max();
        let kept = (0..rows).filter(|i| eigen.eigenvalues[*i] > floor);
        let (chi2, freedom) = kept.fold((0.0, 0.0), |(sum, count), i| {
            (sum + along[i] * along[i] / eigen.eigenvalues[i], count + 1.0)
        });
        probability(chi2, freedom)
    }
}
