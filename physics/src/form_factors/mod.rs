//! Form factors of B -> K* in the basis V, A0, A1, A12, T1, T2, T23, and of B -> K; one file a paper.
//!
//! A12 and T23 are kept rather than A2 and T3: the longitudinal amplitude needs exactly these two, and they stay
//! finite at the end point where A2 and T3 are quotients of two numbers that vanish.

mod bsz2015;
mod grvdv2023;
mod series;

pub use bsz2015::Bsz2015;
pub use grvdv2023::Grvdv2023;

/// The seven form factors at one q2 and one K pi mass; all dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FormFactors {
    /// V(q2).
    pub v: f64,
    /// A0(q2).
    pub a0: f64,
    /// A1(q2).
    pub a1: f64,
    /// A12(q2).
    pub a12: f64,
    /// T1(q2).
    pub t1: f64,
    /// T2(q2).
    pub t2: f64,
    /// T23(q2).
    pub t23: f64,
}

/// The three form factors of B -> K at one q2; all dimensionless.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KaonFormFactors {
    /// f+(q2).
    pub f_plus: f64,
    /// f0(q2).
    pub f_zero: f64,
    /// fT(q2).
    pub f_t: f64,
}

impl FormFactors {
    /// A2(q2) for meson masses in GeV; not defined at the end point, where lambda vanishes.
    ///
    /// # Source
    /// arXiv:1503.05534, eq. 22: `A2 = [(mB+mV)^2 (mB^2-mV^2-q2) A1 - 16 mB mV^2 (mB+mV) A12] / lambda`.
    pub fn a2(&self, q2: f64, m_b_meson: f64, m_kpi: f64) -> f64 {
        let (sum, difference) = (m_b_meson + m_kpi, m_b_meson - m_kpi);
        let lambda = (sum * sum - q2) * (difference * difference - q2);
        (sum * sum * (sum * difference - q2) * self.a1 - 16.0 * m_b_meson * m_kpi * m_kpi * sum * self.a12)
            / lambda
    }

    /// T3(q2) for meson masses in GeV; not defined at the end point, where lambda vanishes.
    ///
    /// # Source
    /// arXiv:1503.05534, eq. 23: `T3 = [(mB^2-mV^2) (mB^2+3mV^2-q2) T2 - 8 mB mV^2 (mB-mV) T23] / lambda`.
    pub fn t3(&self, q2: f64, m_b_meson: f64, m_kpi: f64) -> f64 {
        let (sum, difference) = (m_b_meson + m_kpi, m_b_meson - m_kpi);
        let lambda = (sum * sum - q2) * (difference * difference - q2);
        (sum * difference * (m_b_meson * m_b_meson + 3.0 * m_kpi * m_kpi - q2) * self.t2
            - 8.0 * m_b_meson * m_kpi * m_kpi * difference * self.t23)
            / lambda
    }
}
