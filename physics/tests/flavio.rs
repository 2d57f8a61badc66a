//! The amplitudes, the twelve coefficients and the absolute rate against flavio; see `tests/reference/README.md`.
//!
//! flavio's own form factors and effective coefficients are fed in, so that only amplitudes, coefficients and signs are
//! on trial, to the digits of the reference.

use humboldt_physics::amplitudes::{self, EffectiveCoefficients};
use humboldt_physics::ckm::Ckm;
use humboldt_physics::convention::exchange_lhcb_and_theory;
use humboldt_physics::form_factors::FormFactors;
use humboldt_physics::kinematics::PhaseSpacePoint;
use humboldt_physics::observables::CpPair;
use humboldt_physics::{AngularCoefficients, Observable, Parameters};
use num_complex::Complex64;
use serde_json::Value;

const BARE: &str = include_str!("../../tests/reference/flavio_bare.json");
const FORM_FACTORS: &str = include_str!("../../tests/reference/flavio_form_factors.json");

/// flavio 2.7.1's inputs at 4.8 GeV (masses in GeV).
const M_B_MESON: f64 = 5.27966;
const M_KSTAR: f64 = 0.89555;
const M_MUON: f64 = 0.105_658_375_5;
const M_B_QUARK: f64 = 4.094_053_707_418_375;
const C7_EFF: f64 = -0.291_495_054_350_860_37;
const C7_PRIME: f64 = -0.005_897_957_252_604_08;
const C9: f64 = 4.053_151_763_684_344;
const C10: f64 = -4.166_497_379_346_698;

/// B0 lifetime in GeV^-1.
const LIFETIME: f64 = 2_307_869_836_141.241_7;

/// Observables of the reference and their keys there; absorptive ones vanish in this model.
const OBSERVABLES: [(Observable, &str); 12] = [
    (Observable::FL, "FL"),
    (Observable::AFb, "AFB"),
    (Observable::S3, "S3"),
    (Observable::S4, "S4"),
    (Observable::S5, "S5"),
    (Observable::S9, "S9"),
    (Observable::P1, "P1"),
    (Observable::P2, "P2"),
    (Observable::P3, "P3"),
    (Observable::P4p, "P4p"),
    (Observable::P5p, "P5p"),
    (Observable::P8p, "P8p"),
];

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number in the reference file")
}

/// Coefficients of the theory convention at a q2 that both reference files list.
fn coefficients(q2: &str, c9: Complex64, c10: f64) -> AngularCoefficients {
    let file: Value = serde_json::from_str(FORM_FACTORS).expect("valid JSON");
    let value = |name: &str| number(&file["B->K*"][q2][name]);
    let form_factors = FormFactors {
        v: value("V"),
        a0: value("A0"),
        a1: value("A1"),
        a12: value("A12"),
        t1: value("T1"),
        t2: value("T2"),
        t23: value("T23"),
    };
    let c = EffectiveCoefficients {
        c7: C7_EFF.into(),
        c7_prime: C7_PRIME.into(),
        c9,
        c10: c10.into(),
        ..EffectiveCoefficients::default()
    };
    let input = |name: &str| Parameters::standard().value(name).expect("a built-in input");
    let coupling = amplitudes::weak_coupling(
        input("fermi_constant"),
        1.0 / input("alpha_em_inverse"),
        Ckm::new(Parameters::standard()).expect("built-in inputs").xi_t.norm(),
    );
    let point = PhaseSpacePoint::new(M_B_MESON, M_KSTAR, M_MUON, q2.parse().expect("a number"))
        .expect("inside phase space");
    let amplitudes = amplitudes::transversity(&point, coupling, M_B_QUARK, &c, &form_factors);
    AngularCoefficients::from_amplitudes(&point, &amplitudes)
}

#[test]
fn flavio_bare_angular_coefficients() {
    let file: Value = serde_json::from_str(BARE).expect("valid JSON");
    for (name, c9_shift, c10_shift) in [("SM", 0.0, 0.0), ("C9NP=-1", -1.0, 0.0), ("C10NP=+0.5", 0.0, 0.5)] {
        for q2 in ["2", "4", "6", "18"] {
            let got = coefficients(q2, (C9 + c9_shift).into(), C10 + c10_shift);
            let point = &file["points"][name]["q2"][q2];
            let expected = AngularCoefficients::from_array(
                AngularCoefficients::ORDER.map(|index| number(&point["J"][index])),
            );
            let ratios = (got * (1.0 / got.rate()) - expected * (1.0 / expected.rate())).as_array();
            for (index, difference) in AngularCoefficients::ORDER.into_iter().zip(ratios) {
                assert!(
                    difference.abs() < 1e-8,
                    "{name}, q2 = {q2}: J_{index} differs by {difference:e} of the rate"
                );
            }
            let pair = CpPair { j: exchange_lhcb_and_theory(got), j_bar: exchange_lhcb_and_theory(got) };
            for (observable, key) in OBSERVABLES {
                let value = observable.ratio(&pair).expect("a ratio of coefficients");
                let difference = value - number(&point[key]);
                assert!(difference.abs() < 1e-8, "{name}, q2 = {q2}: {observable} differs by {difference:e}");
            }
            let relative = got.rate() * LIFETIME / number(&point["dBR/dq2"]) - 1.0;
            assert!(relative.abs() < 3e-5, "{name}, q2 = {q2}: dBR/dq2 differs by {relative:e}");
        }
    }
}

/// With the one-loop c- and u-quark functions switched on: absorptive parts and their signs, LHCb convention.
#[test]
fn flavio_absorptive_parts() {
    // xi_u/xi_t = V_ub V_us* / V_tb V_ts*, a weak phase: conjugated for B0.
    let xi_u_over_xi_t =
        Complex64::new(3.338_019_4e-4, -7.470_912_5e-4) / Complex64::new(-0.041_192_939, 7.457_752_4e-4);
    // q2, Y(q2), Y_u(q2), S8, S9 of flavio 2.7.1 without two-loop and spectator terms.
    let c = Complex64::new;
    let table = [
        ("2", c(0.399_097_2, 0.060_149_0), c(-0.548_411_3, -0.925_089_0), 0.002_332_94, 0.000_187_09),
        ("4", c(0.439_533_2, 0.060_149_0), c(-0.290_216_0, -0.925_089_0), 0.001_335_91, 0.000_171_57),
        ("6", c(0.499_195_7, 0.060_149_0), c(-0.102_826_4, -0.925_089_0), 0.000_820_26, 0.000_147_04),
        ("18", c(0.654_563_2, 0.789_765_7), c(0.397_061_2, -0.185_073_3), 0.000_357_58, 0.000_482_48),
    ];
    for (q2, y, y_u, s8, s9) in table {
        let with_phase =
            |phase: Complex64| exchange_lhcb_and_theory(coefficients(q2, C9 + y + phase * y_u, C10));
        let j = with_phase(xi_u_over_xi_t) + with_phase(xi_u_over_xi_t.conj());
        for (name, got, expected) in [("S8", j.j8, s8), ("S9", j.j9, s9)] {
            let relative = got / j.rate() / expected - 1.0;
            assert!(relative.abs() < 5e-4, "q2 = {q2}: {name} differs by {relative:e}");
        }
    }
}
