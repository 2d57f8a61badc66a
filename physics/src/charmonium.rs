//! Charmonium in the charm loop, an option: `h(q2, mc)` from a dispersion relation over `e+ e- -> c cbar`.
//!
//! `Im h = (pi/3) R`, `Re h = -(8/9) ln(mc/mb) - 4/9 + (q2/3) P int ds R(s) / (s (s - q2))`, with R the sum of a
//! continuum (0 below `0.6 mb^2`, linear to 1.02 at `0.69 mb^2`, 1.02 above) and of Breit-Wigner terms
//! `(9/alpha^2) B(ll) G_tot G_had q2 / ((q2 - m^2)^2 + m^2 G_tot^2)`. All integrals are done in closed form. Factorised
//! resonances have scale 1 and phase 0; both are free for each resonance, since nature does not factorise.
//!
//! # Source
//! Krueger, Sehgal, hep-ph/9603237, eqs. 8 to 12; resonances as in EvtGen (arXiv:2203.06827).

use std::f64::consts::{FRAC_PI_2, FRAC_PI_3};

use num_complex::Complex64;

use crate::{Parameters, PhysicsError};

/// `1/alpha_em` at low energy, in the relation of R to the leptonic width (CODATA 2018, rounded).
const ALPHA_EM_INVERSE: f64 = 137.036;
/// Start of the continuum and of its flat part, in units of `mb^2`, and its height.
const CONTINUUM: (f64, f64, f64) = (0.6, 0.69, 1.02);

/// One resonance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resonance {
    /// Mass in GeV.
    pub mass: f64,
    /// Total width in GeV.
    pub width: f64,
    /// Branching fraction to one lepton pair.
    pub leptonic: f64,
    /// Hadronic width over total width.
    pub hadronic: f64,
    /// Factor of its term in h: 1 is factorisation.
    pub scale: f64,
    /// Phase of its term in h, a strong phase, in radians: 0 is factorisation.
    pub phase: f64,
}

impl Resonance {
    /// `m Gamma` in GeV^2.
    fn half_width(&self) -> f64 {
        self.mass * self.width
    }

    /// Its part of h at q2 > 0 (GeV^2).
    fn h(&self, q2: f64) -> Complex64 {
        let (m2, g) = (self.mass * self.mass, self.half_width());
        let strength = 9.0
            * ALPHA_EM_INVERSE
            * ALPHA_EM_INVERSE
            * self.leptonic
            * self.hadronic
            * self.width
            * self.width;
        let d = q2 - m2;
        let over = strength * q2 / (d * d + g * g) / 3.0;
        // P int_0^inf ds / ((s - m^2)^2 + g^2) / (s - q2), times d^2 + g^2.
        let principal = 0.5 * (m2 * m2 + g * g).ln() - q2.ln() - d / g * (FRAC_PI_2 + (m2 / g).atan());
        over * Complex64::new(principal, 3.0 * FRAC_PI_3) * Complex64::from_polar(self.scale, self.phase)
    }
}

/// The resonances, lightest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Charmonium {
    /// J/psi, psi(2S), psi(3770), psi(4040), psi(4160), psi(4230).
    pub resonances: [Resonance; 6],
}

impl Charmonium {
    /// The names of the resonances, in order.
    pub const NAMES: [&'static str; 6] = ["j_psi", "psi_2s", "psi_3770", "psi_4040", "psi_4160", "psi_4230"];

    /// Factorised resonances: each with scale 1 and phase 0.
    ///
    /// # Errors
    /// When an input is missing from the parameters, or a mass or width is not positive.
    pub fn new(parameters: &Parameters) -> Result<Self, PhysicsError> {
        let mut resonances =
            [Resonance { mass: 0.0, width: 0.0, leptonic: 0.0, hadronic: 0.0, scale: 1.0, phase: 0.0 }; 6];
        for (resonance, name) in resonances.iter_mut().zip(Self::NAMES) {
            let value = |what: &str| parameters.value(&format!("charmonium_{name}_{what}"));
            let positive = |what: &str| {
                value(what).and_then(|x| {
                    PhysicsError::unless(
                        x > 0.0,
                        &format!("charmonium_{name}_{what}"),
                        x,
                        "a positive number",
                    )?;
                    Ok(x)
                })
            };
            resonance.mass = positive("mass")?;
            resonance.width = positive("width")?;
            resonance.leptonic = value("leptonic")?;
            resonance.hadronic = value("hadronic")?;
        }
        Ok(Self { resonances })
    }

    /// Resonances with another scale and phase (radians) of one of them.
    ///
    /// # Errors
    /// When no resonance has this name, or a number is not finite; the error names it.
    pub fn with(mut self, name: &str, scale: f64, phase: f64) -> Result<Self, PhysicsError> {
        let index = Self::NAMES
            .iter()
            .position(|known| *known == name)
            .ok_or_else(|| PhysicsError::unknown("resonance", name, &Self::NAMES))?;
        for (what, value) in [("scale", scale), ("phase", phase)] {
            PhysicsError::unless(
                value.abs() <= 1e6,
                &format!("{name} {what}"),
                value,
                "a finite number of modulus at most 1e6",
            )?;
        }
        self.resonances[index].scale = scale;
        self.resonances[index].phase = phase;
        Ok(self)
    }

    /// `h(q2)` at q2 > 0 (GeV^2) in place of the charm loop; `mu`, the scale of h, stands for mb.
    pub fn h(&self, q2: f64, m_c_quark: f64, mu: f64) -> Complex64 {
        let constant = -8.0 / 9.0 * (m_c_quark / mu).ln() - 4.0 / 9.0;
        let resonances: Complex64 = self.resonances.iter().map(|resonance| resonance.h(q2)).sum();
        constant + continuum(q2, mu) + resonances
    }

    /// Points where an integral over q2 must be split, in GeV^2: the continuum's edges and, in powers of 4 of the half width,
    /// the shoulders of each resonance.
    pub fn thresholds(&self) -> Vec<f64> {
        let shoulders = self.resonances.iter().flat_map(|resonance| {
            let steps = std::iter::successors(Some(resonance.half_width()), |step| Some(4.0 * step))
                .take_while(|step| *step < 1.0);
            let m2 = resonance.mass * resonance.mass;
            steps.flat_map(move |step| [m2 - step, m2 + step]).chain([m2])
        });
        shoulders.collect()
    }
}

/// The continuum's part of h; the principal-value integral in closed form.
fn continuum(q2: f64, m_b_quark: f64) -> Complex64 {
    let (first, second, height) = CONTINUUM;
    let m2 = m_b_quark * m_b_quark;
    let (s1, s2) = (first * m2, second * m2);
    let slope = height / (s2 - s1);
    let x_log_x = |x: f64| if x == 0.0 { 0.0 } else { x * x.abs().ln() };
    let principal = slope * (s1 * (s2 / s1).ln() + x_log_x(q2 - s2) - x_log_x(q2 - s1)) + height * s2.ln();
    let r = (slope * (q2 - s1)).clamp(0.0, height);
    Complex64::new(principal / 3.0, FRAC_PI_3 * r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quadrature::integrate;

    fn charmonium() -> Charmonium {
        Charmonium::new(Parameters::standard()).unwrap()
    }

    /// The closed forms against numerical principal values, with the pole's neighbourhood taken in pairs.
    #[test]
    fn real_part_is_the_dispersion_integral_of_the_imaginary_part() {
        let wide = charmonium().resonances.map(|r| Resonance { width: 0.3, leptonic: 1e-5, ..r });
        let charmonium = Charmonium { resonances: wide };
        let imaginary = |s: f64| charmonium.h(s, 1.3, 4.8).im;
        for q2 in [2.0, 8.0, 9.7, 17.0] {
            let pair = |x: f64| imaginary(q2 + x) / (q2 + x) / x - imaginary(q2 - x) / (q2 - x) / x;
            let edges = [13.824, 15.8976].map(|s: f64| (s - q2).abs());
            let near = integrate(1e-9, q2, (1..60).map(|i| 0.3 * f64::from(i)).chain(edges), pair);
            // s = 1/t beyond 2 q2.
            let far = integrate(
                1e-12,
                0.5 / q2,
                (1..400).map(|i| 1.0 / (0.3 * f64::from(i))).chain([1.0 / 13.824, 1.0 / 15.8976]),
                |t| imaginary(1.0 / t) / (1.0 / t - q2) / t,
            );
            let expected = q2 / std::f64::consts::PI * (near + far);
            let constant = -8.0 / 9.0 * (1.3_f64 / 4.8).ln() - 4.0 / 9.0;
            let got = charmonium.h(q2, 1.3, 4.8).re - constant;
            assert!(
                (got - expected).abs() < 1e-5 * got.abs().max(1.0),
                "q2 = {q2}: {got} against {expected}"
            );
        }
    }

    #[test]
    fn phase_and_scale_belong_to_one_resonance() {
        let plain = charmonium();
        let turned = plain.with("j_psi", 2.0, std::f64::consts::PI).unwrap();
        let q2 = 3.0969 * 3.0969;
        let difference = turned.h(q2, 1.3, 4.8) - plain.h(q2, 1.3, 4.8);
        assert!((difference + 3.0 * plain.resonances[0].h(q2)).norm() < 1e-9 * difference.norm());
        assert!(plain.with("eta_c", 1.0, 0.0).is_err());
        assert!(plain.with("psi_2s", f64::NAN, 0.0).is_err());
    }
}
