//! The model `bare`: form factors, C7eff, C7', C9, C10 and nothing else.
//!
//! No four-quark operators: no `Y(q2)`, no strong phases. What flavio (arXiv:1810.08132) calls naive factorisation with
//! all of its hadronic corrections switched off.

use crate::amplitudes::EffectiveCoefficients;
use crate::{Parameters, PhysicsError};

/// The model's inputs.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    m_b_quark: f64,
    coefficients: EffectiveCoefficients,
}

impl Bare {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(parameters: &Parameters) -> Result<Self, PhysicsError> {
        let value = |name| parameters.value(name);
        Ok(Self {
            m_b_quark: value("sm_m_b_quark")?,
            coefficients: EffectiveCoefficients {
                c7: value("sm_c7_eff")?.into(),
                c9: value("sm_c9")?.into(),
                c10: value("sm_c10")?.into(),
                c7_prime: value("sm_c7_prime")?.into(),
                ..EffectiveCoefficients::default()
            },
        })
    }

    pub(super) const fn m_b_quark(&self) -> f64 {
        self.m_b_quark
    }

    pub(super) const fn effective_coefficients(&self) -> EffectiveCoefficients {
        self.coefficients
    }
}
