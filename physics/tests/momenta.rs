//! Four-momenta from the variables of a decay: the inverse of the angles, in every corner of phase space.

use std::f64::consts::{PI, TAU};

use crate::support::kstar;
use humboldt_physics::channel::KSTAR_892;
use humboldt_physics::convention::{DecayVariables, lhcb_momenta, lhcb_variables};
use humboldt_physics::kinematics::{DecayMasses, DecayMomenta, FourMomentum, Rotation, two_body_momentum};
use humboldt_physics::{Decay, Flavour, Lepton, ModelName, PhysicsError, WilsonShifts};
use proptest::prelude::*;
use serde_json::Value;

const EVENTS: &str = include_str!("../../tests/reference/evtgen_events.json");

fn masses(flavour: Flavour, lepton: Lepton) -> DecayMasses {
    Decay::new(ModelName::Npr, flavour, lepton, &WilsonShifts::default()).expect("no shifts").masses()
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn product(a: &FourMomentum, b: &FourMomentum) -> f64 {
    a.e * b.e - dot(a.p, b.p)
}

/// `l- x l+ . K` in the frame given.
fn handedness(momenta: &DecayMomenta) -> f64 {
    let [a, b, c] = [momenta.l_minus.p, momenta.l_plus.p, momenta.kaon.p];
    dot([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], c)
}

fn list(momenta: &DecayMomenta) -> [FourMomentum; 4] {
    [momenta.l_minus, momenta.l_plus, momenta.kaon, momenta.pion]
}

fn variables(flavour: Flavour, momenta: &DecayMomenta) -> DecayVariables {
    lhcb_variables(flavour, momenta.l_minus, momenta.l_plus, momenta.kaon, momenta.pion)
}

/// Sum and masses, against the energies that they are made of.
fn check_closure(masses: &DecayMasses, momenta: &DecayMomenta, b_momentum: [f64; 3]) {
    let b_meson = FourMomentum::on_shell(masses.b_meson, b_momentum);
    let sum = momenta.l_minus + momenta.l_plus + momenta.kaon + momenta.pion;
    assert!((sum.e - b_meson.e).abs() < 1e-13 * b_meson.e, "{} {}", sum.e, b_meson.e);
    for (sum, p) in sum.p.into_iter().zip(b_momentum) {
        assert!((sum - p).abs() < 1e-13 * b_meson.e, "{sum} {p}");
    }
    let of_each = [masses.lepton, masses.lepton, masses.kaon, masses.pion];
    for (momentum, mass) in list(momenta).iter().zip(of_each) {
        let off_shell = momentum.mass2() - mass * mass;
        assert!(off_shell.abs() < 1e-14 * momentum.e * momentum.e, "{off_shell} of {mass}");
    }
}

/// Products of momenta do not depend on the frame; the sign of the triple product tells chi from -chi.
#[test]
fn evtgen_momenta_from_their_angles() {
    let file: Value = serde_json::from_str(EVENTS).expect("valid JSON");
    let events = file["events"].as_array().expect("a list of events");
    assert_eq!(events.len(), 9);
    let number = |value: &Value| value.as_f64().expect("a number");
    for event in events {
        let flavour: Flavour = event["flavour"].as_str().expect("a name").parse().expect("a flavour");
        let four = |name: &str| FourMomentum {
            e: number(&event[name][0]),
            p: [1, 2, 3].map(|i| number(&event[name][i])),
        };
        let expected = DecayMomenta {
            l_minus: four("mu_minus"),
            l_plus: four("mu_plus"),
            kaon: four("kaon"),
            pion: four("pion"),
        };
        let variables = DecayVariables {
            q2: number(&event["q2"]),
            cos_theta_l: number(&event["cos_theta_l"]),
            cos_theta_k: number(&event["cos_theta_k"]),
            chi: number(&event["chi"]),
            m_kpi: (expected.kaon + expected.pion).mass2().sqrt(),
        };
        let got = lhcb_momenta(flavour, &masses(flavour, Lepton::Muon), &variables).expect("inside");
        for (i, (a, expected_a)) in list(&got).iter().zip(list(&expected)).enumerate() {
            for (b, expected_b) in list(&got).iter().zip(list(&expected)).take(i) {
                let (got, expected) = (product(a, b), product(&expected_a, &expected_b));
                assert!((got - expected).abs() < 3e-6, "{flavour}: {got} against {expected}");
            }
        }
        let (got, expected) = (handedness(&got), handedness(&expected));
        assert!((got - expected).abs() < 3e-6, "{flavour}: {got} against {expected}");
    }
}

#[test]
fn corners_of_phase_space_close() {
    let ends = [-1.0, 0.0, 1.0];
    for (flavour, lepton) in Flavour::ALL.into_iter().flat_map(|f| Lepton::ALL.map(|l| (f, l))) {
        let masses = masses(flavour, lepton);
        let q2_min = 4.0 * masses.lepton * masses.lepton;
        for m_kpi in [masses.kaon + masses.pion, KSTAR_892.range.0, kstar().pole(), KSTAR_892.range.1] {
            let q2_max = (masses.b_meson - m_kpi).powi(2);
            // As f64, and as the nearest f32, which may lie outside.
            let ends_of_q2 = [q2_min, 1.0, q2_max].into_iter().flat_map(|q2| [q2, f64::from(q2 as f32)]);
            for (q2, m_kpi) in ends_of_q2.flat_map(|q2| [(q2, m_kpi), (q2, f64::from(m_kpi as f32))]) {
                for (cos_theta_l, cos_theta_k) in ends.into_iter().flat_map(|l| ends.map(|k| (l, k))) {
                    for chi in [-PI, -1.0, 0.0, 0.5 * PI, PI, f64::from(std::f32::consts::PI)] {
                        let variables = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
                        let momenta = lhcb_momenta(flavour, &masses, &variables).expect("inside");
                        check_closure(&masses, &momenta, [0.0; 3]);
                        let rotation = Rotation::from_uniform([0.3, 0.6, 0.1]);
                        for p in [[0.0, 0.0, 1e-3], [3.0, -4.0, 100.0], [0.0, 0.0, -5000.0]] {
                            check_closure(&masses, &momenta.placed(&masses, &rotation, p), p);
                        }
                        let pair = momenta.l_minus + momenta.l_plus;
                        assert!((pair.mass2() - q2).abs() < 3e-5, "{q2}: {}", pair.mass2());
                    }
                }
            }
        }
    }
}

#[test]
fn what_lies_outside_is_refused_by_name() {
    let masses = masses(Flavour::B0bar, Lepton::Electron);
    let good = DecayVariables { q2: 6.0, cos_theta_l: 0.1, cos_theta_k: -0.2, chi: 1.0, m_kpi: 0.9 };
    let refused = |variables| match lhcb_momenta(Flavour::B0bar, &masses, &variables) {
        Err(PhysicsError::OutOfRange { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert!(lhcb_momenta(Flavour::B0bar, &masses, &good).is_ok());
    for q2 in [0.0, -1.0, 0.9e-6, 19.2, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(DecayVariables { q2, ..good }), "q2");
    }
    for m_kpi in [0.0, 0.63, 5.28, f64::NAN] {
        assert_eq!(refused(DecayVariables { m_kpi, ..good }), "m_kpi");
    }
    for cosine in [-1.001, 1.001, f64::NAN] {
        assert_eq!(refused(DecayVariables { cos_theta_l: cosine, ..good }), "cos_theta_l");
        assert_eq!(refused(DecayVariables { cos_theta_k: cosine, ..good }), "cos_theta_k");
    }
    for chi in [f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(refused(DecayVariables { chi, ..good }), "chi");
    }
}

/// A fraction of an interval, with both ends and what approaches them over fifteen decades.
fn fraction() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1.0_f64,
        1 => (-15.0..0.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
        1 => (-15.0..0.0_f64).prop_map(|exponent| 1.0 - 10_f64.powf(exponent)),
        1 => prop::sample::select(vec![0.0, 1.0]),
    ]
}

fn momentum() -> impl Strategy<Value = [f64; 3]> {
    prop_oneof![
        Just([0.0; 3]),
        [-1.0..1.0_f64, -1.0..1.0_f64, -1.0..1.0_f64],
        [-10.0..10.0_f64, -10.0..10.0_f64, 0.0..200.0_f64],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Angles of momenta of angles are the angles, as well as f64 can know them: where a pair is slow or hardly heavier
    /// than its daughters, or an angle lies near a pole, they lose digits and then their meaning.
    #[test]
    fn momenta_and_angles_are_inverse(
        flavour in prop::sample::select(Flavour::ALL.to_vec()),
        lepton in prop::sample::select(Lepton::ALL.to_vec()),
        (in_mass, in_q2, in_l, in_k) in (fraction(), fraction(), fraction(), fraction()),
        chi in -PI..PI,
        uniform in [fraction(), fraction(), fraction()],
        b_momentum in momentum(),
    ) {
        let masses = masses(flavour, lepton);
        let m_kpi = KSTAR_892.range.0 + in_mass * (KSTAR_892.range.1 - KSTAR_892.range.0);
        let (q2_min, q2_max) = (4.0 * masses.lepton * masses.lepton, (masses.b_meson - m_kpi).powi(2));
        let given = DecayVariables {
            q2: (q2_min + in_q2 * (q2_max - q2_min)).min(q2_max),
            cos_theta_l: 2.0 * in_l - 1.0,
            cos_theta_k: 2.0 * in_k - 1.0,
            chi,
            m_kpi,
        };
        let momenta = lhcb_momenta(flavour, &masses, &given).expect("inside phase space");
        let placed = momenta.placed(&masses, &Rotation::from_uniform(uniform), b_momentum);
        check_closure(&masses, &placed, b_momentum);
        let got = variables(flavour, &placed);

        // Rounding of the momenta as the B frame sees it.
        let energy = FourMomentum::on_shell(masses.b_meson, b_momentum).e;
        let rounding = 20.0 * f64::EPSILON * energy * energy / masses.b_meson;
        prop_assert!((got.q2 - given.q2).abs() < 10.0 * rounding);
        prop_assert!((got.m_kpi - m_kpi).abs() < 10.0 * rounding);

        let q = given.q2.sqrt();
        let speed = two_body_momentum(masses.b_meson, m_kpi, q);
        let sharpness = |m: f64, m_1, m_2| {
            // The pair's own momentum turns the axis, its boost enlarges the rounding.
            let boost = masses.b_meson / m;
            rounding * (1.0 / speed + boost * boost / two_body_momentum(m, m_1, m_2))
        };
        let (blur_l, blur_k) = (
            sharpness(q, masses.lepton, masses.lepton),
            sharpness(m_kpi, masses.kaon, masses.pion),
        );
        let sine = |c: f64| ((1.0 - c) * (1.0 + c)).sqrt();
        let (sin_l, sin_k) = (sine(given.cos_theta_l), sine(given.cos_theta_k));
        if blur_l < 1e-3 {
            prop_assert!((got.cos_theta_l - given.cos_theta_l).abs() < blur_l, "{got:?} {given:?} {blur_l}");
        }
        if blur_k < 1e-3 {
            prop_assert!((got.cos_theta_k - given.cos_theta_k).abs() < blur_k, "{got:?} {given:?} {blur_k}");
        }
        let blur_chi = blur_l / sin_l + blur_k / sin_k;
        if blur_chi < 1e-3 {
            let turn = (got.chi - chi).rem_euclid(TAU);
            prop_assert!(turn.min(TAU - turn) < blur_chi, "{got:?} {given:?} {blur_chi}");
        }
    }

    #[test]
    fn rotations_keep_lengths_and_handedness(uniform in [fraction(), fraction(), fraction()]) {
        let rotation = Rotation::from_uniform(uniform);
        let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|v| rotation.turned(v));
        for (a, b, expected) in [(x, x, 1.0), (y, y, 1.0), (z, z, 1.0), (x, y, 0.0), (y, z, 0.0), (z, x, 0.0)] {
            prop_assert!((dot(a, b) - expected).abs() < 1e-14);
        }
        let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
        prop_assert!((dot(cross, z) - 1.0).abs() < 1e-14);
    }
}

/// The mean and the spread of every entry of the matrix, on a lattice of the three numbers.
#[test]
fn uniform_numbers_make_uniform_orientations() {
    const N: i32 = 40;
    let at = |i: i32| (f64::from(i) + 0.5) / f64::from(N);
    let (mut sums, mut squares) = ([[0.0; 3]; 3], [[0.0; 3]; 3]);
    for (i, j, k) in (0..N * N * N).map(|n| (n / (N * N), n / N % N, n % N)) {
        let rotation = Rotation::from_uniform([at(i), at(j), at(k)]);
        for axis in 0..3 {
            let mut unit = [0.0; 3];
            unit[axis] = 1.0;
            for (row, value) in rotation.turned(unit).into_iter().enumerate() {
                sums[axis][row] += value;
                squares[axis][row] += value * value;
            }
        }
    }
    let count = f64::from(N * N * N);
    for (sum, square) in sums.as_flattened().iter().zip(squares.as_flattened()) {
        assert!((sum / count).abs() < 1e-12, "{}", sum / count);
        assert!((square / count - 1.0 / 3.0).abs() < 1e-3, "{}", square / count);
    }
}
