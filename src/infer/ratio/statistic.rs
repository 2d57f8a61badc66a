//! Numbers of an event that say how its density changes with the coefficients.

use humboldt_physics::quadratic::{count, monomials};
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::InferError;
use super::super::mixture::Fraction;
use super::{BLOCK, slopes};

/// Least part of the density at the simulation's point that a learned density is taken to have at another: below, the network
/// has not learned it.
const FLOOR: f64 = 0.05;

/// Part of the largest variance below which a combination of the statistic's components is left out.
const SMALL: f64 = 1e-6;

/// Deviations at which a component of an event is cut. Where the density at one point is nearly zero and at another is not, an event may be very far
/// out, and the mean of few such events is not Gaussian.
const FARTHEST: f64 = 20.0;

/// Fraction of background at which the statistic is made, where nothing is known of it.
pub const UNKNOWN_FRACTION: f64 = 0.4;

/// Ratios of densities that a network learned, of some events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ratios {
    /// Coefficients of all monomials of the shifts but the first, which is 1.
    ///
    /// # Shapes
    /// [event, monomial - 1]
    pub terms: Vec<f32>,
    /// Logarithm of the densities' ratio of signal at the simulation's point to background; empty without background.
    pub log_signal: Vec<f32>,
    /// Changes of signal's density by nuisance parameters at the simulation's point; empty where they were not learned.
    ///
    /// # Shapes
    /// [event, parameter]
    pub nuisances: Vec<f32>,
    /// Numbers of each event that the network was told.
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

/// Probability of an event to be signal, of a sample with a fraction of background, by the ratio of the densities of signal and background.
fn part_of(ratio: f64, fraction: f64) -> f64 {
    let signal = (1.0 - fraction) * ratio;
    signal / (signal + fraction)
}

/// Coefficients of all monomials but the first times these monomials or their derivatives.
pub fn along<T: Copy + Into<f64>>(terms: &[T], by: &[f64]) -> f64 {
    terms.iter().zip(&by[1..]).map(|(term, by)| (*term).into() * by).sum()
}

/// Numbers of an event, whose mean over a sample is compared with that of simulated events.
pub trait EventStatistic: Sync {
    /// Events that they are numbers of.
    type Events: Sync;

    /// Number of events.
    fn events_of(&self, events: &Self::Events) -> usize;

    /// Number of shifts that change the density of events.
    fn shifts(&self) -> usize;

    /// Number of monomials of the shifts but the first.
    fn terms(&self) -> usize {
        count(self.shifts()) - 1
    }

    /// Whether there is background.
    fn has_background(&self) -> bool;

    /// Components from which coefficients are fitted.
    fn fitted(&self) -> usize;

    /// All components: those, and behind them such that only tell whether the events look like the simulation.
    fn components(&self) -> usize;

    /// Shifts from which a fit may start.
    fn starts(&self) -> &[Vec<f64>];

    /// Writes all components of a row of some events.
    fn at(&self, events: &Self::Events) -> impl Fn(usize, &mut [f64]) + Sync;

    /// The mean over the events of a sample.
    fn mean(&self, sample: &Self::Events) -> Mean {
        let at = self.at(sample);
        let events = self.events_of(sample);
        let block = |start: usize| {
            let mut one = DVector::zeros(self.components());
            let mut sum = DVector::zeros(self.components());
            for row in start..events.min(start + BLOCK) {
                at(row, one.as_mut_slice());
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

/// First and second moments of `n` numbers of each of some events, which count by their weights.
pub(super) fn mean_and_second(
    n: usize,
    events: usize,
    weights: Option<&[f64]>,
    at: impl Fn(usize, &mut [f64]) + Sync,
) -> (DVector<f64>, DMatrix<f64>) {
    let block = |start: usize| {
        let (mut mean, mut second) = (DVector::zeros(n), DMatrix::zeros(n, n));
        let (mut of_row, mut total) = (DVector::zeros(n), 0.0);
        for row in start..events.min(start + BLOCK) {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            at(row, of_row.as_mut_slice());
            mean.axpy(weight, &of_row, 1.0);
            second.ger(weight, &of_row, &of_row, 1.0);
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

/// Moments of signal and a part of background.
pub(super) fn mixed(
    (mean, second): (DVector<f64>, DMatrix<f64>),
    background: Option<(DVector<f64>, DMatrix<f64>)>,
    part: f64,
) -> (DVector<f64>, DMatrix<f64>) {
    match background {
        Some((mean_b, second_b)) => {
            (mean * (1.0 - part) + mean_b * part, second * (1.0 - part) + second_b * part)
        }
        None => (mean, second),
    }
}

/// Combinations of numbers that vary independently, each of variance 1, by their moments; those that hardly vary are left out. None where no number
/// varies.
///
/// # Shapes
/// [combination, number]
pub(super) fn independent(mean: &DVector<f64>, second: &DMatrix<f64>) -> Option<Vec<Vec<f64>>> {
    let n = mean.len();
    let covariance = second - mean * mean.transpose();
    let scale =
        covariance.diagonal().map(|variance| if variance > 0.0 { variance.sqrt().recip() } else { 0.0 });
    let unit = DMatrix::from_diagonal(&scale);
    let eigen = SymmetricEigen::new(&unit * covariance * &unit);
    let most = eigen.eigenvalues.max();
    if !(most.is_finite() && most > 0.0) {
        return None;
    }
    let mut kept: Vec<usize> = (0..n).filter(|i| eigen.eigenvalues[*i] > SMALL * most).collect();
    kept.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let combination = |i: usize| {
        let root = eigen.eigenvalues[i].sqrt();
        (0..n).map(|j| eigen.eigenvectors[(j, i)] * scale[j] / root).collect()
    };
    Some(kept.into_iter().map(combination).collect())
}

/// Writes combinations of some numbers.
pub(super) fn combine(combinations: &[Vec<f64>], numbers: &[f64], out: &mut [f64]) {
    for (out, combination) in out.iter_mut().zip(combinations) {
        *out = combination.iter().zip(numbers).map(|(a, b)| a * b).sum();
    }
}

/// Derivatives of the logarithm of a learned density, as numbers of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistic {
    shifts: usize,
    /// Number of features of an event.
    features: usize,
    /// Means of the learned coefficients over simulated events: the normalisation of the learned density.
    normalisation: Vec<f64>,
    /// Means of the learned changes by nuisance parameters over simulated events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nuisances: Vec<f64>,
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
    /// Deviations at which a component of an event is cut, of older calibrations at none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    farthest: Option<f64>,
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
        let means = |values: &[f32], columns: usize| {
            let mut means = vec![0.0; columns];
            for (row, weight) in values.chunks_exact(columns.max(1)).zip(weights) {
                means.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * f64::from(*x) / total);
            }
            means
        };
        let normalisation = means(&ratios.terms, terms);
        let nuisances = means(&ratios.nuisances, ratios.nuisances.len() / weights.len().max(1));
        let fraction = background.map(|(_, fraction)| match fraction {
            Fraction::Free => UNKNOWN_FRACTION,
            known => known.start(),
        });
        let mut own = Self {
            shifts,
            features,
            normalisation,
            nuisances,
            references,
            fraction,
            centre: Vec::new(),
            combinations: Vec::new(),
            farthest: Some(FARTHEST),
        };
        let n = own.derivatives();
        let part = fraction.unwrap_or(0.0);
        let around = own.around_references();
        let moments = |of: &Ratios, weights| {
            let events = of.terms.len() / own.normalisation.len();
            mean_and_second(n, events, weights, |row, out| own.derivatives_of(&around, of, row, out))
        };
        let background = background.map(|(of, _)| moments(of, None));
        let (mean, second) = mixed(moments(ratios, Some(weights)), background, part);
        own.combinations = independent(&mean, &second).ok_or_else(|| {
            let allowed = "a network whose ratios vary from event to event";
            InferError::out_of_range("learned ratios", "the same for all events", allowed)
        })?;
        own.centre = mean.iter().copied().collect();
        Ok(own)
    }

    /// Whether all parts fit together, and networks with so many coefficients and features.
    pub(super) fn is_consistent(&self, terms: usize, features: usize, nuisances: usize) -> bool {
        self.shifts > 0
            && self.features == features
            && self.normalisation.len() == terms
            && self.nuisances.len() == nuisances
            && !self.references.is_empty()
            && self.references.iter().all(|reference| reference.len() == self.shifts)
            && self.centre.len() == self.derivatives()
            && self.combinations.iter().all(|row| row.len() == self.derivatives())
    }

    /// Fraction of background at which the derivatives are taken; 0 without background.
    pub fn fraction(&self) -> f64 {
        self.fraction.unwrap_or(0.0)
    }

    /// Number of derivatives of an event.
    fn derivatives(&self) -> usize {
        self.references.len() * self.derivatives_by_reference() + self.nuisances.len()
    }

    fn derivatives_by_reference(&self) -> usize {
        self.shifts + usize::from(self.fraction.is_some())
    }

    /// The learned density around each reference.
    fn around_references(&self) -> Vec<Around> {
        self.references.iter().map(|reference| Around::new(reference, &self.normalisation)).collect()
    }

    /// The derivatives of `ln p` by shifts and fraction at all references, then those by nuisance parameters at the simulation's point.
    fn derivatives_of(&self, around: &[Around], of: &Ratios, row: usize, out: &mut [f64]) {
        let terms = of.terms_of(row, self.normalisation.len());
        let signal = of.signal_of(row);
        let nuisances = self.nuisances.len();
        let (by_reference, by_nuisance) = out.split_at_mut(out.len() - nuisances);
        // The ratio of the densities of signal is 1 at that point.
        let signal_part = signal.zip(self.fraction).map_or(1.0, |(ratio, fraction)| part_of(ratio, fraction));
        let changes = &of.nuisances[row * nuisances..(row + 1) * nuisances];
        for ((out, change), mean) in by_nuisance.iter_mut().zip(changes).zip(&self.nuisances) {
            *out = signal_part * (f64::from(*change) - mean);
        }
        let per_reference = self.derivatives_by_reference();
        for (reference, out) in around.iter().zip(by_reference.chunks_exact_mut(per_reference)) {
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
            part_of(ratio * signal, fraction)
        }
    }

    /// All components of an event.
    fn of(&self, around: &[Around], of: &Ratios, row: usize, out: &mut [f64]) {
        let mut derivatives = vec![0.0; self.derivatives()];
        self.derivatives_of(around, of, row, &mut derivatives);
        derivatives.iter_mut().zip(&self.centre).for_each(|(x, mean)| *x -= mean);
        let (fitted, rest) = out.split_at_mut(self.fitted());
        combine(&self.combinations, &derivatives, fitted);
        if let Some(far) = self.farthest {
            for x in fitted {
                *x = x.clamp(-far, far);
            }
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
}

impl EventStatistic for Statistic {
    type Events = Ratios;

    fn events_of(&self, events: &Ratios) -> usize {
        events.terms.len() / self.normalisation.len()
    }

    fn shifts(&self) -> usize {
        self.shifts
    }

    fn has_background(&self) -> bool {
        self.fraction.is_some()
    }

    fn fitted(&self) -> usize {
        self.combinations.len()
    }

    /// Behind those that are fitted stand the products of features up to second order.
    fn components(&self) -> usize {
        self.fitted() + self.features + self.features * (self.features + 1) / 2
    }

    fn starts(&self) -> &[Vec<f64>] {
        &self.references
    }

    fn at(&self, events: &Ratios) -> impl Fn(usize, &mut [f64]) + Sync {
        let around = self.around_references();
        move |row, out| self.of(&around, events, row, out)
    }
}

/// The statistic of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    pub(super) values: DVector<f64>,
    /// Number of events.
    pub events: usize,
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
            nuisances: Vec::new(),
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
