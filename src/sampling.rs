//! From a card's words to a sampler of events.

use anyhow::{Result, ensure};
use humboldt_physics::{Decay, WilsonCoefficient, WilsonShifts};
use humboldt_pipeline::generate::{EventSampler, GenerationReport, Q2Windows};
use humboldt_schemas::card::GeneratorCard;

use crate::progress::{note, number};

/// The sampler that a card describes, all shifts included.
///
/// # Errors
/// When a name is unknown, a shift is refused, or a window lies outside phase space.
pub fn sampler(card: &GeneratorCard) -> Result<EventSampler> {
    with_shifts(card, &card.shifts()?)
}

/// The sampler that a card describes, with `delta_c9` instead of the card's shift of C9.
///
/// # Errors
/// As [`sampler`].
pub fn sampler_at(card: &GeneratorCard, delta_c9: f64) -> Result<EventSampler> {
    with_shifts(card, &card.shifts()?.with(WilsonCoefficient::C9, delta_c9.into()))
}

fn with_shifts(card: &GeneratorCard, shifts: &WilsonShifts) -> Result<EventSampler> {
    let decay = Decay::new(card.model()?, card.flavour()?, card.lepton()?, shifts)?;
    let range = |r: &humboldt_schemas::card::Q2Range| (r.min, r.max);
    let windows = Q2Windows::new(
        &card.q2.iter().map(range).collect::<Vec<_>>(),
        &card.veto.iter().map(range).collect::<Vec<_>>(),
    )?;
    Ok(EventSampler::new(&decay, card.line_shape()?, &windows)?)
}

/// Says how events were made, and refuses a sample that does not follow its density.
///
/// # Errors
/// When more than one candidate in a million lay outside the sampler's bounds.
pub fn check(report: &GenerationReport) -> Result<()> {
    let outside = report.over_weights + report.under_weights;
    if outside > 0 {
        note(format!(
            "{outside} of {} candidates lay outside the sampler's bounds (largest weight {:.4})",
            number(report.trials as f64),
            report.max_over_weight
        ));
    }
    ensure!(
        outside as f64 <= 1e-6 * report.trials as f64,
        "the sample does not follow its density: {outside} of {} candidates outside the sampler's bounds",
        report.trials
    );
    Ok(())
}
