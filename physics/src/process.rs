//! Which decay: meson, hadron, lepton, amplitude model; closed choices and their names.

use crate::names::named;
use crate::{PhysicsError, WilsonShifts};

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

/// Which amplitude model describes the decay.
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

/// The process as files name it, averaged over a meson and its antiparticle, such as `B0->K*0mumu`.
pub fn process_name(flavour: Flavour, hadron: Hadron, lepton: Lepton) -> String {
    own_process_name(flavour.with_b_quark().conjugate(), hadron, lepton)
}

/// The process of a meson itself, such as `B0bar->K*0barmumu`.
pub fn own_process_name(flavour: Flavour, hadron: Hadron, lepton: Lepton) -> String {
    let mesons = match (flavour, hadron) {
        (Flavour::B0, Hadron::Kstar) => "B0->K*0",
        (Flavour::B0bar, Hadron::Kstar) => "B0bar->K*0bar",
        (Flavour::BPlus, Hadron::Kstar) => "B+->K*+",
        (Flavour::BMinus, Hadron::Kstar) => "B-->K*-",
        (Flavour::B0, Hadron::Kaon) => "B0->K0",
        (Flavour::B0bar, Hadron::Kaon) => "B0bar->K0bar",
        (Flavour::BPlus, Hadron::Kaon) => "B+->K+",
        (Flavour::BMinus, Hadron::Kaon) => "B-->K-",
    };
    let pair = match lepton {
        Lepton::Electron => "ee",
        Lepton::Muon => "mumu",
    };
    format!("{mesons}{pair}")
}

/// Meson, hadron and lepton of a process as [`process_name`] names it; the meson is `B0` or `B+`.
///
/// # Errors
/// When no process has this name.
pub fn process(name: &str) -> Result<(Flavour, Hadron, Lepton), PhysicsError> {
    let mut known = Vec::new();
    for flavour in [Flavour::B0, Flavour::BPlus] {
        for hadron in Hadron::ALL {
            for lepton in Lepton::ALL {
                let own = process_name(flavour, hadron, lepton);
                if own == name {
                    return Ok((flavour, hadron, lepton));
                }
                known.push(own);
            }
        }
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(PhysicsError::unknown("process", name, &known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_found_by_the_names_they_print() {
        for flavour in [Flavour::B0, Flavour::BPlus] {
            for hadron in Hadron::ALL {
                for lepton in Lepton::ALL {
                    let name = process_name(flavour, hadron, lepton);
                    assert_eq!(process(&name), Ok((flavour, hadron, lepton)));
                }
            }
        }
        let error = process("B0->K*mumu").unwrap_err().to_string();
        assert!(error.contains("`B0->K*mumu`") && error.contains("B0->K*0mumu"), "{error}");
    }
}
