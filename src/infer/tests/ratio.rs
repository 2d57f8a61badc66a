//! Learned ratios whose truth is known: densities `(1 + x g(y))^2/N(x)` in one variable, with background.

use std::f64::consts::TAU;

use humboldt_infer::mixture::Fraction;
use humboldt_infer::nuisances::Nuisance;
use humboldt_infer::ratio::{
    EventStatistic, Mean, Moments, RatioCalibration, Ratios, SamplePart, Statistic, Truth,
};
use humboldt_pipeline::EventBatch;
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
        nuisances: Vec::new(),
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

/// A sample whose events all see x as it is.
fn alone(mean: &Mean) -> Vec<SamplePart> {
    vec![SamplePart::new(mean.clone(), 1)]
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
            let fit = calibration.fit(&alone(&mean), known, &[RANGE], &[]).unwrap();
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
                let known = known.unwrap_or_default();
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
        let known = calibration(true, free).known(&[x], fraction, &[]).unwrap();
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
        calibration.known(&[0.3], 0.4, &[]).unwrap().first(EVENTS as f64, &[0, 1], 0.0).unwrap()
    };
    let all: Vec<(f64, f64)> = (1..=SIMULATIONS).map(of).collect();
    let n = SIMULATIONS as f64;
    let mean = all.iter().map(|(sigma, _)| sigma).sum::<f64>() / n;
    let spread = (all.iter().map(|(sigma, _)| (sigma - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let stated = (all.iter().map(|(_, error)| error * error).sum::<f64>() / n).sqrt();
    assert!((stated / spread - 1.0).abs() < 0.45, "stated {stated}, spread {spread}");
}

/// A sample so large that the simulation alone limits what is known: pulls over small simulations are those of a normal distribution, also far from
/// the simulation's point, where weights go with the score.
#[test]
fn small_simulations_state_their_own_error() {
    const SIMULATIONS: u64 = 200;
    for (x, fraction) in [(-0.5, None), (0.8, None), (0.8, Some(Fraction::Fixed(0.3)))] {
        let part = fraction.map_or(0.0, Fraction::start);
        let mut random = StreamKey::new(4).child("large sample", 0).block(0);
        let ys: Vec<f64> = (0..1_000_000)
            .map(|_| if random.uniform() < part { background(&mut random) } else { signal(x, &mut random) })
            .collect();
        let mut of_sample = learned(&ys, true);
        if fraction.is_none() {
            of_sample.log_signal.clear();
        }
        let pull = |number: u64| {
            let calibration = simulated(true, fraction, 10_000, number);
            let sample = alone(&calibration.statistic.mean(&of_sample));
            calibration.fit(&sample, fraction.unwrap_or_default(), &[RANGE], &[]).unwrap().pull(0, x).unwrap()
        };
        let pulls: Vec<f64> = (1..=SIMULATIONS).map(pull).collect();
        let n = SIMULATIONS as f64;
        let width = (pulls.iter().map(|pull| pull * pull).sum::<f64>() / n).sqrt();
        assert!((width - 1.0).abs() < 0.12, "{x} {fraction:?}: {width}");
    }
}

/// Change of the density by one unit of a nuisance parameter: `p (1 + n h(y))`.
fn h(y: f64) -> f64 {
    0.06 * (TAU * y).cos() + 0.1 * (TAU * y).sin()
}

/// A nuisance parameter that moves each sample by its own normal number: with it the pulls are those of a normal distribution and the width is what is
/// expected, without it they are not.
#[test]
fn nuisance_parameters_are_in_the_interval() {
    const EXPERIMENTS: u64 = 300;
    let of_simulation = |events: usize| {
        let mut random = StreamKey::new(1).child("simulation", 0).block(0);
        let ys: Vec<f64> = (0..events).map(|_| signal(0.0, &mut random)).collect();
        let mut ratios = learned(&ys, false);
        ratios.log_signal.clear();
        (ys, ratios)
    };
    let events = 200_000;
    let (ys, ratios) = of_simulation(events);
    let changes = |rows: std::ops::Range<usize>| {
        let of = |y: &f64| [1.0, 2.0 * g(*y), g(*y) * g(*y)].map(|term| (h(*y) * term) as f32);
        Ok::<_, ()>(ys[rows].iter().flat_map(of).collect())
    };
    let groups = [Nuisance::FormFactors];
    let calibration = calibration(false, None);
    let refused = calibration.check_nuisances(&groups).unwrap_err().to_string();
    assert!(refused.contains("form-factors") && refused.contains("network.nuisances"), "{refused}");
    let calibration = calibration.with_nuisances(&groups, &ratios, &vec![1.0; events], changes).unwrap();
    assert!(calibration.knows(groups[0]) && !calibration.knows(Nuisance::Charm));
    let x = 0.4;
    let mut pulls = [Vec::new(), Vec::new()];
    let mut values = Vec::new();
    for number in 0..EXPERIMENTS {
        let mut random = StreamKey::new(3).child("nuisance", number).block(0);
        let size = (-2.0 * random.uniform().max(1e-12).ln()).sqrt() * (TAU * random.uniform()).cos();
        let mut sample = Vec::with_capacity(EVENTS);
        while sample.len() < EVENTS {
            let y = signal(x, &mut random);
            // Large sizes would make it negative where it is smallest: none among these.
            let kept = 1.0 + size * h(y);
            assert!(kept > 0.0);
            if random.uniform() * 1.6 < kept {
                sample.push(y);
            }
        }
        let mut ratios = learned(&sample, false);
        ratios.log_signal.clear();
        let mean = calibration.statistic.mean(&ratios);
        for (pulls, groups) in pulls.iter_mut().zip([&groups[..], &[]]) {
            let fit = calibration.fit(&alone(&mean), Fraction::Fixed(0.0), &[RANGE], groups).unwrap();
            pulls.push(fit.pull(0, x).unwrap());
            if !groups.is_empty() {
                values.push(fit.values()[0]);
            }
        }
    }
    let moments = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
    };
    let [with, without] = pulls.each_ref().map(|pulls| moments(pulls));
    assert!(with.0.abs() < 0.2 && (with.1 - 1.0).abs() < 0.12, "{with:?}");
    assert!(without.1 > 1.3, "{without:?}");
    let expected = calibration.expected(&[x], 0.0, EVENTS as f64, &[0], 0.0, &groups).unwrap()[(0, 0)].sqrt();
    let (_, width) = moments(&values);
    assert!((width / expected - 1.0).abs() < 0.15, "{width} {expected}");
    let known = |groups: &[Nuisance]| {
        calibration.known(&[x], 0.0, groups).unwrap().first(EVENTS as f64, &[0], 0.0).unwrap().0
    };
    assert!(known(&groups) > 1.3 * known(&[]) && known(&groups) < 1.02 * expected);
    let text = serde_json::to_string(&calibration).unwrap();
    let again: RatioCalibration = serde_json::from_str(&text).unwrap();
    assert!(again == calibration && again.is_consistent(2, 1, 0));
}

/// Two samples of which one sees x with the opposite sign, and shifted: together they say as much as one of all events, whose value a value lies between.
#[test]
fn parts_that_see_a_shift_otherwise_are_fitted_together() {
    let free = Some(Fraction::Fixed(0.3));
    let calibration = calibration(false, free);
    let (x, offset) = (0.3, -0.2);
    let known = Fraction::Fixed(0.3);
    let (mut pulls, mut widths) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let mean = |x: f64, number: u64| calibration.statistic.mean(&learned(&sample(x, 0.3, number), false));
        let own = SamplePart::new(mean(x, 2 * number), 1);
        let other = SamplePart { mean: mean(offset - x, 2 * number + 1), seen: vec![[offset, -1.0]] };
        let fit = |parts: &[SamplePart]| calibration.fit(parts, known, &[RANGE], &[]).unwrap();
        let both = fit(&[own.clone(), other.clone()]);
        let values = [fit(&[own]), fit(&[other])].map(|fit| fit.values()[0]);
        let value = both.values()[0];
        assert!(
            value > values[0].min(values[1]) - 0.02 && value < values[0].max(values[1]) + 0.02,
            "{value} {values:?}"
        );
        pulls.push(both.pull(0, x).unwrap());
        widths.push(both.covariance()[(0, 0)].sqrt());
        assert!(both.p_value() > 1e-5 && both.effective_events() > 1e4);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let width = (mean(&pulls.iter().map(|x| x * x).collect::<Vec<_>>()) - mean(&pulls).powi(2)).sqrt();
    assert!(mean(&pulls).abs() < 0.25 && (width - 1.0).abs() < 0.17, "{} {width}", mean(&pulls));
    let information = |x: f64| calibration.covariance(&[x], 0.3, EVENTS).unwrap()[(0, 0)].recip();
    let expected = (information(x) + information(offset - x)).powf(-0.5);
    assert!((mean(&widths) / expected - 1.0).abs() < 0.03, "{} {expected}", mean(&widths));
}

/// Samples of another simulation are told by their p-value; a fraction without background is refused.
#[test]
fn other_samples_are_told_and_fractions_need_background() {
    let calibration = calibration(true, None);
    let shifted: Vec<f64> = sample(0.2, 0.0, 1).into_iter().map(|y| 0.9 * y + 0.05).collect();
    let mut ratios = learned(&shifted, true);
    ratios.log_signal.clear();
    let mean = calibration.statistic.mean(&ratios);
    let fit = calibration.fit(&alone(&mean), Fraction::Fixed(0.0), &[RANGE], &[]).unwrap();
    assert!(fit.p_value() < 1e-3, "{}", fit.p_value());
    let refused = calibration
        .fit(&alone(&mean), Fraction::Fixed(0.3), &[RANGE], &[])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("learned without background"), "{refused}");
    // Nothing was learned.
    let flat = Ratios {
        terms: vec![0.0; 2000],
        log_signal: Vec::new(),
        nuisances: Vec::new(),
        features: vec![0.0; 1000],
    };
    let error = Statistic::new((&flat, &[1.0; 1000]), None, vec![vec![0.0]], 1).unwrap_err().to_string();
    assert!(error.contains("learned ratios"), "{error}");
    let text = serde_json::to_string(&calibration).unwrap();
    let again: RatioCalibration = serde_json::from_str(&text).unwrap();
    assert!(again == calibration && again.is_consistent(2, 1, 0) && !again.is_consistent(5, 1, 0));
}

/// Events of density `(1 + x cos_theta_l)^2` in that cosine, with q2 in [1, 3], cos_theta_k and chi flat; or background of density `(1 + cos_theta_k)^2`
/// in that cosine, all else flat.
fn angles(x: f64, fraction: f64, events: usize, random: &mut BlockRng) -> EventBatch {
    let mut batch = EventBatch::default();
    let cosine = |x: f64, random: &mut BlockRng| loop {
        let cosine = 2.0 * random.uniform() - 1.0;
        if random.uniform() * (1.0 + x.abs()).powi(2) < (1.0 + x * cosine).powi(2) {
            return cosine as f32;
        }
    };
    for _ in 0..events {
        let (l, k) = if random.uniform() < fraction { (0.0, 1.0) } else { (x, 0.0) };
        batch.q2.push((1.0 + 2.0 * random.uniform()) as f32);
        batch.cos_theta_l.push(cosine(l, random));
        batch.cos_theta_k.push(cosine(k, random));
        batch.chi.push((TAU * (random.uniform() - 0.5)) as f32);
    }
    batch
}

/// Moments calibrated by simulated events at 0: no bias, and at 0 the width that no estimator beats, for `cos_theta_l` is the score there and a sum of moments. A
/// free fraction of background is found too.
#[test]
fn angular_moments_are_calibrated_as_learned_ratios_are() {
    let mut random = StreamKey::new(7).block(0);
    let signal = angles(0.0, 0.0, 100_000, &mut random);
    let background = angles(0.0, 1.0, 100_000, &mut random);
    let weights = vec![1.0; 100_000];
    let terms: Vec<f32> =
        signal.cos_theta_l.iter().flat_map(|cosine| [2.0 * cosine, cosine * cosine]).collect();
    let bins = [(1.0, 2.0), (2.0, 3.0)];
    let truth = Truth { terms: &terms, weights: &weights };
    for (fraction, x) in [(0.0, 0.0), (0.0, 0.4), (0.3, -0.4)] {
        let known = (fraction > 0.0).then_some((&background, fraction));
        let moments = Moments::new(&bins, (&signal, &weights), known, vec![vec![0.0]]).unwrap();
        assert_eq!(moments.fitted(), 23, "of 24 one, for all events are in the bins");
        let calibration = RatioCalibration::new(moments, &signal, truth, known.map(|(events, _)| events));
        let ask = if fraction > 0.0 { Fraction::Free } else { Fraction::Fixed(0.0) };
        let found: Vec<(f64, f64, f64)> = (0..200)
            .map(|number| {
                let mut random = StreamKey::new(8).child("sample", number).block(0);
                let mean = calibration.statistic.mean(&angles(x, fraction, EVENTS, &mut random));
                let fit = calibration.fit(&alone(&mean), ask, &[[-0.8, 0.8]], &[]).unwrap();
                (fit.values()[0], fit.pull(0, x).unwrap(), *fit.values().last().unwrap())
            })
            .collect();
        let mean =
            |of: &dyn Fn(&(f64, f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        let (value, pull) = (mean(&|f| f.0), mean(&|f| f.1));
        let width = mean(&|f| (f.0 - value).powi(2)).sqrt();
        let pulls = mean(&|f| (f.1 - pull).powi(2)).sqrt();
        assert!((value - x).abs() < 0.25 * width && (0.85..1.15).contains(&pulls), "{value} {width} {pulls}");
        let least = (0.75 / EVENTS as f64).sqrt();
        if x == 0.0 {
            assert!((width / least - 1.0).abs() < 0.17, "{width} {least}");
        }
        if fraction > 0.0 {
            assert!((mean(&|f| f.2) - fraction).abs() < 0.01 && width > least / 0.7_f64.sqrt(), "{width}");
        }
    }
    let empty = Moments::new(&[(5.0, 6.0)], (&signal, &weights), None, vec![vec![0.0]]);
    assert!(empty.unwrap_err().to_string().contains("bins of the moments"));
}
