//! The quantities of the global fit on a grid of C9 and C10 against flavio 2.7.1; see `tests/reference/README.md`.

use crate::support::{number, numbers, quantities};
use humboldt_physics::{
    Flavour, Hadron, Lepton, ModelName, Observable, Parameters, Plan, QuadraticForm, Theory,
    WilsonCoefficient, WilsonDirection, WilsonShifts,
};
use serde_json::Value;

const GRID: &str = include_str!("../../tests/reference/flavio_37_grid.json");
const GRID_NO_SPECTATOR: &str = include_str!("../../tests/reference/flavio_37_grid_no_spectator.json");
const FLAVIO: &str = include_str!("../../tests/reference/flavio.json");
const BARE: &str = include_str!("../../tests/reference/flavio_bare.json");

fn file(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

fn theory(model: ModelName) -> Theory<'static> {
    Theory::new(model, Parameters::standard())
}

/// The directions of the grid: C9 and C10 of muons.
fn directions() -> [(Lepton, WilsonDirection); 2] {
    [WilsonCoefficient::C9, WilsonCoefficient::C10]
        .map(|coefficient| (Lepton::Muon, WilsonDirection::real(coefficient)))
}

/// Largest absolute difference of angular observables, of lepton ratios, and largest relative difference of rates.
fn largest_differences(list: &Value, model: ModelName) -> [f64; 3] {
    let plan = Plan::new(&quantities(&list["observables"]));
    let form = QuadraticForm::new(&theory(model), &plan, &directions()).expect("a valid theory");
    let mut largest = [0.0_f64; 3];
    for point in list["points"].as_array().expect("points") {
        let got = form.values(&[number(&point["C9"]), number(&point["C10"])]).expect("two shifts");
        for ((quantity, got), expected) in plan.quantities().iter().zip(got).zip(numbers(&point["values"])) {
            let (class, difference) = match quantity.observable {
                Observable::DBrDq2 => (2, got / expected - 1.0),
                Observable::RK | Observable::RKstar => (1, got - expected),
                _ => (0, got - expected),
            };
            assert!(difference.is_finite(), "{quantity:?}");
            largest[class] = largest[class].max(difference.abs());
        }
    }
    println!("{model}: angular, lepton ratios, rates: {largest:?}");
    largest
}

#[test]
fn flavio_grid_of_the_global_fit() {
    for list in ["A_primary", "B_brief"] {
        let [angular, ratios, rates] = largest_differences(&file(GRID)[list], ModelName::Full);
        assert!(angular < 1e-4 && ratios < 2e-4 && rates < 2e-4, "{list}");
    }
}

#[test]
fn flavio_grid_without_spectator_scattering() {
    let [angular, ratios, rates] = largest_differences(&file(GRID_NO_SPECTATOR), ModelName::Nnlo);
    assert!(angular < 1e-4 && ratios < 2e-4 && rates < 2e-4);
}

/// The exact quadratic form gives what direct integration gives.
#[test]
fn quadratic_form_is_exact() {
    let list = quantities(&file(GRID)["A_primary"]["observables"]);
    let plan = Plan::new(&list);
    let mut everything = directions().to_vec();
    everything.push((Lepton::Electron, WilsonDirection::real(WilsonCoefficient::C9)));
    everything.push((Lepton::Muon, WilsonDirection::imaginary(WilsonCoefficient::C7Prime)));
    let form = QuadraticForm::new(&theory(ModelName::Full), &plan, &everything).expect("a valid theory");
    let shifts = [-1.3, 0.7, 0.4, 0.2];
    let mut moved = theory(ModelName::Full);
    for ((lepton, direction), shift) in everything.into_iter().zip(shifts) {
        let of = if lepton == Lepton::Muon { &mut moved.muon_shifts } else { &mut moved.electron_shifts };
        *of = of.moved(direction, shift);
    }
    let direct = plan.values(&moved).expect("a valid theory");
    for (quantity, (got, expected)) in
        plan.quantities().iter().zip(form.values(&shifts).expect("four shifts").into_iter().zip(direct))
    {
        assert!((got / expected - 1.0).abs() < 1e-10, "{quantity:?}: {got} against {expected}");
    }
    assert!(form.values(&[0.0]).is_err());
}

/// B -> K: rates at single values of q2 and in wide bins, both charges.
#[test]
fn flavio_kaon_rates() {
    let shift = |coefficient, value: f64| WilsonShifts::STANDARD_MODEL.with(coefficient, value.into());
    let points = [
        ("SM", WilsonShifts::STANDARD_MODEL),
        ("C9NP=-1", shift(WilsonCoefficient::C9, -1.0)),
        ("C10NP=+0.5", shift(WilsonCoefficient::C10, 0.5)),
    ];
    let (bare, flavio) = (file(BARE), file(FLAVIO));
    for (name, muon_shifts) in points {
        for (model, section) in
            [(ModelName::Bare, &bare["points"][name]), (ModelName::Full, &flavio["points"][name])]
        {
            let theory = Theory { muon_shifts, ..theory(model) };
            for (flavour, differential, binned) in
                [(Flavour::B0, "dBR/dq2(B0->K0)", "K0"), (Flavour::BPlus, "dBR/dq2(B+->K+)", "K+")]
            {
                let predictions = theory.predictions(flavour, Hadron::Kaon).expect("a valid theory");
                for (q2, point) in section["q2"].as_object().expect("values of q2") {
                    if let Some(expected) = point[differential].as_f64() {
                        let q2 = q2.parse().expect("a number");
                        let got =
                            predictions.differential(Lepton::Muon, Observable::DBrDq2, q2).expect("inside");
                        assert!((got / expected - 1.0).abs() < 2e-4, "{model}, {name}, {flavour}, {q2}");
                    }
                }
                if let Some(bins) = section["binned"][binned].as_object() {
                    for (bin, expected) in bins {
                        let (low, high) = bin.split_once('-').expect("two edges");
                        let (low, high) = (low.parse().expect("a number"), high.parse().expect("a number"));
                        let got = predictions
                            .binned(Lepton::Muon, &[Observable::DBrDq2], low, high)
                            .expect("a bin")[0];
                        assert!(
                            (got / number(expected) - 1.0).abs() < 2e-4,
                            "{model}, {name}, {flavour}, {bin}"
                        );
                    }
                }
            }
        }
    }
}
