//! Mean and covariance of a statistic at any point, from simulated events.

use std::ops::Range;

use humboldt_physics::quadratic::{count, monomials};
use nalgebra::{Cholesky, DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::super::InferError;
use super::super::information::inverse;
use super::super::nuisances::Nuisance;
use super::effects::{Column, Effects, Point, Profiled, SignalMean, WeightedSums};
use super::quartic::{self, Products};
use super::slopes;
use super::statistic::{EventStatistic, Ratios, Statistic};
use super::sums::{Sums, outer};

/// Parts of the simulated events: what is computed without each of them in turn says how well all of them know it.
const PARTS: usize = 16;

/// Most shifts at which the covariance of a weighted mean is that by squares of weights: its sums grow with the fourth power of them.
const FEW_SHIFTS: usize = 2;

/// Mean and covariance of the statistic at any shifts and fraction of background.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatioCalibration<S = Statistic> {
    /// The statistic.
    pub statistic: S,
    /// Number of simulated events.
    pub events: usize,
    /// Of all simulated events and all components.
    all: Simulated,
    /// Of squares of weights, by all monomials of the shifts up to fourth order; without components where there are many shifts, where a weight and the
    /// statistic are taken to be independent.
    squares: Sums,
    /// Of each part of the events, and the fitted components alone.
    parts: Vec<Simulated>,
    /// Of nuisance parameters.
    #[serde(default, skip_serializing_if = "Effects::is_empty")]
    effects: Effects,
}

/// Sums over simulated signal, and over background where there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Simulated {
    signal: Sums,
    background: Option<Sums>,
}

/// True coefficients of simulated events.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    /// Coefficients of all monomials but the first, of the density over that at the simulation's point.
    ///
    /// # Shapes
    /// [event, monomial - 1]
    pub terms: &'a [f32],
    /// Weights.
    pub weights: &'a [f64],
}

impl Truth<'_> {
    /// Writes the weight of a row times the coefficients of all monomials.
    fn factors(&self, row: usize, out: &mut [f64]) {
        let weight = self.weights[row];
        out[0] = weight;
        let terms = &self.terms[row * (out.len() - 1)..];
        out[1..].iter_mut().zip(terms).for_each(|(out, term)| *out = weight * f64::from(*term));
    }
}

/// Components that are summed by squares of weights.
fn of_squared_weights(statistic: &impl EventStatistic) -> usize {
    if statistic.shifts() <= FEW_SHIFTS { statistic.components() } else { 0 }
}

impl<S: EventStatistic> RatioCalibration<S> {
    /// From simulated events that no network of the statistic was trained with and their truth, and events of background.
    pub fn new(statistic: S, signal: &S::Events, truth: Truth, background: Option<&S::Events>) -> Self {
        let (components, terms) = (statistic.components(), statistic.terms() + 1);
        let zero = |factors: usize| Sums::zero(factors, components);
        let mut all = Simulated { signal: zero(terms), background: background.map(|_| zero(1)) };
        let mut parts = Vec::with_capacity(PARTS);
        for part in 0..PARTS {
            let rows = |events: &S::Events| {
                let events = statistic.events_of(events);
                part * events / PARTS..(part + 1) * events / PARTS
            };
            let of_signal = |row: usize, out: &mut [f64]| truth.factors(row, out);
            let of_background = |events| {
                Sums::of(&statistic, components, events, rows(events), 1, |_, out: &mut [f64]| out[0] = 1.0)
            };
            let own = Simulated {
                signal: Sums::of(&statistic, components, signal, rows(signal), terms, of_signal),
                background: background.map(of_background),
            };
            all.plus(&own, 1.0);
            parts.push(own.first(statistic.fitted()));
        }
        let products = Products::new(statistic.shifts());
        let of_squares = |row: usize, out: &mut [f64]| {
            let mut factors = vec![0.0; terms];
            truth.factors(row, &mut factors);
            out.fill(0.0);
            products.add_square(1.0, &factors, out);
        };
        let (events, number) = (truth.weights.len(), quartic::count(statistic.shifts()));
        let squares =
            Sums::of(&statistic, of_squared_weights(&statistic), signal, 0..events, number, of_squares);
        Self { statistic, events, all, squares, parts, effects: Effects::default() }
    }

    /// Whether the effects of nuisance parameters of a group are known.
    pub fn knows(&self, group: Nuisance) -> bool {
        self.effects.knows(group)
    }

    /// Whether events of background are known.
    pub const fn has_background(&self) -> bool {
        self.all.background.is_some()
    }

    /// Number of shifts.
    pub fn shifts(&self) -> usize {
        self.statistic.shifts()
    }

    /// Effective number of simulated events at shifts from their point: `(sum w)^2/sum w^2`.
    pub fn effective_events(&self, shifts: &[f64]) -> f64 {
        self.all.at(&self.squares, shifts, 0.0, 1, false, &Profiled::default()).effective.recip()
    }

    /// Covariance of the shifts that the statistic of so many events leaves, the fraction known.
    ///
    /// # Errors
    /// When the statistic says nothing of a coefficient.
    pub fn covariance(
        &self,
        shifts: &[f64],
        fraction: f64,
        events: usize,
    ) -> Result<DMatrix<f64>, InferError> {
        let free: Vec<usize> = (0..shifts.len()).collect();
        self.expected(shifts, fraction, events as f64, &free, 0.0, &[])
    }

    /// Covariance of some of the parameters that the statistic of so many events leaves, what the finite simulation leaves open
    /// included, all others known. Parameters are the shifts, and behind them the fraction of background, with the inverse variance
    /// that it has by another measurement; nuisance parameters of some groups are fitted too.
    ///
    /// # Errors
    /// When the statistic says nothing of a parameter.
    pub fn expected(
        &self,
        shifts: &[f64],
        fraction: f64,
        events: f64,
        free: &[usize],
        of_fraction: f64,
        nuisances: &[Nuisance],
    ) -> Result<DMatrix<f64>, InferError> {
        let at = self.at(shifts, fraction, self.statistic.fitted(), true, nuisances);
        let information = at.information(&at.spread(events)).ok_or_else(nothing)?;
        covariance_of(information, free, shifts.len(), of_fraction)
    }

    /// Knowledge of the statistic at a point, whatever the size of the simulation.
    ///
    /// # Errors
    /// When the statistic says nothing there.
    pub fn known(&self, shifts: &[f64], fraction: f64, nuisances: &[Nuisance]) -> Result<Known, InferError> {
        let components = self.statistic.fitted();
        let profiled = self.effects.of(nuisances);
        let of = |simulated: &Simulated| {
            let at = simulated.at(&self.squares, shifts, fraction, components, true, &profiled);
            at.information(&at.covariance).ok_or_else(nothing)
        };
        let all = self.all.first(components);
        let without = |part: &Simulated| {
            let mut rest = all.clone();
            rest.plus(part, -1.0);
            of(&rest)
        };
        let without = self.parts.iter().map(without).collect::<Result<_, _>>()?;
        Ok(Known { information: of(&all)?, without, shifts: shifts.len() })
    }

    /// The first `components` components at a point.
    pub(super) fn at(
        &self,
        shifts: &[f64],
        fraction: f64,
        components: usize,
        with_slopes: bool,
        nuisances: &[Nuisance],
    ) -> At {
        let profiled = self.effects.of(nuisances);
        self.all.at(&self.squares, shifts, fraction, components, with_slopes, &profiled)
    }
}

impl RatioCalibration {
    /// The calibration with the effects of nuisance parameters, whose groups are given. `changes` has for a range of the simulated events and
    /// each of the parameters the change by one unit of it of the coefficients of all monomials: \[event, parameter, monomial\].
    ///
    /// # Errors
    /// Those of `changes`.
    pub fn with_nuisances<E>(
        mut self,
        groups: &[Nuisance],
        signal: &Ratios,
        weights: &[f64],
        changes: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let sums = WeightedSums::of(&self.statistic, groups.len(), signal, (weights, 1), changes)?;
        self.effects.set_moved(groups, sums);
        Ok(self)
    }

    /// The calibration with draws of all nuisance parameters of some groups at once, by the first of every `every` simulated events. `coefficients` has for
    /// a range of these the coefficients of all monomials at 0 of all parameters, their changes by one unit of each, and at each
    /// draw: \[event, 1 + parameter + draw, monomial\].
    ///
    /// # Errors
    /// Those of `coefficients`.
    pub fn with_draws<E>(
        mut self,
        groups: &[Nuisance],
        values: Vec<Vec<f64>>,
        signal: &Ratios,
        (weights, every): (&[f64], usize),
        coefficients: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let sets = 1 + values.first().map_or(0, Vec::len) + values.len();
        let sums = WeightedSums::of(&self.statistic, sets, signal, (weights, every), coefficients)?;
        self.effects.add_drawn(groups, values, sums);
        Ok(self)
    }

    /// Whether all parts fit together, and networks with so many coefficients, features and nuisance parameters.
    pub fn is_consistent(&self, terms: usize, features: usize, nuisances: usize) -> bool {
        let s = &self.statistic;
        let of = |simulated: &Simulated, components: usize| {
            simulated.signal.is_consistent(terms + 1, components)
                && simulated.background.is_some() == s.has_background()
                && simulated.background.as_ref().is_none_or(|b| b.is_consistent(1, components))
        };
        s.is_consistent(terms, features, nuisances)
            && count(s.shifts()) == terms + 1
            && of(&self.all, s.components())
            && self.squares.is_consistent(quartic::count(s.shifts()), of_squared_weights(s))
            && self.parts.len() == PARTS
            && self.parts.iter().all(|part| of(part, s.fitted()))
            && self.effects.is_consistent(terms + 1, s.components())
    }
}

/// Knowledge of the shifts and of the fraction of background at a point that the statistic of events has.
///
/// With t the statistic of an event, m its mean and C its covariance, the information of an event is `m'^T C^-1 m'`, m' the derivatives of the
/// mean. `m'^T C^-1 (t - m)` is the score that the network has learned, as far as the simulation confirms it; the information is the mean of its outer
/// product, and its mean product with the true score, which are the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// # Shapes
    /// [parameter, parameter]: the shifts, behind them the fraction, then nuisance parameters
    information: DMatrix<f64>,
    /// Information without each part of the simulation, in turn.
    without: Vec<DMatrix<f64>>,
    shifts: usize,
}

impl Known {
    /// The covariance of some parameters that so many events leave, all others known but nuisance parameters: shifts, and behind them the
    /// fraction with the inverse variance that it has by another measurement.
    ///
    /// # Errors
    /// When the statistic does not tell the parameters apart.
    pub fn bound(&self, events: f64, free: &[usize], of_fraction: f64) -> Result<DMatrix<f64>, InferError> {
        covariance_of(&self.information * events, free, self.shifts, of_fraction)
    }

    /// The standard deviation of the first of some parameters by [`Known::bound`], and the error that the finite simulation gives it: by what it
    /// is without each part of the simulation.
    ///
    /// # Errors
    /// As [`Known::bound`].
    pub fn first(&self, events: f64, free: &[usize], of_fraction: f64) -> Result<(f64, f64), InferError> {
        let of = |information: &DMatrix<f64>| {
            Ok(covariance_of(information * events, free, self.shifts, of_fraction)?[(0, 0)].sqrt())
        };
        let all = self.without.iter().map(of).collect::<Result<Vec<f64>, InferError>>()?;
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() * (n - 1.0) / n;
        Ok((of(&self.information)?, variance.sqrt()))
    }
}

/// The covariance of some parameters, by the information of all; nuisance parameters, which stand behind the others, are fitted with them.
fn covariance_of(
    mut information: DMatrix<f64>,
    free: &[usize],
    shifts: usize,
    of_fraction: f64,
) -> Result<DMatrix<f64>, InferError> {
    information[(shifts, shifts)] += of_fraction;
    let nuisances = shifts + 1..information.nrows();
    for i in nuisances.clone() {
        information[(i, i)] += 1.0;
    }
    let fitted: Vec<usize> = free.iter().copied().chain(nuisances).collect();
    let covariance = inverse(&information.select_rows(&fitted).select_columns(&fitted))?;
    Ok(covariance.view((0, 0), (free.len(), free.len())).into_owned())
}

fn nothing() -> InferError {
    InferError::out_of_range("statistic", "no information", "a network that has learned all coefficients")
}

impl Simulated {
    /// Adds a multiple of other sums, of as many components as these have.
    fn plus(&mut self, other: &Self, times: f64) {
        self.signal.plus(&other.signal, times);
        if let (Some(own), Some(other)) = (&mut self.background, &other.background) {
            own.plus(other, times);
        }
    }

    /// Those of the first components.
    fn first(&self, components: usize) -> Self {
        let background = self.background.as_ref().map(|sums| sums.first(components));
        Self { signal: self.signal.first(components), background }
    }

    /// The first `components` components at a point, with derivatives by all parameters where they are asked for.
    fn at(
        &self,
        squares: &Sums,
        shifts: &[f64],
        fraction: f64,
        components: usize,
        with_slopes: bool,
        profiled: &Profiled,
    ) -> At {
        let n = if with_slopes { shifts.len() } else { 0 };
        let values = monomials(shifts);
        let slopes = slopes(shifts);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let total = dot(&self.signal.total, &values);
        let total_slopes: Vec<f64> = slopes.iter().map(|slope| dot(&self.signal.total, slope)).collect();
        // By squares of weights.
        let (by_square, slopes_by_square) = quartic::monomials(shifts);
        let square = dot(&squares.total, &by_square);
        let square_slopes: Vec<f64> = slopes_by_square.iter().map(|by| dot(&squares.total, by)).collect();
        let effective = square / (total * total);
        let effective_slopes: Vec<f64> = (0..n)
            .map(|i| square_slopes[i] / (total * total) - 2.0 * effective * total_slopes[i] / total)
            .collect();
        let of_signal = |by: &[f64]| {
            let (mean, second) = self.signal.combined(by, components);
            (mean / total, second / total)
        };
        let (mean_s, second_s) = of_signal(&values);
        let covariance_s = &second_s - &mean_s * mean_s.transpose();
        let slopes_s: Vec<(DVector<f64>, DMatrix<f64>)> = (0..n)
            .map(|i| {
                let (mean, second) = of_signal(&slopes[i]);
                let log = total_slopes[i] / total;
                (mean - &mean_s * log, second - &second_s * log)
            })
            .collect();
        let zero = || (DVector::zeros(components), DMatrix::zeros(components, components));
        let (mean_b, second_b) = self.background.as_ref().map_or_else(zero, |b| {
            let (mean, second) = b.combined(&[1.0], components);
            (mean / b.total[0], second / b.total[0])
        });
        let events_b = self.background.as_ref().map_or(f64::INFINITY, |b| b.total[0]);
        let covariance_b = &second_b - &mean_b * mean_b.transpose();
        let (signal, f) = (1.0 - fraction, fraction);
        let (squared, squared_slopes) = if squares.means[0].is_empty() {
            let slope = |(mean, second): &(DVector<f64>, DMatrix<f64>)| second - outer(&mean_s, mean);
            (covariance_s.clone(), slopes_s.iter().map(slope).collect())
        } else {
            let by = (&by_square[..], &slopes_by_square[..n]);
            squares.about(&mean_s, &slopes_s, by, (square, &square_slopes))
        };
        let mean = &mean_s * signal + &mean_b * f;
        let covariance = &second_s * signal + &second_b * f - &mean * mean.transpose();
        // Of the simulation: each kind by its own statistics.
        let finite = &squared * (signal * signal * effective) + &covariance_b * (f * f / events_b);
        let mut mean_slopes = DMatrix::zeros(components, n + 1);
        let mut spread_slopes = Vec::with_capacity(n + 1);
        for (i, ((mean_i, second_i), squared_i)) in slopes_s.iter().zip(&squared_slopes).enumerate() {
            mean_slopes.set_column(i, &(mean_i * signal));
            let own = second_i * signal - outer(&mean, &(mean_i * signal));
            let finite = (squared_i * effective + &squared * effective_slopes[i]) * (signal * signal);
            spread_slopes.push((own, finite));
        }
        let by_fraction = &mean_b - &mean_s;
        mean_slopes.set_column(n, &by_fraction);
        let own = &second_b - &second_s - outer(&mean, &by_fraction);
        let of_fraction = &squared * (-2.0 * signal * effective) + &covariance_b * (2.0 * f / events_b);
        spread_slopes.push((own, of_fraction));
        let signal_mean = SignalMean {
            total: total / self.signal.total[0],
            logs: total_slopes[..n].iter().map(|slope| slope / total).collect(),
            mean: Column { value: mean_s, slopes: slopes_s.into_iter().map(|(mean, _)| mean).collect() },
        };
        let point = Point { values: &values, slopes: &slopes[..n], components };
        let (columns, shift) = profiled.columns(&signal_mean, &point);
        let mean = mean + &shift.value * signal;
        for (i, slope) in shift.slopes.iter().enumerate() {
            let mut column = mean_slopes.column_mut(i);
            column += slope * signal;
        }
        let mut by_fraction = mean_slopes.column_mut(n);
        by_fraction -= &shift.value;
        let matrix_of = |of: &dyn Fn(&Column) -> &DVector<f64>, times: f64| {
            DMatrix::from_fn(components, columns.len(), |i, j| times * of(&columns[j])[i])
        };
        let drift = matrix_of(&|column| &column.value, signal);
        let mut drift_slopes: Vec<DMatrix<f64>> =
            (0..n).map(|i| matrix_of(&|column| &column.slopes[i], signal)).collect();
        drift_slopes.push(matrix_of(&|column| &column.value, -1.0));
        At { mean, covariance, finite, mean_slopes, spread_slopes, drift, drift_slopes, effective }
    }
}

/// The statistic at a point.
pub(super) struct At {
    pub(super) mean: DVector<f64>,
    /// Of one event.
    pub(super) covariance: DMatrix<f64>,
    /// Of the mean, from the finite simulation.
    finite: DMatrix<f64>,
    /// Derivatives by each shift and the fraction.
    pub(super) mean_slopes: DMatrix<f64>,
    /// Those of both covariances.
    spread_slopes: Vec<(DMatrix<f64>, DMatrix<f64>)>,
    /// Derivatives of the mean by nuisance parameters, of unit variance.
    ///
    /// # Shapes
    /// [component, parameter]
    pub(super) drift: DMatrix<f64>,
    /// Their derivatives by each shift and the fraction.
    pub(super) drift_slopes: Vec<DMatrix<f64>>,
    /// Inverse of the effective number of simulated events.
    effective: f64,
}

impl At {
    /// Covariance of the mean of so many events, nuisance parameters known.
    pub(super) fn spread(&self, events: f64) -> DMatrix<f64> {
        &self.covariance / events + &self.finite
    }

    /// Its derivatives by each shift and the fraction.
    pub(super) fn spread_slopes(&self, events: f64) -> impl Iterator<Item = DMatrix<f64>> {
        self.spread_slopes.iter().map(move |(own, finite)| own / events + finite)
    }

    /// Information of a statistic of a covariance on the shifts, the fraction, and nuisance parameters without their own knowledge; none where
    /// the covariance is none.
    fn information(&self, spread: &DMatrix<f64>) -> Option<DMatrix<f64>> {
        let (n, k) = (self.mean_slopes.ncols(), self.drift.ncols());
        let mut slopes = self.mean_slopes.clone().resize_horizontally(n + k, 0.0);
        slopes.columns_mut(n, k).copy_from(&self.drift);
        let solved = Cholesky::new(spread.clone())?.solve(&slopes);
        Some(slopes.tr_mul(&solved))
    }
}
