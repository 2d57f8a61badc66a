//! HepMC3 files: what they hold, by a reader of our own and by pyhepmc; what does not change them; what is refused.

#![allow(clippy::float_cmp, reason = "what is written must be read back exactly")]

mod python;
mod reader;
mod refused;
mod written;

use std::path::Path;

use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonShifts};
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::store::{BMomentum, HepMcWriter};
use humboldt_pipeline::{EventBatch, PipelineError};
use humboldt_schemas::card::GeneratorCard;
use humboldt_schemas::provenance::Provenance;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn provenance(flavour: Flavour, lepton: Lepton, seed: u64) -> Provenance {
    let card = GeneratorCard { flavour, lepton, ..GeneratorCard::default() };
    Provenance::new("c0ffee".to_owned(), seed, card)
}

fn decay(flavour: Flavour, lepton: Lepton) -> Result<Decay, PipelineError> {
    Ok(Decay::new(ModelName::Npr, flavour, lepton, &WilsonShifts::STANDARD_MODEL)?)
}

fn events(
    flavour: Flavour,
    lepton: Lepton,
    shape: LineShape,
    events: usize,
) -> Result<EventBatch, PipelineError> {
    let sampler = EventSampler::new(&decay(flavour, lepton)?, shape, &Q2Windows::full())?;
    Ok(sampler.generate(StreamKey::new(11), events).0)
}

fn write(
    path: &Path,
    (flavour, lepton, seed): (Flavour, Lepton, u64),
    b_momentum: BMomentum,
    events: &EventBatch,
) -> Result<(), PipelineError> {
    let provenance = provenance(flavour, lepton, seed);
    let mut writer = HepMcWriter::create(path, &provenance, &decay(flavour, lepton)?, b_momentum, &[])?;
    writer.write(events)?;
    writer.finish()
}

/// Events `range` of a batch.
fn part(events: &EventBatch, range: std::ops::Range<usize>) -> EventBatch {
    let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] =
        events.columns().map(|column| column[range.clone()].to_vec());
    EventBatch { q2, cos_theta_l, cos_theta_k, chi, m_kpi }
}
