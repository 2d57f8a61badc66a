//! The angular coefficients `J_1s..J_9` and the four-fold rate; those of B -> K l l.
//!
//! `d^4 Gamma / (dq2 dcos_theta_l dcos_theta_k dchi) = 9/(32 pi) sum_i J_i f_i(cos_theta_l, cos_theta_k, chi)` for a
//! K* that always decays to K pi (both charge states of the kaon together). The functions `f_i` are the same in all
//! conventions; which angles they are functions of is a matter of [`crate::convention`].
//!
//! # Source
//! Altmannshofer et al., arXiv:0811.1214, eqs. 3.10 and 3.35 to 3.46.

use std::f64::consts::{PI, SQRT_2};

use crate::amplitudes::TransversityAmplitudes;
use crate::kinematics::PhaseSpacePoint;

/// `J_1s..J_9`, in GeV^-1 where they are a differential rate `dGamma/dq2`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs, reason = "the names are the literature's")]
pub struct AngularCoefficients {
    pub j1s: f64,
    pub j1c: f64,
    pub j2s: f64,
    pub j2c: f64,
    pub j3: f64,
    pub j4: f64,
    pub j5: f64,
    pub j6s: f64,
    pub j6c: f64,
    pub j7: f64,
    pub j8: f64,
    pub j9: f64,
}

impl AngularCoefficients {
    /// The order of [`Self::as_array`].
    pub const ORDER: [&'static str; 12] = ["1s", "1c", "2s", "2c", "3", "4", "5", "6s", "6c", "7", "8", "9"];

    /// All zero: outside phase space.
    pub const ZERO: Self = Self::from_array([0.0; 12]);

    /// The coefficients of given amplitudes, in the theory convention.
    pub fn from_amplitudes(point: &PhaseSpacePoint, a: &TransversityAmplitudes) -> Self {
        let TransversityAmplitudes { perp, para, zero, time, scalar } = a;
        let beta = point.beta_l;
        let beta2 = beta * beta;
        let m_over_root_q2 = point.m_lepton / point.q2.sqrt();
        let mass = 4.0 * m_over_root_q2 * m_over_root_q2;
        let transverse = perp.norm_sqr() + para.norm_sqr();

        Self {
            j1s: (2.0 + beta2) / 4.0 * transverse
                + mass * (perp.left * perp.right.conj() + para.left * para.right.conj()).re,
            j1c: zero.norm_sqr()
                + mass * (time.norm_sqr() + 2.0 * (zero.left * zero.right.conj()).re)
                + beta2 * scalar.norm_sqr(),
            j2s: beta2 / 4.0 * transverse,
            j2c: -beta2 * zero.norm_sqr(),
            j3: 0.5 * beta2 * (perp.norm_sqr() - para.norm_sqr()),
            j4: beta2 / SQRT_2 * (zero.left * para.left.conj() + zero.right * para.right.conj()).re,
            j5: SQRT_2
                * beta
                * (zero.left * perp.left.conj()
                    - zero.right * perp.right.conj()
                    - m_over_root_q2 * (para.left + para.right) * scalar.conj())
                .re,
            j6s: 2.0 * beta * (para.left * perp.left.conj() - para.right * perp.right.conj()).re,
            j6c: 4.0 * beta * m_over_root_q2 * ((zero.left + zero.right) * scalar.conj()).re,
            j7: SQRT_2
                * beta
                * (zero.left * para.left.conj() - zero.right * para.right.conj()
                    + m_over_root_q2 * (perp.left + perp.right) * scalar.conj())
                .im,
            j8: beta2 / SQRT_2 * (zero.left * perp.left.conj() + zero.right * perp.right.conj()).im,
            j9: beta2 * (para.left.conj() * perp.left + para.right.conj() * perp.right).im,
        }
    }

    /// The twelve numbers in [`Self::ORDER`].
    pub const fn as_array(&self) -> [f64; 12] {
        [
            self.j1s, self.j1c, self.j2s, self.j2c, self.j3, self.j4, self.j5, self.j6s, self.j6c, self.j7,
            self.j8, self.j9,
        ]
    }

    /// From twelve numbers in [`Self::ORDER`].
    pub const fn from_array(j: [f64; 12]) -> Self {
        let [j1s, j1c, j2s, j2c, j3, j4, j5, j6s, j6c, j7, j8, j9] = j;
        Self { j1s, j1c, j2s, j2c, j3, j4, j5, j6s, j6c, j7, j8, j9 }
    }

    /// `dGamma/dq2`: the four-fold rate integrated over the three angles.
    ///
    /// # Source
    /// arXiv:0811.1214, eq. 3.22: `3/4 (2 J1s + J1c) - 1/4 (2 J2s + J2c)`.
    pub fn rate(&self) -> f64 {
        0.75 * (2.0 * self.j1s + self.j1c) - 0.25 * (2.0 * self.j2s + self.j2c)
    }

    /// The coefficients that a fit without the lepton's mass finds in a distribution that has one.
    ///
    /// Such a fit knows one `F_L`, with `S_1c = -S_2c = F_L` and `S_1s = 3 S_2s = 3/4 (1 - F_L)`; the angle of the kaon,
    /// which determines it, follows `(3 S_1c - S_2c)/4`. `A_FB` keeps its value.
    #[must_use]
    pub fn without_lepton_mass(&self) -> Self {
        let longitudinal = 0.25 * (3.0 * self.j1c - self.j2c);
        let transverse = 0.25 * (self.rate() - longitudinal);
        Self {
            j1s: 3.0 * transverse,
            j1c: longitudinal,
            j2s: transverse,
            j2c: -longitudinal,
            j6s: self.j6s + 0.5 * self.j6c,
            j6c: 0.0,
            ..*self
        }
    }

    /// The four-fold rate at `cos_theta_l`, `cos_theta_k` in [-1, 1] and `chi` in radians, per unit of each.
    ///
    /// A sum of squares of amplitudes, and never negative: what rounding leaves below 0 is returned as 0.
    pub fn density(&self, cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> f64 {
        self.angular_sum(cos_theta_l, cos_theta_k, chi).max(0.0)
    }

    /// `9/(32 pi) sum_i J_i f_i`: linear in the coefficients, so of either sign for their differences and derivatives.
    pub fn angular_sum(&self, cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> f64 {
        let sin2_l = (1.0 - cos_theta_l) * (1.0 + cos_theta_l);
        let sin2_k = (1.0 - cos_theta_k) * (1.0 + cos_theta_k);
        let cos2_k = cos_theta_k * cos_theta_k;
        let cos_2l = 2.0 * cos_theta_l * cos_theta_l - 1.0;
        let (sin_chi, cos_chi) = chi.sin_cos();
        let interference = 2.0 * cos_theta_k * (sin2_k * sin2_l).sqrt();

        let sum = (self.j1s + self.j2s * cos_2l + self.j6s * cos_theta_l) * sin2_k
            + (self.j1c + self.j2c * cos_2l + self.j6c * cos_theta_l) * cos2_k
            + sin2_k
                * sin2_l
                * (self.j3 * (cos_chi - sin_chi) * (cos_chi + sin_chi) + self.j9 * 2.0 * sin_chi * cos_chi)
            + interference
                * ((self.j4 * 2.0 * cos_theta_l + self.j5) * cos_chi
                    + (self.j8 * 2.0 * cos_theta_l + self.j7) * sin_chi);
        9.0 / (32.0 * PI) * sum
    }

    /// The sum with given [`angular_functions`], or with their integrals.
    pub fn dot(&self, functions: &[f64; ANGULAR_FUNCTIONS]) -> f64 {
        self.as_array().iter().zip(functions).map(|(j, f)| j * f).sum()
    }
}

/// `a, b, c` of the lepton angle's distribution in B -> K l l, in GeV^-1 where they are a differential rate.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs, reason = "the names are the literature's")]
pub struct KaonCoefficients {
    pub a: f64,
    pub b: f64,
    pub c: f64,
}

impl KaonCoefficients {
    /// All zero: outside phase space.
    pub const ZERO: Self = Self { a: 0.0, b: 0.0, c: 0.0 };

    /// `dGamma/dq2 = 2 (a + c/3)`.
    pub fn rate(&self) -> f64 {
        2.0 * (self.a + self.c / 3.0)
    }

    /// The rate at `cos_theta_l` in [-1, 1], per unit of it; what rounding leaves below 0 is returned as 0.
    pub fn density(&self, cos_theta_l: f64) -> f64 {
        (self.a + cos_theta_l * (self.b + cos_theta_l * self.c)).max(0.0)
    }
}

impl std::ops::Add for KaonCoefficients {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { a: self.a + other.a, b: self.b + other.b, c: self.c + other.c }
    }
}

impl std::ops::AddAssign for KaonCoefficients {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::Sub for KaonCoefficients {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl std::ops::Mul<f64> for KaonCoefficients {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self { a: self.a * factor, b: self.b * factor, c: self.c * factor }
    }
}

/// Number of angular functions.
pub const ANGULAR_FUNCTIONS: usize = 12;

/// `1, cos chi, sin chi, cos 2 chi, sin 2 chi`: which of them is the chi of each function, in [`AngularCoefficients::ORDER`].
pub const HARMONIC: [usize; ANGULAR_FUNCTIONS] = [0, 0, 0, 0, 3, 1, 1, 0, 0, 2, 2, 4];

/// `1, cos chi, sin chi, cos 2 chi, sin 2 chi`.
pub fn harmonics(chi: f64) -> [f64; 5] {
    let (sin, cos) = chi.sin_cos();
    [1.0, cos, sin, (cos - sin) * (cos + sin), 2.0 * sin * cos]
}

/// `9/(32 pi) f_i` in [`AngularCoefficients::ORDER`], for many sets of coefficients at the same angles: see
/// [`AngularCoefficients::dot`].
pub fn angular_functions(cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> [f64; ANGULAR_FUNCTIONS] {
    let (harmonics, polar) = (harmonics(chi), polar_functions(cos_theta_l, cos_theta_k));
    std::array::from_fn(|i| polar[i] * harmonics[HARMONIC[i]])
}

/// [`angular_functions`] without their harmonics of chi.
pub fn polar_functions(cos_theta_l: f64, cos_theta_k: f64) -> [f64; ANGULAR_FUNCTIONS] {
    let (l, k) = (cos_theta_l, cos_theta_k);
    let (sin2_l, sin2_k, cos2_k) = ((1.0 - l) * (1.0 + l), (1.0 - k) * (1.0 + k), k * k);
    let cos_2l = 2.0 * l * l - 1.0;
    let double = sin2_k * sin2_l;
    let single = 2.0 * k * double.sqrt();
    let functions = [
        sin2_k,
        cos2_k,
        sin2_k * cos_2l,
        cos2_k * cos_2l,
        double,
        2.0 * single * l,
        single,
        sin2_k * l,
        cos2_k * l,
        single,
        2.0 * single * l,
        double,
    ];
    functions.map(|f| 9.0 / (32.0 * PI) * f)
}

impl std::ops::Add for AngularCoefficients {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (a, b) = (self.as_array(), other.as_array());
        Self::from_array(std::array::from_fn(|i| a[i] + b[i]))
    }
}

impl std::ops::AddAssign for AngularCoefficients {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::Sub for AngularCoefficients {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + other * -1.0
    }
}

impl std::ops::Mul<f64> for AngularCoefficients {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self::from_array(self.as_array().map(|j| factor * j))
    }
}

impl std::iter::Sum for AngularCoefficients {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, std::ops::Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum as it is factored for one set of coefficients, and as a product of twelve numbers.
    #[test]
    fn functions_are_those_of_the_sum() {
        for (l, k, chi) in [(0.31, -0.62, 2.1), (-1.0, 0.4, 0.3), (0.9, 1.0, -3.0), (0.0, -0.7, -1.2)] {
            let functions = angular_functions(l, k, chi);
            for i in 0..ANGULAR_FUNCTIONS {
                let mut unit = [0.0; ANGULAR_FUNCTIONS];
                unit[i] = 1.0;
                let sum = AngularCoefficients::from_array(unit).angular_sum(l, k, chi);
                assert!((sum - functions[i]).abs() < 1e-16, "{i} at {l}, {k}, {chi}");
            }
        }
    }
}
