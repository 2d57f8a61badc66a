//! From the mean of a learned statistic over a set to delta C9.
//!
//! Images at known delta C9 give the statistic's expectation T(delta C9) and covariance V(delta C9). An image's delta C9 is
//! the one of largest Gaussian likelihood of its statistic t, `-2 ln L = (t - T)' V^-1 (t - T) + ln det V`; its interval is
//! where that has risen by 1. With scores as the statistic this is as good as a fit of the events: near the point at which
//! the score was taken, the score is all that the sample says. Nothing is drawn towards the middle of a prior.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::error::LearnError;

/// Degree of the polynomials of the expectation.
const DEGREE_OF_MEAN: usize = 8;
/// Degree of those of the covariance.
const DEGREE_OF_COVARIANCE: usize = 3;
/// Steps of the first search.
const STEPS: usize = 256;

/// Expectation and covariance of a statistic as polynomials of delta C9.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Smallest and largest delta C9 that it is known for.
    pub range: [f64; 2],
    /// Events of the images.
    pub events: usize,
    /// Images of all delta C9.
    pub images: usize,
    /// Chebyshev coefficients of each component's expectation.
    ///
    /// # Shapes
    /// [component, order]
    pub mean: Vec<Vec<f64>>,
    /// Chebyshev coefficients of each entry of the covariance, row by row.
    ///
    /// # Shapes
    /// [component * component, order]
    pub covariance: Vec<Vec<f64>>,
}

/// delta C9 of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub delta_c9: f64,
    /// How far its interval of 68 % reaches down; `None` where the estimator does not know, or it leaves the range.
    pub minus: Option<f64>,
    /// How far it reaches up.
    pub plus: Option<f64>,
    /// Probability that an image of the best delta C9 is at least as far from its expectation; `None` where that is not known.
    pub p_value: Option<f64>,
}

impl Calibration {
    /// From the statistics of images at known delta C9.
    ///
    /// # Shapes
    /// `samples`: (delta C9, image by component), in rising delta C9.
    ///
    /// # Errors
    /// When there are too few values or images, or the statistics do not vary.
    pub fn fit(samples: &[(f64, Vec<Vec<f64>>)], events: usize) -> Result<Self, LearnError> {
        let components = samples.first().and_then(|(_, s)| s.first()).map_or(0, Vec::len);
        let least = components + 2;
        if let Some(few) = samples.iter().map(|(_, s)| s.len()).min().filter(|n| *n < least) {
            return Err(LearnError::TooFewImages { split: "calibration", got: few, least });
        }
        if samples.len() < 4 || components == 0 {
            return Err(LearnError::TooFewImages { split: "calibration", got: samples.len(), least: 4 });
        }
        let range = [samples[0].0, samples[samples.len() - 1].0];
        let values: Vec<f64> = samples.iter().map(|(x, _)| *x).collect();
        let moments: Vec<(DVector<f64>, DMatrix<f64>)> = samples.iter().map(|(_, s)| moments(s)).collect();
        let polynomial = |degree: usize, of: &dyn Fn(usize) -> f64| {
            least_squares(&values, range, degree.min(values.len() - 2), of)
        };
        let mean = (0..components).map(|i| polynomial(DEGREE_OF_MEAN, &|k| moments[k].0[i])).collect();
        let covariance = (0..components * components)
            .map(|i| polynomial(DEGREE_OF_COVARIANCE, &|k| moments[k].1[(i / components, i % components)]))
            .collect();
        let images = samples.iter().map(|(_, s)| s.len()).sum();
        let calibration = Self { range, events, images, mean, covariance };
        let terms = calibration.terms(&DVector::zeros(components), range[0], 1.0);
        let finite = terms.is_some_and(|(distance, ln_det)| (distance + ln_det).is_finite());
        if finite { Ok(calibration) } else { Err(LearnError::Calibration) }
    }

    /// delta C9 from the statistic of an image of `events` events, and its interval.
    pub fn estimate(&self, statistic: &[f64], events: usize) -> Estimate {
        let t = DVector::from_column_slice(statistic);
        // The statistic is a mean over events: its covariance falls as their number grows.
        let more = events as f64 / self.events as f64;
        let at =
            |x: f64| self.terms(&t, x, more).map_or(f64::INFINITY, |(distance, ln_det)| distance + ln_det);
        let [low, high] = self.range;
        let place = |i: usize| low + (high - low) * i as f64 / STEPS as f64;
        let best = (0..=STEPS).map(|i| (i, at(place(i)))).min_by(|a, b| a.1.total_cmp(&b.1));
        let best = best.map_or(0, |(i, _)| i);
        let delta_c9 = minimum(place(best.saturating_sub(1)), place((best + 1).min(STEPS)), &at);
        let least = at(delta_c9);
        let rise = |x: f64| at(x) - least - 1.0;
        let crossing = |down: bool| {
            let mut inside = delta_c9;
            let step = (high - low) / STEPS as f64 * if down { -1.0 } else { 1.0 };
            loop {
                let next = (inside + step).clamp(low, high);
                if rise(next) >= 0.0 {
                    return Some((root(inside, next, &rise) - delta_c9).abs());
                }
                if next <= low || next >= high {
                    return None;
                }
                inside = next;
            }
        };
        let (minus, plus) = (crossing(true), crossing(false));
        let degrees = self.mean.len() as f64 - 1.0;
        let terms = self.terms(&t, delta_c9, more);
        let p_value = ChiSquared::new(degrees).ok().zip(terms).map(|(d, (distance, _))| d.sf(distance));
        Estimate { delta_c9, minus, plus, p_value }
    }

    fn expectation(&self, x: f64) -> DVector<f64> {
        let u = self.unit(x);
        DVector::from_iterator(self.mean.len(), self.mean.iter().map(|c| series(c, u)))
    }

    fn unit(&self, x: f64) -> f64 {
        2.0 * (x - self.range[0]) / (self.range[1] - self.range[0]) - 1.0
    }

    fn cholesky(&self, x: f64) -> Option<nalgebra::Cholesky<f64, nalgebra::Dyn>> {
        let n = self.mean.len();
        let u = self.unit(x);
        DMatrix::from_fn(n, n, |i, j| series(&self.covariance[i * n + j], u)).cholesky()
    }

    /// `(t - T)' V^-1 (t - T)` for a set that has `more` times as many events, and `ln det V`; `None` where V is none.
    fn terms(&self, t: &DVector<f64>, x: f64, more: f64) -> Option<(f64, f64)> {
        let (difference, cholesky) = (t - self.expectation(x), self.cholesky(x)?);
        Some((more * difference.dot(&cholesky.solve(&difference)), cholesky.ln_determinant()))
    }
}

/// Mean and covariance of some statistics.
fn moments(samples: &[Vec<f64>]) -> (DVector<f64>, DMatrix<f64>) {
    let (n, components) = (samples.len() as f64, samples[0].len());
    let mut mean = DVector::zeros(components);
    for s in samples {
        mean += DVector::from_column_slice(s) / n;
    }
    let mut covariance = DMatrix::zeros(components, components);
    for s in samples {
        let d = DVector::from_column_slice(s) - &mean;
        covariance += &d * d.transpose() / (n - 1.0);
    }
    (mean, covariance)
}

/// Chebyshev coefficients of the polynomial nearest to `of(k)` at `values[k]`.
fn least_squares(values: &[f64], range: [f64; 2], degree: usize, of: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let unit = |x: f64| 2.0 * (x - range[0]) / (range[1] - range[0]) - 1.0;
    let design = DMatrix::from_fn(values.len(), degree + 1, |k, order| {
        (order as f64 * unit(values[k]).clamp(-1.0, 1.0).acos()).cos()
    });
    let target = DVector::from_fn(values.len(), |k, _| of(k));
    let fit = design.svd(true, true).solve(&target, 1e-12);
    fit.map_or_else(|_| vec![0.0; degree + 1], |c| c.as_slice().to_vec())
}

/// A Chebyshev series at `u` in [-1, 1], by Clenshaw's recurrence.
fn series(coefficients: &[f64], u: f64) -> f64 {
    let (mut b1, mut b2) = (0.0, 0.0);
    for c in coefficients.iter().skip(1).rev() {
        (b1, b2) = (2.0 * u * b1 - b2 + c, b1);
    }
    coefficients.first().map_or(0.0, |c| u * b1 - b2 + c)
}

/// The minimum of a function with one between `low` and `high`, by the golden section.
fn minimum(mut low: f64, mut high: f64, f: &impl Fn(f64) -> f64) -> f64 {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    for _ in 0..40 {
        let width = golden * (high - low);
        if f(high - width) < f(low + width) { high = low + width } else { low = high - width }
    }
    0.5 * (low + high)
}

/// Where a function that is below 0 at `inside` and not at `outside` crosses 0, by bisection.
fn root(mut inside: f64, mut outside: f64, f: &impl Fn(f64) -> f64) -> f64 {
    for _ in 0..40 {
        let middle = 0.5 * (inside + outside);
        if f(middle) < 0.0 { inside = middle } else { outside = middle }
    }
    0.5 * (inside + outside)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64;
    use statrs::distribution::Normal;

    use super::*;

    /// Two statistics of a bent curve with correlated noise that grows with x.
    fn image(x: f64, rng: &mut Pcg64) -> Vec<f64> {
        let normal = Normal::new(0.0, 1.0).unwrap();
        let mut draw = || rand_distribution(&normal, rng);
        let (a, b) = (draw(), draw());
        let width = 0.05 + 0.02 * x;
        vec![x + 0.1 * x * x + width * a, 0.5 * x.sin() + width * (0.6 * a + 0.8 * b)]
    }

    fn rand_distribution(normal: &Normal, rng: &mut Pcg64) -> f64 {
        use rand::RngExt;
        normal.inverse_cdf(rng.random_range(1e-12..1.0))
    }

    fn calibration() -> Calibration {
        let mut rng = Pcg64::seed_from_u64(1);
        let samples: Vec<_> = (0..33)
            .map(|k| {
                let x = -1.0 + 2.0 * f64::from(k) / 32.0;
                (x, (0..200).map(|_| image(x, &mut rng)).collect())
            })
            .collect();
        Calibration::fit(&samples, 100).unwrap()
    }

    #[test]
    fn estimates_are_unbiased_with_intervals_that_cover() {
        let calibration = calibration();
        let mut rng = Pcg64::seed_from_u64(2);
        for truth in [-0.6, 0.0, 0.5] {
            let n = 2000;
            let estimates: Vec<Estimate> =
                (0..n).map(|_| calibration.estimate(&image(truth, &mut rng), 100)).collect();
            let mean = estimates.iter().map(|e| e.delta_c9).sum::<f64>() / f64::from(n);
            let covered = estimates
                .iter()
                .filter(|e| {
                    let (minus, plus) = (e.minus.unwrap(), e.plus.unwrap());
                    (e.delta_c9 - minus..=e.delta_c9 + plus).contains(&truth)
                })
                .count() as f64
                / f64::from(n);
            assert!((mean - truth).abs() < 0.005, "{truth}: {mean}");
            assert!((covered - 0.683).abs() < 0.035, "{truth}: {covered}");
            let p = estimates.iter().filter(|e| e.p_value.unwrap() < 0.1).count() as f64 / f64::from(n);
            assert!((p - 0.1).abs() < 0.03, "{truth}: {p}");
        }
    }

    #[test]
    fn four_times_the_events_halve_the_interval() {
        let calibration = calibration();
        let statistic = [0.1 + 0.001, 0.5 * 0.1_f64.sin()];
        let width = |events| {
            let e = calibration.estimate(&statistic, events);
            e.minus.unwrap() + e.plus.unwrap()
        };
        assert!((width(400) / width(100) - 0.5).abs() < 0.05);
    }

    #[test]
    fn what_lies_outside_the_range_has_no_interval_there() {
        let estimate = calibration().estimate(&[1.6, 0.5], 100);
        assert!(estimate.delta_c9 > 0.9 && estimate.plus.is_none());
        let strange = calibration().estimate(&[0.5, -1.0], 100);
        assert!(strange.p_value.unwrap() < 1e-6);
    }
}
