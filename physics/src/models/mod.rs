//! Amplitude models: how form factors and effective Wilson coefficients are obtained; one file a model.

mod npr;

pub use npr::Npr;

use crate::amplitudes::EffectiveCoefficients;
use crate::form_factors::FormFactors;
use crate::{ModelName, Parameters, PhysicsError, WilsonShifts};

/// A model ready for evaluation.
#[derive(Debug, Clone, Copy)]
pub enum Model {
    /// See [`Npr`].
    Npr(Npr),
}

impl Model {
    /// # Errors
    /// When an input of the model is missing from the parameters.
    pub fn new(name: ModelName, parameters: &Parameters) -> Result<Self, PhysicsError> {
        match name {
            ModelName::Npr => Npr::new(parameters).map(Self::Npr),
        }
    }

    /// Its name.
    pub const fn name(&self) -> ModelName {
        match self {
            Self::Npr(_) => ModelName::Npr,
        }
    }

    /// The mass that multiplies C7 and C7', in GeV.
    pub const fn m_b_quark(&self) -> f64 {
        match self {
            Self::Npr(npr) => npr.m_b_quark(),
        }
    }

    /// The coefficients at `q2` (GeV^2): Standard Model and `shifts`, those already as the decay at hand sees them.
    pub fn effective_coefficients(&self, q2: f64, shifts: &WilsonShifts) -> EffectiveCoefficients {
        match self {
            Self::Npr(npr) => npr.effective_coefficients(q2, shifts),
        }
    }

    /// The form factors at `q2` (GeV^2) for meson masses in GeV.
    pub fn form_factors(&self, q2: f64, m_b_meson: f64, m_kpi: f64) -> FormFactors {
        match self {
            Self::Npr(npr) => npr.form_factors(q2, m_b_meson, m_kpi),
        }
    }

    /// Where the coefficients are not smooth in q2, in GeV^2, ascending: integrals over q2 are split there.
    pub fn thresholds(&self) -> [f64; 2] {
        match self {
            Self::Npr(npr) => npr.thresholds(),
        }
    }
}
