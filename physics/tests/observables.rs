//! Binned observables: integrals to 1e-8, limits, and what a shift moves.

use humboldt_physics::observables::CpPair;
use humboldt_physics::{
    Flavour, Hadron, Lepton, ModelName, Observable, PhysicsError, Predictions, WilsonCoefficient,
    WilsonShifts,
};
use num_complex::Complex64;

fn predictions(muon_shifts: &WilsonShifts) -> Predictions {
    Predictions::new(ModelName::Npr, Flavour::B0, muon_shifts, &WilsonShifts::STANDARD_MODEL)
        .expect("finite shifts")
}

/// The observables of B -> K*.
fn of_kstar() -> Vec<Observable> {
    Observable::ALL.into_iter().filter(|observable| observable.describes(Hadron::Kstar)).collect()
}

fn standard_model() -> Predictions {
    predictions(&WilsonShifts::STANDARD_MODEL)
}

/// Tanh-sinh rule between other edges: no node and no substitution in common with the crate.
fn reference_integral(predictions: &Predictions, lepton: Lepton, low: f64, high: f64) -> CpPair {
    let mut edges = vec![low, high];
    edges.extend((0..30).map(|i| 1e-6 * 3.1_f64.powi(i)).chain([6.76]).filter(|x| *x > low && *x < high));
    edges.sort_by(f64::total_cmp);
    let step: f64 = 1.0 / 64.0;
    let mut sum = CpPair::default();
    for piece in edges.windows(2) {
        let (half, middle) = ((piece[1] - piece[0]) / 2.0, f64::midpoint(piece[0], piece[1]));
        for k in -230..=230 {
            let t = step * f64::from(k);
            let inner = std::f64::consts::FRAC_PI_2 * t.sinh();
            let weight = std::f64::consts::FRAC_PI_2 * t.cosh() / inner.cosh().powi(2);
            sum += predictions.coefficients(lepton, middle + half * inner.tanh()) * (weight * half * step);
        }
    }
    sum
}

#[test]
fn bins_are_integrated_to_one_part_in_1e8() {
    let shifts = WilsonShifts::delta_c9(-1.3).with(WilsonCoefficient::C7Prime, Complex64::new(0.1, 0.2));
    let predictions = predictions(&shifts);
    for lepton in Lepton::ALL {
        let (first, last) = predictions.q2_range(lepton);
        for (low, high) in [
            (first, last),
            (first, first * 1.001),
            (last * 0.9999, last),
            (first, 0.1),
            (1.1, 6.0),
            (6.0, 8.0),
            (6.75, 6.77),
            (15.0, 19.0),
        ] {
            let got = predictions.integrated_coefficients(lepton, low, high).expect("a bin");
            let expected = reference_integral(&predictions, lepton, low, high);
            let scale = expected.average().rate();
            for (got, expected) in [(got.j, expected.j), (got.j_bar, expected.j_bar)] {
                for difference in (got - expected).as_array() {
                    assert!(
                        difference.abs() < 1e-8 * scale,
                        "{lepton} [{low}, {high}]: {:e} of the rate",
                        difference / scale
                    );
                }
            }
        }
    }
}

#[test]
fn narrow_bin_tends_to_the_differential_value() {
    let predictions = predictions(&WilsonShifts::delta_c9(-1.0));
    let binned = predictions.binned(Lepton::Muon, &of_kstar(), 3.0 - 1e-4, 3.0 + 1e-4).expect("a bin");
    for (observable, binned) in of_kstar().into_iter().zip(binned) {
        let differential = predictions.differential(Lepton::Muon, observable, 3.0).expect("inside");
        assert!((binned - differential).abs() < 1e-7 * differential.abs().max(1e-2), "{observable}");
    }
}

#[test]
fn bins_beyond_phase_space_count_only_what_is_inside() {
    let predictions = standard_model();
    let (low, high) = predictions.q2_range(Lepton::Muon);
    let rate = |a: f64, b: f64| {
        predictions.binned(Lepton::Muon, &[Observable::DGammaDq2], a, b).expect("a bin")[0] * (b - a)
    };
    assert!((rate(0.0, 25.0) / rate(low, high) - 1.0).abs() < 1e-12);
}

#[test]
fn wrong_bins_and_points_are_refused() {
    let predictions = standard_model();
    for (low, high) in [
        (6.0, 4.0),
        (4.0, 4.0),
        (-1.0, 2.0),
        (f64::NAN, 4.0),
        (4.0, f64::INFINITY),
        (20.0, 22.0),
        (0.0, 0.01),
    ] {
        let result = predictions.binned(Lepton::Muon, &[Observable::FL], low, high);
        assert!(matches!(result, Err(PhysicsError::OutOfRange { .. })), "[{low}, {high}]: {result:?}");
    }
    for q2 in [0.01, 19.3, f64::NAN] {
        assert!(predictions.differential(Lepton::Muon, Observable::FL, q2).is_err());
    }
}

#[test]
fn muon_shift_moves_lepton_universality_and_leaves_electrons() {
    let r_kstar = |shift: f64| {
        predictions(&WilsonShifts::delta_c9(shift))
            .binned(Lepton::Muon, &[Observable::RKstar], 1.1, 6.0)
            .expect("bin")[0]
    };
    assert!((r_kstar(0.0) - 1.0).abs() < 0.01, "{}", r_kstar(0.0));
    assert!((0.75..0.9).contains(&r_kstar(-1.0)), "{}", r_kstar(-1.0));
    let electrons = |shift: f64| {
        let of_electrons: Vec<Observable> =
            of_kstar().into_iter().filter(|observable| !observable.compares_leptons()).collect();
        predictions(&WilsonShifts::delta_c9(shift)).binned(Lepton::Electron, &of_electrons, 1.1, 6.0)
    };
    assert_eq!(electrons(0.0), electrons(-1.0));
}

/// LHCb measures (3.42 ± 0.20) x 10^-8 GeV^-2 in [1.1, 6] (arXiv:1606.04731); theory with these form factors lies above.
#[test]
fn paper_branching_fraction_has_the_measured_size() {
    let values = standard_model()
        .binned(Lepton::Muon, &[Observable::DBrDq2, Observable::DGammaDq2], 1.1, 6.0)
        .expect("a bin");
    assert!((3.4e-8..6.0e-8).contains(&values[0]), "{values:?}");
    let hbar_over_lifetime = 6.582_119_569e-13 / 1.519;
    assert!((values[1] / values[0] / hbar_over_lifetime - 1.0).abs() < 1e-12);
}

#[test]
fn charged_mesons_differ_by_mass_and_lifetime() {
    let standard = WilsonShifts::STANDARD_MODEL;
    let charged = Predictions::new(ModelName::Npr, Flavour::BMinus, &standard, &standard).expect("valid");
    assert_eq!(charged.process_name(Lepton::Muon), "B+->K*+mumu");
    assert_eq!(standard_model().process_name(Lepton::Electron), "B0->K*0ee");
    let both = [Observable::DBrDq2, Observable::FL];
    let plus = charged.binned(Lepton::Muon, &both, 1.1, 6.0).expect("a bin");
    let zero = standard_model().binned(Lepton::Muon, &both, 1.1, 6.0).expect("a bin");
    assert!((plus[0] / zero[0] / (1.638 / 1.519) - 1.0).abs() < 1e-3);
    assert!((plus[1] - zero[1]).abs() < 1e-3);
}

#[test]
fn paper_dhmv_convention() {
    for (observable, factor) in [
        (Observable::P1, 1.0),
        (Observable::P2, -1.0),
        (Observable::P3, -1.0),
        (Observable::P4p, -2.0),
        (Observable::P5p, 1.0),
        (Observable::P6p, 1.0),
        (Observable::P8p, -2.0),
    ] {
        assert!((observable.dhmv_factor() - factor).abs() < f64::EPSILON, "{observable}");
    }
}

/// A fit that knows no lepton mass finds one F_L, the rest of the rate transverse, and the same rate and A_FB; without a
/// mass it finds what is there.
#[test]
fn issue_19_fits_without_the_lepton_mass() {
    let predictions = standard_model();
    let pair = predictions.integrated_coefficients(Lepton::Muon, 0.1, 0.98).expect("a bin");
    let (full, seen) = (pair.average(), pair.average().without_lepton_mass());
    assert!((seen.rate() / full.rate() - 1.0).abs() < 1e-14);
    assert!((seen.j1c + seen.j2c).abs() < 1e-14 * full.rate());
    assert!((seen.j1s - 3.0 * seen.j2s).abs() < 1e-14 * full.rate());
    let seen = CpPair { j: seen, j_bar: seen };
    let of = |observable: Observable, pair: &CpPair| observable.ratio(pair).expect("of K*");
    assert!((of(Observable::AFb, &seen) - of(Observable::AFb, &pair)).abs() < 1e-14);
    // EOS's F_L: 19 % more than -S2c at low q2.
    let more = of(Observable::FL, &seen) / of(Observable::FL, &pair);
    assert!((more - 1.19).abs() < 0.01, "{more}");
    let electrons = predictions.integrated_coefficients(Lepton::Electron, 1.0, 6.0).expect("a bin");
    let (own, seen) = (electrons.average(), electrons.average().without_lepton_mass());
    for (a, b) in own.as_array().into_iter().zip(seen.as_array()) {
        assert!((a - b).abs() < 1e-5 * own.rate(), "{a} {b}");
    }
}
