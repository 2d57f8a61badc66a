//! CP violation: asymmetries need a weak phase, and most of them a strong phase beside it.

use humboldt_physics::{
    Flavour, Hadron, Lepton, ModelName, Observable, Parameters, Theory, WilsonCoefficient, WilsonDirection,
    WilsonShifts,
};
use num_complex::Complex64;

const T_EVEN: [Observable; 5] =
    [Observable::ACp, Observable::A3, Observable::A4, Observable::A5, Observable::A6s];
const T_ODD: [Observable; 3] = [Observable::A7, Observable::A8, Observable::A9];

fn theory(model: ModelName, shifts: WilsonShifts) -> Theory<'static> {
    Theory { muon_shifts: shifts, electron_shifts: shifts, ..Theory::new(model, Parameters::standard()) }
}

fn asymmetries(theory: &Theory, observables: &[Observable]) -> Vec<f64> {
    let predictions = theory.predictions(Flavour::B0, Hadron::Kstar).expect("a valid theory");
    predictions.binned(Lepton::Muon, observables, 1.1, 6.0).expect("a bin")
}

fn weak_phase() -> WilsonShifts {
    WilsonShifts::STANDARD_MODEL
        .moved(WilsonDirection::imaginary(WilsonCoefficient::C9), 1.5)
        .moved(WilsonDirection::imaginary(WilsonCoefficient::C10), 0.8)
        .moved(WilsonDirection::imaginary(WilsonCoefficient::C9Prime), 0.5)
}

#[test]
fn nothing_without_a_weak_phase() {
    // Strong phases alone (Y in npr), and real shifts.
    let shifts = WilsonShifts::delta_c9(-1.0).with(WilsonCoefficient::C10Prime, 0.5.into());
    for model in [ModelName::Npr, ModelName::Bare] {
        for value in asymmetries(&theory(model, shifts), &[T_EVEN.as_slice(), &T_ODD].concat()) {
            assert!(value.abs() < 1e-14, "{model}: {value:e}");
        }
    }
}

/// Without strong phases only the T-odd asymmetries remain, and T-odd averages vanish.
#[test]
fn paper_weak_phase_alone_makes_t_odd_asymmetries_only() {
    let theory = theory(ModelName::Bare, weak_phase());
    for value in asymmetries(&theory, &T_EVEN) {
        assert!(value.abs() < 1e-14, "{value:e}");
    }
    for value in asymmetries(&theory, &[Observable::S7, Observable::S8, Observable::S9]) {
        assert!(value.abs() < 1e-14, "{value:e}");
    }
    for (observable, value) in T_ODD.into_iter().zip(asymmetries(&theory, &T_ODD)) {
        assert!(value.abs() > 1e-3, "{observable}: {value:e}");
    }
}

#[test]
fn weak_and_strong_phases_make_all_asymmetries() {
    let theory = theory(ModelName::Npr, weak_phase());
    for (observable, value) in T_EVEN.into_iter().zip(asymmetries(&theory, &T_EVEN)) {
        assert!(value.abs() > 1e-4, "{observable}: {value:e}");
    }
    // They flip with the weak phase, which the strong phase does not.
    let flipped = Theory {
        muon_shifts: theory.muon_shifts.conj(),
        electron_shifts: theory.electron_shifts.conj(),
        ..theory.clone()
    };
    let both = [T_EVEN.as_slice(), &T_ODD].concat();
    for (a, b) in asymmetries(&theory, &both).into_iter().zip(asymmetries(&flipped, &both)) {
        assert!((a + b).abs() < 1e-12, "{a:e} {b:e}");
    }
    for (a, b) in asymmetries(&theory, &[Observable::S5, Observable::S8])
        .into_iter()
        .zip(asymmetries(&flipped, &[Observable::S5, Observable::S8]))
    {
        assert!((a - b).abs() < 1e-12, "{a:e} {b:e}");
    }
}

/// The u-quark loop: CP violation of the Standard Model, doubly suppressed, and gone without its weak phase.
#[test]
fn paper_standard_model_asymmetries_are_below_a_percent() {
    let with_gamma = |gamma: f64| {
        let parameters =
            Parameters::standard().clone().with_value("gamma_ckm", gamma).expect("a known input");
        let theory = Theory::new(ModelName::Full, &parameters);
        asymmetries(&theory, &[T_EVEN.as_slice(), &T_ODD].concat())
    };
    let standard = with_gamma(1.15);
    assert!(standard.iter().all(|value| value.abs() < 0.01), "{standard:?}");
    assert!(standard[0].abs() > 1e-4, "{standard:?}");
    for value in with_gamma(0.0) {
        assert!(value.abs() < 1e-14, "{value:e}");
    }
}

/// Hadronic corrections are strong phases: alone they make no asymmetry; with a weak one they do.
#[test]
fn hadronic_corrections_have_strong_phases() {
    let parameters = ["a_zero", "a_minus", "a_plus"].into_iter().fold(
        Parameters::standard().clone().with_value("gamma_ckm", 0.0).expect("a known input"),
        |parameters, name| {
            parameters.with_value(&format!("subleading_neutral_kstar_{name}_im"), 0.1).expect("a known input")
        },
    );
    let strong = Theory::new(ModelName::Full, &parameters);
    for value in asymmetries(&strong, &[T_EVEN.as_slice(), &T_ODD].concat()) {
        assert!(value.abs() < 1e-14, "{value:e}");
    }
    let both = Theory { muon_shifts: weak_phase(), ..strong.clone() };
    assert!(asymmetries(&both, &[Observable::ACp])[0].abs() > 1e-3);
    let shifted_averages = asymmetries(&strong, &[Observable::S7, Observable::S8]);
    let plain = asymmetries(
        &theory(ModelName::Full, WilsonShifts::STANDARD_MODEL),
        &[Observable::S7, Observable::S8],
    );
    assert!((shifted_averages[0] - plain[0]).abs() > 1e-3);
}

#[test]
fn kaon_asymmetry_needs_both_phases() {
    let asymmetry = |model, shifts: WilsonShifts| {
        let predictions = theory(model, shifts).predictions(Flavour::BPlus, Hadron::Kaon).expect("valid");
        predictions.binned(Lepton::Muon, &[Observable::ACp], 15.0, 22.0).expect("a bin")[0]
    };
    let weak = WilsonShifts::STANDARD_MODEL.with(WilsonCoefficient::C9, Complex64::new(0.0, 1.0));
    assert!(asymmetry(ModelName::Bare, weak).abs() < 1e-14);
    assert!(asymmetry(ModelName::Npr, WilsonShifts::STANDARD_MODEL).abs() < 1e-14);
    assert!(asymmetry(ModelName::Npr, weak).abs() > 1e-2);
}
