//! The model `npr`: naive factorisation with the one-loop `Y(q2)`.
//!
//! The physics of the B -> K* l l new-physics model of EvtGen (Sibidanov et al., arXiv:2203.06827) without charmonium
//! resonances: form factors of arXiv:1503.05534 as they stand, constant C7eff, `C9eff = C9 + Y(q2)`. No C7' in the Standard Model, no
//! two-loop matrix elements, no spectator scattering.

use num_complex::Complex64;

use crate::amplitudes::EffectiveCoefficients;
use crate::charm_loop::OneLoop;
use crate::charmonium::Charmonium;
use crate::{Parameters, PhysicsError};

/// The model's inputs.
#[derive(Debug, Clone, Copy)]
pub struct Npr {
    one_loop: OneLoop,
    m_b_quark: f64,
    c7_eff: f64,
    c9: f64,
    c10: f64,
}

impl Npr {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(parameters: &Parameters) -> Result<Self, PhysicsError> {
        let value = |name| parameters.value(name);
        let m_b_quark = value("npr_m_b_quark")?;
        Ok(Self {
            one_loop: OneLoop {
                mu: value("npr_scale")?,
                m_b_quark,
                m_c_quark: value("npr_m_c_quark")?,
                c: [
                    value("npr_c1")?,
                    value("npr_c2")?,
                    value("npr_c3")?,
                    value("npr_c4")?,
                    value("npr_c5")?,
                    value("npr_c6")?,
                ],
                charmonium: None,
            },
            m_b_quark,
            c7_eff: value("npr_c7_eff")?,
            c9: value("npr_c9")?,
            c10: value("npr_c10")?,
        })
    }

    /// `C9eff(q2) = C9 + Y(q2)` of the Standard Model, q2 > 0 in GeV^2.
    pub fn c9_effective(&self, q2: f64) -> Complex64 {
        self.c9 + self.one_loop.y(q2)
    }

    pub(super) const fn m_b_quark(&self) -> f64 {
        self.m_b_quark
    }

    pub(super) fn effective_coefficients(&self, q2: f64) -> EffectiveCoefficients {
        EffectiveCoefficients {
            c7: self.c7_eff.into(),
            c9: self.c9_effective(q2),
            c10: self.c10.into(),
            ..EffectiveCoefficients::default()
        }
    }

    pub(super) fn thresholds(&self) -> Vec<f64> {
        self.one_loop.thresholds()
    }

    pub(super) fn set_charmonium(&mut self, charmonium: &Charmonium) {
        self.one_loop.charmonium = Some(*charmonium);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of C9eff that an independent evaluation of the same formula gives, to their four digits.
    #[test]
    fn paper_c9_effective() {
        let npr = Npr::new(Parameters::standard()).unwrap();
        let table = [
            (1.0, 4.7467, 0.0612),
            (4.0, 4.8731, 0.0612),
            (6.7, 5.3130, 0.0612),
            (8.0, 5.2506, 0.5588),
            (15.0, 4.7708, 0.8681),
        ];
        for (q2, re, im) in table {
            let got = npr.c9_effective(q2);
            assert!((got.re - re).abs() < 6e-5 && (got.im - im).abs() < 6e-5, "q2 = {q2}: {got}");
        }
    }
}
