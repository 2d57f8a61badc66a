//! Samples against EvtGen's moments (`tests/reference/evtgen_moments.json`).

use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonShifts};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use serde_json::Value;

const EVENTS: usize = 1_000_000;

/// Averages of the reference for each moment; `F_L` has its offset, `S7..S9` EvtGen's sign.
fn moment(name: &str, cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> f64 {
    let sin_l = (1.0 - cos_theta_l * cos_theta_l).max(0.0).sqrt();
    let sin_k = (1.0 - cos_theta_k * cos_theta_k).max(0.0).sqrt();
    let (sin2_l, sin2_k) = (2.0 * sin_l * cos_theta_l, 2.0 * sin_k * cos_theta_k);
    match name {
        "F_L" => (5.0 * cos_theta_k * cos_theta_k - 1.0) / 2.0,
        "A_FB" => cos_theta_l.signum(),
        "S3" => 25.0 / 8.0 * sin_k * sin_k * sin_l * sin_l * (2.0 * chi).cos(),
        "S4" => 25.0 / 8.0 * sin2_k * sin2_l * chi.cos(),
        "S5" => 2.5 * sin2_k * sin_l * chi.cos(),
        "S7" => -2.5 * sin2_k * sin_l * chi.sin(),
        "S8" => -25.0 / 8.0 * sin2_k * sin2_l * chi.sin(),
        "S9" => -25.0 / 8.0 * sin_k * sin_k * sin_l * sin_l * (2.0 * chi).sin(),
        other => panic!("unknown moment {other}"),
    }
}

/// Mean and its error over the events of a q2 bin; for `count` the number and its binomial error.
fn measured(batch: &EventBatch, bin: (f64, f64), name: &str) -> (f64, f64) {
    let inside = |q2: f32| (bin.0..bin.1).contains(&f64::from(q2));
    if name == "count" {
        let count = batch.q2.iter().filter(|q2| inside(**q2)).count() as f64;
        return (count, (count * (1.0 - count / batch.len() as f64)).sqrt());
    }
    let (mut n, mut sum, mut sum2) = (0.0, 0.0, 0.0);
    for i in (0..batch.len()).filter(|i| inside(batch.q2[*i])) {
        let value =
            moment(name, batch.cos_theta_l[i].into(), batch.cos_theta_k[i].into(), batch.chi[i].into());
        n += 1.0;
        sum += value;
        sum2 += value * value;
    }
    let mean = sum / n;
    (mean, ((sum2 / n - mean * mean) / n).sqrt())
}

#[test]
fn evtgen_moments_of_a_million_events() {
    let text = include_str!("../../tests/reference/evtgen_moments.json");
    let reference: Value = serde_json::from_str(text).unwrap();
    let (mut chi2, mut numbers) = ([0.0; 2], [0; 2]);
    for delta_c9 in [-1.0_f64, 0.0, 1.0] {
        let shifts = WilsonShifts::default().with(WilsonCoefficient::C9, delta_c9.into());
        let decay = Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &shifts).unwrap();
        let windows = Q2Windows::new(&[(Some(0.0593), None)], &[]).unwrap();
        let sampler = EventSampler::new(&decay, LineShape::BreitWigner, &windows).unwrap();
        let (batch, _) = sampler.generate(StreamKey::new(20).child("delta_c9", delta_c9.to_bits()), EVENTS);

        let bins = reference["samples"][format!("B0bar delta_c9={delta_c9:?}")]["bins"].as_object().unwrap();
        for (bin, moments) in bins {
            let [low, high]: [f64; 2] = serde_json::from_str(bin).unwrap();
            for (name, value) in moments.as_object().unwrap() {
                let [expected, error]: [f64; 2] = serde_json::from_value(value.clone()).unwrap();
                let (mean, own_error) = measured(&batch, (low, high), name);
                let pull2 = (mean - expected).powi(2) / (error * error + own_error * own_error);
                assert!(
                    pull2 < 20.0,
                    "delta_c9 = {delta_c9}, {bin} {name}: {mean} against {expected} +- {error}"
                );
                let t_odd = usize::from(["S7", "S8", "S9"].contains(&name.as_str()));
                chi2[t_odd] += pull2;
                numbers[t_odd] += 1;
            }
        }
    }
    println!(
        "chi2 {:.1} for {} T-even, {:.1} for {} T-odd numbers",
        chi2[0], numbers[0], chi2[1], numbers[1]
    );
    assert_eq!(numbers, [162, 81]);
    assert!(chi2[0] < 1.5 * f64::from(numbers[0]) && chi2[1] < 1.5 * f64::from(numbers[1]), "{chi2:?}");
}
