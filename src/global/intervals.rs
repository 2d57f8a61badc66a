//! Errors of fitted parameters: from the curvature of chi-square at its minimum, and from profiles.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::GlobalError;
use super::fit::{Point, minimum, minimum_from};
use super::statistic::ChiSquare;
pub use crate::infer::Interval;

/// How far a profile is followed, in units of [`super::statistic::Parameter::scale`].
const REACH: f64 = 100.0;

/// Standard deviations and correlations from the matrix of second derivatives ("HESSE").
#[derive(Debug, Clone, PartialEq)]
pub struct Curvature {
    /// Standard deviation of each parameter.
    pub sigma: Vec<f64>,
    /// Correlation of each pair.
    ///
    /// # Shapes
    /// [parameter, parameter]
    pub correlation: Vec<Vec<f64>>,
}

/// A minimum with both kinds of errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The minimum.
    pub best: Point,
    /// From second derivatives; `None` where chi-square is not curved upwards in all directions.
    pub curvature: Option<Curvature>,
    /// From profiles, for each parameter.
    pub intervals: Vec<Interval>,
}

/// Fits all parameters. A profile that finds a lower minimum than the fit did starts the fit anew from there.
///
/// # Errors
/// When a minimisation finds no minimum.
pub fn fitted(statistic: &ChiSquare) -> Result<Fitted, GlobalError> {
    let all: Vec<usize> = (0..statistic.parameters().len()).collect();
    let mut best = minimum(statistic)?;
    loop {
        let curvature = curvature(statistic, &best)?;
        let first_step = |index: usize| {
            let scale = statistic.parameters()[index].scale();
            curvature.as_ref().map_or(0.01 * scale, |curvature| curvature.sigma[index].min(scale))
        };
        let profiles: Vec<(Interval, Point)> = all
            .par_iter()
            .map(|index| interval(statistic, &best, *index, first_step(*index)))
            .collect::<Result<_, _>>()?;
        let lowest = profiles.iter().map(|(_, lowest)| lowest).min_by(|a, b| a.chi2.total_cmp(&b.chi2));
        match lowest {
            // By 0.001 at least each time: this ends.
            Some(lowest) if lowest.chi2 < best.chi2 - 1e-3 => {
                best = minimum_from(statistic, &lowest.values, &all)?;
            }
            _ => {
                let intervals = profiles.into_iter().map(|(interval, _)| interval).collect();
                return Ok(Fitted { best, curvature, intervals });
            }
        }
    }
}

/// Second derivatives of chi-square by central differences, inverted; `None` where they are not positive definite.
///
/// The differences are taken along the axes of the ellipsoid that the residuals' first derivatives make of chi-square:
/// correlations as strong as those of a polynomial's coefficients then do no harm.
///
/// # Errors
/// When the point has the wrong length.
pub fn curvature(statistic: &ChiSquare, best: &Point) -> Result<Option<Curvature>, GlobalError> {
    let n = best.values.len();
    let all: Vec<usize> = (0..n).collect();
    let jacobian = statistic.jacobian(&best.values, &all)?;
    // In units of the parameters' own first derivatives, which differ by orders of magnitude.
    let units: Vec<f64> = jacobian.column_iter().map(|column| column.norm().recip()).collect();
    if !units.iter().all(|unit| unit.is_finite()) {
        return Ok(None);
    }
    let scaled = DMatrix::from_fn(jacobian.nrows(), n, |i, j| jacobian[(i, j)] * units[j]);
    let axes = scaled.tr_mul(&scaled).symmetric_eigen();
    let mut directions = DMatrix::from_fn(n, n, |i, j| units[i] * axes.eigenvectors[(i, j)]);
    for (mut direction, eigenvalue) in directions.column_iter_mut().zip(axes.eigenvalues.iter()) {
        // A tenth of a standard deviation, and of no parameter more than a twentieth of its scale.
        let reach = direction.iter().zip(statistic.parameters()).map(|(step, p)| (step / p.scale()).abs());
        let step = (0.1 / eigenvalue.max(0.0).sqrt()).min(0.05 / reach.fold(0.0, f64::max));
        direction *= step;
    }

    let at = |moves: &[(usize, f64)]| {
        let mut values = best.values.clone();
        for (column, sign) in moves {
            values.iter_mut().zip(directions.column(*column).iter()).for_each(|(x, step)| *x += sign * step);
        }
        statistic.value(&values)
    };
    let mut hessian = DMatrix::zeros(n, n);
    for i in 0..n {
        hessian[(i, i)] = at(&[(i, 1.0)])? + at(&[(i, -1.0)])? - 2.0 * best.chi2;
        for j in 0..i {
            let equal = at(&[(i, 1.0), (j, 1.0)])? + at(&[(i, -1.0), (j, -1.0)])?;
            let opposite = at(&[(i, 1.0), (j, -1.0)])? + at(&[(i, -1.0), (j, 1.0)])?;
            hessian[(i, j)] = 0.25 * (equal - opposite);
            hessian[(j, i)] = hessian[(i, j)];
        }
    }
    // Chi-square = minimum + u^T H u / 2: the covariance of u is 2 H^-1.
    let Some(root) = hessian.cholesky() else { return Ok(None) };
    let covariance = 2.0 * &directions * root.inverse() * directions.transpose();
    let sigma: Vec<f64> = (0..n).map(|i| covariance[(i, i)].sqrt()).collect();
    let correlation =
        (0..n).map(|i| (0..n).map(|j| covariance[(i, j)] / (sigma[i] * sigma[j])).collect()).collect();
    Ok(Some(Curvature { sigma, correlation }))
}

/// The interval of one parameter, all others minimised at each of its values; and the lowest point met on the way.
fn interval(
    statistic: &ChiSquare,
    best: &Point,
    index: usize,
    first_step: f64,
) -> Result<(Interval, Point), GlobalError> {
    let others: Vec<usize> = (0..best.values.len()).filter(|other| *other != index).collect();
    let mut lowest = best.clone();
    let mut side = |direction: f64| -> Result<Option<f64>, GlobalError> {
        // A minimisation starts where the nearest one below ended.
        let mut profile = |distance: f64, from: &Point| -> Result<Point, GlobalError> {
            let mut start = from.values.clone();
            start[index] = best.values[index] + direction * distance;
            let point = minimum_from(statistic, &start, &others)?;
            if point.chi2 < lowest.chi2 {
                lowest = point.clone();
            }
            Ok(point)
        };
        let rise = |point: &Point| point.chi2 - best.chi2 - 1.0;
        let limit = REACH * statistic.parameters()[index].scale();
        let (mut inside, mut low) = (best.clone(), 0.0);
        let mut high = first_step;
        let mut outside = loop {
            let point = profile(high, &inside)?;
            if rise(&point) > 0.0 {
                break point;
            }
            if high >= limit {
                return Ok(None);
            }
            (low, inside) = (high, point);
            high = (2.0 * high).min(limit);
        };
        // Straight lines through the square root, which is straight for a parabola, kept off the ends.
        while high - low > 1e-4 * high {
            let height = |point: &Point| (point.chi2 - best.chi2).max(0.0).sqrt();
            let fraction = (1.0 - height(&inside)) / (height(&outside) - height(&inside));
            let middle = low + (high - low) * fraction.clamp(0.02, 0.98);
            let point = profile(middle, &inside)?;
            let close = rise(&point).abs() < 1e-6;
            if rise(&point) > 0.0 {
                (high, outside) = (middle, point);
            } else {
                (low, inside) = (middle, point);
            }
            if close {
                return Ok(Some(middle));
            }
        }
        Ok(Some(0.5 * (low + high)))
    };
    let interval = Interval { minus: side(-1.0)?, plus: side(1.0)? };
    Ok((interval, lowest))
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{
        MeasurementSet, ModelName, Parameters, Theory, WilsonCoefficient, WilsonDirection,
    };
    use humboldt_schemas::measurements::MeasurementFile;

    use super::*;
    use crate::global::data::Data;
    use crate::global::polynomials::{Polynomials, Sharing};
    use crate::global::statistic::Errors;

    fn statistic(
        coefficients: &[WilsonCoefficient],
        sharing: Option<Sharing>,
        correlations: bool,
    ) -> ChiSquare {
        let data = Data::new(&MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap()).unwrap();
        let polynomials = sharing.map_or_else(Polynomials::default, |s| Polynomials::determined(s, &data));
        let directions: Vec<_> = coefficients.iter().copied().map(WilsonDirection::real).collect();
        let theory = Theory::new(ModelName::Bare, Parameters::standard());
        ChiSquare::new(&theory, data, &directions, polynomials, &Errors { theory: None, correlations })
            .unwrap()
    }

    const PAIR: [WilsonCoefficient; 2] = [WilsonCoefficient::C9, WilsonCoefficient::C10];

    /// The best fit is the lowest point of a fine grid around it.
    #[test]
    fn a_grid_finds_nothing_lower() {
        for correlations in [false, true] {
            let statistic = statistic(&PAIR, None, correlations);
            let best = minimum(&statistic).unwrap();
            for i in -20..=20 {
                for j in -20..=20 {
                    for step in [1e-4, 1e-2, 0.1] {
                        let moved =
                            [best.values[0] + step * f64::from(i), best.values[1] + step * f64::from(j)];
                        assert!(statistic.value(&moved).unwrap() >= best.chi2 - 1e-9, "{moved:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn profiles_rise_by_one_and_agree_with_the_curvature() {
        let statistic = statistic(&PAIR, None, false);
        let fit = fitted(&statistic).unwrap();
        let curvature = fit.curvature.unwrap();
        for index in 0..2 {
            let Interval { minus: Some(minus), plus: Some(plus) } = fit.intervals[index] else {
                panic!("no interval")
            };
            for (direction, distance) in [(-1.0, minus), (1.0, plus)] {
                let mut start = fit.best.values.clone();
                start[index] += direction * distance;
                let point = minimum_from(&statistic, &start, &[1 - index]).unwrap();
                assert!((point.chi2 - fit.best.chi2 - 1.0).abs() < 1e-3);
                assert!((distance / curvature.sigma[index] - 1.0).abs() < 0.1, "{distance}");
            }
        }
    }

    /// Each polynomial absorbs its observable: twenty coefficients and two shifts.
    #[test]
    fn independent_polynomials_have_a_minimum_and_both_kinds_of_errors() {
        let statistic = statistic(&PAIR, Some(Sharing::Independent), false);
        let fit = fitted(&statistic).unwrap();
        assert_eq!(fit.best.values.len(), 22);
        let without = minimum(&self::statistic(&PAIR, None, false)).unwrap();
        assert!(fit.best.chi2 < without.chi2 - 15.0);
        let curvature = fit.curvature.expect("curved upwards");
        assert!(curvature.sigma.iter().all(|sigma| sigma.is_finite() && *sigma > 0.0));
        assert!(fit.intervals.iter().all(|i| i.minus.is_some() && i.plus.is_some()));
    }

    /// Scalar shifts enter squared: their minimum may be flat to second order, and the profile still ends.
    #[test]
    fn all_eight_coefficients_can_be_free() {
        let statistic = statistic(&WilsonCoefficient::ALL, None, false);
        let fit = fitted(&statistic).unwrap();
        let pair = minimum(&self::statistic(&PAIR, None, false)).unwrap();
        assert!(fit.best.chi2 < pair.chi2);
        assert!(fit.intervals.iter().all(|i| i.minus.is_some() && i.plus.is_some()), "{:?}", fit.intervals);
    }
}
