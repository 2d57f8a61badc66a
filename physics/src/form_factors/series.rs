//! The simplified series expansion that several papers share.
//!
//! `F(q2) = 1/(1 - q2/mR^2) sum_k alpha_k [z(q2) - z(0)]^k`, k = 0, 1, 2, with
//! `z(q2) = (sqrt(t+ - q2) - sqrt(t+ - t0)) / (sqrt(t+ - q2) + sqrt(t+ - t0))`, `t± = (mB ± mM)^2`,
//! `t0 = t+ (1 - sqrt(1 - t-/t+))`.
//!
//! # Source
//! Bharucha, Straub, Zwicky, arXiv:1503.05534, eqs. 15 to 17.

/// One form factor: pole and coefficients of the series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Series {
    /// 1/mR^2 in GeV^-2.
    inverse_m_r2: f64,
    alpha: [f64; 3],
}

impl Series {
    /// Pole mass in GeV, coefficients.
    pub(super) fn new(m_r: f64, alpha: [f64; 3]) -> Self {
        Self { inverse_m_r2: m_r.powi(-2), alpha }
    }

    /// At `q2` (GeV^2), with the `z(q2) - z(0)` that belongs to it.
    pub(super) fn at(&self, q2: f64, z_minus_z0: f64) -> f64 {
        let [alpha0, alpha1, alpha2] = self.alpha;
        (alpha0 + z_minus_z0 * (alpha1 + z_minus_z0 * alpha2)) / (1.0 - q2 * self.inverse_m_r2)
    }
}

/// `z(q2) - z(0)` at q2 < t+ (GeV^2) for meson masses in GeV.
pub(super) fn z_minus_z0(q2: f64, m_b_meson: f64, m_meson: f64) -> f64 {
    let t_plus = (m_b_meson + m_meson).powi(2);
    // sqrt(t+ - t0) = (t+^2 (1 - t-/t+))^(1/4) = (4 mB mM t+)^(1/4), free of cancellation.
    let root_t0 = (4.0 * m_b_meson * m_meson * t_plus).sqrt().sqrt();
    let root_q2 = (t_plus - q2).sqrt();
    let root_0 = m_b_meson + m_meson;
    // z(q2) - z(0) over a common denominator.
    2.0 * root_t0 * (root_q2 - root_0) / ((root_q2 + root_t0) * (root_0 + root_t0))
}
