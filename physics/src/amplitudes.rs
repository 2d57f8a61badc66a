//! Transversity amplitudes of B -> K*(-> K pi) l l, exact in the lepton mass, theory convention.
//!
//! A model enters through two inputs only: form factors and effective Wilson coefficients at the point of phase space.
//!
//! # Source
//! Altmannshofer et al., arXiv:0811.1214, eqs. 3.28 to 3.34.

use std::f64::consts::{PI, SQRT_2};

use num_complex::Complex64;

use crate::form_factors::FormFactors;
use crate::kinematics::PhaseSpacePoint;
use crate::{WilsonCoefficient, WilsonShifts};

/// Effective Wilson coefficients at one q2, as the decay at hand sees them (weak phases conjugated for B0 and B+).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EffectiveCoefficients {
    /// C7eff.
    pub c7: Complex64,
    /// C9eff = C9 + Y(q2).
    pub c9: Complex64,
    /// C10.
    pub c10: Complex64,
    /// C7'.
    pub c7_prime: Complex64,
    /// C9'.
    pub c9_prime: Complex64,
    /// C10'.
    pub c10_prime: Complex64,
    /// `C_S - C_S'` in GeV^-1, of the operator `m_b (s P_R b)(l l)`.
    pub c_s: Complex64,
    /// `C_P - C_P'` in GeV^-1, of the operator `m_b (s P_R b)(l gamma5 l)`.
    pub c_p: Complex64,
}

impl EffectiveCoefficients {
    /// Coefficients with shifts, those already as the decay at hand sees them.
    #[must_use]
    pub fn shifted(self, shifts: &WilsonShifts) -> Self {
        let shift = |coefficient| shifts.get(coefficient);
        Self {
            c7: self.c7 + shift(WilsonCoefficient::C7),
            c9: self.c9 + shift(WilsonCoefficient::C9),
            c10: self.c10 + shift(WilsonCoefficient::C10),
            c7_prime: self.c7_prime + shift(WilsonCoefficient::C7Prime),
            c9_prime: self.c9_prime + shift(WilsonCoefficient::C9Prime),
            c10_prime: self.c10_prime + shift(WilsonCoefficient::C10Prime),
            c_s: self.c_s + shift(WilsonCoefficient::CS),
            c_p: self.c_p + shift(WilsonCoefficient::CP),
        }
    }
}

/// A transversity amplitude with a left- and a right-handed lepton current.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Chiral {
    /// Left-handed lepton current.
    pub left: Complex64,
    /// Right-handed lepton current.
    pub right: Complex64,
}

impl Chiral {
    /// `vector ∓ axial` with a common factor: upper sign left.
    fn new(factor: f64, vector: Complex64, axial: Complex64) -> Self {
        Self { left: factor * (vector - axial), right: factor * (vector + axial) }
    }

    /// `|A^L|^2 + |A^R|^2`.
    pub fn norm_sqr(&self) -> f64 {
        self.left.norm_sqr() + self.right.norm_sqr()
    }
}

/// The eight amplitudes in GeV^(-1/2); their squares are contributions to `dGamma/dq2`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TransversityAmplitudes {
    /// `A_perp^{L,R}`.
    pub perp: Chiral,
    /// `A_para^{L,R}`.
    pub para: Chiral,
    /// `A_0^{L,R}`.
    pub zero: Chiral,
    /// `A_t`.
    pub time: Complex64,
    /// `A_S`.
    pub scalar: Complex64,
}

/// `G_F alpha_em |V_tb V_ts*| / sqrt(3 * 2^10 pi^5)` in GeV^-2: what the normalisation N of eq. 3.33 holds besides
/// kinematics.
pub fn weak_coupling(fermi_constant: f64, alpha_em: f64, ckm: f64) -> f64 {
    fermi_constant * alpha_em * ckm / (3.0 * 1024.0 * PI.powi(5)).sqrt()
}

/// `N = V_tb V_ts* sqrt(G_F^2 alpha^2 q2 lambda^(1/2) beta / (3 2^10 pi^5 mB^3))` of eq. 3.33.
pub fn normalisation(point: &PhaseSpacePoint, weak_coupling: f64) -> f64 {
    weak_coupling * (point.q2 * point.lambda.sqrt() * point.beta_l / point.m_b_meson.powi(3)).sqrt()
}

/// The amplitudes at one point of phase space.
///
/// `weak_coupling` is that of [`weak_coupling`], `m_b_quark` (GeV) multiplies C7 and C7'.
pub fn transversity(
    point: &PhaseSpacePoint,
    weak_coupling: f64,
    m_b_quark: f64,
    c: &EffectiveCoefficients,
    ff: &FormFactors,
) -> TransversityAmplitudes {
    let &PhaseSpacePoint { m_b_meson, m_kpi, m_lepton, q2, lambda, .. } = point;
    let root_lambda = lambda.sqrt();
    let n = normalisation(point, weak_coupling);
    let sum = m_b_meson + m_kpi;
    let difference = m_b_meson - m_kpi;
    let dipole = 2.0 * m_b_quark / q2;

    let perp = Chiral::new(
        n * SQRT_2 * root_lambda,
        (c.c9 + c.c9_prime) * (ff.v / sum) + (c.c7 + c.c7_prime) * (dipole * ff.t1),
        (c.c10 + c.c10_prime) * (ff.v / sum),
    );
    let para = Chiral::new(
        -n * SQRT_2 * sum * difference,
        (c.c9 - c.c9_prime) * (ff.a1 / difference) + (c.c7 - c.c7_prime) * (dipole * ff.t2),
        (c.c10 - c.c10_prime) * (ff.a1 / difference),
    );
    // Eq. 3.30 with its brackets replaced by A12 and T23 (arXiv:1503.05534, eqs. 22, 23): no quotient of vanishing
    // numbers at the end point.
    let zero = Chiral::new(
        -8.0 * n * m_b_meson * m_kpi / q2.sqrt(),
        (c.c9 - c.c9_prime) * ff.a12 + (c.c7 - c.c7_prime) * (m_b_quark * ff.t23 / sum),
        (c.c10 - c.c10_prime) * ff.a12,
    );
    let time = n / q2.sqrt() * root_lambda * ff.a0 * (2.0 * (c.c10 - c.c10_prime) + q2 / m_lepton * c.c_p);
    let scalar = -2.0 * n * root_lambda * ff.a0 * c.c_s;
    TransversityAmplitudes { perp, para, zero, time, scalar }
}

/// Additions to `A_perp`, `A_para`, `A_0`, left and right alike, beyond effective coefficients times form factors;
/// in units of the normalisation N of eq. 3.33.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Nonlocal {
    /// To `A_perp`.
    pub perp: Complex64,
    /// To `A_para`.
    pub para: Complex64,
    /// To `A_0`.
    pub zero: Complex64,
}

impl Nonlocal {
    /// Effect of shifts of C7, C7' and C9.
    pub fn from_shifts(
        point: &PhaseSpacePoint,
        m_b_quark: f64,
        ff: &FormFactors,
        c7: Complex64,
        c7_prime: Complex64,
        c9: Complex64,
    ) -> Self {
        let c = EffectiveCoefficients { c7, c9, c7_prime, ..EffectiveCoefficients::default() };
        // A weak coupling that makes N one; no axial part: left and right are the same.
        let amplitudes = transversity(point, 1.0 / normalisation(point, 1.0), m_b_quark, &c, ff);
        Self { perp: amplitudes.perp.left, para: amplitudes.para.left, zero: amplitudes.zero.left }
    }

    /// Effect of a shift of C9 in each of the amplitudes.
    pub fn from_delta_c9(
        point: &PhaseSpacePoint,
        ff: &FormFactors,
        perp: Complex64,
        para: Complex64,
        zero: Complex64,
    ) -> Self {
        let unit = Self::from_shifts(point, 0.0, ff, Complex64::ZERO, Complex64::ZERO, Complex64::ONE);
        Self { perp: unit.perp * perp, para: unit.para * para, zero: unit.zero * zero }
    }

    /// `A_0` of the first, `H_+` of the second and `H_-` of the third, with `H_+- = (A_para +- A_perp)/sqrt(2)`.
    pub fn from_helicities(zero: &Self, plus: &Self, minus: &Self) -> Self {
        let h_plus = (plus.para + plus.perp) * 0.5;
        let h_minus = (minus.para - minus.perp) * 0.5;
        Self { perp: h_plus - h_minus, para: h_plus + h_minus, zero: zero.zero }
    }
}

impl std::ops::Add for Nonlocal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { perp: self.perp + other.perp, para: self.para + other.para, zero: self.zero + other.zero }
    }
}

impl TransversityAmplitudes {
    /// With a factor on all amplitudes of helicity 0.
    #[must_use]
    pub fn with_longitudinal_times(mut self, factor: Complex64) -> Self {
        self.zero.left *= factor;
        self.zero.right *= factor;
        self.time *= factor;
        self.scalar *= factor;
        self
    }

    /// Amplitudes with nonlocal contributions, `n` from [`normalisation`].
    #[must_use]
    pub fn with_nonlocal(mut self, n: f64, nonlocal: &Nonlocal) -> Self {
        let parts = [
            (&mut self.perp, nonlocal.perp),
            (&mut self.para, nonlocal.para),
            (&mut self.zero, nonlocal.zero),
        ];
        for (amplitude, addition) in parts {
            amplitude.left += n * addition;
            amplitude.right += n * addition;
        }
        self
    }
}

impl std::ops::Add for Chiral {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { left: self.left + other.left, right: self.right + other.right }
    }
}

impl std::ops::Add for TransversityAmplitudes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            perp: self.perp + other.perp,
            para: self.para + other.para,
            zero: self.zero + other.zero,
            time: self.time + other.time,
            scalar: self.scalar + other.scalar,
        }
    }
}
