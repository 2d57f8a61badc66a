//! The layout of a file of events, as typed.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::ImageLayout;
use humboldt_schemas::layout::Layout;

use crate::guards;
use crate::progress::note;

/// Layout of the events' columns.
#[derive(Debug, Args)]
pub(super) struct LayoutArguments {
    /// Layout of the events: humboldt, basf2, lhcb, cms, or a file of your own, .toml; humboldt by default
    #[arg(long, value_name = "NAME|FILE.toml")]
    layout: Option<String>,
}

impl LayoutArguments {
    /// The layout; none of humboldt's own columns.
    pub(super) fn read(&self) -> Result<Option<Layout>> {
        Ok(self.layout.as_deref().map(Layout::find).transpose()?)
    }

    /// Layout of events and storage of images: `--layout dense` and `compact` were what `--storage` is.
    pub(super) fn with_storage(
        &self,
        storage: Option<ImageLayout>,
    ) -> Result<(Option<Layout>, Option<ImageLayout>)> {
        let old = self.layout.as_deref().and_then(|name| ImageLayout::from_str(name).ok());
        let Some(old) = old else { return Ok((self.read()?, storage)) };
        ensure!(
            storage.is_none(),
            "--layout = {old} is not allowed; allowed: a layout of events, --storage says how images are stored"
        );
        note(format!("--layout {old} is read as --storage {old}; --layout is the layout of events"));
        Ok((None, Some(old)))
    }
}

/// Opens a file of events, each of which counts as one.
pub(super) fn open_unweighted(path: &Path, layout: Option<&Layout>, more: More) -> Result<EventReader> {
    let reader = EventReader::open_as(path, layout, more)?;
    let column =
        layout.and_then(|layout| layout.weight.as_deref()).unwrap_or("weight").replace('|', "` or `");
    ensure!(
        !reader.is_weighted(),
        "{}: has a column `{column}` of weights, which means of q2 and a network's calibration do not know; allowed: unweighted events (reweight --unweight makes them), or fit and moments",
        path.display()
    );
    Ok(reader)
}

/// Reasons to doubt that the events of a file are what a command takes them for; `q2` in GeV^2.
pub(super) fn doubts(
    reader: &EventReader,
    path: &Path,
    layout: Option<&Layout>,
    q2: &[f32],
) -> Result<Vec<String>> {
    let resonant = reader.provenance().is_some_and(|made| made.generator.charmonium.is_some());
    // What a file of ours says of its flavour needs no column.
    let said = if reader.provenance().is_some() { &[] } else { reader.notes() };
    let mut doubts = said.to_vec();
    doubts.extend(guards::of_signs(&humboldt_pipeline::layout::signs(path, layout)?));
    if !resonant {
        doubts.extend(guards::of_resonances(q2));
    }
    Ok(doubts)
}
