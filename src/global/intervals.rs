//! Errors of fitted parameters: from the curvature of chi-square at its minimum, and from profiles.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::GlobalError;
use super::fit::{Point, minimum, minimum_from};
use super::statistic::ChiSquare;
pub use crate::infer::Interval;
use crate::infer::minimise::{Objective, inverse};
use crate::infer::profile::{Profile, Walked};

/// Standard deviations and correlations from the matrix of second derivatives ("HESSE").
#[derive(Debug, Clone, PartialEq)]
pub struct Curvature {
    /// Standard deviation of each parameter; NaN where chi-square is not curved upwards along it.
    pub sigma: Vec<f64>,
    /// Correlation of each pair; NaN where one has no standard deviation.
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
    /// From second derivatives.
    pub curvature: Curvature,
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
    let scales = statistic.scales();
    loop {
        let covariance = covariance(statistic, &best)?;
        let profile = Profile {
            objective: statistic,
            best: &best.values,
            minimum: best.chi2,
            covariance: &covariance,
            scales: &scales,
            rise: 1.0,
        };
        let walked: Vec<Walked> =
            all.par_iter().map(|index| profile.interval(*index)).collect::<Result<_, _>>()?;
        let lowest = walked.iter().map(|walked| &walked.lowest).min_by(|a, b| a.value.total_cmp(&b.value));
        match lowest {
            // By 0.001 at least each time: this ends.
            Some(lowest) if lowest.value < best.chi2 - 1e-3 => {
                best = minimum_from(statistic, &lowest.point, &all)?;
            }
            _ => {
                let curvature = curvature(statistic, &best)?;
                let intervals = walked.into_iter().map(|walked| walked.interval).collect();
                return Ok(Fitted { best, curvature, intervals });
            }
        }
    }
}

/// Second derivatives of chi-square by central differences, inverted; where they are not positive definite, those of
/// chi-square without the steps of asymmetric errors.
///
/// The differences are taken along the axes of the ellipsoid that the residuals' first derivatives make of chi-square:
/// correlations as strong as those of a polynomial's coefficients then do no harm.
///
/// # Errors
/// When the point has the wrong length.
pub fn curvature(statistic: &ChiSquare, best: &Point) -> Result<Curvature, GlobalError> {
    let covariance = match covariance_by_differences(statistic, best)? {
        Some(covariance) => covariance,
        None => covariance(statistic, best)?,
    };
    Ok(Curvature::of(&covariance))
}

/// By derivatives: NaN for parameters along which chi-square is flat.
fn covariance(statistic: &ChiSquare, best: &Point) -> Result<DMatrix<f64>, GlobalError> {
    let all: Vec<usize> = (0..best.values.len()).collect();
    Ok(2.0 * inverse(&statistic.jet(&best.values, &all)?.hessian, &statistic.scales()))
}

fn covariance_by_differences(
    statistic: &ChiSquare,
    best: &Point,
) -> Result<Option<DMatrix<f64>>, GlobalError> {
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
    Ok(Some(covariance))
}

impl Curvature {
    fn of(covariance: &DMatrix<f64>) -> Self {
        let n = covariance.nrows();
        let sigma: Vec<f64> = (0..n).map(|i| covariance[(i, i)].sqrt()).collect();
        let correlation =
            (0..n).map(|i| (0..n).map(|j| covariance[(i, j)] / (sigma[i] * sigma[j])).collect()).collect();
        Self { sigma, correlation }
    }
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
        let curvature = fit.curvature;
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
        let curvature = fit.curvature;
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
