//! One decay process: meson, lepton, amplitude model and Wilson coefficients.

use std::fmt;
use std::str::FromStr;

use crate::PhysicsError;

/// The decaying meson; its flavour fixes kaon and pion charges and the sign of the weak phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Flavour {
    /// B0bar (b dbar) -> K- pi+ l+ l-, a b -> s transition.
    #[default]
    B0bar,
    /// B0 (bbar d) -> K+ pi- l+ l-.
    B0,
    /// B- (b ubar), a b -> s transition.
    BMinus,
    /// B+ (bbar u).
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
