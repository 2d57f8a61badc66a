//! One decay process: meson, lepton, amplitude model and Wilson coefficients.

use std::fmt;
use std::str::FromStr;

use crate::amplitudes::{self, EffectiveCoefficients, TransversityAmplitudes};
use crate::angular::AngularCoefficients;
use crate::convention;
use crate::kinematics::PhaseSpacePoint;
use crate::models::Model;
use crate::{Parameters, PhysicsError, WilsonShifts};

/// The decaying meson; its flavour fixes kaon and pion charges and the sign of the weak phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flavour {
    /// B0bar (b dbar) -> K- pi+ l+ l-, a b -> s transition.
    #[default]
    B0bar,
    /// B0 (bbar d) -> K+ pi- l+ l-.
    B0,
    /// B- (b ubar) -> K0bar pi- l+ l-, a b -> s transition.
    BMinus,
    /// B+ (bbar u) -> K0 pi+ l+ l-.
    BPlus,
}

impl Flavour {
    /// All flavours.
    pub const ALL: [Self; 4] = [Self::B0bar, Self::B0, Self::BMinus, Self::BPlus];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::B0bar => "B0bar",
            Self::B0 => "B0",
            Self::BMinus => "B-",
            Self::BPlus => "B+",
        }
    }

    /// Whether the meson holds a b quark (b -> s), so that shifts apply as typed.
    pub const fn has_b_quark(self) -> bool {
        matches!(self, Self::B0bar | Self::BMinus)
    }

    /// Whether the meson is charged.
    pub const fn is_charged(self) -> bool {
        matches!(self, Self::BMinus | Self::BPlus)
    }

    /// The antiparticle.
    #[must_use]
    pub const fn conjugate(self) -> Self {
        match self {
            Self::B0bar => Self::B0,
            Self::B0 => Self::B0bar,
            Self::BMinus => Self::BPlus,
            Self::BPlus => Self::BMinus,
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Flavour {
    type Err = PhysicsError;

    fn from_str(name: &str) -> Result<Self, PhysicsError> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| PhysicsError::unknown("flavour", name, &Self::ALL.map(Self::name)))
    }
}

/// The charged lepton of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lepton {
    /// Electron.
    Electron,
    /// Muon.
    #[default]
    Muon,
}

impl Lepton {
    /// All leptons.
    pub const ALL: [Self; 2] = [Self::Electron, Self::Muon];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Electron => "e",
            Self::Muon => "mu",
        }
    }
}

impl fmt::Display for Lepton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Lepton {
    type Err = PhysicsError;

    fn from_str(name: &str) -> Result<Self, PhysicsError> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| PhysicsError::unknown("lepton", name, &Self::ALL.map(Self::name)))
    }
}

/// Which amplitude model describes the decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ModelName {
    /// Naive factorisation with the one-loop Y(q2): the physics of EvtGen's new-physics model (arXiv:2203.06827).
    #[default]
    Npr,
}

impl ModelName {
    /// All models.
    pub const ALL: [Self; 1] = [Self::Npr];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npr => "npr",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelName {
    type Err = PhysicsError;

    fn from_str(name: &str) -> Result<Self, PhysicsError> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| PhysicsError::unknown("model", name, &Self::ALL.map(Self::name)))
    }
}

/// B -> (K pi) l l with everything fixed but the point of phase space.
///
/// The K pi pair is `K- pi+` or `K+ pi-` for neutral mesons, `K0 pi±` for charged ones.
#[derive(Debug, Clone, Copy)]
pub struct Decay {
    model: Model,
    flavour: Flavour,
    lepton: Lepton,
    shifts: WilsonShifts,
    /// The shifts as this flavour sees them.
    seen: WilsonShifts,
    m_b_meson: f64,
    m_lepton: f64,
    m_kaon: f64,
    m_pion: f64,
    m_kstar: f64,
    lifetime: f64,
    weak_coupling: f64,
}

impl Decay {
    /// With the built-in inputs; `shifts` as a user types them, of b -> s.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size; the error names it.
    pub fn new(
        model: ModelName,
        flavour: Flavour,
        lepton: Lepton,
        shifts: &WilsonShifts,
    ) -> Result<Self, PhysicsError> {
        Self::with_parameters(model, flavour, lepton, shifts, Parameters::standard())
    }

    /// With the caller's inputs.
    ///
    /// # Errors
    /// When a shift is not a finite number of allowed size, or an input is missing.
    pub fn with_parameters(
        model: ModelName,
        flavour: Flavour,
        lepton: Lepton,
        shifts: &WilsonShifts,
        parameters: &Parameters,
    ) -> Result<Self, PhysicsError> {
        shifts.check()?;
        let value = |name| parameters.value(name);
        let by_charge = |neutral, charged| value(if flavour.is_charged() { charged } else { neutral });
        let lifetime_ps = by_charge("lifetime_neutral_ps", "lifetime_charged_ps")?;
        Ok(Self {
            model: Model::new(model, parameters)?,
            flavour,
            lepton,
            shifts: *shifts,
            seen: if flavour.has_b_quark() { *shifts } else { shifts.conj() },
            m_b_meson: by_charge("m_b_meson_neutral", "m_b_meson_charged")?,
            m_lepton: value(match lepton {
                Lepton::Electron => "m_electron",
                Lepton::Muon => "m_muon",
            })?,
            m_kaon: by_charge("m_kaon_charged", "m_kaon_neutral")?,
            m_pion: value("m_pion_charged")?,
            m_kstar: value("m_kstar")?,
            lifetime: lifetime_ps / value("hbar_gev_ps")?,
            weak_coupling: amplitudes::weak_coupling(
                value("fermi_constant")?,
                1.0 / value("alpha_em_inverse")?,
                value("ckm_vtb_vts")?,
            ),
        })
    }

    /// The amplitude model.
    pub const fn model(&self) -> ModelName {
        self.model.name()
    }

    /// The decaying meson.
    pub const fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The lepton.
    pub const fn lepton(&self) -> Lepton {
        self.lepton
    }

    /// The shifts as typed, of b -> s.
    pub const fn shifts(&self) -> &WilsonShifts {
        &self.shifts
    }

    /// Mass of the B meson in GeV.
    pub const fn m_b_meson(&self) -> f64 {
        self.m_b_meson
    }

    /// Mass of the lepton in GeV.
    pub const fn m_lepton(&self) -> f64 {
        self.m_lepton
    }

    /// Mass of the kaon in GeV.
    pub const fn m_kaon(&self) -> f64 {
        self.m_kaon
    }

    /// Mass of the pion in GeV.
    pub const fn m_pion(&self) -> f64 {
        self.m_pion
    }

    /// Pole mass of the K* in GeV, the same for both charges.
    pub const fn m_kstar(&self) -> f64 {
        self.m_kstar
    }

    /// Lifetime of the B meson in GeV^-1.
    pub const fn lifetime(&self) -> f64 {
        self.lifetime
    }

    /// Smallest q2, `4 m_l^2`, in GeV^2.
    pub fn q2_min(&self) -> f64 {
        4.0 * self.m_lepton * self.m_lepton
    }

    /// Largest q2 at a K pi mass (GeV), `(m_B - m_kpi)^2`, in GeV^2; 0 where the mass is beyond that of the B.
    pub fn q2_max(&self, m_kpi: f64) -> f64 {
        (self.m_b_meson - m_kpi).max(0.0).powi(2)
    }

    /// K pi masses between which the decay is possible, `m_K + m_pi` to `m_B - 2 m_l`, in GeV.
    pub fn m_kpi_range(&self) -> (f64, f64) {
        (self.m_kaon + self.m_pion, self.m_b_meson - 2.0 * self.m_lepton)
    }

    /// Where the rate is not smooth in q2 although inside phase space, in GeV^2, ascending.
    pub fn q2_thresholds(&self) -> [f64; 2] {
        self.model.thresholds()
    }

    /// The effective coefficients at `q2` (GeV^2), as this flavour sees them.
    pub fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        self.model.effective_coefficients(q2, &self.seen)
    }

    /// Transversity amplitudes (theory convention, GeV^(-1/2)) at `q2` (GeV^2) and a K pi mass (GeV); `None` outside
    /// phase space.
    pub fn amplitudes(&self, q2: f64, m_kpi: f64) -> Option<(PhaseSpacePoint, TransversityAmplitudes)> {
        let point = PhaseSpacePoint::new(self.m_b_meson, m_kpi, self.m_lepton, q2)?;
        let coefficients = self.effective_coefficients(q2);
        let form_factors = self.model.form_factors(q2, self.m_b_meson, m_kpi);
        let amplitudes = amplitudes::transversity(
            &point,
            self.weak_coupling,
            self.model.m_b_quark(),
            &coefficients,
            &form_factors,
        );
        Some((point, amplitudes))
    }

    /// `J_1s..J_9` in GeV^-1, LHCb convention, at `q2` (GeV^2) for a K* of mass `m_kpi` (GeV).
    ///
    /// Normalised to `dGamma/dq2` of B -> K*(-> K pi) l l with all K pi charges; zero outside phase space, never NaN.
    pub fn angular_coefficients(&self, q2: f64, m_kpi: f64) -> AngularCoefficients {
        self.amplitudes(q2, m_kpi).map_or(AngularCoefficients::ZERO, |(point, amplitudes)| {
            convention::exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(&point, &amplitudes))
        })
    }
}
