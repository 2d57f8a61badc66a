//! Samples against the exact rate, integrated independently of the generator.
//!
//! The long version takes its events per seed from `HUMBOLDT_STATISTICS_EVENTS` (1e8 if unset), a tenth of them for all
//! requests but the first; 3.4e9 events took 195 s on two shared cores:
//! `cargo test --release -p humboldt-pipeline --test integration generate_statistics::long -- --ignored --nocapture`.

mod expected;
mod histograms;
mod score;

use std::ops::RangeInclusive;

use humboldt_physics::charmonium::Charmonium;
use humboldt_physics::{
    Decay, Flavour, Lepton, LineShape, ModelName, Parameters, WilsonCoefficient, WilsonShifts,
};
use humboldt_pipeline::generate::{EventSampler, Q2Range, Q2Windows};
use humboldt_pipeline::rng::StreamKey;

use crate::generate_statistics::expected::Expected;
use crate::generate_statistics::histograms::Histograms;

/// Name, decay, line shape, ranges and vetoes.
type Request = (&'static str, Decay, LineShape, Vec<Q2Range>, Vec<Q2Range>);

/// Some decays with windows that reach all corners of the generator.
fn requests() -> Vec<Request> {
    let standard = WilsonShifts::default();
    let shifted = standard
        .with(WilsonCoefficient::C9, "-1.2+0.9i".parse().unwrap())
        .with(WilsonCoefficient::C7Prime, "0.2-0.3i".parse().unwrap())
        .with(WilsonCoefficient::C10Prime, "2+1i".parse().unwrap())
        .with(WilsonCoefficient::CS, "3-2i".parse().unwrap());
    let decay = |flavour, lepton, shifts| Decay::new(ModelName::Npr, flavour, lepton, shifts).unwrap();
    let muons = decay(Flavour::B0bar, Lepton::Muon, &standard);
    let turned = Charmonium::new(Parameters::standard()).unwrap().with("psi_2s", 1.5, 2.0).unwrap();
    let resonant = muons.with_charmonium(&turned).unwrap();
    let wide = LineShape::BreitWigner;
    vec![
        ("muons", muons, wide, vec![], vec![]),
        ("electrons", decay(Flavour::B0, Lepton::Electron, &standard), wide, vec![], vec![]),
        (
            "shifts and vetoes",
            decay(Flavour::B0, Lepton::Muon, &shifted),
            wide,
            vec![(Some(0.1), Some(18.0))],
            vec![(Some(8.0), Some(11.0)), (Some(12.5), Some(15.0))],
        ),
        (
            "narrow",
            decay(Flavour::BMinus, Lepton::Muon, &shifted),
            LineShape::Narrow,
            vec![(None, Some(8.0))],
            vec![],
        ),
        ("high q2", muons, wide, vec![(Some(17.0), None)], vec![]),
        ("tiny window", muons, wide, vec![(Some(1.0), Some(1.001))], vec![]),
        ("c-cbar threshold", muons, wide, vec![(Some(6.75), Some(6.77))], vec![]),
        ("charmonium", resonant, LineShape::Narrow, vec![(Some(9.0), Some(14.0))], vec![]),
    ]
}

/// Draws samples and looks at the p-values of their histograms: none alone may be tiny, and those of one histogram must be
/// uniform over the samples.
fn check(first: u64, others: u64, seeds: RangeInclusive<u64>) {
    let mut by_histogram: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for (number, (name, decay, shape, ranges, vetoes)) in requests().into_iter().enumerate() {
        let events = if number == 0 { first } else { others };
        let sampler = EventSampler::new(&decay, shape, &Q2Windows::new(&ranges, &vetoes).unwrap()).unwrap();
        let expected = Expected::new(&decay, shape, sampler.windows());
        let histograms = Histograms::new(&expected);
        for seed in seeds.clone() {
            let stream = StreamKey::new(seed).child(name, 0);
            let (counts, report) = histograms.of_sample(&sampler, stream, events);
            assert!(report.acceptance() > 0.97, "{name}: {report:?}");
            assert!(report.over_weights <= 2 + events / 1_000_000, "{name}: {report:?}");
            for (histogram, p) in histograms.p_values(&counts) {
                assert!(p > 1e-6, "{name}, seed {seed}: {histogram} has p = {p:e}");
                match by_histogram.iter_mut().find(|(known, _)| *known == histogram) {
                    Some((_, all)) => all.push(p),
                    None => by_histogram.push((histogram, vec![p])),
                }
            }
        }
        println!("{name}: {events} events for each seed");
    }
    for (histogram, mut p_values) in by_histogram {
        let samples = p_values.len();
        let distance = distance_from_uniform(&mut p_values);
        let p = kolmogorov(distance, samples);
        println!("{histogram}: {samples} p-values, distance from uniform {distance:.3}, p = {p:.4}");
        assert!(p > 0.001, "{histogram}: the p-values of the samples are not uniform, p = {p:e}");
    }
}

/// The largest difference between the distribution of numbers and the uniform one.
fn distance_from_uniform(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let n = numbers.len() as f64;
    numbers
        .iter()
        .enumerate()
        .map(|(i, x)| (x - i as f64 / n).max((i + 1) as f64 / n - x))
        .fold(0.0, f64::max)
}

/// The p-value of a distance, with the correction of M. A. Stephens (J. R. Stat. Soc. B 32, 115) for few numbers.
fn kolmogorov(distance: f64, samples: usize) -> f64 {
    let root = (samples as f64).sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: f64| 2.0 * (-2.0 * (k * lambda).powi(2)).exp();
    (1..50).map(|k| if k % 2 == 1 { term(f64::from(k)) } else { -term(f64::from(k)) }).sum()
}

#[test]
fn kolmogorov_has_the_tabulated_points() {
    // Critical values of D at 5 % and 1 %: n = 20 and 35 (exact tables), and the limit 1.3581, 1.6276 over sqrt n.
    for (samples, critical) in
        [(20, [0.294, 0.352]), (35, [0.224, 0.269]), (1_000_000, [0.001_358_1, 0.001_627_6])]
    {
        for (distance, p) in critical.into_iter().zip([0.05, 0.01]) {
            assert!((kolmogorov(distance, samples) / p - 1.0).abs() < 0.05, "{samples} {distance}");
        }
    }
    assert!((distance_from_uniform(&mut [0.9, 0.8, 0.5]) - 0.5).abs() < 1e-12);
}

#[test]
fn histograms_follow_the_exact_rate() {
    check(400_000, 200_000, 1..=4);
}

#[test]
fn scores_have_mean_zero_and_the_information_as_covariance() {
    score::check_score(100);
}

#[test]
fn weights_lead_to_the_events_of_a_shift() {
    score::check_weights(100, 1.0);
    score::check_weights(100, -1.5);
}

#[test]
#[ignore = "takes minutes"]
fn long_scores_and_weights() {
    score::check_score(5_000);
    score::check_weights(5_000, 1.0);
    score::check_weights(5_000, -1.5);
}

/// See the top of this file.
#[test]
#[ignore = "takes many minutes"]
fn long_histograms_follow_the_exact_rate() {
    let events = match std::env::var("HUMBOLDT_STATISTICS_EVENTS") {
        Ok(text) => text.parse::<f64>().expect("HUMBOLDT_STATISTICS_EVENTS is not a number") as u64,
        Err(_) => 100_000_000,
    };
    check(events, events / 10, 1..=20);
}
