//! Quadratic functions of a few real shifts d: `c_0 + sum_i c_i d_i + sum_{i<=j} c_ij d_i d_j`.
//!
//! Amplitudes are linear in each shift, so that everything bilinear in them is such a function, exactly: `J_1s..J_9`, the
//! rate at a point, its integrals. Coefficients stand in the order of the monomials `1, d_i, d_i d_j` row by row.

use std::ops::{Add, AddAssign, Mul, Sub};

use crate::AngularCoefficients;

/// Number of monomials of some shifts.
pub const fn count(shifts: usize) -> usize {
    (shifts + 1) * (shifts + 2) / 2
}

/// Index of the coefficient of `d_i d_j`.
pub const fn place(shifts: usize, i: usize, j: usize) -> usize {
    let (i, j) = if i <= j { (i, j) } else { (j, i) };
    1 + shifts + i * shifts - (i * i - i) / 2 + j - i
}

/// The monomials' values.
pub fn monomials(shifts: &[f64]) -> Vec<f64> {
    let mut values = vec![1.0];
    values.extend(shifts);
    for (i, first) in shifts.iter().enumerate() {
        values.extend(shifts[i..].iter().map(|second| first * second));
    }
    values
}

/// A quadratic function of shifts; its values are numbers, or sets of coefficients.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quadratic<T> {
    shifts: usize,
    terms: Vec<T>,
}

/// `J_1s..J_9` as a function of shifts.
pub type Expansion = Quadratic<AngularCoefficients>;

impl<T> Quadratic<T> {
    /// The function with given coefficients of all monomials.
    ///
    /// # Panics
    /// When there are not [`count`] of them.
    pub fn new(shifts: usize, terms: Vec<T>) -> Self {
        assert_eq!(terms.len(), count(shifts), "coefficients of a quadratic function of {shifts} shifts");
        Self { shifts, terms }
    }

    /// Number of shifts.
    pub const fn shifts(&self) -> usize {
        self.shifts
    }

    /// The coefficients of all monomials.
    pub fn terms(&self) -> &[T] {
        &self.terms
    }

    /// The function whose values are a linear map of this one's.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Quadratic<U> {
        Quadratic { shifts: self.shifts, terms: self.terms.iter().map(f).collect() }
    }
}

impl<T: Copy> Quadratic<T> {
    /// The value at d = 0.
    pub fn constant(&self) -> T {
        self.terms[0]
    }

    /// The coefficient of `d_i`.
    pub fn linear(&self, i: usize) -> T {
        self.terms[1 + i]
    }

    /// The coefficient of `d_i d_j`.
    pub fn quadratic(&self, i: usize, j: usize) -> T {
        self.terms[place(self.shifts, i, j)]
    }
}

impl<T: Copy + Add<Output = T> + Sub<Output = T>> Quadratic<T> {
    /// The quadratic form of `own + sum_i d_i units_i`: `form(A + B)` is `form(A) + form(B)` and a bilinear part.
    pub fn of_form<A: Copy + Add<Output = A>>(own: A, units: &[A], form: impl Fn(A) -> T) -> Self {
        let constant = form(own);
        let squares: Vec<T> = units.iter().map(|unit| form(*unit)).collect();
        let mut terms = Vec::with_capacity(count(units.len()));
        terms.push(constant);
        terms.extend(units.iter().zip(&squares).map(|(unit, square)| form(own + *unit) - constant - *square));
        for (i, unit) in units.iter().enumerate() {
            terms.push(squares[i]);
            let others = i + 1..units.len();
            terms.extend(others.map(|j| form(*unit + units[j]) - squares[i] - squares[j]));
        }
        Self { shifts: units.len(), terms }
    }
}

impl<T: Copy + Add<Output = T> + Mul<f64, Output = T>> Quadratic<T> {
    /// The value at given shifts.
    pub fn at(&self, shifts: &[f64]) -> T {
        let mut value = self.constant();
        for (i, shift) in shifts.iter().enumerate() {
            let others = (i..shifts.len()).map(|j| self.quadratic(i, j) * shifts[j]);
            value = value + others.fold(self.linear(i), |sum, term| sum + term) * *shift;
        }
        value
    }

    /// The derivative by `d_i` at given shifts.
    pub fn slope(&self, i: usize, shifts: &[f64]) -> T {
        let factor = |j: usize| if i == j { 2.0 * shifts[j] } else { shifts[j] };
        (0..shifts.len()).fold(self.linear(i), |sum, j| sum + self.quadratic(i, j) * factor(j))
    }
}

impl Quadratic<f64> {
    /// Zero for all shifts.
    pub fn zero(shifts: usize) -> Self {
        Self { shifts, terms: vec![0.0; count(shifts)] }
    }

    /// Adds a multiple of another function of as many shifts.
    pub fn add(&mut self, factor: f64, other: &Self) {
        self.terms.iter_mut().zip(&other.terms).for_each(|(own, other)| *own += factor * other);
    }

    /// The derivative of the logarithm by `d_i` at given shifts.
    pub fn log_slope(&self, i: usize, shifts: &[f64]) -> f64 {
        self.slope(i, shifts) / self.at(shifts)
    }
}

impl Expansion {
    /// The rate, integrated over the angles.
    pub fn rate(&self) -> Quadratic<f64> {
        self.map(AngularCoefficients::rate)
    }

    /// The four-fold rate at given angles.
    pub fn density(&self, cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> Quadratic<f64> {
        self.map(|j| j.angular_sum(cos_theta_l, cos_theta_k, chi))
    }
}

/// The default, a function without terms, is a zero of any number of shifts.
impl<T: Copy + AddAssign> AddAssign for Quadratic<T> {
    fn add_assign(&mut self, other: Self) {
        if self.terms.is_empty() {
            *self = other;
        } else {
            self.terms.iter_mut().zip(&other.terms).for_each(|(own, other)| *own += *other);
        }
    }
}

impl<T: Copy + Mul<f64, Output = T>> Mul<f64> for Quadratic<T> {
    type Output = Self;

    fn mul(mut self, factor: f64) -> Self {
        for term in &mut self.terms {
            *term = *term * factor;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1 + 2 x + 3 y + 4 x^2 + 5 x y + 6 y^2`.
    #[test]
    fn values_and_slopes() {
        let q = Quadratic::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let (x, y) = (0.7, -0.3);
        let value = 1.0 + 2.0 * x + 3.0 * y + 4.0 * x * x + 5.0 * x * y + 6.0 * y * y;
        assert!((q.at(&[x, y]) - value).abs() < 1e-14);
        let dot: f64 = q.terms().iter().zip(monomials(&[x, y])).map(|(c, v)| c * v).sum();
        assert!((dot - value).abs() < 1e-14);
        assert!((q.slope(0, &[x, y]) - (2.0 + 8.0 * x + 5.0 * y)).abs() < 1e-14);
        assert!((q.log_slope(1, &[x, y]) - (3.0 + 5.0 * x + 12.0 * y) / value).abs() < 1e-14);
    }

    #[test]
    fn every_monomial_has_its_place() {
        for n in 0..7 {
            let places: Vec<usize> = (0..n).flat_map(|i| (i..n).map(move |j| place(n, i, j))).collect();
            assert_eq!(places, (1 + n..count(n)).collect::<Vec<_>>());
            assert!(n < 2 || place(n, 1, 0) == place(n, 0, 1));
        }
    }

    /// The square of `1 + 2 x - 3 y`.
    #[test]
    fn a_form_of_a_linear_function_is_quadratic() {
        let q = Quadratic::of_form(1.0_f64, &[2.0, -3.0], |a: f64| a * a);
        assert_eq!(q.terms(), [1.0, 4.0, -6.0, 4.0, -12.0, 9.0]);
    }

    #[test]
    fn sums_begin_with_the_default() {
        let mut sum = Quadratic::default();
        for weight in [0.5, 1.5] {
            sum += Quadratic::new(1, vec![1.0, 2.0, 3.0]) * weight;
        }
        assert_eq!(sum.terms(), [2.0, 4.0, 6.0]);
    }
}
