//! Observables of B -> K(*) l l: their names and what they are of the coefficients of a meson and its antiparticle.
//!
//! LHCb convention. `S_i` are CP averages: coefficients of meson and antimeson are added, then divided by the added
//! rates; `A_i` are the same with the difference (b -> s decay minus its conjugate). In a bin every observable is a
//! ratio of integrals over q2, never an average of ratios. [`crate::convention::dhmv_factor`] leads to the other
//! convention.
//!
//! # Source
//! LHCb, arXiv:1512.04442, and Altmannshofer et al., arXiv:0811.1214; the optimised observables exact in the lepton
//! mass: `P_1 = S_3/(2 S_2s)`, `P_2 = S_6s/(8 S_2s)`, `P_3 = -S_9/(4 S_2s)`,
//! `P_{4,5,6,8}' = S_{4,5,7,8}/(2 sqrt(-S_2s S_2c))`, `F_L = -S_2c`, `A_FB = 3/8 (2 S_6s + S_6c)`;
//! `Q_i = P_i(mu) - P_i(e)` of Capdevila et al., arXiv:1605.03156; B -> K: Bobeth et al., arXiv:0709.4174.

use crate::kaon::KaonCoefficients;
use crate::names::named;
use crate::{AngularCoefficients, Hadron};

pub use crate::cp::CpPair;
pub use crate::predictions::Predictions;

/// A quantity that experiments quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the literature's; the module and `name` say what they are")]
pub enum Observable {
    /// Longitudinal polarisation fraction of the K*.
    FL,
    /// Forward-backward asymmetry of the lepton.
    AFb,
    S3,
    S4,
    S5,
    S6s,
    S6c,
    S7,
    S8,
    S9,
    /// CP asymmetry of the rate, `(Gamma - Gammabar)/(Gamma + Gammabar)`.
    ACp,
    A3,
    A4,
    A5,
    A6s,
    A7,
    A8,
    A9,
    P1,
    P2,
    P3,
    P4p,
    P5p,
    P6p,
    P8p,
    Q1,
    Q2,
    Q3,
    Q4,
    Q5,
    Q6,
    Q8,
    /// Flat term of B -> K: the fraction of the rate that has no `1 - cos_theta_l^2`.
    FH,
    /// Differential branching fraction, in a bin its average, in GeV^-2; all K pi charges, CP-averaged.
    DBrDq2,
    /// Differential decay rate, in a bin its average, in GeV^-1; all K pi charges, CP-averaged.
    DGammaDq2,
    /// Ratio of the rates of B -> K* to muons and to electrons.
    RKstar,
    /// Ratio of the rates of B -> K to muons and to electrons.
    RK,
}

impl Observable {
    /// All observables.
    pub const ALL: [Self; 37] = [
        Self::FL,
        Self::AFb,
        Self::S3,
        Self::S4,
        Self::S5,
        Self::S6s,
        Self::S6c,
        Self::S7,
        Self::S8,
        Self::S9,
        Self::ACp,
        Self::A3,
        Self::A4,
        Self::A5,
        Self::A6s,
        Self::A7,
        Self::A8,
        Self::A9,
        Self::P1,
        Self::P2,
        Self::P3,
        Self::P4p,
        Self::P5p,
        Self::P6p,
        Self::P8p,
        Self::Q1,
        Self::Q2,
        Self::Q3,
        Self::Q4,
        Self::Q5,
        Self::Q6,
        Self::Q8,
        Self::FH,
        Self::DBrDq2,
        Self::DGammaDq2,
        Self::RKstar,
        Self::RK,
    ];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FL => "F_L",
            Self::AFb => "A_FB",
            Self::S3 => "S3",
            Self::S4 => "S4",
            Self::S5 => "S5",
            Self::S6s => "S6s",
            Self::S6c => "S6c",
            Self::S7 => "S7",
            Self::S8 => "S8",
            Self::S9 => "S9",
            Self::ACp => "A_CP",
            Self::A3 => "A3",
            Self::A4 => "A4",
            Self::A5 => "A5",
            Self::A6s => "A6s",
            Self::A7 => "A7",
            Self::A8 => "A8",
            Self::A9 => "A9",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4p => "P4p",
            Self::P5p => "P5p",
            Self::P6p => "P6p",
            Self::P8p => "P8p",
            Self::Q1 => "Q1",
            Self::Q2 => "Q2",
            Self::Q3 => "Q3",
            Self::Q4 => "Q4",
            Self::Q5 => "Q5",
            Self::Q6 => "Q6",
            Self::Q8 => "Q8",
            Self::FH => "F_H",
            Self::DBrDq2 => "dBR_dq2",
            Self::DGammaDq2 => "dGamma_dq2",
            Self::RKstar => "R_Kstar",
            Self::RK => "R_K",
        }
    }

    /// Whether the decay to this hadron has it.
    pub const fn describes(self, hadron: Hadron) -> bool {
        match self {
            Self::AFb | Self::ACp | Self::DBrDq2 | Self::DGammaDq2 => true,
            Self::FH | Self::RK => matches!(hadron, Hadron::Kaon),
            _ => matches!(hadron, Hadron::Kstar),
        }
    }

    /// Whether it compares muons with electrons.
    pub const fn compares_leptons(self) -> bool {
        matches!(self, Self::RKstar | Self::RK) || self.compared().is_some()
    }

    /// Of `Q_i`, the observable whose difference between muons and electrons it is.
    pub const fn compared(self) -> Option<Self> {
        match self {
            Self::Q1 => Some(Self::P1),
            Self::Q2 => Some(Self::P2),
            Self::Q3 => Some(Self::P3),
            Self::Q4 => Some(Self::P4p),
            Self::Q5 => Some(Self::P5p),
            Self::Q6 => Some(Self::P6p),
            Self::Q8 => Some(Self::P8p),
            _ => None,
        }
    }

    /// Its value in B -> K* where it is a ratio of coefficients of one lepton; else `None`.
    pub fn ratio(self, pair: &CpPair) -> Option<f64> {
        let j = pair.average();
        let rate = j.rate();
        let s = |coefficient: f64| Some(coefficient / rate);
        let a = |coefficient: fn(&AngularCoefficients) -> f64| Some(coefficient(&pair.difference()) / rate);
        let p = |coefficient: f64| Some(coefficient / (2.0 * (-j.j2s * j.j2c).sqrt()));
        match self {
            Self::FL => s(-j.j2c),
            Self::AFb => s(0.375 * (2.0 * j.j6s + j.j6c)),
            Self::S3 => s(j.j3),
            Self::S4 => s(j.j4),
            Self::S5 => s(j.j5),
            Self::S6s => s(j.j6s),
            Self::S6c => s(j.j6c),
            Self::S7 => s(j.j7),
            Self::S8 => s(j.j8),
            Self::S9 => s(j.j9),
            Self::ACp => Some(pair.rate_asymmetry()),
            Self::A3 => a(|j| j.j3),
            Self::A4 => a(|j| j.j4),
            Self::A5 => a(|j| j.j5),
            Self::A6s => a(|j| j.j6s),
            Self::A7 => a(|j| j.j7),
            Self::A8 => a(|j| j.j8),
            Self::A9 => a(|j| j.j9),
            Self::P1 => Some(j.j3 / (2.0 * j.j2s)),
            Self::P2 => Some(j.j6s / (8.0 * j.j2s)),
            Self::P3 => Some(-j.j9 / (4.0 * j.j2s)),
            Self::P4p => p(j.j4),
            Self::P5p => p(j.j5),
            Self::P6p => p(j.j7),
            Self::P8p => p(j.j8),
            _ => None,
        }
    }

    /// Its value in B -> K where it is a ratio of coefficients of one lepton; else `None`.
    pub fn kaon_ratio(self, pair: &CpPair<KaonCoefficients>) -> Option<f64> {
        let average = pair.average();
        match self {
            Self::AFb => Some(average.b / average.rate()),
            Self::FH => Some(2.0 * (average.a + average.c) / average.rate()),
            Self::ACp => Some(pair.rate_asymmetry()),
            _ => None,
        }
    }

    /// The unit of its value.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::DBrDq2 => "GeV^-2",
            Self::DGammaDq2 => "GeV^-1",
            _ => "1",
        }
    }
}

named!(Observable, "observable");
