//! Learned ratios whose truth is known: densities `(1 + x g(y))^2/N(x)` in one variable, with background.

use std::f64::consts::TAU;

use humboldt_infer::mixture::Fraction;
use humboldt_infer::ratio::{RatioCalibration, Ratios, Statistic, Truth};
use humboldt_pipeline::rng::{BlockRng, StreamKey};

const RANGE: [f64; 2] = [-0.6, 0.8];
const EVENTS: usize = 2000;

fn g(y: f64) -> f64 {
    0.5 * (TAU * y).cos()
}

/// A variable of signal at x, by rejection.
fn signal(x: f64, random: &mut BlockRng) -> f64 {
    loop {
        let y = random.uniform();
        let most = (1.0 + 0.5 * x.abs()).powi(2);
        if random.uniform() * most < (1.0 + x * g(y)).powi(2) {
            return y;
        }
    }
}

/// One of background, of density `1/2 + y`.
fn background(random: &mut BlockRng) -> f64 {
    -0.5 + (0.25 + 2.0 * random.uniform()).sqrt()
}

/// Ratios that a network gives for events: the truth, or something that is off in size and shape.
fn learned(ys: &[f64], good: bool) -> Ratios {
    let terms = ys.iter().flat_map(|y| {
        let g = g(*y);
        if good { [2.0 * g, g * g] } else { [1.3 * g + 0.15 * y, 0.6 * g * g + 0.02] }
    });
    let log_signal = ys.iter().map(|y| {
        let exact = -(0.5 + y).ln();
        if good { exact } else { 0.6 * exact + 0.2 }
    });
    Ratios {
        terms: terms.map(|x| x as f32).collect(),
        log_signal: log_signal.map(|x| x as f32).collect(),
        features: ys.iter().map(|y| (y - 0.5) as f32).collect(),
    }
}

fn calibration(good: bool, fraction: Option<Fraction>) -> RatioCalibration {
    simulated(good, fraction, 200_000, 0)
}

fn simulated(good: bool, fraction: Option<Fraction>, events: usize, number: u64) -> RatioCalibration {
    let mut random = StreamKey::new(1).child("simulation", number).block(0);
    let ys: Vec<f64> = (0..events).map(|_| signal(0.0, &mut random)).collect();
    let others: Vec<f64> = (0..events).map(|_| background(&mut random)).collect();
    let without = |mut ratios: Ratios| {
        if fraction.is_none() {
            ratios.log_signal.clear();
        }
        ratios
    };
    let (of_signal, of_background) = (without(learned(&ys, good)), learned(&others, good));
    let terms: Vec<f32> = ys.iter().flat_map(|y| [2.0 * g(*y) as f32, (g(*y) * g(*y)) as f32]).collect();
    let weights = vec![1.0; events];
    let references = [-0.5, 0.0, 0.6].map(|x| vec![x]).to_vec();
    let background = fraction.map(|fraction| (&of_background, fraction));
    let statistic = Statistic::new((&of_signal, &weights), background, references, 1).unwrap();
    let truth = Truth { terms: &terms, weights: &weights };
    RatioCalibration::new(statistic, &of_signal, truth, fraction.map(|_| &of_background))
}

fn sample(x: f64, fraction: f64, number: u64) -> Vec<f64> {
    let mut random = StreamKey::new(2).child("sample", number).block(0);
    (0..EVENTS)
        .map(|_| if random.uniform() < fraction { background(&mut random) } else { signal(x, &mut random) })
        .collect()
}

/// The smallest standard deviation of x of so many events, by sums over y; with a free fraction of background that is fitted too.
fn bound(x: f64, fraction: f64, free: bool) -> f64 {
    const STEPS: usize = 20_000;
    let mean = |of: &dyn Fn(f64) -> f64| {
        (0..STEPS).map(|i| of((i as f64 + 0.5) / STEPS as f64)).sum::<f64>() / STEPS as f64
    };
    let total = mean(&|y| (1.0 + x * g(y)).powi(2));
    let slope = mean(&|y| 2.0 * g(y) * (1.0 + x * g(y))) / total;
    // Density and its derivatives by x and by the fraction.
    let of = |y: f64| {
        let (signal, background) = ((1.0 + x * g(y)).powi(2) / total, 0.5 + y);
        let by_x = (1.0 - fraction) * signal * (2.0 * g(y) / (1.0 + x * g(y)) - slope);
        ((1.0 - fraction) * signal + fraction * background, by_x, background - signal)
    };
    let sum = |term: &dyn Fn((f64, f64, f64)) -> f64| mean(&|y| term(of(y)));
    let xx = sum(&|(p, a, _)| a * a / p);
    let (xf, ff) = (sum(&|(p, a, b)| a * b / p), sum(&|(p, _, b)| b * b / p));
    let known = if free { xx - xf * xf / ff } else { xx };
    (known * EVENTS as f64).powf(-0.5)
}

struct Found {
    bias: f64,
    width: f64,
    pull: f64,
    pulls: f64,
    coverage: f64,
    small_p: f64,
}

fn pulls(
    calibration: &RatioCalibration,
    x: f64,
    fraction: f64,
    known: Fraction,
    good: bool,
    experiments: u64,
) -> Found {
    let all: Vec<(f64, f64, f64)> = (0..experiments)
        .map(|number| {
            let mean = calibration.statistic.mean(&{
                let mut ratios = learned(&sample(x, fraction, number), good);
                if !calibration.has_background() {
                    ratios.log_signal.clear();
                }
                ratios
            });
            let fit = calibration.fit(&mean, known, &[RANGE]).unwrap();
            (fit.values()[0], fit.pull(0, x).unwrap(), fit.p_value())
        })
        .collect();
    let n = all.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| all.iter().map(of).sum::<f64>() / n;
    let (value, pull) = (mean(&|f| f.0), mean(&|f| f.1));
    Found {
        bias: value - x,
        width: mean(&|f| (f.0 - value).powi(2)).sqrt(),
        pull,
        pulls: mean(&|f| (f.1 - pull).powi(2)).sqrt(),
        coverage: mean(&|f| f64::from(u8::from(f.1.abs() < 1.0))),
        small_p: mean(&|f| f64::from(u8::from(f.2 < 0.1))),
    }
}

/// With ratios that are exact the width is that of the information; with ratios that are off it is larger, and the intervals are right
/// all the same.
#[test]
fn intervals_hold_whatever_was_learned() {
    const EXPERIMENTS: u64 = 200;
    for (good, most) in [(true, 1.08), (false, 1.6)] {
        for (fraction, known) in [(0.0, None), (0.4, Some(Fraction::Fixed(0.4))), (0.4, Some(Fraction::Free))]
        {
            let calibration = calibration(good, known);
            for x in [-0.4, 0.6] {
                let known = known.unwrap_or(Fraction::Fixed(0.0));
                let found = pulls(&calibration, x, fraction, known, good, EXPERIMENTS);
                let bound = bound(x, fraction, known.is_free());
                let case = format!("good {good}, {known:?}, x {x}: ratio {}", found.width / bound);
                assert!(found.bias.abs() < 0.25 * found.width, "{case}, bias {}", found.bias);
                assert!(
                    found.pull.abs() < 0.25 && (found.pulls - 1.0).abs() < 0.15,
                    "{case}: {} {}",
                    found.pull,
                    found.pulls
                );
                assert!((found.coverage - 0.683).abs() < 0.09, "{case}: {}", found.coverage);
                assert!((found.small_p - 0.1).abs() < 0.08, "{case}: {}", found.small_p);
                assert!(found.width > 0.85 * bound && found.width < most * bound, "{case}");
            }
        }
    }
}

/// Widths that the calibration expects, against the information, and its effective numbers against sums by hand.
#[test]
fn expected_widths_and_effective_numbers() {
    let exact = calibration(true, None);
    for x in [-0.5, 0.0, 0.6] {
        let expected = exact.covariance(&[x], 0.0, EVENTS).unwrap()[(0, 0)].sqrt();
        let bound = bound(x, 0.0, false);
        assert!((expected / bound - 1.0).abs() < 0.03, "{x}: {expected} {bound}");
        // (sum w)^2/sum w^2 of w = (1 + x g)^2: moments of a cosine.
        let (second, fourth) = (0.125 * x * x, 3.0 / 128.0 * x.powi(4));
        let effective = 200_000.0 * (1.0 + second).powi(2) / (1.0 + 6.0 * second + fourth);
        assert!((exact.effective_events(&[x]) / effective - 1.0).abs() < 0.02, "{x}");
    }
}

/// Knowledge of the statistic is the information where the ratios are exact, with background and its fraction fitted or not; its stated error is the
/// spread over simulations.
#[test]
fn what_is_known_has_an_error_that_is_its_spread() {
    const SIMULATIONS: u64 = 24;
    let free = Some(Fraction::Free);
    for (x, fraction) in [(-0.4, 0.2), (0.6, 0.5)] {
        let known = calibration(true, free).known(&[x], fraction).unwrap();
        for (together, is_free) in [(vec![0], false), (vec![0, 1], true)] {
            let (sigma, error) = known.first(EVENTS as f64, &together, 0.0).unwrap();
            let bound = bound(x, fraction, is_free);
            assert!((sigma - bound).abs() < 4.0 * error + 0.003 * bound, "{sigma} +- {error}, {bound}");
            assert!(error > 5e-4 * sigma && error < 0.02 * sigma, "{sigma} +- {error}");
        }
        // A measurement of the fraction by another lies between.
        let width = |free: &[usize], inverse: f64| known.first(EVENTS as f64, free, inverse).unwrap().0;
        let between = width(&[0, 1], 1e3);
        assert!(between > width(&[0], 0.0) && between < width(&[0, 1], 0.0), "{between}");
    }
    let of = |number: u64| {
        let calibration = simulated(false, free, 10_000, number);
        calibration.known(&[0.3], 0.4).unwrap().first(EVENTS as f64, &[0, 1], 0.0).unwrap()
    };
    let all: Vec<(f64, f64)> = (1..=SIMULATIONS).map(of).collect();
    let n = SIMULATIONS as f64;
    let mean = all.iter().map(|(sigma, _)| sigma).sum::<f64>() / n;
    let spread = (all.iter().map(|(sigma, _)| (sigma - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let stated = (all.iter().map(|(_, error)| error * error).sum::<f64>() / n).sqrt();
    assert!((stated / spread - 1.0).abs() < 0.45, "stated {stated}, spread {spread}");
}

/// Samples of another simulation are told by their p-value; a fraction without background is refused.
#[test]
fn other_samples_are_told_and_fractions_need_background() {
    let calibration = calibration(true, None);
    let shifted: Vec<f64> = sample(0.2, 0.0, 1).into_iter().map(|y| 0.9 * y + 0.05).collect();
    let mut ratios = learned(&shifted, true);
    ratios.log_signal.clear();
    let mean = calibration.statistic.mean(&ratios);
    let fit = calibration.fit(&mean, Fraction::Fixed(0.0), &[RANGE]).unwrap();
    assert!(fit.p_value() < 1e-3, "{}", fit.p_value());
    let refused = calibration.fit(&mean, Fraction::Fixed(0.3), &[RANGE]).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("learned without background"), "{refused}");
    // Nothing was learned.
    let flat = Ratios { terms: vec![0.0; 2000], log_signal: Vec::new(), features: vec![0.0; 1000] };
    let error = Statistic::new((&flat, &[1.0; 1000]), None, vec![vec![0.0]], 1).unwrap_err().to_string();
    assert!(error.contains("learned ratios"), "{error}");
    let text = serde_json::to_string(&calibration).unwrap();
    let again: RatioCalibration = serde_json::from_str(&text).unwrap();
    assert!(again == calibration && again.is_consistent(2, 1) && !again.is_consistent(5, 1));
}
