//! Observables of B -> K(*) l l: a table of what they are of the coefficients of a meson and its antiparticle.
//!
//! LHCb convention. `S_i` are CP averages: coefficients of meson and antimeson are added, then divided by the added
//! rates; `A_i` are the same with the difference (b -> s decay minus its conjugate). In a bin every observable is a
//! ratio of integrals over q2, never an average of ratios.
//!
//! # Source
//! LHCb, arXiv:1512.04442, and Altmannshofer et al., arXiv:0811.1214; the optimised observables exact in the lepton
//! mass: `P_1 = S_3/(2 S_2s)`, `P_2 = S_6s/(8 S_2s)`, `P_3 = -S_9/(4 S_2s)`,
//! `P_{4,5,6,8}' = S_{4,5,7,8}/(2 sqrt(-S_2s S_2c))`, `F_L = -S_2c`, `A_FB = 3/8 (2 S_6s + S_6c)`;
//! `Q_i = P_i(mu) - P_i(e)` of Capdevila et al., arXiv:1605.03156; B -> K: Bobeth et al., arXiv:0709.4174.

use crate::Hadron;
use crate::angular::{AngularCoefficients, KaonCoefficients};
use crate::names::named;

pub use crate::cp::CpPair;

/// Definition of an observable by the coefficients of a meson and its antiparticle.
#[derive(Clone, Copy)]
pub(crate) enum Definition {
    /// A ratio of those of B -> K*.
    Kstar(fn(&CpPair) -> f64),
    /// A ratio of those of B -> K.
    Kaon(fn(&CpPair<KaonCoefficients>) -> f64),
    /// A ratio of those of either.
    Both(fn(&CpPair) -> f64, fn(&CpPair<KaonCoefficients>) -> f64),
    /// Another observable of B -> K* with muons minus that with electrons.
    MuonsMinusElectrons(Observable),
    /// The rate to muons over that to electrons.
    MuonsOverElectrons(Hadron),
    /// The rate.
    Rate,
    /// The rate times the lifetime.
    Branching,
}

/// One row of the table.
struct Row {
    name: &'static str,
    unit: &'static str,
    dhmv_factor: f64,
    definition: Definition,
}

/// The enum, all its variants and their rows, from one table: name, unit, factor to the DHMV convention, definition.
macro_rules! observables {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $unit:literal, $factor:literal, $definition:expr;)+) => {
        /// A quantity that experiments quote.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are the literature's; the module and `name` say what they are")]
        pub enum Observable {
            $($(#[$doc])* $variant,)+
        }

        impl Observable {
            /// All observables.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$variant => {
                        Row { name: $name, unit: $unit, dhmv_factor: $factor, definition: $definition }
                    })+
                }
            }
        }
    };
}

use Definition::{Both, Branching, Kaon, Kstar, MuonsMinusElectrons, MuonsOverElectrons, Rate};

observables! {
    /// Longitudinal polarisation fraction of the K*.
    FL = "F_L", "1", 1.0, Kstar(|p| s(p, |j| -j.j2c));
    /// Forward-backward asymmetry of the lepton.
    AFb = "A_FB", "1", -1.0, Both(|p| s(p, |j| 0.375 * (2.0 * j.j6s + j.j6c)), |p| p.average().b / p.rate());
    S1s = "S1s", "1", 1.0, Kstar(|p| s(p, |j| j.j1s));
    S1c = "S1c", "1", 1.0, Kstar(|p| s(p, |j| j.j1c));
    S2s = "S2s", "1", 1.0, Kstar(|p| s(p, |j| j.j2s));
    /// `-F_L`.
    S2c = "S2c", "1", 1.0, Kstar(|p| s(p, |j| j.j2c));
    S3 = "S3", "1", 1.0, Kstar(|p| s(p, |j| j.j3));
    S4 = "S4", "1", -1.0, Kstar(|p| s(p, |j| j.j4));
    S5 = "S5", "1", 1.0, Kstar(|p| s(p, |j| j.j5));
    S6s = "S6s", "1", -1.0, Kstar(|p| s(p, |j| j.j6s));
    S6c = "S6c", "1", -1.0, Kstar(|p| s(p, |j| j.j6c));
    S7 = "S7", "1", -1.0, Kstar(|p| s(p, |j| j.j7));
    S8 = "S8", "1", 1.0, Kstar(|p| s(p, |j| j.j8));
    S9 = "S9", "1", -1.0, Kstar(|p| s(p, |j| j.j9));
    /// CP asymmetry of the rate, `(Gamma - Gammabar)/(Gamma + Gammabar)`.
    ACp = "A_CP", "1", 1.0, Both(CpPair::rate_asymmetry, CpPair::rate_asymmetry);
    /// `A_FB` of the difference of meson and antimeson.
    AFbCp = "A_FB_CP", "1", -1.0, Kstar(|p| a(p, |j| 0.375 * (2.0 * j.j6s + j.j6c)));
    A1s = "A1s", "1", 1.0, Kstar(|p| a(p, |j| j.j1s));
    A1c = "A1c", "1", 1.0, Kstar(|p| a(p, |j| j.j1c));
    A2s = "A2s", "1", 1.0, Kstar(|p| a(p, |j| j.j2s));
    A2c = "A2c", "1", 1.0, Kstar(|p| a(p, |j| j.j2c));
    A3 = "A3", "1", 1.0, Kstar(|p| a(p, |j| j.j3));
    A4 = "A4", "1", -1.0, Kstar(|p| a(p, |j| j.j4));
    A5 = "A5", "1", 1.0, Kstar(|p| a(p, |j| j.j5));
    A6s = "A6s", "1", -1.0, Kstar(|p| a(p, |j| j.j6s));
    A6c = "A6c", "1", -1.0, Kstar(|p| a(p, |j| j.j6c));
    A7 = "A7", "1", -1.0, Kstar(|p| a(p, |j| j.j7));
    A8 = "A8", "1", 1.0, Kstar(|p| a(p, |j| j.j8));
    A9 = "A9", "1", -1.0, Kstar(|p| a(p, |j| j.j9));
    P1 = "P1", "1", 1.0, Kstar(|p| over_j2s(p, |j| j.j3 / 2.0));
    P2 = "P2", "1", -1.0, Kstar(|p| over_j2s(p, |j| j.j6s / 8.0));
    P3 = "P3", "1", -1.0, Kstar(|p| over_j2s(p, |j| -j.j9 / 4.0));
    P4p = "P4p", "1", -2.0, Kstar(|p| over_root(p, |j| j.j4));
    P5p = "P5p", "1", 1.0, Kstar(|p| over_root(p, |j| j.j5));
    P6p = "P6p", "1", 1.0, Kstar(|p| over_root(p, |j| j.j7));
    P8p = "P8p", "1", -2.0, Kstar(|p| over_root(p, |j| j.j8));
    Q1 = "Q1", "1", 1.0, MuonsMinusElectrons(Self::P1);
    Q2 = "Q2", "1", -1.0, MuonsMinusElectrons(Self::P2);
    Q3 = "Q3", "1", -1.0, MuonsMinusElectrons(Self::P3);
    Q4 = "Q4", "1", -2.0, MuonsMinusElectrons(Self::P4p);
    Q5 = "Q5", "1", 1.0, MuonsMinusElectrons(Self::P5p);
    Q6 = "Q6", "1", 1.0, MuonsMinusElectrons(Self::P6p);
    Q8 = "Q8", "1", -2.0, MuonsMinusElectrons(Self::P8p);
    /// Flat term of B -> K: the fraction of the rate that has no `1 - cos_theta_l^2`.
    FH = "F_H", "1", 1.0, Kaon(|p| 2.0 * (p.average().a + p.average().c) / p.rate());
    /// Differential branching fraction, in a bin its average, in GeV^-2; all K pi charges, CP-averaged.
    DBrDq2 = "dBR_dq2", "GeV^-2", 1.0, Branching;
    /// Differential decay rate, in a bin its average, in GeV^-1; all K pi charges, CP-averaged.
    DGammaDq2 = "dGamma_dq2", "GeV^-1", 1.0, Rate;
    /// Ratio of the rates of B -> K* to muons and to electrons.
    RKstar = "R_Kstar", "1", 1.0, MuonsOverElectrons(Hadron::Kstar);
    /// Ratio of the rates of B -> K to muons and to electrons.
    RK = "R_K", "1", 1.0, MuonsOverElectrons(Hadron::Kaon);
}

/// A coefficient of the CP average over the rate.
fn s(pair: &CpPair, coefficient: fn(&AngularCoefficients) -> f64) -> f64 {
    coefficient(&pair.average()) / pair.rate()
}

/// A coefficient of the CP difference over the rate.
fn a(pair: &CpPair, coefficient: fn(&AngularCoefficients) -> f64) -> f64 {
    coefficient(&pair.difference()) / pair.rate()
}

/// A coefficient of the CP average over `J_2s`.
fn over_j2s(pair: &CpPair, coefficient: fn(&AngularCoefficients) -> f64) -> f64 {
    let j = pair.average();
    coefficient(&j) / j.j2s
}

/// A coefficient of the CP average over `2 sqrt(-J_2s J_2c)`.
fn over_root(pair: &CpPair, coefficient: fn(&AngularCoefficients) -> f64) -> f64 {
    let j = pair.average();
    coefficient(&j) / (2.0 * (-j.j2s * j.j2c).sqrt())
}

impl Observable {
    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The unit of its value.
    pub const fn unit(self) -> &'static str {
        self.row().unit
    }

    /// The factor from the LHCb convention to that of DHMV (optimised observables) and Altmannshofer et al. (`S_i`, `A_i`,
    /// `A_FB`).
    ///
    /// # Source
    /// Descotes-Genon, Hurth, Matias, Virto, arXiv:1303.5794: `P_4' = J_4 / sqrt(-J_2s J_2c)`, `P_5' = J_5 / (2 sqrt)`,
    /// `P_6' = -J_7 / (2 sqrt)`, `P_8' = -J_8 / sqrt`, `P_2 = J_6s/(8 J_2s)`, `P_3 = -J_9/(4 J_2s)` of theory coefficients.
    pub const fn dhmv_factor(self) -> f64 {
        self.row().dhmv_factor
    }

    /// The definition.
    pub(crate) const fn definition(self) -> Definition {
        self.row().definition
    }

    /// The value in B -> K* where it is a ratio of coefficients of one lepton; else `None`.
    pub fn ratio(self, pair: &CpPair) -> Option<f64> {
        match self.definition() {
            Kstar(of) | Both(of, _) => Some(of(pair)),
            _ => None,
        }
    }

    /// The value in B -> K where it is a ratio of coefficients of one lepton; else `None`.
    pub fn kaon_ratio(self, pair: &CpPair<KaonCoefficients>) -> Option<f64> {
        match self.definition() {
            Kaon(of) | Both(_, of) => Some(of(pair)),
            _ => None,
        }
    }

    /// Whether the decay to this hadron has it.
    pub const fn describes(self, hadron: Hadron) -> bool {
        match self.definition() {
            Kstar(_) | MuonsMinusElectrons(_) | MuonsOverElectrons(Hadron::Kstar) => {
                matches!(hadron, Hadron::Kstar)
            }
            Kaon(_) | MuonsOverElectrons(Hadron::Kaon) => matches!(hadron, Hadron::Kaon),
            Both(..) | Rate | Branching => true,
        }
    }

    /// Whether it compares muons with electrons.
    pub const fn compares_leptons(self) -> bool {
        matches!(self.definition(), MuonsMinusElectrons(_) | MuonsOverElectrons(_))
    }
}

named!(Observable, "observable");
