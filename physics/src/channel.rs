//! Decay channels: an entry a process, from which its masses, particle numbers, names, resonance and form factors follow.
//!
//! # Source
//! Particle Data Group, "Monte Carlo particle numbering scheme", Phys. Rev. D 110, 030001 (2024).

use std::collections::BTreeSet;

use crate::{Flavour, Hadron, Lepton, ModelName, PhysicsError};

/// A particle of the decay of the meson with a bbar quark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Particle {
    /// Monte Carlo number.
    pub number: i32,
    /// Input that holds its mass.
    mass: &'static str,
    /// Input that holds its mass in the model `npr`, which has those of EvtGen's particle table.
    mass_in_npr: &'static str,
}

impl Particle {
    const fn new(number: i32, mass: &'static str) -> Self {
        Self { number, mass, mass_in_npr: mass }
    }

    const fn in_npr(self, mass_in_npr: &'static str) -> Self {
        Self { mass_in_npr, ..self }
    }

    /// The input that holds its mass in GeV.
    pub(crate) const fn mass(&self, model: ModelName) -> &'static str {
        match model {
            ModelName::Npr => self.mass_in_npr,
            ModelName::Bare | ModelName::Nnlo | ModelName::Full => self.mass,
        }
    }
}

/// Inputs of a resonance and what else its mass distribution depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResonanceInputs {
    pub(crate) pole: &'static str,
    pub(crate) width: &'static str,
    pub(crate) radius: &'static str,
    pub(crate) daughters: [&'static str; 2],
    /// Masses (GeV) that are generated.
    pub range: (f64, f64),
    /// Masses (GeV) besides the pole at which a quadrature is split.
    pub(crate) breaks: [f64; 2],
}

/// The K*(892): one shape for both charges, from EvtGen's particle table, whose upper end is 15 widths above the pole.
pub const KSTAR_892: ResonanceInputs = ResonanceInputs {
    pole: "m_kstar",
    width: "gamma_kstar",
    radius: "blatt_weisskopf_radius",
    daughters: ["m_kaon_charged", "m_pion_charged"],
    range: (0.66555, 1.60505),
    breaks: [0.8, 1.0],
};

/// The decay of a vector meson to two pseudoscalars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrongDecay {
    /// The kaon and the pion.
    pub daughters: [Particle; 2],
    /// The mass distribution of the pair.
    pub resonance: ResonanceInputs,
}

/// B -> hadron l l of a meson and its antiparticle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Names of both decays, without the leptons: of the mesons with a b and with a bbar quark.
    pub names: [&'static str; 2],
    /// The mesons with a b and with a bbar quark.
    pub flavours: [Flavour; 2],
    /// The hadron.
    pub hadron: Hadron,
    /// The B.
    pub b_meson: Particle,
    /// Input that holds its lifetime.
    pub(crate) lifetime: &'static str,
    /// The hadron as a particle.
    pub meson: Particle,
    /// The hadron's decay; `None` for a pseudoscalar.
    pub strong: Option<StrongDecay>,
    /// Name of the set of form factors, with which the names of its coefficients begin.
    pub form_factors: &'static str,
}

const B_NEUTRAL: Particle = Particle::new(511, "sm_m_b_meson_neutral").in_npr("m_b_meson_neutral");
const B_CHARGED: Particle = Particle::new(521, "m_b_meson_charged");
const K_NEUTRAL: Particle = Particle::new(311, "m_kaon_neutral");
const K_CHARGED: Particle = Particle::new(321, "m_kaon_charged");
const PI_PLUS: Particle = Particle::new(211, "m_pion_charged");
const PI_MINUS: Particle = Particle::new(-211, "m_pion_charged");

impl Channel {
    /// All channels.
    pub const ALL: [Self; 4] = [
        Self {
            names: ["B0bar->K*0bar", "B0->K*0"],
            flavours: [Flavour::B0bar, Flavour::B0],
            hadron: Hadron::Kstar,
            b_meson: B_NEUTRAL,
            lifetime: "lifetime_neutral_ps",
            meson: Particle::new(313, "m_kstar"),
            strong: Some(StrongDecay { daughters: [K_CHARGED, PI_MINUS], resonance: KSTAR_892 }),
            form_factors: "bsz2015",
        },
        Self {
            names: ["B-->K*-", "B+->K*+"],
            flavours: [Flavour::BMinus, Flavour::BPlus],
            hadron: Hadron::Kstar,
            b_meson: B_CHARGED,
            lifetime: "lifetime_charged_ps",
            meson: Particle::new(323, "sm_m_kstar_charged").in_npr("m_kstar"),
            strong: Some(StrongDecay { daughters: [K_NEUTRAL, PI_PLUS], resonance: KSTAR_892 }),
            form_factors: "bsz2015",
        },
        Self {
            names: ["B0bar->K0bar", "B0->K0"],
            flavours: [Flavour::B0bar, Flavour::B0],
            hadron: Hadron::Kaon,
            b_meson: B_NEUTRAL,
            lifetime: "lifetime_neutral_ps",
            meson: K_NEUTRAL,
            strong: None,
            form_factors: "grvdv2023",
        },
        Self {
            names: ["B-->K-", "B+->K+"],
            flavours: [Flavour::BMinus, Flavour::BPlus],
            hadron: Hadron::Kaon,
            b_meson: B_CHARGED,
            lifetime: "lifetime_charged_ps",
            meson: K_CHARGED,
            strong: None,
            form_factors: "grvdv2023",
        },
    ];

    /// The channel of a meson and a hadron.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(flavour: Flavour, hadron: Hadron) -> Result<&'static Self, PhysicsError> {
        static ALL: [Channel; 4] = Channel::ALL;
        let own = |channel: &&Self| channel.hadron == hadron && channel.flavours.contains(&flavour);
        ALL.iter().find(own).ok_or_else(|| {
            let known = Self::ALL.map(|channel| channel.names[1]);
            PhysicsError::unknown("decay channel", &format!("{flavour}->{hadron}"), &known)
        })
    }

    /// Sets of form factors that vector mesons have, each once.
    pub(crate) fn vector_sets() -> BTreeSet<&'static str> {
        Self::ALL
            .iter()
            .filter(|channel| channel.strong.is_some())
            .map(|channel| channel.form_factors)
            .collect()
    }

    /// The hadron's own decay.
    ///
    /// # Errors
    /// When the hadron is no vector meson.
    pub(crate) fn strong_decay(&self) -> Result<&StrongDecay, PhysicsError> {
        self.strong.as_ref().ok_or_else(|| PhysicsError::OutOfRange {
            field: "hadron".to_owned(),
            got: self.hadron.to_string(),
            allowed: "a vector meson".to_owned(),
        })
    }

    /// The process as files name it, averaged over a meson and its antiparticle, such as `B0->K*0mumu`.
    pub fn process(&self, lepton: Lepton) -> String {
        with_pair(self.names[1], lepton)
    }

    /// The process of one of its mesons, such as `B0bar->K*0barmumu`.
    pub fn own_process(&self, flavour: Flavour, lepton: Lepton) -> String {
        with_pair(self.names[usize::from(flavour == self.flavours[1])], lepton)
    }
}

fn with_pair(name: &str, lepton: Lepton) -> String {
    let pair = match lepton {
        Lepton::Electron => "ee",
        Lepton::Muon => "mumu",
    };
    format!("{name}{pair}")
}

/// The process as files name it: [`Channel::process`].
pub fn process_name(flavour: Flavour, hadron: Hadron, lepton: Lepton) -> String {
    own_process_name(flavour.with_b_quark().conjugate(), hadron, lepton)
}

/// The process of a meson itself: [`Channel::own_process`].
pub fn own_process_name(flavour: Flavour, hadron: Hadron, lepton: Lepton) -> String {
    let unknown = |_| with_pair(&format!("{flavour}->{hadron}"), lepton);
    Channel::of(flavour, hadron).map_or_else(unknown, |channel| channel.own_process(flavour, lepton))
}

/// Meson, hadron and lepton of a process as [`process_name`] names it; the meson is the one with a bbar quark.
///
/// # Errors
/// When no process has this name.
pub fn process(name: &str) -> Result<(Flavour, Hadron, Lepton), PhysicsError> {
    let all = || Channel::ALL.into_iter().flat_map(|channel| Lepton::ALL.map(|lepton| (channel, lepton)));
    let named = all().find(|(channel, lepton)| channel.process(*lepton) == name);
    named.map(|(channel, lepton)| (channel.flavours[1], channel.hadron, lepton)).ok_or_else(|| {
        let known: Vec<String> = all().map(|(channel, lepton)| channel.process(lepton)).collect();
        PhysicsError::unknown("process", name, &known.iter().map(String::as_str).collect::<Vec<_>>())
    })
}

/// Monte Carlo numbers of one decay to a vector meson; an antiparticle has the negative number of its particle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the particles")]
pub struct ParticleNumbers {
    pub b_meson: i32,
    pub kstar: i32,
    pub kaon: i32,
    pub pion: i32,
    pub l_minus: i32,
    pub l_plus: i32,
}

impl ParticleNumbers {
    /// The particles of a channel whose hadron decays to `daughters`: `K- pi+` or `K+ pi-` with a neutral B, `K0bar pi-` or
    /// `K0 pi+` with a charged one.
    pub(crate) const fn new(
        channel: &Channel,
        daughters: [Particle; 2],
        flavour: Flavour,
        lepton: Lepton,
    ) -> Self {
        let l_minus = match lepton {
            Lepton::Electron => 11,
            Lepton::Muon => 13,
        };
        let sign = if flavour.has_b_quark() { -1 } else { 1 };
        let [kaon, pion] = daughters;
        Self {
            b_meson: sign * channel.b_meson.number,
            kstar: sign * channel.meson.number,
            kaon: sign * kaon.number,
            pion: sign * pion.number,
            l_minus,
            l_plus: -l_minus,
        }
    }
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
                    assert_eq!(process_name(flavour.conjugate(), hadron, lepton), name);
                    assert_eq!(own_process_name(flavour, hadron, lepton), name);
                }
            }
        }
        assert_eq!(own_process_name(Flavour::B0bar, Hadron::Kstar, Lepton::Muon), "B0bar->K*0barmumu");
        assert_eq!(own_process_name(Flavour::BMinus, Hadron::Kaon, Lepton::Electron), "B-->K-ee");
        let error = process("B0->K*mumu").unwrap_err().to_string();
        assert!(error.contains("`B0->K*mumu`") && error.contains("B0->K*0mumu"), "{error}");
    }

    /// Electric charge by the numbering scheme.
    fn charge(number: i32) -> i32 {
        let of_particle = match number.abs() {
            11 | 13 => -1,
            211 | 321 | 323 | 521 => 1,
            _ => 0,
        };
        of_particle * number.signum()
    }

    #[test]
    fn charge_is_conserved_and_antiparticles_are_negative() {
        for flavour in Flavour::ALL {
            let channel = Channel::of(flavour, Hadron::Kstar).unwrap();
            let daughters = channel.strong_decay().unwrap().daughters;
            let numbers = |flavour| ParticleNumbers::new(channel, daughters, flavour, Lepton::Muon);
            let (n, bar) = (numbers(flavour), numbers(flavour.conjugate()));
            assert_eq!(charge(n.kaon) + charge(n.pion), charge(n.kstar), "{flavour}");
            assert_eq!(charge(n.kstar), charge(n.b_meson), "{flavour}");
            assert_eq!(charge(n.b_meson).abs(), i32::from(flavour.is_charged()), "{flavour}");
            assert_eq!(
                [bar.b_meson, bar.kstar, bar.kaon, bar.pion],
                [-n.b_meson, -n.kstar, -n.kaon, -n.pion]
            );
            // A meson with a bbar (sbar) quark has a positive number.
            assert_eq!(
                (n.b_meson < 0, n.kaon < 0),
                (flavour.has_b_quark(), flavour.has_b_quark()),
                "{flavour}"
            );
            let kaon = Channel::of(flavour, Hadron::Kaon).unwrap();
            assert_eq!(charge(kaon.meson.number), charge(kaon.b_meson.number), "{flavour}");
            assert!(kaon.strong_decay().is_err());
        }
    }
}
