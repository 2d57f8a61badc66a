//! The set-up of a global fit: measurements, model and inputs, and which errors count.

use humboldt_physics::charmonium::Charmonium;
use humboldt_physics::uncertainty::Spread;
use humboldt_physics::{ModelName, Parameters, Quantity, Theory};
use humboldt_schemas::Invalid;
use humboldt_schemas::complex::ComplexValue;

use super::GlobalError;
use super::data::Data;
use super::polynomials::{Polynomials, Sharing};
use super::selection::NEAR_CHARMONIA;
use super::shift::{FixedShift, Shift};
use super::statistic::{ChiSquare, Errors, TheoryErrors, spread};
use crate::assumptions::charmonium_caution;

/// Data, and the model that they are compared with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The measurements.
    pub data: Data,
    /// Amplitude model.
    pub model: ModelName,
    /// Its inputs.
    pub parameters: Parameters,
    /// Resonances in place of the charm loop.
    pub charmonium: Option<Charmonium>,
    /// Source of theory errors.
    pub theory_errors: TheoryErrors,
    /// Whether correlations count.
    pub correlations: bool,
}

/// Parameters of a fit.
#[derive(Debug, Clone, Default)]
pub struct Free {
    /// Shifts that may move.
    pub shifts: Vec<Shift>,
    /// Polynomials in q2 that are added to observables.
    pub polynomials: Option<Sharing>,
    /// Shifts of other coefficients, which stay.
    pub fixed: Vec<FixedShift>,
}

impl Setup {
    /// The theory without shifts.
    pub fn standard_model(&self) -> Theory<'_> {
        let mut theory = Theory::new(self.model, &self.parameters);
        theory.charmonium = self.charmonium;
        theory
    }

    /// The theory at a point.
    ///
    /// # Errors
    /// When a coefficient is shifted twice.
    pub fn theory(&self, shifts: &[FixedShift]) -> Result<Theory<'_>, GlobalError> {
        let mut theory = self.standard_model();
        FixedShift::apply(&mut theory, shifts)?;
        Ok(theory)
    }

    /// Theory errors at a point, where they are asked for.
    ///
    /// # Errors
    /// As [`spread`].
    pub fn spread(&self, theory: &Theory) -> Result<Option<Spread>, GlobalError> {
        spread(theory, &self.data, self.theory_errors)
    }

    /// Errors of a chi-square: the same wherever it is taken.
    ///
    /// # Errors
    /// As [`Errors::of`].
    pub fn errors(&self) -> Result<Errors, GlobalError> {
        Errors::of(&self.standard_model(), &self.data, self.theory_errors, self.correlations)
    }

    /// The chi-square as a function of what is free.
    ///
    /// # Errors
    /// When a coefficient is both free and fixed, there are as many parameters as measurements, or as [`ChiSquare::new`].
    pub fn statistic(&self, free: &Free, errors: &Errors) -> Result<ChiSquare, GlobalError> {
        let theory = self.theory(&free.fixed)?;
        for shift in &free.shifts {
            let same = |fixed: &&FixedShift| {
                shift.leptons.include(fixed.lepton) && fixed.coefficient == shift.direction.coefficient
            };
            if let Some(FixedShift { coefficient, value, .. }) = free.fixed.iter().find(same) {
                let allowed = "coefficients that are not in --free";
                return Err(Invalid::new(coefficient.name(), ComplexValue(*value), allowed).into());
            }
        }
        let polynomials = free
            .polynomials
            .map_or_else(Polynomials::default, |sharing| Polynomials::determined(sharing, &self.data));
        let (count, measurements) = (free.shifts.len() + polynomials.coefficients().len(), self.data.len());
        let allowed = format!("fewer than the {measurements} measurements");
        Invalid::unless(count < measurements, "free", format!("{count} parameters"), allowed)?;
        ChiSquare::new(&theory, self.data.clone(), &free.shifts, polynomials, errors)
    }

    /// Fault of the prediction of a quantity, where there is one.
    pub fn caution(&self, quantity: &Quantity) -> Option<String> {
        let [_, above] = NEAR_CHARMONIA;
        let apart = quantity.observable.compares_leptons() || quantity.q2_min >= above;
        match self.charmonium {
            None if !apart => charmonium_caution(quantity.q2_min, quantity.q2_max),
            _ => None,
        }
    }
}
