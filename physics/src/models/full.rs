//! The model `full`: `nnlo`, spectator scattering, and a place for corrections that no calculation gives.

use num_complex::Complex64;

use crate::amplitudes::{EffectiveCoefficients, Nonlocal};
use crate::charmonium::Charmonium;
use crate::form_factors::FormFactors;
use crate::kinematics::PhaseSpacePoint;
use crate::spectator::Spectator;
use crate::subleading::{HIGH_Q2, KaonSubleading, KstarSubleading, LOW_Q2};
use crate::{Flavour, Parameters, PhysicsError};

use super::Nnlo;

/// The model's inputs.
#[derive(Debug, Clone, Copy)]
pub struct Full {
    nnlo: Nnlo,
    spectator: Spectator,
    kstar: KstarSubleading,
    kaon: KaonSubleading,
}

impl Full {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        Ok(Self {
            nnlo: Nnlo::new(flavour, parameters)?,
            spectator: Spectator::new(flavour, parameters)?,
            kstar: KstarSubleading::new(flavour, parameters)?,
            kaon: KaonSubleading::new(flavour, parameters)?,
        })
    }

    pub(super) const fn m_b_quark(&self) -> f64 {
        self.nnlo.m_b_quark()
    }

    pub(super) fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        self.nnlo.effective_coefficients(q2)
    }

    pub(super) fn nonlocal(&self, point: &PhaseSpacePoint, form_factors: &FormFactors) -> Nonlocal {
        let spectator = self.spectator.nonlocal(point);
        if self.kstar.is_zero() {
            spectator
        } else {
            spectator + self.kstar.nonlocal(point, self.m_b_quark(), form_factors)
        }
    }

    pub(super) fn kaon_delta_c9(&self, q2: f64) -> Complex64 {
        self.kaon.delta_c9(q2)
    }

    pub(super) fn thresholds(&self) -> Vec<f64> {
        let mut thresholds = self.nnlo.thresholds();
        thresholds.extend([Spectator::Q2_MAX, LOW_Q2, HIGH_Q2]);
        thresholds
    }

    pub(super) fn set_charmonium(&mut self, charmonium: &Charmonium) {
        self.nnlo.set_charmonium(charmonium);
    }
}
