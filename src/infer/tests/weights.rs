//! Weighted fits against numbers of other programs: `tests/reference/weights.json`.

use humboldt_infer::likelihood::Likelihood;
use humboldt_infer::normalisation::Normalisation;
use humboldt_infer::simulation::Simulation;
use humboldt_infer::sweights::{MassModel, sweights};
use humboldt_infer::unbinned::{Fitted, fit, intervals};
use humboldt_infer::weights::Weights;
use humboldt_physics::Quadratic;
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/weights.json")).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// `1 + b x + c x^2` with c known: coefficients of 1, b, b^2.
fn terms(x: &[f64]) -> Vec<Vec<f64>> {
    vec![x.iter().map(|x| 1.0 + 0.5 * x * x).collect(), x.to_vec(), vec![0.0; x.len()]]
}

/// The integral of `(1 + b x + c x^2) e(x)`.
fn integral(efficiency: [f64; 3]) -> Normalisation {
    let power = |n: i32| if n % 2 == 0 { 2.0 / f64::from(n + 1) } else { 0.0 };
    let of = |shift: i32| (0..3).map(|k| efficiency[k as usize] * power(k + shift)).sum::<f64>();
    Normalisation::of_integral(&[("b", 1.0)], &Quadratic::new(1, vec![of(0) + 0.5 * of(2), of(1), 0.0]))
}

fn fitted(normalisation: &Normalisation, x: &[f64], weights: &Weights) -> (Fitted, f64) {
    let likelihood =
        Likelihood::of_terms(normalisation, terms(x)).unwrap().weighted(weights.clone()).unwrap();
    let mut fitted = fit(&likelihood).unwrap();
    let intervals = intervals(&likelihood, &mut fitted).unwrap();
    (fitted, 0.5 * (intervals[0].minus.unwrap() + intervals[0].plus.unwrap()))
}

fn close(got: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((got - expected).abs() < tolerance, "{got} {expected}");
}

#[test]
fn weighted_fits_agree_with_numpy_zfit_iminuit_and_laddu() {
    let reference = reference();
    let (x, w) = (list(&reference["data"]["x"]), list(&reference["data"]["w"]));
    let simulated = Weights::new(list(&reference["simulation"]["w"])).unwrap();
    let terms = terms(&list(&reference["simulation"]["x"]));
    let simulation = || Simulation::of_terms(&terms, Some(&simulated)).unwrap();
    let efficiency = list(&reference["parameters"]["efficiency"]);
    let plain = integral([efficiency[0], efficiency[1], efficiency[2]]);
    let over_simulation = plain.clone().with_simulation(simulation());
    for (normalisation, name) in [(&plain, "analytic"), (&over_simulation, "simulation")] {
        let expected = &reference["fits"][name]["numpy"];
        let weights = Weights::new(w.clone()).unwrap();
        let (fit, width) = fitted(normalisation, &x, &weights);
        close(fit.values[0], &expected["estimate"], 1e-5);
        for tool in ["iminuit", "zfit"] {
            close(fit.values[0], &reference["fits"][name][tool]["estimate"], 1e-5);
        }
        let sigma = fit.sigma()[0];
        let sandwich = if name == "analytic" { "error_sandwich" } else { "error_sandwich_with_simulation" };
        close(sigma, &expected[sandwich], 1e-4);
        // Second derivatives alone, in the units of the weights, and as they were given.
        let of_squares = fit.curved[(0, 0)].sqrt();
        close(of_squares, &expected["error_sumw2"], 1e-4);
        let counted = weights.counted();
        close(of_squares * (counted.sum / weights.squares()).sqrt(), &expected["error_naive"], 1e-4);
        // The scaled profile is as wide as the error.
        assert!((width / sigma - 1.0).abs() < 0.01, "{width} {sigma}");
        assert_eq!(counted.events, 400);

        // A common factor changes nothing.
        let (other, other_width) =
            fitted(normalisation, &x, &Weights::new(w.iter().map(|w| 1e-3 * w).collect()).unwrap());
        assert!((other.values[0] - fit.values[0]).abs() < 1e-9 && (other.sigma()[0] - sigma).abs() < 1e-9);
        assert!((other_width - width).abs() < 1e-5, "{other_width} {width}");
    }
    close(
        fitted(&over_simulation, &x, &Weights::new(w).unwrap()).0.values[0],
        &reference["fits"]["simulation"]["laddu"]["estimate"],
        1e-5,
    );
}

#[test]
fn the_error_of_a_fit_with_sweights_has_their_own_term() {
    let reference = &reference()["sweights"];
    let x = list(&reference["x"]);
    let signal = Weights::new(list(&reference["signal"])).unwrap();
    let plain = integral([1.0, 0.0, 0.0]);
    let expected = &reference["control"];
    let (without, _) = fitted(&plain, &x, &signal);
    close(without.values[0], &expected["estimate"], 1e-5);
    close(without.sigma()[0], &expected["error_sandwich"], 1e-4);
    let (with, _) = fitted(&plain, &x, &signal.with_others(vec![list(&reference["background"])]).unwrap());
    close(with.values[0], &expected["estimate"], 1e-5);
    close(with.sigma()[0], &expected["error_sandwich_with_sweights_term"], 1e-4);
}

#[test]
fn sweights_are_those_of_sweights_hepstats_and_numpy() {
    let reference = &reference()["sweights"];
    let model = MassModel {
        range: (4.0, 6.0),
        signal: "gaussian:mean=5,width=0.15".parse().unwrap(),
        background: "exponential:slope=0.6".parse().unwrap(),
        free: Vec::new(),
    };
    let mass = list(&reference["mass"]);
    let found = sweights(&model, &mass).unwrap();
    for (x, expected) in list(&reference["yields"]["numpy"]).into_iter().enumerate() {
        assert!((found.yields[x] - expected).abs() < 1e-7, "{:?}", found.yields);
        let sigma = reference["yields"]["numpy_covariance"][x][x].as_f64().unwrap().sqrt();
        assert!((found.covariance[(x, x)].sqrt() - sigma).abs() < 1e-4);
        assert!((found.closure[x] - 1.0).abs() < 1e-12);
    }
    for (got, name) in
        [(&found.signal, "signal"), (&found.background, "background"), (&found.signal, "hepstats_signal")]
    {
        let expected = list(&reference[name]);
        assert_eq!(got.len(), expected.len());
        let off = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-10, "{name}: {off:e}");
    }
    // Free shapes start from what is given, and find it.
    let free =
        MassModel { free: vec!["mean".to_owned(), "width".to_owned(), "slope".to_owned()], ..model.clone() };
    let fitted = sweights(&free, &mass).unwrap();
    let mean = fitted.model.signal.parameters().next().unwrap().1;
    assert!(
        (mean - 5.0).abs() < 0.08 && fitted.covariance[(0, 0)] > found.covariance[(0, 0)],
        "{:?}",
        fitted.model
    );
    let message = |model: &MassModel, mass: &[f64]| sweights(model, mass).unwrap_err().to_string();
    assert!(message(&model, &[7.0]).contains("the mass in row 0 = 7"));
    assert!(message(&model, &mass[..30]).contains("events = 30"));
    assert!(
        message(&MassModel { free: vec!["height".to_owned()], ..model }, &mass)
            .contains("mean, width, slope")
    );
}

/// 1,000 samples of 400 events with sWeights of their own: pulls of b.
#[test]
#[ignore = "a thousand fits"]
fn pulls_of_sweighted_samples() {
    use rand::{RngExt, SeedableRng};
    let model = MassModel {
        range: (4.0, 6.0),
        signal: "gaussian:mean=5,width=0.15".parse().unwrap(),
        background: "exponential:slope=0.6".parse().unwrap(),
        free: Vec::new(),
    };
    let flat = integral([1.0, 0.0, 0.0]);
    let pull = |seed: u64| {
        let mut rng = rand_pcg::Pcg64::seed_from_u64(seed);
        let events = 1200;
        let (mut mass, mut x) = (Vec::new(), Vec::new());
        // The number of events of each component varies as Poisson's does.
        let signal: u32 = (0..20 * events).map(|_| u32::from(rng.random::<f64>() < 0.35 / 20.0)).sum();
        let background: u32 = (0..20 * events).map(|_| u32::from(rng.random::<f64>() < 0.65 / 20.0)).sum();
        while mass.len() < signal as usize {
            let (m, u, v) =
                (4.0 + 2.0 * rng.random::<f64>(), 2.0 * rng.random::<f64>() - 1.0, rng.random::<f64>());
            if v * 1.8 < 1.0 + 0.3 * u + 0.5 * u * u
                && rng.random::<f64>() < (-0.5 * ((m - 5.0) / 0.15_f64).powi(2)).exp()
            {
                mass.push(m);
                x.push(u);
            }
        }
        while mass.len() < (signal + background) as usize {
            let (m, u, v) =
                (4.0 + 2.0 * rng.random::<f64>(), 2.0 * rng.random::<f64>() - 1.0, rng.random::<f64>());
            if v * 1.5 < 1.0 - 0.5 * u && rng.random::<f64>() < (-0.6 * (m - 4.0)).exp() {
                mass.push(m);
                x.push(u);
            }
        }
        let found = sweights(&model, &mass).unwrap();
        let weights = Weights::new(found.signal).unwrap().with_others(vec![found.background]).unwrap();
        let likelihood = Likelihood::of_terms(&flat, terms(&x)).unwrap().weighted(weights).unwrap();
        let fitted = fit(&likelihood).unwrap();
        (fitted.values[0] - 0.3) / fitted.sigma()[0]
    };
    let pulls: Vec<f64> = (0..1000).map(pull).collect();
    let mean = pulls.iter().sum::<f64>() / 1000.0;
    let width = (pulls.iter().map(|pull| (pull - mean).powi(2)).sum::<f64>() / 999.0).sqrt();
    println!("pulls: mean {mean:.3}, width {width:.3}");
    assert!((width - 1.0).abs() < 0.07 && mean.abs() < 0.15, "{mean} {width}");
}
