//! `[s_wave]`, `[acceptance]`, `[detector]`, `[background]`: what makes events differ from those of B -> K* l l alone.

use std::path::Path;

use humboldt_physics::s_wave::{LHCB_FRACTIONS, LHCB_MASSES};
use humboldt_physics::{Decay, Efficiency, LineShape, PhysicsError, SWave};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DetectorCard;
use super::simulation::{load_files, load_layout};
use crate::acceptance::LegendreAcceptance;
use crate::background::BackgroundDensity;
use crate::error::{Invalid, SchemaError};
use crate::fraction::Fraction;

/// Everything between the decay to a K* and the events of a sample; nothing by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Effects {
    /// K pi pairs of spin 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s_wave: Option<SWaveCard>,
    /// Efficiency as a function of the true q2 and angles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<AcceptanceCard>,
    /// Detector that measures what was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorCard>,
    /// Events of other origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<BackgroundCard>,
}

/// K pi pairs of spin 0 under the K*(892).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SWaveCard {
    /// One fraction of the Standard Model's rate for q2 of 1 to 18 GeV^2, in place of `fractions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Fractions of the Standard Model's rate, as `[q2, fraction]` in rising q2 (GeV^2); those of LHCb by default.
    pub fractions: Vec<[f64; 2]>,
    /// Range of K pi masses (GeV) that the fractions are of.
    pub m_kpi: [f64; 2],
    /// Phase (rad) besides that of the line shapes.
    pub phase: f64,
}

impl Default for SWaveCard {
    fn default() -> Self {
        Self { fraction: None, fractions: LHCB_FRACTIONS.to_vec(), m_kpi: LHCB_MASSES, phase: 0.0 }
    }
}

impl SWaveCard {
    /// The S-wave of a decay.
    ///
    /// # Errors
    /// As [`SWave::new`].
    pub fn of(&self, decay: &Decay, line_shape: LineShape) -> Result<SWave, PhysicsError> {
        let constant = self.fraction.map(|fraction| vec![[1.0, fraction], [18.0, fraction]]);
        SWave::new(decay, line_shape, constant.as_ref().unwrap_or(&self.fractions), self.m_kpi, self.phase)
    }
}

/// An efficiency by formula.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AcceptanceCard {
    /// Product of polynomials, up to a constant; nowhere negative.
    #[serde(skip_serializing_if = "Polynomials::is_empty")]
    pub formula: Polynomials,
    /// File of `humboldt acceptance`, beside the card; not together with a formula.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The content of such a file, which takes its place when the card is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legendre: Option<LegendreAcceptance>,
}

impl AcceptanceCard {
    /// The efficiency that it describes; of a file's content, where that is read.
    pub fn efficiency(&self) -> Efficiency {
        self.legendre.as_ref().map_or_else(|| self.formula.efficiency(), LegendreAcceptance::efficiency)
    }

    /// Reads the file, where there is one; `folder` is the card's.
    fn load(&mut self, folder: &Path) -> Result<(), SchemaError> {
        if let Some(file) = self.file.take() {
            self.legendre = Some(LegendreAcceptance::read(&folder.join(file))?);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Invalid> {
        let both = (self.file.is_some() || self.legendre.is_some()) && !self.formula.is_empty();
        Invalid::unless(!both, "acceptance.formula", "given beside a file", "one of the two")?;
        self.legendre.as_ref().map_or(Ok(()), LegendreAcceptance::check)?;
        self.formula.check("acceptance.formula")
    }
}

/// A product of polynomials in q2 (GeV^2), both cosines and chi (rad); each by the coefficients of 1, x, x^2, .., and 1 where it is
/// left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are those of the variables")]
pub struct Polynomials {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub q2: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cos_theta_l: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cos_theta_k: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chi: Vec<f64>,
}

/// A polynomial at a place, by the coefficients of 1, x, x^2, ..; 1 without any.
pub fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    if coefficients.is_empty() { 1.0 } else { coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c) }
}

impl Polynomials {
    /// Names of the variables.
    pub const NAMES: [&str; 4] = ["q2", "cos_theta_l", "cos_theta_k", "chi"];

    /// The coefficients of each variable's polynomial.
    pub fn factors(&self) -> [&[f64]; 4] {
        [&self.q2, &self.cos_theta_l, &self.cos_theta_k, &self.chi]
    }

    /// Whether all are 1.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The product as an efficiency.
    pub fn efficiency(&self) -> Efficiency {
        let own = self.clone();
        Efficiency::new(move |q2, l, k, chi| {
            own.factors().iter().zip([q2, l, k, chi]).map(|(factor, x)| polynomial(factor, x)).product()
        })
    }

    /// Checks that each polynomial is positive somewhere and nowhere negative; in q2 up to the end of any phase space.
    fn check(&self, table: &str) -> Result<(), Invalid> {
        const STEPS: u32 = 400;
        let pi = std::f64::consts::PI;
        let ranges = [(0.0, 21.5), (-1.0, 1.0), (-1.0, 1.0), (-pi, pi)];
        for ((name, factor), (low, high)) in Self::NAMES.iter().zip(self.factors()).zip(ranges) {
            let place = |i: u32| low + (high - low) * f64::from(i) / f64::from(STEPS);
            let values: Vec<f64> = (0..=STEPS).map(|i| polynomial(factor, place(i))).collect();
            let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
            let fine = values.iter().all(|x| x.is_finite() && *x >= 0.0) && values.iter().any(|x| *x > 0.0);
            let allowed = format!("a polynomial that is positive from {low:.2} to {high:.2}");
            Invalid::unless(fine, &format!("{table}.{name}"), format!("as low as {lowest}"), allowed)?;
        }
        Ok(())
    }
}

/// Events of other origin; the parts are of all events of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundCard {
    /// Part of events whose particles do not belong together.
    pub combinatorial: f64,
    /// Density of those, up to a constant; flat by default.
    pub shape: Polynomials,
    /// File of `humboldt background`, beside the card: the density of a sample of those, as of a sideband; not together with a shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub density: Option<String>,
    /// The content of such a file, which takes its place when the card is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smoothed: Option<BackgroundDensity>,
    /// Part of signal events with kaon and pion taken for each other.
    pub swap: f64,
    /// Part of B -> J/psi K*.
    pub j_psi: f64,
    /// Part of B -> psi(2S) K*.
    pub psi_2s: f64,
    /// Width (GeV) of the peak of either in the dilepton mass.
    pub width: f64,
    /// Tail of either to low masses: the distance from the peak, in widths, at which it begins, and the power by which it falls.
    pub tail: [f64; 2],
    /// Preset `ratio` with simulation.files: files of background, as a sideband, in the simulation's layout, in place of parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Layout of these files where it is another than the simulation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Preset `ratio`: what is known of background's part of the events, a number, `"free"`, or value and error as in `"0.44+-0.02"`; the
    /// sum of the parts by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<Fraction>,
}

impl Default for BackgroundCard {
    fn default() -> Self {
        Self {
            combinatorial: 0.0,
            shape: Polynomials::default(),
            density: None,
            smoothed: None,
            swap: 0.0,
            j_psi: 0.0,
            psi_2s: 0.0,
            width: 0.018,
            tail: [1.5, 3.0],
            files: Vec::new(),
            layout: None,
            fraction: None,
        }
    }
}

impl BackgroundCard {
    /// The parts in the order of [`crate::events::COMPONENTS`], the signal first.
    pub fn parts(&self) -> [f64; 5] {
        let others = [self.combinatorial, self.swap, self.j_psi, self.psi_2s];
        let [a, b, c, d] = others;
        [1.0 - others.iter().sum::<f64>(), a, b, c, d]
    }

    /// Checks the density of particles that do not belong together.
    fn check_density(&self) -> Result<(), Invalid> {
        self.shape.check("background.shape")?;
        if self.density.is_none() && self.smoothed.is_none() {
            return Ok(());
        }
        let shaped = !self.shape.is_empty();
        Invalid::unless(!shaped, "background.shape", "given beside a density", "one of the two")?;
        let (part, allowed) = (self.combinatorial, "above 0 beside a density, which is of those events");
        Invalid::unless(part > 0.0, "background.combinatorial", part, allowed)?;
        self.smoothed.as_ref().map_or(Ok(()), BackgroundDensity::check)
    }
}

impl Effects {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads files that are named; `card` is the card that names them.
    ///
    /// # Errors
    /// When one cannot be read or used.
    pub(super) fn load(&mut self, card: &Path) -> Result<(), SchemaError> {
        let folder = card.parent().unwrap_or(Path::new(""));
        if let Some(background) = &mut self.background {
            load_files(&mut background.files, folder);
            load_layout(&mut background.layout, folder);
            if let Some(file) = background.density.take() {
                background.smoothed = Some(BackgroundDensity::read(&folder.join(file))?);
            }
        }
        self.acceptance.as_mut().map_or(Ok(()), |acceptance| acceptance.load(folder))
    }

    /// These with others where they say nothing.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            s_wave: self.s_wave.or(other.s_wave),
            acceptance: self.acceptance.or(other.acceptance),
            detector: self.detector.or(other.detector),
            background: self.background.or(other.background),
        }
    }

    /// The first that there is, as a card names it.
    pub fn first(&self) -> Option<&'static str> {
        self.all().next()
    }

    /// All that there are in a row, as a card names them.
    pub fn names(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.all().collect::<Vec<_>>().join(", "))
    }

    fn all(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.s_wave.is_some(), "s_wave"),
            (self.acceptance.is_some(), "acceptance"),
            (self.detector.is_some(), "detector"),
            (self.background.is_some(), "background"),
        ]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
    }

    pub(super) fn validate(&self, decay: &Decay, line_shape: LineShape) -> Result<(), Invalid> {
        if let Some(s_wave) = &self.s_wave {
            s_wave.of(decay, line_shape).map_err(|e| match e {
                PhysicsError::OutOfRange { field, got, allowed } => Invalid::new(&field, got, allowed),
                other @ PhysicsError::Unknown { .. } => {
                    Invalid::new("s_wave", other, "a decay that is known")
                }
            })?;
        }
        if let Some(acceptance) = &self.acceptance {
            acceptance.check()?;
        }
        if let Some(detector) = &self.detector {
            detector.validate()?;
            let allowed = "without a detector: its kaon is no track";
            Invalid::unless(!decay.flavour().is_charged(), "generator.flavour", decay.flavour(), allowed)?;
        }
        if let Some(background) = &self.background {
            background.check_density()?;
            let parts = background.parts();
            for (name, part) in crate::events::COMPONENTS.iter().zip(parts).skip(1) {
                let field = format!("background.{name}");
                Invalid::unless(
                    (0.0..1.0).contains(&part),
                    &field,
                    part,
                    "0 to below 1, a part of all events",
                )?;
            }
            let allowed = "parts that leave some to the signal";
            Invalid::unless(parts[0] > 0.0, "background", 1.0 - parts[0], allowed)?;
            let [begin, power] = background.tail;
            Invalid::unless(
                (1e-4..0.3).contains(&background.width),
                "background.width",
                background.width,
                "0.0001 to 0.3",
            )?;
            Invalid::unless((0.1..=10.0).contains(&begin), "background.tail", begin, "0.1 to 10 widths")?;
            Invalid::unless(
                (1.01..=50.0).contains(&power),
                "background.tail",
                power,
                "a power of 1.01 to 50",
            )?;
        }
        Ok(())
    }
}
