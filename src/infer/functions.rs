//! The functions of the angles that a rate is a sum of: those of the K* and, behind them, those of an S-wave.

use std::ops::{Add, Mul};

use humboldt_physics::AngularCoefficients;
use humboldt_physics::angular::{ANGULAR_FUNCTIONS, HARMONIC, angular_functions, polar_functions};
use humboldt_physics::s_wave::{
    S_WAVE_FUNCTIONS, S_WAVE_HARMONIC, S_WAVE_RATE, SWaveTerms, s_wave_functions, s_wave_polar_functions,
};

/// Number of functions.
pub(super) const FUNCTIONS: usize = ANGULAR_FUNCTIONS + S_WAVE_FUNCTIONS;

/// Coefficients of [`all_functions`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Coefficients(pub(super) [f64; FUNCTIONS]);

impl Coefficients {
    pub(super) const ZERO: Self = Self([0.0; FUNCTIONS]);

    /// Those of the K* and of an S-wave, where there is one.
    pub(super) fn of(own: &AngularCoefficients, added: Option<&SWaveTerms>) -> Self {
        Self(both(own.as_array(), added.map_or([0.0; S_WAVE_FUNCTIONS], SWaveTerms::as_array)))
    }

    /// Their rate, integrated over the angles.
    pub(super) fn rate(&self) -> f64 {
        let own: [f64; ANGULAR_FUNCTIONS] = std::array::from_fn(|i| self.0[i]);
        let added = self.0[ANGULAR_FUNCTIONS..].iter().zip(S_WAVE_RATE);
        AngularCoefficients::from_array(own).rate() + added.map(|(term, f)| term * f).sum::<f64>()
    }
}

impl Add for Coefficients {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Mul<f64> for Coefficients {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self(self.0.map(|x| factor * x))
    }
}

/// `9/(32 pi)` times the functions.
pub(super) fn all_functions(cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> [f64; FUNCTIONS] {
    both(angular_functions(cos_theta_l, cos_theta_k, chi), s_wave_functions(cos_theta_l, cos_theta_k, chi))
}

/// The same without their harmonics of chi.
pub(super) fn all_polar_functions(cos_theta_l: f64, cos_theta_k: f64) -> [f64; FUNCTIONS] {
    both(polar_functions(cos_theta_l, cos_theta_k), s_wave_polar_functions(cos_theta_l, cos_theta_k))
}

/// Place of each function's harmonic in [`harmonics`](humboldt_physics::angular::harmonics).
pub(super) fn all_harmonics() -> [usize; FUNCTIONS] {
    both(HARMONIC, S_WAVE_HARMONIC)
}

fn both<T: Copy + Default>(own: [T; ANGULAR_FUNCTIONS], added: [T; S_WAVE_FUNCTIONS]) -> [T; FUNCTIONS] {
    let mut all = [T::default(); FUNCTIONS];
    all[..ANGULAR_FUNCTIONS].copy_from_slice(&own);
    all[ANGULAR_FUNCTIONS..].copy_from_slice(&added);
    all
}
