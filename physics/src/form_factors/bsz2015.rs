//! Bharucha, Straub, Zwicky, arXiv:1503.05534: light-cone sum rules and lattice QCD, simplified series expansion.
//!
//! `F(q2) = 1/(1 - q2/mR^2) sum_k alpha_k [z(q2) - z(0)]^k`, k = 0, 1, 2 (eqs. 15 to 17), with
//! `z(q2) = (sqrt(t+ - q2) - sqrt(t+ - t0)) / (sqrt(t+ - q2) + sqrt(t+ - t0))`, `t± = (mB ± mV)^2`,
//! `t0 = t+ (1 - sqrt(1 - t-/t+))`. The K pi mass of the event stands for mV.

use super::FormFactors;
use crate::{Parameters, PhysicsError};

/// One form factor: pole and coefficients of the series.
#[derive(Debug, Clone, Copy)]
struct Series {
    /// 1/mR^2 in GeV^-2.
    inverse_m_r2: f64,
    alpha: [f64; 3],
}

impl Series {
    fn new(parameters: &Parameters, name: &str) -> Result<Self, PhysicsError> {
        let value = |suffix: &str| parameters.value(&format!("bsz2015_{name}_{suffix}"));
        Ok(Self {
            inverse_m_r2: value("m_r")?.powi(-2),
            alpha: [value("alpha0")?, value("alpha1")?, value("alpha2")?],
        })
    }

    fn at(&self, q2: f64, z_minus_z0: f64) -> f64 {
        let [alpha0, alpha1, alpha2] = self.alpha;
        (alpha0 + z_minus_z0 * (alpha1 + z_minus_z0 * alpha2)) / (1.0 - q2 * self.inverse_m_r2)
    }
}

/// The form factors of arXiv:1503.05534 as functions of q2 and the K pi mass.
#[derive(Debug, Clone, Copy)]
pub struct Bsz2015 {
    v: Series,
    a0: Series,
    a1: Series,
    a12: Series,
    t1: Series,
    t2: Series,
    t23: Series,
}

impl Bsz2015 {
    /// # Errors
    /// When a coefficient is missing from the parameters.
    pub fn new(parameters: &Parameters) -> Result<Self, PhysicsError> {
        Ok(Self {
            v: Series::new(parameters, "v")?,
            a0: Series::new(parameters, "a0")?,
            a1: Series::new(parameters, "a1")?,
            a12: Series::new(parameters, "a12")?,
            t1: Series::new(parameters, "t1")?,
            t2: Series::new(parameters, "t2")?,
            t23: Series::new(parameters, "t23")?,
        })
    }

    /// All seven form factors at `q2` (GeV^2) for meson masses in GeV, `m_kpi < m_b_meson` and `q2 < (mB + m_kpi)^2`.
    pub fn at(&self, q2: f64, m_b_meson: f64, m_kpi: f64) -> FormFactors {
        let t_plus = (m_b_meson + m_kpi).powi(2);
        // sqrt(t+ - t0) = (t+^2 (1 - t-/t+))^(1/4) = (4 mB mV t+)^(1/4), free of cancellation.
        let root_t0 = (4.0 * m_b_meson * m_kpi * t_plus).sqrt().sqrt();
        let root_q2 = (t_plus - q2).sqrt();
        let root_0 = m_b_meson + m_kpi;
        // z(q2) - z(0) over a common denominator.
        let z_minus_z0 = 2.0 * root_t0 * (root_q2 - root_0) / ((root_q2 + root_t0) * (root_0 + root_t0));
        FormFactors {
            v: self.v.at(q2, z_minus_z0),
            a0: self.a0.at(q2, z_minus_z0),
            a1: self.a1.at(q2, z_minus_z0),
            a12: self.a12.at(q2, z_minus_z0),
            t1: self.t1.at(q2, z_minus_z0),
            t2: self.t2.at(q2, z_minus_z0),
            t23: self.t23.at(q2, z_minus_z0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that an independent evaluation of the published coefficients gives at q2 = 6 GeV^2, to their four digits.
    #[test]
    fn paper_form_factors_at_6_gev2() {
        let (q2, m_b_meson, m_kpi) = (6.0, 5.27964, 0.89555);
        let ff = Bsz2015::new(Parameters::standard()).unwrap().at(q2, m_b_meson, m_kpi);
        let expected = [
            (ff.v, 0.5411),
            (ff.a0, 0.5402),
            (ff.a1, 0.3433),
            (ff.a12, 0.2957),
            (ff.t1, 0.4499),
            (ff.t2, 0.3568),
            (ff.t23, 0.7508),
            (ff.a2(q2, m_b_meson, m_kpi), 0.3582),
            (ff.t3(q2, m_b_meson, m_kpi), 0.2897),
        ];
        for (index, (got, expected)) in expected.into_iter().enumerate() {
            assert!((got - expected).abs() < 6e-5, "number {index}: {got} against {expected}");
        }
    }

    #[test]
    fn exact_relations_at_zero_recoil_momentum_transfer() {
        let ff = Bsz2015::new(Parameters::standard()).unwrap().at(0.0, 5.27964, 0.89555);
        assert!((ff.t1 - ff.t2).abs() < 1e-15);
        // A12(0) = (mB^2 - mV^2)/(8 mB mV) A0(0); the published a12 coefficient satisfies it to half a percent.
        let related = (5.27964_f64.powi(2) - 0.89555_f64.powi(2)) / (8.0 * 5.27964 * 0.89555) * ff.a0;
        assert!((ff.a12 / related - 1.0).abs() < 6e-3);
    }
}
