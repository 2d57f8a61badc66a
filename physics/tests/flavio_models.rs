//! The models `bare`, `nnlo` and `full` against flavio 2.7.1, from their own inputs; see `tests/reference/README.md`.

use humboldt_physics::convention::exchange_lhcb_and_theory;
use humboldt_physics::{
    AngularCoefficients, Flavour, Lepton, ModelName, Observable, Predictions, WilsonCoefficient, WilsonShifts,
};
use serde_json::Value;

const BARE: &str = include_str!("../../tests/reference/flavio_bare.json");
const FLAVIO: &str = include_str!("../../tests/reference/flavio.json");

/// Largest absolute difference of ratios: the charm loop comes from eight digits of a table.
const RATIOS: f64 = 1e-5;
/// Largest relative difference of rates, of which 4.5e-5 is the rounded lifetime of the B0.
const RATES: f64 = 1e-4;

/// Observables of the reference and their keys there.
const OBSERVABLES: [(Observable, &str); 15] = [
    (Observable::FL, "FL"),
    (Observable::AFb, "AFB"),
    (Observable::S3, "S3"),
    (Observable::S4, "S4"),
    (Observable::S5, "S5"),
    (Observable::S7, "S7"),
    (Observable::S8, "S8"),
    (Observable::S9, "S9"),
    (Observable::P1, "P1"),
    (Observable::P2, "P2"),
    (Observable::P3, "P3"),
    (Observable::P4p, "P4p"),
    (Observable::P5p, "P5p"),
    (Observable::P6p, "P6p"),
    (Observable::P8p, "P8p"),
];

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number in the reference file")
}

fn file(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

/// Points of the reference: their names and muon shifts.
fn points() -> [(&'static str, WilsonShifts); 3] {
    let shift = |coefficient, value: f64| WilsonShifts::STANDARD_MODEL.with(coefficient, value.into());
    [
        ("SM", WilsonShifts::STANDARD_MODEL),
        ("C9NP=-1", shift(WilsonCoefficient::C9, -1.0)),
        ("C10NP=+0.5", shift(WilsonCoefficient::C10, 0.5)),
    ]
}

fn predictions(model: ModelName, shifts: &WilsonShifts) -> Predictions {
    Predictions::new(model, Flavour::B0, shifts, &WilsonShifts::STANDARD_MODEL).expect("finite shifts")
}

/// Largest absolute difference of the ratios and largest relative difference of the rates at all points of one section
/// of a reference file; `q2_values` where it is differential, else all its bins.
fn largest_differences(section: &Value, model: ModelName) -> (f64, f64) {
    let (mut ratios, mut rates): (f64, f64) = (0.0, 0.0);
    for (name, shifts) in points() {
        let predictions = predictions(model, &shifts);
        let all = OBSERVABLES.map(|(observable, _)| observable);
        let mut compare = |label: &str, expected: &Value, values: &[f64], rate: f64| {
            for ((observable, key), value) in OBSERVABLES.iter().zip(values) {
                let difference = value - number(&expected[*key]);
                assert!(difference.is_finite(), "{model}, {name}, {label}: {observable}");
                ratios = ratios.max(difference.abs());
            }
            let relative = rate / number(&expected["dBR/dq2"]) - 1.0;
            assert!(relative.is_finite(), "{model}, {name}, {label}: rate");
            rates = rates.max(relative.abs());
        };
        for (q2, expected) in section[name]["q2"].as_object().expect("values of q2") {
            let at = |observable| {
                predictions
                    .differential(Lepton::Muon, observable, q2.parse().expect("a number"))
                    .expect("inside")
            };
            compare(q2, expected, &all.map(at), at(Observable::DBrDq2));
        }
        for (bin, expected) in section[name]["binned"].as_object().expect("bins") {
            if let Some((low, high)) = bin.split_once('-')
                && !expected["FL"].is_null()
            {
                let (low, high) = (low.parse().expect("a number"), high.parse().expect("a number"));
                let values = predictions.binned(Lepton::Muon, &all, low, high).expect("a bin");
                let rate =
                    predictions.binned(Lepton::Muon, &[Observable::DBrDq2], low, high).expect("a bin")[0];
                compare(bin, expected, &values, rate);
            }
        }
    }
    (ratios, rates)
}

#[test]
fn flavio_bare_model() {
    let file = file(BARE);
    let (ratios, rates) = largest_differences(&file["points"], ModelName::Bare);
    assert!(ratios < 1e-6 && rates < RATES, "{ratios:e} {rates:e}");
    // Each J relative to the rate; those that vanish without strong phases are as small there.
    for (name, shifts) in points() {
        let predictions = predictions(ModelName::Bare, &shifts);
        for (q2, point) in file["points"][name]["q2"].as_object().expect("values of q2") {
            let pair = predictions.coefficients(Lepton::Muon, q2.parse().expect("a number"));
            let got = exchange_lhcb_and_theory(pair.average());
            let expected = AngularCoefficients::from_array(
                AngularCoefficients::ORDER.map(|index| number(&point["J"][index])),
            );
            let (rate, expected_rate) = (got.rate(), expected.rate());
            for ((index, got), expected) in
                AngularCoefficients::ORDER.iter().zip(got.as_array()).zip(expected.as_array())
            {
                let (got, expected) = (got / rate, expected / expected_rate);
                assert!(
                    (got - expected).abs() < (1e-3 * expected.abs()).max(1e-6),
                    "{name}, q2 = {q2}: J_{index} {got} against {expected}"
                );
            }
        }
    }
}

#[test]
fn flavio_nnlo_model() {
    let (ratios, rates) = largest_differences(&file(FLAVIO)["points_noSpectator"], ModelName::Nnlo);
    assert!(ratios < RATIOS && rates < RATES, "{ratios:e} {rates:e}");
}

#[test]
fn flavio_full_model() {
    let (ratios, rates) = largest_differences(&file(FLAVIO)["points"], ModelName::Full);
    assert!(ratios < RATIOS && rates < RATES, "{ratios:e} {rates:e}");
}
