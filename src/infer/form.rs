//! Values and derivatives of functions of a few shifts.

use humboldt_physics::Quadratic;
use humboldt_physics::quadratic::{count, monomials, place};
use nalgebra::{DMatrix, DVector};

/// The parameters of a rate: shifts, of which it is a quadratic function; behind them, where it is fitted, the strength g of an
/// S-wave. Three such functions then stand behind each other, which belong to 1, g and g^2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    shifts: usize,
    /// Powers of the strength, the zeroth among them.
    powers: usize,
}

/// The monomials of a form at a point with their derivatives.
#[derive(Debug, Clone)]
pub(super) struct Monomials {
    /// # Shapes
    /// [term]
    pub(super) values: Vec<f64>,
    /// # Shapes
    /// [parameter, term]
    pub(super) slopes: Vec<Vec<f64>>,
    /// The second derivatives that are not zero.
    pub(super) bends: Vec<Bend>,
}

/// A second derivative of a rate: the parameters, of which the first is not behind the second, and the terms with their factors.
#[derive(Debug, Clone)]
pub(super) struct Bend {
    pub(super) by: [usize; 2],
    pub(super) terms: Vec<(usize, f64)>,
}

impl Form {
    /// Of shifts alone.
    pub(super) const fn of(shifts: usize) -> Self {
        Self { shifts, powers: 1 }
    }

    /// Form in shifts, and in the strength of an S-wave behind them.
    pub(super) const fn with_strength(shifts: usize) -> Self {
        Self { shifts, powers: 3 }
    }

    /// Whether the strength of an S-wave is a parameter.
    pub(super) const fn has_strength(self) -> bool {
        self.powers > 1
    }

    pub(super) const fn shifts(self) -> usize {
        self.shifts
    }

    /// Number of parameters.
    pub(super) const fn parameters(self) -> usize {
        self.shifts + if self.has_strength() { 1 } else { 0 }
    }

    /// Number of coefficients.
    pub(super) const fn terms(self) -> usize {
        self.powers * count(self.shifts)
    }

    /// The powers of the strength, or a derivative of them.
    fn of_strength(self, point: &[f64], derivative: usize) -> [f64; 3] {
        let g = if self.has_strength() { point[self.shifts] } else { 0.0 };
        match derivative {
            0 => [1.0, g, g * g],
            1 => [0.0, 1.0, 2.0 * g],
            _ => [0.0, 0.0, 2.0],
        }
    }

    fn times(self, factors: [f64; 3], of_shifts: &[f64]) -> Vec<f64> {
        let block = |factor: &f64| of_shifts.iter().map(|x| factor * x).collect::<Vec<_>>();
        factors[..self.powers].iter().flat_map(block).collect()
    }

    /// The values of the monomials.
    pub(super) fn values(self, point: &[f64]) -> Vec<f64> {
        self.times(self.of_strength(point, 0), &monomials(&point[..self.shifts]))
    }

    /// The monomials with their first derivatives.
    pub(super) fn slopes(self, point: &[f64]) -> Vec<Vec<f64>> {
        let shifts = &point[..self.shifts];
        let powers = self.of_strength(point, 0);
        let mut all: Vec<Vec<f64>> = slopes(shifts).iter().map(|slope| self.times(powers, slope)).collect();
        if self.has_strength() {
            all.push(self.times(self.of_strength(point, 1), &monomials(shifts)));
        }
        all
    }

    /// The monomials with all derivatives.
    pub(super) fn at(self, point: &[f64]) -> Monomials {
        let n = self.shifts;
        let powers = self.of_strength(point, 0);
        let mut bends = Vec::new();
        for (i, j) in (0..n).flat_map(|i| (i..n).map(move |j| (i, j))) {
            let term = |power: usize| (power * count(n) + place(n, i, j), second(i, j) * powers[power]);
            bends.push(Bend { by: [i, j], terms: (0..self.powers).map(term).collect() });
        }
        if self.has_strength() {
            let shifts = &point[..n];
            let linear = slopes(shifts).into_iter().map(|slope| (1, slope)).enumerate();
            let square = std::iter::once((n, (2, monomials(shifts))));
            for (i, (derivative, of_shifts)) in linear.chain(square) {
                let factors = self.times(self.of_strength(point, derivative), &of_shifts);
                let terms = factors.into_iter().enumerate().filter(|(_, factor)| *factor != 0.0);
                bends.push(Bend { by: [i, n], terms: terms.collect() });
            }
        }
        Monomials { values: self.values(point), slopes: self.slopes(point), bends }
    }
}

impl Monomials {
    /// A rate of given coefficients with its derivatives.
    pub(super) fn jet(&self, terms: &[f64]) -> Jet {
        let dot =
            |factors: &[f64]| factors.iter().zip(terms).map(|(factor, term)| factor * term).sum::<f64>();
        let n = self.slopes.len();
        let mut hessian = DMatrix::zeros(n, n);
        for Bend { by: [i, j], terms: of } in &self.bends {
            let bend = of.iter().map(|(term, factor)| factor * terms[*term]).sum();
            hessian[(*i, *j)] = bend;
            hessian[(*j, *i)] = bend;
        }
        Jet { value: dot(&self.values), gradient: DVector::from_fn(n, |i, _| dot(&self.slopes[i])), hessian }
    }
}

/// The monomials' derivatives by each shift.
///
/// # Shapes
/// [shift, monomial]
pub fn slopes(shifts: &[f64]) -> Vec<Vec<f64>> {
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

    /// Of a quadratic function of the first of some parameters.
    pub(super) fn of(function: &Quadratic<f64>, point: &[f64]) -> Self {
        let (shifts, n) = (&point[..function.shifts()], point.len());
        let mut jet = Self { value: function.at(shifts), ..Self::zero(n) };
        for i in 0..shifts.len() {
            jet.gradient[i] = function.slope(i, shifts);
            for j in 0..shifts.len() {
                jet.hessian[(i, j)] = second(i, j) * function.quadratic(i, j);
            }
        }
        jet
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

    /// Of two shifts and a strength, against differences.
    #[test]
    fn derivatives_of_a_form_with_a_strength() {
        let form = Form::with_strength(2);
        assert_eq!((form.parameters(), form.terms(), Form::of(2).terms()), (3, 18, 6));
        let terms: Vec<f64> = (0..18).map(|k| f64::from(k * k % 7) - 2.5).collect();
        let value = |point: &[f64]| form.values(point).iter().zip(&terms).map(|(a, b)| a * b).sum::<f64>();
        let (point, h) = ([0.3, -0.7, 1.4], 1e-4);
        let jet = form.at(&point).jet(&terms);
        assert!((jet.value - value(&point)).abs() < 1e-12);
        let moved = |i: usize, a: f64, j: usize, b: f64| {
            let mut moved = point;
            moved[i] += a;
            moved[j] += b;
            value(&moved)
        };
        for i in 0..3 {
            let slope = (moved(i, h, i, 0.0) - moved(i, -h, i, 0.0)) / (2.0 * h);
            assert!((jet.gradient[i] - slope).abs() < 1e-6, "{i}: {} {slope}", jet.gradient[i]);
            for j in 0..3 {
                let bend = (moved(i, h, j, h) - moved(i, h, j, -h) - moved(i, -h, j, h)
                    + moved(i, -h, j, -h))
                    / (4.0 * h * h);
                assert!((jet.hessian[(i, j)] - bend).abs() < 1e-5, "{i} {j}: {} {bend}", jet.hessian[(i, j)]);
            }
        }
    }

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
