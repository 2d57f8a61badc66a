//! The Wilson coefficients that a user can shift, and their names.
//!
//! A shift that a user types belongs to b -> s (B0bar, B-); `B0` and `B+` see its complex conjugate.
//!
//! The operators are those of Altmannshofer et al., arXiv:0811.1214, eqs. 2.2 to 2.5: the scalar ones carry a factor
//! `m_b`, so that `c_s` and `c_p` are in GeV^-1. Where they come without it (EOS, EvtGen), coefficients are larger by
//! `m_b`.

use num_complex::Complex64;

use crate::PhysicsError;
use crate::names::named;

/// The eight coefficients of the effective Hamiltonian whose shifts are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WilsonCoefficient {
    /// Electromagnetic dipole.
    C7,
    /// Vector current of the leptons.
    C9,
    /// Axial-vector current of the leptons.
    C10,
    /// Right-handed electromagnetic dipole, C7'.
    C7Prime,
    /// Right-handed quark current, vector lepton current, C9'.
    C9Prime,
    /// Right-handed quark current, axial-vector lepton current, C10'.
    C10Prime,
    /// Scalar difference `C_S - C_S'` in GeV^-1, of the operator `m_b (s P_R b)(l l)`.
    CS,
    /// Pseudoscalar difference `C_P - C_P'` in GeV^-1, of the operator `m_b (s P_R b)(l gamma5 l)`.
    CP,
}

impl WilsonCoefficient {
    /// All eight, in the order in which [`WilsonShifts`] keeps them.
    pub const ALL: [Self; 8] =
        [Self::C7, Self::C9, Self::C10, Self::C7Prime, Self::C9Prime, Self::C10Prime, Self::CS, Self::CP];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::C7 => "c7",
            Self::C9 => "c9",
            Self::C10 => "c10",
            Self::C7Prime => "c7_prime",
            Self::C9Prime => "c9_prime",
            Self::C10Prime => "c10_prime",
            Self::CS => "c_s",
            Self::CP => "c_p",
        }
    }
}

named!(WilsonCoefficient, "Wilson coefficient");

/// Real or imaginary part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Part {
    /// Real part.
    #[default]
    Real,
    /// Imaginary part.
    Imaginary,
}

/// One real number of the sixteen that the shifts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WilsonDirection {
    /// The coefficient.
    pub coefficient: WilsonCoefficient,
    /// Its part.
    pub part: Part,
}

impl WilsonDirection {
    /// The real part of a coefficient.
    pub const fn real(coefficient: WilsonCoefficient) -> Self {
        Self { coefficient, part: Part::Real }
    }

    /// The imaginary part of a coefficient.
    pub const fn imaginary(coefficient: WilsonCoefficient) -> Self {
        Self { coefficient, part: Part::Imaginary }
    }

    /// The real and imaginary parts of all coefficients.
    pub fn all() -> impl Iterator<Item = Self> {
        WilsonCoefficient::ALL.into_iter().flat_map(|c| [Self::real(c), Self::imaginary(c)])
    }
}

impl std::fmt::Display for WilsonDirection {
    /// The coefficient's name, with `_im` behind it for an imaginary part.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ending = if self.part == Part::Imaginary { "_im" } else { "" };
        write!(f, "{}{ending}", self.coefficient.name())
    }
}

impl std::str::FromStr for WilsonDirection {
    type Err = PhysicsError;

    fn from_str(text: &str) -> Result<Self, PhysicsError> {
        match text.strip_suffix("_im") {
            Some(name) => name.parse().map(Self::imaginary),
            None => text.parse().map(Self::real),
        }
    }
}

/// Shifts `delta C_i = C_i - C_i^SM` of the eight coefficients; all zero is the Standard Model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WilsonShifts([Complex64; 8]);

impl WilsonShifts {
    /// The Standard Model.
    pub const STANDARD_MODEL: Self = Self([Complex64::ZERO; 8]);

    /// A real shift of C9 alone.
    pub fn delta_c9(value: f64) -> Self {
        Self::STANDARD_MODEL.with(WilsonCoefficient::C9, value.into())
    }

    /// The shift of one coefficient.
    pub fn get(&self, coefficient: WilsonCoefficient) -> Complex64 {
        self.0[coefficient as usize]
    }

    /// The shift of one real number.
    pub fn part(&self, direction: WilsonDirection) -> f64 {
        let own = self.get(direction.coefficient);
        match direction.part {
            Part::Real => own.re,
            Part::Imaginary => own.im,
        }
    }

    /// Shifts with one of them replaced.
    #[must_use]
    pub fn with(mut self, coefficient: WilsonCoefficient, value: Complex64) -> Self {
        self.0[coefficient as usize] = value;
        self
    }

    /// Shifts moved by `step` in one direction.
    #[must_use]
    pub fn moved(self, direction: WilsonDirection, step: f64) -> Self {
        let step = match direction.part {
            Part::Real => Complex64::new(step, 0.0),
            Part::Imaginary => Complex64::new(0.0, step),
        };
        self.with(direction.coefficient, self.get(direction.coefficient) + step)
    }

    /// Shifts with the number along one direction replaced.
    #[must_use]
    pub fn with_part(self, direction: WilsonDirection, value: f64) -> Self {
        let own = self.get(direction.coefficient);
        let new = match direction.part {
            Part::Real => Complex64::new(value, own.im),
            Part::Imaginary => Complex64::new(own.re, value),
        };
        self.with(direction.coefficient, new)
    }

    /// The shifts that the CP-conjugate process sees.
    #[must_use]
    pub fn conj(&self) -> Self {
        Self(self.0.map(|c| c.conj()))
    }

    /// Name and shift of each coefficient.
    pub fn iter(&self) -> impl Iterator<Item = (WilsonCoefficient, Complex64)> + '_ {
        WilsonCoefficient::ALL.into_iter().map(|c| (c, self.get(c)))
    }

    /// The largest modulus of a shift: far beyond all physics, and far from overflow in a rate.
    pub const LARGEST: f64 = 1e9;

    /// # Errors
    /// When a shift is not a finite number, or larger than [`Self::LARGEST`]; the error names it.
    pub fn check(&self) -> Result<(), PhysicsError> {
        for (coefficient, value) in self.iter() {
            let allowed = value.is_finite() && value.norm() <= Self::LARGEST;
            if !allowed {
                return Err(PhysicsError::OutOfRange {
                    field: coefficient.name().to_owned(),
                    got: value.to_string(),
                    allowed: format!("a finite number of modulus at most {:e}", Self::LARGEST),
                });
            }
        }
        Ok(())
    }
}
