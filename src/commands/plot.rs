//! `humboldt plot`: the figures of a run, drawn anew.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::ratio;
use crate::ratio::evaluation::evaluated;
use crate::run::{RunFolder, evaluation, figures};

/// Draw the figures of an evaluated run anew
#[derive(Debug, Args)]
pub(super) struct PlotArguments {
    /// Folder of an evaluated run
    run: PathBuf,
}

impl PlotArguments {
    pub(super) fn run(self) -> Result<()> {
        let run = RunFolder::open(&self.run)?;
        if run.learns_ratios() {
            return Ok(ratio::figures::draw(&run, &evaluated(&run)?)?);
        }
        Ok(figures::draw(&run, &evaluation::read(&run)?)?)
    }
}
