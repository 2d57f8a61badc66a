//! Estimates of pseudo-experiments of known coefficients as numbers of tables and figures.

use humboldt_schemas::comparison::{EstimatorResult, EstimatorValue};
use humboldt_schemas::results::{RatioCoefficient, RatioPoint};

use super::estimators::{CoefficientEstimate, Estimated};
use crate::error::{Error, Place};
use crate::infer::ensembles::{ensemble, line};

/// Deviations within which 95 % of normal numbers lie.
const TWO_SIDES: f64 = 1.959_964;

/// Pseudo-experiments of one point by one estimator.
#[derive(Debug, Clone, PartialEq)]
pub struct AtPoint {
    /// True shifts.
    pub truth: Vec<f64>,
    /// Events of each.
    pub events: usize,
    /// Smallest standard deviation of each coefficient; none where it is not known.
    pub bounds: Option<Vec<f64>>,
    /// Answers, in the order of the pseudo-experiments; none where there is none.
    pub found: Vec<Option<Estimated>>,
}

impl AtPoint {
    /// The answers that there are.
    pub fn known(&self) -> impl Iterator<Item = &Estimated> {
        self.found.iter().flatten()
    }

    /// Those of a coefficient.
    pub fn of(&self, place: usize) -> Vec<CoefficientEstimate> {
        self.known().map(|found| found.coefficients[place]).collect()
    }

    /// The point with its coefficients by their names. `expected` are standard deviations that a calibration expects, `effective_events` its
    /// number of simulated events there.
    pub fn summary(&self, names: &[String], expected: Option<&[f64]>, effective_events: f64) -> RatioPoint {
        let p_values: Vec<f64> = self.known().filter_map(|found| found.p_value).collect();
        let coefficient = |(place, name): (usize, &String)| {
            let all = self.of(place);
            let values: Vec<f64> = all.iter().map(|e| e.value).collect();
            let pulls: Vec<f64> = all.iter().map(|e| e.pull).collect();
            RatioCoefficient {
                name: name.clone(),
                truth: self.truth[place],
                mean: mean(&values),
                sigma: width(&values),
                error: mean(&all.iter().map(|e| e.sigma).collect::<Vec<_>>()),
                pull_mean: mean(&pulls),
                pull_width: width(&pulls),
                coverage: covered(&pulls, 1.0),
                coverage_95: covered(&pulls, TWO_SIDES),
                expected: expected.map(|all| all[place]).filter(|x| x.is_finite()),
                bound: self.bounds.as_ref().map(|all| all[place]),
            }
        };
        RatioPoint {
            experiments: self.known().count(),
            events: self.events,
            effective_events,
            p_value_below_5: share(&p_values, |p| p < 0.05),
            coefficients: names.iter().enumerate().map(coefficient).collect(),
        }
    }
}

/// Mean of finite numbers; none without any.
fn mean(values: &[f64]) -> Option<f64> {
    Some(values.iter().sum::<f64>() / values.len() as f64).filter(|x| x.is_finite())
}

/// Standard deviation; none of fewer than two numbers.
pub fn width(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    Some((squares / (values.len() as f64 - 1.0)).sqrt()).filter(|x| x.is_finite())
}

fn share(values: &[f64], of: impl Fn(f64) -> bool) -> Option<f64> {
    mean(&values.iter().map(|x| f64::from(u8::from(of(*x)))).collect::<Vec<_>>())
}

/// Part of some pulls within so many deviations.
fn covered(pulls: &[f64], deviations: f64) -> Option<f64> {
    share(pulls, |pull| pull.abs() <= deviations)
}

/// A coefficient by an estimator, over all points that have two answers and more.
///
/// # Errors
/// When there is no such point, or none whose bound is known.
pub fn result(
    name: &str,
    place: usize,
    points: &[AtPoint],
    milliseconds: f64,
) -> Result<EstimatorResult, Error> {
    let usable: Vec<&AtPoint> =
        points.iter().filter(|point| point.known().count() > 1 && point.bounds.is_some()).collect();
    if usable.is_empty() {
        return Err(Error::Answers { estimator: name.to_owned() });
    }
    let of = |point: &&AtPoint| {
        let values: Vec<f64> = point.of(place).iter().map(|e| e.value).collect();
        ensemble(point.truth[place], true, &values)
    };
    let ensembles = usable.iter().map(of).collect::<Result<Vec<_>, _>>();
    let ensembles = ensembles.place(|| format!("estimator {name}"))?;
    let ends = |f: fn(f64, f64) -> f64| ensembles.iter().map(|e| e.truth).reduce(f).unwrap_or_default();
    let range = [ends(f64::min), ends(f64::max)];
    let slope = line(&ensembles).map_or(1.0, |line| line.slope);
    let mut values = Vec::new();
    for (point, e) in usable.iter().zip(&ensembles) {
        let pulls: Vec<f64> = point.of(place).iter().map(|e| e.pull).collect();
        let bound = point.bounds.as_ref().map_or(f64::NAN, |bounds| bounds[place]);
        let sigma = e.sigma.unwrap_or(f64::NAN);
        let [coverage_68, coverage_95] = [1.0, TWO_SIDES].map(|d| covered(&pulls, d).unwrap_or(f64::NAN));
        values.push(EstimatorValue {
            truth: e.truth,
            images: e.n_images,
            failed: point.found.len() - e.n_images,
            mean: e.mean,
            bias: e.bias,
            sigma_left: e.sigma_left.unwrap_or(f64::NAN),
            sigma_right: e.sigma_right.unwrap_or(f64::NAN),
            sigma,
            slope,
            width_over_slope: sigma / slope.abs(),
            bound,
            ratio_to_bound: sigma / slope.abs() / bound,
            coverage_68,
            coverage_95,
            own_coverage_68: Some(coverage_68),
            calibrated_bias: None,
            pull_mean: mean(&pulls),
            pull_width: width(&pulls),
        });
    }
    values.sort_by(|a, b| a.truth.total_cmp(&b.truth));
    Ok(EstimatorResult::new(name, slope, range, milliseconds, values))
}

/// Mean shift by pairs of answers, one of samples as simulated and one of others, in widths of the first; and its statistical error. None of fewer
/// than two pairs.
pub fn shift(simulated: &AtPoint, other: &AtPoint, place: usize) -> Option<(usize, f64, f64)> {
    let pairs = simulated.found.iter().zip(&other.found);
    let pairs: Vec<(f64, f64)> = pairs
        .filter_map(|(a, b)| {
            Some((a.as_ref()?.coefficients[place].value, b.as_ref()?.coefficients[place].value))
        })
        .collect();
    let unit = width(&pairs.iter().map(|(a, _)| *a).collect::<Vec<_>>()).filter(|x| *x > 0.0)?;
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| (b - a) / unit).collect();
    let error = width(&differences)? / (pairs.len() as f64).sqrt();
    Some((pairs.len(), mean(&differences)?, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(truth: f64, values: &[Option<f64>]) -> AtPoint {
        let one = |value: f64| Estimated {
            coefficients: vec![CoefficientEstimate { value, sigma: 0.1, pull: (value - truth) / 0.1 }],
            p_value: None,
        };
        let found = values.iter().map(|value| value.map(one)).collect();
        AtPoint { truth: vec![truth], events: 100, bounds: Some(vec![0.1]), found }
    }

    #[test]
    fn widths_coverages_and_shifts_are_those_of_the_answers_that_there_are() {
        let points = [
            at(1.0, &[Some(1.05), None, Some(1.25), Some(0.97), Some(1.13)]),
            at(-1.0, &[Some(-1.0), Some(-0.9), Some(-1.1)]),
            at(0.0, &[Some(0.0), None]),
        ];
        let result = result("ratio", 0, &points, 1.0).unwrap();
        assert_eq!(result.values.len(), 2, "one answer has no width");
        let (low, high) = (&result.values[0], &result.values[1]);
        assert_eq!((low.truth, low.images, high.images, high.failed), (-1.0, 3, 4, 1));
        assert!((high.bias - 0.1).abs() < 1e-12 && (low.sigma - 0.1).abs() < 1e-12);
        assert!((high.coverage_68 - 0.5).abs() < 1e-12 && (high.coverage_95 - 0.75).abs() < 1e-12);
        assert!((result.slope - 1.05).abs() < 1e-12, "{}", result.slope);
        assert!((low.ratio_to_bound - 1.0 / 1.05).abs() < 1e-9);
        assert!(super::result("ratio", 0, &points[2..], 1.0).is_err());
        // Pairs without one of both do not count.
        let moved = at(1.0, &[Some(1.15), Some(9.0), Some(1.35), Some(1.07), Some(1.23)]);
        let (pairs, shift, error) = shift(&points[0], &moved, 0).unwrap();
        let sigma = width(&[1.05, 1.25, 0.97, 1.13]).unwrap();
        assert!(pairs == 4 && (shift - 0.1 / sigma).abs() < 1e-9 && error < 1e-9, "{shift} {error}");
    }
}
