//! Effects of nuisance parameters on the mean of a statistic, by simulated signal whose density they change.

use std::ops::Range;

use nalgebra::DVector;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::nuisances::Nuisance;
use super::BLOCK;
use super::statistic::{EventStatistic, Ratios, Statistic};

/// Sums over simulated signal of some coefficients of all monomials, for a sum of weights of 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WeightedSums {
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
    sums: WeightedSums,
}

/// The density at drawn values of all nuisance parameters of some groups at once, for what is not linear in them, by some of the simulated events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Drawn {
    groups: Vec<Nuisance>,
    /// # Shapes
    /// [draw, parameter]
    values: Vec<Vec<f64>>,
    /// At 0 of all.
    own: WeightedSums,
    /// By one unit of each parameter.
    linear: Vec<WeightedSums>,
    /// At each draw.
    at: Vec<WeightedSums>,
}

/// Effects of nuisance parameters; none by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Effects {
    /// Of each parameter.
    moved: Vec<Moved>,
    /// Of each set of groups.
    drawn: Vec<Drawn>,
}

/// Nuisance parameters that are profiled.
#[derive(Debug, Clone, Default)]
pub(super) struct Profiled<'a> {
    moved: Vec<&'a Moved>,
    drawn: Option<&'a Drawn>,
}

/// A point of the shifts.
pub(super) struct Point<'a> {
    /// Of the monomials.
    pub(super) values: &'a [f64],
    /// Their derivatives by each shift.
    pub(super) slopes: &'a [Vec<f64>],
    /// Number of components that are looked at.
    pub(super) components: usize,
}

/// A vector of the components, with its derivatives by each shift.
pub(super) struct Column {
    pub(super) value: DVector<f64>,
    pub(super) slopes: Vec<DVector<f64>>,
}

/// The mean of the statistic over signal of a density.
pub(super) struct SignalMean {
    pub(super) mean: Column,
    /// Sum of the density's coefficients, for a sum of weights of 1.
    pub(super) total: f64,
    /// Derivatives of its logarithm by each shift.
    pub(super) logs: Vec<f64>,
}

impl WeightedSums {
    /// Of some sets of coefficients \[event, set, monomial\], over the first of every `every` events of simulated signal.
    ///
    /// # Errors
    /// Those of `coefficients`.
    pub(super) fn of<E>(
        statistic: &Statistic,
        sets: usize,
        signal: &Ratios,
        (weights, every): (&[f64], usize),
        mut coefficients: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
    ) -> Result<Vec<Self>, E> {
        let (monomials, components) = (statistic.terms() + 1, statistic.components());
        let zero = Self { total: vec![0.0; monomials], means: vec![vec![0.0; components]; monomials] };
        let mut all = vec![zero; sets];
        let at = statistic.at(signal);
        let weights: Vec<f64> = weights.iter().copied().step_by(every).collect();
        let total: f64 = weights.iter().sum();
        for start in (0..weights.len()).step_by(BLOCK) {
            let rows = start..weights.len().min(start + BLOCK);
            let values = rows.clone().into_par_iter().map(|row| {
                let mut values = vec![0.0; components];
                at(row * every, &mut values);
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

    fn is_consistent(&self, monomials: usize, components: usize) -> bool {
        self.total.len() == monomials
            && self.means.len() == monomials
            && self.means.iter().all(|row| row.len() == components)
    }

    /// The first `components` sums of the statistic, and that of the coefficients, at values of the monomials.
    fn at(&self, by: &[f64], components: usize) -> (DVector<f64>, f64) {
        let mut sum = DVector::zeros(components);
        for (factor, row) in by.iter().zip(&self.means).filter(|(factor, _)| **factor != 0.0) {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
        }
        (sum, by.iter().zip(&self.total).map(|(factor, x)| factor * x).sum())
    }

    /// The mean where these are a density's own coefficients.
    fn mean(&self, point: &Point) -> SignalMean {
        let (sum, total) = self.at(point.values, point.components);
        let value = sum / total;
        let slope = |by: &Vec<f64>| {
            let (sum, own) = self.at(by, point.components);
            (sum / total - &value * (own / total), own / total)
        };
        let (slopes, logs) = point.slopes.iter().map(slope).unzip();
        SignalMean { mean: Column { value, slopes }, total, logs }
    }
}

impl SignalMean {
    /// The derivative of the mean m along a change of the density: `(M - m t)/T`, with T and t the sums of coefficients and of their changes, M that of the
    /// statistic times the changes.
    fn along(&self, change: &WeightedSums, point: &Point) -> Column {
        let scaled = |by: &[f64]| {
            let (moved, rate) = change.at(by, point.components);
            (moved / self.total, rate / self.total)
        };
        let (moved, rate) = scaled(point.values);
        let value = moved - &self.mean.value * rate;
        let own = point.slopes.iter().zip(&self.mean.slopes).zip(&self.logs);
        let slopes = own.map(|((by, mean), log)| {
            let (moved, rate_of_slope) = scaled(by);
            moved - &self.mean.value * rate_of_slope - mean * rate - &value * *log
        });
        Column { slopes: slopes.collect(), value }
    }
}

impl Column {
    fn zero(point: &Point) -> Self {
        let value = DVector::zeros(point.components);
        Self { slopes: vec![value.clone(); point.slopes.len()], value }
    }

    /// This with a multiple of another.
    fn plus(mut self, other: &Self, times: f64) -> Self {
        self.value.axpy(times, &other.value, 1.0);
        self.slopes.iter_mut().zip(&other.slopes).for_each(|(own, other)| own.axpy(times, other, 1.0));
        self
    }

    fn scaled(mut self, by: f64) -> Self {
        self.value *= by;
        self.slopes.iter_mut().for_each(|slope| *slope *= by);
        self
    }
}

impl Effects {
    /// Those of parameters whose groups are given, by the changes that one unit of each makes.
    pub(super) fn set_moved(&mut self, groups: &[Nuisance], sums: Vec<WeightedSums>) {
        let moved = |(group, sums): (&Nuisance, WeightedSums)| Moved { group: *group, sums };
        self.moved = groups.iter().zip(sums).map(moved).collect();
    }

    /// Adds draws of all parameters of some groups. `sums` are of the coefficients at 0 of all, of their changes by one unit of each, and of the coefficients at
    /// each draw.
    pub(super) fn add_drawn(
        &mut self,
        groups: &[Nuisance],
        values: Vec<Vec<f64>>,
        mut sums: Vec<WeightedSums>,
    ) {
        let at = sums.split_off(sums.len().saturating_sub(values.len()));
        let linear = sums.split_off(sums.len().min(1));
        self.drawn.extend(sums.pop().map(|own| Drawn { groups: groups.to_vec(), values, own, linear, at }));
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.moved.is_empty() && self.drawn.is_empty()
    }

    /// Whether those of a group are known.
    pub(super) fn knows(&self, group: Nuisance) -> bool {
        self.moved.iter().any(|moved| moved.group == group)
    }

    /// Whether all parts fit together.
    pub(super) fn is_consistent(&self, monomials: usize, components: usize) -> bool {
        let sums = self.moved.iter().map(|moved| &moved.sums);
        let mut sums = sums.chain(
            self.drawn
                .iter()
                .flat_map(|drawn| [&drawn.own].into_iter().chain(&drawn.linear).chain(&drawn.at)),
        );
        let whole = |drawn: &Drawn| {
            drawn.values.len() == drawn.at.len()
                && drawn.values.len() > 1
                && drawn.values.iter().all(|values| values.len() == drawn.linear.len())
                && drawn.own.total.first().is_some_and(|total| *total > 0.0)
        };
        sums.all(|sums| sums.is_consistent(monomials, components)) && self.drawn.iter().all(whole)
    }

    /// Those of some groups.
    pub(super) fn of(&self, groups: &[Nuisance]) -> Profiled<'_> {
        let moved = self.moved.iter().filter(|moved| groups.contains(&moved.group)).collect();
        let same = |drawn: &&Drawn| {
            drawn.groups.iter().all(|group| groups.contains(group))
                && groups.iter().all(|group| drawn.groups.contains(group))
        };
        Profiled { moved, drawn: self.drawn.iter().find(same) }
    }
}

impl Profiled<'_> {
    /// Derivatives of the mean of signal by parameters of unit variance, and what moves it whatever they are. What is not linear in the parameters moves it by its
    /// mean over draws of all of them, and its spread is one more uncertainty.
    pub(super) fn columns(&self, signal: &SignalMean, point: &Point) -> (Vec<Column>, Column) {
        let mut columns: Vec<Column> =
            self.moved.iter().map(|moved| signal.along(&moved.sums, point)).collect();
        let Some(drawn) = self.drawn else { return (columns, Column::zero(point)) };
        let beyond = drawn.beyond_linear(point);
        let draws = beyond.len() as f64;
        let mean = beyond.iter().fold(Column::zero(point), |sum, own| sum.plus(own, draws.recip()));
        let part = (draws - 1.0).sqrt().recip();
        columns.extend(beyond.into_iter().map(|own| own.plus(&mean, -1.0).scaled(part)));
        (columns, mean)
    }
}

impl Drawn {
    /// What the mean has at each draw beyond what is linear in the parameters.
    fn beyond_linear(&self, point: &Point) -> Vec<Column> {
        let own = self.own.mean(point);
        let linear: Vec<Column> = self.linear.iter().map(|change| own.along(change, point)).collect();
        let at = |(sums, values): (&WeightedSums, &Vec<f64>)| {
            let start = sums.mean(point).mean.plus(&own.mean, -1.0);
            linear.iter().zip(values).fold(start, |rest, (column, x)| rest.plus(column, -x))
        };
        self.at.iter().zip(&self.values).map(at).collect()
    }
}
