//! Values and derivatives of functions of a few shifts.

use humboldt_physics::Quadratic;
use humboldt_physics::quadratic::{count, place};
use nalgebra::{DMatrix, DVector};

/// The monomials' derivatives by each shift.
pub(super) fn slopes(shifts: &[f64]) -> Vec<Vec<f64>> {
    let n = shifts.len();
    let slope = |k: usize| {
        let mut values = vec![0.0; count(n)];
        values[1 + k] = 1.0;
        for (j, shift) in shifts.iter().enumerate() {
            values[place(n, k, j)] = if j == k { 2.0 * shift } else { *shift };
        }
        values
    };
    (0..n).map(slope).collect()
}

/// The second derivative of monomial [`place`]`(i, j)` by both shifts.
pub(super) const fn second(i: usize, j: usize) -> f64 {
    if i == j { 2.0 } else { 1.0 }
}

/// A function's value, gradient and matrix of second derivatives at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Jet {
    /// Value.
    pub value: f64,
    /// First derivatives.
    pub gradient: DVector<f64>,
    /// Second derivatives.
    pub hessian: DMatrix<f64>,
}

impl Jet {
    /// Of zero.
    pub(super) fn zero(n: usize) -> Self {
        Self { value: 0.0, gradient: DVector::zeros(n), hessian: DMatrix::zeros(n, n) }
    }

    /// Of a quadratic function.
    pub(super) fn of(function: &Quadratic<f64>, shifts: &[f64]) -> Self {
        let n = shifts.len();
        Self {
            value: function.at(shifts),
            gradient: DVector::from_fn(n, |i, _| function.slope(i, shifts)),
            hessian: DMatrix::from_fn(n, n, |i, j| second(i, j) * function.quadratic(i, j)),
        }
    }

    /// Of its logarithm.
    pub(super) fn ln(&self) -> Self {
        let gradient = &self.gradient / self.value;
        let hessian = &self.hessian / self.value - &gradient * gradient.transpose();
        Self { value: self.value.ln(), gradient, hessian }
    }

    /// Of its exponential.
    pub(super) fn exp(&self) -> Self {
        let value = self.value.exp();
        let hessian = (&self.hessian + &self.gradient * self.gradient.transpose()) * value;
        Self { value, gradient: &self.gradient * value, hessian }
    }

    /// Of its quotient by another.
    pub(super) fn over(&self, other: &Self) -> Self {
        let value = self.value / other.value;
        let gradient = (&self.gradient - &other.gradient * value) / other.value;
        let cross = &gradient * other.gradient.transpose();
        let hessian = (&self.hessian - &other.hessian * value - &cross - cross.transpose()) / other.value;
        Self { value, gradient, hessian }
    }

    /// Adds a multiple of another.
    pub(super) fn add(&mut self, factor: f64, other: &Self) {
        self.value += factor * other.value;
        self.gradient.axpy(factor, &other.gradient, 1.0);
        self.hessian += &other.hessian * factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1 + 2 x + 3 y + 4 x^2 + 5 x y + 6 y^2`, also of its logarithm and back.
    #[test]
    fn derivatives_of_a_quadratic_function_and_its_logarithm() {
        let c = Quadratic::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let (x, y) = (0.7, -0.3);
        let jet = Jet::of(&c, &[x, y]);
        assert!(
            (jet.value - (1.0 + 2.0 * x + 3.0 * y + 4.0 * x * x + 5.0 * x * y + 6.0 * y * y)).abs() < 1e-14
        );
        let expected = [2.0 + 8.0 * x + 5.0 * y, 3.0 + 5.0 * x + 12.0 * y];
        assert!((0..2).all(|i| (jet.gradient[i] - expected[i]).abs() < 1e-14));
        assert_eq!(jet.hessian.as_slice(), [8.0, 5.0, 5.0, 12.0]);

        let h = 1e-5;
        let ln = |x: f64, y: f64| Jet::of(&c, &[x, y]).value.ln();
        let mixed =
            (ln(x + h, y + h) - ln(x + h, y - h) - ln(x - h, y + h) + ln(x - h, y - h)) / (4.0 * h * h);
        assert!((jet.ln().hessian[(0, 1)] - mixed).abs() < 1e-5);
        let quotient = |x: f64, y: f64| Jet::of(&c, &[x, y]).value / (2.0 + x * y);
        let over = jet.over(&Jet::of(&Quadratic::new(2, vec![2.0, 0.0, 0.0, 0.0, 1.0, 0.0]), &[x, y]));
        let mixed = (quotient(x + h, y + h) - quotient(x + h, y - h) - quotient(x - h, y + h)
            + quotient(x - h, y - h))
            / (4.0 * h * h);
        assert!((over.value - quotient(x, y)).abs() < 1e-14 && (over.hessian[(0, 1)] - mixed).abs() < 1e-4);
        let slope = (quotient(x + h, y) - quotient(x - h, y)) / (2.0 * h);
        assert!((over.gradient[0] - slope).abs() < 1e-8);
        let back = jet.ln().exp();
        assert!((back.value - jet.value).abs() < 1e-13 && (&back.hessian - &jet.hessian).amax() < 1e-12);
    }
}
