//! The information of accepted events, as means over simulated ones, whose acceptance need not be known.
//!
//! Of a sample of which a part f is background, with u the derivatives of the signal's log density by its parameters and b the
//! probability that an event is background, the information of one event is `(1 - f) <(1 - b) u u^T>` of the signal's parameters,
//! `<b u>/f` of them with f, and `(1 - <b>/f)/(f (1 - f))` of f: means over accepted signal alone, for
//! `f B/L = b` and `L = (1 - f) S + f B`.

use nalgebra::{DMatrix, DVector};

use super::InferError;
use super::information::inverse;
use super::likelihood::Likelihood;

/// The information of one accepted event, and how well the simulation knows it.
#[derive(Debug, Clone)]
pub struct AcceptedInformation {
    /// Derivatives of the signal's log density.
    ///
    /// # Shapes
    /// [parameter of the rate, event]
    slopes: DMatrix<f64>,
    /// Probabilities of background.
    background: Vec<f64>,
    /// Parts of the sum of weights.
    weights: Vec<f64>,
    fraction: f64,
    /// Information of one event.
    ///
    /// # Shapes
    /// [parameter, parameter], those of the rate first, behind them the fraction where it is free
    mean: DMatrix<f64>,
    /// Information from elsewhere: what is known of the strength of an S-wave, and of the fraction.
    known: DVector<f64>,
}

impl AcceptedInformation {
    /// At a point of the parameters of a likelihood whose events are accepted simulated signal, by their truth; with `weights`
    /// they follow the density at the point.
    ///
    /// # Errors
    /// Without background or signal in a mixture, for a fraction of which no information can be told.
    pub fn new(likelihood: Likelihood, point: &[f64], weights: &[f64]) -> Result<Self, InferError> {
        let likelihood = likelihood.one_by_one();
        let fraction = likelihood.fraction(point);
        let of_rate = likelihood.rate_parameters();
        let is_free = likelihood.parameters() > of_rate;
        if is_free && !(fraction > 0.0 && fraction < 1.0) {
            return Err(InferError::out_of_range("background fraction", fraction, "above 0 and below 1"));
        }
        let (slopes, background) = likelihood.signals(point);
        let sum: f64 = weights.iter().sum();
        let mut known = DVector::zeros(likelihood.parameters());
        if let Some(strength) = likelihood.strength() {
            known[of_rate - 1] = strength.information(point[of_rate - 1]);
        }
        if let Some((_, inverse)) = likelihood.constraint() {
            known[of_rate] = inverse;
        }
        let n = known.len();
        let weights = weights.iter().map(|weight| weight / sum).collect();
        let mut all = Self { slopes, background, weights, fraction, mean: DMatrix::zeros(n, n), known };
        for row in 0..all.weights.len() {
            let weight = all.weights[row];
            let of_event = all.of(row);
            all.mean += of_event * weight;
        }
        Ok(all)
    }

    /// Contribution of an event to the mean.
    fn of(&self, row: usize) -> DMatrix<f64> {
        let (of_rate, n, b, f) = (self.slopes.nrows(), self.known.len(), self.background[row], self.fraction);
        let u = self.slopes.column(row);
        DMatrix::from_fn(n, n, |i, j| match (i < of_rate, j < of_rate) {
            (true, true) => (1.0 - f) * (1.0 - b) * u[i] * u[j],
            (true, false) => b * u[i] / f,
            (false, true) => b * u[j] / f,
            (false, false) => (1.0 - b / f) / (f * (1.0 - f)),
        })
    }

    /// The smallest covariance of some parameters that so many events allow, all others known.
    ///
    /// # Errors
    /// When the events do not tell the parameters apart.
    pub fn bound(&self, events: f64, free: &[usize]) -> Result<DMatrix<f64>, InferError> {
        let all = &self.mean * events + DMatrix::from_diagonal(&self.known);
        inverse(&all.select_rows(free).select_columns(free))
    }

    /// The standard deviation of the first parameter by [`AcceptedInformation::bound`], with the error that the simulation's
    /// size makes.
    ///
    /// # Errors
    /// As [`AcceptedInformation::bound`].
    pub fn first(&self, events: f64, free: &[usize]) -> Result<(f64, f64), InferError> {
        let covariance = self.bound(events, free)?;
        let sigma = covariance[(0, 0)].sqrt();
        let mut along = DVector::zeros(self.known.len());
        free.iter().enumerate().for_each(|(place, index)| along[*index] = covariance[(place, 0)]);
        let mean = along.dot(&(&self.mean * &along));
        let square =
            |(row, weight): (usize, &f64)| (weight * (along.dot(&(self.of(row) * &along)) - mean)).powi(2);
        let variance: f64 = self.weights.iter().enumerate().map(square).sum();
        // Of sigma^2 = x^T M x with x = M^-1 e: its change is -x^T dM x.
        Ok((sigma, 0.5 * events * variance.sqrt() / sigma))
    }
}
