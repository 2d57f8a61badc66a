//! Spectator scattering in B -> K* l l: weak annihilation, the chromomagnetic operator, quark loops.
//!
//! From a table of equivalent shifts of C9 in `A_perp`, `A_para`, `A_0` (L and R alike) for the neutral B and central
//! form factors. The amplitudes themselves do not depend on the form factors of the factorised part, so that the shifts
//! stay multiplied with the central ones whatever those at hand are. Charged mesons use the same table: the other
//! annihilation topology of the u quark is not included. No effect above [`Spectator::Q2_MAX`], and none in B -> K.
//!
//! # Source
//! QCD factorisation, Beneke, Feldmann, Seidel, hep-ph/0106067 and hep-ph/0412400, as tabulated with flavio 2.7.1
//! (arXiv:1810.08132).

use std::sync::LazyLock;

use num_complex::Complex64;

use crate::amplitudes::Nonlocal;
use crate::charm_loop_nnlo::weak_phase;
use crate::form_factors::Bsz2015;
use crate::kinematics::PhaseSpacePoint;
use crate::table::{ByFlavour, Table};
use crate::{Flavour, Parameters, PhysicsError};

/// The lowest q2 of the table, in GeV^2: below it the shift of `A_0` stays what it is there.
const Q2_MIN: f64 = 0.045;

/// q2 times the shift in `A_perp`, `A_para`, `A_0`: t parts, then u parts. Like q2 C9 from a photon, these are smooth.
static SHIFTS: LazyLock<Table<6>> = LazyLock::new(|| {
    let rows = ByFlavour::separated::<3>(
        "spectator_scattering.toml",
        include_str!("../data/spectator_scattering.toml"),
    );
    let smooth = |&(q2, [perp, para, zero]): &(f64, [(Complex64, Complex64); 3])| {
        (q2, [perp.0, para.0, zero.0, perp.1, para.1, zero.1].map(|shift| shift * q2))
    };
    Table::new(&rows.iter().map(smooth).collect::<Vec<_>>())
});

static CENTRAL: LazyLock<Bsz2015> = LazyLock::new(|| {
    Bsz2015::with_exact_relations("bsz2015", Parameters::standard())
        .unwrap_or_else(|error| panic!("built-in form factors: {error}"))
});

/// Spectator scattering as one flavour sees it.
#[derive(Debug, Clone, Copy)]
pub struct Spectator {
    xi_u_over_xi_t: Complex64,
}

impl Spectator {
    /// Above it there is no spectator scattering, in GeV^2.
    pub const Q2_MAX: f64 = 8.9;

    /// # Errors
    /// When an input is missing from the parameters.
    pub fn new(flavour: Flavour, parameters: &Parameters) -> Result<Self, PhysicsError> {
        Ok(Self { xi_u_over_xi_t: weak_phase(flavour, parameters)? })
    }

    /// The shifts of C9 in `A_perp`, `A_para`, `A_0` with the central form factors, at q2 > 0 (GeV^2).
    pub fn delta_c9(&self, q2: f64) -> [Complex64; 3] {
        if q2 >= Self::Q2_MAX {
            return [Complex64::ZERO; 3];
        }
        let inside = q2.max(Q2_MIN);
        let [perp, para, zero, perp_u, para_u, zero_u] = SHIFTS.at(inside.ln());
        let xi = self.xi_u_over_xi_t;
        [(perp + xi * perp_u) / q2, (para + xi * para_u) / q2, (zero + xi * zero_u) / inside]
    }

    pub(crate) fn nonlocal(&self, point: &PhaseSpacePoint) -> Nonlocal {
        if point.q2 >= Self::Q2_MAX {
            return Nonlocal::default();
        }
        let [perp, para, zero] = self.delta_c9(point.q2);
        Nonlocal::from_delta_c9(point, &CENTRAL.at(point.q2, point.m_b_meson, point.m_kpi), perp, para, zero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavio_spectator_shifts() {
        let at = |flavour, q2| Spectator::new(flavour, Parameters::standard()).unwrap().delta_c9(q2);
        let c = Complex64::new;
        let close = |got: Complex64, expected: Complex64| assert!((got - expected).norm() < 1e-7, "{got}");
        let [perp, para, zero] = at(Flavour::B0bar, 5.0);
        close(perp, c(-0.051_741_951, -0.085_503_791));
        close(para, c(-0.044_635_935, -0.073_761_071));
        close(zero, c(-0.050_000_735, -0.013_967_845));
        let [perp, _, zero] = at(Flavour::B0, 0.145);
        close(perp, c(-3.710_679_4, -2.206_604_9));
        close(zero, c(0.033_555_216, 0.139_840_29));
        assert_eq!(at(Flavour::B0, 9.0), [Complex64::ZERO; 3]);
    }

    #[test]
    fn stays_of_its_size_below_the_table() {
        let spectator = Spectator::new(Flavour::B0bar, Parameters::standard()).unwrap();
        let [perp, _, zero] = spectator.delta_c9(1e-6);
        let [edge_perp, _, edge_zero] = spectator.delta_c9(Q2_MIN);
        assert!((perp * 1e-6 - edge_perp * Q2_MIN).norm() < 1e-12);
        assert!((zero - edge_zero).norm() < 1e-12);
    }
}
