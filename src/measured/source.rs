//! The density that the events of a file follow: as the file says, or as is said in its place.

use std::collections::BTreeSet;
use std::path::Path;

use humboldt_physics::Flavour;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{GeneratorCard, Q2Range, hash_json};
use humboldt_schemas::inference::Assumed;
use humboldt_schemas::layout::Layout;
use humboldt_schemas::provenance::Provenance;

use super::sample::{Settings, at_one_mass};
use super::table::{of_column, range};
use crate::Error;
use crate::assumptions::assumed;
use crate::error::Place;

/// What is said of events whose file does not say which density they follow.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// All of it; by default the Standard Model's events of model npr.
    pub card: Option<GeneratorCard>,
    /// Windows in q2 \[GeV^2\] that the events were selected in, in place of the card's.
    pub q2: Vec<Q2Range>,
}

/// The density that the events of a file follow.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the file says, or as is said of it.
    pub provenance: Provenance,
    /// Assumptions about events whose file says nothing.
    pub assumed: Option<Assumed>,
}

impl Source {
    /// The density of a file's events by its own word; where it says nothing, by what is said of it. Where they matter, the windows in q2 must be
    /// known.
    ///
    /// # Errors
    /// When the file cannot be read, or says itself what is said of it; when its events are of another flavour, or the windows are not known.
    pub fn of(
        file: &Path,
        layout: Option<&Layout>,
        said: &Said,
        windows_matter: bool,
    ) -> Result<Self, Error> {
        let mut reader = EventReader::open_as(file, layout, More::MassIfThere)?;
        if let Some(provenance) = reader.provenance().cloned() {
            let other = said.card.is_some().then_some("source").or((!said.q2.is_empty()).then_some("q2"));
            return other.map_or(Ok(Self { provenance, assumed: None }), |setting| {
                let allowed =
                    format!("none, for {} says itself which density its events follow", file.display());
                Err(Error::setting(setting, "a density", allowed))
            });
        }
        let seen = Seen::of(&mut reader).place(|| file.display().to_string())?;
        if seen.q2.is_empty() {
            return Err(Error::file(file, "events = 0 is not allowed; allowed: at least one"));
        }
        let own = seen.flavour();
        let flavour = own.filter(|_| said.card.is_none());
        let settings = Settings { q2: said.q2.clone(), flavour, ..Settings::default() };
        let card = settings.card(said.card.clone(), at_one_mass(&seen.m_kpi));
        // Without a card it is that of the events.
        if let Some(own) = own.filter(|own| *own != card.flavour) {
            let allowed = format!("{own}, of which the events of {} are", file.display());
            return Err(Error::setting("flavour of source", card.flavour, allowed));
        }
        if windows_matter && card.q2.is_empty() && card.veto.is_empty() {
            let (low, high) = range(&seen.q2);
            let allowed = format!(
                "the window in which the events were selected, which {} does not say; they lie in {low} to {high} GeV^2",
                file.display()
            );
            return Err(Error::Missing { setting: "q2", allowed });
        }
        let mut assumed = assumed(&card, &[])?;
        if said.card.is_none() {
            assumed.by_default = settings.by_default(!seen.flavours.is_empty());
        }
        Ok(Self { provenance: Provenance::new(hash_json(&card), 0, card), assumed: Some(assumed) })
    }
}

/// What a file of events shows of itself, read batch by batch.
#[derive(Debug, Default)]
struct Seen {
    /// Smallest and largest true q2 (GeV^2); empty without events.
    q2: Vec<f32>,
    /// Smallest and largest true K pi mass (GeV); empty where there is none.
    m_kpi: Vec<f32>,
    /// Values in the column of flavours; empty without one.
    flavours: BTreeSet<i8>,
}

impl Seen {
    fn of(reader: &mut EventReader) -> Result<Self, PipelineError> {
        let mut seen = Self::default();
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            let truth = sample.truth();
            for (ends, column) in [(&mut seen.q2, &truth.q2), (&mut seen.m_kpi, &truth.m_kpi)] {
                ends.extend(column);
                if !ends.is_empty() {
                    let (low, high) = range(ends);
                    *ends = vec![low, high];
                }
            }
            seen.flavours.extend(sample.flavours().unwrap_or_default());
        }
        Ok(seen)
    }

    /// The flavour of all events; none where they have both, or the file does not say it.
    fn flavour(&self) -> Option<Flavour> {
        let only = self.flavours.first().filter(|_| self.flavours.len() == 1);
        only.map(|column| of_column(*column))
    }
}
