//! The model `nnlo`: `bare` and the matrix elements of the four-quark operators at next-to-next-to-leading order.
//!
//! `C7eff(q2) = C7eff + delta C7(q2)`, `C9eff(q2) = C9 + delta C9(q2)`: one loop, two loops and the CKM-suppressed
//! u-quark loop, which carries a weak phase. No spectator scattering.

use crate::amplitudes::EffectiveCoefficients;
use crate::charm_loop_nnlo::CharmLoopNnlo;
use crate::charmonium::Charmonium;
use crate::{Flavour, Parameters, PhysicsError};

use super::Bare;

/// The model's inputs.
#[derive(Debug, Clone, Copy)]
pub struct Nnlo {
    bare: Bare,
    charm_loop: CharmLoopNnlo,
}

impl Nnlo {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        Ok(Self { bare: Bare::new(parameters)?, charm_loop: CharmLoopNnlo::new(flavour, parameters)? })
    }

    pub(super) const fn m_b_quark(&self) -> f64 {
        self.bare.m_b_quark()
    }

    pub(super) fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        let bare = self.bare.effective_coefficients();
        let (delta_c7, delta_c9) = self.charm_loop.delta_c7_c9(q2);
        EffectiveCoefficients { c7: bare.c7 + delta_c7, c9: bare.c9 + delta_c9, ..bare }
    }

    pub(super) fn thresholds(&self) -> Vec<f64> {
        self.charm_loop.thresholds()
    }

    pub(super) fn set_charmonium(&mut self, charmonium: &Charmonium) {
        self.charm_loop.set_charmonium(charmonium);
    }
}
