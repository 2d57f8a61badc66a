//! The chi-square of a list of parameters.
//!
//! A pull is `(measured - predicted)/sigma`, `sigma^2` the square of the measured error on the side of the prediction
//! plus, where asked for, that of the theory error at fixed shifts. Without correlations chi-square is the sum of the
//! squared pulls; with them `p^T R^-1 p`, R the correlation of measured and theory errors together, formed with the mean of
//! upward and downward errors: it is continuous where a prediction passes a value, and the usual form for symmetric errors.

use humboldt_physics::quadrature::Precision;
use humboldt_physics::uncertainty::Spread;
use humboldt_physics::{
    Leptons, Plan, QuadraticForm, Theory, WilsonCoefficient, WilsonDirection, WilsonShifts,
};
use humboldt_schemas::Invalid;
use humboldt_schemas::global::Contribution;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::GlobalError;
use super::data::Data;
use super::polynomials::{Coefficient, Polynomials};
use super::shift::Shift;
use crate::infer::minimise::{Jet, Objective};
use crate::infer::variation::{moved, varied};

/// Ingredients of a chi-square.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    /// Theory errors of the measurements' quantities, in their order.
    pub theory: Option<Spread>,
    /// Whether correlations count.
    pub correlations: bool,
}

/// Shift of C9 at which theory errors of a chi-square are taken: the same for all points.
const DELTA_C9_OF_ERRORS: f64 = -1.0;

impl Errors {
    /// Of measurements against a model whose shifts do not matter.
    ///
    /// # Errors
    /// When inputs are missing, or a prediction cannot be made.
    pub fn of(
        standard_model: &Theory,
        data: &Data,
        theory: TheoryErrors,
        correlations: bool,
    ) -> Result<Self, GlobalError> {
        let shifted =
            Theory { muon_shifts: WilsonShifts::delta_c9(DELTA_C9_OF_ERRORS), ..standard_model.clone() };
        Ok(Self { theory: spread(&shifted, data, theory)?, correlations })
    }
}

/// Source of theory errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TheoryErrors {
    /// They are left out.
    None,
    /// Each input is moved by its error up and down, and predictions follow in straight lines.
    Linear,
    /// So many draws of all inputs, of a seed.
    Draws(u32, u64),
}

/// Theory errors at a point; `None` where they are left out.
///
/// # Errors
/// When inputs are missing, or a prediction cannot be made.
pub fn spread(theory: &Theory, data: &Data, errors: TheoryErrors) -> Result<Option<Spread>, GlobalError> {
    let plan = Plan::new(&data.quantities());
    let of = |theory: &Theory| plan.values_to(theory, Precision::Coarse);
    Ok(match errors {
        TheoryErrors::None => None,
        TheoryErrors::Linear => Spread::linear(&moved(theory, of)?),
        TheoryErrors::Draws(draws, seed) => Spread::of(&varied(theory, draws, seed, of)?),
    })
}

/// A free number.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// A shift of a coefficient, or charm loops.
    Shift(Shift),
    /// A coefficient of a polynomial.
    Polynomial(Coefficient),
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shift(shift) => shift.fmt(f),
            Self::Polynomial(coefficient) => coefficient.fmt(f),
        }
    }
}

impl Parameter {
    /// The order of magnitude on which predictions change: first steps of searches, and the unit of their limits.
    pub fn scale(&self) -> f64 {
        match self {
            Self::Shift(shift) => match shift.direction.coefficient {
                WilsonCoefficient::C7
                | WilsonCoefficient::C7Prime
                | WilsonCoefficient::CS
                | WilsonCoefficient::CP => 0.1,
                _ => 1.0,
            },
            Self::Polynomial(coefficient) => [0.1, 0.01, 0.001][coefficient.power.min(2)],
        }
    }
}

/// The chi-square of data as a function of parameters.
#[derive(Debug, Clone)]
pub struct ChiSquare {
    data: Data,
    form: QuadraticForm,
    /// The shifts, and of each its direction in `form`.
    shifts: Vec<(Shift, usize)>,
    directions: usize,
    polynomials: Polynomials,
    parameters: Vec<Parameter>,
    /// Theory errors, 0 without.
    theory_errors: Vec<f64>,
    correlation: Option<Cholesky<f64, Dyn>>,
}

impl ChiSquare {
    /// Of shifts, counted from those of `theory`, and the coefficients of polynomials.
    ///
    /// # Errors
    /// When a shift occurs twice, theory errors are of another list, the correlations are not positive definite,
    /// or a prediction cannot be made.
    pub fn new<S: Copy + Into<Shift>>(
        theory: &Theory,
        data: Data,
        shifts: &[S],
        polynomials: Polynomials,
        errors: &Errors,
    ) -> Result<Self, GlobalError> {
        let shifts: Vec<Shift> = shifts.iter().map(|shift| (*shift).into()).collect();
        for (i, shift) in shifts.iter().enumerate() {
            let new = !shifts[..i].contains(shift);
            Invalid::unless(new, "free", format!("{shift} twice"), "each once")?;
        }
        let mut directions: Vec<(Leptons, WilsonDirection)> = Vec::new();
        let place = |shift: Shift| {
            let known = directions.iter().position(|key| *key == shift.key());
            let place = known.unwrap_or(directions.len());
            if known.is_none() {
                directions.push(shift.key());
            }
            (shift, place)
        };
        let shifts: Vec<(Shift, usize)> = shifts.into_iter().map(place).collect();
        let form = QuadraticForm::new(theory, &Plan::new(&data.quantities()), &directions)?;
        let theory_errors =
            errors.theory.as_ref().map_or_else(|| vec![0.0; data.len()], |spread| spread.sigma.clone());
        let expected = format!("{} values", data.len());
        Invalid::unless(theory_errors.len() == data.len(), "theory errors", theory_errors.len(), expected)?;
        let correlation =
            if errors.correlations { Some(total_correlation(&data, errors.theory.as_ref())?) } else { None };
        let parameters = shifts
            .iter()
            .map(|(shift, _)| Parameter::Shift(*shift))
            .chain(polynomials.coefficients().iter().cloned().map(Parameter::Polynomial))
            .collect();
        let directions = directions.len();
        Ok(Self { data, form, shifts, directions, polynomials, parameters, theory_errors, correlation })
    }

    /// The data.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The parameters, in the order in which all functions take them.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Theory error of each prediction, 0 without.
    pub fn theory_errors(&self) -> &[f64] {
        &self.theory_errors
    }

    /// The prediction of each measurement; LHCb convention, rates in GeV^-2.
    ///
    /// # Errors
    /// When there are not as many values as parameters.
    pub fn predictions(&self, values: &[f64]) -> Result<Vec<f64>, GlobalError> {
        let shifts = self.shifts.len();
        if values.len() != self.parameters.len() {
            let allowed = format!("{} numbers", self.parameters.len());
            return Err(Invalid::new("parameters", format!("{} numbers", values.len()), allowed).into());
        }
        let sums = |q2_min: f64, q2_max: f64| {
            let mut sums = vec![0.0; self.directions];
            for ((shift, direction), value) in self.shifts.iter().zip(values) {
                sums[*direction] += value * shift.weight(q2_min, q2_max);
            }
            sums
        };
        let mut predictions = if self.shifts.iter().all(|(shift, _)| shift.everywhere()) {
            self.form.values(&values[..shifts])?
        } else {
            self.form.values_by_bin(sums)?
        };
        self.polynomials.add_to(&mut predictions, &values[shifts..])?;
        Ok(predictions)
    }

    /// The errors that pulls are counted in: measured, on the side of each prediction, and theory together.
    pub fn errors(&self, predictions: &[f64]) -> Vec<f64> {
        let measurements = self.data.measurements().iter().zip(&self.theory_errors);
        measurements
            .zip(predictions)
            .map(|((datum, theory), prediction)| datum.error_towards(*prediction).hypot(*theory))
            .collect()
    }

    /// `(measured - predicted)/sigma` of each measurement.
    pub fn pulls(&self, predictions: &[f64]) -> Vec<f64> {
        let measurements = self.data.measurements().iter().zip(predictions);
        measurements
            .zip(self.errors(predictions))
            .map(|((datum, prediction), error)| (datum.value - prediction) / error)
            .collect()
    }

    /// Contribution of each measurement to chi-square: `p_i (R^-1 p)_i`, the square of the pull without correlations. Their
    /// sum is chi-square; with correlations one can be negative.
    pub fn contributions(&self, pulls: &[f64]) -> Vec<f64> {
        pulls.iter().zip(self.solved(pulls)).map(|(pull, solved)| pull * solved).collect()
    }

    /// `R^-1 p`; p without correlations.
    fn solved(&self, pulls: &[f64]) -> Vec<f64> {
        match &self.correlation {
            Some(root) => root.solve(&DVector::from_column_slice(pulls)).as_slice().to_vec(),
            None => pulls.to_vec(),
        }
    }

    /// Chi-square.
    ///
    /// # Errors
    /// As [`Self::predictions`].
    pub fn value(&self, values: &[f64]) -> Result<f64, GlobalError> {
        Ok(self.residuals(&self.predictions(values)?).norm_squared())
    }

    /// Every measurement at a point.
    ///
    /// # Errors
    /// As [`Self::predictions`].
    pub fn compared(&self, values: &[f64]) -> Result<Vec<Contribution>, GlobalError> {
        let predictions = self.predictions(values)?;
        let pulls = self.pulls(&predictions);
        let contributions = self.contributions(&pulls);
        let measurements = self.data.measurements().iter().enumerate();
        Ok(measurements
            .map(|(i, datum)| Contribution {
                process: datum.process(),
                observable: datum.quantity.observable.name().to_owned(),
                q2_min: datum.quantity.q2_min,
                q2_max: datum.quantity.q2_max,
                measured: datum.value,
                error_plus: datum.error_plus,
                error_minus: datum.error_minus,
                prediction: predictions[i],
                theory_error: self.theory_errors[i],
                pull: pulls[i],
                contribution: contributions[i],
                source: datum.source.clone(),
            })
            .collect())
    }

    /// The order of magnitude on which predictions change along each parameter.
    pub(super) fn scales(&self) -> Vec<f64> {
        self.parameters.iter().map(Parameter::scale).collect()
    }

    /// Root of the correlation R of all errors, a lower-triangular L with `L L^T = R`; `None` where correlations do not
    /// count.
    pub fn correlation_root(&self) -> Option<DMatrix<f64>> {
        self.correlation.as_ref().map(Cholesky::l)
    }

    /// Chi-square of predictions that need not be those of a point.
    pub fn of_predictions(&self, predictions: &[f64]) -> f64 {
        self.residuals(predictions).norm_squared()
    }

    /// Independent numbers whose squares add up to chi-square: the pulls, without their correlation.
    pub(super) fn residuals(&self, predictions: &[f64]) -> DVector<f64> {
        self.decorrelated(DMatrix::from_column_slice(self.data.len(), 1, &self.pulls(predictions)))
            .column(0)
            .into_owned()
    }

    /// `L^-1 m` with `L L^T = R`; m without correlations.
    fn decorrelated(&self, matrix: DMatrix<f64>) -> DMatrix<f64> {
        match &self.correlation {
            // A Cholesky factor has a positive diagonal: the solution exists.
            Some(root) => root.l_dirty().solve_lower_triangular(&matrix).unwrap_or(matrix),
            None => matrix,
        }
    }

    /// Derivatives of [`Self::residuals`] in the parameters named by `free`, by central differences of the predictions,
    /// which are smooth: 1e-8 of their own.
    ///
    /// # Shapes
    /// [measurement, free parameter]
    pub(super) fn jacobian(&self, values: &[f64], free: &[usize]) -> Result<DMatrix<f64>, GlobalError> {
        let errors = self.errors(&self.predictions(values)?);
        let mut derivatives = DMatrix::zeros(self.data.len(), free.len());
        for (column, index) in free.iter().enumerate() {
            let step = 1e-4 * self.parameters[*index].scale();
            let at = |x: f64| {
                let mut moved = values.to_vec();
                moved[*index] = x;
                self.predictions(&moved)
            };
            let (up, down) = (at(values[*index] + step)?, at(values[*index] - step)?);
            for row in 0..self.data.len() {
                derivatives[(row, column)] = (down[row] - up[row]) / (2.0 * step * errors[row]);
            }
        }
        Ok(self.decorrelated(derivatives))
    }

    /// Contribution of the second derivatives of the predictions to those of half of chi-square, in the parameters named by
    /// `free`: `-sum_k (R^-1 p)_k/sigma_k d2 prediction_k`, by differences. Polynomials are linear: they add nothing.
    fn bend(&self, values: &[f64], free: &[usize]) -> Result<DMatrix<f64>, GlobalError> {
        const STEP: f64 = 1e-2;
        let own = self.predictions(values)?;
        let solved = self.solved(&self.pulls(&own));
        let weights: Vec<f64> = solved.iter().zip(self.errors(&own)).map(|(s, error)| -s / error).collect();
        let sum = |moves: &[(usize, f64)]| -> Result<f64, GlobalError> {
            let mut moved = values.to_vec();
            for (index, step) in moves {
                moved[*index] += step;
            }
            let predictions = self.predictions(&moved)?;
            Ok(weights
                .iter()
                .zip(predictions.iter().zip(&own))
                .map(|(w, (moved, own))| w * (moved - own))
                .sum())
        };
        let mut bend = DMatrix::zeros(free.len(), free.len());
        let shifts = free.iter().enumerate().filter_map(|(place, index)| match &self.parameters[*index] {
            Parameter::Shift(_) => Some((place, *index, STEP * self.parameters[*index].scale())),
            Parameter::Polynomial(_) => None,
        });
        let mut before: Vec<(usize, usize, f64, f64)> = Vec::new();
        for (i, index, step) in shifts {
            let both = sum(&[(index, step)])? + sum(&[(index, -step)])?;
            bend[(i, i)] = both / (step * step);
            for (j, other, other_step, other_both) in &before {
                let up = sum(&[(index, step), (*other, *other_step)])?;
                let down = sum(&[(index, -step), (*other, -other_step)])?;
                bend[(i, *j)] = (up + down - both - other_both) / (2.0 * step * other_step);
                bend[(*j, i)] = bend[(i, *j)];
            }
            before.push((i, index, step, both));
        }
        Ok(bend)
    }
}

impl Objective for ChiSquare {
    type Error = GlobalError;

    fn value(&self, point: &[f64]) -> Result<f64, GlobalError> {
        Self::value(self, point)
    }

    fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, GlobalError> {
        let residuals = self.residuals(&self.predictions(point)?);
        let jacobian = self.jacobian(point, free)?;
        let hessian = (jacobian.tr_mul(&jacobian) + self.bend(point, free)?) * 2.0;
        Ok(Jet { value: residuals.norm_squared(), gradient: 2.0 * jacobian.tr_mul(&residuals), hessian })
    }
}

/// Correlation of measured and theory errors together.
fn total_correlation(data: &Data, theory: Option<&Spread>) -> Result<Cholesky<f64, Dyn>, GlobalError> {
    let measured: Vec<f64> = data.measurements().iter().map(super::data::Datum::mean_error).collect();
    let covariance = |i: usize, j: usize| {
        let theory = theory.map_or(0.0, |t| {
            // A quantity that does not vary has correlation 0 with itself too.
            t.sigma[i] * t.sigma[j] * if i == j { 1.0 } else { t.correlation[i][j] }
        });
        measured[i] * measured[j] * data.correlation()[(i, j)] + theory
    };
    let total: Vec<f64> = (0..data.len()).map(|i| covariance(i, i).sqrt()).collect();
    let correlation =
        DMatrix::from_fn(data.len(), data.len(), |i, j| covariance(i, j) / (total[i] * total[j]));
    Ok(correlation
        .cholesky()
        .ok_or_else(|| Invalid::new("correlation", "that of all errors", "a positive definite matrix"))?)
}

/// Probability of a chi-square at least as large; `None` without degrees of freedom.
pub fn p_value(chi2: f64, degrees_of_freedom: usize) -> Option<f64> {
    ChiSquared::new(degrees_of_freedom as f64).ok().map(|distribution| distribution.sf(chi2))
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{MeasurementSet, ModelName, Parameters};
    use humboldt_schemas::measurements::MeasurementFile;

    use super::*;
    use crate::global::polynomials::Sharing;

    fn statistic(errors: &Errors) -> ChiSquare {
        let data = Data::new(&MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap()).unwrap();
        let polynomials = Polynomials::new(Sharing::Shared, &data);
        let theory = Theory::new(ModelName::Bare, Parameters::standard());
        let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
        ChiSquare::new(&theory, data, &directions, polynomials, errors).unwrap()
    }

    const POINT: [f64; 5] = [-0.7, 0.3, 0.02, -0.001, 0.0001];

    fn equal_theory_errors() -> Spread {
        let correlation =
            (0..37).map(|i| (0..37).map(|j| if i == j { 1.0 } else { 0.4 }).collect()).collect();
        let sigma = statistic(&Errors::default())
            .data()
            .measurements()
            .iter()
            .map(|d| 0.5 * d.mean_error())
            .collect();
        Spread { mean: vec![0.0; 37], sigma, correlation }
    }

    #[test]
    fn contributions_add_up_and_correlations_matter() {
        let mut values = Vec::new();
        for theory in [None, Some(equal_theory_errors())] {
            for correlations in [false, true] {
                let statistic = statistic(&Errors { theory: theory.clone(), correlations });
                let chi2 = statistic.value(&POINT).unwrap();
                let pulls = statistic.pulls(&statistic.predictions(&POINT).unwrap());
                let sum: f64 = statistic.contributions(&pulls).iter().sum();
                assert!((sum / chi2 - 1.0).abs() < 1e-12);
                values.push(chi2);
            }
        }
        assert!(values[2] < values[0], "{values:?}");
        assert!((values[1] / values[0] - 1.0).abs() > 1e-3 && (values[3] / values[2] - 1.0).abs() > 1e-3);
    }

    /// With correlations the statistic has no step where a prediction passes a measured value.
    #[test]
    fn chi_square_is_continuous() {
        let statistic = statistic(&Errors { theory: Some(equal_theory_errors()), correlations: true });
        let measured: Vec<f64> = statistic.data().measurements().iter().map(|d| d.value).collect();
        let mut shifted = statistic.predictions(&POINT).unwrap();
        for i in 0..measured.len() {
            let near = |offset: f64| {
                let mut predictions = shifted.clone();
                predictions[i] = measured[i] + offset * statistic.data().measurements()[i].error_plus;
                statistic.residuals(&predictions).norm_squared()
            };
            assert!((near(1e-9) - near(-1e-9)).abs() < 1e-6, "measurement {i}");
        }
        shifted[0] += 1.0;
        assert!(statistic.residuals(&shifted).norm_squared().is_finite());
    }

    #[test]
    fn jacobian_is_the_derivative_of_the_residuals() {
        let statistic = statistic(&Errors { theory: Some(equal_theory_errors()), correlations: true });
        let jacobian = statistic.jacobian(&POINT, &[0, 1, 2, 3, 4]).unwrap();
        for index in 0..5 {
            let step = 1e-6 * statistic.parameters()[index].scale();
            let at = |x: f64| {
                let mut moved = POINT;
                moved[index] += x;
                statistic.residuals(&statistic.predictions(&moved).unwrap())
            };
            let direct = (at(step) - at(-step)) / (2.0 * step);
            let difference = (direct - jacobian.column(index)).norm() / jacobian.column(index).norm();
            assert!(difference < 1e-6, "{index}: {difference}");
        }
    }

    #[test]
    fn second_derivatives_are_those_of_the_gradient() {
        let statistic = statistic(&Errors { theory: Some(equal_theory_errors()), correlations: true });
        let free = [0, 1, 2, 3, 4];
        let jet = Objective::jet(&statistic, &POINT, &free).unwrap();
        for index in free {
            let step = 1e-5 * statistic.parameters()[index].scale();
            let at = |x: f64| {
                let mut moved = POINT;
                moved[index] += x;
                Objective::jet(&statistic, &moved, &free).unwrap().gradient
            };
            let direct = (at(step) - at(-step)) / (2.0 * step);
            let difference = (&direct - jet.hessian.column(index)).norm() / direct.norm();
            assert!(difference < 1e-3, "{index}: {difference}");
        }
    }

    #[test]
    fn p_values_are_those_of_tables() {
        assert!((p_value(3.841_459, 1).unwrap() - 0.05).abs() < 1e-7);
        assert!((p_value(37.0, 37).unwrap() - 0.468_7).abs() < 1e-3);
        assert_eq!(p_value(1.0, 0), None);
    }
}
