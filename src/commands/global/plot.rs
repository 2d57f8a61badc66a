//! `humboldt global plot`: the figures of an experiment, drawn anew.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::global::networks::folder;
use crate::progress::note;

/// Draw the figures of an experiment of `global nn` or `global gan` anew
#[derive(Debug, Args)]
pub(super) struct PlotArguments {
    /// Folder of the experiment
    folder: PathBuf,
}

impl PlotArguments {
    pub(super) fn run(self) -> Result<()> {
        let (card, result) = folder::read(&self.folder)?;
        for path in folder::draw(&self.folder, &card, &result.figures)? {
            note(format!("wrote {}", path.display()));
        }
        Ok(())
    }
}
