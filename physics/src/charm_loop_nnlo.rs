//! The four-quark operators at next-to-next-to-leading order: `delta C7(q2)` and `delta C9(q2)`.
//!
//! One loop in closed form with the masses at hand, two loops from a table made with central masses. Everything is
//! `t + xi_u/xi_t u` with strong phases in both terms; the weak phase of `xi_u/xi_t` is conjugated for B0 and B+.
//!
//! # Source
//! Beneke, Feldmann, Seidel, hep-ph/0106067 and hep-ph/0412400; two-loop functions of Asatryan et al., hep-ph/0109140,
//! Asatrian et al., hep-ph/0403185 and Greub et al., arXiv:0810.4077, as tabulated with flavio 2.7.1 (arXiv:1810.08132).

use std::sync::LazyLock;

use num_complex::Complex64;

use crate::charm_loop::OneLoop;
use crate::charmonium::Charmonium;
use crate::ckm::Ckm;
use crate::table::{ByFlavour, Table};
use crate::{Flavour, Parameters, PhysicsError};

/// `delta C7`: t and u; `delta C9 - Y - xi_u/xi_t Y_u`: t and u.
static TWO_LOOPS: LazyLock<Table<4>> = LazyLock::new(|| {
    let one_loop = one_loop(Parameters::standard())
        .unwrap_or_else(|error| panic!("built-in inputs of the charm loop: {error}"));
    let rows =
        ByFlavour::separated::<2>("charm_loop_nnlo.toml", include_str!("../data/charm_loop_nnlo.toml"));
    let beyond_one_loop = |&(q2, [c7, c9]): &(f64, [(Complex64, Complex64); 2])| {
        let (y, y_u) = one_loop.y_and_y_u(q2);
        (q2, [c7.0, c7.1, c9.0 - y, c9.1 - y_u])
    };
    Table::new(&rows.iter().map(beyond_one_loop).collect::<Vec<_>>())
});

/// The one-loop functions of the models `nnlo` and `full`.
fn one_loop(parameters: &Parameters) -> Result<OneLoop, PhysicsError> {
    let value = |name| parameters.value(name);
    Ok(OneLoop {
        mu: value("sm_scale")?,
        m_b_quark: value("sm_m_b_pole")?,
        m_c_quark: value("sm_m_c_pole")?,
        c: [
            value("sm_c1")?,
            value("sm_c2")?,
            value("sm_c3")?,
            value("sm_c4")?,
            value("sm_c5")?,
            value("sm_c6")?,
        ],
        charmonium: None,
    })
}

/// The charm loop as one flavour sees it.
#[derive(Debug, Clone, Copy)]
pub struct CharmLoopNnlo {
    one_loop: OneLoop,
    xi_u_over_xi_t: Complex64,
}

impl CharmLoopNnlo {
    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        let one_loop = one_loop(parameters)?;
        for (name, mass) in [("sm_m_b_pole", one_loop.m_b_quark), ("sm_m_c_pole", one_loop.m_c_quark)] {
            PhysicsError::unless(mass > 0.0, name, mass, "a positive mass")?;
        }
        Ok(Self { one_loop, xi_u_over_xi_t: weak_phase(flavour, parameters)? })
    }

    /// `delta C7` and `delta C9` at q2 > 0 (GeV^2).
    pub fn delta_c7_c9(&self, q2: f64) -> (Complex64, Complex64) {
        let [c7_t, c7_u, c9_t, c9_u] = TWO_LOOPS.at(q2.ln());
        let (y, y_u) = self.one_loop.y_and_y_u(q2);
        let xi = self.xi_u_over_xi_t;
        (c7_t + xi * c7_u, c9_t + y + xi * (c9_u + y_u))
    }

    /// Points where integrals over q2 are split, in GeV^2.
    pub fn thresholds(&self) -> Vec<f64> {
        self.one_loop.thresholds()
    }

    pub(crate) fn set_charmonium(&mut self, charmonium: &Charmonium) {
        self.one_loop.charmonium = Some(*charmonium);
    }
}

/// `xi_u/xi_t` as a flavour sees it.
pub(crate) fn weak_phase(flavour: Flavour, parameters: &Parameters) -> Result<Complex64, PhysicsError> {
    let xi = Ckm::new(parameters)?.xi_u_over_xi_t();
    Ok(if flavour.has_b_quark() { xi } else { xi.conj() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// flavio 2.7.1 at 4 GeV^2: C7eff, C9eff less C7eff, C9 of the Standard Model, without the u-quark loop.
    #[test]
    fn flavio_two_loops_without_the_u_quark() {
        let mut charm_loop = CharmLoopNnlo::new(Flavour::B0bar, Parameters::standard()).unwrap();
        charm_loop.xi_u_over_xi_t = Complex64::ZERO;
        let (_, y) = (0.0, charm_loop.one_loop.y(4.0));
        assert!((y - Complex64::new(0.439_533_203_813_931_5, 0.060_148_957_606_554_476)).norm() < 1e-12);
        let (y, y_u) = charm_loop.one_loop.y_and_y_u(16.0);
        assert!((y - Complex64::new(0.751_005_625_278_662_4, 0.726_890_233_670_187_8)).norm() < 1e-12);
        assert!((y_u - Complex64::new(0.458_352_832_151_175_45, -0.248_844_835_911_054_47)).norm() < 1e-12);
    }

    /// The table gives back flavio's sums, for both flavours, where it has points and between them.
    #[test]
    fn flavio_effective_shifts() {
        let at = |flavour, q2| CharmLoopNnlo::new(flavour, Parameters::standard()).unwrap().delta_c7_c9(q2);
        let (c7, c9) = at(Flavour::B0bar, 5.0);
        assert!((c7 - Complex64::new(-0.082_617_944, -0.015_290_912)).norm() < 1e-8, "{c7}");
        assert!((c9 - Complex64::new(0.346_964_24, 0.088_417_83)).norm() < 1e-8, "{c9}");
        let (c7, c9) = at(Flavour::BPlus, 5.0);
        assert!((c7 - Complex64::new(-0.079_614_865, -0.021_897_96)).norm() < 1e-8, "{c7}");
        assert!((c9 - Complex64::new(0.331_978_77, 0.086_649_357)).norm() < 1e-8, "{c9}");
    }
}
