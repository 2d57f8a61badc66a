//! Angles and binned moments against EvtGen; see `tests/reference/README.md`.

use std::collections::BTreeMap;

use crate::support::kstar;
use humboldt_physics::channel::KSTAR_892;
use humboldt_physics::convention::{self, EVTGEN_ABSORPTIVE_SIGN};
use humboldt_physics::kinematics::FourMomentum;
use humboldt_physics::quadrature::integrate;
use humboldt_physics::{AngularCoefficients, Decay, Flavour, Lepton, ModelName, WilsonShifts};
use serde_json::Value;

const EVENTS: &str = include_str!("../../tests/reference/evtgen_events.json");
const MOMENTS: &str = include_str!("../../tests/reference/evtgen_moments.json");

/// Smallest q2 of the moments' samples in GeV^2.
const SAMPLE_Q2_MIN: f64 = 0.0593;

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number in the reference file")
}

fn four_momentum(value: &Value) -> FourMomentum {
    FourMomentum { e: number(&value[0]), p: [1, 2, 3].map(|i| number(&value[i])) }
}

#[test]
fn evtgen_angles_from_four_momenta() {
    let file: Value = serde_json::from_str(EVENTS).expect("valid JSON");
    let events = file["events"].as_array().expect("a list of events");
    assert!(!events.is_empty());
    let boost = FourMomentum { e: 40.0, p: [3.0, -20.0, 30.0] };
    for event in events {
        let flavour: Flavour = event["flavour"].as_str().expect("a name").parse().expect("a flavour");
        let momenta = ["mu_minus", "mu_plus", "kaon", "pion"].map(|name| four_momentum(&event[name]));
        let flown = momenta.map(|p| p.boosted_to_rest_frame_of(&boost));
        for [l_minus, l_plus, kaon, pion] in [momenta, flown] {
            let got = convention::lhcb_variables(flavour, l_minus, l_plus, kaon, pion);
            for (name, got) in [
                ("q2", got.q2),
                ("cos_theta_l", got.cos_theta_l),
                ("cos_theta_k", got.cos_theta_k),
                ("chi", got.chi),
            ] {
                let expected = number(&event[name]);
                assert!((got - expected).abs() < 1e-6, "{flavour} {name}: {got} against {expected}");
            }
        }
    }
}

/// Integrates the coefficients over q2 and the line shape as the samples were made: each K pi mass is normalised over
/// its full phase space, q2 is cut after that.
fn sample_coefficients(decay: &Decay, q2_min: f64, q2_max: f64) -> AngularCoefficients {
    let over_q2 = |m_kpi: f64, low: f64, high: f64| {
        let (low, high) = (low.max(decay.q2_min()), high.min(decay.q2_max(m_kpi)));
        if low < high {
            let breaks = [0.2, 1.0].into_iter().chain(decay.q2_thresholds());
            integrate(low, high, breaks, |q2| decay.angular_coefficients(q2, m_kpi))
        } else {
            AngularCoefficients::ZERO
        }
    };
    integrate(KSTAR_892.range.0, KSTAR_892.range.1, [0.8, kstar().pole(), 1.0], |m_kpi| {
        let full = over_q2(m_kpi, 0.0, f64::INFINITY).rate();
        over_q2(m_kpi, q2_min, q2_max) * (kstar().density(m_kpi) / full)
    })
}

/// The moments of the reference file from coefficients, physical signs.
fn moments(j: &AngularCoefficients) -> BTreeMap<&'static str, f64> {
    let rate = j.rate();
    BTreeMap::from([
        // <5 cos^2 theta_k - 1>/2 is the longitudinal part of the rate, which is not -S_2c for massive leptons.
        ("F_L", (0.75 * j.j1c - 0.25 * j.j2c) / rate),
        ("A_FB", 0.375 * (2.0 * j.j6s + j.j6c) / rate),
        ("S3", j.j3 / rate),
        ("S4", j.j4 / rate),
        ("S5", j.j5 / rate),
        ("S7", j.j7 / rate),
        ("S8", j.j8 / rate),
        ("S9", j.j9 / rate),
    ])
}

#[test]
fn evtgen_binned_moments() {
    let file: Value = serde_json::from_str(MOMENTS).expect("valid JSON");
    let (mut t_odd_chi2, mut total_chi2) = ((0.0, 0.0), (0.0, 0.0));
    for (label, sample) in file["samples"].as_object().expect("samples") {
        let (flavour, delta_c9) = label.split_once(" delta_c9=").expect("a flavour and a shift");
        let decay = Decay::new(
            ModelName::Npr,
            flavour.parse().expect("a flavour"),
            Lepton::Muon,
            &WilsonShifts::delta_c9(delta_c9.parse().expect("a number")),
        )
        .expect("a valid decay");
        let events = number(&sample["events"]);
        let total = sample_coefficients(&decay, SAMPLE_Q2_MIN, f64::INFINITY).rate();

        // Chi-square and number of terms: counts, T-even moments, T-odd moments.
        let mut chi2 = [(0.0, 0.0); 3];
        for (range, bin) in sample["bins"].as_object().expect("bins") {
            let edges: Vec<f64> =
                range.trim_matches(['[', ']']).split(',').map(|x| x.parse().expect("an edge")).collect();
            let j = sample_coefficients(&decay, edges[0], edges[1]);
            let mut expected = moments(&j);
            expected.insert("count", events * j.rate() / total);
            for (name, expected) in expected {
                let (class, sign) = match name {
                    "count" => (0, 1.0),
                    "S7" | "S8" | "S9" => (2, EVTGEN_ABSORPTIVE_SIGN),
                    _ => (1, 1.0),
                };
                let pull = (number(&bin[name][0]) - sign * expected) / number(&bin[name][1]);
                chi2[class].0 += pull * pull;
                chi2[class].1 += 1.0;
            }
        }
        println!("{label}: chi2 of counts, T-even, T-odd moments: {chi2:.1?}");
        for (class, (sum, terms)) in ["counts", "T-even"].into_iter().zip(chi2) {
            assert!(sum < 1.5 * terms, "{label}, {class}: chi2 {sum:.1} for {terms} numbers");
        }
        for (sum, terms) in chi2 {
            total_chi2.0 += sum;
            total_chi2.1 += terms;
        }
        t_odd_chi2.0 += chi2[2].0;
        t_odd_chi2.1 += chi2[2].1;
    }
    // T-odd moments are a fraction of their errors: judged over all samples (46.1 for 27 at delta_c9 = -1 alone).
    for (what, (sum, terms)) in [("T-odd", t_odd_chi2), ("all", total_chi2)] {
        assert!(sum < 1.5 * terms, "{what}: chi2 {sum:.1} for {terms} numbers");
    }
}
