//! The angular distribution at one point (`q2`, `m_kpi`) in the form that the sampler needs.
//!
//! `J_1s..J_9` are regrouped so that everything even in chi is a positive mixture:
//!
//! `sum_i J_i f_i = sin^2 theta_K T(c) + cos^2 theta_K L(c) + harmonics in chi`, with `c = cos_theta_l` and
//! `T(c) = t0 (1-c)^2/4 + t1 (1-c^2)/2 + t2 (1+c)^2/4`, `L` likewise. The Bernstein coefficients are sums of squared
//! helicity amplitudes, never negative (`t1 = J1s - 3 J2s` is of order `m_l^2/q2`). Each term factorises in the two
//! angles, and each factor is the density of the smallest, middle or largest of three uniform numbers, or of the one
//! largest in size. The harmonics `cos chi, sin chi, cos 2chi, sin 2chi` cancel in the sum over `chi + k pi/2`,
//! k = 0..3: chi modulo pi/2 is uniform, and one of four values is chosen. Nothing is rejected.

use std::f64::consts::PI;
use std::ops::{Add, Mul, Sub};

use humboldt_physics::angular::{AngularCoefficients, angular_functions};

/// Number of coefficients.
pub(crate) const TERMS: usize = 12;

/// Twelve coefficients, linear in `J_i`: `t0 t1 t2 l0 l1 l2`, then `J3 J4 J5 J7 J8 J9`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct AngularTerms(pub(crate) [f64; TERMS]);

impl From<AngularCoefficients> for AngularTerms {
    fn from(j: AngularCoefficients) -> Self {
        let bernstein = |j1: f64, j2: f64, j6: f64| [j1 + j2 - j6, j1 - 3.0 * j2, j1 + j2 + j6];
        let [t0, t1, t2] = bernstein(j.j1s, j.j2s, j.j6s);
        let [l0, l1, l2] = bernstein(j.j1c, j.j2c, j.j6c);
        Self([t0, t1, t2, l0, l1, l2, j.j3, j.j4, j.j5, j.j7, j.j8, j.j9])
    }
}

/// The functions of the angles that the terms multiply, at one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Direction([f64; TERMS]);

impl Direction {
    /// For `cos_theta_l`, `cos_theta_k` in [-1, 1] and `chi` in radians: transposed to how terms follow from `J_i`.
    pub(crate) fn new(cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> Self {
        // Terms are in units of `9/(32 pi)`.
        let functions = angular_functions(cos_theta_l, cos_theta_k, chi).map(|f| f * (32.0 * PI / 9.0));
        let [s1, c1, s2, c2, f3, f4, f5, s6, c6, f7, f8, f9] = functions;
        let bernstein = |f1: f64, f2: f64, f6: f64| {
            let outer = 0.375 * f1 + 0.125 * f2;
            [outer - 0.5 * f6, 0.25 * (f1 - f2), outer + 0.5 * f6]
        };
        let [t0, t1, t2] = bernstein(s1, s2, s6);
        let [l0, l1, l2] = bernstein(c1, c2, c6);
        Self([t0, t1, t2, l0, l1, l2, f3, f4, f5, f7, f8, f9])
    }
}

impl AngularTerms {
    /// The sampling weight: `4 dGamma/dq2`.
    pub(crate) fn weight(&self) -> f64 {
        let t = &self.0;
        2.0 * (t[0] + t[1] + t[2]) + (t[3] + t[4] + t[5])
    }

    /// The sum of the coefficients' absolute values.
    pub(crate) fn size(&self) -> f64 {
        self.0.iter().map(|x| x.abs()).sum()
    }

    /// `sum_i J_i f_i`.
    pub(crate) fn at(&self, direction: &Direction) -> f64 {
        self.0.iter().zip(&direction.0).map(|(a, b)| a * b).sum()
    }

    /// The part of [`Self::at`] that does not depend on chi.
    pub(crate) fn even_at(&self, direction: &Direction) -> f64 {
        self.0[..6].iter().zip(&direction.0[..6]).map(|(a, b)| a * b).sum()
    }

    /// The largest `|difference| / (terms' even part + floor of their mean)` over the angles: how well `terms` stand
    /// in for `terms + difference`.
    pub(crate) fn relative_distance(terms: &Self, difference: &Self, floor: f64) -> f64 {
        const COS_L: [f64; 5] = [-1.0, -0.6, 0.0, 0.6, 1.0];
        const COS2_K: [f64; 4] = [0.0, 0.3, 0.7, 1.0];
        /// `cos theta_K sin theta_K`.
        const MIXED: [f64; 4] = [0.0, 0.458_257_569_495_584, 0.458_257_569_495_584, 0.0];
        /// A ratio says no more than that where the terms vanish and the difference does not.
        const MOST: f64 = 10.0;
        let (t, d) = (&terms.0, &difference.0);
        // Mean of the even part over the two cosines; see `weight`.
        let isotropic = floor * terms.weight() / 9.0;
        let length = |a: f64, b: f64| (a * a + b * b).sqrt();
        let double = length(d[6], d[11]);
        let mut largest = [0.0_f64; 4];
        for c in COS_L {
            let basis = [0.25 * (1.0 - c) * (1.0 - c), 0.5 * (1.0 - c * c), 0.25 * (1.0 + c) * (1.0 + c)];
            let mix = |a: &[f64]| a[0] * basis[0] + a[1] * basis[1] + a[2] * basis[2];
            let (t_part, l_part) = (mix(&t[..3]), mix(&t[3..6]));
            let (t_change, l_change) = (mix(&d[..3]), mix(&d[3..6]));
            let sin2_l = 1.0 - c * c;
            let single = 2.0 * sin2_l.sqrt() * length(2.0 * d[7] * c + d[8], 2.0 * d[10] * c + d[9]);
            for i in 0..COS2_K.len() {
                let (cos2_k, sin2_k) = (COS2_K[i], 1.0 - COS2_K[i]);
                let change = (sin2_k * t_change + cos2_k * l_change).abs()
                    + MIXED[i] * single
                    + sin2_k * sin2_l * double;
                let size = sin2_k * t_part + cos2_k * l_part + isotropic;
                // 0/0 is no change: the comparison is false.
                let ratio = change / size;
                largest[i] = if ratio > largest[i] { ratio } else { largest[i] };
            }
        }
        largest.into_iter().fold(0.0, f64::max).min(MOST)
    }
}

impl Add for AngularTerms {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Sub for AngularTerms {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl Mul<f64> for AngularTerms {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0.map(|x| factor * x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_give_the_density_of_their_coefficients() {
        let j = AngularCoefficients::from_array([
            3.0, 4.0, 0.9, -2.8, -0.3, 0.6, -0.7, 1.0, 0.1, 0.1, -0.2, 0.15,
        ]);
        for (l, k, chi) in [(0.31, -0.62, 2.1), (-1.0, 0.4, 0.3), (0.9, 1.0, -3.0)] {
            let got = AngularTerms::from(j).at(&Direction::new(l, k, chi));
            assert!(
                (got / (j.density(l, k, chi) * 32.0 * PI / 9.0) - 1.0).abs() < 1e-14,
                "{l} {k} {chi}: {got}"
            );
        }
    }
}
