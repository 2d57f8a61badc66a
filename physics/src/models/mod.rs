//! Amplitude models: how effective Wilson coefficients and what does not factorise are obtained; one file a model.

mod bare;
mod full;
mod nnlo;
mod npr;

pub use bare::Bare;
pub use full::Full;
pub use nnlo::Nnlo;
pub use npr::Npr;

use num_complex::Complex64;

use crate::amplitudes::{EffectiveCoefficients, Nonlocal};
use crate::charmonium::Charmonium;
use crate::form_factors::FormFactors;
use crate::kinematics::PhaseSpacePoint;
use crate::{Flavour, ModelName, Parameters, PhysicsError};

/// A model ready for evaluation, for one flavour.
#[allow(clippy::large_enum_variant, reason = "a decay is Copy, and there are few of them")]
#[derive(Debug, Clone, Copy)]
pub enum Model {
    /// See [`Npr`].
    Npr(Npr),
    /// See [`Bare`].
    Bare(Bare),
    /// See [`Nnlo`].
    Nnlo(Nnlo),
    /// See [`Full`].
    Full(Full),
}

impl Model {
    /// # Errors
    /// When an input of the model is missing from the parameters.
    pub fn new(name: ModelName, flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        match name {
            ModelName::Npr => Npr::new(parameters).map(Self::Npr),
            ModelName::Bare => Bare::new(parameters).map(Self::Bare),
            ModelName::Nnlo => Nnlo::new(flavour, parameters).map(Self::Nnlo),
            ModelName::Full => Full::new(flavour, parameters).map(Self::Full),
        }
    }

    /// Amplitudes with charmonium resonances in place of the charm loop.
    ///
    /// # Errors
    /// When the model has no charm loop.
    pub fn with_charmonium(mut self, charmonium: &Charmonium) -> Result<Self, PhysicsError> {
        match &mut self {
            Self::Npr(npr) => npr.set_charmonium(charmonium),
            Self::Nnlo(nnlo) => nnlo.set_charmonium(charmonium),
            Self::Full(full) => full.set_charmonium(charmonium),
            Self::Bare(_) => {
                return Err(PhysicsError::OutOfRange {
                    field: "charmonium".to_owned(),
                    got: "on, with the model bare".to_owned(),
                    allowed: "the models npr, nnlo, full, which have a charm loop".to_owned(),
                });
            }
        }
        Ok(self)
    }

    /// Its name.
    pub const fn name(&self) -> ModelName {
        match self {
            Self::Npr(_) => ModelName::Npr,
            Self::Bare(_) => ModelName::Bare,
            Self::Nnlo(_) => ModelName::Nnlo,
            Self::Full(_) => ModelName::Full,
        }
    }

    /// The mass that multiplies C7 and C7', in GeV.
    pub const fn m_b_quark(&self) -> f64 {
        match self {
            Self::Npr(npr) => npr.m_b_quark(),
            Self::Bare(bare) => bare.m_b_quark(),
            Self::Nnlo(nnlo) => nnlo.m_b_quark(),
            Self::Full(full) => full.m_b_quark(),
        }
    }

    /// The coefficients of the Standard Model at `q2` (GeV^2), as the flavour at hand sees them.
    pub fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        match self {
            Self::Npr(npr) => npr.effective_coefficients(q2),
            Self::Bare(bare) => bare.effective_coefficients(),
            Self::Nnlo(nnlo) => nnlo.effective_coefficients(q2),
            Self::Full(full) => full.effective_coefficients(q2),
        }
    }

    /// Contribution to B -> K* that does not factorise; `None` where the model has nothing of the kind.
    pub fn nonlocal(&self, point: &PhaseSpacePoint, form_factors: &FormFactors) -> Option<Nonlocal> {
        match self {
            Self::Npr(_) | Self::Bare(_) | Self::Nnlo(_) => None,
            Self::Full(full) => Some(full.nonlocal(point, form_factors)),
        }
    }

    /// Contribution to B -> K that does not factorise, as a shift of C9.
    pub fn kaon_delta_c9(&self, q2: f64) -> Complex64 {
        match self {
            Self::Npr(_) | Self::Bare(_) | Self::Nnlo(_) => Complex64::ZERO,
            Self::Full(full) => full.kaon_delta_c9(q2),
        }
    }

    /// Points where amplitudes are not smooth in q2, or change within less than itself, in GeV^2: integrals over q2 are split
    /// there.
    pub fn thresholds(&self) -> Vec<f64> {
        match self {
            Self::Npr(npr) => npr.thresholds(),
            Self::Bare(_) => Vec::new(),
            Self::Nnlo(nnlo) => nnlo.thresholds(),
            Self::Full(full) => full.thresholds(),
        }
    }
}
