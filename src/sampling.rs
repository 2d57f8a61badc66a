//! From a card's words to a sampler of events.

use humboldt_physics::{Decay, Efficiency, Parameters, Point, SWave, WilsonShifts};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, GenerationReport, Q2Windows};
use humboldt_pipeline::phase_space::ROUNDING;
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::{AcceptanceCard, Effects, GeneratorCard};

use crate::Error;
use crate::progress::{note, number};

/// The sampler that a card describes, all shifts included.
///
/// # Errors
/// When a name is unknown, a shift is refused, or a window lies outside phase space.
pub fn sampler(card: &GeneratorCard) -> Result<EventSampler, Error> {
    with_shifts(card, &card.shifts()?)
}

/// The sampler that a card describes, at a point of the coefficients that are learned.
///
/// # Errors
/// As [`sampler`].
pub fn sampler_at(card: &GeneratorCard, point: &Point) -> Result<EventSampler, Error> {
    with_shifts(card, &point.on(card.shifts()?))
}

fn with_shifts(card: &GeneratorCard, shifts: &WilsonShifts) -> Result<EventSampler, Error> {
    let (decay, line_shape) = (card.decay(shifts)?, card.line_shape);
    let sampler = EventSampler::new(&decay, line_shape, &windows(card)?)?;
    Ok(sampler.with_effects(&card.effects, &decay, line_shape)?)
}

/// The acceptance of a card and its S-wave, of a decay: what is part of the density of signal.
///
/// # Errors
/// When the physics refuses them.
pub fn effects_of_signal(
    card: &GeneratorCard,
    decay: &Decay,
) -> Result<(Option<Efficiency>, Option<SWave>), Error> {
    let line_shape = card.line_shape;
    let s_wave = card.effects.s_wave.as_ref().map(|card| card.of(decay, line_shape)).transpose()?;
    Ok((card.effects.acceptance.as_ref().map(AcceptanceCard::efficiency), s_wave))
}

/// Signal of a decay with the acceptance and the S-wave of a card, without detector and background.
///
/// # Errors
/// As [`sampler`].
pub fn accepted_signal(
    card: &GeneratorCard,
    decay: &Decay,
    stream: StreamKey,
    events: usize,
) -> Result<EventBatch, Error> {
    let Effects { s_wave, acceptance, .. } = card.effects.clone();
    let effects = Effects { s_wave, acceptance, ..Effects::default() };
    let line_shape = card.line_shape;
    let sampler = EventSampler::new(decay, line_shape, &windows(card)?)?;
    let (events, report) = sampler.with_effects(&effects, decay, line_shape)?.generate(stream, events);
    check(&report)?;
    Ok(events)
}

/// The windows in q2 that a card describes.
///
/// # Errors
/// When they exclude each other.
pub fn windows(card: &GeneratorCard) -> Result<Q2Windows, Error> {
    let range = |r: &humboldt_schemas::card::Q2Range| (r.min, r.max);
    Ok(Q2Windows::new(
        &card.q2.iter().map(range).collect::<Vec<_>>(),
        &card.veto.iter().map(range).collect::<Vec<_>>(),
    )?)
}

/// A sentence for each physical input of a card that changes nothing in its events.
///
/// # Errors
/// When the physics refuses the card.
pub fn idle_inputs(card: &GeneratorCard) -> Result<Vec<String>, Error> {
    let shifts = card.shifts()?;
    let own = card.decay(&shifts)?;
    let mut sentences = Vec::new();
    for (name, value) in &card.inputs {
        if Parameters::standard().value(name)?.to_bits() == value.to_bits() {
            continue;
        }
        let mut without = card.clone();
        without.inputs.remove(name);
        // What is refused without it depends on it.
        let Ok(other) = without.decay(&shifts) else { continue };
        match Change::between(&own, &other) {
            Change::Nothing => {
                let model = &card.model;
                sentences.push(format!(
                    "input {name} = {value} changes nothing: model {model} does not use it here"
                ));
            }
            Change::Rate => {
                sentences.push(format!(
                    "input {name} = {value} changes the rate alone, not how events are distributed"
                ));
            }
            Change::Shape => {}
        }
    }
    Ok(sentences)
}

/// Differences between two decays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Rate,
    Shape,
}

impl Change {
    fn between(a: &Decay, b: &Decay) -> Self {
        const Q2_STEPS: u32 = 200;
        if a.masses() != b.masses() || a.m_kstar().to_bits() != b.m_kstar().to_bits() {
            return Self::Shape;
        }
        let mut ratio = None;
        for m_kpi in [a.m_kstar(), 0.75, 1.1] {
            let (low, high) = (a.q2_min(), a.q2_max(m_kpi));
            for step in 1..Q2_STEPS {
                let q2 = low + (high - low) * f64::from(step) / f64::from(Q2_STEPS);
                let [own, other] = [a, b].map(|decay| decay.angular_coefficients(q2, m_kpi));
                let (rate, ratio) = (own.rate(), *ratio.get_or_insert(other.rate() / own.rate()));
                let same = |(x, y): (&f64, &f64)| (x * ratio - y).abs() <= 1e-12 * ratio.abs() * rate;
                if !own.as_array().iter().zip(&other.as_array()).all(same) {
                    return Self::Shape;
                }
            }
        }
        if ratio.is_some_and(|ratio: f64| (ratio - 1.0).abs() > 1e-13) { Self::Rate } else { Self::Nothing }
    }
}

/// The windows in q2 [GeV^2] that a card describes, from end to end of phase space where it leaves an end open.
///
/// # Errors
/// As [`sampler`].
pub fn resolved_windows(card: &GeneratorCard) -> Result<Vec<(f64, f64)>, Error> {
    Ok(windows(card)?.of(&card.own_decay()?, card.line_shape)?)
}

/// Windows in q2 [GeV^2] in words, as `--q2` takes them.
pub fn in_words(windows: &[(f64, f64)]) -> String {
    let ends: Vec<String> = windows.iter().map(|(low, high)| format!("{low}:{high}")).collect();
    ends.join(",")
}

/// Whether a q2 in single precision lies in one of some windows; a value at an edge may have been rounded beyond it.
pub fn holds(windows: &[(f64, f64)], q2: f32) -> bool {
    let q2 = f64::from(q2);
    windows.iter().any(|(low, high)| q2 >= low * (1.0 - ROUNDING) && q2 <= high * (1.0 + ROUNDING))
}

/// Refuses a sample that does not follow its density.
///
/// # Errors
/// When more than ten candidates and one in 100,000 lay outside the sampler's bounds.
pub fn check(report: &GenerationReport) -> Result<(), Error> {
    let outside = report.over_weights + report.under_weights;
    if outside <= 10 || outside as f64 <= 1e-5 * report.trials as f64 {
        return Ok(());
    }
    Err(Error::Bounds { outside, trials: report.trials })
}

/// Says how many candidates lay outside the sampler's bounds, if any did.
pub fn note_outside(report: &GenerationReport) {
    if report.over_weights + report.under_weights > 0 {
        note(format!(
            "of {} candidates {} had a weight above 1 (the largest {:.4}) and {} fell short of their lower bound",
            number(report.trials as f64),
            report.over_weights,
            report.max_over_weight,
            report.under_weights
        ));
    }
}
