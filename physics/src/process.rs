//! Which decay: meson, hadron, lepton, amplitude model; closed choices and their names.

use crate::WilsonShifts;
use crate::names::named;

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

    /// The shifts that this meson's decay sees: as typed for b -> s, complex conjugate for its CP conjugate.
    pub fn seen(self, shifts: &WilsonShifts) -> WilsonShifts {
        if self.has_b_quark() { *shifts } else { shifts.conj() }
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

    /// Itself or its antiparticle, whichever holds a b quark.
    #[must_use]
    pub const fn with_b_quark(self) -> Self {
        if self.has_b_quark() { self } else { self.conjugate() }
    }
}

/// The strange meson of the final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Hadron {
    /// K*(892) -> K pi.
    #[default]
    Kstar,
    /// The kaon.
    Kaon,
}

impl Hadron {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Kstar, Self::Kaon];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kstar => "K*",
            Self::Kaon => "K",
        }
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

/// Leptons that see a shift of a Wilson coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Leptons {
    /// Muons alone.
    #[default]
    Muons,
    /// Electrons alone.
    Electrons,
    /// Both alike.
    Universal,
}

impl Leptons {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Muons, Self::Electrons, Self::Universal];

    /// The end of a coefficient's name: nothing, `_e`, `_u`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Muons => "",
            Self::Electrons => "_e",
            Self::Universal => "_u",
        }
    }

    /// Whether a lepton is among them.
    pub const fn include(self, lepton: Lepton) -> bool {
        matches!(
            (self, lepton),
            (Self::Universal, _) | (Self::Muons, Lepton::Muon) | (Self::Electrons, Lepton::Electron)
        )
    }
}

impl From<Lepton> for Leptons {
    fn from(lepton: Lepton) -> Self {
        match lepton {
            Lepton::Electron => Self::Electrons,
            Lepton::Muon => Self::Muons,
        }
    }
}

/// Amplitude model of the decay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ModelName {
    /// Naive factorisation with the one-loop Y(q2): the physics of EvtGen's new-physics model (arXiv:2203.06827).
    #[default]
    Npr,
    /// Form factors and short-distance coefficients alone.
    Bare,
    /// `bare` and the four-quark operators at next-to-next-to-leading order.
    Nnlo,
    /// `nnlo` and spectator scattering: the best prediction.
    Full,
}

impl ModelName {
    /// All models.
    pub const ALL: [Self; 4] = [Self::Npr, Self::Bare, Self::Nnlo, Self::Full];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Npr => "npr",
            Self::Bare => "bare",
            Self::Nnlo => "nnlo",
            Self::Full => "full",
        }
    }
}

named!(Flavour, "flavour");
named!(Hadron, "hadron");
named!(Lepton, "lepton");
named!(ModelName, "model");
