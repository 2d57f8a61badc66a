//! Fits of samples of which a part is background, smoothed from a sample of it.

use std::f64::consts::PI;

use humboldt_infer::accepted::AcceptedInformation;
use humboldt_infer::background::{Background, Simulated};
use humboldt_infer::density::EventFamily;
use humboldt_infer::likelihood::Likelihood;
use humboldt_infer::mixture::Fraction;
use humboldt_infer::simulation::{Simulation, weights_at};
use humboldt_infer::unbinned::{fit, intervals};
use humboldt_infer::weights::Weights;
use humboldt_physics::{
    Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonDirection, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

const WINDOW: [(f64, f64); 1] = [(1.1, 8.0)];
const C9: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C9);
const TRUTH: f64 = -0.87;
/// Background over signal of 0.8.
const FRACTION: f64 = 4.0 / 9.0;

fn decay(delta_c9: f64) -> Decay {
    Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(delta_c9)).unwrap()
}

fn sampler(delta_c9: f64, line_shape: LineShape) -> EventSampler {
    let windows = Q2Windows::new(&[(Some(WINDOW[0].0), Some(WINDOW[0].1))], &[]).unwrap();
    EventSampler::new(&decay(delta_c9), line_shape, &windows).unwrap()
}

fn family(delta_c9: f64, line_shape: LineShape) -> EventFamily {
    EventFamily::new(&decay(delta_c9), line_shape, &WINDOW, &[C9]).unwrap()
}

/// Falls in q2, rises with both cosines, K pi masses uniform: nothing that the polynomials hold exactly.
fn background(rng: &mut Pcg64, n: usize, accepted: bool) -> EventBatch {
    let mut events = EventBatch::default();
    while events.len() < n {
        let mut uniform = |low: f64, high: f64| low + (high - low) * rng.random::<f64>();
        let (q2, l, k) = (uniform(WINDOW[0].0, WINDOW[0].1), uniform(-1.0, 1.0), uniform(-1.0, 1.0));
        let (chi, m, u) = (uniform(-PI, PI), uniform(0.75, 1.05), uniform(0.0, 1.0));
        let density = (-0.2 * (q2 - 1.1)).exp()
            * (0.5 + 0.5 * l * l)
            * (0.6 + 0.4 * k)
            * (1.0 - 0.2 * (chi.cos() - 1.0))
            / 1.4;
        let kept = if accepted { efficiency(q2, k) } else { 1.0 };
        if u < density * kept {
            events.q2.push(q2 as f32);
            events.cos_theta_l.push(l as f32);
            events.cos_theta_k.push(k as f32);
            events.chi.push(chi as f32);
            events.m_kpi.push(m as f32);
        }
    }
    events
}

fn efficiency(q2: f64, k: f64) -> f64 {
    (1.0 - 0.35 * (1.0 + k)) * (0.6 + 0.05 * q2)
}

fn signal(sampler: &EventSampler, rng: &mut Pcg64, seed: u64, n: usize, accepted: bool) -> EventBatch {
    let (events, _) = sampler.generate(StreamKey::new(seed), if accepted { 4 * n } else { n });
    let keep: Vec<bool> = (0..events.len())
        .map(|i| {
            let u: f64 = rng.random();
            !accepted || u < efficiency(events.q2[i].into(), events.cos_theta_k[i].into())
        })
        .collect();
    events.filtered(&keep).rows(0..n)
}

/// Numbers of signal and of background events as a Poisson process of `n` has them.
fn numbers(rng: &mut Pcg64, n: usize) -> (usize, usize) {
    let background = (0..n).filter(|_| rng.random::<f64>() < FRACTION).count();
    (n - background, background)
}

/// `ORDER=0` of the environment lets the sample choose.
fn order() -> Option<usize> {
    std::env::var("ORDER").map_or(Some(2), |n| Some(n.parse().unwrap()).filter(|n| *n > 0))
}

/// Of one fit.
struct Pulls {
    /// Of c9 and of the fraction, by their standard deviations.
    c9: f64,
    fraction: f64,
    /// Of c9 by its profile, on the side of the truth.
    profile: f64,
    /// Distance of c9 from the truth.
    off: f64,
    /// Width of c9's profile over its standard deviation.
    width: f64,
}

fn pulls(line_shape: LineShape, accepted: bool, known: Fraction, seed: u64, n: usize) -> Pulls {
    let mut rng = Pcg64::seed_from_u64(seed);
    let data = sampler(TRUTH, line_shape);
    let (of_signal, of_background) = numbers(&mut rng, n);
    let mut events = signal(&data, &mut rng, 2 * seed, of_signal, accepted);
    events.append(&background(&mut rng, of_background, accepted));
    let sample = background(&mut rng, 2 * n, accepted);
    let (own, reference) = (family(0.0, line_shape), family(-0.5, line_shape));
    let simulated =
        accepted.then(|| signal(&sampler(-0.5, line_shape), &mut rng, 2 * seed + 1, 20 * n, true));
    let family = match &simulated {
        Some(events) => own.clone().with_simulation(Simulation::new(&own, &reference, events, None).unwrap()),
        None => own,
    };
    let simulated =
        simulated.as_ref().map(|measured| Simulated { reference: &reference, measured, weights: None });
    let density = Background::new(&family, &sample, None, simulated.as_slice(), order()).unwrap();
    let likelihood =
        Likelihood::new(&family, &events, 0).unwrap().with_background(&events, &density, known).unwrap();
    let mut fitted = fit(&likelihood).unwrap();
    let interval = intervals(&likelihood, &mut fitted).unwrap()[0];
    let sigma = fitted.sigma();
    let (minus, plus) = (interval.minus.unwrap(), interval.plus.unwrap());
    let off = fitted.values[0] - TRUTH;
    Pulls {
        c9: off / sigma[0],
        fraction: (fitted.values[1] - FRACTION) / sigma[1],
        profile: off / if off > 0.0 { minus } else { plus },
        off,
        width: 0.5 * (minus + plus) / sigma[0],
    }
}

#[test]
fn fits_with_background_find_what_was_generated() {
    for (line_shape, accepted) in
        [(LineShape::Narrow, false), (LineShape::Narrow, true), (LineShape::BreitWigner, false)]
    {
        let Pulls { c9, fraction, width, .. } = pulls(line_shape, accepted, Fraction::Free, 5, 6000);
        println!("{line_shape} {accepted}: {c9:.2} {fraction:.2} {width:.3}");
        assert!(c9.abs() < 3.5 && fraction.abs() < 3.5 && (width - 1.0).abs() < 0.1);
    }
}

/// An efficiency with a step that signal has and background has not: no few polynomials tell their ratio, which is noticed, and
/// a fit that subtracts the sample of background needs none.
#[test]
fn background_of_another_acceptance_is_noticed_and_can_be_subtracted() {
    const N: usize = 6000;
    let mut rng = Pcg64::seed_from_u64(21);
    let (own, reference) = (family(0.0, LineShape::Narrow), family(-0.5, LineShape::Narrow));
    let mut accepted = |delta_c9: f64, seed: u64, n: usize| {
        let events = signal(&sampler(delta_c9, LineShape::Narrow), &mut rng, seed, 2 * n, false);
        with_a_step(&events, &mut rng).rows(0..n)
    };
    let simulated = accepted(-0.5, 1, 20 * N);
    let samples: Vec<EventBatch> = (0..12).map(|i| accepted(TRUTH, 2 + i, N)).collect();
    let family = own.clone().with_simulation(Simulation::new(&own, &reference, &simulated, None).unwrap());
    let sample = background(&mut rng, 4 * N, false);
    let given = [Simulated { reference: &reference, measured: &simulated, weights: None }];
    let density = Background::new(&family, &sample, None, &given, None).unwrap();
    let noticed: Vec<&str> = density.disagreement().map(|one| one.variables.as_str()).collect();
    assert!(!density.describes_its_sample() && noticed.contains(&"cos_theta_k"), "{noticed:?}");

    let background_events = (N as f64 * FRACTION / (1.0 - FRACTION)).round();
    let of = |deviation: f64, signal: &EventBatch, other: &EventBatch| {
        let mut events = signal.clone();
        events.append(other);
        let first = events.len();
        events.append(&sample);
        let mut weights = vec![1.0; first];
        weights.extend(vec![-background_events / sample.len() as f64; sample.len()]);
        let likelihood = Likelihood::new(&family, &events, 0).unwrap();
        let likelihood = likelihood.weighted(Weights::new(weights).unwrap()).unwrap();
        let fitted = fit(&likelihood.subtracting(first, deviation).unwrap()).unwrap();
        (fitted.values[0], fitted.sigma()[0])
    };
    let mut pulls = Vec::new();
    for signal in &samples {
        let other = background(&mut rng, background_events as usize, false);
        let (value, sigma) = of(0.0, signal, &other);
        pulls.push((value - TRUTH) / sigma);
        let (again, wider) = of(0.05, signal, &other);
        assert!(value == again && wider > sigma && wider < 1.5 * sigma, "{sigma} {wider}");
    }
    let mean = pulls.iter().sum::<f64>() / pulls.len() as f64;
    let squares = pulls.iter().map(|pull| pull * pull).sum::<f64>() / pulls.len() as f64;
    assert!(mean.abs() < 0.9 && squares > 0.3 && squares < 2.2, "{pulls:?}");
    // The same acceptance of both is in the reference.
    let sample = with_a_step(&background(&mut rng, 8 * N, false), &mut rng);
    let density = Background::new(&family, &sample, None, &given, None).unwrap();
    assert!(density.describes_its_sample(), "{:?}", density.disagreement().collect::<Vec<_>>());
}

/// Events that an efficiency of 0.3 beyond cos theta_K = 0.6 leaves.
fn with_a_step(events: &EventBatch, rng: &mut Pcg64) -> EventBatch {
    let keep: Vec<bool> = events.cos_theta_k.iter().map(|k| *k < 0.6 || rng.random::<f64>() < 0.3).collect();
    events.filtered(&keep)
}

/// A constraint stays in the middle of the sandwich by its own variance: with weights it is as good as without.
#[test]
fn a_constraint_is_not_scaled_by_weights() {
    let mut rng = Pcg64::seed_from_u64(8);
    let mut events = signal(&sampler(TRUTH, LineShape::Narrow), &mut rng, 8, 1000, false);
    events.append(&background(&mut rng, 800, false));
    let own = family(0.0, LineShape::Narrow);
    let density = Background::new(&own, &background(&mut rng, 4000, false), None, &[], Some(2)).unwrap();
    let of = |weight: Option<f64>| {
        let likelihood = Likelihood::new(&own, &events, 0).unwrap();
        let likelihood = match weight {
            Some(weight) => likelihood.weighted(Weights::new(vec![weight; 1800]).unwrap()).unwrap(),
            None => likelihood,
        };
        let known = Fraction::Constrained(0.4, 0.001);
        fit(&likelihood.with_background(&events, &density, known).unwrap()).unwrap()
    };
    let plain = of(None);
    for weight in [1e-3, 1.0, 50.0] {
        let weighted = of(Some(weight));
        assert!(
            (weighted.values[1] - plain.values[1]).abs() < 1e-6 && (plain.sigma()[1] - 0.001).abs() < 2e-5
        );
        assert!(
            (weighted.sigma()[1] / plain.sigma()[1] - 1.0).abs() < 0.01,
            "{weight}: {:?}",
            weighted.sigma()
        );
        assert!((weighted.sigma()[0] / plain.sigma()[0] - 1.0).abs() < 0.1);
    }
}

#[test]
#[ignore = "minutes: hundreds of fits with a background, and a simulation, of their own"]
fn pulls_with_free_background() {
    let experiments: u64 = std::env::var("EXPERIMENTS").map_or(400, |n| n.parse().unwrap());
    for accepted in [false, true] {
        let of = |seed| pulls(LineShape::Narrow, accepted, Fraction::Free, 1000 + seed, 9000);
        let all: Vec<Pulls> = (0..experiments).into_par_iter().map(of).collect();
        let summary = |of: fn(&Pulls) -> f64| {
            let n = all.len() as f64;
            let mean = all.iter().map(of).sum::<f64>() / n;
            (mean, (all.iter().map(|x| (of(x) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
        };
        let (profile, off) = (summary(|x| x.profile), summary(|x| x.off));
        println!(
            "acceptance {accepted}: c9 by its profile {profile:.3?}, by its standard deviation {:.3?}, fraction {:.3?} (mean, width); c9 off by {:.4} +- {:.4}, a part {:.3} of its width",
            summary(|x| x.c9),
            summary(|x| x.fraction),
            off.0,
            off.1 / (experiments as f64).sqrt(),
            off.0 / off.1
        );
        let error = (experiments as f64).sqrt().recip();
        assert!(profile.0.abs() < 0.1 + 3.0 * error && (profile.1 - 1.0).abs() < 0.03 + 3.0 * error);
    }
}

/// Means over accepted signal alone against the second derivatives of the likelihood of signal and background.
#[test]
fn the_information_of_accepted_events_is_that_of_their_likelihood() {
    let shape = LineShape::Narrow;
    let mut rng = Pcg64::seed_from_u64(12);
    let (own, reference) = (family(TRUTH, shape), family(-0.5, shape));
    let simulated = signal(&sampler(-0.5, shape), &mut rng, 13, 100_000, true);
    let sums = Simulation::new(&own, &reference, &simulated, None).unwrap();
    let accepted = own.clone().with_simulation(sums);
    let given = [Simulated { reference: &reference, measured: &simulated, weights: None }];
    let density =
        Background::new(&accepted, &background(&mut rng, 50_000, true), None, &given, Some(2)).unwrap();
    let known = Fraction::Constrained(FRACTION, 0.02);
    let n = 180_000;
    let (of_signal, of_background) = (100_000, 80_000);
    let mut data = signal(&sampler(TRUTH, shape), &mut rng, 14, of_signal, true);
    data.append(&background(&mut rng, of_background, true));
    let likelihood = |events: &EventBatch| {
        let likelihood = Likelihood::new(&accepted, events, 0).unwrap();
        likelihood.with_background(events, &density, known).unwrap()
    };
    let point = [0.0, FRACTION];
    let weights = weights_at(&own, &reference, &simulated, None, &point[..1]).unwrap();
    let information = AcceptedInformation::new(likelihood(&simulated), &point, &weights).unwrap();
    let hessian = likelihood(&data).jet(&point).hessian;
    for free in [vec![0], vec![0, 1]] {
        let (sigma, error) = information.first(n as f64, &free).unwrap();
        let expected = hessian.select_rows(&free).select_columns(&free).try_inverse().unwrap()[(0, 0)].sqrt();
        println!("{free:?}: {sigma} +- {error}, {expected}");
        assert!((sigma / expected - 1.0).abs() < 0.02 && error < 0.01 * sigma);
    }
}
