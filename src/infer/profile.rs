//! Profile intervals: how far one number can move from a minimum until the function, minimised in all others, has risen.

use nalgebra::DMatrix;

use super::Interval;
use super::minimise::{Minimum, Objective, minimise};

/// Limit of following a profile, in units of the number's scale.
const REACH: f64 = 100.0;

/// Part of the rise to which its place is found: a part of 1e-5 of a standard deviation.
const CLOSE: f64 = 2e-5;

/// A function at its minimum.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'a, O> {
    /// The function.
    pub objective: &'a O,
    /// Point at which it is lowest.
    pub best: &'a [f64],
    /// Its value there.
    pub minimum: f64,
    /// Inverse of its second derivatives there; NaN for numbers without one.
    pub covariance: &'a DMatrix<f64>,
    /// Distances on which it changes along each number.
    pub scales: &'a [f64],
    /// The rise at the ends of an interval: 1 of a chi-square, 1/2 of `-ln L`.
    pub rise: f64,
}

/// An interval, and the lowest point met on the way to its ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Walked {
    /// The distances of both ends; `None` where the function does not rise so far within 100 scales, or its
    /// own limit.
    pub interval: Interval,
    /// The lowest point: below the minimum where that was not the lowest.
    pub lowest: Minimum,
}

impl<O: Objective> Profile<'_, O> {
    /// The interval of the number of an index.
    ///
    /// # Errors
    /// When the function refuses a point.
    pub fn interval(&self, index: usize) -> Result<Walked, O::Error> {
        let mut lowest = Minimum { point: self.best.to_vec(), value: self.minimum, settled: true };
        let minus = self.side(index, -1.0, &mut lowest)?;
        let plus = self.side(index, 1.0, &mut lowest)?;
        Ok(Walked { interval: Interval { minus, plus }, lowest })
    }

    /// Signed distance of the minimum from a value of the number of an index, all others minimised there: the root of the rise, in units of
    /// that which is looked for.
    ///
    /// # Errors
    /// When the function refuses a point.
    pub fn pull(&self, index: usize, from: f64) -> Result<f64, O::Error> {
        let start = Minimum { point: self.best.to_vec(), value: self.minimum, settled: true };
        let step = from - self.best[index];
        let there = self.at(index, step.signum(), step.abs(), (&start, 0.0))?;
        Ok(-step.signum() * ((there.value - self.minimum).max(0.0) / self.rise).sqrt())
    }

    fn side(&self, index: usize, direction: f64, lowest: &mut Minimum) -> Result<Option<f64>, O::Error> {
        let end = self.objective.limit() * self.scales[index] - direction * self.best[index];
        let limit = end.min(REACH * self.scales[index]);
        if limit <= 0.0 {
            return Ok(None);
        }
        let sigma = self.covariance[(index, index)].sqrt();
        let first = if sigma > 0.0 { sigma.min(limit) } else { 1e-2 * self.scales[index] };
        // The root of the rise, in units of that which is looked for, is a straight line of a parabola.
        let height = |at: &Minimum| ((at.value - self.minimum).max(0.0) / self.rise).sqrt();
        let (mut inside, mut low, mut low_height) = (lowest.clone(), 0.0, 0.0);
        inside.point.copy_from_slice(self.best);
        inside.value = self.minimum;
        let mut high = first;
        let mut high_height = loop {
            let at = self.at(index, direction, high, (&inside, low))?;
            if at.value < lowest.value {
                *lowest = at.clone();
            }
            let height = height(&at);
            if height.is_nan() || height >= 1.0 {
                break height;
            }
            if high >= limit {
                return Ok(None);
            }
            let next = if height > 0.0 { (1.05 / height).clamp(1.05, 2.0) } else { 2.0 };
            (inside, low, low_height) = (at, high, height);
            high = (next * high).min(limit);
        };
        let mut step = 0_u32;
        loop {
            step += 1;
            let part = if step.is_multiple_of(4) || !high_height.is_finite() {
                0.5
            } else {
                ((1.0 - low_height) / (high_height - low_height)).clamp(0.02, 0.98)
            };
            let middle = low + (high - low) * part;
            let at = self.at(index, direction, middle, (&inside, low))?;
            if at.value < lowest.value {
                *lowest = at.clone();
            }
            let height = height(&at);
            if (height * height - 1.0).abs() < CLOSE || high - low < 1e-6 * high {
                return Ok(Some(middle));
            }
            if height < 1.0 {
                (inside, low, low_height) = (at, middle, height);
            } else {
                (high, high_height) = (middle, height);
            }
        }
    }

    /// The minimum in all others at a distance, from a point that is known nearer to the minimum.
    fn at(
        &self,
        index: usize,
        direction: f64,
        distance: f64,
        (near, reached): (&Minimum, f64),
    ) -> Result<Minimum, O::Error> {
        let variance = self.covariance[(index, index)];
        let step = direction * (distance - reached);
        let mut start = near.point.clone();
        // The others follow as the second derivatives say, where they say something.
        for (other, value) in start.iter_mut().enumerate() {
            let follow = step * self.covariance[(other, index)] / variance;
            *value += if follow.is_finite() { follow } else { 0.0 };
        }
        start[index] = self.best[index] + direction * distance;
        let others: Vec<usize> = (0..start.len()).filter(|other| *other != index).collect();
        minimise(self.objective, &start, &others, self.scales)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use nalgebra::DVector;

    use super::super::minimise::{Jet, inverse};
    use super::*;

    /// Half of `x^T A x` plus a quartic in the last number.
    struct Bowl {
        a: DMatrix<f64>,
        quartic: f64,
    }

    impl Objective for Bowl {
        type Error = Infallible;

        fn value(&self, point: &[f64]) -> Result<f64, Infallible> {
            let x = DVector::from_column_slice(point);
            Ok(0.5 * x.dot(&(&self.a * &x)) + self.quartic * x[x.len() - 1].powi(4))
        }

        fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, Infallible> {
            let x = DVector::from_column_slice(point);
            let last = x.len() - 1;
            let (mut gradient, mut hessian) = (&self.a * &x, self.a.clone());
            gradient[last] += 4.0 * self.quartic * x[last].powi(3);
            hessian[(last, last)] += 12.0 * self.quartic * x[last].powi(2);
            let (gradient, hessian) =
                (gradient.select_rows(free), hessian.select_rows(free).select_columns(free));
            let Ok(value) = self.value(point);
            Ok(Jet { value, gradient, hessian })
        }
    }

    fn interval(bowl: &Bowl, index: usize) -> Interval {
        let n = bowl.a.nrows();
        let (scales, best) = (vec![1.0; n], vec![0.0; n]);
        let covariance = inverse(&bowl.a, &scales);
        let (objective, covariance, scales) = (bowl, &covariance, scales.as_slice());
        let profile = Profile { objective, best: &best, minimum: 0.0, covariance, scales, rise: 0.5 };
        let Ok(walked) = profile.interval(index);
        assert!(walked.lowest.value > -1e-12);
        // From an end of the interval it is one unit to the minimum.
        for (end, pull) in [(walked.interval.minus.map(|x| -x), 1.0), (walked.interval.plus, -1.0)] {
            let Ok(found) = profile.pull(index, end.unwrap_or(0.0));
            assert!(end.is_none() || (found - pull).abs() < 1e-4, "{found}");
        }
        walked.interval
    }

    #[test]
    fn a_parabola_has_its_standard_deviation() {
        let a = DMatrix::from_row_slice(2, 2, &[2.0, 1.2, 1.2, 1.0]);
        let sigma: f64 = a.clone().try_inverse().unwrap()[(0, 0)];
        let sigma = sigma.sqrt();
        let got = interval(&Bowl { a, quartic: 0.0 }, 0);
        for side in [got.minus, got.plus] {
            assert!((side.unwrap() / sigma - 1.0).abs() < 2e-5, "{got:?} {sigma}");
        }
    }

    /// No curvature at the minimum: the first step has a scale of its own.
    #[test]
    fn issue_13_a_quartic_has_ends_although_its_second_derivative_vanishes() {
        let a = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 0.0]);
        let got = interval(&Bowl { a: a.clone(), quartic: 2.0 }, 1);
        let expected = 0.25_f64.powf(0.25);
        assert!((got.minus.unwrap() / expected - 1.0).abs() < 1e-4, "{got:?} {expected}");
        assert!((got.plus.unwrap() / expected - 1.0).abs() < 1e-4, "{got:?} {expected}");
        // What nothing depends on has none, and its neighbour keeps its own.
        let flat = Bowl { a, quartic: 0.0 };
        assert_eq!(interval(&flat, 1), Interval { minus: None, plus: None });
        assert!((interval(&flat, 0).plus.unwrap() - 1.0).abs() < 1e-4);
    }
}
