//! Mean and covariance of a statistic at any point, from simulated events.

use std::ops::Range;

use humboldt_physics::quadratic::{count, monomials};
use nalgebra::{Cholesky, DMatrix, DVector};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::InferError;
use super::super::information::inverse;
use super::super::nuisances::Nuisance;
use super::statistic::{Ratios, Statistic};
use super::{BLOCK, slopes};

/// Parts of the simulated events: what is computed without each of them in turn says how well all of them know it.
const PARTS: usize = 16;

/// Mean and covariance of the statistic at any shifts and fraction of background.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatioCalibration {
    /// The statistic.
    pub statistic: Statistic,
    /// Number of simulated events.
    pub events: usize,
    /// Of all simulated events and all components.
    all: Simulated,
    /// Of each part of the events, and the fitted components alone.
    parts: Vec<Simulated>,
    /// Of each nuisance parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nuisances: Vec<Moved>,
    /// Of each set of groups of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    drawn: Vec<Drawn>,
}

/// Sums over simulated signal, and over background where there is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Simulated {
    signal: Sums,
    background: Option<Sums>,
}

/// Sums over events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sums {
    /// Of the true coefficients, the first of which is 1; background has no others.
    ///
    /// # Shapes
    /// [monomial]
    total: Vec<f64>,
    /// Of products of two of them, and squares of weights.
    ///
    /// # Shapes
    /// [monomial * monomial]
    squares: Vec<f64>,
    /// Of the statistic times the true coefficients.
    ///
    /// # Shapes
    /// [monomial, component]
    means: Vec<Vec<f64>>,
    /// Of products of two components times the true coefficients.
    ///
    /// # Shapes
    /// [monomial, pair of components i <= j, at j (j + 1)/2 + i]
    seconds: Vec<Vec<f64>>,
}

/// Sums over simulated signal of some coefficients of all monomials, for a sum of weights of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Change {
    /// Of the coefficients.
    ///
    /// # Shapes
    /// [monomial]
    total: Vec<f64>,
    /// Of the statistic times the coefficients.
    ///
    /// # Shapes
    /// [monomial, component]
    means: Vec<Vec<f64>>,
}

/// The changes by one unit of a nuisance parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Moved {
    group: Nuisance,
    sums: Change,
}

/// The density at drawn values of all nuisance parameters of some groups at once, for what is not linear in them, by some of the simulated events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Drawn {
    groups: Vec<Nuisance>,
    /// # Shapes
    /// [draw, parameter]
    values: Vec<Vec<f64>>,
    /// At 0 of all.
    own: Change,
    /// By one unit of each parameter.
    linear: Vec<Change>,
    /// At each draw.
    at: Vec<Change>,
}

/// Nuisance parameters that are profiled.
#[derive(Debug, Clone, Default)]
struct Profiled<'a> {
    moved: Vec<&'a Moved>,
    drawn: Option<&'a Drawn>,
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

impl Sums {
    fn zero(monomials: usize, components: usize) -> Self {
        Self {
            total: vec![0.0; monomials],
            squares: vec![0.0; monomials * monomials],
            means: vec![vec![0.0; components]; monomials],
            seconds: vec![vec![0.0; pairs(components)]; monomials],
        }
    }

    /// Of a statistic over all events of a range of rows.
    fn of(statistic: &Statistic, ratios: &Ratios, truth: Option<Truth>, rows: Range<usize>) -> Self {
        let around = statistic.around_references();
        let monomials = if truth.is_some() { statistic.terms() + 1 } else { 1 };
        let block = |start: usize| {
            let mut sums = Self::zero(monomials, statistic.components());
            let mut derivatives = vec![0.0; statistic.derivatives()];
            let mut values = vec![0.0; statistic.components()];
            let (mut terms, mut products) = (vec![1.0; monomials], Vec::new());
            for row in start..rows.end.min(start + BLOCK) {
                statistic.of(&around, ratios, row, &mut derivatives, &mut values);
                let mut weight = 1.0;
                if let Some(truth) = truth {
                    let own = truth.terms[row * (monomials - 1)..].iter();
                    terms[1..].iter_mut().zip(own).for_each(|(term, x)| *term = f64::from(*x));
                    weight = truth.weights[row];
                }
                sums.add(&terms, weight, &values, &mut products);
            }
            sums
        };
        let starts: Vec<usize> = rows.clone().step_by(BLOCK).collect();
        // Few at a time: sums of many components are large.
        let mut sums = Self::zero(monomials, statistic.components());
        for some in starts.chunks(4 * rayon::current_num_threads().max(1)) {
            let blocks: Vec<Self> = some.par_iter().map(|start| block(*start)).collect();
            for block in &blocks {
                sums.plus(block, 1.0);
            }
        }
        sums
    }

    fn add(&mut self, terms: &[f64], weight: f64, values: &[f64], products: &mut Vec<f64>) {
        products.clear();
        for (j, second) in values.iter().enumerate() {
            products.extend(values[..=j].iter().map(|first| first * second));
        }
        let n = terms.len();
        for (k, term) in terms.iter().enumerate() {
            let factor = weight * term;
            self.total[k] += factor;
            for (l, other) in terms.iter().enumerate() {
                self.squares[k * n + l] += factor * weight * other;
            }
            self.means[k].iter_mut().zip(values).for_each(|(sum, x)| *sum += factor * x);
            self.seconds[k].iter_mut().zip(products.iter()).for_each(|(sum, x)| *sum += factor * x);
        }
    }

    /// Adds a multiple of other sums, of as many components as these have.
    fn plus(&mut self, other: &Self, times: f64) {
        let add = |a: &mut Vec<f64>, b: &Vec<f64>| a.iter_mut().zip(b).for_each(|(a, b)| *a += times * b);
        add(&mut self.total, &other.total);
        add(&mut self.squares, &other.squares);
        self.means.iter_mut().zip(&other.means).for_each(|(a, b)| add(a, b));
        self.seconds.iter_mut().zip(&other.seconds).for_each(|(a, b)| add(a, b));
    }

    /// Those of the first components.
    fn first(&self, components: usize) -> Self {
        let first = |all: &[Vec<f64>], n: usize| all.iter().map(|row| row[..n].to_vec()).collect();
        Self {
            total: self.total.clone(),
            squares: self.squares.clone(),
            means: first(&self.means, components),
            seconds: first(&self.seconds, pairs(components)),
        }
    }

    fn is_consistent(&self, monomials: usize, components: usize) -> bool {
        let lengths = |all: &[Vec<f64>], n: usize| all.len() == monomials && all.iter().all(|x| x.len() == n);
        self.total.len() == monomials
            && self.total[0] > 0.0
            && self.squares.len() == monomials * monomials
            && lengths(&self.means, components)
            && lengths(&self.seconds, pairs(components))
    }
}

/// Pairs of so many components.
const fn pairs(components: usize) -> usize {
    components * (components + 1) / 2
}

impl RatioCalibration {
    /// From simulated events that the network was not trained with, their learned ratios and their truth, and events of
    /// background.
    pub fn new(statistic: Statistic, signal: &Ratios, truth: Truth, background: Option<&Ratios>) -> Self {
        let zero = |monomials: usize| Sums::zero(monomials, statistic.components());
        let mut all =
            Simulated { signal: zero(statistic.terms() + 1), background: background.map(|_| zero(1)) };
        let mut parts = Vec::with_capacity(PARTS);
        for part in 0..PARTS {
            let rows = |ratios: &Ratios| {
                let events = ratios.terms.len() / statistic.terms();
                part * events / PARTS..(part + 1) * events / PARTS
            };
            let own = Simulated {
                signal: Sums::of(&statistic, signal, Some(truth), rows(signal)),
                background: background.map(|ratios| Sums::of(&statistic, ratios, None, rows(ratios))),
            };
            all.plus(&own, 1.0);
            parts.push(own.first(statistic.fitted()));
        }
        Self { statistic, events: truth.weights.len(), all, parts, nuisances: Vec::new(), drawn: Vec::new() }
    }

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
        let sums = self.sums(groups.len(), signal, (weights, 1), changes)?;
        let moved = |(group, sums): (&Nuisance, Change)| Moved { group: *group, sums };
        self.nuisances = groups.iter().zip(sums).map(moved).collect();
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
        let parameters = values.first().map_or(0, Vec::len);
        let mut sums = self.sums(1 + parameters + values.len(), signal, (weights, every), coefficients)?;
        let at = sums.split_off(1 + parameters);
        let linear = sums.split_off(1);
        if let Some(own) = sums.pop() {
            self.drawn.push(Drawn { groups: groups.to_vec(), values, own, linear, at });
        }
        Ok(self)
    }

    /// Sums of some sets of coefficients over the first of every `every` events of simulated signal.
    fn sums<E>(
        &self,
        sets: usize,
        signal: &Ratios,
        (weights, every): (&[f64], usize),
        mut coefficients: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<Change>, E> {
        let (monomials, components) = (self.statistic.terms() + 1, self.statistic.components());
        let zero = Change { total: vec![0.0; monomials], means: vec![vec![0.0; components]; monomials] };
        let mut all = vec![zero; sets];
        let around = self.statistic.around_references();
        let weights: Vec<f64> = weights.iter().copied().step_by(every).collect();
        let total: f64 = weights.iter().sum();
        for start in (0..weights.len()).step_by(BLOCK) {
            let rows = start..weights.len().min(start + BLOCK);
            let values = rows.clone().into_par_iter().map(|row| {
                let mut derivatives = vec![0.0; self.statistic.derivatives()];
                let mut values = vec![0.0; components];
                self.statistic.of(&around, signal, row * every, &mut derivatives, &mut values);
                values
            });
            let values: Vec<Vec<f64>> = values.collect();
            let coefficients = coefficients(rows.clone())?;
            all.par_iter_mut().enumerate().for_each(|(set, sums)| {
                let events = coefficients.chunks_exact(monomials * sets).zip(&values);
                for ((coefficients, values), weight) in events.zip(&weights[rows.clone()]) {
                    let own = &coefficients[set * monomials..(set + 1) * monomials];
                    for (k, coefficient) in own.iter().enumerate() {
                        let factor = weight / total * f64::from(*coefficient);
                        sums.total[k] += factor;
                        sums.means[k].iter_mut().zip(values).for_each(|(sum, x)| *sum += factor * x);
                    }
                }
            });
        }
        Ok(all)
    }

    /// Whether the effects of nuisance parameters of a group are known.
    pub fn knows(&self, group: Nuisance) -> bool {
        self.nuisances.iter().any(|moved| moved.group == group)
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
            && self.parts.len() == PARTS
            && self.parts.iter().all(|part| of(part, s.fitted()))
            && self.nuisances.iter().all(|moved| moved.sums.is_consistent(terms + 1, s.components()))
            && self.drawn.iter().all(|drawn| drawn.is_consistent(terms + 1, s.components()))
    }

    /// Whether events of background are known.
    pub const fn has_background(&self) -> bool {
        self.all.background.is_some()
    }

    /// Number of shifts.
    pub const fn shifts(&self) -> usize {
        self.statistic.shifts()
    }

    /// Effective number of simulated events at shifts from their point: `(sum w)^2/sum w^2`.
    pub fn effective_events(&self, shifts: &[f64]) -> f64 {
        self.all.at(shifts, 0.0, 1, false, &Profiled::default()).effective.recip()
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
        let profiled = self.profiled(nuisances);
        let of = |simulated: &Simulated| {
            let at = simulated.at(shifts, fraction, components, true, &profiled);
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
        self.all.at(shifts, fraction, components, with_slopes, &self.profiled(nuisances))
    }

    fn profiled(&self, groups: &[Nuisance]) -> Profiled<'_> {
        let moved = self.nuisances.iter().filter(|moved| groups.contains(&moved.group)).collect();
        let same = |drawn: &&Drawn| {
            !groups.is_empty()
                && drawn.groups.iter().all(|group| groups.contains(group))
                && groups.iter().all(|group| drawn.groups.contains(group))
        };
        Profiled { moved, drawn: self.drawn.iter().find(same) }
    }
}

/// Sums of coefficients at values of the monomials: of the statistic times them, and of themselves.
type SumsAt<'a> = dyn Fn(&Change, &[f64]) -> (DVector<f64>, f64) + 'a;

/// Vectors, and their derivatives along a parameter.
type WithSlopes = (Vec<DVector<f64>>, Vec<DVector<f64>>);

/// The mean of the statistic of signal at a point.
struct SignalMean<'a> {
    /// Of the monomials.
    values: &'a [f64],
    /// Their derivatives by each shift.
    slopes: &'a [Vec<f64>],
    /// Sum of the coefficients, for a sum of weights of 1.
    total: f64,
    /// Derivatives of its logarithm.
    logs: Vec<f64>,
    mean: &'a DVector<f64>,
    /// Derivatives of the mean, and of the mean of products.
    mean_slopes: &'a [(DVector<f64>, DMatrix<f64>)],
}

/// Effects of nuisance parameters on the mean of the statistic of signal.
struct Effects {
    /// By one unit of each, and what is left open by all that is not linear.
    columns: Vec<DVector<f64>>,
    /// By each shift.
    column_slopes: Vec<Vec<DVector<f64>>>,
    /// The mean of what is not linear.
    shift: DVector<f64>,
    shift_slopes: Vec<DVector<f64>>,
}

impl Profiled<'_> {
    /// By one unit of each parameter the mean of signal moves by `(M - m t)/T`, with T and t the sums of coefficients and of their changes, M that of the
    /// statistic times the changes, m the mean. What is not linear: its mean over draws of all parameters moves the mean, its spread is one more uncertainty.
    fn effects(&self, sums: &SumsAt, signal: &SignalMean) -> Effects {
        let SignalMean { values, slopes, total, logs, mean, mean_slopes } = signal;
        let zero = DVector::zeros(mean.len());
        let mut effects = Effects {
            columns: Vec::new(),
            column_slopes: vec![Vec::new(); slopes.len()],
            shift: zero.clone(),
            shift_slopes: vec![zero.clone(); slopes.len()],
        };
        for Moved { sums: own, .. } in &self.moved {
            let scaled = |by: &[f64]| {
                let (moved, rate) = sums(own, by);
                (moved / *total, rate / total)
            };
            let (moved, rate) = scaled(values);
            let column = moved - *mean * rate;
            for (i, (mean_i, _)) in mean_slopes.iter().enumerate() {
                let (moved_i, rate_i) = scaled(&slopes[i]);
                let slope = moved_i - *mean * rate_i - mean_i * rate - &column * logs[i];
                effects.column_slopes[i].push(slope);
            }
            effects.columns.push(column);
        }
        if let Some(drawn) = self.drawn {
            let rest = |all: Vec<DVector<f64>>, columns: &mut Vec<DVector<f64>>| {
                let draws = all.len() as f64;
                let mean = all.iter().fold(zero.clone(), |sum, own| sum + own) / draws;
                columns.extend(all.into_iter().map(|own| (own - &mean) / (draws - 1.0).sqrt()));
                mean
            };
            for (i, slope) in slopes.iter().enumerate() {
                let (_, beyond) = drawn.beyond_linear(values, slope, sums);
                effects.shift_slopes[i] = rest(beyond, &mut effects.column_slopes[i]);
            }
            let (beyond, _) = drawn.beyond_linear(values, values, sums);
            effects.shift = rest(beyond, &mut effects.columns);
        }
        effects
    }
}

impl Drawn {
    /// What the mean of the statistic has at each draw beyond what is linear in the parameters, at `values` of the monomials, and its derivative
    /// along `by`, theirs.
    fn beyond_linear(&self, values: &[f64], by: &[f64], sums: &SumsAt) -> WithSlopes {
        // A mean M/T and its derivative.
        let mean = |of: &Change| {
            let ((sum, total), (sum_i, total_i)) = (sums(of, values), sums(of, by));
            let mean = sum / total;
            let slope = sum_i / total - &mean * (total_i / total);
            (mean, slope)
        };
        let (own, own_slope) = mean(&self.own);
        let ((_, total), (_, total_i)) = (sums(&self.own, values), sums(&self.own, by));
        let linear = |of: &Change| {
            let ((sum, rate), (sum_i, rate_i)) = (sums(of, values), sums(of, by));
            let column = (sum - &own * rate) / total;
            let slope = (sum_i - &own * rate_i - &own_slope * rate) / total - &column * (total_i / total);
            (column, slope)
        };
        let linear: Vec<(DVector<f64>, DVector<f64>)> = self.linear.iter().map(linear).collect();
        let at = |(of, numbers): (&Change, &Vec<f64>)| {
            let (mean, slope) = mean(of);
            let start = (mean - &own, slope - &own_slope);
            linear
                .iter()
                .zip(numbers)
                .fold(start, |(a, b), ((column, slope), x)| (a - column * *x, b - slope * *x))
        };
        self.at.iter().zip(&self.values).map(at).unzip()
    }

    fn is_consistent(&self, monomials: usize, components: usize) -> bool {
        let mut sums = [&self.own].into_iter().chain(&self.linear).chain(&self.at);
        self.values.len() == self.at.len()
            && self.values.len() > 1
            && self.values.iter().all(|values| values.len() == self.linear.len())
            && self.own.total.first().is_some_and(|total| *total > 0.0)
            && sums.all(|sums| sums.is_consistent(monomials, components))
    }
}

impl Change {
    fn is_consistent(&self, monomials: usize, components: usize) -> bool {
        self.total.len() == monomials
            && self.means.len() == monomials
            && self.means.iter().all(|row| row.len() == components)
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
        shifts: &[f64],
        fraction: f64,
        components: usize,
        with_slopes: bool,
        profiled: &Profiled,
    ) -> At {
        let n = if with_slopes { shifts.len() } else { 0 };
        let values = monomials(shifts);
        let slopes = slopes(shifts);
        let terms = values.len();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let total = dot(&self.signal.total, &values);
        let total_slopes: Vec<f64> = slopes.iter().map(|slope| dot(&self.signal.total, slope)).collect();
        // Squares of weights, and their derivatives.
        let square = |a: &[f64], b: &[f64]| {
            (0..terms).map(|k| a[k] * dot(&self.signal.squares[k * terms..(k + 1) * terms], b)).sum::<f64>()
        };
        let effective = square(&values, &values) / (total * total);
        let effective_slopes: Vec<f64> = (0..n)
            .map(|i| {
                2.0 * square(&slopes[i], &values) / (total * total)
                    - 2.0 * effective * total_slopes[i] / total
            })
            .collect();
        // Pairs of the first components stand first.
        let pairs = components * (components + 1) / 2;
        let combine = |by: &[f64], of: &[Vec<f64>]| {
            let mut sum = vec![0.0; of[0].len().min(pairs.max(components))];
            for (factor, row) in by.iter().zip(of).filter(|(factor, _)| **factor != 0.0) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
            }
            sum
        };
        let vector = |values: &[f64]| DVector::from_column_slice(&values[..components]);
        let matrix = |values: &[f64]| {
            DMatrix::from_fn(components, components, |i, j| {
                let (i, j) = (i.min(j), i.max(j));
                values[j * (j + 1) / 2 + i]
            })
        };
        let mean_s = vector(&combine(&values, &self.signal.means)) / total;
        let second_s = matrix(&combine(&values, &self.signal.seconds)) / total;
        let covariance_s = &second_s - &mean_s * mean_s.transpose();
        let slopes_s: Vec<(DVector<f64>, DMatrix<f64>)> = (0..n)
            .map(|i| {
                let log = total_slopes[i] / total;
                let mean = vector(&combine(&slopes[i], &self.signal.means)) / total - &mean_s * log;
                let second = matrix(&combine(&slopes[i], &self.signal.seconds)) / total - &second_s * log;
                (mean, second)
            })
            .collect();
        let (mean_b, second_b, events_b) = match &self.background {
            Some(b) => (vector(&b.means[0]) / b.total[0], matrix(&b.seconds[0]) / b.total[0], b.total[0]),
            None => (DVector::zeros(components), DMatrix::zeros(components, components), f64::INFINITY),
        };
        let covariance_b = &second_b - &mean_b * mean_b.transpose();
        let (signal, f) = (1.0 - fraction, fraction);
        let mean = &mean_s * signal + &mean_b * f;
        let covariance = &second_s * signal + &second_b * f - &mean * mean.transpose();
        // Of the simulation: each kind by its own statistics.
        let finite = &covariance_s * (signal * signal * effective) + &covariance_b * (f * f / events_b);
        let mut mean_slopes = DMatrix::zeros(components, n + 1);
        let mut spread_slopes = Vec::with_capacity(n + 1);
        let outer = |a: &DVector<f64>, b: &DVector<f64>| a * b.transpose() + b * a.transpose();
        for (i, (mean_i, second_i)) in slopes_s.iter().enumerate() {
            mean_slopes.set_column(i, &(mean_i * signal));
            let own = second_i * signal - outer(&mean, &(mean_i * signal));
            let covariance_i = second_i - outer(&mean_s, mean_i);
            let finite = (covariance_i * effective + &covariance_s * effective_slopes[i]) * (signal * signal);
            spread_slopes.push((own, finite));
        }
        let by_fraction = &mean_b - &mean_s;
        mean_slopes.set_column(n, &by_fraction);
        let own = &second_b - &second_s - outer(&mean, &by_fraction);
        let of_fraction = &covariance_s * (-2.0 * signal * effective) + &covariance_b * (2.0 * f / events_b);
        spread_slopes.push((own, of_fraction));
        let effects = profiled.effects(
            &|of: &Change, by: &[f64]| (vector(&combine(by, &of.means)), dot(&of.total, by)),
            &SignalMean {
                values: &values,
                slopes: &slopes[..n],
                total: total / self.signal.total[0],
                logs: total_slopes.iter().map(|slope| slope / total).collect(),
                mean: &mean_s,
                mean_slopes: &slopes_s,
            },
        );
        let mean = mean + &effects.shift * signal;
        for (i, slope) in effects.shift_slopes.iter().enumerate() {
            let mut column = mean_slopes.column_mut(i);
            column += slope * signal;
        }
        let mut by_fraction = mean_slopes.column_mut(n);
        by_fraction -= &effects.shift;
        let matrix_of = |columns: &[DVector<f64>]| {
            if columns.is_empty() { DMatrix::zeros(components, 0) } else { DMatrix::from_columns(columns) }
        };
        let drift = matrix_of(&effects.columns);
        let mut drift_slopes: Vec<DMatrix<f64>> =
            effects.column_slopes.iter().map(|columns| matrix_of(columns) * signal).collect();
        drift_slopes.push(-&drift);
        let drift = drift * signal;
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
