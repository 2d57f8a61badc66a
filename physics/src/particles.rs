//! Monte Carlo numbers of the particles of B -> K*(-> K pi) l l.
//!
//! # Source
//! Particle Data Group, "Monte Carlo particle numbering scheme", Phys. Rev. D 110, 030001 (2024).

use crate::{Flavour, Lepton};

/// Monte Carlo numbers of one decay; an antiparticle has the negative number of its particle.
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
    /// The particles of a decay: `K- pi+` or `K+ pi-` with a neutral B, `K0bar pi-` or `K0 pi+` with a charged one.
    pub const fn new(flavour: Flavour, lepton: Lepton) -> Self {
        let l_minus = match lepton {
            Lepton::Electron => 11,
            Lepton::Muon => 13,
        };
        // Of the meson with a bbar quark.
        let (b_meson, kstar, kaon, pion) =
            if flavour.is_charged() { (521, 323, 311, 211) } else { (511, 313, 321, -211) };
        let sign = if flavour.has_b_quark() { -1 } else { 1 };
        Self {
            b_meson: sign * b_meson,
            kstar: sign * kstar,
            kaon: sign * kaon,
            pion: sign * pion,
            l_minus,
            l_plus: -l_minus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let n = ParticleNumbers::new(flavour, Lepton::Muon);
            assert_eq!(charge(n.kaon) + charge(n.pion), charge(n.kstar), "{flavour}");
            assert_eq!(charge(n.kstar), charge(n.b_meson), "{flavour}");
            assert_eq!(charge(n.b_meson).abs(), i32::from(flavour.is_charged()), "{flavour}");
            let bar = ParticleNumbers::new(flavour.conjugate(), Lepton::Muon);
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
        }
    }
}
