//! Scores and weights by column, on generated events.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use humboldt_physics::{
    Decay, Density, Flavour, Lepton, LineShape, ModelName, WilsonDirection, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::{Reweighting, ScoreColumns, relative_rates, relative_rates_as_measured};
use humboldt_schemas::card::Effects;

const EVENTS: usize = 200_000;

fn decay(delta_c9: f64) -> Decay {
    Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(delta_c9)).unwrap()
}

fn sample(delta_c9: f64, windows: &Q2Windows, seed: u64) -> (EventSampler, EventBatch) {
    let sampler = EventSampler::new(&decay(delta_c9), LineShape::BreitWigner, windows).unwrap();
    let (events, _) = sampler.generate(StreamKey::new(seed), EVENTS);
    (sampler, events)
}

fn mean(x: impl Iterator<Item = f64>) -> (f64, f64) {
    let all: Vec<f64> = x.collect();
    let n = all.len() as f64;
    let mean = all.iter().sum::<f64>() / n;
    let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, (variance / n).sqrt())
}

#[test]
fn scores_average_to_zero_and_parabolas_give_the_scores_back() {
    let windows = Q2Windows::new(&[(Some(0.1), Some(8.0)), (Some(11.0), None)], &[]).unwrap();
    let (sampler, events) = sample(-0.87, &windows, 1);
    let directions: Vec<WilsonDirection> = ["c9", "c10", "c9_im"].map(|d| d.parse().unwrap()).to_vec();
    let columns =
        ScoreColumns::new(&decay(-0.87), LineShape::BreitWigner, sampler.windows(), &directions).unwrap();
    assert_eq!(columns.names()[..5], ["score_c9", "a_c9", "b_c9", "c_c9", "score_c10"]);
    let values = columns.of(&events, 0).unwrap();
    for direction in 0..3 {
        let [score, a, b, c] = [0, 1, 2, 3].map(|i| &values[4 * direction + i]);
        let (mean_score, error) = mean(score.iter().copied());
        assert!(mean_score.abs() < 4.0 * error, "direction {direction}: {mean_score} +- {error}");
        // Scores differ from b/a by what depends on the K pi mass alone, which varies slowly.
        let (_, spread) = mean(score.iter().zip(a).zip(b).map(|((s, a), b)| s - b / a));
        let (_, whole) = mean(score.iter().copied());
        assert!(spread < 0.1 * whole, "direction {direction}: {spread} of {whole}");
        assert!(c.iter().zip(a).all(|(c, a)| *c >= 0.0 && *a > 0.0));
    }
    // Of the first event also in parts: batches do not matter.
    let mut first = events.clone();
    first.remove_first(EVENTS - 10);
    assert_eq!(columns.of(&first, 0).unwrap()[0], values[0][EVENTS - 10..]);
}

#[test]
fn measured_values_have_the_rates_of_true_ones_and_those_outside_phase_space_of_its_edge() {
    let (_, events) = sample(-0.87, &Q2Windows::new(&[], &[]).unwrap(), 2);
    let events = events.rows(0..2000);
    let directions: Vec<WilsonDirection> = ["c9", "c7_prime"].map(|d| d.parse().unwrap()).to_vec();
    let density = |line_shape| Density::new(&decay(-0.87), line_shape, &[], &directions).unwrap();
    let wide = density(LineShape::BreitWigner);
    let close = |a: &[f32], b: &[f32]| {
        assert_eq!(a.len(), 5 * events.len());
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4 * (1.0 + b.abs()))
    };
    let exact = relative_rates(&wide, &events).unwrap();
    assert!(close(&relative_rates_as_measured(&wide, &events, true), &exact));
    // Without the K pi mass all events have that of the pole, whether there is one or not.
    let without = EventBatch { m_kpi: Vec::new(), ..events.clone() };
    let at_pole = relative_rates_as_measured(&wide, &events, false);
    assert_eq!(at_pole, relative_rates_as_measured(&wide, &without, true));
    assert!(!close(&at_pole, &exact));
    let far = EventBatch {
        q2: vec![0.001, 25.0, 5.0, 5.0],
        cos_theta_l: vec![1.2, 0.1, -1.5, 0.0],
        cos_theta_k: vec![0.3, -1.1, 0.2, 0.0],
        chi: vec![3.2, 0.1, -0.4, 0.0],
        m_kpi: vec![0.9, 0.9, 0.2, 9.0],
    };
    let rates = relative_rates_as_measured(&wide, &far, true);
    assert!(rates.len() == 20 && rates.iter().all(|x| x.is_finite()) && rates.iter().any(|x| *x != 0.0));
    assert!(relative_rates(&wide, &far).is_err());
}

/// From the Standard Model to delta C9 of -1.5.
fn reweighting(sampler: &EventSampler) -> Reweighting {
    let windows = sampler.windows();
    Reweighting::new(&decay(0.0), &decay(-1.5), LineShape::BreitWigner, windows, &Effects::default()).unwrap()
}

#[test]
fn a_reweighted_sample_has_the_moments_of_a_direct_one() {
    let windows = Q2Windows::full();
    let (sampler, source) = sample(0.0, &windows, 2);
    let (_, direct) = sample(-1.5, &windows, 3);
    let reweighting = reweighting(&sampler);
    let weights = reweighting.weights(&source, 0).unwrap();
    let (total, error) = mean(weights.iter().copied());
    assert!((total - 1.0).abs() < 4.0 * error, "{total} +- {error}");
    let moments: [fn(&EventBatch, usize) -> f64; 4] = [
        |e, i| e.q2[i].into(),
        |e, i| f64::from(e.cos_theta_l[i]),
        |e, i| f64::from(e.cos_theta_k[i]).powi(2),
        |e, i| f64::from(e.cos_theta_l[i]) * f64::from(e.q2[i]),
    ];
    for (number, moment) in moments.into_iter().enumerate() {
        let (expected, sigma) = mean((0..EVENTS).map(|i| moment(&direct, i)));
        let (got, error) = mean(weights.iter().enumerate().map(|(i, w)| w * moment(&source, i)));
        let (plain, _) = mean((0..EVENTS).map(|i| moment(&source, i)));
        let tolerance = 4.0 * sigma.hypot(error);
        assert!((got - expected).abs() < tolerance, "moment {number}: {got} against {expected}");
        if number == 1 {
            assert!((plain - expected).abs() > 2.0 * tolerance, "the test sees nothing");
        }
    }
}

#[test]
fn events_outside_phase_space_are_refused_by_row() {
    let (sampler, mut events) = sample(0.0, &Q2Windows::full(), 4);
    events.q2[1234] = 25.0;
    let reweighting = reweighting(&sampler);
    let error = reweighting.weights(&events, 1_000_000).unwrap_err().to_string();
    assert!(error.contains("row 1001234") && error.contains("q2 = 25"), "{error}");
}
