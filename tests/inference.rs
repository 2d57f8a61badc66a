//! Information bound, unbinned fits and moments against reference numbers, and against each other on generated events.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::time::Instant;

use humboldt::infer::density::EventFamily;
use humboldt::infer::goodness::goodness;
use humboldt::infer::information::{MassKnowledge, by_events, by_quadrature};
use humboldt::infer::likelihood::Likelihood;
use humboldt::infer::moments::{self, MomentPredictions};
use humboldt::infer::nuisances::{Nuisance, Nuisances};
use humboldt::infer::unbinned::{fit, intervals};
use humboldt_physics::{
    Decay, Flavour, Lepton, LineShape, ModelName, Parameters, PhysicsError, WilsonCoefficient,
    WilsonDirection, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use rayon::prelude::*;
use serde_json::Value;

const EVENTS: usize = 24_613;
const WIDE: (f64, f64) = (0.1, 19.2);
const C9: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C9);
const C10: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C10);

fn decay(delta_c9: f64) -> Decay {
    Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(delta_c9)).unwrap()
}

fn sampler(delta_c9: f64, line_shape: LineShape, window: (f64, f64)) -> EventSampler {
    let windows = Q2Windows::new(&[(Some(window.0), Some(window.1))], &[]).unwrap();
    EventSampler::new(&decay(delta_c9), line_shape, &windows).unwrap()
}

fn family(line_shape: LineShape, window: (f64, f64), free: &[WilsonDirection]) -> EventFamily {
    EventFamily::new(&decay(0.0), line_shape, &[window], free).unwrap()
}

fn sigma(delta_c9: f64, masses: MassKnowledge, window: (f64, f64)) -> f64 {
    let none = Nuisances::default();
    let information = by_quadrature(&decay(delta_c9), masses, &[window], &[C9], &none).unwrap();
    information.bound(EVENTS as f64, false).unwrap()[(0, 0)].sqrt()
}

/// Tolerance 1 %: the reference has three digits and midpoints in its angles.
#[test]
fn prototype_information_bound() {
    let text = include_str!("reference/information_bound.json");
    let reference: Value = serde_json::from_str(text).unwrap();
    let number = |x: &Value| x.as_f64().unwrap();
    for window in reference["windows"].as_array().unwrap() {
        let q2 = (number(&window["q2_min"]), number(&window["q2_max"]));
        let expected = window["sigma"].as_array().unwrap();
        for (delta_c9, expected) in reference["delta_c9"].as_array().unwrap().iter().zip(expected) {
            let start = Instant::now();
            let got = sigma(number(delta_c9), MassKnowledge::Pole, q2);
            println!("{delta_c9} {q2:?}: {got:.5} against {expected}, {:?}", start.elapsed());
            assert!((got / number(expected) - 1.0).abs() < 0.01, "{delta_c9} {q2:?}: {got}");
        }
    }
}

#[test]
fn bound_by_events_agrees_with_quadrature() {
    let directions = [C9, C10, WilsonDirection::imaginary(WilsonCoefficient::C7)];
    for (line_shape, masses) in
        [(LineShape::Narrow, MassKnowledge::Pole), (LineShape::BreitWigner, MassKnowledge::Known)]
    {
        let none = Nuisances::default();
        let expected = by_quadrature(&decay(-0.87), masses, &[WIDE], &directions, &none).unwrap().shape;
        let (events, _) = sampler(-0.87, line_shape, WIDE).generate(StreamKey::new(5), 400_000);
        let (got, error) = by_events(&decay(-0.87), line_shape, &[WIDE], &directions, &events).unwrap();
        for i in 0..3 {
            for j in 0..=i {
                let pull = (got[(i, j)] - expected[(i, j)]) / error[(i, j)];
                println!("{line_shape} {i}{j}: {:.6} {:.6} pull {pull:.2}", got[(i, j)], expected[(i, j)]);
                assert!(pull.abs() < 4.0, "{line_shape} {i}{j}: {pull}");
            }
        }
    }
}

/// 2 to 3 % are lost by looking at q2 and the angles only.
#[test]
fn ignored_masses_lose_information() {
    let [pole, known, ignored] = [MassKnowledge::Pole, MassKnowledge::Known, MassKnowledge::Ignored]
        .map(|masses| sigma(-0.87, masses, WIDE));
    println!("pole {pole:.5}, known {known:.5}, ignored {ignored:.5}");
    assert!(ignored > known && (1.005..1.04).contains(&(ignored / pole)), "{}", ignored / pole);
}

#[test]
fn nuisances_and_the_rate_move_the_bound_as_they_must() {
    let of = |groups: &[Nuisance]| {
        let parameters = Parameters::standard();
        let decay = |parameters: &Parameters| -> Result<Decay, PhysicsError> {
            Decay::with_parameters(
                ModelName::Npr,
                Flavour::B0bar,
                Lepton::Muon,
                &WilsonShifts::default(),
                parameters,
            )
        };
        let nuisances = Nuisances::new(groups, parameters, Flavour::B0bar, decay).unwrap();
        by_quadrature(&decay(parameters).unwrap(), MassKnowledge::Pole, &[(1.1, 6.0)], &[C9, C10], &nuisances)
            .unwrap()
    };
    let n = EVENTS as f64;
    let sigma = |groups: &[Nuisance], with_rate: bool| {
        of(groups).profiled_bound(n, with_rate).unwrap()[(0, 0)].sqrt()
    };
    let (none, charm) = (sigma(&[], false), sigma(&[Nuisance::Charm], false));
    let (factors, both) =
        (sigma(&[Nuisance::FormFactors], false), sigma(&[Nuisance::FormFactors, Nuisance::Charm], false));
    println!("none {none:.4}, charm {charm:.4}, form factors {factors:.4}, both {both:.4}");
    assert!(none < charm && none < factors && charm < both && factors < both);
    let with_rate = sigma(&[], true);
    assert!(with_rate < none, "{with_rate} {none}");
    // A vanishing sample knows nothing, whatever the constraints.
    assert!(of(&[Nuisance::Charm]).profiled_bound(1e-3, false).unwrap()[(0, 0)] > 1e3);
}

/// The likelihood's derivatives by differences, and its difference between two points by the amplitudes.
#[test]
fn likelihood_is_that_of_the_amplitudes() {
    for line_shape in LineShape::ALL {
        let window = (1.0, 8.0);
        let family = family(line_shape, window, &[C9, C10]);
        let (events, _) = sampler(-0.5, line_shape, window).generate(StreamKey::new(3), 3_001);
        let likelihood = Likelihood::new(&family, &events, 0).unwrap();
        let at = [-0.6, 0.3];
        let jet = likelihood.jet(&at);
        assert!((jet.value - likelihood.value(&at)).abs() < 1e-8);
        for i in 0..2 {
            let step = |h: f64| {
                let mut moved = at;
                moved[i] += h;
                likelihood.jet(&moved)
            };
            let (up, down) = (step(1e-4), step(-1e-4));
            let slope = (up.value - down.value) / 2e-4;
            assert!(
                (jet.gradient[i] - slope).abs() < 1e-4 * (1.0 + slope.abs()),
                "{} {slope}",
                jet.gradient[i]
            );
            let row = (up.gradient - down.gradient) / 2e-4;
            assert!((jet.hessian.column(i) - row).amax() < 1e-3 * jet.hessian.amax());
        }
        // In C9 alone: weights of the pipeline, which know nothing of this.
        let density = humboldt_physics::Density::new(&decay(0.0), line_shape, &[window], &[C9]).unwrap();
        let expected: f64 = (0..events.len())
            .map(|i| {
                let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = events.columns().map(|c| f64::from(c[i]));
                let event =
                    humboldt_physics::convention::DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
                density.weight(&event, &[-1.2]).ln()
            })
            .sum();
        let got = likelihood.value(&[0.0, 0.0]) - likelihood.value(&[-1.2, 0.0]);
        assert!((got - expected).abs() < 2e-3, "{line_shape}: {got} {expected}");
    }
}

#[test]
fn fits_recover_what_was_generated() {
    for line_shape in LineShape::ALL {
        let window = WIDE;
        let family = family(line_shape, window, &[C9, C10]);
        let (events, _) = sampler(-0.87, line_shape, window).generate(StreamKey::new(17), EVENTS);
        let likelihood = Likelihood::new(&family, &events, 0).unwrap();
        let mut fitted = fit(&likelihood).unwrap();
        let profile = intervals(&likelihood, &mut fitted).unwrap();
        let sigma = fitted.sigma();
        for (i, truth) in [-0.87, 0.0].into_iter().enumerate() {
            println!("{line_shape} {i}: {:.4} +- {:.4}, {:?}", fitted.values[i], sigma[i], profile[i]);
            assert!(((fitted.values[i] - truth) / sigma[i]).abs() < 4.0);
            let (minus, plus) = (profile[i].minus.unwrap(), profile[i].plus.unwrap());
            assert!((minus / sigma[i] - 1.0).abs() < 0.2 && (plus / sigma[i] - 1.0).abs() < 0.2);
        }
        let good = goodness(&family, &events, &fitted.values).unwrap();
        println!("{good:?}");
        assert!(good.p_value > 1e-3 && good.p_value < 0.999 && good.degrees_of_freedom > 100, "{good:?}");
        // Lepton angles measured from the other lepton.
        let mut turned = events.clone();
        turned.cos_theta_l.iter_mut().for_each(|c| *c = -*c);
        assert!(goodness(&family, &turned, &fitted.values).unwrap().p_value < 1e-10);
    }
}

/// Pulls, the ratio of width and bound, and the coverage of the profile interval over pseudo-experiments.
fn pseudo_experiments(delta_c9: f64, experiments: u64) {
    let family = family(LineShape::Narrow, WIDE, &[C9]);
    let sampler = sampler(delta_c9, LineShape::Narrow, WIDE);
    let key = StreamKey::new(2024).child("delta_c9", delta_c9.to_bits());
    let fits: Vec<[f64; 3]> = (0..experiments)
        .into_par_iter()
        .map_init(EventBatch::default, |events, index| {
            sampler.fill(key.child("experiment", index), EVENTS, events);
            let likelihood = Likelihood::new(&family, events, 0).unwrap();
            let mut fitted = fit(&likelihood).unwrap();
            let profile = intervals(&likelihood, &mut fitted).unwrap()[0];
            let error = fitted.values[0] - delta_c9;
            let covered = -profile.plus.unwrap() <= error && error <= profile.minus.unwrap();
            [error, error / fitted.sigma()[0], f64::from(u8::from(covered))]
        })
        .collect();
    let n = experiments as f64;
    let mean = |k: usize| fits.iter().map(|fit| fit[k]).sum::<f64>() / n;
    let width =
        |k: usize| (fits.iter().map(|fit| (fit[k] - mean(k)).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let bound = sigma(delta_c9, MassKnowledge::Pole, WIDE);
    let ratio = width(0) / bound;
    let statistics = 1.0 / (2.0 * n).sqrt();
    println!(
        "delta C9 {delta_c9}: {experiments} fits, bias {:.5}, width {:.5} = {ratio:.4} of the bound {bound:.5} \
         (+- {statistics:.4}), pulls {:.3} +- {:.4}, coverage {:.4}",
        mean(0),
        width(0),
        mean(1),
        width(1),
        mean(2)
    );
    assert!(ratio < 1.03 + 3.0 * statistics * f64::from(u8::from(experiments < 5_000)), "{ratio}");
    assert!((width(1) - 1.0).abs() < 3.0 * statistics, "pulls of width {}", width(1));
    assert!(mean(0).abs() < 5.0 * bound / n.sqrt() + 0.05 * bound, "bias {}", mean(0));
    let coverage = (0.682_69 * 0.317_31 / n).sqrt();
    assert!((mean(2) - 0.682_69).abs() < 4.0 * coverage, "coverage {}", mean(2));
}

#[test]
fn fits_reach_the_bound() {
    pseudo_experiments(-0.87, 200);
}

/// `HUMBOLDT_EXPERIMENTS=5000 cargo test --release --test integration fits_reach_the_bound -- --ignored --nocapture`
#[test]
#[ignore = "20,000 fits: minutes"]
fn fits_reach_the_bound_at_four_points() {
    let experiments = std::env::var("HUMBOLDT_EXPERIMENTS").map_or(5_000, |text| text.parse().unwrap());
    for delta_c9 in [-2.0, -0.87, 0.0, 1.0] {
        pseudo_experiments(delta_c9, experiments);
    }
}

#[test]
#[ignore = "a time, of a machine that does nothing else"]
fn speed_of_a_fit() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        for line_shape in LineShape::ALL {
            let (events, _) = sampler(-0.87, line_shape, WIDE).generate(StreamKey::new(1), EVENTS);
            let start = Instant::now();
            let family = family(line_shape, WIDE, &[C9]);
            let ready = start.elapsed();
            let (mut prepared, mut fitted, mut profiled) = (f64::MAX, f64::MAX, f64::MAX);
            for _ in 0..20 {
                let start = Instant::now();
                let likelihood = Likelihood::new(&family, &events, 0).unwrap();
                prepared = prepared.min(start.elapsed().as_secs_f64());
                let start = Instant::now();
                let mut result = fit(&likelihood).unwrap();
                fitted = fitted.min(start.elapsed().as_secs_f64());
                let start = Instant::now();
                intervals(&likelihood, &mut result).unwrap();
                profiled = profiled.min(start.elapsed().as_secs_f64());
            }
            println!(
                "{line_shape}: family {ready:?} once, a, b, c {:.2} ms, fit {:.2} ms, interval {:.2} ms, \
                 interpolation error {:.1e}",
                1e3 * prepared,
                1e3 * fitted,
                1e3 * profiled,
                family.interpolation_error()
            );
            assert!(prepared + fitted < 0.05, "{} s", prepared + fitted);
        }
    });
}

/// Measured moments against the amplitudes, and a fit to them.
#[test]
fn moments_agree_with_the_amplitudes() {
    let bins = [(0.1, 1.1), (1.1, 2.5), (2.5, 4.0), (4.0, 6.0), (6.0, 8.0), (11.0, 12.5), (15.0, 19.0)];
    for line_shape in LineShape::ALL {
        let window = (0.1, 19.0);
        let family = family(line_shape, window, &[C9]);
        let (events, _) = sampler(-1.0, line_shape, window).generate(StreamKey::new(8), 300_000);
        let measured = moments::moments(&events, &bins).unwrap();
        let predictions = MomentPredictions::new(&family, &bins).unwrap();
        let mut chi2 = 0.0;
        for (bin, predicted) in measured.iter().zip(predictions.values(&[-1.0])) {
            let total = bin.s[0] * 1.5 + bin.s[1] * 0.75 - bin.s[2] * 0.5 - bin.s[3] * 0.25;
            assert!((total - 1.0).abs() < 1e-10, "{total}");
            let difference = (bin.s - predicted).rows(1, 11).into_owned();
            let inverse = bin.covariance.view((1, 1), (11, 11)).into_owned().try_inverse().unwrap();
            chi2 += (difference.transpose() * inverse * difference)[0];
        }
        println!("{line_shape}: chi2 {chi2:.1} for 77");
        assert!((30.0..135.0).contains(&chi2), "{chi2}");
        let (fitted, good) = moments::fit(&predictions, &measured).unwrap();
        println!("{:?} +- {:?}, {good:?}", fitted.values, fitted.sigma());
        assert!(((fitted.values[0] + 1.0) / fitted.sigma()[0]).abs() < 4.0);
        assert!(good.degrees_of_freedom == 76 && good.p_value > 1e-4);
        // No better than the bound.
        let bound = sigma(-1.0, MassKnowledge::Pole, window) * (EVENTS as f64 / 300_000.0).sqrt();
        assert!(fitted.sigma()[0] > 0.97 * bound, "{} {bound}", fitted.sigma()[0]);
        println!("{:.3} of the bound", fitted.sigma()[0] / bound);
    }
}

#[test]
fn events_are_refused_by_row_field_and_value() {
    let family = family(LineShape::Narrow, (1.0, 6.0), &[C9]);
    let (events, _) = sampler(0.0, LineShape::Narrow, (1.0, 6.0)).generate(StreamKey::new(1), 50);
    let message = |change: &dyn Fn(&mut EventBatch)| {
        let mut changed = events.clone();
        change(&mut changed);
        Likelihood::new(&family, &changed, 100).map(|_| ()).unwrap_err().to_string()
    };
    assert!(message(&|e| e.q2[7] = 7.5).starts_with("q2 in row 107 = 7.5 is not allowed; allowed: 1.0"));
    assert!(message(&|e| e.cos_theta_l[3] = 1.2).contains("cos_theta_l in row 103 = 1.2"));
    assert!(message(&|e| e.cos_theta_k[3] = f32::NAN).contains("cos_theta_k in row 103 = NaN"));
    assert!(message(&|e| e.chi[0] = f32::INFINITY).contains("chi in row 100 = inf"));
    assert!(message(&|e| e.clear()).contains("events = 0"));
    let few = events.rows(0..19);
    let error = fit(&Likelihood::new(&family, &few, 0).unwrap()).unwrap_err().to_string();
    assert!(error.contains("events = 19") && error.contains("20"), "{error}");
}
