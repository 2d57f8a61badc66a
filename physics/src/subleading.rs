//! Hadronic corrections beyond factorisation and spectator scattering that no calculation gives.
//!
//! Zero by default; their uncertainties are what a prediction's hadronic uncertainty is made of. Strong phases: the same
//! for a meson and its antiparticle.
//!
//! # Source
//! The parametrisation of flavio 2.7.1 (arXiv:1810.08132), after Altmannshofer, Straub, arXiv:1411.3161. With
//! `H_+- = (A_para +- A_perp)/sqrt(2)`: at low q2 `delta C7 = (a + b q2/mB^2) mB/(2 mb)` in `A_0` and `H_-`, the same
//! for C7' in `H_+`; at high q2 `delta C9 = c` in each. For B -> K `delta C9 = a + b q2`, and c at high q2.

use num_complex::Complex64;

use crate::amplitudes::Nonlocal;
use crate::form_factors::FormFactors;
use crate::kinematics::PhaseSpacePoint;
use crate::{Flavour, Parameters, PhysicsError};

/// Up to here the parametrisation of low q2 holds, in GeV^2.
pub const LOW_Q2: f64 = 9.0;
/// From here on that of high q2, in GeV^2; none holds between them.
pub const HIGH_Q2: f64 = 14.0;

fn complex(
    parameters: &Parameters,
    flavour: Flavour,
    hadron: &str,
    what: &str,
) -> Result<Complex64, PhysicsError> {
    let charge = if flavour.is_charged() { "charged" } else { "neutral" };
    let part = |part| parameters.value(&format!("subleading_{charge}_{hadron}_{what}_{part}"));
    Ok(Complex64::new(part("re")?, part("im")?))
}

/// Corrections of one of the amplitudes `A_0`, `H_+`, `H_-`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Amplitude {
    a: Complex64,
    b: Complex64,
    c: Complex64,
}

/// Corrections of B -> K*.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KstarSubleading {
    zero: Amplitude,
    plus: Amplitude,
    minus: Amplitude,
}

impl KstarSubleading {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let amplitude = |name: &str| {
            let value = |what: &str| complex(parameters, flavour, "kstar", &format!("{what}_{name}"));
            Ok::<Amplitude, PhysicsError>(Amplitude { a: value("a")?, b: value("b")?, c: value("c")? })
        };
        Ok(Self { zero: amplitude("zero")?, plus: amplitude("plus")?, minus: amplitude("minus")? })
    }

    /// Whether there is none.
    pub fn is_zero(&self) -> bool {
        [self.zero, self.plus, self.minus]
            .iter()
            .all(|amplitude| [amplitude.a, amplitude.b, amplitude.c].iter().all(|c| *c == Complex64::ZERO))
    }

    /// The amplitudes they add; `m_b_quark` (GeV) multiplies C7.
    pub fn nonlocal(&self, point: &PhaseSpacePoint, m_b_quark: f64, ff: &FormFactors) -> Nonlocal {
        let of =
            |c7: [Complex64; 2], c9: Complex64| Nonlocal::from_shifts(point, m_b_quark, ff, c7[0], c7[1], c9);
        let none = Complex64::ZERO;
        if point.q2 <= LOW_Q2 {
            let scale = point.m_b_meson / (2.0 * m_b_quark);
            let slope = point.q2 / (point.m_b_meson * point.m_b_meson);
            let dipole = |amplitude: &Amplitude| (amplitude.a + amplitude.b * slope) * scale;
            Nonlocal::from_helicities(
                &of([dipole(&self.zero), none], none),
                &of([none, dipole(&self.plus)], none),
                &of([dipole(&self.minus), none], none),
            )
        } else if point.q2 > HIGH_Q2 {
            Nonlocal::from_helicities(
                &of([none; 2], self.zero.c),
                &of([none; 2], self.plus.c),
                &of([none; 2], self.minus.c),
            )
        } else {
            Nonlocal::default()
        }
    }
}

/// Corrections of B -> K.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KaonSubleading {
    a: Complex64,
    b: Complex64,
    c: Complex64,
}

impl KaonSubleading {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let value = |what: &str| complex(parameters, flavour, "kaon", what);
        Ok(Self { a: value("a")?, b: value("b")?, c: value("c")? })
    }

    /// The shift of C9 at `q2` (GeV^2).
    pub fn delta_c9(&self, q2: f64) -> Complex64 {
        if q2 <= LOW_Q2 {
            self.a + self.b * q2
        } else if q2 > HIGH_Q2 {
            self.c
        } else {
            Complex64::ZERO
        }
    }
}
