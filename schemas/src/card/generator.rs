//! `[generator]`: which decay, which model, which window.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use humboldt_physics::charmonium::Charmonium;
use humboldt_physics::{
    Decay, Flavour, Lepton, LineShape, ModelName, Parameters, PhysicsError, WilsonCoefficient, WilsonShifts,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effects;
use crate::complex::ComplexValue;
use crate::error::Invalid;
use crate::named;

/// Source of the events.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneratorCard {
    /// Amplitude model: `npr`, `bare`, `nnlo` or `full`.
    #[serde(with = "named")]
    #[schemars(schema_with = "named::schema::<ModelName>")]
    pub model: ModelName,
    /// `B0bar`, `B0`, `B-` or `B+`.
    #[serde(with = "named")]
    #[schemars(schema_with = "named::schema::<Flavour>")]
    pub flavour: Flavour,
    /// `mu` or `e`.
    #[serde(with = "named")]
    #[schemars(schema_with = "named::schema::<Lepton>")]
    pub lepton: Lepton,
    /// K pi mass: `breit-wigner`, or `narrow` for the pole.
    #[serde(with = "named")]
    #[schemars(schema_with = "named::schema::<LineShape>")]
    pub line_shape: LineShape,
    /// Windows in q2 [GeV^2], such as `["0.1:19.2"]`; an end may be open; none means the full phase space.
    pub q2: Vec<Q2Range>,
    /// Windows in q2 [GeV^2] that are left out, such as `["8:11", "12.5:15"]`.
    pub veto: Vec<Q2Range>,
    /// Shifts of Wilson coefficients that every sample has, such as `{ c10 = "0.5+0.1i" }`.
    pub wilson: BTreeMap<String, ComplexValue>,
    /// Physical inputs other than the built-in ones, such as `{ v_cb = 0.041 }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, f64>,
    /// Charmonium resonances in place of the charm loop, off by default. Each has a scale and a phase in radians, such as
    /// `{ j_psi = [1.0, 3.14] }`; those left out have 1 and 0, so `{}` is factorisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charmonium: Option<BTreeMap<String, [f64; 2]>>,
    /// Effects by which events differ from those of B -> K* l l alone; a card has them as tables of its own.
    #[serde(skip_serializing_if = "Effects::is_empty")]
    pub effects: Effects,
}

impl GeneratorCard {
    /// The shifts that every sample has.
    ///
    /// # Errors
    /// When a coefficient is unknown or a shift not finite.
    pub fn shifts(&self) -> Result<WilsonShifts, Invalid> {
        let mut shifts = WilsonShifts::STANDARD_MODEL;
        for (name, value) in &self.wilson {
            let field = format!("generator.wilson.{name}");
            Invalid::unless(value.0.is_finite(), &field, value, "a finite number")?;
            let coefficient = parse::<WilsonCoefficient>(
                "generator.wilson",
                name,
                &WilsonCoefficient::ALL.map(WilsonCoefficient::name),
            )?;
            shifts = shifts.with(coefficient, value.0);
        }
        Ok(shifts)
    }

    /// The physical inputs: the built-in ones with the card's own in their places.
    ///
    /// # Errors
    /// When a name is unknown or a value not finite.
    pub fn parameters(&self) -> Result<Parameters, Invalid> {
        let mut parameters = Parameters::standard().clone();
        for (name, value) in &self.inputs {
            parameters = parameters.with_value(name, *value).map_err(|e| refused("generator.inputs", e))?;
        }
        Ok(parameters)
    }

    /// The resonances, where they are asked for.
    ///
    /// # Errors
    /// When a name is unknown or a number not finite.
    pub fn charmonium(&self, parameters: &Parameters) -> Result<Option<Charmonium>, Invalid> {
        let Some(resonances) = &self.charmonium else {
            return Ok(None);
        };
        let mut charmonium = Charmonium::new(parameters).map_err(|e| refused("generator.inputs", e))?;
        for (name, [scale, phase]) in resonances {
            charmonium =
                charmonium.with(name, *scale, *phase).map_err(|e| refused("generator.charmonium", e))?;
        }
        Ok(Some(charmonium))
    }

    /// A card of another meson, else like this one.
    #[must_use]
    pub fn of_flavour(&self, flavour: Flavour) -> Self {
        Self { flavour, ..self.clone() }
    }

    /// The decay as the card says.
    ///
    /// # Errors
    /// As [`GeneratorCard::decay`].
    pub fn own_decay(&self) -> Result<Decay, Invalid> {
        self.decay(&self.shifts()?)
    }

    /// The decay with given shifts, else as the card says.
    ///
    /// # Errors
    /// When a name is unknown, a number is refused, or the model has no charm loop that resonances could replace.
    pub fn decay(&self, shifts: &WilsonShifts) -> Result<Decay, Invalid> {
        self.decay_with(shifts, &self.parameters()?)
    }

    /// Decay with other inputs than the card's.
    ///
    /// # Errors
    /// As [`GeneratorCard::decay`].
    pub fn decay_with(&self, shifts: &WilsonShifts, parameters: &Parameters) -> Result<Decay, Invalid> {
        let decay = Decay::with_parameters(self.model, self.flavour, self.lepton, shifts, parameters)
            .map_err(|e| refused(blamed(&e), e))?;
        match self.charmonium(parameters)? {
            None => Ok(decay),
            Some(charmonium) => decay.with_charmonium(&charmonium).map_err(|e| refused("generator", e)),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        self.effects.validate(&self.own_decay()?, self.line_shape)
    }
}

/// The table whose entry the physics refuses: shifts and inputs have no name in common.
fn blamed(error: &PhysicsError) -> &'static str {
    let input = |name: &str| Parameters::standard().get(name).is_ok();
    match error {
        PhysicsError::OutOfRange { field, .. } if input(field) => "generator.inputs",
        PhysicsError::OutOfRange { .. } => "generator.wilson",
        PhysicsError::Unknown { .. } => "generator.inputs",
    }
}

/// Refusal of the physics, in the card's words.
fn refused(table: &str, error: PhysicsError) -> Invalid {
    match error {
        PhysicsError::Unknown { got, allowed, .. } => Invalid::new(table, format!("`{got}`"), allowed),
        PhysicsError::OutOfRange { field, got, allowed } => {
            Invalid::new(&format!("{table}.{field}"), got, allowed)
        }
    }
}

pub(super) fn parse<T: FromStr>(field: &str, name: &str, allowed: &[&str]) -> Result<T, Invalid> {
    name.parse().map_err(|_| Invalid::new(field, format!("`{name}`"), allowed.join(", ")))
}

/// A window in q2 [GeV^2], written `min:max`; an open end reaches to the end of phase space.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", example = "1.1:6")]
pub struct Q2Range {
    /// Lower end [GeV^2]; none is 4 m_l^2.
    pub min: Option<f64>,
    /// Upper end [GeV^2]; none is the end point.
    pub max: Option<f64>,
}

impl FromStr for Q2Range {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = || {
            Invalid::new(
                "q2",
                format!("`{text}`"),
                "min:max in GeV^2 with 0 <= min < max, an end may be empty",
            )
        };
        let end = |part: &str| -> Result<Option<f64>, Invalid> {
            if part.trim().is_empty() {
                return Ok(None);
            }
            part.trim().parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0).map(Some).ok_or_else(wrong)
        };
        let (min, max) = text.split_once(':').ok_or_else(wrong)?;
        let range = Self { min: end(min)?, max: end(max)? };
        match (range.min, range.max) {
            (Some(min), Some(max)) if min >= max => Err(wrong()),
            _ => Ok(range),
        }
    }
}

impl TryFrom<String> for Q2Range {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Q2Range> for String {
    fn from(range: Q2Range) -> Self {
        range.to_string()
    }
}

impl fmt::Display for Q2Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
        write!(f, "{}:{}", end(self.min), end(self.max))
    }
}
