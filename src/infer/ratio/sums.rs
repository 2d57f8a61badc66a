//! Sums over events, of a statistic and of products of its components.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::BLOCK;
use super::statistic::EventStatistic;

/// Events whose products are summed at once.
const AT_ONCE: usize = 256;

/// Sums over events, of which each counts by several factors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// Of the factors.
    ///
    /// # Shapes
    /// [factor]
    pub(super) total: Vec<f64>,
    /// Of the statistic times the factors.
    ///
    /// # Shapes
    /// [factor, component]
    pub(super) means: Vec<Vec<f64>>,
    /// Of products of two components times the factors.
    ///
    /// # Shapes
    /// [factor, pair of components i <= j, at j (j + 1)/2 + i]
    seconds: Vec<Vec<f64>>,
}

impl Sums {
    pub(super) fn zero(factors: usize, components: usize) -> Self {
        Self {
            total: vec![0.0; factors],
            means: vec![vec![0.0; components]; factors],
            seconds: vec![vec![0.0; pairs(components)]; factors],
        }
    }

    /// Of the first components of a statistic over all events of a range of rows, with the factors of a row that are written for it.
    pub(super) fn of<S: EventStatistic>(
        statistic: &S,
        components: usize,
        events: &S::Events,
        rows: Range<usize>,
        factors: usize,
        write_factors: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Self {
        let at = statistic.at(events);
        let numbers = components + pairs(components);
        let block = |start: usize| {
            let mut sums = DMatrix::zeros(numbers, factors);
            let (mut total, mut values) = (vec![0.0; factors], vec![0.0; statistic.components()]);
            let end = rows.end.min(start + BLOCK);
            for start in (start..end).step_by(AT_ONCE) {
                let rows = start..end.min(start + AT_ONCE);
                let mut of_rows = DMatrix::zeros(numbers, rows.len());
                let mut by = DMatrix::zeros(factors, rows.len());
                for ((row, mut column), mut by) in
                    rows.zip(of_rows.column_iter_mut()).zip(by.column_iter_mut())
                {
                    at(row, &mut values);
                    let (single, products) = column.as_mut_slice().split_at_mut(components);
                    single.copy_from_slice(&values[..components]);
                    let pairs = single
                        .iter()
                        .enumerate()
                        .flat_map(|(j, second)| single[..=j].iter().map(move |first| first * second));
                    products.iter_mut().zip(pairs).for_each(|(out, product)| *out = product);
                    write_factors(row, by.as_mut_slice());
                    total.iter_mut().zip(by.iter()).for_each(|(sum, factor)| *sum += factor);
                }
                sums.gemm(1.0, &of_rows, &by.transpose(), 1.0);
            }
            let column = |k: usize, range: Range<usize>| sums.column(k).as_slice()[range].to_vec();
            Self {
                total,
                means: (0..factors).map(|k| column(k, 0..components)).collect(),
                seconds: (0..factors).map(|k| column(k, components..numbers)).collect(),
            }
        };
        let starts: Vec<usize> = rows.clone().step_by(BLOCK).collect();
        // Few at a time: sums of many components are large.
        let mut sums = Self::zero(factors, components);
        for some in starts.chunks(4 * rayon::current_num_threads().max(1)) {
            let blocks: Vec<Self> = some.par_iter().map(|start| block(*start)).collect();
            for block in &blocks {
                sums.plus(block, 1.0);
            }
        }
        sums
    }

    /// Adds a multiple of other sums, of as many components as these have.
    pub(super) fn plus(&mut self, other: &Self, times: f64) {
        let add = |a: &mut Vec<f64>, b: &Vec<f64>| a.iter_mut().zip(b).for_each(|(a, b)| *a += times * b);
        add(&mut self.total, &other.total);
        self.means.iter_mut().zip(&other.means).for_each(|(a, b)| add(a, b));
        self.seconds.iter_mut().zip(&other.seconds).for_each(|(a, b)| add(a, b));
    }

    /// Those of the first components.
    pub(super) fn first(&self, components: usize) -> Self {
        let first = |all: &[Vec<f64>], n: usize| all.iter().map(|row| row[..n].to_vec()).collect();
        Self {
            total: self.total.clone(),
            means: first(&self.means, components),
            seconds: first(&self.seconds, pairs(components)),
        }
    }

    /// The first `components` sums of the statistic and of its products, the factors combined by some numbers.
    pub(super) fn combined(&self, by: &[f64], components: usize) -> (DVector<f64>, DMatrix<f64>) {
        // Pairs of the first components stand first.
        let combine = |of: &[Vec<f64>], n: usize| {
            let mut sum = vec![0.0; n];
            for (factor, row) in by.iter().zip(of).filter(|(factor, _)| **factor != 0.0) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
            }
            sum
        };
        let products = combine(&self.seconds, pairs(components));
        let second = DMatrix::from_fn(components, components, |i, j| {
            let (i, j) = (i.min(j), i.max(j));
            products[j * (j + 1) / 2 + i]
        });
        (DVector::from_vec(combine(&self.means, components)), second)
    }

    /// The covariance about a mean that is not that of these sums, and its derivatives, by those of the mean, of what combines the factors and of their total.
    pub(super) fn about(
        &self,
        mean: &DVector<f64>,
        slopes: &[(DVector<f64>, DMatrix<f64>)],
        (by, slopes_by): (&[f64], &[Vec<f64>]),
        (total, total_slopes): (f64, &[f64]),
    ) -> (DMatrix<f64>, Vec<DMatrix<f64>>) {
        let of = |by: &[f64]| {
            let (first, second) = self.combined(by, mean.len());
            (first / total, second / total)
        };
        let (first, second) = of(by);
        let covariance = &second - outer(mean, &first) + mean * mean.transpose();
        let slope = |(((of_mean, _), by), total_slope): ((&(DVector<f64>, _), &Vec<f64>), &f64)| {
            let (of_first, of_second) = of(by);
            let log = total_slope / total;
            let (of_first, of_second) = (of_first - &first * log, of_second - &second * log);
            of_second - outer(mean, &of_first) - outer(of_mean, &(&first - mean))
        };
        (covariance, slopes.iter().zip(slopes_by).zip(total_slopes).map(slope).collect())
    }

    pub(super) fn is_consistent(&self, factors: usize, components: usize) -> bool {
        let lengths = |all: &[Vec<f64>], n: usize| all.len() == factors && all.iter().all(|x| x.len() == n);
        self.total.len() == factors
            && self.total[0] > 0.0
            && lengths(&self.means, components)
            && lengths(&self.seconds, pairs(components))
    }
}

/// The symmetric product of two vectors, twice.
pub(super) fn outer(a: &DVector<f64>, b: &DVector<f64>) -> DMatrix<f64> {
    a * b.transpose() + b * a.transpose()
}

/// Pairs of so many components.
const fn pairs(components: usize) -> usize {
    components * (components + 1) / 2
}
