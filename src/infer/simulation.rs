//! Accepted simulated events as what a normalisation needs of them: sums, made once.
//!
//! Of each event counts its rate at the parameters d over that at which it was made, `rho(d) = p(z; d)/p(z; X0)`, z the truth.
//! rho is quadratic in shifts, and so is its mean; its variance over the events is the error that the finite simulation makes.

use humboldt_physics::quadratic::count;
use humboldt_pipeline::EventBatch;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::InferError;
use super::density::EventFamily;
use super::form::Form;
use super::weights::{Counted, Weights};

/// Events of one sum: sums of sums do not depend on the number of threads.
const BLOCK: usize = 4096;

/// Sums over simulated events.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// For each K pi mass of the interpolation its share of the coefficients of the mean of rho, before the division by its total
    /// rate.
    ///
    /// # Shapes
    /// [mass, term]
    pub(super) inside: Vec<Vec<f64>>,
    form: Form,
    /// Means of the coefficients of rho.
    means: DVector<f64>,
    /// Covariance of these means as sums: `sum v^2 c c^T/(sum v)^2`, c the coefficients of rho and a 1 behind them.
    squares: DMatrix<f64>,
    counted: Counted,
}

/// Change of a sample's score with the normalisation N.
pub(super) struct Coupling<'a> {
    /// By the derivatives of `ln N`: the sum of weights of the signal.
    pub(super) slope: f64,
    /// By `ln N`, for each parameter of the fit, those of the rate first.
    pub(super) value: &'a [f64],
}

impl Simulation {
    /// Of events of any density that is quadratic in some parameters, in units of the density that they follow.
    ///
    /// # Shapes
    /// `terms`: [monomial, event]
    ///
    /// # Errors
    /// Without events; with another number of monomials or weights.
    pub fn of_terms(terms: &[Vec<f64>], weights: Option<&Weights>) -> Result<Self, InferError> {
        let events = terms.first().map_or(0, Vec::len);
        let shifts = (1..terms.len()).find(|shifts| count(*shifts) == terms.len());
        let shifts =
            shifts.filter(|_| terms.iter().all(|column| column.len() == events)).ok_or_else(|| {
                let allowed = "one for each monomial of a quadratic function, of as many events";
                InferError::out_of_range("columns of coefficients", terms.len(), allowed)
            })?;
        Self::summed(events, Form::of(shifts), 1, weights, |row, one| {
            one.terms.iter_mut().zip(terms).for_each(|(term, column)| *term = column[row]);
            one.shares[0] = 1.0;
            Ok(())
        })
    }

    /// Of events with their truth, which follow `reference` at its own shifts; `family` is what is fitted. Both are of the
    /// windows in which the events were made.
    ///
    /// # Errors
    /// Without events; for an event outside windows or phase space, by row and field; with another number of weights.
    pub fn new(
        family: &EventFamily,
        reference: &EventFamily,
        truth: &EventBatch,
        weights: Option<&Weights>,
    ) -> Result<Self, InferError> {
        let form = family.normalisation.form;
        let nodes = family.density.totals().len();
        Self::summed(truth.len(), form, nodes, weights, |row, one| {
            let factor = family.terms(truth, row, 0, &mut one.terms)? / reference.rate(truth, row)?;
            one.terms.iter_mut().for_each(|term| *term *= factor);
            one.shares.copy_from_slice(&family.density.shares(family.mass(truth, row)));
            Ok(())
        })
    }

    fn summed(
        events: usize,
        form: Form,
        nodes: usize,
        weights: Option<&Weights>,
        of: impl Fn(usize, &mut One) -> Result<(), InferError> + Sync,
    ) -> Result<Self, InferError> {
        let monomials = form.terms();
        if events == 0 {
            return Err(InferError::out_of_range("simulated events", 0, "at least one"));
        }
        if let Some(weights) = weights.filter(|weights| weights.values().len() != events) {
            let got = weights.values().len();
            return Err(InferError::out_of_range("weights of simulated events", got, events.to_string()));
        }
        let block = |start: usize| {
            let mut sums = Sums::zero(monomials, nodes);
            let mut one = One { terms: vec![0.0; monomials], shares: vec![0.0; nodes] };
            for row in start..events.min(start + BLOCK) {
                of(row, &mut one)?;
                sums.add(&one, weights.map_or(1.0, |weights| weights.values()[row]));
            }
            Ok(sums)
        };
        let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
        let blocks: Vec<Sums> = starts.into_par_iter().map(block).collect::<Result<_, InferError>>()?;
        let sums = blocks.iter().fold(Sums::zero(monomials, nodes), Sums::plus);
        let counted = weights
            .map_or(Counted { events, sum: events as f64, effective: events as f64 }, Weights::counted);
        let inside = sums.inside.chunks(monomials);
        let inside = inside.map(|terms| terms.iter().map(|term| term / counted.sum).collect());
        Ok(Self {
            inside: inside.collect(),
            form,
            means: sums.means / counted.sum,
            squares: sums.squares / (counted.sum * counted.sum),
            counted,
        })
    }

    /// Number, sum of weights, and effective number.
    pub const fn counted(&self) -> Counted {
        self.counted
    }

    /// The covariance that the finite number of events gives the score of a sample, at given parameters of the rate. Of K pi masses only
    /// the mean counts here: how their total rate varies with the shifts is nearly the same for all.
    ///
    /// # Shapes
    /// [parameter, parameter], as many as the coupling has
    pub(super) fn covariance(&self, point: &[f64], coupling: &Coupling) -> DMatrix<f64> {
        let values = DVector::from_vec(self.form.values(point));
        let mean = self.means.dot(&values);
        let slopes = self.form.slopes(point);
        let terms = self.means.len();
        let mut of = DMatrix::zeros(terms + 1, coupling.value.len());
        for (a, value) in coupling.value.iter().enumerate() {
            let mut column = &values * (-value / mean);
            if let Some(slope) = slopes.get(a).map(|slope| DVector::from_column_slice(slope)) {
                let log_slope = self.means.dot(&slope) / mean;
                column -= (slope - &values * log_slope) * (coupling.slope / mean);
            }
            of.view_mut((0, a), (terms, 1)).copy_from(&column);
            of[(terms, a)] = *value;
        }
        of.tr_mul(&(&self.squares * &of))
    }
}

/// The weights of simulated events at parameters of `family`: those they have, times the ratio of the densities before acceptance.
///
/// # Errors
/// For an event outside windows or phase space.
pub fn weights_at(
    family: &EventFamily,
    reference: &EventFamily,
    truth: &EventBatch,
    weights: Option<&Weights>,
    point: &[f64],
) -> Result<Vec<f64>, InferError> {
    let form = family.normalisation.form;
    let (values, shifts) = (form.values(point), &point[..form.shifts()]);
    let of = |row: usize| {
        let mut terms = vec![0.0; values.len()];
        let scale = family.terms(truth, row, 0, &mut terms)?;
        let rate: f64 = terms.iter().zip(&values).map(|(term, value)| term * value).sum();
        let total = family.density.total(family.mass(truth, row)).at(shifts);
        let own = weights.map_or(1.0, |weights| weights.values()[row]);
        Ok(own * rate * scale / total / reference.rate(truth, row)?)
    };
    (0..truth.len()).into_par_iter().map(of).collect()
}

/// Mean over simulated events of the derivatives of `ln p`, measured values in place of true ones: zero without resolution.
/// Times the inverse of an event's information it is the shift of a fit that takes measured values for true ones.
///
/// # Errors
/// For an event outside windows or phase space.
pub fn score_of_resolution(
    family: &EventFamily,
    measured: &EventBatch,
    truth: &EventBatch,
    weights: &[f64],
    point: &[f64],
) -> Result<DVector<f64>, InferError> {
    let form = family.normalisation.form;
    let (values, slopes, shifts) = (form.values(point), form.slopes(point), &point[..form.shifts()]);
    let slopes_of = |events: &EventBatch, row: usize| -> Result<DVector<f64>, InferError> {
        let mut terms = vec![0.0; values.len()];
        family.terms(events, row, 0, &mut terms)?;
        let rate: f64 = terms.iter().zip(&values).map(|(term, value)| term * value).sum();
        let total = family.density.total(family.mass(events, row));
        let of = |i: usize, _| {
            let of_total = if i < shifts.len() { total.log_slope(i, shifts) } else { 0.0 };
            terms.iter().zip(&slopes[i]).map(|(term, slope)| term * slope).sum::<f64>() / rate - of_total
        };
        Ok(DVector::from_fn(slopes.len(), of))
    };
    let block = |start: usize| {
        let mut sum = DVector::zeros(slopes.len());
        for (row, weight) in weights.iter().enumerate().skip(start).take(BLOCK) {
            sum.axpy(*weight, &(slopes_of(measured, row)? - slopes_of(truth, row)?), 1.0);
        }
        Ok(sum)
    };
    let starts: Vec<usize> = (0..measured.len()).step_by(BLOCK).collect();
    let blocks: Vec<DVector<f64>> = starts.into_par_iter().map(block).collect::<Result<_, InferError>>()?;
    Ok(blocks.iter().sum::<DVector<f64>>() / weights.iter().sum::<f64>())
}

/// One event: the coefficients of its rho times the total rate at its K pi mass, and the shares of the masses.
struct One {
    terms: Vec<f64>,
    shares: Vec<f64>,
}

struct Sums {
    /// [mass, monomial]
    inside: Vec<f64>,
    means: DVector<f64>,
    squares: DMatrix<f64>,
}

impl Sums {
    fn zero(monomials: usize, nodes: usize) -> Self {
        Self {
            inside: vec![0.0; monomials * nodes],
            means: DVector::zeros(monomials),
            squares: DMatrix::zeros(monomials + 1, monomials + 1),
        }
    }

    fn add(&mut self, one: &One, weight: f64) {
        let n = one.terms.len();
        for (share, inside) in one.shares.iter().zip(self.inside.chunks_mut(n)) {
            inside.iter_mut().zip(&one.terms).for_each(|(sum, term)| *sum += weight * share * term);
        }
        let square = weight * weight;
        for (i, first) in one.terms.iter().chain(&[1.0]).enumerate() {
            if i < n {
                self.means[i] += weight * first;
            }
            for (j, second) in one.terms.iter().chain(&[1.0]).enumerate() {
                self.squares[(i, j)] += square * first * second;
            }
        }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.inside.iter_mut().zip(&other.inside).for_each(|(sum, x)| *sum += x);
        self.means += &other.means;
        self.squares += &other.squares;
        self
    }
}
