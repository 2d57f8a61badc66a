//! Tools of several tests: lists of quantities as flavio names them.
#![allow(dead_code, reason = "each test uses its part")]

use humboldt_physics::channel::KSTAR_892;
use humboldt_physics::{Flavour, Hadron, Lepton, Observable, Parameters, Quantity, Resonance};
use serde_json::Value;

/// The K*(892).
pub(crate) fn kstar() -> Resonance {
    Resonance::new(&KSTAR_892, Parameters::standard()).expect("built-in inputs")
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number in the reference file")
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(number).collect()
}

/// A quantity from flavio's name, such as `<P5p>(B0->K*mumu)`.
pub(crate) fn quantity(name: &str, q2_min: f64, q2_max: f64) -> Quantity {
    let (observable, process) = name.trim_end_matches(')').split_once(">(").expect("<observable>(process)");
    let (meson, rest) = process.split_once("->").expect("a decay");
    let hadron = if rest.starts_with("K*") { Hadron::Kstar } else { Hadron::Kaon };
    let observable = match observable.trim_start_matches('<') {
        "dBR/dq2" => Observable::DBrDq2,
        "FL" => Observable::FL,
        "AFB" => Observable::AFb,
        "Rmue" if hadron == Hadron::Kstar => Observable::RKstar,
        "Rmue" => Observable::RK,
        other => other.parse().expect("an observable"),
    };
    Quantity {
        flavour: if meson == "B+" { Flavour::BPlus } else { Flavour::B0 },
        hadron,
        lepton: Lepton::Muon,
        observable,
        q2_min,
        q2_max,
        massless: false,
    }
}

/// The list of a file whose entries are `[name, q2_min, q2_max]`.
pub(crate) fn quantities(list: &Value) -> Vec<Quantity> {
    list.as_array()
        .expect("observables")
        .iter()
        .map(|entry| quantity(entry[0].as_str().expect("a name"), number(&entry[1]), number(&entry[2])))
        .collect()
}
