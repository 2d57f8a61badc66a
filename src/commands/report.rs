//! `humboldt report`: a run in one HTML file.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::arguments::ForceArgument;
use crate::progress::outln;
use crate::ratio;
use crate::ratio::evaluation::evaluated;
use crate::run::{RunFolder, evaluation, page};

/// Write one self-contained HTML file of an evaluated run: summary, plots, image viewer or pseudo-experiments, training, card, downloads
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// Folder of an evaluated run
    run: PathBuf,
    /// File to write; RUN/results/report.html by default
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgument,
}

impl ReportArguments {
    pub(super) fn run(self) -> Result<()> {
        if let Some(out) = &self.out
            && out.extension().is_none_or(|ending| ending != "html")
        {
            bail!("--out = {} is not allowed; allowed: a name ending in .html", out.display());
        }
        if let Some(out) = &self.out {
            self.force.allow(out, &[])?;
        }
        let run = if self.out.is_some() { RunFolder::read(&self.run)? } else { RunFolder::open(&self.run)? };
        let out = self.out.as_deref();
        let path = if run.learns_ratios() {
            ratio::page::write(&run, &evaluated(&run)?, out)?
        } else {
            page::write(&run, &evaluation::read(&run)?, out)?
        };
        outln!("{}", path.display());
        Ok(())
    }
}
