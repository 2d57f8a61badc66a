//! Smallest errors that the truth of accepted simulated events leaves.

use humboldt_physics::quadratic::monomials;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::model::{RatioModel, ratios};
use super::source::{Events, SimulatedSample, Source};
use crate::error::Error;
use crate::infer::ratio::{Ratios, along, slopes};

/// Information about the coefficients in the truth of accepted simulated events.
pub struct Information<'a> {
    signal: &'a Events,
    ratios: Ratios,
    origin: &'a [f64],
    fraction: f64,
    model: &'a RatioModel,
}

impl<'a> Information<'a> {
    /// By the simulated events of a part, and the fraction of background of pseudo-experiments.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(model: &'a RatioModel, source: &'a Source, part: &'a SimulatedSample) -> Result<Self, Error> {
        let ratios = ratios(&model.learned, &part.signal.told(&model.variables))?;
        Ok(Self { signal: &part.signal, ratios, origin: &source.origin, fraction: source.nominal, model })
    }

    /// Smallest standard deviations of the coefficients that so many events at a point leave, all of them fitted; none where the events do not tell
    /// them apart.
    pub fn bounds(&self, point: &[f64], events: usize) -> Option<Vec<f64>> {
        let covariance = (self.at(point) * events as f64).try_inverse()?;
        let bounds: Vec<f64> = covariance.diagonal().iter().map(|variance| variance.sqrt()).collect();
        bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0).then_some(bounds)
    }

    /// Fisher information of one event of signal and background: the mean square of the true score of accepted signal, times the
    /// probability that the event is signal where there is background.
    fn at(&self, point: &[f64]) -> DMatrix<f64> {
        const BLOCK: usize = 4096;
        let shifts: Vec<f64> = point.iter().zip(self.origin).map(|(x, origin)| x - origin).collect();
        let (values, slopes) = (monomials(&shifts), slopes(&shifts));
        let (n, terms) = (shifts.len(), values.len() - 1);
        let row_of = |row: usize| &self.signal.terms[row * terms..(row + 1) * terms];
        let events = self.signal.len();
        let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
        let range = |start: &usize| *start..events.min(start + BLOCK);
        // Rate and derivatives, for the normalisation.
        let sums: Vec<(f64, DVector<f64>)> = starts
            .par_iter()
            .map(|start| {
                let mut sum = (0.0, DVector::zeros(n));
                for row in range(start) {
                    let weight = self.signal.weights[row];
                    sum.0 += weight * (1.0 + along(row_of(row), &values));
                    for (i, slope) in slopes.iter().enumerate() {
                        sum.1[i] += weight * along(row_of(row), slope);
                    }
                }
                sum
            })
            .collect();
        let (total, total_slopes) =
            sums.into_iter().fold((0.0, DVector::zeros(n)), |a, b| (a.0 + b.0, a.1 + b.1));
        let total_slopes = total_slopes / total;
        let statistic = &self.model.calibration.statistic;
        let signal_part = statistic.signal_parts(&self.ratios, &shifts, self.fraction);
        let sums: Vec<DMatrix<f64>> = starts
            .par_iter()
            .map(|start| {
                let mut sum = DMatrix::zeros(n, n);
                for row in range(start) {
                    let rate = 1.0 + along(row_of(row), &values);
                    if rate <= 0.0 {
                        continue;
                    }
                    let score =
                        DVector::from_fn(n, |i, _| along(row_of(row), &slopes[i]) / rate - total_slopes[i]);
                    sum.ger(self.signal.weights[row] * rate * signal_part(row), &score, &score, 1.0);
                }
                sum
            })
            .collect();
        let sum = sums.iter().fold(DMatrix::zeros(n, n), |a, b| a + b);
        sum * ((1.0 - self.fraction) / total)
    }
}
