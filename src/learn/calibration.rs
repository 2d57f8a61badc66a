//! From the mean of a learned statistic over a set to the coefficients.
//!
//! Images at known shifts x give the statistic's expectation T(x) and covariance V(x). An image's x is the one of largest
//! Gaussian likelihood of its statistic t, `-2 ln L = (t - T)' V^-1 (t - T) + ln det V`; its interval is
//! where that has risen by 1. With scores as the statistic this is as good as a fit of the events: near the point at which
//! the score was taken, the score is all that the sample says. Nothing is drawn towards the middle of a prior.

use humboldt_schemas::card::parameters::filling;
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::error::LearnError;

/// Degree of the polynomials of the expectation of one coefficient, and of several.
const DEGREE_OF_MEAN: [usize; 2] = [8, 6];
/// Degree of those of the covariance.
const DEGREE_OF_COVARIANCE: usize = 3;
/// Steps of the first search along one coefficient.
const STEPS: usize = 256;
/// Points of the first search over several, for each of them.
const POINTS: usize = 200;
/// Step of numerical derivatives, of a coefficient's range.
const STEP: f64 = 1e-3;

/// Expectation and covariance of a statistic as polynomials of the coefficients that are learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Saved", deny_unknown_fields)]
pub struct Calibration {
    /// Smallest and largest shift of each coefficient that it is known for.
    pub ranges: Vec<[f64; 2]>,
    /// Events of the images.
    pub events: usize,
    /// Images of all points.
    pub images: usize,
    /// Chebyshev coefficients of each component's expectation; with several coefficients those of products, in the order of
    /// their degree.
    ///
    /// # Shapes
    /// [component, order]
    pub mean: Vec<Vec<f64>>,
    /// Chebyshev coefficients of each entry of the covariance, row by row.
    ///
    /// # Shapes
    /// [component * component, order]
    pub covariance: Vec<Vec<f64>>,
}

/// A calibration as files have it: those of version 2 keep the range of C9 apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    #[serde(default)]
    ranges: Vec<[f64; 2]>,
    range: Option<[f64; 2]>,
    #[serde(default)]
    also: Vec<[f64; 2]>,
    events: usize,
    images: usize,
    mean: Vec<Vec<f64>>,
    covariance: Vec<Vec<f64>>,
}

impl From<Saved> for Calibration {
    fn from(saved: Saved) -> Self {
        let Saved { ranges, range, also, events, images, mean, covariance } = saved;
        let ranges = range.into_iter().chain(also).chain(ranges).collect();
        Self { ranges, events, images, mean, covariance }
    }
}

/// Answer of the network for an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageEstimate {
    /// The coefficients, in the order of the labels.
    pub values: Vec<Value>,
    /// Probability that an image of the best values is at least as far from its expectation; `None` where that is not known.
    pub p_value: Option<f64>,
    /// Correlation of their errors; empty where that is not known.
    ///
    /// # Shapes
    /// [coefficient, coefficient]
    pub correlation: Vec<Vec<f64>>,
}

/// A coefficient with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The shift.
    pub value: f64,
    /// Reach of its interval of 68 % downwards; `None` where the estimator does not know, or it leaves the range.
    pub minus: Option<f64>,
    /// Reach of that interval upwards.
    pub plus: Option<f64>,
}

/// Images of known coefficients: those, and the statistic of each image.
pub type KnownImages = (Vec<f64>, Vec<Vec<f64>>);

impl Calibration {
    /// From the statistics of images at known points.
    ///
    /// # Errors
    /// When there are too few points or images, or the statistics do not vary.
    pub fn fit(samples: &[KnownImages], events: usize) -> Result<Self, LearnError> {
        let components = samples.first().and_then(|(_, s)| s.first()).map_or(0, Vec::len);
        let least = components + 2;
        if let Some(few) = samples.iter().map(|(_, s)| s.len()).min().filter(|n| *n < least) {
            return Err(LearnError::TooFewImages { split: "calibration", got: few, least });
        }
        if samples.len() < 4 || components == 0 {
            return Err(LearnError::TooFewImages { split: "calibration", got: samples.len(), least: 4 });
        }
        let axes = samples[0].0.len();
        let ranges: Vec<[f64; 2]> = (0..axes)
            .map(|axis| {
                let values = || samples.iter().map(|(x, _)| x[axis]);
                [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)]
            })
            .collect();
        let points: Vec<Vec<f64>> = samples.iter().map(|(x, _)| unit(&ranges, x)).collect();
        let moments: Vec<(DVector<f64>, DMatrix<f64>)> = samples.iter().map(|(_, s)| moments(s)).collect();
        let polynomial = |degree: usize, of: &dyn Fn(usize) -> f64| {
            // Half as many terms as points, at most.
            let fitting = (0..=degree).rev().find(|d| axes == 1 || 2 * terms(axes, *d) <= points.len());
            let degree = if axes == 1 { degree.min(points.len() - 2) } else { fitting.unwrap_or(0) };
            least_squares(&points, degree, of)
        };
        let degree = DEGREE_OF_MEAN[usize::from(axes > 1)];
        let mean = (0..components).map(|i| polynomial(degree, &|k| moments[k].0[i])).collect();
        let covariance = (0..components * components)
            .map(|i| polynomial(DEGREE_OF_COVARIANCE, &|k| moments[k].1[(i / components, i % components)]))
            .collect();
        let images = samples.iter().map(|(_, s)| s.len()).sum();
        let calibration = Self { ranges, events, images, mean, covariance };
        let terms = calibration.terms(&DVector::zeros(components), &samples[0].0, 1.0);
        let finite = terms.is_some_and(|(distance, ln_det)| (distance + ln_det).is_finite());
        if finite { Ok(calibration) } else { Err(LearnError::Calibration) }
    }

    /// Whether it is of a statistic of so many components, and of so many coefficients.
    pub(super) fn is_of(&self, components: usize, coefficients: usize) -> bool {
        self.mean.len() == components
            && self.covariance.len() == components * components
            && self.ranges.len() == coefficients
            && self.events > 0
            && self.ranges.iter().all(|[low, high]| low < high)
    }

    /// The coefficients from the statistic of an image of `events` events, and their intervals.
    pub fn estimate(&self, statistic: &[f64], events: usize) -> ImageEstimate {
        let t = DVector::from_column_slice(statistic);
        // The statistic is a mean over events: its covariance falls as their number grows.
        let more = events as f64 / self.events as f64;
        let at =
            |x: &[f64]| self.terms(&t, x, more).map_or(f64::INFINITY, |(distance, ln_det)| distance + ln_det);
        let (values, intervals, correlation) = if let [range] = self.ranges[..] {
            let (value, interval) = along_one(range, &|x| at(&[x]));
            (vec![value], vec![interval], Vec::new())
        } else {
            self.over_several(&at)
        };
        let degrees = self.mean.len() as f64 - values.len() as f64;
        let terms = self.terms(&t, &values, more);
        let p_value = ChiSquared::new(degrees).ok().zip(terms).map(|(d, (distance, _))| d.sf(distance));
        let values = values.into_iter().zip(intervals);
        let values = values.map(|(value, (minus, plus))| Value { value, minus, plus }).collect();
        ImageEstimate { values, p_value, correlation }
    }

    /// The minimum over all coefficients, with the errors that its second derivatives give.
    fn over_several(&self, at: &impl Fn(&[f64]) -> f64) -> (Vec<f64>, Vec<Reach>, Vec<Vec<f64>>) {
        let ranges = &self.ranges;
        let axes = ranges.len();
        // In units of the ranges, 0 to 1.
        let place = |u: &[f64]| -> Vec<f64> {
            ranges.iter().zip(u).map(|([low, high], u)| low + (high - low) * u).collect()
        };
        let f = |u: &[f64]| at(&place(u));
        let start = |i: usize| -> Vec<f64> { (0..axes).map(|axis| filling(i, axis, axes)).collect() };
        let first = (0..POINTS * axes).map(|i| (i, f(&start(i)))).min_by(|a, b| a.1.total_cmp(&b.1));
        let mut best = start(first.map_or(0, |(i, _)| i));
        let mut value = f(&best);
        let mut curvature = DMatrix::identity(axes, axes);
        for _ in 0..40 {
            let (gradient, hessian) = derivatives(&f, &best, value);
            // Coefficients at an end of their range, with the minimum beyond it, stay there.
            let stays =
                |i: usize| (best[i] <= 0.0 && gradient[i] > 0.0) || (best[i] >= 1.0 && gradient[i] < 0.0);
            let free: Vec<usize> = (0..axes).filter(|i| !stays(*i)).collect();
            let (slope, curved) =
                (gradient.select_rows(&free), hessian.select_rows(&free).select_columns(&free));
            // Where it is not convex, down the slope.
            let downhill = &slope * (-0.05 / slope.norm().max(1e-12));
            let newton = curved.cholesky().map_or(downhill, |c| -c.solve(&slope));
            curvature = hessian;
            let mut step = DVector::zeros(axes);
            free.iter().zip(newton.iter()).for_each(|(i, x)| step[*i] = *x);
            let mut moved = false;
            for _ in 0..12 {
                let next: Vec<f64> = best.iter().zip(&step).map(|(x, d)| (x + d).clamp(0.0, 1.0)).collect();
                let there = f(&next);
                if there < value {
                    moved = value - there > 1e-9;
                    (best, value) = (next, there);
                    break;
                }
                step *= 0.5;
            }
            if !moved {
                break;
            }
        }
        // -2 ln L rises by 1 at one standard deviation: V = 2 H^-1.
        let covariance = curvature.cholesky().map(|c| 2.0 * c.inverse());
        let reach = |axis: usize| {
            let sigma = covariance.as_ref().map(|v| v[(axis, axis)].sqrt());
            let inside = |end: f64| (0.0..=1.0).contains(&end);
            let [low, high] = ranges[axis];
            let scaled = sigma.map(|s| s * (high - low));
            let known = |end: fn(f64, f64) -> f64| sigma.is_some_and(|s| inside(end(best[axis], s)));
            (scaled.filter(|_| known(|x, s| x - s)), scaled.filter(|_| known(|x, s| x + s)))
        };
        let correlation = covariance.as_ref().map_or_else(Vec::new, |v| {
            let of = |i: usize, j: usize| v[(i, j)] / (v[(i, i)] * v[(j, j)]).sqrt();
            (0..axes).map(|i| (0..axes).map(|j| of(i, j)).collect()).collect()
        });
        (place(&best), (0..axes).map(reach).collect(), correlation)
    }

    /// Expectation and covariance of the statistic of an image at a point.
    fn at(&self, x: &[f64]) -> (DVector<f64>, DMatrix<f64>) {
        let n = self.mean.len();
        let largest = self.mean.iter().chain(&self.covariance).map(Vec::len).max().unwrap_or(0);
        let basis = products(&unit(&self.ranges, x), degree_of(x.len(), largest));
        let sum = |c: &[f64]| c.iter().zip(&basis).map(|(c, b)| c * b).sum::<f64>();
        let mean = DVector::from_iterator(n, self.mean.iter().map(|c| sum(c)));
        (mean, DMatrix::from_fn(n, n, |i, j| sum(&self.covariance[i * n + j])))
    }

    /// `(t - T)' V^-1 (t - T)` for a set that has `more` times as many events, and `ln det V`; `None` where V is none.
    fn terms(&self, t: &DVector<f64>, x: &[f64], more: f64) -> Option<(f64, f64)> {
        let (mean, covariance) = self.at(x);
        let difference = t - mean;
        let cholesky = covariance.cholesky()?;
        Some((more * difference.dot(&cholesky.solve(&difference)), cholesky.ln_determinant()))
    }

    /// Information of the statistic of so many events at a point inside the ranges, `T'^T V^-1 T'`; `None` where V is none.
    ///
    /// # Shapes
    /// [coefficient, coefficient]
    pub fn information(&self, at: &[f64], events: f64) -> Option<DMatrix<f64>> {
        let mut slopes = DMatrix::zeros(self.mean.len(), at.len());
        for (axis, [low, high]) in self.ranges.iter().enumerate() {
            let end = |step: f64| {
                let mut x = at.to_vec();
                x[axis] = (x[axis] + step * (high - low)).clamp(*low, *high);
                (x[axis], self.at(&x).0)
            };
            let ((from, before), (to, behind)) = (end(-STEP), end(STEP));
            slopes.set_column(axis, &((behind - before) / (to - from)));
        }
        let solved = self.at(at).1.cholesky()?.solve(&slopes);
        Some(slopes.tr_mul(&solved) * (events / self.events as f64))
    }
}

/// The minimum along one coefficient, and how far it is to where the deviance has risen by 1.
fn along_one([low, high]: [f64; 2], at: &impl Fn(f64) -> f64) -> (f64, Reach) {
    let place = |i: usize| low + (high - low) * i as f64 / STEPS as f64;
    let best = (0..=STEPS).map(|i| (i, at(place(i)))).min_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map_or(0, |(i, _)| i);
    let value = minimum(place(best.saturating_sub(1)), place((best + 1).min(STEPS)), at);
    let least = at(value);
    let rise = |x: f64| at(x) - least - 1.0;
    let crossing = |down: bool| {
        let mut inside = value;
        let step = (high - low) / STEPS as f64 * if down { -1.0 } else { 1.0 };
        loop {
            let next = (inside + step).clamp(low, high);
            if rise(next) >= 0.0 {
                return Some((root(inside, next, &rise) - value).abs());
            }
            if next <= low || next >= high {
                return None;
            }
            inside = next;
        }
    };
    (value, (crossing(true), crossing(false)))
}

/// Reach of an interval downwards and upwards.
type Reach = (Option<f64>, Option<f64>);

/// A point in units of ranges, -1 to 1.
fn unit(ranges: &[[f64; 2]], x: &[f64]) -> Vec<f64> {
    ranges.iter().zip(x).map(|([low, high], x)| 2.0 * (x - low) / (high - low) - 1.0).collect()
}

/// Products of Chebyshev polynomials up to a total degree, in the order of that: of one axis T_0, T_1, ..
fn products(u: &[f64], degree: usize) -> Vec<f64> {
    let series = |u: f64| {
        let mut t = vec![1.0, u];
        for order in 2..=degree {
            t.push(2.0 * u * t[order - 1] - t[order - 2]);
        }
        t
    };
    let axes: Vec<Vec<f64>> = u.iter().map(|u| series(*u)).collect();
    let mut all = Vec::new();
    for total in 0..=degree {
        add_products(&axes, total, 1.0, &mut all);
    }
    all
}

/// All products of exactly this total degree.
fn add_products(axes: &[Vec<f64>], total: usize, factor: f64, all: &mut Vec<f64>) {
    let Some((first, rest)) = axes.split_first() else { return };
    if rest.is_empty() {
        all.push(factor * first[total]);
        return;
    }
    for order in (0..=total).rev() {
        add_products(rest, total - order, factor * first[order], all);
    }
}

/// Number of products up to a total degree.
fn terms(axes: usize, degree: usize) -> usize {
    // (degree + axes) over axes.
    (1..=axes).fold(1, |n, k| n * (degree + k) / k)
}

/// The total degree of so many products.
fn degree_of(axes: usize, products: usize) -> usize {
    (0..=products).find(|degree| terms(axes, *degree) >= products).unwrap_or(0)
}

/// Gradient and second derivatives by central differences, inside the unit cube.
fn derivatives(f: &impl Fn(&[f64]) -> f64, at: &[f64], value: f64) -> (DVector<f64>, DMatrix<f64>) {
    let n = at.len();
    // Away from the edges, where there is no other side.
    let centre: Vec<f64> = at.iter().map(|x| x.clamp(STEP, 1.0 - STEP)).collect();
    let moved = |steps: &[(usize, f64)]| {
        let mut x = centre.clone();
        for (axis, step) in steps {
            x[*axis] += step;
        }
        f(&x)
    };
    let middle = if centre == at { value } else { f(&centre) };
    let (mut gradient, mut hessian) = (DVector::zeros(n), DMatrix::zeros(n, n));
    for i in 0..n {
        let (down, up) = (moved(&[(i, -STEP)]), moved(&[(i, STEP)]));
        gradient[i] = (up - down) / (2.0 * STEP);
        hessian[(i, i)] = (up + down - 2.0 * middle) / (STEP * STEP);
        for j in 0..i {
            let corner = |a: f64, b: f64| moved(&[(i, a * STEP), (j, b * STEP)]);
            let mixed = corner(1.0, 1.0) + corner(-1.0, -1.0) - corner(1.0, -1.0) - corner(-1.0, 1.0);
            hessian[(i, j)] = mixed / (4.0 * STEP * STEP);
            hessian[(j, i)] = hessian[(i, j)];
        }
    }
    (gradient, hessian)
}

/// Mean and covariance of some statistics.
fn moments(samples: &[Vec<f64>]) -> (DVector<f64>, DMatrix<f64>) {
    let (n, components) = (samples.len() as f64, samples[0].len());
    let mut mean = DVector::zeros(components);
    for s in samples {
        mean += DVector::from_column_slice(s) / n;
    }
    let mut covariance = DMatrix::zeros(components, components);
    for s in samples {
        let d = DVector::from_column_slice(s) - &mean;
        covariance += &d * d.transpose() / (n - 1.0);
    }
    (mean, covariance)
}

/// Chebyshev coefficients of the polynomial nearest to `of(k)` at `points[k]`, in units of the ranges.
fn least_squares(points: &[Vec<f64>], degree: usize, of: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = points.iter().map(|point| products(point, degree)).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let design = DMatrix::from_fn(points.len(), columns, |k, order| rows[k][order]);
    let target = DVector::from_fn(points.len(), |k, _| of(k));
    let fit = design.svd(true, true).solve(&target, 1e-12);
    fit.map_or_else(|_| vec![0.0; columns], |c| c.as_slice().to_vec())
}

/// The minimum of a function with one between `low` and `high`, by the golden section.
fn minimum(mut low: f64, mut high: f64, f: &impl Fn(f64) -> f64) -> f64 {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    for _ in 0..40 {
        let width = golden * (high - low);
        if f(high - width) < f(low + width) { high = low + width } else { low = high - width }
    }
    0.5 * (low + high)
}

/// Crossing of 0 of a function that is below 0 at `inside` and not at `outside`, by bisection.
fn root(mut inside: f64, mut outside: f64, f: &impl Fn(f64) -> f64) -> f64 {
    for _ in 0..40 {
        let middle = 0.5 * (inside + outside);
        if f(middle) < 0.0 { inside = middle } else { outside = middle }
    }
    0.5 * (inside + outside)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64;
    use statrs::distribution::Normal;

    use super::*;

    /// Two statistics of a bent curve with correlated noise that grows with x.
    fn image(x: f64, rng: &mut Pcg64) -> Vec<f64> {
        let normal = Normal::new(0.0, 1.0).unwrap();
        let mut draw = || rand_distribution(&normal, rng);
        let (a, b) = (draw(), draw());
        let width = 0.05 + 0.02 * x;
        vec![x + 0.1 * x * x + width * a, 0.5 * x.sin() + width * (0.6 * a + 0.8 * b)]
    }

    fn rand_distribution(normal: &Normal, rng: &mut Pcg64) -> f64 {
        use rand::RngExt;
        normal.inverse_cdf(rng.random_range(1e-12..1.0))
    }

    fn calibration() -> Calibration {
        let mut rng = Pcg64::seed_from_u64(1);
        let samples: Vec<_> = (0..33)
            .map(|k| {
                let x = -1.0 + 2.0 * f64::from(k) / 32.0;
                (vec![x], (0..200).map(|_| image(x, &mut rng)).collect())
            })
            .collect();
        Calibration::fit(&samples, 100).unwrap()
    }

    #[test]
    fn estimates_are_unbiased_with_intervals_that_cover() {
        let calibration = calibration();
        let mut rng = Pcg64::seed_from_u64(2);
        for truth in [-0.6, 0.0, 0.5] {
            let n = 2000;
            let estimates: Vec<ImageEstimate> =
                (0..n).map(|_| calibration.estimate(&image(truth, &mut rng), 100)).collect();
            let mean = estimates.iter().map(|e| e.values[0].value).sum::<f64>() / f64::from(n);
            let covered = estimates
                .iter()
                .filter(|e| {
                    let (minus, plus) = (e.values[0].minus.unwrap(), e.values[0].plus.unwrap());
                    (e.values[0].value - minus..=e.values[0].value + plus).contains(&truth)
                })
                .count() as f64
                / f64::from(n);
            assert!((mean - truth).abs() < 0.005, "{truth}: {mean}");
            assert!((covered - 0.683).abs() < 0.035, "{truth}: {covered}");
            let p = estimates.iter().filter(|e| e.p_value.unwrap() < 0.1).count() as f64 / f64::from(n);
            assert!((p - 0.1).abs() < 0.03, "{truth}: {p}");
        }
    }

    #[test]
    fn products_are_ordered_by_degree_and_one_axis_has_plain_series() {
        for (u, degree, expected) in [
            (vec![0.5], 3, vec![1.0, 0.5, -0.5, -1.0]),
            (vec![0.5, 0.2], 2, vec![1.0, 0.5, 0.2, -0.5, 0.1, -0.92]),
        ] {
            let found = products(&u, degree);
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        }
        assert_eq!((terms(1, 8), terms(2, 6), terms(3, 2), degree_of(2, 28)), (9, 28, 10, 6));
    }

    /// Three statistics of two coefficients.
    #[test]
    fn two_coefficients_are_unbiased_with_correlated_errors_that_cover() {
        let normal = Normal::new(0.0, 1.0).unwrap();
        let image = |x: &[f64], rng: &mut Pcg64| {
            let mut draw = || 0.05 * rand_distribution(&normal, rng);
            let (a, b, c) = (draw(), draw(), draw());
            vec![
                x[0] + 0.1 * x[0] * x[1] + a,
                x[0] + x[1] + 0.2 * x[1].powi(2) + b,
                x[1] - 0.5 * x[0] + a + c,
            ]
        };
        let mut rng = Pcg64::seed_from_u64(3);
        let samples: Vec<KnownImages> = (0..165)
            .map(|i| {
                let x: Vec<f64> = (0..2).map(|axis| 2.0 * filling(i, axis, 2) - 1.0).collect();
                let images = (0..100).map(|_| image(&x, &mut rng)).collect();
                (x, images)
            })
            .collect();
        let calibration = Calibration::fit(&samples, 100).unwrap();
        let truth = [0.3, -0.4];
        let n = 1500;
        let estimates: Vec<ImageEstimate> =
            (0..n).map(|_| calibration.estimate(&image(&truth, &mut rng), 100)).collect();
        let mean = |of: &dyn Fn(&ImageEstimate) -> f64| estimates.iter().map(of).sum::<f64>() / f64::from(n);
        let bias = [mean(&|e| e.values[0].value) - 0.3, mean(&|e| e.values[1].value) + 0.4];
        assert!(bias.iter().all(|b| b.abs() < 0.006), "{bias:?}");
        let covered = mean(&|e| f64::from((e.values[0].value - 0.3).abs() < e.values[0].plus.unwrap()));
        let also = mean(&|e| f64::from((e.values[1].value + 0.4).abs() < e.values[1].minus.unwrap()));
        assert!((covered - 0.683).abs() < 0.04 && (also - 0.683).abs() < 0.04, "{covered} {also}");
        let product = mean(&|e| (e.values[0].value - 0.3) * (e.values[1].value + 0.4));
        let widths =
            mean(&|e| (e.values[0].value - 0.3).powi(2)) * mean(&|e| (e.values[1].value + 0.4).powi(2));
        let (found, said) = (product / widths.sqrt(), mean(&|e| e.correlation[0][1]));
        assert!((found - said).abs() < 0.06, "correlation {found}, said {said}");
        let p = mean(&|e| f64::from(e.p_value.unwrap() < 0.1));
        assert!((p - 0.1).abs() < 0.03, "{p}");

        // Beyond a corner one coefficient stays at its end, and the other is where that leaves it.
        let edge = calibration.estimate(&[1.3, 1.1, 0.2 - 0.65], 100);
        let there = |c10: f64| {
            let t = DVector::from_column_slice(&[1.3, 1.1, 0.2 - 0.65]);
            calibration.terms(&t, &[edge.values[0].value, c10], 1.0).map_or(f64::INFINITY, |(d, l)| d + l)
        };
        let also = edge.values[1].value;
        assert!(edge.values[0].plus.is_none() && edge.values[0].value > 0.95, "{edge:?}");
        assert!(there(also) <= there(also - 0.01) && there(also) <= there(also + 0.01), "{edge:?}");
    }

    #[test]
    fn four_times_the_events_halve_the_interval() {
        let calibration = calibration();
        let statistic = [0.1 + 0.001, 0.5 * 0.1_f64.sin()];
        let width = |events| {
            let e = calibration.estimate(&statistic, events);
            e.values[0].minus.unwrap() + e.values[0].plus.unwrap()
        };
        assert!((width(400) / width(100) - 0.5).abs() < 0.05);
    }

    #[test]
    fn what_lies_outside_the_range_has_no_interval_there() {
        let estimate = calibration().estimate(&[1.6, 0.5], 100);
        assert!(estimate.values[0].value > 0.9 && estimate.values[0].plus.is_none());
        let strange = calibration().estimate(&[0.5, -1.0], 100);
        assert!(strange.p_value.unwrap() < 1e-6);
    }
}
