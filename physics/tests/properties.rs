//! Invariants of the rate over the whole of phase space and of the parameter space.

use std::f64::consts::PI;

use humboldt_physics::angular::KaonCoefficients;
use humboldt_physics::channel::KSTAR_892;
use humboldt_physics::convention::{exchange_lepton_angle, exchange_lhcb_and_theory};
use humboldt_physics::quadrature::integrate;
use humboldt_physics::{
    AngularCoefficients, Convention, Decay, Flavour, KaonDecay, Lepton, ModelName, Observable, Parameters,
    PhysicsError, WilsonCoefficient, WilsonShifts,
};
use num_complex::Complex64;
use proptest::prelude::*;

fn decay(flavour: Flavour, lepton: Lepton, shifts: &WilsonShifts) -> Decay {
    decay_of(ModelName::Npr, flavour, lepton, shifts)
}

fn decay_of(model: ModelName, flavour: Flavour, lepton: Lepton, shifts: &WilsonShifts) -> Decay {
    Decay::new(model, flavour, lepton, shifts).expect("finite shifts")
}

/// One of the shifts' sizes between nothing and far beyond physics, with any phase.
fn shift() -> impl Strategy<Value = Complex64> {
    prop_oneof![
        Just(Complex64::ZERO),
        (-3.0..6.0_f64, -PI..PI)
            .prop_map(|(exponent, phase)| Complex64::from_polar(10_f64.powf(exponent), phase)),
    ]
}

fn shifts() -> impl Strategy<Value = WilsonShifts> {
    prop::collection::vec(shift(), 8).prop_map(|values| {
        WilsonCoefficient::ALL
            .into_iter()
            .zip(values)
            .fold(WilsonShifts::STANDARD_MODEL, |shifts, (coefficient, value)| {
                shifts.with(coefficient, value)
            })
    })
}

/// A fraction of an interval, with both ends approached over fifteen decades.
fn fraction() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0_f64,
        (-15.0..0.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
        (-15.0..0.0_f64).prop_map(|exponent| 1.0 - 10_f64.powf(exponent)),
    ]
}

fn flavour() -> impl Strategy<Value = Flavour> {
    prop::sample::select(Flavour::ALL.to_vec())
}

fn model() -> impl Strategy<Value = ModelName> {
    prop::sample::select(ModelName::ALL.to_vec())
}

fn lepton() -> impl Strategy<Value = Lepton> {
    prop::sample::select(Lepton::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn rate_is_never_negative(
        model in model(),
        shifts in shifts(),
        flavour in flavour(),
        lepton in lepton(),
        (in_mass, in_q2) in (fraction(), fraction()),
        (cos_theta_l, cos_theta_k, chi) in (-1.0..=1.0_f64, -1.0..=1.0_f64, -PI..=PI),
    ) {
        let decay = decay_of(model, flavour, lepton, &shifts);
        let m_kpi = KSTAR_892.range.0 + in_mass * (KSTAR_892.range.1 - KSTAR_892.range.0);
        let (low, high) = (decay.q2_min(), decay.q2_max(m_kpi));
        let j = decay.angular_coefficients(low + in_q2 * (high - low), m_kpi);
        let largest = j.as_array().into_iter().map(f64::abs).fold(0.0, f64::max);
        prop_assert!(largest.is_finite());
        prop_assert!(j.rate() >= 0.0 && j.density(cos_theta_l, cos_theta_k, chi) >= 0.0);
        let unclamped = j.angular_sum(cos_theta_l, cos_theta_k, chi);
        prop_assert!(unclamped >= -1e-13 * largest, "{unclamped:e} beside {largest:e}");
    }

    #[test]
    fn kaon_rate_is_never_negative(
        model in model(),
        shifts in shifts(),
        flavour in flavour(),
        lepton in lepton(),
        in_q2 in fraction(),
        cos_theta_l in prop_oneof![-1.0..=1.0_f64, Just(1.0), Just(-1.0)],
    ) {
        let decay = KaonDecay::with_parameters(model, flavour, lepton, &shifts, Parameters::standard())
            .expect("finite shifts");
        let (low, high) = decay.q2_range();
        let KaonCoefficients { a, b, c } = decay.coefficients(low + in_q2 * (high - low));
        let largest = a.abs().max(b.abs()).max(c.abs());
        prop_assert!(largest.is_finite() && 2.0 * (a + c / 3.0) >= 0.0);
        let unclamped = a + cos_theta_l * (b + cos_theta_l * c);
        prop_assert!(unclamped >= -1e-13 * largest, "{unclamped:e} beside {largest:e}");
    }

    #[test]
    fn flavours_differ_by_the_sign_of_weak_phases_only(
        shifts in shifts(), lepton in lepton(), in_q2 in fraction(), m_kpi in 0.7..1.6_f64,
    ) {
        for flavour in [Flavour::B0bar, Flavour::BMinus] {
            let meson = decay(flavour, lepton, &shifts);
            let antimeson = decay(flavour.conjugate(), lepton, &shifts.conj());
            let q2 = meson.q2_min() + in_q2 * (meson.q2_max(m_kpi) - meson.q2_min());
            prop_assert_eq!(meson.angular_coefficients(q2, m_kpi), antimeson.angular_coefficients(q2, m_kpi));
        }
    }

    #[test]
    fn lhcb_and_theory_are_inverse_of_each_other(j in prop::array::uniform12(-1.0..1.0_f64)) {
        let j = AngularCoefficients::from_array(j);
        let theory = exchange_lhcb_and_theory(j);
        prop_assert_eq!(exchange_lhcb_and_theory(theory), j);
        prop_assert!((theory.rate() - j.rate()).abs() < f64::EPSILON);
        let kaon = KaonCoefficients { a: j.j1s, b: j.j2s, c: j.j3 };
        prop_assert_eq!(exchange_lepton_angle(exchange_lepton_angle(kaon)), kaon);
    }

    /// Lepton angle from the other lepton, plane angle reversed: the same physical density.
    #[test]
    fn lhcb_and_theory_describe_one_density(
        j in prop::array::uniform12(-1.0..1.0_f64),
        (cos_theta_l, cos_theta_k, chi) in (-1.0..=1.0_f64, -1.0..=1.0_f64, -PI..=PI),
    ) {
        let j = AngularCoefficients::from_array(j);
        let theory = exchange_lhcb_and_theory(j);
        let difference = j.angular_sum(cos_theta_l, cos_theta_k, chi) - theory.angular_sum(-cos_theta_l, cos_theta_k, -chi);
        prop_assert!(difference.abs() < 1e-14);
    }
}

#[test]
fn weak_phase_flips_between_flavours_and_strong_phase_does_not() {
    let weak = WilsonShifts::STANDARD_MODEL.with(WilsonCoefficient::C9, Complex64::new(0.0, 2.0));
    let at = |flavour| decay(flavour, Lepton::Muon, &weak).angular_coefficients(3.0, 0.89555);
    let (b, b_bar) = (at(Flavour::B0bar), at(Flavour::B0));
    // J8 is odd in phases: a large weak phase dominates and changes sign, Y's strong phase leaves a common part.
    assert!(b.j8 * b_bar.j8 < 0.0);
    let standard =
        decay(Flavour::B0bar, Lepton::Muon, &WilsonShifts::STANDARD_MODEL).angular_coefficients(3.0, 0.89555);
    assert!((f64::midpoint(b.j8, b_bar.j8) / standard.j8 - 1.0).abs() < 1e-9);
}

#[test]
fn rate_is_quadratic_in_a_shift() {
    let density = |c9: f64| {
        decay(Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(c9))
            .angular_coefficients(5.0, 0.9)
            .density(0.3, -0.4, 1.1)
    };
    let [a, b, c, d] = [-2.0, -1.0, 1.0, 2.0].map(density);
    let middle = density(0.0);
    let (curvature, wide) = (b + c - 2.0 * middle, (a + d - 2.0 * middle) / 4.0);
    assert!((curvature / wide - 1.0).abs() < 1e-9, "{curvature:e} {wide:e}");
}

#[test]
fn rate_is_the_integral_of_the_density() {
    let shifts = WilsonCoefficient::ALL
        .into_iter()
        .enumerate()
        .fold(WilsonShifts::STANDARD_MODEL, |shifts, (i, coefficient)| {
            shifts.with(coefficient, Complex64::new(0.3 * i as f64 - 1.0, 0.7))
        });
    for lepton in Lepton::ALL {
        let j = decay(Flavour::B0, lepton, &shifts).angular_coefficients(0.2, 0.95);
        let integral = integrate(-1.0, 1.0, [], |cos_theta_l| {
            integrate(-1.0, 1.0, [], |cos_theta_k| {
                integrate(-PI, PI, [], |chi| j.density(cos_theta_l, cos_theta_k, chi))
            })
        });
        assert!((integral / j.rate() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn nothing_outside_phase_space_and_never_nan() {
    let decay = decay(Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(-1.0));
    let m_kpi = 0.89555;
    let (low, high) = (decay.q2_min(), decay.q2_max(m_kpi));
    for q2 in [low, high, 0.0, -3.0, 25.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(decay.angular_coefficients(q2, m_kpi), AngularCoefficients::ZERO, "q2 = {q2}");
    }
    for m_kpi in [f64::NAN, -1.0, 0.0, 5.2, 6.0] {
        assert_eq!(decay.angular_coefficients(3.0, m_kpi), AngularCoefficients::ZERO, "m_kpi = {m_kpi}");
    }
}

/// At the end point the K* is at rest and all its polarisations are alike (Hiller, Zwicky, arXiv:1312.1923).
#[test]
fn paper_end_point_relations() {
    let decay = decay(Flavour::B0bar, Lepton::Muon, &WilsonShifts::STANDARD_MODEL);
    let j = decay.angular_coefficients(decay.q2_max(0.89555) * (1.0 - 1e-10), 0.89555);
    let s = |value: f64| value / j.rate();
    // Up to 4 m_l^2/q2 and to how well the fitted A12, A1 and T23, T2 meet there.
    for (name, got, expected) in [
        ("F_L", -s(j.j2c), 1.0 / 3.0),
        ("S3", s(j.j3), -1.0 / 3.0),
        ("S4", s(j.j4), -1.0 / 3.0),
        ("S5", s(j.j5), 0.0),
        ("A_FB", s(j.j6s), 0.0),
    ] {
        assert!((got - expected).abs() < 0.02, "{name}: {got} against {expected}");
    }
}

#[test]
fn bad_shifts_are_refused_by_name() {
    for value in [f64::NAN, f64::INFINITY, 1e10] {
        for coefficient in WilsonCoefficient::ALL {
            let shifts = WilsonShifts::STANDARD_MODEL.with(coefficient, Complex64::new(0.0, value));
            for model in ModelName::ALL {
                match Decay::new(model, Flavour::B0, Lepton::Muon, &shifts) {
                    Err(PhysicsError::OutOfRange { field, .. }) => assert_eq!(field, coefficient.name()),
                    other => panic!("{coefficient} = {value}: {other:?}"),
                }
            }
        }
    }
}

/// Everything that a model reads can be overridden, and a wrong name or a non-number is refused.
#[test]
fn inputs_change_predictions_and_bad_ones_are_refused_by_name() {
    let at = |parameters: &Parameters| {
        let decay = Decay::with_parameters(
            ModelName::Full,
            Flavour::B0,
            Lepton::Muon,
            &WilsonShifts::STANDARD_MODEL,
            parameters,
        );
        decay.expect("valid inputs").angular_coefficients(3.0, 0.89555)
    };
    let standard = Parameters::standard();
    for name in ["sm_c9", "sm_m_c_pole", "bsz2015_v_alpha0", "v_cb", "subleading_neutral_kstar_a_zero_re"] {
        let moved = standard.value(name).expect("a known input") * 1.01 + 0.001;
        let changed = standard.clone().with_value(name, moved).expect("a number");
        assert_ne!(at(&changed), at(standard), "{name}");
    }
    for (name, value) in [("sm_c99", 1.0), ("sm_c9", f64::NAN)] {
        assert!(standard.clone().with_value(name, value).is_err(), "{name}");
    }
    let wrong = standard.clone().with_value("sm_m_c_pole", -1.0).expect("a number");
    let refused = Decay::with_parameters(
        ModelName::Nnlo,
        Flavour::B0,
        Lepton::Muon,
        &WilsonShifts::STANDARD_MODEL,
        &wrong,
    );
    assert!(matches!(refused, Err(PhysicsError::OutOfRange { field, .. }) if field == "sm_m_c_pole"));
}

#[test]
fn names_round_trip() {
    for observable in Observable::ALL {
        assert_eq!(observable.name().parse(), Ok(observable));
    }
    for model in ModelName::ALL {
        assert_eq!(model.name().parse(), Ok(model));
    }
    for convention in Convention::ALL {
        assert_eq!(convention.name().parse(), Ok(convention));
    }
    assert!("P5".parse::<Observable>().is_err());
}
