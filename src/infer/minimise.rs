//! The minimum of a smooth function of a few numbers, by Newton's method in a region that is trusted.
//!
//! Each step is the minimum of the quadratic function that value, gradient and second derivatives make, within a radius
//! that grows where the function follows it and shrinks where it does not. It is found along the principal axes of the
//! second derivatives. A point without a gradient is therefore no obstacle: where the function curves downwards the step
//! leaves along that axis, and where it does not the point is the minimum. There is nothing random, and no order of
//! evaluation that threads could change.
//!
//! # Source
//! Nocedal and Wright, Numerical Optimization, 2nd edition, chapter 4, the hard case included.

use nalgebra::{DMatrix, DVector};

pub use super::form::Jet;

/// Steps of one minimisation.
const STEPS: usize = 200;

/// A gain that is none, in units of the function: a thousandth of a standard deviation is 5e-7.
const SETTLED: f64 = 1e-10;

/// Tolerance relative to the value, whose sums are rounded.
const ROUNDING: f64 = 1e-14;

/// Radius of the first step, and the largest, in units of the scales.
const RADIUS: (f64, f64) = (1.0, 64.0);

/// Part of the largest curvature below which an axis is flat.
const FLAT: f64 = 1e-11;

/// A function of some numbers that has a minimum.
pub trait Objective {
    /// Refusal of a point.
    type Error;

    /// The value at a point.
    ///
    /// # Errors
    /// When the point is refused.
    fn value(&self, point: &[f64]) -> Result<f64, Self::Error>;

    /// Value and derivatives by the numbers of the indices `free`, in their order.
    ///
    /// # Errors
    /// When the point is refused.
    fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, Self::Error>;

    /// Distance from zero to which each number is looked for, in units of its scale.
    fn limit(&self) -> f64 {
        f64::INFINITY
    }
}

/// A point without a lower one around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// All numbers, those that did not move too.
    pub point: Vec<f64>,
    /// The function there.
    pub value: f64,
    /// Whether steps ended because none gains any more; `false` where the function still fell after the last.
    pub settled: bool,
}

/// The minimum in the numbers of the indices `free` that a start leads to; the others stay. `scales` are the distances on
/// which the function changes along each number. A value that is not finite at the start is returned as it is.
///
/// # Errors
/// When the function refuses the start.
pub fn minimise<O: Objective>(
    objective: &O,
    start: &[f64],
    free: &[usize],
    scales: &[f64],
) -> Result<Minimum, O::Error> {
    let within = Within { free, scales, limit: objective.limit() };
    let mut point = within.clamped(start, &DVector::zeros(free.len()));
    if free.is_empty() {
        return Ok(Minimum { value: objective.value(&point)?, point, settled: true });
    }
    let mut radius = RADIUS.0;
    for _ in 0..STEPS {
        let jet = objective.jet(&point, free)?;
        if !jet.value.is_finite() {
            return Ok(Minimum { point, value: jet.value, settled: false });
        }
        let axes = Axes::new(&jet, &within.units(), &within.open(&point, &jet));
        let noise = SETTLED + ROUNDING * jet.value.abs();
        loop {
            let whole = axes.step(radius);
            let moved = within.clamped(&point, &whole);
            let step = within.between(&point, &moved);
            let expected = axes.gain(&step);
            if axes.gain(&whole) <= noise {
                return Ok(last(objective, point, jet.value, moved));
            }
            let value = objective.value(&moved).unwrap_or(f64::INFINITY);
            let ratio = if expected > 0.0 { (jet.value - value) / expected } else { f64::NAN };
            let length = whole.norm();
            if ratio > 0.75 && length > 0.99 * radius {
                radius = (2.0 * radius).min(RADIUS.1);
            } else if ratio.is_nan() || ratio < 0.25 {
                radius = 0.25 * length;
            }
            if ratio > 1e-4 {
                point = moved;
                break;
            }
            // Along the way down of the smooth function nothing is lower: a kink is as good as a flat bottom.
            if radius < 1e-9 {
                return Ok(Minimum { point, value: jet.value, settled: true });
            }
        }
    }
    Ok(Minimum { value: objective.value(&point)?, point, settled: false })
}

/// The point after a last step whose gain drowns in rounding, which brings it as close as the derivatives know.
fn last<O: Objective>(objective: &O, point: Vec<f64>, value: f64, moved: Vec<f64>) -> Minimum {
    let tolerated = value + 10.0 * (SETTLED + ROUNDING * value.abs());
    match objective.value(&moved) {
        Ok(value) if value <= tolerated => Minimum { point: moved, value, settled: true },
        _ => Minimum { point, value, settled: true },
    }
}

/// The numbers that move, and how far they may.
struct Within<'a> {
    free: &'a [usize],
    scales: &'a [f64],
    limit: f64,
}

impl Within<'_> {
    fn units(&self) -> DVector<f64> {
        DVector::from_iterator(self.free.len(), self.free.iter().map(|index| self.scales[*index]))
    }

    /// A point moved by steps in units of the scales, as far as the limits let it.
    fn clamped(&self, point: &[f64], step: &DVector<f64>) -> Vec<f64> {
        let mut moved = point.to_vec();
        for (index, step) in self.free.iter().zip(step.iter()) {
            let limit = self.limit * self.scales[*index];
            moved[*index] = (point[*index] + step * self.scales[*index]).clamp(-limit, limit);
        }
        moved
    }

    fn between(&self, from: &[f64], to: &[f64]) -> DVector<f64> {
        let steps = self.free.iter().map(|index| (to[*index] - from[*index]) / self.scales[*index]);
        DVector::from_iterator(self.free.len(), steps)
    }

    /// Which numbers do not lie at a limit that the function falls towards.
    fn open(&self, point: &[f64], jet: &Jet) -> Vec<bool> {
        let held = |(index, slope): (&usize, &f64)| {
            let x = point[*index];
            x.abs() >= self.limit * self.scales[*index] && slope * x < 0.0
        };
        self.free.iter().zip(jet.gradient.iter()).map(|pair| !held(pair)).collect()
    }
}

/// The quadratic function of a jet along its principal axes, in units of the scales.
struct Axes {
    vectors: DMatrix<f64>,
    curvatures: DVector<f64>,
    slopes: DVector<f64>,
}

impl Axes {
    /// Along numbers that are not open the function counts as flat.
    fn new(jet: &Jet, units: &DVector<f64>, open: &[bool]) -> Self {
        let n = units.len();
        let gradient = DVector::from_fn(n, |i, _| if open[i] { jet.gradient[i] * units[i] } else { 0.0 });
        let scaled = DMatrix::from_fn(n, n, |i, j| {
            let bend = 0.5 * (jet.hessian[(i, j)] + jet.hessian[(j, i)]) * units[i] * units[j];
            if open[i] && open[j] { bend } else { 0.0 }
        });
        let eigen = scaled.symmetric_eigen();
        let slopes = eigen.eigenvectors.tr_mul(&gradient);
        Self { vectors: eigen.eigenvectors, curvatures: eigen.eigenvalues, slopes }
    }

    /// The lowest point of the quadratic function within a radius.
    fn step(&self, radius: f64) -> DVector<f64> {
        &self.vectors * self.step_along(radius)
    }

    fn step_along(&self, radius: f64) -> DVector<f64> {
        let lowest = self.curvatures.min();
        let at = |shift: f64| {
            DVector::from_iterator(
                self.slopes.len(),
                self.slopes.iter().zip(self.curvatures.iter()).map(|(slope, curvature)| {
                    let bend = curvature + shift;
                    // Neither slope nor bend: nothing to gain along this axis.
                    if bend > 0.0 { -slope / bend } else { 0.0 }
                }),
            )
        };
        let floor = FLAT * self.curvatures.amax();
        if lowest > floor {
            let newton = at(0.0);
            if newton.norm() <= radius {
                return newton;
            }
        }
        // A shift of all curvatures at which the step is as long as the radius: shorter for larger shifts.
        let least = (floor - lowest).max(0.0);
        let shortest = at(least);
        if shortest.norm() < radius {
            // The hard case: along the lowest axis there is no slope, and both ways lead down or stay level.
            return self.along_lowest(shortest, radius, lowest);
        }
        let (mut low, mut high) = (least, least + self.slopes.norm() / radius);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if at(middle).norm() > radius {
                low = middle;
            } else {
                high = middle;
            }
            if high - low < 1e-6 * high {
                break;
            }
        }
        at(high)
    }

    fn along_lowest(&self, mut step: DVector<f64>, radius: f64, lowest: f64) -> DVector<f64> {
        if lowest >= 0.0 {
            return step;
        }
        let axis = self.curvatures.imin();
        let rest = (radius * radius - step.norm_squared()).max(0.0).sqrt();
        let sign = if self.slopes[axis] == 0.0 {
            // One of two equal ways: the one in which the largest component rises.
            self.vectors[(self.vectors.column(axis).iamax(), axis)].signum()
        } else {
            -self.slopes[axis].signum()
        };
        step[axis] += sign * rest;
        step
    }

    /// By how much the quadratic function falls over a step.
    fn gain(&self, step: &DVector<f64>) -> f64 {
        let along = self.vectors.tr_mul(step);
        let terms = along.iter().zip(self.slopes.iter().zip(self.curvatures.iter()));
        -terms.map(|(x, (slope, curvature))| x * (slope + 0.5 * curvature * x)).sum::<f64>()
    }
}

/// The inverse of a matrix of second derivatives. Numbers along which the function is flat, or curved downwards, have no
/// variance: their rows and columns are NaN, and the others' are as if they were known.
///
/// # Shapes
/// [number, number]
pub fn inverse(hessian: &DMatrix<f64>, scales: &[f64]) -> DMatrix<f64> {
    let n = hessian.nrows();
    let units = DVector::from_column_slice(scales);
    let jet = Jet { value: 0.0, gradient: DVector::zeros(n), hessian: hessian.clone() };
    let axes = Axes::new(&jet, &units, &vec![true; n]);
    let floor = FLAT * axes.curvatures.amax();
    let curved: Vec<bool> = axes.curvatures.iter().map(|curvature| *curvature > floor).collect();
    let known: Vec<bool> =
        (0..n).map(|i| (0..n).all(|axis| curved[axis] || axes.vectors[(i, axis)].abs() < 1e-3)).collect();
    DMatrix::from_fn(n, n, |i, j| {
        if !(known[i] && known[j]) {
            return f64::NAN;
        }
        let terms = (0..n).filter(|axis| curved[*axis]);
        let sum: f64 =
            terms.map(|axis| axes.vectors[(i, axis)] * axes.vectors[(j, axis)] / axes.curvatures[axis]).sum();
        sum * units[i] * units[j]
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A function of two numbers with its derivatives.
    struct Function<F>(F);

    impl<F: Fn(f64, f64) -> (f64, [f64; 2], [f64; 3])> Objective for Function<F> {
        type Error = Infallible;

        fn value(&self, point: &[f64]) -> Result<f64, Infallible> {
            Ok((self.0)(point[0], point[1]).0)
        }

        fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, Infallible> {
            let (value, gradient, [xx, xy, yy]) = (self.0)(point[0], point[1]);
            let hessian = DMatrix::from_row_slice(2, 2, &[xx, xy, xy, yy]);
            let gradient = DVector::from_column_slice(&gradient);
            let (gradient, hessian) =
                (gradient.select_rows(free), hessian.select_rows(free).select_columns(free));
            Ok(Jet { value, gradient, hessian })
        }
    }

    fn of(f: impl Fn(f64, f64) -> (f64, [f64; 2], [f64; 3]), start: [f64; 2], free: &[usize]) -> Minimum {
        let Ok(minimum) = minimise(&Function(f), &start, free, &[1.0, 1.0]);
        minimum
    }

    /// `(x^2 - 1)^2 + y^2`: a maximum along x at the start, without a gradient.
    #[test]
    fn issue_13_a_start_without_a_gradient_is_left_where_the_function_curves_downwards() {
        let f = |x: f64, y: f64| {
            let value = (x * x - 1.0).powi(2) + y * y;
            (value, [4.0 * x * (x * x - 1.0), 2.0 * y], [12.0 * x * x - 4.0, 0.0, 2.0])
        };
        let minimum = of(f, [0.0, 0.0], &[0, 1]);
        assert!(minimum.settled && minimum.value < 1e-15, "{minimum:?}");
        assert!((minimum.point[0].abs() - 1.0).abs() < 1e-7, "{minimum:?}");
        // The same each time, and at the minimum nothing moves.
        assert_eq!(minimum, of(f, [0.0, 0.0], &[0, 1]));
        assert_eq!(of(f, [1.0, 0.0], &[0, 1]).point, [1.0, 0.0]);
        // What is not free stays.
        assert_eq!(of(f, [0.5, 3.0], &[0]).point[1].to_bits(), 3.0_f64.to_bits());
        assert_eq!(of(f, [0.5, 3.0], &[]).point, [0.5, 3.0]);
    }

    /// `x^4`, `x^4 + y`-independent, and a constant: no curvature where the minimum is.
    #[test]
    fn issue_13_flat_bottoms_are_minima() {
        let quartic = |x: f64, _: f64| (x.powi(4), [4.0 * x.powi(3), 0.0], [12.0 * x * x, 0.0, 0.0]);
        let minimum = of(quartic, [2.0, 0.7], &[0, 1]);
        assert!(minimum.settled && minimum.value < 1e-9, "{minimum:?}");
        assert!((minimum.point[1] - 0.7).abs() < 1e-12);
        let constant = of(|_, _| (3.0, [0.0; 2], [0.0; 3]), [1.0, 2.0], &[0, 1]);
        assert_eq!((constant.point.as_slice(), constant.settled), ([1.0, 2.0].as_slice(), true));
    }

    /// Rosenbrock's valley.
    #[test]
    fn curved_valleys_are_followed() {
        let f = |x: f64, y: f64| {
            let (a, b) = (1.0 - x, y - x * x);
            let value = a * a + 100.0 * b * b;
            let gradient = [-2.0 * a - 400.0 * x * b, 200.0 * b];
            (value, gradient, [2.0 - 400.0 * b + 800.0 * x * x, -400.0 * x, 200.0])
        };
        let minimum = of(f, [-1.2, 1.0], &[0, 1]);
        assert!(minimum.settled, "{minimum:?}");
        assert!(
            (minimum.point[0] - 1.0).abs() < 1e-6 && (minimum.point[1] - 1.0).abs() < 1e-6,
            "{minimum:?}"
        );
    }

    #[test]
    fn a_function_that_falls_for_ever_does_not_settle() {
        let minimum = of(|x, y| (-x + y * y, [-1.0, 2.0 * y], [0.0, 0.0, 2.0]), [0.0, 1.0], &[0, 1]);
        assert!(!minimum.settled && minimum.value < -1000.0, "{minimum:?}");
        let nowhere = of(|_, _| (f64::NAN, [0.0; 2], [0.0; 3]), [0.0, 0.0], &[0, 1]);
        assert!(!nowhere.settled && nowhere.value.is_nan());
    }

    /// `-x + (y - x/10)^2` within ten scales: x at its end, y at its minimum there.
    struct Bounded;

    impl Objective for Bounded {
        type Error = Infallible;

        fn value(&self, point: &[f64]) -> Result<f64, Infallible> {
            Ok(-point[0] + (point[1] - 0.1 * point[0]).powi(2))
        }

        fn jet(&self, point: &[f64], free: &[usize]) -> Result<Jet, Infallible> {
            let off = point[1] - 0.1 * point[0];
            let gradient = DVector::from_column_slice(&[-1.0 - 0.2 * off, 2.0 * off]);
            let hessian = DMatrix::from_row_slice(2, 2, &[0.02, -0.2, -0.2, 2.0]);
            let Ok(value) = self.value(point);
            let hessian = hessian.select_rows(free).select_columns(free);
            Ok(Jet { value, gradient: gradient.select_rows(free), hessian })
        }

        fn limit(&self) -> f64 {
            10.0
        }
    }

    #[test]
    fn issue_13_what_falls_for_ever_ends_where_the_search_does() {
        let Ok(minimum) = minimise(&Bounded, &[0.0, 3.0], &[0, 1], &[2.0, 1.0]);
        assert!(minimum.settled, "{minimum:?}");
        assert_eq!(minimum.point[0].to_bits(), 20.0_f64.to_bits());
        assert!((minimum.point[1] - 2.0).abs() < 1e-6 && (minimum.value + 20.0).abs() < 1e-9, "{minimum:?}");
        let Ok(again) = minimise(&Bounded, &minimum.point, &[0, 1], &[2.0, 1.0]);
        assert!(again.settled && (again.value - minimum.value).abs() < 1e-9, "{again:?}");
    }

    #[test]
    fn issue_13_a_flat_number_has_no_variance_and_takes_none_from_the_others() {
        let hessian = DMatrix::from_row_slice(3, 3, &[4.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        let covariance = inverse(&hessian, &[1.0, 0.5, 3.0]);
        let expected = hessian.view((0, 0), (2, 2)).into_owned().try_inverse().unwrap();
        assert!((covariance.view((0, 0), (2, 2)) - expected).amax() < 1e-12);
        assert!((0..3).all(|i| covariance[(2, i)].is_nan() && covariance[(i, 2)].is_nan()));
        let saddle = inverse(&DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, -1.0]), &[1.0, 1.0]);
        assert!((saddle[(0, 0)] - 1.0).abs() < 1e-12 && saddle[(1, 1)].is_nan());
    }
}
