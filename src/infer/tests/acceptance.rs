//! Fits of accepted events, normalised over accepted simulated ones (`docs/measured.md`).

use std::time::Instant;

use humboldt_infer::density::EventFamily;
use humboldt_infer::likelihood::Likelihood;
use humboldt_infer::moments::{BinMoments, MomentPredictions, moments};
use humboldt_infer::simulation::Simulation;
use humboldt_infer::unbinned::{Fitted, fit, intervals};
use humboldt_infer::unfold::{SimulatedTruth, unfolded};
use humboldt_infer::weights::Weights;
use humboldt_physics::convention::DecayVariables;
use humboldt_physics::{
    Decay, Density, Efficiency, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonDirection,
    WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use rayon::prelude::*;

const WIDE: [(f64, f64); 1] = [(0.1, 19.2)];
const C9: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C9);
const C10: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C10);
const EVENTS: usize = 24_613;
/// Point at which events are simulated.
const REFERENCE: f64 = -0.5;

fn decay(delta_c9: f64) -> Decay {
    Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(delta_c9)).unwrap()
}

/// Falls with cos_theta_k towards 1 and at low q2.
fn efficiency(q2: f64, l: f64, k: f64, chi: f64) -> f64 {
    (1.0 - 0.25 * (1.0 + k).powi(2) * 0.8)
        * (1.0 - 0.6 * (-q2 / 2.0).exp())
        * (1.0 - 0.3 * l * l)
        * (0.8 + 0.1 * chi.cos())
}

/// Accepted events of a shift of C9, at least `n`.
struct Accepted(EventSampler);

impl Accepted {
    fn new(delta_c9: f64, line_shape: LineShape) -> Self {
        let windows = Q2Windows::new(&[(Some(WIDE[0].0), Some(WIDE[0].1))], &[]).unwrap();
        Self(EventSampler::new(&decay(delta_c9), line_shape, &windows).unwrap())
    }

    fn events(&self, seed: u64, n: usize) -> EventBatch {
        let mut kept = EventBatch::default();
        for part in 0.. {
            let (events, _) = self.0.generate(StreamKey::new(seed * 64 + part), n);
            // Of the low digits of what an event is: no further random numbers are needed.
            let keep: Vec<bool> = (0..events.len())
                .map(|i| {
                    let [q2, l, k, chi] = [&events.q2, &events.cos_theta_l, &events.cos_theta_k, &events.chi]
                        .map(|c| f64::from(c[i]));
                    let mut bits = (q2.to_bits() ^ l.to_bits().rotate_left(21) ^ k.to_bits().rotate_left(42))
                        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    bits ^= chi.to_bits().rotate_left(7);
                    bits = (bits ^ (bits >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                    bits = (bits ^ (bits >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
                    ((bits ^ (bits >> 32)) >> 11) as f64 / (1_u64 << 53) as f64 <= efficiency(q2, l, k, chi)
                })
                .collect();
            kept.append(&events.filtered(&keep));
            if kept.len() >= n {
                break;
            }
        }
        kept.rows(0..n)
    }
}

fn family(delta_c9: f64, line_shape: LineShape, free: &[WilsonDirection]) -> EventFamily {
    EventFamily::new(&decay(delta_c9), line_shape, &WIDE, free).unwrap()
}

fn accepted_family(
    line_shape: LineShape,
    free: &[WilsonDirection],
    simulated: &EventBatch,
    weights: Option<&Weights>,
) -> EventFamily {
    let (own, reference) = (family(0.0, line_shape, free), family(REFERENCE, line_shape, free));
    let simulation = Simulation::new(&own, &reference, simulated, weights).unwrap();
    own.with_simulation(simulation)
}

fn fitted(family: &EventFamily, events: &EventBatch) -> (Fitted, [f64; 2]) {
    let likelihood = Likelihood::new(family, events, 0).unwrap();
    let mut fitted = fit(&likelihood).unwrap();
    let interval = intervals(&likelihood, &mut fitted).unwrap()[0];
    (fitted, [interval.minus.unwrap(), interval.plus.unwrap()])
}

/// The bound on c9 of accepted events, known acceptance: mean squared score.
fn bound(delta_c9: f64) -> f64 {
    let acceptance = Efficiency::new(efficiency);
    let density =
        Density::with_efficiency(&decay(delta_c9), LineShape::Narrow, &WIDE, &[C9], Some(acceptance))
            .unwrap();
    let events = Accepted::new(delta_c9, LineShape::Narrow).events(99, 400_000);
    let square: f64 = (0..events.len())
        .into_par_iter()
        .map(|i| {
            let [q2, cos_theta_l, cos_theta_k, chi] =
                [&events.q2, &events.cos_theta_l, &events.cos_theta_k, &events.chi].map(|c| f64::from(c[i]));
            density.scores(&DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi: 0.0 })[0].powi(2)
        })
        .collect::<Vec<_>>()
        .iter()
        .sum();
    (EVENTS as f64 * square / events.len() as f64).sqrt().recip()
}

/// With the same acceptance in both, fits of accepted events give the generated values, in both line shapes.
#[test]
fn accepted_events_are_fitted_without_knowing_the_acceptance() {
    for line_shape in LineShape::ALL {
        let simulated = Accepted::new(REFERENCE, line_shape).events(1, 300_000);
        let family = accepted_family(line_shape, &[C9, C10], &simulated, None);
        let events = Accepted::new(-0.87, line_shape).events(2, EVENTS);
        let likelihood = Likelihood::new(&family, &events, 0).unwrap();
        let fitted = fit(&likelihood).unwrap();
        let sigma = fitted.sigma();
        println!("{line_shape}: {:?} +- {sigma:?}", fitted.values);
        assert!((fitted.values[0] + 0.87).abs() < 3.5 * sigma[0] && fitted.values[1].abs() < 3.5 * sigma[1]);
        assert!(fitted.covariance[(0, 0)] > fitted.curved[(0, 0)]);
        // Without the acceptance it is a wrong answer.
        let (wrong, _) = self::fitted(&self::family(0.0, line_shape, &[C9]), &events);
        assert!((wrong.values[0] + 0.87).abs() > 5.0 * wrong.sigma()[0], "{:?}", wrong.values);
    }
}

/// Weights of simulated events: half of them twice, the others not at all, is half of the sample; a common factor is nothing.
#[test]
fn weights_of_simulated_events_count() {
    let simulated = Accepted::new(REFERENCE, LineShape::Narrow).events(3, 60_000);
    let data = Accepted::new(-0.87, LineShape::Narrow).events(4, 10_000);
    let weights =
        |factor: f64| Weights::new((0..60_000).map(|i| factor * f64::from(i % 2)).collect()).unwrap();
    let half = simulated.filtered(&(0..60_000).map(|i| i % 2 == 1).collect::<Vec<_>>());
    let of = |simulated: &EventBatch, weights: Option<&Weights>| {
        fitted(&accepted_family(LineShape::Narrow, &[C9], simulated, weights), &data)
    };
    let (first, first_interval) = of(&half, None);
    for factor in [2.0, 1e-3] {
        let (second, second_interval) = of(&simulated, Some(&weights(factor)));
        assert!((first.values[0] - second.values[0]).abs() < 1e-9);
        assert!((first.sigma()[0] - second.sigma()[0]).abs() < 1e-9);
        assert!((first_interval[0] - second_interval[0]).abs() < 1e-6);
    }
}

/// Moments of accepted events, unfolded with events that were simulated elsewhere, are those before acceptance.
#[test]
fn moments_of_accepted_events_are_unfolded() {
    let bins = [(1.1, 2.5), (2.5, 6.0), (11.0, 15.0), (15.0, 19.0)];
    let reference = family(REFERENCE, LineShape::Narrow, &[C9]);
    let simulated = Accepted::new(REFERENCE, LineShape::Narrow).events(21, 400_000);
    let events = Accepted::new(-0.87, LineShape::Narrow).events(22, 4 * EVENTS);
    let truth =
        SimulatedTruth { reference: &reference, measured: &simulated, truth: &simulated, weights: None };
    let accepted = moments(&events, &bins).unwrap();
    let unfolded = unfolded(&accepted, &truth).unwrap();
    let expected =
        MomentPredictions::new(&family(-0.87, LineShape::Narrow, &[C9]), &bins).unwrap().values(&[0.0]);
    let chi2 = |found: &[BinMoments]| {
        let pull = |(bin, expected): (&BinMoments, &nalgebra::SVector<f64, 12>)| {
            (0..12).map(|i| (bin.s[i] - expected[i]).powi(2) / bin.covariance[(i, i)]).sum::<f64>()
        };
        found.iter().zip(&expected).map(pull).sum::<f64>() / 48.0
    };
    println!("chi2 a number: {:.2} unfolded, {:.1} as they are", chi2(&unfolded), chi2(&accepted));
    assert!(chi2(&unfolded) < 2.0 && chi2(&accepted) > 10.0);
    assert!(unfolded.iter().zip(&accepted).all(|(a, b)| a.covariance[(1, 1)] > b.covariance[(1, 1)]));
}

struct Summary {
    width: f64,
    coverage: f64,
    bias: f64,
}

fn summary(fits: &[(f64, [f64; 2])], truth: f64) -> Summary {
    let n = fits.len() as f64;
    let mean = fits.iter().map(|fit| fit.0).sum::<f64>() / n;
    let width = (fits.iter().map(|fit| (fit.0 - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let covered = |(value, [minus, plus]): &&(f64, [f64; 2])| truth > value - minus && truth < value + plus;
    Summary { width, coverage: fits.iter().filter(covered).count() as f64 / n, bias: mean - truth }
}

/// Experiments at each of four points, M/N of 10 with a simulation each, M/N of 40 with one for each ten.
#[test]
#[ignore = "minutes: thousands of experiments at each of four points and two sizes of simulation"]
fn prototype_of_the_design_width_coverage_and_time() {
    const TRUTHS: [f64; 4] = [-2.0, -0.87, 0.0, 1.0];
    let experiments: u64 = std::env::var("EXPERIMENTS").map_or(1000, |n| n.parse().unwrap());
    let simulated = Accepted::new(REFERENCE, LineShape::Narrow);
    let (own, reference) =
        (family(0.0, LineShape::Narrow, &[C9]), family(REFERENCE, LineShape::Narrow, &[C9]));
    let data = TRUTHS.map(|truth| Accepted::new(truth, LineShape::Narrow));
    let bounds = TRUTHS.map(bound);
    for (ratio, experiments, of_each) in [(10, experiments, 1), (40, experiments / 2, 10)] {
        let mut fits: [Vec<(f64, [f64; 2])>; 4] = Default::default();
        let mut times: Vec<f64> = Vec::new();
        for seed in 0..experiments / of_each {
            let events = simulated.events(100_000 + 1000 * ratio + seed, ratio as usize * EVENTS);
            let simulation = Simulation::new(&own, &reference, &events, None).unwrap();
            let accepted = own.clone().with_simulation(simulation);
            for k in 0..of_each {
                for (data, fits) in data.iter().zip(&mut fits) {
                    let events = data.events(1000 + seed * of_each + k, EVENTS);
                    let start = Instant::now();
                    let (with, interval) = fitted(&accepted, &events);
                    let time = start.elapsed();
                    fits.push((with.values[0], interval));
                    if times.len() < 400 {
                        let start = Instant::now();
                        fitted(&own, &events);
                        times.push(time.as_secs_f64() / start.elapsed().as_secs_f64());
                    }
                }
            }
        }
        times.sort_by(f64::total_cmp);
        println!("M/N {ratio}: time of the fit without acceptance x {:.3}", times[times.len() / 2]);
        let (mut ratios, mut covered) = (0.0, 0.0);
        for ((truth, bound), fits) in TRUTHS.iter().zip(bounds).zip(&fits) {
            let Summary { width, coverage, bias } = summary(fits, *truth);
            let best = bound * (1.0 + 1.0 / ratio as f64).sqrt();
            println!(
                "{truth:5}: {} fits, width {width:.5} = {:.4} x {best:.5}, coverage {coverage:.4}, bias {bias:+.5}",
                fits.len(),
                width / best
            );
            ratios += width / best / 4.0;
            covered += coverage / 4.0;
        }
        println!("all: width {ratios:.4} x bound, coverage {covered:.4}");
        assert!(ratios < 1.02 && (covered - 0.683).abs() < 0.015 && times[times.len() / 2] < 1.3);
    }
}
