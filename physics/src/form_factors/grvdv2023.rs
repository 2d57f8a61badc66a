//! B -> K: Gubernari, Reboud, van Dyk, Virto, arXiv:2305.06301, light-cone sum rules and lattice QCD, in the simplified
//! series expansion. Isospin symmetric: the masses of B0 and K0 stand in the series for both charges.

use super::KaonFormFactors;
use super::series::{Series, z_minus_z0};
use crate::{Parameters, PhysicsError};

/// The form factors of arXiv:2305.06301 as functions of q2.
#[derive(Debug, Clone, Copy)]
pub struct Grvdv2023 {
    f_plus: Series,
    f_zero: Series,
    f_t: Series,
    m_b_meson: f64,
    m_kaon: f64,
}

impl Grvdv2023 {
    /// With `f0(0) = f+(0)`, of inputs whose names begin with `set`.
    ///
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(set: &str, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let value = |name: &str| parameters.value(name);
        let alpha = |name: &str, k: usize| value(&format!("{set}_{name}_alpha{k}"));
        let vector = value("sm_m_r_1_minus")?;
        let at_zero = alpha("f_plus", 0)?;
        Ok(Self {
            f_plus: Series::new(vector, [at_zero, alpha("f_plus", 1)?, alpha("f_plus", 2)?]),
            f_zero: Series::new(
                value(&format!("{set}_f0_m_r"))?,
                [at_zero, alpha("f_zero", 1)?, alpha("f_zero", 2)?],
            ),
            f_t: Series::new(vector, [alpha("f_t", 0)?, alpha("f_t", 1)?, alpha("f_t", 2)?]),
            m_b_meson: value("sm_m_b_meson_neutral")?,
            m_kaon: value("m_kaon_neutral")?,
        })
    }

    /// All three at `q2` (GeV^2) below `(mB + mK)^2`.
    pub fn at(&self, q2: f64) -> KaonFormFactors {
        let z_minus_z0 = z_minus_z0(q2, self.m_b_meson, self.m_kaon);
        KaonFormFactors {
            f_plus: self.f_plus.at(q2, z_minus_z0),
            f_zero: self.f_zero.at(q2, z_minus_z0),
            f_t: self.f_t.at(q2, z_minus_z0),
        }
    }
}
