//! The score of generated events: mean, covariance, and samples at another point by reweighting.

use std::f64::consts::PI;

use humboldt_physics::angular::angular_functions;
use humboldt_physics::convention::DecayVariables;
use humboldt_physics::quadrature::nodes;
use humboldt_physics::{
    Decay, Density, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonDirection, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::generate::{BLOCK, EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::{EventScores, ScoreLine};
use humboldt_schemas::card::{AcceptanceCard, BackgroundCard, Effects, Polynomials, SWaveCard};
use rayon::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};

const WINDOW: (f64, f64) = (1.1, 7.0);
const DIRECTIONS: [WilsonCoefficient; 2] = [WilsonCoefficient::C9, WilsonCoefficient::C10];

fn decay(delta_c9: f64) -> Decay {
    let shifts = WilsonShifts::default().with(WilsonCoefficient::C9, delta_c9.into());
    Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &shifts).unwrap()
}

fn densities() -> [Density; 2] {
    DIRECTIONS.map(|coefficient| {
        let direction = WilsonDirection::real(coefficient);
        Density::new(&decay(0.0), LineShape::BreitWigner, &[WINDOW], &[direction]).unwrap()
    })
}

fn sampler(delta_c9: f64) -> EventSampler {
    let windows = Q2Windows::new(&[(Some(WINDOW.0), Some(WINDOW.1))], &[]).unwrap();
    EventSampler::new(&decay(delta_c9), LineShape::BreitWigner, &windows).unwrap()
}

fn event(batch: &EventBatch, i: usize) -> DecayVariables {
    let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = batch.columns().map(|column| f64::from(column[i]));
    DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi }
}

/// Sums over the events of whole blocks, in the order of the blocks.
fn sums<const N: usize>(
    sampler: &EventSampler,
    stream: StreamKey,
    blocks: u64,
    f: impl Fn(&DecayVariables) -> [f64; N] + Sync,
) -> [f64; N] {
    let of_blocks: Vec<[f64; N]> = (0..blocks)
        .into_par_iter()
        .map(|index| {
            let (batch, _) = sampler.block(stream, index, BLOCK);
            let mut sum = [0.0; N];
            for i in 0..batch.len() {
                f(&event(&batch, i)).iter().zip(&mut sum).for_each(|(x, sum)| *sum += x);
            }
            sum
        })
        .collect();
    of_blocks.iter().fold([0.0; N], |sum, block| std::array::from_fn(|i| sum[i] + block[i]))
}

/// `E[s_i s_j]` of one event for (9, 9), (9, 10), (10, 10), by quadrature over all five variables.
fn information(densities: &[Density; 2]) -> [f64; 3] {
    /// Chebyshev points in the K pi mass: without the line shape, all is smooth in it.
    const MASSES: usize = 9;
    let (low, high) = decay(0.0).resonance().range(LineShape::BreitWigner);
    let angle = |n: usize| PI * (n as f64 + 0.5) / MASSES as f64;
    let masses: [f64; MASSES] =
        std::array::from_fn(|n| 0.5 * (low + high) + 0.5 * (high - low) * angle(n).cos());
    let slices: Vec<[f64; 4]> = masses.par_iter().map(|m_kpi| slice(densities, *m_kpi)).collect();
    let interpolated = |m_kpi: f64| {
        let (mut sum, mut norm) = ([0.0; 4], 0.0);
        for n in 0..MASSES {
            let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
            let weight = sign * angle(n).sin() / (m_kpi - masses[n]);
            norm += weight;
            sum = std::array::from_fn(|i| sum[i] + weight * slices[n][i]);
        }
        sum.map(|x| x / norm)
    };
    let mut sum = [0.0; 4];
    for (m_kpi, weight) in nodes(low, high, [0.82, 0.88, 0.9, 0.95, 1.1]) {
        let line = weight * decay(0.0).resonance().density(m_kpi);
        let slice = interpolated(m_kpi);
        sum = std::array::from_fn(|i| sum[i] + line * slice[i]);
    }
    [sum[1] / sum[0], sum[2] / sum[0], sum[3] / sum[0]]
}

/// At one K pi mass, in units of the rate over all q2: the rate in the window, and its integrals of `s_i s_j`.
fn slice(densities: &[Density; 2], m_kpi: f64) -> [f64; 4] {
    const TURN: usize = 16;
    let own = decay(0.0);
    let breaks = own.q2_thresholds().into_iter().chain([0.1, 0.5, 2.0]);
    let norm: f64 = nodes(own.q2_min(), own.q2_max(m_kpi), breaks)
        .iter()
        .map(|(q2, weight)| weight * own.angular_coefficients(*q2, m_kpi).rate())
        .sum();
    // What the score has besides the derivative of the event's own rate.
    let any = DecayVariables { q2: 3.0, cos_theta_l: 0.1, cos_theta_k: 0.2, chi: 0.3, m_kpi };
    let [o9, o10] =
        [0, 1].map(|i| densities[i].rate_at(&any).log_slope(0, &[0.0]) - densities[i].scores(&any)[0]);
    let cosines = nodes(-1.0, 1.0, []);
    let mut sum = [0.0; 4];
    for (q2, w) in nodes(WINDOW.0, WINDOW.1, own.q2_thresholds()) {
        let expansion = own.expansion(q2, m_kpi, &DIRECTIONS.map(WilsonDirection::real)).unwrap();
        for (l, w_l) in &cosines {
            for (k, w_k) in &cosines {
                for turn in 0..TURN {
                    let chi = 2.0 * PI * (turn as f64 + 0.5) / TURN as f64 - PI;
                    let f = angular_functions(*l, *k, chi);
                    let own = expansion.constant().dot(&f);
                    let rate = w * w_l * w_k * 2.0 * PI / TURN as f64 * own / norm;
                    let [s9, s10] = [(0, o9), (1, o10)].map(|(i, o)| expansion.linear(i).dot(&f) / own - o);
                    let terms = [1.0, s9 * s9, s9 * s10, s10 * s10];
                    sum = std::array::from_fn(|i| sum[i] + rate * terms[i]);
                }
            }
        }
    }
    sum
}

/// The mean of the score is zero and its covariance is the information.
pub(crate) fn check_score(blocks: u64) {
    let densities = densities();
    let expected = information(&densities);
    let n = (blocks * BLOCK as u64) as f64;
    let sums = sums(&sampler(0.0), StreamKey::new(31), blocks, |event| {
        let [x, y] = [0, 1].map(|i| densities[i].scores(event)[0]);
        [x, y, x * x, x * y, y * y, x.powi(4), x * x * y * y, y.powi(4)]
    });
    let [x, y, xx, xy, yy, xxxx, xxyy, yyyy] = sums.map(|sum| sum / n);
    for (name, mean, square) in [("C9", x, xx), ("C10", y, yy)] {
        let pull = mean / (square / n).sqrt();
        println!("mean score in {name}: {mean:.2e}, {pull:.2} sigma from 0");
        assert!(pull.abs() < 4.0, "{name}: mean score {mean}, {pull} sigma");
    }
    let found = [("C9, C9", xx, xxxx), ("C9, C10", xy, xxyy), ("C10, C10", yy, yyyy)];
    for ((name, found, square), expected) in found.into_iter().zip(expected) {
        let pull = (found - expected) / ((square - found * found) / n).sqrt();
        println!("information in {name}: {found:.6}, by quadrature {expected:.6}, {pull:.2} sigma");
        assert!(pull.abs() < 4.0, "information in {name}: {found} against {expected}, {pull} sigma");
    }
}

const Q2_BINS: usize = 6;
const ANGLE_BINS: usize = 4;
const CELLS: usize = Q2_BINS * ANGLE_BINS * ANGLE_BINS * ANGLE_BINS;

fn cell(event: &DecayVariables) -> usize {
    let bin = |x: f64, low: f64, high: f64, bins: usize| {
        (((x - low) / (high - low) * bins as f64) as usize).min(bins - 1)
    };
    let q2 = bin(event.q2, WINDOW.0, WINDOW.1, Q2_BINS);
    let l = bin(event.cos_theta_l, -1.0, 1.0, ANGLE_BINS);
    let k = bin(event.cos_theta_k, -1.0, 1.0, ANGLE_BINS);
    ((q2 * ANGLE_BINS + l) * ANGLE_BINS + k) * ANGLE_BINS + bin(event.chi, -PI, PI, ANGLE_BINS)
}

/// Weighted events of the Standard Model are distributed as those generated at a shift.
pub(crate) fn check_weights(blocks: u64, shift: f64) {
    let [density, _] = densities();
    let n = (blocks * BLOCK as u64) as f64;
    let collect = |delta_c9: f64, weight: &(dyn Fn(&DecayVariables) -> f64 + Sync)| {
        let sampler = sampler(delta_c9);
        let of_blocks: Vec<Vec<[f64; 2]>> = (0..blocks)
            .into_par_iter()
            .map(|index| {
                let stream = StreamKey::new(32).child("delta_c9", delta_c9.to_bits());
                let (batch, _) = sampler.block(stream, index, BLOCK);
                let mut cells = vec![[0.0; 2]; CELLS];
                for i in 0..batch.len() {
                    let event = event(&batch, i);
                    let weight = weight(&event);
                    let [sum, squares] = &mut cells[cell(&event)];
                    *sum += weight;
                    *squares += weight * weight;
                }
                cells
            })
            .collect();
        of_blocks.into_iter().fold(vec![[0.0; 2]; CELLS], |mut all, block| {
            all.as_flattened_mut().iter_mut().zip(block.as_flattened()).for_each(|(a, b)| *a += b);
            all
        })
    };
    let weighted = collect(0.0, &|event| density.weight(event, &[shift]));
    let direct = collect(shift, &|_| 1.0);
    let [sum, squares] = weighted.iter().fold([0.0; 2], |[a, b], [x, y]| [a + x, b + y]);
    let pull = (sum / n - 1.0) / ((squares / n - (sum / n).powi(2)) / n).sqrt();
    println!("mean weight at {shift}: {:.6}, {pull:.2} sigma from 1", sum / n);
    assert!(pull.abs() < 4.0, "mean weight {}, {pull} sigma from 1", sum / n);
    let chi2: f64 = weighted.iter().zip(&direct).map(|([w, ww], [d, dd])| (w - d).powi(2) / (ww + dd)).sum();
    let p = ChiSquared::new((CELLS - 1) as f64).unwrap().sf(chi2);
    println!("weighted against generated at {shift}: chi2 {chi2:.1} in {CELLS} cells, p = {p:.4}");
    assert!((1e-4..1.0 - 1e-4).contains(&p), "weighted against generated at {shift}: p = {p:e}");
}

/// Scores on lines through a plane of two coefficients are those of single densities at each of their points.
#[test]
fn scores_on_lines_are_those_of_their_points() {
    let (c9, c10) = (WilsonDirection::real(DIRECTIONS[0]), WilsonDirection::real(DIRECTIONS[1]));
    let lines = [
        ScoreLine { decay: decay(0.0), s_wave: None, direction: c9, shifts: vec![-1.0, 0.5] },
        ScoreLine { decay: decay(0.5), s_wave: None, direction: c10, shifts: vec![0.0, 0.3] },
    ];
    let scores = EventScores::new(&lines, LineShape::BreitWigner, &[WINDOW]).unwrap();
    assert_eq!(scores.len(), 4);
    let (batch, _) = sampler(-0.2).block(StreamKey::new(4), 0, 200);
    let at = |delta_c9: f64, delta_c10: f64, direction| {
        let shifts = WilsonShifts::delta_c9(delta_c9).with(DIRECTIONS[1], delta_c10.into());
        let decay = Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &shifts).unwrap();
        Density::new(&decay, LineShape::BreitWigner, &[WINDOW], &[direction]).unwrap()
    };
    let expected = [at(-1.0, 0.0, c9), at(0.5, 0.0, c9), at(0.5, 0.0, c10), at(0.5, 0.3, c10)];
    let batch = MeasuredEvents { events: batch, ..MeasuredEvents::default() };
    for i in 0..batch.events.len() {
        let mut found = [0.0; 4];
        scores.add(&batch, i, &mut found).unwrap();
        for (found, density) in found.iter().zip(&expected) {
            let exact = density.scores(&event(&batch.events, i))[0];
            assert!((f64::from(*found) - exact).abs() < 1e-5 * exact.abs().max(1.0), "{found} {exact}");
        }
    }
    assert!(EventScores::new(&[], LineShape::BreitWigner, &[WINDOW]).is_err());
}

/// Targets at detector level: of signal the score of its truth in the density of what is accepted, whose own normalisation over
/// phase space knows nothing of the sample that the means were taken from; of background nothing.
#[test]
fn scores_of_measured_events_are_those_of_accepted_signal() {
    let c9 = WilsonDirection::real(WilsonCoefficient::C9);
    let formula =
        Polynomials { cos_theta_k: vec![1.0, -0.6, -0.3], q2: vec![0.2, 0.1], ..Polynomials::default() };
    let effects = Effects {
        s_wave: Some(SWaveCard { fraction: Some(0.2), ..SWaveCard::default() }),
        acceptance: Some(AcceptanceCard { formula, ..AcceptanceCard::default() }),
        background: Some(BackgroundCard { combinatorial: 0.3, swap: 0.1, ..BackgroundCard::default() }),
        ..Effects::default()
    };
    let of_signal = |decay: &Decay, accepted: bool| {
        let efficiency = effects.acceptance.as_ref().filter(|_| accepted).map(AcceptanceCard::efficiency);
        let s_wave = effects.s_wave.as_ref().map(|card| card.of(decay, LineShape::BreitWigner).unwrap());
        Density::with_effects(decay, LineShape::BreitWigner, &[WINDOW], &[c9], efficiency, s_wave).unwrap()
    };
    let made = decay(-0.3);
    let sample = |events: usize, seed: u64| {
        let sampler = sampler(-0.3).with_effects(&effects, &made, LineShape::BreitWigner).unwrap();
        sampler.measured(StreamKey::new(seed), 0, events).0
    };
    let (origin, shifts) = (decay(-0.5), vec![0.2, 1.0]);
    let s_wave = effects.s_wave.as_ref().map(|card| card.of(&origin, LineShape::BreitWigner).unwrap());
    let line = ScoreLine { decay: origin, s_wave, direction: c9, shifts: shifts.clone() };
    let scores = EventScores::new(&[line], LineShape::BreitWigner, &[WINDOW]).unwrap();
    let scores = scores.accepted(&sample(200_000, 5).signal(), &of_signal(&made, false)).unwrap();

    let events = sample(200_000, 6);
    let mut all = vec![[0.0_f32; 2]; events.events.len()];
    all.iter_mut().enumerate().for_each(|(i, row)| scores.add(&events, i, row).unwrap());
    let signal: Vec<usize> = (0..all.len()).filter(|i| events.is_signal(*i)).collect();
    assert!((signal.len() as f64 / all.len() as f64 - 0.7).abs() < 0.01);
    assert!(
        (0..all.len())
            .filter(|i| !events.is_signal(*i))
            .all(|i| all[i].iter().all(|x| x.abs() < f32::MIN_POSITIVE))
    );
    for (k, shift) in shifts.iter().enumerate() {
        let exact = of_signal(&decay(-0.5 + shift), true);
        let exact: Vec<f64> =
            signal.iter().take(500).map(|i| exact.scores(&event(&events.truth, *i))[0]).collect();
        let spread = (exact.iter().map(|x| x * x).sum::<f64>() / 500.0).sqrt();
        for (i, exact) in signal.iter().zip(exact) {
            let found = f64::from(all[*i][k]);
            assert!((found - exact).abs() < 0.02 * spread, "{found} {exact}, deviation {spread}");
        }
    }
    // The first shift is where the sample was made.
    let mean = |f: &dyn Fn(f64) -> f64| {
        signal.iter().map(|i| f(all[*i][0].into())).sum::<f64>() / signal.len() as f64
    };
    let (average, deviation) = (mean(&|x| x), mean(&|x| x * x).sqrt());
    let error = deviation * (2.0 / signal.len() as f64).sqrt();
    assert!(average.abs() < 4.0 * error, "{average} +- {error}");
    let without = EventScores::new(
        &[ScoreLine { decay: made, s_wave: None, direction: c9, shifts: vec![0.0] }],
        LineShape::BreitWigner,
        &[WINDOW],
    )
    .unwrap();
    let plain = |i: &usize| {
        let mut row = [0.0];
        without.add(&events, *i, &mut row).unwrap();
        f64::from(row[0])
    };
    let off = signal.iter().map(plain).sum::<f64>() / signal.len() as f64;
    assert!(off.abs() > 20.0 * error, "the test sees nothing: {off} +- {error}");
}
