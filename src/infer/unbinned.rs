//! Maximum-likelihood fits of events: minimum, errors from second derivatives, and profile intervals.

use std::cell::RefCell;

use argmin::core::{CostFunction, Error, Executor, Gradient, Hessian, State};
use argmin::solver::brent::BrentRoot;
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::newton::NewtonCG;
use nalgebra::{DMatrix, DVector};

use super::InferError;
pub use super::Interval;
use super::form::Jet;
use super::likelihood::Likelihood;

/// Where the minimisation starts along each coefficient, in units of the shift that makes as much rate as there is.
const STARTS: [f64; 8] = [-1.0, -0.5, -0.25, -0.1, 0.1, 0.25, 0.5, 1.0];

/// Newton steps of one minimisation.
const STEPS: u64 = 100;

/// How far a profile is followed, in standard deviations.
const REACH: f64 = 64.0;

/// Fewest events for each coefficient.
pub const FEWEST_EVENTS: usize = 20;

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The shifts, in the order of the family's directions.
    pub values: Vec<f64>,
    /// Inverse of the second derivatives of `-ln L`.
    ///
    /// # Shapes
    /// [coefficient, coefficient]
    pub covariance: DMatrix<f64>,
    /// `-ln L` at the minimum, up to a constant of the sample.
    pub minimum: f64,
}

impl Fitted {
    /// Standard deviation of each coefficient.
    pub fn sigma(&self) -> Vec<f64> {
        self.covariance.diagonal().iter().map(|variance| variance.sqrt()).collect()
    }
}

/// The maximum of the likelihood.
///
/// # Errors
/// With fewer than 20 events a coefficient; when no minimum of `-ln L` is found, or it is flat.
pub fn fit(likelihood: &Likelihood) -> Result<Fitted, InferError> {
    let n = likelihood.family().directions().len();
    if likelihood.events() < FEWEST_EVENTS * n {
        let allowed = format!("at least {}, {FEWEST_EVENTS} a coefficient", FEWEST_EVENTS * n);
        return Err(InferError::out_of_range("events", likelihood.events(), allowed));
    }
    let start = lowest_start(likelihood);
    let free: Vec<usize> = (0..n).collect();
    fit_from(likelihood, &minimised(likelihood, &start, &free)?)
}

/// One step of Newton from a point that is a minimum to the tolerance of the minimiser, and the curvature there.
fn fit_from(likelihood: &Likelihood, point: &[f64]) -> Result<Fitted, InferError> {
    let mut values = DVector::from_column_slice(point);
    let mut jet = likelihood.jet(point);
    for _ in 0..2 {
        let Some(root) = jet.hessian.clone().cholesky() else { break };
        let step = root.solve(&jet.gradient);
        if step.dot(&jet.gradient) < 1e-12 {
            break;
        }
        values -= step;
        jet = likelihood.jet(values.as_slice());
    }
    let covariance = jet.hessian.cholesky().map(|root| root.inverse());
    let covariance = covariance.filter(|c| c.iter().all(|x| x.is_finite()));
    let covariance = covariance.ok_or_else(|| no_minimum(likelihood, "-ln L is not curved upwards"))?;
    Ok(Fitted { values: values.as_slice().to_vec(), covariance, minimum: jet.value })
}

/// The profile intervals of all coefficients. Should one meet a lower minimum than the fit's, the fit starts anew there.
///
/// # Errors
/// When a minimisation on the way finds no minimum.
pub fn intervals(likelihood: &Likelihood, fitted: &mut Fitted) -> Result<Vec<Interval>, InferError> {
    let n = fitted.values.len();
    'anew: loop {
        let mut found = Vec::with_capacity(n);
        for index in 0..n {
            let mut sides = [None; 2];
            for (side, direction) in sides.iter_mut().zip([-1.0, 1.0]) {
                let profile = Profile { likelihood, fitted, index, direction };
                match profile.crossing()? {
                    Crossing::At(distance) => *side = Some(distance),
                    Crossing::Beyond => {}
                    Crossing::Lower(point) => {
                        // By 0.001 at least each time: this ends.
                        let free: Vec<usize> = (0..n).collect();
                        *fitted = fit_from(likelihood, &minimised(likelihood, &point, &free)?)?;
                        continue 'anew;
                    }
                }
            }
            found.push(Interval { minus: sides[0], plus: sides[1] });
        }
        return Ok(found);
    }
}

/// The lowest of points on the axes of the coefficients.
fn lowest_start(likelihood: &Likelihood) -> Vec<f64> {
    let n = likelihood.family().directions().len();
    let rate = likelihood.family().density.rate();
    let mut best = vec![0.0; n];
    let mut lowest = likelihood.value(&best);
    for i in 0..n {
        let scale = (rate.constant() / rate.quadratic(i, i)).sqrt();
        for start in STARTS {
            let mut point = vec![0.0; n];
            point[i] = start * scale;
            let value = likelihood.value(&point);
            if value < lowest {
                (best, lowest) = (point, value);
            }
        }
    }
    best
}

/// The minimum in the coefficients of the given indices that a start leads to; the others stay.
fn minimised(likelihood: &Likelihood, start: &[f64], free: &[usize]) -> Result<Vec<f64>, InferError> {
    let problem = Problem { likelihood, fixed: start, free, last: RefCell::default() };
    if free.is_empty() {
        return Ok(start.to_vec());
    }
    let first = DVector::from_iterator(free.len(), free.iter().map(|index| start[*index]));
    let solver = NewtonCG::new(MoreThuenteLineSearch::new()).with_tolerance(1e-9);
    let result = solver.and_then(|solver| {
        Executor::new(problem, solver).configure(|state| state.param(first).max_iters(STEPS)).run()
    });
    let result = result.map_err(|error| no_minimum(likelihood, &error.to_string()))?;
    let best = result.state().get_best_param().filter(|_| result.state().get_best_cost().is_finite());
    let best = best.ok_or_else(|| no_minimum(likelihood, "-ln L is not finite"))?;
    Ok(problem_point(start, free, best))
}

fn no_minimum(likelihood: &Likelihood, reason: &str) -> InferError {
    let names: Vec<String> = likelihood.family().directions().iter().map(ToString::to_string).collect();
    InferError::NoMinimum { coefficients: names.join(", "), reason: reason.to_owned() }
}

fn problem_point(fixed: &[f64], free: &[usize], values: &DVector<f64>) -> Vec<f64> {
    let mut point = fixed.to_vec();
    free.iter().zip(values.iter()).for_each(|(index, value)| point[*index] = *value);
    point
}

/// `-ln L` in some of the coefficients. The minimiser asks for value, gradient and second derivatives one by one, of the same
/// point: they are computed together, and kept until it asks of another.
struct Problem<'a> {
    likelihood: &'a Likelihood<'a>,
    fixed: &'a [f64],
    free: &'a [usize],
    last: RefCell<Option<(DVector<f64>, Jet)>>,
}

impl Problem<'_> {
    fn at<T>(&self, values: &DVector<f64>, of: impl Fn(&Jet) -> T) -> T {
        let mut last = self.last.borrow_mut();
        if let Some((point, jet)) = &*last
            && point == values
        {
            return of(jet);
        }
        let jet = self.likelihood.jet(&problem_point(self.fixed, self.free, values));
        let result = of(&jet);
        *last = Some((values.clone(), jet));
        result
    }
}

impl CostFunction for Problem<'_> {
    type Param = DVector<f64>;
    type Output = f64;

    fn cost(&self, values: &DVector<f64>) -> Result<f64, Error> {
        Ok(self.at(values, |jet| jet.value))
    }
}

impl Gradient for Problem<'_> {
    type Param = DVector<f64>;
    type Gradient = DVector<f64>;

    fn gradient(&self, values: &DVector<f64>) -> Result<DVector<f64>, Error> {
        Ok(self.at(values, |jet| jet.gradient.select_rows(self.free)))
    }
}

impl Hessian for Problem<'_> {
    type Param = DVector<f64>;
    type Hessian = DMatrix<f64>;

    fn hessian(&self, values: &DVector<f64>) -> Result<DMatrix<f64>, Error> {
        Ok(self.at(values, |jet| jet.hessian.select_rows(self.free).select_columns(self.free)))
    }
}

/// One side of one coefficient's profile.
struct Profile<'a> {
    likelihood: &'a Likelihood<'a>,
    fitted: &'a Fitted,
    index: usize,
    direction: f64,
}

enum Crossing {
    At(f64),
    Beyond,
    Lower(Vec<f64>),
}

impl Profile<'_> {
    /// `-2 ln L` above the minimum, less 1, and where it is reached.
    fn rise(&self, distance: f64) -> Result<(f64, Vec<f64>), InferError> {
        let n = self.fitted.values.len();
        let mut start = self.fitted.values.clone();
        let step = self.direction * distance;
        let variance = self.fitted.covariance[(self.index, self.index)];
        // The others follow as the second derivatives say.
        for (other, value) in start.iter_mut().enumerate() {
            *value += step * self.fitted.covariance[(other, self.index)] / variance;
        }
        start[self.index] = self.fitted.values[self.index] + step;
        let others: Vec<usize> = (0..n).filter(|other| *other != self.index).collect();
        let point = minimised(self.likelihood, &start, &others)?;
        Ok((2.0 * (self.likelihood.value(&point) - self.fitted.minimum) - 1.0, point))
    }

    fn crossing(&self) -> Result<Crossing, InferError> {
        let sigma = self.fitted.covariance[(self.index, self.index)].sqrt();
        let (mut low, mut high) = (0.0, sigma);
        loop {
            let (rise, point) = self.rise(high)?;
            if rise < -1.002 {
                return Ok(Crossing::Lower(point));
            }
            if rise > 0.0 {
                break;
            }
            if high >= REACH * sigma {
                return Ok(Crossing::Beyond);
            }
            (low, high) = (high, 1.5 * high);
        }
        let solver = BrentRoot::new(low, high, 1e-5 * sigma);
        let result = Executor::new(self, solver).configure(|state| state.param(high).max_iters(STEPS)).run();
        let result = result.map_err(|error| no_minimum(self.likelihood, &error.to_string()))?;
        let distance = result.state().get_best_param().copied();
        Ok(distance.map_or(Crossing::Beyond, Crossing::At))
    }
}

impl CostFunction for &Profile<'_> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, distance: &f64) -> Result<f64, Error> {
        Ok(self.rise(*distance)?.0)
    }
}
