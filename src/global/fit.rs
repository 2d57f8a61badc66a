//! The minimum of a chi-square, by Levenberg and Marquardt (MINPACK's algorithm) and, where that becomes slow, by Newton.
//!
//! Levenberg and Marquardt know the first derivatives of the predictions only. A scalar shift acts by its square: where
//! it is small its minimum is made by second derivatives, which Newton's method has.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::storage::Owned;
use nalgebra::{DMatrix, DVector, Dyn};

use super::GlobalError;
use super::statistic::{ChiSquare, Parameter};

/// Evaluations by Levenberg and Marquardt, for each parameter.
const PATIENCE: usize = 10;
/// Steps by Newton.
const STEPS: usize = 100;
/// A gain in chi-square that is none.
const SETTLED: f64 = 1e-9;

/// A point in the space of all parameters, and its chi-square.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The parameters' values, in the order of [`ChiSquare::parameters`].
    pub values: Vec<f64>,
    /// Chi-square.
    pub chi2: f64,
}

/// The lowest minimum that is found from the Standard Model and from one step up and down along each shift.
///
/// # Errors
/// When no start leads to a minimum.
pub fn minimum(statistic: &ChiSquare) -> Result<Point, GlobalError> {
    let free: Vec<usize> = (0..statistic.parameters().len()).collect();
    let mut best: Option<Point> = None;
    let mut failure = String::new();
    for start in starts(statistic.parameters()) {
        match minimum_from(statistic, &start, &free) {
            // A later start must be lower by more than rounding.
            Ok(point) if best.as_ref().is_none_or(|best| point.chi2 < best.chi2 - 1e-6) => best = Some(point),
            Ok(_) => {}
            Err(error) => failure = error.to_string(),
        }
    }
    best.ok_or_else(|| no_minimum(statistic, &free, failure))
}

fn starts(parameters: &[Parameter]) -> Vec<Vec<f64>> {
    let mut starts = vec![vec![0.0; parameters.len()]];
    for (index, parameter) in parameters.iter().enumerate() {
        if matches!(parameter, Parameter::Shift(_)) {
            for sign in [-1.0, 1.0] {
                let mut start = starts[0].clone();
                start[index] = sign * parameter.scale();
                starts.push(start);
            }
        }
    }
    starts
}

/// The minimum in the parameters of the given indices that a start leads to; all others stay.
///
/// # Errors
/// When the minimiser stops without one, or the start has the wrong length.
pub fn minimum_from(statistic: &ChiSquare, start: &[f64], free: &[usize]) -> Result<Point, GlobalError> {
    let chi2 = statistic.value(start)?;
    if free.is_empty() {
        return Ok(Point { values: start.to_vec(), chi2 });
    }
    let minimiser = LevenbergMarquardt::new().with_tol(1e-10).with_patience(PATIENCE);
    let (problem, report) = minimiser.minimize(Problem { statistic, values: start.to_vec(), free });
    let point = Point { chi2: statistic.value(&problem.values)?, values: problem.values };
    // Where no step lowers chi-square any more, a kink of asymmetric errors is as good as a flat bottom.
    let ended = report.termination.was_successful() || report.termination.was_usage_issue();
    let point = if ended { point } else { newton(statistic, point, free)? };
    if point.chi2.is_finite() {
        Ok(point)
    } else {
        Err(no_minimum(statistic, free, "chi-square is not finite".to_owned()))
    }
}

/// Newton's method, away from saddles too: along each principal axis the step is downhill.
fn newton(statistic: &ChiSquare, mut point: Point, free: &[usize]) -> Result<Point, GlobalError> {
    let n = free.len();
    let scales: Vec<f64> = free.iter().map(|index| statistic.parameters()[*index].scale()).collect();
    let moved = |from: &[f64], step: &DVector<f64>| {
        let mut values = from.to_vec();
        free.iter()
            .zip(step.iter().zip(&scales))
            .for_each(|(index, (step, scale))| values[*index] += step * scale);
        values
    };
    // Of chi-square, in units of the parameters' scales.
    let gradient = |values: &[f64]| -> Result<DVector<f64>, GlobalError> {
        let residuals = statistic.residuals(&statistic.predictions(values)?);
        let gradient = 2.0 * statistic.jacobian(values, free)?.tr_mul(&residuals);
        Ok(gradient.component_mul(&DVector::from_column_slice(&scales)))
    };
    for _ in 0..STEPS {
        const STEP: f64 = 1e-4;
        let slope = gradient(&point.values)?;
        let mut hessian = DMatrix::zeros(n, n);
        for column in 0..n {
            let mut step = DVector::zeros(n);
            step[column] = STEP;
            let (up, down) =
                (gradient(&moved(&point.values, &step))?, gradient(&moved(&point.values, &-step))?);
            hessian.set_column(column, &((up - down) / (2.0 * STEP)));
        }
        let axes = (0.5 * (&hessian + hessian.transpose())).symmetric_eigen();
        let along = axes.eigenvectors.tr_mul(&slope);
        let floor = 1e-12 * axes.eigenvalues.amax();
        let mut step =
            &axes.eigenvectors * -along.component_div(&axes.eigenvalues.map(|x| x.abs().max(floor)));
        step /= step.amax().max(1.0);
        let expected = -0.5 * slope.dot(&step);
        if expected < SETTLED {
            return Ok(point);
        }
        let mut lower = None;
        for _ in 0..40 {
            let values = moved(&point.values, &step);
            let chi2 = statistic.value(&values)?;
            if chi2 < point.chi2 {
                lower = Some(Point { values, chi2 });
                break;
            }
            step *= 0.5;
        }
        // A kink: nothing is lower along the way down of the smooth function.
        let Some(lower) = lower else { return Ok(point) };
        let gain = point.chi2 - lower.chi2;
        point = lower;
        if gain < SETTLED {
            return Ok(point);
        }
    }
    Err(no_minimum(statistic, free, format!("chi-square {} still falls after {STEPS} steps", point.chi2)))
}

fn no_minimum(statistic: &ChiSquare, free: &[usize], reason: String) -> GlobalError {
    let names: Vec<String> = free.iter().map(|index| statistic.parameters()[*index].to_string()).collect();
    GlobalError::NoMinimum { parameters: names.join(", "), reason }
}

struct Problem<'a> {
    statistic: &'a ChiSquare,
    values: Vec<f64>,
    free: &'a [usize],
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_> {
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;
    type ParameterStorage = Owned<f64, Dyn>;

    fn set_params(&mut self, x: &DVector<f64>) {
        for (index, value) in self.free.iter().zip(x.iter()) {
            self.values[*index] = *value;
        }
    }

    fn params(&self) -> DVector<f64> {
        DVector::from_iterator(self.free.len(), self.free.iter().map(|index| self.values[*index]))
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        Some(self.statistic.residuals(&self.statistic.predictions(&self.values).ok()?))
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        self.statistic.jacobian(&self.values, self.free).ok()
    }
}
