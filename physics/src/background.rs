//! B -> J/psi K* and B -> psi(2S) K* under a window: peaks in q2 with a tail to low masses, angles as measured.

use num_complex::Complex64;

use crate::amplitudes::{Chiral, TransversityAmplitudes};
use crate::angular::AngularCoefficients;
use crate::convention::exchange_lhcb_and_theory;
use crate::kinematics::PhaseSpacePoint;
use crate::{Decay, Parameters, PhysicsError};

/// A narrow vector of c and cbar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharmoniumPeak {
    /// J/psi.
    JPsi,
    /// psi(2S).
    Psi2S,
}

/// Parts `|A_para|^2`, `|A_perp|^2` of the rate, and phases of both against `A_0` in radians.
///
/// # Source
/// BaBar, arXiv:0704.0522, table I, with the strong phases' solution that holds helicity.
const JPSI: [f64; 4] = [0.211, 0.233, -2.93, 2.91];
const PSI_2S: [f64; 4] = [0.22, 0.30, -2.8, 2.8];

impl CharmoniumPeak {
    /// The mass in GeV.
    ///
    /// # Errors
    /// None with the built-in inputs.
    pub fn mass(self, parameters: &Parameters) -> Result<f64, PhysicsError> {
        parameters.value(match self {
            Self::JPsi => "charmonium_j_psi_mass",
            Self::Psi2S => "charmonium_psi_2s_mass",
        })
    }

    /// `J_1s..J_9` of a rate of 1, LHCb convention, at its mass and the K*'s.
    ///
    /// The lepton pair is that of a vector: left- and right-handed currents are the same, and there is no forward-backward
    /// asymmetry. The measured `A_para` has the opposite sign of the one here.
    ///
    /// # Errors
    /// None with the built-in inputs.
    pub fn angles(self, decay: &Decay, parameters: &Parameters) -> Result<AngularCoefficients, PhysicsError> {
        let [para, perp, phase_para, phase_perp] = match self {
            Self::JPsi => JPSI,
            Self::Psi2S => PSI_2S,
        };
        let q2 = self.mass(parameters)?.powi(2);
        let outside = || PhysicsError::OutOfRange {
            field: "q2".to_owned(),
            got: q2.to_string(),
            allowed: "inside phase space".to_owned(),
        };
        let point = PhaseSpacePoint::new(decay.m_b_meson(), decay.resonance().pole(), decay.m_lepton(), q2)
            .ok_or_else(outside)?;
        let both = |part: f64, phase: f64| {
            let amplitude = Complex64::from_polar((0.5 * part).sqrt(), phase);
            Chiral { left: amplitude, right: amplitude }
        };
        let amplitudes = TransversityAmplitudes {
            zero: both(1.0 - para - perp, 0.0),
            para: both(para, phase_para + std::f64::consts::PI),
            perp: both(perp, phase_perp),
            ..TransversityAmplitudes::default()
        };
        let j = exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(&point, &amplitudes));
        Ok(j * (1.0 / j.rate()))
    }
}

/// A Gaussian in a mass with a tail to low values that falls as a power: 1 at its peak.
///
/// # Source
/// T. Skwarnicki, DESY-F31-86-02 (1986), appendix E.
pub fn crystal_ball(x: f64, [begin, power]: [f64; 2]) -> f64 {
    if x > -begin {
        return (-0.5 * x * x).exp();
    }
    let ratio = power / begin;
    (-0.5 * begin * begin).exp() * (ratio / (ratio - begin - x)).powf(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flavour, Lepton, ModelName, WilsonShifts};

    #[test]
    fn angles_are_positive_and_those_of_the_measured_parts() {
        let decay = Decay::new(ModelName::Npr, Flavour::B0, Lepton::Muon, &WilsonShifts::default()).unwrap();
        for (peak, [para, perp, ..]) in [(CharmoniumPeak::JPsi, JPSI), (CharmoniumPeak::Psi2S, PSI_2S)] {
            let j = peak.angles(&decay, Parameters::standard()).unwrap();
            assert!((j.rate() - 1.0).abs() < 1e-12);
            assert!(j.j6s.abs() + j.j6c.abs() + j.j5.abs() + j.j7.abs() < 1e-12, "{j:?}");
            assert!((-j.j2c - (1.0 - para - perp)).abs() < 0.02, "{j:?}");
            // S_4 of LHCb's control channel is -0.25, arXiv:1304.6325.
            assert!((-0.30..-0.18).contains(&j.j4), "{j:?}");
            for i in 0..20_u32.pow(3) {
                let part = |k: u32| 2.0 * (f64::from(i / 20_u32.pow(k) % 20) + 0.5) / 20.0 - 1.0;
                assert!(j.angular_sum(part(0), part(1), std::f64::consts::PI * part(2)) > -1e-12);
            }
        }
    }

    #[test]
    fn the_tail_joins_smoothly() {
        let tail = [1.5, 3.0];
        let (below, above) = (crystal_ball(-1.5 - 1e-7, tail), crystal_ball(-1.5 + 1e-7, tail));
        assert!((below / above - 1.0).abs() < 1e-6);
        let slope = |x: f64| (crystal_ball(x + 1e-5, tail) - crystal_ball(x - 1e-5, tail)) / 2e-5;
        assert!((slope(-1.5 - 1e-4) / slope(-1.5 + 1e-4) - 1.0).abs() < 1e-3);
        assert!(crystal_ball(-20.0, tail) > crystal_ball(20.0, tail));
    }
}
