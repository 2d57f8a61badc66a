//! The density that the events of a file follow: as the file says, or as is said in its place.

use std::path::Path;

use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{GeneratorCard, Q2Range, hash_json};
use humboldt_schemas::inference::Assumed;
use humboldt_schemas::layout::Layout;
use humboldt_schemas::provenance::Provenance;

use super::sample::{Settings, at_one_mass};
use super::table::{Columns, Table, range};
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
    /// When the file cannot be read, or says it itself; when it has events of both flavours, or the windows are not known.
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
        let columns = Columns { weighted: false, truth: true };
        let table = Table::read(&mut reader, columns).place(|| file.display().to_string())?;
        if table.truth.is_empty() {
            return Err(Error::file(file, "events = 0 is not allowed; allowed: at least one"));
        }
        let settings = Settings { q2: said.q2.clone(), flavour: table.flavour(), ..Settings::default() };
        let settings = if said.card.is_some() { Settings { flavour: None, ..settings } } else { settings };
        let card = settings.card(said.card.clone(), at_one_mass(&table.truth));
        if let (Some(own), true) = (table.flavour(), said.card.is_some())
            && own != card.flavour
        {
            let allowed = format!("{own}, of which the events of {} are", file.display());
            return Err(Error::setting("flavour of source", card.flavour, allowed));
        }
        if windows_matter && card.q2.is_empty() && card.veto.is_empty() {
            let (low, high) = range(&table.truth.q2);
            let allowed = format!(
                "the window in which the events were selected, which {} does not say; they lie in {low} to {high} GeV^2",
                file.display()
            );
            return Err(Error::Missing { setting: "q2", allowed });
        }
        let mut assumed = assumed(&card, &[])?;
        if said.card.is_none() {
            assumed.by_default = settings.by_default(table.flavours.is_some());
        }
        Ok(Self { provenance: Provenance::new(hash_json(&card), 0, card), assumed: Some(assumed) })
    }
}
