//! Wilson coefficients from learned ratios of densities: a statistic of each event, calibrated by simulated events.
//!
//! A network gives of an event's measured variables y the coefficients of `p(y; x)/p(y; 0)`, quadratic in the shifts x from
//! the point of the simulation, and where there is background the ratio of the densities of signal and background. Neither
//! is exact, so neither is believed: from them are made the derivatives of `ln p(y; x, f)` by shifts and fraction of background at some fixed
//! points, and these are nothing but numbers of an event, whose mean over a sample is measured.
//!
//! Mean and covariance of that statistic at any shifts follow from simulated events that the network has not seen, each weighted by
//! its exact `1 + beta.x + x.gamma.x` of truth: sums, made once, quadratic in x. Then `-ln L` is that of a Gaussian mean with
//! the covariance `S(x, f)/N`, widened by what the finite simulation leaves open. A bad network makes wide intervals, not wrong ones.

use humboldt_physics::quadratic::{count, monomials};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::form::Jet;
use super::goodness::probability;
use super::minimise::{Minimum, Objective, inverse, minimise};
use super::mixture::{Fraction, check};
use super::profile::Profile;
use super::{InferError, Interval};

pub use super::form::slopes;

/// Events of one sum: sums of sums do not depend on the number of threads.
const BLOCK: usize = 4096;

/// Least part of the density at the simulation's point that a learned density is taken to have at another: below, the network
/// has not learned it.
const FLOOR: f64 = 0.05;

/// Part of the largest variance below which a combination of the statistic's components is left out.
const SMALL: f64 = 1e-6;

/// Limit to which shifts are looked for, in quarters of a coefficient's range.
const FARTHEST: f64 = 40.0;

/// Unit of a fraction of background.
const FRACTION_SCALE: f64 = 0.25;

/// Starts along a coefficient that is alone.
const STARTS: usize = 41;

/// Fraction of background at which the statistic is made, where nothing is known of it.
pub const UNKNOWN_FRACTION: f64 = 0.4;

/// What a network learned of some events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ratios {
    /// Coefficients of all monomials of the shifts but the first, which is 1.
    ///
    /// # Shapes
    /// [event, monomial - 1]
    pub terms: Vec<f32>,
    /// Logarithm of the densities' ratio of signal at the simulation's point to background; empty without background.
    pub log_signal: Vec<f32>,
    /// What the network was told of each event.
    ///
    /// # Shapes
    /// [event, feature]
    pub features: Vec<f32>,
}

impl Ratios {
    /// The coefficients of a row.
    fn terms_of(&self, row: usize, terms: usize) -> &[f32] {
        &self.terms[row * terms..(row + 1) * terms]
    }

    /// The ratio of the densities of signal at the simulation's point and background, within what a network can learn.
    fn signal_of(&self, row: usize) -> Option<f64> {
        self.log_signal.get(row).map(|x| f64::from(*x).clamp(-20.0, 20.0).exp())
    }
}

/// The learned density at shifts from the simulation's point, over that at the point, with what all events have in common.
struct Around {
    values: Vec<f64>,
    slopes: Vec<Vec<f64>>,
    total: f64,
    total_slopes: Vec<f64>,
}

impl Around {
    fn new(shifts: &[f64], normalisation: &[f64]) -> Self {
        let (values, slopes) = (monomials(shifts), slopes(shifts));
        let total = 1.0 + along(normalisation, &values);
        let total_slopes = slopes.iter().map(|slope| along(normalisation, slope)).collect();
        Self { values, slopes, total, total_slopes }
    }

    /// That of an event, before it is normalised.
    fn density(&self, terms: &[f32]) -> f64 {
        (1.0 + along(terms, &self.values)).max(FLOOR)
    }
}

/// Coefficients of all monomials but the first times these monomials or their derivatives.
pub fn along<T: Copy + Into<f64>>(terms: &[T], by: &[f64]) -> f64 {
    terms.iter().zip(&by[1..]).map(|(term, by)| (*term).into() * by).sum()
}

/// Numbers of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistic {
    shifts: usize,
    /// Number of features of an event.
    features: usize,
    /// Means of the learned coefficients over simulated events: the normalisation of the learned density.
    normalisation: Vec<f64>,
    /// Points at which derivatives are taken.
    references: Vec<Vec<f64>>,
    /// Fraction of background there; none without background.
    fraction: Option<f64>,
    /// Means that are subtracted from all derivatives.
    centre: Vec<f64>,
    /// Combinations of them that are kept, of variance 1 over simulated events at their own point.
    ///
    /// # Shapes
    /// [component, derivative]
    combinations: Vec<Vec<f64>>,
}

impl Statistic {
    /// Made for `signal`, the learned ratios of accepted simulated events with their weights, and events of background.
    ///
    /// # Errors
    /// When no derivative varies from event to event: nothing was learned.
    pub fn new(
        signal: (&Ratios, &[f64]),
        background: Option<(&Ratios, Fraction)>,
        references: Vec<Vec<f64>>,
        features: usize,
    ) -> Result<Self, InferError> {
        let shifts = references.first().map_or(0, Vec::len);
        let (ratios, weights) = signal;
        let terms = count(shifts) - 1;
        let total: f64 = weights.iter().sum();
        let mut normalisation = vec![0.0; terms];
        for (row, weight) in ratios.terms.chunks_exact(terms).zip(weights) {
            normalisation.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * f64::from(*x) / total);
        }
        let fraction = background.map(|(_, fraction)| match fraction {
            Fraction::Free => UNKNOWN_FRACTION,
            known => known.start(),
        });
        let mut own = Self {
            shifts,
            features,
            normalisation,
            references,
            fraction,
            centre: Vec::new(),
            combinations: Vec::new(),
        };
        let n = own.derivatives();
        let part = fraction.unwrap_or(0.0);
        let (mut mean, mut second) = own.moments(ratios, Some(weights), n);
        if let Some((of, _)) = background {
            let (mean_b, second_b) = own.moments(of, None, n);
            mean = mean * (1.0 - part) + mean_b * part;
            second = second * (1.0 - part) + second_b * part;
        }
        let covariance = &second - &mean * mean.transpose();
        let scale =
            covariance.diagonal().map(|variance| if variance > 0.0 { variance.sqrt().recip() } else { 0.0 });
        let unit = DMatrix::from_diagonal(&scale);
        let eigen = SymmetricEigen::new(&unit * covariance * &unit);
        let most = eigen.eigenvalues.max();
        if !(most.is_finite() && most > 0.0) {
            let allowed = "a network whose ratios vary from event to event";
            return Err(InferError::out_of_range("learned ratios", "the same for all events", allowed));
        }
        let mut kept: Vec<usize> = (0..n).filter(|i| eigen.eigenvalues[*i] > SMALL * most).collect();
        kept.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        own.combinations = kept
            .into_iter()
            .map(|i| {
                let root = eigen.eigenvalues[i].sqrt();
                (0..n).map(|j| eigen.eigenvectors[(j, i)] * scale[j] / root).collect()
            })
            .collect();
        own.centre = mean.iter().copied().collect();
        Ok(own)
    }

    /// First and second moments of the derivatives.
    fn moments(&self, of: &Ratios, weights: Option<&[f64]>, n: usize) -> (DVector<f64>, DMatrix<f64>) {
        let around = self.around_references();
        let events = of.terms.len() / self.normalisation.len();
        let block = |start: usize| {
            let (mut mean, mut second) = (DVector::zeros(n), DMatrix::zeros(n, n));
            let (mut row_of, mut total) = (DVector::zeros(n), 0.0);
            for row in start..events.min(start + BLOCK) {
                let weight = weights.map_or(1.0, |weights| weights[row]);
                self.derivatives_of(&around, of, row, row_of.as_mut_slice());
                mean.axpy(weight, &row_of, 1.0);
                second.ger(weight, &row_of, &row_of, 1.0);
                total += weight;
            }
            (mean, second, total)
        };
        let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
        let blocks: Vec<_> = starts.into_par_iter().map(block).collect();
        let zero = (DVector::zeros(n), DMatrix::zeros(n, n), 0.0);
        let (mean, second, total) = blocks.into_iter().fold(zero, |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        (mean / total, second / total)
    }

    /// Number of derivatives of an event.
    fn derivatives(&self) -> usize {
        self.references.len() * (self.shifts + usize::from(self.fraction.is_some()))
    }

    /// Components from which coefficients are fitted.
    pub fn fitted(&self) -> usize {
        self.combinations.len()
    }

    /// All components: those, and the products of features up to second order, which only tell whether the events look
    /// like the simulation.
    pub fn components(&self) -> usize {
        self.fitted() + self.features + self.features * (self.features + 1) / 2
    }

    /// The learned density around each reference.
    fn around_references(&self) -> Vec<Around> {
        self.references.iter().map(|reference| Around::new(reference, &self.normalisation)).collect()
    }

    /// The derivatives of `ln p` at all references.
    fn derivatives_of(&self, around: &[Around], of: &Ratios, row: usize, out: &mut [f64]) {
        let terms = of.terms_of(row, self.normalisation.len());
        let signal = of.signal_of(row);
        let per_reference = self.derivatives() / self.references.len();
        for (reference, out) in around.iter().zip(out.chunks_exact_mut(per_reference)) {
            let density = reference.density(terms);
            let ratio = density / reference.total;
            let (part, of_fraction) = match (signal, self.fraction) {
                (Some(signal), Some(fraction)) => {
                    let all = (1.0 - fraction) * ratio * signal + fraction;
                    ((1.0 - fraction) * ratio * signal / all, Some((1.0 - ratio * signal) / all))
                }
                _ => (1.0, None),
            };
            let scores = reference.slopes.iter().zip(&reference.total_slopes).map(|(slope, total_slope)| {
                part * (along(terms, slope) / density - total_slope / reference.total)
            });
            out.iter_mut().zip(scores.chain(of_fraction)).for_each(|(out, value)| *out = value);
        }
    }

    /// Probability of each row that it is signal, of a sample with a fraction of background at shifts from the simulation's
    /// point; 1 without background.
    pub fn signal_parts<'a>(
        &self,
        of: &'a Ratios,
        shifts: &[f64],
        fraction: f64,
    ) -> impl Fn(usize) -> f64 + use<'a> {
        let around = Around::new(shifts, &self.normalisation);
        let terms = self.normalisation.len();
        move |row| {
            let Some(signal) = of.signal_of(row) else { return 1.0 };
            let ratio = around.density(of.terms_of(row, terms)) / around.total;
            let signal = (1.0 - fraction) * ratio * signal;
            signal / (signal + fraction)
        }
    }

    /// All components of an event.
    fn of(&self, around: &[Around], of: &Ratios, row: usize, derivatives: &mut [f64], out: &mut [f64]) {
        self.derivatives_of(around, of, row, derivatives);
        derivatives.iter_mut().zip(&self.centre).for_each(|(x, mean)| *x -= mean);
        let (fitted, rest) = out.split_at_mut(self.fitted());
        for (out, combination) in fitted.iter_mut().zip(&self.combinations) {
            *out = combination.iter().zip(derivatives.iter()).map(|(a, b)| a * b).sum();
        }
        let features = &of.features[row * self.features..(row + 1) * self.features];
        let mut rest = rest.iter_mut();
        for (i, first) in features.iter().enumerate() {
            let products = features[i..].iter().map(|second| f64::from(first * second));
            // An iterator that is asked first loses an item when the other ends: so not `rest`.
            for (value, out) in std::iter::once(f64::from(*first)).chain(products).zip(rest.by_ref()) {
                *out = value;
            }
        }
    }

    /// The mean over the events of a sample.
    pub fn mean(&self, sample: &Ratios) -> Mean {
        let around = self.around_references();
        let events = sample.terms.len() / self.normalisation.len();
        let block = |start: usize| {
            let mut derivatives = vec![0.0; self.derivatives()];
            let mut one = DVector::zeros(self.components());
            let mut sum = DVector::zeros(self.components());
            for row in start..events.min(start + BLOCK) {
                self.of(&around, sample, row, &mut derivatives, one.as_mut_slice());
                sum += &one;
            }
            sum
        };
        let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
        let blocks: Vec<DVector<f64>> = starts.into_par_iter().map(block).collect();
        let sum = blocks.iter().fold(DVector::zeros(self.components()), |sum, block| sum + block);
        Mean { values: sum / events as f64, events }
    }
}

/// The statistic of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    values: DVector<f64>,
    /// Number of events.
    pub events: usize,
}

/// Mean and covariance of the statistic at any shifts and fraction of background.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The statistic.
    pub statistic: Statistic,
    /// Means of the true coefficients over accepted simulated events.
    total: Vec<f64>,
    /// Sums of products of the true coefficients and squares of weights, over the square of the sum of weights.
    ///
    /// # Shapes
    /// [monomial * monomial]
    squares: Vec<f64>,
    /// Means of the statistic times the true coefficients.
    ///
    /// # Shapes
    /// [monomial][component]
    means: Vec<Vec<f64>>,
    /// Means of products of two components times the true coefficients.
    ///
    /// # Shapes
    /// [monomial][pair of components i <= j, at j (j + 1)/2 + i]
    seconds: Vec<Vec<f64>>,
    /// Number of simulated events.
    pub events: usize,
    background: Option<OfBackground>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OfBackground {
    mean: Vec<f64>,
    second: Vec<f64>,
    events: usize,
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

struct Sums {
    total: Vec<f64>,
    squares: Vec<f64>,
    means: Vec<Vec<f64>>,
    seconds: Vec<Vec<f64>>,
}

impl Sums {
    fn zero(monomials: usize, components: usize) -> Self {
        Self {
            total: vec![0.0; monomials],
            squares: vec![0.0; monomials * monomials],
            means: vec![vec![0.0; components]; monomials],
            seconds: vec![vec![0.0; components * (components + 1) / 2]; monomials],
        }
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

    fn plus(mut self, other: &Self) -> Self {
        let add = |a: &mut Vec<f64>, b: &Vec<f64>| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.total, &other.total);
        add(&mut self.squares, &other.squares);
        self.means.iter_mut().zip(&other.means).for_each(|(a, b)| add(a, b));
        self.seconds.iter_mut().zip(&other.seconds).for_each(|(a, b)| add(a, b));
        self
    }
}

impl Calibration {
    /// From simulated events that the network was not trained with, their learned ratios and their truth, and events of
    /// background.
    pub fn new(statistic: Statistic, signal: &Ratios, truth: Truth, background: Option<&Ratios>) -> Self {
        let around = statistic.around_references();
        let of = |ratios: &Ratios, truth: Option<Truth>| {
            let monomials = if truth.is_some() { statistic.normalisation.len() + 1 } else { 1 };
            let events = ratios.terms.len() / statistic.normalisation.len();
            let block = |start: usize| {
                let mut sums = Sums::zero(monomials, statistic.components());
                let mut derivatives = vec![0.0; statistic.derivatives()];
                let mut values = vec![0.0; statistic.components()];
                let (mut terms, mut products) = (vec![1.0; monomials], Vec::new());
                for row in start..events.min(start + BLOCK) {
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
            let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
            // Few at a time: sums of many components are large.
            let mut sums = Sums::zero(monomials, statistic.components());
            for some in starts.chunks(4 * rayon::current_num_threads().max(1)) {
                let blocks: Vec<Sums> = some.par_iter().map(|start| block(*start)).collect();
                sums = blocks.iter().fold(sums, Sums::plus);
            }
            (sums, events)
        };
        let (sums, events) = of(signal, Some(truth));
        let weight: f64 = sums.total[0];
        let over = |values: Vec<f64>, by: f64| values.into_iter().map(|x| x / by).collect::<Vec<f64>>();
        let background = background.map(|ratios| {
            let (mut sums, events) = of(ratios, None);
            let by = events as f64;
            OfBackground {
                mean: over(sums.means.remove(0), by),
                second: over(sums.seconds.remove(0), by),
                events,
            }
        });
        Self {
            statistic,
            total: over(sums.total, weight),
            squares: over(sums.squares, weight * weight),
            means: sums.means.into_iter().map(|x| over(x, weight)).collect(),
            seconds: sums.seconds.into_iter().map(|x| over(x, weight)).collect(),
            events,
            background,
        }
    }

    /// Whether all parts fit together, and networks with so many coefficients and features.
    pub fn is_consistent(&self, terms: usize, features: usize) -> bool {
        let s = &self.statistic;
        let (monomials, components) = (terms + 1, s.components());
        let pairs = components * (components + 1) / 2;
        let lengths = |all: &[Vec<f64>], n: usize| all.len() == monomials && all.iter().all(|x| x.len() == n);
        let background =
            |b: &OfBackground| b.mean.len() == components && b.second.len() == pairs && b.events > 0;
        s.shifts > 0
            && s.features == features
            && s.normalisation.len() == terms
            && count(s.shifts) == monomials
            && s.references.iter().all(|reference| reference.len() == s.shifts)
            && s.centre.len() == s.derivatives()
            && s.combinations.iter().all(|row| row.len() == s.derivatives())
            && self.total.len() == monomials
            && self.squares.len() == monomials * monomials
            && lengths(&self.means, components)
            && lengths(&self.seconds, pairs)
            && self.background.is_some() == s.fraction.is_some()
            && self.background.as_ref().is_none_or(background)
    }

    /// Whether events of background are known.
    pub const fn has_background(&self) -> bool {
        self.background.is_some()
    }

    /// Number of shifts.
    pub const fn shifts(&self) -> usize {
        self.statistic.shifts
    }

    /// Effective number of simulated events at shifts from their point: `(sum w)^2/sum w^2`.
    pub fn effective_events(&self, shifts: &[f64]) -> f64 {
        let at = self.at(shifts, 0.0, 1, false);
        at.effective.recip()
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
        let at = self.at(shifts, fraction, self.statistic.fitted(), true);
        let spread = at.spread(events as f64);
        let unknown = || {
            InferError::out_of_range(
                "statistic",
                "no information",
                "a network that has learned all coefficients",
            )
        };
        let inverse = Cholesky::new(spread).ok_or_else(unknown)?;
        let slopes = at.mean_slopes.columns(0, shifts.len()).into_owned();
        let information = slopes.tr_mul(&inverse.solve(&slopes));
        information.try_inverse().filter(|m| m.diagonal().iter().all(|x| *x > 0.0)).ok_or_else(unknown)
    }

    /// The first `components` components at a point, with derivatives by all parameters where they are asked for.
    fn at(&self, shifts: &[f64], fraction: f64, components: usize, with_slopes: bool) -> At {
        let n = if with_slopes { shifts.len() } else { 0 };
        let values = monomials(shifts);
        let slopes = slopes(shifts);
        let terms = values.len();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let total = dot(&self.total, &values);
        let total_slopes: Vec<f64> = slopes.iter().map(|slope| dot(&self.total, slope)).collect();
        // Squares of weights, and their derivatives.
        let square = |a: &[f64], b: &[f64]| {
            (0..terms).map(|k| a[k] * dot(&self.squares[k * terms..(k + 1) * terms], b)).sum::<f64>()
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
        let mean_s = vector(&combine(&values, &self.means)) / total;
        let second_s = matrix(&combine(&values, &self.seconds)) / total;
        let covariance_s = &second_s - &mean_s * mean_s.transpose();
        let slopes_s: Vec<(DVector<f64>, DMatrix<f64>)> = (0..n)
            .map(|i| {
                let log = total_slopes[i] / total;
                let mean = vector(&combine(&slopes[i], &self.means)) / total - &mean_s * log;
                let second = matrix(&combine(&slopes[i], &self.seconds)) / total - &second_s * log;
                (mean, second)
            })
            .collect();
        let (mean_b, second_b, events_b) = match &self.background {
            Some(b) => (vector(&b.mean), matrix(&b.second), b.events as f64),
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
        At { mean, covariance, finite, mean_slopes, spread_slopes, effective }
    }

    /// Fits shifts, and the fraction of background where it is free, to a sample.
    ///
    /// `ranges` are those that the network learned, from the simulation's point; a rise of `-ln L` by 1/2 ends an interval.
    ///
    /// # Errors
    /// When a fraction is given without background or is none, and where `-ln L` has no minimum.
    pub fn fit(&self, sample: &Mean, fraction: Fraction, ranges: &[[f64; 2]]) -> Result<Fit<'_>, InferError> {
        check(fraction, "background fraction")?;
        if !self.has_background() && (fraction.is_free() || fraction.start() != 0.0) {
            let allowed = "none: these ratios were learned without background";
            return Err(InferError::out_of_range("background fraction", format!("{fraction:?}"), allowed));
        }
        let objective = Gaussian { of: self, sample: sample.clone(), fraction };
        let n = self.shifts();
        let mut scales: Vec<f64> = ranges.iter().map(|[low, high]| 0.25 * (high - low)).collect();
        if fraction.is_free() {
            scales.push(FRACTION_SCALE);
        }
        let start = |shifts: Vec<f64>| {
            let mut start = shifts;
            if fraction.is_free() {
                start.push(fraction.start());
            }
            start
        };
        let mut starts: Vec<(f64, Vec<f64>)> = self
            .starts(ranges)
            .into_iter()
            .map(|shifts| {
                let start = start(shifts);
                (Objective::value(&objective, &start).unwrap_or(f64::INFINITY), start)
            })
            .collect();
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let free: Vec<usize> = (0..n + usize::from(fraction.is_free())).collect();
        let mut best: Option<Minimum> = None;
        for (_, start) in starts.iter().take(2) {
            let found = minimise(&objective, start, &free, &scales)?;
            if found.value.is_finite() && best.as_ref().is_none_or(|best| found.value < best.value - 1e-9) {
                best = Some(found);
            }
        }
        let best = best.filter(|best| best.settled).ok_or_else(|| InferError::NoMinimum {
            coefficients: "learned ratios".to_owned(),
            reason: "-ln L still falls, or is not finite at any start".to_owned(),
        })?;
        let hessian = objective.jet(&best.point, &free)?.hessian;
        let covariance = inverse(&hessian, &scales);
        Ok(Fit { objective, best, covariance, scales })
    }

    fn starts(&self, ranges: &[[f64; 2]]) -> Vec<Vec<f64>> {
        if let [[low, high]] = ranges {
            // Half a range beyond both ends.
            let at = |i: usize| low + (high - low) * (2.0 * i as f64 / (STARTS - 1) as f64 - 0.5);
            return (0..STARTS).map(|i| vec![at(i)]).collect();
        }
        let centre: Vec<f64> = ranges.iter().map(|[low, high]| 0.5 * (low + high)).collect();
        self.statistic.references.iter().cloned().chain([centre]).collect()
    }
}

/// The statistic at a point.
struct At {
    mean: DVector<f64>,
    /// Of one event.
    covariance: DMatrix<f64>,
    /// Of the mean, from the finite simulation.
    finite: DMatrix<f64>,
    /// Derivatives by each shift and the fraction.
    mean_slopes: DMatrix<f64>,
    /// Those of both covariances.
    spread_slopes: Vec<(DMatrix<f64>, DMatrix<f64>)>,
    /// Inverse of the effective number of simulated events.
    effective: f64,
}

impl At {
    /// Covariance of the mean of so many events.
    fn spread(&self, events: f64) -> DMatrix<f64> {
        &self.covariance / events + &self.finite
    }
}

/// `-ln L` of a sample's mean.
#[derive(Debug, Clone)]
struct Gaussian<'a> {
    of: &'a Calibration,
    sample: Mean,
    fraction: Fraction,
}

impl Gaussian<'_> {
    fn parts<'p>(&self, point: &'p [f64]) -> (&'p [f64], f64) {
        let (shifts, rest) = point.split_at(self.of.shifts());
        (shifts, *rest.first().unwrap_or(&self.fraction.start()))
    }

    fn solved(&self, at: &At) -> Option<(Cholesky<f64, Dyn>, DVector<f64>)> {
        let cholesky = Cholesky::new(at.spread(self.sample.events as f64))?;
        let off = self.sample.values.rows(0, at.mean.len()) - &at.mean;
        Some((cholesky, off))
    }

    fn constraint(&self, fraction: f64) -> (f64, f64, f64) {
        match self.fraction {
            Fraction::Constrained(value, sigma) => {
                let pull = (fraction - value) / sigma;
                (0.5 * pull * pull, pull / sigma, sigma.powi(-2))
            }
            _ => (0.0, 0.0, 0.0),
        }
    }
}

impl Objective for Gaussian<'_> {
    type Error = InferError;

    fn value(&self, point: &[f64]) -> Result<f64, InferError> {
        let (shifts, fraction) = self.parts(point);
        let at = self.of.at(shifts, fraction, self.of.statistic.fitted(), false);
        let Some((cholesky, off)) = self.solved(&at) else { return Ok(f64::INFINITY) };
        let log_determinant: f64 = cholesky.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
        Ok(0.5 * off.dot(&cholesky.solve(&off)) + log_determinant + self.constraint(fraction).0)
    }

    /// With the second derivatives that the expected ones are: those of the mean.
    fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, InferError> {
        let (shifts, fraction) = self.parts(point);
        let n = point.len();
        let at = self.of.at(shifts, fraction, self.of.statistic.fitted(), true);
        let Some((cholesky, off)) = self.solved(&at) else {
            let k = free.len();
            return Ok(Jet {
                value: f64::INFINITY,
                gradient: DVector::zeros(k),
                hessian: DMatrix::zeros(k, k),
            });
        };
        let weighted = cholesky.solve(&off);
        let log_determinant: f64 = cholesky.l_dirty().diagonal().iter().map(|x| x.ln()).sum();
        let inverse = cholesky.inverse();
        let slopes = at.mean_slopes.columns(0, n).into_owned();
        let (constraint, constraint_slope, constraint_bend) = self.constraint(fraction);
        let mut gradient = -slopes.tr_mul(&weighted);
        let events = self.sample.events as f64;
        for (i, (own, finite)) in at.spread_slopes.iter().take(n).enumerate() {
            let spread = own / events + finite;
            gradient[i] += 0.5 * (inverse.dot(&spread) - weighted.dot(&(&spread * &weighted)));
        }
        let mut hessian = slopes.tr_mul(&(&inverse * &slopes));
        if n > shifts.len() {
            gradient[n - 1] += constraint_slope;
            hessian[(n - 1, n - 1)] += constraint_bend;
        }
        Ok(Jet {
            value: 0.5 * off.dot(&weighted) + log_determinant + constraint,
            gradient: gradient.select_rows(free),
            hessian: hessian.select_rows(free).select_columns(free),
        })
    }

    fn limit(&self) -> f64 {
        FARTHEST
    }
}

/// The fit of a sample.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    objective: Gaussian<'a>,
    best: Minimum,
    covariance: DMatrix<f64>,
    scales: Vec<f64>,
}

impl Fit<'_> {
    /// The shifts from the simulation's point; behind them the fraction of background, where it is free.
    pub fn values(&self) -> &[f64] {
        &self.best.point
    }

    /// Their covariance from second derivatives.
    ///
    /// # Shapes
    /// [parameter, parameter]
    pub const fn covariance(&self) -> &DMatrix<f64> {
        &self.covariance
    }

    /// Effective number of simulated events there.
    pub fn effective_events(&self) -> f64 {
        let (shifts, _) = self.objective.parts(&self.best.point);
        self.objective.of.effective_events(shifts)
    }

    /// The interval of a parameter of 68.3 %, all others fitted anew.
    ///
    /// # Errors
    /// When a point is refused.
    pub fn interval(&self, index: usize) -> Result<Interval, InferError> {
        let profile = Profile {
            objective: &self.objective,
            best: &self.best.point,
            minimum: self.best.value,
            covariance: &self.covariance,
            scales: &self.scales,
            rise: 0.5,
        };
        Ok(profile.interval(index)?.interval)
    }

    /// Signed distance of a parameter from its true value in standard deviations: the root of twice the rise of `-ln L`,
    /// all others fitted anew.
    ///
    /// # Errors
    /// When a point is refused.
    pub fn pull(&self, index: usize, truth: f64) -> Result<f64, InferError> {
        let others: Vec<usize> = (0..self.best.point.len()).filter(|other| *other != index).collect();
        let mut start = self.best.point.clone();
        let (variance, step) = (self.covariance[(index, index)], truth - start[index]);
        for other in &others {
            let follow = step * self.covariance[(*other, index)] / variance;
            start[*other] += if follow.is_finite() { follow } else { 0.0 };
        }
        start[index] = truth;
        let there = minimise(&self.objective, &start, &others, &self.scales)?;
        let rise = (2.0 * (there.value - self.best.value)).max(0.0).sqrt();
        Ok(-step.signum() * rise)
    }

    /// Probability that a sample of the simulation looks less like it than this one: of the chi-square of all components, the
    /// fit's freedom taken out.
    pub fn p_value(&self) -> f64 {
        let (shifts, fraction) = self.objective.parts(&self.best.point);
        let of = self.objective.of;
        let (fitted, all) = (of.statistic.fitted(), of.statistic.components());
        let at = of.at(shifts, fraction, all, true);
        let events = self.objective.sample.events as f64;
        let spread = at.spread(events);
        let off = &self.objective.sample.values - &at.mean;
        let n = self.best.point.len();
        let slopes = at.mean_slopes.columns(0, n).into_owned();
        // How the fitted parameters follow the statistic: estimate = A off.
        let Some(inverse) = Cholesky::new(spread.view((0, 0), (fitted, fitted)).into_owned()) else {
            return 0.0;
        };
        let own = inverse.solve(&slopes.rows(0, fitted).into_owned());
        let mut information = slopes.rows(0, fitted).tr_mul(&own);
        if let Fraction::Constrained(_, sigma) = self.objective.fraction {
            information[(n - 1, n - 1)] += sigma.powi(-2);
        }
        let Some(covariance) = information.try_inverse() else { return 0.0 };
        let mut follow = DMatrix::zeros(n, all);
        follow.columns_mut(0, fitted).copy_from(&(covariance * own.transpose()));
        let remaining = DMatrix::identity(all, all) - &slopes * follow;
        let left = &remaining * spread * remaining.transpose();
        let scale = at.covariance.diagonal().map(|x| if x > 0.0 { (events / x).sqrt() } else { 0.0 });
        let unit = DMatrix::from_diagonal(&scale);
        let eigen = SymmetricEigen::new(&unit * left * &unit);
        let along = eigen.eigenvectors.tr_mul(&(&unit * off));
        let floor = 1e-5 * eigen.eigenvalues.max();
        let kept = (0..all).filter(|i| eigen.eigenvalues[*i] > floor);
        let (chi2, freedom) = kept.fold((0.0, 0.0), |(sum, count), i| {
            (sum + along[i] * along[i] / eigen.eigenvalues[i], count + 1.0)
        });
        probability(chi2, freedom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three features and all their products stand behind the fitted components, none lost and none twice.
    #[test]
    fn all_products_of_features_are_components() {
        let events = [[1.0, 2.0, 3.0], [-1.0, 0.5, 4.0]];
        let ratios = Ratios {
            terms: vec![0.3, 0.1, -0.4, 0.2],
            log_signal: Vec::new(),
            features: events.concat().iter().map(|x| *x as f32).collect(),
        };
        let statistic = Statistic::new((&ratios, &[1.0; 2]), None, vec![vec![0.0]], 3).unwrap();
        let mean = statistic.mean(&ratios).values;
        let product = |a: usize, b: usize| events.iter().map(|event| event[a] * event[b]).sum::<f64>() / 2.0;
        let single = |a: usize| events.iter().map(|event| event[a]).sum::<f64>() / 2.0;
        let expected: Vec<f64> = (0..3)
            .flat_map(|a| std::iter::once(single(a)).chain((a..3).map(move |b| product(a, b))))
            .collect();
        assert_eq!(statistic.components(), statistic.fitted() + 9);
        assert_eq!(mean.as_slice()[statistic.fitted()..], expected);
    }
}
