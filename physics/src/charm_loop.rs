//! The one-loop matrix elements of the four-quark operators: the functions `h(q2, m)` and `Y(q2)`.
//!
//! Their imaginary parts are strong phases: they are the same for a decay and its CP conjugate.
//!
//! # Source
//! Altmannshofer et al., arXiv:0811.1214, eqs. 2.6 and 2.7 (Beneke, Feldmann, Seidel, hep-ph/0106067).

use std::f64::consts::{FRAC_PI_2, PI};

use num_complex::Complex64;

use crate::charmonium::Charmonium;

/// Wilson coefficients C1 to C6 and quark masses of the loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneLoop {
    /// Renormalisation scale in GeV.
    pub mu: f64,
    /// Mass of the b quark in the loop, in GeV.
    pub m_b_quark: f64,
    /// Mass of the c quark in the loop, in GeV.
    pub m_c_quark: f64,
    /// C1 to C6 at `mu`.
    pub c: [f64; 6],
    /// Resonances in place of the charm quark's loop.
    pub charmonium: Option<Charmonium>,
}

impl OneLoop {
    /// `Y(q2)` for q2 > 0 in GeV^2.
    pub fn y(&self, q2: f64) -> Complex64 {
        self.y_with(self.h_charm(q2), h_massless(q2, self.mu), q2)
    }

    /// `Y(q2)` and `Y_u(q2) = (4/3 C1 + C2) [h(q2, mc) - h(q2, 0)]`, which comes with `xi_u/xi_t`; q2 > 0 in GeV^2.
    ///
    /// # Source
    /// `Y_u`: Beneke, Feldmann, Seidel, hep-ph/0412400, eq. 8 (as `Y^(u)`).
    pub fn y_and_y_u(&self, q2: f64) -> (Complex64, Complex64) {
        let (charm, light) = (self.h_charm(q2), h_massless(q2, self.mu));
        let [c1, c2, ..] = self.c;
        (self.y_with(charm, light, q2), (charm - light) * (4.0 / 3.0 * c1 + c2))
    }

    fn h_charm(&self, q2: f64) -> Complex64 {
        match &self.charmonium {
            None => h(q2, self.m_c_quark, self.mu),
            Some(charmonium) => charmonium.h(q2, self.m_c_quark, self.mu),
        }
    }

    fn y_with(&self, charm: Complex64, light: Complex64, q2: f64) -> Complex64 {
        let [c1, c2, c3, c4, c5, c6] = self.c;
        charm * (4.0 / 3.0 * c1 + c2 + 6.0 * c3 + 60.0 * c5)
            - h(q2, self.m_b_quark, self.mu)
                * (0.5 * (7.0 * c3 + 4.0 / 3.0 * c4 + 76.0 * c5 + 64.0 / 3.0 * c6))
            - light * (0.5 * (c3 + 4.0 / 3.0 * c4 + 16.0 * c5 + 64.0 / 3.0 * c6))
            + (4.0 / 3.0 * c3 + 64.0 / 9.0 * c5 + 64.0 / 27.0 * c6)
    }

    /// Points where `Y(q2)` is not smooth, or changes within less than itself: the thresholds of open charm and beauty and the
    /// shoulders of narrow resonances, in GeV^2.
    pub fn thresholds(&self) -> Vec<f64> {
        let beauty = 4.0 * self.m_b_quark * self.m_b_quark;
        match &self.charmonium {
            None => vec![4.0 * self.m_c_quark * self.m_c_quark, beauty],
            Some(charmonium) => charmonium.thresholds().into_iter().chain([beauty]).collect(),
        }
    }
}

/// `h(q2, m)` for a quark of mass `m > 0` GeV at scale `mu` GeV, q2 >= 0 in GeV^2.
///
/// # Source
/// arXiv:0811.1214, eq. 2.7.
pub fn h(q2: f64, m: f64, mu: f64) -> Complex64 {
    let log = 2.0 * (m / mu).ln();
    // With x = 4 m^2/q2: bracket = ln(m^2/mu^2) - 2/3 - x + (2 + x) sqrt|x - 1| {arctan | ln - i pi/2}.
    let inverse_x = q2 / (4.0 * m * m);
    let bracket = if inverse_x < 0.01 {
        Complex64::from(log - 2.0 / 3.0 + far_below_threshold(inverse_x))
    } else {
        let x = 1.0 / inverse_x;
        let root = (x - 1.0).abs().sqrt();
        let phase = if x > 1.0 {
            Complex64::from((1.0 / root).atan())
        } else {
            Complex64::new(((1.0 + (1.0 - x).sqrt()) / x.sqrt()).ln(), -FRAC_PI_2)
        };
        log - 2.0 / 3.0 - x + (2.0 + x) * root * phase
    };
    -4.0 / 9.0 * bracket
}

/// `(2 + x) sqrt(x - 1) arctan(1/sqrt(x - 1)) - x` as a series in `u^2 = 1/(x - 1)`: both terms grow like x.
fn far_below_threshold(inverse_x: f64) -> f64 {
    let u2 = inverse_x / (1.0 - inverse_x);
    let (mut sum, mut power) = (-1.0, 1.0);
    for k in 0..7 {
        let odd = f64::from(2 * k + 1);
        sum += power * (3.0 / odd - 1.0 / (odd + 2.0));
        power *= -u2;
    }
    sum
}

/// `h(q2, 0)` for q2 > 0 in GeV^2.
///
/// # Source
/// arXiv:0811.1214, below eq. 2.7: `8/27 - 4/9 (ln(q2/mu^2) - i pi)`.
pub fn h_massless(q2: f64, mu: f64) -> Complex64 {
    Complex64::new(8.0 / 27.0 - 4.0 / 9.0 * (q2 / (mu * mu)).ln(), 4.0 / 9.0 * PI)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h_has_its_limit_at_zero_momentum() {
        let expected = -4.0 / 9.0 * (2.0 * (1.3_f64 / 4.8).ln() + 1.0);
        assert!((h(0.0, 1.3, 4.8) - expected).norm() < 1e-15);
        assert!((h(1e-6, 1.3, 4.8) - expected).norm() < 1e-6);
    }

    #[test]
    fn h_is_continuous_where_its_forms_meet() {
        for q2 in [0.01 * 4.0 * 1.69, 4.0 * 1.69] {
            let (below, above) = (h(q2 * (1.0 - 1e-12), 1.3, 4.8), h(q2 * (1.0 + 1e-12), 1.3, 4.8));
            assert!((below - above).norm() < 1e-5, "q2 = {q2}: {below} and {above}");
        }
        let series = h(0.01 * 4.0 * 1.69 * (1.0 - 1e-13), 1.3, 4.8);
        assert!((series - h(0.01 * 4.0 * 1.69 * (1.0 + 1e-13), 1.3, 4.8)).norm() < 1e-12);
    }

    #[test]
    fn h_of_a_light_quark_tends_to_the_massless_form() {
        assert!((h(5.0, 1e-5, 4.8) - h_massless(5.0, 4.8)).norm() < 1e-9);
    }
}
