//! The exact posterior density of (C9, C10) on a grid, with a flat prior.

use humboldt_schemas::experiment::Statistics;
use rayon::prelude::*;

use super::likelihood::Likelihood;
use crate::global::GlobalError;
use crate::global::scan::{Axis, Scan};
use crate::global::statistic::ChiSquare;

/// The flat prior: ranges of C9 and C10.
pub type Prior = [[f64; 2]; 2];

/// Predictions on a grid over the prior.
#[derive(Debug, Clone)]
pub struct Grid {
    axes: [Axis; 2],
    /// [C10, C9] in one list.
    predictions: Vec<Vec<f64>>,
}

/// A density on a grid.
#[derive(Debug, Clone)]
pub struct Density {
    axes: [Axis; 2],
    /// Probability of each cell, [C10, C9] in one list.
    cells: Vec<f64>,
}

/// Mean and width of both shifts, and their correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PosteriorMoments {
    /// C9 and C10.
    pub shifts: [Statistics; 2],
    /// Their correlation.
    pub correlation: f64,
}

impl Grid {
    /// Of so many points along each axis.
    ///
    /// # Errors
    /// When a prediction cannot be made.
    pub fn new(statistic: &ChiSquare, prior: Prior, points: usize) -> Result<Self, GlobalError> {
        let axis = |parameter: usize| {
            let [low, high] = prior[parameter];
            Axis { parameter, low, high, points }
        };
        let axes = [axis(0), axis(1)];
        let (c9, c10) = (axes[0].values(), axes[1].values());
        let predictions = (0..points * points)
            .into_par_iter()
            .map(|i| statistic.predictions(&[c9[i % points], c10[i / points]]))
            .collect::<Result<_, _>>()?;
        Ok(Self { axes, predictions })
    }

    /// Chi-square of data at each point, [C10, C9] in one list.
    pub fn chi2(&self, likelihood: &Likelihood, data: &[f64]) -> Vec<f64> {
        self.predictions.par_iter().map(|prediction| likelihood.chi2(data, prediction)).collect()
    }

    /// The posterior density given data.
    pub fn posterior(&self, likelihood: &Likelihood, data: &[f64]) -> Density {
        let chi2 = self.chi2(likelihood, data);
        let lowest = chi2.iter().copied().fold(f64::INFINITY, f64::min);
        self.density(chi2.iter().map(|chi2| (-0.5 * (chi2 - lowest)).exp()).collect())
    }

    /// A density by its values at all points.
    ///
    /// # Shapes
    /// `of` takes (C9, C10).
    pub fn of(&self, of: impl Fn(f64, f64) -> f64 + Sync) -> Density {
        let (c9, c10) = (self.axes[0].values(), self.axes[1].values());
        let n = c9.len();
        self.density((0..n * n).into_par_iter().map(|i| of(c9[i % n], c10[i / n])).collect())
    }

    fn density(&self, values: Vec<f64>) -> Density {
        let sum: f64 = values.iter().sum();
        Density { axes: self.axes, cells: values.into_iter().map(|value| value / sum).collect() }
    }

    /// Points along each axis.
    pub fn axes(&self) -> [Axis; 2] {
        self.axes
    }
}

impl Density {
    /// Mean, width, correlation.
    pub fn moments(&self) -> PosteriorMoments {
        let (c9, c10) = (self.axes[0].values(), self.axes[1].values());
        let n = c9.len();
        let average = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            self.cells.iter().enumerate().map(|(i, p)| p * of(c9[i % n], c10[i / n])).sum()
        };
        let mean = [average(&|x, _| x), average(&|_, y| y)];
        let width =
            [average(&|x, _| (x - mean[0]).powi(2)).sqrt(), average(&|_, y| (y - mean[1]).powi(2)).sqrt()];
        let covariance = average(&|x, y| (x - mean[0]) * (y - mean[1]));
        let shifts = [0, 1].map(|i| Statistics { mean: mean[i], sigma: width[i] });
        PosteriorMoments { shifts, correlation: covariance / (width[0] * width[1]) }
    }

    /// The lines around the region of highest density that holds a probability.
    pub fn region(&self, probability: f64) -> Vec<Vec<(f64, f64)>> {
        let mut sorted = self.cells.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let mut sum = 0.0;
        let inside = sorted.iter().take_while(|cell| {
            sum += **cell;
            sum < probability
        });
        let lowest = sorted.get(inside.count()).copied().unwrap_or_default();
        // Logarithms are closer to straight between points.
        let height = |cell: f64| -(cell.max(1e-300)).ln();
        let rows = self.cells.chunks(self.axes[0].points);
        let chi2 = rows.map(|row| row.iter().map(|cell| height(*cell)).collect()).collect();
        Scan { x: self.axes[0], y: self.axes[1], chi2 }.contour(height(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_regions_of_a_normal_density() {
        let axis = |parameter| Axis { parameter, low: -2.0, high: 2.0, points: 161 };
        let grid = Grid { axes: [axis(0), axis(1)], predictions: Vec::new() };
        let (a, b, r) = (0.3, 0.2, 0.5);
        let density = grid.of(|x, y| {
            let (x, y) = ((x + 0.4) / a, (y - 0.1) / b);
            (-0.5 * (x * x - 2.0 * r * x * y + y * y) / (1.0 - r * r)).exp()
        });
        let moments = density.moments();
        assert!((moments.shifts[0].mean + 0.4).abs() < 1e-6 && (moments.shifts[1].mean - 0.1).abs() < 1e-6);
        assert!((moments.shifts[0].sigma - a).abs() < 1e-6 && (moments.shifts[1].sigma - b).abs() < 1e-6);
        assert!((moments.correlation - r).abs() < 1e-6);
        for probability in [0.6827, 0.9545] {
            let lines = density.region(probability);
            assert_eq!(lines.len(), 1);
            // The projection of an ellipse of two parameters.
            let rise = -2.0 * (1.0_f64 - probability).ln();
            let width = lines[0].iter().map(|p| p.0).fold(f64::MIN, f64::max)
                - lines[0].iter().map(|p| p.0).fold(f64::MAX, f64::min);
            assert!((width / (2.0 * a * rise.sqrt()) - 1.0).abs() < 0.02, "{width}");
        }
    }
}
