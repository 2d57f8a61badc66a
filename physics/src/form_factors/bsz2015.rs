//! Bharucha, Straub, Zwicky, arXiv:1503.05534: light-cone sum rules and lattice QCD, simplified series expansion.
//!
//! The K pi mass of the event stands for mV in the variable z of the series.

use super::FormFactors;
use super::series::{Series, z_minus_z0};
use crate::{Parameters, PhysicsError};

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
    /// The published coefficients, each as it stands, of inputs whose names begin with `set`.
    ///
    /// # Errors
    /// When a coefficient is missing from the parameters.
    pub fn new(set: &str, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let series = |name: &str| {
            let value = |suffix: &str| parameters.value(&format!("{set}_{name}_{suffix}"));
            Ok::<Series, PhysicsError>(Series::new(
                value("m_r")?,
                [value("alpha0")?, value("alpha1")?, value("alpha2")?],
            ))
        };
        Ok(Self {
            v: series("v")?,
            a0: series("a0")?,
            a1: series("a1")?,
            a12: series("a12")?,
            t1: series("t1")?,
            t2: series("t2")?,
            t23: series("t23")?,
        })
    }

    /// Fit with both exact relations at q2 = 0 imposed, `A12 = (mB^2 - mV^2)/(8 mB mV) A0` and `T2 = T1`, and
    /// with the poles of the models `bare`, `nnlo` and `full`.
    ///
    /// # Errors
    /// When an input is missing from the parameters.
    ///
    /// # Source
    /// arXiv:1503.05534, eqs. 17 and 22; flavio 2.7.1 (arXiv:1810.08132).
    pub fn with_exact_relations(set: &str, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let value = |name: &str| parameters.value(name);
        let alpha = |name: &str, k: usize| value(&format!("{set}_{name}_alpha{k}"));
        let series = |pole: f64, name: &str, alpha0: f64| {
            Ok::<Series, PhysicsError>(Series::new(pole, [alpha0, alpha(name, 1)?, alpha(name, 2)?]))
        };
        let (m_b_meson, m_kstar) = (value("sm_m_b_meson_neutral")?, value("m_kstar")?);
        let (pseudoscalar, vector, axial) =
            (value("sm_m_r_0_minus")?, value("sm_m_r_1_minus")?, value("sm_m_r_1_plus")?);
        let relation = (m_b_meson * m_b_meson - m_kstar * m_kstar) / (8.0 * m_b_meson * m_kstar);
        Ok(Self {
            v: series(vector, "v", alpha("v", 0)?)?,
            a0: series(pseudoscalar, "a0", alpha("a0", 0)?)?,
            a1: series(axial, "a1", alpha("a1", 0)?)?,
            a12: series(axial, "a12", relation * alpha("a0", 0)?)?,
            t1: series(vector, "t1", alpha("t1", 0)?)?,
            t2: series(axial, "t2", alpha("t1", 0)?)?,
            t23: series(axial, "t23", alpha("t23", 0)?)?,
        })
    }

    /// All seven form factors at `q2` (GeV^2) for meson masses in GeV, `m_kpi < m_b_meson` and `q2 < (mB + m_kpi)^2`.
    pub fn at(&self, q2: f64, m_b_meson: f64, m_kpi: f64) -> FormFactors {
        let z_minus_z0 = z_minus_z0(q2, m_b_meson, m_kpi);
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
        let ff = Bsz2015::new("bsz2015", Parameters::standard()).unwrap().at(q2, m_b_meson, m_kpi);
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
        let ff = Bsz2015::new("bsz2015", Parameters::standard()).unwrap().at(0.0, 5.27964, 0.89555);
        assert!((ff.t1 - ff.t2).abs() < 1e-15);
        // A12(0) = (mB^2 - mV^2)/(8 mB mV) A0(0); the published a12 coefficient satisfies it to half a percent.
        let related = (5.27964_f64.powi(2) - 0.89555_f64.powi(2)) / (8.0 * 5.27964 * 0.89555) * ff.a0;
        assert!((ff.a12 / related - 1.0).abs() < 6e-3);
    }
}
