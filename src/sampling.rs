//! From a card's words to a sampler of events.

use anyhow::{Result, ensure};
use humboldt_physics::{Point, WilsonShifts};
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

/// The sampler that a card describes, at a point of the coefficients that are learned.
///
/// # Errors
/// As [`sampler`].
pub fn sampler_at(card: &GeneratorCard, point: &Point) -> Result<EventSampler> {
    with_shifts(card, &point.on(card.shifts()?))
}

fn with_shifts(card: &GeneratorCard, shifts: &WilsonShifts) -> Result<EventSampler> {
    Ok(EventSampler::new(&card.decay(shifts)?, card.line_shape()?, &windows(card)?)?)
}

/// The windows in q2 that a card describes.
///
/// # Errors
/// When they exclude each other.
pub fn windows(card: &GeneratorCard) -> Result<Q2Windows> {
    let range = |r: &humboldt_schemas::card::Q2Range| (r.min, r.max);
    Ok(Q2Windows::new(
        &card.q2.iter().map(range).collect::<Vec<_>>(),
        &card.veto.iter().map(range).collect::<Vec<_>>(),
    )?)
}

/// Refuses a sample that does not follow its density.
///
/// # Errors
/// When more than ten candidates and one in 100,000 lay outside the sampler's bounds.
pub fn check(report: &GenerationReport) -> Result<()> {
    let outside = report.over_weights + report.under_weights;
    ensure!(
        outside <= 10 || outside as f64 <= 1e-5 * report.trials as f64,
        "the sample does not follow its density: {outside} of {} candidates outside the sampler's bounds",
        report.trials
    );
    Ok(())
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
