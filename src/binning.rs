//! Events of a file that become images: which of them, and what makes them doubtful.

use std::path::Path;

use humboldt_pipeline::store::{EventReader, More};
use humboldt_pipeline::{EventBatch, PipelineError};
use humboldt_schemas::card::{GeneratorCard, Q2Range};
use humboldt_schemas::layout::Layout;
use humboldt_schemas::provenance::Provenance;

use crate::error::{Error, Place as _};
use crate::guards::doubts;
use crate::inference::open_unweighted;
use crate::sampling::{holds, in_words, resolved_windows};

/// A file of events that become images.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The events, each of which counts as one.
    pub file: &'a Path,
    /// Layout of the file; none of humboldt's own columns.
    pub layout: Option<&'a Layout>,
    /// Windows in q2 (GeV^2) that events are taken from; those of the file where none is given.
    pub q2: &'a [Q2Range],
    /// Windows in q2 (GeV^2) whose events are left out.
    pub veto: &'a [Q2Range],
    /// Events of an image.
    pub events_per_image: usize,
}

/// Events of a file that were chosen for images.
pub struct Chosen {
    /// The making of the events: what the file says, or the defaults, in the windows that were asked for.
    pub generator: GeneratorCard,
    /// Number of images.
    pub images: usize,
    /// Events that are left out, and reasons to doubt the others, in words.
    pub notes: Vec<String>,
    reader: EventReader,
    windows: Option<Vec<(f64, f64)>>,
}

impl Source<'_> {
    /// Opens the file and chooses its events.
    ///
    /// # Errors
    /// When the file cannot be read, has weights, has fewer events than an image, or was made in narrower windows.
    pub fn choose(self) -> Result<Chosen, Error> {
        let reader = open_unweighted(self.file, self.layout, More::MassIfThere)?;
        let mut generator = reader.provenance().map(|made| made.generator.clone()).unwrap_or_default();
        let windows = self.windows(reader.provenance().is_some(), &mut generator)?;
        let selects = windows.is_some() || reader.selects();
        let all = reader.len();
        let q2 = if selects { self.q2_in(windows.as_deref())? } else { Vec::new() };
        let events = if selects { q2.len() } else { all };
        let images = events / self.events_per_image.max(1);
        if images == 0 || self.events_per_image == 0 {
            let of = if selects { "in the windows in q2 of" } else { "of" };
            let allowed = format!("1 to {events}, the events {of} {}", self.file.display());
            return Err(Error::setting("events_per_image", self.events_per_image, allowed));
        }
        let mut notes = Vec::new();
        if let Some(windows) = windows.as_deref().filter(|_| events < all) {
            let more = if reader.selects() { ", or left out by the layout" } else { "" };
            let (out, windows) = (all - events, in_words(windows));
            notes.push(format!("{out} of {all} events left out, outside q2 = {windows}{more}"));
        }
        notes.extend(doubts(&reader, self.file, self.layout, &q2)?);
        Ok(Chosen { generator, images, notes, reader, windows })
    }

    /// The windows that events are selected in, where they are given; the card then says them.
    fn windows(&self, known: bool, card: &mut GeneratorCard) -> Result<Option<Vec<(f64, f64)>>, Error> {
        if self.q2.is_empty() && self.veto.is_empty() {
            return Ok(None);
        }
        let whole = resolved_windows(card)?;
        // Vetoes alone leave the windows that the file says.
        if !self.q2.is_empty() {
            card.q2 = self.q2.to_vec();
        }
        card.veto.extend(self.veto);
        let windows = resolved_windows(card)?;
        let inside = |(low, high): &(f64, f64)| whole.iter().any(|(from, to)| from <= low && high <= to);
        if known && !windows.iter().all(inside) {
            let (whole, file) = (in_words(&whole), self.file.display());
            let allowed = format!("windows inside {whole}, from which the events of {file} are");
            return Err(Error::setting("q2", in_words(&windows), allowed));
        }
        Ok(Some(windows))
    }

    /// q2 of the events in the windows, or of all that the layout keeps.
    fn q2_in(&self, windows: Option<&[(f64, f64)]>) -> Result<Vec<f32>, Error> {
        let mut inside = Vec::new();
        for batch in EventReader::open_as(self.file, self.layout, More::Nothing)? {
            let batch = batch.place(|| self.file.display().to_string())?;
            inside.extend(batch.q2.iter().filter(|q2| windows.is_none_or(|windows| holds(windows, **q2))));
        }
        Ok(inside)
    }
}

impl Chosen {
    /// Provenance that the file has; none of others' events.
    pub const fn provenance(&self) -> Option<&Provenance> {
        self.reader.provenance()
    }

    /// Whether windows were asked for.
    pub const fn has_windows(&self) -> bool {
        self.windows.is_some()
    }

    /// The events, batch by batch.
    pub fn batches(self) -> impl Iterator<Item = Result<EventBatch, PipelineError>> {
        let Self { reader, windows, .. } = self;
        reader.map(move |batch| {
            batch.map(|events| match &windows {
                Some(windows) => {
                    events.filtered(&events.q2.iter().map(|q2| holds(windows, *q2)).collect::<Vec<_>>())
                }
                None => events,
            })
        })
    }
}
